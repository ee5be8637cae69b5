/**
 * Owns what the parts around a run (agent, HTTP end point) may see of it and do to it. Types only.
 * Must not know how a run is carried out.
 * Invariant: looking never changes anything; only the store, the events, `stop`, `cancel`, `pause` and `resume` do.
 */
import type { TaskStanding } from "../model/snapshot.ts";
import type { Execution, RunOptions } from "./execution.ts";
import type { Journal } from "../journal/journal.ts";
import type { Level, LogRecord, StateEvent, StateRecord } from "../model/record.ts";
import type { ResultFold } from "../model/result.ts";
import type { Plan, PlanRequires } from "../pipeline/plan/plan.ts";
import type { Source } from "../pipeline/load/load.ts";
import type { EventLog } from "../store/events.ts";
import type { SharedStore } from "../store/store.ts";
import type { FilesOptions, RunFiles } from "./files/run_files.ts";
import type { World } from "./world.ts";

/** Options of a run that are the agent's and the command line's, not a library user's. */
export interface InnerOptions extends RunOptions {
  /** Where to write. Default: memory. One that holds a run already is gone on with. */
  readonly journal?: Journal;
  /** The run's id. Default: a new one. A journal that holds a run keeps its id. */
  readonly run?: string;
  /** Repeat this task and what depends on it, and keep the rest of the run that the journal holds. */
  readonly from?: string;
  /** The due time that the run is for, milliseconds since the epoch. Default: it is for none. */
  readonly scheduledFor?: number;
  /** A pipeline with a timetable is only read: the run rejects with a `NotDue` (not_due.ts), and nothing has run. Default false. */
  readonly holds?: boolean;
  /** Variables for workers and what tasks start, such as `OUTRIDER_URL`; asked for as each worker or program starts. */
  readonly environment?: () => Readonly<Record<string, string>>;
  /** What must be there before anything runs, beside what tasks require. Default: nothing. */
  readonly requires?: PlanRequires;
  /** Turns the source into what may be run, or rejects with why it may not be. Default: all may be. */
  readonly admit?: (source: Source) => Promise<Source>;
  /** Where files are kept, and how much of them. Default: in a temporary folder, which goes with the run. */
  readonly files?: FilesOptions;
  /** Time, chance and the runtime. Default: the real ones. */
  readonly world?: World;
  /** Whether resources of the device are shared with other runs on it. Default true. */
  readonly sharesDevice?: boolean;
  /** Calls of workers beside store and events, by name; see uplink's flags. */
  readonly services?: Readonly<Record<string, (...args: never[]) => unknown>>;
}

/** What is told to who follows a run: no starts and no progress. */
export type FollowedEvent = StateRecord | ({ readonly type: "log" } & LogRecord);

/** A run with its parts. */
export interface InspectedExecution extends Execution {
  readonly journal: Journal;
  readonly store: SharedStore;
  readonly events: EventLog;
  readonly files: RunFiles;
  /** The plan, once it is loaded. */
  readonly plan: Plan | undefined;
  /** Settles when the plan is loaded and the run has begun; rejects with why it could not. */
  readonly begun: Promise<Plan>;
  /**
   * Settles as the execution does, with the result as its records tell it: no object is made for each attempt, as is for who
   * awaits the execution.
   */
  readonly ended: Promise<ResultFold>;
  /** Every task, in the plan's order; at most `limit` from `offset`. */
  standings(offset?: number, limit?: number): TaskStanding[];
  /** The result document so far, as JSON in pieces. */
  resultJson(): Iterable<string>;
  /** Starts nothing new until `resume`; running tasks go on. */
  pause(): void;
  resume(): void;
  /**
   * Calls the listener for every line of the log and for the state events that it wants, from now on, until the returned
   * function is called. Unlike `watch`, it costs next to nothing for what is not wanted.
   *
   * @param wants Asked of each event before anything is made of it.
   */
  follow(listener: (event: FollowedEvent) => void, wants: (event: StateEvent) => boolean): () => void;
  /** Writes a line of the executor's to the combined log. */
  note(level: Level, text: string): void;
}
