/**
 * Owns the types of what goes over the wire in Outrider's own dialect; protocol.ts has a schema for each.
 * Must not know of HTTP, nor of what checks them.
 * Invariant: a field is never renamed or given another meaning; new ones are optional.
 */
import type { RunState } from "../model/outcome.ts";
import type { Level } from "../model/record.ts";
import type { Life, Stream, StreamNumbers } from "../model/stream.ts";

/** What a user may ask of an executor. */
export type NewCommand =
  | { readonly type: "cancel"; readonly run: string; readonly because?: string }
  | { readonly type: "stop"; readonly because?: string }
  /** What was handed out under this tag is not to be run; if it is running, it is cancelled. */
  | { readonly type: "withdraw"; readonly handout: string; readonly because?: string }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "logLevel"; readonly level: Level }
  /** Time between heartbeats, milliseconds, 1,000 to 3,600,000. */
  | { readonly type: "interval"; readonly ms: number };

/** A command with its number. Numbers only grow; an executor says which it has seen. */
export type Command = NewCommand & { readonly id: number };

/** A command as it comes: perhaps of a type that this version does not know. */
export interface AnyCommand {
  readonly id: number;
  readonly type: string;
}

/** What an executor is doing. */
export type ExecutorState = "idle" | "running" | "paused" | "stopping";

/** What a heartbeat tells of the run. */
export interface HeartbeatRun {
  readonly id: string;
  readonly pipeline: string;
  /** Tag of the hand-out that it carries out. */
  readonly handout?: string;
  readonly state: RunState;
  /** Tasks in the pipeline. */
  readonly tasks: number;
  /** Tasks by where they stand. */
  readonly counts: Readonly<Record<string, number>>;
  /** Attempts running now. */
  readonly running: number;
  /** Names of the first few of them, at most 8. */
  readonly names: readonly string[];
}

/** Small and of constant size, whatever the run is like. */
export interface Heartbeat {
  /** One life of the executor's process. */
  readonly session: string;
  /** Grows by one with each heartbeat of a session, so that a late one does not undo a newer one. */
  readonly version: number;
  /** Version of Outrider. */
  readonly outrider: string;
  /** Name and version, such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly experiment?: string;
  /** At most 16. */
  readonly groups?: readonly string[];
  readonly state: ExecutorState;
  /** Time to the next heartbeat, milliseconds, about. */
  readonly intervalMs?: number;
  /** Nothing more will be heard until the run is over: silence is no reason for worry. */
  readonly quiet?: boolean;
  readonly run?: HeartbeatRun;
  /** Records that wait to be sent. */
  readonly spool: StreamNumbers & { readonly bytes?: number };
  readonly load?: { readonly cpu?: number; readonly memoryBytes?: number };
  /** Bytes sent to the gateway since the session began. */
  readonly sentBytes: number;
  /** Highest command seen. */
  readonly seen: number;
  /** The gateway's storage that `seen` is a number of. */
  readonly storage?: string;
  /** The other session that the last reply told of: only who lives beside it can have heard. */
  readonly rival?: string;
}

/** Numbers that will never come, both ends included, and why. */
export interface Parked {
  readonly from: number;
  readonly to: number;
  readonly status?: number;
  readonly reason: string;
}

/** How a run ended, and how many records each lane has. */
export interface Final {
  readonly state: RunState;
  readonly records: StreamNumbers;
}

/** Numbered records of one lane of one run, oldest first. */
export interface Batch {
  readonly run: string;
  readonly lane: Stream;
  /** Absent where a run can't outlive its process. */
  readonly life?: Life;
  readonly records: readonly { readonly seq: number }[];
  /** Tag of the hand-out that the run carries out. */
  readonly handout?: string;
  readonly parked?: readonly Parked[];
  readonly final?: Final;
}

/** A record that the gateway could not read. */
export interface Rejected {
  readonly lane: Stream;
  readonly seq: number;
  readonly reason: string;
}

/** What every reply to an executor carries. */
export interface Commands {
  readonly commands?: readonly AnyCommand[];
  /** Names the gateway's storage: another one numbers its commands anew. */
  readonly storage?: string;
}

/** All records of a lane up to the number have been taken, or are known never to come. */
export interface BatchReply extends Commands {
  readonly acknowledged: StreamNumbers;
  readonly rejected: readonly Rejected[];
  /** Whether the gateway has the run's end. */
  readonly final: boolean;
}

/** What an executor gets for its heartbeat. */
export interface HeartbeatReply extends Commands {
  /** Another session that speaks as the same executor. */
  readonly rival?: string;
}

/** A value that all executors of an experiment and the user share. `value` is any JSON value. */
export interface Flag {
  readonly name: string;
  readonly value?: unknown;
  /** Grows by one with each change. */
  readonly version: number;
}

/** What to do to a flag. `id` makes it happen once, however often it is sent. */
export type FlagOperation =
  | { readonly op: "set"; readonly id: string; readonly value?: unknown; readonly ifVersion?: number }
  | { readonly op: "increment" | "decrement"; readonly id: string; readonly by: number }
  /** Sets `value` if the present one equals `expected` (absent: if there is none). */
  | { readonly op: "compare"; readonly id: string; readonly expected?: unknown; readonly value?: unknown };

/** The flag after the operation; `done` is false where a condition did not hold. */
export interface FlagReply {
  readonly flag?: Flag;
  readonly done: boolean;
}

/** What a user gets for a bundle. */
export interface Submitted {
  /** SHA-256 of the bytes. */
  readonly hash: string;
  readonly bytes: number;
  readonly to: string;
  readonly version: number;
  /** Names it in the queue. */
  readonly id?: string;
  /** What is to be carried out before it. */
  readonly before?: number;
  /** Known executors that it is for. */
  readonly executors?: number;
  /** What it has replaced. */
  readonly replaced?: readonly string[];
}

/** Where a hand-out stands with one executor; the states of its run, once there is one. */
export type HandoutState =
  /** In the queue. */
  | "waiting"
  /** The executor has been given it; nothing is heard of its run yet. */
  | "taken"
  /** The executor has done with it, and did not tell by which run: it is of an older version. */
  | "done"
  | "withdrawn"
  | "replaced"
  | RunView["state"];

/** What was handed to a gateway for an executor, as users see it. Times are ISO 8601 in UTC. */
export interface HandoutView {
  readonly id: string;
  /** The executor, or the group. */
  readonly to: string;
  /** Absent for a group of which no executor is known. */
  readonly executor?: string;
  readonly pipeline?: string;
  readonly hash: string;
  readonly version: number;
  readonly at: string;
  readonly state: HandoutState;
  readonly run?: string;
  readonly because?: string;
}

/** What became of a hand-out that was withdrawn. */
export interface Withdrawn {
  readonly id: string;
  /** Runs of it that are being cancelled. */
  readonly runs: readonly string[];
  /** Executors that have it and of whose runs nothing is heard yet. */
  readonly taken: readonly string[];
}

/** An executor as users see it. Times are ISO 8601 in UTC. */
export interface ExecutorView {
  readonly id: string;
  /** `lost`: silent for longer than its lease. */
  readonly state: ExecutorState | "lost";
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  readonly heartbeat?: Heartbeat;
  /** Another session speaks as this executor: two devices have one id. */
  readonly rival?: { readonly session: string; readonly lastSeenAt: string };
}

/** One executor with its queue, the oldest first. */
export interface ExecutorQueue {
  /** Absent where it was never seen. */
  readonly executor?: ExecutorView;
  readonly handouts: readonly HandoutView[];
}

/** A run as users see it. Times are ISO 8601 in UTC. */
export interface RunView {
  readonly run: string;
  readonly executor: string;
  readonly pipeline?: string;
  readonly runtime?: string;
  /** The hand-out that it carries out. */
  readonly handout?: string;
  /** `lost`: its executor is silent; a result that comes late still replaces it. */
  readonly state: RunState | "lost";
  /** Grows with every change. */
  readonly version: number;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly lastSeenAt: string;
  readonly acknowledged: StreamNumbers;
  /** Whether all records of the run are here. */
  readonly complete: boolean;
  /** Records that the executor set aside or the gateway could not read. */
  readonly missing: readonly (Parked & { readonly lane: Stream })[];
}
