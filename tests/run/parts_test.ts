/** Tests of the parts of a run that stand by themselves: the order of what is done, its timers, how long it took. */
import assert from "node:assert/strict";
import test from "node:test";
import { Inbox } from "../../src/run/inbox.ts";
import { workerCode } from "../../src/pool/worker_code.ts";
import { startEarly, takeEarly } from "../../src/run/prewarm.ts";
import { Stopwatch } from "../../src/run/stopwatch.ts";
import { retryWait, Timers } from "../../src/run/timers.ts";
import { Values } from "../../src/run/values.ts";
import { realWorld } from "../../src/run/world.ts";
import { HandClock } from "../store/hand_clock.ts";

test("inbox: what leads to more is done to its end first, and nothing is done twice", () => {
  const done: string[] = [];
  const inbox: Inbox<string> = new Inbox((what) => {
    done.push(`${what} begins`);
    if (what === "a") inbox.take(["c", "d"]);
    if (what === "c") inbox.take(["e"]);
    done.push(`${what} ends`);
  });
  inbox.take(["a", "b"]);
  inbox.take([]);
  inbox.take(["f"]);
  assert.deepEqual(
    done,
    ["a", "b", "c", "d", "e", "f"].flatMap((what) => [`${what} begins`, `${what} ends`]),
  );
});

test("inbox: after a defect it goes on with what is new", () => {
  const done: string[] = [];
  const inbox = new Inbox<string>((what) => {
    if (what === "bad") throw new Error("a defect");
    done.push(what);
  });
  assert.throws(() => inbox.take(["a", "bad", "lost"]), /a defect/);
  inbox.take(["b"]);
  assert.deepEqual(done, ["a", "b"]);
});

test("pre-warm: the worker that was started early is given once; one that does not do is ended", async () => {
  for (const fits of [true, false]) {
    startEarly({ code: workerCode });
    const seat = takeEarly(fits);
    assert.equal(seat === undefined, !fits);
    assert.equal(takeEarly(true), undefined);
    if (seat === undefined) continue;
    const ended = new Promise((resolve) => seat.thread.onEnd(resolve));
    await seat.thread.terminate();
    await ended;
  }
});

test("timers: a wait grows by its factor up to the most, and chance varies it by its share both ways", () => {
  const retry = { attempts: 9, delayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0.25 };
  const waits = (random: number) => [1, 2, 3, 4, 5, 6].map((attempt) => retryWait(retry, attempt, random));
  assert.deepEqual(waits(0.5), [100, 200, 400, 800, 1_000, 1_000]);
  assert.deepEqual(waits(0), [75, 150, 300, 600, 750, 750]);
  assert.deepEqual(waits(1), [125, 250, 500, 1_000, 1_250, 1_250]);
  assert.deepEqual([0, 0.5, 1].map((random) => retryWait({ ...retry, jitter: 0 }, 1, random)), [
    100,
    100,
    100,
  ]);
});

test("timers: each acts once at its time, and none after the end", () => {
  const clock = new HandClock();
  const timers = new Timers({ clock, random: () => 0 });
  const acted: string[] = [];
  timers.after(30, () => acted.push("30"));
  timers.after(10, () => acted.push("10"));
  const retry = { attempts: 2, delayMs: 20, factor: 1, maxDelayMs: 20, jitter: 0.5 };
  assert.equal(
    timers.afterRetry(retry, { type: "delay", task: 0, iteration: 0, attempt: 1 }, () => acted.push("retry")),
    10,
  );
  clock.advance(10);
  assert.deepEqual(acted, ["10", "retry"]);
  timers.after(5, () => acted.push("never"));
  timers.end();
  timers.end();
  clock.advance(100);
  assert.deepEqual(acted, ["10", "retry"]);
  assert.equal(clock.timers, 0);
});

test("stopwatch: how long a run goes on is told by the monotonic clock alone", () => {
  const clock = new HandClock(1_000_000);
  const watch = new Stopwatch(clock);
  clock.advance(40);
  assert.deepEqual([watch.startedAt, watch.ranMs], [1_000_000, 40]);
  assert.equal(watch.start(), 1_000_040);
  clock.step(-3_600_000);
  clock.advance(10.6);
  assert.ok(Math.abs(watch.ranMs - 10.6) < 1e-6);
  assert.equal(watch.startedAt, 1_000_040);
  assert.equal(watch.stop(), 11);
  clock.advance(500);
  assert.equal(watch.ranMs, 11);
});

test("stopwatch: a run that goes on has been going on since it began, and never less than no time", () => {
  const clock = new HandClock(1_000_000);
  const watch = new Stopwatch(clock, 990_000);
  clock.advance(1);
  assert.deepEqual([watch.startedAt, watch.ranMs], [990_000, 10_001]);
  assert.equal(watch.sinceResumeMs, 1, "what this process did of it");
  clock.advance(4);
  watch.stop();
  clock.advance(50);
  assert.deepEqual([watch.ranMs, watch.sinceResumeMs], [10_005, 5]);
  const ahead = new Stopwatch(clock, 2_000_000);
  clock.advance(5);
  assert.deepEqual([ahead.startedAt, ahead.ranMs, ahead.sinceResumeMs], [2_000_000, 5, 5]);
  assert.equal(new Stopwatch(clock).sinceResumeMs, undefined);
});

test("values: each task has the last one that it was given, or none", () => {
  const values = new Values(2);
  assert.equal(values.of(0), undefined);
  values.settle(0, "1");
  values.settle(1, "2");
  values.settle(0, undefined);
  assert.deepEqual([values.of(0), values.of(1)], [undefined, "2"]);
});

test("world: the real one gives ids that differ, and chance from 0 up to 1", () => {
  assert.notEqual(realWorld.newId(), realWorld.newId());
  for (let count = 0; count < 100; count++) {
    const chance = realWorld.random();
    assert.ok(chance >= 0 && chance < 1);
  }
});
