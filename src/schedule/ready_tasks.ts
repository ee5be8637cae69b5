/**
 * Owns which tasks may start now, by where they run, and which may start again after a delay.
 * Must not know why a task is ready.
 * Invariant: a task is in one queue at most, and there only while it is ready.
 */
import { plannedKindOf } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { ReadyQueue } from "./ready_queue.ts";

/** Where a task runs: in a line with others, alone on its lane, in no worker but in a process of its own, or in one that is kept. */
export const Aloneness = { none: 0, lane: 1, own: 2, kept: 3 } as const;
export type Aloneness = (typeof Aloneness)[keyof typeof Aloneness];

/** Where a task runs. */
export function alonenessOf({ run, fresh, onLost }: PlanTask): Aloneness {
  const place = run && plannedKindOf(run).place;
  if (place === "own") return Aloneness.own;
  if (place === "kept") return Aloneness.kept;
  return place === "alone" || fresh || onLost === "fail" ? Aloneness.lane : Aloneness.none;
}

/** What may start. */
export class ReadyTasks {
  readonly #alone: Uint8Array;
  readonly #queues: readonly [ReadyQueue, ReadyQueue, ReadyQueue, ReadyQueue];
  readonly #delayed: Set<number> = new Set();

  /** @param alone By task, as `Edges` has it. */
  constructor({ tasks }: Plan, alone: Uint8Array) {
    this.#alone = alone;
    const rank = new Int32Array(tasks.length);
    for (const task of tasks) rank[task.index] = task.rank;
    const queue = () => new ReadyQueue(rank);
    this.#queues = [queue(), queue(), queue(), queue()];
  }

  /** How many there are of a kind. */
  count(kind: Aloneness): number {
    return this.#queues[kind].size;
  }

  /** The one of a kind that `take` would give. */
  head(kind: Aloneness): number | undefined {
    return this.#queues[kind].head;
  }

  /** Those that are taken next, at most `limit`. */
  next(limit: number): number[] {
    const [plain, ...alone] = this.#queues.map((queue) => queue.peek(limit));
    return [...alone.flat(), ...plain!].slice(0, limit);
  }

  put(task: number): void {
    this.#queues[this.#alone[task] as Aloneness].push(task);
  }

  take(kind: Aloneness): number | undefined {
    return this.#queues[kind].pop();
  }

  /** A task that may start again later. */
  delay(task: number): void {
    this.#delayed.add(task);
  }

  /** A task's delay is over. @returns Whether it was delayed. */
  undelay(task: number): boolean {
    return this.#delayed.delete(task);
  }

  /** Nothing may start now. */
  clear(): void {
    for (const queue of this.#queues) queue.clear();
  }

  /** Nothing may start, now or later. */
  end(): void {
    this.clear();
    this.#delayed.clear();
  }
}
