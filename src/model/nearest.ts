/**
 * Owns which of the names that there are was probably meant: of tasks, keys, functions, parameters, variables.
 * Must not know whose names they are.
 */
import { distance } from "fastest-levenshtein";

/** Longer names are compared with none, in UTF-16 code units: no name that there is may be longer. */
const MAX_LENGTH = 200;

/** Comparisons that one finder makes before it stops to suggest; keeps 100,000 wrong names from taking minutes. */
const MAX_COMPARISONS = 3_000_000;

/** Finds the name that was probably meant. */
export class NameFinder {
  readonly #names: readonly string[];
  #left: number = MAX_COMPARISONS;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** The nearest known name, if one is near enough to be meant. */
  nearest(name: string): string | undefined {
    if (this.#left <= 0 || name.length > MAX_LENGTH) return undefined;
    this.#left -= this.#names.length;
    const lower = name.toLowerCase();
    let best: string | undefined;
    let least = Math.min(Math.max(1, Math.floor(name.length / 2.5)) + 1, name.length);
    for (const known of this.#names) {
      if (Math.abs(known.length - name.length) >= least) continue;
      const apart = distance(lower, known.toLowerCase());
      if (apart < least) [best, least] = [known, apart];
    }
    return best;
  }

  /** `: did you mean "cpu"?`, or the fallback. */
  hint(name: string, fallback: string): string {
    const nearest = this.nearest(name);
    return nearest === undefined ? fallback : `: did you mean ${JSON.stringify(nearest)}?`;
  }
}
