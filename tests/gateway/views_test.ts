/** How users see executors, runs and hand-outs: each thing where it is known and not where it isn't, "lost" to the millisecond. */
import assert from "node:assert/strict";
import test from "node:test";
import { executorName, Heard, rivalName, runName } from "../../src/gateway/heard.ts";
import { sameJson } from "../../src/protocol/flag_change.ts";
import { newRun } from "../../src/gateway/ingest.ts";
import { resultJson } from "../../src/gateway/result.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { openDatabase } from "../../src/gateway/sqlite_database.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { ExecutorRow, RunRow } from "../../src/gateway/store.ts";
import { executorView, handoutViews, hasRival, runView } from "../../src/gateway/views.ts";
import { HandClock, settled } from "../uplink/rig.ts";
import { BEAT, STARTED, world } from "./rig.ts";

const LEASE = 45_000;
const FIRST = "1970-01-01T00:00:00.001Z";

function sight(executor: Partial<ExecutorRow> = {}) {
  const clock = new HandClock();
  const heard = new Heard(clock);
  const store = sqliteGatewayStore(":memory:");
  const row: ExecutorRow = {
    id: "e",
    firstSeenAt: 1,
    lastSeenAt: 2,
    heartbeat: undefined,
    over: [],
    rival: undefined,
    ...executor,
  };
  store.rows.putExecutor(row);
  return { clock, heard, store, row, lease: { heard, leaseMs: LEASE } };
}

function after(clock: HandClock, ms: number): void {
  clock.reach(clock.now() + ms);
}

test("gateway: a run is shown with what is known of it, and without what isn't", async () => {
  const { store, lease } = sight();
  const none = newRun("r", { executor: "e", now: 1 });
  const bare = {
    run: "r",
    executor: "e",
    state: "running",
    version: none.version,
    lastSeenAt: FIRST,
    acknowledged: { state: 0, log: 0 },
    complete: false,
    missing: [],
  };
  assert.deepEqual(await runView(none, { store, lease }), bare);
  const known: [keyof RunRow, unknown, unknown][] = [
    ["pipeline", "p", "p"],
    ["runtime", "test 1", "test 1"],
    ["handout", "q-1", "q-1"],
    ["startedAt", 1, FIRST],
    ["startedAt", 0, "1970-01-01T00:00:00.000Z"],
    ["endedAt", 1, FIRST],
    ["endedAt", 0, "1970-01-01T00:00:00.000Z"],
  ];
  for (const [name, kept, shown] of known) {
    assert.deepEqual(
      await runView({ ...none, [name]: kept }, { store, lease }),
      { ...bare, [name]: shown },
      name,
    );
  }
});

test("gateway: of a run's gaps as many are told as were asked for, a thousand otherwise", async () => {
  const { store, lease } = sight();
  const row = newRun("r", { executor: "e", now: 1 });
  const missing = Array.from({ length: 1_001 }, (_, at) => ({ from: at + 1, to: at + 1, reason: "x" }));
  store.rows.ingest(row, { lane: "state", records: [], missing });
  assert.equal((await runView(row, { store, lease })).missing.length, 1_000);
  assert.equal((await runView(row, { store, lease, maxMissing: 2 })).missing.length, 2);
});

test("gateway: an executor and its run are lost a millisecond after the lease, unless silence was announced", async () => {
  const { store, lease, clock, heard, row } = sight({ heartbeat: BEAT });
  const run = newRun("r", { executor: "e", now: 1 });
  const states = async (quiet = false) => [
    executorView({ ...row, heartbeat: { ...BEAT, quiet } }, lease).state,
    (await runView({ ...run, quiet }, { store, lease })).state,
  ];
  heard.hear(executorName("e"));
  heard.hear(runName("r"));
  after(clock, LEASE);
  assert.deepEqual(await states(), ["running", "running"]);
  after(clock, 1);
  assert.deepEqual(await states(), ["lost", "lost"]);
  assert.deepEqual(await states(true), ["running", "running"]);
  assert.equal(
    (await runView({ ...run, state: "failed" }, { store, lease })).state,
    "failed",
    "what is over stays",
  );
  heard.hear(executorName("e"));
  assert.deepEqual(await states(), ["running", "lost"]);
});

test("gateway: who speaks rarely is borne four of its intervals; who never spoke, the lease", async () => {
  const heartbeat = { ...BEAT, intervalMs: 20_000 };
  const { store, lease, clock, row } = sight({ heartbeat });
  const run = newRun("r", { executor: "e", now: 1 });
  const other = newRun("s", { executor: "nobody", now: 1 });
  const states = async () => [executorView(row, lease).state, (await runView(run, { store, lease })).state];
  after(clock, LEASE + 1);
  assert.equal((await runView(other, { store, lease })).state, "lost");
  after(clock, 80_000 - LEASE - 1);
  assert.deepEqual(await states(), ["running", "running"]);
  after(clock, 1);
  assert.deepEqual(await states(), ["lost", "lost"]);
});

test("gateway: of who never spoke nothing but the lease is borne, however short it is", async () => {
  const { clock, heard, row } = sight();
  const state = (leaseMs: number) => executorView(row, { heard, leaseMs }).state;
  assert.equal(state(0), "idle");
  after(clock, 1);
  assert.deepEqual([state(0), state(1)], ["lost", "idle"]);
});

test("gateway: an executor is shown with its heartbeat and its rival where there are any", async () => {
  const { lease, clock, heard, row } = sight();
  const bare = { id: "e", state: "idle", firstSeenAt: FIRST, lastSeenAt: "1970-01-01T00:00:00.002Z" };
  assert.deepEqual(executorView(row, lease), bare);
  assert.deepEqual(executorView({ ...row, heartbeat: BEAT }, lease), {
    ...bare,
    state: "running",
    heartbeat: BEAT,
  });
  const beside = { ...row, rival: { session: "s0", at: 1 } };
  assert.equal(hasRival(beside, lease), false, "not heard since the gateway began");
  heard.hear(rivalName("e"));
  assert.equal(hasRival(row, lease), false);
  after(clock, LEASE);
  assert.deepEqual(executorView(beside, lease).rival, { session: "s0", lastSeenAt: FIRST });
  after(clock, 1);
  assert.equal(hasRival(beside, lease), false);
});

function handout(store: SqliteGatewayStore, target: string, pipeline?: string) {
  return store.rows.addHandout({ target, bytes: new Uint8Array([1]), hash: "h", pipeline, at: 1 });
}

test("gateway: a hand-out is listed once for each that it is for, as far as each is with it", async () => {
  const { store, lease, row } = sight();
  const late = { ...row, id: "late", firstSeenAt: 9 };
  const executors = [row, late];
  const views = async (
    limit = 9,
  ) => (await handoutViews(store.rows.handouts(undefined, 9), { store, lease, executors, limit }));
  const own = handout(store, "e", "p");
  assert.deepEqual(await views(), [{
    id: own.id,
    to: "e",
    executor: "e",
    pipeline: "p",
    hash: "h",
    version: own.version,
    at: FIRST,
    state: "waiting",
  }]);
  store.rows.putDelivery({ executor: "e", version: own.version, run: undefined, closed: false });
  assert.equal((await views())[0]!.state, "taken");
  store.rows.putRun({ ...newRun("r", { executor: "e", now: 1 }), state: "failed" });
  store.rows.putDelivery({ executor: "e", version: own.version, run: "r", closed: true });
  assert.deepEqual([(await views())[0]!.state, (await views())[0]!.run], ["failed", "r"]);
  store.rows.putDelivery({ executor: "e", version: own.version, run: undefined, closed: true });
  assert.deepEqual([(await views())[0]!.state, (await views())[0]!.run], ["done", undefined]);

  const all = handout(store, "group:all");
  assert.deepEqual((await views()).map(({ executor, to }) => [executor, to]), [
    ["e", "group:all"],
    ["late", "group:all"],
    ["e", "e"],
  ]);
  assert.ok(!("pipeline" in (await views())[0]!) && !("because" in (await views())[0]!));
  assert.deepEqual((await views(1)).map(({ executor }) => executor), ["e"]);
  assert.deepEqual((await views(2)).length, 2);
  store.rows.endHandout(all.version, { how: "withdrawn", at: 5, because: "why" });
  const [first, ...others] = await views();
  assert.deepEqual([first!.executor, first!.state, first!.because], ["e", "withdrawn", "why"]);
  assert.deepEqual(others.map(({ to }) => to), ["e"], "who came later had it never to come");
});

test("gateway: who was there when a hand-out ended is listed with it, but for one that all were done with", async () => {
  const { store, lease, row } = sight();
  const view = async (how: "done" | "replaced", at: number) => {
    const { version } = handout(store, "group:all");
    store.rows.endHandout(version, { how, at });
    const rows = [store.rows.handout(version)!];
    return (await handoutViews(rows, { store, lease, executors: [row], limit: 9 })).map(({ state }) => state);
  };
  assert.deepEqual(await view("replaced", 1), ["replaced"]);
  assert.deepEqual(await view("replaced", 0), []);
  assert.deepEqual(await view("done", 1), []);
  for (const [to, executor] of [["group:none", undefined], ["x-group:none", "x-group:none"]] as const) {
    const [view] = await handoutViews([handout(store, to)], { store, lease, executors: [], limit: 9 });
    assert.deepEqual([view!.to, view!.executor, view!.state], [to, executor, "waiting"]);
  }
  const nobody = handout(store, "nobody");
  assert.deepEqual(
    (await handoutViews([nobody], { store, lease, executors: [row], limit: 9 })).map(({ state }) => state),
    ["waiting"],
  );
});

test("gateway: between two pages of a result others have one turn, and who has gone is told no more", async () => {
  const { store } = sight();
  const run = { ...newRun("r", { executor: "e", now: 1 }), startedAt: 0 };
  const texts = Array.from({ length: 2_500 }, (_, at) => ({ at: 2, ...settled(`t${at}`, 1), seq: at + 1 }));
  const ended = { seq: 2_501, at: 3, type: "run.ended", state: "succeeded", tookMs: 7 };
  const records = [{ ...STARTED, seq: 0 }, ...texts, ended].map((each) => ({
    seq: each.seq + 1,
    text: JSON.stringify({ ...each, seq: each.seq + 1 }),
  }));
  store.rows.ingest(run, { lane: "state", records, missing: [] });
  const told = async (turnsUntilGone: number) => {
    const gone = new AbortController();
    let turns = 0;
    const clock = {
      after: (ms: number, next: () => void) => {
        assert.equal(ms, 0);
        if (++turns === turnsUntilGone) gone.abort();
        queueMicrotask(next);
        return () => {};
      },
    };
    let text = "";
    for await (const piece of resultJson(run, { store, clock, gone: gone.signal })) text += piece;
    return { turns, text };
  };
  const { turns, text } = await told(9);
  assert.equal(turns, 2);
  const { tasks, tookMs, startedAt, ...head } = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual([tookMs, startedAt, "endedAt" in head], [7, "1970-01-01T00:00:00.000Z", false]);
  assert.equal(Object.keys(tasks as object).length, 2_500);
  assert.deepEqual(await told(1), { turns: 1, text: "" });
});

test("gateway: values are the same whatever the order of their keys, and in nothing else", async () => {
  const same = [1, "1", 0, true, null, [], {}, [1], { a: 1 }, { a: { b: [1] } }, { b: 1 }, { 0: 1 }, [null]];
  for (const [at, a] of same.entries()) {
    for (const [other, b] of same.entries()) {
      assert.equal(sameJson(a, structuredClone(b)), at === other, JSON.stringify([a, b]));
    }
  }
  assert.ok(sameJson({ a: 1, b: [2, 3] }, { b: [2, 3], a: 1 }));
  assert.ok(!sameJson({ a: 1, b: 2 }, { a: 1 }) && !sameJson({ a: 1 }, { a: 1, b: 2 }));
  assert.ok(!sameJson([1, 2], [2, 1]) && !sameJson({ a: 1, b: 2 }, { a: 1, b: 3 }));
  assert.ok(!sameJson({ a: undefined }, { b: undefined }));
  assert.ok(
    !sameJson({ toString: Object.prototype.toString }, Object.create(null, { x: { enumerable: true } })),
  );
});

test("gateway: records are on the disk when they are acknowledged; a heartbeat need not be", async () => {
  const db = openDatabase(":memory:");
  const synchronous = () => db.get("PRAGMA synchronous")?.["synchronous"];
  const [normal, full] = [1, 2];
  assert.deepEqual(
    [undefined, { durably: false }, {}, { durably: true }, { durably: false }].map((options) =>
      db.atomically(synchronous, options)
    ),
    [full, normal, full, full, normal],
  );
  db.close();

  const store = sqliteGatewayStore(":memory:");
  const asked: (boolean | undefined)[] = [];
  const { atomically } = store;
  store.atomically = (work, options) => {
    asked.push(options?.durably);
    return atomically.call(store, work, options) as ReturnType<typeof work>;
  };
  const w = world({ store });
  const durably = async (work: () => Promise<unknown>) => {
    asked.length = 0;
    await work();
    return asked[0] ?? true;
  };
  assert.equal(await durably(() => w.post("/v1/executors/e/heartbeat", BEAT)), false);
  assert.equal(await durably(() => w.send({ records: [STARTED] })), true);
  assert.equal(await durably(() => w.ask("/v1/bundles?to=e", { method: "POST", body: "x" })), true);
  store.close();
});

test("gateway: eight sessions that are over are remembered: what comes late of them changes nothing", async () => {
  const w = world();
  const beat = async (session: string, version = 1) => {
    const answer = await w.post("/v1/executors/e/heartbeat", { ...BEAT, session, version });
    return (await answer.json() as { rival?: string }).rival;
  };
  for (let at = 0; at < 10; at++) assert.equal(await beat(`s${at}`), undefined);
  for (let at = 1; at < 9; at++) assert.equal(await beat(`s${at}`, 9), "s9", `s${at}`);
  assert.equal(await beat("s0", 9), undefined);
  assert.equal(w.store.rows.executor("e")?.heartbeat?.session, "s0");
});

test("gateway: who knows that there is no flag waits for the first, and who asks for no wait gets none", async () => {
  const w = world();
  const path = "/v1/experiments/x/flags/n";
  for (const query of ["", "?wait=1000", "?after=0", "?after=0&wait=0"]) {
    assert.equal((await w.ask(path + query)).status, 204, query);
  }
  assert.equal(w.clock.timers, 0);
  const waiting = w.ask(`${path}?after=0&wait=1000`);
  await w.activity.still();
  assert.equal(w.clock.timers, 1);
  await w.post(path, { op: "set", id: "one", value: 5 });
  assert.deepEqual(await (await waiting).json(), { name: "n", value: 5, version: 1 });
  const late = w.ask(`${path}?after=1&wait=1`);
  await w.activity.still();
  assert.equal(w.clock.timers, 1);
  w.clock.step();
  assert.equal((await (await late).json() as { version: number }).version, 1);
  assert.equal(w.clock.timers, 0);
});
