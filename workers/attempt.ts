/**
 * Owns one attempt as the worker sees it: what it was offered as, and what can be done to it from outside (abort).
 * Must not know what its task is given (context.ts), the rings, or how outcomes are told.
 * Invariant: what is not asked for is not made: an attempt is on the path between two tasks.
 */
import { decode, unescape, type Value } from "../src/pipeline/value.ts";
import type { Claimed } from "../src/pool/inbox.ts";
import type { AbortOutcome, Payload } from "../src/pool/protocol.ts";
import type { Author } from "./output.ts";

/** An attempt that has been claimed. */
export class Attempt implements Author {
  readonly claimed: Claimed;
  readonly startedAt: number;
  readonly payload: Payload;
  readonly #text: string;
  /** Whether the outcome has been told. */
  ended = false;
  /** How the attempt is to end once its code has stopped, if it was aborted. */
  aborted: AbortOutcome | undefined = undefined;
  #fetched: Map<number, string | undefined> | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #life: AbortController | undefined = undefined;
  #partial: Map<string, string> | undefined = undefined;

  constructor(claimed: Claimed, payload: string, startedAt: number) {
    this.claimed = claimed;
    this.startedAt = startedAt;
    this.#text = payload;
    this.payload = JSON.parse(payload) as Payload;
  }

  /** Index of its task. */
  get index(): number {
    return this.claimed.task;
  }

  get iteration(): number {
    return this.claimed.iteration;
  }

  get attempt(): number {
    return this.claimed.attempt;
  }

  /** Name of its task. */
  get task(): string {
    return this.payload.t;
  }

  /** Aborted at the timeout and on cancel. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(reasonOf(this.aborted, this.task));
    }
    return this.#controller.signal;
  }

  /** Aborted with `signal`, and also when the attempt has ended: for what waits in its name. */
  get life(): AbortSignal {
    if (this.#life === undefined) {
      this.#life = new AbortController();
      if (this.aborted !== undefined) this.#life.abort(reasonOf(this.aborted, this.task));
      else if (this.ended) this.#life.abort(endOf(this.task));
    }
    return this.#life.signal;
  }

  /** Unfinished lines by stream. */
  get partial(): Map<string, string> {
    return this.#partial ??= new Map();
  }

  /** Whether anything of a line is unfinished. */
  get unfinished(): boolean {
    return this.#partial !== undefined && this.#partial.size > 0;
  }

  /** Aborts the signal; the outcome is told when the code has stopped. */
  abort(outcome: AbortOutcome): void {
    this.aborted ??= outcome;
    this.#controller?.abort(reasonOf(outcome, this.task));
    this.#life?.abort(reasonOf(outcome, this.task));
  }

  /** Ends what goes on in its name: waits of the store, iterators of events. */
  end(): void {
    this.ended = true;
    this.#life?.abort(endOf(this.task));
  }

  /** The values of the tasks needed. @param local Value that this worker has of a task, from earlier on the line. */
  inputs(local: (task: number) => Value | undefined): Record<string, Value> {
    const inputs = { ...this.payload.i } as Record<string, Value>;
    if (this.#text.includes('bytes"')) {
      for (const key of Object.keys(inputs)) inputs[key] = unescape(inputs[key]!);
    }
    for (const [as, task] of this.payload.l ?? []) {
      const value = this.#fetched?.has(task) ? this.#decoded(task) : local(task);
      if (value !== undefined) inputs[as] = value;
    }
    return inputs;
  }

  /** Takes the JSON text of a value that its inputs need and that the worker has let go of. */
  fetched(task: number, text: string | undefined): void {
    (this.#fetched ??= new Map()).set(task, text);
  }

  #decoded(task: number): Value | undefined {
    const text = this.#fetched!.get(task);
    return text === undefined ? undefined : decode(text);
  }
}

function reasonOf(outcome: AbortOutcome, task: string): DOMException {
  return outcome === "timed_out"
    ? new DOMException(`Task ${task} has reached its timeout`, "TimeoutError")
    : new DOMException(`Task ${task} was cancelled`, "AbortError");
}

function endOf(task: string): DOMException {
  return new DOMException(`Task ${task} has ended`, "AbortError");
}
