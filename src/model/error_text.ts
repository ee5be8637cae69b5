/**
 * Owns how an error is written for people: where it was, what it says of itself, and the errors behind it.
 * Must not know where it is shown: every line is as the error has it, control characters and all. It runs in workers too,
 * and takes nothing from prototypes there.
 * Invariant: there are no more lines than were asked for; that some are left out is the last.
 */
import { exec, indexOf, keys, put, slice, stringify } from "../base/primordials.ts";
import type { ErrorData } from "./outcome.ts";

/** How much is written. */
export interface ErrorTextOptions {
  /** Most frames of each error. Default: 20. */
  readonly frames?: number;
  /** Most lines in all. Default: 200. */
  readonly lines?: number;
}

/** Most characters of a field. */
const MAX_FIELD = 200;
/** Deepest nesting that is written. */
const MAX_DEPTH = 8;

/** Lines for what follows an error's name and message. */
export function errorLines(error: ErrorData, { frames = 20, lines = 200 }: ErrorTextOptions = {}): string[] {
  const written: string[] = [];
  const whole = write(error, { written, frames, lines, indent: "", depth: 0 });
  if (!whole) put(written, written.length, "… and more: the result as JSON has it");
  return written;
}

interface Writing {
  readonly written: string[];
  readonly frames: number;
  readonly lines: number;
  readonly indent: string;
  readonly depth: number;
}

/** Writes all of it; false if there was no room. */
function write(error: ErrorData, at: Writing): boolean {
  if (at.depth >= MAX_DEPTH) return false;
  const own = ownLines(error, at.frames);
  for (let each = 0; each < own.length; each++) if (!line(at, own[each]!)) return false;
  const { errors = [], cause } = error;
  for (let each = 0; each < errors.length; each++) {
    if (!nested(`error ${each + 1} of ${errors.length}: `, errors[each]!, at, "  ")) return false;
  }
  return cause === undefined || nested("caused by ", cause, at, "");
}

function nested(before: string, error: ErrorData, at: Writing, indent: string): boolean {
  const under = { ...at, indent: `${at.indent}${indent}`, depth: at.depth + 1 };
  return line(at, `${before}${error.name}: ${firstLine(error.message)}`) && write(error, under);
}

function line({ written, lines, indent }: Writing, text: string): boolean {
  if (written.length + 1 >= lines) return false;
  put(written, written.length, `${indent}${text}`);
  return true;
}

/** Frames (the innermost first), what it says of itself, and notes. */
function ownLines(error: ErrorData, most: number): readonly string[] {
  const lines: string[] = [];
  const add = (text: string) => put(lines, lines.length, text);
  const { frames, stack = "", notes = [], omitted } = error;
  if (frames !== undefined) {
    for (let at = frames.length - 1; at >= 0 && lines.length < most; at--) {
      const { file, line, function: name } = frames[at]!;
      add(`at ${name} (${file}:${line})`);
    }
  } else {
    for (let from = 0; from >= 0 && from < stack.length && lines.length < most;) {
      const end = indexOf(stack, "\n", from);
      const frame = exec(/^\s*(at .*)$/, slice(stack, from, end < 0 ? stack.length : end));
      if (frame !== null) add(frame[1]!);
      from = end < 0 ? -1 : end + 1;
    }
  }
  const said = fieldsText(error);
  if (said !== "") add(said);
  for (let at = 0; at < notes.length; at++) add(`note: ${firstLine(notes[at]!)}`);
  if (omitted !== undefined) add(`and ${omitted} more that it had are left out`);
  return lines;
}

/** Such as `code ECONNREFUSED, syscall connect, port 443`. */
function fieldsText({ code, fields = {} }: ErrorData): string {
  let text = code === undefined ? "" : `code ${code}`;
  const names = keys(fields);
  for (let at = 0; at < names.length; at++) {
    const value = fields[names[at]!];
    const shown = typeof value === "string" ? value : stringify(value);
    text += `${text === "" ? "" : ", "}${names[at]} ${slice(firstLine(shown), 0, MAX_FIELD)}`;
  }
  return text;
}

function firstLine(text: string): string {
  const end = indexOf(text, "\n");
  return end < 0 ? text : `${slice(text, 0, end)} …`;
}
