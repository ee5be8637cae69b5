/**
 * Owns the worker of the bare peers: it answers every message at once, or is called through comlink.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { expose } from "comlink";
import { nodeEndpoint } from "./comlink_node.ts";
import { nothing } from "./tasks.ts";

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  if (workerData === "comlink") expose({ nothing }, nodeEndpoint(port));
  else {
    port.on("message", (message) => {
      nothing();
      port.postMessage(message);
    });
  }
}
