/**
 * Owns what runs next: what an outcome leads to, and which tasks a lane gets.
 * Must not know clocks, workers' threads, promises, randomness or I/O; a lane is only a number to it.
 * Invariant: each task has exactly one final outcome for each iteration, and nothing becomes ready after a stop.
 *
 *   waiting ──needs settled──> ready ──take──> dispatched ──settle──> settled
 *      │                         ^  <─giveBack─    │                    │
 *      └──needs unsatisfied──> settled (skipped)   └─> retrying ─due─> ready
 *   settled ──its loop goes round──> waiting, one iteration on
 */
import { isFailure, type Outcome, type RunState, satisfies } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { type Command, type Dispatch, Standing, type TakeOptions } from "./command.ts";
import { type Edge, type Edges, edgesOf } from "./edges.ts";
import { Lanes } from "./lanes.ts";
import { Lines } from "./lines.ts";
import { ReadyQueue } from "./ready_queue.ts";
import { whySkipped, whyStopped } from "./reasons.ts";
import { Rounds } from "./rounds.ts";
import { TaskStates } from "./states.ts";

/** Why nothing new starts, and what the run is for it; without `state` its tasks' outcomes decide. */
interface Stop {
  readonly because: string;
  readonly state?: "failed" | "cancelled";
}

/** The state of a run's tasks. Every method is deterministic and costs no more than the edges it touches. */
export class Schedule {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #states: TaskStates;
  readonly #lanes: Lanes;
  readonly #lines: Lines;
  readonly #rounds: Rounds;
  readonly #ready: ReadyQueue;
  /** Ready tasks that have to be alone on their lane. */
  readonly #readyAlone: ReadyQueue;
  /** Ready tasks that run in processes that are kept. */
  readonly #readyKept: ReadyQueue;
  /** All ready tasks, by what `Edges.alone` says of them. */
  readonly #queues: readonly ReadyQueue[];
  readonly #delayed: Set<number> = new Set();
  #settling: { task: number; outcome: Outcome }[] = [];
  #commands: Command[] = [];
  #settled = 0;
  #stop: Stop | undefined;
  #ended = false;

  /** @param edges What `edgesOf` makes of the plan. */
  constructor(plan: Plan, edges: Edges = edgesOf(plan)) {
    this.#plan = plan;
    this.#edges = edges;
    this.#states = new TaskStates(plan);
    this.#lanes = new Lanes(edges.now);
    this.#lines = new Lines({ plan, edges, states: this.#states, lanes: this.#lanes });
    this.#rounds = new Rounds(plan);
    const rank = new Int32Array(plan.tasks.length);
    for (const task of plan.tasks) rank[task.index] = task.rank;
    this.#ready = new ReadyQueue(rank);
    this.#readyAlone = new ReadyQueue(rank);
    this.#readyKept = new ReadyQueue(rank);
    this.#queues = [this.#ready, this.#readyAlone, new ReadyQueue(rank), this.#readyKept];
  }

  /** Tasks that could be taken now with `take`. */
  get readyCount(): number {
    return this.#ready.size;
  }

  /** Tasks that could be taken now with `takeAlone`. */
  get readyAloneCount(): number {
    return this.#readyAlone.size;
  }

  /** Tasks that could be taken now with `takeAlone(lane, 3)`. */
  get readyKeptCount(): number {
    return this.#readyKept.size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why nothing new starts, if that is so. */
  get stopped(): string | undefined {
    return this.#stop?.because;
  }

  standing(task: number): number {
    return this.#states.standing[task]!;
  }

  iteration(task: number): number {
    return this.#states.iteration[task]!;
  }

  /** The number of the last attempt that was dispatched in this iteration; 0 if none was. */
  attempt(task: number): number {
    return this.#states.attempt[task]!;
  }

  /** The outcome of the last settled attempt, of this or an earlier iteration. */
  outcome(task: number): Outcome | undefined {
    return this.#states.outcome[task];
  }

  /** Whether the needs of a task have settled, and satisfied as its `join` asks, also after a stop. */
  mayRun(task: number): boolean {
    const { join, needs } = this.#plan.tasks[task]!;
    if (needs.some((need) => this.#states.standing[need.task] !== Standing.settled)) return false;
    const met = needs.filter((need) => satisfies(need.on, this.#states.outcome[need.task]!)).length;
    return met === needs.length || (join === "any" && met > 0);
  }

  /** The task that `takeAlone` would take. */
  get headAlone(): number | undefined {
    return this.#readyAlone.head;
  }

  /** The task that `takeAlone(lane, 3)` would take. */
  get headKept(): number | undefined {
    return this.#readyKept.head;
  }

  /** Tasks that will be taken next, at most `limit`. */
  next(limit: number): number[] {
    const [plain, ...alone] = this.#queues.map((queue) => queue.peek(limit));
    return [...alone.flat(), ...plain!].slice(0, limit);
  }

  /** Makes ready what needs nothing. Call it once, first. */
  start(): Command[] {
    for (const task of this.#plan.tasks) {
      if (task.needs.length === 0) this.#resolve(task);
    }
    return this.#finish();
  }

  /**
   * Takes up to `max` attempts for a lane: at most `ready` of those that are ready, each followed by the line of tasks
   * that may run after it on the same lane without asking.
   */
  take(lane: number, { max, ready }: TakeOptions): Dispatch[] {
    const taken: number[] = [];
    const heads: number[] = [];
    for (let count = 0; count < ready && taken.length < max; count++) {
      const task = this.#ready.pop();
      if (task === undefined) break;
      this.#dispatch(task, lane);
      heads.push(taken.length);
      taken.push(task);
      this.#follow(lane, taken, max);
    }
    let line = 0;
    return taken.map((task, at) => {
      const follows = at !== heads[line];
      if (!follows) line++;
      return this.#asDispatch(task, follows);
    });
  }

  /** Takes the first of those that have to be alone on their lane. @param kind As `Edges.alone` has it. */
  takeAlone(lane: number, kind: 1 | 2 | 3 = 1): Dispatch | undefined {
    const task = this.#queues[kind]!.pop();
    if (task === undefined) return undefined;
    this.#dispatch(task, lane);
    return this.#asDispatch(task, false);
  }

  /** Goes on with the line behind `last`, which was dispatched to this lane and has not settled. */
  extend(lane: number, { last, max }: { readonly last: number; readonly max: number }): Dispatch[] {
    if (!this.#lanes.has(last, lane) || this.#edges.alone[last] !== 0) return [];
    const taken = [last];
    this.#follow(lane, taken, max + 1);
    return taken.slice(1).map((task) => this.#asDispatch(task, true));
  }

  /** Takes a task off its lane again; the attempt has not begun and leaves no trace. Of a line, the last comes first. */
  giveBack(task: number): Command[] {
    this.#lanes.takeOff(task);
    this.#states.attempt[task]!--;
    this.#states.standing[task] = Standing.waiting;
    if (this.#stop !== undefined) this.#leave(task, this.#stop.because);
    else if (this.#states.pending[task] === 0) this.#resolve(this.#plan.tasks[task]!);
    return this.#finish();
  }

  /** Folds in the outcome of a dispatched attempt. */
  settle(task: number, outcome: Exclude<Outcome, "skipped">): Command[] {
    this.#lanes.takeOff(task);
    const attempt = this.#states.attempt[task]!;
    if (isFailure(outcome) && this.#triesLeft(task) > 0 && this.#stop === undefined) {
      this.#states.outcome[task] = outcome;
      this.#states.standing[task] = Standing.retrying;
      this.#delayed.add(task);
      return [{ type: "delay", task, iteration: this.#states.iteration[task]!, attempt }];
    }
    this.#settling.push({ task, outcome });
    return this.#finish();
  }

  /** Counts a dispatched attempt as crashed with its process, and tries again at once, whatever the retry rule says. */
  rerun(task: number): Command[] {
    this.#lanes.takeOff(task);
    this.#states.outcome[task] = "crashed";
    this.#states.lost[task]!++;
    if (this.#stop !== undefined) this.#leave(task, this.#stop.because);
    else this.#makeReady(task);
    return this.#finish();
  }

  /** The delay before another attempt is over. */
  due(task: number): Command[] {
    if (this.#delayed.delete(task)) this.#makeReady(task);
    return this.#finish();
  }

  /** Starts nothing new. Running attempts may end; what has not begun is skipped. */
  stop(because: string): Command[] {
    this.#halt({ because, state: "cancelled" });
    return this.#finish();
  }

  /** Like `stop`, for a run that can't go on; it has failed, whatever became of its tasks. */
  giveUp(because: string): Command[] {
    this.#halt({ because, state: "failed" });
    return this.#finish();
  }

  /**
   * Dispatches a certain task, as a journal tells that it was. The order of what is ready is lost until `requeue`.
   *
   * @returns Whether it could be dispatched; not if it is settled, or dispatched already.
   */
  redispatch(task: number, lane: number): boolean {
    const standing = this.#states.standing[task]!;
    if (standing === Standing.settled || standing === Standing.dispatched) return false;
    this.#delayed.delete(task);
    this.#dispatch(task, lane);
    return true;
  }

  /** Restores the order of what is ready. */
  requeue(): void {
    for (const queue of this.#queues) queue.clear();
    for (const { index } of this.#plan.tasks) {
      if (this.#states.standing[index] === Standing.ready) this.#makeReady(index);
    }
  }

  #triesLeft(task: number): number {
    return this.#plan.tasks[task]!.retry.attempts - (this.#states.attempt[task]! - this.#states.lost[task]!);
  }

  #asDispatch(task: number, follows: boolean): Dispatch {
    const attempt = this.#states.attempt[task]!;
    return {
      task,
      follows,
      iteration: this.#states.iteration[task]!,
      attempt,
      urgent: this.#lines.isUrgent(task),
      fatal: this.#edges.fatal[task] === 1 && this.#edges.closes[task]!.length === 0 &&
        this.#triesLeft(task) <= 0,
    };
  }

  #dispatch(task: number, lane: number): void {
    this.#states.standing[task] = Standing.dispatched;
    this.#states.attempt[task]!++;
    this.#lanes.put(task, lane);
  }

  /** Appends to `line` the tasks that may follow its last one, the first sibling each time: the others go elsewhere. */
  #follow(lane: number, line: number[], max: number): void {
    while (line.length < max && this.#stop === undefined) {
      const next = this.#lines.follower(line.at(-1)!, lane);
      if (next === undefined) return;
      this.#dispatch(next, lane);
      line.push(next);
    }
  }

  /** Settles what waits to be settled, and all that follows from it; then tells what there is to do. */
  #finish(): Command[] {
    for (let at = 0; at < this.#settling.length; at++) {
      const { task, outcome } = this.#settling[at]!;
      this.#settleForGood(task, outcome);
    }
    if (this.#settling.length > 0) this.#settling = [];
    if (!this.#ended && this.#settled === this.#plan.tasks.length) {
      this.#ended = true;
      this.#commands.push({ type: "end", state: this.#endState() });
    }
    if (this.#commands.length === 0) return NO_COMMANDS;
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  #settleForGood(task: number, outcome: Outcome): void {
    this.#states.standing[task] = Standing.settled;
    this.#states.outcome[task] = outcome;
    this.#settled++;
    if (this.#stop !== undefined) return;
    const closes = this.#edges.closes[task]!;
    const round = closes.length === 0 ? undefined : this.#rounds.next(closes, outcome);
    if (round !== undefined) return this.#again(round);
    for (const edge of this.#edges.now[task]!) this.#tell(edge, outcome);
    for (const loop of closes) {
      for (const edge of this.#edges.exits[loop]!) this.#tell(edge, this.#states.outcome[edge.from]!);
    }
    if (isFailure(outcome) && this.#edges.fatal[task] === 1) {
      this.#halt({ because: whyStopped(this.#plan.tasks[task]!.name, outcome) });
    }
  }

  /** Starts the next iteration of a loop. All its tasks have settled, since they lead to the one it closes at. */
  #again(loop: number): void {
    const { body } = this.#plan.loops[loop]!;
    const inside = new Set(body);
    for (const task of body) this.#states.again(this.#plan.tasks[task]!, inside);
    this.#settled -= body.length;
    for (const task of body) {
      if (this.#states.pending[task] === 0) this.#resolve(this.#plan.tasks[task]!);
    }
  }

  #tell({ to, on }: Edge, outcome: Outcome): void {
    const pending = --this.#states.pending[to]!;
    if (satisfies(on, outcome)) this.#states.satisfied[to]!++;
    if (pending === 0 && this.#states.standing[to] === Standing.waiting) this.#resolve(this.#plan.tasks[to]!);
  }

  /** All needs are settled: the task is ready, passes (a sync point) or is skipped. */
  #resolve(task: PlanTask): void {
    if (!this.#states.runs(task)) {
      this.#record(task.index, "skipped", whySkipped(this.#plan, task, this.#states.outcome));
    } else if (task.run !== undefined) this.#makeReady(task.index);
    else {
      this.#states.attempt[task.index] = 1;
      this.#record(task.index, "succeeded");
    }
  }

  #makeReady(task: number): void {
    this.#states.standing[task] = Standing.ready;
    this.#queues[this.#edges.alone[task]!]!.push(task);
  }

  #record(task: number, outcome: "succeeded" | "skipped", because?: string): void {
    this.#commands.push({
      type: "record",
      task,
      iteration: this.#states.iteration[task]!,
      attempt: this.#states.attempt[task]!,
      outcome,
      ...(because === undefined ? {} : { because }),
    });
    this.#settling.push({ task, outcome });
    this.#states.standing[task] = Standing.settled;
  }

  /** Gives a task that will not start any more its final outcome: the one of its last attempt, or `skipped`. */
  #leave(task: number, because: string): void {
    if (this.#states.attempt[task] === 0) return this.#record(task, "skipped", because);
    this.#settling.push({ task, outcome: this.#states.outcome[task]! });
    this.#states.standing[task] = Standing.settled;
  }

  #halt(stop: Stop): void {
    if (this.#ended || this.#stop?.state === "cancelled") return;
    if (this.#stop !== undefined && stop.state === undefined) return;
    const first = this.#stop === undefined;
    this.#stop = stop;
    if (!first) return;
    this.#commands.push({ type: "revoke", because: stop.because });
    for (const queue of this.#queues) queue.clear();
    this.#delayed.clear();
    for (const { index } of this.#plan.tasks) {
      const standing = this.#states.standing[index]!;
      if (standing !== Standing.dispatched && standing !== Standing.settled) this.#leave(index, stop.because);
    }
  }

  #endState(): RunState {
    if (this.#stop?.state !== undefined) return this.#stop.state;
    const bad = this.#plan.tasks.some(({ index, allowFailure }) => {
      const outcome = this.#states.outcome[index]!;
      return outcome !== "succeeded" && outcome !== "skipped" && !allowFailure;
    });
    return bad ? "failed" : "succeeded";
  }
}

const NO_COMMANDS: Command[] = [];
