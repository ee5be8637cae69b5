/**
 * Owns the list of the kinds of tasks. A kind more is a file in this folder and a line here.
 * Must not know what is in a kind.
 * Invariant: no key is a key of two kinds.
 */
import { isolatedKind } from "./isolated.ts";
import type { TaskKind, WorkerKind } from "./kind.ts";
import { moduleKind } from "./module.ts";
import { netunicornKind } from "./netunicorn.ts";
import { programKind } from "./program.ts";
import { pythonKind } from "./python.ts";

/** All kinds that can be written. What has none of the keys is of the last one, which says what is missing. */
export const KINDS: readonly TaskKind[] = [
  programKind,
  pythonKind,
  netunicornKind,
  moduleKind,
];

/** Whether tasks of a kind run on workers. */
export function runsOnWorkers(kind: TaskKind): kind is WorkerKind {
  return kind.place === "line" || kind.place === "alone";
}

/** What was asked for last, and its kind: neighbours in a plan often run the same. */
let last: object | undefined;
let lastKind: TaskKind = moduleKind;

/** The kind of what a task of a plan runs. */
export function plannedKindOf(run: object): TaskKind {
  if (run !== last) {
    lastKind = isolatedKind.key in run ? isolatedKind : kindOf(run);
    last = run;
  }
  return lastKind;
}

/** What a process that is kept has to be for what a task of a plan runs: where that is the same, the process may be. */
export function processKeyOf(run: object): string {
  const kind = plannedKindOf(run);
  return `${kind.key}\n${runsOnWorkers(kind) ? "" : kind.processKey?.(run) ?? ""}`;
}

/** The kind of what a task runs, as it is written. */
export function kindOf(run: object): TaskKind {
  for (const kind of KINDS) if (kind.key in run) return kind;
  return KINDS.at(-1)!;
}
