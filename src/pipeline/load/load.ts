/**
 * Owns the way from what a person names (a file, a URL, an object, a pipeline) to a plan.
 * Must not know how files are read, nor evaluate a module: both are asked of the port.
 * Invariant: either a whole plan or a `PipelineError` with every problem, those in modules included.
 */
import { readApart } from "../document/apart.ts";
import { isBundle, openBundle } from "../document/bundle.ts";
import { examine, sourceOf } from "../plan/compile.ts";
import { readJson } from "../../model/json_text.ts";
import type { Utf8Error } from "../../base/utf8.ts";
import { importGraph, isHandedGraph, readGraph, urlOfGraph } from "../import/netunicorn.ts";
import { advised } from "./advice.ts";
import { resolveModule, unimportable } from "./modules.ts";
import { NameFinder } from "../../model/nearest.ts";
import { overlayParams, undeclared } from "../document/params.ts";
import type { WholePipeline } from "./include.ts";
import { type TaskList, tasksOf, withTasks } from "../document/task_list.ts";
import { isRecord, type Manifest } from "../document/manifest.ts";
import type { Plan } from "../plan/plan.ts";
import { type ExportUse, type FileUse, whereabouts } from "../plan/runs.ts";
import { PipelineError, type Problem } from "../../model/problem.ts";
import { isPipeline, type PipelineLike } from "../builder/registry.ts";

/** The functions that a module exports, what is wrong with the module, or why that can't be said here. */
export type ModuleExports =
  | {
    readonly exports: readonly string[];
    /** By name: what is wrong with what has the name. */
    readonly unfit?: Readonly<Record<string, string>>;
    /** Those of `exports` that the module has from others: they may be anything. */
    readonly imported?: readonly string[];
    /** Whether there may be more that can't be seen. */
    readonly open?: boolean;
  }
  | { readonly error: string }
  | { readonly unknown: string };

/** What loading asks of the outside. */
export interface LoadPort {
  /** Absolute `file:` URL of a path, relative to the working directory or to `base`, a `file:` URL. */
  fileUrl(path: string, base?: string): string;
  /**
   * The `file:` URL of what a `file:` URL leads to, by whatever symbolic links; the same where there is nothing. What a pipeline
   * names lies beside what it really is: some runtimes look there for what modules import, whatever they are told.
   */
  realUrl(url: string): string;
  /** The text of a file, given by its `file:` URL. */
  readText(url: string): Promise<string>;
  /**
   * The manifest of the pipeline that a module exports by default, or else the only one it makes. It is evaluated in a worker,
   * never in the caller's thread; every task's `run.module` is the URL given here.
   */
  describe(moduleUrl: string): Promise<unknown>;
  /** What each of the modules exports, by its URL; in a worker too. @param kind Key of the kind of the tasks that run them. */
  exportsOf(modules: readonly string[], kind: string): Promise<Readonly<Record<string, ModuleExports>>>;
  /** What is in one of netUnicorn's graphs, given by its URL; told by a Python. Rejects with why that can't be said. */
  graphAt(url: string): Promise<unknown>;
}

/** What can be loaded: a path or URL of a `.json` file or of a module, the JSON form as an object, or a pipeline. */
export type Source = string | URL | Manifest | PipelineLike | Readonly<Record<string, unknown>>;

/** How to load. */
export interface LoadOptions {
  /** Laid over the `params` of every task. JSON values. */
  readonly params?: Readonly<Record<string, unknown>>;
  /**
   * The `file:` URL or path that relative modules of an object, or of a module that is its own code, are resolved against.
   * Default: the working directory.
   */
  readonly base?: string;
}

/** A manifest with where it came from. */
interface Found {
  /** Without its tasks, if they are in `list`. */
  readonly document: unknown;
  /** The tasks, where they were read one by one. */
  readonly list?: TaskList;
  readonly base: string;
  /** For error messages. */
  readonly source: string | undefined;
  /** Problems of the text that the manifest was read from. */
  readonly problems: readonly Problem[];
  /** Whether it is no file's: then it can't say which files are read. */
  readonly alone: boolean;
}

/**
 * Loads a pipeline and checks all of it, the exports of its modules included.
 *
 * @throws {PipelineError} With every problem at once.
 */
export async function load(source: Source, port: LoadPort, options: LoadOptions = {}): Promise<Plan> {
  return (await loadWhole(source, port, options)).plan;
}

/** A plan and the document that it was made of. */
export interface Loaded {
  readonly plan: Plan;
  /** A manifest without problems. */
  readonly document: Manifest;
  /** What its relative modules are resolved against. */
  readonly base: string;
  /** What could not be looked at. */
  readonly warnings: readonly Problem[];
  /** Parameters that were given and that no task declares. */
  readonly unread: readonly Problem[];
}

/** As `load`, with the document. */
export async function loadWhole(source: Source, port: LoadPort, options: LoadOptions = {}): Promise<Loaded> {
  const read = await find(source, port, options);
  const list = read.list ?? tasksOf(read.document);
  const whole = await wholeFor(read, list, port);
  const found = whole === undefined
    ? read
    : { ...read, ...whole, problems: [...read.problems, ...whole.problems] };
  const located = whole?.located ?? ((problem: Problem) => problem);
  const { plan, problems, uses, files } = examine(
    found.document,
    whereabouts(found.base, port.realUrl),
    whole?.list ?? list,
  );
  const missing = await checkFiles(files, port);
  const seen = uses.filter(({ place, keys }) =>
    !missing.some((told) => told.place === `${place}.${keys.module}`)
  );
  const exports = await checkExports(seen, port);
  const all = distinct([
    ...found.problems,
    ...problems.map(located),
    ...await timetableProblems(found.document),
    ...[...missing, ...exports.problems].map(located),
  ]);
  if (plan === undefined || all.length > 0) {
    throw new PipelineError(
      all,
      found.source === undefined ? sourceOf(found.document) : { source: found.source },
    );
  }
  return {
    plan: options.params === undefined ? plan : overlayParams(plan, options.params),
    get document() {
      return wholeOf(found);
    },
    base: found.base,
    warnings: exports.warnings.map(located),
    unread: undeclared(plan, options.params ?? {}),
  };
}

/** Each once: what is written with an include is said of all its tasks. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((each) => [JSON.stringify([each.place, each.message]), each])).values()];
}

/** Few pipelines have a timetable. */
async function timetableProblems(document: unknown): Promise<Problem[]> {
  if (!isRecord(document) || document["schedule"] === undefined) return [];
  return (await import("../timetable/cron.ts")).scheduleProblems(document);
}

/** With all that it includes; nothing where it includes nothing, or may not. */
async function wholeFor(read: Found, list: TaskList, port: LoadPort): Promise<WholePipeline | undefined> {
  const isInclude = (task: unknown) => isRecord(task) && task["include"] !== undefined;
  if (read.alone || !list.tasks.some(isInclude)) return undefined;
  // Few include anything.
  const { included } = await import("./include.ts");
  return await included({ ...read, list }, (url, name) => findFile(url, name, port));
}

function wholeOf({ document, list }: Found): Manifest {
  return (list === undefined ? document : withTasks(document as object, list)) as Manifest;
}

async function find(source: Source, port: LoadPort, options: LoadOptions): Promise<Found> {
  if (isPipeline(source)) {
    const base = source.module === undefined
      ? folder(options.base ?? ".", port)
      : realOf(source.module, port);
    return { document: source.manifest(), base, source: undefined, problems: [], alone: true };
  }
  if (typeof source !== "string" && !(source instanceof URL)) {
    const document = await opened(source, "of a bundle", port);
    return {
      document,
      base: folder(options.base ?? ".", port),
      source: undefined,
      problems: [],
      alone: true,
    };
  }
  const name = String(source);
  const named = urlOf(name, port);
  const url = realOf(named, port);
  if (url.startsWith("data:")) {
    const found = await findModule(url, name.slice(0, 60), port);
    const alone = { ...found, alone: true };
    return options.base === undefined ? alone : { ...alone, base: folder(options.base, port) };
  }
  return await findFile(named, name, port);
}

/** @param named The URL of a file, as it is named. @param name For error messages. */
async function findFile(named: string, name: string, port: LoadPort): Promise<Found> {
  const url = realOf(named, port);
  const text = await read(url, name, port);
  if (text === undefined) {
    return { document: await graphAt(url, name, port), base: url, source: name, problems: [], alone: false };
  }
  const { pathname } = new URL(named);
  if (!isJsonForm(pathname, text)) {
    const extension = /[^/](\.[^./]+)$/.exec(pathname)?.[1];
    if (extension !== undefined && !MODULE.test(new URL(url).pathname)) throw noForm(name, extension);
    return await findModule(url, name, port);
  }
  const apart = readApart(text);
  if (apart !== undefined && !isBundle(apart.head) && !isHandedGraph(apart.head)) {
    return { document: apart.head, list: apart.list, base: url, source: name, problems: [], alone: false };
  }
  if (text.trim() === "") {
    const message = "The file is empty: a pipeline is written as a JSON object";
    throw new PipelineError([{ place: name, message }]);
  }
  const { value, problems } = readJson(text, name);
  if (value === undefined) throw new PipelineError(problems);
  return {
    document: await opened(value, name, port),
    base: url,
    source: name,
    problems,
    // What is in a bundle is all that it is.
    alone: isBundle(value),
  };
}

const MODULE = /\.[cm]?[jt]sx?$/i;

/** Whether a text is JSON: by its file's name, and where that does not tell, by how it begins. */
export function isJsonForm(path: string, text: string): boolean {
  if (/\.json$/i.test(path)) return true;
  return !MODULE.test(path) && /^(?:[{["]|$)/.test(text.slice(0, MOST_BLANK).trimStart());
}

/** How far the beginning of a text is looked for. */
const MOST_BLANK = 4_096;

function noForm(name: string, extension: string): PipelineError {
  const message =
    `A name with ${extension} does not say what it is, and the text does not begin as JSON does: call a module .ts, .mts, .js or .mjs`;
  return new PipelineError([{ place: name, message }]);
}

/** Whether a file can't be read as text since it is a pickle: its first byte is no text, its second its version. */
export function isPickledGraph(error: unknown): boolean {
  const { code, offset, bytes } = (error ?? {}) as Partial<Utf8Error>;
  return code === "OUTRIDER_UTF8" && offset === 0 && bytes![0] === 0x80 && bytes![1]! >= 2 && bytes![1]! <= 5;
}

/** The manifest of a document, which may be a bundle, or one of netUnicorn's graphs as a gateway handed it out. */
async function opened(document: unknown, name: string, port: LoadPort): Promise<unknown> {
  if (isBundle(document)) return await openBundle(document, name);
  return isHandedGraph(document) ? await graphAt(urlOfGraph(document), name, port) : document;
}

async function graphAt(url: string, name: string, port: LoadPort): Promise<Manifest> {
  let told: unknown;
  try {
    told = await port.graphAt(url);
  } catch (cause) {
    throw new PipelineError([{ place: "", message: messageOf(cause) }], { source: name, cause });
  }
  return importGraph(readGraph(told), (node) => ({ netunicorn: url, node }));
}

async function findModule(url: string, name: string, port: LoadPort): Promise<Found> {
  const problem = unimportable(url);
  if (problem !== undefined) throw new PipelineError([{ place: name, message: problem }]);
  try {
    return { document: await port.describe(url), base: url, source: name, problems: [], alone: false };
  } catch (cause) {
    if (cause instanceof PipelineError) throw new PipelineError(cause.problems, { source: name, cause });
    throw new PipelineError([{ place: name, message: advised(messageOf(cause)) }], { cause });
  }
}

/** A folder's URL ends with a slash, so that relative paths go into it. */
function folder(base: string, port: LoadPort): string {
  const url = /^(file|data):/i.test(base) ? base : port.fileUrl(base);
  return realOf(url.endsWith("/") || /\.[a-z]+$/i.test(url) ? url : `${url}/`, port);
}

function realOf(url: string, port: LoadPort): string {
  return url.startsWith("file:") ? port.realUrl(url) : url;
}

function urlOf(name: string, port: LoadPort): string {
  if (name === "") {
    throw new PipelineError([{ place: "", message: "The pipeline's file is an empty string: name a file" }]);
  }
  if (!/^[a-z][a-z0-9+.-]+:/i.test(name)) return port.fileUrl(name);
  const url = resolveModule(name, "file:///");
  if (typeof url === "string") return url;
  throw new PipelineError([{ place: name, message: url.message }]);
}

/** The text of a file; `undefined` for a graph of netUnicorn's, which is none. */
async function read(url: string, name: string, port: LoadPort): Promise<string | undefined> {
  try {
    return await port.readText(url);
  } catch (cause) {
    if (isPickledGraph(cause)) return undefined;
    throw new PipelineError([{ place: name, message: whyUnread(cause, port.fileUrl(".")) }], { cause });
  }
}

/** Codes of Node and Bun, names of Deno. */
function whyUnread(error: unknown, cwd: string): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (code === "ENOENT" || name === "NotFound" || code === "ENOTDIR" || name === "NotADirectory") {
    return `There is no such file; relative paths start at ${cwd}`;
  }
  if (code === "EISDIR" || name === "IsADirectory") return "This is a folder: name the pipeline's file in it";
  if (code === "EACCES" || code === "EPERM" || name === "PermissionDenied" || name === "NotCapable") {
    return `The file may not be read: ${messageOf(error)}`;
  }
  return `The file can't be read: ${messageOf(error)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}

async function checkFiles(files: readonly FileUse[], port: LoadPort): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { url, place } of files) {
    try {
      await port.readText(url);
    } catch (error) {
      // It is there; what it has to be, its kind knows: a graph is no text, and a Python module may say which one it is.
      if ((error as { readonly code?: unknown }).code === "OUTRIDER_UTF8") continue;
      problems.push({
        place,
        message: `${shorten(url)} is to be there. ${whyUnread(error, port.fileUrl("."))}`,
      });
    }
  }
  return problems;
}

/** What is wrong with the functions that tasks run, and what could not be found out. */
interface Looked {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

async function checkExports(uses: readonly ExportUse[], port: LoadPort): Promise<Looked> {
  const looked: Looked = { problems: [], warnings: [] };
  for (const kind of new Set(uses.map((use) => use.kind))) {
    const those = uses.filter((use) => use.kind === kind);
    const modules = await port.exportsOf([...new Set(those.map((use) => use.module))], kind);
    const told = new Set<string>();
    for (const use of those) {
      const found = modules[use.module];
      if (found !== undefined && "exports" in found) {
        looked.problems.push(...exportProblem(use, found));
        continue;
      }
      if (told.has(use.module)) continue;
      told.add(use.module);
      const place = `${use.place}.${use.keys.module}`;
      if (found !== undefined && "unknown" in found) {
        looked.warnings.push({ place, message: `Can't look into ${shorten(use.written)}: ${found.unknown}` });
        continue;
      }
      const reason = found?.error === undefined ? "it was not looked at" : advised(found.error);
      looked.problems.push({ place, message: `Can't load ${shorten(use.written)}: ${reason}${others(use)}` });
    }
  }
  return looked;
}

function exportProblem(
  use: ExportUse,
  { exports, unfit = {}, imported = [], open = false }: Extract<
    ModuleExports,
    { exports: readonly string[] }
  >,
): Problem[] {
  const place = `${use.place}.${use.keys.export}`;
  if (Object.hasOwn(unfit, use.export)) {
    return [{
      place,
      message: `${use.export} of ${shorten(use.written)} ${unfit[use.export]}${others(use)}`,
    }];
  }
  if (open || exports.includes(use.export)) return [];
  const own = exports.filter((name) => !imported.includes(name));
  const list = own.length === 0 ? "it has none" : `it has ${own.slice(0, 20).join(", ")}`;
  const hint = new NameFinder(own).hint(use.export, `: ${list}`);
  const message = `${shorten(use.written)} exports no function ${JSON.stringify(use.export)}${hint}${
    others(use)
  }`;
  return [{ place, message }];
}

function others({ count }: ExportUse): string {
  return count > 1 ? ` (and ${count - 1} more of the tasks)` : "";
}

function shorten(module: string): string {
  return JSON.stringify(module.length > 120 ? `${module.slice(0, 120)}…` : module);
}
