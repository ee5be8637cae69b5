/**
 * Owns how much may be in a JSON text before anybody makes values of it.
 * Must not know what the text means, nor how it came.
 * Invariant: it costs no memory that grows with the text: a bomb is found while it is still a text.
 *
 * Parsing turns two bytes into dozens: `[0,0,0,…` of 150 MB, which gzip makes 150 kB of, takes gigabytes and half a minute.
 */

/** Deepest nesting of JSON from outside: that of a value (`MAX_DEPTH` of the value rule), and what stands around it. */
export const MAX_JSON_DEPTH = 512;

const QUOTE = 0x22,
  BACKSLASH = 0x5c,
  OPEN_LIST = 0x5b,
  OPEN_OBJECT = 0x7b,
  CLOSE_LIST = 0x5d,
  CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c, COLON = 0x3a, MINUS = 0x2d, PLUS = 0x2b, POINT = 0x2e, ZERO = 0x30, NINE = 0x39;
const SMALL_E = 0x65, LARGE_E = 0x45;
/** The words of JSON by their first letter. */
const WORDS: ReadonlyMap<number, string> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), word]),
);

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

/** Whether a text is JSON, no deeper than `MAX_JSON_DEPTH`. It says what `JSON.parse` would, and makes nothing of it. */
export function isJson(text: string): boolean {
  /** By depth: whether an object is open there. */
  const objects = new Uint8Array(MAX_JSON_DEPTH);
  let depth = 0;
  let at = 0;
  for (;;) {
    at = afterSpace(text, at);
    const code = text.charCodeAt(at);
    if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (depth === MAX_JSON_DEPTH) return false;
      const object = code === OPEN_OBJECT;
      objects[depth++] = object ? 1 : 0;
      at = afterSpace(text, at + 1);
      if (text.charCodeAt(at) !== (object ? CLOSE_OBJECT : CLOSE_LIST)) {
        if (object && (at = afterKey(text, at)) < 0) return false;
        continue;
      }
      // It is empty: the bracket that closes it is taken below.
    } else if ((at = code === QUOTE ? afterString(text, at) : afterScalar(text, at)) < 0) return false;
    for (;;) {
      at = afterSpace(text, at);
      if (depth === 0) return at === text.length;
      const object = objects[depth - 1] === 1;
      const next = text.charCodeAt(at++);
      if (next === COMMA) {
        if (object && (at = afterKey(text, afterSpace(text, at))) < 0) return false;
        break;
      }
      if (next !== (object ? CLOSE_OBJECT : CLOSE_LIST)) return false;
      depth--;
    }
  }
}

// Each of these returns the offset after what it is named for, -1 if that is not there.

function afterSpace(text: string, from: number): number {
  let at = from;
  for (;; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x20 || (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)) return at;
  }
}

function afterKey(text: string, from: number): number {
  if (text.charCodeAt(from) !== QUOTE) return -1;
  const end = afterString(text, from);
  if (end < 0) return -1;
  const at = afterSpace(text, end);
  return text.charCodeAt(at) === COLON ? at + 1 : -1;
}

function afterString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code < 0x20) return -1;
    if (code !== BACKSLASH) continue;
    const escape = text[++at] ?? "";
    if (escape === "u") {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) return -1;
      at += 4;
    } else if (!'"\\/bfnrt'.includes(escape) || escape === "") return -1;
  }
  return -1;
}

function afterScalar(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first > NINE) {
    const word = WORDS.get(first);
    return word !== undefined && text.startsWith(word, from) ? from + word.length : -1;
  }
  let at = first === MINUS ? from + 1 : from;
  const whole = at;
  at = afterDigits(text, at);
  if (at === whole || (text.charCodeAt(whole) === ZERO && at > whole + 1)) return -1;
  if (text.charCodeAt(at) === POINT) {
    const fraction = at + 1;
    at = afterDigits(text, fraction);
    if (at === fraction) return -1;
  }
  const next = text.charCodeAt(at);
  if (next !== SMALL_E && next !== LARGE_E) return at;
  const sign = text.charCodeAt(at + 1);
  const exponent = at + (sign === MINUS || sign === PLUS ? 2 : 1);
  at = afterDigits(text, exponent);
  return at === exponent ? -1 : at;
}

/** The same offset if there is no digit. */
function afterDigits(text: string, from: number): number {
  let at = from;
  for (;; at++) {
    const code = text.charCodeAt(at);
    if (!(code >= ZERO && code <= NINE)) return at;
  }
}
