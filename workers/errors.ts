/**
 * Owns what becomes of a thrown value: plain data, with all that it says of itself and the errors behind it.
 * Must not know who threw it, nor what a stack looks like (stacks.ts).
 * Invariant: never throws itself, whatever was thrown; what it makes is bounded, and what is left out is counted.
 */
import { hasOwn, isArray, isFinite, keys, parse, put, slice, stringify } from "../src/base/primordials.ts";
import type { ErrorData } from "../src/model/outcome.ts";
import { errorLines } from "../src/model/error_text.ts";
import { encode, jsonOf, type Value } from "../src/model/value.ts";
import { formatted } from "../src/runtime/console.ts";
import { ofTask } from "./stacks.ts";

/** How deep errors behind errors are followed. */
const MAX_DEPTH = 8;
/** How many errors there may be in one. */
const MAX_ERRORS = 32;
/** How many fields one may have. */
const MAX_FIELDS = 16;
/** Longest field, as JSON, in UTF-16 code units. */
const MAX_FIELD = 1000;
/** Longest message or stack kept, in UTF-16 code units. */
const MAX_TEXT: number = 32 * 1024;
/** Longest all of them together, in UTF-16 code units. */
const MAX_ALL: number = 4 * MAX_TEXT;

/** What stands in the place of what can't be read. */
const UNREADABLE = "Thrown: something that can't be read";
/** What has a place of its own, or (the last two) is where Bun has found it. */
const KNOWN = ["name", "message", "stack", "cause", "errors", "code", "sourceURL", "line"];

/** The JSON text of a thrown value as data. */
export function errorText(thrown: unknown): string {
  return textOf(errorData(thrown));
}

/** Written by hand: `stringify` would ask every object whether it wants to be written otherwise. */
function textOf({ name, message, code, stack, fields, errors, cause, omitted }: ErrorData): string {
  return `{"name":${stringify(name)},"message":${stringify(message)}` +
    (code === undefined ? "" : `,"code":${stringify(code)}`) +
    (stack === undefined ? "" : `,"stack":${stringify(stack)}`) +
    (fields === undefined ? "" : `,"fields":${jsonOf(fields)}`) +
    (errors === undefined ? "" : `,"errors":${listOf(errors)}`) +
    (cause === undefined ? "" : `,"cause":${textOf(cause)}`) +
    (omitted === undefined ? "}" : `,"omitted":${omitted}}`);
}

function listOf(errors: readonly ErrorData[]): string {
  let text = "";
  for (let at = 0; at < errors.length; at++) text += `${at === 0 ? "" : ","}${textOf(errors[at]!)}`;
  return `[${text}]`;
}

/** What is logged of an error that nothing caught. @param late Whether its attempt is known, and has ended. */
export function uncaughtText(thrown: unknown, late: boolean): string {
  const error = errorData(thrown);
  let text = `${late ? "Uncaught after the task's end" : "Uncaught"}: ${error.name}: ${error.message}`;
  const lines = errorLines(error);
  for (let at = 0; at < lines.length; at++) text += `\n${lines[at]}`;
  return text;
}

/** A thrown value as data. */
export function errorData(thrown: unknown): ErrorData {
  return new Reading().error(thrown, []);
}

/** Reads one thrown value, with all that is behind it. */
class Reading {
  #errors = 0;
  #text: number = MAX_ALL;

  /** @param above The errors that it is behind. */
  error(thrown: unknown, above: readonly unknown[]): ErrorData {
    this.#errors++;
    try {
      if (!isErrorLike(thrown)) {
        return { name: "Error", message: this.#clip(`Thrown: ${formatted([thrown])}`) };
      }
      const { name, message, stack, code } = thrown as Error & { readonly code?: unknown };
      const path: unknown[] = [];
      for (let at = 0; at < above.length; at++) put(path, at, above[at]);
      put(path, path.length, thrown);
      const { list, left } = this.#each(errorsOf(thrown), path);
      const { fields, count } = fieldsOf(thrown);
      const cause = (thrown as { cause?: unknown }).cause;
      const behind = cause === undefined || cause === null ? NONE : this.#each([cause], path);
      const omitted = left + count + behind.left;
      return {
        name: this.#clip(`${name}`),
        message: this.#clip(`${message}` || summary(list)),
        ...(isCode(code, thrown)
          ? { code: typeof code === "string" ? slice(code, 0, MAX_FIELD) : code }
          : {}),
        ...(typeof stack === "string" ? { stack: this.#clip(ofTask(stack, `${message}`)) } : {}),
        ...(fields === undefined ? {} : { fields }),
        ...(list.length === 0 ? {} : { errors: list }),
        ...(behind.list.length === 0 ? {} : { cause: behind.list[0]! }),
        ...(omitted === 0 ? {} : { omitted }),
      };
    } catch (error) {
      return { name: "Error", message: unreadable(error) };
    }
  }

  /** Those that are told, and how many are not. One that they are behind themselves is told of there. */
  #each(errors: readonly unknown[], path: readonly unknown[]): Behind {
    const list: ErrorData[] = [];
    let left = 0;
    for (let at = 0; at < errors.length; at++) {
      if (has(path, errors[at])) continue;
      if (path.length > MAX_DEPTH || this.#errors >= MAX_ERRORS) left++;
      else put(list, list.length, this.error(errors[at], path));
    }
    return { list, left };
  }

  #clip(text: string): string {
    const most = this.#text < MAX_TEXT ? this.#text : MAX_TEXT;
    this.#text -= text.length < most ? text.length : most;
    return clipped(text, most);
  }
}

interface Behind {
  readonly list: readonly ErrorData[];
  readonly left: number;
}
const NONE: Behind = { list: [], left: 0 };

function has(list: readonly unknown[], what: unknown): boolean {
  for (let at = 0; at < list.length; at++) if (list[at] === what) return true;
  return false;
}

/** Of an `AggregateError`, and of a `SuppressedError` both. */
function errorsOf(thrown: object): readonly unknown[] {
  const { errors, error, suppressed } = thrown as Readonly<Record<string, unknown>>;
  if (isArray(errors) && anyError(errors)) return errors;
  return hasOwn(thrown, "suppressed") && hasOwn(thrown, "error") ? [error, suppressed] : [];
}

/** A list of something else is a field. */
function anyError(list: readonly unknown[]): boolean {
  for (let at = 0; at < list.length; at++) if (isErrorLike(list[at])) return true;
  return false;
}

/** Bun gives none to what `Promise.any` rejects with. */
function summary(errors: readonly ErrorData[]): string {
  return errors.length === 0 ? "" : `${errors.length} errors, the first: ${errors[0]!.message}`;
}

/** The number that every `DOMException` has says nothing that its name does not. */
function isCode(code: unknown, thrown: object): code is string | number {
  return typeof code === "string" || typeof code === "number" && isFinite(code) && hasOwn(thrown, "code");
}

/** The fields that it has of its own, and how many there are beside. */
function fieldsOf(
  thrown: object,
): { readonly fields?: Readonly<Record<string, Value>>; readonly count: number } {
  const names = keys(thrown);
  const fields: Record<string, Value> = {};
  let some = 0, count = 0;
  for (let at = 0; at < names.length; at++) {
    const name = names[at]!;
    if (has(KNOWN, name) && (name !== "errors" || errorsOf(thrown).length > 0)) continue;
    const value = some < MAX_FIELDS && name.length <= MAX_FIELD ? fieldOf(thrown, name) : undefined;
    if (value === undefined) count++;
    else {
      put(fields, name, value);
      some++;
    }
  }
  return some === 0 ? { count } : { fields, count };
}

/** A field as it is told; nothing if it can't be, such as a socket. */
function fieldOf(thrown: object, name: string): Value | undefined {
  try {
    const value = (thrown as Readonly<Record<string, unknown>>)[name];
    if (typeof value === "string") return clipped(value, MAX_FIELD);
    if (typeof value === "bigint" || typeof value === "number" && !isFinite(value)) return `${value}`;
    if (isErrorLike(value)) return clipped(`${value.name}: ${value.message}`, MAX_FIELD);
    const text = encode(value, name);
    return text === undefined || text.length > MAX_FIELD ? undefined : parse(text) as Value;
  } catch {
    return undefined;
  }
}

/** @param error What reading it threw, which may throw as well. */
function unreadable(error: unknown): string {
  try {
    return `${UNREADABLE} (${error})`;
  } catch {
    return UNREADABLE;
  }
}

function isErrorLike(thrown: unknown): thrown is Error {
  return typeof thrown === "object" && thrown !== null && "name" in thrown && "message" in thrown;
}

function clipped(text: string, most: number): string {
  return text.length > most ? `${slice(text, 0, most)}… (${text.length - most} more characters)` : text;
}
