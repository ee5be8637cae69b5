/**
 * Owns which tasks are held back: of these the schedule decides when their needs have settled, and not before.
 * Must not know what is decided.
 * Invariant: a task that is not held back may be released ahead, behind needs that have not settled.
 */
import type { PlanTask } from "./plan.ts";

/**
 * Whether a task is never released ahead of its needs: it takes resources, which must be free by then, a condition is decided
 * from their values, or it is mapped over a list that is known only then.
 */
export function isHeld({ uses, when, each }: PlanTask): boolean {
  return uses !== undefined || when !== undefined || each !== undefined;
}
