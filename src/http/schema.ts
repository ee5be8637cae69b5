/**
 * Owns the shapes of what is sent to and told by the end point.
 * Must not know routes.
 * Invariant: what a route takes is checked against a schema here, and the OpenAPI document is made of the same schemas.
 */
import { AUTHORS, LEVELS, STREAMS } from "../model/record.ts";
import { ONS, OUTCOMES, RUN_STATES } from "../model/outcome.ts";
import * as v from "valibot";
import { KINDS } from "../pipeline/kinds/list.ts";
import { Refuse } from "./failure.ts";

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
  by: v.optional(about(v.pipe(v.number(), v.finite()), "What to add. Default 1.")),
});
const newEvent = v.strictObject({
  type: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
    "What happened, in the emitter's words; not *.",
  ),
  detail: v.optional(about(v.unknown(), 'A JSON value; bytes are {"$bytes": "<base64>"}.')),
  from: v.optional(
    about(emitter, "The attempt that emits it: OUTRIDER_TASK, OUTRIDER_ITERATION, OUTRIDER_ATTEMPT."),
  ),
});
const cancel = v.strictObject({
  because: v.optional(about(v.pipe(v.string(), v.minLength(1), v.maxLength(1_000)), "Why, in words.")),
});

/** A body of `POST /store/{key}/increment`. */
export type Increment = { readonly by?: number | undefined };
/** A body of `POST /events`. */
export type NewEvent = {
  readonly type: string;
  readonly detail?: unknown;
  readonly from?: { readonly task: string; readonly iteration: number; readonly attempt: number } | undefined;
};
/** A body of `POST /cancel`. */
export type Cancel = { readonly because?: string | undefined };

/** @throws {Refuse} 422 if the body has another shape. No body is the default. */
export function checkIncrement(body: unknown): Increment {
  return checked(increment, body ?? {});
}

/** @throws {Refuse} 422 if the body has another shape. */
export function checkEvent(body: unknown): NewEvent {
  return checked(newEvent, body ?? {});
}

/** @throws {Refuse} 422 if the body has another shape. No body is the default. */
export function checkCancel(body: unknown): Cancel {
  return checked(cancel, body ?? {});
}

function checked<T>(schema: v.GenericSchema<unknown, T>, body: unknown): T {
  const result = Array.isArray(body) ? undefined : v.safeParse(schema, body);
  if (result?.success) return result.output;
  const problems = (result?.issues ?? []).slice(0, 10).map((issue) =>
    // It may quote what it is about.
    `${v.getDotPath(issue) ?? "the whole"}: ${issue.message}`.slice(0, 300)
  );
  throw new Refuse(422, "SHAPE", {
    message: `The body does not fit: ${problems.length === 0 ? "an object is needed" : problems.join("; ")}`,
  });
}

const runningAttempt = v.object({
  task: v.string(),
  iteration: count,
  attempt: count,
  worker: count,
  startedAt: time,
  ranMs: ms,
  progress: v.optional(v.object({ fraction: v.number(), text: v.optional(v.string()) })),
});

const need = v.object({ task: v.string(), on });

const statusOfRun = v.object({
  id: v.string(),
  pipeline: v.string(),
  state: runState,
  startedAt: time,
  ranMs: about(ms, "How long it has been going on, or took; by a clock that never steps."),
  tasks: count,
  counts: about(v.record(v.string(), count), "Tasks by where they stand."),
  running: about(v.array(runningAttempt), "At most 50."),
  next: about(v.array(v.string()), "Tasks that start next, at most 50."),
  waiting: about(
    v.array(v.object({ task: v.string(), waitsFor: v.array(need), more: count })),
    "What the first 50 waiting tasks wait for; more: how many needs are not listed.",
  ),
  skipped: about(v.array(v.object({ task: v.string(), because: v.string() })), "The first 50."),
  workers: v.object({ busy: count, idle: count, starting: count }),
  store: v.object({ keys: count, size: count, waits: count }),
  events: about(count, "Number of the newest event."),
});

const status = v.object({
  executor: v.string(),
  version: v.string(),
  runtime: v.string(),
  startedAt: time,
  at: about(time, "The executor's time of day now."),
  uptimeMs: about(ms, "By a clock that never steps: not the difference of the two."),
  able: about(v.boolean(), "Whether it can work; if not, the status is 503."),
  unable: v.optional(about(v.string(), "Why not.")),
  state: v.optional(
    about(
      v.picklist(["idle", "running", "paused", "stopping"]),
      "What an agent does; absent of a single run.",
    ),
  ),
  conditions: v.array(v.object({ code: v.string(), message: v.string() })),
  run: v.optional(statusOfRun),
  gateway: v.optional(v.object({
    url: v.string(),
    lastContactAt: v.optional(time),
    heartbeatFailures: count,
    spool: v.object({ state: count, log: count, bytes: v.optional(count) }),
  })),
});

const error = v.object({ error: v.object({ code: v.string(), message: v.string() }) });

const plan = v.object({
  name: v.string(),
  onFailure: v.picklist(["stop", "continue"]),
  tasks: v.array(v.object({
    name: v.string(),
    kind: v.picklist(["sync", ...KINDS.map(({ name }) => name)]),
    command: v.optional(v.array(v.string())),
    needs: v.array(need),
    join: v.picklist(["all", "any"]),
    attempts: count,
    allowFailure: v.boolean(),
    timeoutMs: v.optional(ms),
    estimateMs: v.optional(ms),
  })),
  loops: v.array(v.object({ from: v.string(), to: v.string(), times: count, on, body: v.array(v.string()) })),
});

const tasks = v.object({
  total: count,
  offset: count,
  tasks: v.array(v.object({
    task: v.string(),
    standing: v.picklist(["waiting", "ready", "dispatched", "retrying", "settled"]),
    iteration: count,
    attempt: count,
    outcome: v.optional(outcome),
    because: v.optional(v.string()),
    waitsFor: v.array(need),
  })),
});

/** Schemas that the OpenAPI document names. */
export const SCHEMAS: Readonly<Record<string, v.GenericSchema>> = {
  Status: status,
  Proof: v.object({ proof: about(v.string(), "64 hexadecimal digits.") }),
  Keys: v.object({
    keys: v.array(v.string()),
    cursor: v.optional(about(v.string(), "Give it back to get the next page; absent on the last.")),
  }),
  Increment: increment,
  Incremented: v.object({ value: v.number(), version: count }),
  Change: v.object({
    key: v.string(),
    version: count,
    value: v.optional(about(v.unknown(), "Absent when the key is gone.")),
    expiresAt: v.optional(about(count, "Milliseconds since the epoch.")),
  }),
  NewEvent: newEvent,
  EventMade: v.object({ id: count }),
  Event: v.object({
    id: count,
    type: v.string(),
    detail: v.optional(v.unknown()),
    at: about(v.number(), "Milliseconds since the epoch."),
    from: v.optional(v.object({ task: v.string(), iteration: count, attempt: count })),
  }),
  LogRecord: v.object({
    seq: count,
    at: time,
    level: v.picklist(LEVELS),
    from: v.picklist(AUTHORS),
    task: v.optional(v.string()),
    iteration: v.optional(count),
    attempt: v.optional(count),
    stream: v.picklist(STREAMS),
    text: v.string(),
    dropped: v.optional(v.object({ count, bytes: count })),
  }),
  StateRecord: v.looseObject({
    seq: count,
    at: v.number(),
    type: about(v.string(), "Such as attempt.settled; docs/journal.md lists them."),
  }),
  Pipeline: plan,
  Tasks: tasks,
  Result: v.object({
    run: v.string(),
    pipeline: v.string(),
    runtime: v.string(),
    state: runState,
    startedAt: time,
    endedAt: v.optional(time),
    tookMs: v.optional(about(ms, "How long it took, by a clock that never steps.")),
    tasks: v.record(
      v.string(),
      v.array(v.looseObject({ iteration: count, attempt: count, outcome, value: v.optional(v.unknown()) })),
    ),
  }),
  Cancel: cancel,
  Cancelling: v.object({ run: v.string(), state: v.literal("cancelling") }),
  Refusal: error,
};
