/**
 * Owns what an outcome leads to: which tasks become ready, pass or are skipped, when a loop goes round, when nothing new
 * starts, and when the run is over.
 * Must not know lanes, nor who takes what is ready.
 * Invariant: each task has exactly one final outcome for each iteration, and nothing becomes ready after a stop.
 */
import { isFailure, type Outcome, type RunState, satisfies } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { type Command, Standing } from "./command.ts";
import type { Edges } from "./edges.ts";
import type { Items } from "./items.ts";
import type { ReadyTasks } from "./ready_tasks.ts";
import { whySkipped, whyStopped } from "./reasons.ts";
import { Rounds } from "./rounds.ts";
import type { TaskStates } from "./states.ts";

/** Why nothing new starts, and what the run is for it; without `state` its tasks' outcomes decide. */
export interface Stop {
  readonly because: string;
  readonly state?: "failed" | "cancelled";
}

/** What is changed by an outcome. */
export interface Changed {
  readonly plan: Plan;
  readonly edges: Edges;
  readonly states: TaskStates;
  readonly ready: ReadyTasks;
}

/** Settles tasks, and all that follows from it. What there is to do for it comes from `finish`. */
export class Consequences {
  readonly #plan: Plan;
  readonly #edges: Edges;
  readonly #states: TaskStates;
  readonly #ready: ReadyTasks;
  readonly #rounds: Rounds;
  #settling: { task: number; outcome: Outcome }[] = [];
  #commands: Command[] = [];
  #settled = 0;
  #stop: Stop | undefined;
  #ended = false;

  constructor({ plan, edges, states, ready }: Changed) {
    this.#plan = plan;
    this.#edges = edges;
    this.#states = states;
    this.#ready = ready;
    this.#rounds = new Rounds(plan);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why nothing new starts, if that is so. */
  get stopped(): string | undefined {
    return this.#stop?.because;
  }

  /** A task has this outcome for good. */
  settle(task: number, outcome: Outcome): void {
    this.#settling.push({ task, outcome });
  }

  /** All needs are settled: the task is to be decided, ready, passes (a sync point) or is skipped. */
  resolve(task: PlanTask): void {
    const { index } = task;
    if (!this.#states.runs(task)) {
      this.pass(index, "skipped", whySkipped(this.#plan, task, this.#states.outcome));
    } else if (task.when === undefined) this.begin(task);
    else this.#commands.push({ type: "decide", task: index, iteration: this.#states.iteration[index]! });
  }

  /** The task may start: it is ready, or passes, or its items are counted. */
  begin({ index, run, each }: PlanTask): void {
    if (each !== undefined) return this.#expand(index);
    if (run !== undefined) return this.makeReady(index);
    this.#states.attempt[index] = 1;
    this.pass(index, "succeeded");
  }

  makeReady(task: number): void {
    this.#states.standing[task] = Standing.ready;
    this.#ready.put(task);
  }

  /** Once no item of a mapped task is at work, nor will be, asks for what they have come to. */
  gather(items: Items): void {
    if (!items.over || items.gathered) return;
    items.gathered = true;
    const { task } = items;
    const iteration = this.#states.iteration[task]!;
    const failed = this.#plan.tasks[task]!.each!.onItemFailure === "stop" && items.ended(isFailure) > 0;
    const left = items.never + items.ended((outcome) => outcome === "cancelled");
    const end = failed
      ? { outcome: "failed" as const }
      : left === 0
      ? { outcome: "succeeded" as const }
      : { outcome: "cancelled" as const, ...(this.stopped !== undefined && { because: this.stopped }) };
    this.#commands.push({ type: "gather", task, iteration, ...end });
  }

  /** Of a mapped task nothing more begins; what was handed out and has not begun is to be taken back. */
  close(items: Items): void {
    this.#ready.closeItems(items);
    if (items.out > 0) this.#commands.push({ type: "recall" });
  }

  /** Gives a task that will not start any more its final outcome: the one of its last attempt, or `skipped`. */
  leave(task: number, because: string): void {
    if (this.#states.attempt[task] === 0) return this.pass(task, "skipped", because);
    this.settle(task, this.#states.outcome[task]!);
    this.#states.standing[task] = Standing.settled;
  }

  /** Nothing new starts. Of several stops the first counts, but for one that says what the run is. */
  halt(stop: Stop): void {
    if (this.#ended || this.#stop?.state === "cancelled") return;
    if (this.#stop !== undefined && stop.state === undefined) return;
    const first = this.#stop === undefined;
    this.#stop = stop;
    if (!first) return;
    this.#commands.push({ type: "revoke", because: stop.because });
    this.#ready.end();
    for (const { index } of this.#plan.tasks) {
      const standing = this.#states.standing[index]!;
      if (standing !== Standing.dispatched && standing !== Standing.settled) this.leave(index, stop.because);
    }
    for (const items of this.#ready.items.all) {
      if (this.#states.standing[items.task] !== Standing.dispatched) continue;
      this.#ready.closeItems(items);
      this.gather(items);
    }
  }

  /** Settles what waits to be settled, and all that follows from it; then tells what there is to do. */
  finish(): Command[] {
    for (let at = 0; at < this.#settling.length; at++) {
      const { task, outcome } = this.#settling[at]!;
      this.#settleForGood(task, outcome);
    }
    if (this.#settling.length > 0) this.#settling = [];
    const asked = this.#ready.grant();
    if (asked.length > 0) this.#commands.push(...asked);
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
    const { first, to, on } = this.#edges.now;
    for (let at = first[task]!; at < first[task + 1]!; at++) this.#tell(to[at]!, satisfies(on[at]!, outcome));
    for (const loop of closes) {
      for (const { from, to, on } of this.#edges.exits[loop]!) {
        this.#tell(to, satisfies(on, this.#states.outcome[from]!));
      }
    }
    if (isFailure(outcome) && this.#edges.fatal[task] === 1) {
      this.halt({ because: whyStopped(this.#plan.tasks[task]!.name, outcome) });
    }
  }

  /** It stands as ready until it is known how many items there are. */
  #expand(task: number): void {
    this.#states.standing[task] = Standing.ready;
    this.#commands.push({ type: "expand", task, iteration: this.#states.iteration[task]! });
  }

  /** Starts the next iteration of a loop. All its tasks have settled, since they lead to the one it closes at. */
  #again(loop: number): void {
    const { body } = this.#plan.loops[loop]!;
    const inside = new Set(body);
    for (const task of body) this.#states.again(this.#plan.tasks[task]!, inside);
    this.#settled -= body.length;
    for (const task of body) {
      if (this.#states.pending[task] === 0) this.resolve(this.#plan.tasks[task]!);
    }
  }

  /** A need of a task has settled. */
  #tell(to: number, satisfied: boolean): void {
    const pending = --this.#states.pending[to]!;
    if (satisfied) this.#states.satisfied[to]!++;
    if (pending === 0 && this.#states.standing[to] === Standing.waiting) this.resolve(this.#plan.tasks[to]!);
  }

  /** A task ends without a worker. @param because Why, if it has not succeeded. */
  pass(task: number, outcome: "succeeded" | "skipped" | "failed", because?: string): void {
    this.#commands.push({
      type: "record",
      task,
      iteration: this.#states.iteration[task]!,
      attempt: this.#states.attempt[task]!,
      outcome,
      ...(because === undefined ? {} : { because }),
    });
    this.settle(task, outcome);
    this.#states.standing[task] = Standing.settled;
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
