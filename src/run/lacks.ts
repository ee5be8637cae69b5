/**
 * Owns who has what a ready task waits for, as it is shown.
 * Must not hand anything out.
 * Invariant: it is the picture of one moment.
 */
import { type Holder, type Lack, MAX_HOLDERS } from "../model/lack.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import type { Holding } from "../schedule/resources.ts";
import type { Scheduler } from "../schedule/schedule.ts";

/** What tasks lack, by the plan's resources. */
export class Lacks {
  readonly #plan: Plan;
  readonly #schedule: Scheduler;
  readonly #holdings: readonly Holding[];

  constructor(plan: Plan, schedule: Scheduler) {
    this.#plan = plan;
    this.#schedule = schedule;
    this.#holdings = schedule.holdings();
  }

  /** What a task lacks; `undefined` if it is not that which it waits for. */
  of({ index, uses = [] }: PlanTask): readonly Lack[] | undefined {
    if (!this.#schedule.lacks(index)) return undefined;
    // What is free goes to those before it that wait for more than that; with nobody before it, it is the run that is paused.
    const taken = uses.filter(({ resource, amount }) => this.#holdings[resource]!.free < amount);
    const wanted = uses.filter(({ resource }) => this.#isAfter(index, resource));
    const lacking = [taken, wanted, uses].find(({ length }) => length > 0)!;
    return lacking.map(({ resource, amount }): Lack => {
      const { name, capacity } = this.#plan.resources![resource]!;
      const { first } = this.#holdings[resource]!;
      return {
        resource: name,
        amount,
        capacity,
        heldBy: this.#holders(resource),
        ...(this.#isAfter(index, resource) && { after: this.#name(first!) }),
      };
    });
  }

  #isAfter(task: number, resource: number): boolean {
    const { first } = this.#holdings[resource]!;
    return first !== undefined && first !== task;
  }

  #holders(resource: number): Holder[] {
    const { holders } = this.#holdings[resource]!;
    return holders.slice(0, MAX_HOLDERS).map((task) => ({ task: this.#name(task) }));
  }

  #name(task: number): string {
    return this.#plan.tasks[task]!.name;
  }
}
