/**
 * Owns what an attempt is on its way to where it runs and back: as it is offered, how it ended, what it has printed.
 * Must not know where it runs.
 * Invariant: the two stamps of an outcome are made by one anchor: what lies between them is how long it ran, whatever the
 * wall clock did meanwhile.
 */
import type { Clock } from "../base/clock.ts";
import { type AttemptKey, attemptKeyOf, type Settled } from "../model/record.ts";

/** An attempt on its way to, or in, a worker. */
export interface LaneItem {
  /** The number of a task, or of an item of a mapped one. */
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  /** Which item of a mapped task it is for. */
  readonly item?: number | undefined;
  readonly urgent: boolean;
  readonly fatal: boolean;
  /** Whether its worker goes on by itself after a failure or skip: nothing follows from it there. Default: no. */
  readonly calm?: boolean | undefined;
  /** Whose turn it is among those that could start: the lowest first. */
  readonly rank: number;
  /** The tasks that it waits for and that hang on the board as well. */
  readonly behind: readonly number[];
  /** Whether it needs few tasks, so that each of them is awaited. */
  readonly few: boolean;
  /** How many such tasks need this one. */
  readonly awaited: number;
  readonly timeoutMs: number | undefined;
  /** How long nothing may be heard of it, milliseconds. Default: for ever. */
  readonly idleMs?: number | undefined;
  /** What the worker is told of it (`Payload` in protocol.ts); nothing where the sheet of all tasks has it. */
  readonly payload: string;
  /** Then: which of its needs, by their places, have values that the worker has to find, of its own iteration; as bits. */
  readonly locals?: number | undefined;
}

/** By which the journal knows an attempt. @param task The name of its task. */
export function keyOfItem({ iteration, attempt, item }: LaneItem, task: string): AttemptKey {
  return attemptKeyOf({ task, iteration, attempt, item });
}

/** What an attempt came to, without its times. */
export type LaneEnd = Omit<
  Settled,
  keyof AttemptKey | "startedAt" | "endedAt" | "worker" | "rerun" | "items"
>;

/** How an attempt ended. Times are milliseconds since the epoch. */
export interface LaneOutcome extends LaneEnd {
  readonly startedAt: number;
  readonly endedAt: number;
}

/** A line that a task, or a module outside of any task (`task` -1), has printed. */
export interface LaneLine {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly at: number;
  readonly level: number;
  readonly stream: number;
  readonly text: string;
}

/** An attempt that runs. */
export interface Running {
  readonly item: LaneItem;
  /** Since when, by our monotonic clock. */
  readonly since: number;
}

/** The stamps of what ends now and began then, by the monotonic clock. */
export function stampsOf(
  clock: Clock,
  since: number,
): { readonly startedAt: number; readonly endedAt: number } {
  const now = clock.monotonic();
  const ahead = clock.stampOffset();
  return { startedAt: Math.min(since, now) + ahead, endedAt: now + ahead };
}

/** Why an attempt is stopped that has reached its timeout. */
export function tooLong({ timeoutMs = 0 }: LaneItem): string {
  return `it ran longer than its timeout of ${limitInWords(timeoutMs)}`;
}

/** A limit of time, for people. */
export function limitInWords(ms: number): string {
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}
