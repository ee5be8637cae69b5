/**
 * Owns the result document: a fold of the journal's state records.
 * Must not know who prints or sends it.
 * Invariant: it holds every attempt of every task, in the order in which they settled.
 */
import type { AttemptResult, RunState } from "../pipeline/outcome.ts";

/** What a run comes to; printed by `outrider run --json` and reported to the gateway. */
export interface RunResult {
  readonly run: string;
  readonly pipeline: string;
  /** Name and version, such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly state: RunState;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly tasks: Readonly<Record<string, readonly AttemptResult[]>>;
}
