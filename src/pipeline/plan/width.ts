/**
 * Owns how many tasks of a plan can be running at the same time.
 * Must not know workers, nor how long tasks take.
 * Invariant: never less than what can be; it may be more.
 */
import { MAX_ITEMS } from "../../base/limits.ts";
import type { Plan, PlanTask } from "./plan.ts";

/**
 * The most tasks of a certain kind that can ever run side by side: at least 0.
 *
 * Tasks along a path run one after the other, whatever the join and also in a loop, so there are never more than there are
 * paths in a cover of the plan. Each task goes on with the path of a need that nobody goes on with yet, which is quick and
 * not always the smallest cover.
 *
 * @param counts Whether a task is of that kind.
 */
export function widthOf({ tasks }: Plan, counts: (task: PlanTask) => boolean): number {
  const path = new Int32Array(tasks.length);
  const ends = new Uint8Array(tasks.length).fill(1);
  let paths = 0;
  /** By path: how many of it may run side by side, which are more than one where they are the items of a mapped task. */
  const counted = new Int32Array(tasks.length);
  let count = 0;
  for (const task of tasks) {
    const before = openEnd(task, ends);
    if (before !== NONE) ends[before] = 0;
    const its = path[task.index] = before === NONE ? paths++ : path[before]!;
    const most = task.each === undefined ? 1 : task.each.maxParallel ?? MAX_ITEMS;
    if (counted[its]! >= most || !counts(task)) continue;
    count += most - counted[its]!;
    counted[its] = most;
  }
  return count;
}

const NONE = -1;

/** The first task needed whose path nobody goes on with. */
function openEnd({ needs }: PlanTask, ends: Uint8Array): number {
  for (const { task } of needs) if (ends[task] === 1) return task;
  return NONE;
}
