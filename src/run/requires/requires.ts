/**
 * Owns the look for what a pipeline and its environment require, before anything runs.
 * Must not know how a requirement is written (pipeline/document/requires.ts), nor how one is looked for (looks.ts).
 * Invariant: all that is missing is told at once, each thing once; nothing of the pipeline is run for it.
 */
import { placeOf, type Problem } from "../../model/problem.ts";
import type { PlanRequires } from "../../pipeline/plan/plan.ts";
import type { RunnerPort } from "../../pool/kinds/runner.ts";
import { type Look, LOOKS } from "./looks.ts";

/** What was found out. */
export interface Looked {
  /** What is missing. */
  readonly problems: readonly Problem[];
  /** What can't be told on this system. */
  readonly warnings: readonly Problem[];
}

/** Looks for all of it. */
export async function lookFor(all: readonly PlanRequires[], port: RunnerPort): Promise<Looked> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  for (const look of LOOKS) {
    const wanted = wantedOf(all, look);
    if (wanted.length === 0) continue;
    const tell = await look.begin(port);
    if (typeof tell === "string") {
      const { place } = wanted[0]!;
      warnings.push({ place, message: `Can't tell whether it is there: ${tell}` });
      continue;
    }
    for (const { name, place, more } of wanted) {
      const message = await tell(name);
      const others = more === 0 ? "" : ` (and ${more} more require it)`;
      if (message !== undefined) problems.push({ place, message: `${message}${others}` });
    }
  }
  return { problems, warnings };
}

/** One thing that is required: where first, and by how many more. */
interface Wanted {
  readonly name: string;
  readonly place: string;
  more: number;
}

function wantedOf(all: readonly PlanRequires[], { key, entries }: Look): readonly Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const { place, requires } of all) {
    const found = entries(requires) ?? [];
    const list = `${place}.${key}`;
    for (const [at, name] of (typeof found === "string" ? [found] : found).entries()) {
      const before = wanted.get(name);
      if (before !== undefined) before.more++;
      else wanted.set(name, { name, place: typeof found === "string" ? list : placeOf(list, at), more: 0 });
    }
  }
  return [...wanted.values()];
}
