/**
 * Owns when keys go: by the monotonic clock, with a timer each.
 * Must not know what is kept under a key.
 * Invariant: a key's time is over at its moment, whether or not its timer has noticed; a key without expiry has no timer.
 */
import { between, type Clock, leftOf } from "../base/clock.ts";

/** When a key goes: by the monotonic clock, and as a stamp. */
export interface Expiry {
  readonly until: number;
  readonly at: number;
}

/** The keys that go by themselves. */
export class Expiries {
  readonly #clock: Clock;
  readonly #armed: Map<string, Expiry & { readonly cancel: () => void }> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The expiry of what is written now and goes after `ms`. */
  after(ms: number): Expiry {
    return { until: this.#clock.monotonic() + ms, at: Math.floor(this.#clock.now() + ms) };
  }

  /**
   * The expiry of what was written earlier, perhaps by another process: by the wall clock, the only one that outlives a
   * process; but nothing gets more than its whole time again.
   */
  restored(at: number, writtenAt: number): Expiry {
    const left = leftOf(at, { now: this.#clock.now(), most: between(writtenAt, at) });
    return { until: this.#clock.monotonic() + left, at };
  }

  /** The expiry of a key, if it has one. */
  of(key: string): Expiry | undefined {
    return this.#armed.get(key);
  }

  isOver(key: string): boolean {
    const expiry = this.#armed.get(key);
    return expiry !== undefined && expiry.until <= this.#clock.monotonic();
  }

  /** All keys that go by themselves. */
  keys(): string[] {
    return [...this.#armed.keys()];
  }

  /** Calls `over` once a key's time is over, unless it is deleted or set anew before. */
  set(key: string, expiry: Expiry, over: () => void): void {
    const { until } = expiry;
    const cancel = this.#clock.after(until - this.#clock.monotonic(), () => {
      // A timer may be early.
      if (this.isOver(key)) over();
      else this.set(key, expiry, over);
    });
    this.#armed.set(key, { ...expiry, cancel });
  }

  /** Ends a key's expiry. */
  delete(key: string): void {
    this.#armed.get(key)?.cancel();
    this.#armed.delete(key);
  }

  /** Ends all timers. */
  close(): void {
    for (const key of this.keys()) this.delete(key);
  }
}
