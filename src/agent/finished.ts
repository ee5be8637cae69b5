/**
 * Owns what a journal says of a run that is over.
 * Must not know who asks.
 * Invariant: it reads, and never writes.
 */
import type { Journal } from "../journal/journal.ts";
import { ResultFold } from "../model/result.ts";
import { pastOf } from "../model/past.ts";
import type { ReportEnd } from "../uplink/report/reporting.ts";

/** A run that is over. */
export interface PastRun {
  readonly run: string;
  readonly end: ReportEnd;
}

/**
 * The run that a journal holds; `undefined` if it holds none, or one that is not over.
 *
 * @param kind `whole`: with the result document, which may be large.
 */
export function finishedOf(journal: Journal, kind?: "records" | "whole"): PastRun | undefined {
  const fold = kind === "whole" ? new ResultFold() : undefined;
  const past = pastOf(journal, (record) => fold?.add(record));
  if (past?.ended === undefined) return undefined;
  const result = fold && { result: JSON.parse([...fold.json()].join("")) as unknown };
  return { run: past.run, end: { state: past.ended, ...result } };
}
