/**
 * Owns the keys in order, so that they can be listed a page at a time.
 * Must not know what they stand for.
 * Invariant: a page continues after its cursor whatever was added or deleted meanwhile.
 */
import { StoreError } from "./errors.ts";

/** Keys in code unit order; with a cursor where there are more. */
export interface KeyPage {
  readonly keys: readonly string[];
  readonly cursor?: string;
}

/** Most keys of a page. */
export const MAX_PAGE = 10_000;

/** A set of keys that is sorted when it is listed. */
export class KeyIndex {
  readonly #keys: Set<string> = new Set();
  #sorted: string[] | undefined;

  add(key: string): void {
    this.#keys.add(key);
    this.#sorted = undefined;
  }

  delete(key: string): void {
    if (this.#keys.delete(key)) this.#sorted = undefined;
  }

  /** Keys that start with `prefix`, those after `cursor`, at most `limit`. */
  page(options: { readonly prefix?: string; readonly cursor?: string; readonly limit?: number }): KeyPage {
    const { prefix = "", cursor, limit = 1000 } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
      throw new StoreError("BAD_ARGUMENT", `A page of keys has 1 to ${MAX_PAGE} keys, not ${limit}`);
    }
    // Without arguments, sort() goes by code units.
    const sorted = this.#sorted ??= [...this.#keys].sort();
    const start = Math.max(
      search(sorted, (key) => key >= prefix),
      cursor === undefined ? 0 : search(sorted, (key) => key > cursor),
    );
    const keys: string[] = [];
    for (let at = start; at < sorted.length && sorted[at]!.startsWith(prefix); at++) {
      if (keys.length === limit) return { keys, cursor: keys[limit - 1]! };
      keys.push(sorted[at]!);
    }
    return { keys };
  }
}

/** The first index from which on the condition holds. */
function search(sorted: readonly string[], condition: (key: string) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (condition(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
