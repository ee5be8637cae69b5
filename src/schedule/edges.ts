/**
 * Owns what is known of a plan before anything runs: which needs are settled at once, and which only when a loop around the
 * needed task has ended; which tasks may stand in a line, and which failures stop the run.
 * Must not know the state of a run.
 * Invariant: every need of the plan is in `now` of its task or in `exits` of exactly one loop.
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

/** A plan's edges, sorted by when they are settled. */
export interface Edges {
  /** By task: edges settled as soon as the task is. In the order in which the dependents start when all are ready. */
  readonly now: readonly (readonly Edge[])[];
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
  const now = edgesByTask(plan);
  const filled = new Int32Array(now.length);
  const exits: Edge[][] = plan.loops.map(() => []);
  const around = loopsAround(plan);
  for (const task of plan.tasks) {
    for (const need of task.needs) {
      const edge = { from: need.task, to: task.index, on: need.on };
      const loop = outermostLeft(around, edge);
      if (loop !== undefined) exits[loop]!.push(edge);
      else now[need.task]![filled[need.task]!++] = edge;
    }
  }
  for (let task = 0; task < now.length; task++) {
    const edges = now[task]!;
    if (filled[task]! < edges.length) edges.length = filled[task]!;
    if (!inOrder(edges, plan.tasks)) {
      edges.sort((a, b) => plan.tasks[a.to]!.rank - plan.tasks[b.to]!.rank);
    }
  }
  const closes = plan.tasks.map((): number[] => NONE);
  plan.loops.forEach((loop, index) => {
    if (closes[loop.from]!.length === 0) closes[loop.from] = [index];
    else closes[loop.from]!.push(index);
  });
  return { now, exits, closes, ...traitsOf(plan) };
}

/** Room for the edges of each task: as much as they need, since a list that grows keeps room for a dozen more. */
function edgesByTask({ tasks }: Plan): Edge[][] {
  return tasks.map(({ dependents }) => dependents.length === 0 ? NONE : new Array<Edge>(dependents.length));
}

function inOrder(edges: readonly Edge[], tasks: Plan["tasks"]): boolean {
  for (let at = 1; at < edges.length; at++) {
    if (tasks[edges[at - 1]!.to]!.rank > tasks[edges[at]!.to]!.rank) return false;
  }
  return true;
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

/** The outermost loop that holds the edge's start but not its end: those that hold both are the last of either list. */
function outermostLeft(around: ReadonlyMap<number, readonly number[]>, edge: Edge): number | undefined {
  const loops = around.get(edge.from);
  if (loops === undefined) return undefined;
  const kept = around.get(edge.to) ?? NONE;
  let both = 0;
  while (both < kept.length && loops.at(-1 - both) === kept.at(-1 - both)) both++;
  return loops.at(-1 - both);
}
