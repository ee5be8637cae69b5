/**
 * Owns the type of comlink's adapter for `node:worker_threads`, whose declaration does not say that it is a function.
 */
import type { Endpoint } from "comlink";
import nodeAdapter from "comlink/dist/esm/node-adapter.mjs";
import type { MessagePort, Worker } from "node:worker_threads";

/** A worker, or a worker's parent, as comlink wants it. */
export const nodeEndpoint: (port: MessagePort | Worker) => Endpoint = nodeAdapter as never;
