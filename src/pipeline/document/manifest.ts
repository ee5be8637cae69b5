/**
 * Owns the JSON form of a pipeline: its types and its limits. They are part of the interface, so no package is needed here.
 * Must not know its schema (manifest_schema.ts).
 * Invariant: a value of the type `Manifest` within the limits is what the schema takes.
 */
import { MAX_ITEMS, MAX_TEXT_DEPTH } from "../../base/limits.ts";
import type { Capability } from "../../model/capability.ts";
import type { On } from "../../model/outcome.ts";

/** Limits of a pipeline. Beyond one of them, `compile` reports a problem. */
export const LIMITS = {
  tasks: 1_000_000,
  needsOfTask: 100_000,
  loops: 10_000,
  edges: 1_000_000,
  times: 1_000_000,
  attempts: 1_000_000,
  factor: 100,
  failuresOfRetry: 64,
  tests: 32,
  testDepth: 10,
  candidates: 1_000,
  description: 10_000,
  module: 8_000_000,
  graph: 100_000_000,
  arguments: 10_000,
  argument: 100_000,
  stdin: 8_000_000,
  cron: 1_000,
  depth: MAX_TEXT_DEPTH as typeof MAX_TEXT_DEPTH,
  required: 1_000,
  includes: 1_000,
  includeDepth: 16,
  resources: 1_000,
  capacity: 10_000,
  items: MAX_ITEMS as typeof MAX_ITEMS,
} as const;

/** `"250ms"`, `"30s"`, `"5m"`, `"1h"`, or a number of milliseconds. */
export type Duration = string | number;

/** A need with more to say than the task's name. */
export interface ManifestNeed {
  /** The task that is needed. */
  readonly task: string;
  /** Default `"success"`; with `onFailure: "continue"` the default is `"any"`. */
  readonly on?: On | undefined;
  /** The key in `ctx.inputs`. Default: the task's name. */
  readonly as?: string | undefined;
}

/** The list that a task is run over: once for each of its items, of which there may be 100,000. */
export interface ManifestEach {
  /** The task that returns the list. It becomes a need, if it is none. */
  readonly task: string;
  /** Where in what it returns the list is: a JSON pointer such as `"/hosts"`. Default: all of it. */
  readonly path?: string | undefined;
  /** The key in `ctx.inputs` under which the item is, beside `ctx.item`. Default `"item"`. */
  readonly as?: string | undefined;
}

/** What a task runs: a function of a module or of a Python module, a program, or a task of netUnicorn's. */
export type ManifestRun = ManifestModuleRun | ManifestPythonRun | ManifestCommandRun | ManifestGraphRun;

/** A function of a Python module; docs/python.md says what it is given. */
export interface ManifestPythonRun extends ManifestPythonOptions {
  /** The file of the module: a path relative to the manifest, an absolute one, or a `file:` URL. */
  readonly python: string;
}

/** How a function of a Python module is run. */
export interface ManifestPythonOptions {
  /** The function; it is called with `ctx`. */
  readonly function: string;
  /** A requirements file for pip, relative to the manifest. Default: nothing is installed. */
  readonly requirements?: string | undefined;
  /** The most memory that its process may have, such as `"512MiB"`. Default: no limit. */
  readonly memory?: string | undefined;
}

/** A program of the device, run without a shell; docs/command-tasks.md says what it is given. */
export interface ManifestCommandRun extends ManifestCommandOptions {
  /** The program and its arguments. A program with a slash is relative to `cwd`. */
  readonly command: readonly string[];
}

/** A task of one of netUnicorn's execution graphs; docs/netunicorn.md says how it is run. */
export interface ManifestGraphRun {
  /** The graph as netUnicorn's client pickled it: a path relative to the manifest, an absolute one, or a `file:` URL. */
  readonly netunicorn: string;
  /** Which of the graph's nodes it is, from 0, in the graph's own order. */
  readonly node: number;
  /** `"fork"` (default): a process for each task, as netUnicorn has it. `"none"`: faster; what a task leaves behind stays. */
  readonly isolation?: "fork" | "none" | undefined;
}

/** How a program is run. */
export interface ManifestCommandOptions {
  /** The folder it runs in, relative to the manifest. Default: the manifest's folder. */
  readonly cwd?: string | undefined;
  /** Variables laid over the executor's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Text written to its standard input, which is then closed. Default: empty. */
  readonly stdin?: string | undefined;
}

/** An export of a module, or (as the typed builder writes it) a task of a pipeline that a module makes. */
export interface ManifestModuleRun {
  /** A path relative to the manifest, an absolute one, or a `file:` or `data:` URL. */
  readonly module: string;
  /** Default `"default"`. Not together with `pipeline` and `task`. */
  readonly export?: string | undefined;
  /** The pipeline that the module makes. */
  readonly pipeline?: string | undefined;
  /** The task of that pipeline. */
  readonly task?: string | undefined;
}

/** Failures by what is known of them: all that is named has to fit. At least one is. */
export interface ManifestFailure {
  /** How the attempt ended. */
  readonly outcome?: "failed" | "timed_out" | "crashed" | undefined;
  /** Name of the error, of one behind it or of one that it stands for, such as `"TypeError"`. */
  readonly error?: string | undefined;
  /** Code of that error, such as `"ECONNREFUSED"`. */
  readonly code?: string | number | undefined;
  /** Exit code of a program, or of a task that ended its thread or process, 0 to 255. */
  readonly exit?: number | undefined;
}

/** When a failed attempt is tried again. */
export interface ManifestRetry {
  /** Attempts in all, 1 to 1,000,000. Default 1. */
  readonly attempts?: number | undefined;
  /** Wait before the second attempt. Default `"1s"`. */
  readonly delay?: Duration | undefined;
  /** The wait grows by this factor, 1 to 100. Default 2. */
  readonly factor?: number | undefined;
  /** Longest wait. Default `"1m"`. */
  readonly maxDelay?: Duration | undefined;
  /** Share by which the wait varies at random, 0 to 1. Default 0.2. */
  readonly jitter?: number | undefined;
  /** Failures after which it is tried again, at most 64. Default: all. */
  readonly on?: readonly ManifestFailure[] | undefined;
  /** Failures after which it is not, whatever `on` says, at most 64. Default: none. */
  readonly unless?: readonly ManifestFailure[] | undefined;
}

/** What a condition compares a value with. */
export type Scalar = string | number | boolean | null;

/** What is asked of a value. All that is named has to hold. */
export interface ManifestTests {
  /** It is the same. */
  readonly eq?: Scalar | undefined;
  /** It is another, or there is none. */
  readonly ne?: Scalar | undefined;
  /** It is a number less than this. */
  readonly lt?: number | undefined;
  /** It is a number not greater than this. */
  readonly lte?: number | undefined;
  /** It is a number greater than this. */
  readonly gt?: number | undefined;
  /** It is a number not less than this. */
  readonly gte?: number | undefined;
  /** It is one of these, at most 1,000. */
  readonly in?: readonly Scalar[] | undefined;
  /** It is a text that has this pattern in it: docs/pipelines.md says what patterns there are. */
  readonly matches?: string | undefined;
  /** Whether there is one; `null` is one. */
  readonly exists?: boolean | undefined;
}

/** What is asked of the value of a task. */
export interface ManifestTest extends ManifestTests {
  /** The task; it becomes a need where it is none. */
  readonly task: string;
  /** What of the value is meant: a JSON pointer such as `"/loss"`. Default: all of it. */
  readonly path?: string | undefined;
}

/** When a task runs whose needs are satisfied: decided from the values of others, at most 32 tests, 10 deep. */
export type ManifestCondition =
  | ManifestTest
  | { readonly all: readonly ManifestCondition[] }
  | { readonly any: readonly ManifestCondition[] }
  | { readonly not: ManifestCondition };

/** What must be there before anything runs. What is missing is told all at once, and then nothing has run. */
export interface Requires {
  /** Programs: names that are looked for in `PATH`, or absolute paths. */
  readonly commands?: readonly string[] | undefined;
  /** Packages of the system; builders of environments put them in. */
  readonly packages?: RequiredPackages | undefined;
  /** Python packages, as requirements of a name and versions such as `"numpy>=1.20,<3"`; builders put them in. */
  readonly python?: readonly string[] | undefined;
  /** Linux capabilities without `CAP_`, such as `"NET_RAW"`. */
  readonly capabilities?: readonly Capability[] | undefined;
  /** Paths below `/dev/`. */
  readonly devices?: readonly string[] | undefined;
  /** The least memory of the device, or of the container, such as `"512MiB"`. */
  readonly memory?: string | undefined;
}

/** Packages by the system that has them. */
export interface RequiredPackages {
  /** Names of Debian's packages. */
  readonly debian?: readonly string[] | undefined;
}

/** Something of which there is only so much at a time, such as a radio: its capacity, or that and more. */
export type ManifestResource = number | {
  /** How much there is of it, 1 to 10,000. Default 1. */
  readonly capacity?: number | undefined;
  /** Among whom it is shared: the tasks of a run, or those of all executors of the device. Default `"run"`. */
  readonly scope?: "run" | "device" | undefined;
};

/** What a task takes of resources while it runs: names, of each of which it takes 1, or how much by their names. */
export type ManifestUses<R extends string = string> =
  | readonly R[]
  // An object without any key would be whatever there is.
  | ([R] extends [never] ? never : { readonly [Name in R]?: number });

/** Options that a task has in both forms of a pipeline. */
export interface ManifestTaskOptions {
  /** For people, at most 10,000 characters. */
  readonly description?: string | undefined;
  /** `"all"` (default): every need must be satisfied. `"any"`: at least one, once all are settled. */
  readonly join?: "all" | "any" | undefined;
  /** Where it is not so, the task is skipped. Default: it runs whenever its needs are satisfied. */
  readonly when?: ManifestCondition | undefined;
  /** When a failed attempt is tried again. Default: never. */
  readonly retry?: ManifestRetry | undefined;
  /** Limit for one attempt. Default: none. */
  readonly timeout?: Duration | undefined;
  /** How long an attempt may give no output, progress or call; then it has `timed_out`. Default: for ever. */
  readonly idle?: Duration | undefined;
  /** Its failure does not make the run fail. Default false. */
  readonly allowFailure?: boolean | undefined;
  /** Wants a worker that has run nothing before. Default false. */
  readonly fresh?: boolean | undefined;
  /** Where a function of a module runs: on a worker of the executor, or in a process of its own. Default `"thread"`. */
  readonly isolation?: "thread" | "process" | undefined;
  /** The most memory that its process may have, such as `"512MiB"`; with `isolation: "process"`. Default: no limit. */
  readonly memory?: string | undefined;
  /** What becomes of an attempt that was in flight when the process died. Default `"rerun"`. */
  readonly onLost?: "rerun" | "fail" | undefined;
  /** Expected time; orders ready tasks and feeds the progress shown. */
  readonly estimate?: Duration | undefined;
  /** What must be there for it, before anything of the pipeline runs. Default: nothing is looked for. */
  readonly requires?: Requires | undefined;
  /** Resources of the pipeline that it takes while it runs: it waits until all of them are free. Default: none. */
  readonly uses?: ManifestUses | undefined;
  /** Of a mapped task: how many of its items are at work at a time, 1 to 100,000. Default: as many as there are workers. */
  readonly maxParallel?: number | undefined;
  /**
   * Of a mapped task: what an item's failure for good leads to. `"stop"` (default): no other item begins, and the task has failed
   * once those have ended that had begun. `"continue"`: all run, and the task's value is a list of how each ended.
   */
  readonly onItemFailure?: "stop" | "continue" | undefined;
}

/** One task. Without `run` it is a sync point. */
export interface ManifestTask extends ManifestTaskOptions {
  /** What the task runs. */
  readonly run?: ManifestRun | undefined;
  /**
   * A pipeline's file, relative to this one, whose tasks stand in the place of this one, as `NAME/TASK`. Beside it there may be
   * `needs`, `join`, `when`, `params` and `description`.
   */
  readonly include?: string | undefined;
  /** The tasks that come before. */
  readonly needs?: readonly (string | ManifestNeed)[] | undefined;
  /** Makes it a mapped task: it is run once for each item of a list, and its value is the list of their values. */
  readonly each?: ManifestEach | undefined;
  /** JSON values, given to the task as `ctx.params`. */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** Exit codes of its program, 1 to 255, that mean `skipped`. Default: none. */
  readonly skipOn?: readonly number[] | undefined;
}

/** A loop: the tasks on the paths from `to` to `from` run again while `from` ends as `on` says. */
export interface ManifestLoop {
  /** The last task of the loop. */
  readonly from: string;
  /** The first task of the loop. */
  readonly to: string;
  /** Iterations after the first, 1 to 1,000,000. */
  readonly times: number;
  /** Default `"success"`. */
  readonly on?: On | undefined;
}

/** An edge that is followed; for graphs whose loops meet, such as netUnicorn's. docs/pipelines.md says how. */
export interface ManifestEdge {
  /** The task that it comes from. */
  readonly from: string;
  /** The task that it leads to. */
  readonly to: string;
  /** On which outcome it is followed; one from a sync point always is. Default as for needs. */
  readonly on?: On | undefined;
  /** It leads on, but is not waited for. Default false. */
  readonly weak?: boolean | undefined;
  /** How often it is followed at most, 1 to 1,000,000; then it is gone. Default: no limit. */
  readonly times?: number | undefined;
}

/** When an agent runs the pipeline, again and again; docs/timetables.md says what happens when. */
export interface ManifestSchedule {
  /** Five fields (minute, hour, day of the month, month, day of the week), six with seconds first, or a word such as `"@hourly"`. */
  readonly cron: string;
  /** The time zone of its fields, such as `"Europe/Berlin"`. Default `"UTC"`. */
  readonly timezone?: string | undefined;
  /** Each device begins so much later than the due time, at most a day: by its id, always the same. Default 0. */
  readonly jitter?: Duration | undefined;
  /** What becomes of a due time that comes while a run goes on. `"queue"`: one waits. Default `"skip"`. */
  readonly overlap?: "skip" | "queue" | undefined;
  /** What becomes of due times at which no agent was awake. `"once"`: one run for all of them. Default `"skip"`. */
  readonly missed?: "skip" | "once" | undefined;
}

/** The JSON form of a pipeline. */
export interface Manifest {
  /** For editors; ignored. */
  readonly $schema?: string | undefined;
  /** Version of this form. */
  readonly outrider: 1;
  /** The pipeline's name. */
  readonly name: string;
  /** For people, at most 10,000 characters. */
  readonly description?: string | undefined;
  /** Default `"stop"`. */
  readonly onFailure?: "stop" | "continue" | undefined;
  /** Whether records go to the gateway while the run goes on. Default true. */
  readonly report?: boolean | undefined;
  /** What tasks may use, and how much there is of it, by names; at most 1,000. */
  readonly resources?: Readonly<Record<string, ManifestResource>> | undefined;
  /** When an agent runs it, again and again. Default: once. */
  readonly schedule?: ManifestSchedule | undefined;
  /**
   * The names of all tasks in the order in which they are written. Only where names are whole numbers: objects of JavaScript put
   * those first. Default: the order of the keys.
   */
  readonly order?: readonly string[] | undefined;
  /** The tasks by name. */
  readonly tasks: Readonly<Record<string, ManifestTask>>;
  /** Parts of the pipeline that run more than once. */
  readonly loops?: readonly ManifestLoop[] | undefined;
  /** What leads from task to task, in the place of needs and loops. */
  readonly edges?: readonly ManifestEdge[] | undefined;
}

/** The key in `ctx.inputs` under which a mapped task finds its item, if no other is given. */
export const ITEM_KEY = "item";

/** Whether something is an object with keys, and no array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
