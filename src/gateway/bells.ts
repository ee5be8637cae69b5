/**
 * Owns who waits for which thing of the gateway to change.
 * Must not know what changed.
 * Invariant: a name that nobody listens for is not kept; who listens before it looks misses no ring.
 */
import { Bell } from "../base/wait.ts";

/** Hears the bell of one name: a ring while it looks elsewhere is kept for its next wait. */
export interface Listener extends Pick<Bell, "wait"> {
  /** It hears no more. */
  leave(): void;
}

/** Bells by name. */
export class Bells {
  readonly #listeners = new Map<string, Set<Bell>>();

  ring(name: string): void {
    for (const bell of this.#listeners.get(name) ?? []) bell.ring();
  }

  listen(name: string): Listener {
    const bell = new Bell({ keeps: true });
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(bell));
    return {
      wait: (signal, limit) => bell.wait(signal, limit),
      leave: () => {
        if (all.delete(bell) && all.size === 0) this.#listeners.delete(name);
      },
    };
  }
}
