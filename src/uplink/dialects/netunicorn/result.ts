/**
 * Owns what netUnicorn's client reads of a run: a pickle of `[Result, lines of the log]`, and behind it our own JSON.
 * Must not know when it is sent.
 * Invariant: the pickle needs nothing to be opened but Python and the package `returns`, unless a task's value is of a
 * class of its own; the JSON is one line, the last.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { joined } from "../../../base/bytes.ts";
import { isPickled } from "../../../model/pickled.ts";
import { unescape, type Value } from "../../../model/value.ts";
import { errorLines } from "../../../model/error_text.ts";
import type { AttemptResult, ErrorData } from "../../../model/outcome.ts";
import type { Heartbeat } from "../../../protocol/messages.ts";
import type { Whole } from "../../gateway.ts";
import { pickle, PickledCall } from "./pickle.ts";

/** An attempt as it is reported: its value may have been too large for the way. */
type Reported = AttemptResult & { readonly valueLeftOut?: string };

/** What is read of a result document. */
interface Document {
  readonly state?: string;
  readonly tasks?: Readonly<Record<string, readonly Reported[]>>;
}

/** A run that is over. */
export function resultBytes({ result, log }: Whole): Bytes {
  const { state, tasks = {} } = (result ?? {}) as Document;
  const told = Object.entries(tasks).map(([task, attempts]) => [task, resultsOf(attempts)] as const)
    .filter(([, results]) => results.length > 0);
  const whole = (state === "succeeded" ? success : failure)(Object.fromEntries(told));
  return withJson(pickle([whole, log.map(lineOf)]), { outrider: 1, result, log });
}

/** A run that goes on: it has no results yet that netUnicorn's client could read, and a line of log that says how it stands. */
export function heartbeatBytes(heartbeat: Heartbeat): Bytes {
  return withJson(pickle([success({}), [standing(heartbeat)]]), { outrider: 1, heartbeat });
}

/** Python stops reading at the end of the pickle; who wants JSON takes the last line. */
function withJson(pickled: Bytes, content: unknown): Bytes {
  const json = new TextEncoder().encode(`\n${JSON.stringify(content)}`);
  return joined([pickled, json], pickled.length + json.length);
}

/** One result for each time that a task ran, its last attempt; none of a sync point, and none of what did not run. Of a mapped task it is that of the whole. */
function resultsOf(attempts: readonly Reported[]): PickledCall[] {
  const last = new Map<number, Reported>();
  for (const attempt of attempts) last.set(attempt.iteration, attempt);
  return [...last.values()].filter(({ outcome, worker, items }) =>
    outcome !== "skipped" && (worker !== undefined || items !== undefined)
  )
    .map(resultOf);
}

function resultOf(attempt: Reported): PickledCall {
  const { outcome, value, valueLeftOut, error } = attempt;
  if (outcome === "succeeded") return success(valueLeftOut ?? (value === undefined ? null : opened(value)));
  if (value !== undefined) return failure(opened(value));
  return failure(error === undefined ? wordsFor(attempt) : wordsOf(error));
}

/** As Python writes it where it is of Python's, and what it says beside that. */
function wordsOf(error: ErrorData): string {
  return [error.stack ?? error.message, ...errorLines(error, { frames: 0 })].join("\n");
}

function wordsFor({ outcome, reason, code, because }: Reported): string {
  const how = [outcome, reason, code === undefined ? undefined : `code ${code}`].filter((word) => word);
  return [how.join(", "), because].filter((word) => word).join(": ");
}

/** A value with its bytes; of one that only Python has, what Python makes of it. */
function opened(value: Value): unknown {
  const whole = plain(value);
  if (!isPickled(whole)) return whole;
  return new PickledCall("pickle", "loads", [whole.$pickle]);
}

/** A secret may have been taken out of the middle of what were bytes: then it stays the text that it is. */
function plain(value: Value): Value {
  try {
    return unescape(value);
  } catch {
    return value;
  }
}

function success(value: unknown): PickledCall {
  return new PickledCall("returns.result", "Success", [value]);
}

function failure(value: unknown): PickledCall {
  return new PickledCall("returns.result", "Failure", [value]);
}

function lineOf(record: unknown): string {
  const { at, level, task, text } = record as Readonly<Record<string, unknown>>;
  return `${at} ${level} ${task ?? "outrider"} | ${text}\n`;
}

function standing({ run, state }: Heartbeat): string {
  if (run === undefined) return `outrider: ${state}\n`;
  const counts = Object.entries(run.counts).filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`);
  const now = run.names.length === 0 ? "" : `; running: ${run.names.join(", ")}`;
  return `outrider: ${run.pipeline}, ${run.tasks} tasks: ${counts.join(", ")}${now}\n`;
}
