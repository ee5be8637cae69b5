/**
 * Owns the choice of the runtime; the only file that makes it.
 * Invariant: exactly one adapter is made, once.
 */
import { bun } from "./bun/outside.ts";
import { deno } from "./deno/outside.ts";
import { node } from "./node/outside.ts";
import type { Runtime } from "./port.ts";

/** The runtime that this code runs on. */
export const runtime: Runtime = "Deno" in globalThis ? deno() : "Bun" in globalThis ? bun() : node();
