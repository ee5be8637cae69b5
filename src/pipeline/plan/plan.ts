/**
 * Owns the plan: a pipeline that has been checked, with names resolved to indexes and durations to milliseconds.
 * Must not know how a manifest is written, nor anything of running.
 * Invariant: tasks are in an order in which every need comes before the task that has it (loops are not edges).
 */
import type { On } from "../../model/outcome.ts";
import type { ManifestFailure, ManifestTests, Requires } from "../document/manifest.ts";

/** An edge of the plan. */
export interface PlanNeed {
  /** Index of the task that is needed. */
  readonly task: number;
  readonly on: On;
  /** The key in `ctx.inputs`. */
  readonly as: string;
  /** It only says what comes before: its value is not given. */
  readonly silent?: true;
}

/** Of what a task is run once for each: the items of a list that another task returns. */
export interface PlanEach {
  /** Index of the task that returns it; one of the needs. */
  readonly task: number;
  /** Where in its value the list is, as a JSON pointer (RFC 6901). */
  readonly path: string;
  /** The key in `ctx.inputs` under which each finds its item. */
  readonly as: string;
  /** How many items are at work at a time at most. */
  readonly maxParallel?: number;
  /** Whether nothing more of the task begins once an item has failed for good. */
  readonly onItemFailure: "stop" | "continue";
}

/** When a failed attempt is tried again. Delay before attempt n+1: min(delayMs * factor^(n-1), maxDelayMs) * (1 ± jitter). */
export interface PlanRetry {
  /** Attempts in all, at least 1. */
  readonly attempts: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  /** 0 to 1: the share by which the delay varies at random. */
  readonly jitter: number;
  /** Failures after which it is tried again; all, where there is none. */
  readonly on?: readonly ManifestFailure[];
  /** Failures after which it is not. */
  readonly unless?: readonly ManifestFailure[];
}

/** What one attempt of a task takes of a resource. */
export interface PlanUse {
  /** Index of the resource. */
  readonly resource: number;
  /** At least 1, at most the resource's capacity. */
  readonly amount: number;
}

/** Something of which there is only so much at a time. */
export interface PlanResource {
  readonly name: string;
  readonly capacity: number;
  /** Among whom it is shared: the tasks of this run, or those of all executors of the device. */
  readonly scope: "run" | "device";
}

/** What is asked of the value of a task. */
export interface PlanTest extends ManifestTests {
  readonly task: number;
  /** A JSON pointer. */
  readonly path: string;
}

/** When a task runs whose needs are satisfied. */
export type PlanCondition =
  | PlanTest
  | { readonly all: readonly PlanCondition[] }
  | { readonly any: readonly PlanCondition[] }
  | { readonly not: PlanCondition };

/** One task of a plan. */
export interface PlanTask {
  readonly index: number;
  readonly name: string;
  /** What it runs, as its kind says (kinds/). A task without is a sync point. */
  readonly run: object | undefined;
  readonly needs: readonly PlanNeed[];
  /** Indexes of the tasks that need this one, each once for each need, ascending. */
  readonly dependents: readonly number[];
  readonly join: "all" | "any";
  /** Where it is not so, the task is skipped when its needs have settled. All tasks that it asks are needs. */
  readonly when?: PlanCondition;
  /** Exit codes of its program that mean that it has skipped itself. */
  readonly skipOn?: readonly number[];
  readonly retry: PlanRetry;
  /** Limit for one attempt, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** How long nothing may be heard of an attempt, in milliseconds. */
  readonly idleMs?: number;
  readonly allowFailure: boolean;
  /** There where the task is mapped: it is run once for each item of a list. */
  readonly each?: PlanEach;
  /** Wants a worker that has run nothing before. */
  readonly fresh: boolean;
  /** What becomes of an attempt that was in flight when the process died. */
  readonly onLost: "rerun" | "fail";
  /** JSON value, given to the task as `ctx.params`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** How long the task is expected to take, in milliseconds; orders ready tasks and feeds the progress shown. */
  readonly estimateMs: number | undefined;
  /** What it takes for each attempt, each resource once, by their indexes; absent where it takes nothing. */
  readonly uses?: readonly PlanUse[];
  /** Place in the order in which ready tasks start: 0 goes first. Longest remaining path first (estimates, else 1 a task). */
  readonly rank: number;
}

/** A loop: the tasks of `body` run again while `from` ends as `on` says, at most `times` more times. */
export interface PlanLoop {
  readonly from: number;
  readonly to: number;
  readonly times: number;
  readonly on: On;
  /** Indexes of all tasks on the paths from `to` to `from`, both included, ascending. */
  readonly body: readonly number[];
}

/** An edge that is followed when the task that it comes from has ended as it asks. */
export interface PlanEdge {
  readonly from: number;
  readonly to: number;
  readonly on: On;
  /** It leads on, and is not waited for. Those that are not are needs of the task that they lead to as well. */
  readonly weak: boolean;
  /** How often it may be followed; `undefined`: there is no limit. */
  readonly times: number | undefined;
}

/** What must be there before anything runs. */
export interface PlanRequires {
  /** Where it is written, such as `tasks.ping.requires`. */
  readonly place: string;
  readonly requires: Requires;
}

/** When an agent runs the pipeline, again and again. */
export interface PlanSchedule {
  readonly cron: string;
  /** A name of the time zone database. */
  readonly timezone: string;
  /** A device begins up to so much later than the due time, milliseconds. */
  readonly jitterMs: number;
  readonly overlap: "skip" | "queue";
  readonly missed: "skip" | "once";
}

/** A checked pipeline, ready to run. */
export interface Plan {
  readonly name: string;
  readonly onFailure: "stop" | "continue";
  /** Whether records go to the gateway while the run goes on. */
  readonly report: boolean;
  /** When an agent runs it; absent where it is run once. No part of what a run is: another one goes on with the same run. */
  readonly schedule?: PlanSchedule;
  readonly tasks: readonly PlanTask[];
  /** Loops, an inner one before the loop around it. Two loops are disjoint or one holds the other. */
  readonly loops: readonly PlanLoop[];
  /** Absent where there are none. */
  readonly resources?: readonly PlanResource[];
  /** There where edges decide what runs, and not needs and loops. */
  readonly edges?: readonly PlanEdge[];
  /** What tasks require; absent where none requires anything. */
  readonly requires?: readonly PlanRequires[];
}
