/**
 * Owns which lines of a stack are the task's: neither this program's nor the runtime's.
 * Must not know errors.
 * Invariant: what stands before the first frame, which is the error's own words, stays as it is.
 */
import { exec, indexOf, slice } from "../src/base/primordials.ts";

/** Most lines of a stack that are looked at, behind the words. */
const MAX_LINES = 200;
/** Longest line that is looked at, but for those with code in a `data:` URL. */
const MAX_LINE = 2000;

/** A frame, and where it is: `at async name (place)`, `at place`. */
const FRAME = /^\s*at (?:async )?(?:.*\()?(.*?)\)?$/;
/** Places in a runtime, of what is built in, and of this program where it has a name. */
const NOT_THE_TASKS =
  /^(?:(?:node|ext|bun|internal|outrider-worker):|(?:.*\/)?\[eval\d*\]:|:\d|(?:native|unknown)(?::|$)|(?:.*[\\/])?outrider-worker\.m?js:|<anonymous>$|index \d+$|$)/;
/** Where code in a `data:` URL is; Deno shortens it, Bun writes all of it. */
const DATA = "data:";
/** So much of one tells it from others. */
const DATA_START = 42;
/** How code of a pipeline that has no file is called: that of a bundle. */
const CODE = "bundle";

/** The start of this program's own `data:` URL, if it is in one. */
const OWN: string | undefined = ownUrl();

function ownUrl(): string | undefined {
  const { stack } = new Error();
  const at = typeof stack === "string" ? indexOf(stack, DATA) : -1;
  return at < 0 ? undefined : slice(stack as string, at, at + DATA_START);
}

/** The stack with none but the task's frames. @param message The error's, which may have lines that look like frames. */
export function ofTask(stack: string, message: string): string {
  const said = indexOf(stack, message);
  let end = indexOf(stack, "\n", said < 0 ? 0 : said + message.length);
  if (end < 0) return stack;
  let kept = slice(stack, 0, end);
  for (let lines = 0; end >= 0 && lines < MAX_LINES; lines++) {
    const from = end + 1;
    end = indexOf(stack, "\n", from);
    const line = told(slice(stack, from, end < 0 ? stack.length : end));
    if (line !== undefined) kept += `\n${line}`;
  }
  return kept;
}

/** The line as it is told; nothing if it is a frame that is not the task's. */
function told(line: string): string | undefined {
  const data = indexOf(line, DATA);
  if (data >= 0 && exec(FRAME, slice(line, 0, data + DATA.length)) !== null) {
    if (OWN !== undefined && slice(line, data, data + DATA_START) === OWN) return undefined;
    const position = exec(/:\d+:\d+\)?$/, slice(line, -20));
    return position === null ? undefined : `${slice(line, 0, data)}${CODE}${position[0]}`;
  }
  const frame = line.length > MAX_LINE ? null : exec(FRAME, line);
  if (frame !== null && exec(NOT_THE_TASKS, frame[1]!) !== null) return undefined;
  return slice(line, 0, MAX_LINE);
}
