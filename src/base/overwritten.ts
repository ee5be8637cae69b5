/**
 * Owns lines that are written over with carriage returns, as progress bars are: what of them is told, and when.
 * Must not know who prints, nor what becomes of what is told. It runs in workers too, and takes nothing from prototypes there.
 * Invariant: of a line that was written over, the last state is told at its end, and on the way at most one a second: what
 * a terminal would show at that moment. A line that was not written over is not changed but for its end.
 */
import { charCodeAt, indexOf, lastIndexOf, slice } from "./primordials.ts";

/** Shortest time between two states of a line that are told, milliseconds. */
export const UPDATE_MS = 1_000;

const RETURN = 13;

/** What a terminal shows of a line. */
export function shownOf(line: string): string {
  let end = line.length;
  while (end > 0 && charCodeAt(line, end - 1) === RETURN) end--;
  const shown = slice(line, 0, end);
  return slice(shown, lastIndexOf(shown, "\r") + 1);
}

/** One line at a time of one stream. */
export class Overwritten {
  readonly #now: () => number;
  /** Whether the line that goes on has been written over. */
  #over = false;
  /** The state of it that was told last. */
  #told: string | undefined;
  #since = -UPDATE_MS;

  /** @param now Monotonic, milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a line that goes on so has to be looked at. */
  concerns(text: string): boolean {
    return this.#over || indexOf(text, "\r") >= 0;
  }

  /** The line goes on. @returns What of it has to be kept, and its state if that is to be told now. */
  goesOn(line: string): { readonly kept: string; readonly told: string | undefined } {
    this.#over = true;
    const shown = shownOf(line);
    // Where it ends with a return, what comes next is written over it, or is the line's end.
    const kept = charCodeAt(line, line.length - 1) === RETURN ? `${shown}\r` : shown;
    const at = this.#now();
    if (shown === "" || shown === this.#told || at - this.#since < UPDATE_MS) {
      return { kept, told: undefined };
    }
    this.#told = shown;
    this.#since = at;
    return { kept, told: shown };
  }

  /** The line has its end. @returns What is to be told; nothing if that was told already. */
  ends(line: string): string | undefined {
    const shown = shownOf(line);
    const told = this.#over && shown === this.#told;
    this.#over = false;
    this.#told = undefined;
    return told ? undefined : shown;
  }
}
