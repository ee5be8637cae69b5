/**
 * Owns the ways by which code ends its thread, which all runtimes have, with room for more.
 * Must not know who hears of it.
 * Invariant: who calls one of them never gets the next line to run, and is heard of once.
 */
import process from "node:process";
import type { Leaving } from "./inside_port.ts";
import { define, type Properties } from "./replace.ts";

/** A function that ends the thread: its owner, and its name there. */
export type ExitWay = readonly [owner: object, name: string];

/**
 * Leads `process.exit`, `close` and the runtime's own ways to `exiting`.
 *
 * @param ways Those beside `process.exit` that it, or what it calls, may end in.
 * @returns What ends the thread in truth.
 */
export function captureWays(
  { exiting }: Pick<Leaving, "exiting">,
  ways: readonly ExitWay[] = [],
): (code: number) => void {
  const end = process.exit.bind(process);
  const inner: readonly ExitWay[] = [[process, "reallyExit"], ...ways];
  const originals = inner.map(([owner, name]) => (owner as Properties)[name]);
  let over = false;
  const endThread = (code: number): void => {
    over = true;
    // The runtime's own `exit` may end in one of these.
    for (const [at, [owner, name]] of inner.entries()) define(owner, name, originals[at]);
    end(code);
  };
  const exit = (code?: unknown): never => {
    const number = Number(code ?? process.exitCode ?? 0) | 0;
    if (!over) {
      exiting(number);
      endThread(number);
    }
    // Where the thread ends only in its next turn, the code behind the call must not run on.
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (;;) Atomics.wait(never, 0, 0, 1_000);
  };
  for (const [owner, name] of [[process, "exit"], ...inner] as const) define(owner, name, exit);
  define(globalThis, "close", () => exit(0));
  return endThread;
}
