/**
 * Owns the value rule: JSON values and bytes, the same between tasks, in the journal, over HTTP and in other languages.
 * Must not know who hands values to whom.
 * Invariant: `decode(encode(v))` equals `v` (but for -0, which JSON has no word for), or `encode` throws; nothing is
 * changed silently. (An array is its items: what else was put on it is no part of it.)
 *
 * The text of a value is its JSON, with bytes as `{"$bytes": "<base64>"}`. An object of the caller's that has a single
 * key of the form `$bytes`, `$$bytes`, … gets one more `$` in the text, so that the two never meet.
 */
import { fromBase64, toBase64 } from "../base/base64.ts";
import { bytesBeyond, MAX_VALUE_BYTES } from "../base/limits.ts";
import {
  ArrayPrototype,
  create,
  exec,
  getOwnPropertySymbols,
  getPrototypeOf,
  hasOwn,
  indexOf,
  isArray,
  isBytes,
  isFinite,
  keys,
  ObjectPrototype,
  parse,
  put,
  setPrototypeOf,
  slice,
  stringify,
} from "../base/primordials.ts";

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

/** A value that can't be sent. The message names the path: `report.items[3].fn is a function`. */
export class ValueError extends TypeError {
  /** Stable, for programs. */
  readonly code = "OUTRIDER_VALUE";
  /** Always `ValueError`. */
  override name = "ValueError";
}

const ESCAPED = /^\$+bytes$/;
/** A key that can be written behind a dot. */
const NAME = /^[A-Za-z_$][\w$]*$/;

/**
 * The JSON text of a value; `undefined` (nothing) stays `undefined`.
 *
 * @param value What to send.
 * @param name What the path in an error starts with, such as the task's name.
 * @throws {ValueError} If something in it is neither a JSON value nor bytes, or it is too deep or too long.
 */
export function encode(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  const scalar = scalarText(value);
  if (scalar !== undefined) return scalar;
  const special = inspect(value, name, 0);
  const text = written(special ? escape(value) : value, name);
  const bytes = bytesBeyond(text, MAX_VALUE_BYTES);
  if (bytes !== undefined) throw tooLarge(name, `has ${bytes} bytes`);
  return text;
}

/** The JSON text of a number, a boolean or null; `undefined` for all else. */
export function scalarText(value: unknown): string | undefined {
  if (value === null || value === true || value === false) return `${value}`;
  return typeof value === "number" && isFinite(value) ? `${value === 0 ? 0 : value}` : undefined;
}

/** What an engine throws where a text would be longer than any can be. */
const TooLong = RangeError;

function written(value: unknown, name: string): string {
  try {
    return jsonOf(value);
  } catch (error) {
    if (error instanceof TooLong) throw tooLarge(name, "is too long to be written");
    throw error;
  }
}

/**
 * The JSON text of what is known to be JSON, whatever form in JSON somebody has given all objects or all arrays.
 *
 * @param value Of what `encode` has accepted, or of our own making.
 */
export function jsonOf(value: unknown): string {
  return stringify(isSpoilt() ? bare(value) : value);
}

/** Whether somebody has given all objects or all arrays another form in JSON: none of theirs. */
function isSpoilt(): boolean {
  return hasOwn(ObjectPrototype, "toJSON") || hasOwn(ArrayPrototype, "toJSON");
}

/** The same value made of what inherits nothing. */
function bare(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (isArray(value)) return setPrototypeOf(eachOf(value, bare), null);
  const copy = create(null) as object;
  const names = keys(value);
  for (let at = 0; at < names.length; at++) {
    put(copy, names[at]!, bare((value as Record<string, unknown>)[names[at]!]));
  }
  return copy;
}

function tooLarge(name: string, what: string): ValueError {
  return new ValueError(
    `${name} ${what} as JSON, more than the ${MAX_VALUE_BYTES} that a value may have: write it to a file and return the path`,
  );
}

/** The value of a text that `encode` made. Every call makes a new value, which is the caller's to change. */
export function decode(text: string): Value {
  const value = parse(text) as Value;
  return indexOf(text, 'bytes"') >= 0 ? unescape(value) : value;
}

/** Checks a value; says whether it holds bytes or keys that need escaping. */
function inspect(value: unknown, path: string, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return false;
    case "number":
      if (isFinite(value as number)) return false;
      throw new ValueError(`${path} is ${value}, which JSON can't hold: use null or a string`);
    case "object":
      return value !== null && inspectObject(value, path, depth);
    case "undefined":
      throw new ValueError(`${path} is undefined: leave it out or use null`);
    default:
      throw new ValueError(`${path} is a ${typeof value}: a value is JSON or a Uint8Array`);
  }
}

/** Whether it is JSON and holds nothing. */
function isScalar(item: unknown): boolean {
  const type = typeof item;
  return type === "string" || type === "boolean" || item === null || type === "number" && isFinite(item);
}

function inspectObject(value: object, path: string, depth: number): boolean {
  if (depth >= MAX_DEPTH) {
    throw new ValueError(`${slice(path, 0, 80)}… is nested more than ${MAX_DEPTH} deep, or holds itself`);
  }
  if (isArray(value)) return inspectArray(value, path, depth);
  if (isBytes(value)) return true;
  if (!isPlain(getPrototypeOf(value) as object | null)) {
    throw new ValueError(`${path} is a ${className(value)}: ${adviceFor(value)}`);
  }
  const names = keys(value);
  let special = names.length === 1 && exec(ESCAPED, names[0]!) !== null;
  for (let at = 0; at < names.length; at++) {
    const key = names[at]!;
    const item = (value as Record<string, unknown>)[key];
    // Most are such, and their path costs more than all the rest.
    if (isScalar(item)) continue;
    if (inspect(item, pathOf(path, key), depth + 1)) special = true;
  }
  refuseOwnForm(value, path);
  if (getOwnPropertySymbols(value).length > 0) {
    throw new ValueError(`${path} has a symbol as a key: use a string`);
  }
  return special;
}

/** JSON would ask it for another form of it. One that all objects or all arrays were given is not its own, see `bare`. */
function refuseOwnForm(value: object, path: string): void {
  let from: object | null = value;
  while (from !== null && from !== ObjectPrototype && from !== ArrayPrototype) {
    if (hasOwn(from, "toJSON") && typeof (value as { toJSON?: unknown }).toJSON === "function") {
      throw new ValueError(`${path}.toJSON is a function: a value is JSON or a Uint8Array`);
    }
    from = getPrototypeOf(from) as object | null;
  }
}

/** Whether what has this prototype inherits no fields: none, or what all objects have, also in another realm. */
function isPlain(prototype: object | null): boolean {
  if (prototype === null || prototype === ObjectPrototype) return true;
  return getPrototypeOf(prototype) === null && hasOwn(prototype, "isPrototypeOf");
}

function inspectArray(value: readonly unknown[], path: string, depth: number): boolean {
  let special = false;
  refuseOwnForm(value, path);
  for (let at = 0; at < value.length; at++) {
    const item = value[at];
    if (isScalar(item)) continue;
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
  return exec(NAME, key) !== null ? `${path}.${key}` : `${path}[${stringify(key)}]`;
}

function escape(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (isBytes(value)) return { $bytes: toBase64(value) };
  if (isArray(value)) return eachOf(value, escape);
  const names = keys(value);
  const only = names.length === 1 && exec(ESCAPED, names[0]!) !== null;
  const escaped = {};
  for (let at = 0; at < names.length; at++) {
    const key = names[at]!;
    put(escaped, only ? `$${key}` : key, escape((value as Record<string, unknown>)[key]));
  }
  return escaped;
}

/** A parsed text's value with its bytes; for texts that were parsed as part of a larger one. */
export function unescape(value: Value): Value {
  if (value === null || typeof value !== "object" || isBytes(value)) return value;
  if (isArray(value)) return eachOf(value as readonly Value[], unescape);
  const whole = value as { readonly [key: string]: Value };
  const names = keys(whole);
  const only = names.length === 1 && exec(ESCAPED, names[0]!) !== null;
  if (only && names[0] === "$bytes" && typeof whole["$bytes"] === "string") {
    return fromBase64(whole["$bytes"]);
  }
  const unescaped: Record<string, Value> = {};
  for (let at = 0; at < names.length; at++) {
    const key = names[at]!;
    put(unescaped, only ? slice(key, 1) : key, unescape(whole[key]!));
  }
  return unescaped;
}

function eachOf<From, To>(list: readonly From[], change: (item: From) => To): To[] {
  const changed: To[] = [];
  for (let at = 0; at < list.length; at++) put(changed, at, change(list[at]!));
  return changed;
}
