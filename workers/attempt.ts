/**
 * Owns one attempt as its task sees it: `ctx`, and what can be done to it from outside (abort).
 * Must not know the rings or how outcomes are told.
 * Invariant: what a task does not ask for is not made.
 */
import type { Events, Logger, Store, TaskContext } from "../src/pipeline/context.ts";
import type { AttemptResult } from "../src/pipeline/outcome.ts";
import { unescape, type Value } from "../src/pipeline/value.ts";
import type { AbortOutcome, Payload } from "../src/pool/protocol.ts";
import type { Claimed } from "../src/pool/inbox.ts";
import type { Author } from "./output.ts";

/** What an attempt needs of the worker around it. */
export interface Surroundings {
  readonly run: string;
  store(attempt: Attempt): Store;
  events(attempt: Attempt): Events;
  previous(): Promise<Readonly<Record<string, readonly AttemptResult[]>>>;
  log(attempt: Attempt, line: { level: string; args: readonly unknown[] }): void;
  progress(attempt: Attempt, fraction: number, text: string | undefined): void;
  /** Value that this worker has of a task, from earlier on the line. */
  local(task: number): Value | undefined;
}

const LEVEL_NAMES = ["debug", "info", "warn", "error", "critical"] as const;

/** An attempt that has been claimed; it is the `ctx` of its task. */
export class Attempt implements TaskContext, Author {
  readonly seq: number;
  readonly index: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly task: string;
  readonly source: number;
  readonly startedAt: number;
  readonly flags: number;
  readonly timeoutMs: number;
  /** Whether the outcome has been told. */
  ended = false;
  /** How the attempt is to end once its code has stopped, if it was aborted. */
  aborted: AbortOutcome | undefined;
  #around: Surroundings;
  #payload: Payload;
  #hasBytes: boolean;
  #inputs: Readonly<Record<string, Value>> | undefined;
  #store: Store | undefined;
  #events: Events | undefined;
  #log: Logger | undefined;
  #abort: AbortController | undefined;
  #partial: Map<string, string> | undefined;

  constructor(claimed: Claimed, { payload, startedAt, around }: {
    readonly payload: string;
    readonly startedAt: number;
    readonly around: Surroundings;
  }) {
    this.seq = claimed.seq;
    this.index = claimed.task;
    this.iteration = claimed.iteration;
    this.attempt = claimed.attempt;
    this.flags = claimed.flags;
    this.timeoutMs = claimed.timeoutMs;
    this.startedAt = startedAt;
    this.#around = around;
    this.#payload = JSON.parse(payload) as Payload;
    this.#hasBytes = payload.includes('bytes"');
    this.task = this.#payload.t;
    this.source = this.#payload.s;
  }

  get run(): string {
    return this.#around.run;
  }

  get inputs(): Readonly<Record<string, Value>> {
    return this.#inputs ??= this.#readInputs();
  }

  get params(): Readonly<Record<string, Value>> {
    return (this.#payload.p ?? {}) as Readonly<Record<string, Value>>;
  }

  get previous(): TaskContext["previous"] {
    return () => this.#around.previous();
  }

  get store(): Store {
    return this.#store ??= this.#around.store(this);
  }

  get events(): Events {
    return this.#events ??= this.#around.events(this);
  }

  get log(): Logger {
    return this.#log ??= Object.fromEntries(LEVEL_NAMES.map((level) => [
      level,
      (...args: unknown[]) => this.#around.log(this, { level, args }),
    ])) as unknown as Logger;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.aborted !== undefined) this.#abort.abort(reasonOf(this.aborted, this.task));
    }
    return this.#abort.signal;
  }

  get progress(): TaskContext["progress"] {
    return (fraction, text) => this.#around.progress(this, fraction, text);
  }

  get partial(): Map<string, string> {
    return this.#partial ??= new Map();
  }

  /** Values that its inputs need and that are to come from earlier on the line. */
  get locals(): NonNullable<Payload["l"]> {
    return this.#payload.l ?? [];
  }

  /** Whether anything of a line is unfinished. */
  get unfinished(): boolean {
    return this.#partial !== undefined && this.#partial.size > 0;
  }

  /** Aborts the signal; the outcome is told when the code has stopped. */
  abort(outcome: AbortOutcome): void {
    this.aborted ??= outcome;
    this.#abort?.abort(reasonOf(outcome, this.task));
  }

  /** Ends what goes on in its name: waits of the store, iterators of events. */
  end(): void {
    this.ended = true;
    if (this.#store !== undefined || this.#events !== undefined) {
      this.#abort?.abort(new DOMException(`Task ${this.task} has ended`, "AbortError"));
    }
  }

  #readInputs(): Readonly<Record<string, Value>> {
    const inputs = { ...this.#payload.i } as Record<string, Value>;
    if (this.#hasBytes) { for (const key of Object.keys(inputs)) inputs[key] = unescape(inputs[key]!); }
    for (const [as, task] of this.#payload.l ?? []) {
      const value = this.#around.local(task);
      if (value !== undefined) inputs[as] = value;
    }
    return inputs;
  }
}

function reasonOf(outcome: AbortOutcome, task: string): DOMException {
  return outcome === "timed_out"
    ? new DOMException(`Task ${task} has reached its timeout`, "TimeoutError")
    : new DOMException(`Task ${task} was cancelled`, "AbortError");
}
