/**
 * Owns what a person reads at the end of a run: the table of outcomes, the reasons of failures, one line for the whole.
 * Must not know how the run was watched.
 * Invariant: its length is bounded, whatever the size of the pipeline; what is left out is counted.
 */
import { between } from "../../base/clock.ts";
import type { ResultFold } from "../../model/result.ts";
import { isFailure, wasStopped } from "../../model/outcome.ts";
import { itemsInWords } from "../../model/items.ts";
import type { AttemptResult, ErrorData, Outcome } from "../../model/outcome.ts";
import { errorLines } from "../../model/error_text.ts";
import { harmless } from "../../base/harmless.ts";
import { markOf, reasonOf, wordOf } from "./text_line.ts";
import { count, span, tookText } from "../../base/shown.ts";
import { fit, pad, squeezed, width } from "./measures.ts";
import type { Paint } from "./paint.ts";

/** Most tasks for which every one has a row; above, only failures have. */
export const MAX_ROWS = 50;

/** Most failures that are told with their reason. */
const MAX_FAILURES = 20;

/** Most items of a mapped task whose failure is told. */
const MAX_ITEMS_TOLD = 10;

/** Most lines of a stack that are shown. */
const MAX_FRAMES = 4;

/** Most lines that are shown of one error, with those behind it. */
const MAX_TRACE = 40;

/** How to write the report. */
export interface TableOptions {
  readonly columns: number;
  readonly paint: Paint;
  /** Only failures and the last line. */
  readonly quiet?: boolean;
}

/** A task at the end that is told of: its attempts, of which the last says how it ended. */
interface Ended {
  readonly task: string;
  readonly attempts: readonly AttemptResult[];
  readonly last: AttemptResult;
  /** How long it ran, milliseconds. */
  readonly ranMs: number | undefined;
}

/** The report of a run, ending with a line break. */
export function report(result: ResultFold, options: TableOptions): string {
  const counts = new Map<Outcome, number>();
  const first: string[] = [], failed: string[] = [];
  let tasks = 0, failures = 0;
  result.eachLast((task, outcome) => {
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (++tasks <= MAX_ROWS) first.push(task);
    if (isFailure(outcome) && ++failures <= MAX_FAILURES) failed.push(task);
  });
  const endedOf = (task: string): Ended => {
    const attempts = result.attemptsOf(task);
    return { task, attempts, last: attempts.at(-1)!, ranMs: result.ranMs(task) };
  };
  const rows = options.quiet || tasks > MAX_ROWS ? [] : table(first.map(endedOf), options);
  const told = failed.flatMap((task) => failure(endedOf(task), options));
  if (failures > MAX_FAILURES) {
    told.push(`… and ${count(failures - MAX_FAILURES)} more failures; --json and --log have them all`, "");
  }
  const lines = [
    ...rows,
    ...(rows.length > 0 ? [""] : []),
    ...told,
    summary(result, counts, options.paint),
  ];
  return `${lines.join("\n")}\n`;
}

/** Least columns in which a name is still told from others, and a reason still read. */
const MIN_NAME = 14, MIN_REASON = 30;

function table(ended: readonly Ended[], { columns, paint }: TableOptions): string[] {
  const cells = ended.map(({ task, attempts, last, ranMs }) => ({
    task,
    last,
    name: harmless(task),
    word: wordOf(last.outcome),
    took: ranMs === undefined ? "" : span(ranMs),
    says: saysOf(attempts, last),
  }));
  const widest = (of: (cell: typeof cells[number]) => string) =>
    Math.max(0, ...cells.map((cell) => width(of(cell))));
  const [words, tooks] = [widest(({ word }) => word), widest(({ took }) => took)];
  const left = columns - words - tooks - 8;
  const reasons = widest(({ last, says }) => last.outcome === "succeeded" ? "" : says);
  // Names give way to reasons; where that is not enough, reasons stand below.
  const names = Math.min(widest(({ name }) => name), 40, Math.max(MIN_NAME, left - reasons));
  const room = left - names;
  return cells.flatMap(({ task, last, name, word, took, says }) => {
    const [mark, brush] = markOf(last.outcome, paint);
    const shown = pad(squeezed(name, names), names);
    const head = `${brush(mark)} ${paint.task(task, shown)}  ${brush(pad(word, words))}  ${
      took.padStart(tooks)
    }`;
    const cut = last.outcome !== "succeeded" && width(says) > room;
    // Of failures all is told further down.
    const below = cut && (room < MIN_REASON || !isFailure(last.outcome));
    const row = fit(`${head}  ${room > 3 && !below ? fit(says, room) : ""}`.trimEnd(), columns);
    return below ? [row, fit(`    ${says}`, columns)] : [row];
  });
}

/** What the last column says: how often it ran, then its value or the reason. */
function saysOf(attempts: readonly AttemptResult[], last: AttemptResult): string {
  const often = [
    ...(last.items === undefined ? [] : [itemsInWords({ ended: last.items })]),
    ...(last.attempt > 1 ? [`attempt ${last.attempt}`] : []),
    ...(last.iteration > 0 ? [`${new Set(attempts.map(({ iteration }) => iteration)).size} iterations`] : []),
  ].join(", ");
  const said = last.outcome === "succeeded" ? valueText(last.value) : reasonOf(last);
  return [often, said].filter((part) => part !== "").join(" · ");
}

/** The items of a mapped task that failed for good, the first of them. */
function failedItems(attempts: readonly AttemptResult[], { iteration }: AttemptResult): string[] {
  const last = new Map<number, AttemptResult>();
  for (const attempt of attempts) {
    if (attempt.item !== undefined && attempt.iteration === iteration) last.set(attempt.item, attempt);
  }
  const failed = [...last].filter(([, { outcome }]) => isFailure(outcome)).sort(([a], [b]) => a - b);
  const told = failed.slice(0, MAX_ITEMS_TOLD).map(([item, attempt]) => {
    const tries = attempt.attempt > 1 ? ` in attempt ${attempt.attempt}` : "";
    return `    item ${item} ${wordOf(attempt.outcome)}${tries}: ${reasonOf(attempt)}`;
  });
  const more = failed.length - told.length;
  return more === 0 ? told : [...told, `    … and ${count(more)} more items; --json has them all`];
}

/** A value on one line; long strings and bytes are cut before they are written, since values may be large. */
function valueText(value: AttemptResult["value"]): string {
  if (value === undefined) return "";
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (item instanceof Uint8Array) return `<${count(item.length)} bytes>`;
    return typeof item === "string" && item.length > 200 ? `${item.slice(0, 200)}…` : item;
  });
  return harmless(text.slice(0, 300));
}

function failure({ task, attempts, last }: Ended, { paint }: TableOptions): string[] {
  const tries =
    attempts.filter(({ iteration, item }) => iteration === last.iteration && item === undefined).length;
  const often = tries > 1 ? ` after ${tries} attempts` : "";
  const error = last.error;
  const said = error === undefined ? [] : [`${error.name}: ${error.message}`];
  // What its code made of being stopped comes behind why it was, where a journal has that.
  const isTold = error === undefined || wasStopped(last.outcome) && last.because !== undefined;
  const message = [...(isTold ? [reasonOf(last)] : []), ...said].join("\n");
  const [first = "", ...more] = message.split(/\r?\n/).map((line) => harmless(line));
  return [
    `${paint.bad(`✗ ${harmless(task)} ${wordOf(last.outcome)}${often}`)}${first === "" ? "" : `: ${first}`}`,
    ...more.slice(0, 10).map((line) => `    ${line}`),
    ...(error === undefined ? [] : trace(error).map((line) => paint.dim(`    ${line}`))),
    ...failedItems(attempts, last),
    "",
  ];
}

/** Where an error comes from, what it says of itself, and what is behind it. */
function trace(error: ErrorData): string[] {
  return errorLines(error, { frames: MAX_FRAMES, lines: MAX_TRACE }).map((line) => {
    const indent = /^ */.exec(line)![0];
    return indent + harmless(line.slice(indent.length));
  });
}

function summary(
  { head, resumedAt }: Pick<ResultFold, "head" | "resumedAt">,
  counts: ReadonlyMap<Outcome, number>,
  paint: Paint,
): string {
  const parts = ORDER.filter((outcome) => counts.has(outcome)).map((outcome) =>
    `${count(counts.get(outcome)!)} ${wordOf(outcome)}`
  );
  const { startedAt, endedAt, tookMs } = head;
  const end = endedAt === undefined ? undefined : Date.parse(endedAt);
  const took = end === undefined ? "" : ` in ${
    tookText(
      tookMs ?? between(Date.parse(startedAt), end),
      resumedAt === undefined ? undefined : between(resumedAt, end),
    )
  }`;
  const brush = head.state === "succeeded" ? paint.good : head.state === "failed" ? paint.bad : paint.warn;
  const tasks = parts.length === 0 ? "no tasks" : parts.join(", ");
  return `${paint.bold(harmless(head.pipeline))} ${brush(head.state)}${took}: ${tasks}`;
}

const ORDER: readonly Outcome[] = ["succeeded", "failed", "timed_out", "crashed", "cancelled", "skipped"];
