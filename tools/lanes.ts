/**
 * Owns how much goes on at a time: jobs in lanes, each lane taking the next as soon as it is free.
 * Must not know what the jobs do.
 * Invariant: jobs begin in the order in which they are given, and never more at a time than there are lanes.
 */

/** Something to do that takes a while. */
export type Job = () => Promise<void>;

/** Does all jobs; rejects, once all have ended, with what the first that rejected said. */
export async function inLanes(jobs: readonly Job[], lanes: number): Promise<void> {
  const left = [...jobs];
  const lane = async () => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) await job();
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
}
