/**
 * Owns what it costs to make an environment of a kind for two architectures, cold and with a cache, and its size.
 * Run alone: `node bench/environment.ts [KIND] [--quick]`, likewise on Deno (`-A`) and Bun. Bases that are not in node_modules
 * are downloaded by npm first, and packages by apt, which is not timed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentKind } from "../src/environment/document/schema.ts";
import type { MadeFile } from "../src/environment/made.ts";
import { type EnvironmentPlace, NO_PACKAGES, withEnvironments, withPackages } from "./environment_place.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";

const kind = (words[0] ?? "executable") as EnvironmentKind;
/** What packs takes long. */
const ROUNDS = quick || kind === "oci" || kind === "vm" ? 1 : 3;
const WHAT = "linux-x64 and linux-arm64, a pipeline inside; downloads are there";

/** Files that together are all that one machine needs; a machine has three forms, of which one is enough. */
const SIZES: Readonly<Partial<Record<EnvironmentKind, Readonly<Record<string, RegExp>>>>> = {
  vm: {
    "kernel and root": /linux-x64\.vm\/(vmlinuz|initrd)$/,
    "disk": /linux-x64\.vm\/disk\.img$/,
    "seed": /linux-x64\.vm\/seed\.img$/,
  },
  script: { "program": /linux-x64$/, "script": /install\.sh$/ },
};

async function measure(place: EnvironmentPlace): Promise<Figure[]> {
  const out = join(place.folder, "out");
  const cold: number[] = [], kept: number[] = [];
  let files: readonly MadeFile[] = [];
  if (!quick) await place.build({ kinds: [kind] });
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ["executables", "packed"]) {
      rmSync(join(place.cache, name), { recursive: true, force: true });
    }
    for (const times of [cold, kept]) {
      rmSync(out, { recursive: true, force: true });
      const since = performance.now();
      files = await place.build({ kinds: [kind] });
      times.push(performance.now() - since);
    }
  }
  const sizes = SIZES[kind] ?? { "": kind === "oci" ? await imageFiles(files, out) : /linux-x64$/ };
  return [
    figure(`environment: ${kind}, cold`, cold, { unit: "ms", how: `${WHAT}; nothing made is cached` }),
    figure(`environment: ${kind}, from the cache`, kept, { unit: "ms", how: `${WHAT}; made once before` }),
    ...Object.entries(sizes).map(([part, names]) =>
      figure(`environment: ${kind}, size${part && ` of the ${part}`}`, [
        files.filter(({ name }) => names.test(name)).reduce((sum, { bytes }) => sum + bytes, 0),
      ], { unit: "bytes", how: `for linux-x64${kind === "oci" ? ", what a registry sends of it" : ""}` })
    ),
  ];
}

/** Names of the blobs of the image for x64. */
async function imageFiles(files: readonly MadeFile[], out: string): Promise<RegExp> {
  const { readFileSync } = await import("node:fs");
  const layout = files.find(({ name }) => name.endsWith(".oci/index.json"))!.name.replace("index.json", "");
  const read = (name: string) => JSON.parse(readFileSync(join(out, layout, name), "utf8"));
  const blob = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
  const [index] = read("index.json").manifests;
  const image = read(blob(index.digest)).manifests.find((each: { platform: { architecture: string } }) =>
    each.platform.architecture === "amd64"
  );
  const { config, layers } = read(blob(image.digest));
  const digests = [image, config, ...layers].map(({ digest }: { digest: string }) => digest.slice(7));
  return new RegExp(`/(${digests.join("|")})$`);
}

await withEnvironments(async (place) => {
  const work = () => measure(place);
  const figures = kind === "oci" || kind === "vm" ? await withPackages(work) : await work();
  print(
    "environment",
    figures ?? [],
    figures === undefined ? [`environment: ${kind} is left out: ${NO_PACKAGES}`] : [],
  );
});
