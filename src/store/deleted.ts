/**
 * Owns the versions of keys that are deleted, so that none is ever used again.
 * Must not know of keys that are there.
 * Invariant: what `last` gives for a key is at least the highest version that it ever had.
 */

/** Versions of deleted keys, the newest ones one by one. */
export class DeletedKeys {
  readonly #limit: number;
  /** By key, the one deleted longest ago first. */
  readonly #versions: Map<string, number> = new Map();
  /** Highest version of a key that is no longer remembered by itself. */
  #forgotten = 0;

  /** @param limit How many keys are remembered one by one. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The version of a key's deletion, if that is remembered. */
  version(key: string): number | undefined {
    return this.#versions.get(key);
  }

  /** The version after which a key goes on that is not there. */
  last(key: string): number {
    return this.#versions.get(key) ?? this.#forgotten;
  }

  add(key: string, version: number): void {
    this.#versions.set(key, version);
    if (this.#versions.size <= this.#limit) return;
    const [oldest, last] = this.#versions.entries().next().value!;
    this.#versions.delete(oldest);
    this.#forgotten = Math.max(this.#forgotten, last);
  }

  /** The key is there again, or deleted anew. */
  delete(key: string): void {
    this.#versions.delete(key);
  }
}
