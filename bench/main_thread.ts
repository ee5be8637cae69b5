/**
 * Owns how much of the processor time of a run the main thread has: with tasks that compute for 100 µs, and in the chain.
 * The first task and the last one read it, so that nothing watches meanwhile.
 * Run alone: `node bench/main_thread.ts [metg|chain] [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import type { ManifestTask } from "../src/pipeline/document/manifest.ts";
import { calibrate, stepsFor } from "./calibrate.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";
import { type ProcessorTimes, processorTimes } from "./proc.ts";
import { behind, chain, manifest, PATTERNS, steps, task, warmedUp } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

const WORKERS = 2;
const RUNS = quick ? 1 : 3;
/** What a task of METG computes for. */
const US = 100;
/** Long enough that the main thread, which may sleep for 50 ms, hears of nearly all of them before the last one ends. */
const METG_TASKS = quick ? 2_000 : 10_000, CHAIN_TASKS = quick ? 10_000 : 100_000;
const READS: ManifestTask = {
  run: { module: new URL("./proc_tasks.ts", import.meta.url).href, export: "times" },
};

type Tasks = readonly (readonly [string, ManifestTask])[];

/** What part of the time between two readings the main thread had, in per cent. */
function share(from: ProcessorTimes, to: ProcessorTimes): number {
  return (to.mainMs - from.mainMs) / (to.allMs - from.allMs) * 100;
}

/** The share while tasks run, and that of the whole run, one value for each run. */
async function measure(name: string, tasks: Tasks, lasts: readonly string[]) {
  const first = ["first", READS] as const, last = ["last", { ...READS, needs: lasts }] as const;
  const source = manifest(name, warmedUp([first, ...behind(["first"], tasks), last], WORKERS));
  const atWork: number[] = [], whole: number[] = [];
  for (let round = -1; round < RUNS; round++) {
    const before = processorTimes()!;
    const { result } = await timedRun(source, { workers: WORKERS, maxWorkers: WORKERS });
    const after = processorTimes()!;
    if (round < 0) continue;
    const [from, to] = ["first", "last"].map((name) =>
      result.tasks[name]![0]!.value as unknown as ProcessorTimes
    );
    atWork.push(share(from!, to!));
    whole.push(share(before, after));
  }
  return { atWork, whole };
}

const unit = "%";
const ofAll = "processor time of the main thread, over that of all threads";

async function inMetg(): Promise<Figure[]> {
  const calibration = await calibrate();
  const figures: Figure[] = [];
  for (const shape of ["stencil", "tree"] as const) {
    for (const width of [2, 16]) {
      const count = Math.ceil(METG_TASKS / width);
      const tasks = steps(
        PATTERNS[shape](width),
        count,
        (needs) => task("computeAndTell", { params: { steps: stepsFor(US, calibration) }, needs }),
      );
      const { atWork, whole } = await measure(shape, tasks, tasks.slice(-width).map(([name]) => name));
      const name = `main thread's share, ${shape}, ${width} wide, ${US} µs a task`;
      const how =
        `some ${METG_TASKS} tasks, 2 workers, both warm; ${RUNS} runs after one; ${calibration.how}`;
      figures.push(
        figure(name, atWork, {
          unit,
          how: `${ofAll}, from the first task to the last one; ${how}`,
          target: { atMost: 5 },
        }),
        figure(`${name}: whole run`, whole, {
          unit,
          how: `${ofAll}, from the call to the result, warm-up included; ${how}`,
        }),
      );
    }
  }
  return figures;
}

async function inChain(): Promise<Figure[]> {
  const tasks = chain(CHAIN_TASKS, "nothing");
  const { atWork, whole } = await measure("chain", tasks, [tasks.at(-1)![0]]);
  const name = "main thread's share, chain";
  const how = `${CHAIN_TASKS} tasks, 2 workers, both warm; ${RUNS} runs after one`;
  return [
    figure(name, atWork, { unit, how: `${ofAll}, from the first task to the last one; ${how}` }),
    figure(`${name}: whole run`, whole, {
      unit,
      how:
        `${ofAll}, from the call to the result: checking, starting and warming workers, making the result; ${how}`,
    }),
  ];
}

if (processorTimes() === undefined) {
  print("main thread", [], ["The system does not tell the processor time of the main thread"]);
} else {
  const both = words.length === 0;
  print("main thread", [
    ...(both || words.includes("metg") ? await inMetg() : []),
    ...(both || words.includes("chain") ? await inChain() : []),
  ]);
}
