/**
 * When a timetable has something run, by a clock moved by hand: over a year with both changes of the clock, steps of it in
 * both directions, restarts, and what comes due while something else is run.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { DAY_MS, type Decision, shareOf, Timetable } from "../../src/agent/timetable.ts";
import { dueTimes } from "../../src/pipeline/timetable/cron.ts";
import type { PlanSchedule } from "../../src/pipeline/plan/plan.ts";
import type { TimetablePlace } from "../../src/run/kept/kept_timetable.ts";

const HOUR = 3_600_000;
const LOOK_MS = 30_000;
const at = (text: string): number => Date.parse(text);
const iso = (times: readonly number[]): string[] =>
  times.map((time) => new Date(time).toISOString().replace(/:00\.000Z$/, "Z"));

function timetable(
  schedule: Partial<PlanSchedule>,
  place: number | TimetablePlace,
  offsetMs: number = 0,
): Timetable {
  const whole: PlanSchedule = {
    cron: "0 * * * *",
    timezone: "UTC",
    jitterMs: 0,
    overlap: "skip",
    missed: "skip",
    ...schedule,
  };
  return new Timetable({
    schedule: whole,
    times: dueTimes(whole),
    place: typeof place === "number" ? { at: place, ran: [] } : place,
    offsetMs,
  });
}

/** Looks at the clock as an agent does, until it shows a time; returns what was run. */
function runUntil(table: Timetable, { from, to }: { readonly from: number; readonly to: number }): number[] {
  const ran: number[] = [];
  for (let now = from; now <= to;) {
    const { due } = table.look(now);
    if (due !== undefined) ran.push(due);
    const begins = table.next(now)?.begins ?? Infinity;
    now += Math.min(Math.max(begins - now, 1), LOOK_MS);
  }
  return ran;
}

test("timetable: over a year every due time is run once, in order, through both changes of the clock", () => {
  const [from, to] = [at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")];
  const ran = runUntil(timetable({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, from), { from, to });
  assert.equal(ran.length, 365);
  ran.forEach((due, index) => {
    // By the zone's own calendar: a run for each day, at half past two but for the one night without.
    const shown = new Date(due).toLocaleString("sv-SE", { timeZone: "Europe/Berlin" });
    const day = new Date(from + index * DAY_MS).toISOString().slice(0, 10);
    assert.equal(shown, `${day} ${day === "2026-03-29" ? "03:00" : "02:30"}:00`);
  });
});

test("timetable: a fixed time in the gap of spring runs at the end of the gap, one that is there twice in autumn runs once", () => {
  const spring = { from: at("2026-03-28T12:00:00Z"), to: at("2026-03-30T12:00:00Z") };
  const autumn = { from: at("2026-10-24T12:00:00Z"), to: at("2026-10-26T12:00:00Z") };
  const daily = { cron: "30 2 * * *", timezone: "Europe/Berlin" };
  // 02:30 is not there on the 29th: 03:00 summer time is.
  assert.deepEqual(iso(runUntil(timetable(daily, spring.from), spring)), [
    "2026-03-29T01:00Z",
    "2026-03-30T00:30Z",
  ]);
  // 02:30 is there twice on the 25th: the first counts.
  assert.deepEqual(iso(runUntil(timetable(daily, autumn.from), autumn)), [
    "2026-10-25T00:30Z",
    "2026-10-26T01:30Z",
  ]);
});

test("timetable: what is due by a step goes on at the same pace through both changes of the clock", () => {
  for (const night of ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"]) {
    const range = { from: at(night), to: at(night) + 3 * HOUR };
    const ran = runUntil(timetable({ cron: "*/30 * * * *", timezone: "Europe/Berlin" }, range.from), range);
    assert.deepEqual(ran, [1, 2, 3, 4, 5, 6].map((halves) => range.from + halves * HOUR / 2));
  }
});

test("timetable: a clock that is set back runs nothing twice, and goes on when it has come to where it was", () => {
  const from = at("2026-05-01T08:30:00Z");
  const table = timetable({}, from);
  assert.deepEqual(iso(runUntil(table, { from, to: at("2026-05-01T10:30:00Z") })), [
    "2026-05-01T09:00Z",
    "2026-05-01T10:00Z",
  ]);
  const back = at("2026-05-01T08:10:00Z");
  assert.deepEqual(iso(runUntil(table, { from: back, to: at("2026-05-01T11:30:00Z") })), [
    "2026-05-01T11:00Z",
  ]);
});

test("timetable: a clock that was years ahead does not silence it, and one that begins in 1970 repeats nothing", () => {
  for (const missed of ["skip", "once"] as const) {
    const table = timetable({ missed }, at("2026-05-01T08:30:00Z"));
    assert.equal(table.look(at("2026-05-01T09:00:01Z")).due, at("2026-05-01T09:00:00Z"));
    // Without a battery: it boots in 1970, and knows better two hours later.
    const young = runUntil(table, { from: 0, to: 2 * HOUR + 1 });
    assert.deepEqual(young, [HOUR, 2 * HOUR]);
    const looked = table.look(at("2026-05-01T09:20:00Z"));
    assert.equal(looked.due, undefined);
    assert.equal(looked.passed?.why, "done");
    const today = { from: at("2026-05-01T09:20:00Z"), to: at("2026-05-01T10:20:00Z") };
    assert.deepEqual(iso(runUntil(table, today)), ["2026-05-01T10:00Z"]);
    // It was set to 2050 for a moment.
    table.look(at("2050-01-01T00:00:00Z"));
    const after = { from: at("2026-05-01T10:21:00Z"), to: at("2026-05-01T12:20:00Z") };
    assert.deepEqual(iso(runUntil(table, after)), ["2026-05-01T11:00Z", "2026-05-01T12:00Z"]);
  }
});

test("timetable: a run that a clock that was ahead left behind is remembered, and is not where it goes on from", () => {
  const ahead = at("2099-01-01T00:00:00Z");
  const now = at("2026-05-01T10:20:00Z");
  const from = at("2026-05-01T08:00:00Z");
  const table = timetable({ missed: "once" }, from);
  table.found(ahead, now);
  table.found(at("2026-05-01T09:00:00Z"), now);
  assert.deepEqual(table.place, {
    at: at("2026-05-01T09:00:00Z"),
    ran: [ahead, at("2026-05-01T09:00:00Z")],
  });
  assert.deepEqual(table.look(now), { due: at("2026-05-01T10:00:00Z") });
  // What is remembered of it already stays as it was told.
  const { place } = table;
  table.found(ahead, now);
  table.found(at("2026-05-01T09:00:00Z"), now);
  assert.deepEqual(table.place, place);
  // The clock is ahead anew.
  assert.equal(table.look(ahead).passed?.why, "done");
});

test("timetable: a clock that is set back by days repeats none of the days that are remembered", () => {
  const from = at("2026-05-01T00:00:00Z");
  const table = timetable({ cron: "0 12 * * *" }, from);
  assert.equal(runUntil(table, { from, to: from + 5 * DAY_MS }).length, 5);
  const back = { from: from + 2 * DAY_MS, to: from + 7 * DAY_MS };
  assert.deepEqual(iso(runUntil(table, back)), ["2026-05-06T12:00Z", "2026-05-07T12:00Z"]);
});

test("timetable: what is missed is run once or not at all, by the last due time; a little late is on time", () => {
  const from = at("2026-05-01T08:30:00Z");
  const first = at("2026-05-01T09:00:00Z");
  const cases: [Partial<PlanSchedule>, string, Decision][] = [
    [{}, "2026-05-01T09:01:29Z", { due: first }],
    [{}, "2026-05-01T09:01:31Z", { passed: { first, last: first, why: "missed" } }],
    [{ missed: "once" }, "2026-05-01T09:01:31Z", { due: first }],
    [{ missed: "once" }, "2026-05-02T12:30:00Z", {
      due: at("2026-05-02T12:00:00Z"),
      passed: { first, last: at("2026-05-02T11:00:00Z"), why: "missed" },
    }],
    [{}, "2026-05-02T12:30:00Z", { passed: { first, last: at("2026-05-02T12:00:00Z"), why: "missed" } }],
    [{ missed: "once" }, "2026-05-01T12:00:00Z", {
      due: at("2026-05-01T12:00:00Z"),
      passed: { first, last: at("2026-05-01T11:00:00Z"), why: "missed" },
    }],
    // Forward to a moment at which something is due: that is on time, what lies between is not.
    [{}, "2026-05-01T12:00:10Z", {
      due: at("2026-05-01T12:00:00Z"),
      passed: { first, last: at("2026-05-01T11:00:00Z"), why: "missed" },
    }],
  ];
  for (const [schedule, now, expected] of cases) {
    const table = timetable(schedule, from);
    assert.deepEqual(table.look(at(now)), expected, `${JSON.stringify(schedule)} at ${now}`);
    assert.deepEqual(table.look(at(now)), {});
  }
});

test("timetable: years of minutes that were missed are looked at in no time, and the last of them is the last", () => {
  const from = at("2020-01-01T00:00:30Z");
  for (const cron of ["* * * * *", "* * * * * *", "7 3 29 2 *", "59 23 31 12 *"]) {
    const table = timetable({ cron, missed: "once" }, from);
    const now = at("2026-12-31T23:59:30.500Z");
    const due = table.look(now).due!;
    const times = dueTimes({ cron, timezone: "UTC" });
    assert.ok(due <= now && (times.next(due) ?? Infinity) > now, `${cron}: ${new Date(due).toISOString()}`);
  }
});

test("timetable: what comes due while something is run is passed over, or the last of it waits", () => {
  const from = at("2026-05-01T08:30:00Z");
  const [first, last] = [at("2026-05-01T09:00:00Z"), at("2026-05-01T11:00:00Z")];
  const now = at("2026-05-01T11:59:00Z");
  assert.deepEqual(timetable({}, from).look(now, true), { passed: { first, last, why: "busy" } });
  assert.deepEqual(timetable({ missed: "once" }, from).look(now, true), {
    passed: { first, last, why: "busy" },
  });
  assert.deepEqual(timetable({ overlap: "queue" }, from).look(now, true), {
    due: last,
    passed: { first, last: at("2026-05-01T10:00:00Z"), why: "busy" },
  });
});

test("timetable: jitter puts a device off by the same time always, and spreads a fleet", () => {
  const from = at("2026-05-01T08:30:00Z");
  const table = timetable({ jitterMs: 600_000 }, from, 240_000);
  assert.deepEqual(table.look(at("2026-05-01T09:03:59Z")), {});
  assert.deepEqual(table.next(from), { due: at("2026-05-01T09:00:00Z"), begins: at("2026-05-01T09:04:00Z") });
  assert.deepEqual(table.look(at("2026-05-01T09:04:00Z")), { due: at("2026-05-01T09:00:00Z") });
  // Also in another version: a fleet keeps its order.
  assert.equal(shareOf("pi survey"), 0.3736335395369679);
  const buckets = new Array<number>(10).fill(0);
  for (let device = 0; device < 1_000; device++) {
    const share = shareOf(`device-${device} survey`);
    assert.equal(share, shareOf(`device-${device} survey`));
    buckets[Math.floor(share * 10)]!++;
  }
  assert.ok(buckets.every((count) => count > 60 && count < 140), buckets.join(" "));
});

test("timetable: wherever its process ends, another goes on from what was written, and nothing is run twice", () => {
  const [from, to] = [at("2026-03-22T00:00:00Z"), at("2026-04-02T00:00:00Z")];
  let table = timetable({ cron: "*/20 * * * *", timezone: "Europe/Berlin", missed: "once" }, from);
  const ran: number[] = [];
  let seed = 1;
  const random = () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647;
  for (let now = from; now < to;) {
    const { due } = table.look(now);
    if (due !== undefined) ran.push(due);
    now += random() * HOUR;
    // Now and then the clock steps, or another process takes over, which knows only what was written as something was run.
    if (random() < 0.05) now += (random() - 0.5) * 10 * HOUR;
    if (random() < 0.2) {
      const { place } = table;
      table = timetable({ cron: "*/20 * * * *", timezone: "Europe/Berlin", missed: "once" }, place);
    }
  }
  assert.ok(ran.length > 100, `${ran.length}`);
  assert.equal(new Set(ran).size, ran.length);
  assert.deepEqual(ran, [...ran].sort((a, b) => a - b));
});
