/**
 * Owns what is wrong about the mapped tasks of a manifest: what is given to none, and what does not fit the rest of the task.
 * Must not know shapes (document/schema.ts), nor which names there are (builder/draft.ts).
 * Invariant: what passes has something to run for each item, and no key of its inputs stands for two values.
 */
import { pointerProblem } from "../../model/pointer.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";
import { isRecord, ITEM_KEY } from "../document/manifest.ts";
import { kindOf } from "../kinds/list.ts";
import type { TaskList } from "../document/task_list.ts";

/** What goes only together with `each`. */
const BESIDE = ["maxParallel", "onItemFailure"] as const;

/** Problems of what tasks are mapped over. @param document The whole manifest. */
export function eachProblems(document: unknown, { names, tasks }: TaskList): Problem[] {
  const problems: Problem[] = [];
  const edges = isRecord(document) && document["edges"] !== undefined;
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    if (!isRecord(task)) continue;
    const { each, maxParallel, onItemFailure } = task;
    if (each === undefined && maxParallel === undefined && onItemFailure === undefined) continue;
    const place = placeOf("tasks", names[index]!);
    if (each !== undefined) problems.push(...problemsOf(task, place, edges));
    else {
      for (const key of BESIDE) {
        if (task[key] === undefined) continue;
        const message = 'Is for tasks that are run for each item of a list: add "each", or take it out';
        problems.push({ place: placeOf(place, key), message });
      }
    }
  }
  return problems;
}

function problemsOf(task: Readonly<Record<string, unknown>>, place: string, edges: boolean): Problem[] {
  const at = placeOf(place, "each");
  if (edges) {
    return [{ place: at, message: "Has no meaning beside the pipeline's edges: remove it, or the edges" }];
  }
  const problems: Problem[] = [];
  if (task["run"] === undefined) {
    problems.push({ place: at, message: "There is nothing to run for each item: give the task a run" });
  }
  const { each, needs = [], run } = task;
  if (isRecord(run)) {
    for (const problem of kindOf(run).itemProblems?.(run) ?? []) {
      problems.push({ ...problem, place: `${placeOf(place, "run")}.${problem.place}` });
    }
  }
  if (!isRecord(each)) return problems;
  const { task: list, path, as = ITEM_KEY } = each;
  const wrong = typeof path === "string" ? pointerProblem(path) : undefined;
  if (wrong !== undefined) problems.push({ place: placeOf(at, "path"), message: wrong });
  if (!Array.isArray(needs)) return problems;
  needs.forEach((need: unknown, which) => {
    const { task: name, on, as: key = name } = isRecord(need) ? need : { task: need };
    const where = placeOf(placeOf(place, "needs"), which);
    if (name === list && on === "failure") {
      const message = `${
        show(list)
      } has no list after a failure, and the task is run for each item of it: remove this need`;
      problems.push({ place: where, message });
    }
    if (key === as) {
      const message = `Duplicate: the item is given as ${
        show(as)
      } too: choose another "as", here or in "each"`;
      problems.push({ place: placeOf(where, "as"), message });
    }
  });
  return problems;
}
