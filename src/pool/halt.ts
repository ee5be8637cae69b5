/**
 * Owns the one cell that stops all workers of a run between two tasks, seen from outside.
 * Must not know lanes.
 * Invariant: it stays set only where the run was halted, or the failure that set it is about to be told.
 */
import type { Clock } from "../base/clock.ts";
import { atoms } from "./ring/atoms.ts";

/** How long a worker may say that nothing is to start before the outcome must be told that leads to it, in milliseconds. */
const HALT_MS = 1_000;

/** Whether anything new may start in the workers of a run. */
export class Halt {
  readonly cell: Int32Array;
  readonly #clock: Clock;
  #meant = false;
  /** Since when a worker says that nothing is to start, by the monotonic clock, milliseconds. */
  #since: number | undefined;

  constructor(cell: Int32Array, clock: Clock) {
    this.cell = cell;
    this.#clock = clock;
  }

  /** Whether nothing is to start just now. */
  get on(): boolean {
    return atoms.load(this.cell, 0) === 1;
  }

  /** Nothing is to start any more. */
  set(): void {
    this.#meant = true;
    atoms.store(this.cell, 0, 1);
  }

  /**
   * Only a failure that stops the run may say that nothing is to start; if none came with it, it was nobody's to say. Takes
   * that back after a while; returns whether it did.
   */
  lift(): boolean {
    if (this.#meant || !this.on) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= this.#clock.monotonic();
    if (this.#clock.monotonic() - this.#since < HALT_MS) return false;
    this.#since = undefined;
    atoms.store(this.cell, 0, 0);
    return true;
  }
}
