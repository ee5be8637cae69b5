/**
 * Owns which tasks may be released ahead: behind unsettled needs that are on the same lane, so that whoever ends the last of
 * them goes on without asking.
 * Must not dispatch anything.
 * Invariant: a task is released behind needs only that all lead to it when they succeed; after anything else it is taken back.
 */
import type { Plan } from "../pipeline/plan/plan.ts";
import { Standing } from "./command.ts";
import type { Edges } from "./edges.ts";
import type { Lanes } from "./lanes.ts";
import type { TaskStates } from "./states.ts";

/** With no more needs than this a task makes the outcomes that it waits for awaited. */
const FEW_NEEDS = 16;
/** Said of a task whose outcome is to be told at once. */
const URGENT = -1;

/** What it is told from; all of it changes as the run goes on. */
export interface AheadFacts {
  readonly plan: Plan;
  readonly edges: Edges;
  readonly states: TaskStates;
  readonly lanes: Lanes;
}

/** Finds what may be released behind what is dispatched. */
export class Ahead {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #states: TaskStates;
  readonly #lanes: Lanes;
  /** By task: 1 if it has few needs. */
  readonly #few: Uint8Array;
  /** Dispatched tasks whose dependents have not all been looked at, and how far it has come with the first. */
  #open: number[] = [];
  #first = 0;
  #at = 0;

  constructor({ plan, edges, states, lanes }: AheadFacts) {
    this.#plan = plan;
    this.#edges = edges;
    this.#states = states;
    this.#lanes = lanes;
    this.#few = new Uint8Array(plan.tasks.length);
    for (const { index, needs } of plan.tasks) this.#few[index] = needs.length <= FEW_NEEDS ? 1 : 0;
  }

  /** A task was dispatched: others may stand behind it. */
  dispatched(task: number): void {
    const { first } = this.#edges.now;
    if (first[task]! < first[task + 1]!) this.#open.push(task);
  }

  /** The next that may be released to a lane behind what is there; each is found once. */
  next(lane: number): number | undefined {
    const { first, to: tos } = this.#edges.now;
    for (; this.#first < this.#open.length; this.#first++, this.#at = 0) {
      const task = this.#open[this.#first]!;
      // What had settled since has led to what it leads to.
      if (this.#states.standing[task] !== Standing.dispatched) continue;
      while (first[task]! + this.#at < first[task + 1]!) {
        const to = tos[first[task]! + this.#at++]!;
        if (this.#mayStand(to, lane)) return to;
      }
    }
    this.#open = [];
    this.#first = 0;
    this.#at = 0;
    return undefined;
  }

  /** The needs of a task that it stands behind. */
  behind(task: number): number[] {
    if (this.#states.pending[task] === 0) return NONE;
    const behind: number[] = [];
    for (const need of this.#plan.tasks[task]!.needs) {
      if (this.#states.standing[need.task] === Standing.dispatched) behind.push(need.task);
    }
    return behind;
  }

  few(task: number): boolean {
    return this.#few[task] === 1;
  }

  /**
   * How many wait for a task that may be released behind it, and have few needs; negative if others wait that never are: a task
   * that runs elsewhere and lacks few needs, or a loop.
   */
  awaited(task: number): number {
    if (this.#edges.closes[task]!.length > 0) return URGENT;
    const { first, to: tos } = this.#edges.now;
    let count = 0;
    for (let at = first[task]!; at < first[task + 1]!; at++) {
      const to = tos[at]!;
      if (this.#edges.inLine[to] === 1) count += this.#few[to]!;
      else if (this.#states.pending[to]! <= FEW_NEEDS) return URGENT;
    }
    return count;
  }

  /** Whether a task can start as soon as all its needs on the lane have succeeded, and has one there. */
  #mayStand(task: number, lane: number): boolean {
    if (this.#states.standing[task] !== Standing.waiting || this.#edges.inLine[task] === 0) return false;
    const pending = this.#states.pending[task]!;
    if (this.#lanes.near(task, lane) !== pending) return false;
    const { join, needs } = this.#plan.tasks[task]!;
    return join === "any" || this.#states.satisfied[task]! + pending === needs.length;
  }
}

const NONE: never[] = [];
