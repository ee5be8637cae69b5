/**
 * Owns what runs next: the state of every task of a run, and what an outcome leads to.
 * Must not know clocks, workers' threads, promises, randomness or I/O; a lane is only a number to it.
 * Invariant: each task has exactly one final outcome for each iteration, and nothing becomes ready after a stop.
 *
 *   waiting ──needs settled──> ready ──take──> dispatched ──settle──> settled
 *      │                         ^  <─giveBack─    │                    │
 *      └──needs unsatisfied──> settled (skipped)   └─> retrying ─due─> ready
 *   settled ──its loop goes round──> waiting, one iteration on
 */
import { isFailure, type Outcome, type RunState, satisfies } from "../pipeline/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan.ts";
import { type Command, type Dispatch, type Replayed, Standing, type TakeOptions } from "./command.ts";
import { type Edge, type Edges, edgesOf } from "./edges.ts";
import { ReadyQueue } from "./ready_queue.ts";

const NO_LANE = -1;

/** The state of a run's tasks. Every method is deterministic and costs no more than the edges it touches. */
export class Schedule {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #ready: ReadyQueue;
  /** Ready tasks that have to be alone on their lane: nothing before them, nothing after them. */
  readonly #readyAlone: ReadyQueue;
  readonly #standing: Uint8Array;
  readonly #iteration: Int32Array;
  readonly #attempt: Int32Array;
  /** Needs not yet settled. */
  readonly #pending: Int32Array;
  /** Needs settled and satisfied. */
  readonly #satisfied: Int32Array;
  readonly #outcome: (Outcome | undefined)[];
  readonly #lane: Int32Array;
  /** Of the pending needs, how many are dispatched to the lane `#nearLane`: never more than there are. */
  readonly #near: Int32Array;
  readonly #nearLane: Int32Array;
  readonly #roundsLeft: number[];
  readonly #delayed: Set<number> = new Set();
  #settling: { task: number; outcome: Outcome }[] = [];
  #commands: Command[] = [];
  #dispatched = 0;
  #settled = 0;
  #stop: { readonly because: string; readonly cancelled: boolean } | undefined;
  #ended = false;

  constructor(plan: Plan) {
    const size = plan.tasks.length;
    this.#plan = plan;
    this.#edges = edgesOf(plan);
    const rank = Int32Array.from(plan.tasks, (task) => task.rank);
    this.#ready = new ReadyQueue(rank);
    this.#readyAlone = new ReadyQueue(rank);
    this.#standing = new Uint8Array(size);
    this.#iteration = new Int32Array(size);
    this.#attempt = new Int32Array(size);
    this.#pending = Int32Array.from(plan.tasks, (task) => task.needs.length);
    this.#satisfied = new Int32Array(size);
    this.#outcome = new Array<Outcome | undefined>(size).fill(undefined);
    this.#lane = new Int32Array(size).fill(NO_LANE);
    this.#near = new Int32Array(size);
    this.#nearLane = new Int32Array(size).fill(NO_LANE);
    this.#roundsLeft = plan.loops.map((loop) => loop.times);
  }

  /** Tasks that could be taken now with `take`. */
  get readyCount(): number {
    return this.#ready.size;
  }

  /** Tasks that could be taken now with `takeAlone`. */
  get readyAloneCount(): number {
    return this.#readyAlone.size;
  }

  get dispatchedCount(): number {
    return this.#dispatched;
  }

  get settledCount(): number {
    return this.#settled;
  }

  get retryingCount(): number {
    return this.#delayed.size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why nothing new starts, if that is so. */
  get stopped(): string | undefined {
    return this.#stop?.because;
  }

  standing(task: number): number {
    return this.#standing[task]!;
  }

  iteration(task: number): number {
    return this.#iteration[task]!;
  }

  /** The number of the last attempt that was dispatched in this iteration; 0 if none was. */
  attempt(task: number): number {
    return this.#attempt[task]!;
  }

  /** The outcome of the last settled attempt, of this or an earlier iteration. */
  outcome(task: number): Outcome | undefined {
    return this.#outcome[task];
  }

  /** The task that `takeAlone` would take. */
  get headAlone(): number | undefined {
    return this.#readyAlone.head;
  }

  /** Tasks that will be taken next, at most `limit`. */
  next(limit: number): number[] {
    return [...this.#readyAlone.peek(limit), ...this.#ready.peek(limit)].slice(0, limit);
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
    const heads = new Set<number>();
    for (let count = 0; count < ready && taken.length < max; count++) {
      const task = this.#ready.pop();
      if (task === undefined) break;
      this.#dispatch(task, lane);
      heads.add(taken.length);
      taken.push(task);
      this.#follow(lane, taken, max);
    }
    return taken.map((task, at) => this.#asDispatch(task, !heads.has(at)));
  }

  /** Takes the first of those that have to be alone on their lane. */
  takeAlone(lane: number): Dispatch | undefined {
    const task = this.#readyAlone.pop();
    if (task === undefined) return undefined;
    this.#dispatch(task, lane);
    return this.#asDispatch(task, false);
  }

  /** Goes on with the line behind `last`, which was dispatched to this lane and has not settled. */
  extend(lane: number, { last, max }: { readonly last: number; readonly max: number }): Dispatch[] {
    if (this.#lane[last] !== lane || this.#alone(last)) return [];
    const taken = [last];
    this.#follow(lane, taken, max + 1);
    return taken.slice(1).map((task) => this.#asDispatch(task, true));
  }

  /** Takes a task off its lane again; the attempt has not begun and leaves no trace. */
  giveBack(task: number): Command[] {
    this.#offLane(task);
    this.#attempt[task]!--;
    this.#standing[task] = Standing.waiting;
    if (this.#stop !== undefined) this.#leave(this.#plan.tasks[task]!, this.#stop.because);
    else if (this.#pending[task] === 0) this.#makeReady(task);
    return this.#finish();
  }

  /** Folds in the outcome of a dispatched attempt. */
  settle(task: number, outcome: Exclude<Outcome, "skipped">): Command[] {
    this.#offLane(task);
    const { retry } = this.#plan.tasks[task]!;
    if (isFailure(outcome) && this.#attempt[task]! < retry.attempts && this.#stop === undefined) {
      this.#outcome[task] = outcome;
      this.#standing[task] = Standing.retrying;
      this.#delayed.add(task);
      return [{ type: "delay", task, iteration: this.#iteration[task]!, attempt: this.#attempt[task]! }];
    }
    this.#settling.push({ task, outcome });
    return this.#finish();
  }

  /** The delay before another attempt is over. */
  due(task: number): Command[] {
    if (this.#delayed.delete(task)) this.#makeReady(task);
    return this.#finish();
  }

  /** Starts nothing new. Running attempts may end; what has not begun is skipped. */
  stop(because: string): Command[] {
    this.#halt({ because, cancelled: true });
    return this.#finish();
  }

  /** Whether an attempt has to be alone on its lane: nothing before it, nothing after it. */
  #alone(task: number): boolean {
    const { fresh, onLost } = this.#plan.tasks[task]!;
    return fresh || onLost === "fail";
  }

  #asDispatch(task: number, follows: boolean): Dispatch {
    return {
      task,
      follows,
      iteration: this.#iteration[task]!,
      attempt: this.#attempt[task]!,
      urgent: this.#isUrgent(task),
      fatal: this.#edges.fatal[task] === 1 && this.#edges.closes[task]!.length === 0 &&
        this.#attempt[task]! >= this.#plan.tasks[task]!.retry.attempts,
    };
  }

  /** Others wait: a dependent that is not behind it on the same lane and lacks few other needs, or a loop. */
  #isUrgent(task: number): boolean {
    if (this.#edges.closes[task]!.length > 0) return true;
    const edges = this.#edges.now[task]!;
    for (const { to } of edges) {
      if (this.#lane[to] !== this.#lane[task] && this.#pending[to]! <= 16) return true;
    }
    return false;
  }

  #dispatch(task: number, lane: number): void {
    this.#standing[task] = Standing.dispatched;
    this.#attempt[task]!++;
    this.#lane[task] = lane;
    this.#dispatched++;
    for (const { to } of this.#edges.now[task]!) {
      if (this.#near[to] === 0) this.#nearLane[to] = lane;
      if (this.#nearLane[to] === lane) this.#near[to]!++;
    }
  }

  #offLane(task: number): void {
    const lane = this.#lane[task];
    if (lane === NO_LANE) throw new Error(`Task ${task} is not on a lane`);
    this.#lane[task] = NO_LANE;
    this.#dispatched--;
    for (const { to } of this.#edges.now[task]!) {
      if (this.#nearLane[to] === lane && this.#near[to]! > 0) this.#near[to]!--;
    }
  }

  /** Appends to `line` the tasks that may follow its last one, the first sibling each time: the others go elsewhere. */
  #follow(lane: number, line: number[], max: number): void {
    while (line.length < max) {
      const next = this.#edges.now[line.at(-1)!]!.find((edge) => this.#mayFollow(edge, lane));
      if (next === undefined) return;
      this.#dispatch(next.to, lane);
      line.push(next.to);
    }
  }

  #mayFollow({ to, on }: Edge, lane: number): boolean {
    if (this.#standing[to] !== Standing.waiting || this.#stop !== undefined) return false;
    if (this.#near[to] !== this.#pending[to] || this.#nearLane[to] !== lane) return false;
    const task = this.#plan.tasks[to]!;
    if (on === "failure" || task.run === undefined || this.#alone(to)) return false;
    if (task.join === "any") return task.needs.every((need) => need.on !== "failure");
    return this.#satisfied[to]! + this.#pending[to]! === task.needs.length &&
      task.needs.every((need) => need.on !== "failure" || this.#lane[need.task] !== lane);
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
    this.#standing[task] = Standing.settled;
    this.#outcome[task] = outcome;
    this.#settled++;
    if (this.#stop !== undefined) return;
    if (this.#goesRound(task, outcome)) return;
    for (const edge of this.#edges.now[task]!) this.#tell(edge, outcome);
    for (const loop of this.#edges.closes[task]!) {
      for (const edge of this.#edges.exits[loop]!) this.#tell(edge, this.#outcome[edge.from]!);
    }
    if (isFailure(outcome) && this.#edges.fatal[task] === 1) {
      const { name } = this.#plan.tasks[task]!;
      this.#halt({
        because: `${name} ${inWords(outcome)}, and the pipeline stops on failure`,
        cancelled: false,
      });
    }
  }

  /** Starts the next iteration of the innermost loop that the task closes and that has not ended. */
  #goesRound(task: number, outcome: Outcome): boolean {
    for (const index of this.#edges.closes[task]!) {
      const loop = this.#plan.loops[index]!;
      if (!satisfies(loop.on, outcome) || this.#roundsLeft[index] === 0) continue;
      this.#roundsLeft[index]!--;
      this.#again(index);
      return true;
    }
    return false;
  }

  #again(index: number): void {
    const body = new Set(this.#plan.loops[index]!.body);
    this.#plan.loops.forEach((inner, at) => {
      if (at < index && body.has(inner.from)) this.#roundsLeft[at] = inner.times;
    });
    for (const task of body) {
      const { needs } = this.#plan.tasks[task]!;
      const outside = needs.filter((need) => !body.has(need.task));
      this.#standing[task] = Standing.waiting;
      this.#iteration[task]!++;
      this.#attempt[task] = 0;
      this.#pending[task] = needs.length - outside.length;
      this.#satisfied[task] = outside.filter((need) => satisfies(need.on, this.#outcome[need.task]!)).length;
      this.#settled--;
    }
    for (const task of body) {
      if (this.#pending[task] === 0) this.#resolve(this.#plan.tasks[task]!);
    }
  }

  #tell({ to, on }: Edge, outcome: Outcome): void {
    this.#pending[to]!--;
    if (satisfies(on, outcome)) this.#satisfied[to]!++;
    if (this.#pending[to] === 0 && this.#standing[to] === Standing.waiting) {
      this.#resolve(this.#plan.tasks[to]!);
    }
  }

  /** All needs are settled: the task is ready, passes (a sync point) or is skipped. */
  #resolve(task: PlanTask): void {
    const satisfied = this.#satisfied[task.index]!;
    const runs = task.join === "all"
      ? satisfied === task.needs.length
      : satisfied > 0 || task.needs.length === 0;
    if (!runs) this.#skip(task, this.#whySkipped(task));
    else if (task.run !== undefined) this.#makeReady(task.index);
    else {
      this.#attempt[task.index] = 1;
      this.#record(task.index, "succeeded");
    }
  }

  #makeReady(task: number): void {
    this.#standing[task] = Standing.ready;
    (this.#alone(task) ? this.#readyAlone : this.#ready).push(task);
  }

  #skip(task: PlanTask, because: string): void {
    this.#record(task.index, "skipped", because);
  }

  #record(task: number, outcome: "succeeded" | "skipped", because?: string): void {
    this.#commands.push({
      type: "record",
      task,
      iteration: this.#iteration[task]!,
      attempt: this.#attempt[task]!,
      outcome,
      ...(because === undefined ? {} : { because }),
    });
    this.#settling.push({ task, outcome });
    this.#standing[task] = Standing.settled;
  }

  /** Gives a task that will not start any more its final outcome: the one of its last attempt, or `skipped`. */
  #leave(task: PlanTask, because: string): void {
    if (this.#attempt[task.index] === 0) this.#skip(task, because);
    else {
      this.#settling.push({ task: task.index, outcome: this.#outcome[task.index]! });
      this.#standing[task.index] = Standing.settled;
    }
  }

  #halt(stop: { readonly because: string; readonly cancelled: boolean }): void {
    if (this.#ended || (this.#stop !== undefined && !(stop.cancelled && !this.#stop.cancelled))) return;
    const first = this.#stop === undefined;
    this.#stop = stop;
    if (!first) return;
    this.#commands.push({ type: "revoke", because: stop.because });
    this.#ready.clear();
    this.#readyAlone.clear();
    for (const task of this.#plan.tasks) {
      const standing = this.#standing[task.index]!;
      if (standing !== Standing.dispatched && standing !== Standing.settled) this.#leave(task, stop.because);
    }
    this.#delayed.clear();
  }

  #whySkipped(task: PlanTask): string {
    const unmet = task.needs.filter((need) => !satisfies(need.on, this.#outcome[need.task]!));
    const reasons = unmet.slice(0, 3).map((need) => {
      const { name } = this.#plan.tasks[need.task]!;
      return need.on === "failure" ? `${name} did not fail` : `${name} ${inWords(this.#outcome[need.task]!)}`;
    });
    const more = unmet.length > 3 ? ` and ${unmet.length - 3} more` : "";
    return reasons.join(", ") + more;
  }

  #endState(): RunState {
    if (this.#stop?.cancelled) return "cancelled";
    const bad = this.#plan.tasks.some((task) => {
      const outcome = this.#outcome[task.index]!;
      return outcome !== "succeeded" && outcome !== "skipped" && !task.allowFailure;
    });
    return bad ? "failed" : "succeeded";
  }
}

const NO_COMMANDS: Command[] = [];

/** An outcome as the verb of a sentence. */
function inWords(outcome: Outcome): string {
  return outcome === "timed_out" ? "timed out" : outcome === "failed" ? outcome : `was ${outcome}`
    .replace("was crashed", "crashed").replace("was succeeded", "succeeded");
}
