/**
 * Owns who is told of records as they are appended.
 * Must not know what records mean.
 * Invariant: a watcher that throws is a defect of its own; it never reaches the one who appends, nor the next watcher.
 */
import { apart } from "../base/apart.ts";
import type { JournalWatcher } from "./journal.ts";
import type { LogRecord, StateEvent, StateRecord } from "../model/record.ts";

/** The watchers of one journal. */
export class Watchers {
  /** Replaced, not changed, so that a watcher may leave while others are being told. */
  #watchers: readonly JournalWatcher[] = [];
  /** Whether anyone watches; read before a record is made for them. */
  some = false;

  /** Adds a watcher; returns what removes it. */
  add(watcher: JournalWatcher): () => void {
    // An object of our own: the same watcher may be added twice and leaves once for each.
    const mine = bound(watcher);
    this.#set([...this.#watchers, mine]);
    return () => this.#set(this.#watchers.filter((other) => other !== mine));
  }

  /** Tells of a state record, which is made only if someone wants it. */
  state(event: StateEvent, make: () => StateRecord): void {
    let record: StateRecord | undefined;
    for (const watcher of this.#watchers) {
      if (watcher.state !== undefined && wants(watcher, event)) tell(watcher, record ??= make());
    }
  }

  /** Tells of a log record, which is made only if someone listens. */
  log(make: () => LogRecord): void {
    let record: LogRecord | undefined;
    for (const watcher of this.#watchers) {
      if (watcher.log) apart(() => watcher.log!(record ??= make()));
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#set([]);
  }

  #set(watchers: readonly JournalWatcher[]): void {
    this.#watchers = watchers;
    this.some = watchers.length > 0;
  }
}

/** Asked of each event, of which most are not wanted: nothing is made for that. */
function wants(watcher: JournalWatcher, event: StateEvent): boolean {
  try {
    return watcher.wants === undefined || watcher.wants(event);
  } catch (error) {
    apart(() => {
      throw error;
    });
    return false;
  }
}

function tell(watcher: JournalWatcher, record: StateRecord): void {
  apart(() => watcher.state!(record));
}

function bound(watcher: JournalWatcher): JournalWatcher {
  return {
    ...(watcher.wants && { wants: (event: StateEvent) => watcher.wants!(event) }),
    ...(watcher.state && { state: (record: StateRecord) => watcher.state!(record) }),
    ...(watcher.log && { log: (record: LogRecord) => watcher.log!(record) }),
  };
}
