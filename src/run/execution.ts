/**
 * Owns what a caller sees of a run: the execution, its events and its options. Types only.
 * Must not know how a run is carried out (run.ts does).
 * Invariant: awaiting an execution never rejects because a task failed; that is an outcome.
 */
import type { LogRecord, StateRecord } from "../model/record.ts";
import type { RunResult } from "../model/result.ts";
import type { RunSnapshot } from "../model/snapshot.ts";

/** What an execution tells while it goes on: state records, log lines, and progress, which is not kept. */
export type ExecutionEvent =
  | StateRecord
  | ({ readonly type: "log" } & LogRecord)
  | {
    readonly type: "attempt.started";
    /** Milliseconds since the epoch. */
    readonly at: number;
    /** Name of the task. */
    readonly task: string;
    /** From 0; grows as a loop around the task goes round. */
    readonly iteration: number;
    /** From 1. */
    readonly attempt: number;
    /** Which item of a mapped task, from 0. */
    readonly item?: number;
    /** Number of the worker that runs it, from 1. */
    readonly worker: number;
  }
  | {
    readonly type: "attempt.progressed";
    /** Milliseconds since the epoch. */
    readonly at: number;
    /** Name of the task. */
    readonly task: string;
    /** From 0; grows as a loop around the task goes round. */
    readonly iteration: number;
    /** From 1. */
    readonly attempt: number;
    /** Which item of a mapped task, from 0. */
    readonly item?: number;
    /** How far it is, 0 to 1. */
    readonly fraction: number;
    /** What the task says of it. */
    readonly text?: string;
  };

/** How a run is carried out. */
export interface RunOptions {
  /** Workers at the start; no more are started than the pipeline can use at once. Default: the number of cores, at most `maxWorkers`. */
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
  /** A picture of the run now. @param limit Names in `next`, at most. Default 5. */
  snapshot(limit?: number): RunSnapshot;
  /** Starts nothing new, lets running tasks end within `stopGraceMs`, then cancels them. */
  stop(because: string): void;
  /** Stops at once: running attempts are cancelled, the ladder from signal to termination applies. */
  cancel(because: string): void;
}
