/**
 * Owns the pictures of a run that others look at: counts, running attempts, where each task stands.
 * Must not change anything.
 * Invariant: a snapshot costs one step for each task, and never waits. What is shown is the truth of the graph: a task is
 * ready when its needs have settled and it has what it uses, and at work when a worker has begun it, however early it was handed out.
 */
import type { Clock } from "../base/clock.ts";
import type { ItemsStanding, RunningAttempt, RunSnapshot, TaskStanding } from "../model/snapshot.ts";
import { attemptKeyOf } from "../model/record.ts";
import { OUTCOMES, type RunState } from "../model/outcome.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import type { Lane } from "../pool/lane.ts";
import type { Pool } from "../pool/pool.ts";
import { Standing } from "../schedule/command.ts";
import type { Lender } from "./device/lender.ts";
import { Lacks } from "./lacks.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import type { Progress } from "./watching.ts";

/** The parts of a run that a picture is taken of. */
export interface Pictured {
  readonly clock: Clock;
  readonly run: string;
  readonly state: RunState;
  readonly startedAt: number;
  readonly scheduledFor: number | undefined;
  readonly ranMs: number;
  /** How much of that was since it went on, if it did. */
  readonly sinceResumeMs: number | undefined;
  readonly plan: Plan | undefined;
  readonly schedule: Scheduler | undefined;
  readonly pool: Pool;
  /** By task. */
  readonly progress: ReadonlyMap<number, Progress>;
  /** Why tasks were skipped, by task. */
  readonly because: ReadonlyMap<number, string>;
  /** Of what the device lends. */
  readonly lender: Pick<Lender, "others">;
}

const COUNTED = [
  "waiting",
  "ready",
  "running",
  "retrying",
  ...OUTCOMES,
] as const;

/** A picture of the run now. @param limit How many of the tasks that come next are named. */
export function snapshotOf(pictured: Pictured, limit: number): RunSnapshot {
  const { plan, pool } = pictured;
  const running = runningOf(pictured);
  const lanes = pool.lanes;
  return {
    run: pictured.run,
    pipeline: plan?.name ?? "",
    state: pictured.state,
    startedAt: pictured.startedAt,
    ...(pictured.scheduledFor !== undefined && { scheduledFor: pictured.scheduledFor }),
    ranMs: pictured.ranMs,
    ...(pictured.sinceResumeMs !== undefined && { sinceResumeMs: pictured.sinceResumeMs }),
    tasks: plan?.tasks.length ?? 0,
    counts: countsOf(pictured, running),
    running,
    ...mappedOf(pictured),
    next: nextOf(pictured, running, limit),
    ...lackingOf(pictured, limit),
    workers: {
      busy: lanes.filter(isBusy).length + (pool.own?.views.length ?? 0),
      idle: lanes.filter((lane) => lane.warm && !isBusy(lane)).length + (pool.own?.kept.idle ?? 0),
      starting: lanes.filter((lane) => lane.starting).length + (pool.own?.kept.starting ?? 0),
      ...(pool.held === undefined ? {} : { held: pool.held }),
    },
  };
}

function isBusy({ running, outstanding }: Pick<Lane, "running" | "outstanding">): boolean {
  return running !== undefined || outstanding > 0;
}

function countsOf(pictured: Pictured, running: readonly RunningAttempt[]): RunSnapshot["counts"] {
  const counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<
    typeof COUNTED[number],
    number
  >;
  const { plan, schedule } = pictured;
  if (plan === undefined || schedule === undefined) return counts;
  const look = new Look(plan, schedule, running);
  for (const task of plan.tasks) {
    const standing = look.at(task);
    if (standing === "settled") counts[schedule.outcome(task.index)!]++;
    else counts[standing === "dispatched" ? "running" : standing]++;
  }
  return counts;
}

function mappedOf({ plan, schedule }: Pictured): Pick<RunSnapshot, "mapped"> {
  if (plan === undefined || schedule === undefined) return {};
  const mapped = plan.tasks.filter(({ index, each }) =>
    each !== undefined && schedule.standing(index) === Standing.dispatched
  ).flatMap((task) => {
    const { items } = itemsOf(schedule, task);
    return items === undefined ? [] : [{ task: task.name, items }];
  });
  return mapped.length === 0 ? {} : { mapped };
}

/** Ready tasks first, then those that wait for what runs now, as far as a short look at the plan shows them. */
function nextOf({ plan, schedule }: Pictured, running: readonly RunningAttempt[], limit: number): string[] {
  if (plan === undefined || schedule === undefined) return [];
  if (plan.tasks.length > 1_000) return schedule.next(limit).map((index) => plan.tasks[index]!.name);
  const look = new Look(plan, schedule, running);
  const those = (wanted: Shown) =>
    plan.tasks.filter((task) => look.at(task) === wanted).sort((a, b) => a.rank - b.rank);
  return [...those("ready"), ...those("waiting")].slice(0, limit).map(({ name }) => name);
}

/** Those that lack resources, in the order in which they get them. */
function lackingOf({ plan, schedule, lender }: Pictured, limit: number): Pick<RunSnapshot, "lacking"> {
  if (plan?.resources === undefined || schedule === undefined) return {};
  const those = plan.tasks.filter(({ index }) => schedule.lacks(index)).sort((a, b) => a.rank - b.rank);
  if (those.length === 0) return {};
  const lacks = new Lacks({ plan, schedule, lender });
  return { lacking: those.slice(0, limit).map((task) => ({ task: task.name, lacks: lacks.of(task)! })) };
}

type Shown = TaskStanding["standing"];

/** Where tasks stand by what has settled and what has begun. */
class Look {
  readonly #plan: Plan;
  readonly #schedule: Scheduler;
  /** Tasks whose attempt has begun: those that run, and what they need, though its end may not have been heard of yet. */
  readonly #begun: Set<number> = new Set();

  constructor(plan: Plan, schedule: Scheduler, running: readonly RunningAttempt[]) {
    this.#plan = plan;
    this.#schedule = schedule;
    const names = new Set(running.map(({ task }) => task));
    const left = names.size === 0 ? [] : plan.tasks.filter(({ name }) => names.has(name));
    for (const task of plan.tasks) {
      if (task.each !== undefined && hasBegun(schedule, task.index)) left.push(task);
    }
    for (let task = left.pop(); task !== undefined; task = left.pop()) {
      if (this.#begun.has(task.index)) continue;
      this.#begun.add(task.index);
      if (plan.edges !== undefined) continue;
      for (const need of task.needs) if (this.#isOut(need.task)) left.push(plan.tasks[need.task]!);
    }
  }

  at(task: PlanTask): Shown {
    switch (this.#schedule.standing(task.index)) {
      case Standing.settled:
        return "settled";
      case Standing.retrying:
        return "retrying";
      case Standing.ready:
        return this.#schedule.lacks(task.index) ? "waiting" : "ready";
      case Standing.waiting:
        return "waiting";
      default:
        if (this.#begun.has(task.index)) return "dispatched";
        return this.#isMet(task) && !this.#schedule.lacks(task.index) ? "ready" : "waiting";
    }
  }

  /** Whether it was handed out and has not begun. */
  isAhead({ index }: PlanTask): boolean {
    return this.#isOut(index) && !this.#begun.has(index);
  }

  /** The needs that have not settled: those in a loop have when no other round of it can follow. */
  waitsFor({ index, needs }: PlanTask): TaskStanding["waitsFor"] {
    const { loops, tasks } = this.#plan;
    const around = loops.filter(({ from, body }) => !this.#isSettled(from) && !body.includes(index));
    return needs
      .filter(({ task }) => !this.#isSettled(task) || around.some(({ body }) => body.includes(task)))
      .map(({ task, on }) => ({ task: tasks[task]!.name, on }));
  }

  /** Where edges decide nothing is handed out before its time, nor are its needs what it waits for. */
  #isMet({ needs }: PlanTask): boolean {
    return this.#plan.edges !== undefined || needs.every(({ task }) => this.#isSettled(task));
  }

  #isOut(task: number): boolean {
    return this.#schedule.standing(task) === Standing.dispatched;
  }

  #isSettled(task: number): boolean {
    return this.#schedule.standing(task) === Standing.settled;
  }
}

/** Whether an item of a mapped task has ended, or is at work: it counts as running until all have ended. */
function hasBegun(schedule: Scheduler, task: number): boolean {
  const items = schedule.items(task);
  if (items === undefined || schedule.standing(task) !== Standing.dispatched) return false;
  return items.out > 0 || Object.keys(items.counts).length > 0;
}

/** Where the items of a task stand, if it is mapped and its list is known. */
function itemsOf(schedule: Scheduler, { index, each }: PlanTask): { readonly items?: ItemsStanding } {
  const items = each === undefined ? undefined : schedule.items(index);
  if (items === undefined || schedule.standing(index) < Standing.dispatched) return {};
  return { items: { count: items.count, running: items.out, ended: items.counts } };
}

function runningOf({ clock, plan, schedule, pool, progress }: Pictured): RunningAttempt[] {
  const now = clock.monotonic();
  const ahead = clock.stampOffset();
  return [...pool.lanes, ...pool.own?.views ?? []].flatMap((lane) => {
    const running = lane.running;
    if (running === undefined) return [];
    const { task: number, iteration, attempt } = running.item;
    const told = progress.get(number);
    const task = plan!.tasks[schedule?.taskOf(number) ?? number]!.name;
    const ranMs = Math.max(0, now - running.since);
    return [{
      ...attemptKeyOf({ task, iteration, attempt, item: schedule?.itemOf(number) }),
      worker: lane.id,
      startedAt: running.since + ahead,
      ranMs,
      ...(told === undefined ? {} : { progress: told }),
    }];
  });
}

/** Where tasks stand, in the plan's order. */
export function standingsOf(
  pictured: Pictured,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): TaskStanding[] {
  const { plan, schedule, because, lender } = pictured;
  if (plan === undefined || schedule === undefined) return [];
  const look = new Look(plan, schedule, runningOf(pictured));
  const lacking = new Lacks({ plan, schedule, lender });
  return plan.tasks.slice(offset, offset + limit).map((task) => {
    const { index, name } = task;
    const standing = look.at(task);
    const outcome = schedule.outcome(index);
    const why = because.get(index);
    const lacks = lacking.of(task);
    return {
      task: name,
      standing,
      iteration: schedule.iteration(index),
      attempt: schedule.attempt(index) - (look.isAhead(task) ? 1 : 0),
      ...(outcome === undefined ? {} : { outcome }),
      ...(why === undefined || outcome !== "skipped" ? {} : { because: why }),
      ...itemsOf(schedule, task),
      waitsFor: standing === "waiting" ? look.waitsFor(task) : [],
      ...(lacks === undefined ? {} : { lacks }),
    };
  });
}
