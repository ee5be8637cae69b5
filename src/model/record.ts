/**
 * Owns the shape of what a journal holds: state records and log records, each stream numbered from 1 without gaps.
 * Must not know where records are kept or sent.
 * Invariant: replaying the state records in order gives the state of the run.
 */
import type { KeptFile, RefusedFile } from "./file.ts";
import type { ErrorData, ItemCounts, Outcome, RunState } from "./outcome.ts";

/** Levels of the combined log, least severe first. */
export type Level = "debug" | "info" | "warn" | "error" | "critical";

/** All levels, least severe first. */
export const LEVELS: readonly Level[] = ["debug", "info", "warn", "error", "critical"];

/** Ways by which a line of the log came: the logger, or a stream of the task's. */
export const STREAMS: readonly LogRecord["stream"][] = ["log", "stdout", "stderr"];

/** Who writes lines of the log. */
export const AUTHORS: readonly LogRecord["from"][] = ["executor", "task"];

/** One line of the combined log. `at` is ISO 8601 in UTC. */
export interface LogRecord {
  /** From 1, in order. */
  readonly seq: number;
  /** ISO 8601 in UTC. */
  readonly at: string;
  /** How severe it is. */
  readonly level: Level;
  /** Who wrote it. */
  readonly from: "executor" | "task";
  /** The task that wrote it, or that it is about. */
  readonly task?: string;
  /** The loop iteration of that task's attempt, from 0. */
  readonly iteration?: number;
  /** The attempt, from 1. */
  readonly attempt?: number;
  /** The item of a mapped task, from 0. */
  readonly item?: number;
  /** The logger, or the stream that was captured. */
  readonly stream: "log" | "stdout" | "stderr";
  /** One line, or the whole of one call of the logger. */
  readonly text: string;
  /**
   * On a gap record only. It stands in the place of the last record that was dropped: `count` is how many went before that
   * one, the numbers `seq - count` to `seq - 1`; `bytes` is the size of all of them.
   */
  readonly dropped?: { readonly count: number; readonly bytes: number };
}

/** Whether something that came from elsewhere can be shown as a record of the log. */
export function isLogRecord(value: unknown): value is LogRecord {
  const { seq, at, level, task, stream, text } = (value ?? {}) as Partial<Record<keyof LogRecord, unknown>>;
  return Number.isSafeInteger(seq) && typeof text === "string" && typeof level === "string" &&
    typeof stream === "string" && (task === undefined || typeof task === "string") &&
    typeof at === "string" && !Number.isNaN(Date.parse(at));
}

/** Names one attempt. */
export interface AttemptKey {
  /** The task's name. */
  readonly task: string;
  /** From 0; more only in a loop. */
  readonly iteration: number;
  /** From 1; 0 for a task that was skipped before it began. */
  readonly attempt: number;
  /** Which item of a mapped task, from 0; absent for the task as a whole. */
  readonly item?: number;
}

/** The name alone of what has more beside it; of a task as a whole without `item`. */
export function attemptKeyOf({ task, iteration, attempt, item }: AnyKey): AttemptKey {
  return item === undefined ? { task, iteration, attempt } : { task, iteration, attempt, item };
}

/** What has the name of an attempt among its fields. */
type AnyKey = Omit<AttemptKey, "item"> & { readonly item?: number | undefined };

/** How an attempt ended, with everything that is known of it. Times are milliseconds since the epoch. */
export interface Settled extends AttemptKey {
  /** How it ended. */
  readonly outcome: Outcome;
  /** The value's JSON text (see pipeline/value.ts); absent when the task returned nothing. */
  readonly value?: string;
  /** What was thrown, when it failed. */
  readonly error?: ErrorData;
  /** Why an attempt crashed. */
  readonly reason?: "exit" | "memory" | "lost";
  /** Exit code, with reason `exit`. */
  readonly code?: number;
  /** Why a task was skipped or cancelled, in words. */
  readonly because?: string;
  /** Absent when it never started. */
  readonly startedAt?: number;
  /** Absent when it never started. */
  readonly endedAt?: number;
  /** Number of the worker that ran it. */
  readonly worker?: number;
  /** It was lost with the process that ran it and is tried again, whatever its retry rule says. */
  readonly rerun?: true;
  /** Of a mapped task as a whole: how many of its items ended how. */
  readonly items?: ItemCounts;
}

/** An attempt that is handed out. */
export interface Dispatched extends AttemptKey {
  /** Number of the worker that it is for. */
  readonly worker: number;
  /** A mapped task has so many items, and they begin. */
  readonly count?: number;
  /** How long it has waited for resources that its task uses, or for its turn among items, milliseconds. Absent where it has not. */
  readonly waitedMs?: number;
}

/** Whether it is handed out with nothing more to say, as most are. */
export function isPlainDispatch({ count, waitedMs }: Dispatched): boolean {
  return count === undefined && waitedMs === undefined;
}

/** Whether an attempt ended with nothing to say but when, where and with which value, as most do. */
export function isPlainEnd(
  { error, reason, code, because, rerun, items }: Partial<Settled>,
): boolean {
  return error === undefined && reason === undefined && code === undefined && because === undefined &&
    rerun === undefined && items === undefined;
}

/** What happened, in the order in which it happened. */
export type StateEvent =
  | {
    readonly type: "run.started";
    readonly run: string;
    readonly pipeline: string;
    readonly runtime: string;
    /** Content hash of the plan, so that a resume can tell whether it is the same pipeline. */
    readonly plan: string;
    /** The due time of the pipeline's timetable that it is for, milliseconds since the epoch; absent of any other run. */
    readonly scheduledFor?: number;
    /** JSON text of the pipeline's graph, as the end point tells it. A gateway is told it; no journal has it. */
    readonly graph?: string;
  }
  | {
    readonly type: "run.resumed";
    /** Attempts that were in flight when the process before ended. */
    readonly lost: number;
    /** Tasks that are run anew, with `--from`: what is recorded of them before this counts no more. */
    readonly again?: readonly string[];
    /** Those of them that are mapped, and of which only the items are run anew that have not succeeded. */
    readonly missing?: readonly string[];
  }
  | ({ readonly type: "attempt.dispatched" } & Dispatched)
  | ({ readonly type: "attempt.settled" } & Settled)
  | ({ readonly type: "attempt.planned"; readonly dueAt: number } & AttemptKey)
  | {
    readonly type: "store.changed";
    readonly key: string;
    /** JSON text; absent when the key was deleted or expired. */
    readonly value?: string;
    readonly version: number;
    readonly expiresAt?: number;
    /** A later record of this key has replaced this one, and its value is kept no longer. */
    readonly superseded?: true;
  }
  | {
    readonly type: "event.emitted";
    readonly id: number;
    readonly event: string;
    /** JSON text. */
    readonly detail?: string;
    readonly from?: AttemptKey;
  }
  /** A file of an attempt's is kept, by its digest; it may be told after the attempt has settled. */
  | ({ readonly type: "file.kept" } & KeptFile & AttemptKey)
  /** A file of an attempt's was to be kept, and is not. */
  | ({ readonly type: "file.refused" } & RefusedFile & AttemptKey)
  | { readonly type: "run.stopping"; readonly because: string; readonly state: RunState }
  /** `tookMs`: how long the run took, by a clock that never steps. */
  | { readonly type: "run.ended"; readonly state: RunState; readonly tookMs?: number };

/** A state event with its number and its time (milliseconds since the epoch). */
export type StateRecord = { readonly seq: number; readonly at: number } & StateEvent;

/** Something while it is put together. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Whether an item of a mapped task has succeeded. */
export function isDoneItem(record: StateRecord): record is StateRecord & Settled & { readonly item: number } {
  return record.type === "attempt.settled" && record.item !== undefined && record.outcome === "succeeded";
}

/** State records read at a time. */
export const PAGE = 10_000;

/** All state records with a number above `after`, oldest first, also those that come while they are read. */
export function* statesOf(records: StateRecords, after: number = 0): Generator<StateRecord> {
  for (const page of pagesOf((after) => records.states(after, PAGE), after)) yield* page;
}

/** What is read of numbered records with a number above `after`, a page at a time, until nothing more is there. */
export function* pagesOf<T extends { readonly seq: number }>(
  read: (after: number) => readonly T[],
  after: number = 0,
): Generator<readonly T[]> {
  for (let page = read(after); page.length > 0; page = read(page.at(-1)!.seq)) yield page;
}

/** What holds the state records of a run, such as its journal. */
export interface StateRecords {
  /** Those with a number above `after`, oldest first, at most `limit`. */
  states(after: number, limit: number): readonly StateRecord[];
}
