/**
 * Owns which changes of the store have been replaced by later ones, so that a key that is written all the time does not
 * fill the journal with values that nobody can read any more.
 * Must not know where records are kept.
 * Invariant: replaying what is left gives the same store; numbers and versions stay as they are.
 */
import type { StateEvent } from "../model/record.ts";

type StoreChanged = Extract<StateEvent, { type: "store.changed" }>;

/** A change that has been replaced. */
export interface Replaced {
  readonly seq: number;
  readonly at: number;
  /** Characters of the value that is let go. */
  readonly size: number;
  /** What is left of it. */
  readonly event: StoreChanged;
}

/** The latest change of each key that has a value. */
export class Latest {
  readonly #changes: Map<string, Replaced> = new Map();

  /** Notes a change; returns the one that it replaces, if that had a value. */
  note(seq: number, at: number, event: StoreChanged): Replaced | undefined {
    const { key, value, version } = event;
    const before = this.#changes.get(key);
    if (value === undefined) this.#changes.delete(key);
    else {
      const left: StoreChanged = { type: "store.changed", key, version, superseded: true };
      this.#changes.set(key, { seq, at, size: value.length, event: left });
    }
    return before;
  }
}
