/**
 * Owns the reading of the pipelines that a pipeline includes, so that all is one document, and where each part of it is written.
 * Must not know how a file is read or a task is moved (document/include.ts).
 * Invariant: what it gives includes nothing more; it ends, whatever includes what.
 */
import { checkManifest, includeProblems } from "../document/check.ts";
import {
  expanded,
  movedFrom,
  plainOnOf,
  sinksOf,
  taken,
  type TakenTasks,
  wayTo,
} from "../document/include.ts";
import { mergedResources } from "../document/declared.ts";
import { isRecord, LIMITS } from "../document/manifest.ts";
import { spellingProblem } from "../document/name.ts";
import { orderProblems, type TaskList, tasksOf } from "../document/task_list.ts";
import { PipelineError, placeOf, type Problem, show } from "../../model/problem.ts";
import { movedRun } from "../kinds/paths.ts";
import { resolveModule } from "./modules.ts";

/** A pipeline as it was found. */
export interface Read {
  readonly document: unknown;
  readonly list?: TaskList;
  /** Its URL. */
  readonly base: string;
  /** Problems of its text. */
  readonly problems: readonly Problem[];
}

/** A pipeline with all that it includes. */
export interface WholePipeline {
  /** Without tasks. */
  readonly document: unknown;
  readonly list: TaskList;
  readonly problems: readonly Problem[];
  /** A problem of it at the place where that is written. */
  readonly located: (problem: Problem) => Problem;
}

/** Where a loop is written: a file, `""` for the first one, and its number there. */
interface LoopOrigin {
  readonly file: string;
  readonly own: number;
}

/** The place where a part of a task is written. @param rest What comes after its name, such as `.needs[0]`. */
type PlaceOfPart = (rest: string) => string;

/** A pipeline, and where its parts are written. */
interface Flat {
  readonly head: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
  readonly tasks: readonly unknown[];
  readonly from: readonly PlaceOfPart[];
  readonly loopsFrom: readonly LoopOrigin[];
  /** By the names of includes, in whose place tasks stand: one of these. */
  readonly includes: ReadonlyMap<string, string>;
}

/** A pipeline that is being put together. */
interface Here extends Read {
  /** The files that lead to it, the first one first. */
  readonly way: readonly string[];
  /** What its file is called. */
  readonly file: string;
}

/** Reads all that a pipeline includes. @param read The pipeline of a file, by its URL and what it is called. */
export async function included(
  first: Read,
  read: (url: string, name: string) => Promise<Read>,
): Promise<WholePipeline> {
  const includes = new Includes(first.base, read);
  const flat = await includes.flat({ ...first, way: [first.base], file: "" });
  const indexOf = new Map(flat.names.map((name, index) => [name, index]));
  const origins = new Map(flat.names.map((name, index) => [name, flat.from[index]!]));
  const { order: _, ...head } = flat.head;
  return {
    document: { ...head, tasks: {} },
    list: { names: flat.names, tasks: flat.tasks, indexOf, includes: flat.includes },
    problems: includes.problems,
    located: (problem) => locatedIn(problem, origins, flat.loopsFrom),
  };
}

/** A problem of the whole, in the file where its part is written. */
function locatedIn(
  { place, message }: Problem,
  tasks: ReadonlyMap<string, PlaceOfPart>,
  loops: readonly LoopOrigin[],
): Problem {
  const task = /^tasks\[("(?:[^"\\]|\\.)*")\]|^tasks\.([\p{L}_$][\p{L}\p{N}_$-]*)/u.exec(place);
  const name = task?.[1] === undefined ? task?.[2] : JSON.parse(task[1]) as string;
  const at = name === undefined ? undefined : tasks.get(name);
  if (at !== undefined) return { place: at(place.slice(task![0].length)), message };
  const placeOfLoop = (start: string, index: string) => {
    const from = loops[Number(index)];
    return from === undefined ? start : within(from.file, placeOf("loops", from.own));
  };
  if (!place.startsWith("loops[")) return { place, message };
  return {
    place: place.replace(/^loops\[(\d+)\]/, placeOfLoop),
    // Others that it meets are named before any task is.
    message: message.replace(/^[^"]*/, (words) => words.replace(/loops\[(\d+)\]/g, placeOfLoop)),
  };
}

/** Where the parts of a task are written that stands in a file itself. */
function placesOf(
  file: string,
  name: string,
  needs: unknown,
  sinks: ReadonlyMap<string, readonly string[]>,
): PlaceOfPart {
  return (rest) => {
    const own = rest.replace(
      /^\.needs\[(\d+)\]/,
      (_, index: string) => `.needs[${writtenAt(needs, sinks, Number(index))}]`,
    );
    return within(file, `${placeOf("tasks", name)}${own}`);
  };
}

/** Which of the needs became the one at this index, since one on an include may be many. */
function writtenAt(needs: unknown, sinks: ReadonlyMap<string, readonly string[]>, index: number): number {
  if (!Array.isArray(needs)) return index;
  return needs.flatMap((need: unknown, at) => expanded([need], sinks).map(() => at))[index] ?? index;
}

function within(file: string, place: string): string {
  return file === "" ? place : place === "" ? file : `${file}: ${place}`;
}

const NO_TASKS: TaskList = { names: [], tasks: [], indexOf: new Map() };

class Includes {
  readonly problems: Problem[] = [];
  readonly #first: string;
  readonly #read: (url: string, name: string) => Promise<Read>;
  readonly #known: Map<string, Promise<Read>> = new Map();
  #count = 0;
  #tasks = 0;

  constructor(first: string, read: (url: string, name: string) => Promise<Read>) {
    this.#first = first;
    this.#read = read;
  }

  /** A pipeline with what it includes in the place of each include. */
  async flat(here: Here): Promise<Flat> {
    const { document, file } = here;
    const list = here.list ?? tasksOf(document);
    const head = isRecord(document) ? document : {};
    const parts = new Map<string, { readonly flat: Flat; readonly taken: TakenTasks } | undefined>();
    const sinks = new Map<string, readonly string[]>();
    const flats = new Map<
      string,
      { readonly task: Readonly<Record<string, unknown>>; readonly flat: Flat; readonly base: string }
    >();
    for (let index = 0; index < list.tasks.length; index++) {
      const [name, task] = [list.names[index]!, list.tasks[index]];
      if (!isRecord(task) || task["include"] === undefined) continue;
      parts.set(name, undefined);
      const found = await this.#part(here, { name, task });
      if (found !== undefined) flats.set(name, { task, ...found });
    }
    if (parts.size > 0 && head["edges"] !== undefined) {
      this.#tell(file, "edges", "Has no meaning beside includes: write needs and loops, or include nothing");
    }
    // What each ends in is known by its names alone, whatever it needs.
    for (const [name, { flat }] of flats) {
      sinks.set(name, sinksOf(flat, name));
    }
    for (const [name, { task, flat, base }] of flats) {
      const needs = Array.isArray(task["needs"]) ? expanded(task["needs"], sinks) : [];
      const { join, when, params } = task;
      const move = movedFrom(base, here.base);
      const moved = (run: Readonly<Record<string, unknown>>) =>
        move === undefined ? run : movedRun(run, move);
      const inclusion = { name, needs, join, when, params, plainOn: plainOnOf(head), moved };
      parts.set(name, { flat, taken: taken({ head: flat.head, list: flat }, inclusion) });
    }
    return this.#joined({ head, list, file }, parts, sinks);
  }

  #joined(
    { head, list, file }: { readonly head: Flat["head"]; readonly list: TaskList; readonly file: string },
    parts: ReadonlyMap<string, { readonly flat: Flat; readonly taken: TakenTasks } | undefined>,
    sinks: ReadonlyMap<string, readonly string[]>,
  ): Flat {
    const names: string[] = [];
    const tasks: unknown[] = [];
    const from: PlaceOfPart[] = [];
    const own: readonly unknown[] = Array.isArray(head["loops"]) ? head["loops"] : [];
    const loops = [...own];
    const loopsFrom: LoopOrigin[] = own.map((_, at) => ({ file, own: at }));
    const includes = new Map<string, string>();
    // Names with slashes may meet those that an include makes, its own file's and those of other includes alike.
    const known = new Set(list.names);
    let resources = head["resources"];
    list.names.forEach((name, index) => {
      const task = list.tasks[index];
      const places = placesOf(file, name, isRecord(task) ? task["needs"] : undefined, sinks);
      if (!parts.has(name)) {
        names.push(name);
        tasks.push(
          isRecord(task) && Array.isArray(task["needs"])
            ? { ...task, needs: expanded(task["needs"], sinks) }
            : task,
        );
        from.push(places);
        return;
      }
      const part = parts.get(name);
      if (part === undefined) return;
      const twin = part.taken.tasks.find((each) => known.has(each.name));
      if (twin !== undefined) {
        const message = `Includes a task ${show(twin.own)}, and there is a task ${
          show(twin.name)
        } already: choose another name`;
        return this.#tell(file, placeOf("tasks", name), message);
      }
      part.taken.tasks.forEach((each, at) => {
        known.add(each.name);
        names.push(each.name);
        tasks.push(each.task);
        const inner = part.flat.from[at]!;
        from.push((rest) => {
          const whence = each.whence(rest);
          return whence.isOfInclude ? places(whence.rest) : inner(whence.rest);
        });
      });
      const end = sinks.get(name)?.at(-1) ?? part.taken.tasks[0]?.name;
      if (end !== undefined) includes.set(name, end);
      for (const [inner, task] of part.flat.includes) includes.set(`${name}/${inner}`, `${name}/${task}`);
      loops.push(...part.taken.loops);
      loopsFrom.push(...part.flat.loopsFrom);
      resources = this.#resources(resources, part.flat.head["resources"], { file, name });
    });
    const all = {
      ...head,
      ...(loops.length > 0 && { loops }),
      ...(resources !== undefined && { resources }),
    };
    return { head: all, names, tasks, from, loopsFrom, includes };
  }

  /** Resources of both; what both declare is one, and has to be declared alike. */
  #resources(
    own: unknown,
    more: unknown,
    { file, name }: { readonly file: string; readonly name: string },
  ): unknown {
    if (!isRecord(more)) return own;
    if (own !== undefined && !isRecord(own)) return own;
    const { resources, unlike } = mergedResources(own, more);
    for (const resource of unlike) {
      const message = `Declares the resource ${show(resource)} as ${
        JSON.stringify(more[resource])
      }, and it is ${JSON.stringify(own![resource])} here: let both say the same`;
      this.#tell(file, `${placeOf("tasks", name)}.include`, message.slice(0, 1_000));
    }
    return resources;
  }

  /** The pipeline that a task includes; nothing if it can't be included. */
  async #part(
    here: Here,
    { name, task }: { readonly name: string; readonly task: Readonly<Record<string, unknown>> },
  ): Promise<{ readonly flat: Flat; readonly base: string } | undefined> {
    const place = `${placeOf("tasks", name)}.include`;
    for (const problem of includeProblems(task, name)) this.#tell(here.file, problem.place, problem.message);
    const written = task["include"];
    if (typeof written !== "string" || written === "") return undefined;
    const tell = (message: string) => this.#tell(here.file, place, message);
    const url = resolveModule(written, here.base);
    if (url instanceof Error || !url.startsWith("file:")) {
      return tell(`Can't include ${show(written)}: it is a path or a file: URL`);
    }
    if (++this.#count > LIMITS.includes) {
      if (this.#count === LIMITS.includes + 1) {
        tell(`There are more than ${LIMITS.includes} includes in all: use fewer`);
      }
      return undefined;
    }
    const file = this.#called(url);
    let read: Read;
    try {
      read = await this.#once(url, file);
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      for (const problem of error.problems) {
        const own = problem.place === file || problem.place === "" ? "" : problem.place;
        this.#tell(
          here.file,
          place,
          `Can't include ${show(written)}: ${own === "" ? "" : `${own}: `}${problem.message}`,
        );
      }
      return undefined;
    }
    if (here.way.includes(read.base)) {
      const around = [...here.way.slice(here.way.indexOf(read.base)), read.base];
      const cycle = around.map((each) => this.#called(each)).join(" -> ");
      return tell(`Files include each other: ${cycle}: take one of these includes out`);
    }
    if (here.way.length > LIMITS.includeDepth) {
      return tell(`Includes lie in each other more than ${LIMITS.includeDepth} deep: use fewer`);
    }
    const list = read.list ?? tasksOf(read.document);
    this.#tasks += list.tasks.length;
    if (this.#tasks > LIMITS.tasks) return tell(`There are more than ${LIMITS.tasks} tasks in all`);
    const wrong = this.#headProblems(read, list);
    for (const problem of wrong) this.#tell(file, problem.place, problem.message);
    const flat = await this.flat({ ...read, list, file, way: [...here.way, read.base] });
    if (!wrong.some((problem) => problem.place.startsWith("resources"))) return { flat, base: read.base };
    // They would be told again, of the including pipeline.
    const { resources: _, ...head } = flat.head;
    return { flat: { ...flat, head }, base: read.base };
  }

  /** What is wrong with an included document that is not of its tasks: nothing else looks at that. */
  #headProblems({ document, problems }: Read, { tasks }: TaskList): Problem[] {
    if (!isRecord(document)) return [...problems, ...checkManifest(document, NO_TASKS).problems];
    // Loops are looked at with those of the including pipeline.
    const head = Array.isArray(document["loops"]) ? { ...document, loops: [] } : document;
    const shape = checkManifest(head, NO_TASKS).problems;
    const message = spellingProblem(document["name"]);
    return [
      ...problems,
      ...shape,
      ...orderProblems(document),
      ...(message === undefined ? [] : [{ place: "name", message }]),
      ...(tasks.length > 0 || !isRecord(document["tasks"])
        ? []
        : [{ place: "tasks", message: "There are no tasks: a pipeline has at least one" }]),
      ...(document["edges"] === undefined ? [] : [{
        place: "edges",
        message: "A pipeline with edges can't be included: write needs and loops",
      }]),
    ];
  }

  #once(url: string, file: string): Promise<Read> {
    const known = this.#known.get(url);
    if (known !== undefined) return known;
    const read = this.#read(url, file);
    this.#known.set(url, read);
    return read;
  }

  /** What a file is called, seen from the first one. */
  #called(url: string): string {
    const name = decodeURIComponent(/[^/]*$/.exec(url)![0]);
    return `${wayTo(this.#first, url).replace(/^\.\//, "")}${name}`;
  }

  #tell(file: string, place: string, message: string): undefined {
    this.problems.push({ place: within(file, place), message });
  }
}
