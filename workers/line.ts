/**
 * Owns the life of attempts in a worker: claim, run, tell the outcome, go on with the next.
 * Must not know the schedule: it goes on after a success, and waits for its lane after anything else.
 * Invariant: one attempt at a time; its outcome is in the outbox before the next is claimed.
 */
import { encode } from "../src/pipeline/value.ts";
import { type Claimed, Flag, type InboxReader } from "../src/pool/inbox.ts";
import { Kind, type OutboxWriter } from "../src/pool/outbox.ts";
import { type AbortOutcome, OUTCOMES } from "../src/pool/protocol.ts";
import { clearChildren, nextTurn, scope } from "../src/runtime/worker_host.ts";
import { Attempt } from "./attempt.ts";
import { Context, type Surroundings } from "./context.ts";
import { errorData } from "./errors.ts";
import type { Locals } from "./locals.ts";
import type { AnyTask, Modules } from "./modules.ts";
import type { Output } from "./output.ts";

/** Outcomes that may lie in the outbox before the lane is woken, if nobody waits for them. */
const QUIET_COUNT = 128;
/** An attempt at least this long is worth a bell of its own, in milliseconds. */
const QUIET_MS = 0.1;
/** How long a worker with nothing to do blocks before it turns to its timers and messages, in milliseconds. */
const DOZE_MS = 0.2;
/** After working this long in one go, timers and messages get their turn, in milliseconds. */
const TURN_MS = 10;

/** Said where a task ends and its processes do not. */
const LEFT = "It ended and left processes behind: they are stopped";

/** How an attempt ended. */
interface Told {
  readonly outcome: "succeeded" | "failed" | AbortOutcome;
  readonly text?: string | undefined;
  readonly retire?: boolean;
  /** Default: now. */
  readonly endedAt?: number;
}

/** What a line works with. */
export interface LineParts {
  readonly inbox: InboxReader;
  readonly outbox: OutboxWriter;
  readonly output: Output;
  readonly modules: Modules;
  readonly locals: Locals;
  readonly around: Surroundings;
  /** Fetches a value that was let go. */
  readonly value: (task: number, iteration: number) => Promise<string | undefined>;
  readonly halt: Int32Array;
  readonly now: () => number;
}

/** Runs what its lane offers. */
export class Line {
  readonly #parts: LineParts;
  readonly #payloads: Map<number, string> = new Map();
  #payloadArrived: (() => void) | undefined;
  #active = false;
  #quiet = 0;
  #lastTurn = 0;
  /** The attempt that runs now. */
  current: Attempt | undefined;
  /** The attempt that ended last. */
  last: Attempt | undefined;

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#active) return;
    this.#active = true;
    this.#lastTurn = this.#parts.now();
    void this.#work();
  }

  /** The payload of an offer that did not fit into the ring. */
  payload(seq: number, text: string): void {
    this.#payloads.set(seq, text);
    this.#payloadArrived?.();
  }

  /** Aborts the running attempt, if it is this one, and says that the thread still listens. */
  abort(seq: number, outcome: AbortOutcome): void {
    if (this.current?.claimed.seq !== seq) return;
    this.current.abort(outcome);
    this.#parts.outbox.write(Kind.alive, { a: seq, b: 0, c: 0, x: 0, y: 0, text: undefined });
    this.#parts.outbox.ring();
  }

  /** Ends the running attempt with an error that nothing caught; the thread is not to be trusted any more. */
  fail(attempt: Attempt, error: unknown): void {
    this.#tell(attempt, {
      outcome: attempt.aborted ?? "failed",
      text: JSON.stringify(errorData(error)),
      retire: true,
    });
  }

  async #work(): Promise<void> {
    const { inbox, outbox, halt, now } = this.#parts;
    let dozed = false;
    for (;;) {
      const stopped = inbox.held || Atomics.load(halt, 0) === 1;
      const at = now();
      const claimed = stopped ? undefined : inbox.claim(at);
      if (claimed === undefined) {
        if (this.#quiet > 0 || stopped) outbox.ring();
        this.#quiet = 0;
        if (!stopped && !dozed) {
          dozed = true;
          inbox.doze(DOZE_MS);
          continue;
        }
        // `stopped` may be past: the lane may have let us go on, and offered, since it was read.
        if (!inbox.sleep() && Atomics.load(halt, 0) !== 1) continue;
        // Here and not when the promise settles: some runtimes deliver the next message before that.
        this.#active = false;
        return;
      }
      dozed = false;
      const running = this.#run(claimed, at);
      if (running !== undefined) await running;
    }
  }

  /** Runs an attempt; a promise only if there is something to wait for. */
  #run(claimed: Claimed, at: number): Promise<void> | undefined {
    const { locals, modules, outbox } = this.#parts;
    if (claimed.payload === undefined) return this.#runBulky(claimed, at);
    const attempt = new Attempt(claimed, claimed.payload, at);
    const { s: source, t: name, l: needed } = attempt.payload;
    this.current = attempt;
    if (claimed.timeoutMs > 0) outbox.ring();
    const task = modules.ready(source, name);
    const whole = needed === undefined ||
      needed.every(([, index, iteration]) => locals.has(index, iteration));
    return task === undefined || !whole ? this.#prepare(attempt) : this.#call(attempt, task);
  }

  /** Waits for a payload that is on its way as a message. */
  async #runBulky(claimed: Claimed, at: number): Promise<void> {
    while (!this.#payloads.has(claimed.seq)) {
      await new Promise<void>((done) => this.#payloadArrived = done);
    }
    const payload = this.#payloads.get(claimed.seq)!;
    // Those of offers that were revoked go too.
    for (const seq of this.#payloads.keys()) if (seq <= claimed.seq) this.#payloads.delete(seq);
    await this.#run({ ...claimed, payload }, at);
  }

  /** Imports the module and fetches what is missing, then runs the task. */
  async #prepare(attempt: Attempt): Promise<void> {
    const { locals, modules, value } = this.#parts;
    let task: AnyTask;
    try {
      task = await scope.run(attempt, () => modules.find(attempt.payload.s, attempt.task));
      for (const [, index, iteration] of attempt.payload.l ?? []) {
        if (!locals.has(index, iteration)) attempt.fetched(index, await value(index, iteration));
      }
    } catch (error) {
      return this.#fail(attempt, error);
    }
    await this.#call(attempt, task);
  }

  #call(attempt: Attempt, task: AnyTask): Promise<void> | undefined {
    let value: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      value = scope.run(attempt, task, new Context(attempt, this.#parts.around));
      // A thenable may throw, or settle twice; a promise of our own makes one honest answer of it.
      if (isThenable(value)) promise = scope.run(attempt, toPromise, value);
    } catch (error) {
      return this.#fail(attempt, error);
    }
    if (promise === undefined) return this.#succeed(attempt, value);
    return promise.then(
      (result) => this.#succeed(attempt, result),
      (error) => this.#fail(attempt, error),
    );
  }

  #succeed(attempt: Attempt, value: unknown): Promise<void> | undefined {
    if (attempt.aborted === "timed_out") return this.#tell(attempt, { outcome: "timed_out" });
    let text: string | undefined;
    try {
      text = encode(value, attempt.task);
    } catch (error) {
      return this.#fail(attempt, error);
    }
    this.#parts.locals.keep(attempt.index, attempt.iteration, text);
    return this.#tell(attempt, { outcome: "succeeded", text });
  }

  #fail(attempt: Attempt, error: unknown): Promise<void> | undefined {
    return this.#tell(attempt, {
      outcome: attempt.aborted ?? "failed",
      text: JSON.stringify(errorData(error)),
    });
  }

  #tell(
    attempt: Attempt,
    told: Told,
  ): Promise<void> | undefined {
    if (attempt.ended) return undefined;
    const { inbox, outbox, output, halt, now } = this.#parts;
    const { outcome, text, retire = false, endedAt = now() } = told;
    const clearing = told.endedAt === undefined ? clearChildren() : undefined;
    if (clearing !== undefined) return this.#tellAfter(clearing, attempt, { ...told, endedAt });
    if (attempt.unfinished) output.flush(attempt);
    const { flags, seq, timeoutMs } = attempt.claimed;
    const late = timeoutMs > 0 && endedAt - attempt.startedAt > timeoutMs;
    const final = late ? "timed_out" : outcome;
    attempt.end();
    this.last = attempt;
    this.current = undefined;
    if (final !== "succeeded") {
      if ((flags & Flag.fatal) !== 0 && final !== "cancelled") Atomics.store(halt, 0, 1);
      inbox.hold();
    }
    outbox.write(Kind.outcome, {
      a: seq,
      b: OUTCOMES.indexOf(final),
      c: retire ? 1 : 0,
      x: attempt.startedAt,
      y: endedAt,
      // The value of an attempt that succeeded too late is nobody's.
      text: final !== outcome && outcome === "succeeded" ? undefined : text,
    });
    inbox.done();
    this.#ringIfDue(attempt, { final, endedAt });
    if (endedAt - this.#lastTurn < TURN_MS) return undefined;
    this.#lastTurn = endedAt;
    return nextTurn();
  }

  /** Tells the outcome when no process is left that the attempt has started. */
  async #tellAfter(clearing: Promise<boolean>, attempt: Attempt, told: Told): Promise<void> {
    const some = await clearing;
    if (some && attempt.aborted === undefined) {
      this.#parts.output.lines(attempt, { stream: "log", level: "warn", text: LEFT });
    }
    await this.#tell(attempt, told);
  }

  #ringIfDue(attempt: Attempt, { final, endedAt }: { final: string; endedAt: number }): void {
    this.#quiet++;
    const due = (attempt.claimed.flags & Flag.urgent) !== 0 || final !== "succeeded" ||
      this.#quiet >= QUIET_COUNT ||
      endedAt - attempt.startedAt >= QUIET_MS;
    if (!due) return;
    this.#quiet = 0;
    this.#parts.outbox.ring();
  }
}

function toPromise(value: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(value);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
