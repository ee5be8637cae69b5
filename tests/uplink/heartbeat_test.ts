/** The heartbeat: its time, its commands, its independence; against the reference gateway and against bad ones. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { CommandInbox } from "../../src/uplink/instructions.ts";
import { type HeartbeatOptions, type HeartbeatSnapshot, startHeartbeat } from "../../src/uplink/heartbeat.ts";
import type { Instruction } from "../../src/protocol/messages.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { Activity, Chaos, HandClock, pass, seeded } from "./rig.ts";

const SNAPSHOT: HeartbeatSnapshot = {
  outrider: "0.1.0",
  runtime: "test 1",
  state: "running",
  run: { id: "r", pipeline: "p", state: "running", tasks: 3, counts: { ready: 3 }, running: 1, names: ["a"] },
  spool: { state: 0, log: 0 },
};

function world(fetch?: Fetch) {
  const clock = new HandClock();
  const activity = new Activity();
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock });
  const chaos = new Chaos((request) => app.fetch(request), { clock, activity, random: seeded(2) });
  const times: number[] = [];
  const watched: Fetch = (url, init) => {
    times.push(clock.now());
    return (fetch ?? chaos.fetch)(url, init);
  };
  const options = { url: "http://localhost", executor: "e", fetch: watched, clock, gzip: activity.gzip };
  const gateway = outriderGateway(options);
  const commands = new CommandInbox();
  const taken: Instruction[] = [];
  commands.listen((command) => void taken.push(command));
  const start = (more: Partial<HeartbeatOptions> = {}) =>
    startHeartbeat({
      gateway,
      clock,
      random: seeded(9),
      session: "s1",
      snapshot: () => SNAPSHOT,
      commands,
      ...more,
    });
  const ask = (path: string, init: RequestInit = {}) => app.request(`http://localhost${path}`, init);
  return { clock, activity, store, app, chaos, gateway, commands, taken, times, start, ask };
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, at) => time - times[at]!);
}

test("uplink: a heartbeat comes at once, then every 10 s ± 20 %, never twice after the same time", async () => {
  const w = world();
  const heartbeat = w.start();
  await pass(1_000_000, w);
  await heartbeat.stop();
  assert.ok(w.times.length > 90 && w.times.length < 110, `${w.times.length}`);
  for (const gap of gaps(w.times)) assert.ok(gap >= 8000 && gap <= 12_000, `${gap}`);
  assert.ok(new Set(gaps(w.times)).size > 50);
  assert.equal(w.clock.timers, 0);
});

test("uplink: a heartbeat is small, whatever the run is like", async () => {
  const w = world();
  const heartbeat = w.start();
  await pass(100_000, w);
  await heartbeat.stop();
  assert.ok(
    w.gateway.traffic.sentBytes / w.times.length < 700,
    `${w.gateway.traffic.sentBytes / w.times.length}`,
  );
});

test("uplink: a pipeline with long names and many tasks makes no longer a heartbeat, and no refused one", async () => {
  const w = world();
  const names = Array.from({ length: 500 }, (_, at) => `${at}${"n".repeat(1000)}`);
  const run = { ...SNAPSHOT.run!, pipeline: "p".repeat(1000), names };
  const heartbeat = w.start({ snapshot: () => ({ ...SNAPSHOT, run }) });
  await pass(100, w);
  await heartbeat.stop();
  assert.equal(heartbeat.failures, 0);
  const kept = w.store.rows.executor("e")?.heartbeat?.run;
  assert.equal(kept?.names.length, 8);
  assert.equal(kept?.names[0]?.length, 128);
});

test("uplink: a gateway that never answers holds a heartbeat no longer than its limit, and the next still comes", async () => {
  const w = world(() => new Promise(() => {}));
  const errors: string[] = [];
  const heartbeat = w.start({ onError: (error) => errors.push(error.code) });
  await pass(100_000, w);
  await heartbeat.stop();
  assert.ok(w.times.length >= 8, `${w.times.length}`);
  assert.equal(new Set(errors).size, 1);
  assert.equal(errors[0], "OUTRIDER_GATEWAY_TIMEOUT");
  for (const gap of gaps(w.times)) assert.ok(gap <= 12_000, `${gap}`);
});

test("uplink: a command comes with the next reply, once, and an interval takes effect at once", async () => {
  const w = world();
  const heartbeat = w.start();
  await pass(1000, w);
  const post = (body: unknown) => ({ method: "POST", body: JSON.stringify(body) });
  await w.ask("/v1/executors/e/commands", post({ type: "pause" }));
  const cancelled = await w.ask("/v1/runs/r/cancel?because=enough", { method: "POST" });
  assert.equal(cancelled.status, 202);
  await w.ask("/v1/executors/e/commands", post({ type: "interval", ms: 1000 }));
  await pass(60_000, w);
  await heartbeat.stop();
  assert.deepEqual(w.taken.map(({ id: _, ...command }) => command), [
    { type: "pause" },
    { type: "cancel", run: "r", because: "enough" },
    { type: "interval", ms: 1000 },
  ]);
  assert.equal(heartbeat.intervalMs, 1000);
  assert.ok(w.times.length > 40, `${w.times.length}`);
});

test("uplink: a command whose reply was lost comes again", async () => {
  const w = world();
  await w.ask("/v1/executors/e/commands", { method: "POST", body: JSON.stringify({ type: "resume" }) });
  w.chaos.harm = { deaf: 1 };
  const heartbeat = w.start();
  await pass(30_000, w);
  assert.deepEqual(w.taken, []);
  assert.ok(heartbeat.failures >= 2);
  w.chaos.harm = {};
  await pass(30_000, w);
  await heartbeat.stop();
  assert.deepEqual(w.taken.map(({ type }) => type), ["resume"]);
  assert.equal(heartbeat.failures, 0);
});

test("uplink: a command that this version does not know is passed over, not repeated, and blocks nothing", () => {
  const inbox = new CommandInbox();
  const taken: Instruction[] = [];
  inbox.listen((command) => void taken.push(command));
  inbox.take([{ id: 7, type: "dance" }, { id: 5, type: "pause" }, { id: 9, type: "resume" }]);
  inbox.take([{ id: 9, type: "resume" }]);
  assert.deepEqual(taken.map(({ id }) => id), [5, 9]);
  assert.equal(inbox.seen, 9);
});

test("uplink: a command is taken once, and counts as seen only when what it asks for is kept", async () => {
  let told = 0;
  const inbox = new CommandInbox(() => void told++);
  const kept = Promise.withResolvers<void>();
  const taken: number[] = [];
  inbox.listen(({ id }) => {
    taken.push(id);
    return id === 5 ? kept.promise : undefined;
  });
  inbox.take([{ id: 5, type: "pause" }, { id: 6, type: "resume" }]);
  inbox.take([{ id: 5, type: "pause" }]);
  await new Promise((next) => setTimeout(next, 1));
  assert.deepEqual([taken, inbox.seen, told], [[5, 6], 0, 0], "what comes after it waits too");
  kept.resolve();
  await new Promise((next) => setTimeout(next, 1));
  assert.deepEqual([inbox.seen, told], [6, 2]);
  inbox.take([{ id: 7, type: "pause" }]);
  assert.equal(inbox.seen, 7, "where nothing is to be kept it is seen at once");
});

test("uplink: in quiet mode one heartbeat announces silence, none follows, one breaks it", async () => {
  const w = world();
  const heartbeat = w.start({ quiet: true });
  await pass(3_600_000, w);
  assert.equal(w.times.length, 1);
  const listed = await (await w.ask("/v1/executors")).json() as { executors: { state: string }[] };
  assert.equal(listed.executors[0]?.state, "running");
  heartbeat.quiet(false);
  await pass(1000, w);
  await heartbeat.stop();
  assert.equal(w.times.length, 2);
});

test("uplink: a wall clock that steps, by 56 years or an hour back, changes nothing at the heartbeat", async () => {
  for (const step of [56 * 365 * 86_400_000, -3_600_000]) {
    const [steady, stepping] = [world(), world()];
    for (const w of [steady, stepping]) {
      const heartbeat = w.start();
      await pass(15_000, w);
      if (w === stepping) w.clock.jump(step);
      await pass(60_000, w);
      await heartbeat.stop();
    }
    const moved = stepping.times.map((time, at) => Math.round(time - steady.times[at]!));
    assert.deepEqual([...new Set(moved)], [0, step]);
    assert.equal(stepping.times.length, steady.times.length);
  }
});

test("uplink: a gateway that asks for 30 years of patience gets an hour, not a storm", async () => {
  let asked = 0;
  const w = world(() => {
    asked++;
    const headers = { "retry-after": "1000000000", "content-type": "application/json" };
    return Promise.resolve(
      new Response('{"error":{"code":"BUSY","message":"busy"}}', { status: 503, headers }),
    );
  });
  const heartbeat = w.start();
  await pass(3_500_000, w);
  assert.equal(asked, 1);
  await pass(200_000, w);
  assert.equal(asked, 2);
  await heartbeat.stop();
});

test("uplink: a heartbeat goes on time while an upload hangs", async () => {
  let hung = 0;
  const w = world((url, init) => {
    if (!url.endsWith("/records")) return w.chaos.fetch(url, init);
    hung++;
    return new Promise(() => {});
  });
  const { report } = w.gateway;
  assert.ok(report.kind === "records");
  const sending = report.send({ run: "r", lane: "log", records: [] }, { timeoutMs: 3_600_000 });
  const rejected = assert.rejects(sending, { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  const heartbeat = w.start();
  await pass(60_000, w);
  await heartbeat.stop();
  assert.equal(hung, 1);
  assert.ok(w.times.length >= 6);
  await pass(3_600_000, w);
  await rejected;
});
