/** The reference gateway: what users and executors may ask, and what it makes of it. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { sameText } from "../../src/base/web/same_text.ts";
import type { StateRecord } from "../../src/model/record.ts";
import { ResultFold } from "../../src/model/result.ts";
import type { Heartbeat, ReportedRun } from "../../src/protocol/messages.ts";
import { HandClock, pass, settled } from "../uplink/rig.ts";
import { BEAT, STARTED, world } from "./rig.ts";

const DONE = { seq: 2, at: 2000, ...settled("a", { $bytes: "AQI=" }), startedAt: 1000, endedAt: 2000 };
const ENDED = { seq: 3, at: 3000, type: "run.ended", state: "succeeded" };

function line(seq: number): { seq: number } {
  const at = "2026-11-21T00:00:00.000Z";
  return Object.assign({ seq }, { at, level: "info", from: "executor", stream: "log", text: `line ${seq}` });
}

test("gateway: bundles for an executor, a group and all are handed out, the oldest first, once each", async () => {
  const w = world();
  const path = "/v1/executors/e/pipeline?group=lab";
  assert.equal((await w.ask(path)).status, 204);
  const upload = (to: string, body: string) => w.ask(`/v1/bundles?to=${to}`, { method: "POST", body });
  assert.equal((await upload("group:lab", "one")).status, 201);
  assert.equal((await upload("other", "no")).status, 201);
  const first = await w.ask(path);
  assert.equal(await first.text(), "one");
  assert.match(first.headers.get("outrider-bundle-hash") ?? "", /^[0-9a-f]{64}$/);
  assert.equal(await (await w.ask(path)).text(), "one", "nobody knows whether it came");
  let etag = first.headers.get("etag")!;
  assert.equal((await w.ask(path, { headers: { "if-none-match": etag } })).status, 304);
  assert.equal((await w.ask(path)).status, 204, "it was done");
  await upload("e", "two");
  await upload("group:all", "three");
  await upload("e", "two");
  const texts: string[] = [];
  for (;;) {
    const answer = await w.ask(path, { headers: { "if-none-match": etag } });
    if (answer.status === 304) break;
    texts.push(await answer.text());
    etag = answer.headers.get("etag")!;
  }
  assert.deepEqual(texts, ["two", "three", "two"]);
  assert.equal((await w.ask("/v1/bundles", { method: "POST", body: "x" })).status, 400);
  assert.equal((await upload("e", "")).status, 422);
  assert.equal((await upload("a%20b", "x")).status, 422);
});

test("gateway: records make a run, its result and its log", async () => {
  const w = world();
  const reply = await w.send({ records: [STARTED, DONE, ENDED] });
  const { storage, ...told } = reply;
  assert.equal(storage, w.store.id);
  assert.deepEqual(told, { acknowledged: { state: 3, log: 0 }, rejected: [], final: false, commands: [] });
  await w.send({ lane: "log", records: [line(1), line(2)] });
  const final = { state: "succeeded" as const, records: { state: 3, log: 2 } };
  assert.equal((await w.send({ final })).final, true);
  const run = await w.json<ReportedRun>("/v1/runs/r");
  assert.equal(run.state, "succeeded");
  assert.equal(run.complete, true);
  const attempt = { iteration: 0, attempt: 1, outcome: "succeeded", value: { $bytes: "AQI=" } };
  const times = { startedAt: "1970-01-01T00:00:01.000Z", endedAt: "1970-01-01T00:00:02.000Z" };
  assert.deepEqual(await w.json("/v1/runs/r/result"), {
    run: "r",
    pipeline: "p",
    runtime: "test 1",
    state: "succeeded",
    startedAt: "1970-01-01T00:00:01.000Z",
    endedAt: "1970-01-01T00:00:03.000Z",
    tasks: { a: [{ ...attempt, ...times, worker: 1 }] },
  });
  const log = await (await w.ask("/v1/runs/r/logs?since=1&follow=1")).text();
  assert.deepEqual(log.trim().split("\n").map((text) => JSON.parse(text)), [line(2)]);
});

test("gateway: duplicates change nothing, holes are not passed, versions only grow", async () => {
  const w = world();
  await w.send({ records: [STARTED, DONE] });
  const { version } = await w.json<ReportedRun>("/v1/runs/r");
  const changed = { ...DONE, value: "2" };
  assert.equal((await w.send({ records: [STARTED, changed] })).acknowledged.state, 2);
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).version, version);
  assert.equal((await w.send({ records: [{ ...ENDED, seq: 4 }] })).acknowledged.state, 2);
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).state, "running");
  assert.equal((await w.send({ records: [ENDED] })).acknowledged.state, 3);
  assert.ok((await w.json<ReportedRun>("/v1/runs/r")).version > version);
  assert.match(JSON.stringify(await w.json("/v1/runs/r/result")), /AQI=/);
});

test("gateway: a record that can't be read is told, kept as missing, and blocks nothing", async () => {
  const w = world();
  const reply = await w.send({ records: [STARTED, { ...DONE, outcome: "maybe" } as never, ENDED] });
  assert.equal(reply.acknowledged.state, 3);
  assert.equal(reply.rejected.length, 1);
  assert.match(reply.rejected[0]!.reason, /^Could not be read: .*outcome/);
  const run = await w.json<ReportedRun>("/v1/runs/r");
  assert.equal(run.state, "succeeded");
  assert.deepEqual(run.missing.map(({ lane, from, to }) => ({ lane, from, to })), [{
    lane: "state",
    from: 2,
    to: 2,
  }]);
  const unknown = { seq: 4, at: 1, type: "something.new", anything: true };
  assert.deepEqual((await w.send({ records: [unknown] })).acknowledged.state, 4);
});

test("gateway: parked ranges and gap records let what is behind them pass", async () => {
  const w = world();
  await w.send({ records: [STARTED], lane: "state" });
  const parked = [{ from: 2, to: 2, status: 422, reason: "Refused" }];
  assert.equal((await w.send({ records: [ENDED], parked })).acknowledged.state, 3);
  const gap = { ...line(30), dropped: { count: 29, bytes: 999 } };
  assert.equal((await w.send({ lane: "log", records: [gap, line(31)] })).acknowledged.log, 31);
  const one = { ...line(33), dropped: { count: 1, bytes: 9 } };
  assert.equal((await w.send({ lane: "log", records: [one] })).acknowledged.log, 33);
});

test("gateway: a silent executor is lost with its run; a late result overrides it", async () => {
  const w = world();
  await w.post("/v1/executors/e/heartbeat", BEAT);
  const state = async () => (await w.json<ReportedRun>("/v1/runs/r")).state;
  assert.equal(await state(), "running");
  await pass(44_000, w);
  assert.equal(await state(), "running");
  await pass(2000, w);
  assert.equal(await state(), "lost");
  const listed = await w.json<{ executors: { state: string }[] }>("/v1/executors");
  assert.equal(listed.executors[0]?.state, "lost");
  await w.send({ records: [STARTED, DONE, ENDED] });
  assert.equal(await state(), "succeeded");
  await pass(86_400_000, w);
  assert.equal(await state(), "succeeded");
});

test("gateway: an executor that speaks more rarely has a longer lease", async () => {
  const w = world();
  await w.post("/v1/executors/e/heartbeat", { ...BEAT, intervalMs: 60_000 });
  await pass(200_000, w);
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).state, "running");
  await pass(60_000, w);
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).state, "lost");
});

test("gateway: a heartbeat that comes late undoes nothing newer, of this session or one before", async () => {
  const w = world();
  const beat = (more: Partial<Heartbeat>) => w.post("/v1/executors/e/heartbeat", { ...BEAT, ...more });
  const shown = async () =>
    (await w.json<{ executors: { heartbeat: Heartbeat }[] }>("/v1/executors")).executors[0];
  await beat({ version: 5, state: "paused" });
  await beat({ version: 4 });
  assert.equal((await shown())?.heartbeat.state, "paused");
  await beat({ session: "s2", version: 1, state: "stopping" });
  await beat({ version: 6 });
  assert.equal((await shown())?.heartbeat.state, "stopping");
});

test("gateway: a heartbeat never ends or revives a run; records do", async () => {
  const w = world();
  await w.send({ records: [STARTED, DONE, ENDED] });
  await w.post("/v1/executors/e/heartbeat", BEAT);
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).state, "succeeded");
  const final = { state: "succeeded" as const, records: { state: 3, log: 0 } };
  await w.send({ final });
  await w.send({ records: [{ seq: 4, at: 4000, type: "run.resumed", lost: 0 } as never] });
  assert.equal((await w.json<ReportedRun>("/v1/runs/r")).state, "running");
  assert.equal((await w.send({ final })).final, false);
});

test("gateway: what is recorded of tasks before they were run anew counts no more, as in the executor's own result", async () => {
  const w = world();
  const records = [
    STARTED,
    { seq: 2, at: 2000, ...settled("a", 1) },
    { seq: 3, at: 2000, ...settled("b", { $bytes: "AQI=" }), startedAt: 1000, endedAt: 2000 },
    { seq: 4, at: 3000, type: "run.ended", state: "failed" },
    { seq: 5, at: 4000, type: "run.resumed", lost: 0, again: ["b", "c"] },
    { seq: 6, at: 5000, ...settled("b", 2), rerun: true },
    { seq: 7, at: 6000, type: "run.ended", state: "succeeded" },
  ];
  await w.send({ records: records.slice(0, 4) });
  await w.send({ records: records.slice(4) });
  const fold = new ResultFold();
  for (const record of records) fold.add(record as StateRecord);
  const { tasks } = fold.result();
  assert.deepEqual(Object.values(tasks).map((attempts) => attempts.map(({ value }) => value)), [[1], [2]]);
  assert.equal(await (await w.ask("/v1/runs/r/result")).text(), [...fold.json()].join(""));
  const bad = { seq: 8, at: 7000, type: "run.resumed", lost: 0, again: "b" };
  assert.match((await w.send({ records: [bad] })).rejected[0]!.reason, /again/);
});

test("gateway: a cancel waits for the executor, a run that is over can't be cancelled", async () => {
  const w = world();
  await w.post("/v1/executors/e/heartbeat", BEAT);
  assert.equal((await w.ask("/v1/runs/r/cancel", { method: "POST" })).status, 202);
  const reply = await w.post("/v1/executors/e/heartbeat", { ...BEAT, version: 2 });
  const because = "Cancelled by the user at the gateway";
  const { id: storage } = w.store;
  const id = w.clock.now();
  assert.deepEqual(await reply.json(), { commands: [{ id, type: "cancel", run: "r", because }], storage });
  const seen = await w.post("/v1/executors/e/heartbeat", { ...BEAT, version: 3, seen: id });
  assert.deepEqual(await seen.json(), { commands: [], storage });
  await w.send({ records: [STARTED, DONE, ENDED] });
  assert.equal((await w.ask("/v1/runs/r/cancel", { method: "POST" })).status, 409);
  assert.equal((await w.ask("/v1/runs/none/cancel", { method: "POST" })).status, 404);
});

test("gateway: a log is followed while it grows, and the stream ends with the run", async () => {
  const w = world();
  await w.send({ records: [STARTED] });
  const response = await w.ask("/v1/runs/r/logs?follow=1");
  const reading = response.text();
  await w.send({ lane: "log", records: [line(1)] });
  await pass(12_000, w);
  await w.send({ lane: "log", records: [line(2), line(3)] });
  await w.send({ records: [DONE, ENDED], final: { state: "succeeded", records: { state: 3, log: 3 } } });
  const lines = (await reading).split("\n").filter((text) => text !== "");
  assert.deepEqual(lines.map((text) => (JSON.parse(text) as { seq: number }).seq), [1, 2, 3]);
  assert.equal(w.clock.timers, 0);
});

test("gateway: who stops following leaves nothing behind", async () => {
  const w = world();
  await w.send({ records: [STARTED] });
  const response = await w.ask("/v1/runs/r/logs?follow=1");
  const reader = response.body!.getReader();
  const reading = reader.read();
  await pass(5000, w);
  await reading;
  await reader.cancel();
  await w.activity.still();
  assert.equal(w.clock.timers, 0);
});

test("gateway: a reader that takes nothing has one page waiting and is let go; HEAD begins nothing", async () => {
  const w = world();
  await w.send({ records: [STARTED] });
  const text = "x".repeat(50_000);
  await w.send({ lane: "log", records: Array.from({ length: 20 }, (_, at) => ({ ...line(at + 1), text })) });
  for (const path of ["/v1/runs/r/logs?follow=1", "/v1/runs/r/records?follow=1", "/v1/runs/r/result"]) {
    assert.equal((await w.ask(path, { method: "HEAD" })).status, 200);
    assert.equal(w.clock.timers, 0, path);
  }
  const many = await Promise.all(Array.from({ length: 1_001 }, () => w.ask("/v1/runs/r/logs?follow=1")));
  assert.deepEqual(many.map(({ status }) => status).filter((status) => status !== 200), [503]);
  await Promise.all(many.map(({ body }) => body!.cancel()));
  assert.equal(w.clock.timers, 0);
  const reader = (await w.ask("/v1/runs/r/logs?follow=1")).body!.getReader();
  assert.ok((await reader.read()).value!.length < 200_000);
  await pass(60_000, w);
  await assert.rejects(async () => {
    for (;;) if ((await reader.read()).done) return;
  });
  assert.equal(w.clock.timers, 0);
});

test("gateway: tokens: of a user, of any executor, of one; hashed, withdrawn, never shown", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const user = await tokens.make({ name: "ann", kind: "user" });
  const w = world({ store, tokens });
  const as = (token: string, path: string, init: RequestInit = {}) =>
    w.ask(path, { ...init, headers: { authorization: `Bearer ${token}` } });
  const made = await as(user, "/v1/tokens", {
    method: "POST",
    body: JSON.stringify({
      kind: "executor",
      name: "dev-1",
      executor: "e",
      experiment: "x",
      groups: ["lab"],
    }),
  });
  const { token: device } = await made.json() as { token: string };
  assert.doesNotMatch(JSON.stringify(store.rows.tokens()), new RegExp(`${device}|${user}`));
  const statuses = async (token: string) => [
    (await as(token, "/v1/executors")).status,
    (await as(token, "/v1/executors/e/pipeline")).status,
    (await as(token, "/v1/executors/f/pipeline")).status,
    (await as(token, "/v1/experiments/x/flags/n")).status,
    (await as(token, "/v1/experiments/y/flags")).status,
    (await as(token, "/v1/executors/e/pipeline?group=all&group=lab")).status,
    (await as(token, "/v1/executors/e/pipeline?group=lab&group=secret")).status,
  ];
  assert.deepEqual(await statuses(user), [200, 403, 403, 204, 200, 403, 403]);
  assert.deepEqual(await statuses(device), [403, 204, 403, 204, 403, 204, 403]);
  assert.deepEqual(await statuses("wrong"), Array(7).fill(401));
  assert.equal((await w.ask("/v1/health")).status, 200);
  assert.equal((await w.ask("/v1/runs")).status, 401);
  assert.equal((await as(user, "/v1/tokens/dev-1", { method: "DELETE" })).status, 204);
  assert.deepEqual(await statuses(device), Array(7).fill(401));
  assert.deepEqual([sameText("ab", "ab"), sameText("ab", "aa"), sameText("ab", "abc"), sameText("", "")], [
    true,
    false,
    false,
    false,
  ]);
});

test("gateway: a token opens what it was made for: no flags and no groups unless they were named", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const w = world({ store, tokens });
  const user = await tokens.make({ name: "ann", kind: "user" });
  const plain = await tokens.make({ name: "plain", kind: "executor", executor: "e" });
  const fleet = await tokens.make({ name: "fleet", kind: "executor", groups: ["lab"] });
  const as = (token: string, path: string, body?: unknown, method = "POST") =>
    w.ask(path, {
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { method, body: JSON.stringify(body) }),
    });
  const bodies: [string, unknown, string][] = [
    ["/v1/experiments/x/flags/n", { op: "increment", id: "1", by: 1 }, "POST"],
    ["/v1/experiments/x/flags/n", { value: 1 }, "PUT"],
    ["/v1/experiments/default/flags/n", { value: 1 }, "PUT"],
  ];
  for (const token of [plain, fleet]) {
    for (const [path, body, method] of bodies) {
      const answer = await as(token, path, body, method);
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /TOKEN_EXPERIMENT.*make one that names it/);
    }
  }
  assert.deepEqual(store.rows.flags("x"), []);
  assert.equal((await as(plain, "/v1/executors/e/pipeline?group=lab")).status, 403);
  assert.equal((await as(fleet, "/v1/executors/any/pipeline?group=lab")).status, 204);
  // What can't be kept is not promised.
  const wide = await as(user, "/v1/tokens", { kind: "user", name: "bob", executor: "e" });
  assert.equal(wide.status, 422);
  assert.match(await wide.text(), /opens everything/);
  // They are the same after a restart.
  assert.deepEqual(
    store.rows.tokens().map(({ name, executor, experiment, groups }) => [name, executor, experiment, groups]),
    [["ann", undefined, undefined, []], ["fleet", undefined, undefined, ["lab"]], [
      "plain",
      "e",
      undefined,
      [],
    ]],
  );
});

test("gateway: no executor is called what a group is, no id can't stand in a path, and a bad token opens nothing", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const w = world({ store, tokens });
  const user = await tokens.make({ name: "u", kind: "user" });
  const device = await tokens.make({ name: "d", kind: "executor" });
  const as = (token: string, path: string, init: RequestInit = {}) =>
    w.ask(path, { ...init, headers: { authorization: `Bearer ${token}` } });
  assert.equal((await as(user, "/v1/bundles?to=group:lab", { method: "POST", body: "b" })).status, 201);
  const pulled = await as(device, "/v1/executors/group:lab/pipeline");
  assert.equal(pulled.status, 422);
  assert.match(await pulled.text(), /which names groups/);
  assert.deepEqual(store.rows.executors(), []);
  const make = (body: unknown) => as(user, "/v1/tokens", { method: "POST", body: JSON.stringify(body) });
  assert.equal((await make({ kind: "executor", name: "g", executor: "group:lab" })).status, 422);
  assert.equal((await make({ kind: "user", name: ".." })).status, 422);
  await tokens.put({ name: "bad", kind: "admin" as "user" }, "a token");
  assert.equal((await as("a token", "/v1/runs")).status, 401);
});

test("gateway: a database that holds tokens is not opened to everybody", () => {
  const store = sqliteGatewayStore(":memory:");
  store.rows.putToken({
    name: "n",
    kind: "user",
    executor: undefined,
    experiment: undefined,
    groups: [],
    hash: "h",
  });
  assert.throws(() => gatewayApp({ store, clock: new HandClock() }), { code: "OUTRIDER_GATEWAY_OPEN" });
  store.rows.dropToken("n");
  gatewayApp({ store, clock: new HandClock() });
  store.close();
});

test("gateway: without tokens it takes nothing from another name or another page", async () => {
  const w = world({ hosts: ["lab.test"] });
  const from = (url: string, headers: Record<string, string> = {}) => w.app.request(url, { headers });
  assert.equal((await from("http://evil.test/v1/runs")).status, 403);
  assert.equal((await from("http://lab.test/v1/runs")).status, 200);
  for (const address of ["[::1]:80", "192.168.7.9:8080", "[fd00::7]"]) {
    assert.equal((await from(`http://${address}/v1/runs`)).status, 200, address);
  }
  assert.equal((await from("http://localhost:80/v1/runs", { origin: "http://evil.test" })).status, 403);
  assert.equal((await from("http://localhost:80/v1/runs", { origin: "null" })).status, 403);
  // What a server makes of a Host that is none.
  const strange = new Request("http://localhost:80/v1/runs");
  Object.defineProperty(strange, "url", { value: "http://a b[/v1/runs" });
  assert.equal((await w.app.fetch(strange)).status, 400);
  // An image in a page: it names no origin, and would take a pipeline.
  const image = { "sec-fetch-site": "cross-site" };
  assert.equal((await from("http://localhost:80/v1/executors/e/pipeline", image)).status, 403);
  assert.equal((await from("http://localhost:80/v1/runs", { "sec-fetch-site": "none" })).status, 200);
});

test("gateway: bad input is told as JSON that says what to do; a small bomb does not go off", async () => {
  const w = world({ maxBatchBytes: 100_000 });
  const bomb = new Response(
    new Blob([new Uint8Array(50_000_000)]).stream().pipeThrough(new CompressionStream("gzip")),
  );
  const packed = await bomb.arrayBuffer();
  const gzip = { "content-encoding": "gzip" };
  const cases: [number, string, RequestInit][] = [
    [413, "/v1/executors/e/records", { method: "POST", body: packed, headers: gzip }],
    [400, "/v1/executors/e/records", { method: "POST", body: "not gzip", headers: gzip }],
    [400, "/v1/executors/e/records", { method: "POST", body: "{", headers: { "content-encoding": "br" } }],
    [400, "/v1/executors/e/records", { method: "POST", body: "{" }],
    [422, "/v1/executors/e/records", { method: "POST", body: '{"run":"r","lane":"x","records":[]}' }],
    [422, "/v1/executors/a%20b/heartbeat", { method: "POST", body: JSON.stringify(BEAT) }],
    [422, "/v1/executors/e/heartbeat", { method: "POST", body: "{}" }],
    [400, "/v1/runs/r/logs?since=-1", {}],
    [404, "/v1/nothing", {}],
  ];
  await w.send({ records: [STARTED] });
  for (const [status, path, init] of cases) {
    const response = await w.ask(path, init);
    assert.equal(response.status, status, path);
    const { error } = await response.json() as { error: { code: string; message: string } };
    assert.match(error.message, /^[A-Z].*: .*[^.]$/s, error.message);
  }
});

test("gateway: only what is asked of the registry is answered in the registry's form", async () => {
  const w = world();
  assert.equal(await w.code("/v1/v2/none"), "404 NO_ROUTE");
  assert.deepEqual(Object.keys(await (await w.ask("/v2/none")).json() as object), ["errors"]);
});

test("gateway: it says that it is there, to everybody", async () => {
  const store = sqliteGatewayStore(":memory:");
  const w = world({ store, tokens: new Tokens(store) });
  assert.deepEqual(await w.json("/v1/health"), { ok: true });
  assert.equal((await w.json<{ openapi: string }>("/v1/openapi.json")).openapi, "3.1.0");
  store.close();
});

test("gateway: a run belongs to the executor that began it", async () => {
  const w = world();
  await w.send({ records: [STARTED] });
  const response = await w.post("/v1/executors/thief/records", { run: "r", lane: "state", records: [DONE] });
  assert.equal(response.status, 403);
  assert.match(await response.text(), /share a state directory/);
});

test("gateway: a defect is a 500 that says nothing of itself, and is told to the owner", async () => {
  const store = sqliteGatewayStore(":memory:");
  const defects: unknown[] = [];
  const app = gatewayApp({ store, clock: new HandClock(), onDefect: (error) => defects.push(error) });
  store.close();
  const response = await app.request("http://localhost/v1/runs");
  assert.equal(response.status, 500);
  assert.equal(defects.length, 1);
  assert.doesNotMatch(await response.text(), /database/);
});
