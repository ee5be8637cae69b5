/**
 * Owns the pictures of a run that others look at: counts, running attempts, where each task stands.
 * Must not change anything.
 * Invariant: a snapshot costs one step for each task, and never waits.
 */
import type { Clock } from "../base/clock.ts";
import type { RunningAttempt, RunSnapshot, TaskStanding } from "../model/snapshot.ts";
import { OUTCOMES, type RunState } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { Pool } from "../pool/pool.ts";
import { Standing } from "../schedule/command.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import type { Progress } from "./watching.ts";

/** The parts of a run that a picture is taken of. */
export interface Pictured {
  readonly clock: Clock;
  readonly run: string;
  readonly state: RunState;
  readonly startedAt: number;
  readonly ranMs: number;
  readonly plan: Plan | undefined;
  readonly schedule: Scheduler | undefined;
  readonly pool: Pool;
  /** By task. */
  readonly progress: ReadonlyMap<number, Progress>;
  /** Why tasks were skipped, by task. */
  readonly because: ReadonlyMap<number, string>;
}

const NAMES = ["waiting", "ready", "dispatched", "retrying", "settled"] as const;

const COUNTED = [
  "waiting",
  "ready",
  "running",
  "retrying",
  ...OUTCOMES,
] as const;

/** A picture of the run now. @param limit How many of the tasks that come next are named. */
export function snapshotOf(pictured: Pictured, limit: number): RunSnapshot {
  const { plan, schedule, pool } = pictured;
  const running = runningOf(pictured);
  const lanes = pool.lanes;
  return {
    run: pictured.run,
    pipeline: plan?.name ?? "",
    state: pictured.state,
    startedAt: pictured.startedAt,
    ranMs: pictured.ranMs,
    tasks: plan?.tasks.length ?? 0,
    counts: countsOf(pictured, running.length),
    running,
    next: plan === undefined || schedule === undefined ? [] : nextOf(plan, schedule, limit),
    workers: {
      busy: lanes.filter((lane) => lane.outstanding > 0).length + (pool.own?.views.length ?? 0),
      idle: lanes.filter((lane) => lane.warm && lane.outstanding === 0).length + (pool.own?.kept.idle ?? 0),
      starting: lanes.filter((lane) => lane.starting).length + (pool.own?.kept.starting ?? 0),
      ...(pool.held === undefined ? {} : { held: pool.held }),
    },
  };
}

function countsOf({ plan, schedule }: Pictured, running: number): RunSnapshot["counts"] {
  const counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<
    typeof COUNTED[number],
    number
  >;
  if (plan === undefined || schedule === undefined) return counts;
  let dispatched = 0;
  for (const { index } of plan.tasks) {
    const standing = schedule.standing(index);
    if (standing === Standing.settled) counts[schedule.outcome(index)!]++;
    else if (standing === Standing.waiting) counts.waiting++;
    else if (standing === Standing.ready) counts.ready++;
    else if (standing === Standing.retrying) counts.retrying++;
    else dispatched++;
  }
  counts.running = Math.min(running, dispatched);
  counts.ready += dispatched - counts.running;
  return counts;
}

/** Ready tasks first, then those that wait for what runs now, as far as a short look at the plan shows them. */
function nextOf(plan: Plan, schedule: Scheduler, limit: number): string[] {
  const next = schedule.next(limit);
  const waiting = next.length < limit && plan.tasks.length <= 1_000
    ? plan.tasks.filter(({ index }) => schedule.standing(index) === Standing.waiting)
      .sort((a, b) => a.rank - b.rank).slice(0, limit - next.length).map(({ index }) => index)
    : [];
  return [...next, ...waiting].map((index) => plan.tasks[index]!.name);
}

function runningOf({ clock, plan, pool, progress }: Pictured): RunningAttempt[] {
  const now = clock.monotonic();
  const ahead = clock.stampOffset();
  return [...pool.lanes, ...pool.own?.views ?? []].flatMap((lane) => {
    const running = lane.running;
    if (running === undefined) return [];
    const { task, iteration, attempt } = running.item;
    const told = progress.get(task);
    const ranMs = Math.max(0, now - running.since);
    return [{
      task: plan!.tasks[task]!.name,
      iteration,
      attempt,
      worker: lane.id,
      startedAt: running.since + ahead,
      ranMs,
      ...(told === undefined ? {} : { progress: told }),
    }];
  });
}

/** Where tasks stand, in the plan's order. */
export function standingsOf(
  { plan, schedule, because }: Pictured,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): TaskStanding[] {
  if (plan === undefined || schedule === undefined) return [];
  return plan.tasks.slice(offset, offset + limit).map(({ index, name, needs }) => {
    const standing = schedule.standing(index);
    const outcome = schedule.outcome(index);
    const why = because.get(index);
    return {
      task: name,
      standing: NAMES[standing]!,
      iteration: schedule.iteration(index),
      attempt: schedule.attempt(index),
      ...(outcome === undefined ? {} : { outcome }),
      ...(why === undefined || outcome !== "skipped" ? {} : { because: why }),
      waitsFor: standing !== Standing.waiting ? [] : needs
        .filter((need) => schedule.standing(need.task) !== Standing.settled)
        .map((need) => ({ task: plan.tasks[need.task]!.name, on: need.on })),
    };
  });
}
