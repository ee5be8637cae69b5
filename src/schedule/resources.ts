/**
 * Owns who has what there is only so much of, and who waits for it: tasks whose needs are met, by what they use.
 * Must not know why a task is ready nor where it runs, nor how the device lends what all its executors share.
 * Invariant: no more is handed out than there is; a task has all that it uses or nothing; and none gets what one before it by
 * rank still waits for, so that who waits first has what it wants as soon as those have ended that have it.
 *
 *   waiting ──all is free──> granted ──taken──> running ──free──>
 *      │                        ^
 *      └─borrow─> asked ─lent─> lent     with something of the device; `return` where one before it comes to want it
 */
import type { Plan, PlanResource, PlanTask, PlanUse } from "../pipeline/plan/plan.ts";
import type { Command } from "./command.ts";
import type { MappedTasks } from "./items.ts";
import { ReadyQueue } from "./ready_queue.ts";

/** How far a task has come; one that is granted or running has what it uses. */
const Stage = { waiting: 0, asked: 1, lent: 2, granted: 3, running: 4 } as const;
type Stage = (typeof Stage)[keyof typeof Stage];

/** Tasks that wait for the same. */
interface Alike {
  readonly uses: readonly PlanUse[];
  readonly queue: ReadyQueue;
}

/** Who has a resource and who wants it, at one moment. */
export interface Holding {
  /** Of the device: what this run has not taken. */
  readonly free: number;
  /** Tasks that have some of it. */
  readonly holders: readonly number[];
  /** The first that waits for it, if one does. */
  readonly first: number | undefined;
}

/** The resources of a run. */
export class Resources {
  readonly #resources: readonly PlanResource[];
  readonly #tasks: readonly PlanTask[];
  readonly #rank: Int32Array;
  readonly #items: Pick<MappedTasks, "taskOf" | "rankOf">;
  /** By what they use. */
  readonly #alike: Map<readonly PlanUse[], Alike> = new Map();
  /** Those that wait or have something. */
  readonly #stages: Map<number, Stage> = new Map();
  /** By resource; of one of the device what this run has not taken of it. */
  readonly #free: number[];
  readonly #loans: Loans = new Loans();
  #paused = false;
  /** Whether somebody may get something who could not before. */
  #changed = false;

  /** @param rank By task. @param items Whose numbers there are beyond those of the tasks. */
  constructor(plan: Plan, rank: Int32Array, items: Pick<MappedTasks, "taskOf" | "rankOf">) {
    const { resources = [], tasks } = plan;
    this.#resources = resources;
    this.#tasks = tasks;
    this.#rank = rank;
    this.#items = items;
    this.#free = resources.map(({ capacity }) => capacity);
  }

  /** A task wants what it uses. */
  wait(task: number): void {
    this.#queueOf(task).push(task);
    this.#stages.set(task, Stage.waiting);
    this.#changed = true;
  }

  /** A task begins to use what it was granted. One of which a journal tells this has it without having asked. */
  taken(task: number): void {
    if (this.#stages.get(task) !== Stage.granted) this.#spend(task, 1);
    this.#stages.set(task, Stage.running);
  }

  /** A task has no use any more for what it has. */
  free(task: number): void {
    const stage = this.#stages.get(task);
    if (stage === undefined) return;
    this.#stages.delete(task);
    this.#giveBack(task, stage);
    this.#changed = true;
  }

  /** These do not want any more what they have not begun to use. */
  withdraw(tasks: ReadonlySet<number>): void {
    for (const { queue } of this.#alike.values()) queue.remove(tasks);
    for (const task of tasks) this.free(task);
  }

  /** The device has lent a task all of its that the task uses. */
  lent(task: number): void {
    if (this.#stages.get(task) !== Stage.asked) return;
    this.#stages.set(task, Stage.lent);
    this.#changed = true;
  }

  /** Those that have now what they use, in the order of their ranks; asks the device for what others lack. */
  grant(): readonly number[] {
    if (!this.#changed || this.#paused) return NONE;
    this.#changed = false;
    const granted: number[] = [];
    const passed: number[] = [];
    const kept = new Set<number>();
    // What is left for who comes next: all that those before it wait for is taken off.
    const left = [...this.#free];
    for (let alike = this.#first(left); alike !== undefined; alike = this.#first(left)) {
      const task = alike.queue.pop()!;
      const fits = alike.uses.every(({ resource, amount }) => amount <= left[resource]!);
      for (const { resource, amount } of alike.uses) left[resource]! -= amount;
      if (fits && this.#isLent(task)) granted.push(task);
      else passed.push(task);
      if (fits) kept.add(task);
    }
    for (const task of passed) this.#queueOf(task).push(task);
    for (const task of granted) {
      this.#spend(task, 1);
      this.#stages.set(task, Stage.granted);
    }
    this.#takeAway(kept);
    return granted;
  }

  /** While it is on nothing is granted. @returns Those that were granted something and have not begun to use it: they wait again. */
  pause(on: boolean): ReadonlySet<number> {
    this.#paused = on;
    this.#changed = true;
    const back = new Set<number>();
    if (!on) return back;
    for (const [task, stage] of this.#stages) if (stage === Stage.granted) back.add(task);
    this.#takeAway(new Set());
    for (const task of back) {
      this.free(task);
      this.wait(task);
    }
    return back;
  }

  /** Nobody waits, and nobody has what it has not begun to use. */
  clear(): void {
    for (const { queue } of this.#alike.values()) queue.clear();
    for (const [task, stage] of this.#stages) if (stage !== Stage.running) this.free(task);
  }

  /** What is to be asked of the device, and what goes back to it. */
  takeCommands(): readonly Command[] {
    return this.#loans.takeCommands();
  }

  /** By resource. */
  holdings(): Holding[] {
    const holders = this.#resources.map((): number[] => []);
    const first = this.#resources.map((): number | undefined => undefined);
    for (const [task, stage] of this.#stages) {
      for (const { resource } of this.#usesOf(task)) {
        const before = first[resource];
        if (stage >= Stage.granted) holders[resource]!.push(task);
        else if (before === undefined || this.#rankOf(task) < this.#rankOf(before)) first[resource] = task;
      }
    }
    return holders.map((holders, resource) => ({
      free: this.#free[resource]!,
      holders,
      first: first[resource],
    }));
  }

  /** Whether a task waits for what it uses. */
  waits(task: number): boolean {
    const stage = this.#stages.get(task);
    return stage !== undefined && stage < Stage.granted;
  }

  /** Of those for whom something is left the ones that come first. */
  #first(left: readonly number[]): Alike | undefined {
    let first: Alike | undefined;
    for (const alike of this.#alike.values()) {
      const { head } = alike.queue;
      if (head === undefined || !alike.uses.some(({ resource }) => left[resource]! > 0)) continue;
      if (first === undefined || this.#rankOf(head) < this.#rankOf(first.queue.head!)) first = alike;
    }
    return first;
  }

  /** Whether a task, for which all is free in this run, has what it uses of the device; asks for that else. */
  #isLent(task: number): boolean {
    const stage = this.#stages.get(task)!;
    if (stage === Stage.lent || !this.#borrows(task)) return true;
    if (stage === Stage.waiting) {
      this.#stages.set(task, Stage.asked);
      this.#loans.borrow(task);
    }
    return false;
  }

  /** What was asked of the device or lent by it goes back, but for these tasks. */
  #takeAway(kept: ReadonlySet<number>): void {
    for (const task of this.#loans.tasks) {
      if (kept.has(task) || this.#stages.get(task)! >= Stage.granted) continue;
      this.#stages.set(task, Stage.waiting);
      this.#loans.giveBack(task);
    }
  }

  #giveBack(task: number, stage: Stage): void {
    if (stage >= Stage.granted) this.#spend(task, -1);
    this.#loans.giveBack(task);
  }

  #borrows(task: number): boolean {
    return this.#usesOf(task).some(({ resource }) => this.#resources[resource]!.scope === "device");
  }

  #spend(task: number, times: 1 | -1): void {
    for (const { resource, amount } of this.#usesOf(task)) this.#free[resource]! -= times * amount;
  }

  #usesOf(task: number): readonly PlanUse[] {
    return this.#tasks[this.#items.taskOf(task)]!.uses!;
  }

  #rankOf(task: number): number {
    return this.#rank[task] ?? this.#items.rankOf(task);
  }

  #newQueue(): ReadyQueue {
    return new ReadyQueue(this.#rank, (number) => this.#items.rankOf(number));
  }

  #queueOf(task: number): ReadyQueue {
    const uses = this.#usesOf(task);
    let alike = this.#alike.get(uses);
    if (alike === undefined) this.#alike.set(uses, alike = { uses, queue: this.#newQueue() });
    return alike.queue;
  }
}

/** For which tasks something of the device was asked that has not gone back. */
class Loans {
  readonly tasks: Set<number> = new Set();
  #commands: Command[] = [];

  borrow(task: number): void {
    this.tasks.add(task);
    this.#commands.push({ type: "borrow", task });
  }

  giveBack(task: number): void {
    if (this.tasks.delete(task)) this.#commands.push({ type: "return", task });
  }

  takeCommands(): readonly Command[] {
    const commands = this.#commands;
    if (commands.length > 0) this.#commands = [];
    return commands;
  }
}

const NONE: readonly number[] = [];
