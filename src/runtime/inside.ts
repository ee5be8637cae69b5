/**
 * Owns the list of the runtimes as they are within a worker. A runtime more is a folder here, a line in this list and one
 * in that of runtime.ts.
 * Must not know what is in an adapter.
 */
import { bun } from "./bun/inside.ts";
import type { RuntimeChoice } from "./choice.ts";
import { deno } from "./deno/inside.ts";
import type { Inside } from "./inside_port.ts";
import { node } from "./node/inside.ts";

/** All of them; Node comes last, since others have what it has. */
export const INSIDES: readonly RuntimeChoice<Inside>[] = [
  { global: "Deno", of: deno },
  { global: "Bun", of: bun },
  { global: "process", of: node },
];
