/**
 * Owns one run from the call to the result: it wires journal, schedule, pool and store, leads the run through loading, work
 * and end, and shows it to those who look.
 * Must not know what happens between the first task and the last (at_work.ts does).
 * Invariant: a run that has begun ends once, with its result; one that could not begin has run nothing.
 */
import { localTime } from "../base/shown.ts";
import { KILL_GRACE_MS, STOP_GRACE_MS } from "../defaults.ts";
import { messageOf } from "../base/message.ts";
import type { Execution, ExecutionEvent, RunOptions } from "./execution.ts";
import type { RunSnapshot, TaskStanding } from "../model/snapshot.ts";
import type { FollowedEvent, InnerOptions, InspectedExecution } from "./inspection.ts";
import type { Journal } from "../journal/journal.ts";
import type { Level, LogRecord, StateEvent } from "../model/record.ts";
import type { ResultFold, RunResult } from "../model/result.ts";
import { planHash, type RecordedPast } from "./resume/replay.ts";
import { loadWhole, type Source } from "../pipeline/load/load.ts";
import type { RunState } from "../model/outcome.ts";
import { PipelineError } from "../model/problem.ts";
import { plannedKindOf, runsOnWorkers } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { widthOf } from "../pipeline/plan/width.ts";
import type { LaneItem } from "../pool/attempt.ts";
import { sheetMemory } from "../pool/board/sheet.ts";
import type { Pool } from "../pool/pool.ts";
import type { PoolListener } from "../pool/port.ts";
import type { Command } from "../schedule/command.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import { schedulerOf } from "../schedule/scheduler.ts";
import type { EventLog } from "../store/events.ts";
import type { SharedStore } from "../store/store.ts";
import { AtWork } from "./at_work.ts";
import { RunEnding } from "./ending.ts";
import { entryOf, sourcesOf } from "./feed.ts";
import type { RunFiles } from "./files/run_files.ts";
import { Lists } from "./lists.ts";
import { NotDue } from "./not_due.ts";
import { Loading, loadPort } from "./loading.ts";
import { partsOf, type RunParts } from "./parts.ts";
import { runnerPort } from "./programs.ts";
import { Recorder } from "./recorder.ts";
import { type Pictured, snapshotOf, standingsOf } from "./standings.ts";
import { Timers } from "./timers.ts";
import { Values } from "./values.ts";
import { RunningTold, Watching } from "./watching.ts";
import { poolOf } from "./workers.ts";

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

class Run implements InspectedExecution {
  readonly #parts: RunParts;
  readonly #begun: PromiseWithResolvers<Plan> = Promise.withResolvers();
  readonly #pool: Pool;
  readonly #loading: Loading;
  readonly #ending: RunEnding;
  readonly #watching: Watching;
  readonly #runningTold: RunningTold;
  #plan: Plan | undefined;
  #work: AtWork | undefined;
  #state: RunState = "running";

  constructor(source: Source, options: InnerOptions) {
    this.#parts = partsOf(options);
    this.#loading = new Loading(this.#parts.world.clock);
    this.#begun.promise.catch(() => {});
    this.#pool = poolOf(this.#parts, {
      note: (level, text, stream) => this.note(level, text, stream),
      listener: this.#listener(),
      nameOf: (task) => this.#name(task),
      numbers: {
        taskOf: (number) => this.#work?.schedule.taskOf(number) ?? number,
        itemOf: (number) => this.#work?.schedule.itemOf(number),
      },
      plan: () => this.#plan,
      calls: {
        previous: () => {
          this.#pool.drain();
          return this.#parts.results.read().attemptsBefore();
        },
        value: (task, iteration) => {
          this.#pool.drain();
          return this.#work?.value(task, iteration);
        },
      },
    });
    // It starts while the pipeline is read: nearly every pipeline needs a worker before anything else.
    this.#pool.first();
    this.#ending = new RunEnding(this.#carryOut(source));
    this.#watching = new Watching(this.journal, this.ended);
    this.#runningTold = new RunningTold(this.#watching);
    this.#obeySignal(options.signal);
  }

  get run(): string {
    return this.#parts.run;
  }

  get journal(): Journal {
    return this.#parts.journal;
  }

  get store(): SharedStore {
    return this.#parts.store;
  }

  get events(): EventLog {
    return this.#parts.events;
  }

  get files(): RunFiles {
    return this.#parts.files;
  }

  get begun(): Promise<Plan> {
    return this.#begun.promise;
  }

  get ended(): Promise<ResultFold> {
    return this.#ending.fold;
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  then<A = RunResult, B = never>(
    fulfilled?: ((result: RunResult) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): PromiseLike<A | B> {
    return this.#ending.result.then(fulfilled, rejected);
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecutionEvent> {
    return this.#watching.iterate();
  }

  watch(listener: (event: ExecutionEvent) => void): () => void {
    return this.#watching.listen(listener);
  }

  follow(listener: (event: FollowedEvent) => void, wants: (event: StateEvent) => boolean): () => void {
    return this.#watching.follow(listener, wants);
  }

  stop(because: string): void {
    const { stopGraceMs = STOP_GRACE_MS } = this.#parts.options;
    if (this.#state !== "running") return;
    if (this.#work !== undefined) this.#work.stop(because, stopGraceMs);
    else if (this.#loading.stopped === undefined) this.#loading.stop(because, stopGraceMs);
  }

  cancel(because: string): void {
    const { killGraceMs = KILL_GRACE_MS } = this.#parts.options;
    if (this.#state !== "running") return;
    this.stop(because);
    if (this.#work === undefined) this.#loading.stop(because, killGraceMs);
    this.#pool.cancelAll(because);
  }

  pause(): void {
    this.#pause(true);
  }

  resume(): void {
    this.#pause(false);
  }

  snapshot(limit = 5): RunSnapshot {
    return snapshotOf(this.#pictured(), limit);
  }

  standings(offset = 0, limit = Infinity): TaskStanding[] {
    return standingsOf(this.#pictured(), { offset, limit });
  }

  resultJson(): Iterable<string> {
    return this.#parts.results.read().json();
  }

  note(level: Level, text: string, stream: LogRecord["stream"] = "log"): void {
    this.journal.log({ at: this.#now(), level, from: "executor", stream, text });
  }

  #pause(on: boolean): void {
    this.#work?.pause(on);
    this.#pool.pause(on);
  }

  #pictured(): Pictured {
    const { run, stopwatch, world, scheduledFor } = this.#parts;
    return {
      clock: world.clock,
      run,
      scheduledFor,
      state: this.#state,
      startedAt: stopwatch.startedAt,
      ranMs: stopwatch.ranMs,
      sinceResumeMs: stopwatch.sinceResumeMs,
      plan: this.#plan,
      schedule: this.#work?.schedule,
      pool: this.#pool,
      progress: this.#runningTold.progress,
      because: this.#work?.because ?? NOTHING_SKIPPED,
      lender: this.#parts.lender,
    };
  }

  #obeySignal(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const cancel = () => this.cancel("its signal was aborted");
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel);
    const unlisten = () => signal.removeEventListener("abort", cancel);
    this.ended.then(unlisten, unlisten);
  }

  #listener(): PoolListener {
    return {
      began: (lane, item, since) => this.#runningTold.began(this.#told(lane, item), since),
      settled: (lane, item, settled) => {
        if (this.#runningTold.some) this.#runningTold.settled(this.#told(lane, item), settled.startedAt);
        this.#work!.settled(lane, item, settled);
      },
      printed: (line) =>
        void this.journal.log(entryOf(line, { plan: this.#plan, schedule: this.#work?.schedule })),
      progressed: (lane, item, progress) =>
        this.#runningTold.progressed(this.#told(lane, item), progress, this.#now()),
      replaced: (lane, wrong) =>
        this.note(
          "warn",
          `Worker ${lane} is gone${wrong === undefined ? "" : `, as ${wrong}`}; another takes its place`,
        ),
    };
  }

  async #carryOut(source: Source): Promise<ResultFold> {
    const { options, past, results, store, events, files, world, lender } = this.#parts;
    const timers = new Timers(world);
    try {
      // The one in memory keeps its records in less room than the result would, and is read in no time.
      if (options.journal !== undefined) results.follow();
      const plan = await this.#load(source);
      if (options.holds && plan.schedule !== undefined) throw new NotDue(plan, plan.schedule);
      const hash = options.journal === undefined ? "" : await planHash(plan);
      if (past?.ended !== undefined && options.from === undefined) {
        this.#plan = plan;
        this.#state = past.ended;
        this.#begun.resolve(plan);
        return results.read();
      }
      await this.#look(plan);
      await this.#loading.loaded(this.#openLender(plan));
      if (plan.tasks.some(runsElsewhere)) await this.#loading.loaded(this.#pool.openOwn());
      // Few runs go on.
      const resume = past === undefined ? undefined : await import("./resume/resume.ts");
      this.#plan = plan;
      const work = this.#begin(plan, { hash, timers, resume });
      const state = await work.ended;
      const closed = this.#pool.close();
      // The result is put together while the workers end.
      results.read();
      await closed;
      this.#end(state);
      await this.journal.flush();
      return results.read();
    } catch (error) {
      const stopped = this.#loading.stopped !== undefined || this.#work?.stopping === true;
      this.#state = stopped ? "cancelled" : "failed";
      this.#begun.reject(error);
      throw error;
    } finally {
      this.#loading.end();
      timers.end();
      results.end();
      await this.#pool.close();
      await files.close();
      await lender.close();
      store.close();
      events.close();
    }
  }

  async #load(source: Source): Promise<Plan> {
    const { options: { params, base, admit }, world } = this.#parts;
    const admitted = admit === undefined ? source : await this.#loading.loaded(admit(source));
    const reading = loadWhole(admitted, loadPort(world, this.#pool), {
      ...(params === undefined ? {} : { params }),
      ...(base === undefined ? {} : { base }),
    });
    const { plan, unread } = await this.#loading.loaded(reading);
    for (const { place, message } of unread) this.note("warn", `${place}: ${message}`);
    return plan;
  }

  /** Looks whether all is there that the environment and the tasks require, before anything runs. */
  async #look({ name, requires = [] }: Plan): Promise<void> {
    const { run, options, world: { runtime, clock } } = this.#parts;
    const all = [...options.requires === undefined ? [] : [options.requires], ...requires];
    if (all.length === 0) return;
    // Few require anything.
    const { lookFor } = await import("./requires/requires.ts");
    const note = (text: string) => this.note("info", text);
    const port = runnerPort({ run, runtime, clock, note }, options.environment);
    const { problems, warnings } = await this.#loading.loaded(lookFor(all, port));
    if (problems.length > 0) throw new PipelineError(problems, { source: JSON.stringify(name) });
    for (const { place, message } of warnings) this.note("warn", `${place}: ${message}`);
  }

  /** Makes sure that what the device lends can be had, before anything runs. */
  async #openLender(plan: Plan): Promise<void> {
    try {
      await this.#parts.lender.open(plan, {
        lent: (task) => this.#work!.lent(task),
        taskOf: (number) => this.#work?.schedule.taskOf(number) ?? number,
        note: (level, text) => this.note(level, text),
      });
    } catch (cause) {
      const message = `What the device lends can't be written down (${messageOf(cause)}): ` +
        "let OUTRIDER_DEVICE_DIR name a folder of the user who runs this";
      throw new PipelineError([{ place: "resources", message }], {
        source: JSON.stringify(plan.name),
        cause,
      });
    }
  }

  /** From here on there are tasks to run. @param hash Of the plan. @param resume What goes on with a run. */
  #begin(
    plan: Plan,
    { hash, timers, resume }: {
      readonly hash: string;
      readonly timers: Timers;
      readonly resume: Resume | undefined;
    },
  ): AtWork {
    const { run, journal, world: { clock }, past, lender } = this.#parts;
    const values = new Values(plan.tasks.length);
    const lists = new Lists({ plan, values, clock });
    const { schedule, commands } = past === undefined
      ? this.#start(plan, hash)
      : this.#goOn(plan, { past, hash, values, lists, resume: resume! });
    const recorder = new Recorder({ plan, journal, clock, schedule });
    const pool = this.#pool;
    const work = new AtWork({ plan, schedule, values, lists, recorder, timers, clock, pool, lender });
    this.#work = work;
    work.obey(commands);
    if (this.#pool.paused) work.pause(true);
    const { sources, sourceOf } = sourcesOf(plan);
    const supply = work.supply(sourceOf);
    if (this.#loading.stopped !== undefined) this.stop(this.#loading.stopped);
    this.#begun.resolve(plan);
    this.#pool.begin(supply, {
      run,
      width: widthOf(plan, onWorkers),
      sources,
      sheet: sheetMemory(plan.tasks, sourceOf),
    });
    return work;
  }

  #start(plan: Plan, hash: string): Begun {
    const { run, stopwatch, world, scheduledFor } = this.#parts;
    const { name, tasks } = plan;
    const runtime = `${world.runtime.name} ${world.runtime.version}`;
    const due = scheduledFor === undefined ? {} : { scheduledFor };
    this.journal.append(
      { type: "run.started", run, pipeline: name, runtime, plan: hash, ...due },
      stopwatch.start(),
    );
    this.note("info", `Run ${run} of ${name} (${tasks.length} tasks) started on ${runtime}`);
    this.#sayDue(plan);
    const schedule = schedulerOf(plan);
    return { schedule, commands: schedule.start() };
  }

  #sayDue({ schedule }: Plan): void {
    const { scheduledFor } = this.#parts;
    if (scheduledFor !== undefined) return this.note("info", `It was due at ${localTime(scheduledFor)}`);
    if (schedule === undefined) return;
    const { cron, timezone } = schedule;
    // Said where a person sees it, who may have expected it to stay.
    this.note("warn", `Its timetable (${cron}, ${timezone}) is for outrider agent: here it is run once, now`);
  }

  #goOn(
    plan: Plan,
    { past, hash, values, lists, resume }: {
      readonly past: RecordedPast;
      readonly hash: string;
      readonly values: Values;
      readonly lists: Lists;
      readonly resume: Resume;
    },
  ): Begun {
    const { run, journal, store, events, files, options: { from } } = this.#parts;
    const { schedule, commands, lost, givenUp } = resume.goOn(
      { plan, journal, store, events, values, files, lists },
      past,
      {
        hash,
        from,
        at: this.#now(),
      },
    );
    this.note("info", `Run ${run} of ${plan.name} goes on; attempts that were lost: ${lost}`);
    if (givenUp !== undefined) this.note("critical", `Run ${run} is given up: ${givenUp}`);
    return { schedule, commands };
  }

  #end(state: RunState): void {
    this.#state = state;
    const tookMs = this.#parts.stopwatch.stop();
    this.note("info", `Run ${this.run} ${state} after ${(tookMs / 1_000).toFixed(3)} s`);
    this.journal.append({ type: "run.ended", state, tookMs }, this.#now());
  }

  /** An attempt as watchers are told of it. */
  #told(worker: number, { task: number, iteration, attempt }: LaneItem) {
    const item = this.#work?.schedule.itemOf(number);
    return { worker, task: number, iteration, attempt, name: this.#name(number), item };
  }

  /** @param number Of a task, or of an item of one. */
  #name(number: number): string {
    return this.#plan!.tasks[this.#work?.schedule.taskOf(number) ?? number]!.name;
  }

  #now(): number {
    return this.#parts.world.clock.now();
  }
}

/** How it is gone on with a run. */
type Resume = typeof import("./resume/resume.ts");

function onWorkers({ run }: PlanTask): boolean {
  return run !== undefined && runsOnWorkers(plannedKindOf(run));
}

function runsElsewhere(task: PlanTask): boolean {
  return task.run !== undefined && !onWorkers(task);
}

/** Where a run begins: its schedule, and what there is to do before anything else. */
interface Begun {
  readonly schedule: Scheduler;
  readonly commands: readonly Command[];
}

const NOTHING_SKIPPED: ReadonlyMap<number, string> = new Map();
