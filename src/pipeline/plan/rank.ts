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
  const ranks = ranksOfSteps(remaining, written);
  if (ranks !== undefined) return ranks;
  const byRank = Int32Array.from(tasks.keys());
  byRank.sort((a, b) => remaining[b]! - remaining[a]! || written[a]! - written[b]!);
  const sorted = new Int32Array(tasks.length);
  byRank.forEach((index, place) => sorted[index] = place);
  return sorted;
}

/** The ranks where what remains is whole numbers, none above the number of tasks: then nothing has to be compared. */
function ranksOfSteps(remaining: Float64Array, written: readonly number[]): Int32Array | undefined {
  const { length } = remaining;
  const next = new Int32Array(length + 2);
  for (const steps of remaining) {
    if (!Number.isInteger(steps) || steps > length) return undefined;
    next[length - steps + 1]!++;
  }
  for (let steps = 1; steps < next.length; steps++) next[steps]! += next[steps - 1]!;
  const ranks = new Int32Array(length);
  const place = new Int32Array(length);
  for (let index = 0; index < length; index++) place[written[index]!] = index;
  for (const index of place) ranks[index] = next[length - remaining[index]!]!++;
  return ranks;
}
