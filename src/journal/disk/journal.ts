/**
 * Owns the journal on disk: what appends, reads and watches meet. What it holds is in contents.ts, its way to the disk in
 * upkeep.ts. Must not know what records mean. docs/journal.md says what survives what.
 * Invariant: a record is in one of the three places at any time; appending never waits for the disk and never throws.
 *
 *   append -> lines in memory -> tail file, in the same turn (survives kill -9)
 *          -> tail file synced, within 100 ms (survives a power cut)
 *          -> database, when the tail is long; lines leave the memory, and the tail once the database is synced
 */
import { Contents } from "./contents.ts";
import { journalError } from "../errors.ts";
import type { Journal, JournalWatcher, LastRecords, LogEntry, ReadOptions } from "../journal.ts";
import type { JournalOptions } from "../memory/memory.ts";
import { stateRecord } from "../memory/state_stream.ts";
import type { LogRecord, StateEvent, StateRecord } from "../../model/record.ts";
import type { Files } from "./move.ts";
import type { JournalClock, JournalDisk } from "./port.ts";
import { recover, type Recovered } from "./recovery.ts";
import { Upkeep } from "./upkeep.ts";
import { Watchers } from "../watchers.ts";

/** Limits and ports of a journal on disk. */
export interface SqliteJournalOptions extends JournalOptions {
  /** Longest time from a record to the start of the sync that makes it survive a power cut, milliseconds. Default 50. */
  readonly syncMs?: number;
  /** Size at which the tail moves into the database, in bytes. Default 4 MiB. */
  readonly tailBytes?: number;
  /** Time between two tries of a disk that refused, milliseconds. Default 1,000. */
  readonly retryMs?: number;
  /** It must be there already: one that is missing or empty is an error. Default false: it is made. */
  readonly existing?: boolean;
  readonly disk?: JournalDisk;
  readonly clock?: JournalClock;
}

/** A journal that survives its process. */
export interface SqliteJournal extends Journal {
  /** What was found when it was opened. */
  readonly recovered: Recovered;
  /** Why records are only in memory at the moment, in words; `undefined` when all is well. */
  readonly degraded: string | undefined;
  /** Numbers up to which records survive a power cut. Who sends no later ones never has to take a number back. */
  readonly synced: LastRecords;
  /** Where a reader stands; 0 when it has never said so. */
  cursor(name: string): number;
  /** Moves a reader's cursor on; it never goes back. It survives what records survive. */
  setCursor(name: string, seq: number): void;
}

/** All that a journal is given when its files are open. */
export type DiskJournalOptions = Required<Omit<SqliteJournalOptions, "disk" | "existing">>;

/** What a journal on disk is opened with. */
export interface DiskJournalParts {
  readonly files: Files;
  /** Files that should have been there, in words. */
  readonly gone: readonly string[];
  /** Keeps a copy of one of the tails, 0 or 1. */
  keepTail(which: number): void;
}

/** The journal itself, once all files are open. */
export class DiskJournal implements SqliteJournal {
  readonly recovered: Recovered;
  readonly #path: string;
  readonly #contents: Contents;
  readonly #upkeep: Upkeep;
  readonly #watchers: Watchers = new Watchers();
  #writeSoon = false;
  /** Whoever appends calls `commit` before tasks start. */
  #vouched = false;
  readonly #writeInTurn = (): void => {
    this.#writeSoon = false;
    this.#upkeep.write();
  };

  constructor({ files, gone, keepTail }: DiskJournalParts, options: DiskJournalOptions) {
    const start = recover(files.archive, files.tails, gone);
    start.damaged.forEach((damaged, which) => damaged && keepTail(which));
    this.recovered = start.recovered;
    this.#path = files.path;
    this.#contents = new Contents(files.archive, start, options);
    this.#upkeep = new Upkeep(files, this.#contents, options);
  }

  get degraded(): string | undefined {
    return this.#upkeep.degraded;
  }

  get synced(): LastRecords {
    return this.#upkeep.synced;
  }

  append(event: StateEvent, at: number): number {
    const seq = this.#contents.append(event, at);
    // A task may start only when its dispatch is out of this process; all else has time to the end of the turn.
    if (event.type === "attempt.dispatched" && !this.#vouched) this.#upkeep.write();
    else this.#writeThisTurn();
    if (this.#watchers.some) this.#watchers.state(event, () => stateRecord(seq, at, event));
    return seq;
  }

  log(entry: LogEntry): number {
    const record = this.#contents.log(entry);
    this.#writeThisTurn();
    if (this.#watchers.some) this.#watchers.log(() => record);
    return record.seq;
  }

  states(after: number, limit: number, { size = Infinity }: ReadOptions = {}): StateRecord[] {
    return this.#read(() => this.#contents.states(after, { limit, size }));
  }

  logs(after: number, limit: number, { size = Infinity }: ReadOptions = {}): LogRecord[] {
    return this.#read(() => this.#contents.logs(after, { limit, size }));
  }

  last(): LastRecords {
    return this.#contents.last;
  }

  watch(watcher: JournalWatcher): () => void {
    return this.#watchers.add(watcher);
  }

  cursor(name: string): number {
    return this.#contents.cursor(name);
  }

  setCursor(name: string, seq: number): void {
    if (seq <= this.cursor(name)) return;
    this.#contents.setCursor(name, seq);
    this.#upkeep.cursor(name);
    this.#writeThisTurn();
  }

  commit(): void {
    this.#vouched = true;
    this.#upkeep.write();
  }

  flush(): Promise<void> {
    return this.#upkeep.flush();
  }

  async close(): Promise<void> {
    await this.#upkeep.close();
    this.#watchers.clear();
  }

  #writeThisTurn(): void {
    if (this.#writeSoon) return;
    this.#writeSoon = true;
    queueMicrotask(this.#writeInTurn);
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw journalError(this.#path, error);
    }
  }
}
