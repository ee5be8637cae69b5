/** What the database holds is read again as it was, whatever of it can't be is not known, and of everything so much is kept. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { Heard } from "../../src/gateway/heard.ts";
import { newRun } from "../../src/gateway/ingest.ts";
import * as rows from "../../src/gateway/rows.ts";
import { STEPS } from "../../src/gateway/schema.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { openDatabase } from "../../src/gateway/sqlite_database.ts";
import { HandClock } from "../uplink/rig.ts";

function inFolder(work: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-"));
  try {
    work(join(folder, "gateway.db"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("rows: a run is as it was kept, as far as it can be one, and what is too long is not known", () => {
  const none = newRun("r", { executor: "e", now: 5 });
  assert.deepEqual(none, {
    ...{ run: "r", executor: "e", pipeline: undefined, runtime: undefined, state: "running", version: 1 },
    ...{ startedAt: undefined, endedAt: undefined, lastSeenAt: 5, quiet: false, final: undefined, lives: [] },
    acknowledged: { state: 0, log: 0 },
  });
  const of = (kept: unknown, more: object = {}) =>
    rows.runOf({ run: "r", executor: "e", seen: 5, row: JSON.stringify(kept), ...more });
  const whole = {
    ...{
      state: "failed",
      version: 3,
      quiet: true,
      acknowledged: { state: 1, log: 2 },
      startedAt: 1,
      endedAt: 2,
    },
    ...{ pipeline: "p".repeat(256), runtime: "t".repeat(128), handout: "q-1", lives: ["a", "b"] },
    final: { state: "failed", records: { state: 1, log: 2 } },
  };
  assert.deepEqual(of(whole), { ...none, ...whole });
  const odd = {
    pipeline: "p".repeat(257),
    runtime: "t".repeat(129),
    startedAt: -1,
    endedAt: 1e300,
    final: 1,
  };
  const { startedAt, endedAt, pipeline, runtime, final, lives } = of({ ...whole, ...odd, lives: [""] })!;
  assert.deepEqual([startedAt, endedAt, pipeline, runtime, final], Array(5).fill(undefined));
  assert.deepEqual(lives, []);
  for (
    const wrong of [{ ...whole, version: 0 }, { ...whole, quiet: 1 }, { ...whole, handout: "" }, [], null]
  ) {
    assert.deepEqual(of(wrong), none);
  }
  assert.equal(of(whole, { seen: -1 })?.lastSeenAt, 0);
  assert.deepEqual([of(whole, { run: "" }), of(whole, { executor: "a b" })], [undefined, undefined]);
});

test("rows: executors, hand-outs and tokens are as they were kept, or not there, or open nothing", () => {
  const beat = {
    ...{ session: "s", version: 1, outrider: "0", runtime: "t", state: "idle", sentBytes: 0, seen: 0 },
    spool: { state: 0, log: 0 },
  };
  const row = { id: "e", first_seen: 1, last_seen: 2, heartbeat: null, over: "[]", rival: null };
  const bare = { id: "e", firstSeenAt: 1, lastSeenAt: 2, heartbeat: undefined, over: [], rival: undefined };
  assert.deepEqual(rows.executorOf(row), bare);
  const texts = { heartbeat: JSON.stringify(beat), over: '["a"]', rival: '{"session":"b","at":3}' };
  assert.deepEqual(rows.executorOf({ ...row, ...texts }), {
    ...bare,
    ...{ heartbeat: beat, over: ["a"], rival: { session: "b", at: 3 } },
  });
  assert.deepEqual(rows.executorOf({ ...row, heartbeat: "{}", over: "[1]", rival: '{"session":"b"}' }), bare);
  assert.deepEqual(rows.executorOf({ ...row, first_seen: "x", last_seen: -1 }), {
    ...bare,
    firstSeenAt: 0,
    lastSeenAt: 0,
  });
  assert.equal(rows.executorOf({ ...row, id: "group:x" }), undefined);

  const handout = { id: "q-1", version: 2, target: "e", hash: "h", pipeline: null, at: 3, ended: null };
  const open = {
    id: "q-1",
    version: 2,
    target: "e",
    hash: "h",
    pipeline: undefined,
    at: 3,
    ended: undefined,
  };
  assert.deepEqual(rows.handoutOf(handout), open);
  assert.deepEqual(rows.handoutOf({ ...handout, pipeline: "p", ended: "done", ended_at: 4, because: null }), {
    ...open,
    ...{ pipeline: "p", ended: { how: "done", at: 4, because: undefined } },
  });
  for (const wrong of [{ id: "" }, { version: 0 }, { ended: "gone" }, { ended: 1 }]) {
    assert.equal(rows.handoutOf({ ...handout, ...wrong }), undefined);
  }
  const delivery = { executor: "e", version: 2, run: null, closed: 0 };
  assert.deepEqual(rows.deliveryOf(delivery), { ...delivery, run: undefined, closed: false });
  assert.equal(rows.deliveryOf({ ...delivery, closed: 1 }).closed, true);
  assert.equal(rows.deliveryOf({ ...delivery, version: -1 }).version, 0);

  const token = {
    name: "t",
    kind: "user",
    executor: null,
    experiment: null,
    executor_groups: '["g"]',
    hash: "h",
  };
  const known = { ...token, executor: undefined, experiment: undefined };
  const { executor_groups: _, ...shown } = known;
  assert.deepEqual(rows.tokenOf(token), { ...shown, groups: ["g"] });
  assert.deepEqual(
    rows.tokenOf({ ...token, kind: "executor", executor: "e", experiment: "x", executor_groups: null }),
    {
      ...shown,
      ...{ kind: "executor", executor: "e", experiment: "x", groups: [] },
    },
  );
  assert.deepEqual(rows.tokenOf({ ...token, kind: "root", executor: "e", experiment: "x" }), {
    ...shown,
    ...{ kind: "executor", groups: ["g"], hash: "" },
  });
});

test("rows: flags, commands and gaps are as they were kept, or what comes nearest", () => {
  assert.deepEqual(rows.flagOf({ name: "n", value: "[1]", version: 3 }), {
    name: "n",
    value: [1],
    version: 3,
  });
  assert.deepEqual(rows.flagOf({ name: "n", value: "[", version: -3 }), {
    name: "n",
    value: null,
    version: 1,
  });
  assert.deepEqual(rows.answerOf({ answer: '{"done":true}' }), { done: true });
  assert.equal(rows.answerOf({ answer: "{" }), undefined);
  assert.deepEqual(rows.commandOf({ id: 3, command: '{"type":"pause"}' }), { id: 3, type: "pause" });
  for (const command of ["null", "3", '"pause"', "{}", "{"]) {
    assert.equal(rows.commandOf({ id: 3, command }), undefined, command);
  }
  assert.equal(rows.commandOf({ id: -1, command: '{"type":"pause"}' }), undefined);
  const gap = { lane: "log", first: 2, last: 3, status: null, reason: "no" };
  assert.deepEqual(rows.missingOf(gap), { lane: "log", from: 2, to: 3, reason: "no" });
  assert.deepEqual(rows.missingOf({ ...gap, status: 422 }), {
    lane: "log",
    from: 2,
    to: 3,
    reason: "no",
    status: 422,
  });
  assert.deepEqual(
    [{ lane: "x" }, { first: -1 }, { status: "x" }].map((wrong) => rows.missingOf({ ...gap, ...wrong })),
    [
      undefined,
      undefined,
      undefined,
    ],
  );
});

test("store: where a run is taken up anew, what lies behind that is gone, of that run alone", () => {
  const store = sqliteGatewayStore(":memory:");
  const seqs = (run: string) =>
    (["state", "log"] as const).map((lane) =>
      store.rows.records(run, { lane, after: 0, limit: 9 }).map(({ seq }) => seq)
    );
  const gaps = (run: string) => store.rows.missing(run, 9).map(({ lane, to }) => `${lane} ${to}`);
  const records = [1, 2, 3, 4].map((seq) => ({ seq, text: `old ${seq}` }));
  const missing = [5, 6, 7].map((at) => ({ from: at, to: at, reason: "no" }));
  for (const run of ["r", "other"]) {
    for (const lane of ["state", "log"] as const) {
      store.rows.ingest(newRun(run, { executor: "e", now: 1 }), { lane, records, missing });
    }
  }
  const since = { state: 2, log: 6 };
  store.rows.ingest(newRun("r", { executor: "e", now: 1 }), {
    ...{ lane: "state", missing: [], since },
    records: [{ seq: 2, text: "new 2" }, { seq: 3, text: "new 3" }],
  });
  assert.deepEqual(seqs("r"), [[1, 2, 3], [1, 2, 3, 4]]);
  assert.deepEqual(gaps("r"), ["log 5", "log 6"]);
  assert.deepEqual([seqs("other"), gaps("other").length], [[[1, 2, 3, 4], [1, 2, 3, 4]], 6]);
  const texts = store.rows.records("r", { lane: "state", after: 1, limit: 1 }).map(({ text }) => text);
  assert.deepEqual(texts, ["old 2"], "what is here stays as it is");
  store.close();
});

test("store: as much of records is read at once as was asked for, 8 MiB else, and at least one", () => {
  const store = sqliteGatewayStore(":memory:");
  const MiB = 1024 ** 2;
  const put = (run: string, lengths: readonly number[]) =>
    store.rows.ingest(newRun(run, { executor: "e", now: 1 }), {
      ...{ lane: "log", missing: [] },
      records: lengths.map((length, at) => ({ seq: at + 1, text: "x".repeat(length) })),
    });
  put("small", [5, 4, 1, 9]);
  const count = (run: string, more: { limit?: number; size?: number }) =>
    store.rows.records(run, { lane: "log", after: 0, limit: 9, ...more }).length;
  assert.deepEqual([1, 5, 6, 9, 10, 11].map((size) => count("small", { size })), [1, 1, 2, 2, 3, 4]);
  assert.equal(count("small", { limit: 2 }), 2);
  put("large", [4 * MiB, 4 * MiB - 1, 1, 1]);
  assert.equal(count("large", {}), 3);
  store.close();
});

test("store: commands that were seen are gone, those of others and those to come are not, a hundred at a time", () => {
  const store = sqliteGatewayStore(":memory:");
  const ids = (executor: string, seen: number) => store.rows.commands(executor, seen).map(({ id }) => id);
  for (let at = 0; at < 150; at++) store.rows.addCommand("e", { type: "pause" }, 1);
  store.rows.addCommand("f", { type: "pause" }, 1.9);
  assert.deepEqual([ids("e", 0).length, ids("e", 0)[0], ids("f", 0)], [100, 1, [151]]);
  assert.deepEqual([ids("e", 1)[0], ids("e", 0)[0]], [2, 2]);
  assert.equal(ids("e", 90).length, 11);
  assert.deepEqual([ids("e", 90).length, ids("e", 149), ids("e", 0)], [60, [150], [150]]);
  assert.deepEqual([ids("e", 150), ids("e", 0), ids("f", 150)], [[], [], [151]]);
  store.close();
});

test("store: of executors the ten thousand heard last are kept, counted after each hundred new ones", () => {
  inFolder((file) => {
    sqliteGatewayStore(file).close();
    const db = new DatabaseSync(file);
    db.exec(
      `INSERT INTO executors (id, first_seen, last_seen, over) WITH RECURSIVE n(at) AS
       (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 10050) SELECT 'e' || at, at, at, '[]' FROM n`,
    );
    const store = sqliteGatewayStore(file);
    const count = () => Number(db.prepare("SELECT count(*) AS n FROM executors").get()!["n"]);
    const put = (at: number, firstSeenAt = at) =>
      store.rows.putExecutor({
        ...{
          id: `e${firstSeenAt}`,
          firstSeenAt,
          lastSeenAt: at,
          heartbeat: undefined,
          over: [],
          rival: undefined,
        },
      });
    put(20_000);
    assert.deepEqual([count(), store.rows.executor("e51"), store.rows.executor("e52")?.firstSeenAt], [
      10_000,
      undefined,
      52,
    ]);
    store.rows.atomically(() => {
      for (let at = 1; at < 100; at++) put(20_000 + at);
    });
    put(20_100, 60);
    assert.equal(count(), 10_099, "one that is known is no new one");
    put(20_101);
    assert.deepEqual([count(), store.rows.executor("e60")?.lastSeenAt], [10_000, 20_100]);
    store.close();
    db.close();
  });
});

test("store: of answers about flags so many are kept for an experiment, counted after each thousand", () => {
  inFolder((file) => {
    sqliteGatewayStore(file).close();
    const db = new DatabaseSync(file);
    const fill = db.prepare(
      `INSERT INTO flag_answers WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?2)
       SELECT ?1, 'old-' || at, '{}', at FROM n`,
    );
    fill.run("x", 100_010);
    fill.run("y", 10);
    const store = sqliteGatewayStore(file);
    const count = (experiment: string) =>
      Number(db.prepare("SELECT count(*) AS n FROM flag_answers WHERE experiment = ?").get(experiment)!["n"]);
    const put = (id: number) =>
      store.rows.putFlagAnswer("x", { operation: `new-${id}`, at: 7 + id, done: true, flag: undefined });
    put(1);
    assert.deepEqual([count("x"), count("y")], [100_001, 10]);
    store.rows.atomically(() => {
      for (let id = 2; id <= 1000; id++) put(id);
    });
    assert.equal(count("x"), 101_000);
    put(1001);
    assert.equal(count("x"), 100_001);
    store.close();
    db.close();
  });
});

test("store: runs are in the order in which they were heard, at most as many as were asked for", () => {
  const store = sqliteGatewayStore(":memory:");
  for (const [run, now] of [["a", 500.5], ["b", 100], ["c", 100], ["d", 900]] as const) {
    store.rows.putRun(newRun(run, { executor: run === "c" ? "other" : "e", now }));
  }
  const names = (limit: number, executor?: string) =>
    store.rows.runs(limit, { executor }).map(({ run }) => run).join("");
  assert.deepEqual([names(9), names(2), names(9, "e"), names(1, "other")], ["dcba", "dc", "dba", "c"]);
  store.close();
});

test("store: a database of the first version is brought up step by step, and what was in it is there", () => {
  inFolder((file) => {
    const db = new DatabaseSync(file);
    db.exec(`${STEPS[0]}; PRAGMA user_version = 1`);
    db.exec("INSERT INTO assignments (version, target, hash, at) VALUES (1, 'e', 'h', 1), (2, 'e2', 'h', 1)");
    const store = sqliteGatewayStore(file);
    assert.equal(db.prepare("PRAGMA user_version").get()!["user_version"], STEPS.length);
    assert.deepEqual(store.rows.openHandouts(["e"]).map(({ version }) => version), [1]);
    assert.deepEqual(
      store.rows.openHandouts(["e"], { known: 1 }),
      [],
      "what is of before the queue was given",
    );
    assert.deepEqual(store.rows.openHandouts(["e", "e2"], { limit: 1 }).map(({ version }) => version), [1]);
    store.close();
    sqliteGatewayStore(file).close();
    db.exec(`PRAGMA user_version = ${STEPS.length + 1}`);
    assert.throws(() => sqliteGatewayStore(file), { message: /newer version/ });
    db.close();
  });
});

test("store: what is done as a whole is done as part of what holds it, and each failure is undone", () => {
  inFolder((file) => {
    const db = openDatabase(file), beside = new DatabaseSync(file);
    db.run("CREATE TABLE t (n INTEGER)");
    const count = () => Number(beside.prepare("SELECT count(*) AS n FROM t").get()!["n"]);
    const add = () => db.run("INSERT INTO t VALUES (1)");
    for (let round = 0; round < 2; round++) {
      assert.throws(() => db.atomically(() => (add(), db.atomically(() => JSON.parse("{")))), SyntaxError);
      assert.equal(count(), 0, "undone");
    }
    assert.equal(db.atomically(() => (add(), db.atomically(add), count())), 0, "nobody sees half of it");
    assert.equal(count(), 2);
    assert.equal(db.run("DELETE FROM t"), 2);
    assert.equal(db.get("SELECT n FROM t"), undefined);
    db.run("INSERT INTO t VALUES (9007199254740993)");
    assert.equal(db.get("SELECT n FROM t")?.["n"], 2 ** 53, "no number beyond what there is fails a list");
    db.close();
    beside.close();
  });
});

test("heard: a hundred thousand names are remembered, those heard last, and of others that they were silent", () => {
  const clock = new HandClock();
  const heard = new Heard(clock);
  const passes = (ms: number) => clock.reach(clock.now() + ms);
  passes(10);
  heard.hear("first");
  heard.hear("second");
  passes(10);
  heard.hear("first");
  for (let at = 0; at < 99_998; at++) heard.hear(`other ${at}`);
  passes(5);
  assert.deepEqual([heard.silentMs("first"), heard.silentMs("second"), heard.silentMs("never")], [5, 15, 25]);
  assert.deepEqual([heard.within("second", 15), heard.within("second", 14), heard.within("never", 99)], [
    true,
    false,
    false,
  ]);
  heard.hear("one more");
  assert.deepEqual([heard.within("first", 5), heard.within("second", 99), heard.silentMs("second")], [
    true,
    false,
    25,
  ]);
});
