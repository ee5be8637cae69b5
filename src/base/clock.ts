/**
 * Owns time: the wall clock for stamps, the monotonic clock for everything that lasts, and timers of any length.
 * Must not know what is stamped or timed.
 * Invariant: a step of the wall clock (NTP after a boot in 1970, an hour back, a suspended laptop) changes stamps and
 * nothing else: no duration, deadline, lease or wait is the difference of two wall times. The two exceptions, times that
 * others or an earlier process have written, are `leftOf` and `between` here.
 */

import { monotonic } from "./primordials.ts";

/** A clock with timers. All times in milliseconds. */
export interface Clock {
  /** Wall time since the epoch, for stamps only: it may step in both directions. */
  now(): number;
  /** Time since some moment in the past, of this thread alone: it never steps, and says nothing to another thread. */
  monotonic(): number;
  /** What is added to a monotonic time to make it a stamp, as the wall clock stands now. */
  stampOffset(): number;
  /** Calls `fn` once after at least about `ms`, never before this returns; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}

// Taken when this is loaded, which in a worker is before any task: what a task puts in their place is its own affair.
const { setTimeout, clearTimeout } = globalThis;

/** Longest time that timers of all runtimes can hold, milliseconds; beyond it they fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** How often it is looked whether the wall clock has stepped, at most, milliseconds. */
const LOOK_MS = 1;
/** A difference below this is no step: wall clocks are coarse on some systems, and are slewed. Milliseconds. */
const STEP_MS = 20;

/**
 * A clock of this thread that takes the wall time from there. Its stamps are monotonic time plus an anchor: between two
 * steps they have fractions of a millisecond and never go back. Once the wall clock has stepped, it is anchored anew, at
 * most about a millisecond later.
 */
export function clockBy(wallTime: () => number): Clock {
  /** Wall time less monotonic time. */
  let anchor = performance.timeOrigin;
  let lookAt = -Infinity;
  const look = (before: number): void => {
    const wall = wallTime();
    const then = monotonic();
    lookAt = then + LOOK_MS;
    // This thread may have been put aside between the two clocks: no step, as long as some moment in between fits.
    if (wall < before + anchor - STEP_MS || wall > then + anchor + STEP_MS) anchor = wall - then;
  };
  return {
    now() {
      const at = monotonic();
      if (at >= lookAt) look(at);
      return at + anchor;
    },
    monotonic,
    after,
    stampOffset() {
      const at = monotonic();
      if (at >= lookAt) look(at);
      return anchor;
    },
  };
}

/** Waits longer than a timer can hold are waited in several; NaN and less than 0 are 0. */
function after(ms: number, fn: () => void): () => void {
  let set: ReturnType<typeof setTimeout>;
  const wait = (left: number): void => {
    const part = timerMs(left);
    set = setTimeout(() => left > part ? wait(left - part) : fn(), part);
  };
  wait(ms);
  return () => clearTimeout(set);
}

/** The real clock. */
export const systemClock: Clock = clockBy(() => Date.now());

/** Calls `tick` every `ms` until the returned function is called; a late tick puts off those after it. */
export function every(clock: Clock, ms: number, tick: () => void): () => void {
  let cancel: () => void;
  const wait = (): void => {
    cancel = clock.after(ms, () => {
      wait();
      tick();
    });
  };
  wait();
  return () => cancel();
}

/** A time that a timer of any runtime can hold, milliseconds: the one clamp for timers that are not `systemClock`'s. */
export function timerMs(ms: number): number {
  return Math.min(Math.max(ms, 0) || 0, MAX_TIMER_MS);
}

/**
 * What is left, at wall time `now`, until a wall time that an earlier process has written, milliseconds. Nothing but the
 * wall clock outlives a process, so a step in between shows here: the rest is never less than 0 nor more than `most`.
 */
export function leftOf(
  until: number,
  { now, most }: { readonly now: number; readonly most: number },
): number {
  return Math.min(Math.max(until - now, 0) || 0, Math.max(most, 0));
}

/**
 * What lies between two stamps, milliseconds. Exact for the two of one attempt, which are made by one anchor whatever the
 * wall clock does; between others a step shows, so that this is for eyes only.
 */
export function between(from: number, to: number): number {
  return Math.max(0, to - from) || 0;
}

/** Latest time that a date can hold, milliseconds since the epoch. */
const MAX_DATE_MS = 8.64e15;

let second = Number.NaN;
let prefix = "";
let told = Number.NaN;
let text = "";

/**
 * A wall time as text (ISO 8601). Whatever the number, it never throws: what is no date becomes the nearest one. Times
 * come in bursts, so the last one is kept for the next, and all but the milliseconds for those in the same second.
 */
export function isoTime(at: number): string {
  const whole = Math.floor(Math.abs(at) <= MAX_DATE_MS ? at : dateOf(at).getTime());
  if (whole === told) return text;
  const ms = ((whole % 1_000) + 1_000) % 1_000;
  if (whole - ms !== second) {
    prefix = new Date(whole - ms).toISOString().slice(0, -4);
    second = whole - ms;
  }
  told = whole;
  return text = `${prefix}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
}

/** A wall time as a date that is valid, whatever the number. */
export function dateOf(at: number): Date {
  return new Date(Math.min(Math.max(at, -MAX_DATE_MS), MAX_DATE_MS) || 0);
}
