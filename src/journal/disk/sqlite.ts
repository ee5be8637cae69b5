/**
 * Owns the opening of a journal on disk: which files, which defaults, and what a failure means.
 * Must not know how the journal works once it is open (journal.ts does).
 * Invariant: it opens all files or none.
 */
import { LOG_BYTES } from "../../defaults.ts";
import { Archive } from "./archive.ts";
import type { JournalFile } from "./port.ts";
import { DiskJournal, type SqliteJournal, type SqliteJournalOptions } from "./journal.ts";
import { journalError } from "../errors.ts";

import { checksum, idleTimers, systemDisk } from "./system.ts";
import { Tails } from "./tails.ts";
import { closeQuietly } from "./upkeep.ts";

export type { SqliteJournal, SqliteJournalOptions };

const DEFAULTS = {
  logBytes: LOG_BYTES,
  syncMs: 50,
  tailBytes: 4 << 20,
  retryMs: 1000,
  clock: idleTimers,
};

/**
 * Opens a journal, made where there is none. Files beside `path`: `-wal`, `.tail-a`, `.tail-b`.
 *
 * @throws {JournalError} If it is open elsewhere, damaged, from a newer Outrider, or can't be written.
 */
export async function openSqliteJournal(
  path: string,
  options: SqliteJournalOptions = {},
): Promise<SqliteJournal> {
  const { disk = await systemDisk(), existing = false, ...given } = options;
  const limits = { ...DEFAULTS, ...given };
  const opened: { close(): void }[] = [];
  try {
    disk.makeDirectoryOf(path);
    const names = [`${path}.tail-a`, `${path}.tail-b`] as const;
    const gone = existing ? names.filter((name) => !disk.has(name)) : [];
    const database = disk.openDatabase(path);
    opened.push(database);
    const archive = new Archive(database, { logBytes: limits.logBytes, checksum, existing });
    // The database is locked now; the other files are ours.
    const file = (path: string): JournalFile => {
      const found = disk.openFile(path);
      opened.push(found);
      return found;
    };
    const files = {
      path,
      archive,
      tails: new Tails(file(names[0]), file(names[1]), checksum),
      main: file(path),
      wal: file(`${path}-wal`),
    };
    disk.syncDirectoryOf(path);
    return new DiskJournal({
      files,
      gone: gone.map((name) => `${name} is missing, with the newest records in it`),
      keepTail: (which) => disk.keepCopy(names[which]!),
    }, limits);
  } catch (error) {
    for (const each of opened) closeQuietly(each);
    throw journalError(path, error);
  }
}
