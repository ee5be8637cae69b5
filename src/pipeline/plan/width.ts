/**
 * Owns how many tasks of a plan can be running at the same time.
 * Must not know workers, nor how long tasks take.
 * Invariant: never less than what can be; it may be more.
 */
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
  const counted = new Set<number>();
  for (const task of tasks) {
    const before = task.needs.find((need) => ends[need.task] === 1);
    if (before !== undefined) ends[before.task] = 0;
    path[task.index] = before === undefined ? paths++ : path[before.task]!;
    if (counts(task)) counted.add(path[task.index]!);
  }
  return counted.size;
}
