/**
 * Owns what a process that runs tasks may say: messages of known forms, of checked parts.
 * Must not know what follows from them.
 * Invariant: what it gives out has the shape that its type says; everything else is told as wrong, in words, and never thrown.
 */
import { JsonMeter } from "../../base/json.ts";
import type { ErrorData } from "../../model/outcome.ts";
import { errorIn, isReason } from "../told.ts";
import { MARK_DIGITS } from "./marks.ts";

/** A message of a process. docs/process-protocol.md has them for who writes a runner. */
export type Said =
  | { readonly t: "ready"; readonly protocol: number; readonly runner: string }
  | {
    readonly t: "log";
    readonly seq: number;
    readonly level: string;
    readonly stream: Stream;
    readonly text: string;
  }
  | { readonly t: "out"; readonly seq: number; readonly stream: OutputName; readonly text: string }
  | { readonly t: "progress"; readonly seq: number; readonly fraction: number; readonly text?: string }
  | {
    readonly t: "call";
    readonly id: number;
    readonly seq: number;
    readonly call: string;
    readonly with: Arguments;
  }
  | Done
  | { readonly t: "began" | "twice"; readonly seq: number };

/** An attempt has ended. */
export interface Done {
  readonly t: "done";
  readonly seq: number;
  /** Digits of the mark that it has set behind its outputs. */
  readonly mark: string;
  /** JSON text. */
  readonly value?: string;
  readonly error?: ErrorData;
  /** Why the attempt has skipped itself. */
  readonly skipped?: string;
  /** The memory that it may have was used up. */
  readonly memory: boolean;
  /** It has ended because it was asked to. */
  readonly cancelled: boolean;
  /** Processes that it has started are left. */
  readonly left: boolean;
  /** The process is to run nothing more. */
  readonly spent: boolean;
}

/** What a process prints to. */
export type OutputName = "stdout" | "stderr";
/** What a line of the log is of. */
type Stream = OutputName | "log";

/** Arguments of a call, by their names. */
export type Arguments = Readonly<Record<string, unknown>>;

/** What is shorter holds no bomb, bytes. */
const SMALL_BYTES = 64 * 1024;
/** Most values in a message that is not small: values of tasks are texts in it. */
const MAX_NODES = 10_000;
/** Longest text of a log message or progress, UTF-16 code units; what is longer is cut. */
const MAX_TEXT = 1024 * 1024;

/** The message in a frame, or what is wrong with it. */
export function readSaid(body: Uint8Array): Said | string {
  if (body.length > SMALL_BYTES && new JsonMeter(MAX_NODES).take(body) !== undefined) {
    return "it has sent a message with more in it than there is to say";
  }
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return "it has sent what is no JSON";
  }
  if (typeof message !== "object" || message === null) return "it has sent what is no message";
  return readMessage(message as Parts) ??
    `it has sent a message of a form that there is not (${nameOf(message)})`;
}

type Parts = Readonly<Record<string, unknown>>;

function readMessage(message: Parts): Said | undefined {
  const { t, seq } = message;
  if (t === "ready") return readReady(message);
  if (!isNumber(seq)) return undefined;
  switch (t) {
    case "log": {
      const { level, text, stream = "log" } = message;
      return typeof level !== "string" || typeof text !== "string" || stream !== "log" && !isOutput(stream)
        ? undefined
        : { t, seq, level, stream, text: text.slice(0, MAX_TEXT) };
    }
    case "out": {
      const { stream, text } = message;
      return isOutput(stream) && typeof text === "string" ? { t, seq, stream, text } : undefined;
    }
    case "progress":
      return readProgress(message, seq);
    case "call": {
      const { id, call, with: given } = message;
      if (!isNumber(id) || typeof call !== "string" || call.length > 100 || !isParts(given)) return undefined;
      return { t, id, seq, call, with: given };
    }
    case "done":
      return readDone(message, seq);
    case "began":
    case "twice":
      return { t, seq };
    default:
      return undefined;
  }
}

function readReady({ protocol, runner }: Parts): Said | undefined {
  if (!isNumber(protocol) || typeof runner !== "string" || runner.length > 200) return undefined;
  return { t: "ready", protocol, runner };
}

function readProgress({ fraction, text }: Parts, seq: number): Said | undefined {
  if (typeof fraction !== "number" || text !== undefined && typeof text !== "string") return undefined;
  return { t: "progress", seq, fraction, ...(text !== undefined && { text: text.slice(0, MAX_TEXT) }) };
}

function readDone(
  { mark, value, error: told, skipped, memory, cancelled, left, spent }: Parts,
  seq: number,
): Said | undefined {
  if (typeof mark !== "string" || mark.length !== MARK_DIGITS) return undefined;
  if (value !== undefined && typeof value !== "string") return undefined;
  const error = told === undefined ? undefined : errorIn(told);
  if (told !== undefined && error === undefined) return undefined;
  if (skipped !== undefined && !isReason(skipped)) return undefined;
  return {
    t: "done",
    seq,
    mark,
    ...(value !== undefined && { value }),
    ...(error !== undefined && { error }),
    ...(skipped !== undefined && { skipped }),
    memory: memory === true,
    cancelled: cancelled === true,
    left: left === true,
    spent: spent === true,
  };
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function isOutput(value: unknown): value is OutputName {
  return value === "stdout" || value === "stderr";
}

function isParts(value: unknown): value is Parts {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nameOf({ t }: { readonly t?: unknown }): string {
  return typeof t === "string" ? JSON.stringify(t.slice(0, 40)) : "it has no t";
}
