/**
 * Owns the fan-out: 10,000 tasks that do nothing and need nothing, on 2 workers.
 * Run alone: `node bench/independent.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { median, print, quick } from "./figure.ts";
import { independent, manifest } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

const SIZE = quick ? 2_000 : 10_000;
const RUNS = quick ? 2 : 5;

const source = manifest("independent", independent(SIZE, "nothing"));
const options = { workers: 2, maxWorkers: 2 };
const perSecond = (ms: number) => SIZE / ms * 1_000;

await timedRun(source, options);
const runs = [];
for (let round = 0; round < RUNS; round++) runs.push(await timedRun(source, options));

const how = `${SIZE} tasks, 2 workers; median of ${RUNS} runs after a warm-up run in the same process; ` +
  "new workers for each run";
print("independent", [
  {
    name: "independent: tasks a second, to the awaited result",
    value: perSecond(median(runs.map((run) => run.awaitedMs))),
    unit: "tasks/s",
    how: `run.started to the awaited result; ${how}`,
    target: { atLeast: 60_000 },
  },
  {
    name: "independent: tasks a second, to run.ended",
    value: perSecond(median(runs.map((run) => run.endedMs))),
    unit: "tasks/s",
    how: `run.started to run.ended, the workers being gone by then; ${how}`,
  },
]);
