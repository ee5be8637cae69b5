/** Flags: a barrier between devices, changes made once, waits that end. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { createFlags, type ExperimentFlags } from "../../src/uplink/flags.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { Activity, Chaos, drive, HandClock, type Harm, pass, seeded } from "./rig.ts";

function world(harm: Harm = {}, seed = 1) {
  const clock = new HandClock();
  const activity = new Activity();
  const random = seeded(seed);
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock });
  const chaos = new Chaos((request) => app.fetch(request), { harm, clock, activity, random });
  const device = (executor: string): ExperimentFlags => {
    const options = { url: "http://localhost", executor, experiment: "x", fetch: chaos.fetch, clock };
    return createFlags({
      gateway: outriderGateway({ ...options, gzip: activity.gzip }),
      clock,
      random,
      newId: () => crypto.randomUUID(),
    });
  };
  return { clock, activity, chaos, device };
}

test("uplink: flags are read, set, counted and compared", async () => {
  const w = world();
  const flags = w.device("a");
  assert.equal(await flags.get("n"), undefined);
  assert.equal(await flags.set("n", { deep: [1, null] }), 1);
  assert.deepEqual(await flags.get("n"), { deep: [1, null] });
  assert.equal(await flags.set("n", 5, { ifVersion: 1 }), 2);
  await assert.rejects(flags.set("n", 6, { ifVersion: 1 }), {
    code: "OUTRIDER_FLAG_CONFLICT",
    message: /version 2, not 1/,
  });
  assert.equal(await flags.increment("n"), 6);
  assert.equal(await flags.decrement("n", { by: 4 }), 2);
  assert.equal(await flags.compareAndSet("n", { expected: 3, value: 9 }), false);
  assert.equal(await flags.compareAndSet("n", { expected: 2, value: "go" }), true);
  assert.equal(await flags.compareAndSet("fresh", { expected: undefined, value: 1 }), true);
  assert.equal(await flags.compareAndSet("fresh", { expected: undefined, value: 1 }), false);
  assert.deepEqual(await flags.entry("n"), { name: "n", value: "go", version: 5 });
  await assert.rejects(flags.increment("n"), {
    code: "OUTRIDER_GATEWAY_REFUSED",
    message: /no number to count/,
  });
});

test("uplink: a barrier of three devices opens when the last has come, and nobody polls", async () => {
  const w = world();
  const devices = ["a", "b", "c"].map(w.device);
  const opened: number[] = [];
  const arrive = async (flags: ExperimentFlags, at: number) => {
    await flags.increment("here");
    await flags.waitFor("here", (value) => Number(value) >= 3, { timeoutMs: 120_000 });
    opened.push(at);
  };
  const first = [arrive(devices[0]!, 0), arrive(devices[1]!, 1)];
  await pass(50_000, w);
  assert.deepEqual(opened, []);
  assert.ok(w.chaos.requests < 20, `${w.chaos.requests}`);
  const last = arrive(devices[2]!, 2);
  await drive(Promise.all([...first, last]), w);
  assert.deepEqual(opened.sort(), [0, 1, 2]);
  assert.equal(w.clock.timers, 0);
});

test("uplink: an increment on a bad network counts once", async () => {
  const w = world({ lost: 0.3, deaf: 0.4, twice: 0.3, error500: 0.2 }, 11);
  const flags = w.device("a");
  for (let at = 1; at <= 20; at++) {
    assert.equal(await drive(flags.increment("n", { timeoutMs: 3_600_000 }), w), at);
  }
  await pass(100_000, w);
  w.chaos.harm = {};
  assert.equal(await flags.get("n"), 20);
});

test("uplink: a wait that is not fulfilled says what the flag is, and ends in time", async () => {
  const w = world();
  const flags = w.device("a");
  await flags.set("n", 1);
  const waiting = flags.waitFor("n", (value) => value === 2, { timeoutMs: 40_000 });
  const before = w.clock.now();
  await assert.rejects(drive(waiting, w), {
    code: "OUTRIDER_GATEWAY_TIMEOUT",
    message: /within 40000 ms: it is 1/,
  });
  assert.ok(w.clock.now() - before <= 41_000);
});

test("uplink: a wait ends when it is told to, and an offline flag says why", async () => {
  const w = world();
  const flags = w.device("a");
  const stop = new AbortController();
  const waiting = flags.waitFor("never", () => true, { timeoutMs: 60_000, signal: stop.signal });
  await pass(100, w);
  stop.abort();
  await assert.rejects(waiting, { code: "OUTRIDER_STOPPED" });
  w.chaos.offline = true;
  await assert.rejects(drive(flags.get("n", { timeoutMs: 20_000 }), w), {
    code: "OUTRIDER_GATEWAY_TIMEOUT",
    message: /Could not read flag n: .*unreachable/,
  });
});

test("uplink: a flag's value that no gateway takes is refused before it is sent, with its size and the limit", async () => {
  const w = world();
  const sent = w.chaos.requests;
  await assert.rejects(w.device("a").set("n", "ü".repeat(140_000)), {
    code: "OUTRIDER_FLAG",
    message: /has 280\d\d\d bytes as JSON, more than the 262144/,
  });
  assert.equal(w.chaos.requests, sent);
});
