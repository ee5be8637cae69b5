/**
 * Owns what runs next: which tasks a lane gets, and what each outcome leads to (consequences.ts).
 * Must not know clocks, workers' threads, promises, randomness or I/O; a lane is only a number to it.
 * Invariant: each task has exactly one final outcome for each iteration, and nothing becomes ready after a stop.
 *
 *   waiting ──needs settled──> ready ──take──> dispatched ──settle──> settled
 *      │                         ^  <─giveBack─    │                    │
 *      └──needs unsatisfied, condition not so      └─> retrying ─due─> ready
 *                           └──> settled (skipped)
 *   settled ──its loop goes round──> waiting, one iteration on
 */
import { isFailure, type Outcome, satisfies } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { Ahead } from "./ahead.ts";
import { type Command, type Dispatch, type ReleaseOptions, Standing } from "./command.ts";
import { Consequences } from "./consequences.ts";
import { type Edges, edgesOf } from "./edges.ts";
import type { Items } from "./items.ts";
import { Lanes } from "./lanes.ts";
import { Mapping } from "./mapping.ts";
import { Aloneness, type KeptReady, type Place, ReadyTasks } from "./ready_tasks.ts";
import type { Holding } from "./resources.ts";
import { TaskStates } from "./states.ts";

/** What can be seen of the items of a mapped task. */
export type ItemsView = Pick<Items, "count" | "out" | "counts">;

/** What a run asks of its rules, whichever they are; each is told at {@linkcode Schedule}. */
export type Scheduler = Pick<Schedule, keyof Schedule>;

/**
 * The state of a run's tasks. Every method is deterministic and costs no more than the edges it touches. Attempts are told by a
 * number: that of their task, or above those one of an item of a mapped task.
 */
export class Schedule {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #states: TaskStates;
  readonly #lanes: Lanes;
  readonly #ahead: Ahead;
  readonly #ready: ReadyTasks;
  readonly #consequences: Consequences;
  readonly #mapping: Mapping;

  /** @param edges What `edgesOf` makes of the plan. */
  constructor(plan: Plan, edges: Edges = edgesOf(plan)) {
    this.#plan = plan;
    this.#edges = edges;
    const states = this.#states = new TaskStates(plan);
    const lanes = this.#lanes = new Lanes(edges.now);
    this.#ahead = new Ahead({ plan, edges, states, lanes });
    const ready = this.#ready = new ReadyTasks(plan, edges.alone);
    const consequences = this.#consequences = new Consequences({ plan, edges, states, ready });
    this.#mapping = new Mapping({ plan, edges, states, ready, consequences });
  }

  /** Tasks that could be taken now with `take`. */
  get readyCount(): number {
    return this.#ready.count(Aloneness.none);
  }

  /** Tasks that could be taken now with `takeAlone`. */
  get readyAloneCount(): number {
    return this.#ready.count(Aloneness.lane);
  }

  get ended(): boolean {
    return this.#consequences.ended;
  }

  /** Why nothing new starts, if that is so. */
  get stopped(): string | undefined {
    return this.#consequences.stopped;
  }

  /** The task of a number: itself, or the one whose item it is. */
  taskOf(number: number): number {
    return this.#ready.items.taskOf(number);
  }

  /** Which item of its task a number is; nothing if it is the task itself. */
  itemOf(number: number): number | undefined {
    return this.#ready.items.itemOf(number);
  }

  /** The number of an item, if its task has so many. */
  numberOf(task: number, item: number): number | undefined {
    const items = this.#ready.items.of(task);
    return items !== undefined && item >= 0 && item < items.count ? items.first + item : undefined;
  }

  /** The items of a mapped task, once they are counted. */
  items(task: number): ItemsView | undefined {
    return this.#ready.items.of(task);
  }

  /** Numbers of what is dispatched of a task: itself, or its items. */
  dispatched(task: number): number[] {
    if (this.#states.standing[task] !== Standing.dispatched) return [];
    const items = this.#plan.tasks[task]!.each === undefined ? undefined : this.#ready.items.of(task);
    return items === undefined ? [task] : items.dispatched().map((item) => items.first + item);
  }

  standing(number: number): number {
    return this.#isItem(number) ? this.#item("standing", number) : this.#states.standing[number]!;
  }

  iteration(number: number): number {
    return this.#states.iteration[this.taskOf(number)]!;
  }

  /** The number of the last attempt that was dispatched in this iteration; 0 if none was. */
  attempt(number: number): number {
    return this.#isItem(number) ? this.#item("attempt", number) : this.#states.attempt[number]!;
  }

  /** The outcome of the last settled attempt, of this or an earlier iteration. */
  outcome(task: number): Outcome | undefined {
    return this.#states.outcome[task];
  }

  /** Whether the needs of a task have settled, and satisfied as its `join` asks, also after a stop. */
  mayRun(task: number): boolean {
    if (this.#isItem(task)) return true;
    const { join, needs } = this.#plan.tasks[task]!;
    if (needs.some((need) => this.#states.standing[need.task] !== Standing.settled)) return false;
    const met = needs.filter((need) => satisfies(need.on, this.#states.outcome[need.task]!)).length;
    return met === needs.length || (join === "any" && met > 0);
  }

  /** Whether the condition of a task is to be decided now. */
  isUndecided(task: number): boolean {
    const plan = this.#plan.tasks[task]!;
    return plan.when !== undefined && this.#states.standing[task] === Standing.waiting &&
      this.#states.pending[task] === 0 && this.#states.runs(plan);
  }

  /** The task that `takeAlone` would take. */
  get headAlone(): number | undefined {
    return this.#ready.head(Aloneness.lane);
  }

  /** Tasks that could be taken now with `takeKept`, by what their processes have to be. */
  get kept(): readonly KeptReady[] {
    return this.#ready.kept;
  }

  /** Who has what there is only so much of, by resource of the plan. */
  holdings(): readonly Holding[] {
    return this.#ready.holdings();
  }

  /** Whether a task is ready but for what it uses. */
  lacks(task: number): boolean {
    return this.#ready.lacks(task);
  }

  /** Tasks that will be taken next, at most `limit`. */
  next(limit: number): number[] {
    return this.#ready.next(limit);
  }

  /** Makes ready what needs nothing. Call it once, first. */
  start(): Command[] {
    for (const task of this.#plan.tasks) {
      if (task.needs.length === 0) this.#consequences.resolve(task);
    }
    return this.#consequences.finish();
  }

  /**
   * Takes up to `max` attempts for a lane: at most `ready` of those that are ready, then those that may stand behind what is
   * there, which start when that has succeeded. What others need comes before them.
   */
  release(lane: number, { max, ready }: ReleaseOptions): Dispatch[] {
    const taken: Dispatch[] = [];
    while (taken.length < Math.min(max, ready)) {
      const task = this.#ready.take(Aloneness.none);
      if (task === undefined) break;
      taken.push(this.#release(task, lane));
    }
    while (taken.length < max && this.stopped === undefined) {
      const task = this.#ahead.next(lane);
      if (task === undefined) break;
      taken.push(this.#release(task, lane));
    }
    return taken;
  }

  /** A mapped task that is ready has so many items. */
  expand(task: number, count: number): Command[] {
    return this.#mapping.expand(task, count);
  }

  /** Whether all needs of a task that was released have settled, also after a stop. */
  mayHaveBegun(task: number): boolean {
    return this.#isItem(task) || this.#states.pending[task] === 0 ||
      this.stopped !== undefined && this.mayRun(task);
  }

  /** Takes the first of those that have to be alone on their lane. */
  takeAlone(lane: number, kind: Place = Aloneness.lane): Dispatch | undefined {
    const task = this.#ready.take(kind);
    return task === undefined ? undefined : this.#taken(task, lane);
  }

  /** Takes the first of those that may run in the same process as a task of `kept`. */
  takeKept(lane: number, of: number): Dispatch | undefined {
    const task = this.#ready.takeKept(of);
    return task === undefined ? undefined : this.#taken(task, lane);
  }

  /** Takes a task off its lane again; the attempt has not begun and leaves no trace. What stands behind it comes first. */
  giveBack(task: number): Command[] {
    if (this.#isItem(task)) return this.#mapping.giveBack(task);
    this.#lanes.takeOff(task);
    this.#ready.over(task);
    this.#states.attempt[task]!--;
    this.#states.standing[task] = Standing.waiting;
    const { stopped } = this;
    if (stopped !== undefined) this.#consequences.leave(task, stopped);
    else if (this.isUndecided(task)) this.#consequences.makeReady(task);
    else if (this.#states.pending[task] === 0) this.#consequences.resolve(this.#plan.tasks[task]!);
    return this.#consequences.finish();
  }

  /**
   * The condition of a task is so, or is not.
   *
   * @param because Why it does not run, if so.
   * @param outcome What it has then: `failed` if nobody can tell whether the condition is so.
   */
  decided(task: number, because: string | undefined, outcome: "skipped" | "failed" = "skipped"): Command[] {
    if (!this.isUndecided(task)) return [];
    if (because === undefined) this.#consequences.begin(this.#plan.tasks[task]!);
    else this.#consequences.pass(task, outcome, because);
    return this.#consequences.finish();
  }

  /**
   * Folds in the outcome of a dispatched attempt, or of a mapped task as a whole.
   *
   * @param worth Whether such a failure is tried again, as often as there is left.
   */
  settle(task: number, outcome: Outcome, worth = true): Command[] {
    if (this.#isItem(task)) return this.#mapping.settle(task, outcome, worth);
    if (this.#plan.tasks[task]!.each !== undefined) {
      this.#consequences.settle(task, outcome);
      return this.#consequences.finish();
    }
    this.#lanes.takeOff(task);
    this.#ready.over(task);
    const attempt = this.#states.attempt[task]!;
    if (worth && isFailure(outcome) && this.#triesLeft(task) > 0 && this.stopped === undefined) {
      this.#states.outcome[task] = outcome;
      this.#states.standing[task] = Standing.retrying;
      this.#ready.delay(task);
      return [
        { type: "delay", task, iteration: this.#states.iteration[task]!, attempt },
        ...this.#consequences.finish(),
      ];
    }
    this.#consequences.settle(task, outcome);
    return this.#consequences.finish();
  }

  /** Counts a dispatched attempt as crashed with its process, and tries again at once, whatever the retry rule says. */
  rerun(task: number): Command[] {
    if (this.#isItem(task)) return this.#mapping.rerun(task);
    this.#lanes.takeOff(task);
    this.#ready.over(task);
    this.#states.outcome[task] = "crashed";
    this.#states.lost[task]!++;
    const { stopped } = this;
    if (stopped !== undefined) this.#consequences.leave(task, stopped);
    else this.#consequences.makeReady(task);
    return this.#consequences.finish();
  }

  /** The delay before another attempt is over. */
  due(task: number): Command[] {
    if (this.#isItem(task)) return this.#mapping.due(task);
    if (this.#ready.undelay(task)) this.#consequences.makeReady(task);
    return this.#consequences.finish();
  }

  /** The device has lent a task what was to be borrowed for it. */
  lent(task: number): Command[] {
    this.#ready.lent(task);
    return this.#consequences.finish();
  }

  /** While it is on, no task gets what it uses, and what is not in use is free. */
  pause(on: boolean): Command[] {
    this.#ready.pause(on);
    return this.#consequences.finish();
  }

  /** Starts nothing new. Running attempts may end; what has not begun is skipped. */
  stop(because: string): Command[] {
    this.#consequences.halt({ because, state: "cancelled" });
    return this.#consequences.finish();
  }

  /** Like `stop`, for a run that can't go on; it has failed, whatever became of its tasks. */
  giveUp(because: string): Command[] {
    this.#consequences.halt({ because, state: "failed" });
    return this.#consequences.finish();
  }

  /**
   * Dispatches a certain task, as a journal tells that it was. The order of what is ready is lost until `requeue`.
   *
   * @returns Whether it could be dispatched; not if it is settled, or dispatched already.
   */
  redispatch(task: number, lane: number): boolean {
    if (this.#isItem(task)) return this.#mapping.redispatch(task);
    const standing = this.#states.standing[task]!;
    if (standing === Standing.settled || standing === Standing.dispatched) return false;
    this.#ready.undelay(task);
    this.#dispatch(task, lane);
    return true;
  }

  /** Restores the order of what is ready. */
  requeue(): void {
    this.#ready.clear();
    for (const { index } of this.#plan.tasks) {
      if (this.#states.standing[index] === Standing.ready && this.#plan.tasks[index]!.each === undefined) {
        this.#consequences.makeReady(index);
      }
    }
    for (const items of this.#ready.items.all) this.#ready.putItems(items);
  }

  #isItem(number: number): boolean {
    return this.#ready.items.has(number);
  }

  #item(what: "standing" | "attempt", number: number): number {
    const { items, item } = this.#mapping.at(number);
    return items[what](item);
  }

  #triesLeft(task: number): number {
    return this.#plan.tasks[task]!.retry.attempts - (this.#states.attempt[task]! - this.#states.lost[task]!);
  }

  #taken(task: number, lane: number): Dispatch {
    if (this.#isItem(task)) return this.#mapping.asDispatch(task);
    this.#dispatch(task, lane);
    return this.#asDispatch(task);
  }

  #release(task: number, lane: number): Dispatch {
    if (this.#isItem(task)) return this.#mapping.asDispatch(task);
    this.#dispatch(task, lane);
    this.#ahead.dispatched(task);
    return this.#asDispatch(task);
  }

  #asDispatch(task: number): Dispatch {
    const attempt = this.#states.attempt[task]!;
    const awaited = this.#ahead.awaited(task);
    return {
      task,
      iteration: this.#states.iteration[task]!,
      attempt,
      behind: this.#ahead.behind(task),
      few: this.#ahead.few(task),
      awaited: Math.max(0, awaited),
      urgent: awaited < 0,
      fatal: this.#edges.fatal[task] === 1 && this.#edges.closes[task]!.length === 0 &&
        this.#triesLeft(task) <= 0,
    };
  }

  #dispatch(task: number, lane: number): void {
    this.#states.standing[task] = Standing.dispatched;
    this.#states.attempt[task]!++;
    this.#ready.dispatched(task);
    this.#lanes.put(task, lane);
  }
}
