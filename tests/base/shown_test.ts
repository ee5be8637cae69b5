/** Tests of how times and spans are written for a person. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { count, growing, localTime, localTimeOf, span, timeOfDay } from "../../src/base/shown.ts";
import { runScript } from "../run/rig.ts";

test("a local time is the moment that it stands for, by its own offset", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4e12 }), (at) => {
    const text = localTime(at);
    assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d$/);
    const [day, time, offset] = text.split(" ");
    assert.equal(Date.parse(`${day}T${time}${offset}`), Math.floor(at / 1_000) * 1_000);
    assert.equal(timeOfDay(at).slice(0, 8), time);
  }));
  assert.equal(localTimeOf(new Date(0).toISOString()), localTime(0));
  assert.equal(localTimeOf("never"), "never");
  assert.equal(localTimeOf(""), "");
});

test("a local time has the offset of the zone that the process is in, on either side of Greenwich", async () => {
  for (
    const [zone, text] of [
      ["Asia/Kolkata", "2026-11-21 18:32:11 +05:30"],
      ["America/St_Johns", "2026-11-21 09:32:11 -03:30"],
      ["UTC", "2026-11-21 13:02:11 +00:00"],
    ] as const
  ) {
    const { code, stdout, stderr } = await runScript("local_time", [], { TZ: zone });
    assert.deepEqual([code, stdout.trim()], [0, text], stderr);
  }
});

test("a span is the same for a duration and for what it is in whole milliseconds", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (ms) => {
    assert.equal(span(ms), span(Math.round(ms)));
    assert.match(span(ms), /^(\d{1,3} ms|\d{1,2}\.\d s|\d{1,2} min \d\d s|\d+ h \d\d min)$/);
  }));
  assert.deepEqual([999, 1_000, 59_949, 59_950, 3_599_499, 3_599_500].map(span), [
    ...["999 ms", "1.0 s", "59.9 s", "1 min 00 s", "59 min 59 s", "1 h 00 min"],
  ]);
  assert.deepEqual([NaN, -1, -Infinity].map(span), ["0 ms", "0 ms", "0 ms"]);
  assert.deepEqual([0, 49, 949, 950, 1_049.6].map(growing), ["0.0 s", "0.0 s", "0.9 s", "1.0 s", "1.1 s"]);
});

test("counts have their thousands apart, however many", () => {
  const counts = [0, 999, 1_000, 12_345, 100_000, 1_234_567].map(count);
  assert.deepEqual(counts, ["0", "999", "1,000", "12,345", "100,000", "1,234,567"]);
});
