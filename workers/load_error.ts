/**
 * Owns the words for a module that can't be loaded: what is wrong, and in which file, line and column, which may be those of
 * a module that it imports.
 * Must not know who loads it.
 * Invariant: never throws, whatever was thrown; where the runtime does not say where it is, that is said.
 */
import { messageOf } from "../src/base/message.ts";
import { ofTask } from "./stacks.ts";

/** What Bun knows of a place in a file. */
interface Position {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** A place in a stack: the path or URL of a file, with a line, and mostly a column. */
const PLACE = /((?:file:\/\/)?\/[^\s()]+:\d+(?::\d+)?)\)?$/;

/** What is wrong, and where. @param nowhere What is said where the runtime does not say the line. */
export function loadErrorText(error: unknown, nowhere = " (the runtime does not say in which line)"): string {
  try {
    // Bun gathers what is wrong with the text of one file.
    const { errors } = (error ?? {}) as { readonly errors?: readonly unknown[] };
    const first = Array.isArray(errors) && errors.length > 0 ? errors[0] : error;
    const said = messageOf(first);
    // Deno's have it in their last line, in colours where it takes the log for a terminal.
    if (/\bat .{0,12}file:\/\/.*:\d+/.test(said)) return said;
    // It is the module itself that is not there: who imports it is this program.
    if (/^(?:Cannot find|Module not found)/.test(said) && !/ from /.test(said)) return said;
    const place = placeOf(first, said);
    return place === undefined ? `${said}${nowhere}` : `${said}, at ${place}`;
  } catch {
    return messageOf(error);
  }
}

function placeOf(error: unknown, said: string): string | undefined {
  const { position, stack } = (error ?? {}) as {
    readonly position?: Position | null;
    readonly stack?: unknown;
  };
  if (position?.file !== undefined) return `${position.file}:${position.line}:${position.column}`;
  if (typeof stack !== "string") return undefined;
  // Node writes the place of a wrong text before all else, of a script with the line and a mark below it.
  const lines = stack.split("\n");
  const before = /^((?:file:\/\/)?\/.*?:\d+)$/.exec(lines[0] ?? "")?.[1];
  if (before !== undefined) {
    const mark = lines.slice(1, 4).find((line) => /^\s*\^+\s*$/.test(line));
    return mark === undefined ? before : `${before}:${mark.indexOf("^") + 1}`;
  }
  for (const line of ofTask(stack, said).split("\n").slice(1)) {
    const found = PLACE.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
