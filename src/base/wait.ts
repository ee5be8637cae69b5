/**
 * Owns waiting: for a time, for a bell, or for both.
 * Must not know what is waited for.
 * Invariant: every wait ends when its signal is aborted, and leaves no timer behind.
 */
import type { Clock } from "./clock.ts";

/** Resolves after `ms`, or as soon as the signal is aborted. Never rejects. */
export function sleep(clock: Pick<Clock, "after">, ms: number, signal?: AbortSignal): Promise<void> {
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

/** Waits for an event, but no longer than `ms`. @throws What the event rejects with until then. */
export async function within(
  clock: Pick<Clock, "after">,
  ms: number,
  event: Promise<unknown>,
): Promise<void> {
  let cancel = (): void => {};
  const limit = new Promise<void>((late) => cancel = clock.after(ms, late));
  try {
    await Promise.race([event, limit]);
  } finally {
    cancel();
  }
}

/** The answer, unless the signal is aborted before. (Promise.race would hold every answer as long as the signal lives.) */
export function unlessAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    const settle = async (): Promise<void> => {
      try {
        resolve(await answer);
      } catch (error) {
        reject(error);
      } finally {
        signal.removeEventListener("abort", abort);
      }
    };
    void settle();
  });
}

/** Wakes all who wait. A ring that nobody waits for is kept for the next who does, or is not. */
export class Bell {
  readonly #keeps: boolean;
  #kept = false;
  #waiting = new Set<(rung: boolean) => void>();

  /** @param keeps Whether a ring that nobody waits for is kept: for one reader who looks between two waits. */
  constructor({ keeps = false }: { readonly keeps?: boolean } = {}) {
    this.#keeps = keeps;
  }

  ring(): void {
    const waiting = this.#waiting;
    this.#kept = this.#keeps && waiting.size === 0;
    this.#waiting = new Set();
    for (const wake of waiting) wake(true);
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves at the next ring (`true`), at the abort of the signal, or after `ms` of the clock if given (`false`). */
  wait(
    signal?: AbortSignal,
    limit?: { readonly clock: Pick<Clock, "after">; readonly ms: number },
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const kept = this.#kept;
      this.#kept = false;
      if (kept || signal?.aborted) return resolve(kept);
      const end = (rung: boolean) => {
        cancel?.();
        this.#waiting.delete(end);
        signal?.removeEventListener("abort", over);
        resolve(rung);
      };
      const over = () => end(false);
      const cancel = limit?.clock.after(limit.ms, over);
      this.#waiting.add(end);
      signal?.addEventListener("abort", over, { once: true });
    });
  }
}
