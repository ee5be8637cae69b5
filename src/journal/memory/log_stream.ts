/**
 * Owns the stream of the log in memory: numbering, the bound, and the one gap record.
 * Must not know where else log records are kept.
 * Invariant: numbers run from 1 to `last` without gaps; those up to `dropped.count` stand for one gap record.
 */
import { isoTime } from "../../base/clock.ts";
import { Queue } from "../../base/queue.ts";
import type { LogEntry } from "../journal.ts";
import { gapRecord, logSize } from "../log_records.ts";
import type { LogRecord } from "../../model/record.ts";

/** The records of the combined log, the newest that fit. */
export class LogStream {
  readonly #limit: number;
  readonly #entries: Queue<LogEntry> = new Queue();
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
    return this.#droppedCount + this.#entries.length;
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
      const entry = this.#entries.at(seq - this.#droppedCount);
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
    const entry = this.#entries.shift();
    const size = logSize(entry);
    this.#bytes -= size;
    this.#droppedBytes += size;
    this.#droppedCount++;
    this.#droppedAt = entry.at;
  }
}
