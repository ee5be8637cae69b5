/**
 * Owns one run: it wires journal, schedule, pool and store, and is the only one that knows all of them.
 * Must not decide what runs next (schedule/) nor where (pool/), only carry the one to the other.
 * Invariant: what happened is in the journal before anything follows from it.
 */
import { KILL_GRACE_MS, MAX_WORKERS, STOP_GRACE_MS } from "../defaults.ts";
import { between, systemClock } from "../base/clock.ts";
import { takeEarly } from "./prewarm.ts";
import type { Execution, ExecutionEvent, RunOptions } from "./execution.ts";
import type { RunSnapshot, TaskStanding } from "../model/snapshot.ts";
import type { InnerOptions, InspectedExecution } from "./inspection.ts";
import type { Journal } from "../journal/journal.ts";
import { memoryJournal } from "../journal/memory/memory.ts";
import type { Level } from "../model/record.ts";
import { ResultReader, type RunResult } from "../model/result.ts";
import { noFlagCalls } from "./flags.ts";
import { runnerPort } from "./programs.ts";
import { loadPort } from "./loading.ts";
import { planHash, type RecordedPast, recordedPast } from "./resume/replay.ts";
import { goOn } from "./resume/resume.ts";
import { Patience, retryWait } from "./timers.ts";
import { load, type Source } from "../pipeline/load/load.ts";
import type { RunState } from "../model/outcome.ts";
import { kindOf } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { widthOf } from "../pipeline/plan/width.ts";
import type { Given, LaneItem, LaneOutcome } from "../pool/lane.ts";
import { Pool } from "../pool/pool.ts";
import { workerCode } from "../pool/worker_code.ts";
import { runtime } from "../runtime/runtime.ts";
import type { Command, Dispatch } from "../schedule/command.ts";
import { Schedule } from "../schedule/schedule.ts";
import { type Pictured, snapshotOf, standingsOf } from "./standings.ts";
import { StoreError } from "../store/errors.ts";
import { type Emitter, EventLog } from "../store/events.ts";
import { type StoreService, storeService } from "../store/rpc.ts";
import { SharedStore } from "../store/store.ts";
import { entryOf, sourcesOf, supplyOf } from "./feed.ts";
import { RunningTold, Watching } from "./watching.ts";

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

/** Runs a pipeline, as `run` does, and lets the parts around it look inside. */
export function inspectedRun(source: Source, options: InnerOptions = {}): InspectedExecution {
  return new Run(source, options);
}

/** Names of the runtime as results give it. */
const RUNTIME = `${runtime.name} ${runtime.version}`;

class Run implements InspectedExecution {
  readonly run: string;
  readonly journal: Journal;
  readonly store: SharedStore;
  readonly events: EventLog;
  readonly begun: Promise<Plan>;
  readonly #begun: PromiseWithResolvers<Plan> = Promise.withResolvers();
  readonly #options: InnerOptions;
  readonly #past: RecordedPast | undefined;
  readonly #results: ResultReader;
  readonly #pool: Pool;
  readonly #ended: PromiseWithResolvers<RunState> = Promise.withResolvers();
  readonly #result: Promise<RunResult>;
  readonly #watching: Watching;
  readonly #patience: Patience = new Patience();
  readonly #runningTold: RunningTold;
  readonly #because: Map<number, string> = new Map();
  #plan: Plan | undefined;
  #schedule: Schedule | undefined;
  #values: (string | undefined)[] = [];
  #startedAt: number;
  /** When it began by the monotonic clock; of a run that goes on, as far back as the wall clock says that it began. */
  #since: number;
  /** How long it took, once it is over. */
  #tookMs: number | undefined;
  #state: RunState = "running";
  #stopAsked: string | undefined;

  constructor(source: Source, options: InnerOptions) {
    this.#options = options;
    this.journal = options.journal ?? memoryJournal();
    this.#results = new ResultReader(this.journal);
    this.#past = options.journal === undefined ? undefined : recordedPast(this.journal);
    this.run = this.#past?.run ?? options.run ?? crypto.randomUUID();
    this.#startedAt = this.#past?.startedAt ?? now();
    this.#since = systemClock.monotonic() - between(this.#startedAt, now());
    this.store = new SharedStore({ onChange: (event) => void this.journal.append(event, now()) });
    this.events = new EventLog({ onChange: (event, at) => void this.journal.append(event, at) });
    this.begun = this.#begun.promise;
    this.begun.catch(() => {});
    this.#pool = this.#makePool();
    // It starts while the pipeline is read: nearly every pipeline needs a worker before anything else.
    this.#pool.first();
    this.#result = this.#carryOut(source);
    this.#result.catch(() => {});
    this.#watching = new Watching(this.journal, this.#result);
    this.#runningTold = new RunningTold(this.#watching);
    this.#obeySignal(options.signal);
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

  get plan(): Plan | undefined {
    return this.#plan;
  }

  watch(listener: (event: ExecutionEvent) => void): () => void {
    return this.#watching.listen(listener);
  }

  stop(because: string): void {
    if (this.#stopAsked !== undefined || this.#state !== "running" || this.#schedule?.ended) return;
    this.#stopAsked = because;
    const graceMs = this.#options.stopGraceMs ?? STOP_GRACE_MS;
    if (this.#schedule === undefined) return this.#patience.limitLoading(graceMs, because);
    this.note("info", `Stopping: ${because}. Nothing new starts; running tasks may end`);
    this.journal.append({ type: "run.stopping", because, state: "cancelled" }, now());
    this.#obey(this.#schedule.stop(because));
    this.#patience.grace(graceMs, () => this.#pool.cancelAll(`${because}, and its time to end was over`));
    this.#pool.feed();
  }

  cancel(because: string): void {
    this.stop(because);
    const { killGraceMs = KILL_GRACE_MS } = this.#options;
    if (this.#schedule === undefined) this.#patience.limitLoading(killGraceMs, because);
    this.#pool.cancelAll(because);
  }

  pause(): void {
    this.#pool.pause(true);
  }

  resume(): void {
    this.#pool.pause(false);
  }

  snapshot(limit = 5): RunSnapshot {
    return snapshotOf(this.#pictured(), limit);
  }

  standings(offset = 0, limit = Infinity): TaskStanding[] {
    return standingsOf(this.#pictured(), { offset, limit });
  }

  resultJson(): Iterable<string> {
    return this.#results.read().json();
  }

  note(level: Level, text: string): void {
    this.journal.log({ at: now(), level, from: "executor", stream: "log", text });
  }

  #pictured(): Pictured {
    return {
      run: this.run,
      state: this.#state,
      startedAt: this.#startedAt,
      ranMs: this.#tookMs ?? systemClock.monotonic() - this.#since,
      plan: this.#plan,
      schedule: this.#schedule,
      pool: this.#pool,
      progress: this.#runningTold.progress,
      because: this.#because,
    };
  }

  #obeySignal(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const cancel = () => this.cancel("its signal was aborted");
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel);
    const unlisten = () => signal.removeEventListener("abort", cancel);
    this.#result.then(unlisten, unlisten);
  }

  #makePool(): Pool {
    const { maxWorkers = MAX_WORKERS, killGraceMs = KILL_GRACE_MS, workerMemoryMiB } = this.#options;
    const max = Math.max(maxWorkers, this.#options.workers ?? 1, 1);
    return new Pool({
      workers: Math.min(max, this.#options.workers ?? runtime.cores),
      maxWorkers: max,
      killGraceMs,
      early: takeEarly(workerMemoryMiB === undefined && this.#options.environment === undefined),
      start: (data) =>
        runtime.startThread({
          code: workerCode,
          data,
          ...(workerMemoryMiB === undefined ? {} : { memoryMiB: workerMemoryMiB }),
        }),
      own: runnerPort(this.run, this.#options.environment),
      services: (lane) => ({
        ...this.#storeService(lane),
        ...noFlagCalls(),
        ...this.#options.services,
        previous: () => {
          this.#pool.drain();
          return this.#results.read().attemptsBefore();
        },
        value: (task: number, iteration: number) => {
          this.#pool.drain();
          return this.#schedule?.iteration(task) === iteration ? this.#values[task] : undefined;
        },
      }),
      listener: {
        began: (lane, item, since) => this.#runningTold.began(this.#told(lane, item), since),
        settled: (lane, item, outcome) => this.#settled(lane, item, outcome),
        printed: (line) => void this.journal.log(entryOf(line, this.#plan)),
        progressed: (lane, item, progress) =>
          this.#runningTold.progressed(this.#told(lane, item), progress, now()),
        replaced: (lane, wrong) =>
          this.note(
            "warn",
            `Worker ${lane} is gone${wrong === undefined ? "" : `, as ${wrong}`}; another takes its place`,
          ),
      },
    });
  }

  /** The store and the events; a worker emits in the name of the attempts that it was given, and of no other. */
  #storeService(lane: Given): StoreService {
    const service = storeService(this.store, this.events);
    const of = (from: Emitter) => (item: LaneItem) =>
      this.#name(item.task) === from.task && item.iteration === from.iteration &&
      item.attempt === from.attempt;
    return {
      ...service,
      emit: (type, detail, from) =>
        typeof from === "object" && from !== null && !lane.given(of(from))
          ? Promise.reject(new StoreError("BAD_ARGUMENT", "from must be an attempt of this worker"))
          : service.emit(type, detail, from),
    };
  }

  async #carryOut(source: Source): Promise<RunResult> {
    try {
      const { params, base } = this.#options;
      const reading = load(source, loadPort(() => this.#pool.first()), {
        ...(params === undefined ? {} : { params }),
        ...(base === undefined ? {} : { base }),
      });
      const plan = await this.#patience.loaded(reading);
      const hash = this.#options.journal === undefined ? "" : await planHash(plan);
      if (this.#past?.ended !== undefined && this.#options.from === undefined) {
        this.#state = this.#past.ended;
        this.#plan = plan;
        this.#begun.resolve(plan);
        return this.#results.read().result();
      }
      this.#begin(plan, hash);
      const state = await this.#ended.promise;
      const closed = this.#pool.close();
      // The result is put together while the workers end.
      this.#results.read();
      await closed;
      this.#end(state);
      await this.journal.flush();
      return this.#results.read().result();
    } catch (error) {
      this.#state = this.#stopAsked === undefined ? "failed" : "cancelled";
      this.#begun.reject(error);
      throw error;
    } finally {
      this.#patience.end();
      await this.#pool.close();
      this.store.close();
      this.events.close();
    }
  }

  #begin(plan: Plan, hash: string): void {
    this.#plan = plan;
    this.#values = new Array<string | undefined>(plan.tasks.length).fill(undefined);
    const schedule = this.#past === undefined ? this.#start(hash) : this.#goOn(this.#past, hash);
    const { sources, sourceOf } = sourcesOf(plan);
    const supply = supplyOf({
      plan,
      schedule,
      values: this.#values,
      dispatched: (lane, dispatch) => this.#dispatched(lane, dispatch),
      commit: () => this.journal.commit?.(),
      obey: (commands) => this.#obey(commands),
    }, sourceOf);
    const asked = this.#stopAsked;
    if (asked !== undefined) {
      this.#stopAsked = undefined;
      this.stop(asked);
    }
    this.#begun.resolve(plan);
    const onWorkers = ({ run }: PlanTask) => run !== undefined && kindOf(run).place !== "own";
    this.#pool.begin(supply, { run: this.run, width: widthOf(plan, onWorkers), sources });
  }

  #start(hash: string): Schedule {
    const schedule = this.#schedule = new Schedule(this.#plan!);
    const { name, tasks } = this.#plan!;
    this.#startedAt = now();
    this.#since = systemClock.monotonic();
    this.journal.append(
      { type: "run.started", run: this.run, pipeline: name, runtime: RUNTIME, plan: hash },
      this.#startedAt,
    );
    this.note("info", `Run ${this.run} of ${name} (${tasks.length} tasks) started on ${RUNTIME}`);
    this.#obey(schedule.start());
    return schedule;
  }

  #goOn(past: RecordedPast, hash: string): Schedule {
    const { journal, store, events } = this;
    const parts = { plan: this.#plan!, journal, store, events, values: this.#values };
    const { schedule, commands, lost, givenUp } = goOn(parts, past, {
      hash,
      from: this.#options.from,
      at: now(),
    });
    this.#schedule = schedule;
    this.note("info", `Run ${this.run} of ${this.#plan!.name} goes on; attempts that were lost: ${lost}`);
    if (givenUp !== undefined) this.note("critical", `Run ${this.run} is given up: ${givenUp}`);
    this.#obey(commands);
    return schedule;
  }

  #dispatched(worker: number, { task, iteration, attempt }: Dispatch): void {
    this.journal.append(
      { type: "attempt.dispatched", task: this.#name(task), iteration, attempt, worker },
      now(),
    );
  }

  #settled(worker: number, item: LaneItem, settled: LaneOutcome): void {
    const { task, iteration, attempt } = item;
    const { outcome, value } = settled;
    if (this.#runningTold.some) this.#runningTold.settled(this.#told(worker, item), settled.startedAt);
    this.#values[task] = value;
    this.journal.append(
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
    if (because !== undefined) this.#because.set(task, because);
    this.journal.append({
      type: "attempt.settled",
      task: this.#name(task),
      iteration,
      attempt,
      outcome,
      ...(because === undefined ? { startedAt: at, endedAt: at } : { because }),
    }, at);
  }

  #delay({ task, iteration, attempt }: Extract<Command, { type: "delay" }>): void {
    const wait = retryWait(this.#plan!.tasks[task]!.retry, attempt, Math.random());
    const at = now();
    this.journal.append(
      { type: "attempt.planned", task: this.#name(task), iteration, attempt: attempt + 1, dueAt: at + wait },
      at,
    );
    this.#patience.after(wait, () => {
      this.#obey(this.#schedule!.due(task));
      this.#pool.feed();
    });
  }

  #end(state: RunState): void {
    this.#state = state;
    const tookMs = this.#tookMs = Math.round(systemClock.monotonic() - this.#since);
    const took = (tookMs / 1_000).toFixed(3);
    this.note("info", `Run ${this.run} ${state} after ${took} s`);
    this.journal.append({ type: "run.ended", state, tookMs }, now());
  }

  /** An attempt as watchers are told of it. */
  #told(worker: number, { task, iteration, attempt }: LaneItem) {
    return { worker, task, iteration, attempt, name: this.#name(task) };
  }

  #name(task: number): string {
    return this.#plan!.tasks[task]!.name;
  }
}

function now(): number {
  return systemClock.now();
}
