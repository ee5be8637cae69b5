/**
 * Holds that pipelines whose loops would wait for each other for ever are refused, and that others are not.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { PipelineError } from "../../src/model/problem.ts";

const run = { module: "data:text/javascript,export default function () {}" };

function manifest(
  needs: Record<string, string[]>,
  loops: readonly (readonly [from: string, to: string])[],
): unknown {
  return {
    outrider: 1,
    name: "loops",
    tasks: Object.fromEntries(Object.entries(needs).map(([name, of]) => [name, { run, needs: of }])),
    loops: loops.map(([from, to]) => ({ from, to, times: 1 })),
  };
}

test("two loops that each need a task of the other are refused with the way round", () => {
  const crossed = manifest({ a1: [], a2: ["a1", "b1"], b1: [], b2: ["b1", "a1"] }, [["a2", "a1"], [
    "b2",
    "b1",
  ]]);
  assert.throws(
    () => compile(crossed, "file:///"),
    (error: unknown) =>
      error instanceof PipelineError && error.problems.length === 1 &&
      /loops\[0\] and loops\[1\] would wait for each other for ever/.test(error.problems[0]!.message) &&
      error.problems[0]!.message.includes('"a2"') && error.problems[0]!.message.includes('"b2"'),
  );
});

test("three loops that wait in a ring are refused", () => {
  const ring = manifest(
    { a1: [], a2: ["a1", "c1"], b1: [], b2: ["b1", "a1"], c1: [], c2: ["c1", "b1"] },
    [["a2", "a1"], ["b2", "b1"], ["c2", "c1"]],
  );
  assert.throws(() => compile(ring, "file:///"), /wait for each other for ever/);
});

test("loops one after the other, and one inside the other, are sound", () => {
  assert.doesNotThrow(() =>
    compile(
      manifest({ a1: [], a2: ["a1"], b1: ["a1", "a2"], b2: ["b1", "a1"] }, [["a2", "a1"], ["b2", "b1"]]),
      "file:///",
    )
  );
  assert.doesNotThrow(() =>
    compile(manifest({ a: [], b: ["a"], c: ["b"], d: ["c", "a"] }, [["c", "b"], ["d", "a"]]), "file:///")
  );
});
