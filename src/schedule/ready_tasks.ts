/**
 * Owns which tasks may start now, by where they run, and which may start again after a delay.
 * Must not know why a task is ready, nor how resources are handed out (resources.ts).
 * Invariant: a task is in one queue at most, and there only while it is ready and has what it uses.
 */
import { plannedKindOf, processKeyOf } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import type { Command } from "./command.ts";
import { type Items, MappedTasks } from "./items.ts";
import { ReadyQueue } from "./ready_queue.ts";
import { type Holding, Resources } from "./resources.ts";

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

/** What may start. A mapped task is in its queue as long as an item of it may begin; what is taken then is the item. */
export class ReadyTasks {
  readonly items: MappedTasks;
  readonly #rank: Int32Array;
  /** By task: the number of its queue. */
  readonly #queueOf: Int32Array;
  /** One for each place, but for those that run in processes that are kept: theirs follow, one for each key. */
  readonly #queues: ReadyQueue[];
  /** By queue of those. */
  readonly #keys: string[] = [];
  readonly #delayed: Set<number> = new Set();
  readonly #tasks: readonly PlanTask[];
  /** There where the plan has some. */
  readonly #resources: Resources | undefined;

  /** @param alone By task, as `Edges` has it. */
  constructor(plan: Plan, alone: Uint8Array) {
    const tasks = this.#tasks = plan.tasks;
    this.items = new MappedTasks(plan);
    const rank = this.#rank = new Int32Array(tasks.length);
    for (const task of tasks) rank[task.index] = task.rank;
    this.#resources = plan.resources === undefined ? undefined : new Resources(plan, rank, this.items);
    const queue = () => new ReadyQueue(rank, (number) => this.items.rankOf(number));
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

  /** How many there are of a kind, other than `kept`: of the items of mapped tasks at least those of the first. */
  count(kind: Place): number {
    return this.#count(this.#queues[kind]!);
  }

  /** The one of a kind that `take` would give. */
  head(kind: Place): number | undefined {
    const { head } = this.#queues[kind]!;
    return head === undefined ? undefined : this.items.taskOf(head);
  }

  /** Those that run in processes that are kept, by what these have to be; whose head comes first stands first. */
  get kept(): readonly KeptReady[] {
    const found: KeptReady[] = [];
    for (let at = Aloneness.kept; at < this.#queues.length; at++) {
      const queue = this.#queues[at]!;
      const { head } = queue;
      if (head === undefined) continue;
      found.push({ key: this.#keys[at]!, head: this.items.taskOf(head), count: this.#count(queue) });
    }
    return found.sort((a, b) => this.#rank[a.head]! - this.#rank[b.head]!);
  }

  /** Those that are taken next, at most `limit`. */
  next(limit: number): number[] {
    const [plain, lane, own, ...kept] = this.#queues.map((queue) =>
      queue.peek(limit).map((number) => this.items.taskOf(number))
    );
    const inOrder = kept.flat().sort((a, b) => this.#rank[a]! - this.#rank[b]!);
    return [...lane!, ...own!, ...inOrder, ...plain!].slice(0, limit);
  }

  /** A task may start, as soon as it has what it uses. */
  put(task: number): void {
    if (this.#tasks[task]!.uses === undefined) this.#queues[this.#queueOf[task]!]!.push(task);
    else this.#resources!.wait(task);
  }

  /** A mapped task is there as long as an item of it may begin; where they use something, so many items wait as may get it. */
  putItems(items: Items): void {
    if (this.#tasks[items.task]!.uses !== undefined) {
      while (items.ready > 0) this.#resources!.wait(items.first + items.reserve());
    } else if (!items.queued && items.ready > 0) {
      items.queued = true;
      this.put(items.task);
    }
  }

  /** No item of it begins any more. */
  closeItems(items: Items): void {
    if (items.reserved.size > 0) {
      const waiting = new Set(Array.from(items.reserved, (item) => items.first + item));
      for (const queue of this.#queues) queue.remove(waiting);
      this.#resources!.withdraw(waiting);
    }
    items.close();
  }

  take(kind: Place): number | undefined {
    return this.#take(this.#queues[kind]!);
  }

  /** Takes the head of those that may run in the same process as this one. */
  takeKept(of: number): number | undefined {
    return this.#take(this.#queues[this.#queueOf[of]!]!);
  }

  /** A task is dispatched, with what it uses. */
  dispatched(task: number): void {
    if (this.#uses(task)) this.#resources!.taken(task);
  }

  /** An attempt of a task is over, or was taken back: what it used is free. */
  over(task: number): void {
    if (this.#uses(task)) this.#resources!.free(task);
  }

  /** The device has lent what it was asked for. */
  lent(task: number): void {
    this.#resources?.lent(task);
  }

  /** Lets those start that have what they use by now. @returns What is to be asked of the device for others. */
  grant(): readonly Command[] {
    if (this.#resources === undefined) return NO_COMMANDS;
    for (const task of this.#resources.grant()) {
      this.#queues[this.#queueOf[this.items.taskOf(task)]!]!.push(task);
    }
    return this.#resources.takeCommands();
  }

  /** While it is on, no task gets what it uses, and those that have not begun to use it have it no more. */
  pause(on: boolean): void {
    if (this.#resources === undefined) return;
    const back = this.#resources.pause(on);
    if (back.size > 0) { for (const queue of this.#queues) queue.remove(back); }
  }

  /** Who has what, by resource; nothing where there are none. */
  holdings(): readonly Holding[] {
    return this.#resources?.holdings() ?? [];
  }

  /** Whether a task would start if it had what it uses. */
  lacks(task: number): boolean {
    if (this.#resources === undefined) return false;
    const items = this.items.of(task);
    if (items === undefined || items.out > 0) return this.#resources.waits(task);
    for (const item of items.reserved) if (this.#resources.waits(items.first + item)) return true;
    return false;
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
    this.#resources?.clear();
    for (const items of this.items.all) {
      items.queued = false;
      items.unreserve();
    }
  }

  /** Nothing may start, now or later. */
  end(): void {
    this.clear();
    this.#delayed.clear();
  }

  /** The number of the first, or of the first item of it that may begin. */
  #take(queue: ReadyQueue): number | undefined {
    const { head } = queue;
    // An item that has what it uses stands there itself.
    if (head !== undefined && this.items.has(head)) return this.#takeItem(queue);
    const items = head === undefined ? undefined : this.items.of(head);
    if (items === undefined) return queue.pop();
    if (items.ready === 0) {
      // It was closed, or its last places were taken, since it was put there.
      queue.pop();
      items.queued = false;
      return this.#take(queue);
    }
    const taken = items.first + items.take();
    if (items.ready === 0) {
      queue.pop();
      items.queued = false;
    }
    return taken;
  }

  #takeItem(queue: ReadyQueue): number {
    const number = queue.pop()!;
    this.items.of(this.items.taskOf(number))!.redispatch(this.items.itemOf(number)!);
    return number;
  }

  #uses(number: number): boolean {
    return this.#resources !== undefined && this.#tasks[this.items.taskOf(number)]!.uses !== undefined;
  }

  #count(queue: ReadyQueue): number {
    const { head, size } = queue;
    const items = head === undefined ? undefined : this.items.of(head);
    return items === undefined ? size : size - 1 + items.ready;
  }
}

const NO_COMMANDS: readonly Command[] = [];
