/**
 * Owns how what a run does is written into its journal: tasks by their names, each record with its time.
 * Must not know why anything happens, nor what follows from it.
 * Invariant: it writes at once, so that what happened is in the journal before anything follows from it.
 */
import type { Clock } from "../base/clock.ts";
import { isPlainEnd, type StateEvent } from "../model/record.ts";
import type { Journal } from "../journal/journal.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { LaneItem, LaneOutcome } from "../pool/attempt.ts";
import type { Command, Dispatch } from "../schedule/command.ts";
import type { ErrorData, ItemCounts, Outcome } from "../model/outcome.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import { ScarceWaits } from "./scarce_waits.ts";

/** What is written, and where. */
export interface RecorderParts {
  readonly plan: Plan;
  readonly journal: Journal;
  readonly clock: Clock;
  /** Says whose item a number is. */
  readonly schedule: Pick<Scheduler, "taskOf" | "itemOf">;
}

/** What a mapped task came to as a whole. */
export interface MappedEnd {
  readonly task: number;
  readonly iteration: number;
  readonly outcome: Outcome;
  readonly value?: string;
  readonly error?: ErrorData;
  readonly because?: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly items?: ItemCounts;
}

/** Writes the records of one run at work. */
export class Recorder {
  readonly #plan: Plan;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #schedule: RecorderParts["schedule"];
  /** Few pipelines have tasks that wait for what is scarce. */
  readonly #waits: ScarceWaits | undefined;

  constructor({ plan, journal, clock, schedule }: RecorderParts) {
    this.#waits = ScarceWaits.of(plan, clock);
    this.#plan = plan;
    this.#journal = journal;
    this.#clock = clock;
    this.#schedule = schedule;
  }

  /** An attempt is about to be offered to a worker. */
  dispatched(worker: number, { task: number, iteration, attempt }: Dispatch): void {
    const [task, item] = [this.#name(number), this.#schedule.itemOf(number)];
    // For most nothing is made but this.
    const event: StateEvent = item === undefined
      ? { type: "attempt.dispatched", task, iteration, attempt, worker }
      : { type: "attempt.dispatched", task, iteration, attempt, item, worker };
    const waitedMs = this.#waits?.until({ number, task: this.#schedule.taskOf(number), attempt });
    this.#journal.append(waitedMs === undefined ? event : { ...event, waitedMs }, this.#clock.now());
  }

  /** A mapped task has so many items, and they begin. */
  expanded(task: number, iteration: number, count: number): void {
    this.#waits?.expanded(task);
    this.#journal.append(
      { type: "attempt.dispatched", task: this.#name(task), iteration, attempt: 1, worker: 0, count },
      this.#clock.now(),
    );
  }

  /** A mapped task has come to its end. */
  gathered({ task, ...end }: MappedEnd): void {
    this.#waits?.ended(task);
    this.#journal.append(
      { type: "attempt.settled", task: this.#name(task), attempt: 1, ...end },
      end.endedAt,
    );
  }

  /** The attempts of which `dispatched` told are about to become visible to a worker. */
  commit(): void {
    this.#journal.commit?.();
  }

  /** An attempt has ended on a worker. */
  settled(worker: number, { task: number, iteration, attempt }: LaneItem, settled: LaneOutcome): void {
    const [task, item] = [this.#name(number), this.#schedule.itemOf(number)];
    if (item === undefined) this.#waits?.ended(number);
    const { outcome, value, startedAt, endedAt } = settled;
    const key = { type: "attempt.settled", task, iteration, attempt } as const;
    // Most come to no more than this, and to spread it takes longer than all the rest.
    const event: StateEvent = item !== undefined
      ? { ...key, item, worker, ...settled }
      : !isPlainEnd(settled)
      ? { ...key, worker, ...settled }
      : value === undefined
      ? { type: key.type, task, iteration, attempt, worker, outcome, startedAt, endedAt }
      : { type: key.type, task, iteration, attempt, worker, outcome, value, startedAt, endedAt };
    this.#journal.append(event, endedAt);
  }

  /** A task has ended that needed no worker. */
  passed({ task: number, iteration, attempt, outcome, because }: Extract<Command, { type: "record" }>): void {
    const at = this.#clock.now();
    this.#waits?.ended(number);
    const why = because === undefined
      ? {}
      : outcome === "failed"
      ? { error: { name: "ConditionError", message: because } }
      : { because };
    this.#journal.append({
      type: "attempt.settled",
      task: this.#name(number),
      iteration,
      attempt,
      outcome,
      ...why,
      ...(outcome !== "skipped" && { startedAt: at, endedAt: at }),
    }, at);
  }

  /** Another attempt follows. @param waitMs How long after now. */
  planned({ task, iteration, attempt }: Extract<Command, { type: "delay" }>, waitMs: number): void {
    const at = this.#clock.now();
    this.#waits?.planned(task, waitMs);
    this.#journal.append(
      {
        type: "attempt.planned",
        task: this.#name(task),
        iteration,
        attempt: attempt + 1,
        ...this.#item(task),
        dueAt: at + waitMs,
      },
      at,
    );
  }

  /** The run was asked to stop. */
  stopping(because: string): void {
    const at = this.#clock.now();
    const text = `Stopping: ${because}. Nothing new starts; running tasks may end`;
    this.#journal.log({ at, level: "info", from: "executor", stream: "log", text });
    this.#journal.append({ type: "run.stopping", because, state: "cancelled" }, at);
  }

  #name(number: number): string {
    return this.#plan.tasks[this.#schedule.taskOf(number)]!.name;
  }

  #item(number: number): { readonly item?: number } {
    const item = this.#schedule.itemOf(number);
    return item === undefined ? NO_ITEM : { item };
  }
}

const NO_ITEM: { readonly item?: number } = {};
