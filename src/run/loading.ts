/**
 * Owns loading with real workers: a plan from whatever a person names, with modules looked at in a worker only.
 * Must not know what a plan is used for.
 * Invariant: nothing of a pipeline's code is evaluated in this thread.
 */
import { messageOf } from "../base/message.ts";
import { systemClock } from "../base/clock.ts";
import {
  type Loaded,
  type LoadOptions,
  type LoadPort,
  loadWhole,
  type ModuleExports,
  type Source,
} from "../pipeline/load/load.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { Pool } from "../pool/pool.ts";
import { workerCode } from "../pool/worker_code.ts";
import type { Lane } from "../pool/lane.ts";
import { runtime } from "../runtime/runtime.ts";

/** How long the modules of a pipeline may take to load, in milliseconds. */
const LOAD_MS = 60_000;

/** What loading asks, answered by the lane's worker. The lane is asked for only if there is a module to look at. */
export function loadPort(lane: () => Lane): LoadPort {
  return {
    fileUrl: runtime.fileUrl,
    readText: (url) => runtime.readText(runtime.filePath(url)),
    describe: (module) => limited(lane(), module, (calls) => calls.describe(module)),
    exportsOf: (modules) => modules.length === 0 ? Promise.resolve({}) : exportsOf(lane, modules),
  };
}

/** Asks for all at once; if the worker does not survive that, one by one, to tell which module it is. */
async function exportsOf(
  lane: () => Lane,
  modules: readonly string[],
): Promise<Record<string, ModuleExports>> {
  try {
    return exportsIn(await limited(lane(), modules.join(", "), (calls) => calls.exportsOf(modules)), modules);
  } catch (error) {
    const [module] = modules;
    if (modules.length === 1) return { [module!]: { error: messageOf(error) } };
    const found: Record<string, ModuleExports> = {};
    for (const module of modules) Object.assign(found, await exportsOf(lane, [module]));
    return found;
  }
}

/** What a worker told of the modules; it runs other people's code, so that it may be anything. */
function exportsIn(told: unknown, modules: readonly string[]): Record<string, ModuleExports> {
  const entries = typeof told === "object" && told !== null ? told as Readonly<Record<string, unknown>> : {};
  return Object.fromEntries(modules.map((module) => {
    const { exports, error } = (entries[module] ?? {}) as { exports?: unknown; error?: unknown };
    if (Array.isArray(exports) && exports.every((name) => typeof name === "string")) {
      return [module, { exports }];
    }
    return [module, { error: typeof error === "string" ? error : "it was not looked at" }];
  }));
}

/** Loads and checks a pipeline without running it. @throws {PipelineError} With every problem at once. */
export async function loadPlan(source: Source, options: LoadOptions = {}): Promise<Plan> {
  return (await loadDocument(source, options)).plan;
}

/** As `loadPlan`, with the document that the plan was made of. */
export async function loadDocument(source: Source, options: LoadOptions = {}): Promise<Loaded> {
  const pool = new Pool({
    workers: 1,
    maxWorkers: 1,
    killGraceMs: 0,
    start: (data) => runtime.startThread({ code: workerCode, data }),
    services: () => ({}),
    listener: { settled() {}, printed() {}, progressed() {}, replaced() {} },
  });
  try {
    return await loadWhole(source, loadPort(() => pool.first()), options);
  } finally {
    await pool.close();
  }
}

/** The lane's answer; a worker that does not answer is ended. */
async function limited<T>(lane: Lane, what: string, question: Parameters<typeof lane.ask<T>>[0]): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const cancel = systemClock.after(LOAD_MS, () => {
    limit.reject(
      new Error(
        `Loading ${what} takes longer than ${LOAD_MS / 1_000} s: look for code that waits at its top level`,
      ),
    );
    lane.end().catch(() => {});
  });
  try {
    return await Promise.race([lane.ask(question), limit.promise]);
  } finally {
    cancel();
  }
}
