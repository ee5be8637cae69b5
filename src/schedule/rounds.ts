/**
 * Owns how often each loop may still go round.
 * Must not know what its tasks do.
 * Invariant: a loop that is not going round has all its rounds left, ready for when a loop around it begins it anew.
 */
import { type Outcome, satisfies } from "../model/outcome.ts";
import type { Plan, PlanLoop } from "../pipeline/plan/plan.ts";

/** Counts the rounds of a run's loops. */
export class Rounds {
  readonly #loops: readonly PlanLoop[];
  readonly #left: Int32Array;

  constructor({ loops }: Plan) {
    this.#loops = loops;
    this.#left = Int32Array.from(loops, (loop) => loop.times);
  }

  /**
   * The loop that goes round now that the task it closes at has settled, if one does; the ones before it have ended.
   *
   * @param closes Indexes of the loops that close at the task, inner first.
   */
  next(closes: readonly number[], outcome: Outcome): number | undefined {
    for (const index of closes) {
      const { on, times } = this.#loops[index]!;
      if (this.#left[index]! > 0 && satisfies(on, outcome)) {
        this.#left[index]!--;
        return index;
      }
      this.#left[index] = times;
    }
    return undefined;
  }
}
