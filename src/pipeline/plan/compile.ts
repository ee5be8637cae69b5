/**
 * Owns the way from a manifest to a plan.
 * Must not know where a manifest comes from, nor anything of running.
 * Invariant: either a whole plan or every problem that can be found without loading a module.
 */
import { type Draft, type DraftEach, readDraft } from "../builder/draft.ts";
import { parseDuration } from "../../model/duration.ts";
import { sizeOf } from "../../model/size.ts";
import { readLoops } from "./loops.ts";
import { checkManifest } from "../document/check.ts";
import { orderProblems, type TaskList, tasksOf } from "../document/task_list.ts";
import {
  isRecord,
  LIMITS,
  type Manifest,
  type ManifestRetry,
  type ManifestSchedule,
  type ManifestTask,
} from "../document/manifest.ts";
import { kindOf, runsOnWorkers } from "../kinds/list.ts";
import type { Whereabouts } from "../kinds/kind.ts";
import { type Cycle, order } from "./order.ts";
import { checkParams } from "../document/params.ts";
import { declaredIn } from "../document/declared.ts";
import { resourceProblems } from "../document/resources.ts";
import type {
  Plan,
  PlanEach,
  PlanEdge,
  PlanLoop,
  PlanNeed,
  PlanRequires,
  PlanRetry,
  PlanSchedule,
  PlanTask,
} from "./plan.ts";
import { eachProblems } from "./each.ts";
import { isolationProblems } from "./isolation.ts";
import { retryProblems } from "./retries.ts";
import { skipOnProblems } from "./skips.ts";
import { endlessSyncs } from "./sync_cycles.ts";
import { PipelineError, placeOf, type Problem } from "../../model/problem.ts";
import { plannedCondition } from "./condition.ts";
import { rank } from "./rank.ts";
import { checkRuns, type ExportUse, type FileUse, whereabouts } from "./runs.ts";
import { PlannedUses } from "./uses.ts";

/** What an examination of a manifest finds. */
export interface Examination {
  /** There only if nothing is wrong. */
  readonly plan?: Plan;
  readonly problems: readonly Problem[];
  /** The exports that tasks run, for a check that needs to load modules. */
  readonly uses: readonly ExportUse[];
  /** Files that must be there. */
  readonly files: readonly FileUse[];
}

/**
 * The plan of a manifest.
 *
 * @param manifest The JSON form of a pipeline.
 * @param base The `file:` URL that relative modules are resolved against.
 * @throws {PipelineError} With every problem at once.
 */
export function compile(manifest: unknown, base: string): Plan {
  const { plan, problems } = examine(manifest, whereabouts(base));
  if (plan === undefined) throw new PipelineError(problems, sourceOf(manifest));
  return plan;
}

/** The name in quotes, for an error. */
export function sourceOf(manifest: unknown): { source?: string } {
  const name = isRecord(manifest) ? manifest["name"] : undefined;
  return typeof name === "string" && name !== "" ? { source: JSON.stringify(name.slice(0, 200)) } : {};
}

/** Like {@linkcode compile}, but problems are returned, so that others can be added. */
export function examine(
  document: unknown,
  around: Whereabouts,
  list: TaskList = tasksOf(document),
): Examination {
  const { length } = list.tasks;
  if (length > LIMITS.tasks) return { problems: [tooMany(length)], uses: [], files: [] };
  const shape = checkManifest(document, list);
  const { draft, problems: naming } = readDraft(document, list);
  const { sequence, cycles } = order(draft.needs);
  const loops = readLoops(draft, sequence);
  const runs = checkRuns(list, around);
  const more = tellingMore(list);
  const problems = [
    ...shape.problems,
    ...orderProblems(document),
    ...naming,
    ...cycles.map((cycle) => tellCycle(draft, cycle, list)),
    ...endlessSyncs(draft, list),
    ...loops.problems,
    ...runs.problems,
    ...isolationProblems(more),
    ...skipOnProblems(more),
    ...retryProblems(more),
    ...eachProblems(document, more),
    ...checkParams(more),
    ...resourceProblems(document, more),
  ];
  const { uses, files } = runs;
  if (problems.length > 0 || shape.manifest === undefined) return { problems, uses, files };
  return {
    plan: build(shape.manifest, { list, draft, sequence, around, loops: loops.loops }),
    problems,
    uses,
    files,
  };
}

/** The tasks that say more than what they run and need: most of very many do not. */
function tellingMore(list: TaskList): TaskList {
  const names: string[] = [], tasks: unknown[] = [];
  for (let index = 0; index < list.tasks.length; index++) {
    const task = list.tasks[index];
    if (!isRecord(task) || !saysMore(task)) continue;
    names.push(list.names[index]!);
    tasks.push(task);
  }
  return { ...list, names, tasks };
}

function saysMore(task: Readonly<Record<string, unknown>>): boolean {
  for (const key in task) if (key !== "run" && key !== "needs") return true;
  return false;
}

function tooMany(count: number): Problem {
  return { place: "tasks", message: `There are ${count} tasks: ${LIMITS.tasks} are allowed` };
}

/** Names shown of a cycle; the middle of a longer one is left out. */
const MAX_CYCLE_NAMES = 20;

function tellCycle(
  { names, needs, edges }: Draft,
  { path, task, need }: Cycle,
  { tasks }: TaskList,
): Problem {
  const around = [...path, path[0]!].map((index) => names[index]!);
  const more = around.length - MAX_CYCLE_NAMES;
  if (more > 0) around.splice(MAX_CYCLE_NAMES / 2, more, `… ${more} more …`);
  const from = needs[task]![need]!.task;
  const cycle = `Cycle: ${around.join(" -> ")} (each is needed by the next)`;
  if (edges !== undefined) {
    const { at } = edges.find((edge) => edge.from === from && edge.to === task)!;
    return { place: `edges[${at}]`, message: `${cycle}: make the edge that leads back weak` };
  }
  const { needs: written = [], each } = tasks[task] as ManifestTask;
  const at = written.findIndex((each) => (typeof each === "string" ? each : each?.task) === names[from]);
  const own = placeOf("tasks", names[task]!);
  if (at < 0) {
    return each?.task === names[from]
      ? { place: `${own}.each`, message: `${cycle}: remove it, or one of these needs` }
      : { place: `${own}.when`, message: `${cycle}: ask the value of another task` };
  }
  const place = placeOf(placeOf(own, "needs"), at);
  return { place, message: `${cycle}: remove one of these needs` };
}

interface Parts {
  readonly list: TaskList;
  readonly draft: Draft;
  readonly sequence: readonly number[];
  readonly around: Whereabouts;
  readonly loops: ReturnType<typeof readLoops>["loops"];
}

function build(manifest: Manifest, { list, draft, sequence, around, loops }: Parts): Plan {
  const place = new Int32Array(sequence.length);
  for (let index = 0; index < sequence.length; index++) place[sequence[index]!] = index;
  const needs = needsOf(draft, sequence, place);
  const dependents = dependentsOf(needs);
  const runs = new PlannedRuns(around);
  const resources = declaredIn(manifest);
  const uses = new PlannedUses(resources);
  const tasks = sequence.map((written, index): PlanTask & { rank: number } => {
    const task = list.tasks[written] as ManifestTask;
    const planned = {
      index,
      name: draft.names[written]!,
      run: runs.of(task),
      needs: needs[index]!,
      dependents: dependents[index]!,
      join: task.join ?? "all",
      retry: retryOf(task.retry),
      timeoutMs: task.timeout === undefined ? undefined : parseDuration(task.timeout),
      allowFailure: task.allowFailure ?? false,
      fresh: task.fresh ?? false,
      onLost: task.onLost ?? "rerun",
      params: task.params ?? NO_PARAMS,
      estimateMs: task.estimate === undefined ? undefined : parseDuration(task.estimate),
      rank: 0,
    };
    const { when, skipOn, idle, uses: used } = task;
    const each = draft.each.get(written);
    // Most say none of these, and there may be very many.
    const some = when !== undefined || skipOn !== undefined || idle !== undefined || used !== undefined;
    if (!some && each === undefined) return planned;
    return {
      ...planned,
      ...(when !== undefined && { when: plannedCondition(when, (name) => place[list.indexOf.get(name)!]!) }),
      ...(skipOn !== undefined && { skipOn }),
      ...(idle !== undefined && { idleMs: parseDuration(idle) }),
      ...(each !== undefined && { each: eachOf(task, { ...each, task: place[each.task]! }) }),
      ...uses.of(task),
    };
  });
  const requires = requiredIn(list);
  const ranks = rank(tasks, sequence);
  for (const task of tasks) task.rank = ranks[task.index]!;
  return {
    name: manifest.name,
    onFailure: manifest.onFailure ?? "stop",
    report: manifest.report ?? true,
    ...(manifest.schedule !== undefined && { schedule: scheduleOf(manifest.schedule) }),
    tasks,
    ...(requires.length > 0 && { requires }),
    ...(resources.length > 0 && { resources }),
    loops: loops.map(({ loop, body }): PlanLoop => ({
      from: place[loop.from]!,
      to: place[loop.to]!,
      times: loop.times,
      on: loop.on,
      body: body.map((written) => place[written]!).sort((a, b) => a - b),
    })),
    ...(draft.edges === undefined ? {} : {
      edges: draft.edges.map(({ from, to, on, weak, times }): PlanEdge => ({
        from: place[from]!,
        to: place[to]!,
        on,
        weak,
        times,
      })),
    }),
  };
}

/** The needs of each task of the plan. @param place Of each task that is written, in the plan. */
function needsOf(
  { needs }: Draft,
  sequence: readonly number[],
  place: Int32Array,
): readonly (readonly PlanNeed[])[] {
  // Most pipelines are written in an order already.
  if (place.every((at, written) => at === written)) return needs;
  return sequence.map((written) => needs[written]!.map((need) => ({ ...need, task: place[need.task]! })));
}

function eachOf({ maxParallel, onItemFailure = "stop" }: ManifestTask, each: DraftEach): PlanEach {
  return { ...each, ...(maxParallel !== undefined && { maxParallel }), onItemFailure };
}

/** The dependents of each task, ascending. */
function dependentsOf(needs: readonly (readonly PlanNeed[])[]): readonly number[][] {
  const counts = new Int32Array(needs.length);
  for (const each of needs) for (const { task } of each) counts[task]!++;
  // As long as it is: a list that grows keeps room for a dozen more.
  const dependents: number[][] = [];
  for (const count of counts) dependents.push(count === 0 ? NO_DEPENDENTS : new Array<number>(count));
  for (let index = needs.length - 1; index >= 0; index--) {
    for (const { task } of needs[index]!) dependents[task]![--counts[task]!] = index;
  }
  return dependents;
}

const NO_DEPENDENTS: number[] = [];

/** In the order of the document. */
function requiredIn({ names, tasks }: TaskList): readonly PlanRequires[] {
  const found: PlanRequires[] = [];
  for (let index = 0; index < tasks.length; index++) {
    const { requires } = tasks[index] as ManifestTask;
    if (requires !== undefined) {
      found.push({ place: `${placeOf("tasks", names[index]!)}.requires`, requires });
    }
  }
  return found;
}

/** What tasks run, where it is to run. Neighbours that run the same have one object for it, so that it is looked at once. */
class PlannedRuns {
  readonly #around: Whereabouts;
  #written: ManifestTask["run"];
  #planned: object | undefined;

  constructor(around: Whereabouts) {
    this.#around = around;
  }

  of({ run, isolation, memory }: ManifestTask): object | undefined {
    if (run === undefined) return undefined;
    if (run !== this.#written) {
      this.#written = run;
      const planned = kindOf(run).resolve(run, this.#around);
      if (!isSame(planned, this.#planned)) this.#planned = planned;
    }
    if (isolation !== "process") return this.#planned;
    const kind = kindOf(run);
    if (!runsOnWorkers(kind)) return this.#planned;
    return kind.isolated!(this.#planned!, memory === undefined ? undefined : sizeOf(memory));
  }
}

/** Whether two have the same fields with the same values; of those that are objects, the same ones. */
function isSame(one: object, other: object | undefined): boolean {
  if (other === undefined) return false;
  const fields = one as Readonly<Record<string, unknown>>;
  const others = other as Readonly<Record<string, unknown>>;
  for (const key in fields) if (fields[key] !== others[key]) return false;
  for (const key in others) if (!(key in fields)) return false;
  return true;
}

function scheduleOf({ cron, timezone, jitter, overlap, missed }: ManifestSchedule): PlanSchedule {
  return {
    cron,
    timezone: timezone ?? "UTC",
    jitterMs: parseDuration(jitter ?? 0),
    overlap: overlap ?? "skip",
    missed: missed ?? "skip",
  };
}

const NO_PARAMS: Readonly<Record<string, unknown>> = Object.freeze({});
const NO_RETRY: PlanRetry = retryOf({});

function retryOf(retry: ManifestRetry | undefined): PlanRetry {
  if (retry === undefined) return NO_RETRY;
  return {
    attempts: retry.attempts ?? 1,
    delayMs: parseDuration(retry.delay ?? "1s"),
    factor: retry.factor ?? 2,
    maxDelayMs: parseDuration(retry.maxDelay ?? "1m"),
    jitter: retry.jitter ?? 0.2,
    ...(retry.on !== undefined && { on: retry.on }),
    ...(retry.unless !== undefined && { unless: retry.unless }),
  };
}
