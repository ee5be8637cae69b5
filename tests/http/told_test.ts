/** What is told is told as it is: the pipeline, the tasks, the status, events, records and the store, each field by itself. */
import assert from "node:assert/strict";
import test from "node:test";
import { Bell } from "../../src/base/wait.ts";
import { planJson } from "../../src/http/run_routes.ts";
import { sseMessage } from "../../src/http/streams.ts";
import type { LogRecord } from "../../src/model/record.ts";
import type { TaskStanding } from "../../src/model/snapshot.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { HandClock } from "../uplink/rig.ts";
import { HandRun, StreamReader, world } from "./rig.ts";

const NDJSON = { headers: { accept: "application/x-ndjson" } };

async function lines(answer: Response): Promise<Record<string, unknown>[]> {
  return (await answer.text()).trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** A run whose tasks stand so; the counts are of them. */
function standing(tasks: readonly TaskStanding[]): HandRun {
  const run = new HandRun();
  run.standing = [...tasks];
  const { snapshot } = run;
  const count = (wanted: (task: TaskStanding) => boolean) => tasks.filter(wanted).length;
  run.snapshot = (limit) => {
    const told = snapshot.call(run, limit);
    const counts = {
      ...told.counts,
      waiting: count(({ standing }) => standing === "waiting"),
      skipped: count(({ outcome }) => outcome === "skipped"),
    };
    return { ...told, tasks: tasks.length, counts };
  };
  return run;
}

function task(name: string, more: Partial<TaskStanding> = {}): TaskStanding {
  return { task: name, standing: "ready", iteration: 0, attempt: 0, waitsFor: [], ...more };
}

test("http: the pipeline has of each task what was written, loops and edges by name, and nothing else", () => {
  const run = { module: "./a.ts" };
  const looped = JSON.parse(planJson(compile({
    outrider: 1,
    name: "p",
    onFailure: "stop",
    tasks: {
      a: { run, timeout: "5s" },
      b: { run, needs: [{ task: "a", on: "failure" }], estimate: "2m", allowFailure: true },
      c: { needs: ["a", "b"], join: "any" },
      d: { run, needs: ["c"], retry: { attempts: 3 } },
    },
    loops: [{ from: "d", to: "c", times: 2 }],
  }, "file:///x/")));
  const { kind } = looped.tasks[0];
  assert.deepEqual(looped, {
    name: "p",
    onFailure: "stop",
    tasks: [
      { ...looped.tasks[0], name: "a", needs: [], join: "all", attempts: 1, allowFailure: false },
      {
        ...looped.tasks[1],
        name: "b",
        needs: [{ task: "a", on: "failure" }],
        join: "all",
        attempts: 1,
        allowFailure: true,
      },
      {
        name: "c",
        kind: "sync",
        needs: [{ task: "a", on: "success" }, { task: "b", on: "success" }],
        join: "any",
        attempts: 1,
        allowFailure: false,
      },
      {
        ...looped.tasks[3],
        name: "d",
        kind,
        needs: [{ task: "c", on: "success" }],
        join: "all",
        attempts: 3,
        allowFailure: false,
      },
    ],
    loops: [{ from: "d", to: "c", times: 2, on: "success", body: ["c", "d"] }],
  });
  const times = looped.tasks.map((
    { timeoutMs, estimateMs }: Record<string, number>,
  ) => [timeoutMs, estimateMs]);
  assert.deepEqual(times, [[5_000, undefined], [undefined, 120_000], [undefined, undefined], [
    undefined,
    undefined,
  ]]);
  const edged = JSON.parse(planJson(compile({
    outrider: 1,
    name: "p",
    tasks: { a: { run }, b: { run } },
    edges: [{ from: "a", to: "b" }, { from: "b", to: "a", weak: true, times: 3 }],
  }, "file:///x/")));
  assert.deepEqual(
    edged.edges.map(({ from, to, weak, times }: Record<string, unknown>) => [from, to, weak, times]),
    [["a", "b", false, undefined], ["b", "a", true, 3]],
  );
});

test("http: tasks come a thousand at a time where nothing is said, from the first on or from where it was asked", async () => {
  const run = standing(Array.from({ length: 1_002 }, (_, at) => task(`t${at}`)));
  const { ask } = world({}, run);
  const page = async (query: string) => {
    const { total, offset, tasks } = await (await ask(`/tasks${query}`)).json() as {
      total: number;
      offset: number;
      tasks: TaskStanding[];
    };
    return [total, offset, tasks.length, tasks[0]?.task];
  };
  assert.deepEqual(await page(""), [3, 0, 1_000, "t0"]);
  assert.deepEqual(await page("?offset=1001"), [3, 1_001, 1, "t1001"]);
  assert.deepEqual(await page("?offset=2&limit=3"), [3, 2, 3, "t2"]);
  const loading = Object.defineProperty(new HandRun(), "plan", { value: undefined });
  const early = world({}, loading);
  assert.equal((await (await early.ask("/tasks")).json() as { total: number }).total, 0);
  assert.equal(await early.refused("/pipeline"), "404 NO_PLAN");
});

test("http: the status lists fifty that wait and fifty that were skipped wherever they stand, with fifty needs each", async () => {
  const needs = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ task: `n${at}`, on: "success" as const }));
  const waiting = (name: string, count: number) =>
    task(name, { standing: "waiting", waitsFor: needs(count) });
  const skipped = (name: string) => task(name, { standing: "settled", outcome: "skipped" });
  const failed = task("f", { standing: "settled", outcome: "failed" });
  const ready = Array.from({ length: 1_200 }, (_, at) => task(`r${at}`));
  const told = async (tasks: TaskStanding[]) => {
    const run = standing(tasks);
    const offsets: number[] = [];
    const { standings } = run;
    run.standings = (offset, limit) => {
      offsets.push(offset!);
      return standings.call(run, offset, limit);
    };
    const status = await (await world({}, run).ask("/status")).json() as {
      run: {
        waiting: { task: string; waitsFor: unknown[]; more: number }[];
        skipped: { task: string; because: string }[];
        running: unknown[];
      };
    };
    return { ...status.run, offsets };
  };
  const late = await told([
    ...ready,
    failed,
    waiting("w", 60),
    waiting("v", 50),
    waiting("u", 1),
    skipped("s"),
  ]);
  assert.deepEqual(
    late.waiting.map(({ task, waitsFor, more }) => [task, waitsFor.length, more]),
    [["w", 50, 10], ["v", 50, 0], ["u", 1, 0]],
  );
  assert.deepEqual(late.skipped, [{ task: "s", because: "" }]);
  assert.deepEqual(late.offsets, [0, 1_000]);
  const many = await told([
    ...Array.from({ length: 51 }, (_, at) => waiting(`w${at}`, 0)),
    ...Array.from({ length: 51 }, (_, at) => skipped(`s${at}`)),
    ...ready,
  ]);
  assert.deepEqual([many.waiting.length, many.skipped.length], [50, 50]);
  assert.deepEqual([many.waiting.at(-1)!.task, many.skipped.at(-1)!.task], ["w49", "s49"]);
  assert.deepEqual(many.offsets, [0], "all that is listed stands in the first page");
  const none = await told(ready.slice(0, 1_000));
  assert.deepEqual([none.waiting, none.skipped, none.offsets], [[], [], []]);
  const claimed = standing(ready.slice(0, 1_000));
  const { snapshot } = claimed;
  let asked = 0;
  claimed.snapshot = (limit) => {
    const told = snapshot.call(claimed, limit);
    const [attempt] = told.running;
    return {
      ...told,
      sinceResumeMs: 7.6,
      counts: { ...told.counts, waiting: 1 },
      running: Array.from({ length: 60 }, () => ({ ...attempt!, ranMs: 1.4 })),
    };
  };
  claimed.standings = () => {
    asked++;
    return [];
  };
  const status = await (await world({}, claimed).ask("/status")).json() as {
    run: { sinceResumeMs: number; running: { ranMs: number }[] };
  };
  assert.equal(status.run.sinceResumeMs, 8);
  assert.deepEqual([status.run.running.length, status.run.running[0]!.ranMs], [50, 1]);
  assert.equal(asked, 1, "where the pages end it is not read on");
});

test("http: a status that took long to make is told again for twenty times as long, then made anew", async () => {
  const clock = new HandClock();
  let [made, tookMs] = [0, 10];
  const unable = () => {
    made++;
    clock.reach(clock.now() + tookMs);
    return undefined;
  };
  const { ask } = world({ clock, unable });
  const uptime = async () => (await (await ask("/status")).json() as { uptimeMs: number }).uptimeMs;
  clock.reach(clock.now() + 500);
  assert.equal(await uptime(), 500);
  clock.reach(clock.now() + 199);
  assert.deepEqual([await uptime(), made], [500, 1]);
  clock.reach(clock.now() + 1);
  tookMs = 0;
  assert.deepEqual([await uptime(), made], [710, 2]);
  assert.deepEqual([await uptime(), made], [710, 3], "what costs nothing is made each time");
});

test("http: the status names gateway, state and conditions where there are any, and leaves out what is not known", async () => {
  const bare = await (await world().ask("/status")).json() as Record<string, unknown>;
  assert.deepEqual([bare["state"], bare["gateway"], bare["conditions"], bare["unable"], bare["able"]], [
    undefined,
    undefined,
    [],
    undefined,
    true,
  ]);
  const gateway = { url: "http://g", spool: { state: 1, log: 2 }, heartbeatFailures: 3 };
  const more = { state: () => "paused" as const, conditions: () => [{ code: "c", message: "C" }] };
  const never = await (await world({ ...more, gateway: () => gateway }).ask("/status")).json() as typeof bare;
  assert.deepEqual([never["state"], never["gateway"], never["conditions"]], [
    "paused",
    gateway,
    [{ code: "c", message: "C" }],
  ]);
  const heard = world({ gateway: () => ({ ...gateway, lastContactAt: 0 }), run: () => undefined });
  const told = await (await heard.ask("/status")).json() as typeof bare;
  assert.deepEqual(told["gateway"], { ...gateway, lastContactAt: "1970-01-01T00:00:00.000Z" });
  assert.equal(told["run"], undefined);
  const kept = { pipeline: "p", cron: "@daily", timezone: "UTC", overlap: "skip", missed: "once" } as const;
  const due = world({ timetable: () => ({ ...kept, next: 86_400_000, nextDue: 86_399_000, last: 0 }) });
  assert.deepEqual((await (await due.ask("/status")).json() as typeof bare)["timetable"], {
    ...kept,
    next: "1970-01-02T00:00:00.000Z",
    nextDue: "1970-01-01T23:59:59.000Z",
    last: "1970-01-01T00:00:00.000Z",
  });
  const endless = world({ timetable: () => ({ ...kept, handout: "t" }) });
  assert.deepEqual((await (await endless.ask("/status")).json() as typeof bare)["timetable"], {
    ...kept,
    handout: "t",
  });
  assert.equal(bare["timetable"], undefined);
  const unable = await world({ unable: () => "no disk" }).ask("/status");
  const { able, unable: why } = await unable.json() as typeof bare;
  assert.deepEqual([unable.status, able, why], [503, false, "no disk"]);
});

test("http: what can't be understood is refused with its status, and a short body is read as a long one is", async () => {
  const { ask, refused, run } = world();
  for (const query of ["", "?challenge=", "?challenge=xyz", `?challenge=${"a".repeat(31)}`]) {
    assert.equal(await refused(`/proof${query}`), "400 QUERY", query);
  }
  assert.equal(await world({ run: () => undefined }).refused("/store/k"), "404 NO_RUN");
  run.store.set("k", "1");
  for (const condition of ["1", '"1"; "2"', '"1", x', 'x, "1"', '"a"', '""', `"${"1".repeat(17)}"`]) {
    assert.equal(await refused("/store/k", { headers: { "if-none-match": condition } }), "400 CONDITION");
    const write = { method: "PUT", body: "2", headers: { "if-match": condition } };
    assert.equal(await refused("/store/k", write), "400 CONDITION", condition);
  }
  const only = { method: "PUT", body: "2", headers: { "if-none-match": '"1"' } };
  assert.equal(await refused("/store/k", only), "400 CONDITION");
  assert.equal((await ask("/store/k", { headers: { "if-none-match": " * " } })).status, 304);
  assert.equal(run.store.get("k")!.value, "1");
  const put = (body: BodyInit) => ({ method: "PUT", body, headers: { "content-type": "application/json" } });
  for (const length of [1, 60, 61, 62, 63, 200]) {
    const text = JSON.stringify("ü" + "~".repeat(length));
    assert.ok((await ask("/store/t", put(text))).ok);
    assert.equal(run.store.get("t")!.value, text);
    const broken = new TextEncoder().encode(JSON.stringify("x".repeat(length)));
    broken[1] = 0x80;
    assert.equal(await refused("/store/t", put(broken)), "400 BODY");
  }
  for (const body of ["[]", "[1]", "7", '"x"']) {
    assert.equal(await refused("/cancel", { method: "POST", body }), "422 SHAPE", body);
  }
  assert.deepEqual(run.cancelled, []);
  for (const body of ["null", "{}", "", " "]) {
    assert.equal((await ask("/cancel", { method: "POST", body })).status, 202, body);
  }
  const allowed = async (method: string, path: string) => {
    const answer = await ask(path, { method });
    return [answer.status, answer.headers.get("allow")];
  };
  assert.deepEqual(await allowed("PATCH", "/store/k"), [405, "GET, PUT, DELETE, HEAD"]);
  assert.deepEqual(await allowed("DELETE", "/cancel"), [405, "POST"]);
  assert.deepEqual(await allowed("PUT", "/events"), [405, "POST, GET, HEAD"]);
  assert.deepEqual(await allowed("PUT", "/none"), [404, null]);
});

test("http: events after a number are told, not those before, of one type where one is named", async () => {
  const { ask, run } = world();
  for (let count = 0; count < 3; count++) run.events.emit("a");
  const reader = new StreamReader(await ask("/events?since=5&follow=1", NDJSON));
  await reader.until(/^\n/);
  for (let count = 4; count <= 7; count++) run.events.emit("a");
  await reader.until(/"id":7/);
  run.end();
  const ids = [...(await reader.rest()).matchAll(/"id":(\d+)/g)].map(([, id]) => id);
  assert.deepEqual(ids, ["6", "7"]);
  const many = new HandRun();
  for (let count = 0; count < 700; count++) many.events.emit("a");
  many.events.emit("b", undefined, { task: "t", iteration: 0, attempt: 1 });
  const other = world({}, many);
  assert.deepEqual(
    (await lines(await other.ask("/events?type=b", NDJSON))).map(({ id, from }) => [id, from]),
    [
      [701, { task: "t", iteration: 0, attempt: 1 }],
    ],
  );
  assert.equal((await lines(await other.ask("/events", NDJSON))).length, 701);
  assert.deepEqual(await lines(await other.ask("/events?since=701", NDJSON)), []);
  // Larger than a page, each: the pages are told one after the other, each event once.
  const large = new HandRun();
  for (let count = 0; count < 5; count++) large.events.emit("a", JSON.stringify("x".repeat(50_000)));
  assert.deepEqual((await lines(await world({}, large).ask("/events", NDJSON))).map(({ id }) => id), [
    1,
    2,
    3,
    4,
    5,
  ]);
});

test("http: records are without values and details where nothing is said, gaps of the log are told to everyone", async () => {
  const { ask, run } = world();
  run.journal.append({ type: "event.emitted", id: 1, event: "e", detail: "1" }, 5);
  run.journal.append({ type: "run.ended", state: "succeeded" }, 6);
  const [event, end] = await lines(await ask("/records"));
  assert.deepEqual([event!["detail"], event!["event"], end!["state"]], [undefined, "e", "succeeded"]);
  assert.equal((await lines(await ask("/records?values")))[0]!["detail"], "1");
  run.say("plain");
  const { logs } = run.journal;
  run.journal.logs = (...args) =>
    logs.apply(run.journal, args).map((record): LogRecord => ({
      ...record,
      dropped: { count: 3, bytes: 9 },
    }));
  assert.equal((await lines(await ask("/logs?level=critical&task=other"))).length, 1);
  run.journal.logs = logs;
  assert.match(
    await (await ask("/logs", { headers: { accept: "text/plain" } })).text(),
    / INFO {5}outrider \| plain\n/,
  );
  assert.deepEqual(await lines(await ask("/logs?level=warn")), []);
  assert.equal(sseMessage({ id: 3, event: "e", data: "a\nb" }), "id: 3\nevent: e\ndata: a\ndata: b\n\n");
  assert.equal(sseMessage({ data: "" }), "data: \n\n");
});

test("http: a watch tells each key once and in order, however many and large, then what goes and when", async () => {
  const run = new HandRun();
  const keys = Array.from({ length: 1_201 }, (_, at) => `k${String(at).padStart(4, "0")}`);
  for (const key of keys) run.store.set(key, JSON.stringify("x".repeat(key.endsWith("7") ? 20_000 : 10)));
  run.store.set("other", "1");
  const { ask } = world({}, run);
  const reader = new StreamReader(await ask("/store/watch?prefix=k", NDJSON));
  await reader.until(/"k1200"/);
  run.store.delete("k0000", {});
  run.store.set("k0001", "1", { expiresInMs: 60_000 });
  run.store.set("other", "2");
  await reader.until(/"expiresAt":\d+\}/);
  run.end();
  const told = (await reader.rest()).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(told.slice(0, keys.length).map(({ key }) => key), keys);
  const [gone, set] = told.slice(keys.length);
  assert.deepEqual([gone.key, "value" in gone, set.key, set.value], ["k0000", false, "k0001", 1]);
  assert.ok(Math.abs(set.expiresAt - Date.now() - 60_000) < 30_000);
  assert.equal(told.length, keys.length + 2);
  const first = await (await ask("/store/watch?prefix=k000", { headers: { accept: "text/event-stream" } }))
    .text();
  assert.match(first, /^: alive\n\nevent: set\ndata: \{"key":"k0001",/);
  run.store.close();
});

test("http: a run that ends wakes nobody who has gone", async () => {
  const run = new HandRun();
  const { ask } = world({}, run);
  for (const path of ["/logs", "/records", "/events"]) await (await ask(path, NDJSON)).text();
  for (const path of ["/logs?follow=1", "/records?follow=1", "/events?follow=1", "/store/watch"]) {
    const reader = new StreamReader(await ask(path, NDJSON));
    await reader.until(/^\n/);
    await reader.leave();
  }
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 0));
  let woken = 0;
  const { ring } = Bell.prototype;
  Bell.prototype.ring = function () {
    woken++;
    ring.call(this);
  };
  try {
    run.end();
    await run.whenOver;
    assert.equal(woken, 0);
  } finally {
    Bell.prototype.ring = ring;
  }
  run.store.close();
});

test("http: events whose types grow when they are written fill their pages and come once each", async () => {
  const run = new HandRun();
  for (let count = 0; count < 600; count++) run.events.emit("\u0001".repeat(150));
  const ids = (await lines(await world({}, run).ask("/events", NDJSON))).map(({ id }) => id);
  assert.deepEqual(ids, Array.from({ length: 600 }, (_, at) => at + 1));
});

test("http: a follower of the log costs who writes one call for many lines, and waits with one watcher", async () => {
  const run = new HandRun();
  const clock = new HandClock();
  let [calls, watchers] = [0, 0];
  const watch = run.journal.watch.bind(run.journal);
  run.journal.watch = (watcher) => {
    const stop = watch({ log: (record) => (calls++, watcher.log?.(record)) });
    let on = true;
    watchers++;
    return () => {
      if (on) watchers--;
      on = false;
      stop();
    };
  };
  const { ask } = world({ clock }, run);
  const reader = new StreamReader(await ask("/logs?follow=1", NDJSON));
  const still = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 0));
  };
  await reader.until(/^\n/);
  const all = reader.until(/"text":"99"/);
  await still();
  for (let count = 0; count < 3; count++) {
    const until = clock.now() + 10_000;
    for (; clock.step(until); await still());
  }
  assert.deepEqual([calls, watchers], [0, 1]);
  for (let count = 0; count < 100; count++) run.say(`${count}`);
  assert.deepEqual([calls, watchers], [1, 0]);
  for (let step = 0; step < 3; step++) {
    await still();
    clock.step(clock.now() + 20);
  }
  await all;
  await reader.leave();
  await still();
  assert.deepEqual([watchers, clock.timers], [0, 0]);
});

test("http: words that say yes or no are taken as such, and an empty last event id is none", async () => {
  const { ask, run } = world();
  run.events.emit("a");
  for (const no of ["0", "false"]) {
    const answer = await ask(`/events?follow=${no}`, { headers: { accept: "text/event-stream" } });
    assert.match(await answer.text(), /id: 1/);
  }
  const sse = { accept: "text/event-stream", "last-event-id": "" };
  assert.match(await (await ask("/events?follow=0", { headers: sse })).text(), /id: 1/);
  for (const yes of ["", "=", "=1", "=true"]) {
    const reader = new StreamReader(await ask(`/events?follow${yes}`, NDJSON));
    await reader.until(/"id":1/);
    run.events.emit("b");
    await reader.until(/"type":"b"/);
    await reader.leave();
  }
});

test("http: who watches is told changes in the order of their last happening, also those while it was not looking", async () => {
  const { ask, run } = world();
  const answer = await ask("/store/watch?initial=0", NDJSON);
  for (const key of ["a", "b", "a", "c", "b"]) run.store.set(key, "1");
  const reader = new StreamReader(answer);
  await reader.until(/"b"/);
  run.store.set("d", "1");
  run.end();
  const keys = [...(await reader.rest()).matchAll(/"key":"(\w)"/g)].map(([, key]) => key);
  assert.deepEqual(keys, ["a", "c", "b", "d"]);
  run.store.close();
});
