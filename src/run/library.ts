/**
 * Owns `run` as a library offers it. A module that defines a pipeline and runs it is imported by the workers too: there
 * `run` only tells which pipeline it is, and never settles.
 * Must not know how a run is carried out.
 * Invariant: nothing of the executor is loaded in a worker, whose start would be the slower for it.
 */
import type { Execution, RunOptions } from "./execution.ts";
import type { Source } from "../pipeline/load/load.ts";

/** Set by the program of a worker before any module of a task is imported. */
const ranInWorker = (globalThis as { [key: symbol]: ((source: unknown) => void) | undefined })[
  Symbol.for("outrider.ranInWorker")
];

const executor = ranInWorker === undefined ? await import("./run.ts") : undefined;

/**
 * Runs a pipeline.
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
 * @param source A pipeline, its JSON form, or a path or URL of a file with either.
 * @param options How many workers, how long they get to end, parameters; see {@linkcode RunOptions}.
 * @returns The execution: await it for the result, iterate it for the events. It rejects with a `PipelineError` if the
 * pipeline has problems, with a `RunStoppedError` if it is stopped while the pipeline is loaded; then nothing has run. A task that fails is an outcome and no rejection.
 */
export function run(source: Source, options: RunOptions = {}): Execution {
  if (executor !== undefined) return executor.run(source, options);
  ranInWorker!(source);
  const never = new Promise<never>(() => {});
  return {
    run: "",
    then: never.then.bind(never),
    [Symbol.asyncIterator]: () => ({ next: () => never }),
    watch: () => () => {},
    snapshot: () => {
      throw new Error("A worker runs tasks; it knows no snapshot of the run");
    },
    stop() {},
    cancel() {},
  };
}
