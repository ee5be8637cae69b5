/**
 * Owns the fleet as a whole, read once for all who look: its executors, and how many runs stand how.
 * Must not know who looks, nor what they look for.
 * Invariant: however many look, and however many executors there are, reading them takes a small part of the time, in steps
 * between which others have their turn. What is read is a little old; who is lost is not kept here, but seen.
 */
import type { Clock } from "../base/clock.ts";
import { sleep } from "../base/wait.ts";
import { RUN_STATES } from "../model/outcome.ts";
import type { ExecutorRow, GatewayStore, RunCounts } from "./store.ts";

/** Executors that are read in one turn, and runs that are counted. */
const READ_EXECUTORS = 200, READ_RUNS = 2_000;
/** What was read counts for so long, milliseconds, and for so many times as long as it took to read. */
const FRESH_MS = 1_000;
const FRESH_TIMES = 20;

/** The fleet as it was read. */
export interface RosterRows {
  /** By id. */
  readonly executors: readonly ExecutorRow[];
  /** Of all runs that are kept. */
  readonly runs: RunCounts;
}

/** Reads the fleet. */
export class Roster {
  readonly #store: GatewayStore;
  readonly #clock: Clock;
  #read: Promise<RosterRows> | undefined;
  /** By the monotonic clock. */
  #until = 0;

  constructor(store: GatewayStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The fleet as it is now, or was a moment ago. */
  rows(): Promise<RosterRows> {
    if (this.#read !== undefined && this.#clock.monotonic() < this.#until) return this.#read;
    this.#until = Infinity;
    const begun = this.#clock.monotonic();
    const read = this.#readAll();
    const done = () => {
      const now = this.#clock.monotonic();
      this.#until = now + Math.max(FRESH_MS, FRESH_TIMES * (now - begun));
    };
    read.then(done, () => this.#read = undefined);
    return this.#read = read;
  }

  async #readAll(): Promise<RosterRows> {
    const executors: ExecutorRow[] = [];
    await this.#paged(async (after) => {
      const page = await this.#store.executorsAfter(after, READ_EXECUTORS);
      executors.push(...page.executors);
      return page.last;
    });
    const runs = { running: 0, succeeded: 0, failed: 0, cancelled: 0 };
    await this.#paged(async (after) => {
      const { counts, last } = await this.#store.runCountsAfter(after, READ_RUNS);
      for (const state of RUN_STATES) runs[state] += counts[state];
      return last;
    });
    return { executors, runs };
  }

  /** Reads page after page, and lets others have their turn between them. */
  async #paged(read: (after: string) => Promise<string | undefined>): Promise<void> {
    for (let after = await read(""); after !== undefined; after = await read(after)) {
      await sleep(this.#clock, 0);
    }
  }
}
