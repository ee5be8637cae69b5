/**
 * Owns the last value of each task, and of each item of a mapped one, as JSON text: what those that need it are given.
 * Must not know who made a value, nor who reads it.
 * Invariant: a task whose last attempt did not succeed has no value.
 */

/** The values of one run. */
export class Values {
  readonly #texts: (string | undefined)[];

  /** @param tasks How many there are. */
  constructor(tasks: number) {
    this.#texts = new Array<string | undefined>(tasks).fill(undefined);
  }

  /** @param task Its number, or that of an item. */
  of(task: number): string | undefined {
    return this.#texts[task];
  }

  /** Of an attempt that has settled. @param text `undefined`: it has none. */
  settle(task: number, text: string | undefined): void {
    this.#texts[task] = text;
  }
}
