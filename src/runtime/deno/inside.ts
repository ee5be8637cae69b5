/**
 * Owns what is Deno's own within a worker. There only a thread that holds a Web Lock can be halted in a synchronous loop,
 * and the release of the lock proves its end.
 * Must not know the other adapters.
 */
import { apply } from "../../base/primordials.ts";
import type { HearUncaught, Inside } from "../inside_port.ts";
import { v8 } from "../builtin.ts";
import { captureWays } from "../leaving.ts";
import { define } from "../replace.ts";
import { captureUncaught } from "../uncaught.ts";
import { captureFs } from "../worker_files.ts";
import { intoDeno } from "./children.ts";
import { captureDenoFiles } from "./files.ts";
import { openDenoLine } from "./line.ts";

/** Deno within a worker. */
export const deno: Inside = {
  begin: (lock) =>
    new Promise((held) => {
      navigator.locks.request(lock, () => {
        held();
        return new Promise(() => {});
      }).catch(() => held());
    }),
  openLine: openDenoLine,
  captureFiles(write) {
    captureFs(write, { promises: true });
    captureDenoFiles(write);
  },
  captureChildren: intoDeno,
  captureErrors,
  captureExit: ({ exiting, killChildren }) => {
    const exitingAlone = (code: number) => {
      exiting(code);
      // Deno kills the children of a thread that ends; theirs can be told only as long as those are there.
      killChildren();
    };
    return captureWays({ exiting: exitingAlone }, [[Deno, "exit"]]);
  },
  watchHeap,
  // It resolves bare names before anything can step in: the name has to be in an import map or in node_modules.
  provide() {},
};

function captureErrors(hear: HearUncaught): void {
  captureUncaught(hear, false);
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    hear(event.reason, "rejection");
  });
  // Deno forgets the scope when a timer throws, so the scope is noted when the timer is set.
  for (const name of ["setTimeout", "setInterval"] as const) {
    const original = globalThis[name] as (callback: unknown, ...rest: unknown[]) => number;
    define(
      globalThis,
      name,
      (callback: unknown, ...rest: unknown[]) => original(guarded(callback, hear), ...rest),
    );
  }
}

function guarded(callback: unknown, hear: HearUncaught): unknown {
  if (typeof callback !== "function") return callback;
  return (...args: unknown[]) => {
    try {
      apply(callback, undefined, args);
    } catch (error) {
      hear(error, "exception");
    }
  };
}

/** How often the heap is looked at, in milliseconds. */
const HEAP_MS = 250;

/**
 * Deno ends a thread whose heap is exhausted only if that happens in a task of the event loop. In a promise's continuation,
 * where most tasks run, it stops the code, raises the limit and says nothing: the promise never settles. A limit that has
 * grown gives it away.
 */
function watchHeap(exhausted: () => void): void {
  const { getHeapStatistics } = v8();
  const limit = getHeapStatistics().heap_size_limit;
  const timer = setInterval(() => {
    if (getHeapStatistics().heap_size_limit <= limit) return;
    clearInterval(timer);
    exhausted();
  }, HEAP_MS);
}
