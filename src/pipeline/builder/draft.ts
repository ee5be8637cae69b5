/**
 * Owns the reading of names: which task each need and loop of a manifest refers to.
 * Must not know whether the manifest's shape is right (check.ts); it reads what it can and skips the rest.
 * Invariant: every index in a draft is that of a task; what refers to nothing is a problem.
 */
import { testsOf } from "../document/asked.ts";
import { conditionProblems } from "../document/condition.ts";
import { isRecord, ITEM_KEY, LIMITS } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";
import { NameFinder } from "../../model/nearest.ts";
import { MAX_NAME_LENGTH, nameProblem, spellingProblem } from "../document/name.ts";
import type { On } from "../../model/outcome.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";

/** A need whose task is known. */
export interface DraftNeed {
  readonly task: number;
  readonly on: On;
  readonly as: string;
  /** It only says what comes before. */
  readonly silent?: true;
}

/** What a task is mapped over, with the task that returns the list known. */
export interface DraftEach {
  readonly task: number;
  readonly path: string;
  readonly as: string;
}

/** A loop whose ends are known. */
export interface DraftLoop {
  readonly from: number;
  readonly to: number;
  readonly times: number;
  readonly on: On;
  readonly at: number;
}

/** An edge whose ends are known. */
export interface DraftEdge {
  readonly from: number;
  readonly to: number;
  readonly on: On;
  readonly weak: boolean;
  readonly times: number | undefined;
  readonly at: number;
}

/** A loop with what it holds. */
export interface LoopBody {
  readonly loop: DraftLoop;
  /** Indexes in the draft, in no order. */
  readonly body: readonly number[];
}

/** A manifest with names resolved to indexes; tasks in the manifest's order. */
export interface Draft {
  readonly names: readonly string[];
  readonly needs: readonly (readonly DraftNeed[])[];
  /** What tasks are mapped over, by task. */
  readonly each: ReadonlyMap<number, DraftEach>;
  readonly loops: readonly DraftLoop[];
  /** There where edges decide: the strong ones are needs too. */
  readonly edges?: readonly DraftEdge[];
}

/** Reads the names of a manifest, however wrong the rest of it is. @param list Its tasks. */
export function readDraft(document: unknown, list: TaskList): { draft: Draft; problems: Problem[] } {
  const { names, tasks } = list;
  const problems: Problem[] = [];
  const source = isRecord(document) ? document : {};
  if (isRecord(source["tasks"]) && tasks.length === 0) {
    problems.push({ place: "tasks", message: "There are no tasks: a pipeline has at least one" });
  }
  const message = spellingProblem(source["name"]);
  if (message !== undefined) problems.push({ place: "name", message });
  const reader = new Reader(list, source["onFailure"] === "continue" ? "any" : "success", problems);
  const each = new Map<number, DraftEach>();
  const needs = tasks.map((task, index) => {
    const needs = reader.needs(task, index);
    const mapped = reader.each(task, index);
    if (mapped === undefined) return needs;
    each.set(index, mapped);
    return withNeed(needs, mapped);
  });
  const loops = reader.loops(source["loops"]);
  if (source["edges"] === undefined) return { draft: { names, needs, each, loops }, problems };
  const edges = reader.edges(source["edges"]);
  problems.push(...besideEdges(source, list));
  return { draft: { names, needs: needsOf(edges, names), each, loops: [], edges }, problems };
}

/** What has no meaning where edges decide. */
function besideEdges(
  source: Readonly<Record<string, unknown>>,
  { names, tasks }: TaskList,
): Problem[] {
  const message = "Has no meaning beside the pipeline's edges: remove it, or the edges";
  const inTasks = tasks.flatMap((task, index) =>
    ["needs", "join", "when"].filter((key) => isRecord(task) && task[key] !== undefined)
      .map((key) => ({ place: placeOf(placeOf("tasks", names[index]!), key), message }))
  );
  return source["loops"] === undefined ? inTasks : [{ place: "loops", message }, ...inTasks];
}

/** The needs that strong edges are. */
function needsOf(edges: readonly DraftEdge[], names: readonly string[]): DraftNeed[][] {
  const needs = names.map((): DraftNeed[] => []);
  for (const { from, to, on, weak } of edges) {
    if (!weak) needs[to]!.push({ task: from, on, as: names[from]! });
  }
  return needs;
}

/** The needs with the task among them that returns the list. */
function withNeed(needs: readonly DraftNeed[], { task, as }: DraftEach): readonly DraftNeed[] {
  return needs.some((need) => need.task === task)
    ? needs
    : [...needs, { task, on: "success", as, silent: true }];
}

const NO_NEEDS: readonly DraftNeed[] = [];

/** Fewer are compared with each other, which takes less than making sets of them. */
const FEW = 16;

/** Whether two of the needs are of the same task, or give their values by the same key. */
function hasTwins(needs: readonly DraftNeed[]): boolean {
  if (needs.length > FEW) {
    return new Set(needs.map(({ task }) => task)).size < needs.length ||
      new Set(needs.map(({ as }) => as)).size < needs.length;
  }
  for (let at = 1; at < needs.length; at++) {
    const { task, as } = needs[at]!;
    for (let before = 0; before < at; before++) {
      if (needs[before]!.task === task || needs[before]!.as === as) return true;
    }
  }
  return false;
}

class Reader {
  readonly #names: readonly string[];
  readonly #index: ReadonlyMap<string, number>;
  readonly #includes: TaskList["includes"];
  readonly #finder: NameFinder;
  readonly #plainOn: On;
  readonly #problems: Problem[];
  /** By task that is needed: the need that is its name alone, which is the same for all who have it. */
  readonly #plain: (DraftNeed | undefined)[];
  /** The needs of the task that is being read. */
  readonly #found: DraftNeed[] = [];

  constructor({ names, indexOf, includes }: TaskList, plainOn: On, problems: Problem[]) {
    this.#includes = includes;
    this.#names = names;
    this.#index = indexOf;
    this.#finder = new NameFinder(names);
    this.#plainOn = plainOn;
    this.#problems = problems;
    this.#plain = new Array<DraftNeed | undefined>(names.length).fill(undefined);
  }

  needs(task: unknown, index: number): readonly DraftNeed[] {
    const name = this.#names[index]!;
    const message = nameProblem(name);
    if (message !== undefined) this.#report(placeOf("tasks", name.slice(0, MAX_NAME_LENGTH)), message);
    const written = this.#written(task, index);
    return isRecord(task) && task["when"] !== undefined
      ? this.#withAsked(written, task["when"], index)
      : written;
  }

  /** The needs that are written. */
  #written(task: unknown, index: number): readonly DraftNeed[] {
    const list: unknown = isRecord(task) ? task["needs"] : undefined;
    if (!Array.isArray(list) || list.length === 0 || list.length > LIMITS.needsOfTask) return NO_NEEDS;
    const found = this.#found;
    let places: number[] | undefined;
    let count = 0;
    for (let at = 0; at < list.length; at++) {
      const need = this.#need(list[at], index, at);
      if (need === undefined) places ??= Array.from({ length: count }, (_, before) => before);
      else {
        found[count++] = need;
        places?.push(at);
      }
    }
    // As long as it is: a list that grows keeps room for a dozen more.
    const needs = found.slice(0, count);
    return hasTwins(needs) ? this.#withoutDuplicates(needs, { index, places }) : needs;
  }

  /** With the tasks that a condition asks: each is needed. */
  #withAsked(needs: readonly DraftNeed[], when: unknown, index: number): readonly DraftNeed[] {
    const place = `${placeOf("tasks", this.#names[index]!)}.when`;
    this.#problems.push(...conditionProblems(when, place));
    const all = [...needs];
    for (const { place: at, test } of testsOf(when, place)) {
      const name = test["task"];
      if (typeof name !== "string" || name === "") continue;
      const task = this.#index.get(name) ?? this.#unknown(name, `${at}.task`);
      if (task === undefined) continue;
      const need = all.find((each) => each.task === task);
      const wrong = need?.on === "failure"
        ? `${show(name)} is needed on failure, and has no value then: need it on success, or on any`
        : task === index
        ? `Task ${show(name)} asks for its own value: ask that of another`
        : need === undefined && all.some(({ as }) => as === name)
        ? `Another need gives its value as ${show(name)}: choose another "as" there, or need ${
          show(name)
        } with one`
        : undefined;
      if (wrong !== undefined) this.#report(`${at}.task`, wrong);
      else if (need === undefined) all.push({ task, on: this.#plainOn, as: name });
    }
    return all;
  }

  /** What a task is mapped over, if it is and the task that returns the list is there. */
  each(task: unknown, index: number): DraftEach | undefined {
    const each: unknown = isRecord(task) ? task["each"] : undefined;
    if (!isRecord(each)) return undefined;
    const { task: list, path = "", as = ITEM_KEY } = each;
    const place = `${placeOf("tasks", this.#names[index]!)}.each`;
    if (typeof list !== "string" || list === "") return undefined;
    const found = this.#index.get(list);
    if (found === undefined) return this.#unknown(list, `${place}.task`);
    if (found === index) {
      return this.#report(
        `${place}.task`,
        `Task ${show(list)} can't be run for each item of its own value: name another`,
      );
    }
    const message = spellingProblem(as);
    if (message !== undefined) this.#report(`${place}.as`, message);
    return { task: found, path: String(path), as: String(as) };
  }

  loops(list: unknown): DraftLoop[] {
    if (!Array.isArray(list) || list.length > LIMITS.loops) return [];
    return list.flatMap((loop, at) => this.#loop(loop, at) ?? []);
  }

  edges(list: unknown): DraftEdge[] {
    if (!Array.isArray(list) || list.length > LIMITS.edges) return [];
    const known = new Map<string, number>();
    return list.flatMap((edge, at) => this.#edge(edge, at, known) ?? []);
  }

  #edge(edge: unknown, at: number, known: Map<string, number>): DraftEdge | undefined {
    if (!isRecord(edge)) return undefined;
    const from = this.#loopEnd(edge["from"], `edges[${at}].from`);
    const to = this.#loopEnd(edge["to"], `edges[${at}].to`);
    if (from === undefined || to === undefined) return undefined;
    const twin = known.get(`${from} ${to}`);
    if (twin !== undefined) {
      return this.#report(
        `edges[${at}]`,
        `Duplicate: edges[${twin}] has the same "from" and "to": remove one`,
      );
    }
    known.set(`${from} ${to}`, at);
    const { on = this.#plainOn, weak = false, times } = edge as Partial<DraftEdge>;
    return { from, to, on, weak: weak === true, times, at };
  }

  #need(need: unknown, index: number, at: number): DraftNeed | undefined {
    const plain = typeof need === "string";
    if (!plain && !isRecord(need)) return undefined;
    const name = plain ? need : need["task"];
    if (typeof name !== "string" || name === "") return undefined;
    const task = this.#index.get(name);
    if (task === undefined) return this.#unknown(name, `${this.#placeOf(index, at)}.task`);
    if (task === index) {
      return this.#report(
        `${this.#placeOf(index, at)}.task`,
        `Task ${show(name)} needs itself: remove this need`,
      );
    }
    if (plain) return this.#plain[task] ??= { task, on: this.#plainOn, as: this.#names[task]! };
    const { as: given, on = this.#plainOn } = need as Partial<DraftNeed>;
    const message = spellingProblem(given);
    if (message !== undefined) this.#report(`${this.#placeOf(index, at)}.as`, message);
    return { task, on, as: typeof given === "string" ? given : name };
  }

  /** Place of the need that is written at `at` of a task. */
  #placeOf(index: number, at: number): string {
    return placeOf(placeOf(placeOf("tasks", this.#names[index]!), "needs"), at);
  }

  /** @param places Where each is written, if some that are written are not among them. */
  #withoutDuplicates(
    needs: readonly DraftNeed[],
    { index, places }: { readonly index: number; readonly places: readonly number[] | undefined },
  ): DraftNeed[] {
    const byTask = new Map<number, number>();
    const byKey = new Map<string, number>();
    return needs.filter((need, which) => {
      const at = places?.[which] ?? which;
      const twin = byTask.get(need.task);
      if (twin !== undefined) {
        const same = needs[twin]!.on === need.on;
        const both = same ? "remove one" : `keep one, with "on": "any" if either will do`;
        const name = show(this.#names[need.task]);
        this.#report(
          this.#placeOf(index, at),
          `Duplicate: needs[${places?.[twin] ?? twin}] is ${name} already: ${both}`,
        );
        return false;
      }
      byTask.set(need.task, which);
      const rival = byKey.get(need.as);
      if (rival === undefined) return byKey.set(need.as, which);
      this.#report(
        `${this.#placeOf(index, at)}.as`,
        `Duplicate: needs[${places?.[rival] ?? rival}] gives its value as ${
          show(need.as)
        } too: choose another "as"`,
      );
      return true;
    });
  }

  #loop(loop: unknown, at: number): DraftLoop | undefined {
    if (!isRecord(loop)) return undefined;
    const from = this.#loopEnd(loop["from"], `loops[${at}].from`);
    const to = this.#loopEnd(loop["to"], `loops[${at}].to`);
    if (from === undefined || to === undefined) return undefined;
    return { from, to, times: loop["times"] as number, on: (loop["on"] ?? "success") as On, at };
  }

  #loopEnd(name: unknown, place: string): number | undefined {
    if (typeof name !== "string" || name === "") return undefined;
    return this.#index.get(name) ?? this.#unknown(name, place);
  }

  #unknown(name: string, place: string): undefined {
    const inner = this.#includes?.get(name);
    if (inner !== undefined) {
      return this.#report(
        place,
        `${show(name)} is an include: name one of its tasks, such as ${show(inner)}`,
      );
    }
    this.#report(
      place,
      `There is no task ${show(name)}${this.#finder.hint(name, ": add it, or remove this")}`,
    );
  }

  #report(place: string, message: string): undefined {
    this.#problems.push({ place, message });
  }
}
