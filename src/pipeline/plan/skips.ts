/**
 * Owns what is wrong about the exit codes by which a program says that it has skipped itself.
 * Must not know how programs run.
 * Invariant: only what ends with an exit code of its own can say so by one.
 */
import { placeOf, type Problem } from "../../model/problem.ts";
import { isRecord } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";
import { kindOf } from "../kinds/list.ts";

/** Problems of `skipOn` of a manifest's tasks. */
export function skipOnProblems({ names, tasks }: TaskList): Problem[] {
  const message = "Is for programs, whose exit code it names: a function calls ctx.skip(reason)";
  const problems: Problem[] = [];
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    if (!isRecord(task) || task["skipOn"] === undefined) continue;
    if (isRecord(task["run"]) && kindOf(task["run"]).place === "own") continue;
    problems.push({ place: `${placeOf("tasks", names[index]!)}.skipOn`, message });
  }
  return problems;
}
