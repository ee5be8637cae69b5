/**
 * Owns one worker from outside: it puts together what it has been offered, what it tells, how it is stopped, and what is left
 * when it is gone.
 * Must not know the schedule, the journal or other lanes.
 * Invariant: every attempt offered is settled once, or given back because it never began; also when the thread dies, and
 * whatever it tells: what can't be right ends the thread, and the attempt that runs has crashed.
 */
import type { Remote } from "comlink";
import type { Clock } from "../base/clock.ts";
import type { ThreadEnd } from "../runtime/port.ts";
import { type RunningOffer, WorkTime } from "./work_time.ts";
import type { Board } from "./board/board.ts";
import type { Doer } from "./board/slots.ts";
import { type LaneItem, type LaneLine, type LaneOutcome, stampsOf } from "./attempt.ts";
import { Inquiry } from "./inquiry.ts";
import { clip, ThreadLife } from "./thread_life.ts";
import { Offers } from "./offers.ts";
import { PortGate } from "./port_gate.ts";
import { type AbortOutcome, BELL, type WorkerCalls, type WorkerSetup } from "./protocol.ts";
import { type Fields, LATER, OutboxReader, RecordKind } from "./ring/outbox.ts";
import type { Seat } from "./seat.ts";
import { outcomeOf } from "./told.ts";
import { turnsOf } from "./turns.ts";
import { shownOf } from "../base/overwritten.ts";
import { Unfinished } from "./unfinished.ts";
import { WorkerClock } from "./worker_clock.ts";

/** What hears of a lane. Called while the outbox is read; it may offer and revoke. */
export interface LaneListener {
  /** An attempt has been running since then (a stamp, milliseconds since the epoch). Short ones settle without. */
  began(lane: Lane, item: LaneItem, since: number): void;
  /** @param behind What hung on the board because of it, and is taken back after a failure; the last first. */
  settled(lane: Lane, item: LaneItem, outcome: LaneOutcome, behind: readonly LaneItem[]): void;
  /** Whether all is known that had to end before an attempt of the board could begin. */
  due(item: LaneItem): boolean;
  /** It has told an outcome that is not due: what others have told is to be read first. */
  early(lane: Lane): void;
  printed(lane: Lane, line: LaneLine): void;
  progressed(lane: Lane, item: LaneItem, progress: { fraction: number; text?: string }): void;
  /** The outbox has been read, or the worker has become ready: there may be room. */
  told(lane: Lane): void;
  /** The thread is gone. `left` was offered and never began, the last first. */
  ended(lane: Lane, left: readonly LaneItem[]): void;
}

/** What a lane says of the attempts that it was offered. */
export interface Given {
  /** Whether one of the last attempts that its worker claimed fits. */
  given(fits: (doer: Doer) => boolean): boolean;
}

/** What a lane is made with. */
export interface LaneOptions {
  readonly seat: Seat;
  readonly board: Board;
  readonly clock: Clock;
  readonly killGraceMs: number;
  /** What the worker may call, and how the lane is known to it. */
  readonly services: (lane: Given) => object;
  readonly listener: LaneListener;
}

/** Whom a line belongs to that nobody's code printed. */
const NOBODY = { task: -1, iteration: 0, attempt: 0 } as const;
/** How many there are of each; see model/record.ts. */
const LEVELS = 5, STREAMS = 3;
const INFO = 1;
const NOTHING: readonly LaneItem[] = [];
/** The number of no attempt; below it are those of the board. */
const NO_NUMBER = -1;

/** One worker, seen from outside. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #life: ThreadLife;
  readonly #offers: Offers;
  readonly #outbox: OutboxReader;
  readonly #gate: PortGate;
  readonly #clock: WorkerClock;
  readonly #workTime: WorkTime;
  readonly #inquiry: Inquiry = new Inquiry();
  /** When it last had something to do, by the monotonic clock. */
  idleSince: number;

  constructor(options: LaneOptions) {
    const { seat: { thread, data, startedAt }, clock } = options;
    this.#options = options;
    this.#life = new ThreadLife(thread);
    this.#offers = new Offers(data.inbox, {
      post: (message) => thread.postMessage(message),
      woke: () => options.board.woke(),
    });
    this.#outbox = new OutboxReader(data.cells, data.outbox);
    this.#clock = new WorkerClock(clock, startedAt);
    this.#workTime = this.#watcher();
    this.#gate = new PortGate({
      services: options.services(this),
      turns: turnsOf(clock),
      post: (message, transfer) => thread.postMessage(message, transfer),
    });
    this.idleSince = clock.monotonic();
    thread.onMessage((message) => this.#hear(message));
    thread.onEnd((end) => this.#onEnd(end));
  }

  get id(): number {
    return this.#options.seat.data.worker;
  }

  /** Whether it can take attempts. */
  get warm(): boolean {
    return this.#life.warm;
  }

  get starting(): boolean {
    return this.#life.starting;
  }

  /** What the worker told that can't be right, if it did. */
  get wrong(): string | undefined {
    return this.#life.wrong;
  }

  /** Whether it was ever offered anything, or had the board open to it. */
  get used(): boolean {
    return this.#offers.used;
  }

  /** Its number among those that live. */
  get seat(): number {
    return this.#options.seat.data.seat;
  }

  /** The number of what its worker runs. */
  get current(): number | undefined {
    return this.#offers.current;
  }

  /** Whether its worker may take what hangs on the board. */
  get open(): boolean {
    return this.#offers.atBoard;
  }

  set open(on: boolean) {
    this.#offers.atBoard = on;
    if (on) this.#offers.wake();
  }

  /** Whether its worker sleeps: only a message wakes it. */
  get sleeps(): boolean {
    return this.#offers.sleeps;
  }

  /** Whether it has something to do, or may be about to. */
  get busy(): boolean {
    return this.#offers.busy;
  }

  /** Whether it has told what is not due yet. */
  get early(): boolean {
    return this.#outbox.waits && this.#life.wrong === undefined;
  }

  /** Attempts offered and not settled. */
  get outstanding(): number {
    return this.#offers.size;
  }

  /** Whether something waits here that could run elsewhere. */
  get spare(): boolean {
    return this.#offers.spare;
  }

  /** The attempt that runs now, and since when by the monotonic clock. */
  get running(): RunningOffer | undefined {
    const seq = this.#offers.current;
    const item = seq === undefined ? undefined : this.#item(seq);
    if (item === undefined) return undefined;
    return { item, seq: seq!, since: this.#clock.ours(this.#offers.claimedAt) };
  }

  given(fits: (doer: Doer) => boolean): boolean {
    const { running } = this;
    if (running !== undefined && fits(running.item)) return true;
    return this.#offers.given(fits) || this.#options.board.given(this.seat, fits);
  }

  /** Tells the worker what it needs before its first attempt. */
  setup(setup: WorkerSetup): void {
    this.#life.answered(this.#gate.calls.setup(setup)).catch(() => {});
  }

  /** Asks the worker something; rejects if the thread ends before it answers. */
  ask<T>(question: (calls: Remote<WorkerCalls>) => Promise<T>): Promise<T> {
    return this.#life.answered(question(this.#gate.calls));
  }

  /** Offers attempts, in order; those for which there is no room are returned. */
  offer(items: readonly LaneItem[]): readonly LaneItem[] {
    return this.#offers.offer(items);
  }

  /** Takes back everything that has not begun, the last first. */
  revoke(): LaneItem[] {
    return this.#life.ended ? this.#offers.takeAll() : this.#offers.revoke();
  }

  /** Reads what the worker has told; returns whether there was anything. */
  drain(): boolean {
    if (this.#life.wrong !== undefined) return false;
    const current = this.#offers.look();
    const { passed } = this.#offers;
    this.#clock.reads();
    const some = this.#outbox.drain((kind, fields) => this.#receive(kind, fields));
    if (this.#outbox.waits) {
      this.#options.listener.early(this);
      return some;
    }
    const wrong = this.#outbox.wrong ?? this.#offers.wrong ??
      (this.#offers.untold(passed, current)
        ? "it has gone on without telling the outcome of an attempt"
        : undefined);
    if (wrong !== undefined) this.#refuse(wrong);
    this.#workTime.watch();
    if (some && !this.#offers.busy) this.idleSince = this.#options.clock.monotonic();
    return some;
  }

  /**
   * Asks the worker what it runs, when nothing has been heard for long. To be called now and then while it has attempts.
   *
   * @param at The monotonic time, milliseconds.
   */
  inquire(at: number): void {
    const { current } = this.#offers;
    const first = this.#offers.first ?? current ?? this.#letGoOf() ??
      (this.#offers.wakes ? NO_NUMBER : undefined);
    if (first === undefined || !this.#life.warm) return this.#inquiry.rest();
    const found = this.#inquiry.look(at, { first, claimed: current === first });
    if (typeof found === "string") this.#refuse(found);
    else if (found !== undefined) this.#post({ do: "answer", question: found });
  }

  /** Wakes the worker, if it sleeps. */
  wake(): void {
    this.#offers.wake();
  }

  /** Nothing can be right about what it told. @param wrong Why. */
  refuse(wrong: string): void {
    this.#refuse(wrong);
  }

  /** Lets a worker go on that waits after an outcome that was no success; to be called once for each. */
  release(): void {
    this.#offers.release();
  }

  /** Stops the running attempt: signal, grace, termination. Does nothing if none runs. */
  abort(outcome: AbortOutcome, because: string): void {
    if (this.#life.warm) this.#workTime.abort(outcome, because);
  }

  /** Ends the thread; resolves when it is proven gone. */
  end(): Promise<void> {
    return this.#life.end();
  }

  /** What keeps an eye on the attempt that runs. */
  #watcher(): WorkTime {
    const { clock, killGraceMs, listener, seat } = this.#options;
    return new WorkTime({
      clock,
      killGraceMs,
      running: () => this.running,
      read: () => void this.drain(),
      unfinished: () => new Unfinished(seat.data.unfinished).added(),
      began: ({ item, since }) => listener.began(this, item, since + clock.stampOffset()),
      abort: (seq, outcome) => {
        if (this.#life.warm) this.#post({ do: "abort", seq, outcome });
        return this.#life.warm;
      },
      end: () => this.#endSoon(),
      told: () => listener.told(this),
    });
  }

  /** One that is offered here or hangs on the board, by its number. */
  #item(seq: number): LaneItem | undefined {
    return seq < NO_NUMBER ? this.#options.board.get(seq) : this.#offers.get(seq);
  }

  /** The one whose outcome, or whose progress, may be told now. */
  #claimed(seq: number): LaneItem | undefined {
    if (seq < NO_NUMBER) return this.#options.board.claimed(this.seat, seq);
    const item = this.#offers.get(seq);
    return item !== undefined && this.#offers.claimed(seq) ? item : undefined;
  }

  /** One of the board that its worker has claimed and neither runs nor has told of. */
  #letGoOf(): number | undefined {
    return this.#offers.busy || !this.#offers.used ? undefined : this.#options.board.claims(this.seat)[0];
  }

  #post(message: unknown): void {
    this.#options.seat.thread.postMessage(message);
  }

  #endSoon(): void {
    this.end().catch(() => {});
  }

  readonly #bell = (): void => {
    if (this.#life.ended) return;
    this.#life.ready();
    this.drain();
    this.#options.listener.told(this);
  };

  #hear(message: unknown): void {
    if (this.#life.wrong !== undefined || this.#life.ended) return;
    if (message === BELL) {
      if (this.#outbox.hears()) turnsOf(this.#options.clock).take(this.#bell);
      else this.#refuse("it has rung a bell that its program did not ring");
    } else {
      this.#workTime.heard(this.#offers.current);
      const wrong = this.#gate.hear(message);
      if (wrong !== undefined) this.#refuse(wrong);
    }
  }

  /**
   * What it tells can't be right, so that nothing that it tells is believed any more: its thread is ended. Nothing new is
   * claimed, so that only what runs now is lost.
   */
  #refuse(wrong: string): void {
    if (this.#life.wrong !== undefined || this.#life.ended) return;
    this.#life.refuse(wrong);
    this.#gate.close();
    this.#offers.stop();
    this.#endSoon();
  }

  #receive(kind: number, fields: Fields): string | typeof LATER | undefined {
    switch (kind) {
      case RecordKind.wants:
        return this.#sendPayload(fields.a);
      case RecordKind.outcome:
        return this.#settle(fields);
      case RecordKind.log:
        return this.#print(fields);
      case RecordKind.progress:
        return this.#progress(fields);
      case RecordKind.alive:
        return this.#answered(fields);
      case RecordKind.clock:
        return this.#clock.told({ origin: fields.x, reads: fields.y });
      case RecordKind.exhausted:
        this.#life.exhausts();
        break;
      case RecordKind.exit:
        this.#life.exits(fields.a);
        break;
      case RecordKind.broken:
        return `its program failed: ${clip(fields.text)}`;
      default:
        return `its outbox holds a record of the kind ${kind}`;
    }
    this.#endSoon();
    return undefined;
  }

  #settle(fields: Fields): string | typeof LATER | undefined {
    const { a: seq, c: retire, x, y } = fields;
    const hung = seq < NO_NUMBER;
    const item = hung ? this.#claimed(seq) : this.#offers.open(seq);
    if (item === undefined) return "it has told an outcome of an attempt that it does not run";
    if (hung && !this.#options.listener.due(item)) return LATER;
    const { startedAt, endedAt } = this.#clock.span(x, y);
    const outcome = outcomeOf(item, fields, { startedAt, endedAt, aborted: this.#workTime.aborted(seq) });
    if (typeof outcome === "string") return outcome;
    this.#workTime.settled(seq);
    const behind = this.#settleOffer(seq, outcome.outcome === "succeeded");
    this.#options.listener.settled(this, item, outcome, behind);
    if (retire === 1) this.#endSoon();
    return undefined;
  }

  /** It is offered no more; returns what hung on the board because of it, the last first. */
  #settleOffer(seq: number, succeeded: boolean): readonly LaneItem[] {
    if (seq < NO_NUMBER) return this.#options.board.settle(seq, succeeded, this);
    this.#offers.settle(seq);
    return NOTHING;
  }

  /** The payload of one that it has claimed and whose text did not fit on the board. */
  #sendPayload(seq: number): string | undefined {
    const item = this.#claimed(seq);
    if (item === undefined) return "it has asked for an attempt that it does not run";
    if (item.payload === "") return "it has asked for the text of an attempt that has none";
    this.#post({ do: "payload", seq, text: item.payload });
    return undefined;
  }

  #print({ a: seq, x, y, text }: Fields): string | undefined {
    const [level, stream] = [y >> 2, y & 3];
    if (text === undefined || !this.#known(seq) || !(y >= 0 && level < LEVELS && stream < STREAMS)) {
      return "it has printed a line of a kind that there is not";
    }
    this.#workTime.heard(seq);
    const author = seq < NO_NUMBER ? this.#options.board.author(seq) : this.#offers.author(seq);
    const { task, iteration, attempt } = author ?? NOBODY;
    const at = this.#clock.stamp(x);
    this.#options.listener.printed(this, { task, iteration, attempt, at, level, stream, text });
    return undefined;
  }

  #known(seq: number): boolean {
    return seq < NO_NUMBER ? this.#options.board.known(seq) : this.#offers.known(seq);
  }

  #progress({ a: seq, x: fraction, text }: Fields): string | undefined {
    const item = this.#claimed(seq);
    if (item === undefined || !(fraction >= 0 && fraction <= 1)) {
      return "it has told progress of an attempt that it does not run, or of no number from 0 to 1";
    }
    this.#workTime.heard(seq);
    const progress = text === undefined ? { fraction } : { fraction, text: text.slice(0, 1_000) };
    this.#options.listener.progressed(this, item, progress);
    return undefined;
  }

  /** The thread still listens. @param fields What runs, and what was asked. */
  #answered({ a: runs, b: question }: Fields): string | undefined {
    const wrong = this.#inquiry.answered({ question, runs, current: this.#offers.current });
    if (wrong === undefined && question === 0) this.#workTime.listens(runs);
    return wrong;
  }

  #onEnd(end: ThreadEnd): void {
    this.drain();
    this.#workTime.close();
    this.#gate.close();
    this.#life.close();
    const times = stampsOf(this.#options.clock, this.running?.since ?? Infinity);
    const begun = this.#takeBegun();
    // What they needed was told before they began, but by others, whom nobody may have read yet.
    if (!begun.every(([, item]) => this.#options.listener.due(item))) this.#options.listener.early(this);
    for (const [seq, item] of begun) this.#printUnfinished(seq, item);
    for (const [seq, item] of begun) {
      const cause = this.#life.cause(end, this.#workTime.aborted(seq));
      const behind = seq < NO_NUMBER ? this.#settleOffer(seq, false) : [];
      this.#options.listener.settled(this, item, { ...cause, ...times }, behind);
    }
    // Who slept as it ended is to be woken no more.
    if (this.#offers.sleeps) this.#options.board.woke();
    // What hung on the board comes first: it can't have begun, while what was offered here is not behind anything.
    const left = [...this.#options.board.bury(this.seat), ...this.revoke()];
    this.#life.over();
    this.#options.listener.ended(this, left);
  }

  /** When the thread is gone: what had begun and has no outcome. */
  #takeBegun(): (readonly [number, LaneItem])[] {
    const { board } = this.#options;
    const hung = board.claims(this.seat).map((seq) => [seq, board.get(seq)!] as const);
    return [...this.#offers.takeBegun(this.#workTime.watched), ...hung];
  }

  /** The line that an attempt was printing when its thread ended says where it was. */
  #printUnfinished(seq: number, { task, iteration, attempt }: LaneItem): void {
    const { seat, clock, listener } = this.#options;
    const unfinished = new Unfinished(seat.data.unfinished);
    for (let stream = 0; stream < STREAMS; stream++) {
      const text = unfinished.read(stream, seq);
      if (text === undefined) continue;
      listener.printed(this, {
        task,
        iteration,
        attempt,
        at: clock.now(),
        level: INFO,
        stream,
        text: shownOf(text),
      });
    }
  }
}
