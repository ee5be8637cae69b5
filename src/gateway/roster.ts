/**
 * Owns the fleet as a whole, read once for all who look: its executors, and how many runs stand how.
 * Must not know who looks, nor what they look for.
 * Invariant: however many look, and however many executors there are, reading them takes a small part of the time, in steps
 * between which others have their turn. What is read is a little old; who is lost is not kept here, but seen.
 */
import type { Clock } from "../base/clock.ts";
import type { ExecutorRow, GatewayStore, RunCounts } from "./store.ts";

/** Executors that are read in one turn. */
const READ = 500;
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
    for (let after = "";;) {
      const page = await this.#store.executorsAfter(after, READ);
      executors.push(...page.executors);
      if (page.last === undefined) break;
      after = page.last;
      await new Promise<void>((next) => this.#clock.after(0, next));
    }
    return { executors, runs: await this.#store.runCounts() };
  }
}
