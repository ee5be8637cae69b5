/**
 * Owns a disk that forgets what was not synced, is full, or fails, above a real one.
 * Must not know what is written.
 * Invariant: what a power cut leaves of a file is what was synced, or what is there, or the synced part and a piece more.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Database, JournalDisk, JournalFile } from "../src/journal/disk.ts";
import { systemDisk } from "../src/journal/sqlite_disk.ts";

/** Makes a directory for one test. */
export function makeDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "outrider-journal-"));
}

/** A disk in a directory of its own. */
export class FaultyDisk implements JournalDisk {
  readonly directory: string = makeDirectory();
  /** Writes of tails fail; `half` of the text is written before. */
  tailFull: false | "at once" | "half" = false;
  databaseFull = false;
  syncFails = false;
  readonly #real: JournalDisk;
  readonly #synced: Map<string, Uint8Array> = new Map();
  readonly #open: Set<{ close(): void }> = new Set();

  private constructor(real: JournalDisk) {
    this.#real = real;
  }

  static async make(): Promise<FaultyDisk> {
    return new FaultyDisk(await systemDisk());
  }

  /** Where the journal is. */
  get journal(): string {
    return path.join(this.directory, "journal.db");
  }

  makeDirectoryOf(path: string): void {
    this.#real.makeDirectoryOf(path);
  }

  syncDirectoryOf(): void {}

  openFile(path: string): JournalFile {
    const file = this.#real.openFile(path);
    this.#open.add(file);
    const full = (): Error => new Error("ENOSPC: no space left on device, write");
    return {
      read: () => file.read(),
      write: (text, position) => {
        if (this.tailFull === "half") file.write(text.slice(0, text.length / 2), position);
        if (this.tailFull !== false) throw full();
        return file.write(text, position);
      },
      truncate: (size) => file.truncate(size),
      sync: async () => {
        if (this.syncFails) throw new Error("EIO: i/o error, fsync");
        const bytes = fs.readFileSync(path);
        await Promise.resolve();
        this.#synced.set(path, bytes);
      },
      close: () => {
        file.close();
        this.#open.delete(file);
      },
    };
  }

  openDatabase(path: string): Database {
    const database = this.#real.openDatabase(path);
    this.#open.add(database);
    return {
      exec: (sql) => {
        if (this.databaseFull && sql === "COMMIT") throw new Error("database or disk is full");
        database.exec(sql);
        // SQLite syncs both by itself here.
        if (sql.includes("wal_checkpoint(TRUNCATE)")) {
          for (const name of [path, `${path}-wal`]) this.#remember(name);
        }
      },
      prepare: (sql) => database.prepare(sql),
      close: () => {
        database.close();
        this.#open.delete(database);
      },
    };
  }

  /** The disk that the next process finds after a kill -9: all that was handed to the system. */
  async afterKill(): Promise<FaultyDisk> {
    return await this.#next((name) => readIfThere(path.join(this.directory, name)));
  }

  /** The disk after a power cut. `keeps` says for each file how much of what was not synced is still there, 0 to 1. */
  async afterPowerCut(keeps: (name: string) => number): Promise<FaultyDisk> {
    return await this.#next((name) => {
      const file = path.join(this.directory, name);
      const now = readIfThere(file);
      const synced = this.#synced.get(file);
      const share = keeps(name);
      if (share === 1 || !name.includes(".tail")) return share >= 0.5 ? now : synced;
      const kept = synced ?? new Uint8Array();
      const more = now?.subarray(
        kept.length,
        kept.length + Math.floor(share * Math.max(0, (now?.length ?? 0) - kept.length)),
      );
      return Buffer.concat([kept, more ?? new Uint8Array()]);
    });
  }

  /** Ends all that the journal has open, as the end of a process does, and removes the directory. */
  remove(): void {
    for (const file of this.#open) file.close();
    this.#open.clear();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  async #next(content: (name: string) => Uint8Array | undefined): Promise<FaultyDisk> {
    const next = await FaultyDisk.make();
    for (const suffix of ["", "-wal", ".tail-a", ".tail-b"]) {
      const bytes = content(`journal.db${suffix}`);
      if (bytes === undefined) continue;
      fs.writeFileSync(next.journal + suffix, bytes);
      next.#remember(next.journal + suffix);
    }
    this.remove();
    return next;
  }

  #remember(file: string): void {
    const bytes = readIfThere(file);
    if (bytes !== undefined) this.#synced.set(file, bytes);
  }
}

function readIfThere(file: string): Uint8Array | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file) : undefined;
}
