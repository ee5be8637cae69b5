/**
 * Owns what a picture of a run shows. Types only.
 * Must not know who takes it, nor who looks at it.
 */
import type { Lack } from "./lack.ts";
import type { ItemCounts, On, Outcome, RunState } from "./outcome.ts";

/** An attempt that is running now. */
export interface RunningAttempt {
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
  /** Milliseconds since the epoch, as the wall clock stands now. */
  readonly startedAt: number;
  /** How long it has been running, milliseconds: whatever the wall clock did meanwhile. */
  readonly ranMs: number;
  /** What the task last told with `ctx.progress`: a fraction from 0 to 1, and a text. Absent until it does. */
  readonly progress?: { readonly fraction: number; readonly text?: string };
}

/** A picture of a run at one moment; cheap enough to take ten times a second at 100,000 tasks. */
export interface RunSnapshot {
  /** The run's id. */
  readonly run: string;
  /** Name of the pipeline; empty until it has been loaded. */
  readonly pipeline: string;
  /** `running` until everything has ended and the workers are gone. */
  readonly state: RunState;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The due time of the pipeline's timetable that it is for, milliseconds since the epoch; absent of any other run. */
  readonly scheduledFor?: number;
  /** How long it has been going on, milliseconds: whatever the wall clock did meanwhile. After its end, how long it took. */
  readonly ranMs: number;
  /** How much of that was since the run went on after an interruption, milliseconds; absent where there was none. */
  readonly sinceResumeMs?: number;
  /** Tasks in the pipeline. */
  readonly tasks: number;
  /** Tasks by where they stand: `waiting` for needs or resources, `ready` to start, `running`, `retrying` after a delay, or their outcome. */
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
  /** The attempts that run now, at most one for each worker. */
  readonly running: readonly RunningAttempt[];
  /** Mapped tasks that are at work, in the plan's order, each with where its items stand; absent where none is. */
  readonly mapped?: readonly { readonly task: string; readonly items: ItemsStanding }[];
  /** Names of tasks that will start next, at most `limit` of them, in order. */
  readonly next: readonly string[];
  /** Tasks whose needs are met and that lack resources, at most `limit` of them, in order; absent where none does. */
  readonly lacking?: readonly { readonly task: string; readonly lacks: readonly Lack[] }[];
  /**
   * Workers that run something, that have nothing to do, and that are not ready yet. `held`: why there are not more though
   * tasks wait: the cores are busy, memory is short, or there are as many as there may be.
   */
  readonly workers: {
    readonly busy: number;
    readonly idle: number;
    readonly starting: number;
    readonly held?: "processor" | "memory" | "limit";
  };
}

/** Where the items of a mapped task stand. */
export interface ItemsStanding {
  /** How many there are. */
  readonly count: number;
  /** How many are handed out or at work. */
  readonly running: number;
  /** How many ended how; those that will never begin are skipped. */
  readonly ended: ItemCounts;
}

/** Where one task stands. */
export interface TaskStanding {
  /** Its name. */
  readonly task: string;
  /**
   * `waiting` for needs or resources, `ready` to start, `dispatched` to a worker that has begun it, `retrying` after a delay, or `settled`.
   * A task that was handed out before its needs have settled waits for them.
   */
  readonly standing: "waiting" | "ready" | "dispatched" | "retrying" | "settled";
  /** From 0; higher in a loop. */
  readonly iteration: number;
  /** The last attempt that has begun in this iteration; 0 if none has. */
  readonly attempt: number;
  /** Of the last attempt that settled, in this or an earlier iteration. */
  readonly outcome?: Outcome;
  /** Why it was skipped, in words. */
  readonly because?: string;
  /** Of a mapped task, once its list is known: its items. */
  readonly items?: ItemsStanding;
  /** Needs that have not settled yet; one in a loop has not until the loop has ended. */
  readonly waitsFor: readonly { readonly task: string; readonly on: On }[];
  /** Resources that it waits for, now that its needs are met. */
  readonly lacks?: readonly Lack[];
}
