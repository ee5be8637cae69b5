/** Files that somebody else has made, and a system without room: what is read, what waits, and what is said. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { withRoom } from "../../src/base/room.ts";
import type { RunResult } from "../../src/model/result.ts";
import { Program } from "../../src/pool/kinds/program.ts";
import type { LaneOutcome } from "../../src/pool/attempt.ts";
import { loadPlan } from "../../src/run/loading.ts";
import { cacheFolder, stateFolder } from "../../src/runtime/disk.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { ROOT, withFiles } from "../rig.ts";
import { only, see } from "../run/rig.ts";
import { itemOf } from "../pool/item.ts";

test("files: a FIFO, a device, a folder and more than the bound are refused at once, in words", () =>
  withFiles({ text: "\uFEFFaé€😀", large: "" }, async (folder) => {
    const path = (name: string) => join(folder, name);
    execFileSync("mkfifo", [path("fifo")]);
    symlinkSync("/dev/zero", path("endless"));
    truncateSync(path("large"), 1024 ** 3);
    await assert.rejects(runtime.readText(path("fifo")), /no regular file but a pipe/);
    await assert.rejects(runtime.readText(path("endless")), /no regular file/);
    await assert.rejects(runtime.readText(folder), { code: "EISDIR" });
    await assert.rejects(runtime.readText(path("gone")), { code: "ENOENT" });
    await assert.rejects(runtime.readText(path("large")), /has 1073741824 bytes, and no more than 268435456/);
    await assert.rejects(runtime.readText(path("text"), 5), /no more than 5 bytes/);
    assert.equal(await runtime.readText(path("text")), "\uFEFFaé€😀");
    writeFileSync(path("latin1"), Uint8Array.of(0x61, 0x0a, 0xe9, 0x62));
    await assert.rejects(runtime.readText(path("latin1")), {
      code: "OUTRIDER_UTF8",
      message: "it is not UTF-8: the byte 0xe9 at line 2, column 1 is no character; save it as UTF-8",
    });
    assert.equal(await runtime.readText(path("latin1"), undefined, "loose"), "a\n\uFFFDb");
    // A file whose size the system does not say.
    if (process.platform === "linux") {
      assert.match(await runtime.readText("/proc/self/status"), /^Name:/);
      await assert.rejects(runtime.readText("/proc/self/status", 10), /no more than 10 bytes/);
    }
  }));

test("files: a folder is made with those above it, and refused where none can be, below /proc too", () =>
  withFiles({ file: "" }, async (folder) => {
    const path = (name: string) => join(folder, name);
    const mode = (name: string) => statSync(path(name)).mode & 0o777;
    await runtime.makeFolder(path("a/b/c/"), 0o700);
    assert.deepEqual(["a", "a/b", "a/b/c"].map(mode), [0o700, 0o700, 0o700]);
    await Promise.all([1, 2, 3].map((at) => runtime.makeFolder(path(`d/e/${at}`))));
    await runtime.makeFolder(path("a/b"));
    await runtime.makeFolder(path("a"), 0o755);
    assert.deepEqual(["a", "a/b"].map(mode), [0o755, 0o700]);
    await runtime.makeFolder("/");
    await assert.rejects(runtime.makeFolder(path("file")), { code: "EEXIST" });
    await assert.rejects(runtime.makeFolder(path("file/below/it")), { code: "ENOTDIR" });
    if (process.platform === "linux") {
      await assert.rejects(runtime.makeFolder("/proc/nope/below/it"), /\/proc\/nope/);
    }
  }));

test("files: a pipeline in another encoding is refused with the place, whether JSON, a module, or a module of a task", () =>
  withFiles(
    { "p.json": '{"outrider":1,"name":"p","tasks":{"a":{"run":{"module":"./t.js","export":"a"}}}}' },
    async (folder) => {
      const path = (name: string) => join(folder, name);
      const latin1 = (text: string) => Uint8Array.from(text, (each) => each.charCodeAt(0));
      const place = /it is not UTF-8: the byte 0xe9 at line 1, column \d+ is no character/;
      writeFileSync(path("t.js"), latin1('export const a = () => "caf\xe9";'));
      writeFileSync(path("q.json"), latin1('{"outrider":1,"name":"caf\xe9","tasks":{"a":{}}}'));
      writeFileSync(path("q.js"), latin1('throw new Error("caf\xe9")'));
      for (const name of ["p.json", "q.json", "q.js"]) {
        await assert.rejects(loadPlan(path(name)), { message: place });
      }
    },
  ));

test("files: a program's value is read from a regular file of bounded size alone", async () => {
  const value = (script: string) => ({ run: { command: ["sh", "-c", script] }, timeout: "20s" });
  const seen = await see({
    outrider: 1,
    name: "values",
    onFailure: "continue",
    tasks: {
      fifo: value('mkfifo "$OUTRIDER_OUTPUT"'),
      endless: value('ln -s /dev/zero "$OUTRIDER_OUTPUT"'),
      // Beyond what any value may have, whichever characters it is of.
      large: value('dd if=/dev/zero of="$OUTRIDER_OUTPUT" bs=1 count=0 seek=300000000 2> /dev/null'),
    },
  });
  for (const task of ["fifo", "endless"]) {
    const { outcome, error } = only(seen.result, task);
    assert.equal(outcome, "failed");
    assert.match(error!.message, /OUTRIDER_OUTPUT can't be read: it is no regular file/);
  }
  assert.match(only(seen.result, "large").error!.message, /it has 300000000 bytes, and no more than/);
});

test("files: a program whose value does not come within its timeout is timed out", async () => {
  const ended = Promise.withResolvers<LaneOutcome>();
  new Program({
    clock: systemClock,
    lane: 1,
    item: itemOf(0, {
      timeoutMs: 1_200,
      payload: JSON.stringify({ t: "t", r: { command: ["sh", "-c", 'echo 1 > "$OUTRIDER_OUTPUT"'] } }),
    }),
    runtime: { ...runtime, readText: () => new Promise<string>(() => {}) },
    environment: { PATH: process.env["PATH"]! },
    killGraceMs: 10,
    mark: runtime.newMark(),
    printed: () => {},
    settled: ended.resolve,
  });
  const outcome = await ended.promise;
  assert.equal(outcome.outcome, "timed_out");
  assert.match(outcome.because!, /longer than its timeout of 1.2 s/);
});

test("room: what finds no room is tried again until there is some, it is not wanted, or a minute is over", async () => {
  let at = 0;
  const clock = {
    now: () => 0,
    monotonic: () => at,
    stampOffset: () => 0,
    after(ms: number, act: () => void) {
      at += ms;
      queueMicrotask(act);
      return () => {};
    },
  };
  const none = (code: string) => new Error("outer", { cause: Object.assign(new Error("no room"), { code }) });
  let tries = 0;
  const third = await withRoom(
    clock,
    () => ++tries < 3 ? Promise.reject(none("EMFILE")) : Promise.resolve(tries),
    () => true,
  );
  assert.equal(third, 3);
  await assert.rejects(withRoom(clock, () => Promise.reject(none("EAGAIN")), () => true), /outer/);
  assert.ok(at > 60_000 && at < 61_000, String(at));
  at = 0;
  await assert.rejects(withRoom(clock, () => Promise.reject(none("ENFILE")), () => false), /outer/);
  await assert.rejects(withRoom(clock, () => Promise.reject(none("ENOENT")), () => true), /outer/);
  assert.equal(at, 0);
});

test("room: with few file descriptors programs wait for their turn, and none is lost", () =>
  withFiles({
    "many.json": {
      outrider: 1,
      name: "many",
      tasks: Object.fromEntries(
        Array.from(
          { length: 60 },
          (_, at) => [`p${at}`, { run: { command: ["sh", "-c", "sleep 0.1; echo hi"] } }],
        ),
      ),
    },
  }, async (folder) => {
    const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const cli = [
      process.execPath,
      ...before,
      join(ROOT, "src/cli/main.ts"),
      "run",
      join(folder, "many.json"),
      "--json",
    ];
    const group = runtime.startGroup({
      command: ["sh", "-c", 'ulimit -n 100; exec "$@" > result.json', "sh", ...cli],
      cwd: folder,
      env: process.env as Record<string, string>,
      stdin: "",
      onOutput: () => {},
    });
    const { code } = await group.ended;
    await group.drained;
    group.release();
    assert.equal(code, 0);
    const { tasks } = JSON.parse(await runtime.readText(join(folder, "result.json"))) as RunResult;
    assert.equal(Object.values(tasks).filter(([attempt]) => attempt!.outcome === "succeeded").length, 60);
  }));

test("room: without a file descriptor left a program can't be started, in words, and nothing is thrown", async () => {
  if (process.platform !== "linux") return;
  // The limit may be a million; what is to be proven is that the end of it is met, so a process of its own has a low one.
  const script = `
    import { openSync, closeSync } from "node:fs";
    import { runtime } from ${JSON.stringify(new URL("../../src/runtime/runtime.ts", import.meta.url).href)};
    await import(${JSON.stringify(new URL("../../src/runtime/files.ts", import.meta.url).href)});
    const held = [];
    const end = (code) => { for (const file of held) closeSync(file); console.log(code); process.exit(0); };
    try { for (;;) held.push(openSync("/dev/null")); } catch {}
    const group = runtime.startGroup({ command: ["sleep", "0"], cwd: "/", env: {}, stdin: "", onOutput() {} });
    const memory = runtime.memoryBytes();
    const thread = runtime.startThread({ code: "", data: {} });
    const gone = await new Promise((end) => thread.onEnd(end));
    const { error } = await group.ended;
    const child = runtime.startSelf([], {});
    const own = await child.ended;
    end(JSON.stringify([error.message, memory === undefined || memory > 0, String(gone.error.code), own.error !== undefined]));
  `;
  await withFiles({ "full.mjs": script }, async (folder) => {
    const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const limited = [
      "-c",
      'ulimit -n 100; exec "$@"',
      "sh",
      process.execPath,
      ...before,
      join(folder, "full.mjs"),
    ];
    let tried = spawnSync("sh", limited, { encoding: "utf8" });
    // Deno's own threads panic now and then when they find no descriptor, whoever has taken them.
    for (let again = 0; again < 9 && /panicked at/.test(tried.stderr); again++) {
      tried = spawnSync("sh", limited, { encoding: "utf8" });
    }
    assert.equal(tried.status, 0, tried.stderr);
    const out = tried.stdout;
    const [message, told, code, own] = JSON.parse(out) as [string, boolean, string, boolean];
    assert.match(
      message,
      /^Could not start "sleep": the system has no room for another program \(EMFILE\): run fewer/,
    );
    assert.deepEqual([told, code, own], [true, "EMFILE", true]);
  });
});

test("files: a large one is read and written piece by piece, at any place, and told of", () =>
  withFiles({ there: "0123456789" }, async (folder) => {
    const path = (name: string) => join(folder, name);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const file = await runtime.openFile(path("there"), "write");
    assert.equal(await file.size(), 10);
    await file.write(8, new TextEncoder().encode("abcd"));
    await file.cut(11);
    await file.sync();
    assert.deepEqual([
      text(await file.read(7, 3)),
      text(await file.read(9, 50)),
      (await file.read(11, 1)).length,
    ], [
      "7ab",
      "bc",
      0,
    ]);
    await file.close();
    const made = await runtime.openFile(path("made"), "write", 0o600);
    await made.close();
    await runtime.syncFolder(folder);
    assert.deepEqual(await runtime.about(path("there")), { size: 11, isFile: true, isFolder: false });
    assert.equal((await runtime.about(folder))?.isFolder, true);
    assert.equal(await runtime.about(path("there/none")), undefined);
    assert.equal(await runtime.about(path("none")), undefined);
    await assert.rejects(runtime.openFile(path("none"), "read"), { code: "ENOENT" });
    execFileSync("mkfifo", [path("fifo")]);
    await assert.rejects(runtime.openFile(path("fifo"), "read"), { code: "EINVAL" });
    const digest = await runtime.sha256();
    for (const piece of ["a", "", "bc"]) digest.update(new TextEncoder().encode(piece));
    assert.equal(digest.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }));

test("files: this user's folders are those that the environment names, or below the home", () => {
  const env = (given: Readonly<Record<string, string>>) => (name: string) => given[name];
  const named = env({ HOME: "/home/a", XDG_CACHE_HOME: "/caches", XDG_STATE_HOME: "/states" });
  assert.deepEqual([cacheFolder(named), stateFolder(named)], ["/caches/outrider", "/states/outrider"]);
  const below = process.platform === "darwin"
    ? ["/home/a/Library/Caches/outrider", "/home/a/Library/Application Support/outrider"]
    : ["/home/a/.cache/outrider", "/home/a/.local/state/outrider"];
  for (const other of [{}, { XDG_CACHE_HOME: "caches", XDG_STATE_HOME: "" }]) {
    const given = env({ HOME: "/home/a", ...other });
    assert.deepEqual([cacheFolder(given), stateFolder(given)], below);
  }
});
