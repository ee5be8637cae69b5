/**
 * Owns the order in which what is to be done is done: one thing after the other, each to its end.
 * Must not know what it is.
 * Invariant: nothing is begun while something else is being done, also if that leads to it.
 */

/** What is to be done, in order. */
export class Inbox<T> {
  readonly #act: (item: T) => void;
  #waiting: T[] = [];
  #acting = false;

  constructor(act: (item: T) => void) {
    this.#act = act;
  }

  /** Does these: at once, or after what is being done and all that came before. Costs nothing where there are none. */
  take(items: readonly T[]): void {
    if (items.length === 0) return;
    for (const item of items) this.#waiting.push(item);
    if (this.#acting) return;
    this.#acting = true;
    try {
      for (let at = 0; at < this.#waiting.length; at++) this.#act(this.#waiting[at]!);
    } finally {
      this.#waiting = [];
      this.#acting = false;
    }
  }
}
