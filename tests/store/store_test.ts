/** The shared store: versions, conditions, expiry, limits, waits. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { StoreErrorCode } from "../../src/model/error_code.ts";
import { SharedStore, type StoreChanged, type StoreOptions } from "../../src/store/store.ts";
import { HandClock } from "./hand_clock.ts";

function rig(options: StoreOptions = {}): { clock: HandClock; store: SharedStore; changes: StoreChanged[] } {
  const clock = new HandClock();
  const changes: StoreChanged[] = [];
  const store = new SharedStore({ clock, onChange: (change) => changes.push(change), ...options });
  return { clock, store, changes };
}

function refuses(code: StoreErrorCode, act: () => unknown): void {
  assert.throws(act, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, /^[A-Z"].*[^.]$/s);
    return true;
  });
}

test("versions grow by one with each change, over deletion and expiry too", () => {
  const { clock, store, changes } = rig();
  assert.equal(store.set("k", "1"), 1);
  assert.equal(store.set("k", "2", { expiresInMs: 10 }), 2);
  clock.advance(10);
  assert.equal(store.get("k"), undefined);
  assert.equal(store.version("k"), 3);
  assert.equal(store.set("k", "3"), 4);
  assert.equal(store.delete("k"), true);
  assert.equal(store.delete("k"), false);
  assert.equal(store.set("k", "4"), 6);
  assert.deepEqual(changes.map(({ version, value }) => [version, value]), [
    [1, "1"],
    [2, "2"],
    [3, undefined],
    [4, "3"],
    [5, undefined],
    [6, "4"],
  ]);
});

test("versions are not used again when there are too many deleted keys to remember", () => {
  const { store } = rig({ limits: { deleted: 2 } });
  for (const key of ["a", "b", "c"]) {
    for (let times = 0; times < 3; times++) store.set(key, "1");
    store.delete(key);
  }
  assert.equal(store.version("a"), 0);
  assert.equal(store.set("a", "1"), 5);
  assert.equal(store.set("b", "1"), 5);
  assert.equal(store.set("new", "1", { ifVersion: 0 }), 5);
});

test("a write with a version happens only at that version", () => {
  const { store, changes } = rig();
  assert.equal(store.set("k", "1", { ifVersion: 0 }), 1);
  refuses("VERSION_CONFLICT", () => store.set("k", "2", { ifVersion: 0 }));
  refuses("VERSION_CONFLICT", () => store.delete("k", { ifVersion: 7 }));
  assert.equal(store.set("k", "2", { ifVersion: 1 }), 2);
  assert.equal(store.delete("k", { ifVersion: 2 }), true);
  refuses("VERSION_CONFLICT", () => store.set("k", "2", { ifVersion: 3 }));
  refuses("VERSION_CONFLICT", () => store.delete("k", { ifVersion: 3 }));
  assert.equal(changes.length, 3);
});

test("a key is gone exactly at its time, however late the timer is", () => {
  const { clock, store, changes } = rig();
  store.set("k", "1", { expiresInMs: 1000 });
  store.set("other", "1", { expiresInMs: 1000 });
  clock.skip(999);
  assert.equal(store.get("k")!.value, "1");
  clock.skip(1);
  assert.deepEqual(store.keys(), { keys: [] });
  assert.equal(store.get("k"), undefined);
  refuses("VERSION_CONFLICT", () => store.set("k", "2", { ifVersion: 1 }));
  assert.equal(changes.length, 4);
  clock.advance(0);
  assert.equal(changes.length, 4);
  assert.equal(clock.timers, 0);
});

test("a write without expiry ends an earlier expiry, an increment keeps it", () => {
  const { clock, store } = rig();
  store.set("k", "1", { expiresInMs: 10 });
  store.set("k", "2");
  store.set("n", "1", { expiresInMs: 10 });
  store.increment("n");
  clock.advance(10);
  assert.equal(store.get("k")!.value, "2");
  assert.equal(store.get("n"), undefined);
});

test("an expiry beyond what a timer holds is kept", () => {
  const { clock, store } = rig();
  const year = 365 * 24 * 3_600_000;
  store.set("k", "1", { expiresInMs: year });
  clock.advance(year - 1);
  assert.equal(store.get("k")!.value, "1");
  clock.advance(1);
  assert.equal(store.version("k"), 2);
});

test("increment counts from nothing, and refuses what is no number", () => {
  const { store } = rig();
  assert.deepEqual(store.increment("n"), { value: 1, version: 1 });
  assert.deepEqual(store.increment("n", -2.5), { value: -1.5, version: 2 });
  store.set("text", '"1"');
  refuses("NOT_A_NUMBER", () => store.increment("text"));
  refuses("NOT_A_NUMBER", () => store.increment("n", Infinity));
  refuses("NOT_A_NUMBER", () => store.increment("n", "1" as unknown as number));
  store.set("big", "1e308");
  refuses("NOT_A_NUMBER", () => store.increment("big", 1e308));
  assert.equal(store.get("n")!.value, "-1.5");
});

test("compareAndSet compares values, whatever the order of their keys", () => {
  const { store } = rig();
  assert.equal(store.compareAndSet("k", "1", "2"), false);
  assert.equal(store.compareAndSet("k", undefined, '{"a":1,"b":[{"c":1,"d":2}]}'), true);
  assert.equal(store.compareAndSet("k", undefined, "2"), false);
  assert.equal(store.compareAndSet("k", '{"b":[{"d":2,"c":1}],"a":1.0}', "2"), true);
  assert.deepEqual(store.get("k"), { key: "k", value: "2", version: 2 });
});

test("keys come in code unit order, a page at a time, also when keys come and go between pages", () => {
  const { store } = rig();
  for (const key of ["b2", "a", "b1", "b10", "é", "b3", "c"]) store.set(key, "1");
  assert.deepEqual(store.keys({ prefix: "b", limit: 2 }), { keys: ["b1", "b10"], cursor: "b10" });
  store.delete("b10");
  store.set("b11", "1");
  assert.deepEqual(store.keys({ prefix: "b", limit: 3, cursor: "b10" }), { keys: ["b11", "b2", "b3"] });
  assert.deepEqual(store.keys().keys, ["a", "b1", "b11", "b2", "b3", "c", "é"]);
  refuses("BAD_ARGUMENT", () => store.keys({ limit: 0 }));
});

test("limits have their own errors, and a refused write changes nothing", () => {
  const { clock, store, changes } = rig({ limits: { key: 4, value: 10, store: 20 } });
  refuses("BAD_KEY", () => store.set("", "1"));
  refuses("BAD_KEY", () => store.get(7 as unknown as string));
  refuses("BAD_KEY", () => store.get("\ud800"));
  refuses("KEY_TOO_LONG", () => store.set("12345", "1"));
  refuses("VALUE_TOO_LARGE", () => store.set("a", JSON.stringify("123456789")));
  refuses("BAD_VALUE", () => store.set("a", "{"));
  refuses("BAD_VALUE", () => store.set("a", undefined as unknown as string));
  refuses("BAD_ARGUMENT", () => store.set("a", "1", { expiresInMs: -1 }));
  store.set("a", '"1234567"', { expiresInMs: 5 });
  store.set("b", "12345678");
  refuses("STORE_FULL", () => store.set("c", "1"));
  refuses("STORE_FULL", () => store.increment("c"));
  assert.equal(store.set("b", "1234567"), 2, "a smaller value fits in place of a larger one");
  assert.equal(changes.length, 3);
  clock.skip(5);
  assert.equal(store.set("c", "1234567"), 1, "what has expired makes room");
  assert.deepEqual(store.stats(), { keys: 2, size: 16, waits: 0 });
});

test("a value is kept as the value rule writes it, or refused", () => {
  const { store } = rig();
  store.set("k", ' { "a" : 1.0, "raw": {"$bytes": "AQ=="} } ');
  assert.equal(store.get("k")!.value, '{"a":1,"raw":{"$bytes":"AQ=="}}');
  refuses("BAD_VALUE", () => store.set("k", '{"$bytes": 5}'));
  refuses("BAD_VALUE", () => store.set("k", '{"$bytes": "%%%"}'));
  refuses("BAD_VALUE", () => store.set("k", "[".repeat(100_000) + "]".repeat(100_000)));
});

test("a wait ends with the change, at once where it has happened already", async () => {
  const { clock, store } = rig();
  store.set("k", "1");
  assert.equal((await store.wait("k", 0, { timeoutMs: 0 }))!.value, "1");
  assert.equal(await store.wait("k", 1, { timeoutMs: 0 }), undefined);
  const waits = [store.wait("k", 1, { timeoutMs: 100 }), store.wait("new", 0, { timeoutMs: 100 })];
  store.delete("k");
  store.set("new", "2", { expiresInMs: 5 });
  assert.deepEqual(await Promise.all(waits), [
    { key: "k", version: 2 },
    { key: "new", value: "2", version: 1, expiresAt: clock.now() + 5 },
  ]);
  assert.deepEqual(await store.wait("k", 1, { timeoutMs: 100 }), { key: "k", version: 2 });
  const expiry = store.wait("new", 1, { timeoutMs: 100 });
  clock.advance(5);
  assert.deepEqual(await expiry, { key: "new", version: 2 });
  assert.deepEqual([store.stats().waits, clock.timers], [0, 0]);
});

test("a wait ends with its time, its signal, and the store, and leaves nothing behind", async () => {
  const { clock, store } = rig();
  const stop = new AbortController();
  const over = store.wait("k", 0, { timeoutMs: 100 });
  const aborted = store.wait("k", 0, { timeoutMs: 1000, signal: stop.signal });
  const closed = store.wait("k", 0, { timeoutMs: 1000 });
  await Promise.resolve();
  assert.equal(store.stats().waits, 3);
  clock.advance(100);
  assert.equal(await over, undefined);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await assert.rejects(store.wait("k", 0, { timeoutMs: 1, signal: stop.signal }), /enough/);
  store.close();
  assert.equal(await closed, undefined);
  assert.deepEqual([store.stats().waits, clock.timers], [0, 0]);
  await assert.rejects(store.wait("k", 0, { timeoutMs: NaN }), { code: "BAD_ARGUMENT" });
});

test("all listeners see all changes in the same order, also when one of them makes a change", () => {
  const { store } = rig();
  const seen: string[] = [];
  store.watch({ prefix: "" }, ({ key, version }) => {
    seen.push(`first ${key} ${version}`);
    if (version === 1) store.set(key, "2");
  });
  const stop = store.watch({ key: "k" }, ({ key, version }) => seen.push(`second ${key} ${version}`));
  store.set("k", "1");
  stop();
  store.set("k", "3");
  assert.deepEqual(seen.filter((line) => line.startsWith("first")), ["first k 1", "first k 2", "first k 3"]);
  assert.deepEqual(seen.filter((line) => line.startsWith("second")), ["second k 1", "second k 2"]);
});

test("a store restored from its changes is the same, and what has expired meanwhile goes at once", () => {
  const { clock, store, changes } = rig();
  store.set("a", "1");
  store.set("b", "1", { expiresInMs: 10 });
  store.set("c", "1", { expiresInMs: 1000 });
  store.set("d", "1");
  store.delete("d");
  const again = rig({ clock });
  const recorded = [...changes];
  store.close();
  clock.skip(10);
  again.store.restore(recorded);
  assert.deepEqual(again.store.keys().keys, ["a", "c"]);
  assert.deepEqual(again.changes, [{ type: "store.changed", key: "b", version: 2 }]);
  assert.equal(again.store.set("d", "2"), 3);
  clock.advance(990);
  assert.equal(again.store.get("c"), undefined);
});

test("a step of the wall clock takes no key before its time, keeps none beyond it, and ends no wait", async () => {
  for (const step of [56 * 365 * 86_400_000, -3_600_000]) {
    const { clock, store } = rig();
    store.set("k", "1", { expiresInMs: 1000 });
    let over = false;
    const wait = store.wait("other", 0, { timeoutMs: 500 }).then(() => over = true);
    clock.step(step);
    clock.advance(499);
    await new Promise((later) => setTimeout(later));
    assert.equal(over, false);
    clock.advance(1);
    assert.equal(await wait, true);
    clock.advance(499);
    store.increment("k");
    assert.equal(store.get("k")?.value, "2");
    assert.deepEqual(store.keys().keys, ["k"]);
    clock.advance(1);
    assert.equal(store.get("k"), undefined);
    assert.equal(clock.timers, 0);
  }
});

test("after a restart a key has what the wall clock leaves of its time, and never more than its whole time", () => {
  for (const [step, left] of [[-3_600_000, 1000], [400, 600], [56 * 365 * 86_400_000, 0]] as const) {
    const { clock, store, changes } = rig();
    const at = clock.now();
    store.set("k", "1", { expiresInMs: 1000 });
    const recorded = changes.map((change) => ({ ...change, at }));
    store.close();
    clock.step(step);
    const again = rig({ clock }).store;
    again.restore(recorded);
    if (left > 0) clock.advance(left - 1);
    assert.equal(again.get("k")?.value, left > 0 ? "1" : undefined);
    clock.advance(1);
    assert.equal(again.get("k"), undefined);
  }
});

type Step =
  | {
    readonly do: "set";
    readonly key: string;
    readonly value: number;
    readonly ifVersion?: number;
    readonly ms?: number;
  }
  | { readonly do: "delete"; readonly key: string }
  | { readonly do: "increment"; readonly key: string }
  | {
    readonly do: "cas";
    readonly key: string;
    readonly expected: number | undefined;
    readonly value: number;
  }
  | { readonly do: "skip"; readonly ms: number }
  | { readonly do: "advance"; readonly ms: number };

const key = fc.constantFrom("a", "b", "ab", "c");
const value = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("set" as const),
    key,
    value,
    ifVersion: fc.integer({ min: 0, max: 3 }),
    ms: fc.integer({ min: 0, max: 9 }),
  }, {
    requiredKeys: ["do", "key", "value"],
  }),
  fc.record({ do: fc.constant("delete" as const), key }),
  fc.record({ do: fc.constant("increment" as const), key }),
  fc.record({ do: fc.constant("cas" as const), key, expected: fc.option(value, { nil: undefined }), value }),
  fc.record({ do: fc.constant("skip" as const), ms: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 5 }) }),
);

/** The store as simple as it can be said: what is due goes before every step. */
class Model {
  now = 0;
  readonly keys: Map<string, { value: number; until: number }> = new Map();
  readonly versions: Map<string, number> = new Map();

  expire(): void {
    for (const [key, { until }] of [...this.keys]) if (until <= this.now) this.delete(key);
  }
  delete(key: string): void {
    if (this.keys.delete(key)) this.versions.set(key, this.versions.get(key)! + 1);
  }
  set(key: string, value: number, until: number = Infinity): void {
    this.keys.set(key, { value, until });
    this.versions.set(key, (this.versions.get(key) ?? 0) + 1);
  }
  take(step: Step): void {
    if ("ms" in step && step.do !== "set") this.now += step.ms;
    this.expire();
    if (step.do === "set") {
      const version = this.keys.has(step.key) ? this.versions.get(step.key) : 0;
      if (step.ifVersion !== undefined && step.ifVersion !== version) return;
      this.set(step.key, step.value, step.ms === undefined ? Infinity : this.now + step.ms);
    } else if (step.do === "delete") this.delete(step.key);
    else if (step.do === "increment") {
      const { value, until } = this.keys.get(step.key) ?? { value: 0, until: Infinity };
      this.set(step.key, value + 1, until);
    } else if (step.do === "cas" && this.keys.get(step.key)?.value === step.expected) {
      this.set(step.key, step.value);
    }
    this.expire();
  }
}

function take(store: SharedStore, clock: HandClock, step: Step): void {
  if (step.do === "skip") clock.skip(step.ms);
  else if (step.do === "advance") clock.advance(step.ms);
  else if (step.do === "delete") store.delete(step.key);
  else if (step.do === "increment") store.increment(step.key);
  else if (step.do === "cas") store.compareAndSet(step.key, step.expected?.toString(), `${step.value}`);
  else {
    try {
      store.set(step.key, `${step.value}`, { ifVersion: step.ifVersion, expiresInMs: step.ms });
    } catch (error) {
      assert.equal((error as { code?: string }).code, "VERSION_CONFLICT");
    }
  }
}

test("the store does what the model does, records every change, and is the same after a restore", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { clock, store, changes } = rig();
    const model = new Model();
    for (const step of steps) {
      take(store, clock, step);
      model.take(step);
      const present = [...model.keys.keys()].sort();
      assert.deepEqual(store.keys().keys, present);
      for (const key of present) {
        const { value, version } = store.get(key)!;
        assert.deepEqual([value, version], [`${model.keys.get(key)!.value}`, model.versions.get(key)]);
      }
      for (const [key, version] of model.versions) assert.equal(store.version(key), version);
    }
    const next = new Map<string, number>();
    for (const { key, version } of changes) {
      assert.equal(version, (next.get(key) ?? 0) + 1);
      next.set(key, version);
    }
    const again = rig({ clock });
    again.store.restore(changes);
    assert.deepEqual(again.store.keys(), store.keys());
    assert.equal(again.store.stats().size, store.stats().size);
    store.close();
    again.store.close();
    assert.equal(clock.timers, 0);
  }));
});
