/**
 * Owns reading files that somebody else may have made: a program's value, pipelines, parameters, tokens.
 * Must not know what a file means.
 * Invariant: only regular files are read, and never more than was asked for: a FIFO does not hold up the reader, and an
 * endless file does not fill the memory.
 */
import { looseText, utf8Text } from "../base/utf8.ts";
import { close, constants, fstat, open, read, type Stats } from "node:fs";

/** Most bytes of a file where the reader names no bound. */
const MAX_FILE_BYTES: number = 256 * 1024 * 1024;
const CHUNK_BYTES: number = 64 * 1024;

/**
 * A file's text, UTF-8.
 *
 * @param form `loose`: what is not UTF-8 is replaced, for who only looks for something in it.
 * @throws {Error} If it can't be read, is no regular file, has more than `maxBytes`, or is not UTF-8.
 */
export async function readText(
  path: string,
  maxBytes: number = MAX_FILE_BYTES,
  form: "strict" | "loose" = "strict",
): Promise<string> {
  // Without waiting: to open a FIFO would else last until somebody writes to it.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  const file = await told<number>((done) => open(path, flags, done));
  try {
    const about = await told<Stats>((done) => fstat(file, done));
    if (about.isDirectory()) throw coded("EISDIR", "it is a folder");
    if (!about.isFile()) throw coded("EINVAL", "it is no regular file but a pipe, a socket or a device");
    if (about.size > maxBytes) throw tooLarge(`${about.size} bytes`, maxBytes);
    // As it is, so that what is written back is the same.
    const bytes = await readAll(file, about.size, maxBytes);
    return form === "strict" ? utf8Text(bytes) : looseText(bytes);
  } finally {
    await told<void>((done) => close(file, (error) => done(error, undefined)));
  }
}

/** What a call of `node:fs` tells. Its promises take longer to load than most files to read (builtin.ts). */
export function told<T>(
  ask: (done: (error: Error | null | undefined, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => ask((error, value) => error ? reject(error) : resolve(value)));
}

/** What is in the file now; its size is only a hint, since it may grow, and those of /proc have none. */
async function readAll(file: number, size: number, maxBytes: number): Promise<Uint8Array> {
  let bytes = new Uint8Array(size + 1);
  let length = 0;
  for (;;) {
    const bytesRead = await told<number>((done) =>
      read(file, bytes, length, bytes.length - length, null, done)
    );
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge("more", maxBytes);
    if (length === bytes.length) {
      const larger = new Uint8Array(Math.min(maxBytes + 1, 2 * length + CHUNK_BYTES));
      larger.set(bytes);
      bytes = larger;
    }
  }
}

function tooLarge(found: string, maxBytes: number): Error {
  return coded("EFBIG", `it has ${found}, and no more than ${maxBytes} bytes are read`);
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
