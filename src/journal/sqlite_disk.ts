/**
 * Owns the real disk and the real timers below the SQLite journal: `node:fs`, `node:sqlite`, in all three runtimes.
 * Must not know what is written.
 * Invariant: nothing else in journal/ imports from `node:`.
 */
import { Buffer } from "node:buffer";
import fs from "node:fs";
import { dirname } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import type { Database, JournalClock, JournalDisk, JournalFile } from "./disk.ts";

/** Timers of which none keeps the process alive. Their times are the journal's own, and short. */
export const idleTimers: JournalClock = {
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The real disk. SQLite is loaded here and not before: Node 22 warns about it. */
export async function systemDisk(): Promise<JournalDisk> {
  const { DatabaseSync } = await import("node:sqlite");
  return {
    makeDirectoryOf: (path) => void fs.mkdirSync(dirname(path), { recursive: true }),
    openFile,
    openDatabase: (path) => new DatabaseSync(path) as unknown as Database,
    syncDirectoryOf,
  };
}

/** Short texts become bytes in here: no allocation for each. */
const SCRATCH = Buffer.allocUnsafe(1 << 16);

function openFile(path: string): JournalFile {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  return {
    read: () => fs.readFileSync(path),
    write(text, position) {
      // As bytes: Deno 2.9.6 takes no heed of the position of a string.
      const fits = text.length * 3 <= SCRATCH.length;
      const bytes = fits ? SCRATCH : Buffer.from(text);
      const wanted = fits ? SCRATCH.write(text) : bytes.length;
      const written = fs.writeSync(fd, bytes, 0, wanted, position);
      if (written !== wanted) throw new Error(`ENOSPC: only ${written} of ${wanted} bytes were written`);
      return written;
    },
    truncate: (size) => fs.ftruncateSync(fd, size),
    sync: () => new Promise((resolve, reject) => fs.fsync(fd, (error) => error ? reject(error) : resolve())),
    close: () => fs.closeSync(fd),
  };
}

function syncDirectoryOf(path: string): void {
  try {
    const fd = fs.openSync(dirname(path), "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // Windows has no such thing, and there names are safe without it.
  }
}
