/**
 * Owns what a task gets: the types of `ctx`.
 * Must not know how any of it is carried out (workers/ and store/ do).
 * Invariant: it is the same on all runtimes.
 */
import type { FileReference, GivenFile } from "./file.ts";
import type { AttemptResult } from "./outcome.ts";
import type { Value } from "./value.ts";

/** Limits for a wait. */
export interface WaitOptions {
  /** Milliseconds, or a duration such as `"30s"`. Default `"30s"`. When it is over, the wait rejects with a `TimeoutError`. */
  readonly timeout?: number | string;
}

/** A value of the store with its version. Versions grow by one with each change of the key, over deletion too. */
export interface Entry<T = Value> {
  /** The key. */
  readonly key: string;
  /** What is kept under it. */
  readonly value: T;
  /** From 1. */
  readonly version: number;
}

/** Conditions and expiry for a write. */
export interface SetOptions {
  /** Write only if the key has this version; 0 means: only if there is none. Else a `ConflictError`. */
  readonly ifVersion?: number;
  /** The key is gone after this time: milliseconds, or a duration such as `"5m"`. Default: never. */
  readonly expiresIn?: number | string;
}

/** What all tasks of a run share. It reads like a `Map` whose methods are async. */
export interface Store {
  /** The value; `undefined` if there is no such key. */
  get<T = Value>(key: string): Promise<T | undefined>;
  /** The value with its version. */
  entry<T = Value>(key: string): Promise<Entry<T> | undefined>;
  /** Resolves to the new version. */
  set(key: string, value: Value, options?: SetOptions): Promise<number>;
  /** Whether there is such a key. */
  has(key: string): Promise<boolean>;
  /** Resolves to whether there was such a key. */
  delete(key: string, options?: { readonly ifVersion?: number }): Promise<boolean>;
  /** Keys that start with the prefix, in code unit order. */
  keys(prefix?: string): Promise<string[]>;
  /** Adds to a number (a missing key counts as 0); resolves to the sum. */
  increment(key: string, by?: number): Promise<number>;
  /** Sets `value` only if the present value equals `expected` (as JSON; `undefined` means: no such key); resolves to whether it did. */
  compareAndSet(key: string, expected: Value | undefined, value: Value): Promise<boolean>;
  /** The first value that satisfies the predicate, the present one included. Default: any value. */
  waitFor<T = Value>(key: string, predicate?: (value: T) => boolean, options?: WaitOptions): Promise<T>;
}

/** Something published by a task or by the executor. */
export interface EventRecord<T = Value> {
  /** From 1, without gaps, in order. */
  readonly id: number;
  /** What happened, in the emitter's words. */
  readonly type: string;
  /** What was given with it. */
  readonly detail?: T;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The task that emitted it; absent when the executor did. */
  readonly task?: string;
}

/** Events between tasks. They are numbered and kept, so one who asks late with `since` misses nothing. */
export interface Events {
  /** Resolves to the event's number. */
  emit(type: string, detail?: Value): Promise<number>;
  /** Events of the type (`"*"`: of all types) with a number above `since` (default: those emitted from now on). Ends with the attempt. */
  on<T = Value>(type: string, options?: { readonly since?: number }): AsyncIterable<EventRecord<T>>;
  /** The first such event. `since: 0` counts those already emitted. */
  once<T = Value>(type: string, options?: WaitOptions & { readonly since?: number }): Promise<EventRecord<T>>;
}

/**
 * Values that all executors of an experiment and its user share, through the gateway: for barriers between devices.
 *
 * Each call rejects where there is no gateway, and after 30 s in which it could not be reached. netUnicorn's gateway holds
 * strings and whole numbers only, and counts by one.
 */
export interface Flags {
  /** The value; `undefined` if there is no such flag. */
  get<T = Value>(name: string): Promise<T | undefined>;
  /** Sets the value, whatever it was. */
  set(name: string, value: Value): Promise<void>;
  /** Adds to a number (a missing flag counts as 0); resolves to the sum. Counted once, however bad the network. */
  increment(name: string, by?: number): Promise<number>;
  /** Subtracts from a number likewise. */
  decrement(name: string, by?: number): Promise<number>;
  /** The first value that satisfies the predicate, the present one included. Default: any value. A value between two others may be missed. */
  waitFor<T = Value>(name: string, predicate?: (value: T) => boolean, options?: WaitOptions): Promise<T>;
}

/**
 * Files that the run keeps: what is too large for a value, such as a capture. They are kept by the digest of their bytes,
 * read as streams, in the result by name, digest and size, and reported to the gateway after everything else.
 */
export interface TaskFiles {
  /**
   * Keeps a copy of a regular file as it is now. Resolves when the copy is on the disk, to a value that stands for it.
   *
   * Rejects with a `FileError` whose `code` says why: `FILE_NAME`, `FILE_MISSING`, `FILE_KIND`, `FILE_EXISTS`,
   * `FILE_TOO_LARGE`, `FILES_FULL`, `FILE_DISK_FULL`, `FILE_ENDED` or `FILE`. Then nothing is kept.
   *
   * @param path Relative to the working directory.
   */
  keep(path: string, options?: KeepOptions): Promise<FileReference>;
  /** The files that a task's last attempt with any has kept so far, with paths to read them at. Empty: none. */
  of(task: string): Promise<readonly GivenFile[]>;
  /** Where a file of this run that another task has kept can be read. Rejects if the run keeps no such file. */
  path(file: FileReference): Promise<string>;
}

/** How a file is kept. */
export interface KeepOptions {
  /** What it is called; no path, at most 200 bytes. Default: the last part of its path. */
  readonly name?: string;
}

/** Writes to the combined log. Arguments are formatted as by `console.log`. */
export interface Logger {
  /** For those who look for a mistake. */
  debug(...args: unknown[]): void;
  /** What is going on. */
  info(...args: unknown[]): void;
  /** What may become a problem. */
  warn(...args: unknown[]): void;
  /** What went wrong. */
  error(...args: unknown[]): void;
  /** What ends the work. */
  critical(...args: unknown[]): void;
}

/** What a task's function is given. */
export interface TaskContext<
  Inputs = Readonly<Record<string, Value>>,
  Params = Readonly<Record<string, Value>>,
  Item = undefined,
> {
  /** Values of the tasks needed, by the key given to the need; absent where the need has no value. Each task gets copies of its own. */
  readonly inputs: Inputs;
  /** The task's `params`, with those given to the run laid over them. */
  readonly params: Params;
  /** All outcomes so far, by task, fetched when asked for. */
  previous(): Promise<Readonly<Record<string, readonly AttemptResult[]>>>;
  /** What all tasks of the run share. */
  readonly store: Store;
  /** Events between the tasks of the run. */
  readonly events: Events;
  /** What all executors of the experiment share, through the gateway. */
  readonly flags: Flags;
  /** Files that the run keeps. */
  readonly files: TaskFiles;
  /** Writes to the combined log. */
  readonly log: Logger;
  /** Aborted at the timeout and when the run is cancelled; pass it to `fetch` and the like. */
  readonly signal: AbortSignal;
  /** Shows how far the task is. @param fraction 0 to 1. */
  progress(fraction: number, text?: string): void;
  /**
   * Ends the attempt as `skipped`, by throwing: there is nothing to do. It is no failure, and is not tried again.
   *
   * @param reason In words a person can act on, 1 to 1,000 characters.
   */
  skip(reason: string): never;
  /** The item that a mapped task is run for, as in `inputs`. */
  readonly item: Item;
  /** Which item of the list that is, from 0. */
  readonly index: Item extends undefined ? undefined : number;
  /** The task's name. */
  readonly task: string;
  /** The run's id. */
  readonly run: string;
  /** From 0; higher in a loop. */
  readonly iteration: number;
  /** From 1. */
  readonly attempt: number;
}
