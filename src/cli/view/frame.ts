/**
 * Owns what the live view shows: a snapshot of a run as a few lines. Pure.
 * Must not know how lines get onto the screen.
 * Invariant: no line is wider than the terminal, and there are never more than fit above its last row.
 */
import { endedItems } from "../../model/items.ts";
import { FAILURES } from "../../model/outcome.ts";
import type { ItemsStanding, RunningAttempt, RunSnapshot } from "../../model/snapshot.ts";
import { lackWords } from "../../model/lack.ts";
import { harmless } from "../../base/harmless.ts";
import { labelOf } from "./text_line.ts";
import { count, counted, growing } from "../../base/shown.ts";
import { fit, pad, squeezed, width } from "./measures.ts";
import type { Paint } from "./paint.ts";

/** Most lines of running tasks, however high the terminal is. */
const MAX_RUNNING = 12;

/** Lines of tasks that lack a resource. */
const MAX_LACKING = 3;

/** Most and least columns of a name, and what a line has beside it: mark, time, bar and share. */
const MAX_NAME = 24, MIN_NAME = 8, BESIDE_NAME = 29;

const BAR_COLUMNS = 24;
const TASK_BAR_COLUMNS = 10;
const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** How to draw. */
export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly paint: Paint;
  /** A line to show last, such as what a Ctrl-C has begun. */
  readonly notice?: string;
}

/** The lines of the live view for a snapshot. */
export function frame(snapshot: RunSnapshot, options: FrameOptions): readonly string[] {
  const { columns, rows, paint, notice } = options;
  const lacking = Math.min(MAX_LACKING, snapshot.lacking?.length ?? 0);
  const room = Math.max(0, Math.min(MAX_RUNNING, rows - 5 - lacking));
  const running = rowsOf(snapshot);
  const shown = running.slice(0, running.length > room ? Math.max(0, room - 1) : room);
  const lines = [
    header(snapshot, options),
    ...shown.map((row) => runningLine(row, { all: shown, paint, ms: snapshot.ranMs, columns })),
  ];
  const more = Math.max(running.length, snapshot.counts.running) - shown.length;
  if (more > 0) lines.push(paint.dim(`  … ${count(more)} more running`));
  for (const { task, lacks } of (snapshot.lacking ?? []).slice(0, lacking)) {
    lines.push(paint.dim(harmless(`  ${task} waits ${lackWords(lacks)}`)));
  }
  const next = nextLine(snapshot);
  if (next !== undefined) lines.push(paint.dim(next));
  if (notice !== undefined) lines.push(paint.warn(notice));
  return lines.slice(0, Math.max(1, rows - 1)).map((line) => fit(line, Math.max(1, columns - 1)));
}

/** Something at work: an attempt, or a mapped task as one. */
export type RunningRow = Pick<RunningAttempt, "task" | "ranMs" | "progress"> & Partial<RunningAttempt> & {
  readonly items?: ItemsStanding;
};

/** What is at work, longest first; of a mapped task no items but it as a whole, with how long its oldest item has run. */
export function rowsOf({ running, mapped = [] }: Pick<RunSnapshot, "running" | "mapped">): RunningRow[] {
  const rows: RunningRow[] = running.filter(({ item }) => item === undefined);
  for (const { task, items } of mapped) {
    const ran = running.filter((each) => each.task === task).map(({ ranMs }) => ranMs);
    rows.push({ task, items, ranMs: Math.max(0, ...ran) });
  }
  return rows.sort((a, b) => b.ranMs - a.ranMs);
}

/** `120 of 2,500 items, 3 failed`: how far a mapped task is. */
export function itemsText(items: ItemsStanding): string {
  const failed = FAILURES.reduce((sum, outcome) => sum + (items.ended[outcome] ?? 0), 0);
  return `${count(endedItems(items))} of ${counted(items.count, "item")}${
    failed > 0 ? `, ${count(failed)} failed` : ""
  }`;
}

/** How many tasks have ended, however they did. */
export function endedTasks({ counts }: Pick<RunSnapshot, "counts">): number {
  return counts.succeeded + counts.failed + counts.timed_out + counts.cancelled + counts.crashed +
    counts.skipped;
}

/** `7 of 12 · 1 failed`: how far the run is, in words. */
export function progressText(snapshot: Pick<RunSnapshot, "counts" | "tasks">, paint: Paint): string {
  const { counts } = snapshot;
  const failed = counts.failed + counts.timed_out + counts.crashed;
  return [
    `${count(endedTasks(snapshot))} of ${count(snapshot.tasks)}`,
    ...(failed > 0 ? [paint.bad(`${count(failed)} failed`)] : []),
    ...(counts.retrying > 0 ? [paint.warn(`${count(counts.retrying)} to try again`)] : []),
    ...(counts.skipped > 0 ? [`${count(counts.skipped)} skipped`] : []),
    ...(counts.cancelled > 0 ? [`${count(counts.cancelled)} cancelled`] : []),
  ].join(" · ");
}

/** How long the run has been going on; of one that went on, first what this process did of it. */
function elapsedOf({ ranMs, sinceResumeMs }: RunSnapshot): string {
  return sinceResumeMs === undefined
    ? growing(ranMs)
    : `${growing(sinceResumeMs)} (${growing(ranMs)} in all)`;
}

function header(snapshot: RunSnapshot, { paint, columns }: FrameOptions): string {
  const ended = endedTasks(snapshot);
  const elapsed = elapsedOf(snapshot);
  const words = `${progressText(snapshot, paint)} · ${elapsed}`;
  // How far it is matters more than what it is called.
  const name = squeezed(
    harmless(snapshot.pipeline),
    Math.min(30, Math.max(MIN_NAME, columns - 2 - width(words))),
  );
  const left = columns - 1 - width(name) - width(words) - 2;
  const bar = left >= 8
    ? ` ${barOf(snapshot.tasks === 0 ? 0 : ended / snapshot.tasks, Math.min(BAR_COLUMNS, left), paint)}`
    : "";
  return `${paint.bold(name)}${bar} ${words}`;
}

function runningLine(
  row: RunningRow,
  { all, paint, ms, columns }: Pick<FrameOptions, "paint" | "columns"> & {
    readonly all: readonly RunningRow[];
    readonly ms: number;
  },
): string {
  const most = Math.min(MAX_NAME, Math.max(MIN_NAME, columns - BESIDE_NAME));
  const names = Math.min(most, Math.max(...all.map((one) => width(labelOf(one)))));
  const spin = SPINNER[Math.floor(ms / 100) % SPINNER.length]!;
  const name = paint.task(row.task, pad(squeezed(labelOf(row), names), names));
  const head = `${paint.dim(spin)} ${name} ${growing(row.ranMs).padStart(7)}`;
  const { progress, items } = row;
  if (items !== undefined) {
    const fraction = items.count === 0 ? 0 : endedItems(items) / items.count;
    return `${head}  ${barOf(fraction, TASK_BAR_COLUMNS, paint)} ${itemsText(items)}`;
  }
  if (progress === undefined) return head;
  const percent = `${Math.floor(clamped(progress.fraction) * 100)} %`.padStart(5);
  const said = progress.text === undefined ? "" : `  ${harmless(progress.text)}`;
  return `${head}  ${barOf(progress.fraction, TASK_BAR_COLUMNS, paint)} ${percent}${said}`;
}

function nextLine({ next, counts }: RunSnapshot): string | undefined {
  if (next.length === 0) return undefined;
  const more = counts.ready + counts.waiting + counts.retrying - next.length;
  return `  next: ${next.map((name) => harmless(name)).join(", ")}${
    more > 0 ? `, then ${count(more)} more` : ""
  }`;
}

/** A bar that is full only when all is done. */
function barOf(fraction: number, columns: number, paint: Paint): string {
  const full = Math.floor(clamped(fraction) * columns);
  return paint.good("━".repeat(full)) + paint.dim("─".repeat(columns - full));
}

function clamped(fraction: number): number {
  return Math.min(1, Math.max(0, Number.isFinite(fraction) ? fraction : 0));
}
