/** The store and the events as a task sees them, over a service whose errors lose all but name and message. */
import assert from "node:assert/strict";
import test from "node:test";
import { eventsClient, storeClient } from "../../src/store/client.ts";
import { EventLog } from "../../src/store/events.ts";
import { type StoreService, storeService } from "../../src/store/rpc.ts";
import { SharedStore } from "../../src/store/store.ts";
import type { Events, Store } from "../../src/model/context.ts";
import { HandClock } from "./hand_clock.ts";

interface Rig {
  readonly clock: HandClock;
  readonly shared: SharedStore;
  readonly log: EventLog;
  readonly service: StoreService;
  readonly store: Store;
  readonly events: Events;
  readonly attempt: AbortController;
  /** Resolves when the clients have nothing to do but wait. */
  settled(): Promise<void>;
}

/** What a thread does to a call: arguments and results are cloned, errors keep name and message. */
function overThread(service: StoreService): StoreService {
  const entries = Object.entries(service).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return structuredClone(await method(...structuredClone(args)));
      } catch (error) {
        const { name, message } = error as Error;
        throw Object.assign(new Error(message), { name });
      }
    },
  ]);
  return Object.fromEntries(entries) as StoreService;
}

function rig(limits: { readonly events?: number } = {}): Rig {
  const clock = new HandClock();
  const shared = new SharedStore({ clock });
  const log = new EventLog({ clock, limits: { count: limits.events ?? 1000 } });
  const service = overThread(storeService(shared, log));
  const attempt = new AbortController();
  const options = { signal: attempt.signal, clock };
  return {
    clock,
    shared,
    log,
    service,
    attempt,
    store: storeClient(service, options),
    events: eventsClient(service, { task: "t", iteration: 0, attempt: 1 }, options),
    settled: () => new Promise((resolve) => setTimeout(resolve)),
  };
}

test("values and versions cross the thread both ways, bytes too", async () => {
  const { store, shared } = rig();
  assert.equal(await store.set("k", { raw: new Uint8Array([1, 2]) }), 1);
  assert.equal(shared.get("k")!.value, '{"raw":{"$bytes":"AQI="}}');
  assert.deepEqual(await store.get("k"), { raw: new Uint8Array([1, 2]) });
  assert.deepEqual(await store.entry("k"), { key: "k", value: { raw: new Uint8Array([1, 2]) }, version: 1 });
  assert.deepEqual([await store.has("k"), await store.has("x"), await store.get("x")], [
    true,
    false,
    undefined,
  ]);
  assert.equal(await store.increment("n", 2), 2);
  assert.equal(await store.compareAndSet("n", 2, 3), true);
  assert.equal(await store.compareAndSet("n", undefined, 3), false);
  assert.equal(await store.delete("k"), true);
  assert.equal(await store.delete("k"), false);
});

test("keys are fetched in pages until there are no more", async () => {
  const { store, shared } = rig();
  const keys = Array.from({ length: 2500 }, (_, at) => `k${String(at).padStart(5, "0")}`);
  for (const key of keys) shared.set(key, "1");
  shared.set("other", "1");
  assert.deepEqual(await store.keys("k"), keys);
});

test("a refusal has its class, code and message again", async () => {
  const { store, service } = rig();
  await store.set("k", 1);
  await assert.rejects(store.set("k", 2, { ifVersion: 5 }), {
    name: "ConflictError",
    code: "VERSION_CONFLICT",
    message: /has version 1/,
  });
  await assert.rejects(store.get(""), { code: "BAD_KEY" });
  await assert.rejects(store.set("k", undefined as unknown as null), { code: "BAD_VALUE" });
  await assert.rejects(store.set("k", { fn: () => {} } as unknown as null), {
    code: "OUTRIDER_VALUE",
    message: /k\.fn is a function/,
  });
  await assert.rejects(store.set("k", 1, { expiresIn: "soon" }), /duration/);
  const hostile = service as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  await assert.rejects(hostile["keys"]!(5), { name: "BadArgumentError" });
  await assert.rejects(hostile["set"]!("k", "1", { ifVersion: "x" }), { name: "BadArgumentError" });
  await assert.rejects(hostile["set"]!("k", { toString: 1 }), { name: "BadValueError" });
  await assert.rejects(hostile["emit"]!("e", "1", { task: 5 }), { name: "BadArgumentError" });
  await assert.rejects(hostile["nextChange"]!("k", -1, 0), { name: "BadArgumentError" });
  await assert.rejects(hostile["nextEvents"]!("e", 0, "1"), { name: "BadArgumentError" });
  await assert.rejects(hostile["increment"]!("k", "1"), { name: "NotANumberError" });
  assert.equal(await store.get("k"), 1);
});

test("waitFor takes the present value, or the first later one that satisfies", async () => {
  const { store, shared, clock } = rig();
  shared.set("k", "1");
  assert.equal(await store.waitFor("k", undefined, { timeout: 0 }), 1);
  const three = store.waitFor<number>("k", (value) => value >= 3);
  const fresh = store.waitFor("new");
  for (const value of [2, 3]) {
    await new Promise((resolve) => setTimeout(resolve));
    shared.set("k", `${value}`);
  }
  shared.set("new", "null");
  assert.equal(await three, 3);
  assert.equal(await fresh, null);
  shared.close();
  assert.equal(clock.timers, 0);
});

test("waitFor outlasts a poll and a deletion, and ends by its time with the key and the time", async () => {
  const { store, shared, clock, settled } = rig();
  shared.set("k", "1");
  shared.delete("k");
  const late = store.waitFor("k", () => true, { timeout: "1h" });
  const never = assert.rejects(store.waitFor("gone", () => true, { timeout: "45s" }), {
    name: "TimeoutError",
    message: 'The store\'s "gone" has not become what was waited for within 45s',
  });
  await settled();
  for (let times = 0; times < 5; times++) {
    clock.advance(9_999);
    await settled();
  }
  await never;
  shared.set("k", "2");
  assert.equal(await late, 2);
});

test("many short waits leave nothing waiting on the other side", async () => {
  const { store, events, shared, log, clock, settled } = rig();
  for (let times = 0; times < 3; times++) {
    const ends = [store.waitFor("k", () => true, { timeout: 5 }), events.once("e", { timeout: 5 })]
      .map((wait) => assert.rejects(wait, { name: "TimeoutError" }));
    await settled();
    assert.deepEqual([shared.stats().waits, log.stats().waits], [1, 1]);
    clock.advance(20);
    await Promise.all(ends);
    assert.deepEqual([shared.stats().waits, log.stats().waits], [0, 0]);
  }
});

test("a predicate that throws rejects the wait", async () => {
  const { store, shared } = rig();
  shared.set("k", "1");
  const wait = store.waitFor("k", () => {
    throw new RangeError("my own");
  });
  await assert.rejects(wait, { name: "RangeError", message: "my own" });
});

test("all waits end with the attempt, with the signal's reason", async () => {
  const { store, events, attempt, shared, log, clock, settled } = rig();
  const ends = [
    assert.rejects(store.waitFor("k"), /stopped/),
    assert.rejects(events.once("e"), /stopped/),
    assert.rejects(events.once("e", { since: 0 }), /stopped/),
  ];
  const seen: unknown[] = [];
  const iteration = (async () => {
    for await (const event of events.on("e")) seen.push(event);
  })();
  await settled();
  attempt.abort(new Error("stopped"));
  await Promise.all(ends);
  await iteration;
  await assert.rejects(store.waitFor("k"), /stopped/);
  assert.deepEqual(seen, []);
  shared.close();
  log.close();
  assert.equal(clock.timers, 0);
});

test("on gives the events from the call on, though the first is asked for later", async () => {
  const { events, log } = rig();
  log.emit("e", "0");
  const stream = events.on<number>("e")[Symbol.asyncIterator]();
  assert.equal(await events.emit("e", 1), 2);
  await events.emit("other");
  await events.emit("e");
  const first = await stream.next();
  assert.deepEqual({ ...first.value, at: 0 }, { id: 2, type: "e", detail: 1, at: 0, task: "t" });
  const second = await stream.next();
  assert.deepEqual([second.value.id, "detail" in second.value], [4, false]);
  const third = stream.next();
  log.emit("e", "3");
  assert.equal((await third).value.id, 5);
  await stream.return!();
});

test("on with since begins with what was emitted before, in pages, all types with *", async () => {
  const { events, log } = rig();
  for (let id = 1; id <= 600; id++) log.emit(id % 2 === 0 ? "even" : "odd");
  const ids: number[] = [];
  for await (const { id } of events.on("*", { since: 10 })) {
    ids.push(id);
    if (id === 600) break;
  }
  assert.deepEqual(ids, Array.from({ length: 590 }, (_, at) => at + 11));
});

test("a gap is said, with the number to go on with", async () => {
  const { events, log } = rig({ events: 3 });
  for (let id = 1; id <= 5; id++) log.emit("e");
  const gap = { code: "EVENTS_DROPPED", message: /Events 1 to 2 .* \{since: 2\}$/ };
  await assert.rejects(events.once("e", { since: 0 }), gap);
  await assert.rejects(events.on("e", { since: 0 })[Symbol.asyncIterator]().next(), gap);
  assert.equal((await events.once("e", { since: 2 })).id, 3);
});

test("once counts from now on, or from since, and ends by its time", async () => {
  const { events, log, clock, settled } = rig();
  log.emit("e", '"early"');
  assert.equal((await events.once("e", { since: 0, timeout: 0 })).detail, "early");
  const next = events.once("e");
  await settled();
  log.emit("e", '"late"');
  assert.equal((await next).detail, "late");
  const never = assert.rejects(events.once("e", { timeout: 500 }), {
    name: "TimeoutError",
    message: /"e" .* within 500ms$/,
  });
  await settled();
  clock.advance(500);
  await never;
});

test("a wait of a task ends by its own time, whatever the wall clock says", async () => {
  const { clock, store, settled } = rig();
  let ended = false;
  const wait = assert.rejects(store.waitFor("k", undefined, { timeout: "5s" }), /within 5s$/).then(() =>
    ended = true
  );
  await settled();
  clock.step(56 * 365 * 86_400_000);
  clock.advance(4_999);
  await settled();
  assert.equal(ended, false);
  clock.step(-3_600_000);
  clock.advance(1);
  assert.equal(await wait, true);
});

test("a service whose worker is gone waits no longer", async () => {
  const clock = new HandClock();
  const worker = new AbortController();
  const shared = new SharedStore({ clock });
  const log = new EventLog({ clock });
  const service = storeService(shared, log, { signal: worker.signal });
  const waits = [service.nextChange("k", 0, 1e9), service.nextEvents("e", 0, 1e9)].map((wait) =>
    assert.rejects(wait, /gone/)
  );
  await new Promise((resolve) => setTimeout(resolve));
  worker.abort(new Error("gone"));
  await Promise.all(waits);
  assert.equal(clock.timers, 0);
});
