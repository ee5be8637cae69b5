/**
 * Owns the modules of tasks: importing them, finding functions in them, describing the pipelines they make.
 * Must not know attempts.
 * Invariant: a module is imported once for the life of the worker.
 */
import {
  ArrayPrototype,
  defineProperty,
  deleteProperty,
  hasOwn,
  ObjectPrototype,
  ownOf,
  PlainError,
  PromisePrototype,
  put,
  SafeMap,
} from "../src/base/primordials.ts";
import { keepEnvironment } from "../src/runtime/environment.ts";
import type { FunctionSource } from "../src/pipeline/kinds/kind.ts";
import { isPipeline, type PipelineLike, pipelinesMade } from "../src/pipeline/builder/registry.ts";
import { loadErrorText } from "./load_error.ts";

/** A task's function, whatever its inputs are. */
export type AnyTask = (context: unknown) => unknown;

/** Functions by source and task, once their modules are imported. */
export class Modules {
  #sources: readonly FunctionSource[] = [];
  readonly #places: Map<string, number> = new SafeMap();
  readonly #exported: (AnyTask | undefined)[] = [];
  readonly #pipelines: (PipelineLike | undefined)[] = [];

  setup(sources: readonly FunctionSource[]): void {
    this.#sources = sources;
  }

  /** The place of a source, which it gets when it is first asked for. */
  placeOf(source: FunctionSource): number {
    const key = `${source.module}\n${
      "export" in source ? `e ${source.export}` : `p ${source.pipeline}\n${source.task ?? ""}`
    }`;
    let place = this.#places.get(key);
    if (place === undefined) {
      this.#places.set(key, place = this.#sources.length);
      this.#sources = [...this.#sources, source];
    }
    return place;
  }

  /** The function, if its module has been imported. @param of Its name is read only if several come from there. */
  ready(source: number, of: { readonly task: string }): AnyTask | undefined {
    return this.#exported[source] ?? this.#pipelines[source]?.functionOf(of.task) as AnyTask | undefined;
  }

  /**
   * Imports what `ready` needs. It gives out nothing itself: whatever a promise is settled with is asked for a `then`, which
   * a task may have put into prototypes.
   */
  async prepare(source: number, task: string): Promise<void> {
    const putBack = restoreLanguage();
    try {
      await this.#prepare(source, task);
    } finally {
      putBack();
    }
  }

  async #prepare(source: number, task: string): Promise<void> {
    const from = this.#sources[source]!;
    if ("export" in from) {
      const found = exportOf(await importModule(from.module), from.export);
      if (typeof found !== "function") {
        throw new TypeError(`Module ${from.module} has no function "${from.export}": it is ${typeof found}`);
      }
      this.#exported[source] = found as AnyTask;
      return;
    }
    const pipeline = await pipelineOf(from.module, from.pipeline);
    const own = from.task ?? task;
    const found = pipeline.functionOf(own);
    if (found === undefined) {
      throw new TypeError(
        `Pipeline "${from.pipeline}" in ${from.module} has no function for the task "${own}"`,
      );
    }
    if (from.task === undefined) this.#pipelines[source] = pipeline;
    else this.#exported[source] = found as AnyTask;
  }
}

/** The manifest of the pipeline that a module makes: its default export, else the only one it makes. */
export async function describe(module: string): Promise<unknown> {
  try {
    return (await pipelineOf(module)).manifest(module);
  } catch (error) {
    // Problems of a pipeline have places of their own.
    if (!(error instanceof Error) || "problems" in error) throw error;
    const told = loadErrorText(error, "");
    throw told === error.message ? error : new PlainError(told);
  }
}

/** Names of the functions that each module exports, or why it can't be imported. */
export async function exportsOf(
  modules: readonly string[],
): Promise<Record<string, { exports: string[] } | { error: string }>> {
  const found = await Promise.all(modules.map(async (module) => {
    try {
      const exported = await importModule(module);
      return [module, {
        exports: namesIn(exported).filter((name) => typeof exportOf(exported, name) === "function"),
      }];
    } catch (error) {
      return [module, { error: loadErrorText(error) }];
    }
  }));
  return Object.fromEntries(found);
}

/** Pipelines that were given to `run` by a module that is being imported; see `ranInWorker`. */
const ran: PipelineLike[] = [];
const waiting = new Set<(pipeline: PipelineLike) => void>();

/** `run(p)` was called in a module that a worker imports: the module is a program that runs its own pipeline. */
export function ranInWorker(pipeline: PipelineLike): void {
  ran.push(pipeline);
  for (const tell of waiting) tell(pipeline);
}

async function pipelineOf(module: string, name?: string): Promise<PipelineLike> {
  const fits = (pipeline: PipelineLike) => name === undefined || pipeline.name === name;
  const before = ran.find(fits);
  if (before !== undefined) return before;
  let tell: (pipeline: PipelineLike) => void = () => {};
  const ranOne = new Promise<PipelineLike>((done) => {
    tell = (pipeline) => fits(pipeline) && done(pipeline);
    waiting.add(tell);
  });
  try {
    return await Promise.race([
      ranOne,
      importModule(module).then((exported) => choose(module, exported, name)),
    ]);
  } finally {
    waiting.delete(tell);
  }
}

function choose(module: string, exported: Record<string, unknown>, name: string | undefined): PipelineLike {
  const made = pipelinesMade().filter((each) =>
    each.module === module || namesIn(exported).some((name) => exportOf(exported, name) === each)
  );
  const byDefault = exportOf(exported, "default") as PipelineLike | undefined;
  if (name !== undefined) {
    const found = made.find((pipeline) => pipeline.name === name) ??
      (byDefault?.name === name ? byDefault : undefined);
    if (found !== undefined) return found;
    throw new TypeError(`Module ${module} makes no pipeline "${name}" when a worker imports it`);
  }
  if (isPipeline(byDefault)) return byDefault;
  if (made.length === 1) return made[0]!;
  throw new TypeError(
    made.length === 0
      ? `Module ${module} makes no pipeline: export one as default, such as \`export default pipeline("name")\``
      : `Module ${module} makes ${made.length} pipelines (${
        made.map((each) => each.name).join(", ")
      }): export the one to run as default`,
  );
}

/** The name under which a module of the older kind (CommonJS) shows all that it exports, on those runtimes that read it first. */
const OLDER = "module.exports";

/**
 * What a module exports under a name. One of the older kind exports what it has put into `module.exports`: Node and Deno show
 * only what they can read off its text as exports, Bun all.
 */
function exportOf(exported: Record<string, unknown>, name: string): unknown {
  const older = olderIn(exported);
  return older !== undefined && hasOwn(older, name) ? older[name] : exported[name];
}

function namesIn(exported: Record<string, unknown>): string[] {
  const names = [...Object.keys(exported), ...Object.keys(olderIn(exported) ?? {})];
  return [...new Set(names)].filter((name) => name !== OLDER);
}

function olderIn(exported: Record<string, unknown>): Record<string, unknown> | undefined {
  const older = hasOwn(exported, OLDER) ? exported[OLDER] : undefined;
  return (typeof older === "object" && older !== null) || typeof older === "function"
    ? older as Record<string, unknown>
    : undefined;
}

const imported: Map<string, Record<string, unknown>> = new SafeMap();

async function importModule(module: string): Promise<Record<string, unknown>> {
  const before = imported.get(module);
  if (before !== undefined) return before;
  const putBack = restoreLanguage();
  try {
    const exported: Record<string, unknown> = await import(module);
    imported.set(module, exported);
    // What it has set, as `dotenv` does, is there for all its tasks: it is imported once.
    keepEnvironment();
    return exported;
  } catch (error) {
    if (error instanceof Error) error.message = withoutImporter(error.message);
    throw error;
  } finally {
    putBack();
  }
}

/** A property that the runtimes' loaders use as it is at the moment. */
interface Part {
  readonly on: object;
  readonly key: PropertyKey;
  /** What it was; nothing: there was none. */
  readonly whole: PropertyDescriptor | undefined;
}

const LOADERS: readonly Part[] = [
  partOf(PromisePrototype, "then"),
  partOf(ObjectPrototype, "then"),
  partOf(ArrayPrototype, "then"),
];

function partOf(on: object, key: PropertyKey): Part {
  return { on, key, whole: ownOf(on, key) };
}

/** Lets a module be imported also when a task has changed what promises are; the returned function takes that back. */
function restoreLanguage(): () => void {
  const changed: (PropertyDescriptor | undefined)[] = [];
  for (let at = 0; at < LOADERS.length; at++) {
    const { on, key, whole } = LOADERS[at]!;
    const now = ownOf(on, key);
    put(changed, at, now?.value === whole?.value && now?.get === whole?.get ? undefined : now);
    if (changed[at] !== undefined) setTo(whole, on, key);
  }
  return () => {
    for (let at = 0; at < LOADERS.length; at++) {
      const { on, key } = LOADERS[at]!;
      if (changed[at] !== undefined) setTo(changed[at], on, key);
    }
  };
}

function setTo(whole: PropertyDescriptor | undefined, on: object, key: PropertyKey): void {
  if (whole === undefined) deleteProperty(on, key);
  else defineProperty(on, key, whole);
}

/** Who could not import it is this program: its file is nothing to a person, and as a `data:` URL many thousand characters. */
function withoutImporter(message: string): string {
  return message.replace(
    / (?:imported )?from ["']?(?:\/?data:text\/javascript;base64[^\s"']*|[^\n]*?outrider-worker\.m?js)["']?/g,
    "",
  );
}
