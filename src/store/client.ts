/**
 * Owns the store and the events as a task sees them, inside a worker, on top of RPC.
 * Must not know how calls travel, nor anything of the main thread but types.
 * Invariant: every wait ends: by what is waited for, by its time, or with the attempt.
 */
import { WAIT_MS } from "../defaults.ts";
import { unlessAborted } from "../base/wait.ts";
import { max, min } from "../base/primordials.ts";
import type { Entry, EventRecord, Events, SetOptions, Store, WaitOptions } from "../model/context.ts";
import { parseDuration } from "../model/duration.ts";
import { decode, encode, type Value } from "../model/value.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { revive, StoreError, TimeoutError } from "./errors.ts";
import type { Emitter, EventPage, StoredEvent } from "./events.ts";
import type { StoreService } from "./rpc.ts";

/** How long one call waits, in milliseconds. */
const POLL_MS = 10_000;

/** What the clients of one attempt share. */
export interface ClientOptions {
  /** The attempt's signal: when it is aborted, waits reject with its reason and iterations end. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** `ctx.store`. */
export function storeClient(remote: StoreService, options: ClientOptions): Store {
  const entry = async <T>(key: string): Promise<Entry<T> | undefined> => {
    const found = await call(remote.get(key));
    return found && { key, value: decode(found.value) as T, version: found.version };
  };
  return {
    entry,
    get: async <T>(key: string) => (await entry<T>(key))?.value,
    has: async (key) => await call(remote.get(key)) !== undefined,
    set: async (key, value, write) => await call(remote.set(key, textOf(value, key), writeOptions(write))),
    delete: async (key, write = {}) => await call(remote.delete(key, write)),
    keys: async (prefix = "") => await allKeys(remote, prefix),
    increment: async (key, by = 1) => await call(remote.increment(key, by)),
    compareAndSet: async (key, expected, value) =>
      await call(remote.compareAndSet(key, encode(expected, key), textOf(value, key))),
    waitFor: async <T>(key: string, predicate?: (value: T) => boolean, wait?: WaitOptions) =>
      await waitFor(remote, { key, predicate: predicate ?? (() => true), ...options, ...wait }),
  };
}

/** `ctx.events`. @param from The attempt. */
export function eventsClient(remote: StoreService, from: Emitter, options: ClientOptions): Events {
  return {
    emit: async (type, detail) => await call(remote.emit(type, encode(detail, `${type} detail`), from)),
    on: (type, which = {}) => eventsOn(remote, type, { ...options, ...which }),
    once: async (type, which = {}) => await once(remote, type, { ...options, ...which }),
  };
}

interface WaitFor<T> extends ClientOptions, WaitOptions {
  readonly key: string;
  readonly predicate: (value: T) => boolean;
}

async function waitFor<T>(remote: StoreService, options: WaitFor<T>): Promise<T> {
  const { key, predicate, signal } = options;
  const limit = timeLimit(options, `The store's ${JSON.stringify(key)} has not become what was waited for`);
  try {
    // One look is always taken, however short the time.
    let change = await unlessAborted(signal, remote.nextChange(key, 0, 0));
    for (let since = 0;;) {
      if (change?.value !== undefined) {
        const value = decode(change.value) as T;
        if (predicate(value)) return value;
      }
      since = change?.version ?? since;
      change = await unlessAborted(limit.signal, remote.nextChange(key, since, limit.pollMs()));
    }
  } finally {
    limit.end();
  }
}

async function once<T>(
  remote: StoreService,
  type: string,
  options: ClientOptions & WaitOptions & { readonly since?: number },
): Promise<EventRecord<T>> {
  const { signal } = options;
  const limit = timeLimit(options, `No event ${JSON.stringify(type)} has been emitted`);
  try {
    let since = options.since ?? await unlessAborted(signal, remote.lastEvent());
    let page = await unlessAborted(signal, remote.nextEvents(type, since, 0));
    for (;;) {
      refuseGap(page, type, since);
      if (page.events[0] !== undefined) return record(page.events[0]);
      since = page.upTo;
      page = await unlessAborted(limit.signal, remote.nextEvents(type, since, limit.pollMs()));
    }
  } finally {
    limit.end();
  }
}

/** The numbering starts when this is called, not when the first event is asked for. */
function eventsOn<T>(
  remote: StoreService,
  type: string,
  options: ClientOptions & { readonly since?: number },
): AsyncIterable<EventRecord<T>> {
  const start = options.since === undefined ? call(remote.lastEvent()) : Promise.resolve(options.since);
  // Who never iterates is not told that this failed.
  start.catch(() => {});
  return { [Symbol.asyncIterator]: () => iterate<T>(remote, type, { ...options, start }) };
}

/** Asks for the next page when the last one has been taken: what is buffered is never more than a page. */
async function* iterate<T>(
  remote: StoreService,
  type: string,
  options: ClientOptions & { readonly start: Promise<number> },
): AsyncGenerator<EventRecord<T>> {
  const { signal } = options;
  try {
    let since = await unlessAborted(signal, options.start);
    while (!signal.aborted) {
      const page = await unlessAborted(signal, remote.nextEvents(type, since, POLL_MS));
      refuseGap(page, type, since);
      for (const event of page.events) {
        if (signal.aborted) return;
        yield record(event);
      }
      since = page.upTo;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function refuseGap(page: EventPage, type: string, since: number): void {
  if (page.missed === 0) return;
  const first = since + page.missed;
  throw new StoreError(
    "EVENTS_DROPPED",
    `Events ${since + 1} to ${first} are no longer kept, ${
      JSON.stringify(type)
    } may be among them: go on with {since: ${first}}`,
  );
}

function record<T>(event: StoredEvent): EventRecord<T> {
  const { id, type, at, detail, from } = event;
  return {
    id,
    type,
    ...(detail !== undefined && { detail: decode(detail) as T }),
    at,
    ...(from !== undefined && { task: from.task }),
  };
}

async function allKeys(remote: StoreService, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  let page = await call(remote.keys(prefix));
  for (;;) {
    for (const key of page.keys) keys.push(key);
    if (page.cursor === undefined) return keys;
    page = await call(remote.keys(prefix, page.cursor));
  }
}

function textOf(value: Value, key: string): string {
  const text = encode(value, key);
  if (text !== undefined) return text;
  throw new StoreError(
    "BAD_VALUE",
    `${JSON.stringify(key)} can't be set to undefined: use null, or delete the key`,
  );
}

function writeOptions(options: SetOptions = {}): { ifVersion?: number; expiresInMs?: number } {
  const { ifVersion, expiresIn } = options;
  return {
    ...(ifVersion !== undefined && { ifVersion }),
    ...(expiresIn !== undefined && { expiresInMs: parseDuration(expiresIn) }),
  };
}

/** A call whose refusal is a `StoreError` again, with a code. */
async function call<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw revive(error);
  }
}

interface TimeLimit {
  /** Aborted when the time is over (with a `TimeoutError`) or the attempt has ended. */
  readonly signal: AbortSignal;
  /** How long the next call may wait: a little longer than this wait, so that nothing is left waiting for nobody. */
  pollMs(): number;
  end(): void;
}

function timeLimit(options: ClientOptions & WaitOptions, what: string): TimeLimit {
  const { signal, clock = systemClock, timeout = WAIT_MS } = options;
  const ms = parseDuration(timeout);
  const until = clock.monotonic() + ms;
  const controller = new AbortController();
  const forward = (): void => controller.abort(signal.reason);
  signal.addEventListener("abort", forward);
  const cancel = clock.after(ms, () => {
    controller.abort(new TimeoutError(`${what} within ${typeof timeout === "number" ? `${ms}ms` : timeout}`));
  });
  return {
    signal: controller.signal,
    pollMs: () => min(POLL_MS, max(0, until - clock.monotonic()) + 10),
    end() {
      cancel();
      signal.removeEventListener("abort", forward);
    },
  };
}
