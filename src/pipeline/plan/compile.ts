/**
 * Owns the way from a manifest to a plan.
 * Must not know where a manifest comes from, nor anything of running.
 * Invariant: either a whole plan or every problem that can be found without loading a module.
 */
import { type Draft, readDraft } from "../builder/draft.ts";
import { parseDuration } from "../../model/duration.ts";
import { sizeOf } from "../../model/size.ts";
import { readLoops } from "./loops.ts";
import { checkManifest, tasksOf } from "../document/check.ts";
import {
  isRecord,
  LIMITS,
  type Manifest,
  type ManifestRetry,
  type ManifestTask,
} from "../document/manifest.ts";
import { kindOf, runsOnWorkers } from "../kinds/list.ts";
import type { Whereabouts } from "../kinds/kind.ts";
import { type Cycle, order } from "./order.ts";
import { checkParams } from "../document/params.ts";
import type { Plan, PlanEdge, PlanLoop, PlanRequires, PlanRetry, PlanTask } from "./plan.ts";
import { isolationProblems } from "./isolation.ts";
import { endlessSyncs } from "./sync_cycles.ts";
import { PipelineError, placeOf, type Problem } from "../../model/problem.ts";
import { rank } from "./rank.ts";
import { checkRuns, type ExportUse, type FileUse, whereabouts } from "./runs.ts";

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
  const { plan, problems } = examine(manifest, base);
  if (plan === undefined) throw new PipelineError(problems, sourceOf(manifest));
  return plan;
}

/** The name in quotes, for an error. */
export function sourceOf(manifest: unknown): { source?: string } {
  const name = isRecord(manifest) ? manifest["name"] : undefined;
  return typeof name === "string" && name !== "" ? { source: JSON.stringify(name.slice(0, 200)) } : {};
}

/** Like {@linkcode compile}, but problems are returned, so that others can be added. */
export function examine(document: unknown, base: string): Examination {
  const tasks = tasksOf(document);
  if (tasks.length > LIMITS.tasks) return { problems: [tooMany(tasks.length)], uses: [], files: [] };
  const shape = checkManifest(document, tasks);
  const { draft, problems: naming } = readDraft(document, tasks);
  const { sequence, cycles } = order(draft.needs);
  const loops = readLoops(draft, sequence);
  const around = whereabouts(base);
  const runs = checkRuns(tasks, around);
  const problems = [
    ...shape.problems,
    ...naming,
    ...cycles.map((cycle) => tellCycle(draft, cycle)),
    ...endlessSyncs(draft, tasks),
    ...loops.problems,
    ...runs.problems,
    ...isolationProblems(tasks),
    ...checkParams(tasks),
  ];
  const { uses, files } = runs;
  if (problems.length > 0 || shape.manifest === undefined) return { problems, uses, files };
  return {
    plan: build(shape.manifest, { draft, sequence, around, loops: loops.loops }),
    problems,
    uses,
    files,
  };
}

function tooMany(count: number): Problem {
  return { place: "tasks", message: `There are ${count} tasks: ${LIMITS.tasks} are allowed` };
}

/** Names shown of a cycle; the middle of a longer one is left out. */
const MAX_CYCLE_NAMES = 20;

function tellCycle({ names, needs, edges }: Draft, { path, task, need }: Cycle): Problem {
  const around = [...path, path[0]!].map((index) => names[index]!);
  const more = around.length - MAX_CYCLE_NAMES;
  if (more > 0) around.splice(MAX_CYCLE_NAMES / 2, more, `… ${more} more …`);
  const { at } = needs[task]![need]!;
  const cycle = `Cycle: ${around.join(" -> ")} (each is needed by the next)`;
  if (edges !== undefined) {
    return { place: `edges[${at}]`, message: `${cycle}: make the edge that leads back weak` };
  }
  const place = placeOf(placeOf(placeOf("tasks", names[task]!), "needs"), at);
  return { place, message: `${cycle}: remove one of these needs` };
}

interface Parts {
  readonly draft: Draft;
  readonly sequence: readonly number[];
  readonly around: Whereabouts;
  readonly loops: ReturnType<typeof readLoops>["loops"];
}

function build(manifest: Manifest, { draft, sequence, around, loops }: Parts): Plan {
  const place = new Int32Array(sequence.length);
  sequence.forEach((written, index) => place[written] = index);
  const dependents: number[][] = sequence.map(() => []);
  sequence.forEach((written, index) => {
    for (const need of draft.needs[written]!) dependents[place[need.task]!]!.push(index);
  });
  const tasks = sequence.map((written, index): PlanTask & { rank: number } => {
    const name = draft.names[written]!;
    const task = manifest.tasks[name]!;
    return {
      index,
      name,
      run: runOf(task, around),
      needs: draft.needs[written]!.map(({ task, on, as }) => ({ task: place[task]!, on, as })),
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
  });
  const requires = requiredIn(manifest);
  const ranks = rank(tasks, sequence);
  for (const task of tasks) task.rank = ranks[task.index]!;
  return {
    name: manifest.name,
    onFailure: manifest.onFailure ?? "stop",
    report: manifest.report ?? true,
    tasks,
    ...(requires.length > 0 && { requires }),
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

/** In the order of the document. */
function requiredIn({ tasks }: Manifest): readonly PlanRequires[] {
  return Object.entries(tasks).flatMap(([name, { requires }]) =>
    requires === undefined ? [] : [{ place: `${placeOf("tasks", name)}.requires`, requires }]
  );
}

/** What the task runs, where it is to run. */
function runOf({ run, isolation, memory }: ManifestTask, around: Whereabouts): object | undefined {
  if (run === undefined) return undefined;
  const kind = kindOf(run);
  const planned = kind.resolve(run, around);
  if (isolation !== "process" || !runsOnWorkers(kind)) return planned;
  return kind.isolated!(planned, memory === undefined ? undefined : sizeOf(memory));
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
  };
}
