/**
 * Owns what is Node's own: nothing but its name; `exit` is the end of the thread there.
 * Must not know the other adapters.
 */
import process from "node:process";
import { nodeCompatible } from "./node_compat.ts";
import type { Runtime } from "./port.ts";
import { startWorkerThread } from "./worker_threads.ts";

/** Node behind the port. */
export function node(): Runtime {
  return nodeCompatible({
    name: "node",
    version: process.versions.node,
    startThread: (options) => startWorkerThread(options),
  });
}
