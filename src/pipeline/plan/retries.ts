/**
 * Owns what is wrong about the retries of a manifest's tasks, beyond the shape of each part.
 * Must not know shapes (document/schema.ts), nor what a failure is.
 * Invariant: who says after what it is tried again says how often, or has one attempt and is told so.
 */
import { placeOf, type Problem } from "../../model/problem.ts";
import { isRecord } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";

/** Problems of `retry` of a manifest's tasks. */
export function retryProblems({ names, tasks }: TaskList): Problem[] {
  const problems: Problem[] = [];
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    if (!isRecord(task) || !isRecord(task["retry"])) continue;
    const { attempts, on, unless } = task["retry"];
    if (attempts !== undefined || on === undefined && unless === undefined) continue;
    problems.push({
      place: placeOf(placeOf(placeOf("tasks", names[index]!), "retry"), "attempts"),
      message: `Missing: without it there is one attempt, and "${
        on === undefined ? "unless" : "on"
      }" says nothing: add how many there may be, such as 3`,
    });
  }
  return problems;
}
