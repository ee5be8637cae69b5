/**
 * Owns what a kept file is called and known by: its name, the digest of its bytes, how many they are.
 * Must not know where it is kept, nor who sends it.
 * Invariant: a name that passes here is one name in any folder, on any system, and says nothing of a path.
 */
import type { FileErrorCode } from "./error_code.ts";

/** A file that is kept. A type alias, so that it is a value of a task's too. */
export type KeptFile = {
  /** What it is called; see `fileNameProblem`. */
  readonly name: string;
  /** SHA-256 of its bytes, lower-case hexadecimal. */
  readonly sha256: string;
  /** How many bytes it has. */
  readonly bytes: number;
};

/** A kept file as a value: what `ctx.files.keep` gives, to be returned or put into the store. Its bytes are never in it. */
export type FileReference = {
  /** The file that is meant. */
  readonly $file: KeptFile;
};

/** A kept file that a task was given. */
export interface GivenFile extends KeptFile {
  /** Which item of a mapped task has kept it. */
  readonly item?: number;
  /** Where it can be read until the run ends; it is not to be changed there. */
  readonly path: string;
}

/** A file that was to be kept and was not. */
export interface RefusedFile {
  /** What it was called, shortened where it is too long for a name. */
  readonly name: string;
  /** Why, in words. */
  readonly because: string;
}

/** What can't be kept, or given. */
export class FileError extends Error {
  /** Always this. */
  override name = "FileError";
  /** Why, for programs. */
  readonly code: FileErrorCode;

  /** Says why, in words and by a code. */
  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Longest name of a file, bytes of UTF-8: file systems take 255, and what is downloaded may get a suffix. */
export const MAX_FILE_NAME_BYTES = 200;
/** Files of one run at the most. */
export const MAX_FILES = 10_000;

/** Digests as they are written. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

/** Separators of paths, and what is not shown. */
const BAD = /[/\\]|\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u;
/** Why a file can't be called so, in words; nothing if it can. */
export function fileNameProblem(name: unknown): string | undefined {
  if (typeof name !== "string" || name === "") return "a file needs a name";
  if (new TextEncoder().encode(name).length > MAX_FILE_NAME_BYTES) {
    return `its name is longer than ${MAX_FILE_NAME_BYTES} bytes`;
  }
  if (!name.isWellFormed()) return "its name is not well-formed Unicode";
  if (BAD.test(name)) return "its name has a / or \\ or a character that is not shown";
  return name === "." || name === ".." ? "its name is a folder's" : undefined;
}

/** Whether something that came from elsewhere is a kept file. */
export function isKeptFile(value: unknown): value is KeptFile {
  const { name, sha256, bytes } = (value ?? {}) as Partial<Record<keyof KeptFile, unknown>>;
  return fileNameProblem(name) === undefined && typeof sha256 === "string" && SHA256.test(sha256) &&
    Number.isSafeInteger(bytes) && (bytes as number) >= 0;
}
