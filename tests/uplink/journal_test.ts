/** The real journal behind the report: what the gateway makes of it is what the executor prints. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { StateEvent } from "../../src/model/record.ts";
import { ResultFold } from "../../src/model/result.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { Activity, Chaos, drive, HandClock, pass, seeded } from "./rig.ts";

const EVENTS: readonly StateEvent[] = [
  { type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" },
  { type: "attempt.dispatched", task: "a", iteration: 0, attempt: 1, worker: 1 },
  {
    type: "attempt.settled",
    task: "a",
    iteration: 0,
    attempt: 1,
    outcome: "failed",
    error: { name: "TypeError", message: "no", cause: { name: "Error", message: "deeper" } },
    startedAt: 5,
    endedAt: 6,
    worker: 1,
  },
  { type: "attempt.planned", task: "a", iteration: 0, attempt: 2, dueAt: 100 },
  { type: "store.changed", key: "k", value: "1", version: 1 },
  { type: "event.emitted", id: 1, event: "e", detail: '{"a":1}' },
  { type: "run.resumed", lost: 1 },
  {
    type: "attempt.settled",
    task: "a",
    iteration: 0,
    attempt: 2,
    outcome: "crashed",
    reason: "exit",
    code: 3,
  },
  {
    type: "attempt.settled",
    task: "b",
    iteration: 1,
    attempt: 1,
    outcome: "succeeded",
    value: '{"$bytes":"AQI="}',
  },
  {
    type: "attempt.settled",
    task: "__proto__",
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    value: "[null]",
  },
  {
    type: "attempt.settled",
    task: "c",
    iteration: 0,
    attempt: 0,
    outcome: "skipped",
    because: "b ended well",
  },
  { type: "run.stopping", because: "enough", state: "failed" },
  { type: "run.ended", state: "failed" },
];

function world() {
  const clock = new HandClock();
  const activity = new Activity();
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock });
  const random = seeded(6);
  const harm = { lost: 0.2, deaf: 0.2, twice: 0.2 };
  const chaos = new Chaos((request) => app.fetch(request), { harm, clock, activity, random });
  const gateway = outriderGateway({
    url: "http://localhost",
    executor: "e",
    fetch: chaos.fetch,
    clock,
    gzip: activity.gzip,
  });
  return { clock, activity, store, app, random, chaos, gateway };
}

test("uplink: the gateway's result is the document that the executor prints", async () => {
  const w = world();
  const journal = memoryJournal();
  const fold = new ResultFold();
  const report = startReport({ ...w, run: "r", source: journal, limits: { records: 3 } });
  EVENTS.forEach((event, at) => journal.append(event, 1000 + at));
  for (const record of journal.states(0, 100)) fold.add(record);
  report.end({ state: "failed" });
  await drive(report.drained, w);
  await report.stop();
  const result = await (await w.app.request("http://localhost/v1/runs/r/result")).text();
  const printed = [...fold.json()].join("");
  assert.deepEqual(JSON.parse(result), JSON.parse(printed));
  await journal.close();
});

test("uplink: offline with a bounded journal: results whole, the log with its gap said", async () => {
  const w = world();
  w.chaos.offline = true;
  const journal = memoryJournal({ logBytes: 20_000 });
  const report = startReport({ ...w, run: "r", source: journal, limits: { records: 50 } });
  EVENTS.forEach((event, at) => journal.append(event, 1000 + at));
  for (let at = 1; at <= 3000; at++) {
    journal.log({ at, level: "info", from: "executor", stream: "log", text: `line ${at}` });
    if (at % 500 === 0) await pass(60_000, w);
  }
  w.chaos.offline = false;
  report.end({ state: "failed" });
  await drive(report.drained, w);
  await report.stop();
  const row = w.store.rows.run("r");
  assert.deepEqual(row?.acknowledged, { state: EVENTS.length, log: 3000 });
  const log = w.store.rows.records("r", { lane: "log", after: 0, limit: 9999 }).map(({ text }) =>
    JSON.parse(text)
  );
  const told = log.reduce((sum: number, { dropped }) => sum + 1 + (dropped?.count ?? 0), 0);
  assert.equal(told, 3000);
  assert.equal(log.at(-1).text, "line 3000");
  assert.ok(log.length < 500);
  await journal.close();
});
