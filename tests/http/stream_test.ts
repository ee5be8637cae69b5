/** Events and logs over HTTP: what is kept, what comes, and that a reader who comes back misses nothing. */
import assert from "node:assert/strict";
import test from "node:test";
import { HandRun, StreamReader, world } from "./rig.ts";

const SSE = { headers: { accept: "text/event-stream" } };
const NDJSON = { headers: { accept: "application/x-ndjson" } };

async function lines(answer: Response): Promise<Record<string, unknown>[]> {
  const text = await answer.text();
  return text.split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line) as Record<string, unknown>
  );
}

test("http: an event published by one is heard by the other, under the same number", async () => {
  const { ask, refused, run } = world();
  run.events.emit("a", "1");
  const from = { task: "first", iteration: 0, attempt: 1 };
  const made = await ask("/events", {
    method: "POST",
    body: JSON.stringify({ type: "b", detail: { x: 1 }, from }),
  });
  assert.equal(made.status, 201);
  assert.deepEqual(await made.json(), { id: 2 });
  const { events } = run.events.read("*", 1);
  assert.deepEqual([events[0]!.type, events[0]!.detail, events[0]!.from], ["b", '{"x":1}', from]);
  const told = await lines(await ask("/events?since=0", NDJSON));
  assert.deepEqual(told.map(({ id, type }) => [id, type]), [[1, "a"], [2, "b"]]);
  assert.deepEqual((await lines(await ask("/events?since=0&type=b", NDJSON))).map(({ id }) => id), [2]);
  assert.equal(await refused("/events", { method: "POST", body: "{}" }), "422 SHAPE");
  assert.equal(await refused("/events", { method: "POST", body: '{"type":"*"}' }), "422 BAD_EVENT");
  assert.equal(
    await refused("/events", { method: "POST", body: '{"type":"x","detail":{"$bytes":"*"}}' }),
    "422 BAD_VALUE",
  );
  assert.equal(run.events.last, 2);
});

test("http: who follows events gets those that are kept and those to come, until the run is over", async () => {
  const { ask, run } = world();
  run.events.emit("a");
  const reader = new StreamReader(await ask("/events", SSE));
  await reader.until(/^: alive\n\nid: 1\ndata: \{"id":1,"type":"a","at":\d+\}\n\n/);
  run.events.emit("b", '"x"');
  await reader.until(/id: 2\ndata: \{"id":2,"type":"b","detail":"x",/);
  run.end();
  await reader.rest();
});

test("http: a reader that comes back goes on where it was; what is no longer kept is told as missed", async () => {
  const { ask, refused, run } = world();
  for (let count = 0; count < 5; count++) run.events.emit("e");
  run.end();
  const back = await ask("/events?since=1", { headers: { ...SSE.headers, "last-event-id": "3" } });
  assert.deepEqual([...(await back.text()).matchAll(/^id: (\d+)$/gm)].map(([, id]) => id), ["4", "5"]);
  assert.equal(await refused("/events", { headers: { "last-event-id": "x" } }), "400 LAST_EVENT_ID");
  const many = new HandRun();
  const dropped = world({}, many);
  for (let count = 0; count < 100_010; count++) many.events.emit("e");
  const answer = await dropped.ask("/events?since=0", NDJSON);
  const first = (await lines(answer)).slice(0, 2);
  assert.deepEqual(first[0], { missed: 10 });
  assert.equal(first[1]!["id"], 11);
  assert.deepEqual((await lines(await dropped.ask("/events?since=9", NDJSON)))[0], { missed: 1 });
  assert.equal((await lines(await dropped.ask("/events?since=10", NDJSON)))[0]!["id"], 11);
});

test("http: the log, whole, by task, by level, and from a number on, in three forms", async () => {
  const { ask, refused, run } = world();
  run.say("started");
  run.say("one", { task: "first" });
  run.say("two", { task: "first", level: "debug" });
  run.say("three", { task: "second", level: "error" });
  const texts = async (query: string) => (await lines(await ask(`/logs${query}`))).map(({ text }) => text);
  assert.deepEqual(await texts(""), ["started", "one", "two", "three"]);
  assert.deepEqual(await texts("?task=first"), ["one", "two"]);
  assert.deepEqual(await texts("?level=info"), ["started", "one", "three"]);
  assert.deepEqual(await texts("?since=2"), ["two", "three"]);
  const plain = await (await ask("/logs?since=3", { headers: { accept: "text/plain" } })).text();
  assert.match(plain, /^\S+Z ERROR {4}second \| three\n$/);
  run.end();
  const sse = await (await ask("/logs?since=3", SSE)).text();
  assert.match(sse, /^: alive\n\nid: 4\ndata: \{"seq":4,.*"text":"three"\}\n\n$/);
  assert.equal(await refused("/logs", { headers: { accept: "image/png" } }), "406 ACCEPT");
  assert.equal(await refused("/logs", { headers: { accept: "text/plain;q=0" } }), "406 ACCEPT");
});

test("http: who follows the log gets every line in order, many or few, to the last one", async () => {
  const { ask, run } = world();
  run.say("0");
  const reader = new StreamReader(await ask("/logs?follow=1"));
  await reader.until(/"text":"0"/);
  for (let count = 1; count < 3_000; count++) run.say(String(count));
  await reader.until(/"text":"2999"/);
  run.say("last");
  run.end();
  const all = (await reader.rest()).trim().split("\n").filter(Boolean).map((line) =>
    JSON.parse(line).seq as number
  );
  assert.deepEqual(all, Array.from({ length: 3_001 }, (_, at) => at + 1));
});

test("http: a stream without news says that it is alive, and leaves nothing when its reader goes", async () => {
  const { ask, run } = world({ limits: { aliveMs: 20, open: 1 } });
  for (const path of ["/events", "/store/watch", "/logs?follow=1", "/records?follow=1"]) {
    const answer = await ask(path, SSE);
    assert.equal(answer.status, 200, path);
    const reader = new StreamReader(answer);
    await reader.until(/: alive\n\n: alive\n\n/);
    await reader.leave();
  }
  run.end();
});

test("http: there is a limit to what is open at the same time", async () => {
  const { ask, refused } = world({ limits: { open: 2 } });
  const first = await ask("/events", SSE);
  const second = await ask("/store/watch");
  assert.equal(await refused("/logs?follow=1"), "503 TOO_MANY_OPEN");
  assert.equal(await refused("/store/k?wait=1s"), "503 TOO_MANY_OPEN");
  await first.body!.cancel();
  await second.body!.cancel();
  assert.equal(await refused("/store/k?wait=1ms"), "404 NO_KEY");
});

test("http: records tell what happened, without values unless they are asked for", async () => {
  const { ask, run } = world();
  run.journal.append({ type: "store.changed", key: "k", value: '"v"', version: 1 }, 5);
  run.journal.append(
    { type: "attempt.settled", task: "t", iteration: 0, attempt: 1, outcome: "succeeded", value: '"w"' },
    6,
  );
  const told = await lines(await ask("/records"));
  assert.deepEqual(told.map(({ seq, type, value }) => [seq, type, value]), [
    [1, "store.changed", undefined],
    [2, "attempt.settled", undefined],
  ]);
  assert.equal((await lines(await ask("/records?values=1&since=1")))[0]!["value"], '"w"');
});
