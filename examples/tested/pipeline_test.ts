/**
 * Tests of pipeline.ts: one task's function with a `ctx` made for it, and the whole pipeline without its hardware.
 *
 *   deno test -A pipeline_test.ts        node --test pipeline_test.ts        bun test pipeline_test.ts
 *
 * The pipeline is in a module of its own: workers import that one, and would run the tests in this one.
 */
import assert from "node:assert/strict";
import test from "node:test";
// Outside of this checkout: import { testContext, testRun } from "outrider/testing";
import { testContext, testRun } from "../../testing.ts";
import p, { listen } from "./pipeline.ts";

test("listen adds up what it finds, and shows how far it is", async () => {
  const ctx = testContext({ params: { windows: 2 }, store: { "channel": 7, "window 1": 5 } });
  assert.deepEqual(await listen(ctx), { heard: 5 });
  assert.deepEqual(ctx.progressed.map(({ fraction }) => fraction), [0.5, 1]);
  assert.deepEqual(ctx.logged, [{ level: "info", text: "5 heard on channel 7" }]);
});

test("listen stops waiting for the antenna when it is cancelled", async () => {
  const ctx = testContext({ params: { windows: 1 } });
  const listening = listen(ctx);
  ctx.abort();
  await assert.rejects(listening, { name: "AbortError" });
});

test("a task that stands in the pipeline is found by its name", async () => {
  const ctx = testContext({ inputs: { heard: { heard: 2 } } });
  assert.equal(await p.functionOf("report")!(ctx), "2 stations");
});

test("the whole survey runs without an antenna", async () => {
  const { state, outcomes, values } = await testRun(p, { fakes: { antenna: { channel: 11 } } });
  assert.equal(state, "succeeded");
  assert.equal(values["report"], "3 stations");
  assert.equal(outcomes["alarm"], "skipped");
});

test("an antenna that fails raises the alarm", async () => {
  const { state, outcomes, log } = await testRun(p, { fakes: { antenna: new Error("No power") } });
  assert.equal(state, "failed");
  assert.equal(outcomes["report"], "skipped");
  assert.deepEqual(log.filter(({ task }) => task === "alarm").map(({ text }) => text), [
    "The antenna is down",
  ]);
});
