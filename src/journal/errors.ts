/**
 * Owns the errors of a journal on disk, and what SQLite's and the system's errors mean for it.
 * Must not know when they are thrown.
 * Invariant: the message says which file, and what a person can do.
 */
import type { JournalErrorCode } from "../model/error_code.ts";
import { messageOf } from "../base/message.ts";

/** A journal that can't be opened or read. */
export class JournalError extends Error {
  override name = "JournalError";
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** By words of the message: the only thing that all runtimes have in common. The first that matches counts. */
const KINDS: readonly (readonly [RegExp, JournalErrorCode, string])[] = [
  [
    /is locked|SQLITE_BUSY/i,
    "LOCKED",
    "another process has it open: stop that one, or give this one a state directory of its own",
  ],
  [/full|ENOSPC|EDQUOT/i, "DISK_FULL", "the disk is full: free some space"],
  [
    /readonly|EROFS|EACCES|EPERM|unable to open|permission/i,
    "NOT_WRITABLE",
    "it can't be written: give the user who runs this the right to write there, or choose another state directory",
  ],
  [
    /not a database|malformed|no such (table|column)|JSON/i,
    "CORRUPT",
    "it is damaged or no journal: move it away to start anew, it is left as it is",
  ],
];

const OTHER: (typeof KINDS)[number] = [
  /./,
  "DISK",
  "the disk refuses it: check the disk, or choose another state directory",
];

/** The journal's error for whatever was thrown. */
export function journalError(path: string, error: unknown): JournalError {
  if (error instanceof JournalError) return error;
  const message = messageOf(error);
  const [, code, advice] = KINDS.find(([words]) => words.test(message)) ?? OTHER;
  return new JournalError(code, `The journal ${path} can't be used (${message}), ${advice}`, {
    cause: error,
  });
}
