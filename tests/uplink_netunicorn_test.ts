/** netUnicorn's dialect, against a stand-in that answers as its gateway does: FastAPI, one result for each executor. */
import assert from "node:assert/strict";
import test from "node:test";
import { Hono } from "hono";
import { createFlags } from "../src/uplink/flags.ts";
import { CommandInbox } from "../src/uplink/commands.ts";
import { startHeartbeat } from "../src/uplink/heartbeat.ts";
import { netunicornGateway } from "../src/uplink/netunicorn.ts";
import { startReport } from "../src/uplink/report.ts";
import { sha256 } from "../src/uplink/bytes.ts";
import { Activity, Chaos, drive, FakeJournal, HandClock, pass, seeded } from "./uplink_rig.ts";

interface Result {
  readonly executor_id: string;
  readonly results: string;
  readonly state: number;
}

/** What the Python gateway does: the last result wins, states 2 and 3 count as finished. */
function standIn() {
  const state = { graph: undefined as string | undefined, results: [] as Result[] };
  const flags = new Map<string, { text_value: string | null; int_value: number }>();
  const app = new Hono();
  app.get("/api/v1/executor/execution_graph", (c) => {
    assert.equal(c.req.query("executor_id"), "dev ice");
    return state.graph === undefined ? c.body(null, 204) : c.json(state.graph);
  });
  app.post("/api/v1/executor/result", async (c) => {
    state.results.push(await c.req.json<Result>());
    return c.json(null);
  });
  const path = "/api/v1/experiment/x/flag/:name";
  app.get(path, (c) => {
    const flag = flags.get(c.req.param("name"));
    return flag ? c.json(flag) : c.json(null, 404);
  });
  app.post(path, async (c) => {
    const { text_value = null, int_value = null } = await c.req.json<Record<string, never>>();
    if (text_value === null && int_value === null) {
      return c.json("Either text_value or int_value must be set", 400);
    }
    flags.set(c.req.param("name"), { text_value, int_value: int_value ?? 0 });
    return c.json(null);
  });
  for (const [verb, by] of [["increment", 1], ["decrement", -1]] as const) {
    app.post(`${path}/${verb}`, (c) => {
      const flag = flags.get(c.req.param("name")) ?? { text_value: null, int_value: 0 };
      flags.set(c.req.param("name"), { ...flag, int_value: flag.int_value + by });
      return c.json(null);
    });
  }
  app.notFound((c) => c.json({ detail: "Not Found" }, 404));
  return { app, state };
}

function world() {
  const clock = new HandClock();
  const activity = new Activity();
  const { app, state } = standIn();
  const chaos = new Chaos((request) => app.fetch(request), { clock, activity, random: seeded(4) });
  const gateway = netunicornGateway({
    url: "http://gateway.test:26512/",
    executor: "dev ice",
    experiment: "x",
    fetch: chaos.fetch,
    clock,
  });
  return { clock, activity, chaos, gateway, state };
}

function unpacked(result: Result | undefined): Record<string, unknown> {
  return JSON.parse(
    new TextDecoder().decode(Uint8Array.from(atob(result!.results), (char) => char.charCodeAt(0))),
  );
}

test("uplink: netUnicorn: 204 is none yet; then the bundle is unpacked, and known the next time", async () => {
  const w = world();
  assert.equal(await w.gateway.pull(undefined, { timeoutMs: 1000 }), undefined);
  w.state.graph = btoa("bundle\0\xff");
  const pulled = await w.gateway.pull(undefined, { timeoutMs: 1000 });
  const bytes = Uint8Array.from("bundle\0\xff", (char) => char.charCodeAt(0));
  assert.deepEqual(pulled?.bytes, bytes);
  assert.equal(pulled?.hash, await sha256(bytes));
  assert.equal(await w.gateway.pull(pulled?.tag, { timeoutMs: 1000 }), undefined);
  w.state.graph = "%%% not base64";
  await assert.rejects(w.gateway.pull(undefined, { timeoutMs: 1000 }), { code: "OUTRIDER_GATEWAY_ANSWER" });
});

test("uplink: netUnicorn: heartbeats say 1, the end says 3 with result and log, and nothing follows it", async () => {
  const w = world();
  const journal = new FakeJournal();
  journal.fill(2, { logs: 3 });
  const run = {
    id: "r",
    pipeline: "p",
    state: "running" as const,
    tasks: 2,
    counts: {},
    running: 0,
    names: [],
  };
  const heartbeat = startHeartbeat({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    session: "s",
    snapshot: () => ({ outrider: "0", runtime: "t", state: "running", run, spool: { state: 0, log: 0 } }),
    commands: new CommandInbox(),
  });
  const report = startReport({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    run: "r",
    source: journal,
  });
  await pass(60_000, w);
  const before = w.state.results.length;
  assert.ok(before >= 5);
  assert.ok(w.state.results.every(({ state }) => state === 1));
  heartbeat.beat();
  w.chaos.harm = { lost: 0.5, error500: 0.3 };
  report.end({ state: "succeeded", result: { run: "r", state: "succeeded" } });
  assert.equal(await drive(report.drained, w), true);
  w.chaos.harm = {};
  await pass(60_000, w);
  await heartbeat.stop();
  await report.stop();
  const last = w.state.results.at(-1);
  assert.equal(last?.state, 3);
  assert.equal(last?.executor_id, "dev ice");
  assert.deepEqual(unpacked(last), {
    outrider: 1,
    result: { run: "r", state: "succeeded" },
    log: journal.lanes.log,
  });
  assert.equal(w.clock.timers, 0);
});

test("uplink: netUnicorn: a log too long is cut at its beginning and says so", async () => {
  const w = world();
  const journal = new FakeJournal();
  for (let at = 0; at < 2000; at++) journal.log(`line ${at} ${"x".repeat(100)}`);
  const report = startReport({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    run: "r",
    source: journal,
    wholeLogBytes: 10_000,
  });
  report.end({ state: "failed", result: {} });
  await drive(report.final, w);
  const log = unpacked(w.state.results.at(-1))["log"] as { seq: number; dropped?: { count: number } }[];
  assert.ok(log.length > 20 && log.length < 100, `${log.length}`);
  assert.equal(log[0]?.dropped?.count, 2000 - log.length);
  assert.equal(log[0]?.seq, log[0]!.dropped!.count + 1);
  assert.equal(log[1]?.seq, log[0]!.seq + 1);
  assert.equal(log.at(-1)?.seq, 2000);
  assert.ok(journal.mostRead <= 256);
});

test("uplink: netUnicorn: flags are texts or whole numbers, counted by one, and waited for by asking", async () => {
  const w = world();
  const flags = createFlags({ gateway: w.gateway, clock: w.clock, random: Math.random });
  assert.equal(await flags.get("n"), undefined);
  await flags.set("n", "text");
  assert.equal(await flags.get("n"), "text");
  await flags.set("n", 41);
  assert.equal(await flags.increment("n"), 42);
  assert.equal(await flags.decrement("n"), 41);
  await assert.rejects(flags.set("n", { a: 1 }), {
    code: "OUTRIDER_FLAG",
    message: /strings and whole numbers/,
  });
  await assert.rejects(flags.increment("n", { by: 2 }), { code: "OUTRIDER_FLAG", message: /counts by one/ });
  await assert.rejects(flags.compareAndSet("n", { expected: 1, value: 2 }), { code: "OUTRIDER_FLAG" });
  const waiting = flags.waitFor("n", (value) => value === 42, { timeoutMs: 20_000 });
  await pass(5000, w);
  await flags.increment("n");
  assert.equal(await drive(waiting, w), 42);
});

test("uplink: netUnicorn: an increment of which nobody knows whether it was taken is not sent again", async () => {
  const w = world();
  const flags = createFlags({ gateway: w.gateway, clock: w.clock, random: Math.random });
  w.chaos.harm = { deaf: 1 };
  await assert.rejects(drive(flags.increment("n"), w), {
    code: "OUTRIDER_FLAG",
    message: /not known whether/,
  });
  w.chaos.harm = {};
  assert.equal(await flags.get("n"), 1);
});
