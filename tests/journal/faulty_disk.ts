/**
 * Owns a disk that forgets what was not synced, is full, or fails, above a real one.
 * Must not know what is written.
 * Invariant: what a power cut leaves of a file is what was synced, what is there, or any mixture of the two.
 */
import { Buffer } from "node:buffer";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Database, JournalDisk, JournalFile } from "../../src/journal/disk/port.ts";
import { systemDisk } from "../../src/journal/disk/system.ts";

/** Makes a directory for one test, in memory where there is such a place: only a real disk makes a sync slow. */
export function makeDirectory(): string {
  const base = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
  return fs.mkdtempSync(path.join(base, "outrider-journal-"));
}

const PAGE = 4096;

/** A disk in a directory of its own. */
export class FaultyDisk implements JournalDisk {
  readonly directory: string = makeDirectory();
  /** Writes of tails fail; `half` of the text is written before. */
  tailFull: false | "at once" | "half" = false;
  databaseFull = false;
  syncFails = false;
  /** Syncs of this file wait until it is another: `-wal`, or the empty text for the database itself. */
  held: string | undefined;
  readonly #held: (() => void)[] = [];
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

  has(path: string): boolean {
    return this.#real.has(path);
  }

  keepCopy(path: string): void {
    this.#real.keepCopy(path);
  }

  syncDirectoryOf(): void {}

  openFile(path: string): JournalFile {
    const file = this.#real.openFile(path);
    this.#open.add(file);
    const full = (): Error => new Error("ENOSPC: no space left on device, write");
    return {
      read: () => file.read(),
      write: (text, position, sealed) => {
        if (this.tailFull === "half") file.write(text.slice(0, text.length / 2), position);
        if (this.tailFull !== false) throw full();
        return file.write(text, position, sealed);
      },
      truncate: (size) => file.truncate(size),
      sync: async () => {
        if (this.syncFails) throw new Error("EIO: i/o error, fsync");
        const bytes = fs.readFileSync(path);
        if (path === this.journal + this.held) await new Promise<void>((resolve) => this.#held.push(resolve));
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

  /** Syncs that were held go on. */
  release(): void {
    this.held = undefined;
    for (const go of this.#held.splice(0)) go();
  }

  /** The disk that the next process finds after a kill -9: all that was handed to the system. */
  async afterKill(): Promise<FaultyDisk> {
    const next = await this.#next((name) => readIfThere(path.join(this.directory, name)));
    this.remove();
    return next;
  }

  /** As `afterKill`, and this one stays. */
  async copy(): Promise<FaultyDisk> {
    return await this.#next((name) => readIfThere(path.join(this.directory, name)));
  }

  /** The disk after a power cut. `keeps` says for each file how much of what was not synced is still there, 0 to 1. */
  async afterPowerCut(keeps: (name: string) => number): Promise<FaultyDisk> {
    return await this.#next((name) => {
      const file = path.join(this.directory, name);
      const now = readIfThere(file);
      const synced = this.#synced.get(file);
      const share = keeps(name);
      if (share === 0 || now === undefined) return synced;
      if (share === 1 || synced === undefined) return now;
      return name.endsWith(".db") ? mixPages(synced, now, share) : mixEnds(synced, now, share);
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

/** Pages of a database that were written in any order. */
function mixPages(synced: Uint8Array, now: Uint8Array, share: number): Uint8Array {
  const mixed = new Uint8Array(Math.max(synced.length, now.length));
  for (let page = 0; page * PAGE < mixed.length; page++) {
    const from = (page * 0.618) % 1 < share ? now : synced;
    mixed.set(from.subarray(page * PAGE, (page + 1) * PAGE), page * PAGE);
  }
  return mixed;
}

/** A file that was written up to somewhere, with what was there before after it. */
function mixEnds(synced: Uint8Array, now: Uint8Array, share: number): Uint8Array {
  const end = synced.length > now.length ? now.length : synced.length;
  const cut = Math.floor((share > 0.5 ? end : 0) + share * (now.length - (share > 0.5 ? end : 0)));
  return Buffer.concat([now.subarray(0, cut), synced.subarray(cut)]);
}
