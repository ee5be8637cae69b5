/**
 * Owns what a run at work waits for: the next attempt of a task that failed, and the end of tasks after a stop.
 * Must not know what is done then.
 * Invariant: after `end` no timer is left.
 */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { PlanTask } from "../pipeline/plan/plan.ts";

/** How long to wait after the attempt with this number, in milliseconds. @param random From 0 to 1. */
export function retryWait(retry: PlanTask["retry"], attempt: number, random: number): number {
  const { delayMs, factor, maxDelayMs, jitter } = retry;
  return Math.min(delayMs * factor ** (attempt - 1), maxDelayMs) * (1 + jitter * (2 * random - 1));
}

/** The timers of one run. */
export class Timers {
  readonly #clock: Clock;
  readonly #random: Random;
  /** What cancels each timer. */
  readonly #set: Set<() => void> = new Set();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Acts after a while. */
  after(ms: number, act: () => void): void {
    const cancel = this.#clock.after(ms, () => {
      this.#set.delete(cancel);
      act();
    });
    this.#set.add(cancel);
  }

  /** Acts when the wait after an attempt is over. @returns How long that is, milliseconds. */
  afterRetry(retry: PlanTask["retry"], attempt: number, act: () => void): number {
    const ms = retryWait(retry, attempt, this.#random());
    this.after(ms, act);
    return ms;
  }

  /** Forgets all that was to be done. */
  end(): void {
    for (const cancel of this.#set) cancel();
    this.#set.clear();
  }
}
