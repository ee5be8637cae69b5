/**
 * Owns the journal's port: what the executor writes to, and what the log, the report and a restart read from.
 * Must not know what is behind it (memory, SQLite), nor who reads.
 * Invariant: appending never waits and never throws; durability is asked for with `flush`.
 */
import type { LogRecord, StateEvent, StateRecord } from "../model/record.ts";

/** A log record before the journal has numbered it; `at` is milliseconds since the epoch. */
export type LogEntry = Omit<LogRecord, "seq" | "at" | "dropped"> & { readonly at: number };

/** Who is told of records as they are appended. */
export interface JournalWatcher {
  state?(record: StateRecord): void;
  /** Asked before a record is made for `state`, which takes as long as to append it. Default: it is told of all. */
  wants?(event: StateEvent): boolean;
  log?(record: LogRecord): void;
}

/** Numbers of the newest records; 0 where there is none. */
export interface LastRecords {
  readonly states: number;
  readonly logs: number;
}

/** How much is read at a time, beside the number of records. */
export interface ReadOptions {
  /**
   * Characters of text after which no further record is read, about; one is always read. A journal that copies nothing
   * when it is read need not heed it. Default: no bound.
   */
  readonly size?: number;
  /** Whether dispatches are read, of which there are as many as of outcomes. A journal need not heed it. Default: yes. */
  readonly dispatches?: boolean;
}

/** The ordered record of everything that happened in a run. */
export interface Journal {
  /** Appends a state event; returns its number. */
  append(event: StateEvent, at: number): number;
  /** Appends a log line; returns its number. */
  log(entry: LogEntry): number;
  /** State records with a number above `after`, oldest first, at most `limit`. */
  states(after: number, limit: number, options?: ReadOptions): StateRecord[];
  /** Log records with a number above `after`, oldest first, at most `limit`; a gap record where some were dropped. */
  logs(after: number, limit: number, options?: ReadOptions): LogRecord[];
  /** Numbers of the newest records, dropped or not. */
  last(): LastRecords;
  /** Tells the watcher of every record from now on, until the returned function is called. */
  watch(watcher: JournalWatcher): () => void;
  /**
   * Hands everything appended so far to the system, so that it outlives this process; it does not wait for the disk.
   * To be called once before a message lets tasks start. Without it a journal on disk does so for every dispatch.
   */
  commit?(): void;
  /** Resolves when everything appended so far is as durable as this journal can make it. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A journal before another one: what is not its own goes to that. */
export function journalBefore(journal: Journal, own: Partial<Journal>): Journal {
  return {
    append: (event, at) => journal.append(event, at),
    log: (entry) => journal.log(entry),
    states: (after, limit, options) => journal.states(after, limit, options),
    logs: (after, limit, options) => journal.logs(after, limit, options),
    last: () => journal.last(),
    watch: (watcher) => journal.watch(watcher),
    commit: () => journal.commit?.(),
    flush: () => journal.flush(),
    close: () => journal.close(),
    ...own,
  };
}
