/**
 * Owns the life of attempts in a worker: claim, run, tell the outcome, go on with the next.
 * Must not know the schedule: it goes on after a success, and waits for its lane after anything else, but for a
 * failure from which nothing follows here.
 * Invariant: one attempt at a time; its outcome is in the outbox before the next is claimed.
 */
import { PlainPromise, SafeMap, then } from "../src/base/primordials.ts";
import { atoms } from "../src/pool/ring/atoms.ts";
import { encode, scalarText } from "../src/model/value.ts";
import type { Hand } from "../src/pool/board/hand.ts";
import { type Claimed, type Elsewhere, Flag, type InboxReader } from "../src/pool/ring/inbox.ts";
import { type OutboxWriter, RecordKind } from "../src/pool/ring/outbox.ts";
import { type AbortOutcome, type Control, needsNoLeave, TOLD_OUTCOMES } from "../src/pool/protocol.ts";
import { putBackEnvironment } from "../src/runtime/environment.ts";
import { scope } from "../src/runtime/scope.ts";
import { Attempt } from "./attempt.ts";
import { Context, type ContextParts } from "./context.ts";
import { errorData, errorText } from "./errors.ts";
import type { Locals } from "./locals.ts";
import type { AnyTask, Modules } from "./modules.ts";
import type { Printer } from "./output.ts";
import type { AttemptTold } from "./told.ts";

/** Outcomes that may lie in the outbox before the lane is woken, if nobody waits for them. */
const QUIET_COUNT = 512;
/** An attempt at least this long is worth a bell of its own, in milliseconds. */
const QUIET_MS = 10;
/** A timeout shorter than this can't wait until the lane looks by itself, in milliseconds. */
const SHORT_TIMEOUT_MS = 200;
/** How long a worker with nothing to do blocks before it turns to its timers and messages, in milliseconds. */
const DOZE_MS = 2;
/** How often it does so before it sleeps, so that only a message wakes it: that costs two threads a turn. */
const DOZES = 25;
/** After working this long in one go, timers and messages get their turn, in milliseconds. */
const TURN_MS = 10;

/** What a thread's own loop may hear: once all objects have a \`then\` that a task gave them, a message may be taken for a promise. */
const SOUND: readonly never[] = [];

/** Said where a task ends and its processes do not. */
const LEFT = "It ended and left processes behind: they are stopped";

type ToldOutcome = "succeeded" | "failed" | "skipped" | AbortOutcome;

/** How an attempt ended. */
interface Told {
  readonly outcome: ToldOutcome;
  readonly text?: string | undefined;
  readonly retire?: boolean;
  /** Default: now. */
  readonly endedAt?: number;
}
/** Whether the next attempt can be claimed now, or whoever comes back later sees to it. */
type Progress = typeof NOW | typeof LATER;
const NOW = true, LATER = false;

/** What a line works with. */
export interface WorkerParts {
  readonly inbox: InboxReader;
  readonly hand: Hand;
  readonly outbox: OutboxWriter;
  readonly output: Printer;
  readonly modules: Pick<Modules, "ready" | "prepare">;
  readonly locals: Locals;
  readonly around: ContextParts;
  /** What an attempt is told of its task. @param payload Its text; empty where the sheet says all. */
  readonly told: (claimed: Claimed, payload: string) => AttemptTold;
  /** Fetches a value that was let go. */
  readonly value: (task: number, iteration: number) => Promise<string | undefined>;
  readonly halt: Int32Array;
  /** How often a worker with nothing to do looks for something before it blocks: for about as long as being woken takes. */
  readonly looks: number;
  readonly now: () => number;
  /** Whether it is a promise of the language's, and not only something with a `then`. */
  readonly isPromise: (value: unknown) => value is Promise<unknown>;
  /** Calls the function in a later turn of the event loop. */
  readonly nextTurn: (act: () => void) => void;
  /** Stops the processes that were started and are left; resolves to whether there were any. Nothing if none was started. */
  readonly clearChildren: () => Promise<boolean> | undefined;
}

/** Runs what its lane offers. */
export class Line implements Elsewhere {
  readonly #parts: WorkerParts;
  readonly #payloads: Map<number, string> = new SafeMap();
  /** A claimed attempt whose payload is on its way as a message. */
  #awaited: { readonly claimed: Claimed; readonly at: number } | undefined;
  /** The number of the attempt that is claimed and not told of, or -1. */
  #running = -1;
  #active = false;
  #quiet = 0;
  /** How often it has dozed since it had something to do. */
  #dozed = 0;
  #lastTurn = 0;
  /** The attempt that runs now. */
  current: Attempt | undefined;
  /** The attempt that ended last. */
  last: Attempt | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#active) return;
    this.#active = true;
    this.#lastTurn = this.#parts.now();
    this.#work();
  }

  /** Does what its lane tells it to. */
  obey(message: Control): void {
    if (message.do === "abort") this.#abort(message.seq, message.outcome);
    else if (message.do === "payload") this.#payload(message.seq, message.text);
    else this.#answer(message.question);
  }

  /** The payload of an offer that did not fit into the ring. */
  #payload(seq: number, text: string): void {
    this.#payloads.set(seq, text);
    const waiting = this.#awaited;
    if (waiting?.claimed.seq !== seq) return;
    this.#awaited = undefined;
    this.#goOn(() => this.#run(waiting.claimed, waiting.at));
  }

  /** Aborts the running attempt, if it is this one, and says that the thread still listens. */
  #abort(seq: number, outcome: AbortOutcome): void {
    if (this.current?.seq !== seq) return;
    this.current.abort(outcome);
    this.#alive(0);
  }

  /** Says which attempt runs, and looks for one if none does. */
  #answer(question: number): void {
    this.#alive(question);
    this.wake();
  }

  /** Ends the running attempt with an error that nothing caught; the thread is not to be trusted any more. */
  fail(attempt: Attempt, error: unknown): void {
    this.#tell(attempt, { ...failed(attempt, error), retire: true });
  }

  #alive(question: number): void {
    this.#say(RecordKind.alive, this.#running, question);
  }

  /** Tells its lane of itself, and wakes it. */
  #say(kind: number, seq: number, b = 0): void {
    const { outbox } = this.#parts;
    outbox.write(kind, { a: seq, b, c: 0, x: 0, y: 0, text: undefined });
    outbox.ring();
  }

  /** Claims and runs until there is nothing more, or an attempt takes its time: then its end goes on. */
  #work(): void {
    const { inbox } = this.#parts;
    for (;;) {
      const claimed = this.#stopped ? undefined : this.#claim();
      if (claimed === undefined) {
        if (this.#rest()) continue;
        return;
      }
      this.#dozed = 0;
      this.#running = claimed.seq;
      try {
        if (this.#run(claimed, inbox.claimedAt) === LATER) return;
      } catch (error) {
        return this.#broken(error);
      }
    }
  }

  /** Whether nothing is to be claimed now. */
  get #stopped(): boolean {
    return this.#parts.inbox.held || this.halted;
  }

  /** Whether nothing new may start anywhere. */
  get halted(): boolean {
    return atoms.load(this.#parts.halt, 0) === 1;
  }

  /** Whether there is something on the board, for who is about to block. */
  get some(): boolean {
    return this.#parts.hand.finds();
  }

  /** What its lane has offered to it alone comes before what is there for all. */
  #claim(): Claimed | undefined {
    const { inbox, hand, outbox, now } = this.#parts;
    const alone = inbox.claim(now);
    if (alone !== undefined) hand.leave();
    const claimed = alone ?? hand.claim(now);
    // Only the executor wakes who sleeps.
    if (hand.left) outbox.ring();
    return claimed;
  }

  /** There is nothing to do: whether it is to be looked again at once. Else whoever comes back later sees to it. */
  #rest(): boolean {
    const { inbox, hand, outbox, nextTurn } = this.#parts;
    const stopped = this.#stopped;
    if (stopped) {
      hand.leave();
      inbox.done();
    }
    // What others are about to do may give it more: then it need not be known at once what it has done.
    if (stopped || this.#quiet > 0 && (this.#dozed > 0 || hand.exhausted)) {
      outbox.ring();
      this.#quiet = 0;
    }
    if (!stopped && inbox.open && this.#dozed < DOZES) {
      this.#dozed++;
      if (this.#awaitsMore()) return true;
      nextTurn(() => this.#work());
      return false;
    }
    hand.sleeps(true);
    // `stopped` may be past: the lane may have let us go on, and offered, since it was read.
    if (!inbox.sleep(this)) {
      hand.sleeps(false);
      return true;
    }
    this.#active = false;
    return false;
  }

  /** Looks for a moment, then blocks for one; whether something has come. */
  #awaitsMore(): boolean {
    const { inbox, hand, looks } = this.#parts;
    const seen = hand.stirred;
    // Only after work: what has not come by then may take long.
    for (let count = this.#dozed === 1 ? looks : 1; count > 0; count--) {
      if (hand.some || !inbox.empty) return true;
    }
    if (hand.finds()) return true;
    hand.doze(DOZE_MS, seen);
    return hand.some || !inbox.empty;
  }

  /** Does the step that an attempt has waited for, and then what comes after it. */
  #goOn(step: () => Progress): void {
    try {
      if (step() === LATER) return;
    } catch (error) {
      return this.#broken(error);
    }
    this.#work();
  }

  /** Our own program failed: its lane is told, and ends the thread. */
  #broken(error: unknown): void {
    const { name, message } = errorData(error);
    const { outbox } = this.#parts;
    outbox.write(RecordKind.broken, { a: 0, b: 0, c: 0, x: 0, y: 0, text: `${name}: ${message}` });
    outbox.ring();
  }

  #run(claimed: Claimed, at: number): Progress {
    const { modules, outbox, told } = this.#parts;
    const payload = claimed.payload ?? this.#takePayload(claimed.seq);
    if (payload === undefined) {
      this.#awaited = { claimed, at };
      // What hangs on the board was sent to nobody: whoever claims it asks.
      if (claimed.seq < 0) this.#say(RecordKind.wants, claimed.seq);
      return LATER;
    }
    const attempt = new Attempt(claimed, told(claimed, payload), at);
    this.current = attempt;
    // What went on after the end of the one before may have changed it.
    putBackEnvironment();
    if (claimed.timeoutMs > 0 && claimed.timeoutMs < SHORT_TIMEOUT_MS) outbox.ring();
    const task = modules.ready(attempt.told.source, attempt);
    if (task !== undefined && this.#missing(attempt) < 0) return this.#call(attempt, task);
    this.#prepare(attempt);
    return LATER;
  }

  /** The payload that came as a message, if it has come; those of offers that were revoked go with it. */
  #takePayload(seq: number): string | undefined {
    const payload = this.#payloads.get(seq);
    if (payload !== undefined) this.#payloads.forEach((_, old) => old <= seq && this.#payloads.delete(old));
    return payload;
  }

  /** Which of the inputs that the worker may have is not there, by its place; -1 if all are. */
  #missing(attempt: Attempt, from = 0): number {
    const { told } = attempt;
    const { locals, hand } = this.#parts;
    for (let place = from; place < told.places; place++) {
      const task = told.need(place);
      if (task < 0 || locals.has(task, told.iteration(place))) continue;
      const left = hand.value(task, told.iteration(place));
      if (left === undefined) return place;
      attempt.fetched(task, left.text);
    }
    return -1;
  }

  /** Imports the module and fetches what is missing, then runs the task. */
  #prepare(attempt: Attempt): void {
    const { modules } = this.#parts;
    const { source } = attempt.told;
    const prepared = scope.run(attempt, () => modules.prepare(source, attempt.task), undefined);
    then(
      prepared,
      () => this.#goOn(() => this.#fetch(attempt, modules.ready(source, attempt)!, 0)),
      (error) => this.#goOn(() => this.#fail(attempt, error)),
    );
  }

  #fetch(attempt: Attempt, task: AnyTask, from: number): Progress {
    const at = this.#missing(attempt, from);
    if (at < 0) return this.#call(attempt, task);
    const needed = attempt.told.need(at);
    then(
      this.#parts.value(needed, attempt.told.iteration(at)),
      (text) => {
        attempt.fetched(needed, text);
        this.#goOn(() => this.#fetch(attempt, task, at + 1));
      },
      (error) => this.#goOn(() => this.#fail(attempt, error)),
    );
    return LATER;
  }

  #call(attempt: Attempt, task: AnyTask): Progress {
    const { isPromise } = this.#parts;
    let value: unknown;
    try {
      value = scope.run(attempt, task, new Context(attempt, this.#parts.around));
      // A thenable may throw, or settle twice; a promise of our own makes one honest answer of it.
      if (!isPromise(value) && isThenable(value)) value = scope.run(attempt, toPromise, value);
    } catch (error) {
      return this.#fail(attempt, error);
    }
    if (!isPromise(value)) return this.#succeed(attempt, value);
    try {
      then(
        value,
        (result) => this.#goOn(() => this.#succeed(attempt, result)),
        (error) => this.#goOn(() => this.#fail(attempt, error)),
      );
    } catch (error) {
      // One that is frozen, and can't be waited for.
      return this.#fail(attempt, error);
    }
    return LATER;
  }

  #succeed(attempt: Attempt, value: unknown): Progress {
    if (attempt.aborted === "timed_out") return this.#tell(attempt, { outcome: "timed_out" });
    // Its code has caught what was thrown to end it.
    if (attempt.skipped !== undefined) return this.#fail(attempt, attempt.skipped.thrown);
    let text: string | undefined;
    try {
      // The name is for errors, and takes longer to read than a small value to write.
      text = value === undefined ? undefined : scalarText(value) ?? encode(value, attempt.task);
    } catch (error) {
      return this.#fail(attempt, error);
    }
    // Nobody needs an item's value but the executor.
    if (attempt.place === undefined) this.#parts.locals.keep(attempt.index, attempt.iteration, text);
    return this.#tell(attempt, { outcome: "succeeded", text });
  }

  #fail(attempt: Attempt, error: unknown): Progress {
    return this.#tell(attempt, failed(attempt, error));
  }

  #tell(
    attempt: Attempt,
    told: Told,
  ): Progress {
    // Whoever told of it goes on.
    if (attempt.ended) return LATER;
    const { inbox, hand, outbox, output, halt, now } = this.#parts;
    const { outcome, text, endedAt = now() } = told;
    const retire = told.retire === true || "then" in SOUND;
    const clearing = told.endedAt === undefined ? this.#parts.clearChildren() : undefined;
    if (clearing !== undefined) return this.#tellAfter(clearing, attempt, { ...told, endedAt });
    output.flush(attempt);
    const { flags, seq, timeoutMs } = attempt.claimed;
    const late = timeoutMs > 0 && endedAt - attempt.startedAt > timeoutMs;
    const final = late ? "timed_out" : outcome;
    attempt.end();
    putBackEnvironment();
    this.last = attempt;
    this.current = undefined;
    if (final !== "succeeded") {
      if ((flags & Flag.fatal) !== 0 && final !== "cancelled" && final !== "skipped") atoms.store(halt, 0, 1);
      if (!needsNoLeave(final, (flags & Flag.calm) !== 0)) inbox.hold();
    }
    // Whatever is said about that outcome: it is its last one.
    if (retire) inbox.hold();
    outbox.write(RecordKind.outcome, {
      a: seq,
      b: placeOf(final),
      c: retire ? 1 : 0,
      x: attempt.startedAt,
      y: endedAt,
      // What an attempt came to too late is nobody's, but for its error.
      text: final !== outcome && outcome !== "failed" ? undefined : text,
    });
    const awaited = seq < 0 && final === "succeeded" && hand.finish(attempt.claimed, text);
    // With something in hand it takes nothing of what it has left to others, and is not to be counted for that.
    if (hand.full) inbox.looks();
    else inbox.done();
    this.#running = -1;
    this.#ringIfDue(attempt, { final, endedAt, awaited: awaited || retire });
    if (endedAt - this.#lastTurn < TURN_MS) return NOW;
    this.#lastTurn = endedAt;
    this.#parts.nextTurn(() => this.#work());
    return LATER;
  }

  /** Tells the outcome when no process is left that the attempt has started. */
  #tellAfter(clearing: Promise<boolean>, attempt: Attempt, told: Told): Progress {
    const tell = (some: boolean) =>
      this.#goOn(() => {
        if (some && attempt.aborted === undefined) {
          this.#parts.output.lines(attempt, { stream: "log", level: "warn", text: LEFT });
        }
        return this.#tell(attempt, told);
      });
    then(clearing, tell, () => tell(false));
    return LATER;
  }

  #ringIfDue(
    attempt: Attempt,
    { final, endedAt, awaited }: { final: string; endedAt: number; awaited: boolean },
  ): void {
    this.#quiet++;
    const { flags } = attempt.claimed;
    const due = awaited || this.#parts.hand.low || (flags & Flag.urgent) !== 0 ||
      !needsNoLeave(final, (flags & Flag.calm) !== 0) ||
      this.#quiet >= QUIET_COUNT ||
      endedAt - attempt.startedAt >= QUIET_MS;
    if (!due) return;
    this.#quiet = 0;
    this.#parts.outbox.ring();
  }
}

/** What an attempt comes to that ends with an error, or with what it was thrown out by. */
function failed(attempt: Attempt, error: unknown): Told {
  const because = attempt.skipBy(error);
  if (attempt.aborted === undefined && because !== undefined) return { outcome: "skipped", text: because };
  return { outcome: attempt.aborted ?? "failed", text: errorText(error) };
}

function toPromise(value: PromiseLike<unknown>): Promise<unknown> {
  return new PlainPromise((resolve) => resolve(value));
}

function placeOf(outcome: ToldOutcome): number {
  for (let at = 0; at < TOLD_OUTCOMES.length; at++) if (TOLD_OUTCOMES[at] === outcome) return at;
  return -1;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
