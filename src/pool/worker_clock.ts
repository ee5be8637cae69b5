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
import type { Clock } from "../base/clock.ts";
import { monotonic } from "../base/primordials.ts";

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

/** A time within bounds; they count for what is no number too. */
function clamped(at: number, { from, to }: { readonly from: number; readonly to: number }): number {
  return at >= from && at <= to ? at : at < from ? from : to;
}

/** What a worker tells of its clock. Bun names moments before the year 2000 wrongly, so that the wall clock is asked too. */
export function clockReading(): ClockReading {
  const wall = Date.now();
  const reads = monotonic();
  const { timeOrigin } = performance;
  return { reads, origin: Math.abs(timeOrigin + reads - wall) < COARSE_MS ? timeOrigin : wall - reads };
}

/** From when to when, as stamps. */
export interface Span {
  readonly startedAt: number;
  readonly endedAt: number;
}

/** The clock of one worker, seen from outside. */
export class WorkerClock {
  readonly #clock: Clock;
  readonly #startedAt: number;
  #offset: number | undefined;
  #least = -Infinity;
  /** When the last attempt ended. */
  #endedAt = -Infinity;
  /** Our monotonic time when the worker was read last, and what makes a stamp of it. */
  #now = 0;
  #ahead = 0;

  /** @param startedAt When its thread was started, by our monotonic clock. */
  constructor(clock: Clock, startedAt: number) {
    this.#clock = clock;
    this.#startedAt = startedAt;
  }

  /** What the worker has told is about to be read. */
  reads(): void {
    this.#now = this.#clock.monotonic();
    this.#ahead = this.#clock.stampOffset();
  }

  /** The worker has told what its clock reads; returns what can't be right about that. */
  told(reading: ClockReading): string | undefined {
    if (this.#offset !== undefined) return "it has told its clock twice";
    const heardAt = this.#clock.monotonic();
    const wallOffset = [this.#clock.stampOffset(), performance.timeOrigin];
    this.#least = this.#startedAt - reading.reads;
    this.#offset = clockOffset(reading, { startedAt: this.#startedAt, heardAt, wallOffset });
    return undefined;
  }

  /** A moment of the worker's in our monotonic time; as near to it as it can have been. */
  ours(at: number, now: number = this.#clock.monotonic()): number {
    const moment = at + (this.#offset ?? 0);
    // So it was found too late: what has been read has happened.
    if (moment > now && this.#offset !== undefined) this.#offset = Math.max(this.#least, now - at);
    return clamped(moment, { from: this.#startedAt, to: now });
  }

  /** The stamp of a moment of the worker's that has been read. */
  stamp(at: number): number {
    return this.ours(at, this.#now) + this.#ahead;
  }

  /** The stamps of an attempt that has ended, each worker's attempts one after the other. */
  span(from: number, to: number): Span {
    const end = this.ours(to, this.#now);
    const start = Math.min(end, Math.max(this.ours(from, this.#now), this.#endedAt));
    this.#endedAt = end;
    return { startedAt: start + this.#ahead, endedAt: end + this.#ahead };
  }
}
