/**
 * Owns the schema of the JSON form of a pipeline.
 * Must not know how problems are told (manifest_check.ts), nor what names refer to (compile.ts).
 * Invariant: it describes exactly the type `Manifest`; docs/pipeline.schema.json is made from it.
 */
import * as v from "valibot";
import { DURATION, durationProblem, MAX_DURATION_MS, parseDuration } from "../../model/duration.ts";
import { LIMITS } from "./manifest.ts";
import type {
  Duration,
  Manifest,
  ManifestLoop,
  ManifestNeed,
  ManifestRetry,
  ManifestRun,
  ManifestTask,
} from "./manifest.ts";
import { MAX_NAME_LENGTH } from "./name.ts";
import type { On } from "../../model/outcome.ts";

/** A schema of which only the result counts. */
type Schema<T> = v.GenericSchema<unknown, T>;

function about<T>(schema: Schema<T>, description: string): Schema<T> {
  return v.pipe(schema, v.description(description)) as Schema<T>;
}

const REFUSE = v.custom<never>(() => false);

/** valibot counts an array as an object. Refused here, it gives an issue of the type `custom`, and no other does. */
function noArray<S extends v.GenericSchema>(schema: S): S {
  return {
    ...schema,
    "~run": (dataset, config) => (Array.isArray(dataset.value) ? REFUSE : schema)["~run"](dataset, config),
  };
}

/** An object in which a key that is not listed is a problem of its own (`strictObject` tells only the first). */
function closed<E extends v.ObjectEntries>(
  entries: E,
): v.ObjectWithRestSchema<E, v.NeverSchema<undefined>, undefined> {
  return noArray(v.objectWithRest(entries, v.never()));
}

function record<T>(schema: Schema<T>): Schema<Record<string, T>> {
  return noArray(v.record(v.string(), schema)) as Schema<Record<string, T>>;
}

function maybe<T>(schema: Schema<T>, description: string): v.OptionalSchema<Schema<T>, undefined> {
  return v.optional(about(schema, description));
}

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_LENGTH)) as Schema<string>;
const text = v.pipe(v.string(), v.maxLength(LIMITS.description)) as Schema<string>;
const flag = v.boolean() as Schema<boolean>;
const on = v.picklist(["success", "failure", "any"]) as Schema<On>;
const durationText = v.pipe(
  v.string(),
  v.regex(DURATION),
  v.check((text) => durationProblem(text) === undefined),
) as Schema<Duration>;
const durationMs = v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_DURATION_MS)) as Schema<Duration>;
const duration: Schema<Duration> = v.lazy((input) => typeof input === "number" ? durationMs : durationText);

/** A duration above 0; what is no duration is told already. */
const limit = v.pipe(
  duration,
  v.check((value) => durationProblem(value) !== undefined || parseDuration(value) > 0),
) as Schema<Duration>;

function number(least: number, most: number): Schema<number> {
  return v.pipe(v.number(), v.minValue(least), v.maxValue(most)) as Schema<number>;
}

function integer(least: number, most: number): Schema<number> {
  return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)) as Schema<number>;
}

const needObject = closed({
  task: about(name, "The task that is needed."),
  on: maybe(
    on,
    "On which outcome the need is satisfied. Default: success; any, where the pipeline's onFailure is continue.",
  ),
  as: maybe(name, "The key in ctx.inputs. Default: the task's name."),
}) as Schema<ManifestNeed>;
const need: Schema<string | ManifestNeed> = v.lazy((input) =>
  typeof input === "object" && input !== null ? needObject : name as Schema<string | ManifestNeed>
);

const moduleRun = closed({
  module: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.module)) as Schema<string>,
    "A path relative to this file, an absolute path, or a file: or data: URL.",
  ),
  export: maybe(name, 'The exported function. Default: "default".'),
  pipeline: maybe(name, "Written by the typed builder: the pipeline that the module makes."),
  task: maybe(name, "Written by the typed builder: the task of that pipeline."),
}) as Schema<ManifestRun>;

/** What a system takes as an argument or a variable: anything but a NUL. */
const argument = v.pipe(
  v.string(),
  v.maxLength(LIMITS.argument),
  v.regex(/^[^\0]*$/, "Can't hold a NUL character"),
) as Schema<string>;

const commandRun = closed({
  command: about(
    v.pipe(v.array(argument), v.minLength(1), v.maxLength(LIMITS.arguments)) as Schema<string[]>,
    "A program of the device and its arguments; no shell is involved. A program with a slash is relative to cwd.",
  ),
  cwd: maybe(
    v.pipe(argument, v.minLength(1)) as Schema<string>,
    "The folder it runs in, relative to this file. Default: this file's folder.",
  ),
  env: maybe(record(argument), "Variables laid over the executor's environment."),
  stdin: maybe(
    v.pipe(v.string(), v.maxLength(LIMITS.stdin)) as Schema<string>,
    "Text written to its standard input, which is then closed.",
  ),
}) as Schema<ManifestRun>;

const run: Schema<ManifestRun> = v.lazy((input) =>
  typeof input === "object" && input !== null && "command" in input ? commandRun : moduleRun
);

/** A schema that chooses by the value's type; see {@linkcode CHOICES}. */
export interface Choice {
  readonly name: string;
  readonly options: readonly v.GenericSchema[];
}

/**
 * The schemas that choose by the value's type, for who turns them into JSON Schema. A `union` would try its options in turn,
 * at a cost that shows with 100,000 tasks, and could not tell which one was meant.
 */
export const CHOICES: ReadonlyMap<v.GenericSchema, Choice> = new Map([
  [duration as v.GenericSchema, {
    name: "duration",
    options: [durationText, durationMs] as v.GenericSchema[],
  }],
  [need as v.GenericSchema, { name: "need", options: [name, needObject] as v.GenericSchema[] }],
  [run as v.GenericSchema, { name: "run", options: [moduleRun, commandRun] as v.GenericSchema[] }],
]);

const retry = closed({
  attempts: maybe(integer(1, LIMITS.attempts), "Attempts in all. Default 1."),
  delay: maybe(duration, "Wait before the second attempt. Default 1s."),
  factor: maybe(number(1, LIMITS.factor), "The wait grows by this factor. Default 2."),
  maxDelay: maybe(duration, "Longest wait. Default 1m."),
  jitter: maybe(number(0, 1), "Share by which the wait varies at random. Default 0.2."),
});

/** The schema of one task. */
export const taskSchema: v.GenericSchema<unknown, ManifestTask> = closed({
  description: maybe(text, "For people."),
  run: maybe(run, "What the task runs. Without it, the task is a sync point."),
  needs: maybe(
    v.pipe(v.array(need), v.maxLength(LIMITS.needsOfTask)) as Schema<(string | ManifestNeed)[]>,
    "The tasks that come before.",
  ),
  join: maybe(
    v.picklist(["all", "any"]) as Schema<"all" | "any">,
    "all (default): every need must be satisfied. any: at least one, once all are settled.",
  ),
  retry: maybe(retry as Schema<ManifestRetry>, "When a failed attempt is tried again."),
  timeout: maybe(limit, "Limit for one attempt, such as 30s. Default: none."),
  allowFailure: maybe(flag, "The task's failure does not make the run fail. Default false."),
  fresh: maybe(flag, "The task wants a worker that has run nothing before. Default false."),
  onLost: maybe(
    v.picklist(["rerun", "fail"]) as Schema<"rerun" | "fail">,
    "What becomes of an attempt that was in flight when the process died. Default rerun.",
  ),
  params: maybe(
    record(v.unknown()),
    "Given to the task as ctx.params.",
  ),
  estimate: maybe(duration, "Expected time; orders ready tasks and feeds the progress shown."),
}) as Schema<ManifestTask>;

const loop = closed({
  from: about(name, "The last task of the loop."),
  to: about(name, "The first task of the loop; a path of needs must lead from it to `from`."),
  times: about(integer(1, LIMITS.times), "How many more times the loop may run after the first."),
  on: maybe(on, "The outcome of `from` after which the loop runs again. Default success."),
});

/** The schema of the JSON form. It knows shapes and ranges; what names refer to is for `compile`. */
export const manifestSchema: v.GenericSchema<unknown, Manifest> = closed({
  $schema: maybe(v.string() as Schema<string>, "For editors; ignored."),
  outrider: about(v.literal(1) as Schema<1>, "Version of this form."),
  name: about(name, "The pipeline's name."),
  description: maybe(text, "For people."),
  onFailure: maybe(
    v.picklist(["stop", "continue"]) as Schema<"stop" | "continue">,
    "stop (default): after a failure that leads nowhere, nothing new starts. continue: everything that can still run, runs.",
  ),
  report: maybe(flag, "Whether records go to the gateway while the run goes on. Default true."),
  tasks: about(
    record(taskSchema),
    "The tasks by name.",
  ),
  loops: maybe(
    v.pipe(v.array(loop), v.maxLength(LIMITS.loops)) as Schema<ManifestLoop[]>,
    "Parts of the pipeline that run more than once.",
  ),
}) as Schema<Manifest>;
