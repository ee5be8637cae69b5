/**
 * Owns what goes over the wire in Outrider's own dialect, each message once: a schema, which both ends and the OpenAPI
 * document read, and the type of what it describes. Who needs the types alone imports them as types.
 * Must not know of HTTP clients, servers or databases.
 * Invariant: a field is never renamed or given another meaning, and new ones are optional; unknown fields are let through, so
 * that either end may be the older one.
 */
import * as v from "valibot";
import { RUN_STATES } from "../model/outcome.ts";
import { MAX_TOKEN_LENGTH } from "./token.ts";
import {
  Count,
  ExecutorId,
  Id,
  Interval,
  LaneCounts,
  LaneName,
  LevelName,
  MAX_BATCH_RECORDS,
  MAX_REASON,
  Name,
  PinnedReference,
  Seq,
  Stamp,
  StateOfRun,
  Tag,
  Text,
} from "./words.ts";

/** What a schema describes. What fields a message may have beside those that are known is nobody's business. */
type Told<S extends v.GenericSchema> = Fixed<v.InferOutput<S>>;
type Fixed<T> = T extends readonly (infer Each)[] ? readonly Fixed<Each>[]
  : T extends object
    ? { readonly [K in keyof T as string extends K ? unknown extends T[K] ? never : K : K]: Fixed<T[K]> }
  : T;

const because = { because: v.exactOptional(Text(1000)) };

/** What may be asked of an executor. */
const cancel = { type: v.literal("cancel"), run: Id, ...because };
const stop = { type: v.literal("stop"), ...because };
/** What was handed out under this tag is not to be run; if it is running, it is cancelled. */
const withdraw = { type: v.literal("withdraw"), handout: Tag, ...because };
const pause = { type: v.literal("pause") };
const resume = { type: v.literal("resume") };
const logLevel = { type: v.literal("logLevel"), level: LevelName };
const interval = { type: v.literal("interval"), ms: Interval };
/** The device is to be another environment's: `NAME@sha256:…` in the gateway's registry. */
const environment = { type: v.literal("environment"), reference: PinnedReference };
const id = { id: Seq };

/** What a user may ask of an executor. */
export const NewInstruction = v.variant("type", [
  v.object(cancel),
  v.object(stop),
  v.object(withdraw),
  v.object(pause),
  v.object(resume),
  v.object(logLevel),
  v.object(interval),
  v.object(environment),
]);
export type NewInstruction = Told<typeof NewInstruction>;

/** The same with its number. Numbers only grow; an executor says which it has seen. */
export const Instruction = v.variant("type", [
  v.object({ ...id, ...cancel }),
  v.object({ ...id, ...stop }),
  v.object({ ...id, ...withdraw }),
  v.object({ ...id, ...pause }),
  v.object({ ...id, ...resume }),
  v.object({ ...id, ...logLevel }),
  v.object({ ...id, ...interval }),
  v.object({ ...id, ...environment }),
]);
export type Instruction = Told<typeof Instruction>;

/** An instruction as it comes: perhaps of a type that this version does not know, and then passed over. */
const AnyInstruction = v.looseObject({ id: Seq, type: v.string() });
export type AnyInstruction = Told<typeof AnyInstruction>;

/** What every reply to an executor may carry. */
const carried = {
  commands: v.exactOptional(v.array(AnyInstruction)),
  /** Names the gateway's storage: another one numbers its commands anew. */
  storage: v.exactOptional(Id),
};

/** What an executor is doing. */
const EXECUTOR_STATES = ["idle", "running", "paused", "stopping"] as const;
export type ExecutorState = typeof EXECUTOR_STATES[number];

/** What a heartbeat tells of the run. */
const HeartbeatRun = v.looseObject({
  id: Id,
  pipeline: Name,
  /** Tag of the hand-out that it carries out. */
  handout: v.exactOptional(Tag),
  /** The due time of the timetable that it is for, milliseconds since the epoch. */
  scheduledFor: v.exactOptional(Stamp),
  state: StateOfRun,
  /** Tasks in the pipeline. */
  tasks: Count,
  /** Tasks by where they stand. */
  counts: v.record(Text(32), Count),
  /** Attempts running now. */
  running: Count,
  /** Names of the first few of them. */
  names: v.pipe(v.array(Text(128)), v.maxLength(8)),
});
export type HeartbeatRun = Told<typeof HeartbeatRun>;

/** How it stands with the environment that an executor was told to be of. */
const HeartbeatEnvironment = v.looseObject({
  reference: PinnedReference,
  /**
   * `waiting`: it is here whole, and is tried when nothing runs; `trying`: this is it, on trial; `running`: this is it, and it
   * stays; `failed`: it is not taken, or was not well, and what was there before runs.
   */
  state: v.picklist(["fetching", "waiting", "trying", "running", "failed"]),
  /** Bytes that are here, and that there are. */
  bytes: v.exactOptional(Count),
  of: v.exactOptional(Count),
  because: v.exactOptional(Text(MAX_REASON)),
});
export type HeartbeatEnvironment = Told<typeof HeartbeatEnvironment>;

/** The timetable that an executor keeps to. Times are milliseconds since the epoch, by its clock. */
const HeartbeatTimetable = v.looseObject({
  pipeline: Name,
  /** Tag of the hand-out whose timetable it is. */
  handout: v.exactOptional(Tag),
  /** When the next run begins; absent if it is never due again. */
  next: v.exactOptional(Stamp),
  /** The last due time that was run. */
  last: v.exactOptional(Stamp),
});
export type HeartbeatTimetable = Told<typeof HeartbeatTimetable>;

/** Small and of constant size, whatever the run is like. */
export const Heartbeat = v.looseObject({
  /** One life of the executor's process. */
  session: Id,
  /** Grows by one with each heartbeat of a session, so that a late one does not undo a newer one. */
  version: Seq,
  /** Version of Outrider. */
  outrider: Text(64),
  /** Name and version, such as `deno 2.9.6`. */
  runtime: Text(64),
  experiment: v.exactOptional(Id),
  groups: v.exactOptional(v.pipe(v.array(Id), v.maxLength(16))),
  state: v.picklist(EXECUTOR_STATES),
  /** Time to the next heartbeat, milliseconds, about. */
  intervalMs: v.exactOptional(v.pipe(Count, v.maxValue(3_600_000))),
  /** Nothing more will be heard until the run is over: silence is no reason for worry. */
  quiet: v.exactOptional(v.boolean()),
  run: v.exactOptional(HeartbeatRun),
  environment: v.exactOptional(HeartbeatEnvironment),
  timetable: v.exactOptional(HeartbeatTimetable),
  /** Records that wait to be sent. */
  spool: v.looseObject({ state: Count, log: Count, bytes: v.exactOptional(Count) }),
  load: v.exactOptional(
    v.looseObject({
      cpu: v.exactOptional(v.pipe(v.number(), v.finite())),
      memoryBytes: v.exactOptional(Count),
    }),
  ),
  /** Bytes sent to the gateway since the session began. */
  sentBytes: Count,
  /** Highest command seen. */
  seen: Count,
  /** The gateway's storage that `seen` is a number of. */
  storage: v.exactOptional(Id),
  /** The other session that the last reply told of: only who lives beside it can have heard. */
  rival: v.exactOptional(Id),
});
export type Heartbeat = Told<typeof Heartbeat>;

/** What an executor gets for its heartbeat. */
export const HeartbeatReply = v.looseObject({
  ...carried,
  /** Another session that speaks as the same executor. */
  rival: v.exactOptional(Id),
});
export type HeartbeatReply = Told<typeof HeartbeatReply>;

/** Numbers that will never come, both ends included, and why. */
const Parked = v.object({ from: Seq, to: Seq, status: v.exactOptional(Count), reason: Text(MAX_REASON) });
export type Parked = Told<typeof Parked>;

/** What a run lacks, as users see it: records that the executor set aside or the gateway could not read. */
export const Missing = v.object({ ...Parked.entries, lane: LaneName });
export type Missing = Told<typeof Missing>;

/** How a run ended, and how many records each lane has. */
export const Final = v.object({ state: StateOfRun, records: LaneCounts });
export type Final = Told<typeof Final>;

/** Numbered records of one lane of one run, oldest first. */
export const RecordBatch = v.looseObject({
  run: Id,
  lane: LaneName,
  /** Absent where a run can't outlive its process. */
  life: v.exactOptional(v.looseObject({ id: Id, since: LaneCounts })),
  records: v.pipe(v.array(v.looseObject({ seq: Seq })), v.maxLength(MAX_BATCH_RECORDS)),
  /** Tag of the hand-out that the run carries out. */
  handout: v.exactOptional(Tag),
  parked: v.exactOptional(v.pipe(v.array(Parked), v.maxLength(1000))),
  final: v.exactOptional(Final),
});
export type RecordBatch = Told<typeof RecordBatch>;

/** A record that the gateway could not read. */
const Rejected = v.object({ lane: LaneName, seq: Seq, reason: v.string() });
export type Rejected = Told<typeof Rejected>;

/** All records of a lane up to the number have been taken, or are known never to come. */
export const BatchReply = v.looseObject({
  acknowledged: LaneCounts,
  rejected: v.array(Rejected),
  /** Whether the gateway has the run's end. */
  final: v.boolean(),
  ...carried,
});
export type BatchReply = Told<typeof BatchReply>;

/** What a gateway has of a file: bytes from its beginning; `whole`: all of it, and they have the digest. */
export const HeldFile = v.looseObject({ bytes: Count, whole: v.boolean() });
export type HeldFile = Told<typeof HeldFile>;

/** A file of a run, as users see it. */
export const FileView = v.object({
  task: v.string(),
  iteration: Count,
  attempt: Count,
  /** Which item of a mapped task. */
  item: v.exactOptional(Count),
  name: v.string(),
  /** SHA-256 of its bytes, lower-case hexadecimal. */
  sha256: v.string(),
  bytes: Count,
  /** Whether it can be had here: else it is still to come, or was removed. */
  here: v.boolean(),
});
export type FileView = Told<typeof FileView>;

/** A value that all executors of an experiment and the user share: any JSON value. */
export const SharedFlag = v.object({
  name: Id,
  value: v.unknown(),
  /** Grows by one with each change. */
  version: Seq,
});
export type SharedFlag = Told<typeof SharedFlag>;

/** What to do to a flag. `id` makes it happen once, however often it is sent. */
export const FlagOperation = v.variant("op", [
  v.object({ op: v.literal("set"), id: Id, value: v.unknown(), ifVersion: v.exactOptional(Count) }),
  v.object({ op: v.literal("increment"), id: Id, by: v.pipe(v.number(), v.finite()) }),
  v.object({ op: v.literal("decrement"), id: Id, by: v.pipe(v.number(), v.finite()) }),
  /** Sets `value` if the present one equals `expected` (absent: if there is none). */
  v.object({ op: v.literal("compare"), id: Id, expected: v.exactOptional(v.unknown()), value: v.unknown() }),
]);
export type FlagOperation = Told<typeof FlagOperation>;

/** The flag after the operation; `done` is false where a condition did not hold. */
export const FlagReply = v.object({ flag: v.exactOptional(SharedFlag), done: v.boolean() });
export type FlagReply = Told<typeof FlagReply>;

/** What a flag is set to, whatever it was. */
export const FlagValue = v.object({ value: v.unknown() });

/** What every refusal is. */
export const ErrorReply = v.object({
  error: v.object({ code: v.pipe(v.string(), v.regex(/^[A-Z][A-Z0-9_]*$/)), message: v.string() }),
});

/** The words of a refusal, if it is a gateway's. What a proxy or a login page says has another form. */
export function reasonIn(body: unknown): string | undefined {
  return refusalIn(body)?.message;
}

/** The same, with the code of what was refused. */
export function refusalIn(body: unknown): v.InferOutput<typeof ErrorReply>["error"] | undefined {
  const { success, output } = v.safeParse(ErrorReply, body);
  return success ? output.error : undefined;
}

/** What a user gets for a bundle. */
export const Submitted = v.object({
  /** SHA-256 of the bytes. */
  hash: v.string(),
  bytes: Count,
  to: v.string(),
  version: Seq,
  /** Names it in the queue. */
  id: v.exactOptional(Id),
  /** What is to be carried out before it. */
  before: v.exactOptional(Count),
  /** Known executors that it is for. */
  executors: v.exactOptional(Count),
  /** What it has replaced. */
  replaced: v.exactOptional(v.array(Id)),
});
export type Submitted = Told<typeof Submitted>;

/** How an executor stands. `lost`: silent for longer than its lease. */
export const EXECUTOR_VIEW_STATES = [...EXECUTOR_STATES, "lost"] as const;

/** An executor as users see it. Times are ISO 8601 in UTC. */
export const ExecutorView = v.object({
  id: Id,
  state: v.picklist(EXECUTOR_VIEW_STATES),
  firstSeenAt: v.string(),
  lastSeenAt: v.string(),
  heartbeat: v.exactOptional(Heartbeat),
  /** Another session speaks as this executor: two devices have one id. */
  rival: v.exactOptional(v.object({ session: Id, lastSeenAt: v.string() })),
});
export type ExecutorView = Told<typeof ExecutorView>;

/**
 * What was handed to a gateway for an executor, as users see it. Times are ISO 8601 in UTC. States before those of its run:
 * `waiting` in the queue; `taken` by the executor, of whose run nothing is heard yet; `done` by an executor of an older
 * version, which did not tell by which run.
 */
export const HandoutView = v.object({
  id: Id,
  /** The executor, or the group. */
  to: v.string(),
  /** Absent for a group of which no executor is known. */
  executor: v.exactOptional(Id),
  pipeline: v.exactOptional(v.string()),
  hash: v.string(),
  version: Seq,
  at: v.string(),
  state: v.picklist(["waiting", "taken", "done", "withdrawn", "replaced", ...RUN_STATES, "lost"]),
  run: v.exactOptional(Id),
  because: v.exactOptional(v.string()),
});
export type HandoutView = Told<typeof HandoutView>;

/** What became of a hand-out that was withdrawn. */
export const Withdrawn = v.object({
  id: Id,
  /** Runs of it that are being cancelled. */
  runs: v.array(Id),
  /** Executors that have it and of whose runs nothing is heard yet. */
  taken: v.array(Id),
});
export type Withdrawn = Told<typeof Withdrawn>;

/** One executor with its queue, the oldest first. */
export const ExecutorQueue = v.object({
  /** Absent where it was never seen. */
  executor: v.exactOptional(ExecutorView),
  handouts: v.array(HandoutView),
});
export type ExecutorQueue = Told<typeof ExecutorQueue>;

/** A run at a gateway, as users see it. Times are ISO 8601 in UTC. */
export const ReportedRun = v.object({
  run: Id,
  executor: Id,
  pipeline: v.exactOptional(v.string()),
  runtime: v.exactOptional(v.string()),
  /** The hand-out that it carries out. */
  handout: v.exactOptional(Id),
  /** `lost`: its executor is silent; a result that comes late still replaces it. */
  state: v.picklist([...RUN_STATES, "lost"]),
  /** Grows with every change. */
  version: Seq,
  startedAt: v.exactOptional(v.string()),
  /** The due time of the timetable that it is for. */
  scheduledFor: v.exactOptional(v.string()),
  endedAt: v.exactOptional(v.string()),
  lastSeenAt: v.string(),
  acknowledged: LaneCounts,
  /** Whether all records of the run are here. */
  complete: v.boolean(),
  missing: v.array(Missing),
});
export type ReportedRun = Told<typeof ReportedRun>;

/** An executor in few words. Times are ISO 8601 in UTC. */
const ExecutorListed = v.object({
  id: Id,
  state: v.picklist(EXECUTOR_VIEW_STATES),
  lastSeenAt: v.string(),
  groups: v.exactOptional(v.array(Id)),
  /** Version of Outrider. */
  outrider: v.exactOptional(v.string()),
  runtime: v.exactOptional(v.string()),
  /** The run that its last heartbeat names. */
  run: v.exactOptional(v.object({ id: Id, pipeline: v.string(), state: StateOfRun })),
  /** Another session speaks as this executor. */
  rival: v.exactOptional(v.boolean()),
});
export type ExecutorListed = Told<typeof ExecutorListed>;

/** A fleet as a whole, and those of its executors that are looked for. */
export const Overview = v.object({
  /** Executors that are known. */
  total: Count,
  /** Executors by state. */
  counts: v.object({ idle: Count, running: Count, paused: Count, stopping: Count, lost: Count }),
  /** Runs that are kept, by the state that they have told. */
  runs: v.object({ running: Count, succeeded: Count, failed: Count, cancelled: Count }),
  /** Executors that are looked for. */
  matching: Count,
  /** Those of them that come before the list. */
  offset: Count,
  executors: v.array(ExecutorListed),
});
export type Overview = Told<typeof Overview>;

/** The token of a user, to be exchanged for a session. */
export const NewSession = v.object({
  token: v.pipe(v.string(), v.nonEmpty(), v.maxLength(MAX_TOKEN_LENGTH)),
});

/** Who asks: the name of the token; of a session how long it lasts yet, milliseconds. All absent where there are no tokens. */
export const SessionView = v.object({
  token: v.exactOptional(Id),
  leftMs: v.exactOptional(Count),
  /** There are tokens, and none came. */
  nobody: v.exactOptional(v.literal(true)),
});
export type SessionView = Told<typeof SessionView>;

const None = v.exactOptional(v.never("A user's token opens everything: leave this out"));
/**
 * A token to be made. A user's opens everything, so that one which says what it is for would promise what it does not keep.
 * An executor's speaks for one executor (default: any), opens the flags of one experiment (default: none), and the bundles of
 * its groups beside `all`.
 */
export const NewToken = v.variant("kind", [
  v.object({ kind: v.literal("user"), name: Id, executor: None, experiment: None, groups: None }),
  v.object({
    kind: v.literal("executor"),
    /** What the token is listed and withdrawn by. */
    name: Id,
    executor: v.exactOptional(ExecutorId),
    experiment: v.exactOptional(Id),
    groups: v.exactOptional(v.pipe(v.array(Id), v.maxLength(16))),
  }),
]);
export type NewToken = Told<typeof NewToken>;
export type ExecutorToken = Extract<NewToken, { readonly kind: "executor" }>;

/** A token just made; its text is shown this once. */
export const TokenMade = v.object({ name: Id, token: v.string() });
export type TokenMade = Told<typeof TokenMade>;
