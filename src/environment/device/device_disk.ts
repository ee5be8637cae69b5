/**
 * Owns what a device's folder is asked for. Types only.
 * Must not know which disk is behind it: a test has one that loses what was not yet written for good.
 */

import type { Bytes } from "../../base/bytes.ts";

/** The files that a device keeps. Paths have `/` between folders. */
export interface DeviceDisk {
  /** A file's text. @throws {Error} With the code ENOENT if there is none. */
  readText(path: string, maxBytes: number): Promise<string>;
  /** Writes a file whole, and for good: when this resolves, neither a kill nor a power cut takes it back. */
  writeText(path: string, text: string): Promise<void>;
  /** Names in a folder; none if it is not there. */
  list(folder: string): Promise<string[]>;
  makeFolder(path: string): Promise<void>;
  /** Removes a file, or a folder with all that is in it; nothing if there is none. */
  remove(path: string): Promise<void>;
  /** Gives a file another name, for good. */
  rename(from: string, to: string): Promise<void>;
  /** Size of a file in bytes; 0 if there is none. */
  sizeOf(path: string): Promise<number>;
  /** Writes behind what is in a file, which may be started, for good when it resolves; what came before an error stays. */
  append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Bytes of a file from a place on: so many, or fewer where it ends. */
  read(path: string, at: number, most: number): Promise<Bytes>;
  /** SHA-256 of a file, lower-case hexadecimal; nothing if there is none. */
  digestOf(path: string): Promise<string | undefined>;
}
