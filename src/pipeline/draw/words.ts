/**
 * Owns the words that all drawings share.
 * Must not know a format.
 * Invariant: nothing is said of what is the default.
 */
import type { On } from "../../model/outcome.ts";
import type { Plan, PlanNeed, PlanTask } from "../plan/plan.ts";

/** What is written at a need. */
export function needLabel(need: PlanNeed): string | undefined {
  return need.on === "success" ? undefined : need.on;
}

/** What leads on beside the needs. */
export interface DrawnLoop {
  readonly from: number;
  readonly to: number;
  readonly on: On;
  /** How often at most; `undefined`: there is no limit. */
  readonly times: number | undefined;
}

/** Loops, and where edges decide the weak ones. */
export function waysOf({ loops, edges = [] }: Plan): readonly DrawnLoop[] {
  return [...loops, ...edges.filter(({ weak }) => weak)];
}

/** What is written at one. */
export function loopLabel({ times, on }: DrawnLoop): string {
  const often = times === undefined ? "again" : `again, at most ${times} ${times === 1 ? "time" : "times"}`;
  return on === "success" ? often : `${often}, on ${on}`;
}

/** What is written below a task's name. */
export function taskNote({ join, needs }: PlanTask): string | undefined {
  return join === "any" && needs.length > 1 ? "any of its needs" : undefined;
}
