/** `outrider gateway`: where its token comes from, and that no oversight opens it to others. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { runCli, startCli, urlOf, withFiles } from "../rig.ts";
import { bytesOf, digestOf } from "./registry_rig.ts";

const GATEWAY = ["gateway", "--port", "0", "--db", "g.db"];
const ENV = { OUTRIDER_GATEWAY_TOKEN: "from-the-environment" };

test("gateway: its token comes from the environment or a file, and is told nowhere", async () => {
  await withFiles({ "token.txt": "from-a-file\n" }, async (cwd) => {
    for (
      const [token, args] of [["from-the-environment"], ["from-a-file", "--token-file", "token.txt"]].map(
        ([first, ...rest]) => [first!, rest] as const,
      )
    ) {
      const gateway = startCli([...GATEWAY, ...args], { cwd, env: ENV });
      // It comes by another pipe than what is said, and may come after it.
      const printed = new Promise<string>((told) => gateway.child.stdout!.once("data", told));
      await gateway.says("with a token; Ctrl-C ends it");
      const url = (await printed).trim();
      const status = async (authorization: string) =>
        (await fetch(`${url}/v1/runs`, { headers: { authorization } })).status;
      assert.deepEqual(await Promise.all([status(`Bearer ${token}`), status("Bearer other")]), [200, 401]);
      gateway.kill("SIGTERM");
      const { code, stdout, stderr } = await gateway.ended;
      assert.equal(code, 0, stderr);
      assert.ok(!(stdout + stderr).includes(token));
    }
    assert.equal(statSync(join(cwd, "g.db")).mode & 0o077, 0);
    // From now on the database holds a token, so that a start without one would let in who was kept out.
    const open = await runCli(GATEWAY, { cwd });
    assert.equal(open.code, 2);
    assert.match(open.stderr, /holds tokens.*OUTRIDER_GATEWAY_TOKEN/);
    assert.equal(open.stdout, "");
  });
});

test("gateway: a token that can't be had is told, and other machines are let in with one alone", async () => {
  await withFiles({ "empty.txt": "\n" }, async (cwd) => {
    const cases: [RegExp, readonly string[], Readonly<Record<string, string>>][] = [
      [/--token-file none\.txt can't be read/, ["--token-file", "none.txt"], {}],
      [/The token is empty: leave OUTRIDER_GATEWAY_TOKEN unset/, ["--token-file", "empty.txt"], ENV],
      [/--token and --token-file: one of them is enough/, ["--token", "a", "--token-file", "empty.txt"], {}],
      [/--host 0\.0\.0\.0 lets other machines in/, ["--host", "0.0.0.0"], { OUTRIDER_GATEWAY_TOKEN: "" }],
      [/--host 127\.0\.0\.1\.example\.org lets other machines in/, ["--host", "127.0.0.1.example.org"], {}],
    ];
    await Promise.all(cases.map(async ([message, args, env]) => {
      const { code, stderr, stdout } = await runCli([...GATEWAY, ...args], { cwd, env });
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, message);
    }));
  });
});

test("gateway: a database is served by one at a time, and nothing is put back beneath it", () =>
  withFiles({}, async (cwd) => {
    const first = startCli(GATEWAY, { cwd });
    await urlOf(first);
    const second = await runCli(GATEWAY, { cwd });
    assert.deepEqual([second.code, second.stdout], [2, ""], second.stderr);
    assert.match(second.stderr, /Another gateway serves g\.db/);
    const copied = await runCli(["gateway", "--db", "g.db", "--backup", "copy"], { cwd });
    assert.equal(copied.code, 0, copied.stderr);
    for (const name of readdirSync(cwd).filter((name) => /^g\.db(-|$)/.test(name))) {
      renameSync(join(cwd, name), join(cwd, `old-${name}`));
    }
    const RESTORE = ["gateway", "--db", "g.db", "--restore", "copy"];
    const under = await runCli(RESTORE, { cwd });
    assert.deepEqual([under.code, existsSync(join(cwd, "g.db"))], [2, false], under.stderr);
    assert.match(under.stderr, /Another gateway serves g\.db/);
    // The lock goes with the process, however that ends.
    first.kill("SIGKILL");
    await first.ended;
    const put = await runCli(RESTORE, { cwd });
    assert.equal(put.code, 0, put.stderr);
    const third = startCli(GATEWAY, { cwd });
    await urlOf(third);
    third.kill("SIGTERM");
    assert.equal((await third.ended).code, 0);
    const nowhere = await runCli(["gateway", "--port", "0", "--db", "none/g.db"], { cwd });
    assert.match(nowhere.stderr, /none\/g\.db.* can't be .*: check that the folder is there/);
    assert.equal(nowhere.code, 2);
  }));

test("gateway: killed in the midst of an upload it goes on with it at its next start", () =>
  withFiles({}, async (cwd) => {
    const content = bytesOf(3_000_000);
    const first = startCli(GATEWAY, { cwd });
    const url = await urlOf(first);
    const begun = await fetch(`${url}/v2/env/blobs/uploads/`, { method: "POST" });
    const path = begun.headers.get("location")!;
    await fetch(url + path, { method: "PATCH", body: content.slice(0, 1_000_000) });
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        controller.enqueue(content.slice(1_000_000, 1_500_000));
        return new Promise(() => {});
      },
    }, { highWaterMark: 0 });
    const sent = fetch(url + path, { method: "PATCH", body, duplex: "half" } as RequestInit);
    const broken = assert.rejects(sent);
    const size = () => statSync(join(cwd, "g.db.registry/uploads", path.split("/").at(-1)!)).size;
    while (size() < 1_400_000) await new Promise((next) => setTimeout(next, 5));
    first.kill("SIGKILL");
    await Promise.all([first.ended, broken]);

    const again = startCli(GATEWAY, { cwd });
    const address = await urlOf(again);
    const last = /^0-(\d+)$/.exec((await fetch(address + path)).headers.get("range")!)![1];
    const at = Number(last) + 1;
    assert.ok(at >= 1_400_000 && at <= 1_500_000, `${last}`);
    const put = await fetch(`${address}${path}?digest=${digestOf(content)}`, {
      method: "PUT",
      body: content.slice(at),
      headers: { "content-range": `${at}-${content.length - 1}` },
    });
    assert.equal(put.status, 201, await put.text());
    const got = await fetch(`${address}/v2/env/blobs/${digestOf(content)}`);
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), content);
    assert.deepEqual(readdirSync(join(cwd, "g.db.registry/uploads")), []);
    assert.equal(statSync(join(cwd, "g.db.registry")).mode & 0o077, 0);
    again.kill("SIGTERM");
    assert.equal((await again.ended).code, 0);
  }));
