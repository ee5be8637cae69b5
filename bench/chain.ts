/**
 * Owns the chain: 10,000 tasks that do nothing, each after the one before.
 * Run alone: `node bench/chain.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { type Figure, median, print, quantile, quick } from "./figure.ts";
import { chain, manifest, task } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

const SIZE = quick ? 2_000 : 10_000;
const RUNS = quick ? 2 : 3;

/** Times from one task's beginning to the next one's, in µs, as the tasks themselves have seen it. */
async function gaps(): Promise<number[]> {
  const stamped = [
    ...chain(SIZE, "stamp"),
    ["all", task("stampsSoFar", { needs: [`t${SIZE - 1}`] })] as const,
  ];
  const { result } = await timedRun(manifest("gaps", stamped), { workers: 1, maxWorkers: 1 });
  const stamps = result.tasks["all"]![0]!.value as number[];
  if (stamps.length !== SIZE) throw new Error(`Of ${SIZE} tasks ${stamps.length} have told when they began`);
  return stamps.slice(1).map((at, index) => (at - stamps[index]!) * 1_000);
}

const idle = manifest("chain", chain(SIZE, "nothing"));
const perTask = (ms: number) => ms * 1_000 / SIZE;

await timedRun(idle, { workers: 2 });
const gapRuns: number[][] = [];
const runs = [];
for (let round = 0; round < RUNS; round++) {
  gapRuns.push(await gaps());
  runs.push(await timedRun(idle, { workers: 2 }));
}

const ofGaps = `${SIZE} tasks, 1 worker; each notes performance.now(), difference between neighbours; ` +
  `median of ${RUNS} runs after a warm-up run in the same process`;
const ofRuns = `${SIZE} tasks, 2 workers; median of ${RUNS} runs after a warm-up run in the same process; ` +
  "new workers for each run";
const figures: Figure[] = [
  {
    name: "chain: end of a task to start of the next, median",
    value: median(gapRuns.map(median)),
    unit: "µs",
    how: ofGaps,
    target: { atMost: 5 },
  },
  {
    name: "chain: end of a task to start of the next, p99",
    value: median(gapRuns.map((run) => quantile(run, 0.99))),
    unit: "µs",
    how: ofGaps,
    target: { atMost: 100 },
  },
  {
    name: "chain: whole run per task, to the awaited result",
    value: perTask(median(runs.map((run) => run.awaitedMs))),
    unit: "µs",
    how: `run.started to the awaited result; ${ofRuns}`,
    target: { atMost: 15 },
  },
  {
    name: "chain: whole run per task, to run.ended",
    value: perTask(median(runs.map((run) => run.endedMs))),
    unit: "µs",
    how: `run.started to run.ended, the workers being gone by then; ${ofRuns}`,
  },
  {
    name: "chain: whole call per task",
    value: perTask(median(runs.map((run) => run.callMs))),
    unit: "µs",
    how: `call of run() to the awaited result, with loading and checking; ${ofRuns}`,
  },
];
print("chain", figures);
