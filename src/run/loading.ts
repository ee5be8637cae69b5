/**
 * Owns loading with real workers: a plan from whatever a person names, with modules looked at in a worker only.
 * Must not know what a plan is used for.
 * Invariant: nothing of a pipeline's code is evaluated in this thread.
 */
import { messageOf } from "../base/message.ts";
import type { Clock } from "../base/clock.ts";
import {
  type Loaded,
  type LoadOptions,
  type LoadPort,
  loadWhole,
  type ModuleExports,
  type Source,
} from "../pipeline/load/load.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { moduleKind } from "../pipeline/kinds/module.ts";
import type { KeptKind } from "../pool/kinds/runner.ts";
import { Pool } from "../pool/pool.ts";
import { workerCode } from "../pool/worker_code.ts";
import type { Lane } from "../pool/lane.ts";
import { RunStoppedError } from "../model/stopped.ts";
import { capacityOf } from "./capacity.ts";
import { takeEarly } from "./prewarm.ts";
import { runnerPort } from "./programs.ts";
import { realWorld, type World } from "./world.ts";

/** How long the modules of a pipeline may take to load, in milliseconds. */
const LOAD_MS = 60_000;

/** What loading is done with. */
export type LoadWorld = Pick<World, "clock" | "runtime">;

/** Who is asked about modules. */
interface Asked {
  readonly clock: Clock;
  readonly lane: () => Lane;
}

/** What loading asks, answered by the lane's worker. The lane is asked for only if there is a module to look at. */
export function loadPort({ clock, runtime }: LoadWorld, pool: Pool): LoadPort {
  const asked = { clock, lane: () => pool.first() };
  return {
    fileUrl: runtime.fileUrl,
    realUrl: runtime.realUrl,
    readText: (url) => runtime.readText(runtime.filePath(url)),
    describe: (module) => limited(asked, module, (calls) => calls.describe(module)),
    exportsOf: async (modules, kind) => {
      if (modules.length === 0) return {};
      const kept = kind === moduleKind.key ? undefined : await keptKind(kind);
      if (kept?.look === undefined) {
        const [found, unread] = await Promise.all([exportsOf(asked, modules), notUtf8(modules, runtime)]);
        return { ...found, ...unread };
      }
      return await kept.look(runnerPort({ run: "", runtime, clock, note: () => {} }), modules);
    },
    graphAt: (url) => graphAt(pool, url),
  };
}

/** What runs tasks of a kind in processes, if anything does: few pipelines have such tasks. */
async function keptKind(kind: string): Promise<KeptKind | undefined> {
  const { KEPT } = await import("../pool/kinds/list.ts");
  return KEPT.find(({ key }) => key === kind);
}

/** The modules that are in another encoding, which a runtime would read all the same, with other characters. */
async function notUtf8(
  modules: readonly string[],
  { readText, filePath }: LoadWorld["runtime"],
): Promise<Record<string, ModuleExports>> {
  const read = modules.filter((module) => module.startsWith("file:")).map(async (module) => {
    try {
      await readText(filePath(module));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === "OUTRIDER_UTF8") {
        return [[module, { error: messageOf(error) }]] as const;
      }
    }
    return [];
  });
  return Object.fromEntries((await Promise.all(read)).flat());
}

/** What a Python tells of one of netUnicorn's graphs; the process is kept to run its tasks. */
async function graphAt(pool: Pool, url: string): Promise<unknown> {
  const { outcome, value, error, because } = await pool.ask("netunicorn", { netunicorn: url });
  if (outcome === "succeeded" && value !== undefined) return JSON.parse(value);
  throw new Error(
    error?.message ?? `Python could not open the graph, it ${outcome}${because ? `: ${because}` : ""}`,
  );
}

/** A module of a kind that runs in no worker, and all that it imports of its folder, as paths relative to that. */
export async function importedFiles(
  kind: string,
  path: string,
  { runtime, clock }: LoadWorld = realWorld,
): Promise<readonly string[]> {
  const port = runnerPort({ run: "", runtime, clock, note: () => {} });
  const imports = (await keptKind(kind))?.imports;
  return imports === undefined ? [path.slice(path.lastIndexOf("/") + 1)] : await imports(port, path);
}

/** Asks for all at once; if the worker does not survive that, one by one, to tell which module it is. */
async function exportsOf(
  asked: Asked,
  modules: readonly string[],
): Promise<Record<string, ModuleExports>> {
  try {
    return exportsIn(await limited(asked, modules.join(", "), (calls) => calls.exportsOf(modules)), modules);
  } catch (error) {
    const [module] = modules;
    if (modules.length === 1) return { [module!]: { error: messageOf(error) } };
    const found: Record<string, ModuleExports> = {};
    for (const module of modules) Object.assign(found, await exportsOf(asked, [module]));
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
export async function loadPlan(
  source: Source,
  options: LoadOptions = {},
  world: LoadWorld = realWorld,
): Promise<Plan> {
  return (await loadDocument(source, options, world)).plan;
}

/** As `loadPlan`, with the document that the plan was made of. */
export async function loadDocument(
  source: Source,
  options: LoadOptions = {},
  world: LoadWorld = realWorld,
): Promise<Loaded> {
  const pool = new Pool({
    workers: 1,
    maxWorkers: 1,
    killGraceMs: 0,
    clock: world.clock,
    capacity: capacityOf(world.runtime, world.clock),
    early: takeEarly(world === realWorld),
    start: (data) => world.runtime.startThread({ code: workerCode, data }),
    own: runnerPort({ run: "", runtime: world.runtime, clock: world.clock, note() {} }),
    services: () => ({}),
    listener: { settled() {}, printed() {}, progressed() {}, replaced() {} },
  });
  try {
    return await loadWhole(source, loadPort(world, pool), options);
  } finally {
    await pool.close();
  }
}

/** The lane's answer; a worker that does not answer is ended. */
async function limited<T>(
  { clock, lane: laneOf }: Asked,
  what: string,
  question: Parameters<typeof Lane.prototype.ask<T>>[0],
): Promise<T> {
  const lane = laneOf();
  const limit = Promise.withResolvers<never>();
  const cancel = clock.after(LOAD_MS, () => {
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

/** The loading of one run's pipeline, which a stop gives an end. */
export class Loading {
  readonly #clock: Clock;
  readonly #limit: PromiseWithResolvers<never> = Promise.withResolvers();
  #cancelLimit: () => void = () => {};
  #stopped: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the run is to stop, if it is. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** The run is to stop: what is being read gets no longer than this. The first reason counts, and the last limit. */
  stop(because: string, ms: number): void {
    this.#stopped ??= because;
    this.#cancelLimit();
    this.#cancelLimit = this.#clock.after(ms, () => {
      this.#limit.reject(new RunStoppedError(because));
    });
  }

  /** What was read, unless a stop has ended that before. */
  loaded<T>(reading: Promise<T>): Promise<T> {
    return Promise.race([reading, this.#limit.promise]);
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#cancelLimit();
  }
}
