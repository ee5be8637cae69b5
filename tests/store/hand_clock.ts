/**
 * Owns a clock that a test holds in its hand.
 * Must not know what is timed.
 * Invariant: timers fire in the order of their times, and only from `advance`; the wall clock steps without them.
 */
import type { Clock } from "../../src/base/clock.ts";

/** A clock that stands still until it is advanced. */
export class HandClock implements Clock {
  #wall: number;
  #now = 7_000;
  #timers: { readonly at: number; readonly fn: () => void }[] = [];

  constructor(now: number = 1_000_000) {
    this.#wall = now - this.#now;
  }

  now(): number {
    return this.#wall + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  stampOffset(): number {
    return this.#wall;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Timers that have not fired. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Goes on by `ms`, firing what is due. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = Math.max(this.#now, due.at);
      due.fn();
    }
    // What was done when a timer fired may have taken time.
    this.#now = Math.max(this.#now, until);
  }

  /** Goes on by `ms` without firing anything: late timers. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Sets the wall clock forward, or back; no time passes. */
  step(ms: number): void {
    this.#wall += ms;
  }
}
