/** The gateway's database: what is kept is there after a restart, and a database it can't use is told. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { newRun } from "../src/gateway/ingest.ts";
import { sqliteGatewayStore } from "../src/gateway/sqlite.ts";

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
    before.ingest(row, { lane: "state", records: [{ seq: 1, text: "{}" }], missing: [] });
    before.putFlag("x", { name: "n", value: [1], version: 3 });
    before.assign("e", { bytes: new Uint8Array([1, 2]), hash: "h", at: 1 });
    assert.equal(before.addCommand("e", { type: "pause" }), 1);
    before.close();
    const after = sqliteGatewayStore(file);
    assert.deepEqual(after.run("r")?.acknowledged, { state: 1, log: 0 });
    assert.deepEqual(after.records("r", { lane: "state", after: 0, limit: 9 }), [{ seq: 1, text: "{}" }]);
    assert.deepEqual(after.flag("x", "n"), { name: "n", value: [1], version: 3 });
    assert.deepEqual([...after.newest(["e"], 0)!.bytes], [1, 2]);
    assert.deepEqual(after.commands("e", 0), [{ id: 1, type: "pause" }]);
    assert.deepEqual(after.commands("e", 1), []);
    assert.equal(after.addCommand("e", { type: "resume" }), 2);
    after.close();
  });
});

test("gateway: the database and what lies beside it are for this user alone, also where they were not", () => {
  inFolder((file) => {
    const modes = () => ["", "-wal", "-shm"].map((suffix) => statSync(file + suffix).mode & 0o777);
    const mask = process.umask(0);
    try {
      const store = sqliteGatewayStore(file);
      store.putFlag("x", { name: "n", value: 1, version: 1 });
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

test("gateway: what fails half way is not kept at all", () => {
  const store = sqliteGatewayStore(":memory:");
  assert.throws(() =>
    store.atomically(() => {
      store.putFlag("x", { name: "n", value: 1, version: 1 });
      throw new Error("half way");
    }), /half way/);
  assert.equal(store.flag("x", "n"), undefined);
  store.putFlag("x", { name: "n", value: 2, version: 1 });
  assert.equal(store.flag("x", "n")?.value, 2);
  store.close();
});

test("gateway: a bundle that nobody is given any more is forgotten", () => {
  inFolder((file) => {
    const store = sqliteGatewayStore(file);
    store.assign("e", { bytes: new Uint8Array([1]), hash: "one", at: 1 });
    store.assign("e", { bytes: new Uint8Array([2]), hash: "two", at: 2 });
    store.close();
    const db = new DatabaseSync(file);
    assert.deepEqual(db.prepare("SELECT hash FROM bundles").all().map((row) => row["hash"]), ["two"]);
    db.close();
  });
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
