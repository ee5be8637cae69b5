/**
 * Owns how long attempts have waited for what is scarce: for what their task uses, or for their turn among the items of a
 * mapped task that few of may be at work.
 * Must not know what is scarce, nor who has it.
 * Invariant: only of tasks that wait for such things anything is known; a pipeline without them has no `ScarceWaits` at all.
 */
import type { Clock } from "../base/clock.ts";
import type { Plan } from "../pipeline/plan/plan.ts";

/** Since when attempts could begin but for what is scarce, by the monotonic clock. */
export class ScarceWaits {
  readonly #plan: Plan;
  readonly #clock: Clock;
  /** Before that nothing waited: of what this process has not seen it counts from its start. */
  readonly #start: number;
  /** By task: when it last ended, or its items began. */
  readonly #ended: Map<number, number> = new Map();
  readonly #expanded: Map<number, number> = new Map();
  /** By number: when the delay before its next attempt is over. */
  readonly #due: Map<number, number> = new Map();

  private constructor(plan: Plan, clock: Clock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#start = clock.monotonic();
  }

  /** Those of a plan, if any of its tasks may wait. */
  static of(plan: Plan, clock: Clock): ScarceWaits | undefined {
    return plan.tasks.some((_, task) => isScarce(plan, task)) ? new ScarceWaits(plan, clock) : undefined;
  }

  /** A task has ended, or is passed by. */
  ended(task: number): void {
    this.#ended.set(task, this.#clock.monotonic());
  }

  /** The items of a task may begin. */
  expanded(task: number): void {
    this.#expanded.set(task, this.#clock.monotonic());
  }

  /** Another attempt follows. @param number That of a task or an item. @param waitMs How long after now. */
  planned(number: number, waitMs: number): void {
    this.#due.set(number, this.#clock.monotonic() + waitMs);
  }

  /** How long an attempt has waited that is handed out now, whole milliseconds; nothing where it has not. */
  until(
    { number, task, attempt }: { readonly number: number; readonly task: number; readonly attempt: number },
  ):
    | number
    | undefined {
    if (!isScarce(this.#plan, task)) return undefined;
    const since = attempt > 1
      ? this.#due.get(number)
      : number === task
      ? this.#metAt(task)
      : this.#expanded.get(task);
    const waitedMs = Math.floor(this.#clock.monotonic() - (since ?? this.#start));
    return waitedMs > 0 ? waitedMs : undefined;
  }

  /** When the last of its needs has ended. */
  #metAt(task: number): number {
    return this.#plan.tasks[task]!.needs.reduce(
      (last, need) => Math.max(last, this.#ended.get(need.task) ?? this.#start),
      this.#start,
    );
  }
}

function isScarce({ tasks }: Plan, task: number): boolean {
  const { uses, each } = tasks[task]!;
  return uses !== undefined || each?.maxParallel !== undefined;
}
