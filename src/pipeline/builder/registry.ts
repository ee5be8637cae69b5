/**
 * Owns the list of the pipelines made in this thread, whichever copy of Outrider made them.
 * Must not know how a pipeline is built.
 * Invariant: the list is in the order in which the pipelines were made.
 */
import type { Manifest } from "../document/manifest.ts";
import type { TaskFunction } from "./types.ts";

/** What can be relied on of a pipeline, even if another copy of Outrider made it. */
export interface PipelineLike {
  /** The pipeline's name, unique in its module. */
  readonly name: string;
  /** URL of the module that made it. */
  readonly module: string | undefined;
  /** Its JSON form. @param module Written as the module of every task. Default: the module that made it. */
  manifest(module?: string): Manifest;
  /** The function of a task; `undefined` for a sync point or if there is no such task. */
  functionOf(task: string): TaskFunction | undefined;
}

/** Pipelines kept; when more are made, the oldest is forgotten, so that making them in a loop does not fill the memory. */
const MAX_PIPELINES = 10_000;

const LIST = Symbol.for("outrider.pipelines");

function list(): PipelineLike[] {
  const realm = globalThis as { [LIST]?: PipelineLike[] };
  return realm[LIST] ??= [];
}

/** Adds a pipeline to those made in this thread. */
export function register(pipeline: PipelineLike): void {
  const pipelines = list();
  pipelines.push(pipeline);
  if (pipelines.length > MAX_PIPELINES) pipelines.shift();
}

/** The pipelines made in this thread, the oldest first, at most 10,000. */
export function pipelinesMade(): readonly PipelineLike[] {
  return list();
}

/** Whether something is a pipeline, of this copy of Outrider or another. */
export function isPipeline(value: unknown): value is PipelineLike {
  if (typeof value !== "object" || value === null) return false;
  const like = value as Partial<PipelineLike>;
  return typeof like.name === "string" && typeof like.manifest === "function" &&
    typeof like.functionOf === "function";
}
