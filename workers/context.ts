/**
 * Owns `ctx`: what a task is given.
 * Must not know the rings, nor how calls reach the executor.
 * Invariant: its members work also when they are taken out of it (`({ log, progress }) => …`), and each is made when it
 * is first asked for.
 */
import { MAX_SKIP_REASON } from "../src/base/limits.ts";
import { PlainError, slice } from "../src/base/primordials.ts";
import { formatted } from "../src/runtime/console.ts";
import type { Events, Flags, Logger, Store, TaskContext, TaskFiles } from "../src/model/context.ts";
import type { AttemptResult } from "../src/model/outcome.ts";
import type { Value } from "../src/model/value.ts";
import type { Attempt } from "./attempt.ts";

/** What a context needs of the worker around it. */
export interface ContextParts {
  readonly run: string;
  store(attempt: Attempt): Store;
  events(attempt: Attempt): Events;
  flags(attempt: Attempt): Flags;
  files(attempt: Attempt): TaskFiles;
  previous(attempt: Attempt): Promise<Readonly<Record<string, readonly AttemptResult[]>>>;
  log(attempt: Attempt, line: { level: string; args: readonly unknown[] }): void;
  progress(attempt: Attempt, fraction: number, text: string | undefined): void;
  /** Value that this worker has of a task, from earlier on the line. */
  local(task: number): Value | undefined;
}

/** Longest text of a progress, UTF-16 code units. */
const MAX_PROGRESS_TEXT = 1000;

/** A `ctx` of which it is not known whether its task is mapped. */
type AnyContext = TaskContext<
  Readonly<Record<string, Value>>,
  Readonly<Record<string, Value>>,
  Value | undefined
>;

/** The `ctx` of one attempt. */
export class Context implements AnyContext {
  readonly #attempt: Attempt;
  readonly #around: ContextParts;
  #inputs: Readonly<Record<string, Value>> | undefined;
  #store: Store | undefined;
  #events: Events | undefined;
  #flags: Flags | undefined;
  #files: TaskFiles | undefined;
  #log: Logger | undefined;

  constructor(attempt: Attempt, around: ContextParts) {
    this.#attempt = attempt;
    this.#around = around;
  }

  get inputs(): Readonly<Record<string, Value>> {
    return this.#inputs ??= this.#attempt.inputs(this.#around.local);
  }

  get params(): Readonly<Record<string, Value>> {
    return this.#attempt.params;
  }

  get previous(): TaskContext["previous"] {
    return () => this.#around.previous(this.#attempt);
  }

  get store(): Store {
    return this.#store ??= this.#around.store(this.#attempt);
  }

  get events(): Events {
    return this.#events ??= this.#around.events(this.#attempt);
  }

  get flags(): Flags {
    return this.#flags ??= this.#around.flags(this.#attempt);
  }

  get files(): TaskFiles {
    return this.#files ??= this.#around.files(this.#attempt);
  }

  get log(): Logger {
    return this.#log ??= this.#logger();
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get progress(): TaskContext["progress"] {
    return (fraction, text) => {
      if (this.#attempt.ended) return;
      if (typeof fraction !== "number" || !(fraction >= 0 && fraction <= 1)) {
        throw new RangeError(`Progress is a number from 0 to 1; received ${formatted([fraction])}`);
      }
      if (text !== undefined && typeof text !== "string") {
        throw new TypeError(`The text of a progress is a string; received ${formatted([text])}`);
      }
      this.#around.progress(this.#attempt, fraction, text && slice(text, 0, MAX_PROGRESS_TEXT));
    };
  }

  get skip(): TaskContext["skip"] {
    return (reason) => {
      if (typeof reason !== "string") {
        throw new TypeError(`The reason of a skip is a string; received ${formatted([reason])}`);
      }
      const { length } = reason;
      // Nothing is cut off: of a secret only a whole one is found.
      if (length < 1 || length > MAX_SKIP_REASON) {
        throw new RangeError(
          `The reason of a skip has 1 to ${MAX_SKIP_REASON} characters; received ${length}`,
        );
      }
      // Several that run side by side may each find it: whichever of them is heard, it is what the first has thrown.
      this.#attempt.skipped ??= {
        because: reason,
        thrown: new PlainError(`Task ${this.#attempt.task} is skipped: ${reason}`),
      };
      throw this.#attempt.skipped.thrown;
    };
  }

  get item(): Value | undefined {
    const { place } = this.#attempt;
    return place === undefined ? undefined : this.inputs[place[1]];
  }

  get index(): number | undefined {
    return this.#attempt.place?.[0];
  }

  get task(): string {
    return this.#attempt.task;
  }

  get run(): string {
    return this.#around.run;
  }

  get iteration(): number {
    return this.#attempt.iteration;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  #logger(): Logger {
    const to = (level: string) => (...args: unknown[]) => this.#around.log(this.#attempt, { level, args });
    return {
      debug: to("debug"),
      info: to("info"),
      warn: to("warn"),
      error: to("error"),
      critical: to("critical"),
    } as Logger;
  }
}
