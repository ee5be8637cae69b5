/** `outrider files`: what is listed and saved, from where, and that nothing is written over or left half. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { saveFile, type ToSave } from "../../src/cli/run/saved_file.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { systemClock } from "../../src/base/clock.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { filesOf } from "../../src/run/kept/kept_run.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";
import { FakeOutput } from "./fake.ts";

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

async function cli(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new FakeOutput({ columns: 200 }), new FakeOutput()];
  const code = await commandLine(args, {
    ...runtime,
    stdout,
    stderr,
    env: () => undefined,
    envNames: () => [],
  });
  return { code, out: stdout.text, err: stderr.text };
}

const STARTED = { type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" } as const;

function kept(task: string, name: string, text: string) {
  return {
    type: "file.kept",
    name,
    sha256: sha256(text),
    bytes: text.length,
    task,
    iteration: 0,
    attempt: 1,
  } as const;
}

const FILES = [
  kept("capture", "a.pcap", "first"),
  kept("again", "a.pcap", "second"),
  kept("again", "b", "first"),
  { ...kept("mapped", "c", "first"), item: 3 },
  { ...kept("mapped", "c", "second"), item: 4 },
];

test("files: those of a state directory that nobody uses are listed, and saved by name, task or digest", () =>
  withFiles({}, async (folder) => {
    const state = new StateDir(join(folder, "state"), { runtime, logBytes: 1_000_000 });
    await state.runs();
    const run = (await state.begin({}))!;
    for (const event of [STARTED, ...FILES]) run.journal.append(event, 1);
    mkdirSync(filesOf(run), { recursive: true });
    for (const text of ["first", "second"]) writeFileSync(`${filesOf(run)}/${sha256(text)}`, text);
    await run.journal.flush();
    await state.end();

    const where = ["--state-dir", join(folder, "state")];
    const { out } = await cli(["files", ...where]);
    assert.deepEqual(out.split("\n").map((line) => line.split(/\s+/).slice(0, 5).join(" ")), [
      "RUN TASK ATTEMPT NAME BYTES",
      "r capture 1 a.pcap 5",
      "r again 1 a.pcap 6",
      "r again 1 b 5",
      "r mapped (3) 1 c",
      "r mapped (4) 1 c",
      "",
    ]);
    const json = JSON.parse((await cli(["files", "--json", ...where])).out) as object[];
    const { type: _, ...first } = FILES[0]!;
    assert.deepEqual(json[0], { run: "r", ...first });
    assert.equal((json[3] as { item?: number }).item, 3);

    const save = async (name: string, to: string) => {
      const path = join(folder, to);
      const { code, err } = await cli(["files", ...where, "--get", name, "-o", path]);
      return code === 0 ? readFileSync(path, "utf8") : `${code} ${err.split(":")[0]}`;
    };
    assert.equal(await save("again/a.pcap", "one"), "second");
    assert.equal(await save(sha256("first").slice(0, 10), "two"), "first");
    assert.equal(await save("b", "three"), "first");
    assert.equal(
      await save("b", "three"),
      `2 There is a file ${JSON.stringify(join(folder, "three"))} already`,
    );
    assert.equal(await save("a.pcap", "four"), '2 There are several files "a.pcap", and they differ');
    assert.equal(await save("mapped/c", "four"), '2 There are several files "mapped/c", and they differ');
    assert.equal(await save("mapped (4)/c", "five"), "second");
    rmSync(join(folder, "five"));
    assert.equal(await save("none", "four"), '2 There is no file "none"');
    assert.deepEqual(readdirSync(folder).sort(), ["one", "state", "three", "two"]);
    writeFileSync(`${filesOf(run)}/${sha256("first")}`, "other");
    const changed = await cli(["files", ...where, "--get", "b", "-o", join(folder, "six")]);
    assert.deepEqual([changed.code, changed.out], [1, ""]);
    assert.match(
      changed.err,
      /^What has come for .*six" has not the digest .*: what was kept has been changed\n$/,
    );
    rmSync(`${filesOf(run)}/${sha256("first")}`);
    const gone = await cli(["files", ...where, "--get", "b", "-o", join(folder, "six")]);
    assert.equal(gone.code, 1);
    assert.match(gone.err, /six" is not saved: /);
    assert.deepEqual(readdirSync(folder).sort(), ["one", "state", "three", "two"]);
    const { code, err } = await cli(["files", ...where, "-o", "x"]);
    assert.deepEqual([code, /--get NAME/.test(err)], [2, true]);
  }));

test("files: where there is no state directory it is said, and none is made", () =>
  withFiles({}, async (folder) => {
    mkdirSync(join(folder, "other"));
    for (const name of ["typo", "other"]) {
      const { code, out, err } = await cli(["files", "--state-dir", join(folder, name)]);
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^There is no state directory ".*": name the one that runs were started with/);
    }
    assert.deepEqual(readdirSync(folder, { recursive: true }), ["other"]);
  }));

test("files: those of a gateway are listed and saved, and one that is still to come says so", () =>
  withFiles({}, async (folder) => {
    const store = sqliteGatewayStore(":memory:");
    const files = { files: runtime, folder: join(folder, "gateway") };
    const app = gatewayApp({ store, clock: systemClock, files });
    const served = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
    try {
      const text = "0123456789".repeat(20_000);
      const events = [STARTED, kept("capture", "large", text), kept("capture", "late", "late")];
      const records = events.map((event, at) => ({ seq: at + 1, at: 1, ...event }));
      const post = (path: string, init: RequestInit) =>
        app.request(`${served.url}/v1/executors/e${path}`, init);
      await post("/records", { method: "POST", body: JSON.stringify({ run: "r", lane: "state", records }) });
      const put = await post(`/files/${sha256(text)}?run=r&at=0`, { method: "PATCH", body: text });
      assert.equal(put.status, 200);
      const where = ["r", "--gateway", served.url];
      const { out } = await cli(["files", ...where]);
      assert.match(out, /capture {2}1 {8}large {2}200000 .*\n.* late .*not here yet\n$/);
      const path = join(folder, "saved");
      assert.deepEqual(await cli(["files", ...where, "--get", "large", "-o", path]), {
        code: 0,
        out: `${path}\n`,
        err: "",
      });
      assert.equal(readFileSync(path, "utf8"), text);
      const late = await cli(["files", ...where, "--get", "late", "-o", `${path}2`]);
      assert.match(late.err, /is not here yet, or was removed/);
      assert.notEqual(late.code, 0);
      assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith("saved")), ["saved"]);
      assert.match((await cli(["files", "--gateway", served.url])).err, /Say which run/);
    } finally {
      await served.close();
      store.close();
    }
  }));

test("files: an executor that gives less than the file has is told as that", () =>
  withFiles({}, async (folder) => {
    const { sha256, ...file } = kept("capture", "a", "all of the bytes");
    const served = await runtime.serve({
      fetch: ({ url }) =>
        url.endsWith(sha256) ? new Response("all of") : Response.json({ files: [{ ...file, sha256 }] }),
      port: 0,
    });
    try {
      const { code, err } = await cli([
        ...["files", "--url", served.url, "--get", "a"],
        ...["-o", join(folder, "a")],
      ]);
      assert.equal(code, 1);
      assert.match(err, /Only 6 of 16 bytes have come for /);
      assert.deepEqual(readdirSync(folder), []);
    } finally {
      await served.close();
    }
  }));

test("files: a copy goes on where it broke off, and what is not whole leaves nothing", () =>
  withFiles({}, async (folder) => {
    const bytes = new TextEncoder().encode("all of the bytes");
    const file = { name: "a", sha256: sha256(bytes), bytes: bytes.length };
    const path = join(folder, "a");
    const save = (more: Partial<ToSave>) =>
      saveFile({ file, path, pieces: (at) => from(at, Infinity), ...more }, runtime);
    async function* from(at: number, upTo: number) {
      for (let next = at; next < bytes.length; next += 4) {
        if (next >= upTo) throw new Error("broken");
        yield bytes.slice(next, next + 4);
      }
    }
    const places: number[] = [];
    writeFileSync(`${path}.part`, "a person's");
    await save({
      pieces: (at) => from(at, at + 8),
      again: (_, at) => Promise.resolve(places.push(at) < 9),
    });
    assert.deepEqual([places, readFileSync(path, "utf8")], [[8], "all of the bytes"]);
    assert.deepEqual(readdirSync(folder).sort(), ["a", "a.part"]);
    assert.equal(readFileSync(`${path}.part`, "utf8"), "a person's");
    rmSync(`${path}.part`);
    const failing = async (name: string, more: Partial<ToSave>, words: RegExp) => {
      await assert.rejects(save({ path: join(folder, name), ...more }), words);
      assert.deepEqual(readdirSync(folder), ["a"]);
    };
    await failing("b", { pieces: (at) => from(at, 4) }, /broken/);
    await failing("b", { file: { ...file, sha256: "0".repeat(64) } }, /has not the digest/);
    await failing("b", { file: { ...file, bytes: 5 } }, /More bytes have come/);
    await failing("b", { file: { ...file, bytes: 17 } }, /Only 16 of 17 bytes/);
    await failing("a", {}, /There is a file .* already/);
    // What somebody else makes while it comes is his.
    const meanwhile = join(folder, "c");
    async function* beside(at: number) {
      writeFileSync(meanwhile, "a person's");
      yield* from(at, Infinity);
    }
    await assert.rejects(save({ path: meanwhile, pieces: beside }), /"[^"]*c" is not saved: /);
    assert.deepEqual([readdirSync(folder).sort(), readFileSync(meanwhile, "utf8")], [
      ["a", "c"],
      "a person's",
    ]);
  }));
