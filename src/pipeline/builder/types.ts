/**
 * Owns the types of the typed builder: handles, needs, inputs and options.
 * Must not know how a pipeline is kept. Types only.
 * Invariant: `ctx.inputs` has a key for each need, with the type that the needed task returns.
 */
import type { TaskContext } from "../../model/context.ts";
import type {
  Duration,
  ManifestCommandOptions,
  ManifestCondition,
  ManifestPythonOptions,
  ManifestResource,
  ManifestSchedule,
  ManifestTaskOptions,
  ManifestTest,
  ManifestUses,
  Scalar,
} from "../document/manifest.ts";
import type { On } from "../../model/outcome.ts";
import type { Value } from "../../model/value.ts";

/** Carries the type of a task's value; there is nothing at run time. */
export declare const VALUE: unique symbol;
/** Carries the type of a need's outcome; there is nothing at run time. */
export declare const ON: unique symbol;
/** Carries the type of a list's items; there is nothing at run time. */
export declare const ITEM: unique symbol;

/** A handle of a task, to be needed by others. `T` is what its function returns, awaited. */
export interface Task<T = unknown> {
  /** The task's name. */
  readonly name: string;
  /** For the compiler only. */
  readonly [VALUE]?: T;
  /** A need of this task on an outcome other than the default: `cpu.on("failure")`. */
  on<W extends On>(outcome: W): Need<T, W>;
  /** What is asked of this task's value, for `when` of another: `cpu.when({ gt: 0.9 })`. It is data; nothing is called later. */
  when<S extends Task>(this: S, tests: TestsOf<ValueOf<S>>): ManifestTest;
  /**
   * What is asked of a part of this task's value: `probe.when((v) => v.loss, { gt: 0.1 })`.
   *
   * @param part Names the part. It is called once, here, with a stand-in, and can do nothing but read keys.
   * @throws {PipelineError} If it does anything else.
   */
  when<S extends Task, V>(this: S, part: (value: ValueOf<S>) => V, tests: TestsOf<NoInfer<V>>): ManifestTest;
  /**
   * The list in its value that a mapped task is run over: `scan.each((value) => value.hosts)`.
   *
   * @param list Leads to the list by keys and indexes alone: it is called once, when the pipeline is made. Default: the value is the
   * list.
   */
  each<I = T extends readonly (infer I)[] ? I : never>(list?: (value: T) => readonly I[]): Each<I>;
}

/** How a pipeline is included. */
export interface IncludeOptions {
  /** How the needs of its first tasks are joined. Default `"all"`. */
  readonly join?: Join | undefined;
  /** Where it is not so, its tasks are skipped. */
  readonly when?: ManifestCondition | undefined;
  /** Laid over the params of all its tasks. JSON values. */
  readonly params?: Params | undefined;
}

/** A handle of an included pipeline: needed, it is all its tasks that no other of them needs. */
export interface Included extends Task {
  /** The handle here of a task of the included pipeline. @throws {PipelineError} If it has no such task. */
  of<T>(task: Task<T>): Task<T>;
}

/** What a task's function returns, awaited. */
export type ValueOf<S extends Task> = S extends Task<infer T> ? T : never;

/** What of a value a test can compare: all that it may be, if its type does not tell. */
export type ComparedOf<V, C extends Scalar> = unknown extends V ? C : Extract<V, C>;

/** A bound for a value, if it may be of this type. */
export type BoundFor<V, C extends Scalar> = [ComparedOf<V, C>] extends [never] ? never : C;

/** What can be asked of a value, by its type. All that is named has to hold. */
export interface TestsOf<V> {
  /** It is the same. */
  readonly eq?: ComparedOf<V, Scalar> | undefined;
  /** It is another, or there is none. */
  readonly ne?: ComparedOf<V, Scalar> | undefined;
  /** It is one of these, at most 1,000. */
  readonly in?: readonly ComparedOf<V, Scalar>[] | undefined;
  /** It is a number less than this. */
  readonly lt?: BoundFor<V, number> | undefined;
  /** It is a number not greater than this. */
  readonly lte?: BoundFor<V, number> | undefined;
  /** It is a number greater than this. */
  readonly gt?: BoundFor<V, number> | undefined;
  /** It is a number not less than this. */
  readonly gte?: BoundFor<V, number> | undefined;
  /** It is a text that has this pattern in it: docs/pipelines.md says what patterns there are. */
  readonly matches?: BoundFor<V, string> | undefined;
  /** Whether there is one; `null` is one. */
  readonly exists?: boolean | undefined;
}

/** A need of a task on a certain outcome. */
export interface Need<T = unknown, W extends On = On> {
  /** Name of the task that is needed. */
  readonly task: string;
  /** The outcome on which the need is satisfied. */
  readonly when: W;
  /** For the compiler only. */
  readonly [VALUE]?: T;
  /** For the compiler only. */
  readonly [ON]?: W;
}

/** The list of a task's value that a mapped task is run over: `scan.each((value) => value.hosts)`. `I` is the type of an item. */
export interface Each<I = unknown> {
  /** Name of the task that returns the list. */
  readonly task: string;
  /** Where in its value the list is, as a JSON pointer. */
  readonly path: string;
  /** For the compiler only. */
  readonly [ITEM]?: I;
}

/** Needs by the key that each has in `ctx.inputs`. */
export type Needs = Readonly<Record<string, Task | Need>>;

/** Needs of a mapped task: one of them is the list that it is run over, and its item is under that key. */
export type MapNeeds = Readonly<Record<string, Task | Need | Each>>;

/** The type of the items that a mapped task is run for. */
export type ItemOf<N extends MapNeeds> = {
  readonly [K in keyof N]: N[K] extends Each<infer I> ? I : never;
}[keyof N];

/** How one item of a mapped task with `onItemFailure: "continue"` has ended. */
export interface ItemOutcome<T = Value> {
  /** How its last attempt ended. */
  readonly outcome: "succeeded" | "failed" | "timed_out" | "crashed" | "skipped";
  /** What it returned, if it succeeded. */
  readonly value?: T;
  /** What it threw. */
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string | number };
  /** Why it crashed. */
  readonly reason?: "exit" | "memory" | "lost";
  /** Exit code. */
  readonly code?: number;
  /** Why it timed out or was skipped, in words. */
  readonly because?: string;
}

/** The value of a mapped task whose function returns `R`. What returns nothing is null in the list. */
export type MappedValue<R, W extends "stop" | "continue"> = W extends "continue" ? ItemOutcome<Awaited<R>>[]
  : Listed<Awaited<R>>[];

/** What stands in a list for a value: null for none. */
export type Listed<T> = T extends undefined | void ? null : T;

/** What a pipeline does after a failure that leads nowhere. */
export type OnFailure = "stop" | "continue";

/** How a task's needs are joined. */
export type Join = "all" | "any";

/** What a task's function finds under `ctx.params` if nothing more is known. */
export type Params = Readonly<Record<string, unknown>>;

/** The type of `ctx.params` of a task without `params`. */
export type DefaultParams = Readonly<Record<string, Value>>;

/** `ctx.inputs` where needs have no keys. */
export type NoInputs = Readonly<Record<never, never>>;

/** The value that a need gives: certain only if it is on success, and the join lets no need go unsatisfied. */
export type InputOf<N, F extends OnFailure, J extends Join> = N extends Each<infer I> ? I
  : N extends Need<infer T, infer W>
    ? W extends "success" ? Maybe<T, J> : W extends "failure" ? undefined : T | undefined
  : N extends Task<infer T> ? F extends "continue" ? T | undefined : Maybe<T, J>
  : never;

/** `T`, or perhaps nothing where the join is `any`. */
export type Maybe<T, J extends Join> = J extends "any" ? T | undefined : T;

/** `ctx.inputs` for needs. */
export type InputsOf<N extends MapNeeds, F extends OnFailure, J extends Join> = {
  readonly [K in keyof N]: InputOf<N[K], F, J>;
};

/** A task's function. It may return a value (JSON values and bytes), a promise of one, or nothing. */
export type TaskFunction<
  Inputs = Readonly<Record<string, Value>>,
  P = Readonly<Record<string, Value>>,
  R = unknown,
> = (
  ctx: TaskContext<Inputs, P>,
) => R;

/** Options of a task. `R`: the names of the pipeline's resources. */
export interface TaskOptions<
  P extends Params = Readonly<Record<string, Value>>,
  J extends Join = Join,
  R extends string = string,
> extends ManifestTaskOptions {
  /** `"all"` (default): every need must be satisfied. `"any"`: at least one, once all are settled. */
  readonly join?: J | undefined;
  /** JSON values, given to the task as `ctx.params`. */
  readonly params?: P | undefined;
  /** Limit for one attempt: milliseconds, or a duration such as `"30s"`. Default: none. */
  readonly timeout?: Duration | undefined;
  /** Resources of the pipeline that it takes while it runs: it waits until all of them are free. Default: none. */
  readonly uses?: ManifestUses<R> | undefined;
}

/** Options of a mapped task. */
export interface MapOptions<
  P extends Params = Readonly<Record<string, Value>>,
  J extends Join = Join,
  W extends "stop" | "continue" = "stop" | "continue",
  R extends string = string,
> extends TaskOptions<P, J, R> {
  /**
   * What an item's failure for good leads to. `"stop"` (default): no other item begins, and the task has failed once those have
   * ended that had begun. `"continue"`: all run, and the task's value is a list of how each ended.
   */
  readonly onItemFailure?: W | undefined;
}

/** Options of a task that runs a program. */
export interface CommandTaskOptions<R extends string = string>
  extends Omit<TaskOptions<Params, Join, R>, "isolation" | "memory">, ManifestCommandOptions {
  /** Exit codes of the program, 1 to 255, that mean `skipped`. Default: none. */
  readonly skipOn?: readonly number[] | undefined;
}

/** Options of a task that runs a function of a Python module. */
export interface PythonTaskOptions<R extends string = string>
  extends Omit<TaskOptions<Params, Join, R>, "isolation" | "memory">, ManifestPythonOptions {}

/** Options of a pipeline. */
export interface PipelineOptions<F extends OnFailure = OnFailure, R extends string = string> {
  /**
   * `"stop"` (default): after a failure that leads nowhere, nothing new starts. `"continue"`: everything that can still run,
   * runs, and a need without `on` is satisfied by any outcome.
   */
  readonly onFailure?: F | undefined;
  /** Whether records go to the gateway while the run goes on. Default true. */
  readonly report?: boolean | undefined;
  /** When an agent runs it, again and again: `{ cron: "0 * * * *" }` is every hour. Default: once. */
  readonly schedule?: ManifestSchedule | undefined;
  /** For people. */
  readonly description?: string | undefined;
  /** What tasks may use, and how much there is of it, by names; at most 1,000. */
  readonly resources?: Readonly<Record<R, ManifestResource>> | undefined;
  /** URL of the module that makes the pipeline, `import.meta.url`. Default: the module that calls `pipeline`. */
  readonly module?: string | undefined;
}

/** A loop: the tasks on the paths from `to` to `from` run again while `from` ends as `on` says. */
export interface LoopOptions {
  /** The last task of the loop. */
  readonly from: Task;
  /** The first task of the loop. */
  readonly to: Task;
  /** Iterations after the first, 1 to 1,000,000. */
  readonly times: number;
  /** Default `"success"`. */
  readonly on?: On | undefined;
}
