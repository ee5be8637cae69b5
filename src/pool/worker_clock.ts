/**
 * Owns what a worker's clock is to ours, so that a moment of the worker's can be told in our time, and as a stamp.
 * Must not know what happened at which moment.
 * Invariant: a worker only ever tells monotonic time, its own; the difference to ours is found when it is ready, and changed
 * only where it is shown to be wrong. What happened is never later than now, and lasts as long as the worker says.
 *
 * Each thread counts from a moment of its own, which it names as a wall time (`performance.timeOrigin`). Two such names
 * give the difference to some microseconds, unless the wall clock stepped between them. That shows: the worker's first
 * reading was taken after we started its thread and before we heard of it, so the difference lies between two bounds; and
 * whatever it tells later has happened before it is read.
 */
import { stampOffset, systemClock } from "../base/clock.ts";
import { monotonic } from "../base/primordials.ts";
import { clamped } from "./told.ts";

/** How far the origins of two threads are off, at most, milliseconds. */
const SLACK_MS = 2;
/** How far a thread's origin and the wall clock are off, at most, milliseconds. */
const COARSE_MS = 20;

/** What a worker tells of its clock before all else: its origin, a wall time, and what it reads. */
export interface ClockReading {
  readonly origin: number;
  readonly reads: number;
}

/** What is added to a worker's time to make it ours, milliseconds. */
export function clockOffset(
  { origin, reads }: ClockReading,
  /** By our monotonic clock. */
  { startedAt, heardAt, wallOffset }: {
    readonly startedAt: number;
    readonly heardAt: number;
    /** Our wall time less our monotonic time: since the last step of the wall clock, and at our own start. */
    readonly wallOffset: readonly number[];
  },
): number {
  const least = startedAt - reads;
  const most = heardAt - reads;
  const fitting = wallOffset.map((ours) => origin - ours).find((offset) =>
    offset >= least - SLACK_MS && offset <= most + SLACK_MS
  );
  // Otherwise the moment counts at which we heard: late rather than early, for the sake of timeouts.
  return fitting === undefined ? most : clamped(fitting, { from: least, to: most });
}

/** What a worker tells of its clock. Bun names moments before the year 2000 wrongly, so that the wall clock is asked too. */
export function clockReading(): ClockReading {
  const wall = Date.now();
  const reads = monotonic();
  const { timeOrigin } = performance;
  return { reads, origin: Math.abs(timeOrigin + reads - wall) < COARSE_MS ? timeOrigin : wall - reads };
}

/** From when to when, by our monotonic clock. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The clock of one worker, seen from outside. */
export class WorkerClock {
  readonly #startedAt: number;
  #offset: number | undefined;
  #least = -Infinity;
  /** When the last attempt ended. */
  #endedAt = -Infinity;

  /** @param startedAt When its thread was started, by our monotonic clock. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** The worker has told what its clock reads; returns what can't be right about that. */
  told(reading: ClockReading): string | undefined {
    if (this.#offset !== undefined) return "it has told its clock twice";
    const heardAt = systemClock.monotonic();
    const wallOffset = [stampOffset(), performance.timeOrigin];
    this.#least = this.#startedAt - reading.reads;
    this.#offset = clockOffset(reading, { startedAt: this.#startedAt, heardAt, wallOffset });
    return undefined;
  }

  /** A moment of the worker's in our monotonic time; as near to it as it can have been. @param now In ours. */
  ours(at: number, now: number): number {
    const moment = at + (this.#offset ?? 0);
    // So it was found too late: what has been read has happened.
    if (moment > now && this.#offset !== undefined) this.#offset = Math.max(this.#least, now - at);
    return clamped(moment, { from: this.#startedAt, to: now });
  }

  /** The two moments of an attempt that has ended, each worker's attempts one after the other. */
  span(from: number, { to, now }: { readonly to: number; readonly now: number }): Span {
    const end = this.ours(to, now);
    const start = Math.min(end, Math.max(this.ours(from, now), this.#endedAt));
    this.#endedAt = end;
    return { start, end };
  }
}
