/**
 * What the contract says about a run, worked out anew from nothing but the plan and the outcomes known so far: slow, without
 * state, and written from the words of the contract.
 */
import { isFailure, type Outcome } from "../../src/model/outcome.ts";
import type { Plan, PlanLoop, PlanNeed } from "../../src/pipeline/plan/plan.ts";
import type { Replayed } from "../../src/schedule/command.ts";

/** An attempt, as a key of a map. */
export function key(task: number, iteration: number, attempt: number): string {
  return `${task}/${iteration}/${attempt}`;
}

/** Why a task is skipped whose condition is not so. */
export const NOT_SO = '"a" has no value';

/** Whether a reason is that of a condition: no other begins with a name in quotes, or a path. */
export function isNotSo(because: string | undefined): boolean {
  return /^["/]/.test(because ?? "");
}

/**
 * How an attempt ended, if that is known. A lost one is followed by another whatever its task's retry rule says. Attempt 0 is
 * `skipped` if the task's condition was not so.
 */
export type Known = (task: number, iteration: number, attempt: number) => Outcome | "lost" | undefined;

/** What follows from the known outcomes in a run that nothing stops. */
export interface Expected {
  /** `task/iteration` to the final outcome. */
  readonly finals: Map<string, Outcome>;
  /** Keys of the attempts that may start now: not known yet, needs settled and satisfied. */
  readonly startable: Set<string>;
}

/** By the contract: a need is satisfied on success, on failure (which a skip or a cancel is not), or in any case. */
export function satisfied({ on }: PlanNeed, outcome: Outcome): boolean {
  if (on === "any") return true;
  return on === "success" ? outcome === "succeeded" : ["failed", "timed_out", "crashed"].includes(outcome);
}

/** Goes through the plan from the outside in. */
export function expected(plan: Plan, known: Known): Expected {
  const finals = new Map<string, Outcome>();
  const startable = new Set<string>();
  const iteration = plan.tasks.map(() => 0);
  /** The outcomes that can be seen: none of a task whose loop has not ended, from outside the loop. */
  const seen: (Outcome | undefined)[] = plan.tasks.map(() => undefined);

  const task = (index: number): Outcome | undefined => {
    const { needs, join, run, retry, when } = plan.tasks[index]!;
    const outcomes = needs.map((need) => seen[need.task]);
    if (outcomes.includes(undefined)) return undefined;
    const count = needs.filter((need, at) => satisfied(need, outcomes[at]!)).length;
    const runs = needs.length === 0 || (join === "all" ? count === needs.length : count > 0);
    const holds = when === undefined || known(index, iteration[index]!, 0) !== "skipped";
    const final = !runs || !holds
      ? "skipped"
      : run === undefined
      ? "succeeded"
      : attempts(index, retry.attempts);
    if (final !== undefined) finals.set(`${index}/${iteration[index]}`, final);
    return final;
  };
  const attempts = (index: number, most: number): Outcome | undefined => {
    for (let attempt = 1, tries = 0;; attempt++) {
      const outcome = known(index, iteration[index]!, attempt);
      if (outcome === "lost") continue;
      tries++;
      if (outcome === undefined) startable.add(key(index, iteration[index]!, attempt));
      if (outcome === undefined || !isFailure(outcome) || tries === most) return outcome;
    }
  };
  const loop = (around: PlanLoop): void => {
    for (let round = 0;; round++) {
      region(around.body, around);
      const end = seen[around.from];
      if (end === undefined) return around.body.forEach((index) => seen[index] = undefined);
      const on = { task: around.from, on: around.on, as: "" };
      if (round === around.times || !satisfied(on, end)) return;
      for (const index of around.body) {
        iteration[index]!++;
        seen[index] = undefined;
      }
    }
  };
  const region = (tasks: readonly number[], around?: PlanLoop): void => {
    for (const unit of unitsOf(plan, tasks, around)) {
      if (typeof unit === "number") seen[unit] = task(unit);
      else loop(unit);
    }
  };
  region(plan.tasks.map(({ index }) => index));
  return { finals, startable };
}

/** Loops wait for each other for ever if each needs a task of the other: no order of units. */
export class Deadlock extends Error {}

/** The tasks and the outermost loops of a region, each after what it needs. */
function unitsOf(plan: Plan, tasks: readonly number[], around?: PlanLoop): (number | PlanLoop)[] {
  const inside = plan.loops.filter((one) =>
    one !== around && one.body.every((index) => tasks.includes(index)) &&
    // An inner loop comes before the loop around it.
    (around === undefined || plan.loops.indexOf(one) < plan.loops.indexOf(around))
  );
  const outermost = inside.filter((one) =>
    !inside.some((other) => plan.loops.indexOf(other) > plan.loops.indexOf(one) && holds(other, one))
  );
  const loose = tasks.filter((index) => !outermost.some((one) => one.body.includes(index)));
  const left: (number | PlanLoop)[] = [...loose, ...outermost];
  const done = new Set(plan.tasks.map(({ index }) => index).filter((index) => !tasks.includes(index)));
  const units: (number | PlanLoop)[] = [];
  while (left.length > 0) {
    const at = left.findIndex((unit) => {
      const own = typeof unit === "number" ? [unit] : unit.body;
      return own.every((index) =>
        plan.tasks[index]!.needs.every((need) => own.includes(need.task) || done.has(need.task))
      );
    });
    if (at < 0) throw new Deadlock();
    const [unit] = left.splice(at, 1);
    units.push(unit!);
    for (const index of typeof unit === "number" ? [unit] : unit!.body) done.add(index);
  }
  return units;
}

function holds(outer: PlanLoop, inner: PlanLoop): boolean {
  return inner.body.every((index) => outer.body.includes(index));
}

/** The most iterations after the first that a task can have. */
export function mostIterations({ loops }: Plan, task: number): number {
  return loops.filter(({ body }) => body.includes(task)).reduce((most, { times }) => most * (times + 1), 1) -
    1;
}

/** The outcomes of attempts that a journal holds. */
export function knownOf(journal: readonly Replayed[]): Known {
  const known = new Map<string, Outcome | "lost">();
  for (const record of journal) {
    if ("stopped" in record || record.outcome === undefined) continue;
    // What follows from other outcomes is worked out; what a condition, or the attempt itself, decided is not.
    if (record.outcome === "skipped" && record.attempt === 0 && !isNotSo(record.because)) continue;
    known.set(key(record.task, record.iteration, record.attempt), record.rerun ? "lost" : record.outcome);
  }
  return (...at) => known.get(key(...at));
}
