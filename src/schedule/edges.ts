/**
 * Owns what is known of a plan before anything runs: which needs are settled at once, and which only when a loop around the
 * needed task has ended; which tasks may stand in a line, and which failures stop the run.
 * Must not know the state of a run.
 * Invariant: every need of the plan is in `now` of the task that it is on, or in `exits` of exactly one loop.
 */
import type { On } from "../model/outcome.ts";
import { isHeld } from "../pipeline/plan/held.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { Aloneness, alonenessOf } from "./ready_tasks.ts";

/** An edge from a task to one that needs it. */
export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly on: On;
}

/**
 * Edges by the task that they lead from, in columns: an object for each would be most of what a large plan's schedule is. Those
 * of a task have the places from `first[task]` to before `first[task + 1]`.
 */
export interface EdgeColumns {
  readonly first: Int32Array;
  readonly to: Int32Array;
  readonly on: readonly On[];
}

/** A plan's edges, sorted by when they are settled. */
export interface Edges {
  /** Edges settled as soon as their task is. In the order in which the dependents start when all are ready. */
  readonly now: EdgeColumns;
  /** By loop: edges that leave it, settled when the loop has ended. */
  readonly exits: readonly (readonly Edge[])[];
  /** By task: loops (indexes, inner first) whose `from` it is. */
  readonly closes: readonly (readonly number[])[];
  /** By task: 1 if a failure of it for good, in no loop that may go round, stops the run. */
  readonly fatal: Uint8Array;
  /** By task: its {@linkcode Aloneness}. */
  readonly alone: Uint8Array;
  /** By task: 1 if it may stand behind its needs on their lane, which goes on only after a success. */
  readonly inLine: Uint8Array;
}

const NONE: never[] = [];

/** Sorts the edges of a plan. Costs a step for each need, and for each need of a looping task one for each loop around it. */
export function edgesOf(plan: Plan): Edges {
  const around = loopsAround(plan);
  const now = edgesNow(plan, around);
  const exits: Edge[][] = plan.loops.map(() => []);
  if (around.size > 0) {
    for (const { index: to, needs } of plan.tasks) {
      for (const { task: from, on } of needs) {
        const loop = outermostLeft(around, from, to);
        if (loop !== undefined) exits[loop]!.push({ from, to, on });
      }
    }
  }
  const closes = plan.tasks.map((): number[] => NONE);
  plan.loops.forEach((loop, index) => {
    if (closes[loop.from]!.length === 0) closes[loop.from] = [index];
    else closes[loop.from]!.push(index);
  });
  return { now, exits, closes, ...traitsOf(plan) };
}

/** Edges that leave no loop. */
function edgesNow({ tasks }: Plan, around: ReadonlyMap<number, readonly number[]>): EdgeColumns {
  const loops = around.size > 0;
  const isNow = (from: number, to: number) => !loops || outermostLeft(around, from, to) === undefined;
  const first = new Int32Array(tasks.length + 1);
  const byRank = new Int32Array(tasks.length);
  for (const { index, rank, needs } of tasks) {
    byRank[rank] = index;
    for (const { task } of needs) if (isNow(task, index)) first[task + 1]!++;
  }
  for (let task = 0; task < tasks.length; task++) first[task + 1]! += first[task]!;
  const next = first.slice();
  const to = new Int32Array(first[tasks.length]!);
  const on = new Array<On>(to.length);
  for (let rank = 0; rank < byRank.length; rank++) {
    const index = byRank[rank]!;
    for (const need of tasks[index]!.needs) {
      if (!isNow(need.task, index)) continue;
      const at = next[need.task]!++;
      to[at] = index;
      on[at] = need.on;
    }
  }
  return { first, to, on };
}

/** What can be told of each task by itself. */
function traitsOf({ tasks, onFailure }: Plan): Pick<Edges, "fatal" | "alone" | "inLine"> {
  const fatal = new Uint8Array(tasks.length).fill(onFailure === "stop" ? 1 : 0);
  const alone = new Uint8Array(tasks.length);
  const inLine = new Uint8Array(tasks.length).fill(1);
  for (const each of tasks) {
    const { index, needs, allowFailure, run } = each;
    if (allowFailure) fatal[index] = 0;
    alone[index] = alonenessOf(each);
    if (alone[index] !== Aloneness.none || run === undefined || isHeld(each)) inLine[index] = 0;
    for (const { task, on } of needs) {
      if (on !== "success") fatal[task] = 0;
      if (on === "failure") inLine[index] = 0;
    }
  }
  return { fatal, alone, inLine };
}

/** By task: the loops it is in, inner first (as plans list them). */
function loopsAround(plan: Plan): ReadonlyMap<number, readonly number[]> {
  const around = new Map<number, number[]>();
  plan.loops.forEach((loop, index) => {
    for (const task of loop.body) {
      const loops = around.get(task);
      if (loops === undefined) around.set(task, [index]);
      else loops.push(index);
    }
  });
  return around;
}

/** The outermost loop that holds an edge's start but not its end: those that hold both are the last of either list. */
function outermostLeft(
  around: ReadonlyMap<number, readonly number[]>,
  from: number,
  to: number,
): number | undefined {
  const loops = around.get(from);
  if (loops === undefined) return undefined;
  const kept = around.get(to) ?? NONE;
  let both = 0;
  while (both < kept.length && loops.at(-1 - both) === kept.at(-1 - both)) both++;
  return loops.at(-1 - both);
}
