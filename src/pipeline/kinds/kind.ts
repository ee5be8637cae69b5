/**
 * Owns what a kind of task is: all that a pipeline has to know of what its tasks run. Types only.
 * Must not know which kinds there are (list.ts), nor how one is run (pool/).
 * Invariant: what differs from kind to kind is asked of the kind; nothing else looks into a task's `run`.
 */
import type { GenericSchema } from "valibot";
import type { Problem } from "../../model/problem.ts";

/** Where what is written in a pipeline is resolved. */
export interface Whereabouts {
  /** The `file:` URL that relative paths start at. */
  readonly base: string;
  /** Absolute URL of a module as written, or an error to be told. */
  resolve(module: string): string | Error;
}

/** The export of a module. */
export interface ModuleExport {
  readonly module: string;
  readonly export: string;
}

/** A function that is to be looked up. */
export interface Wanted extends ModuleExport {
  /** The keys of `run` that name the module and the export. */
  readonly keys: { readonly module: string; readonly export: string };
}

/** Where a worker finds the function of a task: an export, or a pipeline that the module makes. */
export type FunctionSource = ModuleExport | PipelineFunctions;

/** A pipeline that a module makes. */
export interface PipelineFunctions {
  readonly module: string;
  readonly pipeline: string;
  /** Which of its tasks. Default: the one of the task's own name. */
  readonly task?: string;
}

/** Who makes a bundle, as a kind sees it. */
export interface BundleMaker {
  /** Takes an export into the bundle's code. @returns Its name there; `undefined`: the module stays where it is. */
  takeExport(module: string, exported: string): string | undefined;
  /** Takes a pipeline into the bundle's code. @returns Whether it is there now. */
  takePipeline(module: string, pipeline: string): boolean;
  /**
   * Takes a file.
   *
   * @param kind With what it imports of its folder, as tasks of the kind with this key import.
   * @returns What stands for it; `undefined`: the file stays where it is.
   */
  takeFile(file: string, kind?: string): string | undefined;
}

/** What is the same wherever a kind's tasks run. */
interface Described<Written extends object, Planned extends object> {
  /** The key of `run` that says that it is of this kind. */
  readonly key: string;
  /** What the local end point calls it. */
  readonly name: string;
  /** The shape of `run`. */
  readonly schema: GenericSchema;
  /** Whether it is certain at a glance that the schema takes it. Default: it never is. */
  isPlain?(run: Readonly<Record<string, unknown>>): boolean;
  /**
   * What is wrong that the shape does not show, each with its place in `run`.
   *
   * @param run As written: its shape may be wrong, which is told elsewhere.
   */
  problems(run: Readonly<Record<string, unknown>>, around: Whereabouts): readonly Problem[];
  /** What is wrong beside that with one that is run for each item of a list. @param run As for `problems`. */
  itemProblems?(run: Readonly<Record<string, unknown>>): readonly Problem[];
  /** The function that must be there for the task to run, if that is to be looked up. @param run As for `problems`. */
  wants?(run: Readonly<Record<string, unknown>>): Wanted | undefined;
  /** Files that must be there, as written, by their keys in `run`. @param run As for `problems`. */
  files?(run: Readonly<Record<string, unknown>>): Readonly<Record<string, string>>;
  /** What stands in the plan, of a `run` without problems. It has the kind's key. */
  resolve(run: Written, around: Whereabouts): Planned;
  /** What stands in a bundle. */
  bundle(run: Written, maker: BundleMaker): Written;
  /** What the local end point shows of it besides its name. */
  shown?(run: Planned): Readonly<Record<string, unknown>>;
}

/** A kind whose tasks are functions on workers. */
export interface WorkerKind<Written extends object = object, Planned extends object = object>
  extends Described<Written, Planned> {
  /** `line`: they may stand in one worker's line; `alone`: nothing is before one on its worker, nothing after it. */
  readonly place: "line" | "alone";
  source(run: Planned): FunctionSource;
  /** What stands in the plan if it is to run in a process. @param memoryBytes The most memory that this may have. */
  isolated?(run: Planned, memoryBytes: number | undefined): object;
}

/**
 * A kind whose tasks run in no worker: one of `pool/kinds/` has the same key and runs them. `own`: each attempt in a process
 * of its own; `kept`: in processes that run one attempt after the other.
 */
export interface OwnKind<Written extends object = object, Planned extends object = object>
  extends Described<Written, Planned> {
  readonly place: "own" | "kept";
  /** For `kept`: what a process has to be for a task. Those of which it says the same may run in the same one. */
  processKey?(run: Planned): string;
}

/** A kind of task. */
export type TaskKind = WorkerKind | OwnKind;
