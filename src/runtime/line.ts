/**
 * Owns the line of a process that runs tasks to its executor, descriptor 3, as Node has it: what comes is heard in turns of
 * the event loop, what goes is written at once, so that nothing told is lost when the process is gone in the next moment.
 * Must not know what is said.
 * Invariant: a write returns when all of it is written, or throws.
 */
import fs from "node:fs";
import { net } from "./builtin.ts";

/** The descriptor. */
export const LINE = 3;

/** What hears of it. */
export interface LineListener {
  heard(bytes: Uint8Array): void;
  /** The other end is gone. */
  ended(): void;
}

/** Writes all of it to a descriptor. @throws {Error} If that can't be. */
export type WriteNow = (descriptor: number, bytes: Uint8Array) => void;

const { fstatSync, writeSync } = fs;
const { wait } = Atomics;
const never = new Int32Array(new SharedArrayBuffer(4));

/** The line, and what a process has open beside it. */
export interface OpenLine {
  readonly write: WriteNow;
  /** What a descriptor stands for; nothing if it is closed. */
  readonly fileOf: (descriptor: number) => string | undefined;
  /** Whether the descriptors of `node:fs` are those of the system. */
  readonly closesByFs: boolean;
}

/** Hears it by `node:net`, and writes to it as to a file. */
export function openLine({ heard, ended }: LineListener): OpenLine {
  const socket = new (net().Socket)({ fd: LINE, readable: true, writable: true });
  socket.on("data", heard);
  socket.on("close", ended);
  socket.on("error", () => {});
  return byFs;
}

function fileOf(descriptor: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(descriptor);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Writes by `node:fs`. */
function writeNow(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at, bytes.length - at);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EAGAIN") throw error;
      // Whoever reads has not read yet; nothing tells when.
      wait(never, 0, 0, 1);
    }
  }
}

/** Writes and looks by `node:fs`. */
export const byFs: OpenLine = { write: writeNow, fileOf, closesByFs: true };
