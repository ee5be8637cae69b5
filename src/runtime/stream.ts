/**
 * Owns reading what comes once and has no size: stdin, a pipe that a shell has made, a FIFO; and a module's file beside what it
 * imports, for as long as this process needs it.
 * Must not know what is read.
 * Invariant: never more is held than the bound, and no silence is waited out without end.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { joined } from "../base/bytes.ts";
import { systemClock } from "../base/clock.ts";
import { utf8Text } from "../base/utf8.ts";
import { sleep } from "../base/wait.ts";
import { promises } from "./builtin.ts";
import { passed, passing } from "./passing.ts";

/** Most bytes of a stream: 64 MiB. */
const MAX_STREAM_BYTES: number = 64 * 1024 * 1024;
/** Longest that a stream may be silent, milliseconds. */
const SILENCE_MS = 10 * 60_000;
/** How often a FIFO is asked, milliseconds: it can't be waited for without holding a thread for good. */
const ASK_MS = 20;
const CHUNK_BYTES = 64 * 1024;

/** The text of a stream to its end. @param path Of a FIFO or a device; `-` is stdin. */
export async function readStream(path: string): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of path === "-" ? stdinPieces() : fifoPieces(path)) {
    length += piece.length;
    if (length > MAX_STREAM_BYTES) {
      throw coded(
        "EFBIG",
        `it brings more than ${MAX_STREAM_BYTES} bytes: write it to a file, and name that`,
      );
    }
    pieces.push(piece);
  }
  return utf8Text(joined(pieces, length));
}

async function* stdinPieces(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { stdin } = process;
  const pieces = stdin[Symbol.asyncIterator]();
  try {
    for (;;) {
      let cancel = () => {};
      const late = new Promise<"late">((over) => cancel = systemClock.after(SILENCE_MS, () => over("late")));
      const next = await Promise.race([pieces.next(), late]).finally(() => cancel());
      if (next === "late") throw silent();
      if (next.done === true) return;
      yield new Uint8Array(next.value as Uint8Array);
    }
  } finally {
    stdin.destroy();
  }
}

async function* fifoPieces(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  // Without waiting: to open a FIFO, and to read one, would else last until somebody writes to it.
  const file = await promises().open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  // What a shell hands over has its writer already; to another FIFO one may come yet.
  let begun = /^\/(?:dev\/fd|proc)\//.test(path) || !(await file.stat()).isFIFO();
  try {
    for (let heard = systemClock.monotonic();;) {
      const piece = await pieceOf(file);
      if (piece !== undefined && piece.length > 0) {
        [begun, heard] = [true, systemClock.monotonic()];
        yield piece;
        continue;
      }
      if (piece !== undefined && begun) return;
      if (systemClock.monotonic() - heard > SILENCE_MS) throw silent();
      await sleep(systemClock, ASK_MS);
    }
  } finally {
    await file.close();
  }
}

type FileHandle = Awaited<ReturnType<ReturnType<typeof promises>["open"]>>;

/** What is there now; empty at the end, nothing where more may come. */
async function pieceOf(file: FileHandle): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(CHUNK_BYTES);
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, null);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
    if (code === "EAGAIN" || code === "EWOULDBLOCK" || name === "WouldBlock") return undefined;
    throw error;
  }
}

/**
 * A module in a file of its own in the working directory, so that its imports are found as those of any module there. It goes
 * with this process, or when it is removed.
 */
export async function passingModule(
  text: string,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = join(process.cwd(), `.outrider-stdin-${process.pid}.mts`);
  await promises().writeFile(path, text, { mode: 0o600, flag: "wx" });
  passing(path);
  const remove = async () => {
    await promises().rm(path, { force: true });
    passed(path);
  };
  return { path, remove };
}

function silent(): Error {
  return coded("ETIMEDOUT", `nothing has come for ${SILENCE_MS / 60_000} minutes`);
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
