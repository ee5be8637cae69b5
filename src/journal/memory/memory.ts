/**
 * Owns the journal that is gone with the process.
 * Must not know what records mean, nor who reads them.
 * Invariant: state records are never dropped; where log records were, one gap record stands in their place.
 */
import { LOG_BYTES } from "../../defaults.ts";
import type { Journal, JournalWatcher, LastRecords, LogEntry, ReadOptions } from "../journal.ts";
import { LogStream } from "./log_stream.ts";
import type { LogRecord, StateEvent, StateRecord } from "../../model/record.ts";
import { stateRecord, StateStream } from "./state_stream.ts";
import { Latest } from "../superseded.ts";
import { Watchers } from "../watchers.ts";

/** Limits of a journal. */
export interface JournalOptions {
  /** Most log that is kept, in bytes (see `logSize`); beyond it the oldest goes. At least 0. Default 64 MiB. */
  readonly logBytes?: number;
}

/**
 * A journal in memory.
 *
 * @returns The journal. It keeps the events given to it as they are: they may not be changed afterwards.
 */
export function memoryJournal(options: JournalOptions = {}): Journal {
  const states = new StateStream();
  const logs = new LogStream(options.logBytes ?? LOG_BYTES);
  const watchers = new Watchers();
  const latest = new Latest();
  return {
    append(event: StateEvent, at: number): number {
      const seq = states.push(event, at);
      if (event.type === "store.changed") {
        const replaced = latest.note(seq, at, event);
        if (replaced !== undefined) states.replace(replaced.seq, replaced.event);
      }
      if (watchers.some) watchers.state(event, () => stateRecord(seq, at, event));
      return seq;
    },
    log(entry: LogEntry): number {
      const seq = logs.push(entry);
      if (watchers.some) watchers.log(() => logs.record(seq, entry));
      return seq;
    },
    // Records are shared, not copied, so that a bound on their size would save nothing.
    states(after: number, limit: number, options?: ReadOptions): StateRecord[] {
      return states.read(after, limit, options?.dispatches);
    },
    logs(after: number, limit: number): LogRecord[] {
      return logs.read(after, limit);
    },
    last(): LastRecords {
      return { states: states.last, logs: logs.last };
    },
    watch(watcher: JournalWatcher): () => void {
      return watchers.add(watcher);
    },
    commit(): void {},
    flush(): Promise<void> {
      return Promise.resolve();
    },
    close(): Promise<void> {
      watchers.clear();
      return Promise.resolve();
    },
  };
}
