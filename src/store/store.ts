/**
 * Owns the store of a run: keys, values as JSON text, versions, expiry, and who waits for a change.
 * Must not know who asks (a worker, HTTP), nor where changes are recorded.
 * Invariant: a key's version grows by one with each change, over deletion and expiry too, and is never used again.
 */
import { quoted } from "../base/message.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { DeletedKeys } from "./deleted.ts";
import { StoreError } from "./errors.ts";
import { Expiries, type Expiry } from "./expiries.ts";
import { KeyIndex, type KeyPage } from "./keys.ts";
import { Listeners } from "./listeners.ts";
import { sameValue, valueText } from "./text.ts";
import { Waits } from "./waits.ts";

/** Sizes in UTF-16 code units, of a key and of a value's JSON text; the whole store is the sum of both. */
export interface StoreLimits {
  /** Default 512. */
  readonly key: number;
  /** Default 1 Mi. */
  readonly value: number;
  /** Default 64 Mi. */
  readonly store: number;
  /** Deleted keys whose version is remembered one by one; see docs/store.md. Default 100,000. */
  readonly deleted: number;
}

/** The limits when nothing else is said. */
export const STORE_LIMITS: StoreLimits = { key: 512, value: 1 << 20, store: 1 << 26, deleted: 100_000 };

/** A value of the store. */
export interface StoredEntry {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  readonly version: number;
  /** When the key goes, as the wall clock stood at the write (milliseconds since the epoch): a stamp, nothing is timed by it. */
  readonly expiresAt?: number;
}

/** A change of a key; without a value it is gone. */
export interface StoreChange {
  readonly key: string;
  readonly value?: string;
  readonly version: number;
  readonly expiresAt?: number;
}

/** A change as the journal records it. */
export type StoreChanged = { readonly type: "store.changed" } & StoreChange;

/** Conditions and expiry for a write. */
export interface WriteOptions {
  /** Write only if the key has this version; 0 means: only if there is no such key. */
  readonly ifVersion?: number | undefined;
  /** Milliseconds from now, at least 0. Default: never. */
  readonly expiresInMs?: number | undefined;
}

/** How a store is made. */
export interface StoreOptions {
  readonly clock?: Clock;
  readonly limits?: Partial<StoreLimits>;
  /** Told of every change, before anyone else. */
  readonly onChange?: (event: StoreChanged) => void;
}

/** How long to wait for a change. */
export interface WaitForChange {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What all tasks of a run share. Every method throws a `StoreError` where it refuses. */
export class SharedStore {
  readonly limits: StoreLimits;
  readonly #onChange: (event: StoreChanged) => void;
  readonly #entries: Map<string, StoredEntry> = new Map();
  readonly #keys: KeyIndex = new KeyIndex();
  readonly #deleted: DeletedKeys;
  readonly #expiries: Expiries;
  readonly #listeners: Listeners<StoreChange> = new Listeners();
  readonly #waits: Waits;
  #size = 0;

  constructor(options: StoreOptions = {}) {
    this.limits = { ...STORE_LIMITS, ...options.limits };
    this.#onChange = options.onChange ?? (() => {});
    const { clock = systemClock } = options;
    this.#deleted = new DeletedKeys(this.limits.deleted);
    this.#expiries = new Expiries(clock);
    this.#waits = new Waits(clock);
  }

  /** Keys, characters of keys and values, and waits that are open. */
  stats(): { readonly keys: number; readonly size: number; readonly waits: number } {
    return { keys: this.#entries.size, size: this.#size, waits: this.#waits.size };
  }

  /** The value of a key with its version. */
  get(key: string): StoredEntry | undefined {
    this.#checkKey(key);
    return this.#present(key);
  }

  /** The version of a key: of its last change, also if that was its deletion; 0 if there never was such a key. */
  version(key: string): number {
    this.#checkKey(key);
    return this.#present(key)?.version ?? this.#deleted.version(key) ?? 0;
  }

  /** Writes a value; returns the new version. A write without expiry ends an expiry set before. */
  set(key: string, value: string, options: WriteOptions = {}): number {
    this.#checkKey(key);
    const text = this.#checkValue(key, value);
    const { expiresInMs, ifVersion } = options;
    if (expiresInMs !== undefined && !(expiresInMs >= 0 && expiresInMs < Infinity)) {
      throw new StoreError(
        "BAD_ARGUMENT",
        `The expiry of ${show(key)} must be 0 or more milliseconds: ${expiresInMs}`,
      );
    }
    this.#checkVersion(key, ifVersion);
    return this.#write(key, text, expiresInMs === undefined ? undefined : this.#expiries.after(expiresInMs));
  }

  /** Deletes a key; returns whether there was one. */
  delete(key: string, options: { readonly ifVersion?: number | undefined } = {}): boolean {
    this.#checkKey(key);
    this.#checkVersion(key, options.ifVersion);
    if (this.#present(key) === undefined) return false;
    this.#remove(key);
    return true;
  }

  /**
   * Keys in code unit order, a page at a time.
   *
   * @param options `prefix` they start with, `cursor` of the page before, `limit` of keys (1 to 10,000, default 1,000).
   */
  keys(
    options: { readonly prefix?: string; readonly cursor?: string; readonly limit?: number } = {},
  ): KeyPage {
    this.#sweep();
    return this.#keys.page(options);
  }

  /** Adds to a number, 0 where there is none, and keeps the key's expiry; returns the sum. */
  increment(key: string, by: number = 1): { readonly value: number; readonly version: number } {
    this.#checkKey(key);
    const entry = this.#present(key);
    const before: unknown = entry === undefined ? 0 : JSON.parse(entry.value);
    if (typeof before !== "number") {
      throw new StoreError(
        "NOT_A_NUMBER",
        `${show(key)} can't be incremented, it holds ${entry!.value.slice(0, 60)}`,
      );
    }
    const value = before + by;
    if (typeof by !== "number" || !Number.isFinite(value)) {
      throw new StoreError(
        "NOT_A_NUMBER",
        `${show(key)} can't be incremented from ${before} by ${String(by)}: the sum must be a finite number`,
      );
    }
    return { value, version: this.#write(key, JSON.stringify(value), this.#expiries.of(key)) };
  }

  /** Writes only if the present value equals `expected` (`undefined`: if there is no such key); returns whether it did. */
  compareAndSet(key: string, expected: string | undefined, value: string): boolean {
    this.#checkKey(key);
    const text = this.#checkValue(key, value);
    const wanted = expected === undefined ? undefined : this.#checkValue(key, expected);
    if (!sameValue(this.#present(key)?.value, wanted)) return false;
    this.#write(key, text, undefined);
    return true;
  }

  /** Calls the listener for every change of a key, or of all keys with a prefix, until the returned function is called. */
  watch(
    what: { readonly key: string } | { readonly prefix: string },
    listener: (change: StoreChange) => void,
  ): () => void {
    if ("key" in what) return this.#listeners.add(what.key, listener);
    return this.#listeners.add(undefined, (change) => {
      if (change.key.startsWith(what.prefix)) listener(change);
    });
  }

  /**
   * Waits until the key's version is above `since`: at once if it is, else for the next change.
   *
   * @returns The change; `undefined` when the time is over or the store was closed.
   */
  async wait(key: string, since: number, options: WaitForChange): Promise<StoreChange | undefined> {
    const version = this.version(key);
    if (version > since) return this.#present(key) ?? { key, version };
    return await this.#waits.open<StoreChange | undefined>({
      ...options,
      listen: (found) => this.watch({ key }, found),
      otherwise: () => undefined,
    });
  }

  /**
   * Takes up changes recorded earlier, in order, into a store that is still empty. What has expired since goes at once:
   * by the wall clock, the only one that outlives a process; but no key gets more than its whole time again.
   * A change that was superseded has no value any more: its place is taken by the one that follows.
   */
  restore(changes: Iterable<StoreChange & { readonly at?: number }>): void {
    for (const { key, value, version, expiresAt, at = -Infinity } of changes) {
      const change = {
        key,
        version,
        ...(value !== undefined && { value }),
        ...(expiresAt !== undefined && { expiresAt }),
      };
      this.#apply(change, expiresAt === undefined ? undefined : this.#expiries.restored(expiresAt, at));
    }
    this.#sweep();
  }

  /** Ends all waits and timers; the values stay. */
  close(): void {
    this.#expiries.close();
    this.#waits.close();
  }

  /** The entry, unless its time is over, whether or not its timer has noticed. */
  #present(key: string): StoredEntry | undefined {
    if (!this.#expiries.isOver(key)) return this.#entries.get(key);
    this.#remove(key);
    return undefined;
  }

  #write(key: string, value: string, expiry: Expiry | undefined): number {
    this.#checkRoom(key, value);
    const version = this.#nextVersion(key);
    this.#change({ key, value, version, ...(expiry !== undefined && { expiresAt: expiry.at }) }, expiry);
    return version;
  }

  #remove(key: string): void {
    this.#change({ key, version: this.#nextVersion(key) });
  }

  #nextVersion(key: string): number {
    return (this.#entries.get(key)?.version ?? this.#deleted.last(key)) + 1;
  }

  #change(change: StoreChange, expiry?: Expiry): void {
    this.#apply(change, expiry);
    this.#onChange({ type: "store.changed", ...change });
    this.#listeners.tell(change.key, change);
  }

  #apply(change: StoreChange, expiry: Expiry | undefined): void {
    const { key, value, version } = change;
    const before = this.#entries.get(key);
    if (before !== undefined) this.#size -= key.length + before.value.length;
    this.#expiries.delete(key);
    this.#deleted.delete(key);
    if (value === undefined) {
      this.#entries.delete(key);
      this.#keys.delete(key);
      this.#deleted.add(key, version);
    } else {
      this.#size += key.length + value.length;
      this.#entries.set(key, change as StoredEntry);
      if (before === undefined) this.#keys.add(key);
      if (expiry !== undefined) this.#expiries.set(key, expiry, () => void this.#present(key));
    }
  }

  /** Removes all keys whose time is over. */
  #sweep(): void {
    for (const key of this.#expiries.keys()) this.#present(key);
  }

  #checkKey(key: string): void {
    if (typeof key !== "string" || key === "" || !key.isWellFormed()) {
      throw new StoreError(
        "BAD_KEY",
        `A key must be a string of at least one character, well-formed Unicode: ${show(key)}`,
      );
    }
    if (key.length > this.limits.key) {
      throw new StoreError(
        "KEY_TOO_LONG",
        `The key ${show(key)} has ${key.length} characters, more than ${this.limits.key}: use a shorter one`,
      );
    }
  }

  #checkValue(key: string, value: string): string {
    return valueText(value, { what: () => `The value of ${show(key)}`, limit: this.limits.value });
  }

  #checkVersion(key: string, ifVersion: number | undefined): void {
    if (ifVersion === undefined) return;
    const version = this.#present(key)?.version ?? 0;
    if (ifVersion === version) return;
    const has = version === 0 ? "does not exist" : `has version ${version}`;
    throw new StoreError(
      "VERSION_CONFLICT",
      `${show(key)} ${has}, not version ${String(ifVersion)} as the write asks: read it again`,
    );
  }

  #checkRoom(key: string, value: string): void {
    const more = key.length + value.length;
    const before = (): number => {
      const entry = this.#entries.get(key);
      return entry === undefined ? 0 : key.length + entry.value.length;
    };
    if (this.#size - before() + more <= this.limits.store) return;
    this.#sweep();
    if (this.#size - before() + more <= this.limits.store) return;
    throw new StoreError(
      "STORE_FULL",
      `${
        show(key)
      } does not fit, the store has ${this.#size} of ${this.limits.store} characters: delete keys, or let them expire`,
    );
  }
}

function show(key: unknown): string {
  return typeof key === "string" ? quoted(key) : key === null ? "null" : typeof key;
}
