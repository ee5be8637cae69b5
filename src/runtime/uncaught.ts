/**
 * Owns hearing of errors that nothing caught by the process's own events, which all runtimes have.
 * Must not know whose they are.
 * Invariant: whoever takes away listeners, ours stay.
 */
import process from "node:process";
import { apply } from "../base/primordials.ts";
import type { HearUncaught } from "./inside_port.ts";
import { type Properties, wrap } from "./replace.ts";

/** An event of the process, and who hears of it. */
type Heard = readonly [event: string, hear: (error: unknown) => void];

/** Hears of exceptions, and of rejections unless the runtime has a way of its own for those. */
export function captureUncaught(hear: HearUncaught, rejections = true): void {
  const heard: Heard[] = [["uncaughtException", (error) => hear(error, "exception")]];
  if (rejections) heard.push(["unhandledRejection", (error) => hear(error, "rejection")]);
  keepHearing(heard);
}

/**
 * Hears of events also when a library takes away all listeners that it finds, as those do that put their own in their place:
 * else the next error would be the thread's end, whoever's attempt runs there.
 */
function keepHearing(heard: readonly Heard[]): void {
  type Emitter = Record<"on" | "listeners", (event: string, hear?: unknown) => unknown[]>;
  const { on, listeners } = process as unknown as Emitter;
  const hear = () => {
    for (const [event, each] of heard) {
      if (!apply(listeners, process, [event]).includes(each)) apply(on, process, [event, each]);
    }
  };
  hear();
  for (const name of ["removeAllListeners", "removeListener", "off"]) {
    wrap(process as unknown as Properties, name, (original) => (...args) => {
      original(...args);
      hear();
      return process;
    });
  }
  if ("_fatalException" in process) {
    // What is here is called for each error; without its own, the whole process ends.
    const own = process._fatalException;
    Object.defineProperty(process, "_fatalException", { get: () => own, set() {}, configurable: false });
  }
}
