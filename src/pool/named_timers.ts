/**
 * Owns the timers of one pool, each with a name.
 * Must not know what they are for.
 * Invariant: there is at most one of each name, and none once it is closed.
 */
import type { Clock } from "../base/clock.ts";

/** Timers by name. */
export class NamedTimers<Name extends string> {
  readonly #clock: Clock;
  /** What cancels each. */
  readonly #set: Map<Name, () => void> = new Map();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get closed(): boolean {
    return this.#closed;
  }

  has(name: Name): boolean {
    return this.#set.has(name);
  }

  /** Acts once after so many milliseconds, unless a timer of this name is set. */
  after(name: Name, { ms, act }: { readonly ms: number; readonly act: () => void }): void {
    if (this.#closed || this.#set.has(name)) return;
    const cancel = this.#clock.after(ms, () => {
      this.#set.delete(name);
      act();
    });
    this.#set.set(name, cancel);
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#set.values()) cancel();
    this.#set.clear();
  }
}
