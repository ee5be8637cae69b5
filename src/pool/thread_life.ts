/**
 * Owns the life of one worker's thread: whether it is there, whether it is believed, why it ended.
 * Must not know attempts.
 * Invariant: what waits for the thread settles when it is proven gone, and nothing of it is believed once it has told what
 * can't be right.
 */
import type { Thread, ThreadEnd } from "../runtime/port.ts";
import type { LaneEnd } from "./attempt.ts";

const ADVICE =
  "look for code that changes globals, the worker's port or the memory it shares with the executor";

/** One thread, from its start to its end. */
export class ThreadLife {
  readonly #thread: Thread;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: "starting" | "warm" | "ending" | "ended" = "starting";
  #wrong: string | undefined;
  #exitCode: number | undefined;
  #exhausted = false;

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  get starting(): boolean {
    return this.#state === "starting";
  }

  /** Whether its program runs and it was not told to end. */
  get warm(): boolean {
    return this.#state === "warm";
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  /** What it told that can't be right, if it did. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  /** Its program runs. */
  ready(): void {
    if (this.#state === "starting") this.#state = "warm";
  }

  /** It has told what can't be right. */
  refuse(wrong: string): void {
    this.#wrong ??= wrong;
  }

  /** A task has ended it. */
  exits(code: number): void {
    this.#exitCode = code;
  }

  /** Its heap is exhausted. */
  exhausts(): void {
    this.#exhausted = true;
  }

  /** Ends it; resolves when it is proven gone. */
  async end(): Promise<void> {
    if (this.#state === "starting" || this.#state === "warm") {
      this.#state = "ending";
      await this.#thread.terminate();
    }
    await this.#gone.promise;
  }

  /** It is gone: from here on nothing comes of it. */
  close(): void {
    this.#state = "ended";
  }

  /** What was left of it is dealt with: who waits for its end goes on. */
  over(): void {
    this.#gone.resolve();
  }

  /** An answer of it; rejects if it ends before. */
  answered<T>(answer: Promise<T>): Promise<T> {
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

  /** What an attempt came to that ended with the thread. @param aborted How it was to end, if it had been stopped. */
  cause({ code, memory, error }: ThreadEnd, aborted: LaneEnd | undefined): LaneEnd {
    if (this.#wrong !== undefined) {
      return { outcome: "crashed", reason: "lost", because: `${this.#wrong}; ${ADVICE}` };
    }
    if (this.#exitCode !== undefined) return { outcome: "crashed", reason: "exit", code: this.#exitCode };
    if (aborted !== undefined) return aborted;
    if (memory || this.#exhausted) return { outcome: "crashed", reason: "memory" };
    const message = error instanceof Error
      ? clip(error.message)
      : `the thread ended with code ${code ?? "unknown"}`;
    return { outcome: "crashed", reason: "lost", because: message };
  }
}

/** Words of a worker's, as much as anybody wants to read. */
export function clip(text: unknown): string {
  return typeof text === "string" ? text.slice(0, 1_000) : "it said nothing that can be read";
}
