/**
 * Owns the run as the page knows it: a fold of state records over the pipeline.
 * Must not know how it is drawn, nor where records come from.
 * Invariant: a record costs the same, however many tasks there are that its own has nothing to do with; after each, the
 * counts add up to the number of tasks, and no task runs or is next whose needs have not ended.
 */
import type { Lack } from "../model/lack.ts";
import type { Settled, StateRecord } from "../model/record.ts";
import { Course } from "./course.ts";
import { MappedView } from "./items.ts";
import type { PageFile, PagePipeline, PageRunning, PageTask } from "./data.ts";
import { type AttemptView, TimelineLanes } from "./timeline_lanes.ts";
import { hasEnded, isBad, STANDING_NAMES, type StandingName } from "./words.ts";

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
  /** Files that its attempts have kept, and those that are not kept. */
  files?: readonly PageFile[];
  /** Of a mapped task, once they are counted. */
  items?: MappedView;
  /** Resources that it waits for. */
  lacks?: readonly Lack[];
}

/** The model. */
export class Model {
  readonly pipeline: PagePipeline;
  readonly id: string;
  readonly runtime: string;
  readonly tasks: readonly TaskView[];
  readonly byName: ReadonlyMap<string, TaskView>;
  readonly counts: Record<StandingName, number>;
  /** Tasks that have changed since someone has emptied it. */
  readonly changed: Set<number> = new Set();
  /** Grows with every change. */
  version = 0;
  readonly course: Course = new Course();
  readonly lanes: TimelineLanes = new TimelineLanes(({ task }) => this.#begin(this.byName.get(task)!));

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
    this.course.add(record);
    this.version++;
    switch (record.type) {
      case "run.resumed":
        this.#resume(record.again ?? [], new Set(record.missing));
        break;
      case "attempt.dispatched":
        if (record.count !== undefined) this.#expand(record, record.count);
        else if (record.item === undefined) this.#dispatch(record.worker, record);
        else this.#dispatchItem(record, record.item);
        break;
      case "attempt.settled":
        if (record.item === undefined) this.#settle(record);
        else this.#settleItem(record, record.item);
        break;
      case "attempt.planned":
        if (record.item === undefined) this.#plan(record);
        break;
      case "file.kept":
      case "file.refused":
        this.#file(record);
        break;
    }
  }

  #file(file: PageFile): void {
    const task = this.byName.get(file.task);
    if (task === undefined) return;
    task.files = [...task.files ?? [], file];
    this.changed.add(task.index);
  }

  /** Takes what runs right now, with its progress. */
  progress(running: readonly PageRunning[]): void {
    for (const { task: name, iteration, attempt, progress } of running) {
      const task = this.byName.get(name);
      if (task === undefined) continue;
      const open = openAttempt(task);
      if (open?.iteration === iteration && open.attempt === attempt) this.#stand(task, "running");
      if (progress === undefined) continue;
      if (task.progress?.fraction === progress.fraction && task.progress.text === progress.text) continue;
      task.progress = progress;
      this.changed.add(task.index);
      this.version++;
    }
  }

  /** Takes what tasks lack right now; what was said of others before holds no more. */
  lack(waiting: readonly { readonly task: string; readonly lacks?: readonly Lack[] }[]): void {
    const told = new Map(waiting.map(({ task, lacks }) => [task, lacks]));
    for (const task of this.tasks) {
      if (task.uses === undefined) continue;
      const lacks = told.get(task.name);
      if (JSON.stringify(task.lacks) === JSON.stringify(lacks)) continue;
      if (lacks === undefined) delete task.lacks;
      else task.lacks = lacks;
      this.changed.add(task.index);
      this.version++;
    }
  }

  /** The settled attempt that counts, or the one under way. */
  last(task: TaskView): AttemptView | undefined {
    return task.attempts.at(-1);
  }

  /** The needs of a task that have not ended: those in a loop have when no other round of it can follow. */
  openNeeds({ name, needs, needIndexes }: TaskView): TaskView["needs"] {
    const around = this.pipeline.loops.filter(({ from, body }) =>
      !hasEnded(this.byName.get(from)!.standing) && !body.includes(name)
    );
    return needs.filter(({ task }, at) =>
      !hasEnded(this.tasks[needIndexes[at]!]!.standing) || around.some(({ body }) => body.includes(task))
    );
  }

  /** Tasks that ended badly, in the pipeline's order. */
  bad(): TaskView[] {
    return this.tasks.filter(({ standing }) => isBad(standing));
  }

  #stand(task: TaskView, standing: StandingName): void {
    if (task.standing === standing) return;
    this.counts[task.standing]--;
    this.counts[standing]++;
    task.standing = standing;
    this.changed.add(task.index);
  }

  #dispatch(
    worker: number,
    { task: name, iteration, attempt, at, waitedMs }: AttemptView & { readonly at: number },
  ): void {
    const task = this.byName.get(name);
    if (task === undefined) return;
    this.#takeBack(task);
    const given: AttemptView = { task: name, iteration, attempt, worker, ...(waitedMs && { waitedMs }) };
    task.attempts.push(given);
    delete task.progress;
    delete task.dueAt;
    this.#stand(task, this.#isMet(task) ? "queued" : "waiting");
    this.lanes.give(worker, given, at);
  }

  /** Whether nothing keeps a task that was given to a worker from beginning there. */
  #isMet(task: TaskView): boolean {
    return this.pipeline.edges !== undefined || this.openNeeds(task).length === 0;
  }

  /** What was given to a worker behind a task that has ended is next there, or has begun. */
  #release({ dependents }: TaskView): void {
    for (const index of dependents) {
      const task = this.tasks[index]!;
      const open = task.standing === "waiting" ? openAttempt(task) : undefined;
      if (open !== undefined && this.#isMet(task)) {
        this.#stand(task, open.startedAt === undefined ? "queued" : "running");
      }
    }
  }

  /** An attempt that was given to one worker may be given to another before it has begun. */
  #takeBack(task: TaskView): void {
    const open = openAttempt(task);
    if (open === undefined) return;
    task.attempts.pop();
    this.lanes.takeBack(open, this.course.now);
  }

  /** The items of a mapped task are counted: it is under way until all have ended. */
  #expand(
    { task: name, iteration, attempt, at }: AttemptView & { readonly at: number },
    count: number,
  ): void {
    const task = this.byName.get(name);
    if (task === undefined) return;
    task.items = new MappedView(count);
    task.attempts.push({ task: name, iteration, attempt, startedAt: at });
    this.#stand(task, "queued");
    this.changed.add(task.index);
  }

  #dispatchItem(
    { task: name, iteration, attempt, worker, at, waitedMs }: AttemptView & { readonly at: number },
    item: number,
  ): void {
    const task = this.byName.get(name);
    if (task?.items === undefined) return;
    const before = task.items.open.get(item);
    if (before !== undefined) this.lanes.takeBack(before, this.course.now);
    const given: AttemptView = {
      task: name,
      iteration,
      attempt,
      item,
      worker: worker!,
      ...(waitedMs && { waitedMs }),
    };
    task.items.open.set(item, given);
    this.changed.add(task.index);
    this.lanes.give(worker!, given, at);
  }

  #settleItem(record: Settled & { readonly seq: number; readonly at: number }, item: number): void {
    const task = this.byName.get(record.task);
    if (task?.items === undefined) return;
    const { value: _, ...settled } = record;
    const open = task.items.open.get(item);
    let known: AttemptView = { ...settled };
    if (open !== undefined) {
      task.items.open.delete(item);
      this.lanes.end(open, record.startedAt !== undefined, record.endedAt ?? record.at);
      known = Object.assign(open, settled);
    } else if (record.worker !== undefined && record.startedAt !== undefined) this.lanes.put(known);
    task.items.settle(item, known);
    this.changed.add(task.index);
  }

  #begin(task: TaskView): void {
    if (task.standing === "queued") this.#stand(task, "running");
  }

  #settle(record: Settled & { readonly seq: number; readonly at: number }): void {
    const task = this.byName.get(record.task);
    if (task === undefined) return;
    const { value: _, ...settled } = record;
    const open = openAttempt(task);
    let known: AttemptView = { ...settled };
    // Before its worker's next one begins, which may have waited for this.
    this.#stand(task, record.outcome);
    this.#release(task);
    if (open !== undefined && open.worker === undefined) {
      // A mapped task as a whole; what was handed out of it and had not begun was taken back.
      task.attempts.pop();
      for (const given of task.items?.open.values() ?? []) this.lanes.takeBack(given, record.at);
      task.items?.open.clear();
    } else if (open !== undefined) {
      task.attempts.pop();
      this.lanes.end(open, record.startedAt !== undefined, record.endedAt ?? record.at);
      known = Object.assign(open, settled);
    } else if (record.worker !== undefined && record.startedAt !== undefined) {
      this.lanes.put(known);
    }
    task.attempts.push(known);
    delete task.progress;
    this.changed.add(task.index);
  }

  #plan({ task: name, dueAt }: { readonly task: string; readonly dueAt: number }): void {
    const task = this.byName.get(name);
    if (task === undefined) return;
    task.dueAt = dueAt;
    this.#stand(task, "retrying");
  }

  /** What was under way is lost; what is done again is as if it had never been. */
  #resume(again: readonly string[], missing: ReadonlySet<string>): void {
    const lost: AttemptView[] = [];
    for (const task of this.tasks) {
      lost.push(...task.items?.open.values() ?? []);
      task.items?.open.clear();
      // A mapped task goes on with the items that are missing.
      if (openAttempt(task)?.worker === undefined && task.items !== undefined) continue;
      if (openAttempt(task) === undefined) continue;
      lost.push(task.attempts.pop()!);
      this.#stand(task, "waiting");
    }
    this.lanes.lose(lost);
    for (const name of again) {
      const task = this.byName.get(name);
      if (task === undefined) continue;
      if (!missing.has(name)) delete task.files;
      this.#stand(task, "waiting");
      if (missing.has(name)) this.#takeUp(task);
      else {
        task.attempts = [];
        delete task.items;
      }
    }
  }

  /** A mapped task begins again, without those of its items that have succeeded. */
  #takeUp(task: TaskView): void {
    const { outcome: _, endedAt: __, items: ___, ...whole } = task.attempts.at(-1)!;
    task.attempts = [whole];
    task.items?.keepDone();
    const files = task.files?.filter(({ item }) => task.items?.isDone(item)) ?? [];
    if (files.length > 0) task.files = files;
    else delete task.files;
    this.#stand(task, "queued");
  }
}

/** The files of an attempt; of a mapped task as a whole those of all its items. */
export function attemptFiles({ files = [], items }: TaskView, attempt: AttemptView): readonly PageFile[] {
  const isWhole = items !== undefined && attempt.item === undefined;
  return files.filter((file) =>
    file.iteration === attempt.iteration &&
    (isWhole || file.item === attempt.item && file.attempt === attempt.attempt)
  );
}

/** The attempt under way. */
function openAttempt({ attempts }: TaskView): AttemptView | undefined {
  const last = attempts.at(-1);
  return last?.outcome === undefined ? last : undefined;
}

/** The attempts of a task that a person is told of: not those that wait for its needs on a worker, nor that it was skipped. */
export function toldAttempts({ attempts, standing }: TaskView): readonly AttemptView[] {
  return attempts.filter(({ attempt, outcome }) =>
    attempt > 0 && (outcome !== undefined || standing !== "waiting")
  );
}
