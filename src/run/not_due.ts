/**
 * Owns what a run rejects with whose pipeline has a timetable, where it was only to be read.
 * Must not know who keeps to timetables.
 * Invariant: the pipeline is sound, and nothing of it has run.
 */
import type { Plan, PlanSchedule } from "../pipeline/plan/plan.ts";

/** The pipeline is to be run when it is due. No error: whoever asked for it knows what to do. */
export class NotDue {
  readonly pipeline: string;
  readonly schedule: PlanSchedule;

  constructor({ name }: Plan, schedule: PlanSchedule) {
    this.pipeline = name;
    this.schedule = schedule;
  }
}
