/**
 * Owns the port to the disk below the SQLite journal, so that a test can be a disk that fails.
 * Must not know what is written.
 * Invariant: what was written and not synced may be gone after a power cut; nothing else may.
 */

/** A file of bytes. Every method but `close` may throw. */
export interface JournalFile {
  /** All of it. */
  read(): Uint8Array;
  /**
   * Hands the text to the system, whole, at the byte position; returns the number of bytes.
   *
   * @param sealed A line follows it, with its checksum: `k` and 8 hexadecimal digits.
   */
  write(text: string, position: number, sealed?: boolean): number;
  /** Cuts the file. */
  truncate(size: number): void;
  /** Resolves when what was written before is on the disk. It does not block the thread. */
  sync(): Promise<void>;
  close(): void;
}

/** A number that changes when a text, or its UTF-8 bytes, do: CRC-32. @param before The number of what comes before it. */
export type Checksum = (text: string | Uint8Array, before?: number) => number;

/** A statement of SQL; `node:sqlite` has this shape. */
export interface Statement {
  run(...values: (string | number)[]): unknown;
  all(...values: (string | number)[]): Record<string, unknown>[];
}

/** A database; `node:sqlite` has this shape. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** A disk. All that is made on it is for this user alone. */
export interface JournalDisk {
  /** Makes the directory of the path, where there is none. */
  makeDirectoryOf(path: string): void;
  /** Whether there is a file. */
  has(path: string): boolean;
  /** Opens a file to read and write, made where there is none. */
  openFile(path: string): JournalFile;
  openDatabase(path: string): Database;
  /** Keeps a copy of a file that could not be read whole, beside it; what fails of that is nobody's business. */
  keepCopy(path: string): void;
  /** Makes the names of new files in the path's directory survive a power cut. */
  syncDirectoryOf(path: string): void;
}

/** What the journal asks of time. */
export interface JournalClock {
  /** Calls `fn` once after `ms` milliseconds, without keeping the process alive for it; returns what cancels it. */
  after(ms: number, fn: () => void): () => void;
}
