/** The fleet as a whole, and the lists of runs: what is counted, found and told again. */
import assert from "node:assert/strict";
import test from "node:test";
import { newRun } from "../../src/gateway/ingest.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { Heartbeat, Overview, ReportedRun } from "../../src/protocol/messages.ts";
import { HandClock } from "../uplink/rig.ts";
import { BEAT, STARTED, type World, world } from "./rig.ts";

const { run: RUN, ...IDLE } = BEAT;

async function beat(w: World, id: string, more: Partial<Heartbeat> = {}): Promise<void> {
  const answer = await w.post(`/v1/executors/${id}/heartbeat`, { ...IDLE, state: "idle", ...more });
  assert.equal(answer.status, 200);
}

/** What is asked a moment later. */
async function later(w: World, path: string): Promise<Overview> {
  w.clock.reach(w.clock.now() + 2_000);
  return await w.json<Overview>(path);
}

test("overview: executors are counted by state, and who falls silent is lost", async () => {
  const w = world();
  assert.deepEqual(await w.json("/v1/overview"), {
    total: 0,
    counts: { idle: 0, running: 0, paused: 0, stopping: 0, lost: 0 },
    runs: { running: 0, succeeded: 0, failed: 0, cancelled: 0 },
    matching: 0,
    offset: 0,
    executors: [],
  });
  await beat(w, "a");
  await beat(w, "b", { state: "running", run: RUN!, groups: ["roof"] });
  await beat(w, "c", { state: "paused" });
  const { total, counts, runs, executors } = await later(w, "/v1/overview");
  assert.deepEqual([total, counts.idle, counts.running, counts.paused], [3, 1, 1, 1]);
  assert.equal(runs.running, 1);
  assert.deepEqual(executors[1], {
    id: "b",
    state: "running",
    lastSeenAt: executors[1]!.lastSeenAt,
    groups: ["roof"],
    outrider: "0.1.0",
    runtime: "test 1",
    run: { id: "r", pipeline: "p", state: "running" },
  });
  w.clock.reach(w.clock.now() + 60_000);
  await beat(w, "a", { version: 2 });
  assert.deepEqual((await later(w, "/v1/overview")).counts, {
    idle: 1,
    running: 0,
    paused: 0,
    stopping: 0,
    lost: 2,
  });
  assert.deepEqual((await later(w, "/v1/overview?state=lost")).executors.map(({ id }) => id), ["b", "c"]);
});

test("overview: two devices that have one id are told", async () => {
  const w = world();
  await beat(w, "a");
  await beat(w, "a", { session: "s2" });
  await beat(w, "a", { version: 2, rival: "s2" });
  const [a] = (await w.json<Overview>("/v1/overview")).executors;
  assert.deepEqual([a?.id, a?.rival], ["a", true]);
});

test("overview: executors are found by id, group, version and run, a page at a time", async () => {
  const w = world();
  for (let at = 0; at < 25; at++) {
    await beat(w, `pi-${String(at).padStart(2, "0")}`, { groups: [at % 2 === 0 ? "roof" : "lab"] });
  }
  await beat(w, "other", { outrider: "9.9.9", state: "running", run: { ...RUN!, pipeline: "Survey" } });
  const ids = async (query: string) => {
    const { matching, executors } = await later(w, `/v1/overview?${query}`);
    return [matching, executors.map(({ id }) => id)];
  };
  assert.deepEqual(await ids("find=PI-07"), [1, ["pi-07"]]);
  assert.deepEqual(await ids("find=9.9"), [1, ["other"]]);
  assert.deepEqual(await ids("find=survey"), [1, ["other"]]);
  assert.deepEqual(await ids("find=group%3Aroof&offset=11&limit=5"), [13, ["pi-22", "pi-24"]]);
  assert.deepEqual(await ids("offset=1&limit=2"), [26, ["pi-00", "pi-01"]]);
  assert.deepEqual(await ids("find=nobody"), [0, []]);
  assert.equal(await w.code("/v1/overview?state=asleep"), "400 QUERY");
});

test("overview: it is read once for all who look, and again when it is a second old, or twenty times as old as it took", async () => {
  const store = sqliteGatewayStore(":memory:");
  const clock = new HandClock();
  const read = store.executorsAfter.bind(store);
  let [reads, tookMs, fails] = [0, 0, false];
  const watched = Object.assign(Object.create(store) as typeof store, {
    executorsAfter: (after: string, limit: number) => {
      reads++;
      clock.reach(clock.now() + tookMs);
      return fails ? Promise.reject(new Error("the disk")) : read(after, limit);
    },
  });
  const w = world({ store: watched, clock });
  const readsAfter = async (ms: number) => {
    clock.reach(clock.now() + ms);
    await w.json("/v1/overview");
    return reads;
  };
  await Promise.all([1, 2, 3].map(() => w.json("/v1/overview")));
  assert.deepEqual([await readsAfter(999), await readsAfter(1)], [1, 2]);
  tookMs = 100;
  assert.equal(await readsAfter(1_000), 3);
  assert.deepEqual([await readsAfter(1_999), await readsAfter(1)], [3, 4]);
  // What could not be read is read by the next who asks.
  fails = true;
  clock.reach(clock.now() + 2_000);
  assert.equal(await w.code("/v1/overview"), "500 DEFECT");
  fails = false;
  assert.equal(await w.code("/v1/overview"), "200");
  assert.equal(reads, 6);
});

test("overview: thousands are read in steps, between which others have their turn", async () => {
  const w = world();
  for (let at = 0; at < 510; at++) {
    const id = `e-${at}`;
    const none = { heartbeat: undefined, over: [], rival: undefined };
    w.store.rows.putExecutor({ id, firstSeenAt: 1, lastSeenAt: 2, ...none });
  }
  await w.store.atomically(async (store) => {
    for (let at = 0; at < 2_001; at++) await store.putRun(newRun(`r-${at}`, { executor: "e-0", now: 1 }));
  });
  let told: Overview | undefined;
  const asked = w.json<Overview>("/v1/overview").then((overview) => told = overview);
  let steps = 0;
  while (told === undefined) {
    await new Promise((next) => setImmediate(next));
    if (w.clock.step(w.clock.now())) steps++;
  }
  await asked;
  assert.deepEqual([told.total, told.matching, told.executors.length, steps], [510, 510, 100, 3]);
  assert.equal(told.runs.running, 2_001);
  assert.equal((await w.json<Overview>("/v1/overview?limit=100000")).executors.length, 500);
  assert.equal((await w.json<Overview>(`/v1/overview?find=${"e-1".padEnd(201)}`)).matching, 111);
});

test("overview: what is known already is not told again", async () => {
  const w = world();
  await beat(w, "a");
  for (const path of ["/v1/overview", "/v1/runs"]) {
    const etag = (await w.ask(path)).headers.get("etag")!;
    // A proxy that packs answers makes it a weak one.
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      assert.equal((await w.ask(path, { headers: { "if-none-match": known } })).status, 304, known);
    }
  }
  w.clock.reach(w.clock.now() + 2_000);
  const etag = (await w.ask("/v1/overview")).headers.get("etag")!;
  await beat(w, "b");
  w.clock.reach(w.clock.now() + 2_000);
  assert.equal((await w.ask("/v1/overview", { headers: { "if-none-match": etag } })).status, 200);
});

test("runs: they are listed by state; lost ones are those that run and are silent", async () => {
  const w = world();
  const ended = (state: string) => ({ seq: 2, at: 2, type: "run.ended", state });
  for (const [run, ...more] of [["r1"], ["r2", ended("failed")], ["r3", ended("succeeded")]] as const) {
    await w.send({ run, records: [{ ...STARTED, run }, ...more] } as never);
  }
  await beat(w, "e");
  const listed = async (query: string) =>
    (await w.json<{ runs: ReportedRun[] }>(`/v1/runs?${query}`)).runs.map(({ run }) => run);
  assert.deepEqual(await listed("state=failed"), ["r2"]);
  assert.deepEqual(await listed("state=running&executor=e"), ["r1"]);
  assert.deepEqual(await listed("state=running&executor=other"), []);
  assert.equal((await listed("limit=2")).length, 2);
  assert.deepEqual(await listed("state=lost"), []);
  w.clock.reach(w.clock.now() + 60_000);
  assert.deepEqual(await listed("state=lost"), ["r1"]);
  assert.deepEqual(await listed("state=running"), []);
  assert.equal(await w.code("/v1/runs?state=gone"), "400 QUERY");
  const { runs } = await later(w, "/v1/overview");
  assert.deepEqual(runs, { running: 1, succeeded: 1, failed: 1, cancelled: 0 });
});

test("runs: one that is lost is found however many others run, and so is one that runs beside those", async () => {
  const w = world();
  const started = (run: string, executor: string) =>
    w.send({ run, records: [{ ...STARTED, run }] } as never, executor);
  const listed = async (query: string) =>
    (await w.json<{ runs: ReportedRun[] }>(`/v1/runs?${query}`)).runs.map(({ run }) => run);
  for (const run of ["l1", "l2", "l3"]) {
    w.clock.reach(w.clock.now() + 1_000);
    await started(run, "e");
  }
  w.clock.reach(w.clock.now() + 60_000);
  for (let at = 0; at < 5; at++) await started(`r${at}`, "f");
  assert.deepEqual(await listed("state=lost&limit=2"), ["l3", "l2"]);
  assert.deepEqual(await listed("state=lost"), ["l3", "l2", "l1"]);
  assert.deepEqual(await listed("state=lost&limit=0"), []);
  // One that may be silent for long, heard before those that are lost by now.
  const beat = { ...BEAT, intervalMs: 3_600_000, run: { ...BEAT.run!, id: "slow" } };
  await started("slow", "g");
  assert.equal((await w.post("/v1/executors/g/heartbeat", beat)).status, 200);
  w.clock.reach(w.clock.now() + 60_000);
  await started("l4", "e");
  w.clock.reach(w.clock.now() + 50_000);
  assert.deepEqual(await listed("state=running&limit=1"), ["slow"]);
});

test("records: bare they are without the values of attempts, and with all else", async () => {
  const w = world();
  const attempt = { task: "t", iteration: 0, attempt: 1 };
  const settled = { seq: 2, at: 2, type: "attempt.settled", ...attempt, outcome: "succeeded", value: '"x"' };
  const changed = { seq: 3, at: 3, type: "store.changed", key: "k", version: 1, value: "1" };
  await w.send({ records: [STARTED, settled, changed] } as never);
  const lines = async (query: string) =>
    (await (await w.ask(`/v1/runs/r/records${query}`)).text()).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
  const { value: _, ...bare } = settled;
  assert.deepEqual(await lines("?bare=1"), [STARTED, bare, changed]);
  assert.deepEqual(await lines("?since=1"), [settled, changed]);
});
