/**
 * Owns the import of WfFormat 1.5: traces of scientific workflows (https://wfcommons.org/format).
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
  const { scale = 0.001, module = COMPUTE_MODULE } = options;
  if (!(scale > 0 && Number.isFinite(scale))) {
    throw new RangeError(`The scale must be above 0; received ${scale}`);
  }
  const { name, description, workflow } = readTrace(document);
  const problems: Problem[] = [];
  const runtimes = readRuntimes(workflow, problems);
  const parents = readParents(workflow, problems);
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

const SPECIFIED = "workflow.specification.tasks", EXECUTED = "workflow.execution.tasks";

function readRuntimes(
  { execution, specification }: Trace["workflow"],
  problems: Problem[],
): Map<string, number> {
  const runtimes = new Map<string, number>();
  execution.tasks.forEach(({ id, runtimeInSeconds }, at) => {
    if (runtimes.has(id)) problems.push(duplicate(id, placeOf(EXECUTED, at)));
    runtimes.set(id, runtimeInSeconds);
  });
  const specified = new Set(specification.tasks.map(({ id }) => id));
  execution.tasks.forEach(({ id }, at) => {
    if (!specified.has(id)) problems.push(unknown(id, `${placeOf(EXECUTED, at)}.id`));
  });
  specification.tasks.forEach(({ id }, at) => {
    if (runtimes.has(id)) return;
    const message = `Task ${JSON.stringify(id)} has no recorded runtime: add it to ${EXECUTED}`;
    problems.push({ place: placeOf(SPECIFIED, at), message });
  });
  return runtimes;
}

/** The parents of each task, from its own list and from the lists of children. */
function readParents(
  { specification: { tasks } }: Trace["workflow"],
  problems: Problem[],
): Map<string, Set<string>> {
  const parents = new Map<string, Set<string>>();
  tasks.forEach(({ id }, at) => {
    const message = nameProblem(id);
    if (message !== undefined) problems.push({ place: `${placeOf(SPECIFIED, at)}.id`, message });
    if (parents.has(id)) problems.push(duplicate(id, placeOf(SPECIFIED, at)));
    parents.set(id, new Set());
  });
  const link = (parent: string, child: string) => parents.get(child)!.add(parent);
  tasks.forEach((task, at) => {
    for (const key of ["parents", "children"] as const) {
      task[key].forEach((id, index) => {
        if (!parents.has(id)) problems.push(unknown(id, placeOf(`${placeOf(SPECIFIED, at)}.${key}`, index)));
        else if (key === "parents") link(id, task.id);
        else link(task.id, id);
      });
    }
  });
  return parents;
}

function duplicate(id: string, place: string): Problem {
  return { place, message: `Duplicate: there is a task ${JSON.stringify(id)} already` };
}

function unknown(id: string, place: string): Problem {
  return { place, message: `There is no task ${JSON.stringify(id)} in ${SPECIFIED}` };
}
