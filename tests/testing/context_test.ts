/** The `ctx` for tests is the one that tasks have: the same rules, and all that was done with it can be looked at. */
import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { type TaskContext, testContext } from "../../testing.ts";
import p, { measure } from "./pipeline.ts";

test("a task's function runs with a ctx of its own, and what it did can be looked at", async () => {
  const ctx = testContext({ params: { samples: 2 }, store: { reading: 10 } });
  assert.deepEqual(await measure(ctx), [11, 13]);
  assert.deepEqual(ctx.logged, [{ level: "info", text: "measured 2" }]);
  assert.deepEqual(ctx.progressed, [{ fraction: 0.5, text: "sample 1" }, { fraction: 1, text: "sample 2" }]);
  assert.equal(await ctx.store.get("reading"), 13);
  const [event, ...others] = ctx.emitted;
  assert.deepEqual([event?.id, event?.type, event?.detail, event?.task], [
    1,
    "measured",
    { samples: 2 },
    "task",
  ]);
  assert.deepEqual(others, []);
});

test("a function that stands in the builder is found by the task's name", async () => {
  const ctx = testContext({ inputs: { samples: [1, 2] } });
  assert.equal(await p.functionOf("report")!(ctx), "1,2 and no disk");
  assert.deepEqual(ctx.logged.map(({ level }) => level), ["warn"]);
});

test("what nothing was said of is empty, and the attempt is the first", async () => {
  const ctx = testContext();
  assert.deepEqual([ctx.task, ctx.run, ctx.iteration, ctx.attempt], ["task", "test", 0, 1]);
  assert.deepEqual([ctx.inputs, ctx.params, await ctx.previous()], [{}, {}, {}]);
  assert.equal(await ctx.store.get("nothing"), undefined);
  assert.equal(await ctx.flags.get("nothing"), undefined);
  assert.equal(ctx.signal.aborted, false);
  const named = testContext({ task: "cpu", run: "r7", iteration: 2, attempt: 3 });
  assert.deepEqual([named.task, named.run, named.iteration, named.attempt], ["cpu", "r7", 2, 3]);
  await named.events.emit("there");
  assert.equal(named.emitted[0]?.task, "cpu");
});

test("inputs are copies with their bytes, and an absent one is not there", () => {
  const given = { bytes: new Uint8Array([1, 2]), list: [1], none: undefined };
  const { inputs } = testContext({ inputs: given });
  assert.deepEqual(inputs, { bytes: new Uint8Array([1, 2]), list: [1] });
  assert.notEqual(inputs.list, given.list);
  assert.ok(!("none" in inputs));
});

test("values and params that a run would refuse are refused", async () => {
  assert.throws(() => testContext({ inputs: { fn: () => 1 } }), /inputs\.i\.fn|inputs.*fn is a function/);
  assert.throws(() => testContext({ params: { at: new Uint8Array(1) } }), /hold bytes/);
  assert.throws(() => testContext({ store: { key: (() => 1) as never } }), /store\.key/);
  const ctx = testContext();
  await assert.rejects(ctx.store.set("key", new Map() as never), { name: "ValueError" });
  await assert.rejects(ctx.store.set("key", 1, { ifVersion: 3 }), { code: "VERSION_CONFLICT" });
  assert.throws(() => ctx.progress(2), RangeError);
});

test("all levels of the log are kept in order, formatted as console.log does", () => {
  const { logged, log } = testContext();
  log.debug("%d of %s", 1, "two", { a: 1 });
  log.error(new Error("no").message);
  log.critical();
  assert.deepEqual(logged, [
    { level: "debug", text: "1 of two { a: 1 }" },
    { level: "error", text: "no" },
    { level: "critical", text: "" },
  ]);
});

test("flags count, are waited for, and are not the store", async () => {
  const { flags, store } = testContext({ flags: { ready: 1 } });
  const both = flags.waitFor<number>("ready", (count) => count === 3);
  assert.equal(await flags.increment("ready"), 2);
  assert.equal(await flags.increment("ready"), 3);
  assert.equal(await both, 3);
  assert.equal(await flags.decrement("ready", 2), 1);
  await flags.set("word", "go");
  assert.equal(await flags.get("word"), "go");
  assert.equal(await store.has("ready"), false);
  await assert.rejects(flags.waitFor("never", undefined, { timeout: 1 }), { name: "TimeoutError" });
});

test("a wait for a flag takes no turns from what it waits for, and has what has changed meanwhile", async () => {
  const { flags } = testContext({ flags: { ready: 1 } });
  const three = flags.waitFor<number>("ready", (count) => count === 3, { timeout: "10s" });
  await new Promise((turn) => setTimeout(turn));
  await flags.increment("ready");
  await new Promise((turn) => setTimeout(turn));
  await flags.increment("ready");
  assert.equal(await three, 3);
  const odd = flags.waitFor<number>("ready", (count) => count === 4, { timeout: "10s" });
  await flags.set("ready", 4);
  assert.equal(await odd, 4);
});

test("of very many events the newest 10,000 are shown", async () => {
  const ctx = testContext();
  for (let at = 1; at <= 10_002; at++) await ctx.events.emit("sample");
  assert.deepEqual([ctx.emitted.length, ctx.emitted[0]?.id, ctx.emitted.at(-1)?.id], [10_000, 3, 10_002]);
});

test("an abort is what a timeout or a cancel is to a task, and ends what waits", async () => {
  const late = testContext({ task: "cpu" });
  const waiting = late.store.waitFor("never");
  late.abort("timed_out");
  await assert.rejects(waiting, { name: "TimeoutError", message: /cpu has reached its timeout/ });
  assert.equal((late.signal.reason as Error).name, "TimeoutError");
  const cancelled = testContext();
  cancelled.abort();
  assert.throws(() => cancelled.signal.throwIfAborted(), { name: "AbortError" });
});

test("the end of an attempt ends its iterations and its waits, and drops its progress", async () => {
  const ctx = testContext();
  const heard: string[] = [];
  const listening = (async () => {
    for await (const { type } of ctx.events.on("*", { since: 0 })) heard.push(type);
  })();
  const waiting = ctx.events.once("never");
  await ctx.events.emit("one");
  await ctx.events.once("one", { since: 0 });
  ctx.end();
  await listening;
  await assert.rejects(waiting, { name: "AbortError" });
  ctx.progress(0.5);
  assert.deepEqual([heard, ctx.progressed], [["one"], []]);
});

test("what waited leaves no timer behind once the attempt has ended", async () => {
  // Not every runtime tells; where none does, nothing is held to it.
  const timers = () => (process.getActiveResourcesInfo?.() ?? []).filter((each) => each === "Timeout").length;
  const before = timers();
  const ctx = testContext();
  const waits = [ctx.store.waitFor("never"), ctx.events.once("never"), ctx.flags.waitFor("never")];
  await new Promise((turn) => setTimeout(turn));
  ctx.end();
  for (const wait of waits) await assert.rejects(wait, { name: "AbortError" });
  await new Promise((turn) => setTimeout(turn));
  assert.equal(timers(), before);
});

test("what earlier tasks came to is what was given", async () => {
  const attempt = { iteration: 0, attempt: 1, outcome: "failed" } as const;
  assert.deepEqual(await testContext({ previous: { disk: [attempt] } }).previous(), { disk: [attempt] });
});

test("a ctx has the types of its inputs and parameters", () => {
  const ctx = testContext({ inputs: { cpu: { score: 2 } }, params: { ms: 5 } });
  const plain: TaskContext<{ cpu: { score: number } }, { ms: number }> = ctx;
  assert.equal(plain.inputs.cpu.score + plain.params.ms, 7);
  // @ts-expect-error: there is no such parameter
  assert.equal(ctx.params.sec, undefined);
});
