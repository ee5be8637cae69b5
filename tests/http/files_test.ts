/** Files of a run over HTTP: listed, fetched to be saved and never shown, and nothing of a reader that leaves stays open. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { HandRun, TOKEN, world } from "./rig.ts";

function keep(run: HandRun, name: string, bytes: Uint8Array<ArrayBuffer>): string {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  run.bytes.set(sha256, bytes);
  run.kept.push({ name, sha256, bytes: bytes.length, task: "first", iteration: 0, attempt: 1 });
  return sha256;
}

const AS = { headers: { authorization: `Bearer ${TOKEN}` } };

test("files: they are listed and fetched, as an attachment that nothing takes for a page", async () => {
  const run = new HandRun();
  const { app } = world({}, run);
  const bytes = new Uint8Array(200_000).fill(7);
  const sha256 = keep(run, "<script>.html", bytes);
  const empty = keep(run, "empty", new Uint8Array(0));
  const { files } = await (await app.request("/files", AS)).json() as { files: typeof run.kept };
  assert.deepEqual(files, run.kept);
  const answer = await app.request(`/files/${sha256}`, AS);
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
  const headers = [
    "content-type",
    "content-disposition",
    "content-length",
    "x-content-type-options",
    "content-security-policy",
  ];
  assert.deepEqual(headers.map((name) => answer.headers.get(name)), [
    "application/octet-stream",
    `attachment; filename="_script_.html"; filename*=UTF-8''_script_.html`,
    "200000",
    "nosniff",
    "default-src 'none'; sandbox",
  ]);
  const nothing = await app.request(`/files/${empty}`, AS);
  assert.deepEqual([nothing.status, (await nothing.arrayBuffer()).byteLength], [200, 0]);
  assert.equal(run.opened, 0);
});

test("files: without a token, under another name, or when it is gone, there is nothing", async () => {
  const run = new HandRun();
  const { app } = world({}, run);
  const sha256 = keep(run, "a", new Uint8Array(3));
  const codes = async (path: string, init: RequestInit = AS) => {
    const answer = await app.request(path, init);
    return `${answer.status} ${(await answer.json() as { error: { code: string } }).error.code}`;
  };
  assert.match(await codes(`/files/${sha256}`, {}), /^401 /);
  assert.match(await codes("/files", {}), /^401 /);
  assert.equal(await codes("/files/..%2F..%2Fetc%2Fpasswd"), "400 DIGEST");
  assert.equal(await codes(`/files/${sha256.toUpperCase()}`), "400 DIGEST");
  assert.equal(await codes(`/files/${"0".repeat(64)}`), "404 NO_FILE");
  run.bytes.clear();
  assert.equal(await codes(`/files/${sha256}`), "404 FILE_GONE");
});

test("files: a reader that leaves, and one that only asks for the head, keep nothing open", async () => {
  const run = new HandRun();
  const { app } = world({}, run);
  const sha256 = keep(run, "a", new Uint8Array(1_000_000));
  const reader = (await app.request(`/files/${sha256}`, AS)).body!.getReader();
  await reader.read();
  assert.equal(run.opened, 1);
  await reader.cancel();
  const head = await app.request(`/files/${sha256}`, { ...AS, method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "1000000"]);
  await new Promise((done) => setTimeout(done, 0));
  assert.equal(run.opened, 0);
});
