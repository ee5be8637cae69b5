/**
 * Owns the run as the page knows it: a fold of state records over the pipeline.
 * Must not know how it is drawn, nor where records come from.
 * Invariant: a record costs the same, however many tasks there are; after each, the counts add up to the number of tasks.
 */
import type { RunState } from "../model/outcome.ts";
import { between } from "../base/clock.ts";
import type { Settled, StateRecord } from "../model/record.ts";
import type { PagePipeline, PageRunning, PageTask } from "./data.ts";
import { isBad, STANDING_NAMES, type StandingName } from "./words.ts";

/** An attempt; without `outcome` it has not ended. */
export interface AttemptView extends Omit<Partial<Settled>, "startedAt"> {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
  /** Number of the record that settled it; its value can be asked for by it. */
  readonly seq?: number;
  startedAt?: number;
}

/** A task with where it stands. */
export interface TaskView extends Omit<PageTask, "attempts"> {
  readonly index: number;
  /** Indexes of tasks that need this one. */
  readonly dependents: number[];
  readonly needIndexes: readonly number[];
  /** Attempts at the most, in each iteration. */
  readonly tries: number;
  standing: StandingName;
  /** Settled attempts, and the one under way. */
  attempts: AttemptView[];
  /** When the next attempt is due, milliseconds since the epoch. */
  dueAt?: number;
  progress?: { readonly fraction: number; readonly text?: string };
}

/** How the run stands. */
export type RunView = RunState | "stopping";

/** The model. */
export class Model {
  readonly pipeline: PagePipeline;
  readonly id: string;
  readonly runtime: string;
  readonly tasks: readonly TaskView[];
  readonly byName: ReadonlyMap<string, TaskView>;
  readonly counts: Record<StandingName, number>;
  /** By worker, from 1: attempts in the order in which they started. */
  readonly lanes: Map<number, AttemptView[]> = new Map();
  /** Tasks that have changed since someone has emptied it. */
  readonly changed: Set<number> = new Set();
  /** Grows with every change. */
  version = 0;
  state: RunView = "running";
  because: string | undefined;
  startedAt = 0;
  endedAt: number | undefined;
  /** Time of the newest record. */
  now = 0;
  seq = 0;
  events = 0;
  /** When the run began, by `performance.now()`; not known of a run in a file. */
  #begun: number | undefined;
  #tookMs: number | undefined;
  /** What the executor's clock is ahead of `performance.now()`, milliseconds; not known of a run in a file. */
  #clock: number | undefined;
  /** By worker: attempts that were given to it and have not ended; the first one runs. */
  readonly #lines: Map<number, AttemptView[]> = new Map();

  constructor(run: { readonly id: string; readonly runtime: string }, pipeline: PagePipeline) {
    this.id = run.id;
    this.runtime = run.runtime;
    this.pipeline = pipeline;
    const index = new Map(pipeline.tasks.map((task, at) => [task.name, at]));
    this.tasks = pipeline.tasks.map(({ attempts: tries, ...task }, at) => ({
      ...task,
      tries,
      index: at,
      dependents: [],
      needIndexes: task.needs.map((need) => index.get(need.task)!),
      standing: "waiting",
      attempts: [],
    }));
    for (const task of this.tasks) {
      for (const need of task.needIndexes) this.tasks[need]!.dependents.push(task.index);
    }
    this.byName = new Map(this.tasks.map((task) => [task.name, task]));
    this.counts = Object.fromEntries(STANDING_NAMES.map((name) => [name, 0])) as Record<StandingName, number>;
    this.counts.waiting = this.tasks.length;
  }

  /** Takes the next record. */
  add(record: StateRecord): void {
    this.seq = record.seq;
    if (record.at > this.now) this.now = record.at;
    this.version++;
    switch (record.type) {
      case "run.started":
        this.startedAt = record.at;
        break;
      case "run.resumed":
        this.#resume(record.again ?? []);
        break;
      case "attempt.dispatched":
        this.#dispatch(record.worker, record);
        break;
      case "attempt.settled":
        this.#settle(record);
        break;
      case "attempt.planned":
        this.#plan(record);
        break;
      case "event.emitted":
        this.events++;
        break;
      case "run.stopping":
        this.state = "stopping";
        this.because = record.because;
        break;
      case "run.ended":
        this.state = record.state;
        this.endedAt = record.at;
        this.#tookMs = record.tookMs;
        break;
    }
  }

  /** Takes the executor's time, milliseconds since the epoch: the browser's may be another. */
  setTime(now: number): void {
    this.#clock = now - performance.now();
  }

  /** Takes how long the run has been going on, milliseconds. */
  setRan(ms: number): void {
    this.#begun = performance.now() - ms;
  }

  /** How long it took, or has been going on: as the executor timed it, where it told. @param live Whether it still tells. */
  took(live: boolean): number {
    if (this.endedAt !== undefined) return this.#tookMs ?? between(this.startedAt, this.endedAt);
    if (live && this.#begun !== undefined) return performance.now() - this.#begun;
    return between(this.startedAt, live ? this.time() : this.now);
  }

  /** The run's time: that of the executor while the run goes on, then that of its end. */
  time(): number {
    if (this.endedAt !== undefined) return this.endedAt;
    return this.#clock === undefined ? this.now : Math.max(this.now, this.#clock + performance.now());
  }

  /** Takes what runs right now, with its progress. */
  progress(running: readonly PageRunning[]): void {
    for (const { task: name, progress } of running) {
      const task = this.byName.get(name);
      if (task === undefined || progress === undefined) continue;
      if (task.progress?.fraction === progress.fraction && task.progress.text === progress.text) continue;
      task.progress = progress;
      this.changed.add(task.index);
      this.version++;
    }
  }

  /** The settled attempt that counts, or the one under way. */
  last(task: TaskView): AttemptView | undefined {
    return task.attempts.at(-1);
  }

  /** Tasks that ended badly, in the pipeline's order. */
  bad(): TaskView[] {
    return this.tasks.filter(({ standing }) => isBad(standing));
  }

  #stand(task: TaskView, standing: StandingName): void {
    this.counts[task.standing]--;
    this.counts[standing]++;
    task.standing = standing;
    this.changed.add(task.index);
  }

  #dispatch(
    worker: number,
    { task: name, iteration, attempt, at }: AttemptView & { readonly at: number },
  ): void {
    const task = this.byName.get(name);
    if (task === undefined) return;
    this.#takeBack(name);
    const given: AttemptView = { task: name, iteration, attempt, worker };
    task.attempts.push(given);
    delete task.progress;
    delete task.dueAt;
    const line = this.#lines.get(worker);
    if (line === undefined) this.#lines.set(worker, [given]);
    else line.push(given);
    this.#stand(task, "queued");
    this.#runFirst(worker, at);
  }

  /** An attempt that was given to one worker may be given to another before it has begun. */
  #takeBack(name: string): void {
    const task = this.byName.get(name)!;
    const open = task.attempts.at(-1);
    if (open === undefined || open.outcome !== undefined) return;
    task.attempts.pop();
    const { worker } = open;
    this.#forget(this.lanes.get(worker!), open);
    if (this.#forget(this.#lines.get(worker!), open)) this.#runFirst(worker!, this.now);
  }

  #forget(list: AttemptView[] | undefined, attempt: AttemptView): boolean {
    const at = list?.lastIndexOf(attempt) ?? -1;
    if (at >= 0) list!.splice(at, 1);
    return at >= 0;
  }

  #runFirst(worker: number, at: number): void {
    const first = this.#lines.get(worker)?.[0];
    if (first === undefined || first.startedAt !== undefined) return;
    first.startedAt = at;
    this.#lane(worker).push(first);
    const task = this.byName.get(first.task)!;
    if (task.standing === "queued") this.#stand(task, "running");
  }

  #lane(worker: number): AttemptView[] {
    const lane = this.lanes.get(worker);
    if (lane !== undefined) return lane;
    const made: AttemptView[] = [];
    this.lanes.set(worker, made);
    return made;
  }

  #settle(record: Settled & { readonly seq: number; readonly at: number }): void {
    const task = this.byName.get(record.task);
    if (task === undefined) return;
    const { value: _, ...settled } = record;
    const open = task.attempts.at(-1);
    const line = open?.worker === undefined ? undefined : this.#lines.get(open.worker);
    let known: AttemptView = { ...settled };
    if (open !== undefined && open.outcome === undefined) {
      known = Object.assign(open, settled);
      if (this.#forget(line, open) && record.startedAt === undefined) {
        this.#forget(this.lanes.get(open.worker!), open);
      } else if (record.startedAt !== undefined) this.#keepInLane(open);
      task.attempts.pop();
      this.#runFirst(open.worker!, record.endedAt ?? record.at);
    } else if (record.worker !== undefined && record.startedAt !== undefined) {
      this.#lane(record.worker).push(known);
    }
    task.attempts.push(known);
    delete task.progress;
    this.#stand(task, record.outcome);
  }

  /** Attempts that ended before it was told that they had begun are put in their place. */
  #keepInLane(attempt: AttemptView): void {
    const lane = this.#lane(attempt.worker!);
    if (!lane.includes(attempt, Math.max(0, lane.length - 64))) lane.push(attempt);
  }

  #plan({ task: name, dueAt }: { readonly task: string; readonly dueAt: number }): void {
    const task = this.byName.get(name);
    if (task === undefined) return;
    task.dueAt = dueAt;
    this.#stand(task, "retrying");
  }

  /** What was under way is lost; what is done again is as if it had never been. */
  #resume(again: readonly string[]): void {
    this.state = "running";
    this.endedAt = undefined;
    this.#lines.clear();
    for (const task of this.tasks) {
      const open = task.attempts.at(-1);
      if (open === undefined || open.outcome !== undefined) continue;
      task.attempts.pop();
      this.#forget(this.lanes.get(open.worker!), open);
      this.#stand(task, "waiting");
    }
    for (const name of again) {
      const task = this.byName.get(name);
      if (task === undefined) continue;
      task.attempts = [];
      this.#stand(task, "waiting");
    }
  }
}
