/**
 * Owns the translation between tasks as schedule and journal name them and attempts as the pool does.
 * Must not know how either side decides.
 * Invariant: an attempt is in the journal before a worker can see it.
 */
import type { LogEntry } from "../journal/journal.ts";
import { attemptKeyOf, LEVELS, STREAMS } from "../model/record.ts";
import { jsonOf } from "../model/value.ts";
import type { FunctionSource, PipelineFunctions } from "../pipeline/kinds/kind.ts";
import { plannedKindOf, runsOnWorkers } from "../pipeline/kinds/list.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { LaneItem, LaneLine } from "../pool/attempt.ts";
import type { Supply } from "../pool/port.ts";
import { type Command, type Dispatch, Standing } from "../schedule/command.ts";
import { Aloneness } from "../schedule/ready_tasks.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import type { Lists } from "./lists.ts";
import type { Values } from "./values.ts";

/** What a supply is made of. */
export interface SupplyParts {
  readonly plan: Plan;
  readonly schedule: Scheduler;
  readonly values: Values;
  readonly lists: Lists;
  /** An attempt is about to be offered to a worker. */
  dispatched(lane: number, dispatch: Dispatch): void;
  /** The attempts of which `dispatched` told are about to become visible to a worker. */
  commit(): void;
  obey(commands: readonly Command[]): void;
}

/** The lane of what hangs on the board, for whichever worker takes it. */
const ALL = 0;
/** The source of a task that is no function on a worker. */
const NO_SOURCE = -1;

/** The distinct places that a plan's functions come from, and which one each task has. */
export function sourcesOf(plan: Plan): { readonly sources: FunctionSource[]; readonly sourceOf: Int32Array } {
  const sources: FunctionSource[] = [];
  // By module first: it may be long (`data:`), and a key with it in would be made and hashed for each task.
  const known = new Map<string, Map<string, number>>();
  let last: object | undefined;
  let place = NO_SOURCE;
  const placeOf = (run: object | undefined, called: string): number => {
    const kind = run && plannedKindOf(run);
    if (kind === undefined || !runsOnWorkers(kind)) return NO_SOURCE;
    const source = kind.source(run!);
    const { module } = source;
    let places = known.get(module);
    if (places === undefined) known.set(module, places = new Map());
    const own = "export" in source ? { module, export: source.export } : fromPipeline(source, called);
    const name = "export" in own ? `e ${own.export}` : `p ${own.pipeline}\n${own.task ?? ""}`;
    let index = places.get(name);
    if (index === undefined) places.set(name, index = sources.push(own) - 1);
    return index;
  };
  const sourceOf = new Int32Array(plan.tasks.length);
  for (const { index, run, name } of plan.tasks) {
    // Neighbours often run the same.
    if (run !== last || index === 0 || place !== NO_SOURCE && "pipeline" in sources[place]!) {
      place = placeOf(last = run, name);
    }
    sourceOf[index] = place;
  }
  return { sources, sourceOf };
}

/** Most tasks of a pipeline are called here as there: then one source is enough for all. */
function fromPipeline({ module, pipeline, task }: PipelineFunctions, called: string): PipelineFunctions {
  return task === undefined || task === called ? { module, pipeline } : { module, pipeline, task };
}

/** What the pool asks for, answered by the schedule. */
export function supplyOf(parts: SupplyParts, sourceOf: Int32Array): Supply {
  const { plan, schedule } = parts;
  const asItem = (lane: number, dispatch: Dispatch): LaneItem => {
    parts.dispatched(lane, dispatch);
    const locals = lane === ALL ? localsOf(parts, dispatch) : undefined;
    const { task: number, iteration, attempt, urgent, fatal, calm, behind, few, awaited } = dispatch;
    const task = schedule.taskOf(number);
    const { rank, timeoutMs, idleMs } = plan.tasks[task]!;
    const payload = locals === undefined
      ? payloadOf(parts, { number, task, iteration, work: workOf(task) })
      : "";
    return {
      task: number,
      iteration,
      attempt,
      item: schedule.itemOf(number),
      urgent,
      fatal,
      calm,
      rank,
      behind,
      few,
      awaited,
      timeoutMs,
      idleMs,
      payload,
      locals,
    };
  };
  const workOf = (index: number) => {
    const { run } = plan.tasks[index]!;
    if (sourceOf[index] !== NO_SOURCE) return `"s":${sourceOf[index]},`;
    // Those in processes that are kept get it in the form that their runner wants.
    return plannedKindOf(run!).place === "kept" ? "" : `"r":${jsonOf(run)},`;
  };
  return {
    get ready() {
      return schedule.readyCount;
    },
    get readyAlone() {
      return schedule.readyAloneCount;
    },
    get alone() {
      const head = schedule.headAlone;
      return head === undefined ? undefined : { fresh: plan.tasks[head]!.fresh };
    },
    takeOwn: (lane) => {
      const dispatch = schedule.takeAlone(lane, Aloneness.own);
      if (dispatch === undefined) return undefined;
      return {
        kind: plannedKindOf(plan.tasks[schedule.taskOf(dispatch.task)]!.run!).key,
        item: asItem(lane, dispatch),
      };
    },
    release: (options) => schedule.release(ALL, options).map((dispatch) => asItem(ALL, dispatch)),
    mayHaveBegun: (task) => schedule.mayHaveBegun(task),
    get kept() {
      return schedule.kept.map(({ key, head, count }) => {
        const { run, fresh } = plan.tasks[head]!;
        return { kind: plannedKindOf(run!).key, key, head, count, run: run!, fresh };
      });
    },
    takeKept: (lane, of) => {
      const dispatch = schedule.takeKept(lane, of);
      return dispatch &&
        { item: asItem(lane, dispatch), task: plan.tasks[schedule.taskOf(dispatch.task)]!.name };
    },
    takeAlone: (lane) => {
      const dispatch = schedule.takeAlone(lane);
      return dispatch === undefined ? undefined : asItem(lane, dispatch);
    },
    commit: parts.commit,
    giveBack: (items) => {
      for (const { task } of items) parts.obey(schedule.giveBack(task));
    },
  };
}

/** See `LaneItem`; undefined where the sheet of all tasks does not say all that a worker needs to know. */
function localsOf(
  { plan, schedule, values }: SupplyParts,
  { task, iteration }: Dispatch,
): number | undefined {
  const planned = plan.tasks[task];
  // An item of a mapped task is told which one it is.
  if (planned === undefined || planned.needs.length > 32 || hasKeys(planned.params)) return undefined;
  const { needs } = planned;
  let locals = 0;
  for (let place = 0; place < needs.length; place++) {
    const need = needs[place]!;
    if (need.on === "failure") continue;
    if (schedule.standing(need.task) === Standing.dispatched) {
      if (schedule.iteration(need.task) !== iteration || need.as !== plan.tasks[need.task]!.name) {
        return undefined;
      }
      locals |= 1 << place;
    } else if (schedule.outcome(need.task) === "succeeded" && values.of(need.task) !== undefined) {
      return undefined;
    }
  }
  return locals;
}

/** What a payload is made for. */
interface Wanted {
  /** Of the task, or of an item of it. */
  readonly number: number;
  readonly task: number;
  readonly iteration: number;
  /** What it runs. */
  readonly work: string;
}

/** See `Payload` in pool/protocol.ts. Written by hand: values are JSON text already. */
function payloadOf({ plan, schedule, values, lists }: SupplyParts, wanted: Wanted): string {
  const { number, iteration, work } = wanted;
  const task = plan.tasks[wanted.task]!;
  let inputs = "";
  let locals = "";
  for (const need of task.needs) {
    // Such a need never has a value, also where the join does not mind that it is not satisfied.
    if (need.on === "failure" || need.silent) continue;
    if (schedule.standing(need.task) === Standing.dispatched) {
      locals += `${locals && ","}[${JSON.stringify(need.as)},${need.task},${schedule.iteration(need.task)}]`;
    } else if (schedule.outcome(need.task) === "succeeded") {
      const value = values.of(need.task);
      if (value !== undefined) inputs += `${inputs && ","}${JSON.stringify(need.as)}:${value}`;
    }
  }
  let place = "";
  if (task.each !== undefined) {
    const as = JSON.stringify(task.each.as);
    const item = schedule.itemOf(number)!;
    inputs += `${inputs && ","}${as}:${lists.item(task.index, iteration, item)}`;
    place = `,"n":[${item},${as}]`;
  }
  return `{${work}"t":${JSON.stringify(task.name)}` +
    (hasKeys(task.params) ? `,"p":${jsonOf(task.params)}` : "") +
    (inputs && `,"i":{${inputs}}`) + (locals && `,"l":[${locals}]`) + `${place}}`;
}

function hasKeys(params: Readonly<Record<string, unknown>>): boolean {
  for (const _ in params) return true;
  return false;
}

/** A line that a worker tells of, as the log takes it. */
export function entryOf(
  { task: number, iteration, attempt, at, level, stream, text }: LaneLine,
  { plan, schedule }: { readonly plan: Plan | undefined; readonly schedule: Scheduler | undefined },
): LogEntry {
  const known = plan?.tasks[schedule?.taskOf(number) ?? number];
  const item = schedule?.itemOf(number);
  return {
    at,
    level: LEVELS[level]!,
    from: "task",
    ...(known === undefined ? {} : attemptKeyOf({ task: known.name, iteration, attempt, item })),
    stream: STREAMS[stream]!,
    text,
  };
}
