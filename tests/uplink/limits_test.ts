/** What a gateway asks for and what a batch may hold is kept to, and nothing is timed any more once a thing is over. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Heartbeat } from "../../src/protocol/messages.ts";
import { GatewayRefusedError, UplinkError } from "../../src/uplink/errors.ts";
import type { Gateway } from "../../src/uplink/gateway.ts";
import { type HeartbeatSnapshot, startHeartbeat } from "../../src/uplink/heartbeat.ts";
import { linesOf } from "../../src/uplink/http/lines.ts";
import { Wire } from "../../src/uplink/http/wire.ts";
import { CommandInbox } from "../../src/uplink/instructions.ts";
import { type Report, startReport } from "../../src/uplink/report/report.ts";
import { Activity, drive, FakeJournal, HandClock, pass } from "./rig.ts";

type Send = Extract<Gateway["report"], { kind: "records" }>["send"];
type SentBatch = Parameters<Send>[0];

/** A gateway of which a test answers each call. */
function gatewayWith(
  beat: Gateway["beat"],
  send: Send = () => Promise.reject(new UplinkError("No")),
): Gateway {
  const none = () => Promise.reject(new UplinkError("No"));
  return {
    url: "test://gateway",
    traffic: { requests: 0, failures: 0, sentBytes: 0, receivedBytes: 0 },
    pull: none,
    beat,
    report: { kind: "records", send },
    flags: { read: none, change: none, repeatable: true, waits: true },
  };
}

const SNAPSHOT: HeartbeatSnapshot = {
  outrider: "0",
  runtime: "t",
  state: "idle",
  spool: { state: 0, log: 0 },
};

function refusal(status: number, retryAfterMs: number | undefined): GatewayRefusedError {
  return new GatewayRefusedError("Later", { status, reason: "later", own: true, retryAfterMs });
}

function world() {
  return { clock: new HandClock(), activity: new Activity() };
}

test("uplink: a heartbeat waits as long as it is asked to, once, and an interval that is longer counts as before", async () => {
  const w = world();
  const at: number[] = [];
  const asked = [undefined, 45_000, undefined, 3_000, undefined];
  const gateway = gatewayWith(() => {
    const retryAfterMs = asked[at.push(w.clock.monotonic()) - 1];
    return retryAfterMs === undefined ? Promise.resolve({}) : Promise.reject(refusal(503, retryAfterMs));
  });
  const heartbeat = startHeartbeat({
    gateway,
    clock: w.clock,
    random: () => 0.5,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands: new CommandInbox(),
  });
  await pass(90_000, w);
  assert.deepEqual(at.slice(1).map((time, index) => time - at[index]!), [
    10_000,
    45_000,
    10_000,
    10_000,
    10_000,
  ]);
  await heartbeat.stop();
  assert.equal(w.clock.timers, 0);
});

test("uplink: heartbeats count up, and say how many of their kind were sent, what was seen and that the agent is quiet", async () => {
  const w = world();
  const told: Heartbeat[] = [];
  const heartbeat = startHeartbeat({
    gateway: gatewayWith((beat) => {
      told.push(beat);
      return Promise.resolve({ commands: told.length === 1 ? [{ id: 4, type: "interval", ms: 2_000 }] : [] });
    }),
    clock: w.clock,
    random: () => 0.5,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands: new CommandInbox(),
    quiet: true,
  });
  await pass(60_000, w);
  assert.equal(told.length, 1, "a quiet one announces it once");
  heartbeat.quiet(false);
  await pass(4_500, w);
  assert.deepEqual(
    told.map(({ version, seen, intervalMs, quiet = false }) => [version, seen, intervalMs, quiet]),
    [
      [1, 0, 10_000, true],
      [2, 4, 2_000, false],
      [3, 4, 2_000, false],
      [4, 4, 2_000, false],
    ],
  );
  assert.equal(heartbeat.heard, 4);
  await heartbeat.stop();
});

/** Reports a journal to a gateway that takes everything; the batches that it got. */
function reported(
  w: ReturnType<typeof world>,
  { limits, journal }: {
    readonly limits: Parameters<typeof startReport>[0]["limits"];
    readonly journal: FakeJournal;
  },
): { readonly batches: SentBatch[]; readonly report: Report } {
  const batches: SentBatch[] = [];
  const has = { state: 0, log: 0 };
  let final = false;
  const gateway = gatewayWith(() => Promise.resolve({}), (batch) => {
    batches.push(batch);
    for (const { seq } of batch.records) has[batch.lane] = Math.max(has[batch.lane], seq);
    final ||= batch.final !== undefined;
    return Promise.resolve({ acknowledged: { ...has }, final, rejected: [] } as Awaited<ReturnType<Send>>);
  });
  const report = startReport({
    gateway,
    clock: w.clock,
    random: () => 0.5,
    run: "r",
    source: journal,
    ...(limits && { limits }),
  });
  return { batches, report };
}

test("uplink: a batch holds no more records and no more bytes than its limits, but for one record that is longer", async () => {
  const w = world();
  const journal = new FakeJournal();
  for (let at = 0; at < 40; at++) journal.log("x".repeat(at === 20 ? 5_000 : 100));
  const { batches, report } = reported(w, { limits: { bytes: 1_000, records: 5 }, journal });
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  const sizes = batches.filter(({ lane }) => lane === "log").map(({ records }) => ({
    count: records.length,
    bytes: records.reduce((sum, record) => sum + JSON.stringify(record).length, 0),
  }));
  assert.equal(sizes.reduce((sum, { count }) => sum + count, 0), 40, "each once");
  for (const { count, bytes } of sizes) {
    assert.ok(count <= 5 && (bytes <= 1_000 || count === 1), `${count}: ${bytes}`);
  }
  assert.ok(sizes.some(({ bytes }) => bytes > 5_000), "the long one went alone");
  assert.ok(sizes.some(({ count }) => count > 1), "others went together");
  await report.stop();
  assert.deepEqual([w.clock.timers, journal.watchers], [0, 0]);
});

test("uplink: records are collected for the linger, and not longer than that; the end waits for nothing", async () => {
  const w = world();
  const journal = new FakeJournal();
  const { batches, report } = reported(w, { limits: { lingerMs: 400 }, journal });
  await pass(10_000, w);
  journal.log("first");
  await pass(399, w);
  assert.equal(batches.length, 0);
  journal.log("second");
  await pass(1, w);
  assert.deepEqual(batches.map(({ records }) => records.length), [2]);
  journal.log("third");
  report.end({ state: "succeeded" });
  await w.activity.still();
  assert.equal(await report.drained, true);
  await report.stop();
  assert.equal(w.clock.timers, 0);
});

test("uplink: however a request ends, no timer is left of it", async () => {
  const w = world();
  const bodies: Record<string, () => Promise<Response>> = {
    whole: () => Promise.resolve(new Response("x".repeat(10_000))),
    refused: () => Promise.resolve(new Response("no", { status: 500 })),
    redirected: () => Promise.resolve(new Response(null, { status: 307, headers: { location: "/x" } })),
    long: () => Promise.resolve(new Response("x".repeat(3_000_000))),
    unreachable: () => Promise.reject(new TypeError("no network")),
    broken: () =>
      Promise.resolve(
        new Response(new ReadableStream({ start: (stream) => stream.error(new Error("cut")) })),
      ),
  };
  for (const [name, fetch] of Object.entries(bodies)) {
    const wire = new Wire({ url: "http://g", fetch, clock: w.clock });
    await wire.call({ method: "GET", path: "/", timeoutMs: 1_000 }).catch(() => {});
    assert.equal(w.clock.timers, 0, name);
  }
  const silent = new Wire({ url: "http://g", fetch: () => new Promise(() => {}), clock: w.clock });
  const late = silent.call({ method: "GET", path: "/", timeoutMs: 1_000 });
  assert.equal(w.clock.timers, 1);
  w.clock.step();
  await assert.rejects(late, { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  const over = new AbortController();
  const stopped = silent.call({ method: "GET", path: "/", timeoutMs: 1_000, signal: over.signal });
  over.abort();
  await assert.rejects(stopped, { code: "OUTRIDER_STOPPED" });
  assert.equal(w.clock.timers, 0);
});

test("uplink: lines come whole out of any pieces, and no timer is left when they end, break off or fall silent", async () => {
  const { clock } = world();
  const bytes = new TextEncoder().encode("one\n\n  \nzwölf\r\nlast");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const stream = new ReadableStream<Uint8Array>({
      start(to) {
        to.enqueue(bytes.subarray(0, cut));
        to.enqueue(bytes.subarray(cut));
        to.close();
      },
    });
    const lines: string[] = [];
    for await (const line of linesOf(stream, { clock, idleMs: 1_000 })) lines.push(line.trim());
    assert.deepEqual(lines, ["one", "zwölf", "last"]);
    assert.equal(clock.timers, 0);
  }
  const silent = linesOf(new ReadableStream<Uint8Array>({}), { clock, idleMs: 1_000 }).next();
  assert.equal(clock.timers, 1);
  clock.step();
  await assert.rejects(silent, { code: "OUTRIDER_GATEWAY_TIMEOUT", message: /for 1 s/ });
  const broken = new ReadableStream<Uint8Array>({ start: (to) => to.error(new Error("cut")) });
  await assert.rejects(linesOf(broken, { clock, idleMs: 1_000 }).next(), {
    code: "OUTRIDER_GATEWAY_UNREACHABLE",
  });
  assert.equal(clock.timers, 0);
});
