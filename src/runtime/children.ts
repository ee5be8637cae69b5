/**
 * Owns the processes that a task's code starts, by whichever interface of the runtime: each gets the thread's mark, what it
 * would print past us is read instead, and none outlives its attempt.
 * Must not know attempts, what becomes of what is read, nor the interfaces of the runtimes (NAME/children.ts do).
 * Invariant: who starts no process pays nothing; a way to start one that can't be stepped into goes on as it is
 * (docs/runtimes.md has them).
 */
import { within } from "../base/wait.ts";
import { systemClock } from "../base/clock.ts";
import fs from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { MARK, stopOffspring } from "./offspring.ts";

type StreamName = "stdout" | "stderr";

/** What is needed of the thread. */
export interface ChildrenPort {
  /** All marks, for the environment. */
  readonly marks: string;
  /** The thread's own. */
  readonly mark: string;
  /** Variables of the thread alone. */
  readonly environment: Readonly<Record<string, string>>;
  /** A process is about to be started. */
  started(): void;
  /** None is left. */
  cleared(): void;
  /** A function that tells what is read as the present code's. */
  writer(): (stream: StreamName, chunk: Uint8Array) => void;
}

/** Where a child's stream would lead if it were inherited. */
export type Inherited = readonly (readonly [at: number, to: StreamName])[];

/** Most that is read of what a synchronous child has printed, bytes. */
const MAX_SYNC_BYTES: number = 64 * 1024 * 1024;
const CHUNK_BYTES: number = 64 * 1024;
/** How long it is waited for the last output of children that are gone, milliseconds. */
const DRAIN_MS = 1_000;

/** Names of a child's streams. */
export const CHILD_STREAMS = ["stdout", "stderr"] as const;

const { openSync, closeSync, rmSync, readSync, fstatSync } = fs;

/** The children of one thread. */
export class Children {
  readonly #port: ChildrenPort;
  readonly #reading: Set<Promise<void>> = new Set();
  #some = false;
  #clearing: Promise<boolean> | undefined;
  #files = 0;

  constructor(port: ChildrenPort) {
    this.#port = port;
    // The thread's own copy: what starts a process in a way that is not known here marks it all the same.
    process.env[MARK] = port.marks;
  }

  get marks(): string {
    return this.#port.marks;
  }

  /** Variables that the thread has and the process has not. */
  get environment(): Readonly<Record<string, string>> {
    return this.#port.environment;
  }

  /** Stops what is left of them, and reads what they have printed; nothing if none was started. */
  clear(): Promise<boolean> | undefined {
    if (!this.#some) return this.#clearing;
    this.#some = false;
    return this.#clearing ??= this.#clear();
  }

  async #clear(): Promise<boolean> {
    const some = await stopOffspring(this.#port.mark);
    if (this.#reading.size > 0) {
      await within(systemClock, DRAIN_MS, Promise.all(this.#reading));
    }
    this.#clearing = undefined;
    if (!this.#some) this.#port.cleared();
    return some;
  }

  /** To be called before a process is started. */
  begin(): void {
    this.#some = true;
    this.#port.started();
  }

  /** An environment with the marks. @param env Default: the thread's. */
  marked(env: unknown): Record<string, unknown> {
    return { ...(env ?? process.env) as object, [MARK]: this.#port.marks };
  }

  /** Reads a stream of a child as the present code's. @param read Calls what it is given with each piece, until the end. */
  read(to: StreamName, read: (piece: (chunk: Uint8Array) => void) => Promise<unknown>): void {
    const write = this.#port.writer();
    // What breaks off has gone with the child.
    const reading: Promise<void> = read((chunk) => write(to, chunk)).then(() => {}, () => {});
    this.#reading.add(reading);
    void reading.finally(() => this.#reading.delete(reading));
  }

  /** Tells what a child has printed as the present code's. */
  write(to: StreamName, chunk: Uint8Array): void {
    this.#port.writer()(to, chunk);
  }

  /**
   * Starts a synchronous child. What it would inherit becomes a file that is read when it has ended: a pipe would have to be
   * read until the last process that holds it is gone, and this thread can do nothing else meanwhile.
   *
   * @param start Starts it, with what is to be in the place of a stream that would be inherited; `undefined`: nothing is.
   */
  atOnce<T>(start: (instead: (to: StreamName) => number | undefined) => T): T {
    this.begin();
    const files: { readonly file: number; readonly to: StreamName }[] = [];
    try {
      return start((to) => {
        const file = this.#unnamed();
        if (file !== undefined) files.push({ file, to });
        return file;
      });
    } finally {
      for (const each of files) this.#readFile(each);
    }
  }

  /** A file that only we can reach; nothing if there can't be one. */
  #unnamed(): number | undefined {
    try {
      const name = `outrider-${process.pid}-${++this.#files}-${Math.random().toString(36).slice(2)}`;
      const path = `${tmpdir()}/${name}`;
      const file = openSync(path, "ax+", 0o600);
      rmSync(path);
      return file;
    } catch {
      return undefined;
    }
  }

  #readFile({ file, to }: { readonly file: number; readonly to: StreamName }): void {
    const write = this.#port.writer();
    try {
      const size = Math.min(MAX_SYNC_BYTES, fstatSync(file).size);
      for (let at = 0; at < size;) {
        const bytes = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
        const length = readSync(file, bytes, 0, bytes.length, at);
        if (length === 0) break;
        write(to, bytes.subarray(0, length));
        at += length;
      }
    } finally {
      closeSync(file);
    }
  }
}

/** A child's streams with something else in the place of those that would be inherited. */
export function captured(
  given: unknown,
  instead: (to: StreamName) => unknown,
): { readonly stdio: unknown; readonly inherited: Inherited } {
  const listed = Array.isArray(given)
    ? [...given]
    : given === "inherit"
    ? ["inherit", "inherit", "inherit"]
    : [];
  const inherited: [number, StreamName][] = [];
  for (const at of [1, 2]) {
    const to = streamOf(listed[at], at);
    const other = to && instead(to);
    if (to === undefined || other === undefined) continue;
    inherited.push([at, to]);
    listed[at] = other;
  }
  return { stdio: inherited.length === 0 ? given : listed, inherited };
}

/** Which stream of ours a child's stream would be: one that is inherited, its descriptor, or an object that has that. */
function streamOf(what: unknown, at: number): StreamName | undefined {
  const file = what === "inherit"
    ? at
    : typeof what === "number"
    ? what
    : (what as { readonly fd?: unknown } | null | undefined)?.fd;
  return file === 1 ? "stdout" : file === 2 ? "stderr" : undefined;
}
