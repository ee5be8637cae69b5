/**
 * Owns a queue: what comes goes on at the end, what goes goes off at the front.
 * Must not know what waits in it.
 * Invariant: taking from the front costs the same however long it is, and lets go of what is taken at once.
 */

/** Places before the front that are kept at least: below, moving what is left would save too little. */
const SPARE = 1024;

/** A queue whose items can be read and replaced where they stand. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  /** Index of the front; the places before it are empty. */
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The item at a place, 0 at the front; it must be there. */
  at(place: number): T {
    return this.#items[this.#head + place]!;
  }

  /** Puts another item in a place that is taken. */
  put(place: number, item: T): void {
    this.#items[this.#head + place] = item;
  }

  /** Takes the item at the front off, which must be there. */
  shift(): T {
    const item = this.at(0);
    this.#items[this.#head++] = undefined;
    if (this.#head > SPARE && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
