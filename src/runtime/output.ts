/**
 * Owns what this program prints on stdout and stderr.
 * Must not know who prints, nor what.
 * Invariant: what is printed leaves in order, and harmless; once the reader has gone away nothing more is printed and nothing
 * thrown.
 */
import { fstatSync, type Stats } from "node:fs";
import { platform } from "node:os";
import process from "node:process";
import { systemClock } from "../base/clock.ts";
import { printing } from "../base/harmless.ts";
import { sleep } from "../base/wait.ts";
import type { Output } from "./port.ts";

/** An output, and a promise of the moment at which all that was written to it has left. */
interface Draining extends Output {
  drained(): Promise<void>;
  /** Why something could not be written, if that is so; a reader that has gone away is no reason. */
  readonly lost: unknown;
}

/** Characters of pieces after which it is waited until they are read. */
const PIECES = 262_144;

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;

/** Writes as much as there is room for, without holding up this thread; resolves to how many bytes that was. */
export type WriteSome = (descriptor: 1 | 2, bytes: Uint8Array) => Promise<number>;

/** Where an output leads. */
interface Way {
  readonly isTTY: boolean;
  /** Asked of the terminal itself: what a stream knows is only as new as the last resize that was told. */
  size(): readonly [columns: number | undefined, rows: number | undefined];
  /** Takes one text after the other, also before the one before it has left. */
  write(text: string, left: (error?: Error | null) => void): void;
}

/**
 * An output. It is opened with the first use of it, since that costs time at the start. What is written in one turn leaves in one
 * piece at its end: that is cheaper, and what the turn put into a journal is on disk before anybody sees it told.
 *
 * @param writeSome Writes to what is no terminal without the runtime's stream, which takes 10 ms to open on some.
 */
export function output(name: "stdout" | "stderr", writeSome?: WriteSome): Draining {
  let closed = false;
  let turn = "";
  let pending = 0;
  /** Who waits until nothing is on its way. */
  let waiting: (() => void)[] = [];
  const settle = () => {
    const all = waiting;
    waiting = [];
    for (const done of all) done();
  };
  let lost: unknown;
  const close = (error: unknown) => {
    closed = true;
    if ((error as { readonly code?: unknown }).code !== "EPIPE") lost ??= error;
    settle();
  };
  const left = (error?: Error | null) => {
    if (error) close(error);
    else if (--pending === 0) settle();
  };
  let opened: Way | undefined;
  const way = () =>
    opened ??= writeSome !== undefined && isPlain(DESCRIPTORS[name])
      ? descriptorWay((bytes) => writeSome(DESCRIPTORS[name], bytes))
      : streamWay(process[name], close);
  const leave = () => {
    const text = turn;
    turn = "";
    try {
      way().write(text, left);
    } catch (error) {
      close(error);
    }
  };
  const print = (text: string) => {
    if (closed || text === "") return;
    if (turn === "") {
      pending++;
      queueMicrotask(leave);
    }
    turn += text;
  };
  const drained = () =>
    new Promise<void>((done) => pending === 0 || closed ? done() : void waiting.push(done));
  const printer = printing(print);
  return {
    ...printer,
    async jsonPieces(pieces) {
      let length = 0;
      for (const piece of pieces) {
        printer.json(piece);
        if ((length += piece.length) < PIECES) continue;
        length = 0;
        await drained();
        if (closed) return;
      }
      await drained();
    },
    drained,
    get lost() {
      return lost;
    },
    get isTTY() {
      return way().isTTY;
    },
    get columns() {
      return way().size()[0] || 80;
    },
    get rows() {
      return way().size()[1] || 24;
    },
  };
}

function streamWay(stream: NodeJS.WriteStream, failed: (error: unknown) => void): Way {
  stream.on("error", failed);
  return {
    isTTY: stream.isTTY === true,
    size: () => stream.isTTY ? stream.getWindowSize() : [stream.columns, stream.rows],
    write: (text, left) => void stream.write(text, left),
  };
}

/** Whether a descriptor leads to what can't be a terminal. */
function isPlain(descriptor: number): boolean {
  try {
    const about = fstatSync(descriptor);
    return about.isFile() || about.isFIFO() || about.isSocket() || isMemory(about);
  } catch {
    return false;
  }
}

/** `/dev/null` and the like: Linux numbers the devices of the memory 1. */
function isMemory(about: Stats): boolean {
  return about.isCharacterDevice() && platform() === "linux" && about.rdev >> 8 === 1;
}

/** How soon it is tried again where a reader has left no room, milliseconds; a descriptor that does not wait says so. */
const FULL_MS = 10;

/** One write at a time. */
function descriptorWay(writeSome: (bytes: Uint8Array) => Promise<number>): Way {
  const encoder = new TextEncoder();
  let before = Promise.resolve();
  const writeAll = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) {
      try {
        at += await writeSome(bytes.subarray(at));
      } catch (error) {
        if (!isFull(error)) throw error;
        await sleep(systemClock, FULL_MS);
      }
    }
  };
  return {
    isTTY: false,
    size: () => [undefined, undefined],
    write(text, left) {
      before = before.then(() => writeAll(encoder.encode(text))).then(() => left(), left);
    },
  };
}

/** Codes of Node and Bun, a name of Deno. */
function isFull(error: unknown): boolean {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return code === "EAGAIN" || name === "WouldBlock";
}
