/** Each limit of the end point just below and just above, what each refusal is, and that nothing is left behind a body. */
import assert from "node:assert/strict";
import test from "node:test";
import { proofOf } from "../../src/base/proof.ts";
import { refusalOf } from "../../src/http/failure.ts";
import type { HttpOptions } from "../../src/http/port.ts";
import { HandClock } from "../uplink/rig.ts";
import { HandRun, StreamReader, TOKEN, world } from "./rig.ts";

/** A request whose body says how many pieces of it were asked for. */
function sending(
  pieces: readonly string[],
  { path = "/store/k", method = "PUT", headers = {}, hangs = false }: {
    readonly path?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly hangs?: boolean;
  } = {},
) {
  const seen = { asked: 0, cancelled: false };
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = pieces[seen.asked++];
      if (piece !== undefined) controller.enqueue(encoder.encode(piece));
      else if (!hangs) controller.close();
    },
    cancel: () => void (seen.cancelled = true),
  }, { highWaterMark: 0 });
  const init = { method, body, duplex: "half" } as RequestInit;
  const all = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", ...headers };
  return { seen, request: new Request(`http://127.0.0.1:1234${path}`, { ...init, headers: all }) };
}

async function codeOf(answer: Response): Promise<string> {
  const text = await answer.text();
  return answer.status < 400 ? String(answer.status) : `${answer.status} ${JSON.parse(text).error.code}`;
}

function timed(more: Partial<HttpOptions> = {}) {
  const clock = new HandClock();
  return { clock, ...world({ clock, ...more }) };
}

/** Moves on what is waited for. */
async function still(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 0));
}

test("http: a body whose announced size is over the limit is refused before any of it is read", async () => {
  const { app, clock, run } = timed({ limits: { bodyBytes: 10 } });
  const over = sending(['"12345678', '9"'], { headers: { "content-length": "11" } });
  assert.equal(await codeOf(await app.fetch(over.request)), "413 TOO_LARGE");
  assert.equal(over.seen.asked, 0);
  assert.equal(clock.timers, 0);
  assert.equal(run.store.get("k"), undefined);
  const exact = sending(['"12345678"'], { headers: { "content-length": "10" } });
  assert.equal(await codeOf(await app.fetch(exact.request)), "201");
});

test("http: a body that does not say its size is read up to the limit, in bytes", async () => {
  const { app, clock } = timed({ limits: { bodyBytes: 10 } });
  assert.equal(await codeOf(await app.fetch(sending(['"1234', '5678"']).request)), "201");
  const over = sending(['"1234', '56789"', "more"]);
  assert.equal(await codeOf(await app.fetch(over.request)), "413 TOO_LARGE");
  assert.deepEqual(over.seen, { asked: 2, cancelled: true });
  // Nine characters, but twelve bytes.
  assert.equal(await codeOf(await app.fetch(sending(['"üüü1234"']).request)), "413 TOO_LARGE");
  assert.equal(clock.timers, 0);
});

test("http: no timer is left behind a body, however it came and however it ended", async () => {
  const { app, clock } = timed({ limits: { bodyBytes: 10 } });
  const cases: readonly Request[] = [
    sending(["1"]).request,
    sending([]).request,
    sending(["{"]).request,
    sending(["12345678901"]).request,
    sending(["{}"], { path: "/cancel", method: "POST" }).request,
    sending(["1"], { headers: { "content-encoding": "gzip" } }).request,
    sending(["1"], { headers: { "content-type": "text/plain" } }).request,
  ];
  for (const request of cases) {
    await (await app.fetch(request)).text();
    assert.equal(clock.timers, 0);
  }
  for (let count = 0; count < 3; count++) {
    const { request } = sending(["1"], { headers: { "content-length": "1" } });
    await (await app.fetch(request)).text();
    // One timer for all whose size is known, which ends with its tick.
    assert.ok(clock.timers <= 1);
  }
  clock.step();
  assert.equal(clock.timers, 0);
});

test("http: a body is waited for as long as it may take, and no longer", async () => {
  for (const headers of [{}, { "content-length": "5" }]) {
    const { app, clock } = timed({ limits: { bodyMs: 1_000 } });
    const since = clock.monotonic();
    let code: string | undefined;
    const slow = sending(["1"], { headers, hangs: true });
    const asked = Promise.resolve(app.fetch(slow.request)).then(codeOf).then((told) => code = told);
    await still();
    while (code === undefined && clock.step()) await still();
    await asked;
    assert.equal(code, "408 TOO_SLOW");
    const took = clock.monotonic() - since;
    assert.ok(took >= 1_000 && took <= 1_250, `${took}`);
    assert.equal(clock.timers, 0);
  }
});

test("http: two end points in one process wait for their bodies by themselves", async () => {
  const [one, other] = [timed({ limits: { bodyMs: 250 } }), timed({ limits: { bodyMs: 250 } })];
  const slow = sending(["1"], { headers: { "content-length": "5" }, hangs: true });
  const asked = one.app.fetch(slow.request);
  await still();
  assert.deepEqual([one.clock.timers, other.clock.timers], [1, 0]);
  while (one.clock.step()) await still();
  assert.equal(await codeOf(await asked), "408 TOO_SLOW");
});

test("http: path and query, headers and token are as long as they may be, and no longer", async () => {
  const { refused, ask } = world({ limits: { target: 1_000, headerBytes: 400 } });
  const path = (length: number) => `/store?prefix=${"p".repeat(length)}`;
  // What stands before the path, 300 characters, is not counted.
  const start = "http://127.0.0.1:1234/store?prefix=".length;
  assert.equal((await ask(path(1_300 - start))).status, 200);
  assert.equal(await refused(path(1_301 - start)), "414 TARGET_TOO_LONG");
  const rest = "authorization".length + `Bearer ${TOKEN}`.length + 4 + "x-fill".length + 4;
  const filled = (length: number) => ({ method: "POST", headers: { "x-fill": "x".repeat(length) } });
  assert.equal((await ask("/cancel", filled(400 - rest))).status, 202);
  assert.equal(await refused("/cancel", filled(401 - rest)), "431 HEADERS_TOO_LARGE");
  const token = "t".repeat(1_024 - "Bearer ".length);
  const long = world({ tokens: () => [token, `${token}t`] });
  assert.equal((await long.ask("/store", { token })).status, 200);
  assert.equal(await long.refused("/store", { token: `${token}t` }), "401 TOKEN");
  const empty = world({ tokens: () => ["", "other"] });
  assert.equal(await empty.refused("/store", { token: "" }), "401 TOKEN");
  assert.equal((await empty.ask("/store", { token: "other" })).status, 200);
});

test("http: a page of keys or tasks, a wait and an expiry are as long as they may be, and no longer", async () => {
  const { ask, refused, run } = world();
  for (const path of ["/store", "/tasks"]) {
    for (const limit of ["1", "10000"]) assert.equal((await ask(`${path}?limit=${limit}`)).status, 200);
    for (const limit of ["0", "10001", "1.5", "", "1e3", "+1", "-1"]) {
      assert.equal(await refused(`${path}?limit=${limit}`), "400 QUERY", limit);
    }
  }
  for (let at = 0; at < 1_001; at++) run.store.set(`k${at}`, "1");
  const { keys, cursor } = await (await ask("/store")).json() as { keys: string[]; cursor?: string };
  assert.deepEqual([keys.length, cursor !== undefined], [1_000, true]);
  const put = { method: "PUT", body: "1" };
  assert.equal((await ask("/store/e?expires=576h", put)).status, 201);
  assert.equal(await refused("/store/e?expires=576.01h", put), "400 QUERY");
  run.store.set("watch", "1");
  assert.equal((await ask("/store/k0?since=1&wait=5m", { signal: AbortSignal.abort() })).status, 499);
  assert.equal(await refused("/store/k0?wait=300.001s"), "400 QUERY");
  assert.equal((await ask("/store/k0?since=0&wait=1ms")).status, 200);
  assert.equal((await ask("/store/k0?wait=1ms")).status, 304);
  assert.equal((await ask("/store/watch?key&since=9007199254740991")).status, 304);
  assert.equal(await refused("/store/watch?key&since=9007199254740992"), "400 QUERY");
  assert.equal((await ask("/store/w%61tch?key")).status, 200);
  assert.equal(await refused("/store/watch?key=yes"), "400 QUERY");
  run.store.close();
});

test("http: what the store refuses has its status, each", async () => {
  const statuses = {
    BAD_KEY: 400,
    BAD_ARGUMENT: 400,
    KEY_TOO_LONG: 414,
    VALUE_TOO_LARGE: 413,
    BAD_VALUE: 422,
    BAD_EVENT: 422,
    NOT_A_NUMBER: 409,
    VERSION_CONFLICT: 412,
    EVENTS_DROPPED: 410,
    TOO_MANY_WAITS: 503,
    STORE_FULL: 507,
  };
  const run = new HandRun();
  const { refused, defects } = world({}, run);
  for (const [code, status] of Object.entries(statuses)) {
    run.store.increment = () => {
      throw Object.assign(new Error("No"), { code });
    };
    assert.equal(await refused("/store/k/increment", { method: "POST" }), `${status} ${code}`);
  }
  assert.equal(defects.length, 0);
  for (const code of ["toString", "__proto__", 7, undefined]) {
    run.store.increment = () => {
      throw Object.assign(new Error("No"), { code });
    };
    assert.equal(await refused("/store/k/increment", { method: "POST" }), "500 DEFECT");
  }
  assert.equal(defects.length, 4);
});

test("http: answers have their headers: a page its policy, data none, refusals what helps", async () => {
  const { ask, app } = world({ page: { html: "<p>", policy: "default-src 'none'" } });
  const page = await ask("/", { token: null });
  const shown = ["content-security-policy", "cross-origin-resource-policy", "referrer-policy"];
  assert.deepEqual(shown.map((name) => page.headers.get(name)), [
    "default-src 'none'",
    "same-origin",
    "no-referrer",
  ]);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  const data = await ask("/status");
  assert.deepEqual(shown.map((name) => data.headers.get(name)), [null, null, null]);
  assert.equal(data.headers.get("content-type"), "application/json");
  assert.equal((await ask("/livez")).headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(
    (await ask("/metrics")).headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  const none = await ask("/store/none");
  assert.deepEqual([none.status, none.headers.get("outrider-version")], [404, "0"]);
  const stream = await ask("/events", { headers: { accept: "text/event-stream" } });
  assert.deepEqual([stream.headers.get("content-type"), stream.headers.get("x-accel-buffering")], [
    "text/event-stream",
    "no",
  ]);
  await stream.body!.cancel();
  const foreign = new Request("http://127.0.0.1:1/nothing", { headers: { origin: "http://evil.example" } });
  assert.equal(await codeOf(await app.fetch(foreign)), "403 ORIGIN");
});

test("http: as many answers go on as may, and one that is over makes room for another", async () => {
  const { ask, refused, run } = world({ limits: { open: 2 } });
  const sse = { headers: { accept: "text/event-stream" } };
  const [one, two] = [await ask("/events", sse), await ask("/logs", sse)];
  assert.equal(await refused("/events", sse), "503 TOO_MANY_OPEN");
  assert.equal(await refused("/store/k?wait=1s"), "503 TOO_MANY_OPEN");
  await one.body!.cancel();
  const three = await ask("/store/watch", sse);
  assert.equal(three.status, 200);
  await three.body!.cancel();
  // The head alone takes no place.
  for (let count = 0; count < 3; count++) {
    assert.equal((await ask("/events", { ...sse, method: "HEAD" })).status, 200);
  }
  assert.equal((await ask("/store/k?since=0&wait=1ms")).status, 404);
  await two.body!.cancel();
  run.store.close();
});

test("http: who watches or follows is woken by what happens, and leaves no listener", async () => {
  const run = new HandRun();
  let listeners = 0;
  const counted = (watch: (...args: never[]) => () => void) => (...args: never[]) => {
    const stop = watch(...args);
    listeners++;
    let on = true;
    return () => {
      if (on) listeners--;
      on = false;
      stop();
    };
  };
  run.store.watch = counted(run.store.watch.bind(run.store) as never) as never;
  run.events.watch = counted(run.events.watch.bind(run.events) as never) as never;
  const clock = new HandClock();
  const { ask } = world({ clock }, run);
  const ndjson = { headers: { accept: "application/x-ndjson" } };
  const watching = new StreamReader(await ask("/store/watch?initial=false", ndjson));
  const following = new StreamReader(await ask("/events?follow", ndjson));
  await Promise.all([watching.until(/^\n/), following.until(/^\n/)]);
  const [change, event] = [watching.until(/"key":"k"/), following.until(/"type":"e"/)];
  await still();
  assert.equal(listeners, 2);
  run.store.set("k", "1");
  run.events.emit("e");
  await Promise.all([change, event]);
  await Promise.all([watching.leave(), following.leave()]);
  await still();
  assert.deepEqual([listeners, clock.timers], [0, 0]);
  run.store.close();
});

test("http: a value is taken by what its Content-Type says, and told as Accept does", async () => {
  const { ask, refused, run } = world();
  const put = (type: string, body: BodyInit) => ({ method: "PUT", body, headers: { "content-type": type } });
  for (
    const type of [
      "application/json",
      "application/json; charset=utf-8",
      "application/ld+json",
      "APPLICATION/JSON",
    ]
  ) {
    assert.ok((await ask("/store/j", put(type, "[1]"))).ok, type);
    assert.equal(run.store.get("j")!.value, "[1]");
    run.store.delete("j", {});
  }
  for (const type of ["text/plain", "application/xml", "application/jsonx", "x/application/json", "+json"]) {
    assert.equal(await refused("/store/j", put(type, "1")), "415 TYPE", type);
  }
  assert.equal((await ask("/store/b", put("application/octet-stream", new Uint8Array([1, 2])))).status, 201);
  const bytes = await ask("/store/b", { headers: { accept: "application/octet-stream" } });
  assert.deepEqual([...new Uint8Array(await bytes.arrayBuffer())], [1, 2]);
  assert.equal((await ask("/store/t?as=text", put("text/plain", "x"))).status, 201);
  assert.equal(await (await ask("/store/t", { headers: { accept: "text/plain" } })).text(), "x");
  assert.equal(await refused("/store/b", { headers: { accept: "text/plain" } }), "406 NOT_TEXT");
  assert.equal(
    await refused("/store/t", { headers: { accept: "application/octet-stream" } }),
    "406 NOT_BYTES",
  );
  assert.equal(await refused("/store/t", { headers: { accept: "image/png" } }), "406 ACCEPT");
  assert.equal(await refused("/store/t", { ...put("application/json", ""), method: "PUT" }), "400 JSON");
  assert.equal(await refused("/store/t", put("application/json", new Uint8Array([0xff]))), "400 BODY");
  assert.equal(
    await refused("/store/t", put("application/json", new Uint8Array(100).fill(0xff))),
    "400 BODY",
  );
  assert.equal(
    await refused("/events", { headers: { accept: "text/event-stream;q=0, image/png" } }),
    "406 ACCEPT",
  );
  const other = await ask("/logs", { headers: { accept: "text/event-stream;q=0.0, text/plain" } });
  assert.equal(other.headers.get("content-type"), "text/plain; charset=utf-8");
  await other.body!.cancel();
  const jsonl = await ask("/logs", { headers: { accept: "application/jsonl" } });
  assert.equal(jsonl.headers.get("content-type"), "application/x-ndjson");
  await jsonl.body!.cancel();
  const hidden = `${"a/b,".repeat(20)}text/plain`;
  assert.equal(await refused("/logs", { headers: { accept: hidden } }), "406 ACCEPT");
  const found = await ask("/logs", { headers: { accept: hidden.slice(4) } });
  assert.equal(found.status, 200);
  await found.body!.cancel();
});

test("http: a condition names at most a hundred versions, a weak one is none to write by", async () => {
  const { ask, refused, run } = world();
  run.store.set("k", "1");
  const tags = (count: number) => Array.from({ length: count }, (_, at) => `"${at + 1}"`).join(", ");
  assert.equal((await ask("/store/k", { headers: { "if-none-match": tags(100) } })).status, 304);
  assert.equal(await refused("/store/k", { headers: { "if-none-match": tags(101) } }), "400 CONDITION");
  assert.equal((await ask("/store/k", { headers: { "if-none-match": 'W/"1"' } })).status, 304);
  assert.equal((await ask("/store/k", { headers: { "if-none-match": '"2"' } })).status, 200);
  const write = (condition: string) => ({ method: "PUT", body: "2", headers: { "if-match": condition } });
  assert.equal(await refused("/store/k", write('W/"1"')), "412 VERSION_CONFLICT");
  assert.equal(await refused("/store/k", write('"2"')), "412 VERSION_CONFLICT");
  const conflict = await ask("/store/k", write('"2"'));
  assert.equal(conflict.headers.get("etag"), '"1"');
  assert.equal((await ask("/store/k", write('"1"'))).status, 204);
  assert.equal((await ask("/store/k", write("*"))).status, 204);
  assert.equal(await refused("/store/none", write("*")), "412 VERSION_CONFLICT");
  assert.equal(run.store.get("k")!.value, "2");
});

test("http: the status has the first of what it lists, in order, and how long the process has lived", async () => {
  const run = new HandRun();
  const skipped = Array.from({ length: 60 }, (_, at) => `s${at}`);
  run.standing = skipped.map((task) => ({
    task,
    standing: "settled",
    iteration: 0,
    attempt: 0,
    outcome: "skipped",
    because: "no",
    waitsFor: [],
  }));
  const snapshot = run.snapshot.bind(run);
  run.snapshot = (limit) => {
    const told = snapshot(limit);
    return { ...told, tasks: 60, counts: { ...told.counts, waiting: 0, skipped: 60 } };
  };
  const { ask } = world({}, run);
  const status = await (await ask("/status", { token: null })).json() as {
    uptimeMs: number;
    run: { skipped: { task: string }[] };
  };
  assert.deepEqual(status.run.skipped.map(({ task }) => task), skipped.slice(0, 50));
  assert.ok(status.uptimeMs >= 0 && status.uptimeMs < 30_000, `${status.uptimeMs}`);
});

test("http: who proves to know a token gets the proof of that one, and nobody else any", async () => {
  const other = "0dd0".repeat(16);
  const challenge = "ab".repeat(16);
  const { app } = world({ tokens: () => [TOKEN, other] });
  const proven = async (token: string, { who = "client", of = challenge, scheme = "Proof" } = {}) => {
    const headers = { authorization: `${scheme} ${await proofOf(token, who as "client", of)}` };
    const answer = await app.request(`http://127.0.0.1:9/proof?challenge=${challenge}`, { headers });
    return answer.status === 200 ? (await answer.json() as { proof: string }).proof : answer.status;
  };
  for (const token of [TOKEN, other]) {
    assert.equal(await proven(token), await proofOf(token, "executor", challenge));
    assert.equal(await proven(token, { who: "executor" }), 401);
    assert.equal(await proven(token, { of: "cd".repeat(16) }), 401);
    assert.equal(await proven(token, { scheme: "Bearer" }), 401);
  }
  assert.equal(await proven(TOKEN.slice(1)), 401);
});

test("http: a follower whose pages are dear rests after one, and is not told again what was spent before", async () => {
  const run = new HandRun();
  const clock = new HandClock();
  const waits: number[] = [];
  const timed = Object.assign(Object.create(clock) as HandClock, {
    after: (ms: number, fn: () => void) => {
      if (ms < 5_000) waits.push(ms);
      return clock.after(ms, fn);
    },
  });
  let cost = 6;
  const { logs } = run.journal;
  run.journal.logs = (...args) => {
    clock.reach(clock.now() + cost);
    return logs.apply(run.journal, args);
  };
  const { ask } = world({ clock: timed }, run);
  const reader = new StreamReader(await ask("/logs?follow", { headers: { accept: "application/x-ndjson" } }));
  /** What was waited for until a line came that is said while the follower waits. */
  const until = async (word: string) => {
    waits.length = 0;
    let told = false;
    const line = reader.until(new RegExp(word)).then(() => told = true);
    await still();
    run.say(word);
    for (; !told; await still()) clock.step();
    await line;
    return [...waits];
  };
  const [gathered, restsLong, restsShort] = [[20], [200, 100], [100, 100]];
  assert.deepEqual(await until("one"), gathered);
  cost = 0;
  assert.deepEqual(await until("two"), restsLong, "two pages of 6 ms were read for it");
  cost = 5;
  assert.deepEqual(await until("three"), gathered);
  assert.deepEqual(await until("four"), restsLong);
  cost = 0;
  assert.deepEqual(await until("five"), restsShort, "one page of 5 ms");
  assert.deepEqual(await until("six"), gathered);
  await reader.leave();
  await still();
  assert.equal(clock.timers, 0);
});

test("http: who is kept out is told of which page, where it was said", async () => {
  const { app } = world();
  const told = async (headers: Record<string, string>) => {
    const answer = await app.request("http://127.0.0.1:9/status", { headers });
    return (await answer.json() as { error: { message: string } }).error.message;
  };
  assert.match(
    await told({ origin: "http://evil.example" }),
    /^Pages of "?http:\/\/evil.example"? get nothing/,
  );
  assert.match(await told({ "sec-fetch-site": "cross-site" }), /^Pages of other origins get nothing/);
});

test("http: the status reads no more of the tasks than it lists, and what is no error of the store's refuses nothing", async () => {
  const run = new HandRun();
  const tasks = 100_000;
  const { snapshot } = run;
  run.snapshot = (limit) => ({ ...snapshot.call(run, limit), tasks });
  const asked: number[] = [];
  run.standings = (offset = 0, limit = Infinity) => {
    asked.push(offset);
    return Array.from({ length: Math.min(limit, tasks - offset) }, (_, at) => ({
      ...{ task: `t${offset + at}`, iteration: 0, attempt: 0, waitsFor: [] },
      standing: "waiting",
    }));
  };
  assert.equal((await world({}, run).ask("/status")).status, 200);
  assert.deepEqual(asked, [0]);
  for (const error of [undefined, null, "x", {}, new Error("x"), { code: "toString" }]) {
    assert.equal(refusalOf(error), undefined);
  }
  assert.equal(refusalOf({ code: "STORE_FULL", message: "m" })?.status, 507);
});
