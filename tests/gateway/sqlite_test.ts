/** The gateway's database: what is kept is there after a restart, and a database it can't use is told. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { newRun } from "../../src/gateway/ingest.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";

function inFolder(work: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-"));
  try {
    work(join(folder, "gateway.db"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("gateway: what was kept is there after a restart", () => {
  inFolder((file) => {
    const before = sqliteGatewayStore(file);
    const row = { ...newRun("r", { executor: "e", now: 5 }), acknowledged: { state: 1, log: 0 } };
    before.rows.ingest(row, { lane: "state", records: [{ seq: 1, text: "{}" }], missing: [] });
    before.rows.putFlag("x", { name: "n", value: [1], version: 3 });
    const handout = { target: "e", pipeline: "p", at: 1 };
    const { version } = before.rows.addHandout({ ...handout, bytes: new Uint8Array([1, 2]), hash: "h" });
    before.rows.putDelivery({ executor: "e", version, run: "r", closed: false });
    const { id } = before;
    assert.equal(before.rows.addCommand("e", { type: "pause" }, 1), 1);
    before.close();
    const after = sqliteGatewayStore(file);
    assert.deepEqual(after.rows.run("r")?.acknowledged, { state: 1, log: 0 });
    assert.deepEqual(after.rows.records("r", { lane: "state", after: 0, limit: 9 }), [{
      seq: 1,
      text: "{}",
    }]);
    assert.deepEqual(after.rows.flag("x", "n"), { name: "n", value: [1], version: 3 });
    const [open] = after.rows.openHandouts(["e"], { executor: "e" });
    assert.deepEqual({ ...open, id: "" }, { ...handout, hash: "h", id: "", version, ended: undefined });
    assert.deepEqual([...after.rows.bundle("h")!], [1, 2]);
    assert.deepEqual(after.rows.deliveries(version), [{ executor: "e", version, run: "r", closed: false }]);
    assert.equal(after.id, id);
    assert.deepEqual(after.rows.commands("e", 0), [{ id: 1, type: "pause" }]);
    assert.deepEqual(after.rows.commands("e", 1), []);
    assert.equal(after.rows.addCommand("e", { type: "resume" }, 1), 2);
    assert.equal(after.rows.addCommand("e", { type: "resume" }, 50), 50);
    after.close();
  });
});

test("gateway: the database and what lies beside it are for this user alone, also where they were not", () => {
  inFolder((file) => {
    const modes = () => ["", "-wal", "-shm"].map((suffix) => statSync(file + suffix).mode & 0o777);
    const mask = process.umask(0);
    try {
      const store = sqliteGatewayStore(file);
      store.rows.putFlag("x", { name: "n", value: 1, version: 1 });
      assert.deepEqual(modes(), [0o600, 0o600, 0o600]);
      const beside = sqliteGatewayStore(file);
      for (const suffix of ["", "-wal", "-shm"]) chmodSync(file + suffix, 0o644);
      const again = sqliteGatewayStore(file);
      assert.deepEqual(modes(), [0o600, 0o600, 0o600]);
      for (const each of [store, beside, again]) each.close();
    } finally {
      process.umask(mask);
    }
  });
});

test("gateway: one in memory leaves no file", () => {
  rmSync(":memory:", { force: true });
  sqliteGatewayStore(":memory:").close();
  assert.equal(existsSync(":memory:"), false);
});

test("gateway: what fails half way is not kept at all", () => {
  const store = sqliteGatewayStore(":memory:");
  assert.throws(() =>
    store.rows.atomically(() => {
      store.rows.putFlag("x", { name: "n", value: 1, version: 1 });
      throw new Error("half way");
    }), /half way/);
  assert.equal(store.rows.flag("x", "n"), undefined);
  store.rows.putFlag("x", { name: "n", value: 2, version: 1 });
  assert.equal(store.rows.flag("x", "n")?.value, 2);
  store.close();
});

test("gateway: an answer about a flag is kept for an hour, also over a restart by which the clock begins anew", () => {
  inFolder((file) => {
    const put = (store: ReturnType<typeof sqliteGatewayStore>, operation: string, at: number) =>
      store.rows.putFlagAnswer("x", { operation, at, done: true, flag: { name: "n", version: 1 } });
    const before = sqliteGatewayStore(file);
    put(before, "one", 1_000_000);
    put(before, "two", 1_500_000);
    before.close();
    const after = sqliteGatewayStore(file);
    const kept = () => ["one", "two", "three"].filter((id) => after.rows.flagAnswer("x", id) !== undefined);
    put(after, "three", 5);
    put(after, "four", 5 + 3_600_000 - 500_000);
    assert.deepEqual(kept(), ["one", "two", "three"]);
    put(after, "five", 5 + 3_600_000 - 500_000 + 1);
    assert.deepEqual(kept(), ["two", "three"]);
    put(after, "six", 5 + 3_600_000 + 1);
    assert.deepEqual(kept(), []);
    after.close();
  });
});

test("gateway: a bundle that nobody is given any more is forgotten", () => {
  inFolder((file) => {
    const store = sqliteGatewayStore(file);
    const put = (target: string, hash: string) =>
      store.rows.addHandout({ target, bytes: new Uint8Array([1]), hash, pipeline: undefined, at: 1 }).version;
    const versions = [put("e", "one"), put("e", "one"), put("e", "two")];
    store.rows.endHandout(versions[0]!, { how: "done", at: 2 });
    assert.ok(store.rows.bundle("one"), "somebody is still to have it");
    store.rows.endHandout(versions[1]!, { how: "withdrawn", at: 2 });
    store.close();
    const db = new DatabaseSync(file);
    assert.deepEqual(db.prepare("SELECT hash FROM bundles").all().map((row) => row["hash"]), ["two"]);
    db.close();
  });
});

test("gateway: of hand-outs that are over the newest thousand are listed", () => {
  const store = sqliteGatewayStore(":memory:");
  store.rows.atomically(() => {
    for (let at = 0; at < 1005; at++) {
      const bytes = new Uint8Array([1]);
      const { version } = store.rows.addHandout({ target: "e", bytes, hash: "h", pipeline: undefined, at });
      store.rows.putDelivery({ executor: "e", version, run: undefined, closed: true });
      if (at > 0) store.rows.endHandout(version, { how: "done", at });
    }
  });
  const kept = store.rows.handouts(undefined, 2000).map(({ version }) => version);
  assert.deepEqual([kept.length, kept.at(-1), kept.at(-2)], [1001, 1, 6], "what is open stays");
  assert.deepEqual(store.rows.deliveries(5), []);
  store.close();
});

test("gateway: a database that can't be opened or is of a newer version is told, with its path", () => {
  assert.throws(() => sqliteGatewayStore("/nowhere/at/all/gateway.db"), {
    code: "OUTRIDER_GATEWAY_STORE",
    message: /\/nowhere\/at\/all\/gateway\.db.*folder/,
  });
  inFolder((file) => {
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 99");
    db.close();
    assert.throws(() => sqliteGatewayStore(file), {
      code: "OUTRIDER_GATEWAY_STORE",
      message: /newer version/,
    });
  });
});
