/**
 * Owns one attempt as the worker sees it: what it was offered as, and what can be done to it from outside (abort).
 * Must not know what its task is given (context.ts), the rings, or how outcomes are told.
 * Invariant: what is not asked for is not made: an attempt is on the path between two tasks.
 */
import { apply, put, SafeMap } from "../src/base/primordials.ts";
import type { AttemptKey } from "../src/model/record.ts";
import { decode, type Value } from "../src/model/value.ts";
import type { Claimed } from "../src/pool/ring/inbox.ts";
import type { AbortOutcome, Payload } from "../src/pool/protocol.ts";
import type { Author } from "./output.ts";
import type { AttemptTold } from "./told.ts";

const Controller = AbortController;
const { abort } = Controller.prototype;
const Exception = DOMException;

/** An attempt that has been claimed. */
export class Attempt implements Author {
  readonly claimed: Claimed;
  readonly startedAt: number;
  readonly told: AttemptTold;
  /** Whether the outcome has been told. */
  ended = false;
  /** How the attempt is to end once its code has stopped, if it was aborted. */
  aborted: AbortOutcome | undefined = undefined;
  /** Why it is to end as skipped, and what was thrown for it, once it has said so. */
  skipped: { readonly because: string; readonly thrown: unknown } | undefined = undefined;
  #fetched: Map<number, string | undefined> | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #life: AbortController | undefined = undefined;

  constructor(claimed: Claimed, told: AttemptTold, startedAt: number) {
    this.claimed = claimed;
    this.told = told;
    this.startedAt = startedAt;
  }

  /** Index of its task. */
  get index(): number {
    return this.claimed.task;
  }

  get seq(): number {
    return this.claimed.seq;
  }

  get iteration(): number {
    return this.claimed.iteration;
  }

  get attempt(): number {
    return this.claimed.attempt;
  }

  /** By which the executor knows it. */
  get key(): AttemptKey {
    const { task, iteration, attempt, place } = this;
    return place === undefined ? { task, iteration, attempt } : { task, iteration, attempt, item: place[0] };
  }

  /** Name of its task. */
  get task(): string {
    return this.told.task;
  }

  /** Aborted at the timeout and on cancel. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new Controller();
      if (this.aborted !== undefined) end(this.#controller, reasonOf(this.aborted, this.task));
    }
    return this.#controller.signal;
  }

  /** Aborted with `signal`, and also when the attempt has ended: for what waits in its name. */
  get life(): AbortSignal {
    if (this.#life === undefined) {
      this.#life = new Controller();
      if (this.aborted !== undefined) end(this.#life, reasonOf(this.aborted, this.task));
      else if (this.ended) end(this.#life, endOf(this.task));
    }
    return this.#life.signal;
  }

  /** Aborts the signal; the outcome is told when the code has stopped. */
  abort(outcome: AbortOutcome): void {
    this.aborted ??= outcome;
    const reason = reasonOf(outcome, this.task);
    end(this.#controller, reason);
    end(this.#life, reason);
  }

  /** Why it is to end as skipped, if that is what the error was thrown for. */
  skipBy(error: unknown): string | undefined {
    return this.skipped?.thrown === error ? this.skipped?.because : undefined;
  }

  /** Ends what goes on in its name: waits of the store, iterators of events. */
  end(): void {
    this.ended = true;
    if (this.#life !== undefined) end(this.#life, endOf(this.task));
  }

  /** The values of the tasks needed. @param local Value that this worker has of a task, from earlier on the line. */
  inputs(local: (task: number) => Value | undefined): Record<string, Value> {
    const { told } = this;
    const inputs = told.inputs();
    for (let place = 0; place < told.places; place++) {
      const task = told.need(place);
      if (task < 0) continue;
      const value = this.#fetched?.has(task) ? this.#decoded(task) : local(task);
      if (value !== undefined) put(inputs, told.as(place), value);
    }
    return inputs;
  }

  /** Which item of a mapped task it is for, and under which key of the inputs that is. */
  get place(): Payload["n"] {
    return this.told.place;
  }

  get params(): Readonly<Record<string, Value>> {
    return this.told.params;
  }

  /** Takes the JSON text of a value that its inputs need and that the worker has let go of. */
  fetched(task: number, text: string | undefined): void {
    (this.#fetched ??= new SafeMap()).set(task, text);
  }

  #decoded(task: number): Value | undefined {
    const text = this.#fetched!.get(task);
    return text === undefined ? undefined : decode(text);
  }
}

/** Aborts, if there is something to abort; what hears of it is the task's, and may throw. */
function end(controller: AbortController | undefined, reason: DOMException): void {
  if (controller === undefined) return;
  try {
    apply(abort, controller, [reason]);
  } catch {
    // The attempt goes on, or has ended, all the same.
  }
}

function reasonOf(outcome: AbortOutcome, task: string): DOMException {
  return outcome === "timed_out"
    ? new Exception(`Task ${task} has reached its timeout`, "TimeoutError")
    : new Exception(`Task ${task} was cancelled`, "AbortError");
}

function endOf(task: string): DOMException {
  return new Exception(`Task ${task} has ended`, "AbortError");
}
