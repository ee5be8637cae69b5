/** Files of runs at the gateway: who may send, list, fetch and remove what, and that a browser only ever saves them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { attachment } from "../../src/base/web/attachment.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { Bells } from "../../src/gateway/bells.ts";
import { localDesk } from "../../src/gateway/desk/local.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { BlobsOptions } from "../../src/gateway/registry/blobs.ts";
import type { FileView, HeldFile } from "../../src/protocol/messages.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { STARTED, type World, world } from "./rig.ts";

const TEXT = "packets";
const SHA = createHash("sha256").update(TEXT).digest("hex");

function kept(seq: number, more: object = {}) {
  const key = { task: "capture", iteration: 0, attempt: 1 };
  return {
    seq,
    at: 1000,
    type: "file.kept",
    name: "a.pcap",
    sha256: SHA,
    bytes: TEXT.length,
    ...key,
    ...more,
  };
}

/** A gateway with a place for files. */
async function withFiles(
  use: (w: World, folder: string) => Promise<void>,
  more: Partial<BlobsOptions> & { readonly none?: true; readonly given?: Parameters<typeof world>[0] } = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-files-"));
  const { none, given, ...limits } = more;
  const files = { files: runtime, folder, ...limits };
  const w = world({ ...(none ? {} : { files }), ...given });
  try {
    await use(w, folder);
  } finally {
    w.store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const OF = (sha = SHA, run = "r", executor = "e") => `/v1/executors/${executor}/files/${sha}?run=${run}`;

function put(w: World, text: string, at = 0, path = OF()): Promise<Response> {
  return w.ask(`${path}&at=${at}`, { method: "PATCH", body: text });
}

async function codeOf(answer: Promise<Response>): Promise<string> {
  const { status, ...rest } = await answer.then(async (each) => ({
    status: each.status,
    text: await each.text(),
  }));
  return status < 400 ? String(status) : `${status} ${JSON.parse(rest.text).error.code}`;
}

const list = async (w: World, run = "r") =>
  (await w.json<{ files: FileView[] }>(`/v1/runs/${run}/files`)).files;

test("files: an executor sends what a record of its run tells of, in pieces, and users fetch it", () =>
  withFiles(async (w) => {
    await w.send({ records: [STARTED, kept(2)] });
    const key = { task: "capture", iteration: 0, attempt: 1 };
    const view = { ...key, name: "a.pcap", sha256: SHA, bytes: 7 };
    assert.deepEqual(await list(w), [{ ...view, here: false }]);
    assert.equal(await w.code(`/v1/runs/r/files/${SHA}`), "404 FILE_NOT_HERE");
    assert.deepEqual(await w.json<HeldFile>(OF()), { bytes: 0, whole: false });
    assert.deepEqual(await (await put(w, "pac")).json(), { bytes: 3, whole: false });
    assert.equal(await codeOf(put(w, "pac")), "416 BLOB_UPLOAD_INVALID");
    assert.deepEqual(await w.json<HeldFile>(OF()), { bytes: 3, whole: false });
    assert.deepEqual(await (await put(w, "kets", 3)).json(), { bytes: 7, whole: true });
    assert.deepEqual(await (await put(w, "late", 3)).json(), { bytes: 7, whole: true });
    assert.deepEqual(await list(w), [{ ...view, here: true }]);

    const answer = await w.ask(`/v1/runs/r/files/${SHA}`);
    assert.equal(await answer.text(), TEXT);
    assert.deepEqual(
      ["content-type", "content-disposition", "x-content-type-options", "content-security-policy"].map(
        (name) => answer.headers.get(name),
      ),
      [
        "application/octet-stream",
        `attachment; filename="a.pcap"; filename*=UTF-8''a.pcap`,
        "nosniff",
        "default-src 'none'; sandbox",
      ],
    );
    const part = await w.ask(`/v1/runs/r/files/${SHA}`, { headers: { range: "bytes=2-4" } });
    assert.deepEqual([part.status, await part.text()], [206, "cke"]);
    const head = await w.ask(`/v1/runs/r/files/${SHA}`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "7", ""]);
  }));

test("files: where executors don't ask there is no route for theirs, and users have their own", () =>
  withFiles(async ({ store, clock }, folder) => {
    const desk = localDesk({ store, clock, bells: new Bells() });
    const app = gatewayApp({ store, clock, desk, files: { files: runtime, folder } });
    const code = (path: string, how?: RequestInit) =>
      codeOf(Promise.resolve(app.request(`http://localhost${path}`, how)));
    assert.equal(await code(OF()), "404 NO_ROUTE");
    assert.equal(await code(`${OF()}&at=0`, { method: "PATCH", body: TEXT }), "404 NO_ROUTE");
    assert.equal(await code("/v1/runs/r/files"), "404 NO_RUN");
  }));

test("files: nothing else is taken, and what is refused leaves nothing", () =>
  withFiles(async (w, folder) => {
    const other = "0".repeat(64);
    await w.send({ records: [STARTED, kept(2), kept(3, { sha256: other, bytes: 3, name: "b" })] });
    await w.send({ run: "s", records: [STARTED] }, "f");
    const refused = [
      codeOf(put(w, TEXT, 0, OF("1".repeat(64)))),
      codeOf(put(w, TEXT, 0, OF(SHA, "s"))),
      codeOf(put(w, TEXT, 0, OF(SHA, "r", "f"))),
      codeOf(put(w, TEXT, 0, OF(SHA, "none"))),
      codeOf(put(w, TEXT, 0, OF("../../etc"))),
      codeOf(put(w, TEXT, 0, OF(SHA.toUpperCase()))),
      w.code(`/v1/executors/e/files/${SHA}`),
      codeOf(put(w, `${TEXT}!`)),
      codeOf(put(w, "abc", 0, OF(other))),
    ];
    assert.deepEqual(await Promise.all(refused), [
      "404 NO_FILE",
      "404 NO_FILE",
      "404 NO_FILE",
      "404 NO_FILE",
      "404 NO_ROUTE",
      "400 DIGEST",
      "400 QUERY",
      "400 FILE_LONGER",
      "400 DIGEST_INVALID",
    ]);
    assert.deepEqual((await list(w)).map(({ here }) => here), [false, false]);
    assert.equal(existsSync(`${folder}/sha256`), false);
    // What was sent under a wrong digest is gone, and begins anew.
    assert.deepEqual(await w.json<HeldFile>(OF(other)), { bytes: 0, whole: false });
  }));

test("files: a token of an executor sends its own and fetches none; a user's fetches and sends none", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const [user, device] = ["user-token-0123456789", "device-token-0123456789"];
  await tokens.put({ name: "u", kind: "user" }, user);
  await tokens.put({ name: "d", kind: "executor", executor: "e" }, device);
  await withFiles(async (w) => {
    const as = (token: string, init: RequestInit = {}) => ({
      ...init,
      headers: { authorization: `Bearer ${token}` },
    });
    const records = { run: "r", lane: "state", records: [STARTED, kept(2)] };
    await w.ask("/v1/executors/e/records", as(device, { method: "POST", body: JSON.stringify(records) }));
    const send = (token: string) => w.code(`${OF()}&at=0`, as(token, { method: "PATCH", body: TEXT }));
    const routes = ["/v1/runs/r/files", `/v1/runs/r/files/${SHA}`];
    assert.deepEqual([await send(user), await send(device)], ["403 TOKEN_KIND", "200"]);
    for (const route of routes) {
      assert.equal(await w.code(route, as(device)), "403 TOKEN_KIND");
      assert.equal(await w.code(route, as(user)), "200");
      assert.equal(await w.code(route), "401 TOKEN");
    }
    assert.equal(await w.code(OF(SHA, "r", "other"), as(device)), "403 TOKEN_EXECUTOR");
  }, { given: { store, tokens } });
});

test("files: those of a run are removed, those that another has too stay, and what nothing refers to goes", () =>
  withFiles(async (w, folder) => {
    const own = createHash("sha256").update("own").digest("hex");
    await w.send({ records: [STARTED, kept(2), kept(3, { name: "own", sha256: own, bytes: 3 })] });
    await w.send({ run: "s", records: [STARTED, kept(2)] });
    await put(w, TEXT);
    await put(w, "own", 0, OF(own));
    assert.deepEqual((await list(w, "s")).map(({ here }) => here), [true], "the same bytes are sent once");
    const removed = await w.ask("/v1/runs/r/files", { method: "DELETE" });
    assert.deepEqual([removed.status, await list(w)], [204, []]);
    const here = readdirSync(`${folder}/sha256`, { recursive: true, encoding: "utf8" });
    assert.deepEqual(here.filter((path) => path.length > 2), [`${SHA.slice(0, 2)}/${SHA}`]);
    assert.equal(await w.code(`/v1/runs/r/files/${SHA}`), "404 NO_FILE");
    assert.equal(await w.code(`/v1/runs/s/files/${SHA}`), "200");
    assert.equal(await w.code("/v1/runs/none/files"), "404 NO_RUN");
  }));

test("files: a record of a file that can't be one is set aside, and those of a life that is over go", () =>
  withFiles(async (w) => {
    const wrong = [{ name: "../up" }, { name: "a/b" }, { sha256: "x" }, { bytes: -1 }, { name: "" }];
    const bad = wrong.map((each, at) => kept(at + 2, each));
    const { rejected, acknowledged } = await w.send({
      life: { id: "one", since: { state: 0, log: 0 } },
      records: [STARTED, ...bad, kept(7), kept(8, { task: "again", name: "c" })],
    });
    assert.deepEqual([rejected.map(({ seq }) => seq), acknowledged.state], [[2, 3, 4, 5, 6], 8]);
    assert.deepEqual((await list(w)).map(({ name }) => name), ["a.pcap", "c"]);
    const resumed = { seq: 8, at: 1000, type: "run.resumed", lost: 0, again: ["capture"] };
    await w.send({ life: { id: "two", since: { state: 7, log: 0 } }, records: [resumed] });
    assert.deepEqual(await list(w), []);
    await w.send({ life: { id: "two", since: { state: 7, log: 0 } }, records: [kept(9, { name: "d" })] });
    assert.deepEqual((await list(w)).map(({ name }) => name), ["d"]);
  }));

test("files: of items they are listed as theirs, and stay with those that are not run anew", () =>
  withFiles(async (w) => {
    const of = (seq: number, item: number, more: object = {}) =>
      kept(seq, { task: "each", name: `${item}`, item, ...more });
    const settled = (seq: number, item: number, outcome: string, task = "each") => ({
      ...{ seq, at: 1000, type: "attempt.settled", task, iteration: 0, attempt: 1, item, outcome },
    });
    const resumed = (seq: number, more: object) => ({
      ...{ seq, at: 1000, type: "run.resumed", lost: 0, again: ["each"], ...more },
    });
    const listed = async () =>
      (await list(w)).map(({ task, name, item }) => item === undefined ? name : `${task} ${item} ${name}`);
    await w.send({ records: [STARTED, of(2, 0), of(3, 1), kept(4, { task: "each", name: "whole" })] });
    await w.send({
      records: [kept(5), settled(6, 0, "failed"), settled(7, 0, "succeeded"), settled(8, 1, "failed")],
    });
    await w.send({ records: [settled(9, 1, "succeeded", "other")] });
    assert.deepEqual(await listed(), ["each 0 0", "each 1 1", "whole", "a.pcap"]);
    await w.send({ records: [resumed(10, { missing: ["each"] }), of(11, 1, { attempt: 2 })] });
    assert.deepEqual(await listed(), ["each 0 0", "a.pcap", "each 1 1"]);
    await w.send({ records: [resumed(12, {})] });
    assert.deepEqual(await listed(), ["a.pcap"]);
    const { rejected } = await w.send({ records: [of(13, -1)] });
    assert.deepEqual(rejected.map(({ seq }) => seq), [13]);
  }));

test("files: the result of a run tells of its files, at the gateway as on the device", () =>
  withFiles(async (w) => {
    const key = { task: "capture", iteration: 0, attempt: 1 };
    const settled = { seq: 4, at: 1000, type: "attempt.settled", ...key, outcome: "succeeded" };
    const refused = { seq: 3, at: 1000, type: "file.refused", ...key, name: "b", because: "it is a folder" };
    await w.send({ records: [STARTED, kept(2), refused, settled] });
    const { tasks } = await w.json<{ tasks: Record<string, object[]> }>("/v1/runs/r/result");
    assert.deepEqual(tasks["capture"], [{
      ...{ iteration: 0, attempt: 1, outcome: "succeeded" },
      files: [{ name: "a.pcap", sha256: SHA, bytes: 7 }],
      filesRefused: [{ name: "b", because: "it is a folder" }],
    }]);
  }));

test("files: a gateway without a place, or with too little, says so in words that end the sending", async () => {
  await withFiles(async (w) => {
    await w.send({ records: [STARTED, kept(2)] });
    assert.equal(await w.code(OF()), "404 FILE_REFUSED");
    assert.deepEqual((await list(w)).map(({ here }) => here), [false]);
  }, { none: true });
  await withFiles(async (w) => {
    await w.send({ records: [STARTED, kept(2)] });
    assert.equal(await w.code(OF()), "413 FILE_REFUSED");
  }, { maxBlobBytes: 6 });
});

test("files: room is kept for all of a file, and what does not fit is refused before any of it is taken", () =>
  withFiles(async (w, folder) => {
    const [a, b] = ["a", "b"].map((each) => each.repeat(80)) as [string, string];
    const sha = (text: string) => createHash("sha256").update(text).digest("hex");
    const record = (seq: number, text: string) => kept(seq, { name: text[0], sha256: sha(text), bytes: 80 });
    await w.send({ records: [STARTED, record(2, a)] });
    await w.send({ run: "s", records: [STARTED, record(2, b)] });
    const send = (text: string, at: number, to: number, run: string) =>
      codeOf(put(w, text.slice(at, to), at, OF(sha(text), run)));
    assert.equal(await send(a, 0, 5, "r"), "200");
    assert.equal(await send(b, 0, 5, "s"), "507 STORAGE_FULL");
    assert.deepEqual(readdirSync(`${folder}/uploads`).length, 1);
    assert.equal(await send(a, 5, 80, "r"), "200", "whoever was first comes to its end");
    assert.equal(await send(b, 0, 5, "s"), "507 STORAGE_FULL");
    await w.ask("/v1/runs/r/files", { method: "DELETE" });
    assert.equal(await send(b, 0, 5, "s"), "200");
    // What is still coming goes with its run too.
    await w.send({ run: "t", records: [STARTED, record(2, a)] });
    assert.equal(await send(a, 0, 5, "t"), "507 STORAGE_FULL");
    assert.equal((await w.ask("/v1/runs/s/files", { method: "DELETE" })).status, 204);
    assert.deepEqual(readdirSync(`${folder}/uploads`), []);
    assert.equal(await send(a, 0, 5, "t"), "200");
    // Another run has it as well.
    await w.send({ run: "u", records: [STARTED, record(2, a)] });
    await w.ask("/v1/runs/t/files", { method: "DELETE" });
    assert.deepEqual(await w.json<HeldFile>(OF(sha(a), "u")), { bytes: 5, whole: false });
    assert.equal(await send(a, 5, 80, "u"), "200");
  }, { maxBytes: 100 }));

test("files: what somebody took away is not here, and can be sent again", () =>
  withFiles(async (w, folder) => {
    await w.send({ records: [STARTED, kept(2)] });
    await put(w, TEXT);
    rmSync(`${folder}/sha256/${SHA.slice(0, 2)}/${SHA}`);
    assert.equal(await w.code(`/v1/runs/r/files/${SHA}`), "404 FILE_NOT_HERE");
    assert.deepEqual(await w.json<HeldFile>(OF()), { bytes: 0, whole: false });
    assert.equal(await codeOf(put(w, TEXT)), "200");
    writeFileSync(`${folder}/uploads/stray`, "left by nobody");
    assert.equal(await w.code(`/v1/runs/r/files/${SHA}`), "200");
  }));

test("files: a name is told such that it is one header and one name, whatever is in it", () => {
  const told = (name: string) => attachment(name)["content-disposition"];
  assert.equal(
    told('"; filename=evil.html'),
    `attachment; filename="_; filename=evil.html"; filename*=UTF-8''_%3B%20filename%3Devil.html`,
  );
  assert.equal(
    told("ü'(*).pcap"),
    `attachment; filename="_'(_).pcap"; filename*=UTF-8''%C3%BC%27%28_%29.pcap`,
  );
  assert.equal(told("100%.txt"), `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`);
});
