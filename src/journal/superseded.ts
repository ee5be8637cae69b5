/**
 * Owns which changes of the store have been replaced by later ones, so that a key that is written all the time does not
 * fill the journal with values that nobody can read any more.
 * Must not know where records are kept.
 * Invariant: replaying what is left gives the same store; numbers and versions stay as they are.
 */
import type { StateEvent } from "./record.ts";

type StoreChanged = Extract<StateEvent, { type: "store.changed" }>;

/** The latest change of each key. */
export class Latest {
  readonly #changes: Map<string, { readonly seq: number; readonly at: number; readonly version: number }> =
    new Map();

  /** Notes a change; returns the number, time and new content of the one that it replaces, if that had a value. */
  note(
    seq: number,
    at: number,
    event: StoreChanged,
  ): { seq: number; at: number; event: StoreChanged } | undefined {
    const { key, value, version } = event;
    const before = this.#changes.get(key);
    if (value === undefined) this.#changes.delete(key);
    else this.#changes.set(key, { seq, at, version });
    if (before === undefined) return undefined;
    const { version: old } = before;
    return {
      seq: before.seq,
      at: before.at,
      event: { type: "store.changed", key, version: old, superseded: true },
    };
  }
}
