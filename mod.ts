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
export { run } from "./src/run/library.ts";
export { Pipeline, pipeline } from "./src/pipeline/builder/builder.ts";
export type * from "./src/pipeline/builder/types.ts";
export type * from "./src/model/context.ts";
export { CAPABILITIES, type Capability } from "./src/model/capability.ts";
export type {
  FileErrorCode,
  JournalErrorCode,
  OutriderErrorCode,
  StoreErrorCode,
} from "./src/model/error_code.ts";
export type {
  AttemptResult,
  ErrorData,
  ErrorFrame,
  ItemCounts,
  On,
  Outcome,
  RunState,
} from "./src/model/outcome.ts";
export { FileError } from "./src/model/file.ts";
export type { FileReference, GivenFile, KeptFile, RefusedFile } from "./src/model/file.ts";
export { PipelineError, type Problem } from "./src/model/problem.ts";
export { RunStoppedError } from "./src/model/stopped.ts";
export type { PipelineLike } from "./src/pipeline/builder/registry.ts";
export { type Value, ValueError } from "./src/model/value.ts";
export type {
  Duration,
  Manifest,
  ManifestCommandOptions,
  ManifestCommandRun,
  ManifestCondition,
  ManifestEach,
  ManifestEdge,
  ManifestFailure,
  ManifestGraphRun,
  ManifestLoop,
  ManifestModuleRun,
  ManifestNeed,
  ManifestPythonOptions,
  ManifestPythonRun,
  ManifestResource,
  ManifestRetry,
  ManifestRun,
  ManifestSchedule,
  ManifestTask,
  ManifestTaskOptions,
  ManifestTest,
  ManifestTests,
  ManifestUses,
  RequiredPackages,
  Requires,
  Scalar,
} from "./src/pipeline/document/manifest.ts";
export type { Source } from "./src/pipeline/load/load.ts";
export type * from "./src/run/execution.ts";
export type { Holder, Lack } from "./src/model/lack.ts";
export type { ItemsStanding, RunningAttempt, RunSnapshot } from "./src/model/snapshot.ts";
export type {
  AttemptKey,
  Dispatched,
  Level,
  LogRecord,
  Settled,
  StateEvent,
  StateRecord,
} from "./src/model/record.ts";
export type { RunResult } from "./src/model/result.ts";
