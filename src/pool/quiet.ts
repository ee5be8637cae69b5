/**
 * Owns the time in which nothing is heard of an attempt: no output, no progress, no call.
 * Must not know where the attempt runs, nor what is done to it then.
 * Invariant: it acts at most once, and never sooner than so long after what was heard last.
 */
import type { Clock } from "../base/clock.ts";
import { type LaneItem, limitInWords } from "./attempt.ts";

/** What is done when nothing has been heard for too long. */
export interface QuietOptions {
  readonly clock: Clock;
  /** How long may be quiet, milliseconds. */
  readonly ms: number;
  /** Reads what lies unread: it may have been heard of in time. */
  readonly read?: () => void;
  readonly act: () => void;
}

/** How long nothing has been heard of one attempt. */
export class Quiet {
  readonly #options: QuietOptions;
  /** When something was heard last, by the monotonic clock. */
  #last: number;
  #cancel: () => void = () => {};

  constructor(options: QuietOptions) {
    this.#options = options;
    this.#last = options.clock.monotonic();
    this.#wait(options.ms);
  }

  /** Something was heard of it. */
  heard(): void {
    this.#last = this.#options.clock.monotonic();
  }

  /** It has ended. */
  close(): void {
    this.#cancel();
  }

  #wait(ms: number): void {
    this.#cancel = this.#options.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const { clock, ms, read, act } = this.#options;
    read?.();
    const left = this.#last + ms - clock.monotonic();
    if (left > 0) this.#wait(left);
    else act();
  }
}

/** Why an attempt is stopped of which nothing was heard for too long. */
export function tooQuiet({ idleMs = 0 }: LaneItem): string {
  return `nothing was heard of it, no output, progress or call, for its idle limit of ${
    limitInWords(idleMs)
  }`;
}
