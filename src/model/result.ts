/**
 * Owns the result document: a fold of the journal's state records.
 * Must not know who prints or sends it.
 * Invariant: it holds every attempt of every task, in the order in which they settled.
 */
import { between, isoTime } from "../base/clock.ts";
import type { KeptFile, RefusedFile } from "./file.ts";
import type { AttemptResult, Outcome, RunState } from "./outcome.ts";
import { decode } from "./value.ts";
import {
  type AttemptKey,
  type Mutable,
  PAGE,
  pagesOf,
  type Settled,
  type StateEvent,
  type StateRecord,
} from "./record.ts";

/** What a run comes to; printed by `outrider run --json` and reported to the gateway. */
export interface RunResult {
  /** The run's id. */
  readonly run: string;
  /** The pipeline's name. */
  readonly pipeline: string;
  /** Name and version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** How the run stands or ended. */
  readonly state: RunState;
  /** ISO 8601 in UTC. */
  readonly startedAt: string;
  /** The due time of the pipeline's timetable that it was for, ISO 8601 in UTC; absent of any other run. */
  readonly scheduledFor?: string;
  /** ISO 8601 in UTC; absent while the run goes on. */
  readonly endedAt?: string;
  /** How long it took, milliseconds, by a clock that never steps: not always the difference of the two. Absent while it goes on. */
  readonly tookMs?: number;
  /** Every attempt of every task, in the order in which they settled. */
  readonly tasks: Readonly<Record<string, readonly AttemptResult[]>>;
}

/** The document but for its tasks. */
type Head = Omit<RunResult, "tasks">;

/** The same where not everything is known yet. */
export type ResultHead = { readonly [Key in keyof Head]?: Head[Key] | undefined };

/** A piece of the JSON has at least so many characters, but for the last. */
const PIECE = 16_384;

/** A field like any other. */
const OWN = { writable: true, enumerable: true, configurable: true } as const;

/** A text that is its own JSON, but for the quotes. */
const PLAIN = /^[\w .:/-]*$/;

/** Folds state records, one after the other, into the result; a record costs no more than a place in a list. */
export class ResultFold {
  #head: Head = { run: "", pipeline: "", runtime: "", state: "running", startedAt: isoTime(0) };
  /** The first attempt of each task. Most have no other, and an array for each would cost more than all the rest. */
  readonly #first: Map<string, Settled> = new Map();
  /** All attempts of those that have others. */
  readonly #all: Map<string, Settled[]> = new Map();
  /** What is told of files, by task and then by attempt; most runs have none. */
  readonly #files: Map<string, Map<string, FileEvent[]>> = new Map();
  #resumedAt: number | undefined;

  /** Takes the next record. Records that say nothing of the result are welcome. */
  add(record: StateRecord): void {
    if (record.type === "attempt.settled") {
      const first = this.#first.get(record.task);
      if (first === undefined) this.#first.set(record.task, record);
      else {
        const all = this.#all.get(record.task);
        if (all === undefined) this.#all.set(record.task, [first, record]);
        else all.push(record);
      }
    } else if (record.type === "file.kept" || record.type === "file.refused") {
      this.#addFile(record);
    } else if (record.type === "run.started") {
      const { run, pipeline, runtime, scheduledFor } = record;
      this.#head = {
        run,
        pipeline,
        runtime,
        state: "running",
        startedAt: isoTime(record.at),
        ...(scheduledFor !== undefined && { scheduledFor: isoTime(scheduledFor) }),
      };
    } else if (record.type === "run.resumed") {
      this.#forget(record.again ?? [], new Set(record.missing));
      this.#resumedAt = record.at;
      const { endedAt: _, tookMs: __, ...head } = this.#head;
      this.#head = { ...head, state: "running" };
    } else if (record.type === "run.ended") {
      const { state, at, tookMs } = record;
      this.#head = {
        ...this.#head,
        state,
        endedAt: isoTime(at),
        ...(tookMs === undefined ? {} : { tookMs }),
      };
    }
  }

  /** When the run went on the last time, milliseconds since the epoch; nothing if it never had to. */
  get resumedAt(): number | undefined {
    return this.#resumedAt;
  }

  /** The document so far but for its tasks. */
  get head(): Readonly<Head> {
    return this.#head;
  }

  /** The document so far, values decoded. */
  result(): RunResult {
    return { ...this.#head, tasks: this.attemptsBefore() };
  }

  /** Tells how the last attempt of each task so far ended. */
  eachLast(tell: (task: string, outcome: Outcome) => void): void {
    for (const [task, first] of this.#first) tell(task, (this.#allOf(task)?.at(-1) ?? first).outcome);
  }

  /** The attempts of a task so far, values decoded; none if there are none. */
  attemptsOf(task: string): AttemptResult[] {
    return this.#settled(task).map((settled) => this.#result(settled));
  }

  /** How long the last attempt of a task ran, milliseconds, as it was timed: its stamps in the result are cut to whole ones. */
  ranMs(task: string): number | undefined {
    const { startedAt, endedAt } = this.#settled(task).at(-1) ?? {};
    return startedAt === undefined || endedAt === undefined ? undefined : between(startedAt, endedAt);
  }

  /** All attempts so far by task, values decoded: what `ctx.previous()` gives. */
  attemptsBefore(): Record<string, AttemptResult[]> {
    const attempts: Record<string, AttemptResult[]> = {};
    for (const [task, first] of this.#first) {
      const all = this.#allOf(task);
      const its = all === undefined ? [this.#result(first)] : all.map((each) => this.#result(each));
      // Such a key is set by way of the prototype.
      if (task === "__proto__") Object.defineProperty(attempts, task, { ...OWN, value: its });
      else attempts[task] = its;
    }
    return attempts;
  }

  #addFile(told: FileEvent): void {
    const { task } = told;
    let attempts = this.#files.get(task);
    if (attempts === undefined) this.#files.set(task, attempts = new Map());
    const own = attempts.get(placeOf(told));
    if (own === undefined) attempts.set(placeOf(told), [told]);
    else own.push(told);
  }

  /** What is told of an attempt's files, if anything. */
  #filesOf(key: AttemptKey): AttemptFiles | undefined {
    const own = this.#files.size === 0 ? undefined : this.#files.get(key.task)?.get(placeOf(key));
    if (own === undefined) return undefined;
    const files = own.flatMap((each) => each.type === "file.kept" ? [keptOf(each)] : []);
    const refused = own.flatMap((each) => each.type === "file.refused" ? [refusedOf(each)] : []);
    return {
      ...(files.length > 0 && { files }),
      ...(refused.length > 0 && { filesRefused: refused }),
    };
  }

  /** What is run anew counts no more. @param missing Those of which the items that have succeeded still do. */
  #forget(again: readonly string[], missing: ReadonlySet<string>): void {
    for (const task of again) {
      const kept = missing.has(task) ? keptItems(this.#settled(task)) : [];
      this.#first.delete(task);
      this.#all.delete(task);
      const done = new Set(kept.map(({ item }) => item));
      const files = [...this.#files.get(task) ?? []].filter(([, [told]]) => done.has(told!.item));
      if (files.length > 0) this.#files.set(task, new Map(files));
      else this.#files.delete(task);
      if (kept.length > 0) this.#first.set(task, kept[0]!);
      if (kept.length > 1) this.#all.set(task, kept);
    }
  }

  /** Most runs have no task with more than one. */
  #allOf(task: string): readonly Settled[] | undefined {
    return this.#all.size === 0 ? undefined : this.#all.get(task);
  }

  #settled(task: string): readonly Settled[] {
    const all = this.#allOf(task);
    if (all !== undefined) return all;
    const first = this.#first.get(task);
    return first === undefined ? [] : [first];
  }

  /**
   * The document as JSON in pieces, the text of each value as it is in the journal.
   *
   * @param head What comes before the tasks, for one who knows more of the run than its records.
   */
  *json(head: ResultHead = this.#head): Generator<string> {
    const tasks = this.#first.entries();
    let piece = this.#piece(tasks, `${JSON.stringify(head).slice(0, -1)},"tasks":{`, "\n");
    while (piece.length >= PIECE) {
      yield piece;
      piece = this.#piece(tasks, "", ",\n");
    }
    yield `${piece}}}`;
  }

  /** The text with tasks added to it until it is long enough. In no generator, where a loop takes much longer. */
  #piece(tasks: IterableIterator<[string, Settled]>, text: string, separator: string): string {
    let piece = text;
    let before = separator;
    for (let next = tasks.next(); next.done !== true; next = tasks.next()) {
      const [task, first] = next.value;
      piece += `${before}${PLAIN.test(task) ? `"${task}"` : JSON.stringify(task)}:[${this.#json(first)}`;
      const all = this.#allOf(task);
      if (all !== undefined) { for (let at = 1; at < all.length; at++) piece += `,${this.#json(all[at]!)}`; }
      piece += "]";
      before = ",\n";
      if (piece.length >= PIECE) break;
    }
    return piece;
  }

  #result(settled: Settled): AttemptResult {
    const files = this.#filesOf(settled);
    return files === undefined ? attemptResult(settled) : { ...attemptResult(settled), ...files };
  }

  #json(settled: Settled): string {
    const files = this.#filesOf(settled);
    const text = attemptJson(settled);
    return files === undefined ? text : `${text.slice(0, -1)},${JSON.stringify(files).slice(1)}`;
  }
}

type FileEvent = Extract<StateEvent, { readonly type: "file.kept" | "file.refused" }>;
type AttemptFiles = Pick<AttemptResult, "files" | "filesRefused">;

function keptOf({ name, sha256, bytes }: KeptFile): KeptFile {
  return { name, sha256, bytes };
}

function refusedOf({ name, because }: RefusedFile): RefusedFile {
  return { name, because };
}

/** An attempt among those of its task. */
function placeOf({ iteration, attempt, item }: AttemptKey): string {
  return `${iteration} ${attempt} ${item}`;
}

/** What is left of a mapped task's attempts when only the items are run anew that have not succeeded. */
function keptItems(attempts: readonly Settled[]): Settled[] {
  const done = new Set(
    attempts.filter(({ outcome }) => outcome === "succeeded").map(({ item }) => item),
  );
  return attempts.filter(({ item }) => item !== undefined && done.has(item));
}

/** A journal as the result is read from it. */
interface WatchedRecords {
  /** As of `StateRecords`. @param options `dispatches`: whether they are wanted. */
  states(after: number, limit: number, options: { readonly dispatches: boolean }): readonly StateRecord[];
  watch(
    watcher: {
      readonly wants: (event: StateEvent) => boolean;
      readonly state: (record: StateRecord) => void;
    },
  ): () => void;
}

/** No result tells of dispatches. */
const OUTCOMES_ALONE = { dispatches: false };

/** The result that a journal holds so far; reading it again costs only what is new. */
export class ResultReader {
  readonly #journal: WatchedRecords;
  readonly #fold: ResultFold = new ResultFold();
  #read = 0;
  #unfollow: (() => void) | undefined;

  constructor(journal: WatchedRecords) {
    this.#journal = journal;
  }

  /** From now on what is appended is taken as it is: a journal on disk would else be read as a whole in the end. */
  follow(): void {
    this.read();
    this.#unfollow = this.#journal.watch({
      wants: ({ type }) => type === "attempt.settled" || type.startsWith("run.") || type.startsWith("file."),
      state: (record) => this.#fold.add(record),
    });
  }

  /** Nothing is taken any more that is appended later. */
  end(): void {
    this.#unfollow?.();
  }

  /** Everything that is in the journal now. */
  read(): ResultFold {
    if (this.#unfollow !== undefined) return this.#fold;
    const read = (after: number) => this.#journal.states(after, PAGE, OUTCOMES_ALONE);
    for (const page of pagesOf(read, this.#read)) {
      for (const record of page) this.#fold.add(record);
      this.#read = page.at(-1)!.seq;
    }
    return this.#fold;
  }
}

/** Written by hand: the value is JSON already, and nearly all attempts have nothing that would have to be looked at. */
function attemptJson(settled: Settled): string {
  const { iteration, attempt, item, outcome, value, error, reason, code, because } = settled;
  const { startedAt, endedAt, worker, items } = settled;
  let text = `{"iteration":${iteration},"attempt":${attempt},`;
  if (item !== undefined) text += `"item":${item},`;
  text += `"outcome":"${outcome}"`;
  if (value !== undefined) text += `,"value":${value}`;
  if (error !== undefined) text += `,"error":${JSON.stringify(error)}`;
  if (reason !== undefined) text += `,"reason":"${reason}"`;
  if (code !== undefined) text += `,"code":${JSON.stringify(code)}`;
  if (because !== undefined) text += `,"because":${JSON.stringify(because)}`;
  if (startedAt !== undefined) text += `,"startedAt":"${isoTime(startedAt)}"`;
  if (endedAt !== undefined) text += `,"endedAt":"${isoTime(endedAt)}"`;
  if (items !== undefined) text += `,"items":${JSON.stringify(items)}`;
  return worker === undefined ? `${text}}` : `${text},"worker":${worker}}`;
}

function attemptResult(settled: Settled): AttemptResult {
  const { iteration, attempt, outcome, value } = settled;
  return completed(
    value === undefined
      ? { iteration, attempt, outcome }
      : { iteration, attempt, outcome, value: decode(value) },
    settled,
  );
}

/** Field by field, which is much quicker than spreading: whoever awaits a large run waits for this. */
function completed(result: Mutable<AttemptResult>, settled: Settled): AttemptResult {
  const { item, error, reason, code, because, startedAt, endedAt, worker, items } = settled;
  if (item !== undefined) result.item = item;
  if (error !== undefined) result.error = error;
  if (reason !== undefined) result.reason = reason;
  if (code !== undefined) result.code = code;
  if (because !== undefined) result.because = because;
  if (startedAt !== undefined) result.startedAt = isoTime(startedAt);
  if (endedAt !== undefined) result.endedAt = isoTime(endedAt);
  if (worker !== undefined) result.worker = worker;
  if (items !== undefined) result.items = items;
  return result;
}
