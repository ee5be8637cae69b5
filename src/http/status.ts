/**
 * Owns the status document: how the executor and its run stand, small enough to be asked for all the time.
 * Must not know who asks.
 * Invariant: it holds no value and no line of a log, and no secret; making it takes at most a twentieth of the time, however
 * often it is asked for and however large the pipeline is.
 */
import type { TaskStanding } from "../model/snapshot.ts";
import { type Clock, isoTime, systemClock } from "../base/clock.ts";
import type { Parts } from "./parts.ts";
import type { HttpOptions, HttpRun, HttpTimetable } from "./port.ts";
import type { StatusView } from "./schema.ts";

/** Most tasks in each list; the counts say how many there are. */
export const LISTED = 50;
/** Standings read at a time. */
const PAGE = 1_000;
/** A document is given again for so many times as long as it took to make. */
const KEEP_FACTOR = 20;

/** Makes the document, and says whether the executor can work. */
export class Status {
  readonly #options: HttpOptions;
  readonly #redact: (text: string) => string;
  readonly #clock: Pick<Clock, "monotonic">;
  /** By the monotonic clock, like all that follows but stamps. */
  readonly #since: number;
  #text = "";
  #able = true;
  #validUntil = -Infinity;

  constructor({ options, redact, clock }: Pick<Parts, "options" | "redact" | "clock">) {
    this.#options = options;
    this.#redact = redact;
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** The document as JSON text. */
  document(): { readonly text: string; readonly able: boolean } {
    const before = this.#clock.monotonic();
    if (before >= this.#validUntil) {
      const unable = this.#options.unable?.();
      this.#able = unable === undefined;
      this.#text = this.#redact(
        JSON.stringify(statusOf(this.#options, { unable, uptimeMs: before - this.#since })),
      );
      const after = this.#clock.monotonic();
      this.#validUntil = after + (after - before) * KEEP_FACTOR;
    }
    return { text: this.#text, able: this.#able };
  }
}

function statusOf(
  options: HttpOptions,
  { unable, uptimeMs }: { readonly unable: string | undefined; readonly uptimeMs: number },
): StatusView {
  const { runtime, version, executor, startedAt } = options;
  const run = options.run();
  const gateway = options.gateway?.();
  const timetable = options.timetable?.();
  return {
    executor,
    version,
    runtime,
    startedAt: isoTime(startedAt),
    at: isoTime(systemClock.now()),
    uptimeMs: Math.round(uptimeMs),
    able: unable === undefined,
    ...(unable !== undefined && { unable }),
    ...(options.state !== undefined && { state: options.state() }),
    conditions: options.conditions?.() ?? [],
    ...(run !== undefined && { run: runOf(run) }),
    ...(timetable !== undefined && { timetable: timetableOf(timetable) }),
    ...(gateway !== undefined && {
      gateway: {
        url: gateway.url,
        ...(gateway.lastContactAt !== undefined &&
          { lastContactAt: isoTime(gateway.lastContactAt) }),
        heartbeatFailures: gateway.heartbeatFailures,
        spool: gateway.spool,
      },
    }),
  };
}

function timetableOf({ next, nextDue, last, ...rest }: HttpTimetable): NonNullable<StatusView["timetable"]> {
  return {
    ...rest,
    ...(next !== undefined && { next: isoTime(next) }),
    ...(nextDue !== undefined && { nextDue: isoTime(nextDue) }),
    ...(last !== undefined && { last: isoTime(last) }),
  };
}

type RunStatus = NonNullable<StatusView["run"]>;

function runOf(run: HttpRun): RunStatus {
  const {
    state,
    pipeline,
    startedAt,
    scheduledFor,
    ranMs,
    sinceResumeMs,
    tasks,
    counts,
    running,
    next,
    workers,
  } = run
    .snapshot(LISTED);
  const { waiting, skipped } = listed(run, { tasks, wanted: first(counts.waiting) + first(counts.skipped) });
  return {
    id: run.run,
    pipeline,
    state,
    startedAt: isoTime(startedAt),
    ...(scheduledFor !== undefined && { scheduledFor: isoTime(scheduledFor) }),
    ranMs: Math.round(ranMs),
    ...(sinceResumeMs !== undefined && { sinceResumeMs: Math.round(sinceResumeMs) }),
    tasks,
    counts,
    running: running.slice(0, LISTED).map((attempt) => ({
      ...attempt,
      startedAt: isoTime(attempt.startedAt),
      ranMs: Math.round(attempt.ranMs),
    })),
    next,
    waiting,
    skipped,
    workers,
    store: run.store.stats(),
    events: run.events.last,
  };
}

interface Listed {
  readonly waiting: RunStatus["waiting"][number][];
  readonly skipped: RunStatus["skipped"][number][];
}

/** The first tasks that wait, with what for, and the first that were skipped, with why. */
function listed(
  run: HttpRun,
  { tasks, wanted }: { readonly tasks: number; readonly wanted: number },
): Listed {
  const waiting: Listed["waiting"] = [];
  const skipped: Listed["skipped"] = [];
  for (let offset = 0; offset < tasks && waiting.length + skipped.length < wanted; offset += PAGE) {
    for (const standing of run.standings(offset, PAGE)) sort(standing, { waiting, skipped });
  }
  return { waiting, skipped };
}

function first(count: number): number {
  return Math.min(LISTED, count);
}

function sort(
  { task, standing, outcome, because, waitsFor, lacks }: TaskStanding,
  { waiting, skipped }: Listed,
): void {
  if (standing === "waiting" && waiting.length < LISTED) {
    waiting.push({
      task,
      waitsFor: waitsFor.slice(0, LISTED),
      more: Math.max(0, waitsFor.length - LISTED),
      ...(lacks !== undefined && { lacks }),
    });
  } else if (standing === "settled" && outcome === "skipped" && skipped.length < LISTED) {
    skipped.push({ task, because: because ?? "" });
  }
}
