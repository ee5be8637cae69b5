/**
 * Owns the value rule: JSON values and bytes, the same between tasks, in the journal, over HTTP and in other languages.
 * Must not know who hands values to whom.
 * Invariant: `decode(encode(v))` equals `v` (but for -0, which JSON has no word for), or `encode` throws; nothing is
 * changed silently.
 *
 * The text of a value is its JSON, with bytes as `{"$bytes": "<base64>"}`. An object of the caller's that has a single
 * key of the form `$bytes`, `$$bytes`, … gets one more `$` in the text, so that the two never meet.
 */

/** What a task may return, put into the store or send with an event. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

/** Deepest nesting of a value. Deeper is an error that names the path's start. */
export const MAX_DEPTH = 500;

/** Longest text of a value, in UTF-16 code units (64 Mi). */
export const MAX_VALUE_LENGTH: number = 64 * 1024 * 1024;

/** A value that can't be sent. The message names the path: `report.items[3].fn is a function`. */
export class ValueError extends TypeError {
  /** Stable, for programs. */
  readonly code = "OUTRIDER_VALUE";
  /** Always `ValueError`. */
  override name = "ValueError";
}

const ESCAPED = /^\$+bytes$/;

/**
 * The JSON text of a value; `undefined` (nothing) stays `undefined`.
 *
 * @param value What to send.
 * @param name What the path in an error starts with, such as the task's name.
 * @throws {ValueError} If something in it is neither a JSON value nor bytes, or it is too deep or too long.
 */
export function encode(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value === 0 ? 0 : value);
  const special = inspect(value, name, 0);
  const text = JSON.stringify(special ? escape(value) : value);
  if (text.length > MAX_VALUE_LENGTH) {
    throw new ValueError(
      `${name} is ${text.length} characters long as JSON, more than the ${MAX_VALUE_LENGTH} that a value may have: write it to a file and return the path`,
    );
  }
  return text;
}

/** The value of a text that `encode` made. Every call makes a new value, which is the caller's to change. */
export function decode(text: string): Value {
  const value = JSON.parse(text) as Value;
  return text.includes('bytes"') ? unescape(value) : value;
}

/** Checks a value; says whether it holds bytes or keys that need escaping. */
function inspect(value: unknown, path: string, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return false;
    case "number":
      if (Number.isFinite(value)) return false;
      throw new ValueError(`${path} is ${value}, which JSON can't hold: use null or a string`);
    case "object":
      return value !== null && inspectObject(value, path, depth);
    case "undefined":
      throw new ValueError(`${path} is undefined: leave it out or use null`);
    default:
      throw new ValueError(`${path} is a ${typeof value}: a value is JSON or a Uint8Array`);
  }
}

function inspectObject(value: object, path: string, depth: number): boolean {
  if (depth >= MAX_DEPTH) {
    throw new ValueError(`${path.slice(0, 80)}… is nested more than ${MAX_DEPTH} deep, or holds itself`);
  }
  if (Array.isArray(value)) return inspectArray(value, path, depth);
  if (value instanceof Uint8Array) return true;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    throw new ValueError(`${path} is a ${className(value)}: ${adviceFor(value)}`);
  }
  const keys = Object.keys(value);
  let special = keys.length === 1 && ESCAPED.test(keys[0]!);
  for (const key of keys) {
    if (inspect((value as Record<string, unknown>)[key], pathOf(path, key), depth + 1)) special = true;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    throw new ValueError(`${path}.toJSON is a function: a value is JSON or a Uint8Array`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new ValueError(`${path} has a symbol as a key: use a string`);
  }
  return special;
}

function inspectArray(value: readonly unknown[], path: string, depth: number): boolean {
  let special = false;
  for (let at = 0; at < value.length; at++) {
    const item = value[at];
    if (typeof item === "number" && Number.isFinite(item)) continue;
    if (inspect(item, `${path}[${at}]`, depth + 1)) special = true;
  }
  return special;
}

function className(value: object): string {
  return (value.constructor as { name?: string } | undefined)?.name || "object of a class";
}

function adviceFor(value: object): string {
  if (value instanceof Date) return "use toISOString()";
  if (value instanceof Map) return "use Object.fromEntries()";
  if (value instanceof Set) return "use an array";
  if (value instanceof Error) return "throw it, or use its message";
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return "use a Uint8Array";
  return "a value is made of plain objects, arrays and bytes";
}

function pathOf(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function escape(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (Array.isArray(value)) return value.map(escape);
  const entries = Object.entries(value);
  const only = entries.length === 1 && ESCAPED.test(entries[0]![0]);
  return Object.fromEntries(entries.map(([key, item]) => [only ? `$${key}` : key, escape(item)]));
}

/** A parsed text's value with its bytes; for texts that were parsed as part of a larger one. */
export function unescape(value: Value): Value {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(unescape);
  const entries = Object.entries(value);
  const [key, item] = entries[0] ?? ["", null];
  if (entries.length === 1 && ESCAPED.test(key)) {
    return key === "$bytes" && typeof item === "string"
      ? fromBase64(item)
      : { [key.slice(1)]: unescape(item) };
  }
  return Object.fromEntries(entries.map(([name, inner]) => [name, unescape(inner)]));
}

/** Base64 of bytes. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/** Bytes of base64. */
export function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
