/**
 * Owns the reading of names: which task each need and loop of a manifest refers to.
 * Must not know whether the manifest's shape is right (check.ts); it reads what it can and skips the rest.
 * Invariant: every index in a draft is that of a task; what refers to nothing is a problem.
 */
import { isRecord, LIMITS } from "../document/manifest.ts";
import { MAX_NAME_LENGTH, NameFinder, nameProblem, spellingProblem } from "../document/name.ts";
import type { On } from "../../model/outcome.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";

/** A need whose task is known. */
export interface DraftNeed {
  readonly task: number;
  readonly on: On;
  readonly as: string;
  /** Its place in the task's `needs`. */
  readonly at: number;
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
  readonly loops: readonly DraftLoop[];
  /** There where edges decide: the strong ones are needs too, with their place among the edges as `at`. */
  readonly edges?: readonly DraftEdge[];
}

/** Reads the names of a manifest, however wrong the rest of it is. @param tasks The entries of its `tasks`. */
export function readDraft(
  document: unknown,
  tasks: readonly [string, unknown][],
): { draft: Draft; problems: Problem[] } {
  const problems: Problem[] = [];
  const source = isRecord(document) ? document : {};
  if (isRecord(source["tasks"]) && tasks.length === 0) {
    problems.push({ place: "tasks", message: "There are no tasks: a pipeline has at least one" });
  }
  const message = spellingProblem(source["name"]);
  if (message !== undefined) problems.push({ place: "name", message });
  const names = tasks.map(([name]) => name);
  const reader = new Reader(names, source["onFailure"] === "continue" ? "any" : "success", problems);
  const needs = tasks.map(([, task], index) => reader.needs(task, index));
  const loops = reader.loops(source["loops"]);
  if (source["edges"] === undefined) return { draft: { names, needs, loops }, problems };
  const edges = reader.edges(source["edges"]);
  problems.push(...besideEdges(source, tasks));
  return { draft: { names, needs: needsOf(edges, names), loops: [], edges }, problems };
}

/** What has no meaning where edges decide. */
function besideEdges(
  source: Readonly<Record<string, unknown>>,
  tasks: readonly [string, unknown][],
): Problem[] {
  const message = "Has no meaning beside the pipeline's edges: remove it, or the edges";
  const inTasks = tasks.flatMap(([name, task]) =>
    ["needs", "join"].filter((key) => isRecord(task) && task[key] !== undefined)
      .map((key) => ({ place: placeOf(placeOf("tasks", name), key), message }))
  );
  return source["loops"] === undefined ? inTasks : [{ place: "loops", message }, ...inTasks];
}

/** The needs that strong edges are. */
function needsOf(edges: readonly DraftEdge[], names: readonly string[]): DraftNeed[][] {
  const needs = names.map((): DraftNeed[] => []);
  for (const { from, to, on, weak, at } of edges) {
    if (!weak) needs[to]!.push({ task: from, on, as: names[from]!, at });
  }
  return needs;
}

class Reader {
  readonly #names: readonly string[];
  readonly #index: Map<string, number>;
  readonly #finder: NameFinder;
  readonly #plainOn: On;
  readonly #problems: Problem[];

  constructor(names: readonly string[], plainOn: On, problems: Problem[]) {
    this.#names = names;
    this.#index = new Map(names.map((name, index) => [name, index]));
    this.#finder = new NameFinder(names);
    this.#plainOn = plainOn;
    this.#problems = problems;
  }

  needs(task: unknown, index: number): DraftNeed[] {
    const name = this.#names[index]!;
    const message = nameProblem(name);
    if (message !== undefined) this.#report(placeOf("tasks", name.slice(0, MAX_NAME_LENGTH)), message);
    const list = isRecord(task) && Array.isArray(task["needs"]) ? task["needs"] as unknown[] : [];
    if (list.length > LIMITS.needsOfTask) return [];
    const found: DraftNeed[] = [];
    for (let at = 0; at < list.length; at++) {
      const need = this.#need(list[at], index, at);
      if (need !== undefined) found.push(need);
    }
    return found.length > 1 ? this.#withoutDuplicates(found, index) : found;
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
    const place = () => placeOf(placeOf(placeOf(placeOf("tasks", this.#names[index]!), "needs"), at), "task");
    const task = this.#index.get(name);
    if (task === undefined) return this.#unknown(name, place());
    if (task === index) return this.#report(place(), `Task ${show(name)} needs itself: remove this need`);
    const given = plain ? undefined : need["as"];
    const message = spellingProblem(given);
    if (message !== undefined) this.#report(place().replace(/task$/, "as"), message);
    const on = plain ? this.#plainOn : (need["on"] ?? this.#plainOn) as On;
    return { task, on, as: typeof given === "string" ? given : name, at };
  }

  #withoutDuplicates(needs: readonly DraftNeed[], index: number): DraftNeed[] {
    const byTask = new Map<number, DraftNeed>();
    const byKey = new Map<string, DraftNeed>();
    return needs.filter((need) => {
      const place = () => placeOf(placeOf(placeOf("tasks", this.#names[index]!), "needs"), need.at);
      const twin = byTask.get(need.task);
      if (twin !== undefined) {
        const both = twin.on === need.on ? "remove one" : `keep one, with "on": "any" if either will do`;
        this.#report(
          place(),
          `Duplicate: needs[${twin.at}] is ${show(this.#names[need.task])} already: ${both}`,
        );
        return false;
      }
      byTask.set(need.task, need);
      const rival = byKey.get(need.as);
      if (rival === undefined) return byKey.set(need.as, need);
      this.#report(
        `${place()}.as`,
        `Duplicate: needs[${rival.at}] gives its value as ${show(need.as)} too: choose another "as"`,
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
    this.#report(
      place,
      `There is no task ${show(name)}${this.#finder.hint(name, ": add it, or remove this")}`,
    );
  }

  #report(place: string, message: string): undefined {
    this.#problems.push({ place, message });
  }
}
