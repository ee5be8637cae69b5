/**
 * Owns how long a run waits: before it tries a task again, for tasks to end after a stop, and for a pipeline to be read
 * once its run has been stopped.
 * Must not know what is waited for.
 * Invariant: after `end` no timer is left.
 */
import { systemClock } from "../base/clock.ts";
import { PipelineError } from "../model/problem.ts";
import type { PlanTask } from "../pipeline/plan/plan.ts";

/** How long to wait after the attempt with this number, in milliseconds. @param random From 0 to 1. */
export function retryWait(retry: PlanTask["retry"], attempt: number, random: number): number {
  const { delayMs, factor, maxDelayMs, jitter } = retry;
  return Math.min(delayMs * factor ** (attempt - 1), maxDelayMs) * (1 + jitter * (2 * random - 1));
}

/** The timers of one run. */
export class Patience {
  /** What cancels each timer. */
  readonly #timers: Set<() => void> = new Set();
  readonly #loading: PromiseWithResolvers<never> = Promise.withResolvers();
  #cancelGrace: () => void = () => {};

  /** Acts after a while. */
  after(ms: number, act: () => void): void {
    const cancel = systemClock.after(ms, () => {
      this.#timers.delete(cancel);
      act();
    });
    this.#timers.add(cancel);
  }

  /** Acts when the grace is over; there is one at a time. */
  grace(ms: number, act: () => void): void {
    this.#cancelGrace();
    this.#cancelGrace = systemClock.after(ms, act);
  }

  /** The run was stopped while its pipeline is read: that gets as long as a task would. */
  limitLoading(ms: number, because: string): void {
    this.grace(ms, () => {
      const message = `It was still being loaded when the run was stopped (${because})`;
      this.#loading.reject(new PipelineError([{ place: "", message }]));
    });
  }

  /** What was read, unless the patience for that is over before. */
  async loaded<T>(reading: Promise<T>): Promise<T> {
    const read = await Promise.race([reading, this.#loading.promise]);
    this.#cancelGrace();
    return read;
  }

  /** Forgets all that was to be done. */
  end(): void {
    this.#cancelGrace();
    for (const cancel of this.#timers) cancel();
  }
}
