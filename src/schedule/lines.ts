/**
 * Owns which tasks may stand in a line, one behind the other on a lane, so that a worker goes on without asking.
 * Must not dispatch anything.
 * Invariant: a task stands only behind unsettled needs on the same lane that all lead to it when they succeed; after anything
 * else than a success a lane does not go on.
 */
import type { Plan } from "../pipeline/plan/plan.ts";
import { Standing } from "./command.ts";
import type { Edges } from "./edges.ts";
import type { Lanes } from "./lanes.ts";
import type { TaskStates } from "./states.ts";

/** Dependents looked at for one that goes on with a line; lines save time, and looking for one may not cost it. */
const MAX_LOOKED_AT = 16;
/** A dependent that lacks no more needs than this makes the outcomes it waits for urgent. */
const FEW_NEEDS = 16;

/** What lines are made from; all of it changes as the run goes on. */
export interface LineFacts {
  readonly plan: Plan;
  readonly edges: Edges;
  readonly states: TaskStates;
  readonly lanes: Lanes;
}

/** Finds what may stand in a line. */
export class Lines {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #states: TaskStates;
  readonly #lanes: Lanes;

  constructor({ plan, edges, states, lanes }: LineFacts) {
    this.#plan = plan;
    this.#edges = edges;
    this.#states = states;
    this.#lanes = lanes;
  }

  /** The task that may follow another on its lane: the first one in rank, since the others go elsewhere. */
  follower(task: number, lane: number): number | undefined {
    const edges = this.#edges.now[task]!;
    const some = Math.min(edges.length, MAX_LOOKED_AT);
    for (let at = 0; at < some; at++) {
      if (this.#mayFollow(edges[at]!.to, lane)) return edges[at]!.to;
    }
    return undefined;
  }

  /** Others wait: a dependent that is not behind it on the same lane and lacks few other needs, or a loop. */
  isUrgent(task: number): boolean {
    if (this.#edges.closes[task]!.length > 0) return true;
    for (const { to } of this.#edges.now[task]!) {
      if (this.#states.pending[to]! <= FEW_NEEDS && !this.#lanes.together(to, task)) return true;
    }
    return false;
  }

  /** Whether a task can start as soon as everything on the lane has succeeded. */
  #mayFollow(task: number, lane: number): boolean {
    if (this.#states.standing[task] !== Standing.waiting || this.#edges.inLine[task] === 0) return false;
    const pending = this.#states.pending[task]!;
    if (this.#lanes.near(task, lane) !== pending) return false;
    const { join, needs } = this.#plan.tasks[task]!;
    return join === "any" || this.#states.satisfied[task]! + pending === needs.length;
  }
}
