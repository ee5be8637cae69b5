/**
 * Owns finding any of many patterns in a sequence of numbers, as A. Aho and M. Corasick do ("Efficient string matching",
 * 1975).
 * Must not know what the numbers stand for.
 * Invariant: a sequence costs time that grows with its length alone, whatever the patterns and whatever it holds.
 */

/** A trie of all patterns with what each state falls back to. State 0: nothing has begun. */
export class Automaton {
  /** Most states have one child: its number and state; the others of a state are in `#more`. */
  readonly #unit: number[] = [-1];
  readonly #child: number[] = [0];
  readonly #more: Map<number, Map<number, number>> = new Map();
  readonly #fail: number[] = [0];
  readonly #depth: number[] = [0];
  /** Length of the longest pattern that ends in a state, 0 where none does. */
  readonly #ending: number[] = [0];
  #longest = 0;

  constructor(patterns: Iterable<ArrayLike<number>>) {
    for (const units of patterns) this.#add(units);
    this.#link();
  }

  /** Length of the longest pattern. */
  get longest(): number {
    return this.#longest;
  }

  /** The state after one more number. */
  step(state: number, unit: number): number {
    for (let at = state;; at = this.#fail[at]!) {
      const child = this.#childOf(at, unit);
      if (child > 0) return child;
      if (at === 0) return 0;
    }
  }

  /** How many of the last numbers may be the beginning of a pattern. */
  depth(state: number): number {
    return this.#depth[state]!;
  }

  /** Length of the longest pattern that ends here, 0 if none does. */
  ending(state: number): number {
    return this.#ending[state]!;
  }

  /** The numbers with which patterns begin. */
  get first(): readonly number[] {
    return this.#children(0).map(([unit]) => unit);
  }

  #childOf(state: number, unit: number): number {
    if (this.#unit[state] === unit) return this.#child[state]!;
    return this.#more.get(state)?.get(unit) ?? 0;
  }

  #add(units: ArrayLike<number>): void {
    let state = 0;
    for (let at = 0; at < units.length; at++) {
      state = this.#childOf(state, units[at]!) || this.#grow(state, units[at]!);
    }
    this.#ending[state] = units.length;
    this.#longest = Math.max(this.#longest, units.length);
  }

  #grow(state: number, unit: number): number {
    const child = this.#unit.length;
    this.#unit.push(-1);
    this.#child.push(0);
    this.#fail.push(0);
    this.#ending.push(0);
    this.#depth.push(this.#depth[state]! + 1);
    if (this.#child[state] === 0) {
      this.#unit[state] = unit;
      this.#child[state] = child;
    } else {
      const more = this.#more.get(state) ?? new Map<number, number>();
      this.#more.set(state, more.set(unit, child));
    }
    return child;
  }

  /** Breadth first, so that what a state falls back to is known before its children are. */
  #link(): void {
    const queue = [0];
    for (const state of queue) {
      for (const [unit, child] of this.#children(state)) {
        queue.push(child);
        const fail = state === 0 ? 0 : this.step(this.#fail[state]!, unit);
        this.#fail[child] = fail;
        this.#ending[child] ||= this.#ending[fail]!;
      }
    }
  }

  #children(state: number): [number, number][] {
    if (this.#child[state] === 0) return [];
    return [[this.#unit[state]!, this.#child[state]!], ...this.#more.get(state) ?? []];
  }
}
