/**
 * Owns counting into buckets, as Prometheus has it.
 * Must not know what is counted.
 * Invariant: every observation is in exactly one bucket; told, each bucket counts those below it too.
 */

/** A histogram. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** @param bounds Upper bounds, ascending, without infinity. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = this.#bounds.findIndex((bound) => value <= bound);
    if (at < 0) at = this.#bounds.length;
    this.#counts[at]!++;
    this.#sum += value;
    this.#count++;
  }

  /** The lines of the text format. */
  lines(name: string): string[] {
    let below = 0;
    const buckets = this.#counts.map((count, at) => {
      below += count;
      return `${name}_bucket{le="${this.#bounds[at] ?? "+Inf"}"} ${below}`;
    });
    return [...buckets, `${name}_sum ${this.#sum}`, `${name}_count ${this.#count}`];
  }
}
