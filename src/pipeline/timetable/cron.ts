/**
 * Owns what a cron expression means: which moments are due, by croner, which is asked for the next one and for nothing else.
 * Must not know what time it is, nor what is run. Loaded only where a pipeline has a timetable.
 * Invariant: the next due time is after the moment it is asked for, whatever the clocks of the time zone do.
 */
import { Cron } from "croner";
import { messageOf } from "../../base/message.ts";
import { type Problem, show } from "../../model/problem.ts";
import { isRecord } from "../document/manifest.ts";
import type { PlanSchedule } from "../plan/plan.ts";

/** The due times of a timetable. */
export interface DueTimes {
  /** The first after a moment, milliseconds since the epoch; `undefined` if there is none. */
  next(after: number): number | undefined;
}

/** Fields, and words that stand for some. What croner takes beside them is a date, which is due once. */
const FIELDS = /^\s*(?:@\w+|\S+(?:\s+\S+){4,5})\s*$/;

/** @throws If the expression or the time zone makes no sense. */
export function dueTimes({ cron, timezone }: Pick<PlanSchedule, "cron" | "timezone">): DueTimes {
  const times = new Cron(cron, { timezone, mode: "5-or-6-parts", paused: true });
  return { next: (after) => times.nextRun(new Date(after))?.getTime() };
}

/** The first due times after a moment, at most so many. */
export function nextTimes(times: DueTimes, after: number, count: number): number[] {
  const found: number[] = [];
  for (let at = times.next(after); at !== undefined && found.length < count; at = times.next(at)) {
    found.push(at);
  }
  return found;
}

/** What is wrong with the schedule of a document; what its shape has wrong is told elsewhere. */
export function scheduleProblems(document: unknown): Problem[] {
  const schedule = isRecord(document) ? document["schedule"] : undefined;
  if (!isRecord(schedule)) return [];
  const { cron, timezone = "UTC" } = schedule;
  const problems: Problem[] = [];
  const message = typeof cron === "string" && cron !== "" ? cronProblem(cron) : undefined;
  if (message !== undefined) problems.push({ place: "schedule.cron", message });
  if (typeof timezone === "string" && !isZone(timezone)) {
    const message = `There is no time zone ${
      show(timezone)
    } on this device: write one such as "Europe/Berlin", or "UTC"`;
    problems.push({ place: "schedule.timezone", message });
  }
  return problems;
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const HOW =
  'write five fields (minute, hour, day of the month, month, day of the week), such as "0 * * * *" for every hour';

function cronProblem(cron: string): string | undefined {
  if (!FIELDS.test(cron)) return `${show(cron)} is no cron expression: ${HOW}`;
  try {
    // From a moment of no importance: what is due at all is due within some years of any.
    if (dueTimes({ cron, timezone: "UTC" }).next(0) !== undefined) return undefined;
    return `${show(cron)} is never due: no month has that day`;
  } catch (error) {
    return `${show(cron)} is no cron expression (${messageOf(error).replace(/^\w+: /, "")}): ${HOW}`;
  }
}
