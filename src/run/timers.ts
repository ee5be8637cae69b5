/**
 * Owns what a run at work waits for: the next attempt of a task that failed, and the end of tasks after a stop.
 * Must not know what is done then.
 * Invariant: after `end` no timer is left.
 */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { PlanTask } from "../pipeline/plan/plan.ts";
import type { Command } from "../schedule/command.ts";

/** What waits for another attempt. */
type Delay = Extract<Command, { type: "delay" }>;

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
  /** What is tried again, by the whole millisecond of the monotonic clock at which it is due. */
  readonly #retries: Map<number, Delay[]> = new Map();

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

  /**
   * Acts when the wait after an attempt is over: once for all that are due in the same millisecond, as thousands of items may be.
   *
   * @returns How long that is, milliseconds.
   */
  afterRetry(retry: PlanTask["retry"], delay: Delay, act: (due: readonly Delay[]) => void): number {
    const ms = retryWait(retry, delay.attempt, this.#random());
    const now = this.#clock.monotonic();
    const at = Math.ceil(now + ms);
    const others = this.#retries.get(at);
    if (others !== undefined) {
      others.push(delay);
      return ms;
    }
    const due = [delay];
    this.#retries.set(at, due);
    this.after(at - now, () => {
      this.#retries.delete(at);
      act(due);
    });
    return ms;
  }

  /** Forgets all that was to be done. */
  end(): void {
    for (const cancel of this.#set) cancel();
    this.#set.clear();
    this.#retries.clear();
  }
}
