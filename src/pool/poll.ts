/**
 * Owns the reading of outboxes without a bell: outcomes that nobody was waiting for lie there silently; this finds them.
 * Must not know what is told.
 * Invariant: as long as a run has something to do, no outcome lies unread for longer than `POLL_MS`.
 */
import type { Clock } from "../base/clock.ts";
import type { Crew } from "./crew.ts";
import type { Halt } from "./halt.ts";
import type { NamedTimers } from "./named_timers.ts";
import type { PoolTimer } from "./port.ts";

/** How often it is read, in milliseconds: whoever has something that others wait for rings. */
const POLL_MS = 50;

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

  constructor(parts: PollParts) {
    this.#parts = parts;
  }

  /** Reads after a while. */
  start(): void {
    this.#parts.timers.after("poll", { ms: POLL_MS, act: () => this.#read() });
  }

  #read(): void {
    const { clock, crew, halt, feed } = this.#parts;
    for (const lane of crew.lanes) lane.drain();
    for (const lane of crew.lanes) lane.inquire(clock.monotonic());
    if (halt.lift()) { for (const lane of crew.lanes) lane.wake(); }
    feed();
  }
}
