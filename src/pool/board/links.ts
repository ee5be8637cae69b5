/**
 * Owns which links of the board are free, and which lead from which slot.
 * Must not know the shared memory.
 * Invariant: a link leads from one slot, or is free.
 */
import { LINKS, SLOTS } from "./memory.ts";

/** The links, from the executor's side. A link is told by its number and one more; 0 is none. */
export class Links {
  /** By link: the next that leads from the same slot, or that is free as well. */
  readonly #next: Int32Array = Int32Array.from({ length: LINKS }, (_, at) => (at + 2) % (LINKS + 1));
  /** By slot: the first that leads from it. */
  readonly #from: Int32Array = new Int32Array(SLOTS);
  #free = 1;
  /** How many are free. */
  room: number = LINKS;

  /** The one that `take` takes. There must be one. */
  get free(): number {
    return this.#free;
  }

  /** The free one leads from a slot now. */
  take(slot: number): void {
    const link = this.#free;
    this.#free = this.#next[link - 1]!;
    this.#next[link - 1] = this.#from[slot]!;
    this.#from[slot] = link;
    this.room--;
  }

  /** All that lead from a slot. */
  of(slot: number): number[] {
    const all: number[] = [];
    for (let link = this.#from[slot]!; link !== 0; link = this.#next[link - 1]!) all.push(link);
    return all;
  }

  /** All that lead from a slot are free. */
  release(slot: number): void {
    for (let link = this.#from[slot]!; link !== 0;) {
      const next = this.#next[link - 1]!;
      this.#next[link - 1] = this.#free;
      this.#free = link;
      this.room++;
      link = next;
    }
    this.#from[slot] = 0;
  }
}
