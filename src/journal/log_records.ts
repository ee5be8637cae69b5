/**
 * Owns what a log record counts for against the bound, and the records that stand in the place of others.
 * Must not know where records are kept.
 * Invariant: what stands in the place of others says so.
 */
import { isoTime } from "../base/clock.ts";
import type { LogRecord } from "../model/record.ts";

/** What a record takes beside its text, in bytes: a rule of thumb for the object and its place in the queue. */
const RECORD_BYTES = 100;

/** What a log entry counts for against the bound: the characters of its text, and 100 bytes for the rest. */
export function logSize(entry: { readonly text: string }): number {
  return entry.text.length + RECORD_BYTES;
}

/**
 * The record that stands for the oldest ones, which were dropped.
 *
 * @param at Time of the last of them.
 * @param dropped Their number, and the size of all of them.
 */
export function gapRecord(
  at: number,
  dropped: { readonly count: number; readonly bytes: number },
): LogRecord {
  const { count, bytes } = dropped;
  return {
    seq: count,
    at: isoTime(at),
    level: "warn",
    from: "executor",
    stream: "log",
    text: `The oldest ${count} records of the log were dropped to keep it within its bound`,
    dropped: { count: count - 1, bytes },
  };
}

/** The JSON of what stands in the place of a record that was damaged on the disk. @param at A time near to its own. */
export function damagedLine(seq: number, at: number): string {
  const record: LogRecord = {
    seq,
    at: isoTime(at),
    level: "error",
    from: "executor",
    stream: "log",
    text: "This line of the log was damaged on the disk",
  };
  return JSON.stringify(record);
}
