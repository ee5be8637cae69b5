/**
 * Owns what modules of tasks find under the name "outrider" where no package of this name is installed.
 * Must not know how a name is provided.
 * Invariant: running a pipeline there says which one it is, and never starts another run.
 */
import { PipelineError } from "../src/model/problem.ts";
import { ValueError } from "../src/model/value.ts";
import { Pipeline, pipeline } from "../src/pipeline/builder/builder.ts";
import { ranInWorker } from "./modules.ts";

/** Provides it. @param provide Makes a module of what it is given. */
export function provideOutrider(
  provide: (name: string, exports: Readonly<Record<string, unknown>>) => void,
): void {
  provide("outrider", {
    pipeline,
    Pipeline,
    PipelineError,
    ValueError,
    run(started: unknown) {
      ranInWorker(started as never);
      return new Promise(() => {});
    },
  });
  (globalThis as { [key: symbol]: unknown })[Symbol.for("outrider.ranInWorker")] = ranInWorker;
}
