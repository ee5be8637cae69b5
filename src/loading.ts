/**
 * Owns loading with real workers: a plan from whatever a person names, with modules looked at in a worker only.
 * Must not know what a plan is used for.
 * Invariant: nothing of a pipeline's code is evaluated in this thread.
 */
import { load, type LoadOptions, type LoadPort, type Source } from "./pipeline/load.ts";
import type { Plan } from "./pipeline/plan.ts";
import { Pool } from "./pool/pool.ts";
import { workerCode } from "./pool/worker_code.ts";
import type { Lane } from "./pool/lane.ts";
import { runtime } from "./runtime/runtime.ts";

/** How long the modules of a pipeline may take to load, in milliseconds. */
const LOAD_MS = 60_000;

/** What loading asks, answered by the lane's worker. The lane is asked for only if there is a module to look at. */
export function loadPort(lane: () => Lane): LoadPort {
  return {
    fileUrl: runtime.fileUrl,
    readText: (url) => runtime.readText(runtime.filePath(url)),
    describe: (module) => limited(lane().ask((calls) => calls.describe(module)), module),
    exportsOf: (modules) =>
      modules.length === 0
        ? Promise.resolve({})
        : limited(lane().ask((calls) => calls.exportsOf(modules)), modules.join(", ")),
  };
}

/** Loads and checks a pipeline without running it. @throws {PipelineError} With every problem at once. */
export async function loadPlan(source: Source, options: LoadOptions = {}): Promise<Plan> {
  const pool = new Pool({
    workers: 1,
    maxWorkers: 1,
    killGraceMs: 0,
    start: (data) => runtime.startThread({ code: workerCode, data }),
    services: {},
    listener: { settled() {}, printed() {}, progressed() {}, replaced() {} },
  });
  try {
    return await load(source, loadPort(() => pool.first()), options);
  } finally {
    await pool.close();
  }
}

async function limited<T>(answer: Promise<T>, what: string): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    limit.reject(
      new Error(
        `Loading ${what} takes longer than ${LOAD_MS / 1_000} s: look for code that waits at its top level`,
      ),
    );
  }, LOAD_MS);
  try {
    return await Promise.race([answer, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
