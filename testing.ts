/**
 * For tests of pipelines: `testContext` is a `ctx` to call one task's function with, `testRun` carries a whole pipeline out
 * and can put values in the place of tasks. They work with any test runner.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import test from "node:test";
 * import { testContext, testRun } from "outrider/testing";
 * import p, { measure } from "./pipeline.ts";
 *
 * test("measure takes as many samples as it is told", async () => {
 *   const ctx = testContext({ params: { samples: 3 } });
 *   assert.equal((await measure(ctx)).length, 3);
 *   assert.equal(ctx.progressed.at(-1)?.fraction, 1);
 * });
 *
 * test("the report is written also where the disk can't be measured", async () => {
 *   const { state, values } = await testRun(p, { fakes: { disk: new Error("No disk") } });
 *   assert.equal(state, "failed");
 *   assert.equal(values["report"], "cpu 1, disk unknown");
 * });
 * ```
 *
 * @module
 */
export * from "./src/testing/context.ts";
export * from "./src/testing/pipeline.ts";
export type * from "./mod.ts";
