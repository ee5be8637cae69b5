/**
 * Owns what the workers of a run are: how many, on which threads, and what they may ask.
 * Must not know what they are given to do.
 * Invariant: a worker emits in the name of the attempts that it was given, and of no other.
 */
import { KILL_GRACE_MS, MAX_WORKERS } from "../defaults.ts";
import type { Doer } from "../pool/board/slots.ts";
import type { Given } from "../pool/lane.ts";
import { Pool } from "../pool/pool.ts";
import type { PoolListener } from "../pool/port.ts";
import type { LaneCalls } from "../pool/protocol.ts";
import { workerCode } from "../pool/worker_code.ts";
import { StoreError } from "../store/errors.ts";
import type { Emitter } from "../store/events.ts";
import { type StoreService, storeService } from "../store/rpc.ts";
import { capacityOf } from "./capacity.ts";
import { noFlagCalls } from "./flags.ts";
import type { AttemptKey, Level, LogRecord } from "../model/record.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { desksOf, fileCalls } from "./files/calls.ts";
import type { RunParts } from "./parts.ts";
import type { Scheduler } from "../schedule/schedule.ts";
import { takeEarly } from "./prewarm.ts";
import { runnerPort } from "./programs.ts";

/** Who hears of what the workers do, and what they are told. */
export interface WorkersOptions {
  /** Writes to the log, in the executor's name. */
  readonly note: (level: Level, text: string, stream?: LogRecord["stream"]) => void;
  readonly listener: PoolListener;
  /** What a worker may ask beside the store, the events and the flags. */
  readonly calls: { readonly [Call in keyof LaneCalls]: (...args: Parameters<LaneCalls[Call]>) => unknown };
  /** The name of a task, once the plan is known. */
  readonly nameOf: (task: number) => string;
  readonly plan: () => Plan | undefined;
  /** Whose item a number is, if it is not a task's. */
  readonly numbers: Pick<Scheduler, "taskOf" | "itemOf">;
}

/** The pool of a run; it has no worker yet. */
export function poolOf(
  parts: RunParts,
  { note, listener, calls, nameOf, plan, numbers }: WorkersOptions,
): Pool {
  const { options, world: { clock, runtime } } = parts;
  const { maxWorkers = MAX_WORKERS, killGraceMs = KILL_GRACE_MS, workerMemoryMiB, environment } = options;
  const max = Math.max(maxWorkers, options.workers ?? 1, 1);
  const plain = workerMemoryMiB === undefined && environment === undefined && options.world === undefined;
  return new Pool({
    workers: Math.min(max, options.workers ?? runtime.cores),
    maxWorkers: max,
    killGraceMs,
    clock,
    capacity: capacityOf(runtime, clock),
    early: takeEarly(plain),
    start: (data) =>
      runtime.startThread({
        code: workerCode,
        data,
        ...(workerMemoryMiB === undefined ? {} : { memoryMiB: workerMemoryMiB }),
        ...(environment === undefined ? {} : { environment: environment() }),
      }),
    own: {
      ...runnerPort({
        ...{ run: parts.run, runtime, clock },
        note: (text, shown) => note("info", text, shown ? "stdout" : "log"),
      }, environment),
      desk: desksOf({
        files: parts.files,
        runtime,
        plan,
        taskOf: numbers.taskOf,
        warn: (text) => note("error", text),
      }),
    },
    services: (lane) => {
      const isOwn = ownedBy(lane, nameOf, numbers);
      return {
        ...storeCalls(parts, (from) => isOwn(from, true)),
        ...fileCalls(parts.files, isOwn),
        ...noFlagCalls(),
        ...options.services,
        ...calls,
      };
    },
    listener,
  });
}

/**
 * Whether an attempt is one that a worker was given. Of an item's it says which one it is for, but where `anyItem` is enough:
 * events have no item.
 */
export function ownedBy(
  lane: Pick<Given, "given">,
  nameOf: (task: number) => string,
  { itemOf }: WorkersOptions["numbers"],
): (from: AttemptKey, anyItem?: boolean) => boolean {
  return (from, anyItem = false) =>
    lane.given((doer: Doer) =>
      nameOf(doer.task) === from.task && doer.iteration === from.iteration &&
      doer.attempt === from.attempt &&
      (itemOf(doer.task) === from.item || anyItem && from.item === undefined)
    );
}

/** The store and the events, for one worker. */
function storeCalls({ store, events }: RunParts, isOwn: (from: Emitter) => boolean): StoreService {
  const service = storeService(store, events);
  return {
    ...service,
    emit: (type, detail, from) =>
      typeof from === "object" && from !== null && !isOwn(from)
        ? Promise.reject(new StoreError("BAD_ARGUMENT", "from must be an attempt of this worker"))
        : service.emit(type, detail, from),
  };
}
