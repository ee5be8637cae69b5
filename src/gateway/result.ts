/**
 * Owns the result document of a run, folded from the records that have come.
 * Must not know where they are kept.
 * Invariant: it holds every attempt that has come, in the order in which they settled.
 */
import type { AttemptResult } from "../pipeline/outcome.ts";
import { type AttemptSettled, readState } from "./records.ts";
import type { GatewayStore, RunRow } from "./store.ts";

const READ = 1000;

/** The result document, as JSON has it: bytes are `{"$bytes": "<base64>"}`. */
export interface ResultDocument {
  readonly run: string;
  readonly pipeline: string | undefined;
  readonly runtime: string | undefined;
  readonly state: RunRow["state"];
  readonly startedAt: string | undefined;
  readonly endedAt?: string;
  readonly tasks: Readonly<Record<string, readonly AttemptResult[]>>;
}

/** The result of a run, or what there is of it so far. */
export function resultOf(row: RunRow, store: GatewayStore): ResultDocument {
  const tasks = new Map<string, AttemptResult[]>();
  for (let after = 0;;) {
    const records = store.records(row.run, { lane: "state", after, limit: READ });
    if (records.length === 0) break;
    for (const { seq, text } of records) {
      after = seq;
      const read = readState(JSON.parse(text));
      if (typeof read === "string" || read.type !== "attempt.settled") continue;
      const { task } = read.record;
      const attempts = tasks.get(task);
      if (attempts) attempts.push(attemptOf(read.record));
      else tasks.set(task, [attemptOf(read.record)]);
    }
  }
  return {
    run: row.run,
    pipeline: row.pipeline,
    runtime: row.runtime,
    state: row.state,
    startedAt: isoOf(row.startedAt),
    ...(row.endedAt === undefined ? {} : { endedAt: new Date(row.endedAt).toISOString() }),
    tasks: Object.fromEntries(tasks),
  };
}

function attemptOf(
  { iteration, attempt, outcome, value, startedAt, endedAt, ...rest }: AttemptSettled,
): AttemptResult {
  const { error, reason, code, because, worker } = rest;
  return {
    iteration,
    attempt,
    outcome,
    ...(value === undefined ? {} : { value: JSON.parse(value) }),
    ...(error === undefined ? {} : { error }),
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    ...(because === undefined ? {} : { because }),
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt).toISOString() }),
    ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }),
    ...(worker === undefined ? {} : { worker }),
  };
}

function isoOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
