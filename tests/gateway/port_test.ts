/** The port to what a gateway keeps: its calls are awaited, and nothing gets in between what is done as a whole. */
import assert from "node:assert/strict";
import test from "node:test";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { world } from "./rig.ts";

test("gateway: while something is done as a whole nobody sees or changes the half of it", async () => {
  const store = sqliteGatewayStore(":memory:");
  const [half, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const whole = store.atomically(async (within) => {
    await within.putFlag("x", { name: "a", value: 1, version: 1 });
    half.resolve();
    await goOn.promise;
    await within.putFlag("x", { name: "b", value: 2, version: 1 });
    return (await within.flags("x")).length;
  });
  await half.promise;
  const others = [
    store.flags("x"),
    store.atomically(async (within) => {
      const before = await within.flags("x");
      await within.putFlag("x", { name: "c", value: 3, version: 1 });
      return before;
    }),
    store.putToken({
      name: "n",
      kind: "user",
      executor: undefined,
      experiment: undefined,
      groups: [],
      hash: "h",
    }),
  ] as const;
  await Promise.resolve();
  goOn.resolve();
  assert.equal(await whole, 2);
  const [seen, before] = await Promise.all(others);
  assert.ok(seen.length >= 2 && before.length === 2, "both, or all three");
  assert.equal((await store.flags("x")).length, 3);
  store.close();
});

test("gateway: of what fails in the midst of a whole nothing is kept, and it holds up nobody", async () => {
  const store = sqliteGatewayStore(":memory:");
  const failing = store.atomically(async (within) => {
    await within.putFlag("x", { name: "a", value: 1, version: 1 });
    throw new Error("no");
  });
  const next = store.atomically((within) => within.flags("x"));
  await assert.rejects(failing, /^Error: no$/);
  assert.deepEqual(await next, []);
  await assert.rejects(store.putFlag("x", { name: "a", value: 1n, version: 1 }), TypeError);
  assert.deepEqual(await store.flags("x"), []);
  store.close();
});

test("gateway: a flag that is set between a look and the wait for it is told", async () => {
  const w = world();
  const path = "/v1/experiments/x/flags/n";
  const put = (value: number) => w.ask(path, { method: "PUT", body: JSON.stringify({ value }) });
  await put(1);
  const { flag } = w.store;
  let looks = 0;
  w.store.flag = async (...named) => {
    const found = await flag(...named);
    // Whoever has looked learns of it only by the bell.
    if (++looks === 1) await put(2);
    return found;
  };
  const told = await w.json<{ value: number }>(`${path}?after=1&wait=30000`);
  assert.equal(told.value, 2);
  assert.deepEqual([looks, w.clock.timers], [2, 0]);
});

test("gateway: a token that is withdrawn while tokens are read lets nobody in afterwards", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const text = await tokens.make({ name: "n", kind: "user" });
  const read = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const { tokens: all } = store;
  Object.assign(store, {
    tokens: async () => {
      const rows = await all();
      read.resolve();
      await held.promise;
      return rows;
    },
  });
  const early = tokens.find(text);
  await read.promise;
  assert.equal(await tokens.drop("n"), true);
  held.resolve();
  assert.equal((await early)?.name, "n", "it was asked for before");
  assert.equal(await tokens.find(text), undefined);
  store.close();
});
