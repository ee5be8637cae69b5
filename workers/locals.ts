/**
 * Owns the values that tasks of this worker have returned lately, for the tasks behind them on the same line.
 * Must not know who asks.
 * Invariant: bounded; a value that was let go, or pushed out by another, is fetched from the executor instead.
 */
import { Ints } from "../src/base/primordials.ts";
import { decode, type Value } from "../src/model/value.ts";

/** Places for values, a power of two: four times what a lane may have offered. */
const PLACES = 4096;
/** Length of all texts kept, in UTF-16 code units; beyond it all are let go. */
const MAX_LENGTH: number = 16 * 1024 * 1024;

/** Values by task. Keeping one is on the path between two tasks: a few stores, no allocation. */
export class Locals {
  readonly #tasks: Int32Array = new Ints(PLACES).fill(-1);
  readonly #iterations: Int32Array = new Ints(PLACES);
  readonly #texts: (string | undefined)[] = new Array<string | undefined>(PLACES).fill(undefined);
  #length = 0;

  /** Keeps the JSON text of a task's value; `undefined` if it returned nothing. */
  keep(task: number, iteration: number, text: string | undefined): void {
    const place = task & (PLACES - 1);
    const old = this.#texts[place];
    if (old !== undefined) this.#length -= old.length;
    if (text !== undefined) this.#length += text.length;
    this.#tasks[place] = task;
    this.#iterations[place] = iteration;
    this.#texts[place] = text;
    if (this.#length > MAX_LENGTH) this.#letGo(place);
  }

  has(task: number, iteration: number): boolean {
    const place = task & (PLACES - 1);
    return this.#tasks[place] === task && this.#iterations[place] === iteration;
  }

  /** A copy of the value, the asker's own. */
  get(task: number): Value | undefined {
    const place = task & (PLACES - 1);
    const text = this.#tasks[place] === task ? this.#texts[place] : undefined;
    return text === undefined ? undefined : decode(text);
  }

  /** Lets go of all values but the one at this place. */
  #letGo(kept: number): void {
    for (let place = 0; place < PLACES; place++) {
      if (place === kept) continue;
      this.#tasks[place] = -1;
      this.#texts[place] = undefined;
    }
    this.#length = this.#texts[kept]?.length ?? 0;
  }
}
