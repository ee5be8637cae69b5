/**
 * Owns how long attempts have waited for what is scarce: for what their task uses, or for their turn among the items of a
 * mapped task that few of may be at work.
 * Must not know what is scarce, nor who has it.
 * Invariant: a pipeline in which nothing waits for such things has no `ScarceWaits` at all.
 */
import type { Clock } from "../base/clock.ts";
import type { Plan } from "../pipeline/plan/plan.ts";

/** Since when attempts could begin but for what is scarce, by the monotonic clock. */
export class ScarceWaits {
  readonly #clock: Clock;
  /** By each task that may wait: those whose ends let it begin. */
  readonly #causes: ReadonlyMap<number, readonly number[]>;
  /** Before that nothing waited: of what this process has not seen it counts from its start. */
  readonly #start: number;
  /** By task: when it last ended, or its items began. */
  readonly #ended: Map<number, number> = new Map();
  readonly #expanded: Map<number, number> = new Map();
  /** By number: when the delay before its next attempt is over. */
  readonly #due: Map<number, number> = new Map();

  private constructor(causes: ReadonlyMap<number, readonly number[]>, clock: Clock) {
    this.#causes = causes;
    this.#clock = clock;
    this.#start = clock.monotonic();
  }

  /** Those of a plan, if any of its tasks may wait. */
  static of(plan: Plan, clock: Clock): ScarceWaits | undefined {
    const causes = causesIn(plan);
    return causes.size === 0 ? undefined : new ScarceWaits(causes, clock);
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
  ): number | undefined {
    const causes = this.#causes.get(task);
    if (causes === undefined) return undefined;
    const since = attempt > 1
      ? this.#due.get(number)
      : number === task
      ? this.#lastOf(causes)
      : this.#expanded.get(task);
    const waitedMs = Math.floor(this.#clock.monotonic() - (since ?? this.#start));
    return waitedMs > 0 ? waitedMs : undefined;
  }

  /** When the last of these tasks has ended. */
  #lastOf(causes: readonly number[]): number {
    return causes.reduce((last, task) => Math.max(last, this.#ended.get(task) ?? last), this.#start);
  }
}

/** By each task that may wait: its needs, and where rounds of a loop end that it is in or comes after. */
function causesIn({ tasks, loops, edges = [] }: Plan): Map<number, number[]> {
  const causes = new Map<number, number[]>();
  for (const { index, needs, uses, each } of tasks) {
    if (uses === undefined && each?.maxParallel === undefined) continue;
    causes.set(index, needs.map(({ task }) => task));
  }
  if (causes.size === 0) return causes;
  for (const { from, body } of loops) {
    // Another round begins its tasks, and those outside that need one of them wait for the last round.
    for (const task of body) {
      causes.get(task)?.push(from);
      for (const dependent of tasks[task]!.dependents) causes.get(dependent)?.push(from);
    }
  }
  for (const { from, to } of edges) causes.get(to)?.push(from);
  return causes;
}
