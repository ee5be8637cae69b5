/**
 * Owns what a journal tells of a run that was begun before: enough to go on with it.
 * Must not go on with it (run.ts does).
 * Invariant: what is in the journal as finished stays finished.
 */
import { sha256 } from "../../base/bytes.ts";
import type { Journal } from "../../journal/journal.ts";
import { type Past, pastOf } from "../../model/past.ts";
import { isDoneItem, type Settled, type StateRecord } from "../../model/record.ts";
import { isFailure } from "../../model/outcome.ts";
import { plannedKindOf, runsOnWorkers } from "../../pipeline/kinds/list.ts";
import type { Plan } from "../../pipeline/plan/plan.ts";
import type { Replayed } from "../../schedule/command.ts";
import { edgesOf } from "../../schedule/edges.ts";
import { isWorthTrying } from "../../schedule/worth.ts";

/** A run as its journal has it. */
export interface RecordedPast extends Past {
  readonly records: readonly StateRecord[];
}

/** A journal holds another run than the one that is to go on. */
export class OtherPipelineError extends Error {
  override name = "OtherPipelineError";
  readonly code = "OUTRIDER_OTHER_PIPELINE";
}

/** `--from` names no task of the pipeline. */
export class UnknownTaskError extends Error {
  override name = "UnknownTaskError";
  readonly code = "OUTRIDER_UNKNOWN_TASK";
}

/** The run that a journal holds; `undefined` if it holds none. */
export function recordedPast(journal: Journal): RecordedPast | undefined {
  const records: StateRecord[] = [];
  const past = pastOf(journal, (record) => records.push(record));
  return past && { ...past, records };
}

/** What is run anew. */
export interface Anew {
  readonly again: ReadonlySet<string>;
  /** Those of them that are mapped, and of which only the items are run anew that have not succeeded. */
  readonly missing: ReadonlySet<string>;
}

/** Nothing is. */
export const NOTHING_ANEW: Anew = { again: new Set(), missing: new Set() };

/** Something of the past that counts still. */
export interface Remembered {
  /** Of an attempt, the name of its task. */
  readonly name: string;
  readonly told: Replayed;
  readonly record: StateRecord;
}

/** What the schedule is to be told of the past. */
export function historyOf({ records }: RecordedPast, plan: Plan, anew: Anew): Remembered[] {
  const index = new Map(plan.tasks.map((task) => [task.name, task.index]));
  let history: Remembered[] = [];
  for (const record of records) {
    if (record.type === "run.resumed" && record.again !== undefined) {
      history = without(history, { again: new Set(record.again), missing: new Set(record.missing) });
    } else if (record.type === "run.stopping") {
      history.push({ name: "", told: { stopped: record.because }, record });
    }
    if (record.type !== "attempt.dispatched" && record.type !== "attempt.settled") continue;
    const { task: name, iteration, attempt, item } = record;
    const task = index.get(name);
    if (task === undefined) continue;
    const how = record.type === "attempt.dispatched"
      ? record.count === undefined ? {} : { count: record.count }
      : {
        outcome: record.outcome,
        ...(record.because !== undefined && { because: record.because }),
        rerun: record.rerun === true,
        worth: isWorthTrying(plan.tasks[task]!.retry, record),
      };
    const of = item === undefined ? {} : { item };
    history.push({ name, told: { task, iteration, attempt, ...of, ...how }, record });
  }
  return anew.again.size > 0 ? without(history, anew) : history;
}

/** What still counts of the past when something is run anew. */
function without(history: readonly Remembered[], { again, missing }: Anew): Remembered[] {
  const done = new Set<string>();
  for (const { name, record } of history) {
    if (missing.has(name) && isDoneItem(record)) done.add(`${record.item} ${name}`);
  }
  return history.filter(({ name, told }) =>
    !("stopped" in told) &&
    (!again.has(name) || told.count !== undefined && missing.has(name) || done.has(`${told.item} ${name}`))
  );
}

/**
 * What is run anew with `--from`: the task and all that depends on it, with the loops that any of them is in; and likewise
 * what was skipped, which has never run, and what failed and would stop the run again before it came to the task, or is mapped and has to succeed for it. Of a mapped task only what is missing, where that can be.
 */
export function anew(plan: Plan, past: RecordedPast, from: string): Anew {
  const { records } = past;
  const start = plan.tasks.find((task) => task.name === from);
  if (start === undefined) {
    throw new UnknownTaskError(
      `There is no task ${JSON.stringify(from)} to repeat in ${plan.name}: name one of its tasks`,
    );
  }
  const last = new Map<string, Settled>();
  for (const record of records) if (record.type === "attempt.settled") last.set(record.task, record);
  const { fatal } = edgesOf(plan);
  const needed = neededBy(plan, start.index);
  const open = [
    start.index,
    ...plan.tasks.filter(({ name, index, each }) => {
      const { outcome, attempt } = last.get(name) ?? {};
      // What ran and skipped itself has run.
      if (outcome === "skipped") return attempt === 0;
      if (outcome === undefined || !isFailure(outcome)) return false;
      return fatal[index] === 1 || each !== undefined && needed.has(index);
    }).map(({ index }) => index),
  ];
  const found = new Set<number>();
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    if (found.has(task)) continue;
    found.add(task);
    for (const dependent of plan.tasks[task]!.dependents) open.push(dependent);
    for (const { from, to } of plan.edges ?? []) if (from === task) open.push(to);
    for (const loop of plan.loops) {
      if (loop.body.includes(task)) { for (const each of loop.body) open.push(each); }
    }
  }
  const again = new Set([...found].map((task) => plan.tasks[task]!.name));
  return { again, missing: missingOf(plan, past, found) };
}

/** What has to succeed for a task to run, and it itself. */
function neededBy({ tasks }: Plan, start: number): Set<number> {
  const found = new Set([start]);
  for (const task of found) {
    for (const need of tasks[task]!.needs) if (need.on === "success") found.add(need.task);
  }
  return found;
}

/**
 * Mapped tasks of which only some items have to be run anew: what they need stays as it is, so that the list is the same, and
 * some items have succeeded and some have not.
 */
function missingOf(plan: Plan, past: RecordedPast, again: ReadonlySet<number>): Set<string> {
  const mapped = plan.tasks.filter(({ index, each, needs }) =>
    each !== undefined && again.has(index) && !needs.some(({ task }) => again.has(task)) &&
    !plan.loops.some(({ body }) => body.includes(index))
  );
  if (mapped.length === 0) return new Set();
  const left = new Map(mapped.map(({ name }) => [name, { count: 0, done: new Set<number>() }]));
  for (const { name, told, record } of historyOf(past, plan, NOTHING_ANEW)) {
    const of = left.get(name);
    if (of === undefined || "stopped" in told) continue;
    if (told.count !== undefined) of.count = told.count;
    if (isDoneItem(record)) of.done.add(record.item);
  }
  return new Set(
    mapped.map(({ name }) => name).filter((name) => {
      const { count, done } = left.get(name)!;
      return done.size > 0 && done.size < count;
    }),
  );
}

function isFile(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("data:");
}

/** A hash of all that matters of a plan, in hexadecimal. */
export function planHash(plan: Plan): Promise<string> {
  // Each module once: that of a bundle holds all of its code. So does each file that stands in the plan itself.
  const numbers = new Map<string, number>();
  const numberOf = (text: string): number => {
    let number = numbers.get(text);
    if (number === undefined) numbers.set(text, number = numbers.size);
    return number;
  };
  const tasks = plan.tasks.map((task) => {
    const { run } = task;
    if (run === undefined) return task;
    const kind = plannedKindOf(run);
    if (runsOnWorkers(kind)) {
      const { module } = kind.source(run);
      if ((run as { readonly module?: unknown }).module !== module) return task;
      return { ...task, run: { ...run, module: numberOf(module) } };
    }
    const files = Object.entries(run).filter(([, value]) => isFile(value));
    const numbered = files.map(([key, value]) => [key, numberOf(value as string)]);
    return { ...task, run: { ...run, ...Object.fromEntries(numbered) } };
  });
  const { name, onFailure, loops, edges, resources } = plan;
  const parts = [
    ...[name, onFailure, [...numbers.keys()], tasks, loops],
    ...(edges === undefined ? [] : [edges]),
    ...(resources === undefined ? [] : [{ resources }]),
  ];
  return sha256(JSON.stringify(parts));
}
