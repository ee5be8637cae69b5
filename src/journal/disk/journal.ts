/**
 * Owns the journal on disk: what is in memory, in the tail files and in the database, and who moves it when.
 * Must not know what records mean. docs/journal.md says what survives what.
 * Invariant: a record is in one of the three places at any time; appending never waits for the disk and never throws.
 *
 *   append -> lines in memory -> tail file, in the same turn (survives kill -9)
 *          -> tail file synced, within 100 ms (survives a power cut)
 *          -> database, when the tail is long; lines leave the memory, and the tail once the database is synced
 */
import { isoTime } from "../../base/clock.ts";
import type { Archive, Dropped, Most } from "./archive.ts";
import type { JournalClock, JournalDisk, JournalFile } from "./port.ts";
import { journalError } from "../errors.ts";
import type { Journal, JournalWatcher, LastRecords, LogEntry, ReadOptions } from "../journal.ts";
import type { Lines } from "./text_lines.ts";
import { gapRecord, logSize } from "./log_stream.ts";
import type { JournalOptions } from "../memory/memory.ts";
import type { LogRecord, StateEvent, StateRecord } from "../../model/record.ts";
import { recover, type Recovered } from "./recovery.ts";
import { stateRecord } from "./state_stream.ts";
import { Latest } from "../superseded.ts";
import type { Tails } from "./tails.ts";
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
  readonly synced: { readonly states: number; readonly logs: number };
  /** Where a reader stands; 0 when it has never said so. */
  cursor(name: string): number;
  /** Moves a reader's cursor on; it never goes back. It survives what records survive. */
  setCursor(name: string, seq: number): void;
}

/** All that a journal is given when its files are open. */
export type DiskJournalOptions = Required<Omit<SqliteJournalOptions, "disk" | "existing">>;

/** What a journal on disk consists of. */
export interface Files {
  /** Of the database. */
  readonly path: string;
  readonly archive: Archive;
  readonly tails: Tails;
  /** The database's own files, held only to sync them. */
  readonly main: JournalFile;
  readonly wal: JournalFile;
  /** Files that should have been there, in words. */
  readonly gone: readonly string[];
  /** Keeps a copy of one of the tails, 0 or 1. */
  keepTail(which: number): void;
}

/** A value in the database with fewer characters stays there: its record would take as much. */
const WORTH_REPLACING = 256;

/** The journal itself, once all files are open. */
export class DiskJournal implements SqliteJournal {
  readonly recovered: Recovered;
  synced: { readonly states: number; readonly logs: number };
  readonly #files: Files;
  readonly #options: DiskJournalOptions;
  readonly #states: Lines;
  readonly #logs: Lines;
  readonly #cursors: Map<string, number>;
  readonly #watchers: Watchers = new Watchers();
  readonly #latest: Latest = new Latest();
  /** Records in the database whose value can go with the next move. */
  readonly #replaced: Map<number, string> = new Map();
  /** Up to where lines are in the tail files or the database. */
  #written: { states: number; logs: number };
  #unwrittenCursors: Set<string> = new Set();
  #dropped: Dropped;
  #logSize: number;
  #writeSoon = false;
  /** Whoever appends calls `commit` before tasks start. */
  #vouched = false;
  /** The tail can't be written or synced; the database can't take it in. */
  #tailTrouble: string | undefined;
  #databaseTrouble: string | undefined;
  /** The tail has refused: until the next retry it is not asked again for every record. */
  #paused = false;
  #cancelTimer: (() => void) | undefined;
  /** What of the move into the database is still to be done. */
  #moving: "nothing" | "sync the log" | "sync the database" = "nothing";
  /** Work on the disk, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #writeInTurn = (): void => {
    this.#writeSoon = false;
    this.#write();
  };

  constructor(files: Files, options: DiskJournalOptions) {
    this.#files = files;
    this.#options = options;
    const { archive, tails } = files;
    const found = recover(archive, tails, files.gone);
    found.damaged.forEach((damaged, which) => damaged && files.keepTail(which));
    this.recovered = found.recovered;
    this.#states = found.states;
    this.#logs = found.logs;
    this.#cursors = found.cursors;
    this.#dropped = found.dropped;
    this.#logSize = archive.logSize() + found.logSize;
    this.#written = { states: this.#states.last, logs: this.#logs.last };
    this.synced = { states: archive.lastState, logs: archive.lastLog };
    this.#dropOldLogs();
    this.#moveAll();
  }

  get degraded(): string | undefined {
    return this.#tailTrouble ?? this.#databaseTrouble;
  }

  append(event: StateEvent, at: number): number {
    const seq = this.#states.push({ text: stateText(this.#states.last + 1, at, event), size: 0, at });
    if (event.type === "store.changed") this.#supersede(seq, at, event);
    // A task may start only when its dispatch is out of this process; all else has time to the end of the turn.
    if (event.type === "attempt.dispatched" && !this.#vouched) this.#write();
    else this.#writeThisTurn();
    if (this.#watchers.some) this.#watchers.state(() => stateRecord(seq, at, event));
    return seq;
  }

  log(entry: LogEntry): number {
    const record: LogRecord = { seq: this.#logs.last + 1, ...entry, at: isoTime(entry.at) };
    const size = logSize(entry);
    this.#logs.push({ text: JSON.stringify(record), size, at: entry.at });
    this.#logSize += size;
    this.#dropOldLogs();
    this.#writeThisTurn();
    if (this.#watchers.some) this.#watchers.log(() => record);
    return record.seq;
  }

  states(after: number, limit: number, { size = Infinity }: ReadOptions = {}): StateRecord[] {
    const texts = this.#read("states", Math.max(0, after), { limit, size });
    return texts.map((text) => JSON.parse(text) as StateRecord);
  }

  logs(after: number, limit: number, { size = Infinity }: ReadOptions = {}): LogRecord[] {
    const { count, bytes, at } = this.#dropped;
    if (limit < 1) return [];
    const records = after < count ? [gapRecord(at, { count, bytes })] : [];
    const texts = this.#read("logs", Math.max(after, count), {
      limit: limit - records.length,
      size,
    });
    for (const text of texts) records.push(JSON.parse(text) as LogRecord);
    return records;
  }

  last(): LastRecords {
    return { states: this.#states.last, logs: this.#logs.last };
  }

  watch(watcher: JournalWatcher): () => void {
    return this.#watchers.add(watcher);
  }

  cursor(name: string): number {
    return this.#cursors.get(name) ?? 0;
  }

  setCursor(name: string, seq: number): void {
    if (seq <= this.cursor(name)) return;
    this.#cursors.set(name, seq);
    this.#unwrittenCursors.add(name);
    this.#writeThisTurn();
  }

  commit(): void {
    this.#vouched = true;
    this.#write();
  }

  async flush(): Promise<void> {
    if (this.#closed) return await this.#work;
    await this.#inOrder(() => this.#syncAndMove());
  }

  async close(): Promise<void> {
    if (this.#closed) return await this.#work;
    await this.flush();
    this.#closed = true;
    this.#cancelTimer?.();
    // A move that could not be finished is left to the next start, with the tails.
    if (this.#moving === "nothing") this.#moveAll();
    this.#watchers.clear();
    const { archive, tails, main, wal } = this.#files;
    // The files of the database last: closing them lets go of its lock.
    for (const each of [archive, tails, wal, main]) closeQuietly(each);
  }

  #supersede(seq: number, at: number, event: Extract<StateEvent, { type: "store.changed" }>): void {
    const replaced = this.#latest.note(seq, at, event);
    if (replaced === undefined) return;
    const text = stateText(replaced.seq, replaced.at, replaced.event);
    if (replaced.seq >= this.#states.first) {
      this.#states.replace(replaced.seq, { text, size: 0, at: replaced.at });
    } else if (replaced.size > WORTH_REPLACING) this.#replaced.set(replaced.seq, text);
  }

  #read(lane: "states" | "logs", after: number, most: Most): string[] {
    const texts = this.#saved(lane, after, most);
    let left = texts.reduce((rest, text) => rest - text.length, most.size);
    const lines = lane === "states" ? this.#states : this.#logs;
    const next = Math.max(after + texts.length + 1, lines.first);
    for (let seq = next; seq <= lines.last && texts.length < most.limit && left > 0; seq++) {
      const { text } = lines.at(seq);
      texts.push(text);
      left -= text.length;
    }
    return texts;
  }

  #saved(lane: "states" | "logs", after: number, most: Most): string[] {
    try {
      return this.#files.archive.read(lane, after, most);
    } catch (error) {
      throw journalError(this.#files.path, error);
    }
  }

  #dropOldLogs(): void {
    while (this.#logSize > this.#options.logBytes) {
      const row = this.#files.archive.dropOldestLogs();
      const { size, at } = row ?? this.#logs.shift();
      const count = row?.last ?? this.#logs.first - 1;
      this.#logSize -= size;
      this.#dropped = { count, bytes: this.#dropped.bytes + size, at };
    }
  }

  #writeThisTurn(): void {
    if (this.#writeSoon) return;
    this.#writeSoon = true;
    queueMicrotask(this.#writeInTurn);
  }

  /** Hands all that is only in memory to the system. */
  #write(): void {
    if (this.#closed || this.#paused) return;
    const withLogs = this.#databaseTrouble === undefined ||
      this.#files.tails.size < 4 * this.#options.tailBytes;
    const text = this.#unwrittenText(withLogs);
    if (text === "") return;
    try {
      this.#files.tails.write(text);
    } catch (error) {
      return this.#tailRefused(error);
    }
    this.#written = { states: this.#states.last, logs: withLogs ? this.#logs.last : this.#written.logs };
    this.#unwrittenCursors.clear();
    this.#workLater(this.#options.syncMs);
  }

  /** `withLogs` is false when the tail is far too long because the database takes nothing in. */
  #unwrittenText(withLogs: boolean): string {
    let text = "";
    const states = this.#states;
    for (let seq = Math.max(this.#written.states + 1, states.first); seq <= states.last; seq++) {
      text += `S${states.at(seq).text}\n`;
    }
    const logs = this.#logs;
    for (let seq = Math.max(this.#written.logs + 1, logs.first); withLogs && seq <= logs.last; seq++) {
      text += `L${logs.at(seq).text}\n`;
    }
    for (const name of this.#unwrittenCursors) {
      text += `C${JSON.stringify({ name, seq: this.#cursors.get(name) })}\n`;
    }
    return text;
  }

  #tailRefused(error: unknown): void {
    this.#paused = true;
    this.#tailTrouble = this.#trouble(error);
  }

  #databaseRefused(error: unknown): void {
    this.#databaseTrouble = this.#trouble(error);
  }

  #trouble(error: unknown): string {
    this.#workLater(this.#options.retryMs);
    return `${
      journalError(this.#files.path, error).message
    }. Until then what happens is kept in memory, the log as far as it fits`;
  }

  #workLater(ms: number): void {
    if (this.#cancelTimer !== undefined || this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#cancelTimer = undefined;
      void this.#inOrder(() => this.#syncAndMove());
    });
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    return this.#work = this.#work.then(work);
  }

  async #syncAndMove(): Promise<void> {
    this.#paused = false;
    this.#write();
    try {
      await this.#sync();
    } catch (error) {
      return this.#tailRefused(error);
    }
    try {
      await this.#move();
    } catch (error) {
      this.#databaseRefused(error);
    }
  }

  async #sync(): Promise<void> {
    const { states, logs } = this.#written;
    try {
      await this.#files.tails.sync();
    } catch (error) {
      // A system may forget what it failed to write: all that the database has not goes to the tail once more.
      this.#written = { states: this.#states.first - 1, logs: this.#logs.first - 1 };
      this.#unwrittenCursors = new Set(this.#cursors.keys());
      throw error;
    }
    this.synced = { states, logs };
    if (!this.#paused) this.#tailTrouble = undefined;
  }

  /** Moves a long tail into the database, in steps that wait for the disk without blocking the thread. */
  async #move(): Promise<void> {
    const { archive, tails, main, wal } = this.#files;
    if (this.#moving === "nothing") {
      if (tails.size < this.#options.tailBytes) return;
      this.#save();
      tails.switch();
      this.#moving = "sync the log";
    }
    if (this.#moving === "sync the log") {
      await wal.sync();
      tails.dropOther();
      archive.checkpoint();
      this.#moving = "sync the database";
    }
    // Before this is done the write-ahead log may not be written anew.
    await main.sync();
    this.#moving = "nothing";
    this.#databaseTrouble = undefined;
  }

  /** Moves everything into the database and waits for the disk: at the start and at the end, when nobody is in a hurry. */
  #moveAll(): void {
    try {
      if (
        this.#states.last >= this.#states.first || this.#logs.last >= this.#logs.first ||
        this.#cursors.size > 0
      ) {
        this.#save();
      }
      this.#files.archive.settle();
      this.#files.tails.dropAll();
      this.synced = { ...this.#written };
    } catch (error) {
      this.#databaseRefused(error);
    }
  }

  #save(): void {
    const [states, logs] = [this.#states, this.#logs];
    this.#files.archive.save({
      states,
      logs,
      replaced: this.#replaced,
      cursors: this.#cursors,
      dropped: this.#dropped,
    });
    this.#replaced.clear();
    states.shiftTo(states.last);
    logs.shiftTo(logs.last);
    this.#written = { states: states.last, logs: logs.last };
    this.#unwrittenCursors.clear();
  }
}

/** The JSON of a state record, without making the record. */
function stateText(seq: number, at: number, event: StateEvent): string {
  return `{"seq":${seq},"at":${Number.isFinite(at) ? at : 0},${JSON.stringify(event).slice(1)}`;
}

/** Closes something whose failure to close nobody can do anything about. */
export function closeQuietly(file: { close(): void }): void {
  try {
    file.close();
  } catch {
    // Said above.
  }
}
