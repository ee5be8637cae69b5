/**
 * Owns what is known of a plan before anything runs: which needs are settled at once, and which only when a loop around the
 * needed task has ended; which tasks may stand in a line, and which failures stop the run.
 * Must not know the state of a run.
 * Invariant: every need of the plan is in `now` of its task or in `exits` of exactly one loop.
 */
import type { On } from "../pipeline/outcome.ts";
import type { Plan } from "../pipeline/plan.ts";

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
  /** By task: 1 if its attempts have to be alone on their lane: nothing before them, nothing after them. */
  readonly alone: Uint8Array;
  /** By task: 1 if it may stand behind its needs on their lane, which goes on only after a success. */
  readonly inLine: Uint8Array;
}

const NONE: never[] = [];

/** Sorts the edges of a plan. Costs a step for each need, and for each need of a looping task one for each loop around it. */
export function edgesOf(plan: Plan): Edges {
  const now = plan.tasks.map((): Edge[] => NONE);
  const exits: Edge[][] = plan.loops.map(() => []);
  const around = loopsAround(plan);
  for (const task of plan.tasks) {
    for (const need of task.needs) {
      const edge = { from: need.task, to: task.index, on: need.on };
      const loop = outermostLeft(around, edge);
      if (loop !== undefined) exits[loop]!.push(edge);
      else if (now[need.task]!.length === 0) now[need.task] = [edge];
      else now[need.task]!.push(edge);
    }
  }
  for (const edges of now) {
    if (edges.length > 1) edges.sort((a, b) => plan.tasks[a.to]!.rank - plan.tasks[b.to]!.rank);
  }
  const closes = plan.tasks.map((): number[] => NONE);
  plan.loops.forEach((loop, index) => {
    if (closes[loop.from]!.length === 0) closes[loop.from] = [index];
    else closes[loop.from]!.push(index);
  });
  const alone = Uint8Array.from(plan.tasks, (task) => task.fresh || task.onLost === "fail" ? 1 : 0);
  const inLine = Uint8Array.from(plan.tasks, ({ index, run, needs }) => {
    return run !== undefined && alone[index] === 0 && needs.every(({ on }) => on !== "failure") ? 1 : 0;
  });
  return { now, exits, closes, fatal: fatalTasks(plan), alone, inLine };
}

/** Tasks whose failure stops a run: it counts, and no need on a failure leads on. */
function fatalTasks(plan: Plan): Uint8Array {
  const fatal = new Uint8Array(plan.tasks.length);
  if (plan.onFailure === "continue") return fatal;
  for (const task of plan.tasks) if (!task.allowFailure) fatal[task.index] = 1;
  for (const task of plan.tasks) {
    for (const need of task.needs) if (need.on !== "success") fatal[need.task] = 0;
  }
  return fatal;
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
