/**
 * Owns the typed builder: a pipeline written in TypeScript.
 * Must not know how a pipeline is checked (compile.ts) or run; it refuses at once only what a type can't show.
 * Invariant: names are unique, and a need refers to a task made before, so there is never a cycle.
 */
import { callerModule } from "./caller.ts";
import type {
  CommandTaskOptions,
  DefaultParams,
  Each,
  Included,
  IncludeOptions,
  InputsOf,
  ItemOf,
  Join,
  LoopOptions,
  MapNeeds,
  MapOptions,
  MappedValue,
  Need,
  Needs,
  NoInputs,
  OnFailure,
  Params,
  PipelineOptions,
  PythonTaskOptions,
  Task,
  TaskFunction,
  TaskOptions,
} from "./types.ts";
import {
  ITEM_KEY,
  type Manifest,
  type ManifestEach,
  type ManifestLoop,
  type ManifestNeed,
  type ManifestResource,
  type ManifestRun,
  type ManifestTask,
  type ManifestTest,
} from "../document/manifest.ts";
import { mergedResources } from "../document/declared.ts";
import { expanded, movedFrom, plainOnOf, sinksOf, taken } from "../document/include.ts";
import { orderOf, tasksOf } from "../document/task_list.ts";
import { movedRun } from "../kinds/paths.ts";
import { nameProblem } from "../document/name.ts";
import type { TaskContext } from "../../model/context.ts";
import type { On } from "../../model/outcome.ts";
import { pathRead } from "./path.ts";
import { paramsProblem } from "../document/params.ts";
import { PipelineError, placeOf } from "../../model/problem.ts";
import { isPipeline, type PipelineLike, register } from "./registry.ts";
import type { Value } from "../../model/value.ts";

/** What the builder keeps of a task. */
interface Entry {
  readonly fn: TaskFunction | undefined;
  /** What it runs that is no function of this module. */
  readonly run?: ManifestRun;
  readonly needs: readonly ManifestNeed[];
  readonly each?: ManifestEach;
  readonly options: TaskOptions<Params>;
  /** All of it but for its function, where it was included. */
  readonly written?: ManifestTask;
}

class TaskHandle<T> implements Task<T> {
  readonly name: string;
  /** All handles and needs of the pipeline. */
  readonly #known: WeakSet<object>;

  constructor(name: string, known: WeakSet<object>) {
    this.name = name;
    this.#known = known;
    known.add(this);
  }

  on<W extends On>(outcome: W): Need<T, W> {
    const need = { task: this.name, when: outcome };
    this.#known.add(need);
    return need;
  }

  when(...given: readonly unknown[]): ManifestTest {
    const [part, tests] = typeof given[0] === "function" ? given : [undefined, given[0]];
    const place = `${placeOf("tasks", this.name)}.when`;
    if (typeof tests !== "object" || tests === null) {
      throw refusal(
        place,
        `Say what is asked, as in when((v) => v.loss, { gt: 0.1 }); received ${describe(tests)}`,
      );
    }
    const path = part === undefined ? "" : pathRead(part as (value: never) => unknown);
    if (typeof path !== "string") throw refusal(place, path.message);
    return { task: this.name, ...(path === "" ? {} : { path }), ...tests };
  }

  each<I>(list?: (value: T) => readonly I[]): Each<I> {
    const path = list === undefined ? "" : pathRead(list);
    if (typeof path !== "string") throw refusal(`${placeOf("tasks", this.name)}.each`, path.message);
    const each = { task: this.name, path };
    this.#known.add(each);
    return each;
  }
}

class IncludedHandle extends TaskHandle<unknown> implements Included {
  readonly #tasks: ReadonlyMap<string, Task>;

  constructor(name: string, known: WeakSet<object>, tasks: ReadonlyMap<string, Task>) {
    super(name, known);
    this.#tasks = tasks;
  }

  override when(): never {
    throw this.#noTask("when");
  }

  override each(): never {
    throw this.#noTask("each");
  }

  #noTask(key: string): PipelineError {
    const own = [...this.#tasks.keys()].at(-1) ?? "scan";
    return refusal(
      `${placeOf("tasks", this.name)}.${key}`,
      `${JSON.stringify(this.name)} is an include: name one of its tasks, such as included.of(${own})`,
    );
  }

  of<T>(task: Task<T>): Task<T> {
    const found = this.#tasks.get(task.name);
    if (found !== undefined) return found as Task<T>;
    throw refusal(
      placeOf("tasks", this.name),
      `The included pipeline has no task ${JSON.stringify(task.name)}`,
    );
  }
}

/** A pipeline in the making. Made by {@linkcode pipeline}. */
export class Pipeline<F extends OnFailure = OnFailure, R extends string = string> implements PipelineLike {
  /** The pipeline's name, unique in its module. */
  readonly name: string;
  /** URL of the module that makes the pipeline; `undefined` if the call stack does not tell. */
  readonly module: string | undefined;
  readonly #options: PipelineOptions<F, R>;
  readonly #tasks: Map<string, Entry> = new Map();
  readonly #handles: WeakSet<object> = new WeakSet();
  readonly #loops: ManifestLoop[] = [];
  /** By the names of what is included: what that ends in. */
  readonly #sinks: Map<string, readonly string[]> = new Map();
  #resources: Readonly<Record<string, ManifestResource>> | undefined;

  /** Use {@linkcode pipeline}, which finds out the module. */
  constructor(name: string, options: PipelineOptions<F, R> = {}) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new PipelineError([{ place: "name", message: problem }]);
    checkData(options, "");
    this.name = name;
    this.module = options.module;
    this.#options = options;
    this.#resources = options.resources;
  }

  /**
   * Adds a task without needs.
   *
   * @param name Unique in the pipeline, at most 200 characters.
   * @param fn What it runs. Without a function it is a sync point.
   * @returns A handle, for the needs of other tasks.
   * @throws {PipelineError} If the name is taken or can't be used, or `params` are no JSON.
   */
  task<T, P extends Params = DefaultParams>(
    name: string,
    fn: TaskFunction<NoInputs, P, T>,
    options?: TaskOptions<P, Join, R>,
  ): Task<Awaited<T>>;
  /**
   * Adds a task with needs.
   *
   * @param needs Handles of tasks by the key that their value has in `ctx.inputs`; `cpu.on("failure")` for another outcome than
   * success. An array of handles only says what comes before.
   */
  task<N extends Needs, T, P extends Params = DefaultParams, J extends Join = "all">(
    name: string,
    needs: N,
    fn: TaskFunction<InputsOf<N, F, J>, P, T>,
    options?: TaskOptions<P, J, R>,
  ): Task<Awaited<T>>;
  /** Adds a task that comes after others, whose values it does not get. */
  task<T, P extends Params = DefaultParams>(
    name: string,
    needs: readonly (Task | Need)[],
    fn: TaskFunction<NoInputs, P, T>,
    options?: TaskOptions<P, Join, R>,
  ): Task<Awaited<T>>;
  /** Adds a sync point: a task that runs nothing, and succeeds once its needs are satisfied. */
  task(
    name: string,
    needs?: Needs | readonly (Task | Need)[],
    fn?: undefined,
    options?: TaskOptions<DefaultParams, Join, never>,
  ): Task<undefined>;
  task(name: string, ...rest: readonly unknown[]): Task<unknown> {
    const [needs, fn, options] = typeof rest[0] === "function" ? [undefined, rest[0], rest[1]] : rest;
    this.#checkName(name);
    const place = placeOf("tasks", name);
    if (fn !== undefined && typeof fn !== "function") {
      throw refusal(place, `The function is ${describe(fn)}: give task(name, needs, function, options)`);
    }
    const entry: Entry = {
      fn: fn as TaskFunction | undefined,
      needs: this.#needsOf(needs, place),
      options: this.#optionsOf(options, place),
    };
    this.#tasks.set(name, entry);
    return new TaskHandle<unknown>(name, this.#handles);
  }

  /**
   * Adds a mapped task: its function is run once for each item of a list that another task returns, and its value is the list of
   * their values, in order.
   *
   * @example
   * ```ts
   * const scan = p.task("scan", () => ({ hosts: ["10.0.0.1", "10.0.0.2"] }));
   * p.map("ping", { host: scan.each((value) => value.hosts) }, ({ inputs }) => `pinged ${inputs.host}`);
   * ```
   *
   * @param needs One of them is the list, `scan.each(…)`; its item is under that key, and in `ctx.item`.
   * @param options Those of a task, `maxParallel` and `onItemFailure`. Retries, timeouts and all else hold for each item.
   * @throws {PipelineError} As for `task`, and if there is not just one list among the needs.
   */
  map<
    N extends MapNeeds,
    T,
    P extends Params = DefaultParams,
    J extends Join = "all",
    W extends "stop" | "continue" = "stop",
  >(
    name: string,
    needs: N,
    fn: (ctx: TaskContext<InputsOf<N, F, J>, P, ItemOf<N>>) => T,
    options?: MapOptions<P, J, W, R>,
  ): Task<MappedValue<T, W>> {
    this.#checkName(name);
    const place = placeOf("tasks", name);
    if (typeof fn !== "function") {
      throw refusal(place, `The function is ${describe(fn)}: give map(name, needs, function, options)`);
    }
    const entry: Entry = {
      fn: fn as unknown as TaskFunction,
      ...this.#allNeedsOf(needs, place),
      options: this.#optionsOf(options, place),
    };
    if (entry.each === undefined) {
      throw refusal(
        `${place}.needs`,
        "There is no list among the needs: give one, such as { host: scan.each((value) => value.hosts) }",
      );
    }
    this.#tasks.set(name, entry);
    return new TaskHandle<MappedValue<T, W>>(name, this.#handles);
  }

  /**
   * Adds a task that runs a program of the device, without a shell. Its value is the JSON that it writes to the file that
   * `OUTRIDER_OUTPUT` names; docs/command-tasks.md says what else it is given.
   *
   * @param command The program and its arguments. A program with a slash is relative to `cwd`.
   * @param options Those of a task, and `cwd` (relative to this module; default: its folder), `env` and `stdin`.
   * @throws {PipelineError} If the name is taken or can't be used, or the command is no list of strings.
   */
  command<T extends Value | undefined = Value | undefined>(
    name: string,
    command: readonly string[],
    options?: CommandTaskOptions<R>,
  ): Task<T>;
  /**
   * Adds a task that runs a program, after others. The program finds their values in the file that `OUTRIDER_INPUTS` names. With a
   * list among the needs, `scan.each(…)`, it is a mapped task: `T` is its list of values.
   */
  command<T extends Value | undefined = Value | undefined>(
    name: string,
    needs: MapNeeds | readonly (Task | Need)[],
    command: readonly string[],
    options?: CommandTaskOptions<R>,
  ): Task<T>;
  command(name: string, ...rest: readonly unknown[]): Task<unknown> {
    const [needs, command, options] = Array.isArray(rest[1]) ? rest : [undefined, ...rest];
    this.#checkName(name);
    const place = placeOf("tasks", name);
    if (!isCommand(command)) {
      throw refusal(
        place,
        'A command is a list of strings, such as ["python3", "probe.py"]: the program and its arguments',
      );
    }
    const { cwd, env, stdin, ...others } = this.#optionsOf(options, place) as CommandTaskOptions;
    const entry: Entry = {
      fn: undefined,
      run: withoutUndefined({ command: [...command], cwd, env, stdin }),
      ...this.#allNeedsOf(needs, place),
      options: others,
    };
    this.#tasks.set(name, entry);
    return new TaskHandle<unknown>(name, this.#handles);
  }

  /**
   * Adds a task that runs a function of a Python module, in a process that stays warm; docs/python.md says what it is given.
   *
   * @param file The module, relative to this one.
   * @param options Those of a task, `function`, `requirements` (a file, relative to this module) and `memory`.
   * @throws {PipelineError} If the name is taken or can't be used, or file or function are missing.
   */
  python<T = Value | undefined>(
    name: string,
    file: string,
    options: PythonTaskOptions<R>,
  ): Task<T>;
  /**
   * Adds a task that runs a function of a Python module, after others, whose values are in its `ctx.inputs`. With a list among the
   * needs, `scan.each(…)`, it is a mapped task: `T` is its list of values.
   */
  python<T = Value | undefined>(
    name: string,
    needs: MapNeeds | readonly (Task | Need)[],
    file: string,
    options: PythonTaskOptions<R>,
  ): Task<T>;
  python(name: string, ...rest: readonly unknown[]): Task<unknown> {
    const [needs, file, options] = typeof rest[0] === "string" ? [undefined, ...rest] : rest;
    this.#checkName(name);
    const place = placeOf("tasks", name);
    const { function: fn, requirements, memory, ...others } = this.#optionsOf(
      options,
      place,
    ) as PythonTaskOptions;
    if (typeof file !== "string" || typeof fn !== "string") {
      throw refusal(
        place,
        'A Python task has a file and a function: python("probe", "tasks.py", { function: "probe" })',
      );
    }
    const entry: Entry = {
      fn: undefined,
      run: withoutUndefined({ python: file, function: fn, requirements, memory }),
      ...this.#allNeedsOf(needs, place),
      options: others,
    };
    this.#tasks.set(name, entry);
    return new TaskHandle<unknown>(name, this.#handles);
  }

  /**
   * Takes all tasks of another pipeline into this one, as they are now: its task `scan` becomes `wifi/scan`. What it needs, its
   * tasks need that have no needs of their own.
   *
   * @param name What its tasks' names begin with.
   * @param other Another pipeline; what it says of reports and of a schedule has no meaning here.
   * @returns A handle: who needs it needs all its tasks that no other of them needs. `included.of(scan)` is that of one task.
   * @throws {PipelineError} If a name is taken or can't be used, the other has no tasks yet, or both declare a resource and not
   * alike.
   */
  include(
    name: string,
    other: PipelineLike,
    needs?: Needs | readonly (Task | Need)[],
    options?: IncludeOptions,
  ): Included {
    this.#checkName(name);
    const place = placeOf("tasks", name);
    if (!isPipeline(other)) {
      throw refusal(
        place,
        `Give include(name, pipeline, needs, options): received ${
          describe(other)
        } in the place of a pipeline`,
      );
    }
    const { join, when, params } = this.#optionsOf(options, place);
    const from = other.module ?? this.module;
    const move = movedBetween(from, this.module);
    const head = { ...other.manifest(from ?? "file:///") };
    const list = tasksOf(head);
    if (list.names.length === 0) {
      throw refusal(place, "The included pipeline has no tasks yet: include it after they are added to it");
    }
    const { tasks, loops } = taken({ head, list }, {
      ...{ name, needs: this.#needsOf(needs, place), join, when, params },
      plainOn: plainOnOf(this.#options),
      moved: (run) => move === undefined ? run : movedRun(run, move),
    });
    const resources = this.#withResources(head.resources, place);
    for (const each of tasks) this.#checkName(each.name);
    this.#resources = resources;
    for (const { name: full, own, task } of tasks) {
      this.#tasks.set(full, {
        fn: other.functionOf(own),
        needs: [],
        options: {},
        written: task as ManifestTask,
      });
    }
    this.#loops.push(...loops as ManifestLoop[]);
    this.#sinks.set(name, sinksOf(list, name));
    return new IncludedHandle(
      name,
      this.#handles,
      new Map(tasks.map((each) => [each.own, new TaskHandle(each.name, this.#handles)])),
    );
  }

  #withResources(more: Manifest["resources"], place: string): Manifest["resources"] {
    if (more === undefined) return this.#resources;
    const { resources, unlike } = mergedResources(this.#resources, more);
    if (unlike[0] === undefined) return resources;
    throw refusal(
      place,
      `Both pipelines declare the resource ${
        JSON.stringify(unlike[0])
      }, and not alike: let both say the same`,
    );
  }

  /**
   * Lets a part of the pipeline run more than once: every task on the paths from `to` to `from`.
   *
   * @throws {PipelineError} If `from` or `to` is no task of this pipeline.
   */
  loop({ from, to, times, on }: LoopOptions): void {
    const place = placeOf("loops", this.#loops.length);
    this.#own(from, `${place}.from`);
    this.#own(to, `${place}.to`);
    checkData({ times, on }, place);
    this.#loops.push({ from: from.name, to: to.name, times, ...(on === undefined ? {} : { on }) });
  }

  /**
   * The pipeline as data, without its functions.
   *
   * @param module URL written as the module of every task. Default: the module that makes the pipeline.
   * @throws {PipelineError} If neither is known.
   */
  manifest(module: string | undefined = this.module): Manifest {
    const { onFailure, report, description, schedule } = this.#options;
    const tasks: Record<string, ManifestTask> = {};
    for (const [name, entry] of this.#tasks) tasks[name] = this.#manifestTask(name, entry, module);
    return withoutUndefined({
      outrider: 1,
      name: this.name,
      description,
      onFailure,
      report,
      resources: this.#resources,
      schedule,
      ...orderOf([...this.#tasks.keys()]),
      tasks,
      loops: this.#loops.length === 0 ? undefined : [...this.#loops],
    });
  }

  /** The function of a task; `undefined` for a sync point or if there is no such task. */
  functionOf(task: string): TaskFunction | undefined {
    return this.#tasks.get(task)?.fn;
  }

  #manifestTask(
    name: string,
    { fn, run, needs, each, options, written }: Entry,
    module: string | undefined,
  ): ManifestTask {
    if (fn !== undefined && module === undefined) {
      const message =
        "The pipeline does not know which module it is made in, so workers can't find its functions: " +
        `write pipeline(${JSON.stringify(this.name)}, { module: import.meta.url }) in a file`;
      throw new PipelineError([{ place: "", message }], { source: JSON.stringify(this.name) });
    }
    return withoutUndefined({
      ...options,
      run,
      needs: needs.length === 0 ? undefined : needs,
      each,
      ...written,
      ...(fn !== undefined && { run: { module: module!, pipeline: this.name, task: name } }),
    });
  }

  #checkName(name: string): void {
    const problem = nameProblem(name);
    if (problem !== undefined) throw refusal("tasks", problem);
    if (!this.#tasks.has(name) && !this.#sinks.has(name)) return;
    throw refusal(
      placeOf("tasks", name),
      `There is a task ${JSON.stringify(name)} already: give this one another name`,
    );
  }

  /** The needs, and the list among them that the task is run over, if there is one. */
  #allNeedsOf(needs: unknown, place: string): Pick<Entry, "needs" | "each"> {
    const entries = isObject(needs) ? Object.entries(needs) : [];
    const lists = entries.filter(([, need]) => this.#isEach(need));
    const [list, second] = lists;
    if (list === undefined) return { needs: this.#needsOf(needs, place) };
    const where = placeOf(`${place}.needs`, second?.[0] ?? list[0]);
    if (second !== undefined) {
      throw refusal(
        where,
        "There are two lists among the needs, and a task is run over one: need the other as a task",
      );
    }
    const [as, { task, path }] = list as [string, Each];
    const problem = nameProblem(as);
    if (problem !== undefined) throw refusal(where, problem);
    const others = Object.fromEntries(entries.filter((entry) => entry !== list));
    const each = { task, ...(path !== "" && { path }), ...(as !== ITEM_KEY && { as }) };
    return { needs: this.#needsOf(others, place), each };
  }

  #isEach(need: unknown): need is Each {
    return isObject(need) && this.#handles.has(need) && "path" in need;
  }

  /** With the tasks in the place of what is included. */
  #needsOf(needs: unknown, place: string): ManifestNeed[] {
    const found = this.#ownNeedsOf(needs, place);
    return this.#sinks.size === 0 ? found : expanded(found, this.#sinks) as ManifestNeed[];
  }

  #ownNeedsOf(needs: unknown, place: string): ManifestNeed[] {
    if (needs === undefined) return [];
    if (typeof needs !== "object" || needs === null) {
      throw refusal(
        `${place}.needs`,
        `Needs are an object of handles, such as { cpu }; received ${describe(needs)}`,
      );
    }
    if (Array.isArray(needs)) {
      return needs.map((need: unknown, at) => this.#own(need, placeOf(`${place}.needs`, at)));
    }
    const option = Object.keys(needs).find((key) => this.#isOption(key, needs));
    if (option !== undefined) {
      throw refusal(
        place,
        `Options stand in the place of needs: ${
          JSON.stringify(option)
        } is one, and they come last, as in task(name, needs, function, { ${option}: … })`,
      );
    }
    return Object.entries(needs).map(([key, need]) => {
      const where = placeOf(`${place}.needs`, key);
      const problem = nameProblem(key);
      if (problem !== undefined) throw refusal(where, problem);
      const { task, on } = this.#own(need, where);
      return { task, ...(on === undefined ? {} : { on }), ...(key === task ? {} : { as: key }) };
    });
  }

  /** Whether what stands under a key of needs is an option: of a task whose name is that of one, it is a handle. */
  #isOption(key: string, needs: object): boolean {
    const value: unknown = (needs as Readonly<Record<string, unknown>>)[key];
    return Object.hasOwn(OPTIONS, key) &&
      typeof (value as Partial<Task> | null | undefined)?.name !== "string" &&
      !this.#handles.has(value as object);
  }

  /** Needs that were given after the function are no options, though their keys may be those of some. */
  #optionsOf(options: unknown, place: string): TaskOptions<Params> {
    const checked = checkOptions(options, place);
    const need = Object.entries(checked).find(([, value]) => this.#handles.has(value as object))?.[0];
    if (need === undefined) return checked;
    throw refusal(
      place,
      `Needs stand in the place of options: ${
        JSON.stringify(need)
      } is one, and they come before what runs, as in task(name, { ${need} }, function)`,
    );
  }

  /** The manifest's form of a handle or a need of this pipeline. */
  #own(need: unknown, place: string): ManifestNeed {
    const { task, name = task, when } = (need ?? {}) as Partial<Need> & Partial<Pick<Task, "name">>;
    if (this.#isEach(need)) {
      throw refusal(
        place,
        "A list is for map, command and python, whose tasks can be run once for each of its items",
      );
    }
    if (this.#handles.has(need as object)) {
      return task === undefined ? { task: name! } : { task, on: when! };
    }
    throw refusal(
      place,
      typeof name === "string"
        ? `Task ${JSON.stringify(name)} belongs to another pipeline: needs stay within one`
        : `A need is what task() returned, or .on(…) of it; received ${describe(need)}`,
    );
  }
}

/** All that a task may be given as an option, whatever it runs. */
const OPTIONS: Readonly<Record<keyof (TaskOptions & CommandTaskOptions & PythonTaskOptions), true>> = {
  join: true,
  when: true,
  params: true,
  isolation: true,
  timeout: true,
  description: true,
  retry: true,
  idle: true,
  allowFailure: true,
  fresh: true,
  onLost: true,
  estimate: true,
  requires: true,
  uses: true,
  maxParallel: true,
  onItemFailure: true,
  cwd: true,
  env: true,
  stdin: true,
  skipOn: true,
  function: true,
  requirements: true,
  memory: true,
};

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How paths of one module are written in another; nothing where they lie in one folder, or in none. */
function movedBetween(from: string | undefined, to: string | undefined): ReturnType<typeof movedFrom> {
  const lies = from?.startsWith("file:") && to?.startsWith("file:");
  return lies ? movedFrom(from!, to!) : undefined;
}

function isCommand(command: unknown): command is readonly string[] {
  return Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === "string");
}

function checkOptions(options: unknown, place: string): TaskOptions<Params> {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) {
    throw refusal(place, `Options are an object, such as { timeout: "10s" }; received ${describe(options)}`);
  }
  const { params } = options as TaskOptions<Params>;
  const problem = params === undefined ? undefined : paramsProblem(params);
  if (problem !== undefined) throw refusal(`${place}.params`, problem);
  checkData(options, place);
  return { ...options };
}

/** Refuses what can't be written down, such as a function, with its place. */
function checkData(options: object, place: string): void {
  for (const [key, value] of Object.entries(options)) {
    // What is wrong with these is said in their own words.
    if (key === "params" || isScalar(value)) continue;
    const found = uncopied(value, placeOf(place, key), new Set());
    if (found === undefined) continue;
    const wanted = key === "when" ? CONDITION_WORDS : "data";
    throw refusal(found.place, `Must be ${wanted}; received ${describe(found.value)}`);
  }
}

const CONDITION_WORDS =
  'a condition such as {"task": "probe", "path": "/loss", "gt": 0.1}, which probe.when((v) => v.loss, { gt: 0.1 }) makes';

function isScalar(value: unknown): boolean {
  return value === null || !["object", "function", "symbol"].includes(typeof value);
}

/** The innermost part that no copy can be made of, with its place. */
function uncopied(
  value: unknown,
  place: string,
  around: ReadonlySet<unknown>,
): { readonly place: string; readonly value: unknown } | undefined {
  if (isScalar(value) || around.has(value)) return undefined;
  try {
    structuredClone(value);
    return undefined;
  } catch {
    const isList = Array.isArray(value);
    const parts = typeof value === "object" ? Object.entries(value as object) : [];
    for (const [key, part] of parts) {
      const found = uncopied(part, placeOf(place, isList ? Number(key) : key), new Set([...around, value]));
      if (found !== undefined) return found;
    }
    return { place, value };
  }
}

function refusal(place: string, message: string): PipelineError {
  return new PipelineError([{ place, message }]);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "string" ? JSON.stringify(value) : `a ${typeof value}`;
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}

/**
 * Starts a pipeline.
 *
 * @example
 * ```ts
 * const p = pipeline("device-check");
 * const cpu = p.task("cpu", () => ({ score: 1 }), { timeout: "10s" });
 * p.task("report", { cpu }, ({ inputs }) => `score ${inputs.cpu.score}`);
 * export default p;
 * ```
 *
 * @param name Unique in its module, at most 200 characters.
 * @throws {PipelineError} If the name can't be used.
 */
export function pipeline<F extends OnFailure = "stop", R extends string = never>(
  name: string,
  options: PipelineOptions<F, R> = {},
): Pipeline<F, R> {
  const module = options.module ?? callerModule(pipeline);
  const made = new Pipeline<F, R>(name, { ...options, module });
  register(made as PipelineLike);
  return made;
}
