/**
 * Owns what the state records of a run that was begun tell of it as a whole.
 * Must not know who asks, nor go on with it.
 * Invariant: it reads each record once, in order, and keeps none.
 */
import type { RunState } from "./outcome.ts";
import { type StateRecord, type StateRecords, statesOf } from "./record.ts";

/** A run as its records have it. */
export interface Past {
  readonly run: string;
  /** Hash of its plan. */
  readonly plan: string;
  readonly startedAt: number;
  /** The due time that it is for, if it is for one. */
  readonly scheduledFor?: number;
  /** How it ended, if it did and nothing has begun it again since. */
  readonly ended: RunState | undefined;
  /** How many times in a row, up to now, its process has ended without one more outcome. */
  readonly deaths: number;
}

/** The run that records tell of; `undefined` if they tell of none. @param each Is shown every record. */
export function pastOf(records: StateRecords, each: (record: StateRecord) => void): Past | undefined {
  let first: StateRecord & { readonly type: "run.started" } | undefined;
  let ended: RunState | undefined;
  let deaths = 1;
  for (const record of statesOf(records)) {
    each(record);
    if (record.type === "run.started") first ??= record;
    else if (record.type === "run.ended") ended = record.state;
    else if (record.type === "run.resumed") {
      ended = undefined;
      deaths++;
    } else if (record.type === "attempt.settled" && record.reason !== "lost") deaths = 1;
  }
  if (first === undefined) return undefined;
  const { run, plan, at: startedAt, scheduledFor } = first;
  return { run, plan, startedAt, ended, deaths, ...(scheduledFor !== undefined && { scheduledFor }) };
}
