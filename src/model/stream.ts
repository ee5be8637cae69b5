/**
 * Owns the names of the two streams that a journal is reported in, and what counts in both.
 * Must not know what a record holds.
 */

/** The two streams of a journal. State goes first. */
export type Stream = "state" | "log";

/** Numbers of the two streams: the last record that something holds for. */
export interface StreamNumbers {
  readonly state: number;
  readonly log: number;
}

/**
 * What one process makes of a run. When it dies while its disk is full, the next one goes on from what is on the disk, and
 * gives numbers once more that were sent already: what is above `since` of another life counts no longer.
 */
export interface Life {
  readonly id: string;
  /** The last records that the process found when it began. */
  readonly since: StreamNumbers;
}
