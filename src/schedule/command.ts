/**
 * Owns what goes into and comes out of the schedule: commands, dispatches, and what a journal tells it.
 * Must not know how either side does its part.
 * Invariant: plain data.
 */
import type { Outcome, RunState } from "../model/outcome.ts";

/** Where a task stands in its present iteration. */
export const Standing = { waiting: 0, ready: 1, dispatched: 2, retrying: 3, settled: 4 } as const;

/**
 * What the schedule asks for. What is called a task of an attempt is a number: of a task, or above those one of an item of a
 * mapped task; `taskOf` and `itemOf` of the schedule tell which.
 */
export type Command =
  /**
   * Record this outcome, which needed no worker: a sync point that passed, a task that was skipped, or one that has failed as
   * its condition can't be decided.
   */
  | {
    readonly type: "record";
    readonly task: number;
    readonly iteration: number;
    readonly attempt: number;
    readonly outcome: "succeeded" | "skipped" | "failed";
    readonly because?: string;
  }
  /** Say, with `decided`, whether the condition of this task is so: its needs have settled, and would let it run. */
  | { readonly type: "decide"; readonly task: number; readonly iteration: number }
  /** Call `due` when the delay after this attempt is over. */
  | { readonly type: "delay"; readonly task: number; readonly iteration: number; readonly attempt: number }
  /** Count the items of this mapped task, then call `expand`, or `settle` if there is no list. */
  | { readonly type: "expand"; readonly task: number; readonly iteration: number }
  /** All items of this mapped task have ended, or never will begin: make its value of theirs, then call `settle`. */
  | {
    readonly type: "gather";
    readonly task: number;
    readonly iteration: number;
    readonly outcome: "succeeded" | "failed" | "cancelled";
    readonly because?: string;
  }
  /** Take back, with `giveBack`, everything dispatched that has not begun: of a mapped task nothing more may begin. */
  | { readonly type: "recall" }
  /** Take back, with `giveBack`, everything dispatched that has not begun: nothing new may start. */
  | { readonly type: "revoke"; readonly because: string }
  /** Call `lent` when the device has lent this task all that it uses of the device's resources. */
  | { readonly type: "borrow"; readonly task: number }
  /** What was borrowed for a task goes back to the device, or is wanted no more. */
  | { readonly type: "return"; readonly task: number }
  /** The run is over. */
  | { readonly type: "end"; readonly state: RunState };

/** An attempt for a lane, in the order in which the lane is to run it. */
export interface Dispatch {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  /** Needs that are dispatched to the same lane and have not settled: it starts when they have, with success. */
  readonly behind: readonly number[];
  /** Whether it has few needs, so that each of them is awaited. */
  readonly few: boolean;
  /** How many such tasks need this one. */
  readonly awaited: number;
  /** Whether others wait for the outcome, so that it should be told at once. */
  readonly urgent: boolean;
  /** Whether nothing new may start anywhere if this attempt fails. */
  readonly fatal: boolean;
  /** Whether nothing is to be taken back, nor decided, before its worker goes on after a failure or skip. Default: no. */
  readonly calm?: boolean;
}

/** What a journal tells a schedule: what became of an attempt, or that the run was asked to stop. */
export type Replayed =
  | {
    readonly task: number;
    readonly iteration: number;
    readonly attempt: number;
    /** Which item of a mapped task it was. */
    readonly item?: number;
    /** The list of a mapped task has so many items. */
    readonly count?: number;
    /** Absent: it was dispatched. */
    readonly outcome?: Outcome;
    /** Why it was skipped. */
    readonly because?: string;
    /** It was lost and another attempt followed, whatever the retry rule says. */
    readonly rerun?: boolean;
    /** Whether such a failure is tried again. Default true. */
    readonly worth?: boolean;
  }
  /** The run was asked to stop, for this reason. */
  | { readonly stopped: string };

/** How much a lane is released. */
export interface ReleaseOptions {
  /** Attempts in all. */
  readonly max: number;
  /** Attempts from among the ready ones; the others stand behind what is dispatched. */
  readonly ready: number;
}
