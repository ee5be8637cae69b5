/**
 * Owns why something did not run, in words a person can act on.
 * Must not decide whether it runs.
 * Invariant: a reason names only tasks, and what became of them.
 */
import { type Outcome, satisfies } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";

/** Needs named in a reason; of more, only the number is told. */
const MAX_NAMED = 3;

/** What became of a task, in words that follow its name. */
export const IN_WORDS: Readonly<Record<Outcome, string>> = {
  succeeded: "succeeded",
  failed: "failed",
  timed_out: "timed out",
  cancelled: "was cancelled",
  crashed: "crashed",
  skipped: "was skipped",
};

/** Why a task does not run whose needs are all settled: the ones that are not satisfied. */
export function whySkipped(
  { tasks }: Plan,
  { needs }: PlanTask,
  outcomes: readonly (Outcome | undefined)[],
): string {
  const unmet = needs.filter((need) => !satisfies(need.on, outcomes[need.task]!));
  const reasons = unmet.slice(0, MAX_NAMED).map(({ task, on }) =>
    `${tasks[task]!.name} ${on === "failure" ? "did not fail" : IN_WORDS[outcomes[task]!]}`
  );
  const more = unmet.length > MAX_NAMED ? ` and ${unmet.length - MAX_NAMED} more` : "";
  return reasons.join(", ") + more;
}

/** Why nothing new starts after this task's failure. */
export function whyStopped(name: string, outcome: Outcome): string {
  return `${name} ${IN_WORDS[outcome]}, and the pipeline stops on failure`;
}
