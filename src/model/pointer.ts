/**
 * Owns pointers into a value (RFC 6901): whether one is well written, and what it leads to in the text of a value.
 * Must not know whose value it is.
 * Invariant: of a value only what the pointer leads to is ever made, however large the rest: the text is passed over.
 */

/** Longest pointer, in UTF-16 code units. */
export const MAX_POINTER = 1_000;

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;

/** What is wrong with a pointer, in words; `undefined` if nothing is. */
export function pointerProblem(pointer: string): string | undefined {
  if (pointer.length > MAX_POINTER) {
    return `A path may have at most ${MAX_POINTER} characters; it has ${pointer.length}`;
  }
  if (pointer !== "" && !pointer.startsWith("/")) {
    return `A path begins with "/", such as "/loss" or "/hosts/0"; received ${
      JSON.stringify(pointer.slice(0, 60))
    }`;
  }
  return /~(?![01])/.test(pointer) ? 'In a path "~" is written ~0, and "/" in a key ~1' : undefined;
}

/** The pointer that these keys make. */
export function pointerOf(keys: readonly string[]): string {
  return keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The keys of a pointer. */
export function keysOf(pointer: string): string[] {
  return pointer.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The text of what a pointer leads to in a text of JSON; `undefined` where it leads to nothing. */
export function textAt(json: string, pointer: string): string | undefined {
  const from = placeAt(json, pointer);
  return from === undefined ? undefined : json.slice(from, endOf(json, from));
}

/** Where in a text of JSON that begins which a pointer leads to; `undefined` where it leads to nothing. */
export function placeAt(json: string, pointer: string): number | undefined {
  let from = afterBlanks(json, 0);
  for (const key of keysOf(pointer)) {
    const code = json.charCodeAt(from);
    const inside = code === OPEN_OBJECT
      ? memberOf(json, from, key)
      : code === OPEN_LIST
      ? itemOf(json, from, key)
      : undefined;
    if (inside === undefined) return undefined;
    from = inside;
  }
  return from;
}

/** The items of a list by their places. */
export interface ItemPlaces {
  readonly count: number;
  /** Where each begins and ends, one after the other; only of as many as were asked for. */
  readonly bounds: Int32Array;
}

/** The items of the list that begins here; `undefined` if none does. @param most Of so many the places are told. */
export function itemsAt(json: string, from: number, most: number): ItemPlaces | undefined {
  if (json.charCodeAt(from) !== OPEN_LIST) return undefined;
  let bounds: Int32Array = new Int32Array(64);
  let count = 0;
  let at = afterBlanks(json, from + 1);
  while (at < json.length && json.charCodeAt(at) !== CLOSE_LIST) {
    const end = endOf(json, at);
    if (count < most) {
      if (2 * count === bounds.length) bounds = grown(bounds);
      bounds[2 * count] = at;
      bounds[2 * count + 1] = end;
    }
    count++;
    at = afterBlanks(json, end);
    if (json.charCodeAt(at) === COMMA) at = afterBlanks(json, at + 1);
  }
  return { count, bounds };
}

function grown(bounds: Int32Array): Int32Array {
  const larger = new Int32Array(2 * bounds.length);
  larger.set(bounds);
  return larger;
}

/** Where the value of a key begins. Of several the last counts, as for `JSON.parse`. */
function memberOf(json: string, open: number, key: string): number | undefined {
  let found: number | undefined;
  for (let at = afterBlanks(json, open + 1); json.charCodeAt(at) === QUOTE;) {
    const end = endOf(json, at);
    const isIt = isKey(json.slice(at, end), key);
    at = afterBlanks(json, afterBlanks(json, end) + 1);
    if (isIt) found = at;
    at = afterBlanks(json, endOf(json, at));
    if (json.charCodeAt(at) !== COMMA) break;
    at = afterBlanks(json, at + 1);
  }
  return found;
}

function isKey(quoted: string, key: string): boolean {
  return quoted.includes("\\") ? JSON.parse(quoted) === key : quoted.slice(1, -1) === key;
}

/** Where an item of a list begins. */
function itemOf(json: string, open: number, key: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,9})$/.test(key)) return undefined;
  let at = afterBlanks(json, open + 1);
  if (json.charCodeAt(at) === CLOSE_LIST) return undefined;
  for (let left = Number(key); left > 0; left--) {
    at = afterBlanks(json, endOf(json, at));
    if (json.charCodeAt(at) !== COMMA) return undefined;
    at = afterBlanks(json, at + 1);
  }
  return at;
}

/** Where the value ends that begins here. */
function endOf(json: string, from: number): number {
  const code = json.charCodeAt(from);
  if (code === QUOTE) return afterString(json, from);
  if (code !== OPEN_OBJECT && code !== OPEN_LIST) {
    let at = from;
    while (at < json.length && !/[\s,\]}]/.test(json[at]!)) at++;
    return at;
  }
  let depth = 0;
  for (let at = from; at < json.length;) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = afterString(json, at);
      continue;
    }
    at++;
    if (code === OPEN_OBJECT || code === OPEN_LIST) depth++;
    else if ((code === CLOSE_OBJECT || code === CLOSE_LIST) && --depth === 0) return at;
  }
  return json.length;
}

function afterString(json: string, open: number): number {
  for (let at = json.indexOf('"', open + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let before = at;
    while (json.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return json.length;
}

function afterBlanks(json: string, from: number): number {
  let at = from;
  for (
    let code = json.charCodeAt(at);
    code === 0x20 || code >= 0x09 && code <= 0x0d;
    code = json.charCodeAt(at)
  ) at++;
  return at;
}
