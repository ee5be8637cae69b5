/** Copies of a gateway: made while it runs, checked before they are put back, and made up for by who knows more. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { gzip } from "../../src/base/bytes.ts";
import { systemClock } from "../../src/base/clock.ts";
import { backUp, restore } from "../../src/gateway/backup.ts";
import { newRun } from "../../src/gateway/ingest.ts";
import { STEPS } from "../../src/gateway/schema.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { ReportedRun } from "../../src/protocol/messages.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { runCli, startCli, urlOf, withFiles } from "../rig.ts";
import { FakeJournal } from "../uplink/rig.ts";
import { bytesOf, digestOf } from "./registry_rig.ts";

function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-backup-"));
  return work(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
}

function placesOf(folder: string, name = "g") {
  const db = join(folder, `${name}.db`);
  return { db, files: `${db}.files`, registry: `${db}.registry` };
}

const copyTo = (places: ReturnType<typeof placesOf>, to: string) =>
  backUp(places, { to, files: runtime, clock: systemClock });
const putBack = (places: ReturnType<typeof placesOf>, from: string) =>
  restore(places, { from, files: runtime });

const GATEWAY = ["gateway", "--port", "0"];

test("backup: a gateway is copied under a stream of reports; put back, it is made up for by who knows more", () =>
  withFiles({}, async (cwd) => {
    const first = startCli([...GATEWAY, "--db", "g.db"], { cwd });
    let url = await urlOf(first);
    const blob = bytesOf(100_000);
    const digest = digestOf(blob);
    const pushed = await fetch(`${url}/v2/env/blobs/uploads/?digest=${digest}`, {
      method: "POST",
      body: blob,
    });
    assert.equal(pushed.status, 201, await pushed.text());
    const journal = new FakeJournal();
    const parts = (run: string, source: FakeJournal) => ({
      gateway: outriderGateway({
        url: "http://gateway",
        executor: "e",
        fetch: (address, init) => fetch(address.replace("http://gateway", url), init),
        clock: systemClock,
        gzip,
      }),
      ...{ clock: systemClock, random: () => 0.01, run, source },
    });
    const started = { type: "run.started", pipeline: "p", runtime: "t 1", plan: "h" };
    journal.state({ ...started, run: "r" });
    const report = startReport(parts("r", journal));
    let isOver = false;
    const writing = (async () => {
      for (let at = 0; !isOver; at++) {
        for (let line = 0; line < 50; line++) journal.log(`${at} ${line}`);
        await new Promise((next) => setTimeout(next, 5));
      }
    })();
    const acknowledged = async (least: number) => {
      while (report.status().acknowledged.log < least) await new Promise((next) => setTimeout(next, 5));
    };
    await acknowledged(50);
    const made = await runCli(["gateway", "--db", "g.db", "--backup", "copy"], { cwd });
    assert.deepEqual([made.code, made.stdout], [0, "copy\n"], made.stderr);
    assert.equal(statSync(join(cwd, "copy")).mode & 0o077, 0);
    assert.equal(statSync(join(cwd, "copy/gateway.db")).mode & 0o077, 0);
    // Of a run that begins and ends after the copy, and that its executor has let go of.
    const gone = new FakeJournal();
    gone.state({ ...started, run: "gone" });
    const whole = startReport(parts("gone", gone));
    whole.end({ state: "succeeded" });
    assert.equal(await whole.drained, true);
    await whole.stop();
    await acknowledged(report.status().acknowledged.log + 200);
    first.kill("SIGKILL");
    await first.ended;

    const put = await runCli(["gateway", "--db", "h.db", "--restore", "copy"], { cwd });
    assert.deepEqual([put.code, put.stdout], [0, "h.db\n"], put.stderr);
    assert.match(
      put.stderr,
      /^Put back what was kept at .*: 1 runs; files and what was pushed: 1\nNot all had come of 1 /,
    );
    const second = startCli([...GATEWAY, "--db", "h.db"], { cwd });
    url = await urlOf(second);
    isOver = true;
    await writing;
    journal.state({ type: "run.ended", state: "succeeded" });
    report.end({ state: "succeeded" });
    assert.equal(await report.drained, true);
    await report.stop();
    const lines = (await (await fetch(`${url}/v1/runs/r/logs`)).text()).trim().split("\n");
    const last = journal.lanes.log.length;
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).seq),
      Array.from({ length: last }, (_, at) => at + 1),
    );
    const { complete, missing } = await (await fetch(`${url}/v1/runs/r`)).json() as ReportedRun;
    assert.deepEqual([complete, missing], [true, []]);
    assert.equal((await fetch(`${url}/v1/runs/gone`)).status, 404);
    const got = await fetch(`${url}/v2/env/blobs/${digest}`);
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), blob);
    second.kill("SIGTERM");
    assert.equal((await second.ended).code, 0);
  }));

/** A gateway's database with a run, and a file of it. */
function filled(folder: string): { readonly places: ReturnType<typeof placesOf>; readonly file: string } {
  const places = placesOf(folder);
  const store = sqliteGatewayStore(places.db);
  const digest = digestOf(bytesOf(10));
  const row = { ...newRun("r", { executor: "e", now: 5 }), acknowledged: { state: 1, log: 0 } };
  store.rows.ingest(row, { lane: "state", records: [{ seq: 1, text: "{}" }], missing: [] });
  store.rows.files.putBlob({ digest, size: 10, at: 1 });
  store.close();
  return { places, file: join("sha256", digest.slice(7, 9), digest.slice(7)) };
}

test("backup: a file that was removed meanwhile is none of the copy, and what fails leaves nothing", () =>
  inFolder(async (folder) => {
    const { places, file } = filled(folder);
    const to = join(folder, "copy");
    assert.deepEqual({ ...await copyTo(places, to), at: "" }, {
      at: "",
      blobs: 0,
      broken: 0,
      runs: 1,
      open: 1,
    });
    const db = new DatabaseSync(join(to, "gateway.db"));
    assert.equal(db.prepare("SELECT count(*) AS n FROM file_blobs").get()!["n"], 0);
    assert.equal(db.prepare("PRAGMA auto_vacuum").get()!["auto_vacuum"], 2);
    db.close();
    await runtime.makeFolder(join(places.files, file, ".."));
    writeFileSync(join(places.files, file), bytesOf(10));
    await assert.rejects(copyTo(places, to), { code: "OUTRIDER_BACKUP", message: /copy is there already/ });
    const second = join(folder, "second");
    assert.equal((await copyTo(places, second)).blobs, 1);
    const other = placesOf(folder, "other");
    assert.deepEqual((await putBack(other, second)).blobs, 1);
    assert.deepEqual(new Uint8Array(readFileSync(join(other.files, file))), new Uint8Array(bytesOf(10)));
    const store = sqliteGatewayStore(other.db);
    assert.equal(store.rows.records("r", { lane: "state", after: 0, limit: 9 }).length, 1);
    store.close();
    await assert.rejects(copyTo(placesOf(folder, "none"), join(folder, "third")), /none\.db can't be read/);
    writeFileSync(join(folder, "text.db"), "This is no database at all, but it is long enough to be one");
    await assert.rejects(copyTo(placesOf(folder, "text"), join(folder, "third")), /text\.db can't be read/);
    const foreign = new DatabaseSync(join(folder, "foreign.db"));
    foreign.exec("CREATE TABLE t (x); PRAGMA user_version = 3");
    foreign.close();
    await assert.rejects(
      copyTo(placesOf(folder, "foreign"), join(folder, "third")),
      /no database of a gateway/,
    );
    assert.deepEqual(readdirSync(folder).filter((name) => /part|third|none/.test(name)), []);
  }));

test("backup: nothing is put back from a copy that is broken, foreign, newer or not whole, nor over anything", () =>
  inFolder(async (folder) => {
    const { places, file } = filled(folder);
    await runtime.makeFolder(join(places.files, file, ".."));
    writeFileSync(join(places.files, file), bytesOf(10));
    const other = placesOf(folder, "other");
    let made = 0;
    const broken = async (how: (copy: string) => void, message: RegExp) => {
      const copy = join(folder, `copy${made++}`);
      await copyTo(places, copy);
      how(copy);
      await assert.rejects(putBack(other, copy), message);
      assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith("other")), []);
    };
    const change = (name: string, how: (text: string) => string) => (copy: string) =>
      writeFileSync(join(copy, name), how(readFileSync(join(copy, name), "latin1")), "latin1");
    const digest = async (copy: string) => {
      const hash = await runtime.sha256();
      hash.update(readFileSync(join(copy, "gateway.db")));
      return hash.hex();
    };
    await broken((copy) => rmSync(join(copy, "backup.json")), /no whole copy of a gateway/);
    await broken(change("backup.json", () => "{}"), /no whole copy of a gateway/);
    await broken(change("gateway.db", (text) => `${text.slice(0, -5)}xxxxx`), /not what was copied/);
    await broken((copy) => rmSync(join(copy, "gateway.db")), /not what was copied/);
    await broken((copy) => {
      // The bytes are shared with the gateway's own: another file in its place.
      rmSync(join(copy, "files", file));
      writeFileSync(join(copy, "files", file), "others");
    }, /is missing or is not what was copied/);
    await broken((copy) => rmSync(join(copy, "files", file)), /is missing or is not what was copied/);
    // One whose digest was made to fit.
    const forged = join(folder, "forged");
    await copyTo(places, forged);
    const db = new DatabaseSync(join(forged, "gateway.db"));
    db.exec("PRAGMA user_version = 1000");
    db.close();
    change("backup.json", (text) => text)(forged);
    const about = JSON.parse(readFileSync(join(forged, "backup.json"), "utf8"));
    writeFileSync(join(forged, "backup.json"), JSON.stringify({ ...about, sha256: await digest(forged) }));
    await assert.rejects(putBack(other, forged), /of a newer version of Outrider/);
    const whole = join(folder, "whole");
    await copyTo(places, whole);
    writeFileSync(`${other.db}-wal`, "left");
    await assert.rejects(putBack(other, whole), /other\.db-wal is there already/);
    assert.equal(existsSync(other.db), false);
  }));

test("backup: names are on the disk, those of blobs before the one by which all is believed", () =>
  inFolder(async (folder) => {
    const { places, file } = filled(folder);
    await runtime.makeFolder(join(places.files, file, ".."));
    writeFileSync(join(places.files, file), bytesOf(10));
    const done: string[] = [];
    const files: typeof runtime = {
      ...runtime,
      rename: async (from, to) => {
        await runtime.rename(from, to);
        done.push(`rename ${to}`);
      },
      syncFolder: async (path) => {
        await runtime.syncFolder(path);
        done.push(`sync ${path.replace(/\.[0-9a-z-]+\.part/, ".part")}`);
      },
    };
    const copy = join(folder, "copy");
    const synced = (of: string) => ["", "sha256", join(file, "..")].map((each) => `sync ${join(of, each)}`);
    const before = (name: string, all: readonly string[]) => {
      const at = done.indexOf(name);
      for (const each of all) assert.ok(done.slice(0, at).includes(each), `${each}: ${done}`);
      return done.slice(at + 1);
    };
    await backUp(places, { to: copy, files, clock: systemClock });
    const inPart = [...synced(`${copy}.part/files`), `sync ${copy}.part`];
    assert.deepEqual(before(`rename ${copy}`, inPart), [`sync ${folder}`]);
    done.length = 0;
    const other = placesOf(folder, "other");
    await restore(other, { from: copy, files });
    assert.deepEqual(before(`rename ${other.db}`, synced(other.files)), [`sync ${folder}`]);
  }));

test("backup: a database of before it could shrink gives a copy that can; one of an older version gives none", () =>
  inFolder(async (folder) => {
    const places = placesOf(folder);
    const db = new DatabaseSync(places.db);
    for (const step of STEPS) db.exec(step);
    db.exec(`PRAGMA user_version = ${STEPS.length}`);
    await copyTo(places, join(folder, "copy"));
    const copy = new DatabaseSync(join(folder, "copy", "gateway.db"));
    const shrinks = (of: DatabaseSync) => of.prepare("PRAGMA auto_vacuum").get()!["auto_vacuum"];
    assert.deepEqual([shrinks(db), shrinks(copy)], [0, 2]);
    copy.close();
    db.exec(`PRAGMA user_version = ${STEPS.length - 1}`);
    db.close();
    await assert.rejects(copyTo(places, join(folder, "second")), /of an older version: start a gateway/);
  }));

test("backup: what is broken where the gateway keeps it is left out, so that all else can be put back", () =>
  inFolder(async (folder) => {
    const { places, file } = filled(folder);
    await runtime.makeFolder(join(places.files, file, ".."));
    for (const bytes of [bytesOf(11).subarray(1), bytesOf(4)]) {
      writeFileSync(join(places.files, file), bytes);
      const copy = join(folder, `copy${bytes.length}`);
      const { blobs, broken } = await copyTo(places, copy);
      assert.deepEqual([blobs, broken], [0, 1]);
      assert.equal((await putBack(placesOf(folder, `other${bytes.length}`), copy)).runs, 1);
    }
  }));

test("backup: what lies where a file is to be put is believed if it is the same, and no database is replaced", () =>
  inFolder(async (folder) => {
    const { places, file } = filled(folder);
    await runtime.makeFolder(join(places.files, file, ".."));
    writeFileSync(join(places.files, file), bytesOf(10));
    const copy = join(folder, "copy");
    await copyTo(places, copy);
    const other = placesOf(folder, "other");
    await runtime.makeFolder(join(other.files, file, ".."));
    for (const bytes of [bytesOf(11).subarray(1), bytesOf(4)]) {
      writeFileSync(join(other.files, file), bytes);
      await assert.rejects(
        putBack(other, copy),
        /is there already, and is not what its name says: move it away/,
      );
      assert.equal(existsSync(other.db), false);
    }
    writeFileSync(join(other.files, file), bytesOf(10));
    // A gateway is started there while the copy is checked.
    const keeping: typeof runtime.keeping = () => {
      writeFileSync(other.db, "of another");
      return runtime.keeping();
    };
    const meanwhile = restore(other, { from: copy, files: { ...runtime, keeping } });
    await assert.rejects(meanwhile, /other\.db is there already/);
    assert.equal(readFileSync(other.db, "utf8"), "of another");
    rmSync(other.db);
    assert.equal((await putBack(other, copy)).blobs, 1);
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith(".part")), []);
  }));

test("backup: one of both at a time, and of a database that is in a file", async () => {
  await withFiles({}, async (cwd) => {
    const both = await runCli(["gateway", "--backup", "a", "--restore", "b"], { cwd });
    assert.deepEqual([both.code, both.stderr.includes("one of them at a time")], [2, true]);
    const memory = await runCli(["gateway", "--db", ":memory:", "--backup", "a"], { cwd });
    assert.deepEqual([memory.code, memory.stderr.includes("is in no file")], [2, true]);
  });
});
