/**
 * Owns the chain: 10,000 tasks that do nothing, each after the one before.
 * Run alone: `node bench/chain.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { figure, print, quantile, quick } from "./figure.ts";
import { chain, manifest, task } from "./shapes.ts";
import { type TimedRun, timedRun } from "./timed_run.ts";

const SIZE = quick ? 2_000 : 10_000;
const RUNS = quick ? 2 : 3;

/** Times from one task's beginning to the next one's, in µs, as the tasks themselves have seen it. */
async function gaps(): Promise<number[]> {
  const tasks = [...chain(SIZE, "stamp"), ["all", task("stampsSoFar", { needs: [`t${SIZE - 1}`] })] as const];
  const { result } = await timedRun(manifest("gaps", tasks), { workers: 1, maxWorkers: 1 });
  const stamps = result.tasks["all"]![0]!.value as number[];
  if (stamps.length !== SIZE) throw new Error(`Of ${SIZE} tasks ${stamps.length} have told when they began`);
  return stamps.slice(1).map((at, index) => (at - stamps[index]!) * 1_000);
}

const idle = manifest("chain", chain(SIZE, "nothing"));
const gapRuns: number[][] = [];
const runs: TimedRun[] = [];
await timedRun(idle, { workers: 2 });
for (let round = 0; round < RUNS; round++) {
  gapRuns.push(await gaps());
  runs.push(await timedRun(idle, { workers: 2 }));
}
const perTask = (ms: (run: TimedRun) => number) => runs.map((run) => ms(run) * 1_000 / SIZE);

const warm = `${RUNS} runs after a warm-up run in the same process, new workers for each`;
const ofGaps =
  `${SIZE} tasks, 1 worker; each task notes performance.now(), difference between neighbours; ${warm}`;
const ofRuns = `${SIZE} tasks, 2 workers; ${warm}`;
print("chain", [
  figure("chain: end of a task to start of the next, median", gapRuns.map((run) => quantile(run, 0.5)), {
    unit: "µs",
    how: ofGaps,
    target: { atMost: 1 },
  }),
  figure("chain: end of a task to start of the next, p99", gapRuns.map((run) => quantile(run, 0.99)), {
    unit: "µs",
    how: ofGaps,
    target: { atMost: 20 },
  }),
  figure("chain: whole run per task", perTask((run) => run.awaitedMs), {
    unit: "µs",
    how: `run.started to the awaited result; ${ofRuns}`,
    target: { atMost: 3 },
  }),
  figure("chain: whole run per task, to run.ended", perTask((run) => run.endedMs), {
    unit: "µs",
    how: `run.started to run.ended; ${ofRuns}`,
  }),
  figure("chain: whole call per task", perTask((run) => run.callMs), {
    unit: "µs",
    how: `call of run() to the awaited result, with loading and checking; ${ofRuns}`,
  }),
]);
