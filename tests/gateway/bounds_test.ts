/** What the gateway takes from outside is bounded: bodies, numbers, texts, flags; and nothing that is kept fails a list. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import * as v from "valibot";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { newRun } from "../../src/gateway/ingest.ts";
import {
  type BatchReply,
  ExecutorQueue,
  ExecutorView,
  HandoutView,
  HeartbeatReply,
  ReportedRun,
} from "../../src/protocol/messages.ts";
import { gzip } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { settled } from "../uplink/rig.ts";
import { STARTED, world as gateway } from "./rig.ts";

const RECORDS = "/v1/executors/e/records";
const LINE = { at: "2026-11-21T00:00:00.000Z", level: "info", from: "executor", stream: "log", text: "x" };

interface Refusal {
  readonly error: { readonly code: string; readonly message: string };
}

function world(more: Parameters<typeof gateway>[0] = {}) {
  const w = gateway(more);
  const send = async (records: readonly unknown[], more: Record<string, unknown> = {}) =>
    await (await w.post(RECORDS, { run: "r", lane: "state", records, ...more })).json() as BatchReply;
  const packed = async (text: string) => {
    const body = await gzip(new TextEncoder().encode(text));
    const answer = await w.ask(RECORDS, { method: "POST", body, headers: { "content-encoding": "gzip" } });
    return { bytes: body.length, status: answer.status, ...await answer.json() as Refusal };
  };
  return { ...w, send, packed };
}

test("gateway: a bomb of many values or of many brackets is refused before anybody parses it", async () => {
  const w = world();
  const head = '{"run":"r","lane":"state","records":[';
  for (const node of ["{},", '{"seq":1},', "0,", "[],"]) {
    const { status, bytes, error } = await w.packed(head + node.repeat(1_000_000));
    assert.deepEqual([status, error.code], [413, "TOO_LARGE"]);
    assert.match(error.message, /more than (500000 values|150000 keys): send less at a time/);
    assert.ok(bytes < 200_000);
  }
  for (const text of [`${head}${"[".repeat(1_000_000)}`, `${head}${'{"a":'.repeat(100_000)}`]) {
    const { status, error } = await w.packed(text);
    assert.deepEqual([status, error.code], [400, "JSON"]);
    assert.match(error.message, /nested more than 512 deep/);
  }
  assert.deepEqual(w.store.rows.runs(9), []);
});

test("gateway: a body of many different keys, which would hold up all others for seconds, is refused unparsed", async () => {
  const w = world();
  const keys = (count: number) => Array.from({ length: count }, (_, at) => `"k${at}":1`).join(",");
  const batch = (count: number) => `{"run":"r","lane":"state","records":[{"seq":1,${keys(count)}}]}`;
  const { status, error } = await w.packed(batch(150_000));
  assert.deepEqual([status, error.code], [413, "TOO_LARGE"]);
  assert.match(error.message, /more than 150000 keys: send less at a time/);
  // Colons in texts are no keys.
  const text = `{"run":"r","lane":"log","records":[${
    JSON.stringify({ seq: 1, ...LINE, text: ":".repeat(200_000) })
  }]}`;
  assert.equal((await w.packed(text)).status, 200);
  // As many as executors may send at once.
  const line = { ...LINE, task: "t", iteration: 1, attempt: 1, dropped: { count: 0, bytes: 0 } };
  const more = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`new${at}`, at]));
  const records = Array.from({ length: 5_000 }, (_, at) => ({ seq: at + 1, ...line, ...more }));
  assert.equal((await w.send(records, { run: "s", lane: "log" })).acknowledged.log, 5_000);
});

/** A heartbeat as small as they are. */
const BEAT = {
  ...{ session: "s", version: 1, outrider: "0", runtime: "t", state: "idle", sentBytes: 0, seen: 0 },
  spool: { state: 0, log: 0 },
};

test("gateway: executors that one token makes up by the thousand leave a list that users can load", async () => {
  const w = world();
  const path = "/v1/executors/long/heartbeat";
  assert.equal((await w.post(path, { ...BEAT, more: "x".repeat(20_000) })).status, 413);
  assert.equal((await w.post(path, { ...BEAT, more: "x".repeat(10_000) })).status, 200);
  assert.equal((await w.post("/v1/executors/e/heartbeat", BEAT)).status, 200);
  const list = async () =>
    (await (await w.ask("/v1/executors")).json() as { executors: { id: string; heartbeat?: unknown }[] })
      .executors;
  assert.deepEqual((await list()).map(({ id, heartbeat }) => [id, heartbeat !== undefined]), [
    ["e", true],
    ["long", false],
  ]);
  w.store.rows.atomically(() => {
    for (let at = 0; at < 10_200; at++) {
      const seen = { firstSeenAt: at, lastSeenAt: at, heartbeat: undefined, over: [], rival: undefined };
      w.store.rows.putExecutor({ id: `made-up-${at}`, ...seen });
    }
  });
  const left = w.store.rows.executors().map(({ id }) => id);
  assert.ok(left.length < 10_200);
  assert.ok(left.includes("e"), "who was heard last is kept");
  assert.ok(!left.includes("made-up-0"));
});

test("gateway: a packed body of which nothing comes out ends at the same size as others", async () => {
  const w = world({ maxBatchBytes: 1_000_000 });
  // Stored blocks without a byte in them, after the head of a gzip.
  const piece = new Uint8Array(50_000).map((_, at) => [0, 0, 0, 0xff, 0xff][at % 5]!);
  let sent = 0;
  const body = new ReadableStream<Bytes>({
    start: (controller) => controller.enqueue(new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])),
    pull(controller) {
      if (sent++ < 500) controller.enqueue(piece);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const headers = { "content-encoding": "gzip" };
  const init = { method: "POST", body, headers, duplex: "half" };
  const answer = await w.app.fetch(new Request(`http://127.0.0.1:9${RECORDS}`, init));
  assert.equal(answer.status, 413);
  assert.match(await answer.text(), /more than 1000000 bytes/);
});

test("gateway: while the result of a long run is put together, others have their turn", async () => {
  const w = world();
  const records = Array.from(
    { length: 3_000 },
    (_, at) => ({ seq: at + 1, at: 2, ...settled(`t${at % 9}`, 1) }),
  );
  await w.send(records);
  const body = (await w.ask("/v1/runs/r/result")).text();
  while (w.clock.timers === 0) await new Promise((next) => setTimeout(next, 0));
  assert.equal((await w.send([STARTED], { run: "other" })).acknowledged.state, 1);
  let over = false;
  const whole = body.finally(() => over = true);
  while (!over) {
    w.clock.step(w.clock.now());
    await new Promise((next) => setTimeout(next, 0));
  }
  const { tasks } = JSON.parse(await whole) as { tasks: Record<string, unknown[]> };
  assert.equal(Object.values(tasks).flat().length, 3_000);
});

test("gateway: what is told of a gap is never longer than users take, and no run is hidden by another's", async () => {
  const w = world();
  const left = { seq: 1, at: 2, ...settled("a", 1), valueLeftOut: "x".repeat(500) };
  await w.send([left]);
  const { runs } = await (await w.ask("/v1/runs")).json() as { runs: unknown[] };
  assert.ok(v.is(v.array(ReportedRun), runs));
  w.store.rows.atomically(() => {
    for (let at = 0; at < 1_001; at++) {
      w.store.rows.putRun(newRun(`n${at}`, { executor: "loud", now: 1e6 + at }));
    }
  });
  const mine = await (await w.ask("/v1/runs?executor=e")).json() as { runs: { run: string }[] };
  assert.deepEqual(mine.runs.map(({ run }) => run), ["r"]);
  const handout = { bytes: new Uint8Array(1), hash: "h", pipeline: undefined, at: 1 };
  w.store.rows.atomically(() => {
    w.store.rows.addHandout({ ...handout, target: "e" });
    for (let at = 0; at < 1_000; at++) w.store.rows.addHandout({ ...handout, target: "loud" });
  });
  const list = await (await w.ask("/v1/handouts?executor=e")).json() as { handouts: { to: string }[] };
  assert.deepEqual(list.handouts.map(({ to }) => to), ["e"]);
});

test("gateway: whatever one row of the database holds, lists are lists that users can read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-"));
  const file = join(folder, "g.db");
  const beat = {
    session: "s",
    version: 1,
    outrider: "0",
    runtime: "t",
    state: "idle",
    sentBytes: 0,
    seen: 0,
  };
  const columns: Record<string, readonly string[]> = {
    handouts: ["id", "target", "hash", "pipeline", "at", "ended", "ended_at", "because"],
    deliveries: ["executor", "run", "closed"],
    executors: ["id", "first_seen", "last_seen", "heartbeat", "over", "rival"],
    runs: ["run", "executor", "row", "seen"],
    missing: ["lane", "first", "last", "status", "reason"],
    records: ["lane", "seq", "text"],
    commands: ["id", "executor", "command"],
    flags: ["name", "value", "version"],
    bundles: ["hash", "bytes"],
  };
  const values = ["1152921504606846976", "-1", "1e300", "''", "'a b'", "'{}'", "x'ff'"];
  try {
    const db = new DatabaseSync(file);
    const whole = world({ store: sqliteGatewayStore(file) });
    const ask = async <T>(schema: v.GenericSchema<unknown, T>, path: string, init?: RequestInit) => {
      const answer = await whole.ask(path, init);
      const text = await answer.text();
      assert.ok(answer.status === 200 || answer.status === 404, `${path}: ${answer.status} ${text}`);
      if (answer.status === 200) assert.ok(v.is(schema, JSON.parse(text)), `${path}: ${text}`);
    };
    for (const run of ["r", "s"]) {
      await whole.send([STARTED], { run, parked: [{ from: 2, to: 3, reason: "x" }] });
    }
    for (const to of ["e", "group:all"]) {
      await whole.ask(`/v1/bundles?to=${to}`, { method: "POST", body: "b" });
    }
    await whole.ask("/v1/executors/e/pipeline");
    for (const at of ["e", "f"]) await whole.post(`/v1/executors/${at}/commands`, { type: "pause" });
    await whole.ask("/v1/experiments/x/flags/n", { method: "PUT", body: '{"value":1}' });
    for (const [table, names] of Object.entries(columns)) {
      for (const name of names) {
        for (const value of values) {
          try {
            const first = `(SELECT min(${name}) FROM ${table})`;
            db.exec(`UPDATE ${table} SET ${name} = ${value} WHERE ${name} IS ${first}`);
          } catch {
            // The table itself does not take it.
          }
          const heartbeat = { ...beat, spool: { state: 0, log: 0 } };
          await ask(v.object({ executors: v.array(ExecutorView) }), "/v1/executors");
          await ask(v.object({ runs: v.array(ReportedRun) }), "/v1/runs");
          await ask(v.object({ handouts: v.array(HandoutView) }), "/v1/handouts");
          await ask(ExecutorQueue, "/v1/executors/e");
          await ask(v.looseObject({}), "/v1/runs/r/result");
          await ask(v.looseObject({ flags: v.array(v.looseObject({})) }), "/v1/experiments/x/flags");
          for (const at of ["e", "f"]) {
            const init = { method: "POST", body: JSON.stringify(heartbeat) };
            await ask(HeartbeatReply, `/v1/executors/${at}/heartbeat`, init);
          }
          assert.ok([200, 204].includes((await whole.ask("/v1/executors/e/pipeline")).status));
        }
      }
    }
    db.close();
    whole.store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("gateway: a large list of records of another shape is refused by its first, in few words", async () => {
  const w = world();
  const many = await w.post(RECORDS, { run: "r", lane: "state", records: Array(100_000).fill(0) });
  assert.equal(many.status, 422);
  const long = await w.post(RECORDS, { run: "r", lane: "x".repeat(1_000_000), records: [] });
  assert.equal(long.status, 422);
  for (const answer of [many, long]) assert.ok((await answer.text()).length < 1_000);
  const broken = await w.ask(RECORDS, { method: "POST", body: "x".repeat(1_000_000) });
  assert.equal(broken.status, 400);
  assert.ok((await broken.text()).length < 1_000);
});

test("gateway: a value is checked as text, as large as a task may make it, and no deeper", async () => {
  const w = world();
  const wide = `[${"0,".repeat(2_000_000)}0]`;
  const deep = "[".repeat(600) + "]".repeat(600);
  const done = (seq: number, value: string) => ({ seq, at: 2000, ...settled(`t${seq}`, 1), value });
  const { rejected, acknowledged } = await w.send([STARTED, done(2, wide), done(3, deep), done(4, "[1")]);
  assert.equal(acknowledged.state, 4);
  assert.deepEqual(rejected.map(({ seq }) => seq), [3, 4]);
  const { tasks } = await (await w.ask("/v1/runs/r/result")).json() as { tasks: Record<string, unknown[]> };
  assert.deepEqual(Object.keys(tasks), ["t2"]);
});

test("gateway: numbers and texts that no executor sends are refused record by record, and fail no list", async () => {
  const texts = [
    '"at":1e300',
    '"at":-1',
    '"at":1e999',
    '"at":8640000000000001',
    `"at":1,"pipeline":"${"x".repeat(300)}"`,
    `"at":1,"runtime":"${"x".repeat(300)}"`,
  ];
  for (const text of texts) {
    const w = world();
    const others = ['"pipeline":"p"', '"runtime":"t"'].filter((each) => !text.includes(each.split(":")[0]!));
    const record = `{"seq":1,"type":"run.started","run":"r",${[...others, '"plan":"h"', text].join()}}`;
    const body =
      `{"run":"r","lane":"state","records":[${record},{"seq":2,"type":"run.ended","state":"failed",${text}}]}`;
    const reply = await (await w.ask(RECORDS, { method: "POST", body })).json() as BatchReply;
    assert.equal(reply.acknowledged.state, 2, text);
    assert.ok(reply.rejected.length > 0, text);
    for (const path of ["/v1/runs", "/v1/runs/r", "/v1/runs/r/result", "/v1/executors"]) {
      assert.equal((await w.ask(path)).status, 200, `${path} after ${text}`);
    }
  }
  // What has no record of its own is refused as a whole, with the place.
  for (
    const [body, place] of [['{"value":12345678901234567890}', "value"], [
      '{"value":1,"value":2}',
      "value",
    ]] as const
  ) {
    const answer = await world().ask("/v1/experiments/e/flags/f", { method: "PUT", body });
    assert.equal(answer.status, 400);
    assert.match(
      (await answer.json() as { error: { message: string } }).error.message,
      new RegExp(`can't be read: ${place}: .* line 1`),
    );
  }
  const w = world();
  const lines = [
    { seq: 1, ...LINE, at: "x".repeat(100) },
    { seq: 2, ...LINE, task: "x".repeat(300) },
    { seq: 3, ...LINE, iteration: 1e300 },
    { seq: 4, ...LINE },
  ];
  assert.deepEqual((await w.send(lines, { lane: "log" })).rejected.map(({ seq }) => seq), [1, 2, 3]);
  const attempts = [{ startedAt: 1e300 }, { endedAt: -5 }, { code: 1e300 }, { worker: 0.5 }, {
    because: "x".repeat(1e5),
  }];
  const records = attempts.map((attempt, at) => ({ seq: at + 1, at: 1, ...settled("a", 1), ...attempt }));
  assert.equal((await w.send(records)).rejected.length, attempts.length);
  assert.equal((await w.ask("/v1/runs/r/result")).status, 200);
});

test("gateway: a heartbeat can't say that it comes once in a thousand years", async () => {
  const w = world();
  assert.equal((await w.post("/v1/executors/e/heartbeat", { ...BEAT, intervalMs: 1e13 })).status, 422);
  assert.equal((await w.post("/v1/executors/e/heartbeat", { ...BEAT, intervalMs: 3_600_000 })).status, 200);
});

test("gateway: rows that were kept before, whatever is in them, fail no list and no executor", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-"));
  try {
    const file = join(folder, "g.db");
    const before = world({ store: sqliteGatewayStore(file) });
    await before.send([STARTED, { seq: 2, at: 2, ...settled("a", 1) }]);
    await before.send([{ ...STARTED, run: "good" }], { run: "good" });
    await before.post("/v1/executors/e/commands", { type: "pause" });
    await before.post("/v1/experiments/x/flags/n", { op: "set", id: "1", value: 1 });
    before.store.close();
    const good = JSON.stringify({
      ...JSON.parse(rowIn(file)),
      startedAt: 1e300,
      pipeline: "x".repeat(1_000_000),
    });
    for (
      const row of [good, "", "{", "null", "[]", '{"run":"r"}', good.replace('"version":2', '"version":-1')]
    ) {
      spoil(file, row);
      const w = world({ store: sqliteGatewayStore(file) });
      const lists = [
        "/v1/runs",
        "/v1/executors",
        "/v1/experiments/x/flags",
        "/v1/runs/r",
        "/v1/runs/r/result",
      ];
      for (const path of lists) {
        assert.equal((await w.ask(path)).status, 200, `${path} with ${row.slice(0, 40)}`);
      }
      const text = await (await w.ask("/v1/runs")).text();
      assert.deepEqual((JSON.parse(text) as { runs: { run: string }[] }).runs.map(({ run }) => run).sort(), [
        "good",
        "r",
      ]);
      assert.ok(text.length < 10_000);
      const beat = {
        session: "s",
        version: 1,
        outrider: "0",
        runtime: "t",
        state: "idle",
        spool: { state: 0, log: 0 },
      };
      assert.equal(
        (await w.post("/v1/executors/e/heartbeat", { ...beat, sentBytes: 0, seen: 0 })).status,
        200,
      );
      // What is not known any more is sent anew.
      const { acknowledged } = await w.send([STARTED, { seq: 2, at: 2, ...settled("a", 1) }]);
      assert.equal(acknowledged.state, 2);
      w.store.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function rowIn(file: string): string {
  const db = new DatabaseSync(file);
  const row = String(db.prepare("SELECT row FROM runs WHERE run = 'r'").get()?.["row"]);
  db.close();
  return row;
}

/** Puts a text where the gateway expects JSON of its own. */
function spoil(file: string, text: string): void {
  const db = new DatabaseSync(file);
  db.prepare("UPDATE runs SET row = ? WHERE run = 'r'").run(text);
  db.prepare("UPDATE executors SET heartbeat = ?, over = ?, first_seen = 9e300").run(text, text);
  db.prepare("UPDATE flags SET value = ?").run(text);
  db.prepare("UPDATE commands SET command = ?").run(text);
  db.prepare("UPDATE records SET text = ? WHERE run = 'r' AND seq = 2").run(text);
  db.close();
}

test("gateway: a body that stops coming is given up, and one that comes slowly is not", async () => {
  const w = world();
  const piece = new TextEncoder().encode(" ".repeat(40_000));
  const body = (pieces: number, end: () => void) => {
    let at = 0;
    return new ReadableStream<Bytes>({
      pull: (controller) => {
        if (at++ < pieces) return controller.enqueue(piece);
        end();
        // Nothing more comes.
        return new Promise(() => {});
      },
    }, { highWaterMark: 0 });
  };
  const reached = Promise.withResolvers<void>();
  const init = { method: "POST", body: body(2, () => reached.resolve()), duplex: "half" };
  const answer = w.app.fetch(new Request(`http://127.0.0.1:9${RECORDS}`, init));
  await reached.promise;
  // The first minute brought enough.
  w.clock.step();
  w.clock.step();
  const { status } = await answer;
  assert.equal(status, 408);
  assert.equal(w.clock.timers, 0);
});

test("gateway: so much of bodies is held at once, and who finds no room is told to come back", async () => {
  const w = world({ maxBundleBytes: 200 * 1024 * 1024 });
  const piece = new Uint8Array(16 * 1024 * 1024);
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  let waiting = 0;
  const full = Promise.withResolvers<void>();
  const upload = async () => {
    let sent = 0;
    const body = new ReadableStream<Bytes>({
      async pull(controller) {
        if (sent++ < 12) return controller.enqueue(piece);
        if (++waiting === 1) full.resolve();
        await gate;
        controller.close();
      },
    }, { highWaterMark: 0 });
    const init = { method: "POST", body, duplex: "half" };
    return await w.app.fetch(new Request("http://127.0.0.1:9/v1/bundles?to=e", init));
  };
  const first = upload();
  await full.promise;
  const second = await upload();
  assert.equal(second.status, 503);
  assert.equal(second.headers.get("retry-after"), "5");
  // Small ones find room beside it.
  assert.equal((await w.send([STARTED])).acknowledged.state, 1);
  open();
  assert.equal((await first).status, 201);
  assert.equal((await upload()).status, 201);
});

test("gateway: flags are bounded in number and size, and counting past all numbers is refused", async () => {
  const w = world();
  const path = "/v1/experiments/x/flags";
  const put = (name: string, value: unknown) =>
    w.ask(`${path}/${name}`, { method: "PUT", body: JSON.stringify({ value }) });
  w.store.rows.atomically(() => {
    for (let at = 0; at < 9_999; at++) w.store.rows.putFlag("x", { name: `f${at}`, value: at, version: 1 });
  });
  assert.equal((await put("last", 1)).status, 200);
  const more = await put("more", 1);
  assert.equal(more.status, 413);
  assert.match(await more.text(), /FLAGS_FULL.*10000 and 16777216 are allowed/);
  assert.equal((await w.post(`${path}/new`, { op: "increment", id: "1", by: 1 })).status, 413);
  assert.equal(w.store.rows.flag("x", "more"), undefined);
  assert.equal((await put("last", "of another size")).status, 200);
  const large = "x".repeat(250_000);
  for (let at = 0; at < 66; at++) assert.equal((await put(`f${at}`, large)).status, 200);
  assert.equal((await put("f66", large)).status, 413);
  assert.equal((await put("f1", 0)).status, 200);
  assert.equal((await put("f66", large)).status, 200);
  assert.equal(
    (await w.ask("/v1/experiments/y/flags/n", { method: "PUT", body: '{"value":1e308}' })).status,
    200,
  );
  const over = await w.post("/v1/experiments/y/flags/n", { op: "increment", id: "1", by: 1e308 });
  assert.equal(over.status, 409);
  assert.equal(w.store.rows.flag("y", "n")?.value, 1e308);
  const count = { op: "increment", id: "2", by: 1 };
  await w.ask("/v1/experiments/y/flags/m", { method: "PUT", body: '{"value":9007199254740991}' });
  assert.equal((await w.post("/v1/experiments/y/flags/m", count)).status, 409);
  assert.equal(w.store.rows.flag("y", "m")?.version, 1);
  await put("f2", large);
  const typed = await w.post(`${path}/f2`, { op: "increment", id: "2", by: 1 });
  assert.equal(typed.status, 409);
  assert.ok((await typed.text()).length < 1_000);
});

test("gateway: an operation that is refused stores nothing; one that is done is kept without its value", async () => {
  const w = world();
  const path = "/v1/experiments/x/flags/n";
  const value = "x".repeat(100_000);
  const change = async (body: unknown) => await (await w.post(path, body)).json() as Record<string, unknown>;
  assert.deepEqual(await change({ op: "set", id: "1", value: 1 }), {
    flag: { name: "n", value: 1, version: 1 },
    done: true,
  });
  const refused = await change({ op: "compare", id: "2", expected: 9, value });
  assert.deepEqual(refused, { flag: { name: "n", value: 1, version: 1 }, done: false });
  await change({ op: "set", id: "3", ifVersion: 7, value });
  assert.deepEqual([w.store.rows.flagAnswer("x", "n/2"), w.store.rows.flagAnswer("x", "n/3")], [
    undefined,
    undefined,
  ]);
  const set = await change({ op: "compare", id: "4", expected: 1, value });
  assert.equal((await change({ op: "set", id: "5", value: 5 }))["done"], true);
  assert.ok(JSON.stringify(w.store.rows.flagAnswer("x", "n/4")).length < 200);
  // It came a second time: it is not done again, and its answer is the same.
  assert.deepEqual(await change({ op: "compare", id: "4", expected: 1, value }), set);
  const counted = await change({ op: "increment", id: "6", by: 2 });
  assert.deepEqual(await change({ op: "increment", id: "6", by: 2 }), counted);
  assert.equal(w.store.rows.flag("x", "n")?.value, 7);
});
