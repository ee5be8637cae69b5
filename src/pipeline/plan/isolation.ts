/**
 * Owns what is wrong about where the tasks of a manifest are to run.
 * Must not know how a task is run anywhere, nor shapes (document/schema.ts).
 * Invariant: what is found fits what runs: only functions of modules can be moved, and only a process has a limit of its own.
 */
import { placeOf, type Problem, show } from "../../model/problem.ts";
import { SIZE, sizeOf } from "../../model/size.ts";
import { isRecord } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";
import { kindOf } from "../kinds/list.ts";

/** Least memory that can be asked for: what a runtime itself takes. */
const MIN_MEMORY: number = 64 * 1024 ** 2;

/** Problems of `isolation` and `memory` of a manifest's tasks. */
export function isolationProblems({ names, tasks }: TaskList): Problem[] {
  const problems: Problem[] = [];
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    if (!isRecord(task) || (task["isolation"] === undefined && task["memory"] === undefined)) continue;
    const place = placeOf("tasks", names[index]!);
    problems.push(...isolationProblem(task, place), ...memoryProblem(task, place));
  }
  return problems;
}

type Written = Readonly<Record<string, unknown>>;

function isolationProblem({ isolation, run }: Written, place: string): Problem[] {
  if (isolation === undefined || isRecord(run) && "isolated" in kindOf(run)) return [];
  const message = run === undefined
    ? "There is nothing to isolate, as the task runs nothing: take it out"
    : "Is for functions of modules: take it out, as Python and programs run in processes anyway";
  return [{ place: `${place}.isolation`, message }];
}

function memoryProblem({ isolation, memory, run }: Written, place: string): Problem[] {
  if (typeof memory !== "string") return [];
  const tell = (message: string) => [{ place: `${place}.memory`, message }];
  if (isolation !== "process" || !(isRecord(run) && "isolated" in kindOf(run))) {
    return tell('Is for functions of modules with "isolation": "process"; that of Python stands in its run');
  }
  if (!SIZE.test(memory) || (sizeOf(memory) ?? 0) >= MIN_MEMORY) return [];
  return tell(`${show(memory)} is out of range: a process takes at least 64MiB`);
}
