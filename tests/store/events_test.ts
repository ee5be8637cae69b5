/** The log of events: numbers, what is kept, gaps, waits. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type EventEmitted, type EventLimits, EventLog } from "../../src/store/events.ts";
import { HandClock } from "./hand_clock.ts";

type Recorded = EventEmitted & { readonly at: number };

function rig(limits: Partial<EventLimits> = {}): { clock: HandClock; log: EventLog; recorded: Recorded[] } {
  const clock = new HandClock();
  const recorded: Recorded[] = [];
  const log = new EventLog({ clock, limits, onChange: (event, at) => recorded.push({ ...event, at }) });
  return { clock, log, recorded };
}

test("events are numbered from 1, and read by type from any number on", () => {
  const { clock, log, recorded } = rig();
  const from = { task: "t", iteration: 0, attempt: 1 };
  assert.equal(log.emit("ready", "1", from), 1);
  assert.equal(log.emit("other"), 2);
  clock.advance(5);
  assert.equal(log.emit("ready", "2"), 3);
  assert.deepEqual(log.read("ready", 0), {
    events: [
      { id: 1, type: "ready", detail: "1", at: 1_000_000, from },
      { id: 3, type: "ready", detail: "2", at: 1_000_005 },
    ],
    upTo: 3,
    missed: 0,
  });
  assert.deepEqual(log.read("*", 1, 1).events.map(({ id }) => id), [2]);
  assert.deepEqual(log.read("none", 0), { events: [], upTo: 3, missed: 0 });
  assert.deepEqual(recorded[1], { type: "event.emitted", id: 2, event: "other", at: 1_000_000 });
});

test("who asks for events that are no longer kept is told how many he missed", () => {
  const { log } = rig({ count: 3 });
  for (let id = 1; id <= 5; id++) log.emit("e", `${id}`);
  assert.deepEqual(log.read("e", 0, 1), { events: [log.read("e", 2).events[0]], upTo: 3, missed: 2 });
  assert.equal(log.read("e", 1).missed, 1);
  assert.deepEqual([log.read("e", 2).missed, log.read("e", 2).events.length], [0, 3]);
});

test("what is kept is bounded in characters too, and memory is let go", () => {
  const { log } = rig({ size: 1000 });
  for (let id = 1; id <= 5000; id++) log.emit("e", JSON.stringify("x".repeat(97)));
  assert.deepEqual(log.stats(), { events: 10, size: 1000, waits: 0 });
  assert.deepEqual(log.read("e", 4995).events.map(({ id }) => id), [4996, 4997, 4998, 4999, 5000]);
});

test("a page is bounded in characters", () => {
  const { log } = rig();
  for (let id = 1; id <= 9; id++) log.emit("e", JSON.stringify("x".repeat(1 << 19)));
  const page = log.read("*", 0);
  assert.deepEqual([page.events.length, page.upTo], [8, 8]);
});

test("a wait ends with the next event of its type, its time, its signal or the log", async () => {
  const { clock, log } = rig();
  log.emit("a");
  assert.equal((await log.next("a", 0, { timeoutMs: 0 })).events.length, 1);
  const next = log.next("a", 1, { timeoutMs: 100 });
  const over = log.next("never", 0, { timeoutMs: 50 });
  const stop = new AbortController();
  const aborted = log.next("never", 0, { timeoutMs: 100, signal: stop.signal });
  const closed = log.next("never", 0, { timeoutMs: 1000 });
  log.emit("b");
  log.emit("a", "1");
  assert.deepEqual((await next).events.map(({ id }) => id), [3]);
  clock.advance(50);
  assert.deepEqual(await over, { events: [], upTo: 3, missed: 0 });
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  log.close();
  assert.equal((await closed).events.length, 0);
  assert.deepEqual([log.stats().waits, clock.timers], [0, 0]);
});

test("a bad type or detail is refused, and takes no number", () => {
  const { log } = rig({ type: 5, detail: 10 });
  for (const type of ["", "*", "123456", "\udc00", 7 as unknown as string]) {
    assert.throws(() => log.emit(type), { code: "BAD_EVENT" });
  }
  assert.throws(() => log.emit("e", "{"), { code: "BAD_VALUE" });
  assert.throws(() => log.emit("e", JSON.stringify("x".repeat(9))), { code: "VALUE_TOO_LARGE" });
  assert.throws(() => log.read("e", 0, 0), { code: "BAD_ARGUMENT" });
  assert.equal(log.emit("e"), 1);
});

test("a log restored from its records goes on with the next number", () => {
  const { log, recorded } = rig({ count: 2 });
  for (const type of ["a", "b", "c"]) log.emit(type, '"x"');
  const again = rig({ count: 2 }).log;
  again.restore(recorded);
  assert.deepEqual(again.read("*", 0), log.read("*", 0));
  assert.equal(again.emit("d"), 4);
});

test("reading page after page gives every event once, in order, or says how many are missing", () => {
  const limit = fc.integer({ min: 1, max: 5 });
  const bursts = fc.array(fc.array(fc.constantFrom("a", "b"), { maxLength: 8 }), { maxLength: 10 });
  fc.assert(fc.property(bursts, limit, limit, fc.constantFrom("a", "*"), (bursts, count, page, type) => {
    const { log } = rig({ count });
    const emitted: { id: number; type: string }[] = [];
    const got: number[] = [];
    let since = 0;
    let missed = 0;
    for (const burst of bursts) {
      for (const type of burst) emitted.push({ id: log.emit(type), type });
      const answer = log.read(type, since, page);
      missed += answer.missed;
      for (let id = since + 1; id <= since + answer.missed; id++) got.push(id);
      for (const { id } of answer.events) got.push(id);
      const wanted = emitted.filter((event) =>
        event.id > since && event.id <= answer.upTo &&
        (event.id <= since + answer.missed || type === "*" || event.type === type)
      );
      assert.deepEqual(got.splice(0), wanted.map(({ id }) => id));
      since = answer.upTo;
    }
    assert.ok(missed === 0 || emitted.length > count);
  }));
});
