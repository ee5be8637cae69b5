/**
 * Outrider: a pipeline is a DAG of tasks; `run` carries it out on workers.
 *
 * @example
 * ```ts
 * import { pipeline, run } from "outrider";
 *
 * const p = pipeline("hello");
 * p.task("greet", () => "Hello");
 * const result = await run(p);
 * ```
 *
 * @module
 */
export { run } from "./src/library.ts";
export { Pipeline, pipeline } from "./src/pipeline/builder.ts";
export type * from "./src/pipeline/builder_types.ts";
export type * from "./src/pipeline/context.ts";
export type * from "./src/pipeline/outcome.ts";
export { PipelineError, type Problem } from "./src/pipeline/problem.ts";
export type { PipelineLike } from "./src/pipeline/registry.ts";
export { type Value, ValueError } from "./src/pipeline/value.ts";
export type {
  Duration,
  Manifest,
  ManifestCommandOptions,
  ManifestCommandRun,
  ManifestLoop,
  ManifestModuleRun,
  ManifestNeed,
  ManifestRetry,
  ManifestRun,
  ManifestTask,
  ManifestTaskOptions,
} from "./src/pipeline/manifest.ts";
export type { Source } from "./src/pipeline/load.ts";
export type * from "./src/execution.ts";
export type * from "./src/journal/record.ts";
export type { RunResult } from "./src/journal/result.ts";
