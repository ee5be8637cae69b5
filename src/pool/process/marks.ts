/**
 * Owns what is read of one output of a process that runs tasks: lines, and the marks that its runner sets behind each attempt.
 * Must not know whose lines they are, nor which mark is right.
 * Invariant: nothing is lost or doubled but marks and line ends, also where a mark comes in pieces; what was printed before a
 * mark is told before it.
 */
import type { Clock } from "../../base/clock.ts";
import { LineCutter } from "../kinds/program_lines.ts";

/** How a mark begins: what no text has by chance. It goes on with `MARK_DIGITS` digits and a line end. */
const START: Uint8Array = new TextEncoder().encode("\0outrider:");
/** Hexadecimal digits of a mark. */
export const MARK_DIGITS = 32;
const LENGTH: number = START.length + MARK_DIGITS + 1;
const MARK = /^\0outrider:([0-9a-f]{32})\n$/;

/** What hears of an output. */
export interface MarkListener {
  line(text: string): void;
  mark(digits: string): void;
}

/** Cuts one output. */
export class MarkCutter {
  readonly #listener: MarkListener;
  readonly #clock: Pick<Clock, "monotonic">;
  #lines: LineCutter;
  /** What may be the start of a mark. */
  #held: Uint8Array = new Uint8Array(0);

  constructor(listener: MarkListener, clock: Pick<Clock, "monotonic">) {
    this.#listener = listener;
    this.#clock = clock;
    this.#lines = new LineCutter((text) => listener.line(text), clock);
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#held.length > 0) {
      rest = new Uint8Array(this.#held.length + bytes.length);
      rest.set(this.#held);
      rest.set(bytes, this.#held.length);
      this.#held = new Uint8Array(0);
    }
    while (rest.length > 0) {
      const at = startIn(rest);
      if (at > 0) this.#lines.push(rest.subarray(0, at));
      rest = rest.subarray(at);
      if (rest.length === 0) return;
      if (rest.length < LENGTH) {
        // A copy, since what carried it may be used again.
        this.#held = rest.slice();
        return;
      }
      rest = rest.subarray(this.#take(rest.subarray(0, LENGTH)));
    }
  }

  /** Nothing more will come: tells what is left. */
  end(): void {
    if (this.#held.length > 0) this.#lines.push(this.#held);
    this.#held = new Uint8Array(0);
    this.#endLine();
  }

  /** Takes a mark, or what only begins like one; returns how many bytes it took. */
  #take(bytes: Uint8Array): number {
    const digits = MARK.exec(String.fromCharCode(...bytes))?.[1];
    if (digits === undefined) {
      this.#lines.push(bytes.subarray(0, 1));
      return 1;
    }
    this.#endLine();
    this.#listener.mark(digits);
    return LENGTH;
  }

  /** A line without an end ends with its attempt. */
  #endLine(): void {
    this.#lines.end();
    this.#lines = new LineCutter((text) => this.#listener.line(text), this.#clock);
  }
}

/** Where what may be a mark begins: a whole start of one, or a part of it at the end. */
function startIn(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
    let same = 1;
    while (same < START.length && at + same < bytes.length && bytes[at + same] === START[same]) same++;
    if (same === START.length || at + same === bytes.length) return at;
  }
  return bytes.length;
}
