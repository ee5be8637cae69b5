/**
 * Owns how the tasks of one pipeline become tasks of another that includes it: their names, needs, params and paths.
 * Must not know where pipelines come from (load/include.ts), what is right about a task, nor what one runs.
 * Invariant: what an included task says means the same as in its own pipeline; its inputs keep their keys.
 */
import type { On } from "../../model/outcome.ts";
import { isTooDeep, testsOf } from "./asked.ts";
import { isRecord, ITEM_KEY } from "./manifest.ts";
import type { TaskList } from "./task_list.ts";

/** How a pipeline is included. */
export interface Inclusion {
  /** What the names of its tasks begin with, before a slash. */
  readonly name: string;
  /** What its tasks without needs are to need. */
  readonly needs: readonly unknown[];
  /** How those needs are joined. */
  readonly join?: unknown;
  /** What is asked before any of its tasks runs. */
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

/** Where a part of a task is written: with the include or with the task, and what comes after its name there. */
export interface Whence {
  readonly isOfInclude: boolean;
  readonly rest: string;
}

/** What becomes of it: its tasks in their order, and its loops. */
export interface TakenTasks {
  readonly tasks: readonly {
    readonly name: string;
    readonly own: string;
    readonly task: unknown;
    /** Of a part of the task, such as `.needs[0].task`. */
    readonly whence: (rest: string) => Whence;
  }[];
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
  const known = new Set(list.names);
  const tasks = list.tasks.map((task, index) => {
    const own = list.names[index]!;
    const needs = needsOf(task, known);
    const on = plainOn === inclusion.plainOn ? {} : { on: plainOn };
    return {
      name: named(own),
      own,
      ...movedTask(task, { inclusion, needs: needs.map((need) => movedNeed(need, named, on)), named }),
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
  const known = new Set(names);
  const lists = tasks.map((task) =>
    isRecord(task) && isRecord(task["each"]) ? task["each"]["task"] : undefined
  );
  const needs = tasks.flatMap((task) => needsOf(task, known)).map((need) =>
    isRecord(need) ? need["task"] : need
  );
  const needed = new Set([...lists, ...needs]);
  return names.filter((name) => !needed.has(name)).map((name) => `${include}/${name}`);
}

/** The needs of a task that is included, with the tasks that its condition asks: they keep their keys too. */
function needsOf(task: unknown, known: ReadonlySet<string>): readonly unknown[] {
  if (!isRecord(task)) return [];
  const { needs, when } = task;
  const written: readonly unknown[] = Array.isArray(needs) ? needs : [];
  const names = new Set(written.map((need) => isRecord(need) ? need["task"] : need));
  const asked = testsOf(when, "").map(({ test }) => test["task"]);
  return [
    ...written,
    ...new Set(asked.filter((name) => isName(name) && known.has(name) && !names.has(name))),
  ];
}

/** What a task becomes. */
interface Moving {
  readonly inclusion: Inclusion;
  readonly needs: readonly unknown[];
  readonly named: (own: string) => string;
}

function movedTask(
  task: unknown,
  { inclusion, needs, named }: Moving,
): { readonly task: unknown; readonly whence: (rest: string) => Whence } {
  if (!isRecord(task)) return { task, whence: (rest) => ({ isOfInclude: false, rest }) };
  const { run, params: own, when, each, needs: written } = task;
  const { join, when: asked, moved, params } = inclusion;
  const isSource = needs.length === 0 && each === undefined &&
    (written === undefined || Array.isArray(written));
  const isAsked = asked !== undefined && (isSource || runsUnmet(task, needs, inclusion));
  const all = isSource
    ? inclusion.needs
    : isAsked
    ? [...needs, ...askedNeeds(task, needs, inclusion)]
    : needs;
  const overlaid = isRecord(params) && (own === undefined || isRecord(own));
  const moves = {
    ...task,
    ...(isRecord(run) && { run: moved(run) }),
    ...(overlaid && { params: { ...own, ...params } }),
    ...(when !== undefined && { when: movedCondition(when, named) }),
    ...(isRecord(each) && { each: { ...each, ...renamed(each, named) } }),
    ...(all.length > 0 && { needs: all }),
    ...(isSource && join !== undefined && { join }),
    ...(isAsked && { when: both(asked, movedCondition(when, named)) }),
  };
  const whence = (rest: string): Whence => {
    const [, key] = /^\.(\w+)/.exec(rest) ?? [];
    if (key === "when" && isAsked) return whenceOfBoth(rest, asked, when);
    if (key === "needs" && !isSource) {
      return whenceOfNeed(rest, Array.isArray(written) ? written.length : 0, needs.length);
    }
    const isOfInclude = key === "needs" || (key === "join" && isSource && join !== undefined) ||
      (key === "params" && overlaid && own === undefined);
    return { isOfInclude, rest };
  };
  return { task: moves, whence };
}

/**
 * Whether a task would run though all that it needs of its own pipeline is skipped. Only such a one has to be asked what the
 * include asks: all others are skipped with what they need.
 */
function runsUnmet(
  { needs: written, join, each }: Readonly<Record<string, unknown>>,
  needs: readonly unknown[],
  { plainOn }: Inclusion,
): boolean {
  if (written !== undefined && !Array.isArray(written)) return false;
  // Of a mapped task that says no more, the task with its list is a need on success.
  if (needs.length === 0 && each !== undefined) return false;
  const isAny = (need: unknown) => ((isRecord(need) ? need["on"] : undefined) ?? plainOn) === "any";
  return join === "any" ? needs.some(isAny) : needs.every(isAny);
}

/** Needs on the tasks that the condition of the include asks, by keys that the task has for nothing else. */
function askedNeeds(
  { each }: Readonly<Record<string, unknown>>,
  needs: readonly unknown[],
  { needs: around, when }: Inclusion,
): unknown[] {
  const keys = new Set(needs.map((need) => isRecord(need) ? need["as"] : need));
  if (isRecord(each)) keys.add(each["as"] ?? ITEM_KEY);
  const names = new Set(testsOf(when, "").map(({ test }) => test["task"]).filter(isName));
  return [...names].flatMap((task) => {
    const need = around.find((each) => isRecord(each) && each["task"] === task);
    let as = task;
    while (keys.has(as)) as = `../${as}`;
    keys.add(as);
    const on = isRecord(need) ? need["on"] : undefined;
    // Else the condition makes it a need by itself.
    return as === task && on === undefined ? [] : [{ task, as, ...(on !== undefined && { on }) }];
  });
}

/** The conditions that have to be so together. */
function partsOf(condition: unknown): readonly unknown[] {
  const isAll = isRecord(condition) && Array.isArray(condition["all"]) && condition["task"] === undefined;
  return isAll ? condition["all"] as readonly unknown[] : [condition];
}

/** Both conditions as one, no deeper than it has to be. */
function both(asked: unknown, own: unknown): unknown {
  return own === undefined ? asked : { all: [...partsOf(asked), ...partsOf(own)] };
}

/** Where a part of {@linkcode both} is written. */
function whenceOfBoth(rest: string, asked: unknown, own: unknown): Whence {
  const [start, index] = /^\.when\.all\[(\d+)\]/.exec(rest) ?? [];
  if (own === undefined || start === undefined) return { isOfInclude: true, rest };
  const parts = partsOf(asked);
  const isOfInclude = Number(index) < parts.length;
  const at = isOfInclude ? Number(index) : Number(index) - parts.length;
  const [condition, inner] = [isOfInclude ? asked : own, rest.slice(start.length)];
  return {
    isOfInclude,
    rest: partsOf(condition)[0] === condition ? `.when${inner}` : `.when.all[${at}]${inner}`,
  };
}

/** Where a need is written: those of the task come first, then what its condition asks, then what that of the include asks. */
function whenceOfNeed(rest: string, written: number, own: number): Whence {
  const index = Number(/^\.needs\[(\d+)\]/.exec(rest)?.[1] ?? -1);
  return index < written ? { isOfInclude: false, rest } : { isOfInclude: index >= own, rest: ".when" };
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
