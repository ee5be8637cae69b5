/**
 * Owns which rules a plan's run follows: those of needs and loops, or those of edges.
 * Must not know either.
 * Invariant: both are asked the same.
 */
import type { Plan } from "../pipeline/plan/plan.ts";
import { FlowSchedule } from "./flow.ts";
import { Schedule, type Scheduler } from "./schedule.ts";

/** The rules of a plan, at its start. */
export function schedulerOf(plan: Plan): Scheduler {
  return plan.edges === undefined ? new Schedule(plan) : new FlowSchedule(plan);
}
