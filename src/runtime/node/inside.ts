/**
 * Owns what is Node's own within a worker.
 * Must not know the other adapters.
 */
import nodeModule from "node:module";
import { compileFrom } from "./compiled.ts";
import type { Inside } from "../inside_port.ts";
import { openLine } from "../line.ts";
import { captureWays } from "../leaving.ts";
import { leaveByResource } from "../scope.ts";
import { captureUncaught } from "../uncaught.ts";
import { captureFs } from "../worker_files.ts";
import { intoNode } from "./children.ts";

/** Node within a worker. */
export const node: Inside = {
  // A thread can be stopped at any time, and its `exit` is its end.
  begin: (_lock, compiled) => {
    compileFrom(compiled);
    leaveByResource();
    return Promise.resolve();
  },
  openLine,
  captureFiles: (write) => captureFs(write, { promises: true }),
  captureChildren: intoNode,
  captureErrors: (hear) => captureUncaught(hear),
  captureExit: (leaving) => captureWays(leaving),
  // A thread whose heap is exhausted ends, and says so.
  watchHeap() {},
  provide(name, exports, key) {
    const source = Object.keys(exports).map((each) =>
      `export const ${each} = provided[${JSON.stringify(each)}];`
    );
    const url = `data:text/javascript,${
      encodeURIComponent(`const provided = globalThis[${JSON.stringify(key)}];${source.join("")}`)
    }`;
    type Next = (specifier: string, context: unknown) => { url: string };
    (nodeModule as unknown as { registerHooks?: (hooks: unknown) => void }).registerHooks?.({
      resolve: (specifier: string, context: unknown, next: Next) =>
        specifier === name ? { url, format: "module", shortCircuit: true } : next(specifier, context),
    });
  },
};
