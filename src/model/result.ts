/**
 * Owns the result document: a fold of the journal's state records.
 * Must not know who prints or sends it.
 * Invariant: it holds every attempt of every task, in the order in which they settled.
 */
import { isoTime } from "../base/clock.ts";
import type { AttemptResult, RunState } from "./outcome.ts";
import { decode, encode } from "./value.ts";
import { type Mutable, type Settled, type StateRecord, type StateRecords, statesOf } from "./record.ts";

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

/** Folds state records, one after the other, into the result; a record costs no more than a place in a list. */
export class ResultFold {
  #head: Head = { run: "", pipeline: "", runtime: "", state: "running", startedAt: isoTime(0) };
  readonly #tasks: Map<string, Settled[]> = new Map();

  /** Takes the next record. Records that say nothing of the result are welcome. */
  add(record: StateRecord): void {
    if (record.type === "attempt.settled") {
      const attempts = this.#tasks.get(record.task);
      if (attempts === undefined) this.#tasks.set(record.task, [record]);
      else attempts.push(record);
    } else if (record.type === "run.started") {
      const { run, pipeline, runtime } = record;
      this.#head = { run, pipeline, runtime, state: "running", startedAt: isoTime(record.at) };
    } else if (record.type === "run.resumed") {
      for (const task of record.again ?? []) this.#tasks.delete(task);
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

  /** The document so far, values decoded. */
  result(): RunResult {
    return { ...this.#head, tasks: this.attemptsBefore() };
  }

  /** All attempts so far by task, values decoded: what `ctx.previous()` gives. */
  attemptsBefore(): Record<string, AttemptResult[]> {
    return Object.fromEntries(
      [...this.#tasks].map(([task, attempts]) => [task, attempts.map(attemptResult)]),
    );
  }

  /**
   * The document as JSON in pieces, the text of each value as it is in the journal.
   *
   * @param head What comes before the tasks, for one who knows more of the run than its records.
   */
  *json(head: ResultHead = this.#head): Generator<string> {
    yield* documentJson(
      head,
      this.#tasks,
      (attempt) => attemptJson(attemptHead(attempt), attempt.value),
    );
  }
}

/** The result that a journal holds so far; reading it again costs only what is new. */
export class ResultReader {
  readonly #journal: StateRecords;
  readonly #fold: ResultFold = new ResultFold();
  #read = 0;

  constructor(journal: StateRecords) {
    this.#journal = journal;
  }

  /** Everything that is in the journal now. */
  read(): ResultFold {
    for (const record of statesOf(this.#journal, this.#read)) {
      this.#fold.add(record);
      this.#read = record.seq;
    }
    return this.#fold;
  }
}

/** The JSON of a result, one line for each task; bytes as `{"$bytes": "<base64>"}`. */
export function resultToJson(result: RunResult): string {
  const { tasks, ...head } = result;
  const pieces = documentJson(
    head,
    Object.entries(tasks),
    ({ value, ...rest }) => attemptJson(rest, encode(value, "value")),
  );
  return [...pieces].join("");
}

function* documentJson<Attempt>(
  head: ResultHead,
  tasks: Iterable<readonly [string, readonly Attempt[]]>,
  json: (attempt: Attempt) => string,
): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"tasks":{`;
  let separator = "\n";
  for (const [task, attempts] of tasks) {
    yield `${separator}${JSON.stringify(task)}:[${attempts.map(json).join(",")}]`;
    separator = ",\n";
  }
  yield "}}";
}

/** The value's text goes where the contract has it: after the outcome. */
function attemptJson(attempt: Omit<AttemptResult, "value">, value: string | undefined): string {
  const { iteration, attempt: number, outcome, ...rest } = attempt;
  const first = JSON.stringify({ iteration, attempt: number, outcome }).slice(0, -1);
  const last = JSON.stringify(rest).slice(1);
  return first + (value === undefined ? "" : `,"value":${value}`) + (last === "}" ? last : `,${last}`);
}

function attemptHead(settled: Settled): AttemptResult {
  const { iteration, attempt, outcome } = settled;
  return completed({ iteration, attempt, outcome }, settled);
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
  const { error, reason, code, because, startedAt, endedAt, worker } = settled;
  if (error !== undefined) result.error = error;
  if (reason !== undefined) result.reason = reason;
  if (code !== undefined) result.code = code;
  if (because !== undefined) result.because = because;
  if (startedAt !== undefined) result.startedAt = isoTime(startedAt);
  if (endedAt !== undefined) result.endedAt = isoTime(endedAt);
  if (worker !== undefined) result.worker = worker;
  return result;
}
