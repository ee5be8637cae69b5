/**
 * Owns time: the wall clock for stamps, the monotonic clock for everything that lasts, and timers of any length.
 * Must not know what is stamped or timed.
 * Invariant: a step of the wall clock (NTP after a boot in 1970, an hour back, a suspended laptop) changes stamps and
 * nothing else: no duration, deadline, lease or wait is the difference of two wall times.
 */

/** A clock with timers. All times in milliseconds. */
export interface Clock {
  /** Wall time since the epoch, for stamps only: it may step in both directions. */
  now(): number;
  /** Time since some moment in the past, of this thread alone: it never steps, and says nothing to another thread. */
  monotonic(): number;
  /** Calls `fn` once after at least about `ms`, never before this returns; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}

/** Longest time that timers of all runtimes can hold, milliseconds; beyond it they fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The real clock. Waits longer than a timer can hold are waited in several; NaN and less than 0 are 0. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn) {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (left: number): void => {
      const part = Math.min(Math.max(left, 0) || 0, MAX_TIMER_MS);
      timer = setTimeout(() => left > part ? wait(left - part) : fn(), part);
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};
