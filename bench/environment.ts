/**
 * Owns what it costs to make executables: of Bun for two architectures, cold and with a cache, and the size of each kind.
 * Run alone: `node bench/environment.ts [--quick]`, likewise on Deno (`-A`) and Bun. Bases that are not in node_modules are
 * downloaded by npm first, which is not timed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildEnvironment } from "../src/environment/build.ts";
import type { EnvironmentDocument } from "../src/environment/document/schema.ts";
import { figure, print, quick } from "./figure.ts";

const ROUNDS = quick ? 1 : 3;
const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
const cache = join(folder, "cache");
const PIPELINE = { outrider: 1, name: "nothing", tasks: { nothing: {} } };
const plain: EnvironmentDocument = {
  outriderEnvironment: 1,
  name: "probe",
  targets: quick ? ["linux-x64"] : ["linux-x64", "linux-arm64"],
  pipeline: { from: "file", path: "pipeline.json" },
};

/** Makes it. @returns How long that took, and how large the files for x64 are together. */
async function made(
  document: Partial<EnvironmentDocument>,
): Promise<{ readonly ms: number; readonly bytes: number }> {
  const since = performance.now();
  const { files } = await buildEnvironment({
    environment: { ...plain, ...document },
    folder,
    output: join(folder, "out"),
    cache,
    epoch: 0,
    progress: () => {},
  });
  const ms = performance.now() - since;
  return {
    ms,
    bytes: files.filter(({ target }) => target === "linux-x64").reduce((sum, file) => sum + file.bytes, 0),
  };
}

try {
  writeFileSync(join(folder, "pipeline.json"), JSON.stringify(PIPELINE));
  const first = await made({});
  const cold: number[] = [];
  const kept: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rmSync(join(cache, "executables"), { recursive: true });
    cold.push((await made({})).ms);
    kept.push((await made({})).ms);
  }
  const node = quick ? undefined : await made({ runtime: "node", targets: ["linux-x64"] });
  const deno = quick ? undefined : await made({ runtime: "deno", targets: ["linux-x64"] });
  const bundle = await made({ kinds: ["bundle"] });
  const what = `${plain.targets.length} targets of Bun with a pipeline inside, bases there`;
  print("environment", [
    figure("environment: executables, cold", cold, { unit: "ms", how: what }),
    figure("environment: executables, from the cache", kept, { unit: "ms", how: what }),
    figure("environment: executable of bun", [first.bytes], { unit: "bytes", how: "for linux-x64" }),
    ...(node === undefined
      ? []
      : [figure("environment: executable of node", [node.bytes], { unit: "bytes", how: "for linux-x64" })]),
    ...(deno === undefined
      ? []
      : [figure("environment: folder of deno", [deno.bytes], { unit: "bytes", how: "for linux-x64" })]),
    figure("environment: bundle", [bundle.ms], { unit: "ms", how: "a pipeline of one sync point" }),
  ]);
} finally {
  rmSync(folder, { recursive: true });
}
