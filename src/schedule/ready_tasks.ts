/**
 * Owns which tasks may start now, by where they run, and which may start again after a delay.
 * Must not know why a task is ready.
 * Invariant: a task is in one queue at most, and there only while it is ready.
 */
import { plannedKindOf, processKeyOf } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { ReadyQueue } from "./ready_queue.ts";

/** Where a task runs: in a line with others, alone on its lane, in no worker but in a process of its own, or in one that is kept. */
export const Aloneness = { none: 0, lane: 1, own: 2, kept: 3 } as const;
export type Aloneness = (typeof Aloneness)[keyof typeof Aloneness];

/** Where those run of which it does not matter in which process. */
export type Place = Exclude<Aloneness, typeof Aloneness.kept>;

/** Where a task runs. */
export function alonenessOf({ run, fresh, onLost }: PlanTask): Aloneness {
  const place = run && plannedKindOf(run).place;
  if (place === "own") return Aloneness.own;
  if (place === "kept") return Aloneness.kept;
  return place === "alone" || fresh || onLost === "fail" ? Aloneness.lane : Aloneness.none;
}

/** Ready tasks that may run in the same process. */
export interface KeptReady {
  /** What a process has to be for them. */
  readonly key: string;
  /** The one that is taken next. */
  readonly head: number;
  readonly count: number;
}

/** What may start. */
export class ReadyTasks {
  readonly #rank: Int32Array;
  /** By task: the number of its queue. */
  readonly #queueOf: Int32Array;
  /** One for each place, but for those that run in processes that are kept: theirs follow, one for each key. */
  readonly #queues: ReadyQueue[];
  /** By queue of those. */
  readonly #keys: string[] = [];
  readonly #delayed: Set<number> = new Set();

  /** @param alone By task, as `Edges` has it. */
  constructor({ tasks }: Plan, alone: Uint8Array) {
    const rank = this.#rank = new Int32Array(tasks.length);
    for (const task of tasks) rank[task.index] = task.rank;
    const queue = () => new ReadyQueue(rank);
    this.#queues = [queue(), queue(), queue()];
    const known = new Map<string, number>();
    this.#queueOf = Int32Array.from({ length: alone.length }, (_, task) => {
      const place = alone[task]!;
      if (place !== Aloneness.kept) return place;
      const key = processKeyOf(tasks[task]!.run!);
      const before = known.get(key);
      if (before !== undefined) return before;
      const made = this.#queues.push(queue()) - 1;
      known.set(key, made);
      this.#keys[made] = key;
      return made;
    });
  }

  /** How many there are of a kind, other than `kept`. */
  count(kind: Place): number {
    return this.#queues[kind]!.size;
  }

  /** The one of a kind that `take` would give. */
  head(kind: Place): number | undefined {
    return this.#queues[kind]!.head;
  }

  /** Those that run in processes that are kept, by what these have to be; whose head comes first stands first. */
  get kept(): readonly KeptReady[] {
    const found: KeptReady[] = [];
    for (let at = Aloneness.kept; at < this.#queues.length; at++) {
      const { head, size: count } = this.#queues[at]!;
      if (head !== undefined) found.push({ key: this.#keys[at]!, head, count });
    }
    return found.sort((a, b) => this.#rank[a.head]! - this.#rank[b.head]!);
  }

  /** Those that are taken next, at most `limit`. */
  next(limit: number): number[] {
    const [plain, lane, own, ...kept] = this.#queues.map((queue) => queue.peek(limit));
    const inOrder = kept.flat().sort((a, b) => this.#rank[a]! - this.#rank[b]!);
    return [...lane!, ...own!, ...inOrder, ...plain!].slice(0, limit);
  }

  put(task: number): void {
    this.#queues[this.#queueOf[task]!]!.push(task);
  }

  take(kind: Place): number | undefined {
    return this.#queues[kind]!.pop();
  }

  /** Takes the head of those that may run in the same process as this one. */
  takeKept(of: number): number | undefined {
    return this.#queues[this.#queueOf[of]!]!.pop();
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
