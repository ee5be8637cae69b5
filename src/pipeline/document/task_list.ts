/**
 * Owns a document's tasks as a list: names, what is written of each, and where each name stands.
 * Must not know what is right about a task.
 * Invariant: every name is there once; the order is that in which they are written. An object puts keys that are whole numbers
 * first, so that a document says its order where that would be another.
 */
import { type Problem, show } from "../../model/problem.ts";
import { isRecord } from "./manifest.ts";

/** The tasks of a document. */
export interface TaskList {
  readonly names: readonly string[];
  /** What is written of each, however wrong. */
  readonly tasks: readonly unknown[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** By the names of includes, in whose place tasks stand: one of these. */
  readonly includes?: ReadonlyMap<string, string>;
}

/** The tasks of a document, however wrong the rest of it is. */
export function tasksOf(document: unknown): TaskList {
  const tasks = isRecord(document) ? document["tasks"] : undefined;
  if (!isRecord(tasks)) return { names: [], tasks: [], indexOf: new Map() };
  const keys = Object.keys(tasks);
  const order = (document as Readonly<Record<string, unknown>>)["order"];
  const names = Array.isArray(order) && wrongIn(order, tasks) === undefined ? order as string[] : keys;
  const indexOf = new Map<string, number>();
  for (let index = 0; index < names.length; index++) indexOf.set(names[index]!, index);
  return { names, tasks: names.map((name) => tasks[name]), indexOf };
}

/** The whole document again. @param head It without its tasks. */
export function withTasks(head: object, { names, tasks }: TaskList): Record<string, unknown> {
  const all = Object.fromEntries(names.map((name, index) => [name, tasks[index]]));
  return { ...head, ...orderOf(names), tasks: all };
}

/** What a document says of the order of its tasks: nothing where that is the order of an object with these keys. */
export function orderOf(names: readonly string[]): { readonly order?: readonly string[] } {
  let last = -1;
  let others = false;
  for (const name of names) {
    if (!INDEX.test(name)) others = true;
    else if (others || Number(name) < last) return { order: names };
    else last = Number(name);
  }
  return {};
}

/** What is wrong with the order that a document says. */
export function orderProblems(document: unknown): readonly Problem[] {
  if (!isRecord(document) || !Array.isArray(document["order"]) || !isRecord(document["tasks"])) return [];
  const message = wrongIn(document["order"], document["tasks"]);
  return message === undefined ? [] : [{ place: "order", message }];
}

/** A key that an object puts first. */
const INDEX = /^(?:0|[1-9]\d*)$/;

function wrongIn(order: readonly unknown[], tasks: Readonly<Record<string, unknown>>): string | undefined {
  const names = new Set<unknown>(order);
  if (names.size < order.length) return "Must name each task once: one is there twice";
  for (const name of names) {
    if (typeof name !== "string" || !Object.hasOwn(tasks, name)) {
      return `Must name the tasks: there is none of the name ${show(name)}`;
    }
  }
  const missing = Object.keys(tasks).find((name) => !names.has(name));
  return missing === undefined ? undefined : `Must name each task once: ${show(missing)} is missing`;
}
