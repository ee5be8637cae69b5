/**
 * Owns how one line of what happens looks: `13:02:11.123 cpu │ text`.
 * Must not know where lines go.
 * Invariant: a line starts with its time, then whose it is, then a mark that says what it is:
 *
 *   │ log or stdout   ! stderr   ✓ succeeded   ✗ failed   − skipped or cancelled   ↻ tries again   · Outrider itself
 */
import { span } from "../../base/shown.ts";
import { itemsInWords } from "../../model/items.ts";
import { between } from "../../base/clock.ts";
import type { Level, LogRecord, Settled } from "../../model/record.ts";
import { isFailure, wasStopped } from "../../model/outcome.ts";
import type { Outcome } from "../../model/outcome.ts";
import { harmless, harmlessLines, indented } from "../../base/harmless.ts";
import { width } from "./measures.ts";
import type { Paint } from "./paint.ts";

/** Widest label for which all others are made wider. */
const MAX_ALIGNED = 20;

/** Names an attempt, as far as is known. */
interface Labelled {
  readonly task: string;
  readonly iteration?: number;
  readonly attempt?: number;
  readonly item?: number;
}

/**
 * Whose attempt, as a person reads it: `cpu`, `cpu #2` in its second attempt, `cpu [1]` in its second iteration, `ping (3)` for item
 * 3 of a mapped task.
 */
export function labelOf(key: Labelled): string {
  const item = key.item === undefined ? "" : ` (${key.item})`;
  const iteration = key.iteration ? ` [${key.iteration}]` : "";
  const attempt = (key.attempt ?? 1) > 1 ? ` #${key.attempt}` : "";
  return `${harmless(key.task)}${item}${iteration}${attempt}`;
}

/** Makes lines. Labels are padded to the widest so far, so that what is said lines up. */
export class LineWriter {
  readonly #paint: Paint;
  readonly #time: (at: number) => string;
  #widest = 0;

  constructor(paint: Paint, time: (at: number) => string) {
    this.#paint = paint;
    this.#time = time;
  }

  /** A record of the combined log, one line for each line of its text. */
  log(record: LogRecord): string {
    const paint = this.#paint;
    const at = Date.parse(record.at);
    const level = LEVELS[record.level];
    const marked = record.stream === "stderr" ? paint.warn("!") : paint.dim("│");
    return harmlessLines(record.text, paint.on).map((text) => {
      const worded = level === undefined || record.stream !== "log"
        ? text
        : `${this.#level(record.level)}: ${text}`;
      if (record.task === undefined) return this.note(at, worded);
      return this.#line(at, record as LogRecord & { task: string }, marked, worded);
    }).join("");
  }

  /** How an attempt ended. */
  settled(settled: Settled & { readonly at: number }): string {
    const [mark, brush] = markOf(settled.outcome, this.#paint);
    return this.#line(settled.at, settled, brush(mark), brush(settledText(settled)));
  }

  /** An attempt that starts after a delay. */
  planned(
    at: number,
    key: Labelled & { readonly dueAt: number },
  ): string {
    const { warn } = this.#paint;
    const wait = key.dueAt > at ? `in ${span(between(at, key.dueAt))}` : "now";
    return this.#line(at, { ...key, attempt: 1 }, warn("↻"), warn(`attempt ${key.attempt} starts ${wait}`));
  }

  /** Something that Outrider itself says. */
  note(at: number, text: string): string {
    return `${this.#paint.dim(this.#time(at))} ${this.#paint.bold("outrider")} ${this.#paint.dim("·")} ${
      indented(text)
    }\n`;
  }

  #line(
    at: number,
    key: Labelled,
    mark: string,
    text: string,
  ): string {
    const label = labelOf(key);
    const columns = width(label);
    if (columns > this.#widest && columns <= MAX_ALIGNED) this.#widest = columns;
    const space = " ".repeat(Math.max(0, this.#widest - columns));
    return `${this.#paint.dim(this.#time(at))} ${
      this.#paint.task(key.task, label)
    }${space} ${mark} ${text}\n`;
  }

  #level(level: Level): string {
    return level === "warn"
      ? this.#paint.warn(level)
      : level === "debug"
      ? this.#paint.dim(level)
      : this.#paint.bad(level);
  }
}

/** Levels that are said; `info` is what goes without saying. */
const LEVELS: Readonly<Record<Level, string | undefined>> = {
  debug: "debug",
  info: undefined,
  warn: "warn",
  error: "error",
  critical: "critical",
};

/** The mark of an outcome and its colour. */
export function markOf(
  outcome: Outcome,
  paint: Paint,
): readonly [mark: string, brush: (text: string) => string] {
  if (outcome === "succeeded") return ["✓", paint.good];
  if (isFailure(outcome)) return ["✗", paint.bad];
  return ["−", paint.dim];
}

function settledText(settled: Settled): string {
  const { outcome, startedAt, endedAt, items } = settled;
  const took = startedAt === undefined || endedAt === undefined ? "" : span(between(startedAt, endedAt));
  const why = reasonOf(settled);
  const after = took === "" ? "" : ` ${outcome === "succeeded" ? "in" : "after"} ${took}`;
  // What an error says of items has their numbers.
  const of = items === undefined || isFailure(outcome) ? "" : ` (${itemsInWords({ ended: items })})`;
  return `${wordOf(outcome)}${after}${of}${why === "" ? "" : `: ${why}`}`;
}

/** The outcome in words: `timed out`. */
export function wordOf(outcome: Outcome): string {
  return outcome === "timed_out" ? "timed out" : outcome;
}

/** Why an attempt did not succeed, on one line; empty where nothing is known. */
export function reasonOf(
  settled: Pick<Settled, "error" | "reason" | "code" | "because"> & { readonly outcome?: Outcome },
): string {
  const { outcome, error, reason, code, because } = settled;
  // Of a process it is told in words; a worker that is a thread has none.
  const isTold = reason !== undefined || wasStopped(outcome);
  if (isTold && because !== undefined) return oneLine(because);
  if (reason === "exit") {
    return code === undefined ? "it ended its worker" : `it ended its worker with exit code ${code}`;
  }
  if (reason === "memory") return "the memory of its worker was exhausted";
  if (reason === "lost") return "its worker was lost";
  if (error !== undefined) {
    return oneLine(error.name === "Error" ? error.message : `${error.name}: ${error.message}`);
  }
  return because === undefined ? "" : oneLine(because);
}

function oneLine(text: string): string {
  const [first = "", ...rest] = text.trim().split(/\r?\n/);
  return harmless(first) + (rest.length > 0 ? " …" : "");
}
