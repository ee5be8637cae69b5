/**
 * Owns where environments are built for a benchmark: a folder with a pipeline, a cache, and a mirror of Debian.
 * Must not know what is measured.
 * Invariant: the folder and the mirror are gone when the measurement is over; packages of others are kept below
 * node_modules/.cache, so that no figure has a download in it.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { buildEnvironment } from "../src/environment/build.ts";
import { MIRROR_VARIABLE } from "../src/environment/debian/mirror.ts";
import type { EnvironmentDocument } from "../src/environment/document/schema.ts";
import type { MadeFile } from "../src/environment/made.ts";
import { serveApt } from "../tests/environment/heavy/apt_mirror.ts";
import { CACHE } from "../tools/compile.ts";
import { withFolder } from "./uplink_place.ts";

/** What images and machines are made of. */
const PACKAGES = [
  ...["ca-certificates", "libc6", "busybox-static", "util-linux", "systemd-boot-efi"],
  "linux-image-cloud-ARCHITECTURE",
];

/** Says that its first task has begun, to whoever is named by CALL. */
const TASKS = `export async function call() {
  if (process.env.CALL) await fetch(process.env.CALL);
}
`;

/** A place to build in. */
export interface EnvironmentPlace {
  readonly folder: string;
  /** Nothing is in it but runtimes and packages of Debian. */
  readonly cache: string;
  /** Builds into a folder. */
  build(
    document: Partial<EnvironmentDocument>,
    options?: { readonly cache?: string; readonly task?: string; readonly output?: string },
  ): Promise<readonly MadeFile[]>;
}

/** Calls a function with a place to build in, whose pipeline has one task, which calls. */
export async function withEnvironments<T>(use: (place: EnvironmentPlace) => Promise<T>): Promise<T> {
  return await withFolder(async (folder) => {
    const cache = join(folder, "cache");
    mkdirSync(cache);
    // What is of others.
    for (const name of ["bases", "debian"]) {
      mkdirSync(join(CACHE, name), { recursive: true });
      symlinkSync(join(CACHE, name), join(cache, name));
    }
    writeFileSync(join(folder, "tasks.mjs"), TASKS);
    return await use({
      folder,
      cache,
      async build(document, options = {}) {
        const tasks = { [options.task ?? "call"]: { run: { module: "./tasks.mjs", export: "call" } } };
        writeFileSync(join(folder, "pipeline.json"), JSON.stringify({ outrider: 1, name: "probe", tasks }));
        const { files } = await buildEnvironment({
          environment: {
            outriderEnvironment: 1,
            name: "probe",
            targets: ["linux-x64", "linux-arm64"],
            pipeline: { from: "file", path: "pipeline.json" },
            ...document,
          },
          folder,
          output: options.output ?? join(folder, "out"),
          cache: options.cache ?? cache,
          epoch: 0,
          progress: () => {},
        });
        return files;
      },
    });
  });
}

/**
 * Calls a function while packages of Debian can be had: from the mirror that is named, else from one on loopback that hands
 * out what apt fetches.
 *
 * @returns Nothing, where neither is here.
 */
export async function withPackages<T>(use: () => Promise<T>): Promise<T | undefined> {
  if (process.env[MIRROR_VARIABLE] !== undefined) return await use();
  const mirror = await serveApt(PACKAGES).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message.split("\n")[0] : error}\n`);
  });
  if (mirror === undefined) return undefined;
  process.env[MIRROR_VARIABLE] = mirror.url;
  try {
    return await use();
  } finally {
    delete process.env[MIRROR_VARIABLE];
    await mirror.close();
  }
}

/** What is told where there are no packages. */
export const NO_PACKAGES = `neither apt nor ${MIRROR_VARIABLE} gives packages of Debian`;
