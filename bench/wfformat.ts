/**
 * Owns real shapes: workflows recorded in WfFormat, scaled so that the mean task computes for 1 ms.
 * Run alone: `node bench/wfformat.ts [--quick]`, likewise on Deno (`-A`) and Bun. The files are those of the folder
 * `OUTRIDER_WFINSTANCES`, by default `../shared/data/wfinstances` beside the checkout.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Manifest } from "../src/pipeline/document/manifest.ts";
import { importWfFormat } from "../src/pipeline/import/wfformat.ts";
import { type Figure, figure, print, quick } from "./figure.ts";
import { manifest, WARM_UP, warmedUp } from "./shapes.ts";
import { spanMs, timedRun } from "./timed_run.ts";

const WORKERS = 2;
const RUNS = quick ? 1 : 3;
const FOLDER = process.env["OUTRIDER_WFINSTANCES"] ??
  resolve(fileURLToPath(new URL("..", import.meta.url)), "../shared/data/wfinstances");

/** How long each task computes, in milliseconds. */
function computing({ tasks }: Manifest): [string, number][] {
  return Object.entries(tasks).map(([name, task]) => [name, (task.params as { ms: number }).ms]);
}

/** The trace, with tasks that compute for 1 ms on average. */
function scaled(file: string): Manifest {
  const trace: unknown = JSON.parse(readFileSync(file, "utf8"));
  const times = computing(importWfFormat(trace, { scale: 1 }));
  return importWfFormat(trace, { scale: times.length / sum(times) });
}

/** No schedule can be shorter, in milliseconds. */
function bound(source: Manifest): number {
  const times = new Map(computing(source));
  const finish = new Map<string, number>();
  const finished = (name: string): number => {
    const known = finish.get(name);
    if (known !== undefined) return known;
    const needs = (source.tasks[name]!.needs ?? []).map((need) => finished(need as string));
    const at = Math.max(0, ...needs) + times.get(name)!;
    finish.set(name, at);
    return at;
  };
  const path = Math.max(...[...times.keys()].map(finished));
  return Math.max(path, sum([...times]) / WORKERS);
}

function sum(times: readonly (readonly [string, number])[]): number {
  return times.reduce((total, [, ms]) => total + ms, 0);
}

/** Warm and cold makespan over the bound. */
async function measure(name: string, source: Manifest): Promise<Figure[]> {
  const least = bound(source);
  const options = { workers: WORKERS, maxWorkers: WORKERS };
  const warmed = manifest(name, warmedUp(Object.entries(source.tasks)));
  const warm: number[] = [], cold: number[] = [];
  for (let round = 0; round < RUNS; round++) {
    const { attempts } = await timedRun(warmed, options);
    const ready = Math.max(
      ...attempts.filter(({ task }) => WARM_UP.includes(task)).map(({ endedAt }) => endedAt),
    );
    warm.push((Math.max(...attempts.map(({ endedAt }) => endedAt)) - ready) / least);
    cold.push(spanMs((await timedRun(source, options)).attempts) / least);
  }
  const how = `${Object.keys(source.tasks).length} tasks, mean 1 ms, bound ${
    least.toFixed(1)
  } ms, 2 workers; ${RUNS} runs`;
  return [
    figure(`WfFormat ${name}`, warm, {
      unit: "×",
      how: `from when both workers are warm to the end of the last attempt, over the bound; ${how}`,
      target: { atMost: 1.1 },
    }),
    figure(`WfFormat ${name}, cold`, cold, {
      unit: "×",
      how: `first attempt to last, while the second worker is still starting, over the bound; ${how}`,
    }),
  ];
}

const figures: Figure[] = [];
const notes: string[] = [];
if (!existsSync(FOLDER)) {
  notes.push(`There is no folder ${FOLDER}: set OUTRIDER_WFINSTANCES to one with WfFormat files`);
} else {
  for (const file of readdirSync(FOLDER).filter((file) => file.endsWith(".json")).sort()) {
    figures.push(...await measure(file.replace(/\.json$/, ""), scaled(join(FOLDER, file))));
  }
}
print("wfformat", figures, notes);
