/**
 * Owns a whole run in a test: a pipeline carried out as `run` does it, with values in the place of some tasks.
 * Must not know any test runner.
 * Invariant: it ends: a run that takes longer than it may is cancelled, and that is the error.
 */
import type { LogRecord } from "../model/record.ts";
import type { Outcome, RunState } from "../model/outcome.ts";
import type { RunResult } from "../model/result.ts";
import { systemClock } from "../base/clock.ts";
import { parseDuration } from "../model/duration.ts";
import { PipelineError, placeOf } from "../model/problem.ts";
import { encode, type Value } from "../model/value.ts";
import type { Manifest, ManifestTask } from "../pipeline/document/manifest.ts";
import { NameFinder } from "../model/nearest.ts";
import type { Source } from "../pipeline/load/load.ts";
import type { RunOptions } from "../run/execution.ts";
import type { InnerOptions } from "../run/inspection.ts";
import { run } from "../run/library.ts";
import { loadDocument } from "../run/loading.ts";
import { TimeoutError } from "../store/errors.ts";

/** How a pipeline is tested; beside that, how it is carried out. */
export interface TestRunOptions extends Omit<RunOptions, "signal"> {
  /**
   * By the task's name: what comes in its place. A value is what the task returns, an `Error` (with its fields, `cause` and
   * `errors`) what it throws. Nothing of the task runs then, nor is asked of the device; its needs, retries and everything else hold.
   */
  readonly fakes?: Readonly<Record<string, Value | undefined | Error>>;
  /** Longest that it may take: milliseconds, or a duration such as `"10s"`. Default `"30s"`. Then it rejects with a `TimeoutError`. */
  readonly timeout?: number | string;
}

/** What a tested pipeline came to. */
export interface TestedRun {
  /** How the run ended. */
  readonly state: RunState;
  /** By task: how its last attempt ended. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
  /** By task: what its last attempt returned. */
  readonly values: Readonly<Record<string, Value | undefined>>;
  /** The combined log. */
  readonly log: readonly LogRecord[];
  /** Every attempt of every task. */
  readonly result: RunResult;
}

/**
 * Carries a pipeline out on workers, as `run` does, and tells what became of each task.
 *
 * @example
 * ```ts
 * import { testRun } from "outrider/testing";
 *
 * const { outcomes, values } = await testRun("pipeline.ts", { params: { ms: 1 }, fakes: { disk: 12.5 } });
 * ```
 *
 * @param source A pipeline, its JSON form, or a path or URL of a file with either. A pipeline has to be made in another module
 * than the test: workers import that module, and would run the tests in it.
 * @param options Parameters, values in the place of tasks, and how the run is carried out.
 * @returns What became of it. A task that fails is an outcome and no rejection.
 * @throws {PipelineError} If the pipeline has problems, or there is no such task as a fake is for.
 * @throws {TimeoutError} If it takes longer than `timeout`.
 */
export async function testRun(source: Source, options: TestRunOptions = {}): Promise<TestedRun> {
  const { fakes, timeout = LIMIT, ...others } = options;
  const limit = new AbortController();
  const cancel = systemClock.after(parseDuration(timeout), () => limit.abort());
  try {
    const given = fakes === undefined ? { source, at: {} } : await withFakes(source, fakes, others.base);
    const tested = await carriedOut(given.source, { ...others, ...given.at, signal: limit.signal });
    if (tested.state === "cancelled" && limit.signal.aborted) throw late(timeout, cutOf(tested));
    return tested;
  } catch (error) {
    if (!limit.signal.aborted || error instanceof TimeoutError) throw error;
    throw late(timeout, "it was still being loaded", error);
  } finally {
    cancel();
  }
}

const LIMIT = "30s";

async function carriedOut(source: Source, options: RunOptions): Promise<TestedRun> {
  // What runs on the device beside the test has nothing to do with it.
  const alone: InnerOptions = { ...options, sharesDevice: false };
  const execution = run(source, alone);
  const log: LogRecord[] = [];
  execution.watch((event) => {
    if (event.type !== "log") return;
    const { type: _, ...record } = event;
    log.push(record);
  });
  const result = await execution;
  const last = Object.entries(result.tasks).map(([task, attempts]) => [task, attempts.at(-1)!] as const);
  return {
    state: result.state,
    outcomes: Object.fromEntries(last.map(([task, { outcome }]) => [task, outcome])),
    values: Object.fromEntries(last.map(([task, { value }]) => [task, value])),
    log,
    result,
  };
}

function cutOf({ outcomes }: TestedRun): string {
  const cut = Object.keys(outcomes).filter((task) => outcomes[task] === "cancelled");
  return cut.length === 0 ? "nothing of it ran" : `${cut.join(", ")} still ran`;
}

function late(timeout: number | string, how: string, cause?: unknown): TimeoutError {
  const time = typeof timeout === "number" ? `${timeout}ms` : timeout;
  return new TimeoutError(
    `The pipeline was cancelled after ${time}: ${how}; give testRun a longer timeout, or a fake for what takes so long`,
    { cause },
  );
}

/** The pipeline as a document with the fakes in it, and what its relative modules are resolved against. */
async function withFakes(
  source: Source,
  fakes: Readonly<Record<string, Value | undefined | Error>>,
  from: string | undefined,
): Promise<{ readonly source: Manifest; readonly at: Pick<RunOptions, "base"> }> {
  const { document, base } = await loadDocument(source, from === undefined ? {} : { base: from });
  // A module that is its own code lies in no folder.
  const folder = URL.parse(".", base)?.href;
  const finder = new NameFinder(Object.keys(document.tasks));
  const problems = Object.keys(fakes).filter((task) => !Object.hasOwn(document.tasks, task)).map((task) => ({
    place: placeOf("fakes", task),
    message: `There is no task ${JSON.stringify(task)}${finder.hint(task, "")}`,
  }));
  if (problems.length > 0) throw new PipelineError(problems);
  const faked = Object.entries(fakes).map(([task, fake]) =>
    [task, fakeTask(task, document.tasks[task]!, fake)] as const
  );
  return {
    source: { ...document, tasks: { ...document.tasks, ...Object.fromEntries(faked) } },
    at: folder === undefined ? {} : { base: folder },
  };
}

function fakeTask(name: string, task: ManifestTask, fake: Value | undefined | Error): ManifestTask {
  const { requires: _, isolation: __, memory: ___, fresh: ____, ...others } = task;
  return { ...others, run: { module: `data:text/javascript,${encodeURIComponent(moduleOf(name, fake))}` } };
}

/** A module that returns, or throws, the fake. */
function moduleOf(task: string, fake: Value | undefined | Error): string {
  if (fake instanceof Error) return `export default () => { throw ${thrown(fake, 0)} }`;
  encode(fake, placeOf("fakes", task));
  return `export default () => (${expression(fake)})`;
}

/** Errors within errors that a fake has, at most; one may hold itself. */
const DEPTH = 8;

/** An error as JavaScript, with what it says of itself, and what it was caused by or stands for. */
function thrown(error: Error, depth: number): string {
  const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown };
  const fields = Object.entries({ ...error, name: error.name }).filter(([, value]) => isValue(value)) as [
    string,
    Value,
  ][];
  const within = (each: unknown): string[] =>
    each instanceof Error && depth < DEPTH ? [thrown(each, depth + 1)] : [];
  const behind = [
    expression(Object.fromEntries(fields)),
    ...within(cause).map((each) => `{cause:${each}}`),
    ...(Array.isArray(errors) ? [`{errors:[${errors.flatMap(within).join()}]}`] : []),
  ];
  return `Object.assign(new Error(${JSON.stringify(error.message)}),${behind.join()})`;
}

function isValue(value: unknown): boolean {
  try {
    return encode(value, "") !== undefined;
  } catch {
    return false;
  }
}

/** A value as JavaScript. */
function expression(value: Value | undefined): string {
  if (value === undefined) return "undefined";
  if (value instanceof Uint8Array) return `new Uint8Array([${value}])`;
  if (Array.isArray(value)) return `[${value.map(expression).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, each]) => `[${JSON.stringify(key)}]:${expression(each)}`);
  return `{${entries.join()}}`;
}
