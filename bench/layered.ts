/**
 * Owns the large pipeline: 100,000 tasks that do nothing in random layers with 200,000 needs, against 1,000 of the same.
 * Run alone: `node bench/layered.ts [memory] [--quick]`, likewise on Deno (`-A`) and Bun; with `memory` the large pipeline is
 * run once and nothing else, and the peak of the process is told.
 */
import process from "node:process";
import { compile } from "../src/pipeline/plan/compile.ts";
import { figure, median, print, quick, words } from "./figure.ts";
import { peakMiB } from "./proc.ts";
import { layered, manifest } from "./shapes.ts";
import { spanMs, timedRun } from "./timed_run.ts";

const LARGE = quick ? 10_000 : 100_000;
const SMALL = 1_000;
const options = { workers: 2, maxWorkers: 2 };

/** Times of one pipeline, µs per task. */
interface Cost {
  readonly check: number[];
  readonly span: number[];
  readonly run: number[];
}

async function costOf(size: number, rounds: number): Promise<Cost> {
  const source = manifest("layered", layered(size, "nothing"));
  const cost: Cost = { check: [], span: [], run: [] };
  const perTask = (ms: number) => ms * 1_000 / size;
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    compile(source, import.meta.url);
    cost.check.push(perTask(performance.now() - began));
    const { attempts, awaitedMs } = await timedRun(source, options);
    cost.span.push(perTask(spanMs(attempts)));
    cost.run.push(perTask(awaitedMs));
  }
  return cost;
}

async function times(): Promise<void> {
  await costOf(SMALL, 5);
  const small = await costOf(SMALL, 10);
  const large = await costOf(LARGE, quick ? 1 : 2);
  const rounds = `${large.run.length} rounds, 2 workers; 15 rounds of ${SMALL} tasks before`;
  const against = (key: keyof Cost) => large[key].map((value) => value / median(small[key]));
  const ratio = `over the median of 10 rounds of ${SMALL} tasks, ${2 * SMALL} needs; ${rounds}`;
  const unit = "µs", name = `layered, ${LARGE} tasks`;
  print("layered", [
    figure(`${name}: check, per task`, large.check, {
      unit,
      how: `compile(), modules not looked at; ${rounds}`,
    }),
    figure(`${name}: check, against ${SMALL} tasks`, against("check"), {
      unit: "×",
      how: ratio,
      target: { atMost: 1.5 },
    }),
    figure(`${name}: run, per task`, large.run, {
      unit,
      how: `run.started to the awaited result; ${rounds}`,
    }),
    figure(`${name}: attempts, per task`, large.span, {
      unit,
      how: `beginning of the first attempt to the end of the last one; ${rounds}`,
    }),
    figure(`${name}: attempts, against ${SMALL} tasks`, against("span"), {
      unit: "×",
      how: `cost from the first attempt to the last, without starting and ending workers, ${ratio}`,
      target: { atMost: 1.5 },
    }),
    figure(`${name}: run, against ${SMALL} tasks`, against("run"), {
      unit: "×",
      how: `whole run; starting and ending workers weighs on the small one; ${ratio}`,
      target: { atMost: 1.5 },
    }),
  ]);
}

async function memory(): Promise<void> {
  const source = manifest("layered", layered(LARGE, "nothing"));
  const peak = () => peakMiB() ?? process.resourceUsage().maxRSS / 1_024;
  const before = peak();
  await timedRun(source, options);
  const how =
    `most memory that the process had resident, workers included; process of its own, one run of ${LARGE} tasks; ` +
    `${Math.round(before)} MiB before the run, with the pipeline made`;
  print("layered memory", [
    figure(`layered, ${LARGE} tasks: peak memory`, [peak()], {
      unit: "MiB",
      how,
      target: { atMost: 1_024 },
    }),
  ]);
}

await (words.includes("memory") ? memory() : times());
