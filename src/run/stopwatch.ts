/**
 * Owns when a run began and how long it has been going on.
 * Must not know what it does.
 * Invariant: only the monotonic clock says how long; the wall clock does where nothing else can, for the time before this
 * process.
 */
import { between, type Clock } from "../base/clock.ts";

/** Times one run. */
export class Stopwatch {
  readonly #clock: Clock;
  #startedAt: number;
  /** By the monotonic clock; of a run that goes on, as far back as the wall clock says that it began. */
  #since: number;
  #tookMs: number | undefined;

  /** @param startedAt When the run began, if it did so in an earlier process: milliseconds since the epoch. */
  constructor(clock: Clock, startedAt: number = clock.now()) {
    this.#clock = clock;
    this.#startedAt = startedAt;
    this.#since = clock.monotonic() - between(startedAt, clock.now());
  }

  /** Milliseconds since the epoch. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** How long the run has been going on, or how long it took, milliseconds. */
  get ranMs(): number {
    return this.#tookMs ?? this.#clock.monotonic() - this.#since;
  }

  /** The run begins now. @returns When that is. */
  start(): number {
    this.#startedAt = this.#clock.now();
    this.#since = this.#clock.monotonic();
    return this.#startedAt;
  }

  /** The run is over. @returns How long it took, in whole milliseconds. */
  stop(): number {
    return this.#tookMs = Math.round(this.ranMs);
  }
}
