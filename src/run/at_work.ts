/**
 * Owns a run between its first task and its last: it carries what the schedule says to the pool and the journal, and what
 * the pool tells to the journal and the schedule.
 * Must not decide what runs next (schedule/) nor where (pool/); it knows neither how the run began nor who looks at it.
 * Invariant: what happened is in the journal before anything follows from it, and what the schedule asks for is done in
 * that order, one after the other.
 */
import type { Clock } from "../base/clock.ts";
import type { RunState } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { type LaneItem, type LaneOutcome, stampsOf } from "../pool/attempt.ts";
import type { Pool } from "../pool/pool.ts";
import type { Supply } from "../pool/port.ts";
import { type Command, Standing } from "../schedule/command.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import { isWorthTrying } from "../schedule/worth.ts";
import { whyNot } from "./conditions.ts";
import { supplyOf } from "./feed.ts";
import type { Lender } from "./device/lender.ts";
import { Inbox } from "./inbox.ts";
import type { Lists } from "./lists.ts";
import type { MappedEnd, Recorder } from "./recorder.ts";
import type { Timers } from "./timers.ts";
import type { Values } from "./values.ts";

/** What a run at work is made of. */
export interface WorkParts {
  readonly plan: Plan;
  readonly schedule: Scheduler;
  readonly values: Values;
  readonly lists: Lists;
  readonly recorder: Recorder;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly pool: Pick<Pool, "feed" | "haltAll" | "cancelAll" | "takeBack">;
  readonly lender: Pick<Lender, "borrow" | "giveBack">;
}

type Delay = Extract<Command, { type: "delay" }>;

/** A run that is going on. */
export class AtWork {
  readonly schedule: Scheduler;
  /** Why tasks were skipped, by task. */
  readonly because: Map<number, string> = new Map();
  readonly #parts: WorkParts;
  readonly #ended: PromiseWithResolvers<RunState> = Promise.withResolvers();
  readonly #inbox: Inbox<Command> = new Inbox((command) => this.#obey(command));
  #stopping = false;

  constructor(parts: WorkParts) {
    this.schedule = parts.schedule;
    this.#parts = parts;
  }

  /** Whether it was asked to stop. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Resolves when every task has its last outcome. */
  get ended(): Promise<RunState> {
    return this.#ended.promise;
  }

  /** What the pool asks for. @param sourceOf By task: the place among the run's sources that its function comes from. */
  supply(sourceOf: Int32Array): Supply {
    const { plan, schedule, values, lists, recorder } = this.#parts;
    return supplyOf({
      plan,
      schedule,
      values,
      lists,
      dispatched: (lane, dispatch) => recorder.dispatched(lane, dispatch),
      commit: () => recorder.commit(),
      obey: (commands) => this.obey(commands),
    }, sourceOf);
  }

  /** Does what the schedule asks for. */
  obey(commands: readonly Command[]): void {
    this.#inbox.take(commands);
  }

  /** An attempt has ended on a worker. */
  settled(worker: number, item: LaneItem, settled: LaneOutcome): void {
    const task = this.schedule.taskOf(item.task);
    const { skipOn } = this.#parts.plan.tasks[task]!;
    if (skipOn !== undefined && settled.code !== undefined && skipOn.includes(settled.code)) {
      return this.settled(worker, item, skippedBy(settled));
    }
    const { outcome, value } = settled;
    const { plan, values, lists, recorder } = this.#parts;
    const worth = isWorthTrying(plan.tasks[task]!.retry, settled);
    values.settle(item.task, value);
    if (task !== item.task) lists.ended(item.task, settled);
    else if (outcome === "skipped") this.because.set(task, settled.because!);
    recorder.settled(worker, item, settled);
    this.obey(this.schedule.settle(item.task, outcome, worth));
  }

  /** The value of a task's attempt in this iteration, if it is the present one. Whoever asks may ask for anything. */
  value(task: number, iteration: number): string | undefined {
    const { plan, values } = this.#parts;
    if (plan.tasks[task] === undefined) return undefined;
    return this.schedule.iteration(task) === iteration ? values.of(task) : undefined;
  }

  /** Starts nothing new; what runs is cancelled when the grace is over. Only the first call does anything. */
  stop(because: string, graceMs: number): void {
    if (this.#stopping || this.schedule.ended) return;
    this.#stopping = true;
    this.#parts.recorder.stopping(because);
    this.obey(this.schedule.stop(because));
    this.#parts.timers.after(
      graceMs,
      () => this.#parts.pool.cancelAll(`${because}, and its time to end was over`),
    );
    this.#parts.pool.feed();
  }

  /** While it is on, no task is given what it uses, and none keeps what it does not yet use. */
  pause(on: boolean): void {
    this.obey(this.schedule.pause(on));
  }

  /** The device has lent a task all that it uses of it. */
  lent(task: number): void {
    this.obey(this.schedule.lent(task));
    this.#parts.pool.feed();
  }

  #obey(command: Command): void {
    switch (command.type) {
      case "record":
        this.#parts.values.settle(command.task, undefined);
        if (command.outcome === "skipped") this.because.set(command.task, command.because!);
        this.#parts.recorder.passed(command);
        break;
      case "expand":
        this.#expand(command);
        break;
      case "gather":
        this.#gather(command);
        break;
      case "recall":
        this.#parts.pool.takeBack();
        break;
      case "decide":
        this.#decide(command.task);
        break;
      case "delay":
        this.#retry(command);
        break;
      case "revoke":
        this.#parts.pool.haltAll();
        break;
      case "borrow":
        this.#parts.lender.borrow(command.task);
        break;
      case "return":
        this.#parts.lender.giveBack(command.task);
        break;
      case "end":
        this.#ended.resolve(command.state);
    }
  }

  #decide(task: number): void {
    const { plan, values } = this.#parts;
    const not = whyNot(task, plan, values);
    this.obey(this.schedule.decided(task, not?.because, not?.outcome));
  }

  /** Counts the items of a mapped task; without a list it has failed. */
  #expand({ task, iteration }: Extract<Command, { type: "expand" }>): void {
    const { plan, lists, recorder } = this.#parts;
    // The run may have been stopped since it was asked for.
    if (this.schedule.standing(task) !== Standing.ready || this.schedule.iteration(task) !== iteration) {
      return;
    }
    const count = lists.count(task, iteration, this.schedule.outcome(plan.tasks[task]!.each!.task)!);
    if (typeof count === "number") {
      recorder.expanded(task, iteration, count);
      return this.obey(this.schedule.expand(task, count));
    }
    this.#end({ task, iteration, outcome: "failed", error: count });
  }

  /** Makes the value of a mapped task of those of its items. */
  #gather({ task, iteration, outcome, because }: Extract<Command, { type: "gather" }>): void {
    const { count, counts } = this.schedule.items(task)!;
    const first = this.schedule.numberOf(task, 0) ?? 0;
    const gathered = this.#parts.lists.gather(task, { first, count, counts, outcome });
    this.#end({
      task,
      iteration,
      outcome: outcome === "succeeded" && "error" in gathered ? "failed" : outcome,
      ...gathered,
      ...(because !== undefined && { because }),
      items: counts,
    });
  }

  #end(end: Omit<MappedEnd, "startedAt" | "endedAt">): void {
    const { lists, recorder, values, clock } = this.#parts;
    const { task, outcome, value } = end;
    recorder.gathered({ ...end, ...stampsOf(clock, lists.since(task)) });
    lists.letGo(task);
    values.settle(task, value);
    this.obey(this.schedule.settle(task, outcome));
  }

  #retry(delay: Delay): void {
    const { plan, timers, recorder } = this.#parts;
    const { retry } = plan.tasks[this.schedule.taskOf(delay.task)]!;
    const waitMs = timers.afterRetry(retry, delay, (due) => this.#tryAgain(due));
    recorder.planned(delay, waitMs);
  }

  /** Of a mapped task that ended meanwhile, and began anew, the numbers may be those of other attempts by now. */
  #tryAgain(due: readonly Delay[]): void {
    const { schedule } = this;
    for (const { task, iteration, attempt } of due) {
      if (schedule.iteration(task) !== iteration || schedule.attempt(task) !== attempt) continue;
      this.obey(schedule.due(task));
    }
    this.#parts.pool.feed();
  }
}

/** What becomes of an attempt whose program has ended with a code that means so. */
function skippedBy({ error, startedAt, endedAt }: LaneOutcome): LaneOutcome {
  return { outcome: "skipped", because: error!.message, startedAt, endedAt };
}
