/**
 * Owns which attempt is on which lane, and how many of a task's needs are on the same one.
 * Must not know what a lane does with its attempts; a lane is only a number to it.
 * Invariant: `#near` never counts more needs than are on the lane `#nearLane`; it may count fewer, which costs a line, not
 * correctness.
 */
import type { Edge } from "./edges.ts";

const NO_LANE = -1;

/** The lanes of a run's dispatched attempts. */
export class Lanes {
  readonly #edges: readonly (readonly Edge[])[];
  readonly #lane: Int32Array;
  /** By task: needs that are on its lane `#nearLane`. */
  readonly #near: Int32Array;
  readonly #nearLane: Int32Array;

  /** @param edges By task, the edges that are settled with it. */
  constructor(edges: readonly (readonly Edge[])[]) {
    this.#edges = edges;
    this.#lane = new Int32Array(edges.length).fill(NO_LANE);
    this.#near = new Int32Array(edges.length);
    this.#nearLane = new Int32Array(edges.length).fill(NO_LANE);
  }

  /** How many of the task's needs are on this lane, as far as is known. */
  near(task: number, lane: number): number {
    return this.#nearLane[task] === lane ? this.#near[task]! : 0;
  }

  put(task: number, lane: number): void {
    this.#lane[task] = lane;
    for (const { to } of this.#edges[task]!) {
      if (this.#near[to] === 0) this.#nearLane[to] = lane;
      if (this.#nearLane[to] === lane) this.#near[to]!++;
    }
  }

  /** @throws {Error} If the task is on no lane, which is a defect of the caller. */
  takeOff(task: number): void {
    const lane = this.#lane[task];
    if (lane === NO_LANE) throw new Error(`Task ${task} is not on a lane`);
    this.#lane[task] = NO_LANE;
    for (const { to } of this.#edges[task]!) {
      if (this.#nearLane[to] === lane && this.#near[to]! > 0) this.#near[to]!--;
    }
  }
}
