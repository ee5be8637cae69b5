/**
 * Owns the items of mapped tasks: where each stands, which may begin, and by which numbers the run knows them.
 * Must not know what an outcome of one leads to (mapping.ts does), nor what an item is.
 * Invariant: the numbers of items follow those of the tasks, and a number is always the same item of the same task; each item
 * that has begun has one final outcome for each iteration, and after `close` none begins.
 */
import { type ItemCounts, type Outcome, OUTCOMES } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { Standing } from "./command.ts";

/** The items of one task in its present iteration. */
export class Items {
  /** Index of their task. */
  readonly task: number;
  /** The number of the first. */
  readonly first: number;
  readonly count: number;
  /** Whether the task stands among those that may start. */
  queued = false;
  /** Whether it was asked for what they have come to. */
  gathered = false;
  /** Of each, what `TaskStates` has of a task. */
  readonly #states: ItemStates;
  /** How many may be at work at a time. */
  readonly #most: number;
  readonly #unbegun: Unbegun;
  #out = 0;
  #closed = false;

  constructor(
    { task, first, count, most }: {
      readonly task: number;
      readonly first: number;
      readonly count: number;
      readonly most: number;
    },
  ) {
    this.task = task;
    this.first = first;
    this.count = count;
    this.#most = most;
    this.#states = new ItemStates(count);
    this.#unbegun = new Unbegun(this.#states.standing);
  }

  /** How many may begin now. */
  get ready(): number {
    const { count, reserved } = this.#unbegun;
    return this.#closed ? 0 : Math.max(0, Math.min(count, this.#most - this.#out - reserved.size));
  }

  /** Whether the end of one lets another begin, or all are at work. */
  get awaited(): boolean {
    return this.#unbegun.count === 0 || this.#out >= this.#most;
  }

  /** Whether nothing of it is at work, nor will be. */
  get over(): boolean {
    return this.#out === 0 && (this.#closed || this.#states.settled === this.count);
  }

  /** Whether none begins any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How they ended; those that never began were skipped. */
  get counts(): ItemCounts {
    const counts: Partial<Record<Outcome, number>> = {};
    OUTCOMES.forEach((outcome, at) => {
      const count = this.#states.counts[at]!;
      if (count > 0) counts[outcome] = count;
    });
    const { never } = this;
    return never === 0 ? counts : { ...counts, skipped: (counts.skipped ?? 0) + never };
  }

  /** How many never began, nor will. */
  get never(): number {
    return this.#closed ? this.count - this.#states.settled - this.#out : 0;
  }

  /** How many ended so for good. */
  ended(fits: (outcome: Outcome) => boolean): number {
    return OUTCOMES.reduce((sum, outcome, at) => sum + (fits(outcome) ? this.#states.counts[at]! : 0), 0);
  }

  /** How many are dispatched. */
  get out(): number {
    return this.#out;
  }

  standing(item: number): number {
    return this.#states.standing[item]!;
  }

  attempt(item: number): number {
    return this.#states.attempt[item]!;
  }

  outcome(item: number): Outcome | undefined {
    return this.#states.outcomeOf(item);
  }

  /** Attempts that count as tries. */
  tries(item: number): number {
    return this.#states.attempt[item]! - this.#states.lost[item]!;
  }

  /** All that are dispatched, in order. */
  dispatched(): number[] {
    const found: number[] = [];
    for (let item = 0; item < this.count && found.length < this.#out; item++) {
      if (this.#states.standing[item] === Standing.dispatched) found.push(item);
    }
    return found;
  }

  /** Those that wait for what they use. */
  get reserved(): ReadonlySet<number> {
    return this.#unbegun.reserved;
  }

  /** The first that may begin waits for what it uses. There must be one. */
  reserve(): number {
    const item = this.#unbegun.reserve();
    this.#states.standing[item] = Standing.ready;
    return item;
  }

  /** None waits for what it uses any more. */
  unreserve(): void {
    for (const item of this.#unbegun.reserved) this.#states.standing[item] = Standing.waiting;
    this.#unbegun.unreserve();
  }

  /** Dispatches the first that may begin. There must be one. */
  take(): number {
    const item = this.#unbegun.take();
    this.#begin(item);
    return item;
  }

  /** Dispatches a certain one; whether it could be. */
  redispatch(item: number): boolean {
    const standing = this.#states.standing[item]!;
    if (standing === Standing.settled || standing === Standing.dispatched) return false;
    if (standing !== Standing.retrying) this.#unbegun.remove(item);
    this.#begin(item);
    return true;
  }

  /** It never began. */
  giveBack(item: number): void {
    this.#out--;
    this.#states.attempt[item]!--;
    this.#wait(item);
  }

  /** It failed, and has another attempt later. */
  retry(item: number, outcome: Outcome): void {
    this.#out--;
    this.#states.tell(item, outcome);
    this.#states.standing[item] = Standing.retrying;
  }

  /** It was lost with its process, and has another attempt at once. */
  rerun(item: number): void {
    this.#out--;
    this.#states.lost[item]!++;
    this.#states.tell(item, "crashed");
    this.#wait(item);
  }

  /** Its delay is over. */
  due(item: number): void {
    if (this.#states.standing[item] === Standing.retrying) this.#wait(item);
  }

  /** It has this outcome for good. */
  settle(item: number, outcome: Outcome): void {
    this.#out--;
    this.#states.tell(item, outcome);
    this.#states.end(item);
  }

  /** Nothing more begins: what was to be tried again has the outcome of its last attempt. */
  close(): void {
    if (this.#closed) return;
    this.unreserve();
    this.#closed = true;
    for (let item = 0; item < this.count; item++) {
      const standing = this.#states.standing[item]!;
      if (standing === Standing.retrying || standing === Standing.waiting) this.#leave(item);
    }
  }

  #leave(item: number): void {
    if (this.#states.attempt[item]! > 0) this.#states.end(item);
  }

  #begin(item: number): void {
    this.#out++;
    this.#states.standing[item] = Standing.dispatched;
    this.#states.attempt[item]!++;
  }

  #wait(item: number): void {
    this.#states.standing[item] = Standing.waiting;
    if (this.#closed) this.#leave(item);
    else this.#unbegun.add(item);
  }
}

/** Items that may begin, in order: those that come again before those that never began. */
class Unbegun {
  readonly #standing: Uint8Array;
  /** The first that was never taken, if all before it were. */
  #next = 0;
  /** Those before `#next`, the last first. */
  readonly #again: number[] = [];
  /** Those that wait for what they use, and are not counted. */
  readonly reserved: Set<number> = new Set();
  count: number;

  /** @param standing Of each item; what may begin is waiting. */
  constructor(standing: Uint8Array) {
    this.#standing = standing;
    this.count = standing.length;
  }

  /** The first. There must be one. */
  take(): number {
    this.count--;
    if (this.#again.length > 0) return this.#again.pop()!;
    while (this.#standing[this.#next] !== Standing.waiting) this.#next++;
    return this.#next++;
  }

  reserve(): number {
    const item = this.take();
    this.reserved.add(item);
    return item;
  }

  unreserve(): void {
    for (const item of this.reserved) this.add(item);
    this.reserved.clear();
  }

  /** A certain one is taken. */
  remove(item: number): void {
    if (this.reserved.delete(item)) return;
    this.count--;
    if (item < this.#next) this.#again.splice(this.#again.indexOf(item), 1);
  }

  add(item: number): void {
    this.count++;
    if (item >= this.#next) return;
    let at = this.#again.length;
    while (at > 0 && this.#again[at - 1]! < item) at--;
    this.#again.splice(at, 0, item);
  }
}

/** Where items stand, as plain arrays. */
class ItemStates {
  /** One of `Standing`; what may begin is waiting. */
  readonly standing: Uint8Array;
  readonly attempt: Int32Array;
  readonly lost: Int32Array;
  /** How many have each outcome for good, in the order of `OUTCOMES`. */
  readonly counts: Int32Array = new Int32Array(OUTCOMES.length);
  settled = 0;
  /** Of the last attempt, by its place in `OUTCOMES`, and one more. */
  readonly #outcome: Uint8Array;

  constructor(count: number) {
    this.standing = new Uint8Array(count);
    this.attempt = new Int32Array(count);
    this.lost = new Int32Array(count);
    this.#outcome = new Uint8Array(count);
  }

  outcomeOf(item: number): Outcome | undefined {
    return OUTCOMES[this.#outcome[item]! - 1];
  }

  tell(item: number, outcome: Outcome): void {
    this.#outcome[item] = OUTCOMES.indexOf(outcome) + 1;
  }

  /** Its last outcome is final. */
  end(item: number): void {
    this.standing[item] = Standing.settled;
    this.counts[this.#outcome[item]! - 1]!++;
    this.settled++;
  }
}

/** Numbers that were given to items of a task. */
interface Range {
  readonly task: number;
  readonly first: number;
  /** One more than the last. */
  readonly end: number;
}

/** The items of all mapped tasks of a run. */
export class MappedTasks {
  readonly #plan: Plan;
  readonly #of: Map<number, Items> = new Map();
  /** In the order of their numbers. */
  readonly #ranges: Range[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** All that were opened. */
  get all(): Iterable<Items> {
    return this.#of.values();
  }

  /** The items of a task, as soon as it is known how many there are. */
  of(task: number): Items | undefined {
    return this.#of.get(task);
  }

  /** Whether a number is an item's. */
  has(number: number): boolean {
    return number >= this.#plan.tasks.length;
  }

  /** The task of a number. */
  taskOf(number: number): number {
    return this.has(number) ? this.#rangeOf(number).task : number;
  }

  /** The rank of an item's number: that of its task, then the order of the items. */
  rankOf(number: number): number {
    const { task, first, end } = this.#rangeOf(number);
    return this.#plan.tasks[task]!.rank + (number - first) / (end - first);
  }

  /** Which item of its task has a number; nothing if it is the task's own. */
  itemOf(number: number): number | undefined {
    return this.has(number) ? number - this.#rangeOf(number).first : undefined;
  }

  /** A task has so many items from now on. The numbers of an iteration before are used again, where there are enough. */
  open(task: number, count: number): Items {
    const before = this.#of.get(task);
    const known = before === undefined ? undefined : this.#rangeOf(before.first);
    const fits = known !== undefined && known.end - known.first >= count;
    const most = this.#mostOf(this.#plan.tasks[task]!);
    const first = fits ? known.first : this.#reserve(task, Math.max(1, count, 2 * (before?.count ?? 0)));
    const items = new Items({ task, first, count, most });
    this.#of.set(task, items);
    return items;
  }

  /** How many items may be at work at a time: no more than there is of what they use. */
  #mostOf({ each, uses = [] }: PlanTask): number {
    const room = uses.map(({ resource, amount }) =>
      Math.floor(this.#plan.resources![resource]!.capacity / amount)
    );
    return Math.min(each!.maxParallel ?? Infinity, ...room);
  }

  #reserve(task: number, count: number): number {
    const first = this.#ranges.at(-1)?.end ?? this.#plan.tasks.length;
    this.#ranges.push({ task, first, end: first + count });
    return first;
  }

  #rangeOf(number: number): Range {
    let [low, high] = [0, this.#ranges.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#ranges[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    return this.#ranges[low]!;
  }
}
