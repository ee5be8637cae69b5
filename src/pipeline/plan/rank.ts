/**
 * Owns which of several ready tasks goes first: the one with the longest remaining path.
 * Must not know loops, names or workers.
 * Invariant: ranks are a permutation of 0 … n-1.
 */

/** What a rank depends on. */
export interface Ranked {
  readonly dependents: readonly number[];
  readonly estimateMs: number | undefined;
}

/**
 * The rank of each task: 0 goes first. A task counts its estimate in milliseconds, or 1 where there is none.
 *
 * @param tasks In an order in which every need comes before the task that has it.
 * @param written Place of each task in the manifest; decides between equals.
 */
export function rank(tasks: readonly Ranked[], written: readonly number[]): Int32Array {
  const remaining = new Float64Array(tasks.length);
  for (let index = tasks.length - 1; index >= 0; index--) {
    let longest = 0;
    for (const dependent of tasks[index]!.dependents) longest = Math.max(longest, remaining[dependent]!);
    remaining[index] = longest + (tasks[index]!.estimateMs ?? 1);
  }
  const byRank = Int32Array.from(tasks.keys());
  byRank.sort((a, b) => remaining[b]! - remaining[a]! || written[a]! - written[b]!);
  const ranks = new Int32Array(tasks.length);
  byRank.forEach((index, place) => ranks[index] = place);
  return ranks;
}
