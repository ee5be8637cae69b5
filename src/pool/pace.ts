/**
 * Owns how long attempts take of late, and how many of them fill a time.
 * Must not know who runs them.
 * Invariant: a quota is never less than two: one that runs, and one that can follow it.
 */

/** Time that a lane's queue of ready attempts should last, in milliseconds: it bridges a round trip and can be replanned. */
const QUEUE_MS = 1;
/** The same with the lines behind them, which nobody else could begin. */
const LINE_MS = 5;
const MIN_QUEUE = 2;
const MAX_QUEUE = 1000;

/** How fast attempts go. */
export class Pace {
  /** A moving mean, milliseconds. */
  #meanMs = 0.02;

  get meanMs(): number {
    return this.#meanMs;
  }

  /** An attempt has taken so long. */
  took(ms: number): void {
    this.#meanMs += (ms - this.#meanMs) * 0.05;
  }

  /** How many ready attempts a lane should have at a time. */
  get queue(): number {
    return this.#quota(QUEUE_MS);
  }

  /** … with the lines behind them. */
  get line(): number {
    return this.#quota(LINE_MS);
  }

  #quota(ms: number): number {
    return Math.max(MIN_QUEUE, Math.min(MAX_QUEUE, Math.ceil(ms / Math.max(1e-6, this.#meanMs))));
  }
}
