/**
 * Owns how the tasks of one pipeline become tasks of another that includes it: their names, needs, params and paths.
 * Must not know where pipelines come from (load/include.ts), what is right about a task, nor what one runs.
 * Invariant: what an included task says means the same as in its own pipeline; its inputs keep their keys.
 */
import type { On } from "../../model/outcome.ts";
import { isTooDeep, testsOf } from "./asked.ts";
import { isRecord } from "./manifest.ts";
import type { TaskList } from "./task_list.ts";

/** How a pipeline is included. */
export interface Inclusion {
  /** What the names of its tasks begin with, before a slash. */
  readonly name: string;
  /** What its tasks without needs are to need. */
  readonly needs: readonly unknown[];
  /** How those needs are joined, and on what condition. */
  readonly join?: unknown;
  readonly when?: unknown;
  /** Laid over the params of all its tasks. */
  readonly params?: unknown;
  /** What a plain need means in the including pipeline. */
  readonly plainOn: On;
  /** What a task runs, with its paths as the including pipeline writes them. */
  readonly moved: (run: Readonly<Record<string, unknown>>) => object;
}

/** A pipeline that is included: its document without tasks, and its tasks. */
export interface Included {
  readonly head: Readonly<Record<string, unknown>>;
  readonly list: Pick<TaskList, "names" | "tasks">;
}

/** What becomes of it: its tasks in their order, and its loops. */
export interface TakenTasks {
  readonly tasks: readonly { readonly name: string; readonly own: string; readonly task: unknown }[];
  readonly loops: readonly unknown[];
}

/** What a need without `on` means. */
export function plainOnOf({ onFailure }: { readonly onFailure?: unknown }): On {
  return onFailure === "continue" ? "any" : "success";
}

/** Takes a pipeline into another. */
export function taken({ head, list }: Included, inclusion: Inclusion): TakenTasks {
  const named = (own: string) => `${inclusion.name}/${own}`;
  const plainOn = plainOnOf(head);
  const tasks = list.tasks.map((task, index) => {
    const own = list.names[index]!;
    const needs = needsOf(task);
    const on = plainOn === inclusion.plainOn ? {} : { on: plainOn };
    return {
      name: named(own),
      own,
      task: movedTask(task, { inclusion, needs: needs.map((need) => movedNeed(need, named, on)), named }),
    };
  });
  const loops = Array.isArray(head["loops"]) ? head["loops"] : [];
  return {
    tasks,
    loops: loops.map((loop: unknown) => movedLoop(loop, named)),
  };
}

/** The names of the tasks that no other of them needs, as an include of this name calls them. */
export function sinksOf({ names, tasks }: Included["list"], include: string): string[] {
  const lists = tasks.map((task) =>
    isRecord(task) && isRecord(task["each"]) ? task["each"]["task"] : undefined
  );
  const needs = tasks.flatMap(needsOf).map((need) => isRecord(need) ? need["task"] : need);
  const needed = new Set([...lists, ...needs]);
  return names.filter((name) => !needed.has(name)).map((name) => `${include}/${name}`);
}

/** The needs of a task that is included, with the tasks that its condition asks: they keep their keys too. */
function needsOf(task: unknown): readonly unknown[] {
  if (!isRecord(task)) return [];
  const { needs, when } = task;
  const written: readonly unknown[] = Array.isArray(needs) ? needs : [];
  const names = new Set(written.map((need) => isRecord(need) ? need["task"] : need));
  const asked = testsOf(when, "").map(({ test }) => test["task"]);
  return [...written, ...new Set(asked.filter((name) => typeof name === "string" && !names.has(name)))];
}

/** What a task becomes. */
interface Moving {
  readonly inclusion: Inclusion;
  readonly needs: readonly unknown[];
  readonly named: (own: string) => string;
}

function movedTask(task: unknown, { inclusion, needs, named }: Moving): unknown {
  if (!isRecord(task)) return task;
  const { run, params: own, when, each, needs: written } = task;
  const { join, when: asked, moved, params } = inclusion;
  const isSource = needs.length === 0 && each === undefined &&
    (written === undefined || Array.isArray(written));
  const all = isSource ? inclusion.needs : needs;
  return {
    ...task,
    ...(isRecord(run) && { run: moved(run) }),
    ...(isRecord(params) && (own === undefined || isRecord(own)) && { params: { ...own, ...params } }),
    ...(when !== undefined && { when: movedCondition(when, named) }),
    ...(isRecord(each) && { each: { ...each, ...renamed(each, named) } }),
    ...(all.length > 0 && { needs: all }),
    ...(isSource && join !== undefined && { join }),
    ...(isSource && asked !== undefined && { when: asked }),
  };
}

function movedLoop(loop: unknown, named: (own: string) => string): unknown {
  if (!isRecord(loop)) return loop;
  const { from, to } = loop;
  return { ...loop, ...(isName(from) && { from: named(from) }), ...(isName(to) && { to: named(to) }) };
}

/** The name of the task that something is said of. */
function renamed(
  { task }: Readonly<Record<string, unknown>>,
  named: (own: string) => string,
): { readonly task?: string } {
  return isName(task) ? { task: named(task) } : {};
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** A need keeps the key of its input. */
function movedNeed(need: unknown, named: (own: string) => string, on: { readonly on?: On }): unknown {
  if (typeof need === "string") return { task: named(need), as: need, ...on };
  if (!isRecord(need) || typeof need["task"] !== "string") return need;
  return { as: need["task"], ...on, ...need, task: named(need["task"]) };
}

function movedCondition(condition: unknown, named: (own: string) => string): unknown {
  if (!isRecord(condition) || isTooDeep(condition)) return condition;
  const each = (inner: unknown) => movedCondition(inner, named);
  const { all, any, not } = condition;
  return {
    ...condition,
    ...renamed(condition, named),
    ...(Array.isArray(all) && { all: all.map(each) }),
    ...(Array.isArray(any) && { any: any.map(each) }),
    ...(not !== undefined && { not: each(not) }),
  };
}

/**
 * Needs with those on includes as needs on what these end in: all their tasks that no other of theirs needs.
 *
 * @param sinks By the name of an include.
 */
export function expanded(
  needs: readonly unknown[],
  sinks: ReadonlyMap<string, readonly string[]>,
): unknown[] {
  return needs.flatMap((need) => {
    const name = isRecord(need) ? need["task"] : need;
    const ends = typeof name === "string" ? sinks.get(name) : undefined;
    if (ends === undefined) return [need];
    const rest = isRecord(need) ? need : {};
    const as = typeof rest["as"] === "string" ? rest["as"] : name as string;
    return ends.map((task) => ({
      ...rest,
      task,
      as: ends.length === 1 ? as : `${as}${task.slice((name as string).length)}`,
    }));
  });
}

/**
 * A path in the folder of a file, as one in another folder writes it; what is no relative path stays. Both are `file:` URLs.
 *
 * @returns Nothing where they lie in one folder.
 */
export function movedFrom(from: string, to: string): ((path: string) => string) | undefined {
  const way = wayTo(to, from);
  if (way === "") return undefined;
  return (path) => /^(?:[a-z][a-z0-9+.-]*:|[\\/])/i.test(path) ? path : `${way}${path}`;
}

/** The way from the folder of a file to that of another: `""` if that is the same. */
export function wayTo(from: string, to: string): string {
  const [start = [], end = []] = [from, to].map((url) =>
    new URL(".", url).pathname.split("/").slice(1, -1).map(decodeURIComponent)
  );
  let same = 0;
  while (same < start.length && same < end.length && start[same] === end[same]) same++;
  const up = start.length - same;
  const down = end.slice(same).map((part) => `${part}/`).join("");
  return up === 0 && down !== "" ? `./${down}` : `${"../".repeat(up)}${down}`;
}
