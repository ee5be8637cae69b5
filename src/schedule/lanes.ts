/**
 * Owns which attempt is on which lane, and how many of a task's needs are on the same one.
 * Must not know what a lane does with its attempts; a lane is only a number to it.
 * Invariant: `#near` never counts more needs than are on the lane `#nearLane`; it may count fewer, which costs a line, not
 * correctness.
 */
import type { EdgeColumns } from "./edges.ts";

const NO_LANE = -1;

/** The lanes of a run's dispatched attempts. */
export class Lanes {
  readonly #edges: EdgeColumns;
  readonly #lane: Int32Array;
  /** By task: needs that are on its lane `#nearLane`. */
  readonly #near: Int32Array;
  readonly #nearLane: Int32Array;

  /** @param edges Those that are settled with their task. */
  constructor(edges: EdgeColumns) {
    this.#edges = edges;
    const tasks = edges.first.length - 1;
    this.#lane = new Int32Array(tasks).fill(NO_LANE);
    this.#near = new Int32Array(tasks);
    this.#nearLane = new Int32Array(tasks).fill(NO_LANE);
  }

  /** How many of the task's needs are on this lane, as far as is known. */
  near(task: number, lane: number): number {
    return this.#nearLane[task] === lane ? this.#near[task]! : 0;
  }

  put(task: number, lane: number): void {
    this.#lane[task] = lane;
    const { first, to: tos } = this.#edges;
    for (let at = first[task]!; at < first[task + 1]!; at++) {
      const to = tos[at]!;
      if (this.#near[to] === 0) this.#nearLane[to] = lane;
      if (this.#nearLane[to] === lane) this.#near[to]!++;
    }
  }

  /** @throws {Error} If the task is on no lane, which is a defect of the caller. */
  takeOff(task: number): void {
    const lane = this.#lane[task];
    if (lane === NO_LANE) throw new Error(`Task ${task} is not on a lane`);
    this.#lane[task] = NO_LANE;
    const { first, to: tos } = this.#edges;
    for (let at = first[task]!; at < first[task + 1]!; at++) {
      const to = tos[at]!;
      if (this.#nearLane[to] === lane && this.#near[to]! > 0) this.#near[to]!--;
    }
  }
}
