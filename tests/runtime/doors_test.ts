/**
 * Holds that connections are bounded: whoever opens many and asks for nothing takes neither the descriptors of the process
 * nor the place of those who ask.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import test from "node:test";
import { type Door, Doors } from "../../src/runtime/doors.ts";
import { ROOT } from "../rig.ts";
import { HandClock } from "../uplink/rig.ts";

/** Doors over a server that is only said to be there. */
function world() {
  const clock = new HandClock();
  const did: string[] = [];
  const state = { used: 10, fails: false };
  const rooms: { readonly fail: () => void; readonly left: () => void }[] = [];
  const door = (name: number): Door => {
    const failed = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    rooms.push({ fail: () => failed.reject(new Error("No descriptors")), left: () => left.resolve() });
    return {
      shut: () => {
        did.push(`shut ${name}`);
        return left.promise;
      },
      close: () => Promise.resolve(void did.push(`close ${name}`)),
      failed: failed.promise,
    };
  };
  const open = () => {
    if (state.fails) return Promise.reject(new Error("Address in use"));
    did.push(`open ${rooms.length}`);
    return Promise.resolve(door(rooms.length));
  };
  const doors = new Doors(door(0), { most: 100, starving: 200, open, clock, used: () => state.used });
  const pass = async (ms: number) => {
    const until = clock.monotonic() + ms;
    for (;;) {
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      if (!clock.step(clock.now() + until - clock.monotonic())) break;
    }
    clock.reach(clock.now() + until - clock.monotonic());
  };
  return { did, state, rooms, doors, pass };
}

test("doors: a server with too many connections is shut, and opened when there is room; what is under way goes on", async () => {
  const w = world();
  await w.pass(5_000);
  assert.deepEqual(w.did, []);
  w.state.used = 101;
  await w.pass(300);
  assert.deepEqual(w.did, ["shut 0"]);
  w.state.used = 40;
  await w.pass(300);
  assert.deepEqual(w.did, ["shut 0", "open 1"]);
  await w.doors.close();
  // The one that is still answering somebody is closed with it.
  assert.deepEqual(w.did.slice(2).sort(), ["close 0", "close 1"]);
  w.state.used = 101;
  await w.pass(5_000);
  assert.equal(w.did.length, 4);
});

test("doors: descriptors that are not the server's do not keep it shut", async () => {
  const w = world();
  w.state.used = 150;
  await w.pass(14_000);
  assert.deepEqual(w.did, ["shut 0"]);
  await w.pass(2_000);
  assert.deepEqual(w.did, ["shut 0", "open 1"]);
  await w.pass(55_000);
  assert.deepEqual(w.did, ["shut 0", "open 1"]);
  await w.pass(10_000);
  assert.deepEqual(w.did, ["shut 0", "open 1", "shut 1"]);
  await w.doors.close();
});

test("doors: where the process would starve, those who are being answered are broken off too, and nobody is let in", async () => {
  const w = world();
  w.state.used = Infinity;
  await w.pass(200);
  assert.deepEqual(w.did, ["shut 0"]);
  await w.pass(300);
  assert.equal(w.did[1], "close 0");
  await w.pass(20_000);
  assert.ok(!w.did.includes("open 1"));
  w.state.used = 50;
  await w.pass(100);
  assert.ok(w.did.includes("open 1"));
  await w.doors.close();
});

test("doors: a server that fails is opened anew, again and again until it can be", async () => {
  const w = world();
  w.state.fails = true;
  w.rooms[0]!.fail();
  await w.pass(10_000);
  assert.deepEqual(w.did, ["shut 0"]);
  w.state.fails = false;
  await w.pass(100);
  assert.deepEqual(w.did, ["shut 0", "open 1"]);
  w.rooms[0]!.left();
  await w.pass(100);
  await w.doors.close();
  assert.deepEqual(w.did, ["shut 0", "open 1", "close 1"]);
});

const SERVER = `
const { runtime } = await import(${
  JSON.stringify(new URL("../../src/runtime/runtime.ts", import.meta.url).href)
});
const { readFileSync } = await import("node:fs");
let pieces = 0;
const slow = () => new ReadableStream({
  async pull(controller) {
    await new Promise((done) => setTimeout(done, 50));
    if (globalThis.over) controller.close();
    else controller.enqueue(new TextEncoder().encode("."));
  },
});
const served = await runtime.serve({
  port: 0,
  fetch: (request) => {
    if (request.url.endsWith("/over")) globalThis.over = true;
    return new Response(request.url.endsWith("/slow") ? slow() : "ok");
  },
});
console.log(served.url);
// What a run does beside it: it opens files, and waits if it can't.
let failed = false;
setInterval(() => {
  try {
    readFileSync("/dev/null");
    if (failed) console.log("again");
    failed = false;
  } catch {
    failed = true;
  }
}, 10);
process.on("SIGTERM", () => served.close().then(() => process.exit(0)));
`;

/** Starts the server with few descriptors, where that can be said. */
function startServer(): ChildProcess {
  const before = "Deno" in globalThis ? ["eval"] : ["--input-type=module", "-e"];
  const bun = "Bun" in globalThis;
  const program = bun ? ["-e", SERVER] : [...before, SERVER];
  const args = ["-c", 'ulimit -n 128 && exec "$@"', "sh", process.execPath, ...program];
  return spawn("sh", args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
}

/** A connection that asks for nothing, once the system has made or refused it. */
function idle(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  return new Promise((done) => {
    socket.on("error", () => done(socket));
    socket.on("connect", () => done(socket));
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((done) => socket.destroyed ? done() : socket.resume().on("close", () => done()));
}

/** Asks until there is an answer. */
async function asked(url: string): Promise<string> {
  for (;;) {
    try {
      const { promise, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new Error("Late")), 10_000);
      const answer = await Promise.race([fetch(url, { headers: { connection: "close" } }), promise])
        .finally(() => clearTimeout(timer));
      return await answer.text();
    } catch {
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

test("doors: with few descriptors and many connections that ask for nothing the process lives, and answers again", async () => {
  const server = startServer();
  try {
    const ended = once(server, "exit");
    const [line] = await once(server.stdout!.setEncoding("utf8"), "data") as [string];
    const url = line.trim();
    const port = Number(new URL(url).port);
    const reading = await fetch(`${url}/slow`);
    const text = reading.text().catch(() => "broken off");
    const flood = await Promise.all(Array.from({ length: 300 }, () => idle(port)));
    // They are let go without a word of theirs; on Bun that may take it 12 s.
    if (!("Bun" in globalThis)) await Promise.race(flood.map(closed));
    assert.equal(server.exitCode, null);
    for (const socket of flood) socket.destroy();
    assert.equal(await asked(`${url}/over`), "ok");
    // Whoever was being answered all the while has lost nothing, but on Bun, where there is no other way to make room at once.
    assert.match(await text, "Bun" in globalThis ? /^(\.+|broken off)$/ : /^\.+$/);
    process.kill(server.pid!, "SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    server.kill("SIGKILL");
  }
});
