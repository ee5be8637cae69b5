/**
 * Owns the words for why a task stands as it does.
 * Must not know where they are shown.
 */
import { span } from "../base/shown.ts";
import { lackWords } from "../model/lack.ts";
import { wasStopped } from "../model/outcome.ts";
import type { Model, TaskView } from "./model.ts";

/** Why, in words; empty where there is nothing to say. */
export function whyOf(task: TaskView, model: Model): string {
  const last = task.attempts.at(-1);
  if (task.standing === "waiting" || task.standing === "queued") return waitsFor(task, model);
  if (task.standing === "retrying") {
    const why = wasStopped(last?.outcome) && last?.because || last?.error?.message;
    const before = why === undefined ? "" : `; before: ${why}`;
    return task.dueAt === undefined || task.dueAt <= model.course.time()
      ? `again at once${before}`
      : `again in ${span(task.dueAt - model.course.time())}${before}`;
  }
  if (last?.outcome === undefined) return "";
  const { outcome, error, because, reason, code } = last;
  if (outcome === "crashed" && because !== undefined) return because;
  if (outcome === "crashed" && reason === "exit") return `its worker was ended with code ${code ?? "?"}`;
  if (outcome === "crashed" && reason === "memory") return "its worker had no memory left";
  if (outcome === "crashed") return "its worker was lost";
  if (wasStopped(outcome) && because !== undefined) return because;
  if (error !== undefined) return `${error.name}: ${error.message}`;
  if (because !== undefined) return because;
  if (outcome === "timed_out" && task.timeoutMs !== undefined) {
    return `it took longer than ${span(task.timeoutMs)}`;
  }
  return "";
}

function waitsFor(task: TaskView, model: Model): string {
  const open = model.openNeeds(task);
  if (open.length === 0) return task.standing === "waiting" ? lackWords(task.lacks ?? []) : "";
  const names = open.slice(0, 3).map(({ task: name, on }) => on === "success" ? name : `${name} (${on})`)
    .join(", ");
  return `for ${names}${open.length > 3 ? ` and ${open.length - 3} more` : ""}`;
}
