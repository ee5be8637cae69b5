/**
 * Owns what the store and the events ask of time.
 * Must not know what happens at which time.
 * Invariant: nothing else in store/ reads a clock or sets a timer, so that a test can hold both in its hand.
 */

/** A clock with timers. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `fn` once after at least about `ms` milliseconds, never before this returns; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}

/** Longest time that timers of all runtimes can hold, in milliseconds; beyond it they fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
