/**
 * Owns the pipelines that are measured, as manifests.
 * Must not know how they are run or timed.
 * Invariant: the same arguments give the same pipeline; nothing is drawn from an unseeded source.
 */
import type { Manifest, ManifestTask } from "../src/pipeline/document/manifest.ts";
import { randomFrom } from "./random.ts";

/** Absolute URL of the module that all tasks are from. */
export const MODULE: string = new URL("./tasks.ts", import.meta.url).href;

/** Name of an export of tasks.ts. */
export type Work =
  | "nothing"
  | "list"
  | "stamp"
  | "stampsSoFar"
  | "spinAndTell"
  | "compute"
  | "computeAndTell"
  | "warmUp"
  | "stepsPerUs";

/** A task of our own module. */
export function task(work: Work, more: Partial<ManifestTask> = {}): ManifestTask {
  return { run: { module: MODULE, export: work }, ...more };
}

/** Tasks by name, as a pipeline. */
export function manifest(name: string, tasks: Iterable<readonly [string, ManifestTask]>): Manifest {
  return { outrider: 1, name, tasks: Object.fromEntries(tasks) };
}

/** `size` tasks, each of which needs the one before it. */
export function chain(size: number, work: Work): [string, ManifestTask][] {
  return Array.from({ length: size }, (_, at) => [
    `t${at}`,
    task(work, at === 0 ? {} : { needs: [`t${at - 1}`] }),
  ]);
}

/** `size` tasks without needs. */
export function independent(size: number, work: Work): [string, ManifestTask][] {
  return Array.from({ length: size }, (_, at) => [`t${at}`, task(work)]);
}

/**
 * A random pipeline of `Math.round(Math.sqrt(size))` layers of the same width. Each task behind the first layer needs two
 * different tasks of the layer before it, and tasks chosen at random need a third one, so that there are `2 * size` needs.
 */
export function layered(size: number, work: Work): [string, ManifestTask][] {
  const random = randomFrom(size);
  const width = Math.ceil(size / Math.round(Math.sqrt(size)));
  const needs = Array.from({ length: size }, () => new Set<number>());
  const draw = (at: number) =>
    needs[at]!.add((Math.floor(at / width) - 1) * width + Math.floor(random() * width));
  for (let at = width; at < size; at++) while (needs[at]!.size < 2) draw(at);
  for (let left = 2 * size - 2 * (size - width); left > 0;) {
    const at = width + Math.floor(random() * (size - width));
    const before = needs[at]!.size;
    left -= draw(at).size - before;
  }
  return needs.map((of, at) => [`t${at}`, task(work, { needs: [...of].map((need) => `t${need}`) })]);
}

/** Which points of the step before a point of a step needs, and how many points a step has. */
export interface Pattern {
  width(step: number): number;
  needs(point: number): readonly number[];
}

/**
 * The two patterns of Task Bench, by their definitions: a stencil's point needs itself and its neighbours in the step
 * before, a tree's step has twice the points of the one before it until it is `width` wide, and point p needs p / 2.
 */
export const PATTERNS: Readonly<Record<"stencil" | "tree", (width: number) => Pattern>> = {
  stencil: (width) => ({
    width: () => width,
    needs: (point) => [point - 1, point, point + 1].filter((near) => near >= 0 && near < width),
  }),
  tree: (width) => ({
    width: (step) => Math.min(width, 2 ** Math.min(step, 30)),
    needs: (point) => [point >> 1],
  }),
};

/** A pattern's tasks, all of them made alike. */
export function steps(
  pattern: Pattern,
  count: number,
  make: (needs: string[]) => ManifestTask,
): [string, ManifestTask][] {
  const tasks: [string, ManifestTask][] = [];
  for (let step = 0; step < count; step++) {
    for (let point = 0; point < pattern.width(step); point++) {
      const needs = step === 0 ? [] : pattern.needs(point).map((near) => `s${step - 1}p${near}`);
      tasks.push([`s${step}p${point}`, make(needs)]);
    }
  }
  return tasks;
}

/** Whether {@linkcode warmedUp} has added the task. */
export function warmsUp(name: string): boolean {
  return name.startsWith("warm-up ");
}

/** The tasks behind some that keep each worker busy for so long that all have started. */
export function warmedUp(
  tasks: readonly (readonly [string, ManifestTask])[],
  workers: number,
): (readonly [string, ManifestTask])[] {
  const names = Array.from({ length: workers }, (_, at) => `warm-up ${at}`);
  const warmUp = task("warmUp", { params: { us: 75_000 * workers } });
  return [...names.map((name) => [name, warmUp] as const), ...behind(names, tasks)];
}

/** The tasks, with those that need nothing behind the ones named. */
export function behind(
  names: readonly string[],
  tasks: readonly (readonly [string, ManifestTask])[],
): (readonly [string, ManifestTask])[] {
  return tasks.map(([name, one]) => [name, one.needs?.length ? one : { ...one, needs: names }] as const);
}
