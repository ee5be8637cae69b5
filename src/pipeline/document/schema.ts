/**
 * Owns the schema of the JSON form of a pipeline.
 * Must not know how problems are told (check.ts), what names refer to (compile.ts), nor what tasks run (kinds/).
 * Invariant: it describes exactly the type `Manifest`; docs/pipeline.schema.json is made from it.
 */
import * as v from "valibot";
import { DURATION, durationProblem, MAX_DURATION_MS, parseDuration } from "../../model/duration.ts";
import { SIZE } from "../../model/size.ts";
import { LIMITS } from "./manifest.ts";
import type {
  Duration,
  Manifest,
  ManifestEach,
  ManifestEdge,
  ManifestFailure,
  ManifestLoop,
  ManifestNeed,
  ManifestRetry,
  ManifestRun,
  ManifestSchedule,
  ManifestTask,
} from "./manifest.ts";
import { about, type Choice, closed, maybe, name, record, type Schema } from "./shapes.ts";
import { CONDITION_CHOICES, conditionSchema } from "./condition.ts";
import { requiresSchema } from "./requires.ts";
import { RESOURCE_CHOICES, resourcesSchema, usesSchema } from "./resources.ts";
import { kindOf, KINDS } from "../kinds/list.ts";
import { FAILURES, type On, ONS } from "../../model/outcome.ts";

const text = v.pipe(v.string(), v.maxLength(LIMITS.description)) as Schema<string>;
const flag = v.boolean() as Schema<boolean>;
const on = v.picklist(ONS) as Schema<On>;
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

/** Longest jitter, milliseconds. */
const DAY_MS = 86_400_000;

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

const each = closed({
  task: about(name, "The task that returns the list. It becomes a need, if it is none."),
  path: maybe(
    text,
    "Where in what it returns the list is: a JSON pointer, such as /hosts. Default: all of it.",
  ),
  as: maybe(name, "The key in ctx.inputs under which the item is, beside ctx.item. Default item."),
}) as Schema<ManifestEach>;

const run: Schema<ManifestRun> = v.lazy((input) =>
  kindOf(typeof input === "object" && input !== null ? input : {}).schema as Schema<ManifestRun>
);

const codeNumber = v.pipe(v.number(), v.integer()) as Schema<string | number>;
const code: Schema<string | number> = v.lazy((input) =>
  typeof input === "number" ? codeNumber : name as Schema<string | number>
);
const failure = v.pipe(
  closed({
    outcome: maybe(v.picklist(FAILURES) as Schema<typeof FAILURES[number]>, "How the attempt ended."),
    error: maybe(name, "Name of the error, of one behind it or of one that it stands for."),
    code: maybe(code, "Code of that error, such as ECONNREFUSED."),
    exit: maybe(integer(0, 255), "Exit code of a program, or of a task that ended its thread or process."),
  }),
  v.minEntries(1),
) as Schema<ManifestFailure>;
const failures = v.pipe(v.array(failure), v.maxLength(LIMITS.failuresOfRetry)) as Schema<ManifestFailure[]>;

/**
 * The schemas that choose by the value's type, for who turns them into JSON Schema. A `union` would try its options in turn,
 * at a cost that shows with 100,000 tasks, and could not tell which one was meant.
 */
export const CHOICES: ReadonlyMap<v.GenericSchema, Choice> = new Map([
  [duration as v.GenericSchema, {
    name: "duration",
    options: [durationText, durationMs] as v.GenericSchema[],
  }],
  [code as v.GenericSchema, { name: "code", options: [name, codeNumber] as v.GenericSchema[] }],
  [need as v.GenericSchema, { name: "need", options: [name, needObject] as v.GenericSchema[] }],
  ...CONDITION_CHOICES,
  [run as v.GenericSchema, { name: "run", options: KINDS.map(({ schema }) => schema).reverse() }],
  ...RESOURCE_CHOICES,
]);

const retry = closed({
  attempts: maybe(integer(1, LIMITS.attempts), "Attempts in all. Default 1."),
  delay: maybe(duration, "Wait before the second attempt. Default 1s."),
  factor: maybe(number(1, LIMITS.factor), "The wait grows by this factor. Default 2."),
  maxDelay: maybe(duration, "Longest wait. Default 1m."),
  jitter: maybe(number(0, 1), "Share by which the wait varies at random. Default 0.2."),
  on: maybe(failures, "Failures after which it is tried again. Default: all."),
  unless: maybe(failures, "Failures after which it is not, whatever on says. Default: none."),
});

/** The schema of one task. */
export const taskSchema: v.GenericSchema<unknown, ManifestTask> = closed({
  description: maybe(text, "For people."),
  run: maybe(run, "What the task runs. Without it, the task is a sync point."),
  include: maybe(
    v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.argument)) as Schema<string>,
    "A pipeline's file, relative to this one, whose tasks stand in the place of this one.",
  ),
  needs: maybe(
    v.pipe(v.array(need), v.maxLength(LIMITS.needsOfTask)) as Schema<(string | ManifestNeed)[]>,
    "The tasks that come before.",
  ),
  each: maybe(each, "Makes it a mapped task: it is run once for each item of a list."),
  maxParallel: maybe(
    integer(1, LIMITS.items),
    "Of a mapped task: how many of its items are at work at a time. Default: as many as there are workers.",
  ),
  onItemFailure: maybe(
    v.picklist(["stop", "continue"]) as Schema<"stop" | "continue">,
    "Of a mapped task: stop (default): after an item's failure no other begins, and the task has failed. continue: all run, and its value says how each ended.",
  ),
  join: maybe(
    v.picklist(["all", "any"]) as Schema<"all" | "any">,
    "all (default): every need must be satisfied. any: at least one, once all are settled.",
  ),
  when: maybe(
    conditionSchema,
    "Where it is not so, the task is skipped. Default: it runs whenever its needs are satisfied.",
  ),
  retry: maybe(retry as Schema<ManifestRetry>, "When a failed attempt is tried again."),
  skipOn: maybe(
    v.pipe(v.array(integer(1, 255)), v.minLength(1), v.maxLength(255)) as Schema<number[]>,
    "Exit codes of its program that mean skipped. Default: none.",
  ),
  timeout: maybe(limit, "Limit for one attempt, such as 30s. Default: none."),
  idle: maybe(limit, "How long an attempt may give no output, progress or call. Default: for ever."),
  allowFailure: maybe(flag, "The task's failure does not make the run fail. Default false."),
  fresh: maybe(flag, "The task wants a worker that has run nothing before. Default false."),
  isolation: maybe(
    v.picklist(["thread", "process"]) as Schema<"thread" | "process">,
    "thread (default): a function of a module runs on a worker of the executor. process: in a process, whose end is not the run's.",
  ),
  memory: maybe(
    v.pipe(v.string(), v.regex(SIZE)) as Schema<string>,
    "The most memory that the task's process may have, such as 512MiB; with isolation process. Default: no limit.",
  ),
  onLost: maybe(
    v.picklist(["rerun", "fail"]) as Schema<"rerun" | "fail">,
    "What becomes of an attempt that was in flight when the process died. Default rerun.",
  ),
  params: maybe(
    record(v.unknown()),
    "Given to the task as ctx.params.",
  ),
  estimate: maybe(duration, "Expected time; orders ready tasks and feeds the progress shown."),
  requires: maybe(
    requiresSchema,
    "What must be there for it before anything runs. Default: nothing is looked for.",
  ),
  uses: maybe(
    usesSchema,
    "Resources that it takes while it runs: it waits until all are free. Default: none.",
  ),
}) as Schema<ManifestTask>;

const loop = closed({
  from: about(name, "The last task of the loop."),
  to: about(name, "The first task of the loop; a path of needs must lead from it to `from`."),
  times: about(integer(1, LIMITS.times), "How many more times the loop may run after the first."),
  on: maybe(on, "The outcome of `from` after which the loop runs again. Default success."),
});

const edge = closed({
  from: about(name, "The task that it comes from."),
  to: about(name, "The task that it leads to."),
  on: maybe(
    on,
    "On which outcome it is followed; one from a sync point always is. Default: success; any, where the pipeline's onFailure is continue.",
  ),
  weak: maybe(flag, "It leads on, but is not waited for. Default false."),
  times: maybe(integer(1, LIMITS.times), "How often it is followed at most. Default: no limit."),
});

/** How much later than a due time a device may begin. */
const jitter = v.pipe(
  duration,
  v.check((value) => durationProblem(value) !== undefined || parseDuration(value) <= DAY_MS),
) as Schema<Duration>;

const schedule = closed({
  cron: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.cron)) as Schema<string>,
    "Five fields (minute, hour, day of the month, month, day of the week), six with seconds first, or a word such as @hourly.",
  ),
  timezone: maybe(name, "The time zone of its fields, such as Europe/Berlin. Default UTC."),
  jitter: maybe(
    jitter,
    "Each device begins so much later than the due time: by its id, always the same. Default 0.",
  ),
  overlap: maybe(
    v.picklist(["skip", "queue"]) as Schema<"skip" | "queue">,
    "A due time that comes while a run goes on: skip (default), or queue, where one waits.",
  ),
  missed: maybe(
    v.picklist(["skip", "once"]) as Schema<"skip" | "once">,
    "Due times at which no agent was awake: skip (default), or once, one run for all of them.",
  ),
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
  resources: maybe(resourcesSchema, "What tasks may use, and how much there is of it, by names."),
  schedule: maybe(
    schedule as Schema<ManifestSchedule>,
    "When an agent runs it, again and again. Default: once.",
  ),
  order: maybe(
    v.pipe(v.array(name), v.maxLength(LIMITS.tasks)) as Schema<string[]>,
    "The names of all tasks in their order, where names are whole numbers. Default: the order of the keys.",
  ),
  tasks: about(
    record(taskSchema),
    "The tasks by name.",
  ),
  loops: maybe(
    v.pipe(v.array(loop), v.maxLength(LIMITS.loops)) as Schema<ManifestLoop[]>,
    "Parts of the pipeline that run more than once.",
  ),
  edges: maybe(
    v.pipe(v.array(edge), v.maxLength(LIMITS.edges)) as Schema<ManifestEdge[]>,
    "What leads from task to task, in the place of needs and loops: each is followed when its task has ended as it asks.",
  ),
}) as Schema<Manifest>;
