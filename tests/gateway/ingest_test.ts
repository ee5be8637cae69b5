/** What a batch changes: over any batches in any order, each record counts once, in order, and nothing passes a hole. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { ingest, isComplete, newRun } from "../../src/gateway/ingest.ts";
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
  for (const count of [-5, 0, 1.5, 1e9, "x", null]) {
    const record = { seq: 9, at: "2026-11-21T00:00:00.000Z", dropped: { count, bytes: 1 } };
    const lane = { level: "warn", from: "executor", stream: "log", text: "" };
    const batch = { run: "r", lane: "log" as const, records: [{ ...record, ...lane }] };
    const { row } = ingest(newRun("r", { executor: "e", now: 0 }), { batch, now: 0 });
    assert.equal(row.acknowledged.log, 0, String(count));
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
