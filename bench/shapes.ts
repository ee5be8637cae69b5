/**
 * Owns the pipelines that are measured, as manifests.
 * Must not know how they are run or timed.
 * Invariant: the same arguments give the same pipeline; nothing is drawn from an unseeded source.
 */
import type { Manifest, ManifestTask } from "../src/pipeline/manifest.ts";

/** Absolute URL of the module that all tasks are from. */
export const MODULE: string = new URL("./tasks.ts", import.meta.url).href;

/** Name of an export of tasks.ts. */
export type Work = "nothing" | "stamp" | "stampsSoFar" | "spin";

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
