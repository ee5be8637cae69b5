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
import { bytesBeyond, MAX_VALUE_BYTES } from "../base/limits.ts";
import { MAX_DEPTH } from "../model/value.ts";

/** How many errors there may be in a chain of causes. */
const MAX_CAUSES = 16;
/** How many frames and notes one may have. */
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

/** The error of a text that the worker made of one. */
function errorOf(text: string): ErrorData | undefined {
  try {
    return errorIn(JSON.parse(text), 0);
  } catch {
    return undefined;
  }
}

/** The error in what was parsed; nothing if there is none. */
export function errorIn(parsed: unknown, depth: number): ErrorData | undefined {
  if (typeof parsed !== "object" || parsed === null || depth > MAX_CAUSES) return undefined;
  const { name, message, stack, frames, notes, cause } = parsed as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof message !== "string") return undefined;
  const behind = Object.hasOwn(parsed, "cause") ? errorIn(cause, depth + 1) : undefined;
  return {
    name,
    message,
    ...(typeof stack === "string" ? { stack } : {}),
    ...(Array.isArray(frames) ? { frames: frames.slice(0, MAX_FRAMES).flatMap(frameIn) } : {}),
    ...(Array.isArray(notes) ? { notes: notes.slice(0, MAX_FRAMES).filter(isText) } : {}),
    ...(behind === undefined ? {} : { cause: behind }),
  };
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
