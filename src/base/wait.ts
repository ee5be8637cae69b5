/**
 * Owns waiting: for a time, for a bell, or for both.
 * Must not know what is waited for.
 * Invariant: every wait ends when its signal is aborted, and leaves no timer behind.
 */
import type { Clock } from "./clock.ts";

/** Resolves after `ms`, or as soon as the signal is aborted. Never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** Wakes all who wait. A ring that nobody waits for is not kept. */
export class Bell {
  #waiting = new Set<() => void>();

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves at the next ring, at the abort of the signal, or after `ms` of the clock if given. */
  wait(
    signal?: AbortSignal,
    limit?: { readonly clock: Pick<Clock, "after">; readonly ms: number },
  ): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = () => {
        cancel?.();
        this.#waiting.delete(end);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const cancel = limit?.clock.after(limit.ms, end);
      this.#waiting.add(end);
      signal?.addEventListener("abort", end, { once: true });
    });
  }
}
