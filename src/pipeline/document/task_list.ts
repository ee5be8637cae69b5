/**
 * Owns a document's tasks as a list: names, what is written of each, and where each name stands.
 * Must not know what is right about a task.
 * Invariant: every name is there once; the order is that of the document's keys.
 */
import { isRecord } from "./manifest.ts";

/** The tasks of a document. */
export interface TaskList {
  readonly names: readonly string[];
  /** What is written of each, however wrong. */
  readonly tasks: readonly unknown[];
  readonly indexOf: ReadonlyMap<string, number>;
}

/** The tasks of a document, however wrong the rest of it is. */
export function tasksOf(document: unknown): TaskList {
  const tasks = isRecord(document) ? document["tasks"] : undefined;
  if (!isRecord(tasks)) return { names: [], tasks: [], indexOf: new Map() };
  const names = Object.keys(tasks);
  const indexOf = new Map<string, number>();
  for (let index = 0; index < names.length; index++) indexOf.set(names[index]!, index);
  return { names, tasks: names.map((name) => tasks[name]), indexOf };
}

/** The whole document again. @param head It without its tasks. */
export function withTasks(head: object, { names, tasks }: TaskList): Record<string, unknown> {
  return { ...head, tasks: Object.fromEntries(names.map((name, index) => [name, tasks[index]])) };
}
