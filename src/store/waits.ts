/**
 * Owns waiting: a promise that ends by what is waited for, by time, by a signal, or when all is closed.
 * Must not know what is waited for.
 * Invariant: an ended wait leaves no timer and no listener behind.
 */
import type { Clock } from "../base/clock.ts";
import { StoreError } from "./errors.ts";

/** Most waits open at the same time. */
export const MAX_WAITS = 10_000;

/** Longest wait, in milliseconds (24 days). Longer ones end then, as any wait whose time is over. */
export const LONGEST_WAIT_MS: number = 24 * 24 * 3_600_000;

/** One wait. */
export interface Wait<T> {
  /** 0 to `LONGEST_WAIT_MS`; beyond it, `LONGEST_WAIT_MS`. With 0 it does not wait at all. */
  readonly timeoutMs: number;
  /** Aborting it rejects the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Listens for what is waited for; returns what stops listening. It must not call `found` before it returns. */
  listen(found: (value: T) => void): () => void;
  /** What the wait resolves to when its time is over. */
  otherwise(): T;
}

/** All waits of one store. */
export class Waits {
  readonly #clock: Clock;
  readonly #open: Set<() => void> = new Set();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Waits. */
  open<T>(wait: Wait<T>): Promise<T> {
    const { timeoutMs, signal } = wait;
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (!(timeoutMs >= 0)) {
        throw new StoreError("BAD_ARGUMENT", `A wait takes 0 or more milliseconds, not ${timeoutMs}`);
      }
      if (timeoutMs === 0) return resolve(wait.otherwise());
      if (this.#open.size >= MAX_WAITS) {
        throw new StoreError(
          "TOO_MANY_WAITS",
          `${MAX_WAITS} waits are open already: await some before starting more`,
        );
      }
      const end = (settle: () => void): void => {
        if (!this.#open.delete(giveUp)) return;
        cancelTimer();
        stopListening();
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const giveUp = (): void => end(() => resolve(wait.otherwise()));
      const abort = (): void => end(() => reject(signal!.reason));
      this.#open.add(giveUp);
      const cancelTimer = this.#clock.after(Math.min(timeoutMs, LONGEST_WAIT_MS), giveUp);
      const stopListening = wait.listen((value) => end(() => resolve(value)));
      signal?.addEventListener("abort", abort);
    });
  }

  /** Ends all waits as if their time were over. */
  close(): void {
    for (const giveUp of [...this.#open]) giveUp();
  }
}
