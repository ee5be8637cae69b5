/**
 * Owns what is made of the numbers and texts that a worker tells: errors, values, outcomes.
 * Must not know where they come from.
 * Invariant: what it gives out has the shape that its type says; what it can't is nothing, and never thrown.
 */
import { isPlainJson } from "../base/json.ts";
import { type LaneItem, type LaneOutcome, tooLong } from "./attempt.ts";
import { TOLD_OUTCOMES } from "./protocol.ts";
import type { Fields } from "./ring/outbox.ts";
import type { Aborted } from "./work_time.ts";
import type { Span } from "./worker_clock.ts";
import type { ErrorData, ErrorFrame } from "../model/outcome.ts";
import { bytesBeyond, MAX_SKIP_REASON, MAX_VALUE_BYTES } from "../base/limits.ts";
import { MAX_DEPTH, type Value } from "../model/value.ts";

/** How deep errors may lie behind errors. */
const MAX_DEPTH_OF_ERRORS = 16;
/** How many there may be in one. */
const MAX_ERRORS = 100;
/** How many frames, notes and fields one may have. */
const MAX_FRAMES = 100;

/** The outcome that a record tells, or what can't be right about it. @param aborted How the attempt was asked to end. */
export function outcomeOf(
  item: LaneItem,
  { b, text }: Fields,
  { startedAt, endedAt, aborted }: Span & { readonly aborted: Aborted | undefined },
): LaneOutcome | string {
  const outcome = TOLD_OUTCOMES[b];
  if (outcome === "succeeded") {
    if (text === undefined) return { outcome, startedAt, endedAt };
    return isValueText(text)
      ? { outcome, value: text, startedAt, endedAt }
      : "it has told a value that is no JSON";
  }
  if (outcome === "skipped") {
    if (!isReason(text)) return "it has told a skip without a reason that can be read";
    return { outcome, because: text, startedAt, endedAt };
  }
  const timed = outcome === "timed_out" && item.timeoutMs !== undefined;
  if (outcome === undefined || outcome !== "failed" && !timed && outcome !== aborted?.outcome) {
    return "it has told an outcome that there is not, or that nothing led to";
  }
  const error = text === undefined ? undefined : errorOf(text);
  if (error === undefined && (text !== undefined || outcome === "failed")) {
    return "it has told a failure without an error that can be read";
  }
  const because = aborted?.because ?? (timed ? tooLong(item) : undefined);
  return {
    outcome,
    ...(error === undefined ? {} : { error }),
    ...(because === undefined ? {} : { because }),
    startedAt,
    endedAt,
  };
}

/** Whether a task may have given it as the reason for which it skipped itself. */
export function isReason(text: unknown): text is string {
  return typeof text === "string" && text.length >= 1 && text.length <= MAX_SKIP_REASON;
}

/** The error of a text that the worker made of one. */
function errorOf(text: string): ErrorData | undefined {
  try {
    return errorIn(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The error in what was parsed; nothing if there is none. */
export function errorIn(parsed: unknown): ErrorData | undefined {
  return readError(parsed, { depth: 0, count: { left: MAX_ERRORS } });
}

/** How deep it is, and how many more there may be. */
interface Reading {
  readonly depth: number;
  readonly count: { left: number };
}

function readError(parsed: unknown, { depth, count }: Reading): ErrorData | undefined {
  if (!isRecord(parsed) || depth > MAX_DEPTH_OF_ERRORS || count.left-- <= 0) return undefined;
  const { name, message, code, stack, frames, notes, fields, errors, omitted } = parsed;
  if (typeof name !== "string" || typeof message !== "string") return undefined;
  const under = { depth: depth + 1, count };
  const behind = Object.hasOwn(parsed, "cause") ? readError(parsed["cause"], under) : undefined;
  return {
    name,
    message,
    ...(isText(code) || Number.isFinite(code) ? { code: code as string | number } : {}),
    ...(isText(stack) ? { stack } : {}),
    ...(Array.isArray(frames) ? { frames: frames.slice(0, MAX_FRAMES).flatMap(frameIn) } : {}),
    ...(Array.isArray(notes) ? { notes: notes.slice(0, MAX_FRAMES).filter(isText) } : {}),
    ...(isRecord(fields) ? { fields: fieldsIn(fields) } : {}),
    ...(Array.isArray(errors) ? { errors: errors.flatMap((each) => readError(each, under) ?? []) } : {}),
    ...(behind === undefined ? {} : { cause: behind }),
    ...(Number.isSafeInteger(omitted) ? { omitted: omitted as number } : {}),
  };
}

/** They are parsed JSON: only how many there are is left to be looked at, since what is long is cut on the way. */
function fieldsIn(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(fields).slice(0, MAX_FRAMES)) as Record<string, Value>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function frameIn(parsed: unknown): readonly ErrorFrame[] {
  if (typeof parsed !== "object" || parsed === null) return [];
  const { file, line, function: name, code } = parsed as Readonly<Record<string, unknown>>;
  if (!isText(file) || !Number.isSafeInteger(line) || !isText(name) || !isText(code)) return [];
  return [{ file, line: line as number, function: name, code }];
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** Whether a text is the JSON of a value: well-formed, no longer and no deeper than one may be. It makes nothing of it. */
export function isValueText(text: string): boolean {
  if (bytesBeyond(text, MAX_VALUE_BYTES) !== undefined) return false;
  // Bytes are one level more in the text.
  return isPlainJson(text, MAX_DEPTH + 1);
}
