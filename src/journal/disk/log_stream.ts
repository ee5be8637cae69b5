/**
 * Owns the log lane in memory: numbering, the bound, and the one gap record.
 * Must not know where else log records are kept.
 * Invariant: numbers run from 1 to `last` without gaps; those up to `dropped.count` stand for one gap record.
 */
import { isoTime } from "../../base/clock.ts";
import type { LogEntry } from "../journal.ts";
import type { LogRecord } from "../../model/record.ts";

/** What a record takes beside its text, in bytes: a rule of thumb for the object and its place in the queue. */
const RECORD_BYTES = 100;

/** What a log entry counts for against the bound: the characters of its text, and 100 bytes for the rest. */
export function logSize(entry: { readonly text: string }): number {
  return entry.text.length + RECORD_BYTES;
}

/** The records of the combined log, the newest that fit. */
export class LogLane {
  readonly #limit: number;
  #entries: LogEntry[] = [];
  /** Index of the oldest entry that is still there; those before it are already forgotten. */
  #head = 0;
  #bytes = 0;
  #droppedCount = 0;
  #droppedBytes = 0;
  #droppedAt = 0;

  /** @param limit Most bytes kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The newest number, 0 when there is none. */
  get last(): number {
    return this.#droppedCount + this.#entries.length - this.#head;
  }

  /** Bytes of the records that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends an entry and drops the oldest ones beyond the bound; returns its number. */
  push(entry: LogEntry): number {
    this.#entries.push(entry);
    this.#bytes += logSize(entry);
    const seq = this.last;
    while (this.#bytes > this.#limit) this.#dropOldest();
    return seq;
  }

  /** Records with a number above `after`, oldest first; the gap record first where `after` lies in the gap. */
  read(after: number, limit: number): LogRecord[] {
    const records: LogRecord[] = [];
    if (limit < 1) return records;
    if (after < this.#droppedCount) records.push(this.#gap());
    let seq = Math.max(after, this.#droppedCount);
    for (const last = this.last; seq < last && records.length < limit;) {
      const entry = this.#entries[this.#head + seq - this.#droppedCount]!;
      records.push(this.record(++seq, entry));
    }
    return records;
  }

  /** The record of an entry. */
  record(seq: number, entry: LogEntry): LogRecord {
    return { seq, ...entry, at: isoTime(entry.at) };
  }

  #gap(): LogRecord {
    return gapRecord(this.#droppedAt, { count: this.#droppedCount, bytes: this.#droppedBytes });
  }

  #dropOldest(): void {
    const entry = this.#entries[this.#head]!;
    const size = logSize(entry);
    this.#bytes -= size;
    this.#droppedBytes += size;
    this.#droppedCount++;
    this.#droppedAt = entry.at;
    // Frees the text at once; the array itself is cut now and then, so that a drop costs the same however long it is.
    this.#entries[this.#head++] = undefined as unknown as LogEntry;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
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
    at: isoTime(Number.isFinite(at) ? at : 0),
    level: "error",
    from: "executor",
    stream: "log",
    text: "This line of the log was damaged on the disk",
  };
  return JSON.stringify(record);
}
