/**
 * Owns the import of WfFormat: traces of scientific workflows (https://wfcommons.org/format).
 * Must not know how a manifest is run.
 * Invariant: the manifest is self-contained; each task computes for its recorded time times the scale.
 */
import { moduleOf } from "../load/data_url.ts";
import type { Manifest, ManifestTask } from "../document/manifest.ts";
import { nameProblem } from "../document/name.ts";
import { PipelineError, placeOf, type Problem } from "../../model/problem.ts";
import { readTrace, type Trace, WFFORMAT } from "./wfformat_schema.ts";

/** How to import a trace. */
export interface WfFormatOptions {
  /** Milliseconds computed for a recorded millisecond, above 0. Default 0.001. */
  readonly scale?: number;
  /** Module whose export `compute` the tasks run with `params: {ms}`. Default: one that lies in the manifest itself. */
  readonly module?: string;
  /** Told of what is missing without which the trace can be read all the same. */
  readonly warn?: (problem: Problem) => void;
}

/** What every task runs: it keeps a core busy, as the recorded task did, and looks at nothing but the clock. */
const COMPUTE = `export function compute({ params }) {
  const end = performance.now() + params.ms;
  while (performance.now() < end);
}`;

/** The module of {@linkcode COMPUTE}; a `data:` URL, so that the manifest needs no file beside it. */
export const COMPUTE_MODULE: string = moduleOf(COMPUTE);

/**
 * Turns a trace into a manifest. Parents and children that disagree are both taken.
 *
 * @throws {PipelineError} With every problem of the trace.
 * @throws {RangeError} If the scale is not above 0.
 */
export function importWfFormat(document: unknown, options: WfFormatOptions = {}): Manifest {
  const { scale = 0.001, module = COMPUTE_MODULE, warn = () => {} } = options;
  if (!(scale > 0 && Number.isFinite(scale))) {
    throw new RangeError(`The scale must be above 0; received ${scale}`);
  }
  const trace = readTrace(document);
  const { name, description } = trace;
  const problems: Problem[] = [];
  const runtimes = readRuntimes(trace, { problems, warn });
  const parents = readParents(trace, problems);
  const tasks: Record<string, ManifestTask> = {};
  for (const [id, needs] of parents) {
    const seconds = runtimes.get(id);
    if (seconds === undefined) continue;
    const ms = Math.round(seconds * scale * 1e6) / 1e3;
    const head = { run: { module, export: "compute" }, params: { ms }, estimate: ms };
    tasks[id] = needs.size === 0 ? head : { ...head, needs: [...needs] };
  }
  if (problems.length > 0) throw new PipelineError(problems, { source: WFFORMAT });
  const short = name.slice(0, 200).trim();
  return {
    outrider: 1,
    name: nameProblem(short) === undefined ? short : "workflow",
    ...(description === undefined ? {} : { description: description.slice(0, 10_000) }),
    tasks,
  };
}

/** How long each task took; a moment for each where the trace tells of none. */
function readRuntimes(
  { tasks, runtimes: told, places }: Trace,
  { problems, warn }: { readonly problems: Problem[]; readonly warn: (problem: Problem) => void },
): Map<string, number> {
  if (told === undefined) {
    warn({
      place: places.runtimes,
      message:
        "Missing: the trace tells how tasks depend, and of none how long it took: each computes for 0 ms",
    });
    return new Map(tasks.map(({ id }) => [id, 0]));
  }
  const runtimes = new Map<string, number>();
  const specified = new Set(tasks.map(({ id }) => id));
  told.forEach(({ id, runtimeInSeconds }, at) => {
    if (runtimes.has(id)) problems.push(duplicate(id, placeOf(places.runtimes, at)));
    runtimes.set(id, runtimeInSeconds);
  });
  told.forEach(({ id }, at) => {
    if (!specified.has(id)) {
      problems.push(unknown(id, { place: `${placeOf(places.runtimes, at)}.id`, places }));
    }
  });
  tasks.forEach(({ id }, at) => {
    if (runtimes.has(id)) return;
    const message = `Task ${JSON.stringify(id)} has no recorded runtime: add it to ${places.runtimes}`;
    problems.push({ place: placeOf(places.tasks, at), message });
  });
  return runtimes;
}

/** The parents of each task, from its own list and from the lists of children. */
function readParents({ tasks, places }: Trace, problems: Problem[]): Map<string, Set<string>> {
  const parents = new Map<string, Set<string>>();
  tasks.forEach(({ id }, at) => {
    const message = nameProblem(id);
    if (message !== undefined) problems.push({ place: `${placeOf(places.tasks, at)}.id`, message });
    if (parents.has(id)) problems.push(duplicate(id, placeOf(places.tasks, at)));
    parents.set(id, new Set());
  });
  const named = byName(tasks);
  tasks.forEach((task, at) => {
    for (const key of ["parents", "children"] as const) {
      task[key].forEach((other, index) => {
        const found = parents.has(other) ? [other] : named.get(other) ?? [];
        const [id] = found;
        const place = placeOf(`${placeOf(places.tasks, at)}.${key}`, index);
        if (id === undefined) problems.push(unknown(other, { place, places }));
        else if (found.length > 1) problems.push(ambiguous(other, { place, count: found.length }));
        else if (key === "parents") parents.get(task.id)!.add(id);
        else parents.get(id)!.add(task.id);
      });
    }
  });
  return parents;
}

/** Ids of the tasks of each name. */
function byName(tasks: Trace["tasks"]): Map<string, string[]> {
  const named = new Map<string, string[]>();
  for (const { id, name } of tasks) {
    if (name === undefined) continue;
    const those = named.get(name);
    if (those === undefined) named.set(name, [id]);
    else those.push(id);
  }
  return named;
}

function duplicate(id: string, place: string): Problem {
  return { place, message: `Duplicate: there is a task ${JSON.stringify(id)} already` };
}

function unknown(
  id: string,
  { place, places }: { readonly place: string; readonly places: Trace["places"] },
): Problem {
  return { place, message: `There is no task ${JSON.stringify(id)} in ${places.tasks}` };
}

function ambiguous(
  name: string,
  { place, count }: { readonly place: string; readonly count: number },
): Problem {
  return { place, message: `${count} tasks are called ${JSON.stringify(name)}: say which one by its id` };
}
