/**
 * Owns the real disk and the real timers below the SQLite journal: `node:fs`, `node:sqlite`, in all three runtimes.
 * Must not know what is written.
 * Invariant: nothing else in journal/ imports from `node:`.
 */
import { Buffer } from "node:buffer";
import fs from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { clearTimeout, setTimeout } from "node:timers";
import { JournalError } from "../errors.ts";
import type { Checksum, Database, JournalClock, JournalDisk, JournalFile } from "./port.ts";

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
    makeDirectoryOf: (path) => void fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 }),
    has: (path) => fs.existsSync(path),
    openFile,
    openDatabase(path) {
      makeOurs(path);
      for (const beside of ["-wal", "-journal"]) mustBeFile(path + beside);
      return new DatabaseSync(path) as unknown as Database;
    },
    keepCopy,
    syncDirectoryOf,
  };
}

/** By the runtime: a loop of ours would cost as much as all else that is done for a record. */
export const checksum: Checksum = (text, before) => crc32(text, before);

/**
 * SQLite makes its file readable for all, and its others as it is. It must be made by a call that does not open one that is
 * there: to close that would let go of the locks that this process has on it.
 */
function makeOurs(path: string): void {
  try {
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error;
    mustBeFile(path);
    if ((fs.statSync(path).mode & 0o077) !== 0) fs.chmodSync(path, 0o600);
  }
}

/** Whoever opens or reads something else may wait for ever, or get bytes without end. */
function mustBeFile(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found === undefined && fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  if (found?.isFile()) return;
  throw new JournalError("CORRUPT", `${path} is no file: move it away to start anew, it is left as it is`);
}

function keepCopy(path: string): void {
  try {
    fs.copyFileSync(path, `${path}.damaged`);
  } catch {
    // A disk that is full, say.
  }
}

/** Short texts become bytes in here: no allocation for each. */
const SCRATCH = Buffer.allocUnsafe(1 << 16);
/** What a seal takes. */
const SEAL_BYTES = 10;

/** Writes the seal of the first bytes after them, by hand: as a text it would cost more than the checksum. */
function seal(bytes: Uint8Array, length: number): number {
  const sum = crc32(bytes.subarray(0, length));
  bytes[length] = 0x6b;
  for (let digit = 0; digit < 8; digit++) {
    const value = (sum >>> (28 - 4 * digit)) & 15;
    bytes[length + 1 + digit] = value + (value < 10 ? 0x30 : 0x57);
  }
  bytes[length + 9] = 0x0a;
  return length + SEAL_BYTES;
}

function openFile(path: string): JournalFile {
  mustBeFile(path);
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  return {
    read: () => fs.readFileSync(path),
    write(text, position, sealed = false) {
      // As bytes: Deno 2.9.6 takes no heed of the position of a string.
      const fits = text.length * 3 + SEAL_BYTES <= SCRATCH.length;
      const bytes = fits ? SCRATCH : Buffer.allocUnsafe(Buffer.byteLength(text) + SEAL_BYTES);
      let wanted = bytes.write(text);
      if (sealed) wanted = seal(bytes, wanted);
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
