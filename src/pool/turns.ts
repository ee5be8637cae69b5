/**
 * Owns the fairness of the executor's thread: what workers have to tell takes turns with everything else, timers and sockets.
 * Must not know what workers tell.
 * Invariant: after `WORK_MS` without a turn for timers what comes waits, and the thread is left to others for `REST_MS`. A
 * worker whose bell is not answered sends no other, so that the rest comes for certain.
 *
 * Without it, workers that print without end starve heartbeats for seconds: Deno hands on messages before all else as long
 * as there are any, and Bun gives timers a turn only now and then. A request is many small steps, which is why one turn of
 * the event loop is not enough for it.
 */

/** Longest time without a turn for others, milliseconds. */
const WORK_MS = 16;
/** How long others are left alone then, milliseconds. */
const REST_MS = 4;

/** Takes turns on one thread. */
export class Turns {
  /** When work first came since timers had their turn. */
  #since: number | undefined;
  #resting = false;
  readonly #waiting: Set<() => void> = new Set();

  /** Does the work now, or, if others are to have their turn first, after that. What waits already is done once. */
  take(work: () => void): void {
    const now = performance.now();
    if (this.#since === undefined) {
      this.#since = now;
      setTimeout(() => this.#turn(), 0);
    }
    if (this.#resting || now - this.#since > WORK_MS) this.#waiting.add(work);
    else work();
  }

  #turn(): void {
    if (this.#waiting.size > 0 && !this.#resting) {
      this.#resting = true;
      setTimeout(() => this.#turn(), REST_MS);
      return;
    }
    this.#since = undefined;
    this.#resting = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const work of waiting) this.take(work);
  }
}
