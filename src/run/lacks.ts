/**
 * Owns who has what a ready task waits for, as it is shown.
 * Must not hand anything out.
 * Invariant: it is the picture of one moment.
 */
import { type Holder, type Lack, MAX_HOLDERS } from "../model/lack.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import type { Lender } from "./device/lender.ts";
import type { Holding } from "../schedule/resources.ts";
import type { Scheduler } from "../schedule/schedule.ts";

/** What it is told from. */
export interface LacksFrom {
  readonly plan: Plan;
  readonly schedule: Scheduler;
  readonly lender: Pick<Lender, "others">;
}

/** What tasks lack, by the plan's resources. */
export class Lacks {
  readonly #plan: Plan;
  readonly #schedule: Scheduler;
  readonly #lender: LacksFrom["lender"];
  readonly #holdings: readonly Holding[];

  constructor({ plan, schedule, lender }: LacksFrom) {
    this.#plan = plan;
    this.#schedule = schedule;
    this.#lender = lender;
    this.#holdings = schedule.holdings();
  }

  /** What a task lacks; `undefined` if it is not that which it waits for. */
  of({ index, uses = [] }: PlanTask): readonly Lack[] | undefined {
    if (!this.#schedule.lacks(index)) return undefined;
    // What is free goes to those before it that wait for more than that; with nobody before it others on the device have it,
    // or the run is paused.
    const taken = uses.filter(({ resource, amount }) => this.#holdings[resource]!.free < amount);
    const wanted = uses.filter(({ resource }) => this.#isAfter(index, resource));
    const lent = uses.filter(({ resource }) => this.#plan.resources![resource]!.scope === "device");
    const lacking = [taken, wanted, lent, uses].find(({ length }) => length > 0)!;
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
    return first !== undefined && this.#schedule.taskOf(first) !== task;
  }

  #holders(resource: number): Holder[] {
    const { holders } = this.#holdings[resource]!;
    // Several items of one task may have some.
    const names = new Set(holders.map((number) => this.#name(number)));
    const own = [...names].map((task) => ({ task }));
    const { name, scope } = this.#plan.resources![resource]!;
    const others = scope === "device" ? this.#lender.others(name) : [];
    return [...own, ...others].slice(0, MAX_HOLDERS);
  }

  #name(number: number): string {
    return this.#plan.tasks[this.#schedule.taskOf(number)]!.name;
  }
}
