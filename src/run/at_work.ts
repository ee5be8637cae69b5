/**
 * Owns a run between its first task and its last: it carries what the schedule says to the pool and the journal, and what
 * the pool tells to the journal and the schedule.
 * Must not decide what runs next (schedule/) nor where (pool/); it knows neither how the run began nor who looks at it.
 * Invariant: what happened is in the journal before anything follows from it, and what the schedule asks for is done in
 * that order, one after the other.
 */
import type { RunState } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { LaneItem, LaneOutcome } from "../pool/attempt.ts";
import type { Pool } from "../pool/pool.ts";
import type { Supply } from "../pool/port.ts";
import type { Command } from "../schedule/command.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import { isWorthTrying } from "../schedule/worth.ts";
import { whyNot } from "./conditions.ts";
import { supplyOf } from "./feed.ts";
import type { Lender } from "./device/lender.ts";
import { Inbox } from "./inbox.ts";
import type { Recorder } from "./recorder.ts";
import type { Timers } from "./timers.ts";
import type { Values } from "./values.ts";

/** What a run at work is made of. */
export interface WorkParts {
  readonly plan: Plan;
  readonly schedule: Scheduler;
  readonly values: Values;
  readonly recorder: Recorder;
  readonly timers: Timers;
  readonly pool: Pick<Pool, "feed" | "haltAll" | "cancelAll">;
  readonly lender: Pick<Lender, "borrow" | "giveBack">;
}

/** A run that is going on. */
export class AtWork {
  readonly schedule: Scheduler;
  /** Why tasks were skipped, by task. */
  readonly because: Map<number, string> = new Map();
  readonly #plan: Plan;
  readonly #values: Values;
  readonly #recorder: Recorder;
  readonly #timers: Timers;
  readonly #pool: WorkParts["pool"];
  readonly #ended: PromiseWithResolvers<RunState> = Promise.withResolvers();
  readonly #inbox: Inbox<Command>;
  #stopping = false;

  constructor({ plan, schedule, values, recorder, timers, pool, lender }: WorkParts) {
    this.schedule = schedule;
    this.#plan = plan;
    this.#values = values;
    this.#recorder = recorder;
    this.#timers = timers;
    this.#pool = pool;
    this.#inbox = new Inbox((command) => this.#obey(command, lender));
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
    return supplyOf({
      plan: this.#plan,
      schedule: this.schedule,
      values: this.#values,
      dispatched: (lane, dispatch) => this.#recorder.dispatched(lane, dispatch),
      commit: () => this.#recorder.commit(),
      obey: (commands) => this.obey(commands),
    }, sourceOf);
  }

  /** Does what the schedule asks for. */
  obey(commands: readonly Command[]): void {
    this.#inbox.take(commands);
  }

  /** An attempt has ended on a worker. */
  settled(worker: number, item: LaneItem, settled: LaneOutcome): void {
    const { skipOn } = this.#plan.tasks[item.task]!;
    if (skipOn !== undefined && settled.code !== undefined && skipOn.includes(settled.code)) {
      return this.settled(worker, item, skippedBy(settled));
    }
    const { outcome, value } = settled;
    if (outcome === "skipped") this.because.set(item.task, settled.because!);
    const worth = isWorthTrying(this.#plan.tasks[item.task]!.retry, settled);
    this.#values.settle(item.task, value);
    this.#recorder.settled(worker, item, settled);
    this.obey(this.schedule.settle(item.task, outcome, worth));
  }

  /** The value of a task's attempt in this iteration, if it is the present one. */
  value(task: number, iteration: number): string | undefined {
    return this.schedule.iteration(task) === iteration ? this.#values.of(task) : undefined;
  }

  /** Starts nothing new; what runs is cancelled when the grace is over. Only the first call does anything. */
  stop(because: string, graceMs: number): void {
    if (this.#stopping || this.schedule.ended) return;
    this.#stopping = true;
    this.#recorder.stopping(because);
    this.obey(this.schedule.stop(because));
    this.#timers.after(graceMs, () => this.#pool.cancelAll(`${because}, and its time to end was over`));
    this.#pool.feed();
  }

  /** While it is on, no task is given what it uses, and none keeps what it does not yet use. */
  pause(on: boolean): void {
    this.obey(this.schedule.pause(on));
  }

  /** The device has lent a task all that it uses of it. */
  lent(task: number): void {
    this.obey(this.schedule.lent(task));
    this.#pool.feed();
  }

  #obey(command: Command, lender: WorkParts["lender"]): void {
    switch (command.type) {
      case "record":
        this.#values.settle(command.task, undefined);
        if (command.because !== undefined) this.because.set(command.task, command.because);
        this.#recorder.passed(command);
        break;
      case "decide":
        this.obey(this.schedule.decided(command.task, whyNot(command.task, this.#plan, this.#values)));
        break;
      case "delay":
        this.#retry(command);
        break;
      case "revoke":
        this.#pool.haltAll();
        break;
      case "borrow":
        lender.borrow(command.task);
        break;
      case "return":
        lender.giveBack(command.task);
        break;
      case "end":
        this.#ended.resolve(command.state);
    }
  }

  #retry(delay: Extract<Command, { type: "delay" }>): void {
    const { task, attempt } = delay;
    const waitMs = this.#timers.afterRetry(this.#plan.tasks[task]!.retry, attempt, () => {
      this.obey(this.schedule.due(task));
      this.#pool.feed();
    });
    this.#recorder.planned(delay, waitMs);
  }
}

/** What becomes of an attempt whose program has ended with a code that means so. */
function skippedBy({ error, startedAt, endedAt }: LaneOutcome): LaneOutcome {
  return { outcome: "skipped", because: error!.message, startedAt, endedAt };
}
