/**
 * Owns threads made with `node:worker_threads`, which all three runtimes have.
 * Must not know what the program in the thread does, except that it holds the lock it is told to hold.
 * Invariant: `onEnd` is called once, and only when the thread is gone; `gone` says how that is known.
 */
import { sleep, within } from "../base/wait.ts";
import { Buffer } from "node:buffer";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { needDescriptors } from "./descriptors.ts";
import { guard } from "./guard.ts";
import { marksWith, newMark, OURS } from "./marks.ts";
import { STARTED, stopOffspring } from "./offspring.ts";
import { passing } from "./passing.ts";
import { END, STRAY, type Thread, type ThreadData, type ThreadEnd, type ThreadOptions } from "./port.ts";

/** What differs between the runtimes. */
export interface Ways {
  /** Resolves when a thread that has sent `exit` is proven gone. Default: the event's word is taken. */
  readonly gone?: (lock: string) => Promise<void>;
  /** How long a thread gets to end itself before it is terminated, in milliseconds. Default: it is not asked. */
  readonly itself?: {
    /** One that has not told anything yet: it is still loading its program. */
    readonly startingMs: number;
    /** One that has; it may be stuck. */
    readonly runningMs: number;
  };
  /** Where the runtime keeps what it compiles, so that a thread does so too. Default: it sees to that by itself. */
  readonly compiled?: () => string | undefined;
}

/** File descriptors that a thread needs to start. */
const DESCRIPTORS = 12;
/** How long a thread that could not be started seems to be there, so that not one after the other is tried, milliseconds. */
const UNSTARTED_MS = 200;

/** How often a thread that is to end is looked at for processes that hold it up, milliseconds. */
const HELD_UP_MS = 50;

/** The file of a program that was given as text; stacks and messages tell by it what is ours (workers/stacks.ts). */
const PROGRAM = "outrider-worker.mjs";

let count = 0;

/** Starts a thread from a file, or from source, so that an executable needs no file beside it. */
export function startWorkerThread(options: ThreadOptions, ways: Ways = {}): Thread {
  const { gone, itself, compiled } = ways;
  try {
    needDescriptors(DESCRIPTORS);
  } catch (error) {
    return unstarted(error);
  }
  const { worker, port, lock, mark, children } = spawned(options, compiled?.());
  let end: ThreadEnd = { memory: false };
  const ended = Promise.withResolvers<void>();
  let started = false;
  let over = false;
  /** A thread that waits for a child, as `execSync` does, can't end before the child. */
  const freed = async () => {
    while (!over) {
      await stopOffspring(mark);
      await sleep(systemClock, HELD_UP_MS);
    }
  };
  const early: unknown[] = [];
  let hear: (message: unknown) => void = (message) => early.push(message);
  port.on("message", (message: unknown) => {
    started = true;
    if (message === STARTED) guard.watch(OURS);
    else hear(message);
  });
  port.on("messageerror", () => hear(STRAY));
  // It is the thread that keeps the process alive.
  port.unref();
  worker.on("message", () => hear(STRAY));
  worker.on("error", (error: unknown) => {
    end = { ...end, memory: isMemory(error), error };
  });
  worker.on("messageerror", () => hear(STRAY));
  worker.on("exit", async (code: number) => {
    makeRoom(-1);
    end = { ...end, code };
    await gone?.(lock);
    over = true;
    port.close();
    if (Atomics.load(children, 0) === 1) await stopOffspring(mark);
    ended.resolve();
  });
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as never),
    onMessage: (listener) => {
      // What the thread has told already comes first, but not while whoever listens is still being made.
      queueMicrotask(() => {
        for (const message of early.splice(0)) listener(message);
        hear = listener;
      });
    },
    onEnd: (listener) => void ended.promise.then(() => listener(end)),
    terminate: async () => {
      // First: Deno kills the children of a thread that ends, and theirs can be told only as long as those are there.
      if (Atomics.load(children, 0) === 1) void freed();
      if (itself !== undefined) {
        port.postMessage(END);
        await within(systemClock, started ? itself.runningMs : itself.startingMs, ended.promise);
      }
      await worker.terminate();
      await ended.promise;
    },
    ref: (on) => on ? worker.ref() : worker.unref(),
  };
}

/** A thread as the runtime has it, with what it shares with us. */
interface Spawned {
  readonly worker: Worker;
  /** The port by which its program is heard. */
  readonly port: MessageChannel["port1"];
  readonly lock: string;
  readonly mark: string;
  /** See `ThreadData`. */
  readonly children: Int32Array;
}

function spawned(options: ThreadOptions, compiled: string | undefined): Spawned {
  const lock = `outrider-thread-${++count}-${Math.random().toString(36).slice(2)}`;
  const mark = newMark();
  const children = new Int32Array(new SharedArrayBuffer(4));
  // The port that every module of a thread can reach is not the one that its program listens to.
  const { port1: port, port2 } = new MessageChannel();
  makeRoom(1);
  const worker = new Worker("file" in options ? new URL(options.file) : urlOf(options.code), {
    workerData: {
      lock,
      data: options.data,
      port: port2 as unknown as globalThis.MessagePort,
      mark,
      marks: marksWith(mark),
      environment: options.environment ?? {},
      children,
      compiled,
    } satisfies ThreadData,
    transferList: [port2],
    ...(options.memoryMiB === undefined
      ? {}
      : { resourceLimits: { maxOldGenerationSizeMb: options.memoryMiB } }),
  });
  return { worker, port, lock, mark, children };
}

/** Threads that the outputs have room for as they are. */
const ROOM = 5;

let threads = 0;

/**
 * Node leads what threads print past us to its own outputs, and warns of a leak when there are more of them than ten. The first
 * few need no room, and to open the outputs before there is a thread would hold up the start, on Bun and Deno for 10 ms.
 */
function makeRoom(more: 1 | -1): void {
  threads += more;
  if (Math.max(threads, threads - more) <= ROOM) return;
  for (const stream of [process.stdout, process.stderr]) {
    const most = stream.getMaxListeners?.() ?? 0;
    if (most > 0) stream.setMaxListeners(most + more);
  }
}

/** A thread that has ended before it began. */
function unstarted(error: unknown): Thread {
  const over = Promise.withResolvers<void>();
  const cancel = systemClock.after(UNSTARTED_MS, over.resolve);
  return {
    postMessage() {},
    onMessage() {},
    onEnd: (listener) => void over.promise.then(() => listener({ memory: false, error })),
    terminate() {
      cancel();
      over.resolve();
      return over.promise;
    },
    ref() {},
  };
}

let last: { readonly code: string; readonly url: URL; readonly path?: string } | undefined;

/** Where the program is, made once: every worker runs the same one. */
function urlOf(code: string): URL {
  if (last?.code === code && (last.path === undefined || existsSync(last.path))) return last.url;
  last = asFile(code) ?? { code, url: encoded(code) };
  return last.url;
}

/** The program in a file of its own, if there can be one: Deno starts it in two thirds of the time, and Node in nine tenths. */
function asFile(code: string): typeof last {
  try {
    const folder = mkdtempSync(join(tmpdir(), "outrider-"));
    passing(folder);
    const path = join(folder, PROGRAM);
    writeFileSync(path, code, { mode: 0o400 });
    return { code, url: pathToFileURL(path), path };
  } catch {
    return undefined;
  }
}

function encoded(code: string): URL {
  // In base64, as Bun takes what stands behind a dot for a file's extension.
  return new URL(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}

function isMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message } = error as { readonly code?: unknown; readonly message: unknown };
  return code === "ERR_WORKER_OUT_OF_MEMORY" ||
    typeof message === "string" && /heap|out of memory/i.test(message);
}
