/**
 * Owns what a worker may ask of the store and the events, over RPC.
 * Must not know how calls travel. It trusts nothing that arrives: a worker runs other people's code.
 * Invariant: arguments and results are plain data; a refusal is a `StoreError`, whose name and message cross the thread.
 */
import { StoreError } from "./errors.ts";
import type { Emitter, EventLog, EventPage } from "./events.ts";
import type { KeyPage } from "./keys.ts";
import type { SharedStore, StoreChange, StoredEntry } from "./store.ts";

/** Longest that one call waits, in milliseconds; who wants to wait longer asks again. */
export const MAX_POLL_MS = 10_000;

/** The store and the events as a worker sees them. Values are JSON text. */
export interface StoreService {
  get(key: string): Promise<StoredEntry | undefined>;
  set(key: string, value: string, options?: { ifVersion?: number; expiresInMs?: number }): Promise<number>;
  delete(key: string, options?: { ifVersion?: number }): Promise<boolean>;
  keys(prefix: string, cursor?: string): Promise<KeyPage>;
  increment(key: string, by: number): Promise<number>;
  compareAndSet(key: string, expected: string | undefined, value: string): Promise<boolean>;
  /** The key's change above version `since`, or `undefined` after `timeoutMs` (at most `MAX_POLL_MS`). */
  nextChange(key: string, since: number, timeoutMs: number): Promise<StoreChange | undefined>;
  emit(type: string, detail: string | undefined, from: Emitter): Promise<number>;
  /** The newest event's number. */
  lastEvent(): Promise<number>;
  /** Events of the type after `since`; an empty page after `timeoutMs` (at most `MAX_POLL_MS`). */
  nextEvents(type: string, since: number, timeoutMs: number): Promise<EventPage>;
}

/** What a service needs beside the store and the events. */
export interface StoreServiceOptions {
  /** Aborted when the worker is gone: its waits end. */
  readonly signal?: AbortSignal;
}

/**
 * The service for one worker, or for all.
 *
 * @returns An object of async functions, ready to be exposed by an RPC library.
 */
export function storeService(
  store: SharedStore,
  events: EventLog,
  options: StoreServiceOptions = {},
): StoreService {
  const { signal } = options;
  return {
    get: (key) => answer(() => store.get(key)),
    set: (key, value, write) => answer(() => store.set(key, value, writeOptions(write))),
    delete: (key, write) => answer(() => store.delete(key, writeOptions(write))),
    keys: (prefix, cursor) =>
      answer(() =>
        store.keys({
          prefix: text(prefix, "prefix"),
          ...(cursor !== undefined && { cursor: text(cursor, "cursor") }),
        })
      ),
    increment: (key, by) => answer(() => store.increment(key, by).value),
    compareAndSet: (key, expected, value) => answer(() => store.compareAndSet(key, expected, value)),
    nextChange: (key, since, timeoutMs) =>
      answer(() => store.wait(key, count(since, "since"), { timeoutMs: poll(timeoutMs), signal })),
    emit: (type, detail, from) => answer(() => events.emit(type, detail, emitter(from))),
    lastEvent: () => answer(() => events.last),
    nextEvents: (type, since, timeoutMs) =>
      answer(() =>
        events.next(text(type, "type"), count(since, "since"), { timeoutMs: poll(timeoutMs), signal })
      ),
  };
}

/** The work's answer; a refusal is a rejection and never thrown at the caller. */
async function answer<T>(work: () => T | Promise<T>): Promise<T> {
  return await work();
}

function writeOptions(options: unknown): { ifVersion?: number; expiresInMs?: number } {
  if (options === undefined) return {};
  if (options === null || typeof options !== "object") throw bad("options", "an object", options);
  const { ifVersion, expiresInMs } = options as Record<string, unknown>;
  return {
    ...(ifVersion !== undefined && { ifVersion: count(ifVersion, "ifVersion") }),
    ...(expiresInMs !== undefined && { expiresInMs: milliseconds(expiresInMs, "expiresInMs") }),
  };
}

function emitter(from: unknown): Emitter {
  if (from === null || typeof from !== "object") throw bad("from", "an attempt", from);
  const { task, iteration, attempt } = from as Record<string, unknown>;
  return {
    task: text(task, "task"),
    iteration: count(iteration, "iteration"),
    attempt: count(attempt, "attempt"),
  };
}

function text(value: unknown, what: string): string {
  if (typeof value === "string" && value.length <= 1024) return value;
  throw bad(what, "a string of at most 1,024 characters", value);
}

function count(value: unknown, what: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw bad(what, "an integer of at least 0", value);
}

function milliseconds(value: unknown, what: string): number {
  if (typeof value === "number" && value >= 0 && value < Infinity) return value;
  throw bad(what, "0 or more milliseconds", value);
}

function poll(value: unknown): number {
  return Math.min(milliseconds(value, "timeoutMs"), MAX_POLL_MS);
}

function bad(what: string, wanted: string, got: unknown): StoreError {
  const shown = typeof got === "number" || got === null ? String(got) : typeof got;
  return new StoreError("BAD_ARGUMENT", `${what} must be ${wanted}: ${shown}`);
}
