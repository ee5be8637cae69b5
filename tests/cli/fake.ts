/**
 * Owns the stand-ins for tests of the command line: an execution in the test's hand, outputs that remember, a clock.
 * Must not know what is tested.
 */
import { printing } from "../../src/base/harmless.ts";
import type { CliRuntime } from "../../src/cli/line/context.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { Execution, ExecutionEvent } from "../../src/run/execution.ts";
import type { InspectedExecution } from "../../src/run/inspection.ts";
import type { RunningAttempt, RunSnapshot } from "../../src/model/snapshot.ts";
import type { LogRecord } from "../../src/model/record.ts";
import { ResultFold, type RunResult } from "../../src/model/result.ts";
import type { StateEvent } from "../../src/model/record.ts";
import { encode } from "../../src/model/value.ts";
import type { Output } from "../../src/runtime/port.ts";

/** 2026-11-21T13:02:11.123Z */
export const START: number = Date.UTC(2026, 10, 21, 13, 2, 11, 123);

/** Time of day in UTC, so that frames are the same everywhere. */
export function utc(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

/** An output that keeps what is written. */
export class FakeOutput implements Output {
  text = "";
  isTTY: boolean;
  columns: number;
  rows: number;

  constructor(options: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number } = {}) {
    this.isTTY = options.isTTY ?? false;
    this.columns = options.columns ?? 80;
    this.rows = options.rows ?? 24;
  }

  readonly #print = printing((text) => void (this.text += text));
  readonly write: Output["write"] = this.#print.write;
  readonly coloured: Output["coloured"] = this.#print.coloured;
  readonly json: Output["json"] = this.#print.json;
  jsonPieces: Output["jsonPieces"] = (pieces) => {
    for (const piece of pieces) this.json(piece);
    return Promise.resolve();
  };
  readonly raw: Output["raw"] = this.#print.raw;

  /** What was written since the last call. */
  take(): string {
    const text = this.text;
    this.text = "";
    return text;
  }
}

/** A clock that stands still until it is moved; its wall clock steps without it. */
export class FakeClock implements Clock {
  /** What the monotonic clock reads. */
  time = 5_000;
  /** What the wall clock is ahead of it. */
  ahead: number = START - 5_000;
  readonly timers: Set<{ readonly due: number; readonly fn: () => void }> = new Set();

  now(): number {
    return this.ahead + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  stampOffset(): number {
    return this.ahead;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { due: this.time + ms, fn };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets time pass; timers fire when they are due. */
  pass(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const next = [...this.timers].sort((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > until) break;
      this.time = next.due;
      this.timers.delete(next);
      next.fn();
    }
    this.time = until;
  }
}

const NO_COUNTS: RunSnapshot["counts"] = {
  waiting: 0,
  ready: 0,
  running: 0,
  retrying: 0,
  succeeded: 0,
  failed: 0,
  timed_out: 0,
  cancelled: 0,
  crashed: 0,
  skipped: 0,
};

/** A snapshot with what matters to the test. */
export function snapshotOf(
  part: Partial<Omit<RunSnapshot, "counts">> & { readonly counts?: Partial<RunSnapshot["counts"]> } = {},
): RunSnapshot {
  return {
    run: "r1",
    pipeline: "device-check",
    state: "running",
    startedAt: START,
    ranMs: 0,
    tasks: 3,
    running: [],
    next: [],
    workers: { busy: 0, idle: 0, starting: 0 },
    ...part,
    counts: { ...NO_COUNTS, ...part.counts },
  };
}

/** A running attempt that started `ms` after the start. */
export function runningSince(ms: number, task: string, more: Partial<RunningAttempt> = {}): RunningAttempt {
  return { task, iteration: 0, attempt: 1, worker: 1, startedAt: START + ms, ranMs: 0, ...more };
}

/** A snapshot as it is at this wall time, on a clock that has not stepped. */
export function pictureAt(now: number, snapshot: RunSnapshot): RunSnapshot {
  const running = snapshot.running.map((each) => ({ ...each, ranMs: now - each.startedAt }));
  return { ...snapshot, ranMs: now - snapshot.startedAt, running };
}

/** An execution that does what the test says. */
export class FakeExecution implements Execution {
  readonly run = "r1";
  picture: RunSnapshot = snapshotOf();
  /** How long it has been going on, milliseconds. */
  ranMs: () => number = () => 0;
  readonly asked: string[] = [];
  readonly #listeners: Set<(event: ExecutionEvent) => void> = new Set();
  readonly #result: PromiseWithResolvers<ResultFold> = Promise.withResolvers();
  readonly ended: Promise<ResultFold> = this.#result.promise;
  #seq = 0;

  then: Execution["then"] = (onResult, onError) =>
    this.ended.then((fold) => fold.result()).then(onResult, onError);

  watch(listener: (event: ExecutionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  follow: InspectedExecution["follow"] = (listener, wants) =>
    this.watch((event) => {
      if (event.type === "attempt.started" || event.type === "attempt.progressed") return;
      if (event.type === "log" || wants(event)) listener(event);
    });

  get watchers(): number {
    return this.#listeners.size;
  }

  snapshot(): RunSnapshot {
    return pictureAt(START + this.ranMs(), this.picture);
  }

  stop(because: string): void {
    this.asked.push(`stop: ${because}`);
  }

  cancel(because: string): void {
    this.asked.push(`cancel: ${because}`);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ExecutionEvent> {}

  emit(event: ExecutionEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** A log line, `ms` after the start. */
  log(ms: number, task: string | undefined, text: string, more: Partial<LogRecord> = {}): void {
    const at = new Date(START + ms).toISOString();
    const whose = task === undefined
      ? { from: "executor" as const }
      : { from: "task" as const, task, iteration: 0, attempt: 1 };
    this.emit({
      type: "log",
      seq: ++this.#seq,
      at,
      level: "info",
      stream: "stdout",
      text,
      ...whose,
      ...more,
    });
  }

  /** The end of an attempt, `ms` after the start. */
  settle(
    ms: number,
    task: string,
    more: Partial<ExecutionEvent & { readonly type: "attempt.settled" }> = {},
  ): void {
    const at = START + ms;
    this.emit({
      type: "attempt.settled",
      seq: ++this.#seq,
      at,
      task,
      iteration: 0,
      attempt: 1,
      outcome: "succeeded",
      startedAt: START,
      endedAt: at,
      ...more,
    });
  }

  end(result: ResultFold): void {
    this.#result.resolve(result);
  }

  fail(error: unknown): void {
    this.#result.reject(error);
  }
}

/** A result of a run that took 1.2 s. */
export function resultOf(state: RunResult["state"], tasks: RunResult["tasks"]): ResultFold {
  const fold = new ResultFold();
  const add = (event: StateEvent, at = START) => fold.add({ seq: 0, at, ...event });
  add({ type: "run.started", run: "r1", pipeline: "device-check", runtime: "node 24.0.0", plan: "" });
  for (const [task, attempts] of Object.entries(tasks)) {
    for (const { value, startedAt, endedAt, ...rest } of attempts) {
      add({
        type: "attempt.settled",
        task,
        ...rest,
        ...(value !== undefined && { value: encode(value, task)! }),
        ...(startedAt !== undefined && { startedAt: Date.parse(startedAt) }),
        ...(endedAt !== undefined && { endedAt: Date.parse(endedAt) }),
      });
    }
  }
  add({ type: "run.ended", state }, START + 1_200);
  return fold;
}

/** A runtime without a system under it: files in a map, signals by hand. */
export class FakeRuntime implements CliRuntime {
  readonly name = "node";
  readonly version = "24.0.0";
  readonly pid = 4242;
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly files: Map<string, string> = new Map();
  readonly exits: number[] = [];
  /** What the next write to an appended file throws. */
  refuses: Error | undefined;
  #onSignal: ((signal: "SIGINT" | "SIGTERM") => void) | undefined;
  readonly uncaught: Set<(error: unknown) => void> = new Set();
  readonly #env: Record<string, string>;

  constructor(options: { readonly env?: Readonly<Record<string, string>>; readonly isTTY?: boolean } = {}) {
    this.#env = options.env ?? {};
    this.stdout = new FakeOutput({ isTTY: options.isTTY ?? false });
    this.stderr = new FakeOutput({ isTTY: options.isTTY ?? false });
  }

  env: CliRuntime["env"] = (name) => this.#env[name];
  envNames: CliRuntime["envNames"] = () => Object.keys(this.#env);
  setEnv: CliRuntime["setEnv"] = (name, value) => void (this.#env[name] = value);
  cwd: CliRuntime["cwd"] = () => "/here";
  shieldStdout: CliRuntime["shieldStdout"] = () => () => {};

  about: CliRuntime["about"] = (path) => {
    const text = this.files.get(path);
    return Promise.resolve(
      text === undefined ? undefined : { size: text.length, isFile: true, isFolder: false },
    );
  };

  remove: CliRuntime["remove"] = (path) => Promise.resolve(void this.files.delete(path));

  askSocket: CliRuntime["askSocket"] = () => Promise.reject(new Error("nobody answers"));

  readText: CliRuntime["readText"] = (path) => {
    const text = this.files.get(path);
    if (text !== undefined) return Promise.resolve(text);
    const code = path.endsWith("/") ? "EISDIR" : "ENOENT";
    return Promise.reject(Object.assign(new Error(`${code}: no such file, open '${path}'`), { code }));
  };

  readStream: CliRuntime["readStream"] = () => Promise.reject(new Error("nothing comes"));
  passingModule: CliRuntime["passingModule"] = () => Promise.reject(new Error("no disk"));

  writeText: CliRuntime["writeText"] = (path, text) => {
    if (path.startsWith("/nowhere/")) {
      return Promise.reject(new Error(`ENOENT: no such file or directory, open '${path}'`));
    }
    this.files.set(path, text);
    return Promise.resolve();
  };

  appendTo: CliRuntime["appendTo"] = (path) => ({
    write: (text) => {
      if (this.refuses !== undefined) throw this.refuses;
      this.files.set(path, (this.files.get(path) ?? "") + text);
    },
    close: () => {},
  });

  onSignal: CliRuntime["onSignal"] = (listener) => {
    this.#onSignal = listener;
    return () => this.#onSignal = undefined;
  };

  onUncaught: CliRuntime["onUncaught"] = (listener) => {
    this.uncaught.add(listener);
    return () => this.uncaught.delete(listener);
  };

  exit: CliRuntime["exit"] = (code) => {
    this.exits.push(code);
    return new Promise<never>(() => {});
  };

  /** Sends a signal; returns whether anyone listened. */
  signal(signal: "SIGINT" | "SIGTERM"): boolean {
    const listener = this.#onSignal;
    listener?.(signal);
    return listener !== undefined;
  }
}
