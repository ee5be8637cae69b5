/** How durations are written. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MAX_DURATION_MS, parseDuration } from "../../src/model/duration.ts";

test("durations are a number and a unit, or milliseconds", () => {
  const cases: readonly (readonly [string | number, number])[] = [
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["1.5s", 1500],
    ["1.1m", 66_000],
    ["0.001s", 1],
    ["0s", 0],
    ["576h", MAX_DURATION_MS],
    [0, 0],
    [12.5, 12.5],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, String(text));
});

test("what is no duration is refused with a way to write one", () => {
  for (
    const text of [
      "",
      "s",
      "5",
      "5 s",
      " 5s",
      "5s ",
      "5S",
      "-5s",
      "+5s",
      "1e3s",
      "5d",
      "5sec",
      "1h30m",
      ".5s",
      "5.s",
      "٥s",
      "NaN",
      NaN,
    ]
  ) {
    assert.throws(() => parseDuration(text), (error: unknown) => {
      assert.ok(error instanceof TypeError, String(text));
      assert.match(
        error.message,
        /is not a duration: write a number and a unit, such as "250ms", "30s", "5m" or "1h"$/,
      );
      return true;
    });
  }
  assert.throws(() => parseDuration(null as never), {
    name: "TypeError",
    message: /^A null is not a duration/,
  });
});

test("what no timer can hold is out of range", () => {
  for (const text of ["576.1h", "999999999999999h", -1, Infinity, -Infinity, MAX_DURATION_MS + 1]) {
    assert.throws(() => parseDuration(text), {
      name: "RangeError",
      message: /is out of range: a duration is 0 to 24 days \("576h"\)$/,
    });
  }
});

test("units agree with each other", () => {
  fc.assert(fc.property(fc.nat(500), (hours) => {
    const ms = parseDuration(`${hours}h`);
    for (const text of [`${hours * 60}m`, `${hours * 3600}s`, `${hours * 3_600_000}ms`]) {
      assert.equal(parseDuration(text), ms);
    }
  }));
});
