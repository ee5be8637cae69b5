/**
 * Owns the port to what keeps a storage from growing for ever: what was heard longest ago, and how it is dropped. Types only.
 * Must not know how long what is kept, nor who is told.
 * Invariant: ages are by how long the gateway has run on this storage, so that no wall clock drops anything. Each call
 * but `takeUp` changes little enough that nobody waits long for it; what takes more is done in steps, also by another
 * process.
 */
import type { StreamNumbers } from "../model/stream.ts";

/** What is known of a run that was dropped. */
export interface DroppedRun {
  readonly run: string;
  readonly executor: string;
  /** When, milliseconds since the epoch. */
  readonly at: number;
  /** Why, in words. */
  readonly because: string;
  /** All of it was here: what comes again is not taken. Else it is taken up again if its executor comes with it. */
  readonly complete: boolean;
  /** What its executor was told is here. */
  readonly acknowledged: StreamNumbers;
  /** Records that have come since, and were not kept. */
  readonly came: number;
}

/** Why something is dropped, and when. */
export interface Dropping {
  readonly at: number;
  readonly because: string;
}

/** What a step has removed of a run beside its records. */
export interface Cleared {
  readonly executor: string;
  /** Of files that the run has no longer. */
  readonly digests: readonly string[];
}

/** What keeps a storage from growing for ever. */
export interface StoreUpkeep {
  /** How long the gateway has run on this storage, milliseconds. */
  ran(): Promise<number>;
  /** It has run for so long now. */
  hasRun(ms: number): Promise<void>;
  /** Bytes of the database that are in use. */
  bytes(): Promise<number>;
  /** Gives bytes that are not in use back to the disk, some of them; whether there may be more. */
  shrink(): Promise<boolean>;

  /**
   * Drops the run that was heard longest ago, of those that were not heard since `before`: it is no run any more, and what it
   * had goes by `clear`.
   */
  dropRun(
    before: number,
    dropping: Dropping & { readonly onlyComplete: boolean },
  ): Promise<DroppedRun | undefined>;
  /** Removes some of what dropped runs have left; nothing if there is no more. */
  clear(): Promise<Cleared | undefined>;
  /** Of the newest 100,000. */
  dropped(run: string): Promise<DroppedRun | undefined>;
  /** Something has come of a run that was dropped. */
  putDropped(row: Pick<DroppedRun, "run" | "acknowledged" | "came">): Promise<void>;
  /** A run that was dropped may begin anew: nothing of it is left. What still was is removed at once, however much it is. */
  takeUp(run: string): Promise<void>;
  /** Something was heard of a run beside its records. */
  heardOf(run: string): Promise<void>;

  /** Drops some of the executors that were not heard since, with what they were given and told; how many. */
  dropExecutors(before: number): Promise<number>;
  /** Drops some of the instructions that wait since before; how many. */
  dropCommands(before: number): Promise<number>;
  /** Drops some of the flags that nobody has set or read since; how many. */
  dropFlags(before: number): Promise<number>;
  /** One of the hand-outs that wait since before for an executor which is not there. */
  unwanted(before: number): Promise<number | undefined>;
}
