/**
 * Owns when what is appended is written, synced and moved into the database, and what comes of a disk that refuses.
 * Must not know what records mean, nor who appends.
 * Invariant: nothing here throws; what the disk refuses is said in `degraded`, stays in memory, and is tried again.
 */
import type { Contents } from "./contents.ts";
import { journalError } from "../errors.ts";
import type { LastRecords } from "../journal.ts";
import { type Files, Move } from "./move.ts";
import type { JournalClock } from "./port.ts";
import { Unwritten } from "./unwritten.ts";

/** When what is done. */
export interface UpkeepOptions {
  readonly syncMs: number;
  readonly tailBytes: number;
  readonly retryMs: number;
  readonly clock: JournalClock;
}

/** Tails that the database does not take in are kept to so many times their usual size: then the log is not written. */
const MOST_TAILS = 4;

/** The way of one journal's records to the disk. */
export class Upkeep {
  /** Numbers up to which records survive a power cut. */
  synced: LastRecords;
  readonly #files: Files;
  readonly #options: UpkeepOptions;
  readonly #unwritten: Unwritten;
  readonly #move: Move;
  /** The tail can't be written or synced; the database can't take it in. */
  readonly #trouble: { tail?: string | undefined; database?: string | undefined } = {};
  /** The tail has refused: until the next retry it is not asked again for every record. */
  #paused = false;
  #cancelTimer: (() => void) | undefined;
  /** Work on the disk, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(files: Files, contents: Contents, options: UpkeepOptions) {
    this.#files = files;
    this.#options = options;
    this.#unwritten = new Unwritten(contents);
    this.#move = new Move(files, () => {
      if (contents.unsaved) contents.save();
      this.#unwritten.wrote({ logs: true });
    });
    this.synced = contents.saved;
    this.#moveAtOnce();
  }

  /** Why records are only in memory at the moment, in words. */
  get degraded(): string | undefined {
    return this.#trouble.tail ?? this.#trouble.database;
  }

  /** A cursor has moved on, and is to be written with what is written next. */
  cursor(name: string): void {
    this.#unwritten.cursor(name);
  }

  /** Hands all that is only in memory to the system. */
  write(): void {
    if (this.#closed || this.#paused) return;
    const { tails } = this.#files;
    const logs = this.#trouble.database === undefined || tails.size < MOST_TAILS * this.#options.tailBytes;
    const text = this.#unwritten.text({ logs });
    if (text === "") return;
    try {
      tails.write(text);
    } catch (error) {
      return this.#tailRefused(error);
    }
    this.#unwritten.wrote({ logs });
    this.#workLater(this.#options.syncMs);
  }

  /** Resolves when all that was appended is as durable as the disk lets it be. */
  flush(): Promise<void> {
    return this.#closed ? this.#work : this.#syncInTurn();
  }

  /** Moves all into the database if the disk takes it, and closes the files. */
  async close(): Promise<void> {
    await this.flush();
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    // A move that could not be finished is left to the next start, with the tails.
    if (!this.#move.begun) this.#moveAtOnce();
    const { archive, tails, main, wal } = this.#files;
    // The files of the database last: closing them lets go of its lock.
    for (const each of [archive, tails, wal, main]) closeQuietly(each);
  }

  #workLater(ms: number): void {
    if (this.#cancelTimer !== undefined || this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#cancelTimer = undefined;
      void this.#syncInTurn();
    });
  }

  #syncInTurn(): Promise<void> {
    return this.#work = this.#work.then(() => this.#syncAndMove());
  }

  async #syncAndMove(): Promise<void> {
    this.#paused = false;
    this.write();
    try {
      await this.#sync();
    } catch (error) {
      return this.#tailRefused(error);
    }
    try {
      if (!this.#move.begun && this.#files.tails.size < this.#options.tailBytes) return;
      await this.#move.go();
      this.#trouble.database = undefined;
    } catch (error) {
      this.#databaseRefused(error);
    }
  }

  async #sync(): Promise<void> {
    const { written } = this.#unwritten;
    try {
      await this.#files.tails.sync();
    } catch (error) {
      // A system may forget what it failed to write: all that the database has not goes to the tail once more.
      this.#unwritten.again();
      throw error;
    }
    this.synced = written;
    if (!this.#paused) this.#trouble.tail = undefined;
  }

  #moveAtOnce(): void {
    try {
      this.#move.atOnce();
      this.synced = this.#unwritten.written;
    } catch (error) {
      this.#databaseRefused(error);
    }
  }

  #tailRefused(error: unknown): void {
    this.#paused = true;
    this.#trouble.tail = this.#told(error);
  }

  #databaseRefused(error: unknown): void {
    this.#trouble.database = this.#told(error);
  }

  /** What a refusal is called, which is tried again. */
  #told(error: unknown): string {
    this.#workLater(this.#options.retryMs);
    return `${
      journalError(this.#files.path, error).message
    }. Until then what happens is kept in memory, the log as far as it fits`;
  }
}

/** Closes something whose failure to close nobody can do anything about. */
export function closeQuietly(file: { close(): void }): void {
  try {
    file.close();
  } catch {
    // Said above.
  }
}
