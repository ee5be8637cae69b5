/**
 * Tests of time: a wall clock that steps changes stamps and nothing else, and no number that comes from outside breaks a
 * timer or a date.
 */
import assert from "node:assert/strict";
import test from "node:test";
import {
  between,
  clockBy,
  dateOf,
  isoTime,
  leftOf,
  MAX_TIMER_MS,
  systemClock,
  timerMs,
} from "../../src/base/clock.ts";

const YEAR_MS = 365 * 86_400_000;

/** Long enough for a step to be noticed. */
function aMoment(): void {
  const until = performance.now() + 3;
  while (performance.now() < until);
}

test("a monotonic time and what the clock says of it make a stamp", () => {
  const before = Date.now();
  const stamp = systemClock.monotonic() + systemClock.stampOffset();
  assert.ok(stamp >= before - 25 && stamp <= Date.now() + 25, `${stamp} is not ${before}`);
});

test("clock: a step of the wall clock is in the next stamps, and in nothing that lasts", () => {
  for (const step of [56 * YEAR_MS, -3_600_000, -56 * YEAR_MS, 250]) {
    let stepped = 0;
    const wall = () => Date.now() + stepped;
    const clock = clockBy(wall);
    clock.now();
    const before = clock.monotonic();
    for (stepped of [step, 0]) {
      aMoment();
      assert.ok(Math.abs(clock.now() - wall()) < 100, `after a step of ${step}`);
      assert.ok(Math.abs(clock.monotonic() + clock.stampOffset() - wall()) < 100, `after a step of ${step}`);
    }
    const passed = clock.monotonic() - before;
    assert.ok(passed >= 3 && passed < 60_000, `${passed} ms passed at a step of ${step}`);
  }
});

test("clock: what is too little for a step moves no stamp: the wall clock is coarse, or is slewed", () => {
  let slewed = 0;
  const clock = clockBy(() => Math.floor(performance.timeOrigin + performance.now()) + slewed);
  clock.now();
  const anchor = clock.stampOffset();
  for (slewed of [15, -15, 0]) {
    aMoment();
    clock.now();
    assert.equal(clock.stampOffset(), anchor);
  }
  slewed = 30;
  aMoment();
  assert.ok(clock.stampOffset() - anchor > 20 && clock.stampOffset() - anchor < 40);
});

test("clock: between two steps stamps never go back, and have fractions", () => {
  aMoment();
  const stamps = Array.from({ length: 10_000 }, () => systemClock.now());
  for (const [at, stamp] of stamps.entries()) assert.ok(at === 0 || stamp >= stamps[at - 1]!);
  assert.ok(stamps.some((stamp) => !Number.isInteger(stamp)));
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 100);
});

test("clock: a timer takes any number, none makes it hot or fires before its time", async () => {
  const fired: string[] = [];
  const after = (name: string, ms: number) => systemClock.after(ms, () => fired.push(name));
  const never = [after("2^31", 2 ** 31), after("1e300", 1e300), after("infinity", Infinity)];
  for (const ms of [-1, NaN, -Infinity, 0]) after(String(ms), ms);
  after("cancelled", 1)();
  await new Promise<void>((done) => systemClock.after(20, done));
  assert.deepEqual(fired.sort(), ["-1", "-Infinity", "0", "NaN"]);
  for (const cancel of never) cancel();
  assert.deepEqual([-5, NaN, 7, 2 ** 31, Infinity].map(timerMs), [0, 0, 7, MAX_TIMER_MS, MAX_TIMER_MS]);
});

test("clock: a date is made of any number", () => {
  for (const at of [NaN, Infinity, -Infinity, 1e300, -1e300, 8.64e15 + 1]) {
    assert.ok(!Number.isNaN(dateOf(at).getTime()));
    assert.match(isoTime(at), /^[+-]?\d{4,6}-\d\d-\d\dT/);
  }
  assert.equal(isoTime(1_000.5), "1970-01-01T00:00:01.000Z");
});

test("clock: what an earlier process has left is never less than nothing nor more than the whole", () => {
  assert.equal(leftOf(5_000, { now: 2_000, most: 10_000 }), 3_000);
  assert.equal(leftOf(5_000, { now: 9_000, most: 10_000 }), 0);
  assert.equal(leftOf(56 * YEAR_MS, { now: 0, most: 10_000 }), 10_000);
  assert.equal(leftOf(NaN, { now: 0, most: 10_000 }), 0);
  assert.deepEqual([between(1, 3), between(3, 1), between(NaN, 1)], [2, 0, 0]);
});
