/** Every bound of the store and the events, with what is just within it and just beyond, and what is left behind. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { eventsClient, storeClient } from "../../src/store/client.ts";
import { DeletedKeys } from "../../src/store/deleted.ts";
import { revive, StoreError, TimeoutError } from "../../src/store/errors.ts";
import { type EventEmitted, EventLog } from "../../src/store/events.ts";
import { Listeners } from "../../src/store/listeners.ts";
import { type StoreService, storeService } from "../../src/store/rpc.ts";
import { SharedStore, type StoreChanged } from "../../src/store/store.ts";
import { valueText } from "../../src/store/text.ts";
import { Waits } from "../../src/store/waits.ts";
import { HandClock } from "./hand_clock.ts";

/** Text of a JSON string that has so many characters. */
function jsonOf(length: number): string {
  return JSON.stringify("x".repeat(length - 2));
}

/** Lets all that is due go on. */
async function settled(): Promise<void> {
  for (let steps = 0; steps < 50; steps++) await Promise.resolve();
}

/** A signal that counts its listeners. */
function countedSignal(): { readonly stop: AbortController; readonly signal: AbortSignal; count(): number } {
  const stop = new AbortController();
  const { signal } = stop;
  const listeners = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  Object.assign(signal, {
    addEventListener: (type: "abort", listener: () => void) => {
      listeners.add(listener);
      add(type, listener);
    },
    removeEventListener: (type: "abort", listener: () => void) => {
      listeners.delete(listener);
      remove(type, listener);
    },
  });
  return { stop, signal, count: () => listeners.size };
}

test("the limits of the store are those that docs/store.md says, with the last that fits and the first that does not", () => {
  const clock = new HandClock();
  const store = new SharedStore({ clock });
  assert.deepEqual(store.limits, { key: 512, value: 1_048_576, store: 67_108_864, deleted: 100_000 });
  store.set("k".repeat(512), "1");
  assert.throws(() => store.set("k".repeat(513), "1"), { code: "KEY_TOO_LONG" });
  store.set("k", jsonOf(1_048_576));
  assert.throws(() => store.set("k", jsonOf(1_048_577)), { code: "VALUE_TOO_LARGE" });
});

test("every method of the store refuses a key that is none, in words, and changes nothing", () => {
  const changes: StoreChanged[] = [];
  const store = new SharedStore({ limits: { key: 4 }, onChange: (change) => changes.push(change) });
  const methods: readonly ((key: string) => unknown)[] = [
    (key) => store.get(key),
    (key) => store.version(key),
    (key) => store.set(key, "1"),
    (key) => store.delete(key),
    (key) => store.increment(key),
    (key) => store.compareAndSet(key, undefined, "1"),
  ];
  for (const method of methods) {
    for (
      const [key, shown] of [["", '""'], ["\ud800", '"\\ud800"'], [null, "null"], [7, "number"]] as const
    ) {
      const message = `A key must be a string of at least one character, well-formed Unicode: ${shown}`;
      assert.throws(() => method(key as string), { code: "BAD_KEY", message });
    }
    assert.throws(() => method("12345"), { code: "KEY_TOO_LONG" });
  }
  assert.deepEqual([changes, store.stats()], [[], { keys: 0, size: 0, waits: 0 }]);
});

test("the whole store is full at its last character: what a write replaces counts no more, what has expired neither", () => {
  const clock = new HandClock();
  const store = new SharedStore({ clock, limits: { store: 10 } });
  store.set("a", "1234");
  store.set("b", "1234");
  assert.equal(store.stats().size, 10);
  store.set("a", "4321");
  assert.throws(() => store.set("a", "12345"), { code: "STORE_FULL" });
  assert.throws(() => store.set("c", "1"), { code: "STORE_FULL" });
  assert.equal(store.get("a")!.value, "4321");
  store.set("b", "1234", { expiresInMs: 5 });
  clock.skip(5);
  store.set("c", "1234");
  assert.deepEqual([store.get("b"), store.stats()], [undefined, { keys: 2, size: 10, waits: 0 }]);
  // A key that is itself over gives way to its own next value.
  store.set("c", "1234", { expiresInMs: 5 });
  clock.skip(5);
  store.set("c", "4321");
  assert.equal(store.get("c")!.value, "4321");
  store.close();
});

test("an expiry is 0 or more milliseconds, and counts from the write on the real clock too", () => {
  const store = new SharedStore();
  for (const bad of [-1, NaN, Infinity]) {
    assert.throws(() => store.set("k", "1", { expiresInMs: bad }), { code: "BAD_ARGUMENT" });
  }
  assert.equal(store.set("k", "1", { expiresInMs: 0 }), 1);
  assert.equal(store.get("k"), undefined);
  assert.equal(store.version("k"), 2);
  store.close();
});

test("a timer that is early takes no key before its time, and no timer is left", () => {
  const clock = new HandClock();
  const early: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    stampOffset: () => clock.stampOffset(),
    after: (ms, fn) => clock.after(Math.ceil(ms / 2), fn),
  };
  const changes: StoreChanged[] = [];
  const store = new SharedStore({ clock: early, onChange: (change) => changes.push(change) });
  store.set("k", "1", { expiresInMs: 8 });
  clock.advance(7);
  assert.deepEqual([store.get("k")?.value, changes.length], ["1", 1]);
  clock.advance(3);
  assert.equal(changes.length, 2, "it goes without being asked for");
  for (const key of ["a", "b"]) store.set(key, "1", { expiresInMs: 8 });
  store.set("a", "2");
  assert.equal(clock.timers, 1);
  store.close();
  assert.equal(clock.timers, 0);
  assert.equal(store.get("b")?.value, "1", "what is there stays readable");
});

test("of the deleted keys the one deleted longest ago is forgotten first, and its versions are never used again", () => {
  const deleted = new DeletedKeys(2);
  deleted.add("a", 5);
  deleted.add("b", 3);
  assert.deepEqual([deleted.version("a"), deleted.version("b"), deleted.last("new")], [5, 3, 0]);
  // It comes back and goes once more: now the other is the older one.
  deleted.delete("a");
  assert.equal(deleted.version("a"), undefined);
  deleted.add("a", 7);
  deleted.add("c", 1);
  assert.deepEqual([deleted.version("b"), deleted.version("a"), deleted.version("c")], [undefined, 7, 1]);
  assert.deepEqual([deleted.last("b"), deleted.last("new"), deleted.last("a")], [3, 3, 7]);
  deleted.add("d", 1);
  assert.deepEqual([deleted.last("new"), deleted.last("a")], [7, 7], "the highest of all that are forgotten");
});

test("a key that comes back and goes again is forgotten by its last deletion", () => {
  const store = new SharedStore({ limits: { deleted: 2 } });
  for (const key of ["a", "b", "a"]) {
    store.set(key, "1");
    store.delete(key);
  }
  store.set("c", "1");
  store.delete("c");
  assert.deepEqual([store.version("a"), store.version("b"), store.version("c")], [4, 0, 2]);
});

test("what was restored has its stamp, and what is over goes before anybody asks", () => {
  const clock = new HandClock();
  const changes: StoreChanged[] = [];
  const store = new SharedStore({ clock, onChange: (change) => changes.push(change) });
  const now = clock.now();
  store.restore([
    { key: "stays", value: "1", version: 1 },
    { key: "goes", value: "1", version: 2, expiresAt: now + 10, at: now - 10 },
    { key: "gone", value: "1", version: 3, expiresAt: now, at: now - 10 },
    { key: "deleted", version: 4 },
  ]);
  assert.deepEqual(changes, [{ type: "store.changed", key: "gone", version: 4 }]);
  assert.deepEqual(store.get("stays"), { key: "stays", value: "1", version: 1 });
  assert.deepEqual(store.get("goes"), { key: "goes", value: "1", version: 2, expiresAt: now + 10 });
  assert.deepEqual([store.version("deleted"), store.stats().keys], [4, 2]);
  clock.advance(10);
  assert.equal(store.stats().keys, 1);
});

test("pages of keys: the prefix itself is listed, what only holds it is not; 1 to 10,000, 1,000 where nothing is said", () => {
  const store = new SharedStore();
  for (const key of ["b", "ab", "b1", "cb"]) store.set(key, "1");
  assert.deepEqual(store.keys({ prefix: "b" }), { keys: ["b", "b1"] });
  assert.deepEqual(store.keys({ prefix: "b", limit: 1 }), { keys: ["b"], cursor: "b" });
  for (const limit of [0, 10_001, 1.5]) {
    assert.throws(() => store.keys({ limit }), { code: "BAD_ARGUMENT" });
  }
  const more = new SharedStore();
  for (let at = 0; at < 10_001; at++) more.set(`k${String(at).padStart(5, "0")}`, "1");
  assert.deepEqual([more.keys().keys.length, more.keys().cursor], [1_000, "k00999"]);
  assert.deepEqual([more.keys({ limit: 10_000 }).keys.length, more.keys({ cursor: "k09999" })], [
    10_000,
    { keys: ["k10000"] },
  ]);
});

test("who watches a prefix is told of keys that begin with it", () => {
  const store = new SharedStore();
  const seen: string[] = [];
  const stop = store.watch({ prefix: "b/" }, ({ key }) => seen.push(key));
  for (const key of ["b/1", "a/b/", "b", "b/2"]) store.set(key, "1");
  stop();
  store.set("b/3", "1");
  assert.deepEqual(seen, ["b/1", "b/2"]);
});

test("the limits of the events are those that docs/store.md says, with the last that fits and the first that does not", () => {
  const log = new EventLog();
  assert.deepEqual(log.limits, { count: 100_000, size: 67_108_864, type: 256, detail: 1_048_576 });
  const before = Date.now();
  log.emit("t".repeat(256), jsonOf(1_048_576));
  assert.ok(Math.abs(log.read("*", 0).events[0]!.at - before) < 60_000, "its time is the real clock's");
  const got = JSON.stringify("t".repeat(60));
  assert.throws(() => log.emit("t".repeat(257)), {
    code: "BAD_EVENT",
    message: `An event's type must be a string of 1 to 256 characters and not "*": ${got}`,
  });
  assert.throws(() => log.emit("t", jsonOf(1_048_577)), { code: "VALUE_TOO_LARGE" });
  assert.equal(log.last, 1);
});

test("an event counts with its type and its detail, and what exceeds the bound goes, the oldest first", () => {
  const log = new EventLog({ limits: { size: 10 } });
  log.emit("abc");
  log.emit("de", '"1"');
  assert.equal(log.stats().size, 8);
  log.emit("fg");
  assert.deepEqual(log.stats(), { events: 3, size: 10, waits: 0 });
  log.emit("h");
  assert.deepEqual([log.stats(), log.read("*", 0).missed], [{ events: 3, size: 8, waits: 0 }, 1]);
  const few = new EventLog({ limits: { count: 2 } });
  for (let id = 1; id <= 2; id++) few.emit("e");
  assert.equal(few.read("*", 0).missed, 0);
  few.emit("e");
  assert.equal(few.read("*", 0).missed, 1);
});

test("a page has 256 events where nothing is said, 1 to 10,000 if something is", () => {
  const log = new EventLog();
  for (let id = 1; id <= 10_001; id++) log.emit("e");
  assert.deepEqual([log.read("e", 0).events.length, log.read("e", 0).upTo], [256, 256]);
  assert.deepEqual([log.read("e", 0, 1).events.length, log.read("e", 0, 10_000).upTo], [1, 10_000]);
  for (const limit of [0, 10_001, 1.5]) {
    assert.throws(() => log.read("e", 0, limit), { code: "BAD_ARGUMENT" });
  }
});

test("a page ends with the event that makes it 4 Mi characters", () => {
  const of = (length: number) => {
    const log = new EventLog();
    for (let id = 1; id <= 5; id++) log.emit("e", jsonOf(length - 1));
    return log.read("*", 0).events.length;
  };
  // Four are one less than a page each; one more character, and they are a page.
  const log = new EventLog();
  for (const length of [1 << 20, 1 << 20, 1 << 20, (1 << 20) - 1, 10]) log.emit("e", jsonOf(length - 1));
  assert.equal(log.read("*", 0).events.length, 5);
  assert.equal(of(1 << 20), 4);
});

test("events restored have their detail and who emitted them, one without has neither", () => {
  const recorded: (EventEmitted & { at: number })[] = [];
  const log = new EventLog({ onChange: (event, at) => recorded.push({ ...event, at }) });
  const from = { task: "t", iteration: 0, attempt: 1 };
  log.emit("whole", '"x"', from);
  log.emit("bare");
  const again = new EventLog();
  again.restore(recorded);
  assert.deepEqual(again.read("*", 0), log.read("*", 0));
  assert.deepEqual(Object.keys(again.read("bare", 0).events[0]!), ["id", "type", "at"]);
});

test("who waits for events is answered at once by one that is there, or by one that is missed", async () => {
  const clock = new HandClock();
  const log = new EventLog({ clock, limits: { count: 1 } });
  log.emit("a");
  assert.equal((await log.next("a", 0, { timeoutMs: 1000 })).events.length, 1);
  log.emit("b");
  assert.deepEqual(await log.next("a", 0, { timeoutMs: 1000 }), { events: [], upTo: 2, missed: 1 });
  assert.equal(clock.timers, 0);
});

test("all listeners are told in one order, also of what a listener does meanwhile", () => {
  const listeners = new Listeners<string>();
  const seen: string[] = [];
  listeners.add("t", (item) => {
    seen.push(`1 ${item}`);
    if (item === "a") { for (const next of ["b", "c"]) listeners.tell("t", next); }
  });
  listeners.add(undefined, (item) => seen.push(`2 ${item}`));
  listeners.tell("t", "a");
  assert.deepEqual(seen, ["1 a", "2 a", "1 b", "2 b", "1 c", "2 c"]);
  listeners.tell("t", "d");
  assert.deepEqual(seen.slice(6), ["1 d", "2 d"]);
});

test("a listener that leaves takes no other along, also one that leaves twice", () => {
  const listeners = new Listeners<number>();
  const seen: string[] = [];
  const first = listeners.add("t", () => seen.push("first"));
  listeners.add("t", () => seen.push("second"));
  first();
  listeners.tell("t", 1);
  assert.deepEqual(seen, ["second"]);
  const alone = listeners.add("u", () => seen.push("alone"));
  alone();
  listeners.add("u", () => seen.push("later"));
  alone();
  listeners.tell("u", 1);
  assert.deepEqual(seen, ["second", "later"]);
});

test("a wait that has ended leaves no timer, no listener, and nothing at its signal, however it ended", async () => {
  const clock = new HandClock();
  const waits = new Waits(clock);
  const { stop, signal, count } = countedSignal();
  let listening = 0;
  let tell: (value: string) => void = () => {};
  const open = (timeoutMs: number) =>
    waits.open<string>({
      timeoutMs,
      signal,
      listen: (found) => {
        listening++;
        tell = found;
        return () => void listening--;
      },
      otherwise: () => "over",
    });
  const assertNothing = () => assert.deepEqual([waits.size, clock.timers, listening, count()], [0, 0, 0, 0]);
  const found = open(10);
  assert.deepEqual([waits.size, clock.timers, listening, count()], [1, 1, 1, 1]);
  tell("found");
  assert.equal(await found, "found");
  assertNothing();
  const late = open(10);
  clock.advance(10);
  assert.equal(await late, "over");
  assertNothing();
  const closed = open(10);
  waits.close();
  assert.equal(await closed, "over");
  assertNothing();
  assert.equal(await open(0), "over");
  assertNothing();
  const aborted = open(10);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await assert.rejects(open(10), /enough/);
  for (const bad of [-1, NaN]) {
    await assert.rejects(waits.open({ timeoutMs: bad, listen: () => () => {}, otherwise: () => 0 }), {
      code: "BAD_ARGUMENT",
    });
  }
  assertNothing();
});

test("10,000 waits are open at a time, of 24 days at the longest", async () => {
  const clock = new HandClock();
  const waits = new Waits(clock);
  const open = (timeoutMs: number) =>
    waits.open({ timeoutMs, listen: () => () => {}, otherwise: () => "over" });
  const longest = open(1e12);
  const all = Array.from({ length: 9_999 }, () => open(1e12));
  await assert.rejects(open(1), { code: "TOO_MANY_WAITS" });
  assert.equal(waits.size, 10_000);
  const day = 24 * 3_600_000;
  let over = false;
  void longest.then(() => over = true);
  waits.close();
  await Promise.all(all);
  assert.equal(over, true);
  over = false;
  void open(1e12).then(() => over = true);
  clock.advance(24 * day - 1);
  await settled();
  assert.equal(over, false);
  clock.advance(1);
  await settled();
  assert.equal(over, true);
});

interface Far {
  readonly clock: HandClock;
  readonly shared: SharedStore;
  readonly log: EventLog;
  readonly service: StoreService;
}

function far(count: number = 1000): Far {
  const clock = new HandClock();
  const shared = new SharedStore({ clock });
  const log = new EventLog({ clock, limits: { count } });
  return { clock, shared, log, service: storeService(shared, log) };
}

const FROM = { task: "t", iteration: 0, attempt: 1 };

test("a service takes arguments of any kind, and refuses what is out of range in words", async () => {
  const { service } = far();
  const hostile = service as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  assert.deepEqual(await service.keys("p".repeat(1024)), { keys: [] });
  const refused: readonly [string, readonly unknown[], string][] = [
    ["keys", ["p".repeat(1025)], "prefix must be a string of at most 1,024 characters: string"],
    ["keys", ["", 5], "cursor must be a string of at most 1,024 characters: 5"],
    ["keys", [null], "prefix must be a string of at most 1,024 characters: null"],
    ["set", ["k", "1", null], "options must be an object: null"],
    ["set", ["k", "1", 5], "options must be an object: 5"],
    ["set", ["k", "1", { ifVersion: -1 }], "ifVersion must be an integer of at least 0: -1"],
    ["set", ["k", "1", { expiresInMs: Infinity }], "expiresInMs must be 0 or more milliseconds: Infinity"],
    ["set", ["k", "1", { expiresInMs: -1 }], "expiresInMs must be 0 or more milliseconds: -1"],
    ["emit", ["e", "1", null], "from must be an attempt: null"],
    ["emit", ["e", "1", "x"], "from must be an attempt: string"],
    ["emit", ["e", "1", { ...FROM, attempt: 0.5 }], "attempt must be an integer of at least 0: 0.5"],
    ["nextChange", ["k", 0, NaN], "timeoutMs must be 0 or more milliseconds: NaN"],
    ["nextEvents", [5, 0, 0], "type must be a string of at most 1,024 characters: 5"],
  ];
  for (const [method, args, message] of refused) {
    await assert.rejects(hostile[method]!(...args), { code: "BAD_ARGUMENT", message });
  }
  assert.equal(await service.set("k", "1", { ifVersion: 0 }), 1);
  assert.equal(await service.set("k", "1", { expiresInMs: 0 }), 2);
  assert.equal(await service.emit("e", undefined, { ...FROM, attempt: 0 }), 1);
});

test("one call waits 10 s at the longest", async () => {
  const { clock, service } = far();
  const answers: string[] = [];
  void service.nextChange("k", 0, 60_000).then(() => answers.push("change"));
  void service.nextEvents("e", 0, 60_000).then(() => answers.push("events"));
  await settled();
  clock.advance(9_999);
  await settled();
  assert.deepEqual(answers, []);
  clock.advance(1);
  await settled();
  assert.deepEqual(answers, ["change", "events"]);
});

test("a task's wait asks for 10 s at a time, and for little more than what is left of it", async () => {
  const { clock, service } = far();
  const asked: number[] = [];
  const { signal, count } = countedSignal();
  const spied: StoreService = {
    ...service,
    nextChange: (key, since, ms) => {
      asked.push(ms);
      return service.nextChange(key, since, ms);
    },
  };
  const wait = storeClient(spied, { signal, clock }).waitFor("k", undefined, { timeout: 10_500 });
  wait.catch(() => {});
  await settled();
  clock.advance(10_000);
  await settled();
  assert.deepEqual(asked, [0, 10_000, 510]);
  clock.advance(500);
  await assert.rejects(wait, { name: "TimeoutError" });
  clock.advance(10);
  await settled();
  assert.deepEqual([clock.timers, count(), asked.length], [0, 0, 3], "nothing is left behind");
});

test("a wait without time takes one look and no more", async () => {
  const { clock, shared, service } = far();
  const store = storeClient(service, { signal: new AbortController().signal, clock });
  const none = store.waitFor("k", undefined, { timeout: 0 });
  let why: unknown;
  none.catch((error) => why = error);
  await settled();
  clock.advance(0);
  await settled();
  assert.ok(why instanceof TimeoutError);
  shared.set("k", "1");
  assert.equal(await store.waitFor("k", undefined, { timeout: 0 }), 1);
});

test("a value that is written between two looks of a wait is seen", async () => {
  const { clock, shared, service } = far();
  const between: StoreService = {
    ...service,
    nextChange: async (key, since, ms) => {
      const found = await service.nextChange(key, since, ms);
      if (found === undefined && ms === 0) shared.set("k", "1");
      return found;
    },
  };
  const store = storeClient(between, { signal: new AbortController().signal, clock });
  assert.equal(await store.waitFor("k", undefined, { timeout: 1_000 }), 1);
});

test("an increment without a number is by 1", async () => {
  const { service } = far();
  const store = storeClient(service, { signal: new AbortController().signal });
  assert.deepEqual([await store.increment("n"), await store.increment("n")], [1, 2]);
});

test("what has been looked at may be forgotten: who waits for one event misses nothing by others", async () => {
  const { clock, log, service } = far(3);
  const events = eventsClient(service, FROM, { signal: new AbortController().signal, clock });
  const wanted = events.once("wanted", { timeout: 60_000 });
  await settled();
  for (let id = 1; id <= 2; id++) log.emit("other");
  clock.advance(10_000);
  await settled();
  for (let id = 3; id <= 5; id++) log.emit("other");
  clock.advance(10_000);
  await settled();
  log.emit("wanted", "7");
  assert.deepEqual([(await wanted).detail, (await wanted).task], [7, undefined]);
});

test("an iteration ends with the attempt, also in the midst of a page", async () => {
  const { clock, log, service } = far();
  for (let id = 1; id <= 3; id++) log.emit("e");
  const { stop, signal, count } = countedSignal();
  const seen: number[] = [];
  for await (const { id } of eventsClient(service, FROM, { signal, clock }).on("e", { since: 0 })) {
    seen.push(id);
    stop.abort(new Error("enough"));
  }
  assert.deepEqual([seen, count()], [[1], 0]);
});

test("who never iterates is not told that the numbering could not be asked for", async () => {
  const { clock, service } = far();
  const gone: StoreService = { ...service, lastEvent: () => Promise.reject(new Error("gone")) };
  const options = { signal: new AbortController().signal, clock };
  const events = eventsClient(gone, FROM, options).on("e");
  await new Promise((later) => setTimeout(later));
  await assert.rejects(async () => {
    for await (const _ of events);
  }, /gone/);
});

test("an error that is one of the store's already, and what is no error, come back as they are", () => {
  const known = new StoreError("BAD_KEY", "A message");
  assert.equal(revive(known), known);
  assert.equal(revive("a text"), "a text");
  const other = new Error("another");
  assert.equal(revive(other), other);
  const crossed = Object.assign(new Error("A message"), { name: "BadKeyError" });
  assert.deepEqual([(revive(crossed) as StoreError).code, revive(crossed) instanceof StoreError], [
    "BAD_KEY",
    true,
  ]);
});

test("a value's text is refused with why: its size, its JSON, or the value rule", () => {
  const text = (json: string, limit = 5) => valueText(json, { what: () => "It", limit });
  assert.equal(text("12345"), "12345");
  assert.throws(() => text("123456"), { code: "VALUE_TOO_LARGE" });
  assert.throws(() => text("{"), {
    code: "BAD_VALUE",
    message: /^It can't be kept, it is not JSON by the value rule \(/,
  });
  const deep = "[".repeat(501) + "]".repeat(501);
  assert.throws(() => text(deep, 2_000), {
    code: "BAD_VALUE",
    message: /^It can't be kept, value.* nested more than 500/,
  });
  assert.throws(() => text(5 as unknown as string), { code: "BAD_VALUE", message: /not as number/ });
});
