/**
 * Owns what becomes of a mapped task between its needs and its end: its items, and what the outcome of each leads to.
 * Must not know what an item is, nor what the end of a task leads to (consequences.ts does).
 * Invariant: a mapped task stands as dispatched from when its items are counted until its value is made of theirs; on no lane,
 * so that nothing is released behind it.
 */
import { isFailure, type Outcome } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { type Command, type Dispatch, Standing } from "./command.ts";
import type { Consequences } from "./consequences.ts";
import type { Edges } from "./edges.ts";
import type { Items } from "./items.ts";
import type { ReadyTasks } from "./ready_tasks.ts";
import { whyStopped } from "./reasons.ts";
import type { TaskStates } from "./states.ts";

/** What an outcome of an item changes. */
export interface MappingParts {
  readonly plan: Plan;
  readonly edges: Edges;
  readonly states: TaskStates;
  readonly ready: ReadyTasks;
  readonly consequences: Consequences;
}

/** The mapped tasks of a run. Attempts are told by their numbers. */
export class Mapping {
  readonly #parts: MappingParts;

  constructor(parts: MappingParts) {
    this.#parts = parts;
  }

  /** A mapped task that is ready has so many items. */
  expand(task: number, count: number): Command[] {
    const { states, ready, consequences } = this.#parts;
    states.standing[task] = Standing.dispatched;
    states.attempt[task] = 1;
    const items = ready.items.open(task, count);
    ready.putItems(items);
    consequences.gather(items);
    return consequences.finish();
  }

  /** The items of a number, and which one it is. */
  at(number: number): { readonly items: Items; readonly item: number } {
    const { items } = this.#parts.ready;
    return { items: items.of(items.taskOf(number))!, item: items.itemOf(number)! };
  }

  /** Dispatches a certain one, as a journal tells that it was; whether it could be. */
  redispatch(number: number): boolean {
    const { items, item } = this.at(number);
    if (!items.redispatch(item)) return false;
    this.#parts.ready.dispatched(number);
    return true;
  }

  /** An attempt that was taken, as it is handed out. */
  asDispatch(number: number): Dispatch {
    const { edges, states, plan, ready } = this.#parts;
    ready.dispatched(number);
    const { items, item } = this.at(number);
    const { task } = items;
    return {
      task: number,
      iteration: states.iteration[task]!,
      attempt: items.attempt(item),
      behind: NONE,
      few: true,
      awaited: 0,
      urgent: items.awaited,
      fatal: this.#isFatal(task) && edges.closes[task]!.length === 0 &&
        items.tries(item) >= plan.tasks[task]!.retry.attempts,
      calm: plan.tasks[task]!.each!.onItemFailure === "continue",
    };
  }

  giveBack(number: number): Command[] {
    const { items, item } = this.#over(number);
    items.giveBack(item);
    return this.#goOn(items);
  }

  settle(number: number, outcome: Outcome, worth: boolean): Command[] {
    const { plan, states, consequences } = this.#parts;
    const { items, item } = this.#over(number);
    const { task } = items;
    const { retry, each } = plan.tasks[task]!;
    const failed = isFailure(outcome);
    const open = consequences.stopped === undefined && !items.closed;
    if (worth && failed && items.tries(item) < retry.attempts && open) {
      items.retry(item, outcome);
      const delay: Command = {
        type: "delay",
        task: number,
        iteration: states.iteration[task]!,
        attempt: items.attempt(item),
      };
      return [delay, ...this.#goOn(items)];
    }
    items.settle(item, outcome);
    if (failed && each!.onItemFailure === "stop") this.#stop(items, outcome);
    return this.#goOn(items);
  }

  rerun(number: number): Command[] {
    const { items, item } = this.#over(number);
    items.rerun(item);
    return this.#goOn(items);
  }

  due(number: number): Command[] {
    const { items, item } = this.at(number);
    items.due(item);
    return this.#goOn(items);
  }

  /** An item has failed for good, and with it its task. */
  #stop(items: Items, outcome: Outcome): void {
    const { plan, edges, consequences } = this.#parts;
    const { task } = items;
    consequences.close(items);
    if (!this.#isFatal(task) || edges.closes[task]!.length > 0) return;
    consequences.halt({ because: whyStopped(plan.tasks[task]!.name, outcome) });
  }

  /** Whether the first failure of an item for good stops the run, where no loop may go round for it. */
  #isFatal(task: number): boolean {
    const { plan, edges } = this.#parts;
    return edges.fatal[task] === 1 && plan.tasks[task]!.each!.onItemFailure === "stop";
  }

  /** An attempt is over, or was taken back. */
  #over(number: number): { readonly items: Items; readonly item: number } {
    this.#parts.ready.over(number);
    return this.at(number);
  }

  #goOn(items: Items): Command[] {
    const { ready, consequences } = this.#parts;
    ready.putItems(items);
    consequences.gather(items);
    return consequences.finish();
  }
}

const NONE: readonly number[] = [];
