/**
 * Owns the schemas of what goes over the wire in Outrider's own dialect, read by both ends and by the OpenAPI document.
 * Must not know of HTTP clients, servers or databases.
 * Invariant: unknown fields are let through, so that either end may be the older one.
 */
import { LEVELS } from "../model/record.ts";
import * as v from "valibot";
import { RUN_STATES, type RunState as State } from "../model/outcome.ts";
import type * as m from "./messages.ts";
import type { StreamNumbers } from "../model/stream.ts";

/** Header with the SHA-256 of a bundle's bytes, lower-case hexadecimal. */
export const HASH_HEADER = "outrider-bundle-hash";
/** Header with the id of a hand-out; a gateway that has it gives no two of them the same tag. */
export const HANDOUT_HEADER = "outrider-handout";
/** Most records in one batch. */
export const MAX_BATCH_RECORDS = 5000;
/** Longest time that a gateway holds a request for a flag, milliseconds. */
export const MAX_WAIT_MS = 60_000;

type Schema<T> = v.GenericSchema<unknown, T>;

/** What stands before the name of a group where bundles are handed in. */
export const GROUP = "group:";
/** Ids of experiments, runs and groups, names of flags and tokens. `.` and `..` can't stand in a path. */
export const Id: Schema<string> = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_.:@-]{1,128}$/, "Must be 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -"),
  v.regex(/^(?!\.\.?$)/, "Must not be . or .."),
);
/** Ids of executors: none of them is what a group is handed things by. */
export const ExecutorId: Schema<string> = v.pipe(
  Id,
  v.check((id) => !id.startsWith(GROUP), `Must not begin with ${GROUP}, which names groups`),
);
export const Count: Schema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const Seq: Schema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
export const Text = (length: number): Schema<string> => v.pipe(v.string(), v.maxLength(length));
export const RunState: Schema<State> = v.picklist(RUN_STATES);
const LaneName = v.picklist(["state", "log"]);
export const LaneCounts: Schema<StreamNumbers> = v.object({ state: Count, log: Count });
const Level = v.picklist(LEVELS);
/** Milliseconds since the epoch, up to the end of the year 9999: what a date can be made of. */
export const Stamp: Schema<number> = v.pipe(v.number(), v.minValue(0), v.maxValue(253_402_300_799_999));
/** Names of pipelines and tasks. */
export const Name: Schema<string> = Text(256);
const Interval: Schema<number> = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1000),
  v.maxValue(3_600_000),
);

const because = { because: v.exactOptional(Text(1000)) };
/** Names a hand-out, as the gateway wrote it. */
const Tag: Schema<string> = Text(256);

export const Command: Schema<m.Command> = v.variant("type", [
  v.object({ id: Seq, type: v.literal("cancel"), run: Id, ...because }),
  v.object({ id: Seq, type: v.literal("stop"), ...because }),
  v.object({ id: Seq, type: v.literal("withdraw"), handout: Tag, ...because }),
  v.object({ id: Seq, type: v.literal("pause") }),
  v.object({ id: Seq, type: v.literal("resume") }),
  v.object({ id: Seq, type: v.literal("logLevel"), level: Level }),
  v.object({ id: Seq, type: v.literal("interval"), ms: Interval }),
]);

export const NewCommand: Schema<m.NewCommand> = v.variant("type", [
  v.object({ type: v.literal("cancel"), run: Id, ...because }),
  v.object({ type: v.literal("stop"), ...because }),
  v.object({ type: v.literal("withdraw"), handout: Tag, ...because }),
  v.object({ type: v.literal("pause") }),
  v.object({ type: v.literal("resume") }),
  v.object({ type: v.literal("logLevel"), level: Level }),
  v.object({ type: v.literal("interval"), ms: Interval }),
]);

/** What every reply to an executor may carry. A command of a type that the executor does not know is passed over. */
const commands = {
  commands: v.exactOptional(v.array(v.looseObject({ id: Seq, type: v.string() }))),
  storage: v.exactOptional(Id),
};

const HeartbeatRun: Schema<m.HeartbeatRun> = v.looseObject({
  id: Id,
  pipeline: Text(256),
  handout: v.exactOptional(Tag),
  state: RunState,
  tasks: Count,
  counts: v.record(v.pipe(v.string(), v.maxLength(32)), Count),
  running: Count,
  names: v.pipe(v.array(Text(128)), v.maxLength(8)),
});

export const Heartbeat: Schema<m.Heartbeat> = v.looseObject({
  session: Id,
  version: Seq,
  outrider: Text(64),
  runtime: Text(64),
  experiment: v.exactOptional(Id),
  groups: v.exactOptional(v.pipe(v.array(Id), v.maxLength(16))),
  state: v.picklist(["idle", "running", "paused", "stopping"]),
  intervalMs: v.exactOptional(v.pipe(Count, v.maxValue(3_600_000))),
  quiet: v.exactOptional(v.boolean()),
  run: v.exactOptional(HeartbeatRun),
  spool: v.looseObject({ state: Count, log: Count, bytes: v.exactOptional(Count) }),
  load: v.exactOptional(
    v.looseObject({
      cpu: v.exactOptional(v.pipe(v.number(), v.finite())),
      memoryBytes: v.exactOptional(Count),
    }),
  ),
  sentBytes: Count,
  seen: Count,
  storage: v.exactOptional(Id),
  rival: v.exactOptional(Id),
});

export const HeartbeatReply: Schema<m.HeartbeatReply> = v.looseObject({
  ...commands,
  rival: v.exactOptional(Id),
});

/** Longest reason for which a record is missing, characters. */
export const MAX_REASON = 500;
const Parked = v.object({ from: Seq, to: Seq, status: v.exactOptional(Count), reason: Text(MAX_REASON) });
/** What a run lacks, as users see it. */
export const Missing: Schema<m.RunView["missing"][number]> = v.object({ ...Parked.entries, lane: LaneName });

export const Final: Schema<m.Final> = v.object({ state: RunState, records: LaneCounts });

export const Batch: Schema<m.Batch> = v.looseObject({
  run: Id,
  lane: LaneName,
  life: v.exactOptional(v.looseObject({ id: Id, since: LaneCounts })),
  records: v.pipe(v.array(v.looseObject({ seq: Seq })), v.maxLength(MAX_BATCH_RECORDS)),
  handout: v.exactOptional(Tag),
  parked: v.exactOptional(v.pipe(v.array(Parked), v.maxLength(1000))),
  final: v.exactOptional(Final),
});

export const BatchReply: Schema<m.BatchReply> = v.looseObject({
  acknowledged: LaneCounts,
  rejected: v.array(v.object({ lane: LaneName, seq: Seq, reason: v.string() })),
  final: v.boolean(),
  ...commands,
});

export const Flag: Schema<m.Flag> = v.object({ name: Id, value: v.unknown(), version: Seq });

export const FlagOperation: Schema<m.FlagOperation> = v.variant("op", [
  v.object({ op: v.literal("set"), id: Id, value: v.unknown(), ifVersion: v.exactOptional(Count) }),
  v.object({ op: v.literal("increment"), id: Id, by: v.pipe(v.number(), v.finite()) }),
  v.object({ op: v.literal("decrement"), id: Id, by: v.pipe(v.number(), v.finite()) }),
  v.object({ op: v.literal("compare"), id: Id, expected: v.exactOptional(v.unknown()), value: v.unknown() }),
]);

export const FlagReply: Schema<m.FlagReply> = v.object({ flag: v.exactOptional(Flag), done: v.boolean() });

export const FlagValue: Schema<{ readonly value?: unknown }> = v.object({ value: v.unknown() });

export const ErrorReply: Schema<{ readonly error: { readonly code: string; readonly message: string } }> = v
  .object({
    error: v.object({ code: v.pipe(v.string(), v.regex(/^[A-Z][A-Z0-9_]*$/)), message: v.string() }),
  });

/** The words of a refusal, if it is a gateway's. What a proxy or a login page says has another form. */
export function reasonIn(body: unknown): string | undefined {
  const { success, output } = v.safeParse(ErrorReply, body);
  return success ? output.error.message : undefined;
}

export const Submitted: Schema<m.Submitted> = v.object({
  hash: v.string(),
  bytes: Count,
  to: v.string(),
  version: Seq,
  id: v.exactOptional(Id),
  before: v.exactOptional(Count),
  executors: v.exactOptional(Count),
  replaced: v.exactOptional(v.array(Id)),
});

export const ExecutorView: Schema<m.ExecutorView> = v.object({
  id: Id,
  state: v.picklist(["idle", "running", "paused", "stopping", "lost"]),
  firstSeenAt: v.string(),
  lastSeenAt: v.string(),
  heartbeat: v.exactOptional(Heartbeat),
  rival: v.exactOptional(v.object({ session: Id, lastSeenAt: v.string() })),
});

export const HandoutView: Schema<m.HandoutView> = v.object({
  id: Id,
  to: v.string(),
  executor: v.exactOptional(Id),
  pipeline: v.exactOptional(v.string()),
  hash: v.string(),
  version: Seq,
  at: v.string(),
  state: v.picklist(["waiting", "taken", "done", "withdrawn", "replaced", ...RUN_STATES, "lost"]),
  run: v.exactOptional(Id),
  because: v.exactOptional(v.string()),
});

export const Withdrawn: Schema<m.Withdrawn> = v.object({ id: Id, runs: v.array(Id), taken: v.array(Id) });

export const ExecutorQueue: Schema<m.ExecutorQueue> = v.object({
  executor: v.exactOptional(ExecutorView),
  handouts: v.array(HandoutView),
});

export const RunView: Schema<m.RunView> = v.object({
  run: Id,
  executor: Id,
  pipeline: v.exactOptional(v.string()),
  runtime: v.exactOptional(v.string()),
  handout: v.exactOptional(Id),
  state: v.picklist([...RUN_STATES, "lost"]),
  version: Seq,
  startedAt: v.exactOptional(v.string()),
  endedAt: v.exactOptional(v.string()),
  lastSeenAt: v.string(),
  acknowledged: LaneCounts,
  complete: v.boolean(),
  missing: v.array(Missing),
});

/** An executor's token to be made. */
export interface ExecutorToken {
  readonly kind: "executor";
  /** What the token is listed and withdrawn by. */
  readonly name: string;
  /** The one executor that it speaks for. Default: any. */
  readonly executor?: string;
  /** The one experiment whose flags it opens. Default: none. */
  readonly experiment?: string;
  /** The groups whose bundles it opens, beside `all`, at most 16. Default: none. */
  readonly groups?: readonly string[];
}
/** A token to be made. */
export type NewToken = ExecutorToken | { readonly kind: "user"; readonly name: string };
const None = v.exactOptional(v.never("A user's token opens everything: leave this out"));
/** A user's opens everything, so that one which says what it is for would promise what it does not keep. */
export const NewToken: Schema<NewToken> = v.variant("kind", [
  v.object({ kind: v.literal("user"), name: Id, executor: None, experiment: None, groups: None }),
  v.object({
    kind: v.literal("executor"),
    name: Id,
    executor: v.exactOptional(ExecutorId),
    experiment: v.exactOptional(Id),
    groups: v.exactOptional(v.pipe(v.array(Id), v.maxLength(16))),
  }),
]);

/** A token just made; its text is shown this once. */
export const TokenMade: Schema<{ readonly name: string; readonly token: string }> = v.object({
  name: Id,
  token: v.string(),
});
