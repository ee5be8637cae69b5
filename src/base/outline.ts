/**
 * Owns the quick look at JSON text that tells whether `JSON.parse` says all there is to say of it: how many keys are
 * written, how deep they lie, and whether a number would be changed.
 * Must not know what the text means. It counts in what is no JSON too; `JSON.parse` refuses that.
 * Invariant: as many keys are written as are read, or one of them is there twice.
 */
import { lostIn } from "./held.ts";

const QUOTE = 0x22, COLON = 0x3a, BACKSLASH = 0x5c;
const ZERO = 0x30, NINE = 0x39, POINT = 0x2e, SMALL_E = 0x65, LARGE_E = 0x45, PLUS = 0x2b, MINUS = 0x2d;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;

/** What is written. */
export interface Outline {
  /** Behind the value; the length of the text if it has no end. */
  readonly end: number;
  readonly keys: number;
  /** Levels: 1 for `{}`. */
  readonly depth: number;
  /** Whether there is a number that a double does not hold. */
  readonly loses: boolean;
}

/** Looks at the array or object that begins at `from`, or at the whole text. */
export function outlineOf(text: string, from?: number): Outline {
  let keys = 0, level = 0, depth = 0, loses = false;
  for (let at = from ?? 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at + 1);
      if (end < 0) break;
      at = end - 1;
    } else if (code === COLON) keys++;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (++level > depth) depth = level;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      if (--level === 0 && from !== undefined) return { end: at + 1, keys, depth, loses };
    } else if (code >= ZERO && code <= NINE) {
      const end = endOfNumber(text, at + 1);
      loses ||= lostIn(text.slice(at, end)) !== undefined;
      at = end - 1;
    }
  }
  return { end: text.length, keys, depth, loses };
}

/** Behind a number of which a digit lies before `from`. */
function endOfNumber(text: string, from: number): number {
  for (let at = from;; at++) {
    const code = text.charCodeAt(at);
    const isPart = code >= ZERO && code <= NINE || code === POINT || code === SMALL_E || code === LARGE_E ||
      code === PLUS || code === MINUS;
    if (!isPart) return at;
  }
}

/** Behind the closing quote of a string whose inside starts at `from`; -1 if it has none. */
export function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (before > from && text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return -1;
}

/** How many keys objects have, in all of a value that `JSON.parse` has made; it must not be too deep to be walked. */
export function keysIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const item: unknown = value[at];
      if (typeof item === "object" && item !== null) count += keysIn(item);
    }
    return count;
  }
  const keys = Object.keys(value);
  count = keys.length;
  for (let at = 0; at < keys.length; at++) {
    const item = (value as Readonly<Record<string, unknown>>)[keys[at]!];
    if (typeof item === "object" && item !== null) count += keysIn(item);
  }
  return count;
}
