/**
 * Owns what is Bun's own: nothing but its name; `exit` is the end of the thread there. It enforces no heap cap.
 * Must not know the other adapters.
 */
import process from "node:process";
import { nodeCompatible } from "./node_compat.ts";
import type { Runtime } from "./port.ts";
import { startWorkerThread } from "./worker_threads.ts";

/** Bun behind the port. */
export function bun(): Runtime {
  return nodeCompatible({
    name: "bun",
    version: process.versions.bun ?? "unknown",
    startThread: (options) => startWorkerThread(options),
  });
}
