/** A worker's clock seen from outside: where its moments lie on ours, whatever the wall clock does and the worker says. */
import assert from "node:assert/strict";
import test from "node:test";
import { clockOffset, clockReading, WorkerClock } from "../../src/pool/worker_clock.ts";
import { HandClock } from "../store/hand_clock.ts";

test("clock: a worker's clock is found by its origin, and by what can't be otherwise where the wall clock stepped", () => {
  const year = 365 * 86_400_000;
  const wall = 1.7e12;
  const times = (wallNow: number) => ({
    startedAt: 1_000,
    heardAt: 1_060,
    wallOffset: [wallNow - 1_060, wall - 1_060],
  });
  // Its own count, begun 20 ms after its thread was started.
  const its = { origin: wall - 40, reads: 35 };
  assert.equal(clockOffset(its, times(wall)), 1_020);
  assert.equal(clockOffset(its, times(wall + 56 * year)), 1_020);
  // One count for all threads of the process.
  assert.equal(clockOffset({ origin: wall - 1_060, reads: 1_055 }, times(wall)), 0);
  assert.equal(clockOffset({ origin: wall - 1_060, reads: 1_055 }, times(wall - year)), 0);
  // The step came before its thread was started: our newest anchor knows.
  assert.equal(clockOffset({ origin: wall - 40 + year, reads: 35 }, times(wall + year)), 1_020);
  // The step came while it started, and nothing fits: the moment of hearing, so that no timeout is early.
  assert.equal(clockOffset({ origin: wall - 40 + 5 * year, reads: 35 }, times(wall + year)), 1_025);
  // Found too late, it is put right by what is told later; a lie makes no moment that can't have been.
  const ours = new HandClock();
  const clock = new WorkerClock(ours, ours.monotonic() - 60);
  const passes = (ms: number) => {
    ours.advance(ms);
    clock.reads();
  };
  assert.equal(clock.told({ origin: NaN, reads: 35 }), undefined);
  const now = ours.now();
  passes(90);
  const { startedAt, endedAt } = clock.span(36, 36 + 100);
  assert.ok(endedAt === now + 90 && Math.abs(endedAt - startedAt - 100) < 1e-6);
  passes(5);
  const { startedAt: next } = clock.span(36 + 100, 36 + 101);
  assert.ok(next >= endedAt);
  passes(5);
  for (const at of [1e300, -1e300, NaN, Infinity]) {
    const { startedAt: from, endedAt: to } = clock.span(at, -at);
    assert.ok(from <= to && from >= now - 70 && to <= now + 100, `${from} to ${to} of ${at}`);
  }
  assert.equal(clock.told({ origin: 1, reads: 1 }), "it has told its clock twice");
  // A lie, or nonsense, stays between the bounds.
  for (const origin of [NaN, Infinity, -Infinity, 0]) {
    assert.equal(clockOffset({ origin, reads: 35 }, times(wall)), 1_025);
  }
});

test("clock: moments of a worker lie between the start of its thread and now, one attempt after the other", () => {
  const ours = new HandClock();
  const startedAt = ours.monotonic() - 60;
  const clock = new WorkerClock(ours, startedAt);
  // Its count began 20 ms after its thread was started.
  assert.equal(clock.told({ origin: ours.now() - 40, reads: 40 }), undefined);
  assert.equal(clock.ours(10), startedAt + 30);
  assert.equal(clock.ours(-100), startedAt);
  clock.reads();
  assert.equal(clock.stamp(10), startedAt + 30 + ours.stampOffset());
  const first = clock.span(5, 20);
  assert.deepEqual(first, { startedAt: ours.now() - 35, endedAt: ours.now() - 20 });
  assert.equal(clock.span(10, 30).startedAt, first.endedAt, "it began when the one before had ended");
  // What was read has happened: its clock is nearer than was thought, and no nearer than its thread's start allows.
  assert.equal(clock.ours(45), ours.monotonic());
  assert.equal(clock.ours(40), ours.monotonic() - 5);
  assert.equal(clock.ours(1_000), ours.monotonic());
  assert.equal(clock.ours(40), startedAt);
});

test("clock: origins may be off by 2 ms, which the bounds put right, and the newest that fits counts", () => {
  // What it read lies 10 ms before what we heard: the offset is from 90 to 100.
  const offset = (...offsets: readonly number[]) =>
    clockOffset({ origin: 1_000, reads: 10 }, {
      ...{ startedAt: 100, heardAt: 110 },
      wallOffset: offsets.map((each) => 1_000 - each),
    });
  assert.deepEqual([95, 90, 100].map((each) => offset(each)), [95, 90, 100]);
  assert.deepEqual([offset(88), offset(87.9)], [90, 100]);
  assert.deepEqual([offset(102, 95), offset(102.1, 95)], [100, 95]);
  assert.deepEqual([offset(93, 97), offset(5, 97), offset(5, 500)], [93, 97, 100]);
});

test("clock: a worker tells its own origin, where that is what the wall clock says as well", () => {
  const { origin, reads } = clockReading();
  const wall = Date.now();
  assert.ok(origin + reads <= wall + 20 && origin + reads > wall - 5_000);
  assert.ok(reads <= performance.now());
  const right = Math.abs(performance.timeOrigin + performance.now() - wall) < 15;
  if (right) assert.equal(origin, performance.timeOrigin);
});

test("clock: before a worker has told its clock, its moments are taken for ours", () => {
  const ours = new HandClock();
  const clock = new WorkerClock(ours, ours.monotonic() - 60);
  assert.equal(clock.ours(ours.monotonic() - 10), ours.monotonic() - 10);
  assert.equal(clock.ours(ours.monotonic() + 10), ours.monotonic());
  assert.equal(clock.ours(ours.monotonic() - 20), ours.monotonic() - 20, "nothing follows from it");
});
