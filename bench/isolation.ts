/**
 * Owns what a function of a module costs in a process of its own, beside the same one on a worker.
 * Run alone: `node bench/isolation.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { fileURLToPath } from "node:url";
import type { Manifest, ManifestTask } from "../src/pipeline/document/manifest.ts";
import { figure, print, quantile, quick } from "./figure.ts";
import { spanMs, type TimedRun, timedRun } from "./timed_run.ts";

const SIZE = quick ? 200 : 1_000;
const RUNS = quick ? 1 : 3;
const MODULE = fileURLToPath(new URL("./tasks.ts", import.meta.url));

/** A chain of tasks that do nothing. */
function chainOf(size: number, isolation: "thread" | "process"): Manifest {
  const tasks = Array.from({ length: size }, (_, at): readonly [string, ManifestTask] => [
    `t${at}`,
    { run: { module: MODULE, export: "nothing" }, isolation, ...(at === 0 ? {} : { needs: [`t${at - 1}`] }) },
  ]);
  return { outrider: 1, name: "isolation", tasks: Object.fromEntries(tasks) };
}

const runs: Record<"thread" | "process", TimedRun[]> = { thread: [], process: [] };
for (const isolation of ["thread", "process"] as const) {
  await timedRun(chainOf(10, isolation), { workers: 1 });
}
for (let round = 0; round < RUNS; round++) {
  for (const isolation of ["thread", "process"] as const) {
    runs[isolation].push(await timedRun(chainOf(SIZE, isolation), { workers: 1 }));
  }
}

const times = `${RUNS} runs after a warm-up run in the same process, in turn, new processes for each`;
const perTask = (run: TimedRun) => spanMs(run.attempts) * 1_000 / SIZE;
print("isolation", [
  figure("isolation: task after task in a process", runs.process.map(perTask), {
    unit: "µs",
    how:
      `a chain of ${SIZE} tasks that do nothing, from the first one's begin to the last one's end, per task; ${times}`,
    target: { atMost: 200 },
  }),
  figure("isolation: task after task on a worker", runs.thread.map(perTask), {
    unit: "µs",
    how: `the same chain; ${times}`,
  }),
  figure(
    "isolation: one attempt in a process, median",
    runs.process.map(({ attempts }) =>
      quantile(attempts.map((each) => (each.endedAt - each.startedAt) * 1_000), 0.5)
    ),
    { unit: "µs", how: `from the order to the outcome, of ${SIZE} tasks; ${times}` },
  ),
  figure(
    "isolation: from the start of a run to its first task in a process",
    runs.process.map(({ attempts, startedAt }) =>
      Math.min(...attempts.map((each) => each.startedAt)) - startedAt
    ),
    { unit: "ms", how: `the start of the process; ${times}` },
  ),
]);
