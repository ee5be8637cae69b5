/** Sessions of the gateway's page: what a cookie opens, from which pages, and when it is over. */
import assert from "node:assert/strict";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CutOff } from "../../src/base/reader_stream.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Sessions } from "../../src/gateway/sessions.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { BEAT, STARTED, type World, world } from "./rig.ts";

const ORIGIN = "http://127.0.0.1:9";
const OWN = { origin: ORIGIN };
const HOUR = 3_600_000;

/** A gateway with a token of each kind; the text of a token is its name. */
async function guarded(): Promise<World & { readonly tokens: Tokens }> {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  await tokens.put({ name: "user", kind: "user" }, "user");
  await tokens.put({ name: "both", kind: "both" }, "both");
  await tokens.put({ name: "device", kind: "executor" }, "device");
  return { ...world({ store, tokens }), tokens };
}

interface Signing {
  readonly headers?: Readonly<Record<string, string>>;
}

function signIn({ ask }: World, token: string, { headers = OWN }: Signing = {}): Promise<Response> {
  return ask("/v1/session", { method: "POST", body: JSON.stringify({ token }), headers });
}

/** The pair that a browser sends back. */
async function cookieOf(w: World, token: string = "user", signing: Signing = {}): Promise<string> {
  const answer = await signIn(w, token, signing);
  assert.equal(answer.status, 204, await answer.text());
  return answer.headers.get("set-cookie")!.split(";")[0]!;
}

test("session: a token is exchanged for a cookie that scripts don't see and other sites don't send", async () => {
  const w = await guarded();
  const answer = await signIn(w, "user");
  const cookie = answer.headers.get("set-cookie")!;
  assert.match(
    cookie,
    /^outrider-session-9=[0-9a-f]{64}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/,
  );
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.equal(await answer.text(), "");
  const headers = { cookie: `other=1; ${cookie.split(";")[0]}; more=2` };
  assert.equal((await w.ask("/v1/runs", { headers })).status, 200);
  const view = await (await w.ask("/v1/session", { headers })).json();
  assert.deepEqual(view, { token: "user", leftMs: 12 * HOUR });
  assert.deepEqual(await w.json("/v1/session"), { nobody: true });
});

test("session: behind TLS the cookie is sent over TLS alone, and bound to the host", async () => {
  const w = await guarded();
  const headers = { origin: "https://gateway.example", host: "gateway.example" };
  const cookie = (await signIn(w, "user", { headers })).headers.get("set-cookie")!;
  assert.match(cookie, /^__Host-outrider-session=[0-9a-f]{64}; .*; Secure$/);
  const sent = { host: "gateway.example", cookie: cookie.split(";")[0]! };
  assert.equal(await w.code("/v1/runs", { headers: sent }), "200");
  // Who can write cookies for the name alone can't put another's session in the place of this one.
  const before = { ...sent, cookie: `outrider-session=${"0".repeat(64)}; ${sent.cookie}` };
  assert.equal(await w.code("/v1/runs", { headers: before }), "200");
});

test("session: a wrong token, an executor's, and none begin no session", async () => {
  const w = await guarded();
  const status = async (answer: Promise<Response>) => {
    const { status, headers } = await answer;
    return [status, headers.has("set-cookie")];
  };
  assert.deepEqual(await status(signIn(w, "other")), [401, false]);
  assert.deepEqual(await status(signIn(w, "device")), [403, false]);
  assert.deepEqual(await status(signIn(w, "")), [422, false]);
  assert.deepEqual(await status(signIn(w, "x".repeat(5_000))), [422, false]);
  const open = world();
  assert.equal(await open.code("/v1/session", { method: "POST", body: '{"token":"x"}' }), "409 OPEN");
  assert.deepEqual(await open.json("/v1/session"), {});
});

test("session: what pages of others ask is refused, whatever it is, and what might be theirs changes nothing", async () => {
  const w = await guarded();
  const cookie = await cookieOf(w);
  const foreign: Readonly<Record<string, string>>[] = [
    { origin: "http://evil.example" },
    { origin: "http://127.0.0.1:10" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    // Another port of this machine is the same site.
    { "sec-fetch-site": "same-site" },
    { ...OWN, "sec-fetch-site": "same-site" },
    { origin: "http://evil.example", "sec-fetch-site": "same-origin" },
  ];
  const asked: [string, string, string?][] = [
    ["GET", "/v1/runs"],
    ["GET", "/v1/overview"],
    ["GET", "/v1/runs/r/records?follow=1"],
    ["GET", "/v1/session"],
    ["POST", "/v1/bundles?to=e", "{}"],
    ["POST", "/v1/runs/r/cancel"],
    ["POST", "/v1/executors/e/commands", '{"type":"stop"}'],
    ["PUT", "/v1/experiments/e/flags/f", '{"value":1}'],
    ["POST", "/v1/tokens", '{"kind":"user","name":"n"}'],
    ["DELETE", "/v1/session"],
    ["GET", "/v1/nothing"],
  ];
  for (const [method, path, body] of asked) {
    for (const headers of foreign) {
      const init = { method, headers: { cookie, ...headers }, ...(body !== undefined && { body }) };
      assert.equal(await w.code(path, init), "403 ORIGIN", `${method} ${path} ${JSON.stringify(headers)}`);
    }
    // A browser says where what it sends comes from; who says nothing may look, and change nothing.
    if (method !== "GET") {
      const init = { method, headers: { cookie }, ...(body !== undefined && { body }) };
      assert.equal(await w.code(path, init), "403 ORIGIN", `${method} ${path}`);
    }
  }
  for (const headers of foreign) assert.equal((await signIn(w, "user", { headers })).status, 403);
  assert.deepEqual(await w.store.handouts(undefined, 10), []);
  // It is whole, and its own page goes on.
  const own: Readonly<Record<string, string>>[] = [OWN, { "sec-fetch-site": "same-origin" }];
  for (const headers of own) {
    const init = { method: "POST", body: "{}", headers: { cookie, ...headers } };
    assert.equal((await w.ask("/v1/bundles?to=e", init)).status, 201);
  }
});

test("session: it opens what users ask, and neither what executors do nor the registry", async () => {
  const w = await guarded();
  const headers = { cookie: await cookieOf(w, "both"), ...OWN };
  const beat = { method: "POST", body: JSON.stringify(BEAT), headers };
  assert.equal(await w.code("/v1/executors/e/heartbeat", beat), "403 TOKEN_KIND");
  assert.equal((await w.ask("/v2/", { headers })).status, 401);
  assert.equal(await w.code("/v1/executors", { headers }), "200");
  // A token that is sent counts, whatever else comes with it.
  const wrong = { ...headers, authorization: "Bearer other" };
  assert.equal(await w.code("/v1/executors", { headers: wrong }), "401 TOKEN");
});

test("session: it ends when it is signed out, with its time, with its token, and never comes back", async () => {
  const w = await guarded();
  const opens = async (cookie: string) => (await w.ask("/v1/runs", { headers: { cookie } })).status;
  const [first, second, third] = [await cookieOf(w), await cookieOf(w), await cookieOf(w, "both")];
  const out = await w.ask("/v1/session", { method: "DELETE", headers: { cookie: first, ...OWN } });
  assert.match(out.headers.get("set-cookie")!, /^outrider-session-9=; .*Max-Age=0/);
  assert.deepEqual([await opens(first), await opens(second), await opens(third)], [401, 200, 200]);
  await w.tokens.drop("both");
  assert.equal(await opens(third), 401);
  // Neither with another token of the same name, nor with the same one.
  for (const text of ["another", "both"]) {
    await w.tokens.put({ name: "both", kind: "user" }, text);
    assert.equal(await opens(third), 401);
  }
  w.clock.reach(w.clock.now() + 12 * HOUR - 1);
  assert.equal(await opens(second), 200);
  w.clock.reach(w.clock.now() + 1);
  assert.equal(await opens(second), 401);
});

test("session: who signs in anew has left the session of before, and no other is given in advance", async () => {
  const w = await guarded();
  const before = await cookieOf(w);
  const after = await cookieOf(w, "both", { headers: { ...OWN, cookie: before } });
  assert.notEqual(after, before);
  assert.equal(await w.code("/v1/runs", { headers: { cookie: before } }), "401 TOKEN");
  assert.equal(await w.code("/v1/runs", { headers: { cookie: after } }), "200");
  // A wrong token ends nothing.
  assert.equal((await signIn(w, "other", { headers: { ...OWN, cookie: after } })).status, 401);
  assert.equal(await w.code("/v1/runs", { headers: { cookie: after } }), "200");
  // What another has set as a cookie is never what a session is known by.
  const planted = `outrider-session-9=${"a".repeat(64)}`;
  assert.notEqual(await cookieOf(w, "user", { headers: { ...OWN, cookie: planted } }), planted);
  assert.equal(await w.code("/v1/runs", { headers: { cookie: planted } }), "401 TOKEN");
});

test("session: a step of the wall clock neither ends nor lengthens it", async () => {
  const w = await guarded();
  const cookie = await cookieOf(w);
  w.clock.jump(48 * HOUR);
  assert.equal(await w.code("/v1/runs", { headers: { cookie } }), "200");
  w.clock.jump(-96 * HOUR);
  w.clock.reach(w.clock.now() + 13 * HOUR);
  assert.equal(await w.code("/v1/runs", { headers: { cookie } }), "401 TOKEN");
});

test("session: a token has so many; the oldest gives way, and no other token's", async () => {
  const w = await guarded();
  const other = await cookieOf(w, "both");
  const all: string[] = [];
  for (let at = 0; at < 33; at++) all.push(await cookieOf(w));
  const opens = async (cookie: string) => (await w.ask("/v1/runs", { headers: { cookie } })).status;
  assert.deepEqual(
    [await opens(other), await opens(all[0]!), await opens(all[1]!), await opens(all[32]!)],
    [200, 401, 200, 200],
  );
});

test("session: all tokens together have so many; then the oldest of all gives way", async () => {
  const { tokens, clock } = await guarded();
  const sessions = new Sessions(tokens, clock);
  const of = async (cookie: string) =>
    await sessions.of(new Request(`${ORIGIN}/`, { headers: { cookie: cookie.split(";")[0]! } }));
  const all: string[] = [];
  for (let at = 0; at < 1_025; at++) {
    const text = `user-${at % 40}`;
    if (at < 40) await tokens.put({ name: text, kind: "user" }, text);
    all.push(
      await sessions.begin(new Request(`${ORIGIN}/v1/session`, { method: "POST", headers: OWN }), text),
    );
    if (at === 1_023) assert.notEqual(await of(all[0]!), undefined);
  }
  assert.deepEqual([await of(all[0]!), (await of(all[1]!))?.token.name], [undefined, "user-1"]);
});

/** Follows run `r` as one who sends these headers, and has read its first record; resolves when it is cut off: an end of its own would say that the run is over. */
async function followed(
  w: World,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly over: Promise<void> }> {
  const device = { method: "POST", headers: { authorization: "Bearer device" } };
  const batch = JSON.stringify({ run: "r", lane: "state", records: [STARTED] });
  assert.equal((await w.ask("/v1/executors/e/records", { ...device, body: batch })).status, 200);
  const answer = await w.ask("/v1/runs/r/records?follow=1", { headers });
  const reader = answer.body!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /run\.started/);
  const rest = async () => {
    while (!(await reader.read()).done);
  };
  return { over: assert.rejects(rest(), /cut off/) };
}

/** Has what nobody holds forgotten, where the runtime can be asked for it. */
function forgetUnheld(): void {
  const { Bun } = globalThis as { readonly Bun?: { gc(now: boolean): void } };
  if (Bun !== undefined) return Bun.gc(true);
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("globalThis.gc");
  if (typeof gc === "function") gc();
}

test("session: what is followed is cut off however long ago it was asked for", async () => {
  const w = await guarded();
  const cookie = await cookieOf(w);
  const signedOut = await followed(w, { cookie });
  const withdrawn = await followed(w, { authorization: "Bearer both" });
  await w.activity.still();
  forgetUnheld();
  await w.activity.still();
  await w.ask("/v1/session", { method: "DELETE", headers: { cookie, ...OWN } });
  await signedOut.over;
  await w.tokens.drop("both");
  await withdrawn.over;
});

test("session: what is followed ends when it is signed out", async () => {
  const w = await guarded();
  const cookie = await cookieOf(w);
  const { over } = await followed(w, { cookie });
  await w.ask("/v1/session", { method: "DELETE", headers: { cookie, ...OWN } });
  await over;
});

test("session: what is followed for a session or its token itself ends as the token is withdrawn or replaced", async () => {
  const w = await guarded();
  const session = await followed(w, { cookie: await cookieOf(w) });
  const bearer = await followed(w, { authorization: "Bearer user" });
  let others = 0;
  const other = await followed(w, { authorization: "Bearer both" });
  const ended = other.over.then(() => others++);
  await w.ask("/v1/tokens/user", { method: "DELETE", headers: { authorization: "Bearer both" } });
  await Promise.all([session.over, bearer.over]);
  assert.equal(others, 0);
  await w.tokens.put({ name: "both", kind: "both" }, "another");
  await ended;
});

test("session: what is followed by a token that is withdrawn as it is let in is cut off too", async () => {
  const { tokens } = await guarded();
  const both = (await tokens.find("both"))!;
  const user = (await tokens.find("user"))!;
  await tokens.drop("both");
  await tokens.put({ name: "user", kind: "user" }, "another");
  for (const token of [both, user]) assert.ok((await tokens.over(token)).reason instanceof CutOff);
  const over = await tokens.over((await tokens.find("another"))!);
  assert.equal(over.aborted, false);
  await tokens.drop("user");
  assert.ok(over.reason instanceof CutOff);
});

test("session: what is followed ends with the time of the session, whether or not anybody asks", async () => {
  const w = await guarded();
  const { over } = await followed(w, { cookie: await cookieOf(w) });
  await w.activity.still();
  w.clock.reach(w.clock.now() + 12 * HOUR);
  w.clock.step(w.clock.now());
  await over;
});

test("session: a gateway without tokens needs none, and lets in its own page alone", async () => {
  const w = world();
  assert.equal(await w.code("/v1/overview", { headers: { ...OWN, "sec-fetch-site": "same-origin" } }), "200");
  const post = { method: "POST", body: "{}" };
  assert.equal(await w.code("/v1/bundles?to=e", { ...post, headers: OWN }), "201");
  for (const headers of [{ origin: "http://evil.example" }, { "sec-fetch-site": "same-site" }]) {
    assert.equal(
      await w.code("/v1/bundles?to=e", { ...post, headers: headers as HeadersInit }),
      "403 ORIGIN",
    );
  }
});

test("session: the page is there for anyone, holds nothing, and may load nothing of others", async () => {
  const w = await guarded();
  const answer = await w.ask("/");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(
    answer.headers.get("content-security-policy")!,
    /^default-src 'none'; script-src 'sha256-.*frame-ancestors 'none'/,
  );
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  await answer.body!.cancel();
  const known = await w.ask("/", { headers: { "if-none-match": answer.headers.get("etag")! } });
  assert.equal(known.status, 304);
});
