/**
 * Owns the words for where the items of a mapped task stand.
 * Must not know who shows them.
 * Invariant: the numbers add up to how many items there are.
 */
import { type ItemCounts, OUTCOMES } from "./outcome.ts";

/** Where the items stand, in words: `10 items`, or `8 of 10 items succeeded, 1 failed, 1 running`. */
export function itemsInWords(
  { ended, count = totalOf(ended), running = 0 }: {
    readonly ended: ItemCounts;
    readonly count?: number;
    readonly running?: number;
  },
): string {
  const items = `${count} ${count === 1 ? "item" : "items"}`;
  const { succeeded = 0 } = ended;
  if (succeeded === count) return items;
  const others = OUTCOMES.flatMap((outcome) => {
    const some = outcome === "succeeded" ? undefined : ended[outcome];
    return some === undefined ? [] : [`${some} ${outcome.replace("_", " ")}`];
  });
  const at = running > 0 ? [`${running} running`] : [];
  return [`${succeeded} of ${items} succeeded`, ...others, ...at].join(", ");
}

/** How many have ended. */
export function endedItems({ ended }: { readonly ended: ItemCounts }): number {
  return totalOf(ended);
}

function totalOf(counts: ItemCounts): number {
  return OUTCOMES.reduce((sum, outcome) => sum + (counts[outcome] ?? 0), 0);
}
