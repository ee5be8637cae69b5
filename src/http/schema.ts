/**
 * Owns the shapes of what is sent to and told by the end point.
 * Must not know routes.
 * Invariant: what a route takes is checked against a schema here, and the OpenAPI document is made of the same schemas.
 */
import { AUTHORS, LEVELS, STREAMS } from "../model/record.ts";
import { ONS, OUTCOMES, RUN_STATES } from "../model/outcome.ts";
import * as v from "valibot";
import { KINDS } from "../pipeline/kinds/list.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const time = v.pipe(v.string(), v.isoTimestamp(), v.description("ISO 8601 in UTC"));
const ms = v.pipe(v.number(), v.minValue(0), v.description("Milliseconds"));
const on = v.picklist(ONS);
const outcome = v.picklist(OUTCOMES);
const runState = v.picklist(RUN_STATES);

function about<S extends v.GenericSchema>(
  schema: S,
  description: string,
): v.SchemaWithPipe<readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]> {
  return v.pipe(schema, v.description(description));
}

const emitter = v.strictObject({
  task: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  iteration: count,
  attempt: count,
});

const increment = v.strictObject({
  by: v.exactOptional(about(v.pipe(v.number(), v.finite()), "What to add. Default 1.")),
});
const newEvent = v.strictObject({
  type: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
    "What happened, in the emitter's words; not *.",
  ),
  detail: v.exactOptional(about(v.unknown(), 'A JSON value; bytes are {"$bytes": "<base64>"}.')),
  from: v.exactOptional(
    about(emitter, "The attempt that emits it: OUTRIDER_TASK, OUTRIDER_ITERATION, OUTRIDER_ATTEMPT."),
  ),
});
const cancel = v.strictObject({
  because: v.exactOptional(about(v.pipe(v.string(), v.minLength(1), v.maxLength(1_000)), "Why, in words.")),
});

const runningAttempt = v.object({
  task: v.string(),
  iteration: count,
  attempt: count,
  item: v.exactOptional(about(count, "Which item of a mapped task, from 0.")),
  worker: count,
  startedAt: time,
  ranMs: ms,
  progress: v.exactOptional(v.object({ fraction: v.number(), text: v.exactOptional(v.string()) })),
});

const items = v.object({
  count: about(count, "How many there are."),
  running: about(count, "How many are handed out or at work."),
  ended: about(v.record(v.string(), count), "How many ended how; those that never will begin are skipped."),
});

const need = v.object({ task: v.string(), on });

const lacks = v.array(v.object({
  resource: v.string(),
  amount: about(count, "How much of it the task takes."),
  capacity: about(count, "How much of it there is."),
  heldBy: about(
    v.array(
      v.object({ task: v.string(), run: v.exactOptional(v.string()), process: v.exactOptional(count) }),
    ),
    "Who has some of it, at most 10; run and process where that is another run on the device.",
  ),
  after: v.exactOptional(about(v.string(), "A task of the run that waits for it too, and comes first.")),
}));

const statusOfRun = v.object({
  id: v.string(),
  pipeline: v.string(),
  state: runState,
  startedAt: time,
  scheduledFor: v.exactOptional(about(time, "The due time of the timetable that it is for.")),
  ranMs: about(ms, "How long it has been going on, or took; by a clock that never steps."),
  sinceResumeMs: v.exactOptional(
    about(ms, "How much of that was since the run went on after an interruption."),
  ),
  tasks: count,
  counts: about(v.record(v.string(), count), "Tasks by where they stand."),
  running: about(v.array(runningAttempt), "At most 50."),
  next: about(v.array(v.string()), "Tasks that start next, at most 50."),
  waiting: about(
    v.array(
      v.object({ task: v.string(), waitsFor: v.array(need), more: count, lacks: v.exactOptional(lacks) }),
    ),
    "What the first 50 waiting tasks wait for: needs, or resources once those are met; more: how many needs are not listed.",
  ),
  skipped: about(v.array(v.object({ task: v.string(), because: v.string() })), "The first 50."),
  workers: v.object({
    ...{ busy: count, idle: count, starting: count },
    held: v.exactOptional(
      about(
        v.picklist(["processor", "memory", "limit"]),
        "Why there are not more though tasks wait: the cores are busy, memory is short, or there are as many as there may be.",
      ),
    ),
  }),
  store: v.object({ keys: count, size: count, waits: count }),
  events: about(count, "Number of the newest event."),
});

const timetable = v.object({
  pipeline: v.string(),
  handout: v.exactOptional(about(v.string(), "Names its hand-out; absent: it is a file's.")),
  cron: v.string(),
  timezone: v.string(),
  overlap: v.picklist(["skip", "queue"]),
  missed: v.picklist(["skip", "once"]),
  next: v.exactOptional(about(time, "When the next run begins; absent if it is never due again.")),
  nextDue: v.exactOptional(about(time, "The due time that it is for: the jitter of the device earlier.")),
  last: v.exactOptional(about(time, "The last due time that was run.")),
});

const status = v.object({
  executor: v.string(),
  version: v.string(),
  runtime: v.string(),
  startedAt: time,
  at: about(time, "The executor's time of day now."),
  uptimeMs: about(ms, "By a clock that never steps: not the difference of the two."),
  able: about(v.boolean(), "Whether it can work; if not, the status is 503."),
  unable: v.exactOptional(about(v.string(), "Why not.")),
  state: v.exactOptional(
    about(
      v.picklist(["idle", "running", "paused", "stopping"]),
      "What an agent does; absent of a single run.",
    ),
  ),
  conditions: v.array(v.object({ code: v.string(), message: v.string() })),
  run: v.exactOptional(statusOfRun),
  timetable: v.exactOptional(about(timetable, "The timetable that an agent keeps to.")),
  gateway: v.exactOptional(v.object({
    url: v.string(),
    lastContactAt: v.exactOptional(time),
    heartbeatFailures: count,
    spool: v.object({ state: count, log: count, bytes: v.exactOptional(count) }),
  })),
});

const error = v.object({ error: v.object({ code: v.string(), message: v.string() }) });

const plan = v.object({
  name: v.string(),
  onFailure: v.picklist(["stop", "continue"]),
  tasks: v.array(v.object({
    name: v.string(),
    kind: v.picklist(["sync", ...KINDS.map(({ name }) => name)]),
    command: v.exactOptional(v.array(v.string())),
    needs: v.array(need),
    join: v.picklist(["all", "any"]),
    when: v.exactOptional(v.pipe(v.string(), v.description("Its condition, in few words."))),
    attempts: count,
    allowFailure: v.boolean(),
    uses: v.exactOptional(
      about(v.array(v.object({ resource: v.string(), amount: count })), "What it takes while it runs."),
    ),
    timeoutMs: v.exactOptional(ms),
    estimateMs: v.exactOptional(ms),
  })),
  loops: v.array(v.object({ from: v.string(), to: v.string(), times: count, on, body: v.array(v.string()) })),
  resources: v.exactOptional(
    v.array(v.object({ name: v.string(), capacity: count, scope: v.picklist(["run", "device"]) })),
  ),
  edges: v.optional(
    v.array(
      v.object({ from: v.string(), to: v.string(), on, weak: v.boolean(), times: v.optional(count) }),
    ),
  ),
});

const tasks = v.object({
  total: count,
  offset: count,
  tasks: v.array(v.object({
    task: v.string(),
    standing: about(
      v.picklist(["waiting", "ready", "dispatched", "retrying", "settled"]),
      "Waiting for needs or resources, ready to start, dispatched to a worker that has begun it, retrying after a delay, or settled.",
    ),
    iteration: count,
    attempt: count,
    outcome: v.exactOptional(outcome),
    because: v.exactOptional(v.string()),
    items: v.exactOptional(about(items, "Of a mapped task whose list is known: its items.")),
    waitsFor: v.array(need),
    lacks: v.exactOptional(about(lacks, "Resources that it waits for, now that its needs are met.")),
  })),
});

/** Schemas that the OpenAPI document names. */
export const SCHEMAS = {
  Value: about(v.unknown(), 'Any JSON value; bytes are {"$bytes": "<base64>"}.'),
  Status: status,
  Proof: v.object({ proof: about(v.string(), "64 hexadecimal digits.") }),
  Keys: v.object({
    keys: v.array(v.string()),
    cursor: v.exactOptional(about(v.string(), "Give it back to get the next page; absent on the last.")),
  }),
  Increment: increment,
  Incremented: v.object({ value: v.number(), version: count }),
  Change: v.object({
    key: v.string(),
    version: count,
    value: v.exactOptional(about(v.unknown(), "Absent when the key is gone.")),
    expiresAt: v.exactOptional(about(count, "Milliseconds since the epoch.")),
  }),
  NewEvent: newEvent,
  EventMade: v.object({ id: count }),
  Event: v.object({
    id: count,
    type: v.string(),
    detail: v.exactOptional(v.unknown()),
    at: about(v.number(), "Milliseconds since the epoch."),
    from: v.exactOptional(v.object({ task: v.string(), iteration: count, attempt: count })),
  }),
  LogRecord: v.object({
    seq: count,
    at: time,
    level: v.picklist(LEVELS),
    from: v.picklist(AUTHORS),
    task: v.exactOptional(v.string()),
    iteration: v.exactOptional(count),
    attempt: v.exactOptional(count),
    item: v.exactOptional(count),
    stream: v.picklist(STREAMS),
    text: v.string(),
    dropped: v.exactOptional(v.object({ count, bytes: count })),
  }),
  StateRecord: v.looseObject({
    seq: count,
    at: v.number(),
    type: about(v.string(), "Such as attempt.settled; docs/journal.md lists them."),
  }),
  Pipeline: plan,
  Tasks: tasks,
  Files: v.object({
    files: v.array(v.object({
      task: v.string(),
      iteration: count,
      attempt: count,
      item: v.exactOptional(about(count, "Which item of a mapped task.")),
      name: v.string(),
      sha256: about(v.string(), "SHA-256 of its bytes, lower-case hexadecimal."),
      bytes: count,
    })),
  }),
  Result: v.object({
    run: v.string(),
    pipeline: v.string(),
    runtime: v.string(),
    state: runState,
    startedAt: time,
    scheduledFor: v.exactOptional(about(time, "The due time of the timetable that it was for.")),
    endedAt: v.exactOptional(time),
    tookMs: v.exactOptional(about(ms, "How long it took, by a clock that never steps.")),
    tasks: v.record(
      v.string(),
      v.array(
        v.looseObject({
          iteration: count,
          attempt: count,
          item: v.exactOptional(
            about(count, "Which item of a mapped task, from 0; absent in what the task came to as a whole."),
          ),
          outcome,
          value: v.exactOptional(v.unknown()),
          items: v.exactOptional(
            about(v.record(v.string(), count), "Of a mapped task as a whole: how many items ended how."),
          ),
        }),
      ),
    ),
  }),
  Cancel: cancel,
  Cancelling: v.object({ run: v.string(), state: v.literal("cancelling") }),
  Refusal: error,
} as const;

/** What a schema describes; optional fields may be absent, not undefined. */
type Told<S extends v.GenericSchema> = Fixed<v.InferOutput<S>>;
type Fixed<T> = T extends readonly (infer Each)[] ? readonly Fixed<Each>[]
  : T extends object ? { readonly [K in keyof T]: Fixed<T[K]> }
  : T;

/** What is told, as who makes it and who reads it has it. */
export type StatusView = Told<typeof SCHEMAS.Status>;
export type PipelineView = Told<typeof SCHEMAS.Pipeline>;
export type FilesView = Told<typeof SCHEMAS.Files>;
export type StandingsView = Told<typeof SCHEMAS.Tasks>;
