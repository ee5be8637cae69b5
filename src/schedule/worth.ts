/**
 * Owns which failures are worth another attempt: by outcome, error and exit code, as the task's retry rule names them.
 * Must not know how many attempts there are left.
 * Invariant: what a journal has of an attempt decides as the attempt itself did.
 */
import type { ErrorData, Outcome } from "../model/outcome.ts";
import type { ManifestFailure } from "../pipeline/document/manifest.ts";
import type { PlanRetry } from "../pipeline/plan/plan.ts";

/** What is known of an attempt that has ended. */
export interface EndedAttempt {
  readonly outcome: Outcome;
  readonly error?: ErrorData;
  /** Exit code. */
  readonly code?: number;
}

/** Whether an attempt that ended so is tried again, if it failed and there are attempts left. */
export function isWorthTrying({ on, unless }: PlanRetry, ended: EndedAttempt): boolean {
  if (on === undefined && unless === undefined) return true;
  const fits = (failure: ManifestFailure) => isSuch(ended, failure);
  return on?.some(fits) !== false && unless?.some(fits) !== true;
}

function isSuch(ended: EndedAttempt, { outcome, error, code, exit }: ManifestFailure): boolean {
  if (outcome !== undefined && outcome !== ended.outcome) return false;
  if (exit !== undefined && exit !== ended.code) return false;
  if (error === undefined && code === undefined) return true;
  return allOf(ended.error).some((each) =>
    (error === undefined || each.name === error) && (code === undefined || each.code === code)
  );
}

/** An error, those that it stands for, and those behind them. */
function allOf(error: ErrorData | undefined): readonly ErrorData[] {
  if (error === undefined) return [];
  return [error, ...allOf(error.cause), ...(error.errors ?? []).flatMap(allOf)];
}
