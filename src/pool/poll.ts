/**
 * Owns the reading of outboxes without a bell: outcomes that nobody was waiting for lie there silently; this finds them.
 * Must not know what is told.
 * Invariant: as long as a run has something to do, no outcome lies unread for longer than `MAX_POLL_MS`.
 */
import type { Clock } from "../base/clock.ts";
import type { Crew } from "./crew.ts";
import type { Halt } from "./halt.ts";
import type { NamedTimers } from "./named_timers.ts";
import type { PoolTimer } from "./port.ts";

/** From every `MIN_POLL_MS`, doubling while nothing is told, to `MAX_POLL_MS`. */
const MIN_POLL_MS = 2;
const MAX_POLL_MS = 200;

/** What polling depends on. */
export interface PollParts {
  readonly clock: Clock;
  readonly crew: Crew;
  readonly halt: Halt;
  readonly timers: NamedTimers<PoolTimer>;
  /** Hands out what is ready. */
  feed(): void;
}

/** The polling of one run's workers. */
export class Poll {
  readonly #parts: PollParts;
  #ms = MIN_POLL_MS;

  constructor(parts: PollParts) {
    this.#parts = parts;
  }

  /** Something was told: there may be more soon. */
  told(): void {
    this.#ms = MIN_POLL_MS;
  }

  /** Reads after a while. */
  start(): void {
    this.#parts.timers.after("poll", { ms: this.#ms, act: () => this.#read() });
  }

  #read(): void {
    const { clock, crew, halt, feed } = this.#parts;
    const told = crew.lanes.map((lane) => lane.drain()).some(Boolean);
    for (const lane of crew.lanes) lane.inquire(clock.monotonic());
    if (halt.lift()) { for (const lane of crew.lanes) lane.wake(); }
    this.#ms = told ? MIN_POLL_MS : Math.min(MAX_POLL_MS, this.#ms * 2);
    feed();
  }
}
