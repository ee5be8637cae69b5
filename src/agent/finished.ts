/**
 * Owns what a journal says of a run that is over.
 * Must not know who asks.
 * Invariant: it reads, and never writes.
 */
import type { Journal } from "../journal/journal.ts";
import { ResultFold } from "../model/result.ts";
import type { RunState } from "../model/outcome.ts";
import type { ReportEnd } from "../uplink/report/reporting.ts";

const PAGE = 10_000;

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
export function pastOf(journal: Journal, kind?: "records" | "whole"): PastRun | undefined {
  const fold = kind === "whole" ? new ResultFold() : undefined;
  let run: string | undefined;
  let state: RunState | undefined;
  for (let after = 0;;) {
    const page = journal.states(after, PAGE);
    const last = page.at(-1);
    if (last === undefined) break;
    for (const record of page) {
      fold?.add(record);
      if (record.type === "run.started") run = record.run;
      else if (record.type === "run.resumed") state = undefined;
      else if (record.type === "run.ended") state = record.state;
    }
    after = last.seq;
  }
  if (run === undefined || state === undefined) return undefined;
  const result = fold && { result: JSON.parse([...fold.json()].join("")) as unknown };
  return { run, end: { state, ...result } };
}
