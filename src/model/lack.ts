/**
 * Owns what a task that is ready is told to lack: a resource that others have, and the words for it.
 * Must not know who hands resources out.
 * Invariant: a lack names whoever has the resource, or who comes first.
 */

/** Who has some of a resource. */
export interface Holder {
  /** Name of the task. */
  readonly task: string;
  /** Of the device's: the run, where it is another. */
  readonly run?: string;
  /** Of the device's: number of the process, where the run is another. */
  readonly process?: number;
}

/** A resource that a task waits for. */
export interface Lack {
  /** Its name. */
  readonly resource: string;
  /** How much of it the task takes. */
  readonly amount: number;
  /** How much of it there is. */
  readonly capacity: number;
  /** Who has some of it, at most 10. */
  readonly heldBy: readonly Holder[];
  /** A task of the run that waits for it too, and comes first. */
  readonly after?: string;
}

/** Holders that are told of one resource. */
export const MAX_HOLDERS = 10;

/** Holders that are named in words. */
const MAX_NAMED = 3;

/** For what a task waits, in words: `for radio, which scan has`. */
export function lackWords(lacks: readonly Lack[]): string {
  return lacks.map(wordsOf).join("; ");
}

function wordsOf({ resource, amount, heldBy, after }: Lack): string {
  const what = amount === 1 ? `for ${resource}` : `for ${amount} of ${resource}`;
  if (heldBy.length === 0) return after === undefined ? what : `${what}, after ${after}`;
  const names = heldBy.slice(0, MAX_NAMED).map(holderWords).join(", ");
  const more = heldBy.length > MAX_NAMED ? ` and ${heldBy.length - MAX_NAMED} more` : "";
  return `${what}, which ${names}${more} ${heldBy.length === 1 ? "has" : "have"}`;
}

function holderWords({ task, run, process }: Holder): string {
  if (run === undefined) return task;
  return `${task} of run ${run}${process === undefined ? "" : ` (process ${process})`}`;
}
