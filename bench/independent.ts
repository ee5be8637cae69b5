/**
 * Owns the fan-out: 10,000 tasks that do nothing and need nothing, on 2 workers.
 * Run alone: `node bench/independent.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { figure, print, quick } from "./figure.ts";
import { independent, manifest } from "./shapes.ts";
import { spanMs, type TimedRun, timedRun } from "./timed_run.ts";

const SIZE = quick ? 2_000 : 10_000;
const RUNS = quick ? 2 : 5;

const source = manifest("independent", independent(SIZE, "nothing"));
const options = { workers: 2, maxWorkers: 2 };
const runs: TimedRun[] = [];
await timedRun(source, options);
for (let round = 0; round < RUNS; round++) runs.push(await timedRun(source, options));
const perSecond = (ms: (run: TimedRun) => number) => runs.map((run) => SIZE / ms(run) * 1_000);

const how =
  `${SIZE} tasks, 2 workers; ${RUNS} runs after a warm-up run in the same process, new workers for each`;
print("independent", [
  figure("independent: tasks a second", perSecond((run) => run.awaitedMs), {
    unit: "tasks/s",
    how: `run.started to the awaited result; ${how}`,
    target: { atLeast: 400_000 },
  }),
  figure("independent: tasks a second, to run.ended", perSecond((run) => run.endedMs), {
    unit: "tasks/s",
    how: `run.started to run.ended; ${how}`,
  }),
  figure("independent: tasks a second, in the workers", perSecond((run) => spanMs(run.attempts)), {
    unit: "tasks/s",
    how: `beginning of the first attempt to the end of the last one; ${how}`,
  }),
]);
