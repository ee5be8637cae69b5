/**
 * Owns going on with a run that a journal holds: everything is brought to where it was, and what was in flight is lost.
 * Must not start anything.
 * Invariant: what had finished stays finished; what was in flight is recorded as `crashed` by `lost` before anything else.
 */
import type { Journal } from "../../journal/journal.ts";
import { attemptKeyOf, type StateEvent } from "../../model/record.ts";
import {
  anew,
  historyOf,
  NOTHING_ANEW,
  OtherPipelineError,
  type RecordedPast,
  type Remembered,
} from "./replay.ts";
import type { Plan } from "../../pipeline/plan/plan.ts";
import { type Command, Standing } from "../../schedule/command.ts";
import { replay } from "../../schedule/replay.ts";
import { isWorthTrying } from "../../schedule/worth.ts";
import type { Scheduler } from "../../schedule/schedule.ts";
import type { EventLog } from "../../store/events.ts";
import type { SharedStore } from "../../store/store.ts";
import type { RunFiles } from "../files/run_files.ts";
import type { Lists } from "../lists.ts";
import type { Values } from "../values.ts";

/** A run whose process has ended so many times in a row, without one more outcome, is given up. */
export const MAX_DEATHS = 3;

/** What is brought back. */
export interface Resumed {
  readonly plan: Plan;
  readonly journal: Journal;
  readonly store: SharedStore;
  readonly events: EventLog;
  readonly values: Values;
  readonly files: Pick<RunFiles, "forget">;
  readonly lists: Pick<Lists, "began" | "ended">;
}

/** Where a run goes on. */
export interface GoingOn {
  readonly schedule: Scheduler;
  /** What there is to do before anything else. */
  readonly commands: Command[];
  /** Attempts that were in flight. */
  readonly lost: number;
  /** Why the run is given up, if it is. */
  readonly givenUp: string | undefined;
}

/**
 * Brings a new schedule, store and event log to where the journal says that they were.
 *
 * @param options `hash` of the plan; `from`: the task to repeat, with what depends on it; `at`: the time now.
 * @throws {OtherPipelineError} If the journal holds a run of another plan.
 * @throws {UnknownTaskError} If there is no task `from`.
 * @throws {ReplayError} If the journal can't be that of a run of this plan.
 */
export function goOn(
  parts: Resumed,
  past: RecordedPast,
  { hash, from, at }: { readonly hash: string; readonly from: string | undefined; readonly at: number },
): GoingOn {
  const { plan, journal } = parts;
  if (past.plan !== hash) {
    throw new OtherPipelineError(
      `The journal holds run ${past.run} of another pipeline, or of another version of ${plan.name}: use another state directory, or remove what is in this one`,
    );
  }
  const { again, missing } = from === undefined ? NOTHING_ANEW : anew(plan, past, from);
  restore(parts, past, again);
  parts.files.forget(again, missing);
  const history = historyOf(past, plan, { again, missing });
  const { schedule, commands: todo, inFlight } = replay(plan, history.map(({ told }) => told));
  restoreItems(parts, schedule, history);
  journal.append({
    type: "run.resumed",
    lost: inFlight.length,
    ...(from === undefined ? {} : { again: [...again] }),
    ...(missing.size === 0 ? {} : { missing: [...missing] }),
  }, at);
  const commands = [...todo];
  const deaths = past.ended === undefined ? past.deaths : 0;
  const givenUp = deaths >= MAX_DEATHS
    ? `its process has ended ${deaths} times in a row without one more outcome`
    : undefined;
  for (const task of inFlight) {
    commands.push(...lose(parts, schedule, { number: task, at, final: givenUp !== undefined }));
  }
  if (givenUp !== undefined) commands.push(...schedule.giveUp(givenUp));
  return { schedule, commands, lost: inFlight.length, givenUp };
}

function restore(
  { plan, store, events, values }: Resumed,
  { records }: RecordedPast,
  again: ReadonlySet<string>,
): void {
  const index = new Map(plan.tasks.map((task) => [task.name, task.index]));
  for (const record of records) {
    if (record.type !== "attempt.settled" || again.has(record.task) || record.item !== undefined) continue;
    const task = index.get(record.task);
    if (task !== undefined) values.settle(task, record.value);
  }
  store.restore(records.filter((record) => record.type === "store.changed"));
  events.restore(records.filter((record) => record.type === "event.emitted"));
}

/** Brings back what the items of those mapped tasks have come to that are at work. */
function restoreItems({ values, lists }: Resumed, schedule: Scheduler, history: readonly Remembered[]): void {
  for (const { told, record } of history) {
    if ("stopped" in told || schedule.standing(told.task) !== Standing.dispatched) continue;
    if (schedule.iteration(told.task) !== told.iteration) continue;
    if (told.count !== undefined) lists.began(told.task, record.at);
    if (told.item === undefined || record.type !== "attempt.settled") continue;
    const number = schedule.numberOf(told.task, told.item)!;
    values.settle(number, record.value);
    lists.ended(number, record);
  }
}

/** Settles an attempt that was in flight when the process before ended. */
function lose(
  { plan, journal, lists }: Resumed,
  schedule: Scheduler,
  { number, at, final }: { readonly number: number; readonly at: number; readonly final: boolean },
): Command[] {
  const { name, onLost, retry } = plan.tasks[schedule.taskOf(number)]!;
  const item = schedule.itemOf(number);
  const rerun = !final && onLost === "rerun";
  const settled: StateEvent = {
    type: "attempt.settled",
    ...attemptKeyOf({
      task: name,
      iteration: schedule.iteration(number),
      attempt: schedule.attempt(number),
      item,
    }),
    outcome: "crashed",
    reason: "lost",
    because: "the process that ran it ended",
    ...(rerun ? { rerun: true } : {}),
  };
  journal.append(settled, at);
  if (item !== undefined) lists.ended(number, settled);
  return rerun ? schedule.rerun(number) : schedule.settle(number, "crashed", isWorthTrying(retry, settled));
}
