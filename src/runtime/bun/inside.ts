/**
 * Owns what is Bun's own within a worker.
 * Must not know the other adapters.
 */
import process from "node:process";
import { dateOf } from "../../base/clock.ts";
import type { Inside } from "../inside_port.ts";
import { byFs, LINE } from "../line.ts";
import { captureWays } from "../leaving.ts";
import { captureUncaught } from "../uncaught.ts";
import { captureFs } from "../worker_files.ts";
import { intoBun } from "./children.ts";
import { captureBunFiles } from "./files.ts";

/** Makes modules out of values, by Bun's plugins. */
interface Plugins {
  plugin(plugin: { readonly name: string; setup(build: Build): void }): void;
}
interface Build {
  module(name: string, load: () => { readonly exports: unknown; readonly loader: "object" }): void;
}

/** Takes a socket that is open already. */
interface Connects {
  connect(options: { readonly fd: number; readonly socket: object }): Promise<unknown>;
}

/** Bun within a worker. */
export const bun: Inside = {
  begin() {
    // A first look at the local time loads time zones, for all threads at once: 8 ms, in which the main one can load the program.
    dateOf(0).getHours();
    // Its own requests heed these only as the thread itself has set them, where the process was started with others.
    for (const name of ["NO_PROXY", "no_proxy"]) {
      const value = process.env[name];
      if (value !== undefined) process.env[name] = value;
    }
    // A thread can be stopped at any time, and its `exit` is its end.
    return Promise.resolve();
  },
  // Its `node:net` takes no descriptor.
  openLine({ heard, ended }) {
    const socket = {
      data: (_: unknown, bytes: Uint8Array) => heard(bytes),
      close: ended,
      error: ended,
      open() {},
    };
    void (globalThis as unknown as { readonly Bun: Connects }).Bun.connect({ fd: LINE, socket });
    return byFs;
  },
  captureFiles(write) {
    // It would load the promises only now, which takes longer than all else here, and knows them by a name that can't be replaced.
    captureFs(write, { promises: false });
    captureBunFiles(write);
  },
  captureChildren: intoBun,
  captureErrors: (hear) => captureUncaught(hear),
  captureExit: (leaving) => captureWays(leaving),
  // It enforces no cap.
  watchHeap() {},
  provide(name, exports) {
    (globalThis as unknown as { readonly Bun: Plugins }).Bun.plugin({
      name,
      setup: (build) => build.module(name, () => ({ exports, loader: "object" })),
    });
  },
};
