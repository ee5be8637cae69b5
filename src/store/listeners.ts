/**
 * Owns who is told of changes, by topic.
 * Must not know what a change is.
 * Invariant: all listeners are told of all changes in the same order, also when a listener makes one.
 */
import { apart } from "../base/apart.ts";

/** Listeners of one topic, or of all. */
export class Listeners<T> {
  readonly #topics: Map<string, Set<(item: T) => void>> = new Map();
  readonly #all: Set<(item: T) => void> = new Set();
  readonly #queue: { readonly topic: string; readonly item: T }[] = [];
  #telling = false;

  /** Adds a listener for one topic, or for all (`undefined`); returns what removes it. */
  add(topic: string | undefined, listener: (item: T) => void): () => void {
    // A function of our own: the same listener may be added twice and leaves once for each.
    const mine = (item: T): void => listener(item);
    if (topic === undefined) {
      this.#all.add(mine);
      return () => void this.#all.delete(mine);
    }
    const set = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, set.add(mine));
    return () => {
      set.delete(mine);
      if (set.size === 0 && this.#topics.get(topic) === set) this.#topics.delete(topic);
    };
  }

  /** Tells all who listen to the topic. A listener that throws does so on its own account. */
  tell(topic: string, item: T): void {
    this.#queue.push({ topic, item });
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { topic, item } = next;
      const listeners = [...(this.#topics.get(topic) ?? []), ...this.#all];
      for (const listener of listeners) apart(() => listener(item));
    }
    this.#telling = false;
  }
}
