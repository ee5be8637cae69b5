/**
 * Owns the mapped task: 10,000 items that do nothing, on 2 workers.
 * Run alone: `node bench/mapped.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { figure, print, quick } from "./figure.ts";
import { manifest, task } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

const SIZE = quick ? 2_000 : 10_000;
const RUNS = quick ? 2 : 5;

const source = manifest("mapped", [
  ["list", task("list", { params: { size: SIZE } })],
  ["each", task("nothing", { each: { task: "list" } })],
]);
const options = { workers: 2, maxWorkers: 2 };

/** From the moment when the items were counted to the value of the task, microseconds an item. */
async function perItem(): Promise<number> {
  const { attempts } = await timedRun(source, options);
  const whole = attempts.find(({ worker }) => worker === undefined)!;
  return (whole.endedAt - whole.startedAt) / SIZE * 1_000;
}

const runs: number[] = [];
await perItem();
for (let round = 0; round < RUNS; round++) runs.push(await perItem());
print("mapped", [
  figure("mapped: an item", runs, {
    unit: "µs",
    how:
      `from when ${SIZE} items are counted to the task's value, 2 workers; ${RUNS} runs after a warm-up run, ` +
      "new workers for each",
    target: { atMost: 20 },
  }),
]);
