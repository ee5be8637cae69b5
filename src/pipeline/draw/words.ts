/**
 * Owns the words that all drawings share.
 * Must not know a format.
 * Invariant: nothing is said of what is the default.
 */
import type { PlanLoop, PlanNeed, PlanTask } from "../plan/plan.ts";

/** What is written at a need. */
export function needLabel(need: PlanNeed): string | undefined {
  return need.on === "success" ? undefined : need.on;
}

/** What is written at a loop. */
export function loopLabel({ times, on }: PlanLoop): string {
  const often = `again, at most ${times} ${times === 1 ? "time" : "times"}`;
  return on === "success" ? often : `${often}, on ${on}`;
}

/** What is written below a task's name. */
export function taskNote({ join, needs }: PlanTask): string | undefined {
  return join === "any" && needs.length > 1 ? "any of its needs" : undefined;
}
