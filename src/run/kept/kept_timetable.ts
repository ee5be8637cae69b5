/**
 * Owns what outlives a process of the timetable that an agent keeps to, as `agent.json` has it.
 * Must not know when anything is due.
 * Invariant: what a file says is read whole, or counts for nothing: a run too many is worse than one too few.
 */
import type { PlanSchedule } from "../../pipeline/plan/plan.ts";

/** Where a timetable stands. Times are milliseconds since the epoch. */
export interface TimetablePlace {
  /** The last due time that was decided about; at first, when the timetable was taken. */
  readonly at: number;
  /** Due times that were run, the newest last; each stands for the day before it. */
  readonly ran: readonly number[];
}

/** A timetable as it is kept. */
export interface KeptTimetable extends TimetablePlace {
  /** Names the hand-out; absent: the pipeline is a file's. */
  readonly tag?: string;
  /** The name of the pipeline. */
  readonly pipeline: string;
  readonly schedule: PlanSchedule;
  /** What spreads devices that have no id. */
  readonly seed: string;
}

/** The timetable that a file says; `undefined` if it says none. */
export function keptTimetableOf(found: unknown): KeptTimetable | undefined {
  if (!isObject(found)) return undefined;
  const { tag, pipeline, schedule, seed, at, ran } = found;
  if (tag !== undefined && typeof tag !== "string") return undefined;
  if (typeof pipeline !== "string" || typeof seed !== "string" || !isTime(at)) return undefined;
  if (!Array.isArray(ran) || !ran.every(isTime) || !isSchedule(schedule)) return undefined;
  return { ...(tag !== undefined && { tag }), pipeline, schedule, seed, at, ran };
}

function isSchedule(value: unknown): value is PlanSchedule {
  if (!isObject(value)) return false;
  const { cron, timezone, jitterMs, overlap, missed } = value;
  return typeof cron === "string" && typeof timezone === "string" && isTime(jitterMs) &&
    (overlap === "skip" || overlap === "queue") && (missed === "skip" || missed === "once");
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
