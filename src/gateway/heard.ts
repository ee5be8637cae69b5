/**
 * Owns how long nothing has been heard of executors and runs.
 * Must not know what counts as too long, nor what is kept of them.
 * Invariant: it is timed by the monotonic clock, in this life of the gateway: a step of the wall clock makes nobody silent,
 * and what was heard before the start counts as heard at the start, so that after it everybody has a whole lease.
 */
import type { Clock } from "../base/clock.ts";

/** Names remembered one by one. Of one that was heard longer ago it is only known that it has been silent since the start. */
const MAX_NAMES = 100_000;

/** What was heard last of each. */
export class Heard {
  readonly #clock: Clock;
  readonly #since: number;
  /** When each was heard, the one heard longest ago first. */
  readonly #at: Map<string, number> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** Something was heard of it now. */
  hear(name: string): void {
    this.#at.delete(name);
    this.#at.set(name, this.#clock.monotonic());
    if (this.#at.size > MAX_NAMES) this.#at.delete(this.#at.keys().next().value!);
  }

  /** How long nothing has been heard of it, milliseconds. */
  silentMs(name: string): number {
    return this.#clock.monotonic() - (this.#at.get(name) ?? this.#since);
  }

  /** Whether it was heard within so many milliseconds, in this life of the gateway. */
  within(name: string, ms: number): boolean {
    return this.#at.has(name) && this.silentMs(name) <= ms;
  }
}

/** What an executor is called here. */
export function executorName(id: string): string {
  return `executor ${id}`;
}

/** What a run is called here. */
export function runName(run: string): string {
  return `run ${run}`;
}

/** What another device with the id of an executor is called here. */
export function rivalName(id: string): string {
  return `rival of ${id}`;
}
