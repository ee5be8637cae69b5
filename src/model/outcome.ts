/**
 * Owns the words for how things end. Knows nothing else of ours.
 * Invariant: an outcome is data; it is never thrown.
 */

import type { KeptFile, RefusedFile } from "./file.ts";
import type { Value } from "./value.ts";

/** How an attempt ended. `skipped` is not a failure: it never started, or has found itself that there is nothing to do. */
export type Outcome =
  | "succeeded"
  | "failed"
  | "timed_out"
  | "cancelled"
  | "crashed"
  | "skipped";

/** All outcomes. */
export const OUTCOMES: readonly Outcome[] = [
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "crashed",
  "skipped",
];

/** How many items of a mapped task ended how; an outcome that none had is left out. */
export type ItemCounts = Readonly<Partial<Record<Outcome, number>>>;

/** How a run stands or ended. */
export type RunState = "running" | "succeeded" | "failed" | "cancelled";

/** All of them. */
export const RUN_STATES: readonly RunState[] = ["running", "succeeded", "failed", "cancelled"];

/** Why an attempt crashed. */
export const CRASH_REASONS: readonly NonNullable<AttemptResult["reason"]>[] = ["exit", "memory", "lost"];

/** On which outcome of the task before a need is satisfied. */
export type On = "success" | "failure" | "any";

/** All of them. */
export const ONS: readonly On[] = ["success", "failure", "any"];

/** What an error leaves behind when it crosses a thread: plain data. */
export interface ErrorData {
  /** Such as `TypeError`. */
  readonly name: string;
  /** What went wrong. */
  readonly message: string;
  /** What programs know it by, such as `ECONNREFUSED`, where it has that. */
  readonly code?: string | number;
  /** The stack as text, where there is one, with none but the task's own frames. */
  readonly stack?: string;
  /** Where it was, the outermost first; of languages whose stacks are no one-line frames. */
  readonly frames?: readonly ErrorFrame[];
  /** What was added to it on its way (Python's `add_note`). */
  readonly notes?: readonly string[];
  /** What else it says of itself, such as `{ "syscall": "connect", "port": 443 }`: at most 16. */
  readonly fields?: Readonly<Record<string, Value>>;
  /** The errors that it stands for, such as those of an `AggregateError` or `ExceptionGroup`. */
  readonly errors?: readonly ErrorData[];
  /** The error behind it. */
  readonly cause?: ErrorData;
  /** How many of its fields and of the errors behind it are not here, as they are too many, or can't be told. */
  readonly omitted?: number;
}

/** A place in a stack. */
export interface ErrorFrame {
  /** Path of the file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Name of the function. */
  readonly function: string;
  /** The line of code; empty where it is not known. */
  readonly code: string;
}

/** One attempt in a result. Times are ISO 8601 in UTC. */
export interface AttemptResult {
  /** From 0; higher in a loop. */
  readonly iteration: number;
  /** From 1; 0 when the task was skipped before it began, or its condition can't be decided. */
  readonly attempt: number;
  /** Which item of a mapped task it was for, from 0; absent in what the task came to as a whole. */
  readonly item?: number;
  /** How the attempt ended. */
  readonly outcome: Outcome;
  /** What the task returned. Bytes appear as `{"$bytes": "<base64>"}` in JSON, as `Uint8Array` in the library. */
  readonly value?: Value;
  /** What the task threw; with `failed` and `timed_out`. */
  readonly error?: ErrorData;
  /** Why the worker ended; with `crashed`. */
  readonly reason?: "exit" | "memory" | "lost";
  /** Exit code; with the reason `exit`. */
  readonly code?: number;
  /** Why it was skipped or cancelled, in words. */
  readonly because?: string;
  /** When the attempt started; absent if it never did. */
  readonly startedAt?: string;
  /** When it ended. */
  readonly endedAt?: string;
  /** Number of the worker that ran it, from 1. */
  readonly worker?: number;
  /** Files of it that are kept, in the order in which they were. */
  readonly files?: readonly KeptFile[];
  /** Files of it that were to be kept and are not, with why. */
  readonly filesRefused?: readonly RefusedFile[];
  /** Of a mapped task as a whole: how many of its items ended how; those that never began were skipped. */
  readonly items?: ItemCounts;
}

/** Whether a need with the given `on` is satisfied by an outcome. */
export function satisfies(on: On, outcome: Outcome): boolean {
  if (on === "any") return true;
  if (on === "success") return outcome === "succeeded";
  return isFailure(outcome);
}

/** Outcomes that count as a failure: the attempt ran and did not do its work. */
export const FAILURES = ["failed", "timed_out", "crashed"] as const;

/** Whether it was told to stop: why that was says more than what its code made of it. */
export function wasStopped(outcome: Outcome | undefined): boolean {
  return outcome === "timed_out" || outcome === "cancelled";
}

/** Whether the outcome counts as a failure. */
export function isFailure(outcome: Outcome): boolean {
  return outcome === "failed" || outcome === "timed_out" || outcome === "crashed";
}
