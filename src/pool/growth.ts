/**
 * Owns when a run gets more workers: as many as there are ready attempts up to the base, beyond it only after they have waited.
 * Must not know who gets which attempt.
 * Invariant: beyond the base, workers come in rounds that at most double them, and none while others start.
 */
import type { Crew } from "./crew.ts";
import type { Lane } from "./lane.ts";
import type { NamedTimers } from "./named_timers.ts";
import type { Pace } from "./pace.ts";
import type { PoolTimer, Supply } from "./port.ts";

/** A ready task that has waited this long makes the pool grow, in milliseconds. */
const GROW_MS = 20;

/** What growth depends on. */
export interface GrowthParts {
  readonly crew: Crew;
  readonly supply: Supply;
  readonly pace: Pace;
  readonly timers: NamedTimers<PoolTimer>;
  /** How many there should be at once. */
  readonly workers: number;
  /** Hands out what is ready. */
  feed(): void;
}

/** The growth of one run's workers. */
export class Growth {
  readonly #parts: GrowthParts;
  /** What ran on each lane when it was looked last. */
  #seen: ReadonlyMap<Lane, number | undefined> = new Map();

  constructor(parts: GrowthParts) {
    this.#parts = parts;
  }

  /** Below the base, a worker for each ready attempt at once; above, only after waiting. */
  check(): void {
    const { crew, timers, workers } = this.#parts;
    const waiting = this.#waiting();
    if (waiting === 0) return;
    const most = Math.min(workers - crew.taking.size, crew.room);
    for (let more = Math.min(waiting - crew.starting, most); more > 0; more--) crew.grow();
    if (crew.room > 0 && !timers.has("grow")) {
      this.#seen = new Map([...crew.taking].map((lane) => [lane, lane.running?.seq]));
      timers.after("grow", { ms: GROW_MS, act: () => this.#afterWait() });
    }
  }

  /** Attempts that could run now if there were a lane: ready ones, and independent ones behind a running one. */
  #waiting(): number {
    const { crew, supply } = this.#parts;
    let waiting = supply.ready + supply.readyAlone;
    for (const lane of crew.taking) if (lane.running !== undefined && lane.spare) waiting++;
    return waiting;
  }

  #afterWait(): void {
    const { crew, supply, pace, feed } = this.#parts;
    for (const lane of crew.taking) this.#takeBack(lane);
    const size = crew.lanes.length;
    const stuck = [...crew.taking].every((lane) =>
      lane.starting || this.#seen.get(lane) === lane.running?.seq
    );
    const ready = supply.ready + supply.readyAlone;
    const drainMs = ready * pace.meanMs / Math.max(1, size);
    // In rounds, each at most doubling: a worker that starts takes time from those that run, so that many at once only
    // make a queue longer that would be gone before they are warm.
    if (ready > 0 && crew.starting === 0 && (stuck || drainMs > GROW_MS)) {
      const more = Math.min(ready, crew.room, Math.max(1, size));
      for (let count = 0; count < more; count++) crew.grow();
    }
    feed();
  }

  /** What waits behind an attempt that takes long is for others. */
  #takeBack(lane: Lane): void {
    const seq = lane.running?.seq;
    if (seq === undefined || seq !== this.#seen.get(lane)) return;
    while (lane.spare) {
      const taken = lane.revokeTail();
      if (taken.length === 0) break;
      this.#parts.supply.giveBack(taken);
    }
  }
}
