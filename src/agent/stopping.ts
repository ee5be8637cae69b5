/**
 * Owns how an agent comes to its end: that it was asked to, why, with which code, and how long anything is waited for.
 * Must not know what there is to end.
 * Invariant: once asked to end it never goes back, and once it is over nothing is waited for any more.
 */
import type { Clock } from "../base/clock.ts";

/** How an agent ends. */
export class AgentStopping {
  readonly #clock: Clock;
  readonly #abort: AbortController = new AbortController();
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #because = "";
  #exitCode: number | undefined;
  #givenUp: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Aborted by the first request to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get asked(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Why it was asked to end. */
  get because(): string {
    return this.#because;
  }

  /** What a run that is cancelled by the end ends with, if that was said. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Why the gateway has been given up: nothing more is asked of it. */
  get givenUp(): string | undefined {
    return this.#givenUp;
  }

  /** Resolves when nothing is waited for any more. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Asks it to end. */
  ask(because: string, exitCode: number | undefined): void {
    this.#because = because;
    this.#exitCode = exitCode;
    this.#abort.abort();
  }

  giveUp(because: string): void {
    this.#givenUp = because;
  }

  /** Nothing is waited for any longer. */
  now(): void {
    this.#over.resolve();
  }

  /** Nothing is waited for any longer than this. */
  within(ms: number): void {
    const cancel = this.#clock.after(ms, () => this.#over.resolve());
    void this.#over.promise.then(cancel);
  }
}
