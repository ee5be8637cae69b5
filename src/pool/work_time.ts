/**
 * Owns the time of the attempt that runs on a lane: when it has had its timeout, and how it is stopped: signal, grace, the
 * end of its thread.
 * Must not know how it is offered, nor what it comes to.
 * Invariant: an attempt that is to stop has ended, or its thread has, when its grace is over; no timer outlives either.
 */
import type { Clock } from "../base/clock.ts";
import { type Running, tooLong } from "./attempt.ts";
import type { AbortOutcome } from "./protocol.ts";
import { Quiet, tooQuiet } from "./quiet.ts";

/** How long a thread may leave an abort unanswered before it counts as stuck in synchronous code, in milliseconds. */
const DEAF_MS = 400;

/** An attempt that runs on a lane, with the number of its offer. */
export interface RunningOffer extends Running {
  readonly seq: number;
}

/** The lane, as far as it is needed here. */
export interface WorkPort {
  readonly clock: Clock;
  readonly killGraceMs: number;
  running(): RunningOffer | undefined;
  /** Reads what the worker has told. */
  read(): void;
  /** Another number than before once the worker has printed more of a line that has no end yet. */
  unfinished(): number;
  /** Asks the worker to stop an attempt; false if it can't be asked any more. */
  abort(seq: number, outcome: AbortOutcome): boolean;
  /** Ends the thread. */
  end(): void;
  began(running: RunningOffer): void;
  /** A timeout has come, and what the worker had told by then was read. */
  told(): void;
}

/** How an attempt is to end that was asked to stop. */
export interface Aborted {
  readonly outcome: AbortOutcome;
  readonly because: string;
}

/** The attempt at work on one lane. */
export class WorkTime {
  readonly #port: WorkPort;
  /** The number of the one that was seen to run last. */
  #watched: number | undefined;
  #cancelDeadline: () => void = () => {};
  #quiet: Quiet | undefined;
  /** The one that was asked to stop. */
  #abort: { readonly seq: number; readonly how: Aborted } | undefined;
  /** Cancels the timer that ends the thread. */
  #cancelKill: () => void = () => {};

  constructor(port: WorkPort) {
    this.#port = port;
  }

  /** The number of the one that was seen to run last. */
  get watched(): number | undefined {
    return this.#watched;
  }

  /** How the one with this number is to end, if it was asked to stop. */
  aborted(seq: number): Aborted | undefined {
    return this.#abort?.seq === seq ? this.#abort.how : undefined;
  }

  /** Looks which one runs now, and keeps an eye on its deadline. */
  watch(): void {
    const running = this.#port.running();
    if (running?.seq === this.#watched) return;
    this.#unlimit();
    this.#watched = running?.seq;
    if (running === undefined) return;
    this.#port.began(running);
    const { timeoutMs, idleMs } = running.item;
    if (timeoutMs !== undefined) this.#limit(running, timeoutMs);
    if (idleMs !== undefined) this.#listen(running, idleMs);
  }

  /** Something was heard of the one with this number: output, progress or a call. */
  heard(seq: number | undefined): void {
    if (seq === this.#watched) this.#quiet?.heard();
  }

  /** Stops the one that runs. Does nothing if none does, or it was asked before. */
  abort(outcome: AbortOutcome, because: string): void {
    const { clock, killGraceMs } = this.#port;
    const running = this.#port.running();
    if (running === undefined || this.#abort?.seq === running.seq) return;
    const { seq } = running;
    if (!this.#port.abort(seq, outcome)) return;
    this.#unlimit();
    this.#cancelKill = clock.after(Math.min(DEAF_MS, killGraceMs), () => this.#kill(seq));
    this.#abort = { seq, how: { outcome, because } };
  }

  /** The thread still listens: one that was asked to stop gets its grace. */
  listens(seq: number): void {
    if (this.#abort?.seq !== seq) return;
    this.#cancelKill();
    this.#cancelKill = this.#port.clock.after(this.#port.killGraceMs, () => this.#kill(seq));
  }

  /** Its outcome was told. */
  settled(seq: number): void {
    if (this.#abort?.seq === seq) this.#cancelKill();
  }

  /** The thread is gone. */
  close(): void {
    this.#unlimit();
    this.#cancelKill();
  }

  #unlimit(): void {
    this.#cancelDeadline();
    this.#quiet?.close();
    this.#quiet = undefined;
  }

  #limit({ seq, since, item }: RunningOffer, timeoutMs: number): void {
    const { clock } = this.#port;
    this.#cancelDeadline = clock.after(since + timeoutMs - clock.monotonic(), () => {
      this.#port.read();
      this.#timeOut(seq, tooLong(item));
    });
  }

  #listen({ seq, item }: RunningOffer, ms: number): void {
    let before = this.#port.unfinished();
    const read = () => {
      this.#port.read();
      const now = this.#port.unfinished();
      if (now !== before) this.heard(seq);
      before = now;
    };
    this.#quiet = new Quiet({
      clock: this.#port.clock,
      ms,
      read,
      act: () => this.#timeOut(seq, tooQuiet(item)),
    });
  }

  #timeOut(seq: number, because: string): void {
    if (this.#port.running()?.seq === seq) this.abort("timed_out", because);
    this.#port.told();
  }

  #kill(seq: number): void {
    this.#port.read();
    if (this.#port.running()?.seq === seq) this.#port.end();
  }
}
