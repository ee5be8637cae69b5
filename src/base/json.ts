/**
 * Owns what is found out about a JSON text before anybody makes values of it: whether it is JSON, how deep, how much.
 * Must not know what the text means, nor how it came.
 * Invariant: it costs no memory that grows with the text: a bomb is found while it is still a text.
 *
 * Parsing turns two bytes into dozens: `[0,0,0,…` of 150 MB, which gzip makes 150 kB of, takes gigabytes and half a minute.
 */

/** Deepest nesting of JSON from outside: that of a value (`MAX_DEPTH` of the value rule), and what stands around it. */
export const MAX_JSON_DEPTH = 512;

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;
/** What is neither a string nor holds others; what may follow it, its reader knows. */
const WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /["\\/bfnrt]|u[\da-fA-F]{4}/y;
/** No number that `JSON.stringify` writes is longer, in UTF-16 code units: the longest have 25. */
const MAX_WORD = 32;

/** Measures JSON in pieces of its UTF-8, while they come. What is no JSON is measured too; the parser will say so. */
export class JsonMeter {
  readonly #maxNodes: number;
  readonly #maxKeys: number;
  #nodes = 0;
  #keys = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  /**
   * @param maxNodes Most values that may be in it. Commas and opening brackets are counted: a list counts twice at most.
   * @param maxKeys Most keys of objects: where all are different, each costs as much as many values.
   */
  constructor(maxNodes: number, maxKeys: number = Infinity) {
    this.#maxNodes = maxNodes;
    this.#maxKeys = maxKeys;
  }

  /** Takes the next piece; says what there is too much of, if so. */
  take(bytes: Uint8Array): "depth" | "nodes" | "keys" | undefined {
    let [nodes, depth, inString, escaped] = [this.#nodes, this.#depth, this.#inString, this.#escaped];
    let keys = this.#keys;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) inString = true;
      else if (byte === COMMA) nodes++;
      else if (byte === COLON) keys++;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        nodes++;
        if (++depth > MAX_JSON_DEPTH) return "depth";
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
      if (nodes > this.#maxNodes) return "nodes";
      if (keys > this.#maxKeys) return "keys";
    }
    [this.#nodes, this.#depth, this.#inString, this.#escaped] = [nodes, depth, inString, escaped];
    this.#keys = keys;
    return undefined;
  }
}

/** Whether a text is JSON, no deeper than `MAX_JSON_DEPTH`: what `JSON.parse` would say, and nothing is made of it. */
export function isJson(text: string): boolean {
  const end = valueAt(text, afterBlanks(text, 0, true), { depth: MAX_JSON_DEPTH, blanks: true });
  return end >= 0 && afterBlanks(text, end, true) === text.length;
}

/** Whether a text is JSON as `JSON.stringify` writes it, with no blanks, nested at most so deep. */
export function isPlainJson(text: string, depth: number): boolean {
  return valueAt(text, 0, { depth, blanks: false }) === text.length;
}

/** How a text may be written. */
interface Form {
  /** How many levels there may be from here on. */
  readonly depth: number;
  /** Whether blanks may stand between its parts, and numbers be of any length. */
  readonly blanks: boolean;
}

/** Where the value that begins here ends; -1 if none does. */
function valueAt(text: string, at: number, form: Form): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return stringAt(text, at);
  if (code === OPEN_LIST || code === OPEN_OBJECT) return form.depth === 0 ? -1 : itemsAt(text, at, form);
  const end = endOf(WORD, text, at);
  return end - at > MAX_WORD && !form.blanks ? -1 : end;
}

function itemsAt(text: string, from: number, { depth, blanks }: Form): number {
  const close = text.charCodeAt(from) === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_LIST;
  const inside = { depth: depth - 1, blanks };
  let at = afterBlanks(text, from + 1, blanks);
  if (text.charCodeAt(at) === close) return at + 1;
  for (;;) {
    if (close === CLOSE_OBJECT) {
      if (text.charCodeAt(at) !== QUOTE || (at = stringAt(text, at)) < 0) return -1;
      at = afterBlanks(text, at, blanks);
      if (text.charCodeAt(at) !== COLON) return -1;
      at = afterBlanks(text, at + 1, blanks);
    }
    at = valueAt(text, at, inside);
    if (at < 0) return -1;
    at = afterBlanks(text, at, blanks);
    const code = text.charCodeAt(at);
    if (code === close) return at + 1;
    if (code !== COMMA) return -1;
    at = afterBlanks(text, at + 1, blanks);
  }
}

function afterBlanks(text: string, from: number, blanks: boolean): number {
  if (!blanks) return from;
  for (let at = from;; at++) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
  }
}

function stringAt(text: string, from: number): number {
  for (let at = from + 1;; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    // The end of the text is no number, so that it is not at least a blank either.
    if (!(code >= 32)) return -1;
    if (code !== BACKSLASH) continue;
    const end = endOf(ESCAPE, text, at + 1);
    if (end < 0) return -1;
    at = end - 1;
  }
}

function endOf(form: RegExp, text: string, at: number): number {
  form.lastIndex = at;
  return form.test(text) ? form.lastIndex : -1;
}
