/** The limits of the end point where nothing else is said: as docs/http.md names them, each just below and just above. */
import assert from "node:assert/strict";
import test from "node:test";
import { Opened } from "../../src/base/web/opened.ts";
import { ROOM_SIZE } from "../../src/http/port.ts";
import { HandClock } from "../uplink/rig.ts";
import { HandRun, StreamReader, TOKEN, world } from "./rig.ts";

const MIB = 1024 * 1024;
const SSE = { headers: { accept: "text/event-stream" } };
const HEADERS = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };

function timed() {
  const clock = new HandClock();
  const opened = new Opened({ most: 256, roomSize: ROOM_SIZE });
  return { clock, opened, ...world({ clock, opened }) };
}

/** Moves on what is waited for. */
async function still(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 0));
}

/** Time passes by so much; what is due fires. */
async function pass(ms: number, clock: HandClock): Promise<void> {
  const until = clock.now() + ms;
  for (await still(); clock.step(until); await still());
  clock.reach(until);
}

/** A request to write a value whose body comes from this stream. */
function writing(body: ReadableStream<Uint8Array<ArrayBuffer>>, more: Readonly<Record<string, string>> = {}) {
  const init = { method: "PUT", body, duplex: "half", headers: { ...HEADERS, ...more } } as RequestInit;
  return new Request("http://127.0.0.1:1234/store/k", init);
}

test("http: a body has 4 MiB at most and 30 s to arrive", async () => {
  const { app, clock } = timed();
  const announcing = (length: number) =>
    app.fetch(
      new Request("http://127.0.0.1:1234/store/k", {
        method: "PUT",
        body: "1",
        headers: { ...HEADERS, "content-length": `${length}` },
      }),
    );
  assert.equal((await announcing(4 * MIB)).status, 201);
  const refusal = await announcing(4 * MIB + 1);
  assert.equal(refusal.status, 413);
  assert.match(await refusal.text(), /more than 4194304 bytes/);
  await pass(1_000, clock);
  let status: number | undefined;
  const hanging = new ReadableStream<Uint8Array<ArrayBuffer>>({});
  const asked = Promise.resolve(app.fetch(writing(hanging))).then((answer) => status = answer.status);
  await pass(29_999, clock);
  assert.equal(status, undefined);
  await pass(1, clock);
  await asked;
  assert.equal(status, 408);
  assert.equal(clock.timers, 0);
});

test("http: a body that breaks off is refused as one", async () => {
  const { app, clock, run } = timed();
  for (const headers of [{}, { "content-length": "5" }]) {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (to) => to.error(new Error("cut")),
    }, { highWaterMark: 0 });
    const answer = await app.fetch(writing(body, headers as Record<string, string>));
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /"BODY".*broken off/);
  }
  assert.equal(run.store.get("k"), undefined);
  await pass(250, clock);
  assert.equal(clock.timers, 0);
});

test("http: path and query have 8,192 characters at most, headers 32 KiB", async () => {
  const { ask, refused } = world();
  const path = (length: number) => `/store?prefix=${"p".repeat(length - "/store?prefix=".length)}`;
  assert.equal((await ask(path(8_192))).status, 200);
  // What stands before the path is not counted: 300 characters are left for it.
  assert.equal(await refused(path(8_192 + 300)), "414 TARGET_TOO_LONG");
  const filled = (length: number) => ({ method: "POST", headers: { "x-fill": "x".repeat(length) } });
  assert.equal((await ask("/cancel", filled(32_000))).status, 202);
  assert.equal(await refused("/cancel", filled(32_768)), "431 HEADERS_TOO_LARGE");
});

test("http: 256 answers go on, one that is not read is let go after 60 s, and makes room", async () => {
  const clock = new HandClock();
  const { ask, refused } = world({ clock });
  const answers = await Promise.all(Array.from({ length: 256 }, () => ask("/events", SSE)));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(await refused("/events", SSE), "503 TOO_MANY_OPEN");
  const since = clock.now();
  clock.reach(since + 59_999);
  assert.equal(clock.step(since + 59_999), false);
  assert.equal(await refused("/events", SSE), "503 TOO_MANY_OPEN");
  for (let fired = 0; fired < 256; fired++) assert.ok(clock.step(since + 60_000));
  const next = await ask("/events", SSE);
  assert.equal(next.status, 200);
  await next.body!.cancel();
  assert.equal(clock.timers, 0);
  assert.equal(ROOM_SIZE, 32 * MIB, "what all readers share, as docs/http.md has it");
});

test("http: an answer without news says every 10 s that it is alive, and news put that off where they are told", async () => {
  for (const path of ["/events", "/store/watch", "/logs?follow=1", "/records?follow=1"]) {
    const { ask, run, clock, opened } = timed();
    const reader = new StreamReader(await ask(path, SSE));
    await reader.until(/^: alive\n\n/);
    const alive = reader.until(/^: alive\n\n: alive\n\n/).then(() => "alive");
    await pass(9_999, clock);
    assert.equal(await Promise.race([alive, still().then(() => "silent")]), "silent", path);
    await pass(1, clock);
    assert.equal(await Promise.race([alive, still().then(() => "silent")]), "alive", path);
    run.end();
    assert.equal(await reader.rest(), ": alive\n\n: alive\n\n", path);
    assert.deepEqual([opened.count, clock.timers], [0, 0], path);
  }
  const { ask, run, clock } = timed();
  const reader = new StreamReader(await ask("/logs?follow=1", SSE));
  await reader.until(/^: alive\n\n/);
  const line = reader.until(/"text":"news"/);
  await pass(6_000, clock);
  run.say("news");
  await pass(20, clock);
  await line;
  const alive = reader.until(/news"\}\n\n: alive\n\n$/).then(() => "alive");
  await pass(9_999, clock);
  assert.equal(await Promise.race([alive, still().then(() => "silent")]), "silent");
  await pass(1, clock);
  assert.equal(await Promise.race([alive, still().then(() => "silent")]), "alive");
  run.end();
  await reader.rest();
});

test("http: a reader that is told nothing of all that is written hears every 10 s that the answer is alive", async () => {
  const { ask, run, clock } = timed();
  const reader = new StreamReader(await ask("/logs?follow=1&level=error", SSE));
  await reader.until(/^: alive\n\n/);
  const alive = reader.until(/^: alive\n\n: alive\n\n/).then(() => "alive");
  const chatter = async (times: number) => {
    for (let said = 0; said < times; said++) {
      run.say("for others");
      await pass(40, clock);
    }
  };
  await pass(9_800, clock);
  await chatter(4);
  assert.equal(await Promise.race([alive, still().then(() => "silent")]), "silent");
  await chatter(3);
  assert.equal(await Promise.race([alive, still().then(() => "silent")]), "alive");
  const rest = reader.rest();
  await pass(9_600, clock);
  await chatter(2);
  run.end();
  await pass(500, clock);
  assert.equal(await rest, ": alive\n\n: alive\n\n");
  assert.equal(clock.timers, 0);
});

test("http: a log of which a reader is told nothing leaves others a turn after each page", async () => {
  const run = new HandRun();
  for (let at = 0; at < 1_200; at++) run.say("x", { level: "debug" });
  const clock = new HandClock();
  const waits: number[] = [];
  const noting = Object.assign(Object.create(clock) as HandClock, {
    after: (ms: number, fn: () => void) => {
      if (ms < 60_000) waits.push(ms);
      return clock.after(ms, fn);
    },
  });
  const { ask } = world({ clock: noting }, run);
  let text: string | undefined;
  const asked = ask("/logs?level=error").then((answer) => answer.text()).then((all) => text = all);
  await pass(10, clock);
  await asked;
  assert.equal(text?.trim(), "");
  assert.deepEqual(waits, [0, 0, 0], "of 500 records each");
  assert.equal(clock.timers, 0);
});
