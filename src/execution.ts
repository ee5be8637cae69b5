/**
 * Owns what a caller sees of a run: the execution, its events and its options. Types only.
 * Must not know how a run is carried out (executor.ts does).
 * Invariant: awaiting an execution never rejects because a task failed; that is an outcome.
 */
import type { LogRecord, StateRecord } from "./journal/record.ts";
import type { RunResult } from "./journal/result.ts";

/** What an execution tells while it goes on: state records, log lines, and progress, which is not kept. */
export type ExecutionEvent =
  | StateRecord
  | ({ readonly type: "log" } & LogRecord)
  | {
    readonly type: "attempt.started";
    readonly at: number;
    readonly task: string;
    readonly iteration: number;
    readonly attempt: number;
    readonly worker: number;
  }
  | {
    readonly type: "attempt.progressed";
    readonly at: number;
    readonly task: string;
    readonly iteration: number;
    readonly attempt: number;
    /** 0 to 1. */
    readonly fraction: number;
    readonly text?: string;
  };

/** An attempt that is running now. */
export interface RunningAttempt {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
  readonly worker: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly progress?: { readonly fraction: number; readonly text?: string };
}

/** A picture of a run at one moment; cheap enough to take ten times a second at 100,000 tasks. */
export interface RunSnapshot {
  readonly run: string;
  readonly pipeline: string;
  readonly state: "running" | "succeeded" | "failed" | "cancelled";
  readonly startedAt: number;
  /** Tasks in the pipeline. */
  readonly tasks: number;
  /** Tasks by where they stand; `waiting` and `ready` have not started, `retrying` waits out a delay. */
  readonly counts: Readonly<
    Record<
      | "waiting"
      | "ready"
      | "running"
      | "retrying"
      | "succeeded"
      | "failed"
      | "timed_out"
      | "cancelled"
      | "crashed"
      | "skipped",
      number
    >
  >;
  readonly running: readonly RunningAttempt[];
  /** Names of tasks that will start next, at most `limit` of them, in order. */
  readonly next: readonly string[];
  readonly workers: { readonly busy: number; readonly idle: number; readonly starting: number };
}

/** How a run is carried out. */
export interface RunOptions {
  /** Workers at the start. Default: the number of cores, at most `maxWorkers`. */
  readonly workers?: number;
  /** Workers at the most. Default 64. */
  readonly maxWorkers?: number;
  /** Time from the abort signal to termination, milliseconds. Default 2,000. */
  readonly killGraceMs?: number;
  /** Time that running tasks get to end after a first stop, milliseconds. Default 10,000. */
  readonly stopGraceMs?: number;
  /** Heap cap for one worker in MiB, where the runtime enforces one. Default: none of ours, the runtime's own. */
  readonly workerMemoryMiB?: number;
  /** Laid over the `params` of every task. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Base for a pipeline given as an object with relative modules. Default: the working directory. */
  readonly base?: string;
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal;
}

/** A run that is going on. Await it for its result, iterate it for its events. */
export interface Execution extends PromiseLike<RunResult>, AsyncIterable<ExecutionEvent> {
  /** The run's id. */
  readonly run: string;
  /** Calls the listener for every event from now on, until the returned function is called. */
  watch(listener: (event: ExecutionEvent) => void): () => void;
  snapshot(limit?: number): RunSnapshot;
  /** Starts nothing new, lets running tasks end within `stopGraceMs`, then cancels them. */
  stop(because: string): void;
  /** Stops at once: running attempts are cancelled, the ladder from signal to termination applies. */
  cancel(because: string): void;
}
