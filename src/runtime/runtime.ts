/**
 * Owns the list of the runtimes as they are seen from outside of a worker, and the choice among them. A runtime more is a
 * folder here, a line in this list and one in that of inside.ts.
 * Invariant: exactly one adapter is made, once.
 */
import { bun } from "./bun/outside.ts";
import { chosen, type RuntimeChoice } from "./choice.ts";
import { deno } from "./deno/outside.ts";
import { node } from "./node/outside.ts";
import type { Runtime } from "./port.ts";

/** All of them; Node comes last, since others have what it has. */
export const RUNTIMES: readonly RuntimeChoice<() => Runtime>[] = [
  { global: "Deno", of: deno },
  { global: "Bun", of: bun },
  { global: "process", of: node },
];

/** The runtime that this code runs on. */
export const runtime: Runtime = chosen(RUNTIMES)();
