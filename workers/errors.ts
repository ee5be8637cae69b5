/**
 * Owns what becomes of a thrown value: plain data, with its cause and a stack without our own frames.
 * Must not know who threw it.
 * Invariant: never throws itself, whatever was thrown.
 */
import { exec, indexOf, slice, stringify } from "../src/base/primordials.ts";
import type { ErrorData } from "../src/model/outcome.ts";
import { formatted } from "../src/runtime/console.ts";

/** How many causes are followed. */
const MAX_CAUSES = 8;
/** Longest message or stack kept, in UTF-16 code units. */
const MAX_TEXT: number = 32 * 1024;

/** Most of a stack that is looked at. */
const MAX_STACK: number = 2 * MAX_TEXT;

/** What stands in the place of what can't be read. */
const UNREADABLE = "Thrown: something that can't be read";
/** Lines of a stack that are not the task's. */
const OURS = /outrider-worker|data:text\/javascript;base64|\[eval\]|async_hooks|async_local_storage/;

/** The JSON text of a thrown value as data. */
export function errorText(thrown: unknown): string {
  return textOf(errorData(thrown));
}

/** Written by hand: `stringify` would ask every object whether it wants to be written otherwise. */
function textOf({ name, message, stack, cause }: ErrorData): string {
  return `{"name":${stringify(name)},"message":${stringify(message)}` +
    (stack === undefined ? "" : `,"stack":${stringify(stack)}`) +
    (cause === undefined ? "}" : `,"cause":${textOf(cause)}}`);
}

/** What is logged of an error that nothing caught. @param late Whether its attempt is known, and has ended. */
export function uncaughtText(thrown: unknown, late: boolean): string {
  const { name, message, stack } = errorData(thrown);
  const text = stack !== undefined && indexOf(stack, message) >= 0 ? stack : `${name}: ${message}`;
  return `${late ? "Uncaught after the task's end" : "Uncaught"}: ${text}`;
}

/** A thrown value as data. */
export function errorData(thrown: unknown, depth = 0): ErrorData {
  try {
    if (!isErrorLike(thrown)) return { name: "Error", message: clip(`Thrown: ${formatted([thrown])}`) };
    const { name, message, stack, cause } = thrown as Error & { cause?: unknown };
    return {
      name: clip(`${name}`),
      message: clip(`${message}`),
      ...(typeof stack === "string" ? { stack: clip(withoutOurs(stack)) } : {}),
      ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: errorData(cause, depth + 1) }),
    };
  } catch (error) {
    return { name: "Error", message: unreadable(error) };
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

function withoutOurs(whole: string): string {
  // A message of any length stands at its start; what is kept is in what is looked at.
  const stack = slice(whole, 0, MAX_STACK);
  let kept = "";
  for (let from = 0; from <= stack.length;) {
    const end = indexOf(stack, "\n", from);
    const line = slice(stack, from, end < 0 ? stack.length : end);
    if (exec(OURS, line) === null) kept += `${kept === "" ? "" : "\n"}${line}`;
    from = end < 0 ? stack.length + 1 : end + 1;
  }
  return kept;
}

function clip(text: string): string {
  return text.length > MAX_TEXT
    ? `${slice(text, 0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`
    : text;
}
