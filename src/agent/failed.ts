/**
 * Owns what a journal is given for a run that could not be carried out, so that it is told as one that failed.
 * Must not know why, nor who is told.
 * Invariant: a run that is over stays as it ended.
 */
import { finishedOf } from "./finished.ts";
import type { Journal } from "../journal/journal.ts";

/** A run that could not be carried out. */
export interface FailedRun {
  /** Its id, if the journal does not tell. */
  readonly run: string;
  readonly runtime: string;
  readonly at: number;
  /** Why, in words. */
  readonly because: string;
  readonly state: "failed" | "cancelled";
  /** The due time that it was for, if it was for one. */
  readonly scheduledFor?: number;
}

/** Ends a run in its journal, which may be empty. */
export async function recordFailure(journal: Journal, failed: FailedRun): Promise<void> {
  if (finishedOf(journal) !== undefined) return;
  const { run, runtime, at, because, state, scheduledFor } = failed;
  const due = scheduledFor === undefined ? {} : { scheduledFor };
  if (journal.last().states === 0) {
    journal.append({ type: "run.started", run, pipeline: "unknown", runtime, plan: "", ...due }, at);
  }
  journal.log({ at, level: "error", from: "executor", stream: "log", text: because });
  journal.append({ type: "run.ended", state }, at);
  await journal.flush();
}
