/**
 * Owns the timing of one run from outside.
 * Must not know what the pipeline does.
 * Invariant: a run that did not succeed is an error, never a figure; nothing watches while the run goes on, times are read
 * from the journal when it is over.
 */
import { mkdtempSync, rmSync } from "node:fs";
import nodeModule from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { RunOptions } from "../src/run/execution.ts";
import type { RunResult } from "../src/model/result.ts";
import type { Manifest } from "../src/pipeline/document/manifest.ts";
import { run } from "../mod.ts";

// As the package does, for Node, whose workers compile TypeScript else, and go on with that while tasks run.
if (!("Deno" in globalThis || "Bun" in globalThis)) {
  const compiled = mkdtempSync(join(tmpdir(), "outrider-bench-"));
  process.on("exit", () => rmSync(compiled, { recursive: true, force: true }));
  nodeModule.enableCompileCache(compiled);
}

/** When an attempt began and ended, milliseconds since the epoch, by the worker's clock. */
export interface AttemptTimes {
  readonly task: string;
  /** None of a mapped task as a whole. */
  readonly worker: number | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** A run with its times, in milliseconds. */
export interface TimedRun {
  readonly result: RunResult;
  /** From the call of `run` to the awaited result: loading and checking included. */
  readonly callMs: number;
  /** From the record `run.started` to the awaited result: ending the workers and making the result included. */
  readonly awaitedMs: number;
  /** From the record `run.started` to `run.ended`: ending the workers included. */
  readonly endedMs: number;
  /** When `run.started` was recorded, milliseconds since the epoch. */
  readonly startedAt: number;
  readonly attempts: readonly AttemptTimes[];
}

/** Runs the pipeline and times it. @throws {Error} If the run did not succeed. */
export async function timedRun(source: Manifest, options: RunOptions): Promise<TimedRun> {
  const called = now();
  const execution = run(source, options);
  const result = await execution;
  const awaited = now();
  if (result.state !== "succeeded") throw new Error(whyNot(result));
  let startedAt = Number.NaN, ended = Number.NaN;
  const attempts: AttemptTimes[] = [];
  for await (const event of execution) {
    if (event.type === "run.started") startedAt = event.at;
    else if (event.type === "run.ended") ended = event.at;
    else if (event.type === "attempt.settled" && event.startedAt !== undefined) {
      const { task, worker, startedAt, endedAt } = event;
      attempts.push({ task, worker, startedAt, endedAt: endedAt! });
    }
  }
  return {
    result,
    callMs: awaited - called,
    awaitedMs: awaited - startedAt,
    endedMs: ended - startedAt,
    startedAt,
    attempts,
  };
}

/** From the beginning of the first attempt to the end of the last one, in milliseconds. */
export function spanMs(attempts: readonly AttemptTimes[]): number {
  let from = Infinity, to = -Infinity;
  for (const { startedAt, endedAt } of attempts) {
    from = Math.min(from, startedAt);
    to = Math.max(to, endedAt);
  }
  return to - from;
}

function whyNot({ state, tasks }: RunResult): string {
  const bad = Object.entries(tasks).find(([, attempts]) => attempts.at(-1)?.outcome !== "succeeded");
  return `The run ended as ${state}, nothing can be measured: ${JSON.stringify(bad)}`;
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
