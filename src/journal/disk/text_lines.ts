/**
 * Owns a queue of numbered lines: what the database does not have yet.
 * Must not know what a line says.
 * Invariant: numbers run from `first` to `last` without gaps; taking from the front costs the same however long it is.
 */

/** A record as JSON. */
export interface Line {
  readonly text: string;
  /** What it counts for against a bound, in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Lines with consecutive numbers. */
export class Lines {
  #lines: (Line | undefined)[] = [];
  #head = 0;
  #first: number;

  /** @param first Number of the first line that will be pushed. */
  constructor(first: number) {
    this.#first = first;
  }

  /** Number of the oldest line; of the next one, when there is none. */
  get first(): number {
    return this.#first;
  }

  /** Number of the newest line; `first - 1` when there is none. */
  get last(): number {
    return this.#first + this.#lines.length - this.#head - 1;
  }

  /** Appends a line; returns its number. */
  push(line: Line): number {
    this.#lines.push(line);
    return this.last;
  }

  /** The line of a number from `first` to `last`. */
  at(seq: number): Line {
    return this.#lines[this.#head + seq - this.#first]!;
  }

  /** Puts another line in the place of one, if it is still there. */
  replace(seq: number, line: Line): void {
    if (seq >= this.#first) this.#lines[this.#head + seq - this.#first] = line;
  }

  /** Takes the oldest line off. */
  shift(): Line {
    const line = this.#lines[this.#head]!;
    this.#lines[this.#head++] = undefined;
    this.#first++;
    if (this.#head > 1024 && this.#head * 2 > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#head);
      this.#head = 0;
    }
    return line;
  }

  /** Takes all lines up to a number off. */
  shiftTo(seq: number): void {
    while (this.#first <= seq && this.#first <= this.last) this.shift();
  }
}
