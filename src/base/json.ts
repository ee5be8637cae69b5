/**
 * Owns the question whether a text is JSON, asked without making anything of it: a value of megabytes costs no memory.
 * Must not know what the text means.
 * Invariant: `isJson(text, depth)` only if `JSON.parse(text)` succeeds; what was written with blanks between its parts is
 * not taken, since `JSON.stringify` writes none.
 */

const QUOTE = 34, COMMA = 44, COLON = 58, BACKSLASH = 92;
const ARRAY = 91, ARRAY_END = 93, OBJECT = 123, OBJECT_END = 125;
/** What is neither a string nor holds others. */
const WORD = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?=[,\]}]|$)/y;
const ESCAPE = /["\\/bfnrt]|u[\da-fA-F]{4}/y;
/** No number is longer, in UTF-16 code units: `JSON.stringify` writes at most 25. */
const MAX_WORD = 32;

/** Whether a text is JSON as `JSON.stringify` writes it, nested at most so deep. */
export function isJson(text: string, depth: number): boolean {
  return valueAt(text, 0, depth) === text.length;
}

/** Where the value that begins here ends; -1 if none does. */
function valueAt(text: string, at: number, depth: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return stringAt(text, at);
  if (code === ARRAY) return depth === 0 ? -1 : itemsAt(text, at, { depth, end: ARRAY_END });
  if (code === OBJECT) return depth === 0 ? -1 : itemsAt(text, at, { depth, end: OBJECT_END });
  const end = endOf(WORD, text, at);
  return end - at > MAX_WORD ? -1 : end;
}

function itemsAt(
  text: string,
  from: number,
  { depth, end }: { readonly depth: number; readonly end: number },
): number {
  if (text.charCodeAt(from + 1) === end) return from + 2;
  for (let at = from;;) {
    if (end === OBJECT_END) {
      at = text.charCodeAt(at + 1) === QUOTE ? stringAt(text, at + 1) : -1;
      if (at < 0 || text.charCodeAt(at) !== COLON) return -1;
    }
    at = valueAt(text, at + 1, depth - 1);
    if (at < 0) return -1;
    const code = text.charCodeAt(at);
    if (code === end) return at + 1;
    if (code !== COMMA) return -1;
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
