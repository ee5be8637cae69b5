/**
 * Owns what a pool is given and told: where attempts come from, who hears of them, how many workers there may be. Types only.
 * Must not know how attempts are handed out.
 * Invariant: what was taken is settled once, or given back.
 */
import type { Clock } from "../base/clock.ts";
import type { Thread } from "../runtime/port.ts";
import type { RunnerPort } from "./kinds/runner.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "./attempt.ts";
import type { Given } from "./lane.ts";
import type { OwnItem } from "./own.ts";
import type { KeptSupply } from "./process/kept.ts";
import type { WorkerData } from "./protocol.ts";
import type { Seat } from "./seat.ts";

/** What there is to do, in order. */
export interface Supply extends KeptSupply {
  /** Attempts that could start now. */
  readonly ready: number;
  /** Attempts that want a lane of their own. */
  readonly readyAlone: number;
  /** The next of those that want a lane of their own, if there is one. */
  readonly alone: { readonly fresh: boolean } | undefined;
  /** Attempts for the board: at most `ready` of those that could start now, and what may wait behind those that hang there. */
  release(options: { readonly max: number; readonly ready: number }): LaneItem[];
  /** Whether all has ended that an attempt of the board had to wait for. */
  mayHaveBegun(task: number): boolean;
  takeAlone(lane: number): LaneItem | undefined;
  /** The next of those that run in no worker, which are lanes themselves. */
  takeOwn(lane: number): OwnItem | undefined;
  /** Called before time is spent, and when attempts have been taken, before a worker can see them. */
  commit(): void;
  /** The attempts never began; the last of a line comes first. */
  giveBack(items: readonly LaneItem[]): void;
}

/** What hears of a run's attempts. */
export interface PoolListener {
  /** An attempt has been running since then (milliseconds since the epoch). Short ones settle without. */
  began?(lane: number, item: LaneItem, since: number): void;
  settled(lane: number, item: LaneItem, outcome: LaneOutcome): void;
  printed(line: LaneLine): void;
  progressed(lane: number, item: LaneItem, progress: { fraction: number; text?: string }): void;
  /** A worker ended that was not told to; another takes its place. @param wrong What it told that can't be right. */
  replaced(lane: number, wrong?: string): void;
}

/** What the device has for workers beyond those that a run begins with. */
export interface Capacity {
  readonly clock: Pick<Clock, "monotonic">;
  /** Cores that this process may use, at least 1. */
  readonly cores: number;
  /** Bytes that a worker takes, about. */
  readonly workerBytes: number;
  /** Time that all threads of this process have had of the processor, milliseconds. */
  cpuMs(): number;
  /** Time that the machine's cores had nothing to do, all together, milliseconds; undefined where the system does not tell. */
  idleMs(): number | undefined;
  /** Time that threads of this process were ready to run and had no core, all together, milliseconds; undefined where that is not known. */
  queuedMs(): number | undefined;
  /** Bytes that this process may still take. */
  freeMemory(): number;
}

/** Why a pool does not grow though tasks wait: the cores are busy, memory is short, or there are as many as there may be. */
export type Held = "processor" | "memory" | "limit";

/** How many workers a run may have, and how they are stopped. */
export interface PoolOptions {
  readonly workers: number;
  readonly maxWorkers: number;
  readonly killGraceMs: number;
  readonly clock: Clock;
  readonly capacity: Capacity;
  readonly start: (data: WorkerData) => Thread;
  /** A worker that was started before the run, the first one. Default: none. */
  readonly early?: Seat | undefined;
  readonly services: (lane: Given) => object;
  readonly listener: PoolListener;
  /** What attempts that run in no worker are given. Default: there are none. */
  readonly own?: RunnerPort;
}

/** What a pool waits for. */
export type PoolTimer = "grow" | "start" | "poll" | "shrink" | "reserve";
