/**
 * Owns what the pool asks of a kind of task that runs in no worker: a process for each attempt, or processes that are kept.
 * Types only.
 * Must not know which kinds there are (list.ts), nor what a task of one is.
 * Invariant: each attempt that is started settles once, and is over when nothing of it is left.
 */
import type { Clock } from "../../base/clock.ts";
import type { Runtime } from "../../runtime/port.ts";
import type { LaneItem, LaneOutcome } from "../attempt.ts";
import type { AttemptKey } from "../../model/record.ts";
import type { ModuleExports } from "../../pipeline/load/load.ts";
import type { Launch } from "../process/life.ts";
import type { AbortOutcome } from "../protocol.ts";

/** The folders in which what runs tasks leaves files that are to be kept. */
export interface Desk {
  /** The variables that name them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether nothing was left there. At once. */
  isEmpty(): boolean;
  /** Keeps what was left there, as files of an attempt; nothing lies there any more then. It never rejects. */
  take(of: AttemptKey): Promise<void>;
  /** Removes the folders. It never rejects. */
  remove(): Promise<void>;
}

/** What kinds need of the outside. */
export interface RunnerPort {
  readonly runtime: Runtime;
  readonly clock: Clock;
  /** Id of the run. */
  readonly run: string;
  /** Tells what is going on, for the log. @param shown To whoever watches too, as it takes long. */
  note(text: string, shown?: boolean): void;
  /** The environment that processes get, before what the task itself says. */
  environment(): Readonly<Record<string, string>>;
  /**
   * The folders for one attempt, or for a process that runs several. It never rejects: where the disk refuses them their paths
   * lead nowhere, which the log says, and each attempt. Default: there are none.
   *
   * @param item The attempt, with the files that its needs have kept.
   */
  desk?(item?: LaneItem): Promise<Desk>;
  /** Aborted when the run is over: what only prepares for tasks is not waited for any more. */
  readonly over?: AbortSignal;
}

/** What an attempt is run with. */
export interface AttemptOptions {
  /** It is a lane of its own, with this number. */
  readonly lane: number;
  /** Its payload is JSON: `{"r": what the plan has of it, "t": task, "p": params, "i": {input: value}}`. */
  readonly item: LaneItem;
  readonly killGraceMs: number;
  readonly printed: (
    line: { readonly stream: number; readonly level: number; readonly text: string },
  ) => void;
  /** To be told once, and not before `start` has returned. */
  readonly settled: (outcome: LaneOutcome) => void;
}

/** An attempt, seen from outside. It keeps to the timeout of its item by itself. */
export interface OwnAttempt {
  readonly id: number;
  readonly item: LaneItem;
  /** When it began, by the monotonic clock. */
  readonly since: number;
  /** Settles when its outcome is told and nothing of it is left, its files included. */
  readonly over: Promise<void>;
  /** Stops it. */
  abort(outcome: AbortOutcome, because: string): void;
}

/** Runs the attempts of one kind in one run. */
export interface Runner {
  start(options: AttemptOptions): OwnAttempt;
  /** Called once, when all that it started is over: what it kept for them ends here. */
  close(): Promise<void>;
}

/** How tasks of a kind are run. */
export interface RunnerKind {
  /** The key of the kind in pipeline/kinds/. */
  readonly key: string;
  /** Called at the first attempt of the kind in a run. */
  open(port: RunnerPort): Runner;
}

/** What is known of the tasks of one kind that run in processes that are kept, in one run. */
export interface KeptRunner {
  /** How one is started for a task. May take long the first time; rejects with what is missing, in words, and soon when the run is over. */
  launch(run: object): Promise<Launch>;
  /** JSON text of what is to be done, as the runner in the process wants it. */
  workOf(run: object): string;
  /** Called once, when all processes are gone. */
  close(): Promise<void>;
}

/** How tasks of a kind are run in processes that are kept (process/). */
export interface KeptKind {
  /** The key of the kind in pipeline/kinds/. */
  readonly key: string;
  /** Called at the first attempt of the kind in a run. */
  open(port: RunnerPort): KeptRunner;
  /** What functions modules have, by their URLs; nothing of them is run. It never rejects. Default: nobody asks. */
  look?(port: RunnerPort, modules: readonly string[]): Promise<Readonly<Record<string, ModuleExports>>>;
  /** A file and all that it imports or includes of its folder, as paths relative to that. Rejects where that can't be said. */
  imports?(port: RunnerPort, path: string): Promise<readonly string[]>;
}
