/**
 * Owns one run: it wires journal, schedule, pool and store, and is the only one that knows all of them.
 * Must not decide what runs next (schedule/) nor where (pool/), only carry the one to the other.
 * Invariant: what happened is in the journal before anything follows from it.
 */
import type { Execution, ExecutionEvent, RunningAttempt, RunOptions, RunSnapshot } from "./execution.ts";
import { memoryJournal } from "./journal/memory.ts";
import type { Journal } from "./journal/journal.ts";
import { type Level, LEVELS, STREAMS } from "./journal/record.ts";
import { ResultFold, type RunResult } from "./journal/result.ts";
import { loadPort } from "./loading.ts";
import { load, type Source } from "./pipeline/load.ts";
import type { RunState } from "./pipeline/outcome.ts";
import type { Plan } from "./pipeline/plan.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "./pool/lane.ts";
import { Pool } from "./pool/pool.ts";
import { workerCode } from "./pool/worker_code.ts";
import { runtime } from "./runtime/runtime.ts";
import { type Command, type Dispatch, Standing } from "./schedule/command.ts";
import { Schedule } from "./schedule/schedule.ts";
import { EventLog } from "./store/events.ts";
import { storeService } from "./store/rpc.ts";
import { SharedStore } from "./store/store.ts";
import { sourcesOf, supplyOf } from "./supply.ts";
import { Watching } from "./watching.ts";

/**
 * Runs a pipeline.
 *
 * @param source A pipeline, its JSON form, or a path or URL of a file with either.
 * @returns The execution: await it for the result, iterate it for the events. It rejects with a `PipelineError` if the
 * pipeline has problems; then nothing has run.
 */
export function run(source: Source, options: RunOptions = {}): Execution {
  return new Run(source, options);
}

/** Names of the runtime as results give it. */
const RUNTIME = `${runtime.name} ${runtime.version}`;

class Run implements Execution {
  readonly run: string = crypto.randomUUID();
  readonly #options: RunOptions;
  readonly #journal: Journal = memoryJournal();
  readonly #fold: ResultFold = new ResultFold();
  #folded = 0;
  readonly #store: SharedStore;
  readonly #events: EventLog;
  readonly #pool: Pool;
  readonly #ended: PromiseWithResolvers<RunState> = Promise.withResolvers();
  readonly #result: Promise<RunResult>;
  readonly #watching: Watching;
  readonly #delays: Set<ReturnType<typeof setTimeout>> = new Set();
  readonly #progress: Map<number, { fraction: number; text?: string }> = new Map();
  readonly #started: Map<number, number> = new Map();
  #plan: Plan | undefined;
  #schedule: Schedule | undefined;
  #values: (string | undefined)[] = [];
  #startedAt: number = now();
  #state: RunState = "running";
  #stopAsked: { readonly because: string; cancel: boolean } | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: Source, options: RunOptions) {
    this.#options = options;
    this.#store = new SharedStore({ onChange: (event) => void this.#journal.append(event, now()) });
    this.#events = new EventLog({ onChange: (event, at) => void this.#journal.append(event, at) });
    this.#pool = this.#makePool();
    this.#result = this.#carryOut(source);
    this.#result.catch(() => {});
    this.#watching = new Watching(this.#journal, this.#result);
    const { signal } = options;
    const cancel = () => this.cancel("its signal was aborted");
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel);
    const unlisten = () => signal?.removeEventListener("abort", cancel);
    this.#result.then(unlisten, unlisten);
  }

  then<A = RunResult, B = never>(
    fulfilled?: ((result: RunResult) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): PromiseLike<A | B> {
    return this.#result.then(fulfilled, rejected);
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecutionEvent> {
    return this.#watching.iterate();
  }

  watch(listener: (event: ExecutionEvent) => void): () => void {
    return this.#watching.listen(listener);
  }

  stop(because: string): void {
    if (this.#stopAsked !== undefined || this.#state !== "running") return;
    this.#stopAsked = { because, cancel: false };
    if (this.#schedule === undefined) return;
    this.#log("warn", `Stopping: ${because}. Nothing new starts; running tasks may end`);
    this.#journal.append({ type: "run.stopping", because, state: "cancelled" }, now());
    this.#obey(this.#schedule.stop(because));
    const graceMs = this.#options.stopGraceMs ?? 10_000;
    this.#graceTimer = setTimeout(
      () => this.#pool.cancelAll(`${because}, and its time to end was over`),
      graceMs,
    );
    this.#pool.feed();
  }

  cancel(because: string): void {
    this.stop(because);
    if (this.#stopAsked !== undefined) this.#stopAsked.cancel = true;
    this.#pool.cancelAll(because);
  }

  snapshot(limit = 5): RunSnapshot {
    const schedule = this.#schedule;
    const counts: Record<string, number> = Object.fromEntries(COUNTED.map((name) => [name, 0]));
    const running = this.#running();
    if (schedule !== undefined) {
      for (const { index } of this.#plan!.tasks) {
        const standing = schedule.standing(index);
        const name = standing === Standing.settled ? schedule.outcome(index)! : BY_STANDING[standing]!;
        counts[name]!++;
      }
      counts["ready"]! += counts["running"]! - running.length;
      counts["running"] = running.length;
    }
    const lanes = this.#pool.lanes;
    return {
      run: this.run,
      pipeline: this.#plan?.name ?? "",
      state: this.#state,
      startedAt: this.#startedAt,
      tasks: this.#plan?.tasks.length ?? 0,
      counts: counts as RunSnapshot["counts"],
      running,
      next: (schedule?.next(limit) ?? []).map((index) => this.#name(index)),
      workers: {
        busy: lanes.filter((lane) => lane.outstanding > 0).length,
        idle: lanes.filter((lane) => lane.warm && lane.outstanding === 0).length,
        starting: lanes.filter((lane) => lane.starting).length,
      },
    };
  }

  #makePool(): Pool {
    const { maxWorkers = 64, killGraceMs = 2_000, workerMemoryMiB } = this.#options;
    const max = Math.max(maxWorkers, this.#options.workers ?? 1, 1);
    return new Pool({
      workers: Math.min(max, this.#options.workers ?? runtime.cores),
      maxWorkers: max,
      killGraceMs,
      start: (data) =>
        runtime.startThread({
          code: workerCode,
          data,
          ...(workerMemoryMiB === undefined ? {} : { memoryMiB: workerMemoryMiB }),
        }),
      services: {
        ...storeService(this.#store, this.#events),
        previous: () => {
          this.#pool.drain();
          return this.#readFold().attemptsBefore();
        },
        value: (task: number, iteration: number) => {
          this.#pool.drain();
          return this.#schedule?.iteration(task) === iteration ? this.#values[task] : undefined;
        },
      },
      listener: {
        settled: (lane, item, outcome) => this.#settled(lane, item, outcome),
        printed: (line) => this.#printed(line),
        progressed: (lane, item, progress) => this.#progressed(lane, item, progress),
        replaced: (lane) => this.#log("warn", `Worker ${lane} is gone; another takes its place`),
      },
    });
  }

  async #carryOut(source: Source): Promise<RunResult> {
    try {
      const { params, base } = this.#options;
      this.#begin(
        await load(source, loadPort(() => this.#pool.first()), {
          ...(params === undefined ? {} : { params }),
          ...(base === undefined ? {} : { base }),
        }),
      );
      const state = await this.#ended.promise;
      await this.#pool.close();
      this.#end(state);
      await this.#journal.flush();
      return this.#readFold().result();
    } finally {
      clearTimeout(this.#graceTimer);
      for (const delay of this.#delays) clearTimeout(delay);
      await this.#pool.close();
      this.#store.close();
      this.#events.close();
    }
  }

  #begin(plan: Plan): void {
    this.#plan = plan;
    this.#startedAt = now();
    this.#values = new Array<string | undefined>(plan.tasks.length).fill(undefined);
    const schedule = this.#schedule = new Schedule(plan);
    this.#journal.append(
      { type: "run.started", run: this.run, pipeline: plan.name, runtime: RUNTIME, plan: "" },
      this.#startedAt,
    );
    this.#log("info", `Run ${this.run} of ${plan.name} (${plan.tasks.length} tasks) started on ${RUNTIME}`);
    this.#obey(schedule.start());
    const { sources, sourceOf } = sourcesOf(plan);
    const supply = supplyOf({
      plan,
      schedule,
      values: this.#values,
      dispatched: (lane, dispatch) => this.#dispatched(lane, dispatch),
      commit: () => this.#journal.commit?.(),
      obey: (commands) => this.#obey(commands),
    }, sourceOf);
    const asked = this.#stopAsked;
    if (asked !== undefined) {
      this.#stopAsked = undefined;
      this.stop(asked.because);
    }
    this.#pool.begin(supply, {
      run: this.run,
      tasks: plan.tasks.filter((task) => task.run !== undefined).length,
      sources,
    });
  }

  #dispatched(worker: number, { task, iteration, attempt }: Dispatch): void {
    this.#journal.append(
      { type: "attempt.dispatched", task: this.#name(task), iteration, attempt, worker },
      now(),
    );
  }

  #settled(worker: number, item: LaneItem, settled: LaneOutcome): void {
    const { task, iteration, attempt } = item;
    const { outcome, value } = settled;
    if (this.#watching.some) this.#tellStart(worker, item, settled.startedAt);
    if (this.#started.size > 0) this.#started.delete(task);
    if (this.#progress.size > 0) this.#progress.delete(task);
    this.#values[task] = value;
    this.#journal.append(
      { type: "attempt.settled", task: this.#name(task), iteration, attempt, worker, ...settled },
      settled.endedAt,
    );
    this.#obey(this.#schedule!.settle(task, outcome as Exclude<typeof outcome, "skipped">));
  }

  #obey(commands: readonly Command[]): void {
    for (const command of commands) {
      switch (command.type) {
        case "record":
          this.#record(command);
          break;
        case "delay":
          this.#delay(command);
          break;
        case "revoke":
          this.#pool.haltAll();
          break;
        case "end":
          this.#ended.resolve(command.state);
      }
    }
  }

  #record({ task, iteration, attempt, outcome, because }: Extract<Command, { type: "record" }>): void {
    const at = now();
    this.#values[task] = undefined;
    this.#journal.append({
      type: "attempt.settled",
      task: this.#name(task),
      iteration,
      attempt,
      outcome,
      ...(because === undefined ? { startedAt: at, endedAt: at } : { because }),
    }, at);
  }

  #delay({ task, iteration, attempt }: Extract<Command, { type: "delay" }>): void {
    const { delayMs, factor, maxDelayMs, jitter } = this.#plan!.tasks[task]!.retry;
    const base = Math.min(delayMs * factor ** (attempt - 1), maxDelayMs);
    const wait = base * (1 + jitter * (2 * Math.random() - 1));
    const at = now();
    this.#journal.append(
      { type: "attempt.planned", task: this.#name(task), iteration, attempt: attempt + 1, dueAt: at + wait },
      at,
    );
    const timer = setTimeout(() => {
      this.#delays.delete(timer);
      this.#obey(this.#schedule!.due(task));
      this.#pool.feed();
    }, wait);
    this.#delays.add(timer);
  }

  #end(state: RunState): void {
    this.#state = state;
    const took = ((now() - this.#startedAt) / 1_000).toFixed(3);
    this.#log(state === "succeeded" ? "info" : "warn", `Run ${this.run} ${state} after ${took} s`);
    this.#journal.append({ type: "run.ended", state }, now());
  }

  #printed({ task, iteration, attempt, at, level, stream, text }: LaneLine): void {
    this.#journal.log({
      at,
      level: LEVELS[level]!,
      from: "task",
      ...(task < 0 || this.#plan === undefined ? {} : { task: this.#name(task), iteration, attempt }),
      stream: STREAMS[stream]!,
      text,
    });
  }

  #progressed(worker: number, item: LaneItem, progress: { fraction: number; text?: string }): void {
    this.#progress.set(item.task, progress);
    if (!this.#watching.some) return;
    const { task, iteration, attempt } = item;
    this.#tellStart(worker, item, now());
    this.#watching.pass({
      type: "attempt.progressed",
      at: now(),
      task: this.#name(task),
      iteration,
      attempt,
      ...progress,
    });
  }

  /** Tells that an attempt has started, once, when there is somebody to tell. */
  #tellStart(worker: number, { task, iteration, attempt }: LaneItem, at: number): void {
    if (!this.#watching.some || this.#started.get(task) === attempt) return;
    this.#started.set(task, attempt);
    this.#watching.pass({ type: "attempt.started", at, task: this.#name(task), iteration, attempt, worker });
  }

  #running(): RunningAttempt[] {
    return this.#pool.lanes.flatMap((lane) => {
      const running = lane.running;
      if (running === undefined) return [];
      const { task, iteration, attempt } = running.item;
      const progress = this.#progress.get(task);
      return [{
        task: this.#name(task),
        iteration,
        attempt,
        worker: lane.id,
        startedAt: running.since,
        ...(progress === undefined ? {} : { progress }),
      }];
    });
  }

  #log(level: Level, text: string): void {
    this.#journal.log({ at: now(), level, from: "executor", stream: "log", text });
  }

  #name(task: number): string {
    return this.#plan!.tasks[task]!.name;
  }

  #readFold(): ResultFold {
    for (let page = this.#journal.states(this.#folded, 10_000); page.length > 0;) {
      for (const record of page) this.#fold.add(record);
      this.#folded += page.length;
      page = this.#journal.states(this.#folded, 10_000);
    }
    return this.#fold;
  }
}

const COUNTED = [
  "waiting",
  "ready",
  "running",
  "retrying",
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "crashed",
  "skipped",
] as const;

/** What a task that has not settled counts as, by its standing. */
const BY_STANDING = ["waiting", "ready", "running", "retrying"] as const;

function now(): number {
  return performance.timeOrigin + performance.now();
}
