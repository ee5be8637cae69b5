/**
 * Owns what the tasks of a manifest take of its resources, as a plan has it.
 * Must not know what is wrong with it (document/resources.ts).
 * Invariant: tasks that take the same have one list of it, in which resources stand in the order in which they are declared.
 */
import type { Declared } from "../document/declared.ts";
import { namedUses } from "../document/resources.ts";
import type { ManifestTask } from "../document/manifest.ts";
import type { PlanUse } from "./plan.ts";

/** Turns names into places of the plan's resources. */
export class PlannedUses {
  readonly #indexOf: ReadonlyMap<string, number>;
  /** By what is written, in one form. */
  readonly #known: Map<string, readonly PlanUse[]> = new Map();

  constructor(resources: readonly Declared[]) {
    this.#indexOf = new Map(resources.map(({ name }, index) => [name, index]));
  }

  /** What a task takes; nothing is said of one that takes nothing. */
  of({ uses }: ManifestTask): { readonly uses?: readonly PlanUse[] } {
    if (uses === undefined) return NOTHING;
    const taken = namedUses(uses)
      .map(([name, amount]) => ({ resource: this.#indexOf.get(name)!, amount }))
      .sort((a, b) => a.resource - b.resource);
    if (taken.length === 0) return NOTHING;
    const key = taken.map(({ resource, amount }) => `${resource} ${amount}`).join();
    const known = this.#known.get(key) ?? taken;
    this.#known.set(key, known);
    return { uses: known };
  }
}

const NOTHING = {};
