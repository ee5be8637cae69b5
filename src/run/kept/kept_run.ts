/**
 * Owns what a run is that a state directory keeps, and what was found in the place of one.
 * Must not know where they are found.
 */
import type { SqliteJournal } from "../../journal/disk/sqlite.ts";
import type { Life } from "../../model/stream.ts";

/** Where a run's pipeline comes from. */
export interface Origin {
  /** Names the hand-out of the gateway; `undefined`: it is a file. */
  readonly tag?: string;
  /** Id of the executor that began it. */
  readonly executor?: string;
  /** The due time that it is for, milliseconds since the epoch; absent of what is run once. */
  readonly scheduledFor?: number;
}

/** A run as the state directory has it. */
export interface KeptRun {
  readonly folder: string;
  readonly origin: Origin;
  readonly journal: SqliteJournal;
  /** Path of the bundle that came from the gateway. */
  readonly bundle: string;
  /** Names what this process makes of it, for a gateway: another one may have gone another way from where we stand. */
  readonly life: Life;
}

/** What was found in the place of a run and can't be read. */
export interface Unread {
  /** Where it is now. */
  readonly folder: string;
  /** Why, in words. */
  readonly because: string;
  /** It is out of the way for good; else the next start tries it again. */
  readonly setAside: boolean;
  readonly origin: Origin;
}

/** The folder of the files that a run keeps; it goes where the run's folder goes. */
export function filesOf({ folder }: Pick<KeptRun, "folder">): string {
  return `${folder}/files`;
}

/** What of a run was lost before its journal was opened, in words. */
export function lossOf({ folder, journal }: KeptRun): string | undefined {
  const { lost } = journal.recovered;
  return lost === undefined ? undefined : `Of the run in ${folder}: ${lost}. It goes on from what is left`;
}

/** The origin that a file says; `undefined` if it says none. */
export function originOf(found: Readonly<Record<string, unknown>> | undefined): Origin | undefined {
  if (found === undefined) return undefined;
  const { tag, executor, scheduledFor } = found;
  const bad = [tag, executor].some((each) => each !== undefined && typeof each !== "string") ||
    (scheduledFor !== undefined && typeof scheduledFor !== "number");
  return bad ? undefined : {
    ...(typeof tag === "string" && { tag }),
    ...(typeof executor === "string" && { executor }),
    ...(typeof scheduledFor === "number" && { scheduledFor }),
  };
}
