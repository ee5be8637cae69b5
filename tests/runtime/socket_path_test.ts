/** What is at the path of a Unix socket: nothing but a socket that nobody listens on is ever taken away. */
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { runtime } from "../../src/runtime/runtime.ts";
import { listenAtPath } from "../../src/runtime/socket_path.ts";
import { withFiles } from "../rig.ts";

const hello = () => new Response("hello");

/** Listens as a program of somebody else would. */
async function listening(path: string): Promise<Server & { closed(): Promise<void> }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((done) => server.listen(path, done));
  return Object.assign(server, { closed: () => new Promise<void>((done) => server.close(() => done())) });
}

/** A socket whose process was killed. */
async function dead(path: string): Promise<void> {
  const server = await listening(`${path}.x`);
  renameSync(`${path}.x`, path);
  await server.closed();
}

async function says(path: string): Promise<string> {
  const answer = await runtime.askSocket({ socket: path, path: "/", method: "GET", headers: {} });
  return await answer.text();
}

async function refused(path: string, message: RegExp): Promise<void> {
  await assert.rejects(runtime.serve({ fetch: hello, path }), { code: "OUTRIDER_SERVE", message });
}

test("a socket's path in a folder that is not there is refused in the same words everywhere", async () => {
  await withFiles({ "file": "" }, async (folder) => {
    for (const name of ["none", "file"]) {
      const path = join(folder, name, "o.sock");
      await refused(path, new RegExp(`there is no folder .*${name}: make it, or choose another path$`));
    }
    assert.deepEqual(readdirSync(folder), ["file"]);
  });
});

test("a file, a folder and a link at a socket's path are left as they are, and the error says so", async () => {
  await withFiles({ "file.sock": "precious", "empty.sock": "" }, async (folder) => {
    const at = (name: string) => join(folder, name);
    await refused(
      at("file.sock"),
      /^Could not listen on .*file\.sock: there is a file, which is left as it is/,
    );
    await refused(at("empty.sock"), /there is a file/);
    assert.equal(readFileSync(at("file.sock"), "utf8"), "precious");
    mkdirSync(at("folder.sock"));
    await refused(at("folder.sock"), /there is a folder/);
    for (
      const [link, to] of [["to_file", "file.sock"], ["to_nothing", "none"], ["to_dead", "dead"]] as const
    ) {
      if (to === "dead") await dead(at(to));
      symlinkSync(at(to), at(link));
      await refused(at(link), /there is a link/);
      assert.ok(lstatSync(at(link)).isSymbolicLink());
    }
    assert.ok(lstatSync(at("dead")).isSocket());
    assert.equal(existsSync(at("none")), false);
    assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith(".")), []);
  });
});

test("a live socket of another process is left, a dead one is replaced, and only its user may ask there", async () => {
  await withFiles({}, async (folder) => {
    const path = join(folder, "o.sock");
    const other = await listening(path);
    const { ino } = lstatSync(path);
    await refused(path, /another process has it/);
    assert.equal(lstatSync(path).ino, ino);
    await other.closed();
    rmSync(path, { force: true });
    await dead(path);
    const served = await runtime.serve({ fetch: hello, path });
    assert.equal(await says(path), "hello");
    assert.equal(lstatSync(path).mode & 0o777, 0o600);
    await served.close();
    assert.deepEqual(readdirSync(folder), []);
  });
});

test("of many that start at a dead socket at once one gets the path, and can be asked there", async () => {
  await withFiles({}, async (folder) => {
    const path = join(folder, "race.sock");
    for (let round = 0; round < 5; round++) {
      await dead(path);
      const starts = await Promise.allSettled(
        Array.from({ length: 6 }, (_, at) => runtime.serve({ fetch: () => new Response(`${at}`), path })),
      );
      const winner = starts.findIndex(({ status }) => status === "fulfilled");
      assert.equal(starts.filter(({ status }) => status === "fulfilled").length, 1);
      assert.equal(await says(path), `${winner}`);
      for (const start of starts) {
        if (start.status === "fulfilled") await start.value.close();
        else assert.match(String(start.reason), /another process has it/);
      }
      assert.deepEqual(readdirSync(folder), []);
    }
  });
});

test("what comes to the path while a server starts, or is there when it ends, is left as it is", async () => {
  await withFiles({}, async (folder) => {
    const path = join(folder, "o.sock");
    let closed = 0;
    const listen = async (own: string) => {
      const server = await listening(own);
      writeFileSync(path, "precious");
      return { close: () => (closed++, server.closed()) };
    };
    await assert.rejects(listenAtPath(path, listen), { code: "OUTRIDER_SERVE", message: /has it/ });
    assert.equal(closed, 1);
    assert.equal(readFileSync(path, "utf8"), "precious");
    rmSync(path);
    const served = await runtime.serve({ fetch: hello, path });
    rmSync(path);
    writeFileSync(path, "mine");
    await served.close();
    assert.equal(readFileSync(path, "utf8"), "mine");
    rmSync(path);
    const first = await runtime.serve({ fetch: hello, path });
    rmSync(path);
    const second = await runtime.serve({ fetch: () => new Response("second"), path });
    await first.close();
    assert.equal(await says(path), "second");
    await second.close();
    assert.deepEqual(readdirSync(folder), []);
  });
});

test("a path as long as the system takes is served", async () => {
  await withFiles({}, async (folder) => {
    const path = join(folder, "x".repeat(Math.max(10, 103 - folder.length - 1)));
    const served = await runtime.serve({ fetch: hello, path });
    assert.equal(await says(path), "hello");
    await served.close();
    await assert.rejects(runtime.serve({ fetch: hello, path: join(folder, "x".repeat(150)) }), {
      code: "OUTRIDER_SERVE",
    });
    assert.deepEqual(readdirSync(folder), []);
  });
});
