/** What both servers answer by: bodies, places, secrets, and what a description makes of a request. */
import assert from "node:assert/strict";
import test from "node:test";
import * as v from "valibot";
import type { Bytes } from "../../src/base/bytes.ts";
import { checked, wholeOf } from "../../src/base/web/body.ts";
import { goesOn, Opened } from "../../src/base/web/opened.ts";
import { openApiDocument } from "../../src/base/web/openapi.ts";
import { Refuse } from "../../src/base/web/refuse.ts";
import {
  fits,
  type Parameter,
  paramsOf,
  patternOf,
  queryOf,
  type Route,
  route,
  TEXT,
} from "../../src/base/web/route.ts";
import { sameText } from "../../src/base/web/same_text.ts";
import { HandClock } from "../uplink/rig.ts";

const NEVER: Promise<never> = new Promise(() => {});

function refusal(code: string): Refuse {
  return new Refuse(400, code, { message: code });
}

function bodyOf(sizes: readonly number[]): ReadableStream<Bytes> {
  const left = [...sizes];
  return new ReadableStream({
    pull(controller) {
      const size = left.shift();
      if (size === undefined) controller.close();
      else controller.enqueue(new Uint8Array(size).fill(7));
    },
  }, { highWaterMark: 0 });
}

function gather(body: ReadableStream<Bytes>, more: Partial<Parameters<typeof wholeOf>[1]> = {}) {
  const [tooLarge, broken] = [() => refusal("LARGE"), () => refusal("BROKEN")];
  return wholeOf(body, { maxBytes: 10, tooLarge, broken, late: NEVER, ...more });
}

test("web: a body of just the limit is taken, one byte more is not, and no piece behind it is asked for", async () => {
  const seen: [number, number][] = [];
  const came = (piece: Bytes, length: number) => void seen.push([piece.length, length]);
  assert.deepEqual(await gather(bodyOf([4, 6]), { came }), new Uint8Array(10).fill(7));
  const both = new ReadableStream<Bytes>({
    start(controller) {
      for (const byte of [1, 2]) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  assert.deepEqual(await gather(both), new Uint8Array([1, 2]));
  assert.deepEqual(seen, [[4, 4], [6, 10]]);
  const body = bodyOf([4, 7, 1]);
  await assert.rejects(gather(body), { code: "LARGE" });
  assert.deepEqual(seen.length, 2);
  // The rest is there for who wants to read it.
  const reader = body.getReader();
  assert.equal((await reader.read()).value?.length, 1);
  assert.equal((await reader.read()).done, true);
});

test("web: a body that breaks, is late, or is refused on its way leaves its stream to its caller", async () => {
  const broken = new ReadableStream<Bytes>({ pull: () => Promise.reject(new Error("reset")) });
  await assert.rejects(gather(broken), { code: "BROKEN" });
  const hung = new ReadableStream<Bytes>({ pull: () => NEVER });
  await assert.rejects(gather(hung, { late: Promise.reject(refusal("LATE")) }), { code: "LATE" });
  assert.equal(hung.locked, false);
  const looked = bodyOf([1]);
  const came = () => {
    throw refusal("LOOKED");
  };
  await assert.rejects(gather(looked, { came }), { code: "LOOKED" });
  assert.equal(looked.locked, false);
});

test("web: what has another shape is told with each place, ten of them, and none longer than a line", () => {
  const schema = v.object({ list: v.array(v.number()) });
  assert.deepEqual(checked(schema, { list: [1] }), { list: [1] });
  const wrong = { list: Array.from({ length: 20 }, () => "x".repeat(1_000)) };
  const told = (first?: boolean) => {
    try {
      checked(schema, wrong, first === undefined ? {} : { first });
    } catch (error) {
      assert.ok(error instanceof Refuse);
      assert.deepEqual([error.status, error.code], [422, "SHAPE"]);
      return error.message.replace("The body does not fit: ", "").split("; ");
    }
    return [];
  };
  assert.equal(told().length, 10);
  assert.equal(told(false).length, 10);
  assert.equal(told(true).length, 1);
  for (const line of told(false)) assert.equal(line.length, 300);
  assert.match(told(false)[9]!, /^list\.9: /);
});

test("web: secrets are compared as wholes, and no secret is nobody's", () => {
  for (
    const [given, wanted, same] of [
      ["abc", "abc", true],
      ["abc", "abd", false],
      ["abc", "ab", false],
      ["ab", "abc", false],
      ["abcabc", "abc", false],
      ["bca", "abc", false],
      ["", "", false],
      ["a", "", false],
      ["", "a", false],
    ] as const
  ) {
    assert.equal(sameText(given, wanted), same, `${given} ${wanted}`);
    assert.equal(sameText(`Bearer ${given}`, wanted, 7), same, `${given} ${wanted}`);
  }
});

test("web: as many answers are open as may be, and a place that is given back twice is one place", async () => {
  const opened = new Opened({ most: 2, roomSize: 1 });
  const [first] = [opened.open(), opened.open()];
  assert.throws(() => opened.open(), (error: Refuse) => {
    assert.deepEqual([error.status, error.code, error.headers], [503, "TOO_MANY_OPEN", {
      "retry-after": "5",
    }]);
    assert.match(error.message, /^2 answers are open already: /);
    return true;
  });
  first();
  first();
  assert.equal(opened.count, 1);
  const last = opened.open();
  assert.throws(() => opened.open(), Refuse);
  last();
  assert.equal(opened.count, 1);
  const full = new Opened({ most: 0, roomSize: 1, already: "go on already" });
  assert.throws(() => full.open(), /^Refuse: 0 answers go on already: /);
});

test("web: that none is open any more is waited for, but not for ever", async () => {
  const opened = new Opened({ most: 2, roomSize: 1 });
  await opened.idle(60_000);
  const places = [opened.open(), opened.open()];
  let idle = false;
  const waiting = opened.idle(60_000).then(() => idle = true);
  places[0]!();
  await Promise.resolve();
  assert.equal(idle, false);
  places[1]!();
  await waiting;
  opened.open();
  await opened.idle(1);
  assert.equal(opened.count, 1);
  const { signal } = new AbortController();
  assert.equal((await opened.room.hold(() => ({ text: "long" }), signal))?.made.text, "long");
});

test("web: an answer that goes on leaves nothing when it has ended, been left, or never begun", async () => {
  const clock = new HandClock();
  const opened = new Opened({ most: 9, roomSize: 1 });
  let listening = 0;
  const listen = () => {
    listening++;
    return () => void listening--;
  };
  const options = { opened, listen, stallMs: 1_000, clock, signal: new AbortController().signal };
  const nothing = () => assert.deepEqual([opened.count, listening, clock.timers], [0, 0, 0]);
  const whole = goesOn({
    ...options,
    texts: async function* () {
      yield "a";
    },
  });
  assert.deepEqual([opened.count, listening, clock.timers], [1, 1, 1]);
  assert.equal(await new Response(whole).text(), "a");
  nothing();
  let told = false;
  const waits = async function* (gone: AbortSignal) {
    gone.addEventListener("abort", () => told = true);
    yield "a";
    yield "b";
  };
  const left = goesOn({ ...options, texts: waits });
  const reader = left.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(told, true);
  nothing();
  const failing = () => {
    throw new Error("no listener");
  };
  assert.throws(() =>
    goesOn({
      ...options,
      listen: failing,
      texts: async function* () {
        yield "a";
      },
    }), /no listener/);
  nothing();
  const stalled = goesOn({
    ...options,
    texts: async function* () {
      yield "a";
    },
  });
  assert.equal(clock.step(), true);
  await assert.rejects(new Response(stalled).text());
  nothing();
});

const NUMBER: Parameter<number> = {
  description: "A number",
  schema: { type: "integer" },
  read: ([text], name) => {
    if (/^\d+$/.test(text)) return Number(text);
    throw refusal(`${name}=${text}`);
  },
};

function example(): Route {
  return route({
    method: "get",
    path: "/a.b/{key}/c",
    access: "token",
    summary: "An example",
    params: { key: { schema: TEXT, slashes: true, read: ([text]) => text } },
    query: {
      n: NUMBER,
      must: { ...NUMBER, missing: () => refusal("MISSING") },
      all: { schema: TEXT, read: (texts) => texts },
    },
    headers: { "If-Match": "A version" },
    answers: { 200: { what: "It", bodies: { "text/plain": TEXT } }, 404: { what: "None" } },
    handle: ({ params: { key }, query: { n = 0 } }) => new Response(`${key.toUpperCase()} ${n + 1}`),
  });
}

test("web: a handler gets what its description says, read; a query is taken or refused by name", () => {
  const each = example();
  const bad = (name: string, problem: string) => refusal(`${name} ${problem}`);
  assert.deepEqual(paramsOf(each, (name) => `<${name}>`), { key: "<key>" });
  assert.deepEqual(queryOf(each, "/x?n=3&must=1"), { n: 3, must: 1 });
  assert.deepEqual(queryOf(each, "/x?must=1&all=a&all=b&other=c"), { must: 1, all: ["a", "b"] });
  assert.throws(() => queryOf(each, "/x?n=x&must=1"), { code: "n=x" });
  assert.throws(() => queryOf(each, "/x"), { code: "MISSING" });
  assert.throws(() => queryOf(each, "/x?n=1"), { code: "MISSING" });
  assert.throws(() => queryOf(each, "/x?must=1&other=c", bad), {
    code: "other is unknown here: there are n, must, all",
  });
  assert.throws(() => queryOf(each, "/x?must=1&must=2", bad), { code: "must is there twice: give it once" });
  const none = { ...each, query: {} };
  assert.throws(() => queryOf(none, "/x?a", bad), { code: "a is unknown here: there are no parameters" });
  assert.deepEqual(queryOf(none, "/x?a"), {});
  const { query: _, ...unread } = each;
  assert.deepEqual(queryOf(unread, "/x?a", bad), {});
});

test("web: an address whose escapes are no UTF-8 is refused, and not read as another", () => {
  const each = example();
  for (
    const url of ["/x?must=1&all=%E9", "/x%FF?must=1", "/x?must=1&other=%zz", "/x?must=1&all=100%", "/%C3"]
  ) {
    assert.throws(() => queryOf(each, url), { status: 400, code: "ADDRESS" }, url);
  }
  assert.deepEqual(queryOf(each, "/%C3%A9?must=1&all=%C3%A9+100%25"), { must: 1, all: ["\u00e9 100%"] });
});

test("web: a route is found by its path alone", () => {
  const each = example();
  assert.equal(patternOf(each), "/a.b/:key{.+}/c");
  for (const path of ["/a.b/k/c", "/a.b/k/l/c"]) assert.ok(fits(each, path), path);
  for (const path of ["/aXb/k/c", "/a.b//c", "/a.b/k/c/", "/x/a.b/k/c", "/a.b/c"]) {
    assert.ok(!fits(each, path), path);
  }
});

test("web: the document says of a route what its description does", () => {
  const named = v.object({ code: v.string() });
  const options = {
    info: { title: "T", description: "D" },
    schemas: { Refusal: named },
    refusal: named,
    securitySchemes: {},
    security: { token: [{ token: [] }] },
    unauthorized: { access: "token", what: "No token" },
  } as const;
  const inline = {
    ...example(),
    method: "post",
    access: "anyone",
    body: { required: true, schema: v.object({ list: v.array(named) }) },
  } as const;
  const document = openApiDocument([example(), inline], options) as {
    paths: Record<string, Record<string, Record<string, unknown>>>;
  };
  const { get, post } = document.paths["/a.b/{key}/c"]!;
  const refused = { "application/json": { schema: { $ref: "#/components/schemas/Refusal" } } };
  assert.deepEqual(get!["security"], [{ token: [] }]);
  assert.deepEqual(get!["parameters"], [
    { name: "key", in: "path", required: true, schema: TEXT },
    { name: "n", in: "query", description: "A number", schema: { type: "integer" }, required: false },
    { name: "must", in: "query", description: "A number", schema: { type: "integer" }, required: true },
    { name: "all", in: "query", schema: TEXT, required: false },
    { name: "If-Match", in: "header", description: "A version", schema: TEXT, required: false },
  ]);
  assert.deepEqual(get!["responses"], {
    200: { description: "It", content: { "text/plain": { schema: TEXT } } },
    401: { description: "No token", content: refused },
    404: { description: "None", content: refused },
    default: { description: "It was refused, and why", content: refused },
  });
  assert.deepEqual(post!["security"], []);
  assert.ok(!("401" in (post!["responses"] as object)));
  const { content } = post!["requestBody"] as { content: { "application/json": { schema: unknown } } };
  assert.deepEqual(content["application/json"].schema, {
    type: "object",
    properties: { list: { type: "array", items: { $ref: "#/components/schemas/Refusal" } } },
    required: ["list"],
  });
});
