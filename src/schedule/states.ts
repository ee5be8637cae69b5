/**
 * Owns where each task stands in its present iteration, as plain arrays by task index.
 * Must not know why a task goes from one standing to another (schedule.ts does).
 * Invariant: `satisfied` plus `pending` is at most the number of the task's needs.
 */
import { type Outcome, satisfies } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { Standing } from "./command.ts";

/** The state of a run's tasks. */
export class TaskStates {
  /** One of `Standing`. */
  readonly standing: Uint8Array;
  readonly iteration: Int32Array;
  /** Number of the last attempt dispatched in this iteration; 0 if none was. */
  readonly attempt: Int32Array;
  /** Attempts of this iteration that were lost with their process and do not count as tries. */
  readonly lost: Int32Array;
  /** Needs not yet settled. */
  readonly pending: Int32Array;
  /** Needs settled and satisfied. */
  readonly satisfied: Int32Array;
  /** Of the last attempt that settled, in this or an earlier iteration. */
  readonly outcome: (Outcome | undefined)[];

  constructor({ tasks }: Plan) {
    this.standing = new Uint8Array(tasks.length);
    this.iteration = new Int32Array(tasks.length);
    this.lost = new Int32Array(tasks.length);
    this.attempt = new Int32Array(tasks.length);
    this.pending = new Int32Array(tasks.length);
    for (const { index, needs } of tasks) this.pending[index] = needs.length;
    this.satisfied = new Int32Array(tasks.length);
    this.outcome = new Array<Outcome | undefined>(tasks.length).fill(undefined);
  }

  /** Whether a task all of whose needs are settled runs. */
  runs({ index, join, needs }: PlanTask): boolean {
    const satisfied = this.satisfied[index]!;
    return join === "all" ? satisfied === needs.length : satisfied > 0 || needs.length === 0;
  }

  /** Begins the next iteration of a loop's task. Its needs outside the loop stay settled as they are. */
  again({ index, needs }: PlanTask, body: ReadonlySet<number>): void {
    this.standing[index] = Standing.waiting;
    this.iteration[index]!++;
    this.attempt[index] = 0;
    this.lost[index] = 0;
    let pending = 0;
    let satisfied = 0;
    for (const { task, on } of needs) {
      if (body.has(task)) pending++;
      else if (satisfies(on, this.outcome[task]!)) satisfied++;
    }
    this.pending[index] = pending;
    this.satisfied[index] = satisfied;
  }
}
