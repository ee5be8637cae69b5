/**
 * Owns what runs next in a plan whose edges are followed: netUnicorn's rules, by events rather than by its poll.
 * Must not know clocks, workers' threads, promises, randomness or I/O; a lane is only a number to it.
 * Invariant: a task is in at most one attempt at a time, and nothing becomes ready after a stop.
 *
 *   An edge is followed when its task has ended as the edge asks; a sync point's always. That makes the task it leads to
 *   due. A due task starts as soon as each task that a strong edge comes from has ended at least once, and is not due or at
 *   it again. An edge that may be followed so many times is gone after the last, and waited for no more. The run is over when
 *   nothing is due that can start.
 */
import { isFailure, type Outcome, type RunState, satisfies } from "../model/outcome.ts";
import type { Plan, PlanEdge, PlanTask } from "../pipeline/plan/plan.ts";
import { type Command, type Dispatch, type ReleaseOptions, Standing } from "./command.ts";
import { Aloneness, alonenessOf, type KeptReady, type Place, ReadyTasks } from "./ready_tasks.ts";
import { whyStopped } from "./reasons.ts";
import type { Holding } from "./resources.ts";
import type { Scheduler } from "./schedule.ts";

/** Why nothing new starts, and what the run is for it; without `state` its tasks' outcomes decide. */
interface Stop {
  readonly because: string;
  readonly state?: "failed" | "cancelled";
}

/** An edge, and how often it may still be followed. */
interface Way extends PlanEdge {
  left: number;
}

/** Where a task stands. */
interface State {
  standing: number;
  iteration: number;
  attempt: number;
  /** Attempts of this iteration that were lost with their process and do not count as tries. */
  lost: number;
  outcome: Outcome | undefined;
  /** An edge that led here was followed since it last started. */
  due: boolean;
  /** It has started, and has not ended for good. */
  active: boolean;
  /** It has ended at least once. */
  ended: boolean;
}

/** The state of a run whose plan has edges. */
export class FlowSchedule implements Scheduler {
  readonly #plan: Plan;
  readonly #states: readonly State[];
  /** By task: the edges that lead from it, and the strong ones that lead to it. */
  readonly #ways: { readonly out: readonly Way[][]; readonly into: readonly Way[][] };
  readonly #ready: ReadyTasks;
  /** Attempts that are ready, dispatched or waiting for another try. */
  #open = 0;
  #failed = false;
  #settling: { readonly task: number; readonly outcome: Outcome }[] = [];
  #commands: Command[] = [];
  #stop: Stop | undefined;
  #ended = false;

  constructor(plan: Plan) {
    this.#plan = plan;
    const ways = (plan.edges ?? []).map((edge): Way => ({ ...edge, left: edge.times ?? Infinity }));
    this.#states = plan.tasks.map(() => ({
      ...{ standing: Standing.waiting, iteration: 0, attempt: 0, lost: 0 },
      ...{ outcome: undefined, due: false, active: false, ended: false },
    }));
    const out = plan.tasks.map((): Way[] => []);
    const into = plan.tasks.map((): Way[] => []);
    for (const way of ways) {
      out[way.from]!.push(way);
      if (!way.weak) into[way.to]!.push(way);
    }
    this.#ways = { out, into };
    this.#ready = new ReadyTasks(plan, Uint8Array.from(plan.tasks, alonenessOf));
  }

  get readyCount(): number {
    return this.#ready.count(Aloneness.none);
  }

  get readyAloneCount(): number {
    return this.#ready.count(Aloneness.lane);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get stopped(): string | undefined {
    return this.#stop?.because;
  }

  get headAlone(): number | undefined {
    return this.#ready.head(Aloneness.lane);
  }

  get kept(): readonly KeptReady[] {
    return this.#ready.kept;
  }

  holdings(): readonly Holding[] {
    return this.#ready.holdings();
  }

  lacks(task: number): boolean {
    return this.#ready.lacks(task);
  }

  /** There are no mapped tasks where edges decide. */
  taskOf(task: number): number {
    return task;
  }

  itemOf(_task: number): undefined {}

  numberOf(_task: number, _item: number): undefined {}

  items(_task: number): undefined {}

  expand(task: number): Command[] {
    throw new Error(`Task ${task} is mapped in a plan with edges`);
  }

  dispatched(task: number): number[] {
    return this.#states[task]!.standing === Standing.dispatched ? [task] : [];
  }

  standing(task: number): number {
    return this.#states[task]!.standing;
  }

  iteration(task: number): number {
    return this.#states[task]!.iteration;
  }

  attempt(task: number): number {
    return this.#states[task]!.attempt;
  }

  outcome(task: number): Outcome | undefined {
    return this.#states[task]!.outcome;
  }

  /** An attempt that is dispatched here was ready before: none stands in a line behind another. */
  mayRun(task: number): boolean {
    return this.#states[task]!.standing === Standing.dispatched;
  }

  /** What is dispatched waits for nothing. */
  mayHaveBegun(): boolean {
    return true;
  }

  next(limit: number): number[] {
    return this.#ready.next(limit);
  }

  start(): Command[] {
    for (const { index } of this.#plan.tasks) {
      if (this.#ways.into[index]!.length === 0) this.#states[index]!.due = true;
    }
    for (const task of this.#plan.tasks) this.#begin(task);
    return this.#finish();
  }

  release(lane: number, { max, ready }: ReleaseOptions): Dispatch[] {
    const taken: Dispatch[] = [];
    while (taken.length < Math.min(max, ready)) {
      const task = this.#ready.take(Aloneness.none);
      if (task === undefined) break;
      taken.push(this.#dispatch(task, lane));
    }
    return taken;
  }

  takeAlone(lane: number, kind: Place = Aloneness.lane): Dispatch | undefined {
    const task = this.#ready.take(kind);
    return task === undefined ? undefined : this.#dispatch(task, lane);
  }

  takeKept(lane: number, of: number): Dispatch | undefined {
    const task = this.#ready.takeKept(of);
    return task === undefined ? undefined : this.#dispatch(task, lane);
  }

  giveBack(task: number): Command[] {
    const state = this.#states[task]!;
    this.#ready.over(task);
    state.attempt--;
    if (this.#stop === undefined) this.#makeReady(task);
    else this.#leave(task, this.#stop.because);
    return this.#finish();
  }

  /** No task has a condition where edges decide. */
  isUndecided(): boolean {
    return false;
  }

  decided(): Command[] {
    return [];
  }

  settle(task: number, outcome: Outcome, worth = true): Command[] {
    const state = this.#states[task]!;
    this.#ready.over(task);
    const { iteration, attempt } = state;
    const tries = attempt - state.lost;
    if (
      worth && isFailure(outcome) && tries < this.#plan.tasks[task]!.retry.attempts &&
      this.#stop === undefined
    ) {
      state.outcome = outcome;
      state.standing = Standing.retrying;
      this.#ready.delay(task);
      return [{ type: "delay", task, iteration, attempt }, ...this.#finish()];
    }
    this.#settling.push({ task, outcome });
    return this.#finish();
  }

  rerun(task: number): Command[] {
    const state = this.#states[task]!;
    this.#ready.over(task);
    state.outcome = "crashed";
    state.lost++;
    if (this.#stop === undefined) this.#makeReady(task);
    else this.#leave(task, this.#stop.because);
    return this.#finish();
  }

  due(task: number): Command[] {
    if (this.#ready.undelay(task)) this.#makeReady(task);
    return this.#finish();
  }

  lent(task: number): Command[] {
    this.#ready.lent(task);
    return this.#finish();
  }

  pause(on: boolean): Command[] {
    this.#ready.pause(on);
    return this.#finish();
  }

  stop(because: string): Command[] {
    this.#halt({ because, state: "cancelled" });
    return this.#finish();
  }

  giveUp(because: string): Command[] {
    this.#halt({ because, state: "failed" });
    return this.#finish();
  }

  redispatch(task: number, lane: number): boolean {
    const { standing } = this.#states[task]!;
    if (standing !== Standing.ready && standing !== Standing.retrying) return false;
    this.#ready.undelay(task);
    this.#dispatch(task, lane);
    return true;
  }

  requeue(): void {
    this.#ready.clear();
    for (const { index } of this.#plan.tasks) {
      if (this.#states[index]!.standing === Standing.ready) this.#makeReady(index);
    }
  }

  #dispatch(task: number, _lane: number): Dispatch {
    const state = this.#states[task]!;
    state.standing = Standing.dispatched;
    this.#ready.dispatched(task);
    state.attempt++;
    const { iteration, attempt } = state;
    return { task, iteration, attempt, behind: [], few: false, awaited: 0, urgent: true, fatal: false };
  }

  /** Begins a task that is due, if no strong edge to it comes from one that has yet to end. */
  #begin(task: PlanTask): void {
    const state = this.#states[task.index]!;
    if (!state.due || state.active || this.#stop !== undefined) return;
    if (this.#ways.into[task.index]!.some((way) => way.left > 0 && this.#isAwaited(way.from))) return;
    if (state.ended) state.iteration++;
    Object.assign(state, { due: false, active: true, attempt: 0, lost: 0 });
    this.#open++;
    if (task.run !== undefined) return this.#makeReady(task.index);
    state.attempt = 1;
    this.#record(task.index, "succeeded");
  }

  #isAwaited(task: number): boolean {
    const { ended, due, active } = this.#states[task]!;
    return !ended || due || active;
  }

  #makeReady(task: number): void {
    this.#states[task]!.standing = Standing.ready;
    this.#ready.put(task);
  }

  #record(task: number, outcome: "succeeded" | "skipped", because?: string): void {
    const { iteration, attempt } = this.#states[task]!;
    const why = because === undefined ? {} : { because };
    this.#commands.push({ type: "record", task, iteration, attempt, outcome, ...why });
    this.#settling.push({ task, outcome });
    this.#states[task]!.standing = Standing.settled;
  }

  /** Settles what waits to be settled, and all that follows from it; then tells what there is to do. */
  #finish(): Command[] {
    for (let at = 0; at < this.#settling.length; at++) this.#settleForGood(this.#settling[at]!);
    this.#settling = [];
    this.#commands.push(...this.#ready.grant());
    if (!this.#ended && this.#open === 0) this.#over();
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  #settleForGood({ task, outcome }: { readonly task: number; readonly outcome: Outcome }): void {
    const plan = this.#plan.tasks[task]!;
    const state = this.#states[task]!;
    Object.assign(state, { standing: Standing.settled, outcome, active: false, ended: true });
    this.#open--;
    const failed = isFailure(outcome);
    this.#failed ||= failed && !plan.allowFailure;
    if (this.#stop !== undefined) return;
    const led = this.#follow(plan, outcome);
    const stops = failed && !led && this.#plan.onFailure === "stop" && !plan.allowFailure;
    if (stops) this.#halt({ because: whyStopped(plan.name, outcome) });
    else this.#beginAfter(task);
  }

  /** Begins what may have waited for a task, and the task itself if it is due again. */
  #beginAfter(task: number): void {
    for (const { to } of this.#ways.out[task]!) this.#begin(this.#plan.tasks[to]!);
    this.#begin(this.#plan.tasks[task]!);
  }

  /** Follows the edges that ask for this outcome; returns whether there was one. */
  #follow({ index, run }: PlanTask, outcome: Outcome): boolean {
    let led = false;
    for (const way of this.#ways.out[index]!) {
      if (way.left <= 0 || (run !== undefined && !satisfies(way.on, outcome))) continue;
      led = true;
      way.left--;
      this.#states[way.to]!.due = true;
    }
    return led;
  }

  /** Nothing can start any more: what never ran is skipped. */
  #over(): void {
    for (const task of this.#plan.tasks) {
      if (this.#states[task.index]!.standing === Standing.waiting) this.#skip(task);
    }
    this.#ended = true;
    const state: RunState = this.#stop?.state ?? (this.#failed ? "failed" : "succeeded");
    this.#commands.push({ type: "end", state });
  }

  #skip({ index }: PlanTask): void {
    const unmet = this.#ways.into[index]!.filter((way) => !this.#states[way.from]!.ended);
    const names = unmet.slice(0, 3).map((way) => this.#plan.tasks[way.from]!.name).join(", ");
    const because = !this.#states[index]!.due
      ? "no edge led here"
      : `it waits for ${names}, which did not run`;
    this.#record(index, "skipped", this.#stop?.because ?? because);
    this.#settling.pop();
    this.#states[index]!.outcome = "skipped";
  }

  /** Gives an attempt that will not start any more its final outcome: the one of its last try, or `skipped`. */
  #leave(task: number, because: string): void {
    const state = this.#states[task]!;
    if (state.attempt === 0) return this.#record(task, "skipped", because);
    this.#settling.push({ task, outcome: state.outcome! });
    state.standing = Standing.settled;
  }

  #halt(stop: Stop): void {
    if (this.#ended || this.#stop?.state === "cancelled") return;
    if (this.#stop !== undefined && stop.state === undefined) return;
    const first = this.#stop === undefined;
    this.#stop = stop;
    if (!first) return;
    this.#commands.push({ type: "revoke", because: stop.because });
    this.#ready.end();
    this.#states.forEach(({ standing }, task) => {
      if (standing === Standing.ready || standing === Standing.retrying) this.#leave(task, stop.because);
    });
  }
}
