/**
 * Owns numbered lines of text: what the database does not have yet.
 * Must not know what a line says.
 * Invariant: numbers run from `first` to `last` without gaps.
 */
import { Queue } from "../../base/queue.ts";

/** A record as JSON. */
export interface TextLine {
  readonly text: string;
  /** What it counts for against a bound, in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Lines with consecutive numbers. */
export class TextLines {
  readonly #lines: Queue<TextLine> = new Queue();
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
    return this.#first + this.#lines.length - 1;
  }

  /** Appends a line; returns its number. */
  push(line: TextLine): number {
    this.#lines.push(line);
    return this.last;
  }

  /** The line of a number from `first` to `last`. */
  at(seq: number): TextLine {
    return this.#lines.at(seq - this.#first);
  }

  /** Puts another line in the place of one that is there. */
  put(seq: number, line: TextLine): void {
    this.#lines.put(seq - this.#first, line);
  }

  /** Takes the oldest line off. */
  shift(): TextLine {
    this.#first++;
    return this.#lines.shift();
  }

  /** Takes all lines off. */
  clear(): void {
    while (this.#lines.length > 0) this.shift();
  }
}
