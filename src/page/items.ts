/**
 * Owns what the page knows of the items of one mapped task: how many there are, which are under way, how they ended.
 * Must not know how they are drawn.
 * Invariant: each item counts once, by its last attempt; of those that failed only the first are kept to be told.
 */
import type { ItemCounts, Outcome } from "../model/outcome.ts";
import type { AttemptView } from "./timeline_lanes.ts";
import { isBad } from "./words.ts";

/** Attempts of items that failed, kept at the most. */
const MOST_FAILED = 100;

/** The items of a task in one iteration. */
export class MappedView {
  readonly count: number;
  /** By item: what a worker was given and has not ended. */
  readonly open: Map<number, AttemptView> = new Map();
  /** The last attempts of those that failed, the first so many. */
  readonly failed: Map<number, AttemptView> = new Map();
  readonly #last: Map<number, Outcome> = new Map();
  readonly #ended: Partial<Record<Outcome, number>> = {};

  constructor(count: number) {
    this.count = count;
  }

  /** How many ended how. */
  get ended(): ItemCounts {
    return this.#ended;
  }

  /** How many are under way. */
  get running(): number {
    return this.open.size;
  }

  /** An attempt of an item has ended, or is to be made anew: then it never was. */
  settle(item: number, attempt: AttemptView | undefined): void {
    const before = this.#last.get(item);
    if (before !== undefined) this.#add(before, -1);
    this.failed.delete(item);
    const outcome = attempt?.outcome;
    if (outcome === undefined) return void this.#last.delete(item);
    this.#last.set(item, outcome);
    this.#add(outcome, 1);
    if (isBad(outcome) && this.failed.size < MOST_FAILED) this.failed.set(item, attempt!);
  }

  /** Whether an item has succeeded. */
  isDone(item: number | undefined): boolean {
    return item !== undefined && this.#last.get(item) === "succeeded";
  }

  /** Only those stay that have succeeded. */
  keepDone(): void {
    for (const [item, outcome] of [...this.#last]) if (outcome !== "succeeded") this.settle(item, undefined);
  }

  #add(outcome: Outcome, count: number): void {
    const sum = (this.#ended[outcome] ?? 0) + count;
    if (sum === 0) delete this.#ended[outcome];
    else this.#ended[outcome] = sum;
  }
}
