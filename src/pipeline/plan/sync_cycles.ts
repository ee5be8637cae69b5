/**
 * Owns what would go round for ever without a task to wait for: cycles of edges through sync points alone.
 * Must not know how edges are followed.
 * Invariant: the cost is linear.
 */
import type { Draft } from "../builder/draft.ts";
import { isRecord } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";
import { type Problem, show } from "../../model/problem.ts";
import { order } from "./order.ts";

/** Cycles of sync points that no edge bounds. @param list The manifest's tasks. */
export function endlessSyncs(draft: Draft, { tasks }: TaskList): Problem[] {
  const { edges, names } = draft;
  if (edges === undefined) return [];
  const isSync = tasks.map((task) => isRecord(task) && task["run"] === undefined);
  const before = names.map((): { readonly task: number; readonly at: number }[] => []);
  for (const { from, to, times, at } of edges) {
    if (isSync[from] && isSync[to] && times === undefined) before[to]!.push({ task: from, at });
  }
  return order(before).cycles.map(({ path, task, need }) => ({
    place: `edges[${before[task]![need]!.at}]`,
    message: `${
      path.map((index) => show(names[index]!)).slice(0, 20).join(" -> ")
    } go round for ever without a task between them: say with "times" how often`,
  }));
}
