/** What a batch changes: over any batches in any order, each record counts once, in order, and nothing passes a hole. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { ingest, isComplete, newRun } from "../../src/gateway/ingest.ts";
import { readState, wrongWithLog } from "../../src/gateway/records.ts";
import type { RunRow } from "../../src/gateway/store.ts";
import type { RecordBatch } from "../../src/protocol/messages.ts";
import { settled } from "../uplink/rig.ts";

const LAST = 40;

/** A batch of the records from one number to another, with some of them parked. */
const batches = fc.array(
  fc.record({
    from: fc.integer({ min: 1, max: LAST }),
    count: fc.integer({ min: 0, max: 15 }),
    parked: fc.option(fc.integer({ min: 1, max: LAST }), { nil: undefined }),
  }),
  { maxLength: 40 },
);

function recordOf(seq: number): { seq: number } {
  return { seq, at: seq, ...settled(`t${seq}`, seq) } as { seq: number };
}

function batchOf(
  { from, count, parked }: { from: number; count: number; parked: number | undefined },
): RecordBatch {
  const records = Array.from({ length: count }, (_, at) => from + at)
    .filter((seq) => seq <= LAST && seq !== parked).map(recordOf);
  const ranges = parked === undefined ? {} : { parked: [{ from: parked, to: parked, reason: "no" }] };
  return { run: "r", lane: "state", records, ...ranges };
}

test("gateway: over any batches in any order a lane grows by what follows it, once", () => {
  fc.assert(fc.property(batches, (sent) => {
    let row: RunRow = newRun("r", { executor: "e", now: 0 });
    const covered: number[] = [];
    for (const [at, each] of sent.entries()) {
      const before = row;
      const result = ingest(row, { batch: batchOf(each), now: at });
      row = result.row;
      assert.ok(row.acknowledged.state >= before.acknowledged.state);
      assert.equal(row.version, before.version + (result.changed ? 1 : 0));
      const fresh = [
        ...result.ingested.records.map(({ seq }) => seq),
        ...result.ingested.missing.map(({ to }) => to),
      ];
      covered.push(...fresh.sort((a, b) => a - b));
    }
    assert.deepEqual(covered, Array.from({ length: row.acknowledged.state }, (_, at) => at + 1));
  }));
});

test("gateway: whatever came before, sending from the acknowledged number on completes the run", () => {
  fc.assert(fc.property(batches, fc.integer({ min: 1, max: 10 }), (sent, step) => {
    let row: RunRow = newRun("r", { executor: "e", now: 0 });
    for (const each of sent) row = ingest(row, { batch: batchOf(each), now: 0 }).row;
    for (let rounds = 0; row.acknowledged.state < LAST; rounds++) {
      assert.ok(rounds <= LAST);
      const batch = batchOf({ from: row.acknowledged.state + 1, count: step, parked: undefined });
      row = ingest(row, { batch, now: 0 }).row;
    }
    const final = { state: "failed" as const, records: { state: LAST, log: 0 } };
    row = ingest(row, { batch: { run: "r", lane: "state", records: [], final }, now: 0 }).row;
    assert.equal(isComplete(row), true);
    assert.equal(row.state, "failed");
  }));
});

test("gateway: a gap record that lies about its size can't make a hole pass or the number fall", () => {
  for (const seq of [2, 9]) {
    for (const count of [-5, 0, 1.5, seq, 1e9, "x", null]) {
      const record = { seq, at: "2026-11-21T00:00:00.000Z", dropped: { count, bytes: 1 } };
      const lane = { level: "warn", from: "executor", stream: "log", text: "" };
      const batch = { run: "r", lane: "log" as const, records: [{ ...record, ...lane }] };
      const { row } = ingest(newRun("r", { executor: "e", now: 0 }), { batch, now: 0 });
      assert.equal(row.acknowledged.log, 0, String(count));
    }
  }
});

test("gateway: a new life takes up the run where it says, and what comes late of the one before changes nothing", () => {
  const of = (id: string, state: number, numbers: readonly number[]): RecordBatch => ({
    run: "r",
    lane: "state",
    life: { id, since: { state, log: 0 } },
    records: numbers.map(recordOf),
  });
  let row: RunRow = newRun("r", { executor: "e", now: 0 });
  const take = (batch: RecordBatch) => {
    const result = ingest(row, { batch, now: 0 });
    row = result.row;
    return result;
  };
  take(of("a", 0, [1, 2, 3, 4]));
  take({ ...of("a", 0, []), final: { state: "succeeded", records: { state: 4, log: 0 } } });
  assert.deepEqual([row.state, isComplete(row)], ["succeeded", true]);
  const taken = take(of("b", 2, [1, 2, 3]));
  assert.deepEqual(taken.ingested.since, { state: 2, log: 0 });
  assert.deepEqual(taken.ingested.records.map(({ seq }) => seq), [3]);
  assert.deepEqual([row.state, row.acknowledged.state, isComplete(row)], ["running", 3, false]);
  const late = take(of("a", 0, [4, 5]));
  assert.deepEqual([late.changed, row.acknowledged.state], [false, 3]);
  assert.equal(take(of("b", 2, [4])).ingested.since, undefined);
  // One that has all that is here takes nothing away.
  assert.equal(take(of("c", 9, [5])).ingested.since, undefined);
  assert.equal(row.acknowledged.state, 5);
});

/** A batch of a life that takes up the run behind these numbers. */
function lifeOf(id: string, state: number, log = 0): RecordBatch {
  return { run: "r", lane: "state", life: { id, since: { state, log } }, records: [] };
}

/** A run whose first life has told so much, with its end. */
function ended(): RunRow {
  const take = (row: RunRow, batch: RecordBatch) => ingest(row, { batch, now: 7 }).row;
  const line = (seq: number) => ({
    ...{ seq, at: "2026-11-21T00:00:00.000Z", level: "warn", from: "executor", stream: "log", text: "" },
  });
  const first = lifeOf("a", 0);
  const records = [1, 2, 3].map(recordOf);
  const known = take(newRun("r", { executor: "e", now: 0 }), { ...first, records });
  const logged = take(known, { ...first, lane: "log", records: [line(1), line(2)] });
  return take(logged, { ...first, final: { state: "succeeded", records: { state: 3, log: 2 } } });
}

test("gateway: a life that takes something away makes the run one that goes on, where what it takes may be its end", () => {
  const row = ended();
  assert.deepEqual([row.state, row.endedAt, isComplete(row)], ["succeeded", 7, true]);
  const of = (state: number, log: number) => {
    const { row: { state: is, endedAt, final, acknowledged }, ingested, changed } = ingest(row, {
      batch: lifeOf("b", state, log),
      now: 8,
    });
    assert.equal(changed, true, "there is another life");
    return [is, endedAt, final !== undefined, acknowledged, ingested.since !== undefined];
  };
  assert.deepEqual(of(3, 2), ["succeeded", 7, true, { state: 3, log: 2 }, false]);
  assert.deepEqual(of(4, 3), ["succeeded", 7, true, { state: 3, log: 2 }, false]);
  assert.deepEqual(of(2, 2), ["running", undefined, false, { state: 2, log: 2 }, true]);
  assert.deepEqual(of(2, 5), ["running", undefined, false, { state: 2, log: 2 }, true]);
  assert.deepEqual(of(3, 1), ["succeeded", 7, false, { state: 3, log: 1 }, true]);
  assert.deepEqual(of(9, 0), ["succeeded", 7, false, { state: 3, log: 0 }, true]);
});

test("gateway: twenty lives of a run are remembered; what comes of one before counts as a new one", () => {
  let row: RunRow = newRun("r", { executor: "e", now: 0 });
  for (let at = 1; at <= 21; at++) row = ingest(row, { batch: lifeOf(`l${at}`, 0), now: at }).row;
  assert.deepEqual([row.lives.length, row.lives[0], row.lives.at(-1), row.lastSeenAt], [20, "l21", "l2", 21]);
  const changed = (id: string) => ingest(row, { batch: lifeOf(id, 0), now: 99 }).changed;
  assert.deepEqual([changed("l21"), changed("l20"), changed("l2"), changed("l1")], [
    false,
    false,
    false,
    true,
  ]);
});

test("gateway: a run is complete when all that its end knows of is here, and its end is told once", () => {
  const row = ended();
  const of = (state: number, log: number) => isComplete({ ...row, acknowledged: { state, log } });
  assert.deepEqual([of(3, 2), of(4, 3), of(2, 2), of(3, 1)], [true, true, false, false]);
  assert.equal(isComplete({ ...row, final: undefined }), false);
  const final = { state: "failed" as const, records: { state: 9, log: 9 } };
  const again = ingest(row, { batch: { ...lifeOf("a", 0), final }, now: 9 });
  assert.deepEqual([again.changed, again.row.state, again.row.final, again.row.version], [
    false,
    "succeeded",
    row.final,
    row.version,
  ]);
  // One that knows of less than is here is of before: the run went on.
  const open = { ...row, final: undefined, state: "running" as const, endedAt: undefined };
  const told = (state: number) => {
    const batch = { ...lifeOf("a", 0), final: { state: "failed" as const, records: { state, log: 0 } } };
    return ingest(open, { batch, now: 9 });
  };
  assert.deepEqual([told(2).changed, told(2).row.state], [false, "running"]);
  assert.deepEqual([told(3).row.state, told(3).row.endedAt, told(3).row.version], [
    "failed",
    9,
    row.version + 1,
  ]);
});

test("gateway: what is wrong with a record is told by its first problem", () => {
  const wrong = [
    readState({ seq: -1, at: "x" }),
    readState({ seq: 1, type: "run.ended", at: -1, state: 3 }),
  ];
  for (const words of [...wrong, wrongWithLog({ seq: -1, level: "x", text: 3 })]) {
    assert.ok(typeof words === "string" && !words.includes("; "), String(words));
  }
});

test("gateway: what records tell of a run is shown: its beginning, its end, and that it goes on after it", () => {
  const started = { seq: 1, at: 5, type: "run.started", run: "r", pipeline: "p", runtime: "t", plan: "h" };
  const all = [
    started,
    { seq: 2, at: 6, type: "run.ended", state: "failed" },
    { seq: 3, at: 7, type: "run.resumed", lost: 0 },
    { seq: 4, at: 8, ...settled("a", 1), valueLeftOut: "70 MiB" },
  ];
  const of = (count: number) =>
    ingest(newRun("r", { executor: "e", now: 0 }), {
      batch: { run: "r", lane: "state", records: all.slice(0, count) },
      now: 1,
    });
  const { pipeline, runtime, startedAt, state } = of(1).row;
  assert.deepEqual([pipeline, runtime, startedAt, state], ["p", "t", 5, "running"]);
  assert.deepEqual([of(2).row.state, of(2).row.endedAt], ["failed", 6]);
  assert.deepEqual([of(3).row.state, of(3).row.endedAt], ["running", undefined]);
  assert.deepEqual(of(4).ingested.missing, [{ from: 4, to: 4, reason: "A value of 70 MiB" }]);
  assert.equal(of(4).ingested.records.length, 4, "the rest of it is kept");
  const unread = ingest(newRun("r", { executor: "e", now: 0 }), {
    batch: { run: "r", lane: "state", records: [{ seq: 1, at: 5 }, { seq: 2, at: "now" }] as never },
    now: 1,
  });
  assert.deepEqual(unread.ingested.missing.map(({ to }) => to), [1, 2], "in order");
  const resumed = ingest(ended(), {
    batch: {
      run: "r",
      lane: "state",
      life: { id: "a", since: { state: 0, log: 0 } },
      records: [
        { ...all[2]!, seq: 4 },
      ],
    },
    now: 9,
  });
  assert.deepEqual([resumed.row.final, resumed.row.state], [undefined, "running"]);
});

test("gateway: where a hole is never filled what comes after it is taken, and the hole is missing with its reason", () => {
  const batch = batchOf({ from: 11, count: 3, parked: 13 });
  const known = newRun("r", { executor: "e", now: 0 });
  assert.equal(ingest(known, { batch, now: 1 }).row.acknowledged.state, 0);
  const { row, ingested } = ingest(known, { batch, now: 1, lost: "too old" });
  assert.equal(row.acknowledged.state, 13);
  assert.deepEqual(ingested.records.map(({ seq }) => seq), [11, 12]);
  assert.deepEqual(ingested.missing, [
    { from: 1, to: 10, reason: "too old" },
    { from: 13, to: 13, reason: "no" },
  ]);
  const again = ingest(row, { batch: batchOf({ from: 9, count: 6, parked: undefined }), now: 2, lost: "no" });
  assert.deepEqual([again.row.acknowledged.state, again.ingested.missing], [14, []]);
  const end = {
    run: "r",
    lane: "state",
    records: [],
    final: { state: "failed", records: { state: 9, log: 0 } },
  } as const;
  const ended = ingest(known, { batch: end, now: 1, lost: "too old" });
  assert.deepEqual(ended.ingested.missing, [{ from: 1, to: 9, reason: "too old" }]);
  assert.deepEqual([ended.row.state, isComplete(ended.row)], ["failed", true]);
  assert.equal(isComplete(ingest(known, { batch: end, now: 1 }).row), false);
});
