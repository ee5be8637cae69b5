/**
 * Owns one worker from outside: what it has been offered, what it tells, how it is stopped, what is left when it is gone.
 * Must not know the schedule, the journal or other lanes.
 * Invariant: every attempt offered is settled once, or given back because it never began; also when the thread dies, and
 * whatever it tells: what can't be right ends the thread, and the attempt that runs has crashed.
 */
import type { Remote } from "comlink";
import { stampOffset, systemClock } from "../base/clock.ts";
import type { ErrorData, Outcome } from "../model/outcome.ts";
import type { Thread, ThreadEnd } from "../runtime/port.ts";
import { Gate } from "./gate.ts";
import { Flag, InboxWriter, MAX_PAYLOAD, SLOTS } from "./ring/inbox.ts";
import { type Fields, Kind, OutboxReader } from "./ring/outbox.ts";
import {
  type AbortOutcome,
  BELL,
  type Control,
  OUTCOMES,
  WAKE,
  type WorkerCalls,
  type WorkerSetup,
} from "./protocol.ts";
import type { Seat } from "./seat.ts";
import { errorOf, isValueText } from "./told.ts";
import { Unfinished } from "./unfinished.ts";
import { Turns } from "./turns.ts";
import { WorkerClock } from "./worker_clock.ts";

/** All lanes are read on the one thread. */
const TURNS = new Turns();

/** How long a thread may leave an abort unanswered before it counts as stuck in synchronous code, in milliseconds. */
const DEAF_MS = 400;
/** When nothing has been heard for this long though attempts are outstanding, the worker is asked, in milliseconds. */
const ASK_MS = 5_000;
/** How long it may then leave an offer unclaimed, in milliseconds. */
const CLAIM_MS = 3_000;

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

/**
 * How an attempt ended. Times are milliseconds since the epoch, both by one anchor: what lies between them is how long it
 * ran, whatever the wall clock did meanwhile.
 */
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
  /** An attempt has been running since then (a stamp, milliseconds since the epoch). Short ones settle without. */
  began(lane: Lane, item: LaneItem, since: number): void;
  settled(lane: Lane, item: LaneItem, outcome: LaneOutcome): void;
  printed(lane: Lane, line: LaneLine): void;
  progressed(lane: Lane, item: LaneItem, progress: { fraction: number; text?: string }): void;
  /** The outbox has been read, or the worker has become ready: there may be room. */
  told(lane: Lane): void;
  /** The thread is gone. `left` was offered and never began. */
  ended(lane: Lane, left: readonly LaneItem[]): void;
}

/** What a lane says of the attempts that it was offered. */
export interface Given {
  /** Whether one of the last attempts that its worker claimed fits. */
  given(fits: (item: LaneItem) => boolean): boolean;
}

/** What a lane is made with. */
export interface LaneOptions {
  readonly seat: Seat;
  readonly killGraceMs: number;
  /** What the worker may call, and how the lane is known to it. */
  readonly services: (lane: Given) => object;
  readonly listener: LaneListener;
}

interface Abort {
  readonly seq: number;
  readonly outcome: AbortOutcome;
  readonly because: string;
  /** Cancels the timer that ends the thread. */
  cancel: () => void;
}

/** Whom a line belongs to that nobody's code printed. */
const NOBODY = { task: -1, iteration: 0, attempt: 0 } as const;
/** How many there are of each; see journal/record.ts. */
const LEVELS = 5, STREAMS = 3;
const INFO = 1;
const ADVICE =
  "look for code that changes globals, the worker's port or the memory it shares with the executor";

/** How long nothing has changed, and whether the worker was asked why. */
interface Still {
  readonly first: number;
  readonly claimed: boolean;
  /** By the monotonic clock, milliseconds. */
  readonly since: number;
  question: number | undefined;
}

/** One worker, seen from outside. */
export class Lane {
  readonly id: number;
  readonly #options: LaneOptions;
  readonly #thread: Thread;
  readonly #inbox: InboxWriter;
  readonly #outbox: OutboxReader;
  readonly #unfinished: Unfinished;
  readonly #gate: Gate;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #items: Map<number, LaneItem> = new Map();
  /** The last offers, by number modulo `SLOTS`: also those that have settled, as their code may still print. */
  readonly #last: (LaneItem | undefined)[] = new Array<LaneItem | undefined>(SLOTS).fill(undefined);
  #bells = 0;
  #wrong: string | undefined;
  #still: Still | undefined;
  #questions = 0;
  #settledUpTo = -1;
  #state: "starting" | "warm" | "ending" | "ended" = "starting";
  #watched: number | undefined;
  readonly #clock: WorkerClock;
  /** Our monotonic time when the outbox was read last, and what makes a stamp of it. */
  #now = 0;
  #ahead = 0;
  /** Cancels the timer of the running attempt's timeout. */
  #cancelDeadline: () => void = () => {};
  #abort: Abort | undefined;
  #exitCode: number | undefined;
  #exhausted = false;
  /** Whether it has run anything. */
  used = false;
  /** When it last had something to do, by the monotonic clock. */
  idleSince: number = systemClock.monotonic();

  constructor(options: LaneOptions) {
    const { thread, data, startedAt } = options.seat;
    this.id = data.worker;
    this.#options = options;
    this.#thread = thread;
    this.#clock = new WorkerClock(startedAt);
    this.#inbox = new InboxWriter(data.inbox);
    this.#outbox = new OutboxReader(data.cells, data.outbox);
    this.#unfinished = new Unfinished(data.unfinished);
    this.#gate = new Gate({
      services: options.services(this),
      turns: TURNS,
      post: (message, transfer) => this.#thread.postMessage(message, transfer),
    });
    this.#thread.onMessage((message) => this.#hear(message));
    this.#thread.onEnd((end) => this.#onEnd(end));
  }

  /** Whether it can take attempts. */
  get warm(): boolean {
    return this.#state === "warm";
  }

  /** What the worker told that can't be right, if it did. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  get starting(): boolean {
    return this.#state === "starting";
  }

  /** Attempts offered and not settled. */
  get outstanding(): number {
    return this.#items.size;
  }

  /** The attempt that runs now, and since when by the monotonic clock. */
  get running(): { readonly item: LaneItem; readonly seq: number; readonly since: number } | undefined {
    const seq = this.#inbox.current;
    const item = seq === undefined ? undefined : this.#items.get(seq);
    if (item === undefined) return undefined;
    return { item, seq: seq!, since: this.#clock.ours(this.#inbox.claimedAt, systemClock.monotonic()) };
  }

  given(fits: (item: LaneItem) => boolean): boolean {
    return this.#last.some((item) => item !== undefined && fits(item));
  }

  /** The attempt that was offered last and has not settled. */
  get last(): LaneItem | undefined {
    return this.#items.get(this.#inbox.next - 1);
  }

  /** Tells the worker what it needs before its first attempt. */
  setup(setup: WorkerSetup): void {
    this.#alive(this.#gate.calls.setup(setup)).catch(() => {});
  }

  /** Asks the worker something; rejects if the thread ends before it answers. */
  ask<T>(question: (calls: Remote<WorkerCalls>) => Promise<T>): Promise<T> {
    return this.#alive(question(this.#gate.calls));
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
    if (this.#state === "ended") {
      taken.push(...[...this.#items.values()].reverse());
      this.#items.clear();
    }
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
    if (this.#wrong !== undefined) return false;
    const current = this.#inbox.look();
    const { passed } = this.#inbox;
    this.#now = systemClock.monotonic();
    this.#ahead = stampOffset();
    const some = this.#outbox.drain((kind, fields) => this.#receive(kind, fields));
    const wrong = this.#outbox.wrong ?? this.#inbox.wrong ?? this.#untold(passed, current);
    if (wrong !== undefined) this.#refuse(wrong);
    this.#watch();
    if (some && this.#items.size === 0) this.idleSince = systemClock.monotonic();
    return some;
  }

  /**
   * Asks the worker what it runs, when nothing has been heard for long. To be called now and then while it has attempts.
   *
   * @param at The monotonic time, milliseconds.
   */
  inquire(at: number): void {
    const [first] = this.#items.keys();
    if (first === undefined || this.#state !== "warm") {
      this.#still = undefined;
      return;
    }
    const claimed = this.#inbox.current === first;
    if (this.#still?.first !== first || this.#still.claimed !== claimed) {
      this.#still = { first, claimed, since: at, question: undefined };
    }
    const took = at - this.#still.since;
    if (this.#still.question === undefined && took >= ASK_MS) {
      this.#still.question = ++this.#questions;
      this.#control({ do: "answer", question: this.#questions });
    } else if (!claimed && took >= ASK_MS + CLAIM_MS) {
      this.#refuse("it takes no attempts: what an earlier task left behind holds its thread");
    }
  }

  /** Wakes the worker, if it has something to do. */
  wake(): void {
    if (this.#items.size > 0) this.#thread.postMessage(WAKE);
  }

  /** Lets a worker go on that waits after an outcome that was no success; to be called once for each. */
  release(): void {
    this.#inbox.release();
    if (this.#items.size > 0 && this.#inbox.mustWake()) this.#thread.postMessage(WAKE);
  }

  /** Stops the running attempt: signal, grace, termination. Does nothing if none runs. */
  abort(outcome: AbortOutcome, because: string): void {
    const running = this.running;
    if (running === undefined || this.#abort?.seq === running.seq || this.#state !== "warm") return;
    const { seq } = running;
    this.#cancelDeadline();
    const cancel = systemClock.after(Math.min(DEAF_MS, this.#options.killGraceMs), () => this.#kill(seq));
    this.#abort = { seq, outcome, because, cancel };
    this.#control({ do: "abort", seq, outcome });
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
      timeoutMs: Math.ceil(item.timeoutMs ?? 0),
      payload: bulky ? undefined : item.payload,
    });
    if (!offered) return false;
    this.#items.set(seq, item);
    this.#last[seq % SLOTS] = item;
    if (bulky) this.#control({ do: "payload", seq, text: item.payload });
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

  #hear(message: unknown): void {
    if (this.#wrong !== undefined || this.#state === "ended") return;
    if (message !== BELL) {
      const wrong = this.#gate.hear(message);
      if (wrong !== undefined) this.#refuse(wrong);
    } else if (++this.#bells > this.#outbox.bells) {
      this.#refuse("it has rung a bell that its program did not ring");
    } else TURNS.take(this.#bell);
  }

  #control(message: Control): void {
    this.#thread.postMessage(message);
  }

  /**
   * What it tells can't be right, so that nothing that it tells is believed any more: its thread is ended. Nothing new is
   * claimed, so that only what runs now is lost.
   */
  #refuse(wrong: string): void {
    if (this.#wrong !== undefined || this.#state === "ended") return;
    this.#wrong = wrong;
    this.#gate.close();
    for (const seq of [...this.#items.keys()].reverse()) this.#inbox.revoke(seq);
    this.end().catch(() => {});
  }

  /** Whether an attempt has ended without an outcome, by what the inbox said before the outbox was read. */
  #untold(passed: number, current: number | undefined): string | undefined {
    for (const first of this.#items.keys()) {
      const past = first < passed && first !== current;
      return past ? "it has gone on without telling the outcome of an attempt" : undefined;
    }
    return undefined;
  }

  #receive(kind: number, fields: Fields): string | undefined {
    switch (kind) {
      case Kind.outcome:
        return this.#settle(fields);
      case Kind.log:
        return this.#print(fields);
      case Kind.progress:
        return this.#progress(fields);
      case Kind.alive:
        return this.#answered(fields);
      case Kind.clock:
        return this.#clock.told({ origin: fields.x, reads: fields.y });
      case Kind.exhausted:
        this.#exhausted = true;
        break;
      case Kind.exit:
        this.#exitCode = fields.a;
        break;
      case Kind.broken:
        return `its program failed: ${clip(fields.text)}`;
      default:
        return `its outbox holds a record of the kind ${kind}`;
    }
    this.end().catch(() => {});
    return undefined;
  }

  #print({ a: seq, x, y, text }: Fields): string | undefined {
    const [level, stream] = [y >> 2, y & 3];
    if (
      text === undefined || seq < -1 || seq >= this.#inbox.next ||
      !(y >= 0 && level < LEVELS && stream < STREAMS)
    ) {
      return "it has printed a line of a kind that there is not";
    }
    // Of an attempt long past nobody knows any more whose it was.
    const item = seq < this.#inbox.next - SLOTS || seq < 0 ? undefined : this.#last[seq % SLOTS];
    const { task, iteration, attempt } = item ?? NOBODY;
    this.#options.listener.printed(this, {
      task,
      iteration,
      attempt,
      at: this.#stampOf(x),
      level,
      stream,
      text,
    });
    return undefined;
  }

  /** The stamp of a moment of the worker's. */
  #stampOf(at: number): number {
    return this.#clock.ours(at, this.#now) + this.#ahead;
  }

  #progress({ a: seq, x: fraction, text }: Fields): string | undefined {
    const item = this.#items.get(seq);
    if (item === undefined || !this.#inbox.claimed(seq) || !(fraction >= 0 && fraction <= 1)) {
      return "it has told progress of an attempt that it does not run, or of no number from 0 to 1";
    }
    const progress = text === undefined ? { fraction } : { fraction, text: text.slice(0, 1_000) };
    this.#options.listener.progressed(this, item, progress);
    return undefined;
  }

  #settle(fields: Fields): string | undefined {
    const { a: seq, c: retire } = fields;
    const item = this.#items.get(seq);
    if (item === undefined || seq <= this.#settledUpTo || !this.#inbox.claimed(seq)) {
      return "it has told an outcome of an attempt that it does not run";
    }
    const outcome = this.#outcomeOf(item, fields);
    if (typeof outcome === "string") return outcome;
    if (this.#abort?.seq === seq) this.#abort.cancel();
    this.#items.delete(seq);
    this.#settledUpTo = seq;
    this.#options.listener.settled(this, item, outcome);
    if (retire === 1) this.end().catch(() => {});
    return undefined;
  }

  /** The outcome that a record tells, or what can't be right about it. */
  #outcomeOf(item: LaneItem, { a: seq, b, x, y, text }: Fields): LaneOutcome | string {
    const outcome = OUTCOMES[b];
    const { start, end } = this.#clock.span(x, { to: y, now: this.#now });
    const startedAt = start + this.#ahead;
    const endedAt = end + this.#ahead;
    if (outcome === "succeeded") {
      if (text === undefined) return { outcome, startedAt, endedAt };
      return isValueText(text)
        ? { outcome, value: text, startedAt, endedAt }
        : "it has told a value that is no JSON";
    }
    const aborted = this.#abort?.seq === seq ? this.#abort : undefined;
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

  /** Keeps an eye on the attempt that runs now: its deadline. */
  #watch(): void {
    const running = this.running;
    if (running?.seq === this.#watched) return;
    this.#cancelDeadline();
    this.#watched = running?.seq;
    if (running === undefined) return;
    this.#options.listener.began(this, running.item, running.since + stampOffset());
    const { timeoutMs } = running.item;
    if (timeoutMs === undefined) return;
    const until = running.since + timeoutMs;
    this.#cancelDeadline = systemClock.after(until - systemClock.monotonic(), () => {
      this.drain();
      if (this.running?.seq === running.seq) this.abort("timed_out", tooLong(running.item));
      this.#options.listener.told(this);
    });
  }

  /** The thread still listens: an attempt that was aborted gets its grace. @param fields What runs, and what was asked. */
  #answered({ a: runs, b: question }: Fields): string | undefined {
    if (this.#still !== undefined && this.#still.question === question) {
      const { first, claimed } = this.#still;
      // It is asked again after a while.
      if (claimed) this.#still = undefined;
      if (claimed && runs !== first && this.#inbox.current === first) {
        return "it has let go of the attempt that runs";
      }
    }
    if (this.#abort?.seq !== runs || question !== 0) return undefined;
    this.#abort.cancel();
    this.#abort.cancel = systemClock.after(this.#options.killGraceMs, () => this.#kill(runs));
    return undefined;
  }

  #kill(seq: number): void {
    this.drain();
    if (this.#inbox.current === seq && this.#items.has(seq)) this.end().catch(() => {});
  }

  #onEnd(end: ThreadEnd): void {
    this.drain();
    this.#cancelDeadline();
    this.#abort?.cancel();
    this.#gate.close();
    this.#state = "ended";
    const current = this.#inbox.look();
    const times = stampsOf(this.running?.since ?? Infinity);
    const began = [...this.#items].filter(([seq]) => this.#began(seq, current));
    for (const [seq, item] of began) {
      this.#items.delete(seq);
      this.#printUnfinished(seq, item);
    }
    for (const [seq, item] of began) {
      // The others are given back first, by way of `revoke`: they may have been there only because of this one.
      this.#options.listener.settled(this, item, { ...this.#cause(seq, end), ...times });
    }
    const left = this.revoke();
    this.#gone.resolve();
    this.#options.listener.ended(this, left);
  }

  /** The line that an attempt was printing when its thread ended says where it was. */
  #printUnfinished(seq: number, { task, iteration, attempt }: LaneItem): void {
    for (let stream = 0; stream < STREAMS; stream++) {
      const text = this.#unfinished.read(stream, seq);
      if (text === undefined) continue;
      const line = { task, iteration, attempt, at: systemClock.now(), level: INFO, stream, text };
      this.#options.listener.printed(this, line);
    }
  }

  /** Whether an attempt that has no outcome had begun. Of those that a worker should not have begun: if it stands alone. */
  #began(seq: number, current: number | undefined): boolean {
    const [first] = this.#items.keys();
    if (seq === current || seq === this.#watched) return seq === first || this.#inbox.claimed(seq);
    return seq < this.#inbox.passed && this.#inbox.claimed(seq) &&
      (seq === first || !this.#items.get(seq)!.follows);
  }

  /** Why the running attempt ended with its thread. */
  #cause(seq: number, { code, memory, error }: ThreadEnd): Omit<LaneOutcome, "startedAt" | "endedAt"> {
    if (this.#wrong !== undefined) {
      return { outcome: "crashed", reason: "lost", because: `${this.#wrong}; ${ADVICE}` };
    }
    if (this.#exitCode !== undefined) return { outcome: "crashed", reason: "exit", code: this.#exitCode };
    if (this.#abort?.seq === seq) return { outcome: this.#abort.outcome, because: this.#abort.because };
    if (memory || this.#exhausted) return { outcome: "crashed", reason: "memory" };
    const message = error instanceof Error
      ? clip(error.message)
      : `the thread ended with code ${code ?? "unknown"}`;
    return { outcome: "crashed", reason: "lost", because: message };
  }

  #alive<T>(answer: Promise<T>): Promise<T> {
    const gone = this.#gone.promise.then((): never => {
      const how = this.#wrong !== undefined
        ? `, as ${this.#wrong},`
        : this.#exitCode === undefined
        ? ""
        : ` with exit code ${this.#exitCode}`;
      throw new Error(`The worker ended${how} before it answered`);
    });
    return Promise.race([answer, gone]);
  }
}

/** The stamps of what ends now and began then, by the monotonic clock. */
export function stampsOf(since: number): { readonly startedAt: number; readonly endedAt: number } {
  const now = systemClock.monotonic();
  const ahead = stampOffset();
  return { startedAt: Math.min(since, now) + ahead, endedAt: now + ahead };
}

function clip(text: unknown): string {
  return typeof text === "string" ? text.slice(0, 1_000) : "it said nothing that can be read";
}

function tooLong({ timeoutMs = 0 }: LaneItem): string {
  const limit = timeoutMs >= 1_000 ? `${timeoutMs / 1_000} s` : `${timeoutMs} ms`;
  return `it ran longer than its timeout of ${limit}`;
}
