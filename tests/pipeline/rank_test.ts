/** Which of several ready tasks goes first, against the definition. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { rank } from "../../src/pipeline/plan/rank.ts";
import { SEED } from "../seed.ts";

test("the longest remaining path goes first, and of equals what is written first", () => {
  const estimate = fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 0.5, 1e9);
  const graph = fc.array(fc.tuple(fc.array(fc.nat(30), { maxLength: 4 }), estimate), { maxLength: 30 });
  const input = graph.chain((tasks) =>
    fc.record({
      tasks: fc.constant(tasks),
      plain: fc.boolean(),
      written: fc.shuffledSubarray(tasks.map((_, at) => at), { minLength: tasks.length }),
    })
  );
  fc.assert(
    fc.property(input, ({ tasks, plain, written }) => {
      const ranked = tasks.map(([after, estimateMs], index) => ({
        dependents: after.map((each) => index + 1 + each).filter((each) => each < tasks.length),
        estimateMs: plain ? undefined : estimateMs,
      }));
      const remaining: number[] = [];
      for (const [index, { dependents, estimateMs = 1 }] of [...ranked.entries()].reverse()) {
        remaining[index] = estimateMs + Math.max(0, ...dependents.map((each) => remaining[each]!));
      }
      const order = ranked.map((_, index) => index);
      order.sort((a, b) => remaining[b]! - remaining[a]! || written[a]! - written[b]!);
      const ranks = rank(ranked, written);
      assert.deepEqual(order.map((index) => ranks[index]), order.map((_, place) => place));
    }),
    { seed: SEED, numRuns: 300 },
  );
});
