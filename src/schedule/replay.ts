/**
 * Owns the way from a journal back to a schedule.
 * Must not know how a journal keeps its records.
 * Invariant: the schedule goes on as if it had never been interrupted, but for attempts of which nobody knows how they ended.
 *
 * A journal holds no record of an attempt that was given back, so one that was dispatched and has not settled may be running,
 * may be waiting again, or may have been skipped since. What comes later in the journal tells; at its end such an attempt
 * counts as in flight if its needs allow that it had begun.
 *
 * Whether a condition was so is told by what became of its task: what was dispatched, or passed, was to run. Only where a
 * journal ends before that is it asked again. What failed without an attempt has a condition that nobody can decide.
 */
import type { Plan } from "../pipeline/plan/plan.ts";
import { type Command, type Replayed, Standing } from "./command.ts";
import type { Scheduler } from "./schedule.ts";
import { schedulerOf } from "./scheduler.ts";

/** The lane on which replayed attempts stand. Lanes that take attempts must have other numbers. */
export const REPLAYED_LANE = -2;

/** What a journal comes to. */
export interface Replay {
  readonly schedule: Scheduler;
  /** What was asked for and is not in the journal: to be carried out before anything else. */
  readonly commands: Command[];
  /**
   * Tasks whose attempt was in flight. Each is still dispatched: call `settle` if the attempt counts as any other (as
   * crashed, say), `rerun` if another one is to follow in any case, or `giveBack` if it is to be as if it had not begun.
   */
  readonly inFlight: number[];
}

/** A journal that does not belong to the plan, or is not whole. */
export class ReplayError extends Error {
  readonly code = "OUTRIDER_REPLAY";
  override name = "ReplayError";
}

/**
 * A schedule at the point where a journal ends.
 *
 * @param records In the order in which they happened; any beginning of a journal will do. Outcomes of skipped tasks and sync
 * points follow from the others: they only tell what has been recorded, and are passed over where nothing leads to them.
 * @throws {ReplayError} If a record can't have happened in a run of this plan.
 */
export function replay(plan: Plan, records: Iterable<Replayed>): Replay {
  const schedule = schedulerOf(plan);
  const fold = new Fold(plan, schedule);
  for (const record of records) fold.add(record);
  return { schedule, ...fold.end() };
}

type MapCommand = Extract<Command, { type: "expand" | "gather" }>;
type RecordCommand = Extract<Command, { type: "record" }>;
type AttemptRecord = Exclude<Replayed, { stopped: string }>;

class Fold {
  readonly #plan: Plan;
  readonly #schedule: Scheduler;
  /** Outcomes that the schedule asked to record and that have not come up in the journal yet. */
  readonly #expected: Map<string, RecordCommand> = new Map();
  /** What the schedule asked to count or to gather of a mapped task, by task. */
  readonly #asked: Map<number, MapCommand> = new Map();
  /** Delays that the schedule asked for, by task; stale ones are sorted out at the end. */
  readonly #delays: Map<number, Command> = new Map();
  /** Conditions that it asked for, by task; likewise. */
  readonly #undecided: Map<number, Extract<Command, { type: "decide" }>> = new Map();
  #end: Command | undefined;

  constructor(plan: Plan, schedule: Scheduler) {
    this.#plan = plan;
    this.#schedule = schedule;
    // Who has what is what the journal says; what is free is handed out when that is known.
    schedule.pause(true);
    this.#expect(schedule.start());
  }

  add(record: Replayed): void {
    if ("stopped" in record) return this.#expect(this.#schedule.stop(record.stopped));
    const planned = this.#plan.tasks[record.task];
    if (planned === undefined) throw new ReplayError(`The pipeline has no task ${record.task}`);
    const { outcome, rerun = false, worth } = record;
    if (planned.each !== undefined && record.item === undefined) return this.#mapped(record);
    if (outcome === undefined) return void this.#dispatched(record);
    const passed = planned.run === undefined;
    // What was an attempt and skipped itself was dispatched like any other.
    if (passed || record.attempt === 0) return this.#recorded(record);
    const number = this.#dispatched(record);
    if (!this.#schedule.mayRun(number)) throw this.#impossible(record);
    this.#expect(rerun ? this.#schedule.rerun(number) : this.#schedule.settle(number, outcome, worth));
  }

  /** A mapped task as a whole: how many items it has, or what it came to. */
  #mapped(record: AttemptRecord): void {
    const { task, iteration, count, outcome } = record;
    const passed = outcome === "skipped" || outcome === "failed" && record.attempt === 0;
    if (passed && this.#schedule.standing(task) !== Standing.dispatched) return this.#recorded(record);
    if (this.#schedule.isUndecided(task)) this.#expect(this.#schedule.decided(task, undefined));
    // What was handed out of it and had not begun was taken back before its end.
    if (outcome !== undefined) {
      for (const item of this.#schedule.dispatched(task)) this.#expect(this.#schedule.giveBack(item));
    }
    const asked = this.#asked.get(task);
    if (
      asked?.iteration !== iteration || (asked.type === "gather" ? outcome : count ?? outcome) === undefined
    ) {
      throw this.#impossible(record);
    }
    this.#asked.delete(task);
    this.#expect(
      outcome === undefined ? this.#schedule.expand(task, count!) : this.#schedule.settle(task, outcome),
    );
  }

  end(): Omit<Replay, "schedule"> {
    const inFlight: number[] = [];
    // Backwards, since what stands behind another in a line comes later in the plan.
    for (const { index } of this.#plan.tasks.toReversed()) {
      for (const number of this.#schedule.dispatched(index).reverse()) {
        if (this.#schedule.mayRun(number)) inFlight.push(number);
        else this.#expect(this.#schedule.giveBack(number));
      }
    }
    this.#schedule.requeue();
    const undecided = [...this.#undecided.values()].filter(({ task }) => this.#schedule.isUndecided(task));
    const delays = [...this.#delays].filter(([task]) => this.#schedule.standing(task) === Standing.retrying);
    const asked = [...this.#asked.values()].filter(({ task, type }) =>
      this.#schedule.standing(task) === (type === "expand" ? Standing.ready : Standing.dispatched)
    );
    return {
      inFlight: inFlight.reverse(),
      commands: [
        ...this.#expected.values(),
        ...undecided,
        ...asked,
        ...delays.map(([, delay]) => delay),
        ...(this.#end === undefined ? [] : [this.#end]),
        ...this.#schedule.pause(false),
      ],
    };
  }

  /** The number of what was dispatched. */
  #dispatched(record: AttemptRecord): number {
    const { task, item } = record;
    const number = item === undefined ? task : this.#schedule.numberOf(task, item);
    if (number === undefined || this.#schedule.iteration(task) !== record.iteration) {
      throw this.#impossible(record);
    }
    this.#schedule.redispatch(number, REPLAYED_LANE);
    const agrees = this.#schedule.standing(number) === Standing.dispatched &&
      this.#schedule.attempt(number) === record.attempt;
    if (!agrees) throw this.#impossible(record);
    return number;
  }

  /** A skipped task or a sync point: the schedule knows it by now, unless the attempt was given back before. */
  #recorded(record: AttemptRecord): void {
    const { task } = record;
    if (!this.#expected.has(keyOf(record)) && this.#schedule.standing(task) === Standing.dispatched) {
      this.#expect(this.#schedule.giveBack(task));
    }
    if (this.#schedule.isUndecided(task)) {
      const { outcome, because = "" } = record;
      const isNot = outcome === "skipped" || outcome === "failed";
      this.#expect(
        isNot ? this.#schedule.decided(task, because, outcome) : this.#schedule.decided(task, undefined),
      );
    }
    this.#expected.delete(keyOf(record));
  }

  #expect(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "record") this.#expected.set(keyOf(command), command);
      else if (command.type === "decide") this.#undecided.set(command.task, command);
      else if (command.type === "delay") this.#delays.set(command.task, command);
      else if (command.type === "expand" || command.type === "gather") this.#asked.set(command.task, command);
      else if (command.type === "end") this.#end = command;
    }
  }

  #impossible({ task, iteration, attempt, item, outcome }: AttemptRecord): ReplayError {
    const { name } = this.#plan.tasks[task]!;
    const whose = item === undefined ? name : `item ${item} of ${name}`;
    return new ReplayError(
      `The journal does not belong to this pipeline: it says that attempt ${attempt} of ${whose} in iteration ${iteration} ` +
        `${outcome === undefined ? "started" : `ended as ${outcome}`} when it can't have. Begin a new run`,
    );
  }
}

function keyOf({ task, iteration, attempt }: Exclude<AttemptRecord, "outcome">): string {
  return `${task} ${iteration} ${attempt}`;
}
