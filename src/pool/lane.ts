/**
 * Owns one worker from outside: what it has been offered, what it tells, how it is stopped, what is left when it is gone.
 * Must not know the schedule, the journal or other lanes.
 * Invariant: every attempt offered is settled once, or given back because it never began; also when the thread dies.
 */
import { expose, type Remote, wrap } from "comlink";
import type { ErrorData, Outcome } from "../pipeline/outcome.ts";
import type { Thread, ThreadEnd } from "../runtime/port.ts";
import { Flag, InboxWriter, MAX_PAYLOAD, SLOTS } from "./inbox.ts";
import { type Fields, Kind, OutboxReader } from "./outbox.ts";
import {
  type AbortOutcome,
  BELL,
  endpointOf,
  OUTCOMES,
  WAKE,
  type WorkerCalls,
  type WorkerSetup,
} from "./protocol.ts";
import type { Seat } from "./seat.ts";
import { Turns } from "./turns.ts";

/** All lanes are read on the one thread. */
const TURNS = new Turns();

/** How long a thread may leave an abort unanswered before it counts as stuck in synchronous code, in milliseconds. */
const DEAF_MS = 400;

/** An attempt on its way to, or in, a worker. */
export interface LaneItem {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly urgent: boolean;
  readonly fatal: boolean;
  /** Whether it is only there because of the one before it. */
  readonly follows: boolean;
  readonly timeoutMs: number | undefined;
  readonly payload: string;
}

/** How an attempt ended. Times are milliseconds since the epoch. */
export interface LaneOutcome {
  readonly outcome: Outcome;
  /** JSON text. */
  readonly value?: string;
  readonly error?: ErrorData;
  readonly reason?: "exit" | "memory" | "lost";
  readonly code?: number;
  readonly because?: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** A line that a task, or a module outside of any task (`task` -1), has printed. */
export interface LaneLine {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly at: number;
  readonly level: number;
  readonly stream: number;
  readonly text: string;
}

/** What hears of a lane. Called while the outbox is read; it may offer and revoke. */
export interface LaneListener {
  /** An attempt has been running since then (milliseconds since the epoch). Short ones settle without. */
  began(lane: Lane, item: LaneItem, since: number): void;
  settled(lane: Lane, item: LaneItem, outcome: LaneOutcome): void;
  printed(lane: Lane, line: LaneLine): void;
  progressed(lane: Lane, item: LaneItem, progress: { fraction: number; text?: string }): void;
  /** The outbox has been read, or the worker has become ready: there may be room. */
  told(lane: Lane): void;
  /** The thread is gone. `left` was offered and never began. */
  ended(lane: Lane, left: readonly LaneItem[]): void;
}

/** What a lane is made with. */
export interface LaneOptions {
  readonly seat: Seat;
  readonly killGraceMs: number;
  /** What the worker may call. */
  readonly services: object;
  readonly listener: LaneListener;
}

interface Abort {
  readonly seq: number;
  readonly outcome: AbortOutcome;
  readonly because: string;
  timer: ReturnType<typeof setTimeout>;
}

/** One worker, seen from outside. */
export class Lane {
  readonly id: number;
  readonly #options: LaneOptions;
  readonly #thread: Thread;
  readonly #inbox: InboxWriter;
  readonly #outbox: OutboxReader;
  readonly #calls: Remote<WorkerCalls>;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #items: Map<number, LaneItem> = new Map();
  #state: "starting" | "warm" | "ending" | "ended" = "starting";
  #watched: number | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #abort: Abort | undefined;
  #exitCode: number | undefined;
  #exhausted = false;
  /** Whether it has run anything. */
  used = false;
  /** When it last had something to do, in milliseconds since the epoch. */
  idleSince: number = Date.now();

  constructor(options: LaneOptions) {
    const { thread, data } = options.seat;
    this.id = data.worker;
    this.#options = options;
    this.#thread = thread;
    this.#inbox = new InboxWriter(data.inbox);
    this.#outbox = new OutboxReader(data.cells, data.outbox);
    const { endpoint, receive } = endpointOf((message, transfer) =>
      this.#thread.postMessage(message, transfer)
    );
    this.#thread.onMessage((message) => message === BELL ? TURNS.take(this.#bell) : receive(message));
    this.#thread.onEnd((end) => this.#onEnd(end));
    expose(options.services, endpoint);
    this.#calls = wrap<WorkerCalls>(endpoint);
  }

  /** Whether it can take attempts. */
  get warm(): boolean {
    return this.#state === "warm";
  }

  get starting(): boolean {
    return this.#state === "starting";
  }

  /** Attempts offered and not settled. */
  get outstanding(): number {
    return this.#items.size;
  }

  /** Attempts that may still be offered. */
  get room(): number {
    return SLOTS - this.#items.size;
  }

  /** The attempt that runs now, and since when (milliseconds since the epoch). */
  get running(): { readonly item: LaneItem; readonly seq: number; readonly since: number } | undefined {
    const seq = this.#inbox.current;
    const item = seq === undefined ? undefined : this.#items.get(seq);
    return item === undefined ? undefined : { item, seq: seq!, since: this.#inbox.claimedAt };
  }

  /** The attempt that was offered last and has not settled. */
  get last(): LaneItem | undefined {
    return this.#items.get(this.#inbox.next - 1);
  }

  /** Tells the worker what it needs before its first attempt. */
  setup(setup: WorkerSetup): void {
    this.#alive(this.#calls.setup(setup)).catch(() => {});
  }

  /** Asks the worker something; rejects if the thread ends before it answers. */
  ask<T>(question: (calls: Remote<WorkerCalls>) => Promise<T>): Promise<T> {
    return this.#alive(question(this.#calls));
  }

  /** Offers attempts, in order; those for which there is no room are returned. */
  offer(items: readonly LaneItem[]): readonly LaneItem[] {
    let at = 0;
    for (; at < items.length; at++) {
      if (!this.#offer(items[at]!)) break;
    }
    if (at > 0) {
      this.used = true;
      if (this.#inbox.mustWake()) this.#thread.postMessage(WAKE);
    }
    return items.slice(at);
  }

  /** Takes back everything that has not begun, the last first. */
  revoke(): LaneItem[] {
    const taken: LaneItem[] = [];
    for (const seq of [...this.#items.keys()].reverse()) {
      if (!this.#revokeOne(seq, taken)) break;
    }
    return taken;
  }

  /** Takes back the last independent attempt that has not begun, with the line behind it, the last first. */
  revokeTail(): LaneItem[] {
    const taken: LaneItem[] = [];
    for (const seq of [...this.#items.keys()].reverse()) {
      const { follows } = this.#items.get(seq)!;
      if (!this.#revokeOne(seq, taken) || !follows) break;
    }
    return taken;
  }

  /** Whether something waits here that could run elsewhere. */
  get spare(): boolean {
    const current = this.#inbox.current;
    for (const [seq, item] of this.#items) if (!item.follows && seq !== current) return true;
    return false;
  }

  /** Reads what the worker has told; returns whether there was anything. */
  drain(): boolean {
    const some = this.#outbox.drain((kind, fields) => this.#receive(kind, fields));
    this.#watch();
    if (some && this.#items.size === 0) this.idleSince = Date.now();
    return some;
  }

  /** Lets a worker go on that waits after an outcome that was no success. */
  release(): void {
    if (!this.#inbox.held) return;
    this.#inbox.release();
    if (this.#items.size > 0 && this.#inbox.mustWake()) this.#thread.postMessage(WAKE);
  }

  /** Stops the running attempt: signal, grace, termination. Does nothing if none runs. */
  abort(outcome: AbortOutcome, because: string): void {
    const running = this.running;
    if (running === undefined || this.#abort?.seq === running.seq || this.#state !== "warm") return;
    const { seq } = running;
    clearTimeout(this.#deadline);
    const timer = setTimeout(() => this.#kill(seq), Math.min(DEAF_MS, this.#options.killGraceMs));
    this.#abort = { seq, outcome, because, timer };
    this.ask((calls) => calls.abort(seq, outcome, because)).catch(() => {});
  }

  /** Ends the thread; resolves when it is proven gone. */
  async end(): Promise<void> {
    if (this.#state === "starting" || this.#state === "warm") {
      this.#state = "ending";
      await this.#thread.terminate();
    }
    await this.#gone.promise;
  }

  #offer(item: LaneItem): boolean {
    const bulky = item.payload.length > MAX_PAYLOAD / 3;
    const seq = this.#inbox.next;
    const offered = this.#inbox.offer({
      task: item.task,
      iteration: item.iteration,
      attempt: item.attempt,
      flags: (item.urgent ? Flag.urgent : 0) | (item.fatal ? Flag.fatal : 0) | (bulky ? Flag.bulky : 0),
      timeoutMs: item.timeoutMs ?? 0,
      payload: bulky ? undefined : item.payload,
    });
    if (!offered) return false;
    this.#items.set(seq, item);
    if (bulky) this.ask((calls) => calls.payload(seq, item.payload)).catch(() => {});
    return true;
  }

  #revokeOne(seq: number, taken: LaneItem[]): boolean {
    if (!this.#inbox.revoke(seq)) return false;
    taken.push(this.#items.get(seq)!);
    this.#items.delete(seq);
    return true;
  }

  readonly #bell = (): void => {
    if (this.#state === "ended") return;
    if (this.#state === "starting") this.#state = "warm";
    this.drain();
    this.#options.listener.told(this);
  };

  #receive(kind: number, fields: Fields): void {
    const { listener } = this.#options;
    if (kind === Kind.outcome) return this.#settle(fields);
    if (kind === Kind.log) {
      const { a: task, b: attempt, c: iteration, x: at, y, text = "" } = fields;
      return listener.printed(this, { task, iteration, attempt, at, level: y >> 2, stream: y & 3, text });
    }
    if (kind === Kind.progress) {
      const item = this.#items.get(fields.a);
      const { x: fraction, text } = fields;
      if (item !== undefined) {
        listener.progressed(this, item, text === undefined ? { fraction } : { fraction, text });
      }
    } else if (kind === Kind.alive) this.#answered(fields.a);
    else if (kind === Kind.exhausted) {
      this.#exhausted = true;
      this.end().catch(() => {});
    } else if (kind === Kind.exit) {
      this.#exitCode = fields.a;
      this.end().catch(() => {});
    }
  }

  #settle({ a: seq, b, c: retire, x: startedAt, y: endedAt, text }: Fields): void {
    const item = this.#items.get(seq);
    if (item === undefined) return;
    this.#items.delete(seq);
    const outcome = OUTCOMES[b]!;
    const aborted = this.#abort?.seq === seq ? this.#abort : undefined;
    clearTimeout(aborted?.timer);
    this.#options.listener.settled(
      this,
      item,
      outcome === "succeeded"
        ? text === undefined ? { outcome, startedAt, endedAt } : { outcome, value: text, startedAt, endedAt }
        : {
          outcome,
          ...(text === undefined ? {} : { error: JSON.parse(text) as ErrorData }),
          ...(aborted !== undefined
            ? { because: aborted.because }
            : outcome === "timed_out"
            ? { because: tooLong(item) }
            : {}),
          startedAt,
          endedAt,
        },
    );
    if (retire === 1) this.end().catch(() => {});
  }

  /** Keeps an eye on the attempt that runs now: its deadline. */
  #watch(): void {
    const running = this.running;
    if (running?.seq === this.#watched) return;
    clearTimeout(this.#deadline);
    this.#watched = running?.seq;
    if (running !== undefined) this.#options.listener.began(this, running.item, running.since);
    const timeoutMs = running?.item.timeoutMs;
    if (running === undefined || timeoutMs === undefined) return;
    const left = running.since + timeoutMs - (performance.timeOrigin + performance.now());
    this.#deadline = setTimeout(() => {
      this.drain();
      if (this.running?.seq === running.seq) this.abort("timed_out", tooLong(running.item));
      this.#options.listener.told(this);
    }, Math.max(0, left));
  }

  /** The thread still listens: the attempt gets its grace. */
  #answered(seq: number): void {
    if (this.#abort?.seq !== seq) return;
    clearTimeout(this.#abort.timer);
    this.#abort.timer = setTimeout(() => this.#kill(seq), this.#options.killGraceMs);
  }

  #kill(seq: number): void {
    this.drain();
    if (this.#inbox.current === seq && this.#items.has(seq)) this.end().catch(() => {});
  }

  #onEnd(end: ThreadEnd): void {
    this.drain();
    clearTimeout(this.#deadline);
    clearTimeout(this.#abort?.timer);
    this.#state = "ended";
    const running = this.running;
    if (running !== undefined) {
      this.#items.delete(running.seq);
      const times = { startedAt: running.since, endedAt: performance.timeOrigin + performance.now() };
      this.#options.listener.settled(this, running.item, { ...this.#cause(running.seq, end), ...times });
    }
    const left = [...this.#items.values()].reverse();
    this.#items.clear();
    this.#gone.resolve();
    this.#options.listener.ended(this, left);
  }

  /** Why the running attempt ended with its thread. */
  #cause(seq: number, { code, memory, error }: ThreadEnd): Omit<LaneOutcome, "startedAt" | "endedAt"> {
    if (this.#exitCode !== undefined) return { outcome: "crashed", reason: "exit", code: this.#exitCode };
    if (this.#abort?.seq === seq) return { outcome: this.#abort.outcome, because: this.#abort.because };
    if (memory || this.#exhausted) return { outcome: "crashed", reason: "memory" };
    const message = error instanceof Error
      ? error.message
      : `the thread ended with code ${code ?? "unknown"}`;
    return { outcome: "crashed", reason: "lost", because: message };
  }

  #alive<T>(answer: Promise<T>): Promise<T> {
    const gone = this.#gone.promise.then((): never => {
      const how = this.#exitCode === undefined ? "" : ` with exit code ${this.#exitCode}`;
      throw new Error(`The worker ended${how} before it answered`);
    });
    return Promise.race([answer, gone]);
  }
}

function tooLong({ timeoutMs = 0 }: LaneItem): string {
  const limit = timeoutMs >= 1_000 ? `${timeoutMs / 1_000} s` : `${timeoutMs} ms`;
  return `it ran longer than its timeout of ${limit}`;
}
