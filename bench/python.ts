/**
 * Owns what a task in Python costs: on a process that is warm, as a program, and, for comparison, a new interpreter each time.
 * Run alone: `node bench/python.ts [--quick]`, likewise on Deno (`-A`) and Bun. It needs a `python3`.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Manifest, ManifestTask } from "../src/pipeline/document/manifest.ts";
import { figure, print, quantile, quick } from "./figure.ts";
import { spanMs, type TimedRun, timedRun } from "./timed_run.ts";

const SIZE = quick ? 200 : 1_000;
const PROGRAMS = quick ? 5 : 20;
const RUNS = quick ? 1 : 3;
const MODULE = fileURLToPath(new URL("./python_tasks.py", import.meta.url));

/** A chain of tasks that all run the same. */
function chainOf(size: number, run: NonNullable<ManifestTask["run"]>): Manifest {
  const tasks = Array.from({ length: size }, (_, at): readonly [string, ManifestTask] => [
    `t${at}`,
    { run, ...(at === 0 ? {} : { needs: [`t${at - 1}`] }) },
  ]);
  return { outrider: 1, name: "python", tasks: Object.fromEntries(tasks) };
}

const python = (name: string) => ({ python: MODULE, function: name });

/** Starts an interpreter that does nothing, and waits for its end. */
function interpreter(): Promise<number> {
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn("python3", ["-c", "pass"], { stdio: "ignore" });
    child.on("error", reject);
    child.on("exit", () => resolve(performance.now() - since));
  });
}

const warm: TimedRun[] = [];
const programs: TimedRun[] = [];
const interpreters: number[] = [];
const told: { readonly asks: number; readonly mib: number }[] = [];
await timedRun(chainOf(10, python("nothing")), { workers: 1 });
for (let round = 0; round < RUNS; round++) {
  warm.push(await timedRun(chainOf(SIZE, python("nothing")), { workers: 1 }));
  programs.push(await timedRun(chainOf(PROGRAMS, { command: ["python3", "-c", "pass"] }), { workers: 1 }));
  for (let count = 0; count < PROGRAMS; count++) interpreters.push(await interpreter());
  const { result } = await timedRun(
    { outrider: 1, name: "told", tasks: { told: { run: python("told"), params: { asks: SIZE } } } },
    { workers: 1 },
  );
  told.push(result.tasks["told"]![0]!.value as { asks: number; mib: number });
}

const times = `${RUNS} runs after a warm-up run in the same process, new processes of Python for each`;
print("python", [
  figure(
    "python: task after task on a warm process",
    warm.map((run) => spanMs(run.attempts) * 1_000 / SIZE),
    {
      unit: "µs",
      how:
        `a chain of ${SIZE} tasks that do nothing, from the first one's begin to the last one's end, per task; ${times}`,
      target: { atMost: 200 },
    },
  ),
  figure(
    "python: one attempt, median",
    warm.map(({ attempts }) =>
      quantile(attempts.map((each) => (each.endedAt - each.startedAt) * 1_000), 0.5)
    ),
    { unit: "µs", how: `from the order to the outcome, of ${SIZE} tasks; ${times}` },
  ),
  figure(
    "python: from the start of a run to its first task",
    warm.map(({ attempts, startedAt }) => Math.min(...attempts.map((each) => each.startedAt)) - startedAt),
    { unit: "ms", how: `the start of the interpreter; ${times}`, target: { atMost: 500 } },
  ),
  figure("python: one call of the store", told.map(({ asks }) => asks), {
    unit: "µs",
    how: `${SIZE} times ctx.store.set, as the task has seen it; ${times}`,
  }),
  figure("python: memory of a process", told.map(({ mib }) => mib), {
    unit: "MiB",
    how: `VmRSS of /proc/self/status at the end of a task that imports nothing; ${times}`,
  }),
  figure("python: as a program", programs.map((run) => spanMs(run.attempts) * 1_000 / PROGRAMS), {
    unit: "µs",
    how: `a chain of ${PROGRAMS} tasks that run python3 -c pass, per task; ${times}`,
  }),
  figure("python: a new interpreter", interpreters.map((ms) => ms * 1_000), {
    unit: "µs",
    how: `child_process.spawn of python3 -c pass to its exit, ${PROGRAMS} times; ${times}`,
  }),
]);
