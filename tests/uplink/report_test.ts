/** The report: at least once, in order, final, bounded, however bad the network; against the reference gateway. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { Gateway } from "../../src/uplink/gateway.ts";
import { JournalError } from "../../src/journal/errors.ts";
import type { UplinkError } from "../../src/uplink/errors.ts";
import type { Stream } from "../../src/model/stream.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { type Report, type RunReportOptions, startReport } from "../../src/uplink/report/report.ts";
import { Activity, Chaos, drive, FakeJournal, HandClock, type Harm, pass, seeded, settled } from "./rig.ts";

interface World {
  readonly clock: HandClock;
  readonly activity: Activity;
  readonly store: SqliteGatewayStore;
  readonly chaos: Chaos;
  readonly gateway: Gateway;
  readonly journal: FakeJournal;
  readonly errors: UplinkError[];
  report(options?: Partial<RunReportOptions>): Report;
}

function world(seed = 1, harm: Harm = {}): World {
  const clock = new HandClock();
  const activity = new Activity();
  const random = seeded(seed);
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock });
  const chaos = new Chaos((request) => app.fetch(request), { harm, clock, activity, random });
  const options = {
    url: "http://localhost:1/",
    executor: "e",
    fetch: chaos.fetch,
    clock,
    gzip: activity.gzip,
  };
  const gateway = outriderGateway(options);
  const journal = new FakeJournal();
  const errors: UplinkError[] = [];
  const report = (more: Partial<RunReportOptions> = {}) =>
    startReport({
      gateway,
      clock,
      random,
      run: "r",
      source: journal,
      onError: (error) => errors.push(error),
      ...more,
    });
  return { clock, activity, store, chaos, gateway, journal, errors, report };
}

function kept(store: SqliteGatewayStore, lane: Stream): string[] {
  return store.rows.records("r", { lane, after: 0, limit: 100_000 }).map(({ text }) => text);
}

function assertAllKept({ store, journal }: World): void {
  for (const lane of ["state", "log"] as const) {
    assert.deepEqual(kept(store, lane).map((text) => JSON.parse(text)), journal.lanes[lane]);
  }
}

test("uplink: a run is reported whole, state and log, and the result is the fold of it", async () => {
  const w = world();
  const report = w.report();
  w.journal.fill(3);
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assertAllKept(w);
  assert.equal(w.clock.timers, 0);
  assert.equal(w.journal.watchers, 0);
  assert.equal(w.store.rows.run("r")?.state, "succeeded");
});

test("uplink: whatever the network does, all records come once and in order, and the end comes", async () => {
  const share = fc.double({ min: 0, max: 0.4, noNaN: true });
  const harm = fc.record({
    lost: share,
    deaf: share,
    twice: share,
    slow: share,
    error500: share,
    error429: share,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1 }),
      harm,
      fc.integer({ min: 0, max: 120 }),
      async (seed, harm, tasks) => {
        const w = world(seed, harm);
        const limits = { records: 20, bytes: 4000 };
        const report = w.report({ limits });
        w.journal.fill(tasks, { logs: tasks * 2 });
        report.end({ state: "succeeded" });
        assert.equal(await drive(report.drained, w), true);
        await report.stop();
        assertAllKept(w);
        assert.equal(w.store.rows.run("r")?.state, "succeeded");
        assert.ok(w.journal.mostRead <= 20, `read ${w.journal.mostRead} at once`);
        w.store.close();
      },
    ),
    { numRuns: 25 },
  );
});

test("uplink: over any restarts in the midst of anything, all records come once and in order", async () => {
  const lives = fc.array(fc.record({ tasks: fc.nat(15), logs: fc.nat(30), ms: fc.nat(90_000) }), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1 }), lives, async (seed, lives) => {
      const w = world(seed, { lost: 0.2, deaf: 0.3, twice: 0.3, slow: 0.3, error500: 0.1 });
      const limits = { records: 7 };
      for (const { tasks, logs, ms } of lives) {
        const report = w.report({ limits });
        for (let at = 0; at < tasks; at++) w.journal.state(settled(`t${at}`, at));
        for (let at = 0; at < logs; at++) w.journal.log(`line ${at}`);
        await pass(ms, w);
        await report.stop();
      }
      w.journal.state({ type: "run.ended", state: "failed" });
      const last = w.report({ limits });
      last.end({ state: "failed" });
      assert.equal(await drive(last.drained, w), true);
      await last.stop();
      assertAllKept(w);
      assert.equal(w.store.rows.run("r")?.state, "failed");
      w.store.close();
    }),
    { numRuns: 15 },
  );
});

test("uplink: offline for six hours: few attempts, nothing held, everything comes afterwards", async () => {
  const w = world(7);
  w.chaos.offline = true;
  const report = w.report({ limits: { records: 40 } });
  w.journal.fill(500, { logs: 2000 });
  report.end({ state: "succeeded" });
  await pass(6 * 3_600_000, w);
  assert.ok(w.chaos.requests < 6 * 60 * 2 + 30, `${w.chaos.requests} attempts`);
  assert.ok(w.chaos.requests > 6 * 60, `${w.chaos.requests} attempts`);
  assert.deepEqual(report.status().pending, { state: 502, log: 2000 });
  w.chaos.offline = false;
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assertAllKept(w);
});

test("uplink: when a heartbeat gets through, the report does not wait out its back-off", async () => {
  const w = world(7);
  w.chaos.offline = true;
  const report = w.report({ random: () => 0.99 });
  w.journal.fill(3);
  report.end({ state: "succeeded" });
  await pass(3_600_000, w);
  w.chaos.offline = false;
  const at = w.clock.now();
  report.online();
  await drive(report.drained, w);
  await report.stop();
  assert.equal(w.clock.now(), at);
});

test("uplink: Retry-After is honoured to the millisecond, however impatient the back-off", async () => {
  const w = world();
  const random = () => 0;
  let first = true;
  const times: number[] = [];
  const fetch = (url: string, init: RequestInit) => {
    times.push(w.clock.now());
    if (!first) return w.chaos.fetch(url, init);
    first = false;
    return Promise.resolve(new Response("", { status: 429, headers: { "retry-after": "120" } }));
  };
  const gateway = outriderGateway({
    url: "http://localhost",
    executor: "e",
    fetch,
    clock: w.clock,
    gzip: w.activity.gzip,
  });
  const report = w.report({ gateway, random });
  w.journal.fill(1);
  report.end({ state: "succeeded" });
  await drive(report.drained, w);
  await report.stop();
  assert.equal(times[1]! - times[0]!, 120_000);
});

/** An app before the gateway that refuses batches for which `bad` holds. */
function refusing(w: World, bad: (text: string) => boolean): { gateway: Gateway; refused: number[] } {
  const refused: number[] = [];
  const fetch = async (url: string, init: RequestInit) => {
    const body = await new Response(init.body as BodyInit).text();
    const count = (JSON.parse(body) as { records: unknown[] }).records.length;
    if (!bad(body)) return w.chaos.fetch(url, init);
    refused.push(count);
    return Response.json({ error: { code: "BAD", message: "I do not like this one" } }, { status: 422 });
  };
  const gzip = (bytes: Uint8Array<ArrayBuffer>) => Promise.resolve(bytes);
  const wrapped = (url: string, init: RequestInit) => {
    const { "content-encoding": _, ...headers } = init.headers as Record<string, string>;
    return fetch(url, { ...init, headers });
  };
  const options = { url: "http://localhost", executor: "e", fetch: wrapped, clock: w.clock, gzip };
  return { gateway: outriderGateway(options), refused };
}

test("uplink: a refused record is found, parked and told; all others pass", async () => {
  const w = world();
  const { gateway, refused } = refusing(w, (body) => body.includes('"line 37"'));
  const parked: unknown[] = [];
  const report = w.report({ gateway, onParked: (lane, range) => parked.push({ lane, ...range }) });
  w.journal.fill(10, { logs: 100 });
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  const reason = "Refused by the gateway: I do not like this one";
  assert.deepEqual(parked, [{ lane: "log", from: 38, to: 38, status: 422, reason }]);
  assert.deepEqual(w.store.rows.missing("r", 9), [{ lane: "log", from: 38, to: 38, status: 422, reason }]);
  assert.equal(kept(w.store, "log").length, 99);
  assert.equal(kept(w.store, "state").length, 12);
  assert.equal(report.status().parked, 1);
  assert.ok(refused.length <= 12, `refused ${refused.length} times`);
});

test("uplink: a gateway that refuses every record still gets the end, and no storm", async () => {
  const w = world();
  const { gateway, refused } = refusing(w, (body) => !body.includes('"records":[]'));
  const started = w.clock.now();
  const report = w.report({ gateway });
  w.journal.fill(20, { logs: 5 });
  report.end({ state: "failed" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.equal(kept(w.store, "state").length, 0);
  assert.equal(w.store.rows.run("r")?.state, "failed");
  assert.equal(w.store.rows.run("r")?.acknowledged.state, 22);
  assert.ok(w.clock.now() - started >= refused.length * 100);
});

/** Lets through what `passes`, and answers all else with this. */
function standsBetween(w: World, answer: () => Response, passes: (bytes: number) => boolean = () => false) {
  const fetch = (url: string, init: RequestInit) =>
    passes((init.body as Uint8Array).length) ? w.chaos.fetch(url, init) : Promise.resolve(answer());
  const gzip = w.activity.gzip;
  return outriderGateway({ url: "http://localhost", executor: "e", fetch, clock: w.clock, gzip });
}

test("uplink: what a proxy or a login page refuses is waited out, with few requests, and nothing is set aside", async () => {
  for (
    const [status, type, body] of [
      [400, "text/plain", "Bad Request"],
      [400, "application/json", '{"error":{"code":400,"message":"no"}}'],
      [413, "text/html", "<html>413</html>"],
      [200, "text/html", "<html>log in</html>"],
      [422, "application/json", '{"detail":"no"}'],
    ] as const
  ) {
    const w = world();
    let away = true;
    let requests = 0;
    const gateway = standsBetween(w, () => {
      requests++;
      return new Response(body, { status, headers: { "content-type": type } });
    }, () => !away);
    const report = w.report({ gateway, heard: () => 0 });
    w.journal.fill(20);
    report.end({ state: "succeeded" });
    await pass(3_600_000, w);
    assert.ok(requests < 250, `${requests}`);
    away = false;
    await drive(report.drained, w);
    await report.stop();
    assertAllKept(w);
    assert.equal(report.status().parked, 0);
  }
});

test("uplink: while heartbeats get no answer, not even a gateway's own refusal sets anything aside", async () => {
  const w = world();
  const { gateway } = refusing(w, (body) => body.includes('"line 3"'));
  let heard = 0;
  const report = w.report({ gateway, heard: () => heard });
  w.journal.fill(5);
  report.end({ state: "succeeded" });
  await pass(3_600_000, w);
  assert.equal(report.status().parked, 0);
  heard = 1;
  await drive(report.drained, w);
  await report.stop();
  assert.equal(report.status().parked, 1);
});

test("uplink: a record too large for what stands between goes without its value, once all else is seen to get through", async () => {
  const w = world();
  const tooLarge = () => new Response("<html>413 Request Entity Too Large</html>", { status: 413 });
  const gateway = standsBetween(w, tooLarge, (bytes) => bytes < 4000);
  const random = seeded(5);
  const noise = Array.from({ length: 2000 }, () => random().toString(36).slice(2)).join("");
  w.journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" });
  w.journal.state(settled("small", 1));
  w.journal.state(settled("large", noise));
  w.journal.state(settled("after", 2));
  w.journal.state({ type: "run.ended", state: "succeeded" });
  const told: string[] = [];
  let heard = 1;
  const report = w.report({ gateway, heard: () => heard, onLeftOut: (text) => told.push(text) });
  report.end({ state: "succeeded" });
  await pass(3_600_000, w);
  assert.equal(w.store.rows.run("r")?.acknowledged.state, 2);
  assert.equal(report.status().leftOut, 0);
  heard += 2;
  await drive(report.drained, w);
  await report.stop();
  assert.deepEqual([report.status().parked, report.status().leftOut], [0, 1]);
  assert.match(told.join(), /Record 3 of the state goes without its value: .*413 Request Entity Too Large/);
  const records = kept(w.store, "state").map((text) => JSON.parse(text) as Record<string, unknown>);
  assert.deepEqual(records.map(({ outcome }) => outcome).slice(1, 4), [
    "succeeded",
    "succeeded",
    "succeeded",
  ]);
  assert.deepEqual([records[1]?.["value"], records[2]?.["value"], records[3]?.["value"]], [
    "1",
    undefined,
    "2",
  ]);
  assert.deepEqual(w.store.rows.missing("r", 10).map(({ from, to }) => [from, to]), [[3, 3]]);
});

test("uplink: a wrong token parks nothing: it is told, and all comes once the token is right", async () => {
  const w = world();
  let right = false;
  const fetch = (url: string, init: RequestInit) =>
    right
      ? w.chaos.fetch(url, init)
      : Promise.resolve(Response.json({ error: { code: "TOKEN", message: "no" } }, { status: 401 }));
  const gateway = outriderGateway({
    url: "http://localhost",
    executor: "e",
    fetch,
    clock: w.clock,
    token: "x",
    gzip: w.activity.gzip,
  });
  const report = w.report({ gateway });
  w.journal.fill(5);
  report.end({ state: "succeeded" });
  await pass(600_000, w);
  assert.match(w.errors[0]!.message, /401.*OUTRIDER_TOKEN/);
  assert.equal(report.status().parked, 0);
  right = true;
  await drive(report.drained, w);
  await report.stop();
  assertAllKept(w);
});

test("uplink: state goes before log, and at most one request of each lane is under way", async () => {
  const w = world(3);
  const order: string[] = [];
  const fetch = (url: string, init: RequestInit) => w.chaos.fetch(url, init);
  const gateway = outriderGateway({
    url: "http://localhost",
    executor: "e",
    fetch,
    clock: w.clock,
    gzip: w.activity.gzip,
  });
  const send = gateway.report.kind === "records" ? gateway.report.send : undefined;
  assert.ok(send);
  const watched: Gateway = {
    ...gateway,
    report: { kind: "records", send: (batch, limits) => (order.push(batch.lane), send(batch, limits)) },
  };
  const report = w.report({ gateway: watched, limits: { records: 10 } });
  w.journal.fill(30, { logs: 30 });
  report.end({ state: "succeeded" });
  await drive(report.drained, w);
  await report.stop();
  assert.deepEqual(order, ["state", "state", "state", "state", "state", "log", "log", "log"]);
  assert.ok(w.chaos.most <= 2);
});

test("uplink: quiet until done: not one request before the end", async () => {
  const w = world();
  const report = w.report({ quiet: true });
  w.journal.fill(50);
  await pass(3_600_000, w);
  assert.equal(w.chaos.requests, 0);
  report.end({ state: "succeeded" });
  await drive(report.drained, w);
  await report.stop();
  assertAllKept(w);
});

test("uplink: records that trickle in are collected", async () => {
  const w = world();
  const report = w.report({ limits: { lingerMs: 1000 } });
  for (let at = 0; at < 100; at++) {
    w.journal.log(`line ${at}`);
    await pass(100, w);
  }
  assert.ok(w.chaos.requests <= 11, `${w.chaos.requests} requests`);
  assert.ok(w.chaos.requests >= 8, `${w.chaos.requests} requests`);
  await report.stop();
});

test("uplink: a new process that knows no cursor learns it from the first reply", async () => {
  const w = world();
  const first = w.report({ limits: { records: 10 } });
  w.journal.fill(100);
  first.end({ state: "succeeded" });
  await drive(first.drained, w);
  await first.stop();
  const before = w.chaos.requests;
  w.journal.state(settled("late", 1));
  const second = w.report({ limits: { records: 10 } });
  second.end({ state: "succeeded" });
  await drive(second.drained, w);
  await second.stop();
  assert.ok(w.chaos.requests - before <= 4, `${w.chaos.requests - before} requests`);
  assertAllKept(w);
});

test("uplink: a gateway that has lost its storage gets everything again", async () => {
  const w = world();
  const report = w.report();
  w.journal.fill(20);
  await pass(10_000, w);
  assert.equal(report.status().pending.state, 0);
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock: w.clock });
  const chaos = new Chaos((request) => app.fetch(request), { ...w, random: seeded(5) });
  const gateway = outriderGateway({
    url: "http://localhost",
    executor: "e",
    fetch: chaos.fetch,
    clock: w.clock,
  });
  await report.stop();
  const again = w.report({ gateway, from: { state: 22, log: 20 } });
  w.journal.state(settled("late", 1));
  again.end({ state: "succeeded" });
  await drive(again.drained, w);
  await again.stop();
  assertAllKept({ ...w, store });
});

test("uplink: log that the journal dropped arrives as its gap record", async () => {
  const w = world();
  w.chaos.offline = true;
  const report = w.report();
  w.journal.fill(1, { logs: 50 });
  w.journal.trim(30);
  w.chaos.offline = false;
  report.end({ state: "succeeded" });
  await drive(report.drained, w);
  await report.stop();
  const log = kept(w.store, "log").map((text) =>
    JSON.parse(text) as { seq: number; dropped?: { count: number } }
  );
  assert.equal(log.length, 21);
  assert.deepEqual(log[0]?.dropped?.count, 29);
  assert.equal(log[0]?.seq, 30);
  assert.equal(log.at(-1)?.seq, 50);
});

test("uplink: nothing is sent before the journal has it for certain", async () => {
  const w = world();
  let durable: () => void = () => {};
  const flush = () => new Promise<void>((resolve) => durable = resolve);
  const source = {
    states: (after: number, limit: number) => w.journal.states(after, limit),
    logs: (after: number, limit: number) => w.journal.logs(after, limit),
    watch: (watcher: Parameters<FakeJournal["watch"]>[0]) => w.journal.watch(watcher),
    flush,
  };
  const report = w.report({ source });
  w.journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "x", plan: "h" });
  await pass(60_000, w);
  assert.equal(w.chaos.requests, 0);
  durable();
  await pass(1000, w);
  assert.equal(w.chaos.requests, 1);
  durable();
  await report.stop();
});

test("uplink: a report that is stopped leaves nobody waiting", async () => {
  const w = world();
  w.chaos.offline = true;
  const report = w.report();
  w.journal.fill(5);
  report.end({ state: "succeeded" });
  await pass(5000, w);
  await report.stop();
  assert.deepEqual([await report.final, await report.drained], [false, false]);
  assert.equal(w.clock.timers, 0);
});

test("uplink: records that the disk does not give are asked for again; where it never does, the report ends and says why", async () => {
  const w = world();
  w.journal.fill(5);
  let refusals = 0;
  const source = {
    states: (after: number, limit: number) => {
      if (refusals-- > 0) throw new JournalError("DISK", "The disk does not give it");
      return w.journal.states(after, limit);
    },
    logs: (after: number, limit: number) => w.journal.logs(after, limit),
    watch: (watcher: Parameters<FakeJournal["watch"]>[0]) => w.journal.watch(watcher),
  };
  refusals = 4;
  const report = w.report({ source });
  assert.equal(report.status().unreadable, "The disk does not give it");
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assertAllKept(w);
  assert.equal(report.status().unreadable, undefined);

  refusals = Infinity;
  const never = w.report({ source });
  never.end({ state: "succeeded" });
  assert.equal(await drive(never.drained, w), false);
  assert.equal(await never.final, false);
  assert.equal(never.status().unreadable, "The disk does not give it");
  assert.ok(w.errors.length < 20, `${w.errors.length} readings`);
  await never.stop();
  assert.equal(w.clock.timers, 0);
});
