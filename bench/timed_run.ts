/**
 * Owns the timing of one run from outside.
 * Must not know what the pipeline does.
 * Invariant: a run that did not succeed is an error, never a figure; nothing listens while the run goes on.
 */
import type { ExecutionEvent, RunOptions } from "../src/execution.ts";
import type { RunResult } from "../src/journal/result.ts";
import type { Manifest } from "../src/pipeline/manifest.ts";
import { run } from "../mod.ts";

/** A run with its times, in milliseconds. */
export interface TimedRun {
  readonly result: RunResult;
  /** From the call of `run` to the awaited result: loading, checking and starting workers included. */
  readonly callMs: number;
  /** From the record `run.started` to the awaited result. */
  readonly awaitedMs: number;
  /** From the record `run.started` to `run.ended`; the latter is read from the result, to the millisecond. */
  readonly endedMs: number;
}

/** Runs the pipeline and times it. @throws {Error} If the run did not succeed. */
export async function timedRun(source: Manifest, options: RunOptions): Promise<TimedRun> {
  const called = now();
  const execution = run(source, options);
  let started = Number.NaN;
  const unwatch = execution.watch((event: ExecutionEvent) => {
    if (event.type !== "run.started") return;
    started = event.at;
    queueMicrotask(unwatch);
  });
  const result = await execution;
  const awaited = now();
  if (result.state !== "succeeded") {
    const bad = Object.entries(result.tasks).find(([, attempts]) => attempts.at(-1)?.outcome !== "succeeded");
    throw new Error(`The run ${result.state}: ${JSON.stringify(bad)}`);
  }
  return {
    result,
    callMs: awaited - called,
    awaitedMs: awaited - started,
    endedMs: Date.parse(result.endedAt!) - started,
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
