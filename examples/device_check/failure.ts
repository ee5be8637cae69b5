/**
 * Owns what there is to say and to try about failures.
 */
import type { AttemptResult, TaskContext } from "../../mod.ts";

/**
 * Throws in the task that the parameter `fail` names, in as many attempts as `failures` says (default: all of them).
 */
export function failIfAsked(
  { task, attempt, params }: Pick<TaskContext, "task" | "attempt" | "params">,
): void {
  const { fail, failures } = params;
  if (fail !== task || (typeof failures === "number" && attempt > failures)) return;
  throw new Error(`Asked to fail, by --param fail=${task}`);
}

/** One line for each task whose last attempt has failed, with the reason. */
export function failuresOf(previous: Readonly<Record<string, readonly AttemptResult[]>>): string[] {
  return Object.entries(previous).flatMap(([task, attempts]) => {
    const last = attempts.at(-1);
    if (last === undefined || last.outcome === "succeeded" || last.outcome === "skipped") return [];
    const why = last.error?.message ?? last.because ?? last.reason ?? "no reason is known";
    return [`${task} ${last.outcome.replace("_", " ")}: ${why}`];
  });
}
