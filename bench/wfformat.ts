/**
 * Owns the makespan of real shapes: workflows recorded in WfFormat, scaled so that the mean task computes for 1 ms.
 * Run alone: `node bench/wfformat.ts [--quick]`, likewise on Deno (`-A`) and Bun. traces.ts says where the files are.
 */
import type { Manifest } from "../src/pipeline/document/manifest.ts";
import { calibrate } from "./calibrate.ts";
import { type Figure, figure, print, quick } from "./figure.ts";
import { manifest, warmedUp, warmsUp } from "./shapes.ts";
import { spanMs, timedRun } from "./timed_run.ts";
import { bound, bySteps, noTraces, traces } from "./traces.ts";

const WORKERS = 2;
const RUNS = quick ? 1 : 3;
const OPTIONS = { workers: WORKERS, maxWorkers: WORKERS };
/** A trace with fewer tasks has less to hide a hand-over behind. */
const SMALL = 100;

/** From when both workers are warm to the end of the last attempt, in milliseconds. */
async function warmMs(source: Manifest): Promise<number> {
  const warmed = manifest(source.name, warmedUp(Object.entries(source.tasks), WORKERS));
  const { attempts } = await timedRun(warmed, OPTIONS);
  const ready = Math.max(...attempts.filter(({ task }) => warmsUp(task)).map(({ endedAt }) => endedAt));
  return Math.max(...attempts.map(({ endedAt }) => endedAt)) - ready;
}

/** Makespans over the bound: warm by the clock and by steps, and cold. */
async function measure(name: string, source: Manifest): Promise<Figure[]> {
  const least = bound(source, WORKERS);
  const stepped = bySteps(source, calibration);
  const warm: number[] = [], steps: number[] = [], cold: number[] = [];
  for (let round = 0; round < RUNS; round++) {
    warm.push(await warmMs(source) / least);
    steps.push(await warmMs(stepped) / least);
    cold.push(spanMs((await timedRun(source, OPTIONS)).attempts) / least);
  }
  const size = Object.keys(source.tasks).length;
  const how = `${size} tasks, mean 1 ms, bound ${least.toFixed(1)} ms, 2 workers; ${RUNS} runs`;
  const target = { atMost: size < SMALL ? 1.15 : 1.1 };
  const fromWarm = "from when both workers are warm to the end of the last attempt, over the bound";
  return [
    figure(`WfFormat ${name}`, warm, { unit: "×", how: `${fromWarm}; by the clock; ${how}`, target }),
    figure(`WfFormat ${name}, by steps`, steps, {
      unit: "×",
      how: `${fromWarm}; ${calibration.how}; ${how}`,
      target,
    }),
    figure(`WfFormat ${name}, cold`, cold, {
      unit: "×",
      how:
        `first attempt to last, while the second worker is still starting, over the bound; by the clock; ${how}`,
    }),
  ];
}

const calibration = await calibrate();
const figures: Figure[] = [];
for (const [name, source] of traces(1)) figures.push(...await measure(name, source));
print("wfformat", figures, noTraces === undefined ? [] : [noTraces]);
