/**
 * Owns the move of what is in memory, and in a tail file, into the database.
 * Must not know when it is time for it, nor what a refusal of the disk means.
 * Invariant: a tail file is emptied only once the database has its lines on the disk; the write-ahead log is written anew
 * only once the database itself has all of it on the disk.
 *
 *   save -> other tail -> sync of the log -> empty the tail, checkpoint -> sync of the database
 */
import type { Archive } from "./archive.ts";
import type { JournalFile } from "./port.ts";
import type { Tails } from "./tails.ts";

/** The files of a journal. */
export interface Files {
  /** Of the database. */
  readonly path: string;
  readonly archive: Archive;
  readonly tails: Tails;
  /** The database's own files, held only to sync them. */
  readonly main: JournalFile;
  readonly wal: JournalFile;
}

/** Moves into the database, one after the other. */
export class Move {
  readonly #files: Files;
  /** Takes all that is in memory into the database; it throws where that refuses, and has done nothing then. */
  readonly #save: () => void;
  /** What of the last one is still to be done. */
  #left: "nothing" | "sync the log" | "sync the database" = "nothing";

  constructor(files: Files, save: () => void) {
    this.#files = files;
    this.#save = save;
  }

  /** Whether one has begun and could not be finished. */
  get begun(): boolean {
    return this.#left !== "nothing";
  }

  /** Begins one, or goes on with the one that has begun; waits for the disk without blocking the thread. */
  async go(): Promise<void> {
    const { archive, tails, main, wal } = this.#files;
    if (this.#left === "nothing") {
      this.#save();
      tails.switch();
      this.#left = "sync the log";
    }
    if (this.#left === "sync the log") {
      await wal.sync();
      tails.dropOther();
      archive.checkpoint();
      this.#left = "sync the database";
    }
    await main.sync();
    this.#left = "nothing";
  }

  /** A whole one, while the thread waits: at the start and at the end, when nobody is in a hurry. */
  atOnce(): void {
    this.#save();
    this.#files.archive.settle();
    this.#files.tails.dropAll();
  }
}
