/**
 * Owns what becomes of a thrown value: plain data, with its cause and a stack without our own frames.
 * Must not know who threw it.
 * Invariant: never throws itself, whatever was thrown.
 */
import type { ErrorData } from "../src/pipeline/outcome.ts";
import { formatted } from "../src/runtime/worker_host.ts";

/** How many causes are followed. */
const MAX_CAUSES = 8;
/** Longest message or stack kept, in UTF-16 code units. */
const MAX_TEXT: number = 32 * 1024;

/** A thrown value as data. */
export function errorData(thrown: unknown, depth = 0): ErrorData {
  try {
    if (!isErrorLike(thrown)) return { name: "Error", message: clip(`Thrown: ${formatted([thrown])}`) };
    const { cause } = thrown as { cause?: unknown };
    return {
      name: String(thrown.name),
      message: clip(String(thrown.message)),
      ...(typeof thrown.stack === "string" ? { stack: clip(withoutOurs(thrown.stack)) } : {}),
      ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: errorData(cause, depth + 1) }),
    };
  } catch (error) {
    return { name: "Error", message: `Thrown: something that can't be read (${error})` };
  }
}

function isErrorLike(thrown: unknown): thrown is Error {
  return thrown instanceof Error ||
    (typeof thrown === "object" && thrown !== null && "name" in thrown && "message" in thrown);
}

function withoutOurs(stack: string): string {
  return stack.split("\n").filter((line) =>
    !/outrider-worker|data:text\/javascript;base64|async_hooks|async_local_storage/.test(line)
  ).join(
    "\n",
  );
}

function clip(text: string): string {
  return text.length > MAX_TEXT
    ? `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`
    : text;
}
