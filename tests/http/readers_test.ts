/** Readers of answers that go on: those that read nothing, go away, or ask for the head alone, cost next to nothing. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import test from "node:test";
import { gathered, PAGE_SIZE, readerStream, Room } from "../../src/base/reader_stream.ts";
import { Opened } from "../../src/base/web/opened.ts";
import { ROOM_SIZE } from "../../src/http/port.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { HandRun, StreamReader, TOKEN, world } from "./rig.ts";
import { HandClock } from "../store/hand_clock.ts";

const NDJSON = { headers: { accept: "application/x-ndjson" } };
const STREAMS = [
  "/logs?follow=1",
  "/records?follow=1&values=1",
  "/events?follow=1",
  "/store/watch",
  "/result",
];

/** A clock that stands still. */
function still(): HandClock & { monotonic(): number } {
  return Object.assign(new HandClock(0), { monotonic: () => 0 });
}

function stream(texts: () => AsyncGenerator<string, void, undefined>, failed?: (error: unknown) => void) {
  const clock = still();
  let overs = 0;
  const { signal } = new AbortController();
  const body = readerStream({
    texts: texts(),
    stallMs: 60_000,
    clock,
    signal,
    over: () => void overs++,
    failed,
  });
  return { clock, body, overs: () => overs };
}

async function* endless() {
  for (;;) yield "x".repeat(PAGE_SIZE);
}

test("a reader that takes nothing for the time is broken off, also one that never read at all", async () => {
  const unread = stream(endless);
  unread.clock.advance(60_000);
  assert.equal(unread.overs(), 1);
  await assert.rejects(unread.body.getReader().read());
  const { clock, body, overs } = stream(endless);
  const reader = body.getReader();
  for (let count = 0; count < 3; count++) {
    assert.equal((await reader.read()).value!.length, PAGE_SIZE);
    clock.advance(59_999);
    assert.equal(overs(), 0, "it is reading");
  }
  clock.advance(1);
  assert.equal(overs(), 1);
  await assert.rejects(reader.read());
  assert.equal(clock.timers, 0);
});

test("a stream is over once, whatever ends it, and waits for news are no stall", async () => {
  const told: unknown[] = [];
  const ended = stream(() => gathered(["a", "b"]));
  assert.equal(await new Response(ended.body).text(), "ab");
  const left = stream(endless);
  await left.body.cancel();
  const broken = stream(async function* () {
    yield "a";
    throw new Error("torn");
  }, (error) => told.push(error));
  await assert.rejects(new Response(broken.body).text());
  assert.match(String(told), /torn/);
  for (const { clock, overs } of [ended, left, broken]) {
    assert.equal(overs(), 1);
    assert.equal(clock.timers, 0);
  }
  const news = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const waiting = stream(async function* () {
    asked.resolve();
    await news.promise;
    yield "news";
  });
  const read = waiting.body.getReader().read();
  await asked.promise;
  waiting.clock.advance(600_000);
  news.resolve();
  assert.equal(new TextDecoder().decode((await read).value), "news");
});

test("a large text leaves in slices, and none is cut through a character", async () => {
  const text = `${"x".repeat(PAGE_SIZE - 1)}🛰${"y".repeat(PAGE_SIZE)}`;
  const reader = stream(() => gathered([text])).body.getReader();
  let read = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    assert.ok(next.value.length <= PAGE_SIZE * 3);
    read += new TextDecoder("utf-8", { fatal: true }).decode(next.value);
  }
  assert.equal(read, text);
});

test("texts larger than a page are held by few readers at a time, in turn; one that goes away makes way", async () => {
  const room = new Room(10 * PAGE_SIZE);
  const go = new AbortController();
  const text = "x".repeat(4 * PAGE_SIZE);
  let made = 0;
  const hold = (signal: AbortSignal) => room.hold(() => ({ text, count: ++made }), signal);
  const [first, second] = [await hold(go.signal), await hold(go.signal)];
  const gone = new AbortController();
  const [third, fourth] = [hold(gone.signal), hold(go.signal)];
  assert.ok((await room.hold(() => ({ text: "small" }), go.signal)) !== undefined, "small ones need no room");
  assert.equal(room.held, 8 * PAGE_SIZE);
  gone.abort();
  assert.equal(await third, undefined);
  first!.leave();
  const held = await fourth;
  assert.equal(room.held, 8 * PAGE_SIZE);
  assert.equal(held!.made.count, made, "made anew, after the wait");
  second!.leave();
  held!.leave();
  assert.equal(room.held, 0);
  const huge = await room.hold(() => ({ text: "x".repeat(20 * PAGE_SIZE) }), go.signal);
  assert.ok(huge !== undefined, "one that is larger than the room is held alone");
});

/** A run with much of everything. */
function full(): HandRun {
  const run = new HandRun();
  const large = "x".repeat(20_000);
  for (let count = 0; count < 40; count++) {
    run.say(large, { task: "first" });
    run.events.emit("e", JSON.stringify(large));
    run.store.set(`k${count}`, JSON.stringify(large), {});
    run.journal.append(
      { type: "store.changed", key: `k${count}`, value: JSON.stringify(large), version: 1 },
      5,
    );
  }
  return run;
}

test("http: what one reader has waiting for it is bounded, and all of it comes in the end", async () => {
  const run = full();
  const { ask } = world({}, run);
  for (const path of STREAMS) {
    const answer = await ask(path, NDJSON);
    let text = "";
    const reader = answer.body!.getReader();
    const decoder = new TextDecoder();
    const all = path === "/result" ? 1 : 40;
    while (path === "/result" ? text === "" : text.split("\n").filter(Boolean).length < all) {
      const { value, done } = await reader.read();
      if (done) break;
      assert.ok(value.length <= 3 * PAGE_SIZE, `${path}: ${value.length}`);
      text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
  }
  run.end();
});

test("http: a single large record reaches its reader whole", async () => {
  const run = new HandRun();
  const large = JSON.stringify("y".repeat(600_000));
  run.events.emit("e", large);
  run.say("z".repeat(500_000));
  run.end();
  const { ask } = world({}, run);
  assert.equal(JSON.parse((await (await ask("/events", NDJSON)).text()).trim()).detail.length, 600_000);
  assert.equal(JSON.parse((await (await ask("/logs", NDJSON)).text()).trim()).text.length, 500_000);
});

test("http: the room that large texts take is given back, by who reads to the end and by who leaves half way", async () => {
  for (const path of STREAMS.slice(0, -1)) {
    const run = new HandRun();
    const large = JSON.stringify("y".repeat(300_000));
    const write = () => {
      run.say("y".repeat(300_000), { task: "first" });
      run.events.emit("e", large);
      run.store.set("k", large, {});
      run.journal.append({ type: "store.changed", key: "k", value: large, version: 1 }, 5);
    };
    write();
    const opened = new Opened({ most: 2, roomSize: ROOM_SIZE });
    const { ask } = world({ opened }, run);
    const leaving = new StreamReader(await ask(path, NDJSON));
    await leaving.until(/y/);
    await leaving.leave();
    const reader = new StreamReader(await ask(path, NDJSON));
    await reader.until(/y"/);
    write();
    if (path === "/store/watch") await reader.until(/y"[^]*y"/);
    run.end();
    await reader.rest();
    assert.equal(opened.room.held, 0, path);
  }
});

test("http: a run that many have followed for a while holds on to none of them", async () => {
  const run = new HandRun();
  let told = 0;
  const { then } = run.whenOver;
  run.whenOver.then = function (...args) {
    told++;
    return then.apply(this, args as never) as never;
  };
  const { ask } = world({}, run);
  for (let round = 0; round < 20; round++) {
    for (const path of ["/logs", "/records", "/events?follow=0"]) await (await ask(path, NDJSON)).text();
    await (await ask("/store/watch")).body!.cancel();
  }
  assert.equal(told, 1);
  const following = new StreamReader(await ask("/events?follow=1", NDJSON));
  run.end();
  await following.rest();
});

test("http: a key that changes while it waits to be told is told again", async () => {
  const run = new HandRun();
  const { ask } = world({}, run);
  const reader = new StreamReader(await ask("/store/watch?initial=0", NDJSON));
  run.store.set("k", '"one"', {});
  await reader.until(/"version":1,"value":"one"/);
  run.store.set("k", '"two"', {});
  run.store.set("k", '"three"', {});
  assert.doesNotMatch(await reader.until(/"version":3,"value":"three"/), /two/);
  run.end();
  await reader.rest();
});

test("http: HEAD on every route gives its place back at once, and so does a body that nobody reads", async () => {
  const clock = still();
  const opened = new Opened({ most: 2, roomSize: ROOM_SIZE });
  const { ask, run } = world({ opened, clock }, full());
  for (const path of [...STREAMS, "/store/k1?wait=1ms", "/status", "/store"]) {
    for (let count = 0; count < 3; count++) {
      const head = await ask(path, { method: "HEAD" });
      assert.ok(head.status < 400, `${path}: ${head.status}`);
      assert.equal(head.body, null);
      assert.equal(opened.count, 0, path);
    }
  }
  await Promise.all(STREAMS.slice(0, 2).map((path) => ask(path)));
  assert.equal(opened.count, 2);
  clock.advance(60_000);
  assert.equal(opened.count, 0, "let go");
  assert.equal(clock.timers, 0);
  run.end();
});

test("http: a route that fails after it has taken a place, and one whose reader has gone, give it back", async () => {
  const opened = new Opened({ most: 2, roomSize: ROOM_SIZE });
  const run = new HandRun();
  run.store.watch = () => {
    throw new Error("no");
  };
  const { ask, defects } = world({ opened }, run);
  assert.equal((await ask("/store/watch")).status, 500);
  assert.equal(opened.count, 0);
  const gone = new AbortController();
  await ask("/events?follow=1", { signal: gone.signal });
  assert.equal(opened.count, 1);
  gone.abort();
  assert.equal(opened.count, 0);
  assert.equal((await ask("/events?follow=1", { signal: AbortSignal.abort() })).status, 200);
  assert.equal(opened.count, 0);
  run.journal.logs = () => {
    throw new Error("torn");
  };
  await assert.rejects((await ask("/logs")).text());
  assert.equal(opened.count, 0);
  assert.match(String(defects), /no.*torn/);
  run.end();
});

test("http: a reader on a real connection that reads nothing is let go, and the connection is broken off", async () => {
  const run = full();
  const opened = new Opened({ most: 8, roomSize: ROOM_SIZE });
  const { app } = world({ opened, limits: { stallMs: 150 } }, run);
  // More than the system takes for a reader that does not read.
  for (let count = 0; count < 40; count++) run.say("x".repeat(500_000));
  const served = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
  const socket = connect(served.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write(
    `GET /logs?follow=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`,
  );
  while (opened.count === 0) await new Promise((turn) => setTimeout(turn, 5));
  await opened.idle(30_000);
  assert.equal(opened.count, 0);
  const closed = new Promise((done) => socket.on("close", done));
  socket.resume();
  await closed;
  await served.close();
  run.end();
});
