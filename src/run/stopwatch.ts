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
  /** How much of it was before this process, milliseconds; none of a run that began in it. */
  readonly #beforeMs: number | undefined;
  #tookMs: number | undefined;

  /** @param startedAt When the run began, if it did so in an earlier process: milliseconds since the epoch. */
  constructor(clock: Clock, startedAt?: number) {
    const now = clock.now();
    this.#clock = clock;
    this.#startedAt = startedAt ?? now;
    this.#beforeMs = startedAt === undefined ? undefined : between(startedAt, now);
    this.#since = clock.monotonic() - (this.#beforeMs ?? 0);
  }

  /** Milliseconds since the epoch. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** How long the run has been going on, or how long it took, milliseconds. */
  get ranMs(): number {
    return this.#tookMs ?? this.#clock.monotonic() - this.#since;
  }

  /** How much of that was since the run went on in this process, milliseconds; none of a run that began in it. */
  get sinceResumeMs(): number | undefined {
    return this.#beforeMs === undefined ? undefined : Math.max(0, this.ranMs - this.#beforeMs);
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
