/**
 * Owns the list of the kinds of tasks. A kind more is a file in this folder and a line here.
 * Must not know what is in a kind.
 * Invariant: no key is a key of two kinds.
 */
import type { TaskKind } from "./kind.ts";
import { moduleKind } from "./module.ts";
import { netunicornKind } from "./netunicorn.ts";
import { programKind } from "./program.ts";
import { pythonKind } from "./python.ts";

/** All kinds. What has none of the keys is of the last one, which says what is missing. */
export const KINDS: readonly TaskKind[] = [
  programKind,
  pythonKind,
  netunicornKind,
  moduleKind,
];

/** The kind of what a task runs, in a manifest or in a plan. */
export function kindOf(run: object): TaskKind {
  for (const kind of KINDS) if (kind.key in run) return kind;
  return KINDS.at(-1)!;
}
