/** What a gateway keeps and for how long: what is old or too much goes, in steps, and is told of; what reports stays. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { newRun } from "../../src/gateway/ingest.ts";
import { Retention, type RetentionOptions } from "../../src/gateway/retention.ts";
import { STEPS } from "../../src/gateway/schema.ts";
import { type SqliteGatewayStore, sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { MAX_TOKENS, Tokens } from "../../src/gateway/tokens.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { startCli, withFiles } from "../rig.ts";
import { Activity, drive, FakeJournal, HandClock, seeded } from "../uplink/rig.ts";
import { BEAT, STARTED, world } from "./rig.ts";

const DAY = 24 * 3_600_000;
const HOUR = 3_600_000;
const ENDED = { seq: 2, at: 2000, type: "run.ended", state: "succeeded" };
const FINAL = { state: "succeeded", records: { state: 2, log: 0 } } as const;

/** A gateway with what keeps it small, which looks when it is told to. */
function kept(
  { store = sqliteGatewayStore(":memory:"), folder, ...more }:
    & Partial<RetentionOptions>
    & { readonly store?: SqliteGatewayStore; readonly folder?: string } = {},
) {
  const clock = new HandClock();
  const said: string[] = [];
  const retention = new Retention({
    ...{ store, clock, keepDays: 90, maxBytes: 1024 ** 3, isQueue: true, ...more },
    onDropped: (words) => void said.push(words),
    onDefect: (error) => {
      throw error;
    },
  });
  const files = folder === undefined ? {} : { files: { files: runtime, folder } };
  const w = world({ clock, store, ...files, retention });
  const activity = new Activity();
  return {
    ...w,
    said,
    retention,
    look: () => drive(retention.look(), { clock, activity }),
    async later(ms: number) {
      clock.reach(clock.now() + ms);
      await drive(retention.look(), { clock, activity });
    },
    /** A run that has come whole. */
    async whole(run: string, executor = "e") {
      await w.send({ run, records: [STARTED, ENDED], final: FINAL }, executor);
    },
    message: async (path: string) => (await (await w.ask(path)).json()).error.message as string,
    runs: async () =>
      (await w.json<{ runs: { run: string }[] }>("/v1/runs")).runs.map(({ run }) => run).sort(),
  };
}

function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-retention-"));
  return work(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
}

test("retention: a run of which nothing is heard is dropped by the gateway's running time, and said to be, whoever asks", async () => {
  const w = kept();
  await w.look();
  await w.whole("r");
  await w.whole("q");
  w.clock.jump(1000 * DAY);
  await w.look();
  assert.deepEqual(await w.runs(), ["q", "r"], "the time of day drops nothing");
  w.clock.jump(-1000 * DAY);
  await w.later(89 * DAY);
  await w.whole("s");
  assert.deepEqual(w.said, []);
  await w.later(2 * DAY);
  assert.deepEqual(await w.runs(), ["s"]);
  const because = "nothing was heard of it for 90 days that the gateway ran (--keep-days)";
  assert.deepEqual(w.said, [`Dropped runs: 2: ${because}; outrider results RUN says so of each`]);
  for (const path of ["", "/result", "/logs", "/records", "/files", `/files/${"0".repeat(64)}`]) {
    assert.equal(await w.code(`/v1/runs/r${path}`), "410 RUN_DROPPED", path);
  }
  assert.equal(await w.code("/v1/runs/r/cancel", { method: "POST" }), "410 RUN_DROPPED");
  assert.equal(await w.code("/v1/runs/none"), "404 NO_RUN");
  assert.equal(
    await w.message("/v1/runs/r"),
    `Run r of e was dropped on 2027-02-20T00:00:00.000Z: ${because}`,
  );
});

test("retention: what comes again of a run that was dropped whole is acknowledged, counted, and makes no run", async () => {
  const w = kept();
  await w.look();
  await w.send({ lane: "log", records: [] });
  await w.whole("r");
  await w.later(91 * DAY);
  const again = await w.send({ records: [{ ...STARTED, seq: 3 }, { ...ENDED, seq: 4 }] });
  assert.deepEqual([again.acknowledged, again.final, again.rejected], [{ state: 4, log: 0 }, true, []]);
  const parked = await w.send({ lane: "log", parked: [{ from: 1, to: 7, reason: "gone" }] });
  assert.deepEqual(parked.acknowledged, { state: 4, log: 7 });
  await w.post("/v1/executors/e/heartbeat", BEAT);
  assert.deepEqual(await w.runs(), []);
  assert.match(await w.message("/v1/runs/r"), /; 2 records of it that came since were not kept$/);
  assert.equal(await w.code(`/v1/executors/e/files/${"0".repeat(64)}?run=r`), "410 FILE_REFUSED");
  const other = await w.post("/v1/executors/f/records", { run: "r", lane: "state", records: [] });
  assert.equal(other.status, 403, "it is of another executor");
});

test("retention: a run dropped before all had come is taken up from its first record by an executor that has it still", async () => {
  const clock = new HandClock();
  const activity = new Activity();
  const store = sqliteGatewayStore(":memory:");
  const w = kept({ store });
  await w.look();
  const journal = new FakeJournal();
  journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "t 1", plan: "h" });
  for (let at = 0; at < 20; at++) journal.log(`line ${at}`);
  const options = () => ({
    gateway: outriderGateway({
      url: "http://127.0.0.1:9",
      executor: "e",
      fetch: (url, init) => activity.during(Promise.resolve(w.app.request(url, init))),
      clock,
      gzip: activity.gzip,
    }),
    ...{ clock, random: seeded(1), run: "r", source: journal },
  });
  const first = startReport(options());
  for (let at = 0; at < 300 && first.status().acknowledged.log < 20; at++) {
    await activity.still();
    clock.step();
  }
  await first.stop();
  assert.deepEqual(await w.runs(), ["r"]);
  await w.later(91 * DAY);
  assert.match(w.said.join(), /Dropped runs: 1, of 1 of which not all had come: /);
  assert.match(await w.message("/v1/runs/r"), /, before all of it had come: nothing was heard of it/);
  assert.equal(store.rows.records("r", { lane: "log", after: 0, limit: 9 }).length, 0);
  // The process that goes on knows what was acknowledged, and goes on from there.
  journal.state({ type: "run.ended", state: "succeeded" });
  const report = startReport({ ...options(), from: { state: 1, log: 20 } });
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, { clock, activity }), true);
  await report.stop();
  const run = await w.json<Record<string, unknown>>("/v1/runs/r");
  assert.deepEqual([run["state"], run["complete"], run["missing"], run["pipeline"]], [
    "succeeded",
    true,
    [],
    "p",
  ]);
  assert.equal(store.rows.records("r", { lane: "log", after: 0, limit: 99 }).length, 20);
});

test("retention: where room is short complete runs go, the one heard longest ago first; what reports or just came stays", async () => {
  const text = "x".repeat(100_000);
  const log = (seq: number) => ({
    seq,
    at: "2026-01-01T00:00:00Z",
    level: "info",
    from: "task",
    stream: "stdout",
    text,
  });
  const w = kept({ maxBytes: 4 * 1024 * 1024 });
  await w.look();
  const fill = async (run: string, ends: boolean) => {
    for (let at = 0; at < 5; at++) {
      await w.send({ run, lane: "log", records: [1, 2].map((each) => log(at * 2 + each)) });
    }
    await w.send({ run, records: [STARTED] });
    if (ends) await w.send({ run, final: { state: "failed", records: { state: 1, log: 10 } } });
  };
  await fill("going", false);
  await fill("old", true);
  await w.later(HOUR / 2);
  await fill("new", true);
  await w.later(HOUR);
  assert.deepEqual(w.said, []);
  await fill("newer", true);
  await w.later(1);
  assert.deepEqual(await w.runs(), ["going", "new", "newer"]);
  assert.equal(w.said.length, 1);
  assert.match(await w.message("/v1/runs/old/logs"), /: it made room for newer ones \(--db-size\)$/);
  // Nothing may go now: nothing new is taken, and nothing is lost.
  await fill("last", true);
  await fill("beyond", true);
  await w.look();
  assert.deepEqual(await w.runs(), ["beyond", "going", "last", "newer"]);
  assert.match(
    w.said.at(-1)!,
    /^The database has its 4194304 bytes \(--db-size\), and nothing in it may be dropped/,
  );
  const refused = await w.post("/v1/executors/e/records", { run: "r", lane: "state", records: [] });
  assert.deepEqual([refused.status, (await refused.json()).error.code], [507, "STORAGE_FULL"]);
  assert.equal(await w.code("/v1/bundles?to=e", { method: "POST", body: "b" }), "507 STORAGE_FULL");
  const flag = { method: "PUT", body: JSON.stringify({ value: 1 }) };
  assert.equal(await w.code("/v1/experiments/x/flags/n", flag), "507 STORAGE_FULL");
  assert.equal((await w.post("/v1/executors/e/heartbeat", BEAT)).status, 200);
  await w.later(2 * HOUR);
  assert.equal(w.said.at(-1), "The database has room again");
  assert.equal(await w.code("/v1/bundles?to=e", { method: "POST", body: "b" }), "201");
  assert.ok((await w.runs()).includes("going"));
});

test("retention: a drop that is cut off in the midst is ended by the next process, and nobody waits long for a step", () =>
  inFolder(async (folder) => {
    const file = join(folder, "g.db");
    const before = kept({ store: sqliteGatewayStore(file) });
    await before.look();
    const records = Array.from({ length: 5000 }, (_, at) => ({ seq: at + 1, text: "x".repeat(500) }));
    const row = { ...newRun("r", { executor: "e", now: 1 }), acknowledged: { state: 0, log: 5000 } };
    before.store.rows.ingest(row, { lane: "log", records, missing: [{ from: 1, to: 1, reason: "r" }] });
    await before.store.upkeep.hasRun(HOUR);
    const left = (store: SqliteGatewayStore) =>
      store.rows.records("r", { lane: "log", after: 0, limit: 9999 }).length;
    await before.store.upkeep.dropRun(HOUR, { at: 5, because: "b", onlyComplete: false });
    assert.equal(before.store.rows.run("r"), undefined);
    assert.equal(left(before.store), 5000);
    await before.store.upkeep.clear();
    assert.equal(left(before.store), 4000);
    before.store.close();
    const size = statSync(file).size;
    const after = kept({ store: sqliteGatewayStore(file) });
    await after.look();
    assert.equal(left(after.store), 0);
    assert.deepEqual(after.store.rows.missing("r", 9), []);
    assert.equal(await after.store.upkeep.ran(), HOUR, "the running time goes on where it stood");
    assert.match(await after.message("/v1/runs/r"), /: b$/);
    after.store.close();
    assert.ok(statSync(file).size < size / 2, "the disk has it back");
  }));

test("retention: a run that is taken up while it is still being removed keeps what comes and nothing else", async () => {
  const w = kept();
  await w.look();
  const records = Array.from({ length: 3000 }, (_, at) => ({ seq: at + 1, text: "{}" }));
  w.store.rows.ingest({ ...newRun("r", { executor: "e", now: 1 }), acknowledged: { state: 3000, log: 0 } }, {
    ...{ lane: "state", records, missing: [] },
  });
  await w.store.upkeep.dropRun(Infinity, { at: 5, because: "b", onlyComplete: false });
  await w.store.upkeep.clear();
  const late = await w.send({ records: [{ ...STARTED, seq: 3001 }] });
  assert.deepEqual(late.acknowledged, { state: 0, log: 0 }, "all of it is to come again");
  await w.send({ records: [STARTED] });
  await w.look();
  assert.deepEqual(w.store.rows.records("r", { lane: "state", after: 0, limit: 9 }).map(({ seq }) => seq), [
    1,
  ]);
  assert.equal(await w.store.upkeep.dropped("r"), undefined);
});

test("retention: executors, instructions, flags and hand-outs that nobody cares for go after as long, and those in use stay", async () => {
  const w = kept({ keepDays: 10 });
  await w.look();
  const beat = (executor: string) =>
    w.post(`/v1/executors/${executor}/heartbeat`, { ...BEAT, run: undefined });
  const flag = (name: string) =>
    w.ask(`/v1/experiments/x/flags/${name}`, { method: "PUT", body: '{"value":1}' });
  const submit = async (to: string) =>
    (await (await w.ask(`/v1/bundles?to=${to}`, { method: "POST", body: "b" })).json()).id as string;
  await beat("gone");
  await beat("here");
  for (const name of ["read", "unread"]) await flag(name);
  const ids = [await submit("gone"), await submit("here"), await submit("group:all")];
  await w.ask("/v1/executors/gone/pipeline");
  for (const id of ["gone", "here", "never"]) await w.post(`/v1/executors/${id}/commands`, { type: "pause" });
  await w.later(6 * DAY);
  await beat("here");
  await w.ask("/v1/experiments/x/flags/read");
  await w.later(5 * DAY);
  await w.look();
  const executors = (await w.json<{ executors: { id: string }[] }>("/v1/executors")).executors;
  assert.deepEqual(executors.map(({ id }) => id), ["here"]);
  assert.deepEqual(w.store.rows.flags("x").map(({ name }) => name), ["read"]);
  assert.deepEqual(["gone", "never"].map((id) => w.store.rows.waitingCommands(id)), [0, 0]);
  assert.deepEqual(ids.map((id) => w.store.rows.handout(id)?.ended?.how), [
    "withdrawn",
    undefined,
    undefined,
  ]);
  assert.equal(w.store.rows.handout(ids[0]!)?.ended?.because, "Nobody fetched it in 10 days (--keep-days)");
  assert.equal(w.store.rows.delivery("gone", 1), undefined);
  assert.deepEqual(w.said, [
    "Dropped executors of which nothing was heard for 10 days: 1",
    "Dropped instructions that nobody fetched for 10 days: 2",
    "Dropped flags that nobody set or read for 10 days: 1",
    "Dropped hand-outs that nobody fetched for 10 days: 1",
  ]);
});

test("retention: one hand-out after the other goes, and others have their turn between two", async () => {
  const w = kept({ keepDays: 10 });
  await w.look();
  for (let at = 0; at < 3; at++) await w.ask(`/v1/bundles?to=gone${at}`, { method: "POST", body: "b" });
  w.clock.reach(w.clock.now() + 11 * DAY);
  const looking = w.retention.look();
  const left: number[] = [];
  do {
    await w.activity.still();
    left.push(w.store.rows.openHandouts(["gone0", "gone1", "gone2"]).length);
  } while (w.clock.step());
  await looking;
  assert.deepEqual([...new Set(left)], [2, 1, 0]);
});

test("retention: a gateway of a fleet leaves the hand-outs that lie on the servers as they are", async () => {
  const w = kept({ keepDays: 10, isQueue: false });
  await w.look();
  const { id } = await (await w.ask("/v1/bundles?to=gone", { method: "POST", body: "b" })).json();
  await w.later(11 * DAY);
  assert.equal(w.store.rows.handout(id)?.ended, undefined);
  assert.deepEqual(w.said, []);
});

test("retention: outrider gateway looks after its database", () =>
  withFiles({}, async (cwd) => {
    const gateway = startCli(["gateway", "--port", "0", "--db", "g.db", "--db-size", "1KiB"], { cwd });
    await gateway.says("The database has its 1024 bytes (--db-size)");
    gateway.kill("SIGTERM");
    assert.equal((await gateway.ended).code, 0);
  }));

test("retention: the newest 100,000 dropped runs are remembered, and those of which something is left", () =>
  inFolder((folder) => {
    const file = join(folder, "g.db");
    const store = sqliteGatewayStore(file);
    const db = new DatabaseSync(file);
    const put = db.prepare(
      `INSERT INTO dropped (n, run, clearing, executor, at, because, complete, state, log)
       VALUES (?, ?, ?, 'e', 1, 'b', 1, 0, 0)`,
    );
    for (const [at, clearing] of [[1, 1], [2, 0], [3, 0], [100_001, 0]] as const) {
      put.run(at, `r${at}`, clearing);
    }
    store.rows.putRun(newRun("r", { executor: "e", now: 1 }));
    store.rows.upkeep.dropRun(Infinity, { at: 1, because: "b", onlyComplete: false });
    const left = db.prepare("SELECT run FROM dropped ORDER BY n").all().map(({ run }) => run);
    assert.deepEqual(left, ["r1", "r3", "r100001", "r"]);
    db.close();
    store.close();
    return Promise.resolve();
  }));

test("retention: nothing is dropped for its age where that is not wanted", async () => {
  const w = kept({ keepDays: 0 });
  await w.look();
  await w.whole("r");
  await w.later(10_000 * DAY);
  assert.deepEqual([await w.runs(), w.said], [["r"], []]);
});

test("retention: the files of a run go with it, but for those that another has kept too, and one that still comes keeps it", () =>
  inFolder(async (folder) => {
    const w = kept({ folder });
    await w.look();
    const digest = async (text: string) => {
      const hash = await runtime.sha256();
      hash.update(new TextEncoder().encode(text));
      return hash.hex();
    };
    const texts = ["one", "both"];
    const shas = await Promise.all(texts.map(digest));
    const path = (sha: string) => join(folder, "sha256", sha.slice(0, 2), sha);
    const file = (seq: number, at: number) => ({
      ...{ seq, at: 1, type: "file.kept", task: "t", iteration: 0, attempt: 1, name: `f${at}` },
      ...{ sha256: shas[at], bytes: texts[at]!.length },
    });
    await w.send({ run: "r", records: [STARTED, file(2, 0), file(3, 1)] });
    await w.send({ run: "s", records: [STARTED, file(2, 1)] });
    for (const [at, text] of texts.entries()) {
      const url = `/v1/executors/e/files/${shas[at]}?run=r&at=0`;
      assert.equal((await w.ask(url, { method: "PATCH", body: text })).status, 200);
    }
    await w.later(80 * DAY);
    await w.ask(`/v1/executors/e/files/${shas[1]}?run=s`);
    await w.later(20 * DAY);
    assert.deepEqual(await w.runs(), ["s"]);
    assert.deepEqual(shas.map((sha) => existsSync(path(sha!))), [false, true]);
    await w.later(91 * DAY);
    assert.deepEqual([await w.runs(), existsSync(path(shas[1]!))], [[], false]);
  }));

test("retention: a gateway looks by itself from its start to its end", async () => {
  const clock = new HandClock();
  const store = sqliteGatewayStore(":memory:");
  const retention = new Retention({
    ...{ store, clock, keepDays: 1, maxBytes: 1024 ** 3, isQueue: true },
    onDropped: () => {},
    onDefect: (error) => assert.fail(String(error)),
  });
  const w = world({ clock, store, retention });
  retention.start();
  await w.activity.still();
  await w.send({ records: [STARTED] });
  clock.reach(clock.now() + 2 * DAY);
  for (let at = 0; at < 5; at++) {
    clock.step();
    await w.activity.still();
  }
  assert.equal(store.rows.run("r"), undefined);
  await retention.stop();
  assert.equal(clock.timers, 0);
  store.close();
});

test("retention: a look that fails is told once, and is tried again", async () => {
  const clock = new HandClock();
  const store = sqliteGatewayStore(":memory:");
  const [activity, told]: [Activity, unknown[]] = [new Activity(), []];
  let fails = 3;
  const upkeep = {
    ...store.upkeep,
    clear: () => fails-- > 0 ? Promise.reject(new Error("No")) : Promise.resolve(undefined),
  };
  const retention = new Retention({
    ...{ store: { ...store, upkeep }, clock, keepDays: 1, maxBytes: 1024 ** 3, isQueue: true },
    onDropped: () => {},
    onDefect: (error) => void told.push(error),
  });
  retention.start();
  const since = clock.monotonic();
  for (let at = 0; at < 6; at++) {
    await activity.still();
    clock.step();
  }
  assert.deepEqual([fails < 0, told.length, clock.monotonic() - since], [true, 1, 60_000]);
  await retention.stop();
  store.close();
});

test("retention: a database of before has its runs counted as whole where they are", () =>
  inFolder((folder) => {
    const file = join(folder, "g.db");
    const db = new DatabaseSync(file);
    const before = STEPS.findIndex((step) => step.includes("CREATE TABLE dropped"));
    for (const step of STEPS.slice(0, before)) db.exec(step);
    db.exec(`PRAGMA user_version = ${before}`);
    const put = db.prepare("INSERT INTO runs VALUES (?, 'e', ?, 1)");
    const row = { ...newRun("r", { executor: "e", now: 1 }), acknowledged: { state: 2, log: 0 } };
    put.run("whole", JSON.stringify({ ...row, final: FINAL }));
    put.run("half", JSON.stringify({ ...row, acknowledged: { state: 1, log: 0 }, final: FINAL }));
    put.run("going", JSON.stringify(row));
    put.run("odd", JSON.stringify({ final: { records: {} }, acknowledged: {} }));
    put.run("bad", "{");
    db.close();
    const store = sqliteGatewayStore(file);
    const drop = () => store.rows.upkeep.dropRun(1, { at: 1, because: "b", onlyComplete: true })?.run;
    assert.deepEqual([drop(), drop()], ["whole", undefined]);
    store.close();
    return Promise.resolve();
  }));

test("retention: no more instructions wait for an executor than it will ever fetch, and no more tokens are made", async () => {
  const w = kept();
  w.store.rows.atomically(() => {
    for (let at = 0; at < 1000; at++) w.store.rows.addCommand("e", { type: "pause" }, 1);
    for (let at = 0; at < MAX_TOKENS; at++) {
      const name = `t${at}`;
      w.store.rows.putToken({
        name,
        kind: "user",
        executor: undefined,
        experiment: undefined,
        groups: [],
        hash: name,
      });
    }
  });
  const ask = { method: "POST", body: JSON.stringify({ type: "resume" }) };
  assert.equal(await w.code("/v1/executors/e/commands", ask), "409 INSTRUCTIONS_FULL");
  assert.equal(await w.code("/v1/executors/f/commands", ask), "202");
  const tokens = new Tokens(w.store);
  await assert.rejects(tokens.make({ name: "more", kind: "user" }), { code: "TOKENS_FULL" });
  assert.equal((await tokens.make({ name: "t7", kind: "user" })).length, 64);
});

test("retention: docs/gateway.md says of every table of the database what bounds it", () => {
  const docs = readFileSync(new URL("../../docs/gateway.md", import.meta.url), "utf8");
  const tables = sqliteTables();
  assert.ok(tables.length > 15);
  for (const name of tables) assert.match(docs, new RegExp(`^\\| .*\`${name}\``, "m"), name);
});

function sqliteTables(): string[] {
  const db = new DatabaseSync(":memory:");
  for (const step of STEPS) db.exec(step);
  const rows = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  db.close();
  return rows.map(({ name }) => String(name));
}
