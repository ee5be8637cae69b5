/**
 * Owns how an execution is watched: listeners, and iterators that read from the journal at their own pace.
 * Must not know how a run is carried out.
 * Invariant: an iterator never misses a state record, however slow it is; log lines that the journal has dropped are told
 * as a gap; progress is told only as far as the reader keeps up.
 */
import type { ExecutionEvent } from "./execution.ts";
import type { FollowedEvent } from "./inspection.ts";
import type { Journal } from "../journal/journal.ts";
import { type AttemptKey, attemptKeyOf, type StateEvent } from "../model/record.ts";

/** Records read from the journal at a time. */
const PAGE = 1_000;
/** Progress and starts kept for a slow iterator; older ones are let go. */
const MAX_PASSING = 10_000;

type Passing = Extract<ExecutionEvent, { type: "attempt.started" | "attempt.progressed" }>;

/** Tells the events of one execution. */
export class Watching {
  readonly #journal: Journal;
  readonly #listeners: Set<(event: ExecutionEvent) => void> = new Set();
  readonly #passingListeners: Set<(event: Passing) => void> = new Set();
  readonly #ended: Promise<unknown>;
  #over = false;

  /** @param ended Settles when the last record has been written. */
  constructor(journal: Journal, ended: Promise<unknown>) {
    this.#journal = journal;
    this.#ended = ended;
    const over = () => {
      this.#over = true;
    };
    ended.then(over, over);
  }

  /** Whether anybody listens. */
  get some(): boolean {
    return this.#listeners.size > 0 || this.#passingListeners.size > 0;
  }

  /** Tells what is not kept in the journal. */
  pass(event: Passing): void {
    for (const listener of this.#listeners) listener(event);
    for (const listener of this.#passingListeners) listener(event);
  }

  /** Calls the listener for every event from now on, until the returned function is called. */
  listen(listener: (event: ExecutionEvent) => void): () => void {
    this.#listeners.add(listener);
    const stop = this.#journal.watch({
      state: (record) => listener(record),
      log: (record) => listener({ type: "log", ...record }),
    });
    return () => {
      this.#listeners.delete(listener);
      stop();
    };
  }

  /** Tells of lines of the log and of those state events that are wanted, until the returned function is called. */
  follow(listener: (event: FollowedEvent) => void, wants: (event: StateEvent) => boolean): () => void {
    return this.#journal.watch({
      wants,
      state: listener,
      log: (record) => listener({ type: "log", ...record }),
    });
  }

  /** Every event from the beginning to the end of the run. */
  async *iterate(): AsyncGenerator<ExecutionEvent, void, undefined> {
    const passing: Passing[] = [];
    let wake = () => {};
    const note = (event: Passing) => {
      if (passing.push(event) > MAX_PASSING) passing.shift();
      wake();
    };
    this.#passingListeners.add(note);
    const stop = this.#journal.watch({ state: () => wake(), log: () => wake() });
    try {
      for (let state = 0, log = 0;;) {
        const changed = new Promise<void>((done) => wake = done);
        const over = this.#over;
        const states = this.#journal.states(state, PAGE);
        const logs = this.#journal.logs(log, PAGE);
        state = states.at(-1)?.seq ?? state;
        log = logs.at(-1)?.seq ?? log;
        yield* merged([
          states,
          logs.map((record) => ({ type: "log" as const, ...record })),
          passing.splice(0),
        ]);
        if (states.length + logs.length > 0) continue;
        // Who only iterates is to hear of a pipeline that could not be run.
        if (over) return void await this.#ended;
        await Promise.race([changed, this.#ended.catch(() => {})]);
      }
    } finally {
      this.#passingListeners.delete(note);
      stop();
    }
  }
}

/** The events by time, each list in its own order: workers' clocks and ours differ a little. */
function* merged(lists: readonly (readonly ExecutionEvent[])[]): Generator<ExecutionEvent> {
  const next = lists.map(() => 0);
  for (;;) {
    let first: { readonly list: number; readonly at: number; readonly event: ExecutionEvent } | undefined;
    lists.forEach((events, list) => {
      const event = events[next[list]!];
      if (event === undefined) return;
      const at = timeOf(event);
      if (first === undefined || at < first.at) first = { list, at, event };
    });
    if (first === undefined) return;
    next[first.list]!++;
    yield first.event;
  }
}

function timeOf(event: ExecutionEvent): number {
  return typeof event.at === "number" ? event.at : Date.parse(event.at);
}

/** What a task reports of itself. */
export interface Progress {
  /** 0 to 1. */
  readonly fraction: number;
  readonly text?: string;
}

/** Names an attempt on its worker. */
interface Told {
  readonly worker: number;
  /** Its number, or that of an item. */
  readonly task: number;
  readonly item?: number | undefined;
  readonly iteration: number;
  readonly attempt: number;
  readonly name: string;
}

/** Tells starts and progress of running attempts: each start once, before anything else of its attempt, if anybody listens. */
export class RunningTold {
  readonly #watching: Watching;
  readonly #started: Map<number, number> = new Map();
  readonly #progress: Map<number, Progress> = new Map();

  constructor(watching: Watching) {
    this.#watching = watching;
  }

  /** The last progress of each task that runs. */
  get progress(): ReadonlyMap<number, Progress> {
    return this.#progress;
  }

  /** Whether there is anything to tell or to forget; asked first, since it is on the path between two tasks. */
  get some(): boolean {
    return this.#watching.some || this.#started.size > 0 || this.#progress.size > 0;
  }

  /** An attempt has been running since then. */
  began(told: Told, at: number): void {
    if (this.#watching.some) this.#start(told, at);
  }

  /** An attempt has settled that started then. */
  settled(told: Told, startedAt: number): void {
    if (this.#watching.some) this.#start(told, startedAt);
    this.#started.delete(told.task);
    this.#progress.delete(told.task);
  }

  /** A task reports progress. */
  progressed(told: Told, progress: Progress, at: number): void {
    this.#progress.set(told.task, progress);
    if (!this.#watching.some) return;
    this.#start(told, at);
    this.#watching.pass({ type: "attempt.progressed", at, ...keyOf(told), ...progress });
  }

  #start(told: Told, at: number): void {
    const { task, attempt, worker } = told;
    if (this.#started.get(task) === attempt) return;
    this.#started.set(task, attempt);
    this.#watching.pass({ type: "attempt.started", at, ...keyOf(told), worker });
  }
}

function keyOf({ name: task, iteration, attempt, item }: Told): AttemptKey {
  return attemptKeyOf({ task, iteration, attempt, item });
}
