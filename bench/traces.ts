/**
 * Owns real shapes: workflows recorded in WfFormat, scaled, with tasks that compute by the clock or by steps.
 * Must not know how they are run. The files are those of the folder `OUTRIDER_WFINSTANCES`, by default
 * `../shared/data/wfinstances` beside the checkout.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Manifest } from "../src/pipeline/document/manifest.ts";
import { importWfFormat } from "../src/pipeline/import/wfformat.ts";
import { type Calibration, stepsFor } from "./calibrate.ts";
import { manifest, task } from "./shapes.ts";

const FOLDER = process.env["OUTRIDER_WFINSTANCES"] ??
  resolve(fileURLToPath(new URL("..", import.meta.url)), "../shared/data/wfinstances");

/** Why there are no traces, if there are none. */
export const noTraces: string | undefined = existsSync(FOLDER)
  ? undefined
  : `There is no folder ${FOLDER}: set OUTRIDER_WFINSTANCES to one with WfFormat files`;

/** All traces by name, with tasks that compute for `meanMs` on average, by the clock. */
export function traces(meanMs: number): [string, Manifest][] {
  if (noTraces !== undefined) return [];
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json")).sort();
  return files.map((file) => [file.replace(/\.json$/, ""), scaled(join(FOLDER, file), meanMs)]);
}

function scaled(file: string, meanMs: number): Manifest {
  const trace: unknown = JSON.parse(readFileSync(file, "utf8"));
  const times = [...computing(importWfFormat(trace, { scale: 1 })).values()];
  return importWfFormat(trace, { scale: meanMs * times.length / sum(times) });
}

/** The same, its tasks computing by steps. */
export function bySteps(source: Manifest, calibration: Pick<Calibration, "stepsPerUs">): Manifest {
  const times = computing(source);
  return manifest(
    source.name,
    Object.entries(source.tasks).map(([name, { needs, estimate }]) => {
      const steps = stepsFor(times.get(name)! * 1_000, calibration);
      return [
        name,
        task("compute", { ...(needs && { needs }), ...(estimate && { estimate }), params: { steps } }),
      ];
    }),
  );
}

/** How long each task of a trace computes, in milliseconds. */
function computing({ tasks }: Manifest): Map<string, number> {
  return new Map(Object.entries(tasks).map(([name, task]) => [name, (task.params as { ms: number }).ms]));
}

/** No schedule of a trace can be shorter, in milliseconds: the critical path, or all work over the workers. */
export function bound(source: Manifest, workers: number): number {
  const times = computing(source);
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
  return Math.max(path, sum([...times.values()]) / workers);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
