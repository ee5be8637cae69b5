/**
 * Owns what it costs to upgrade a device over a line of 1 Mbit/s that is cut ten times: where the pipeline alone is new, and
 * where all of an executable is, which is a small one then. The gateway is a process of its own; the device fetches, verifies and
 * places as its agent does.
 * Run alone: `node bench/environment_upgrade.ts [--quick]`, likewise on Deno (`-A`) and Bun. `OUTRIDER_BENCH_SEED` names where
 * the line is cut.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { sha256 } from "../src/base/bytes.ts";
import { systemClock } from "../src/base/clock.ts";
import { Device } from "../src/environment/device/device.ts";
import { deviceFiles } from "../src/environment/device/device_files.ts";
import { MADE_FILE, type MadeFile, madeText } from "../src/environment/made.ts";
import { pushMade } from "../src/environment/registry/deliver.ts";
import { RegistryLine } from "../src/environment/registry/line.ts";
import { renewDevice } from "../src/environment/registry/renew.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { type EnvironmentPlace, withEnvironments } from "./environment_place.ts";
import { type Figure, figure, print, quick } from "./figure.ts";
import { randomFrom } from "./random.ts";
import { withSlowLine } from "./slow_line.ts";
import { TOKEN, withGateway } from "./uplink_place.ts";

const CUTS = 10;
const BYTES_PER_SECOND = 125_000 * (quick ? 20 : 1);
/** Of the executable that is new as a whole: of a real one a line of 1 Mbit/s takes a quarter of an hour. */
const SMALL_BYTES = 6_000_000;
const SEED = Number(process.env["OUTRIDER_BENCH_SEED"] ?? 1 + Math.floor(Math.random() * 1e6));
const random = randomFrom(SEED);
const RATE = `${BYTES_PER_SECOND * 8 / 1e6} Mbit/s, ${CUTS} cuts, seed ${SEED}`;

function lineTo(url: string): RegistryLine {
  return new RegistryLine({
    url,
    credentials: { token: TOKEN },
    fetch: (address, init) => fetch(address, init),
    clock: systemClock,
    random,
  });
}

/** Upgrades a device to what is under a reference. */
async function renewed(url: string, reference: string, device: Device): Promise<void> {
  await renewDevice(reference, { line: lineTo(url), device, target: "linux-x64", progress: () => {} });
}

interface Upgrade {
  readonly name: string;
  readonly what: string;
  /** Puts what the device has, and then what it is to get, into folders. */
  readonly folders: readonly [string, string];
}

async function upgraded(
  gateway: string,
  { name, what, folders }: Upgrade,
  place: EnvironmentPlace,
): Promise<Figure[]> {
  const [before, after] = await Promise.all(folders.map(async (folder) => {
    const files = runtime;
    const delivery = { line: lineTo(gateway), repository: "probe", folder, files, progress: () => {} };
    return `probe@${(await pushMade(delivery, [])).digest}`;
  })) as [string, string];
  const deviceOf = async (folder: string) => {
    const device = new Device(join(place.folder, folder), deviceFiles(runtime));
    await renewed(gateway, before, device);
    await device.begin();
    await device.foundWell();
    return device;
  };
  // What is needed is what comes down a line that is fast and whole.
  const unbroken = await deviceOf(`${name}-unbroken`);
  const needed = await withSlowLine(
    gateway,
    { bytesPerSecond: Infinity, cuts: [] },
    async ({ url, passed }) => {
      await renewed(url, after, unbroken);
      return passed().down;
    },
  );
  const device = await deviceOf(`${name}-device`);
  const cuts = Array.from({ length: CUTS }, () => 1 + Math.floor(random() * (needed - 1))).sort((a, b) =>
    a - b
  );
  return await withSlowLine(gateway, { bytesPerSecond: BYTES_PER_SECOND, cuts }, async ({ url, passed }) => {
    const since = performance.now();
    await renewed(url, after, device);
    const ms = performance.now() - since;
    const { down, cuts } = passed();
    if (cuts !== CUTS) throw new Error(`The line was cut ${cuts} times, not ${CUTS}`);
    if ((await device.begin())?.trial !== true) {
      throw new Error("The device does not try what it has fetched");
    }
    return [
      figure(`environment: upgrade, ${what}`, [ms], { unit: "ms", how: `until it is to be tried; ${RATE}` }),
      figure(`environment: upgrade, ${what}, bytes needed`, [needed], {
        unit: "bytes",
        how: "to the device, heads of answers included, over a line without cuts",
      }),
      figure(`environment: upgrade, ${what}, sent over needed`, [down / needed], {
        unit: "×",
        how: `all bytes to the device over those of a line without cuts; ${RATE}`,
        target: { atMost: 1.05 },
      }),
    ];
  });
}

/** Writes an environment whose executable is so many bytes by chance. */
async function small(folder: string): Promise<string> {
  const bytes = new Uint8Array(quick ? SMALL_BYTES / 4 : SMALL_BYTES).map(() => Math.floor(random() * 256));
  const name = "probe-linux-x64";
  const file: MadeFile = {
    ...{ name, kind: "executable", target: "linux-x64", mode: "0755" },
    bytes: bytes.length,
    sha256: await sha256(bytes),
  };
  mkdirSync(folder);
  writeFileSync(join(folder, name), bytes);
  writeFileSync(
    join(folder, MADE_FILE),
    madeText({
      outriderMade: 1,
      name: "probe",
      outrider: "0",
      kinds: ["executable"],
      files: [file],
      used: [],
    }),
  );
  return folder;
}

await withGateway((gateway) =>
  withEnvironments(async (place) => {
    const built: string[] = [];
    for (const task of ["before", "after"]) {
      const output = join(place.folder, task);
      await place.build({ targets: ["linux-x64"] }, { task, output });
      built.push(output);
    }
    const made = [await small(join(place.folder, "one")), await small(join(place.folder, "two"))];
    const upgrades: readonly Upgrade[] = [
      { name: "pipeline", what: "another pipeline", folders: built as [string, string] },
      {
        name: "whole",
        what: `another executable of ${(quick ? 1.5 : 6)} MB`,
        folders: made as [string, string],
      },
    ];
    const figures: Figure[] = [];
    for (const upgrade of upgrades) figures.push(...await upgraded(gateway, upgrade, place));
    print("environment_upgrade", figures, [`the line of the upgrades is cut by seed ${SEED}`]);
  })
);
