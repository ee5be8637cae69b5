/** Who gets in, by which name, from which page, with how much; and that nothing hostile makes it fail or change anything. */
import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { sameText } from "../../src/base/web/same_text.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { described, HandRun, TOKEN, world } from "./rig.ts";

const { operations: OPERATIONS } = await described(world({ page: { html: "x" } }));

test("http: only status, health, metrics, the description and the page need no token", async () => {
  const { refused, ask } = world({ page: { html: "x" } });
  const open = new Set(OPERATIONS.filter(({ open }) => open).map(({ path }) => path));
  assert.deepEqual([...open].sort(), [
    "/",
    "/livez",
    "/metrics",
    "/openapi.json",
    "/proof",
    "/readyz",
    "/status",
  ]);
  for (const { path, method, open } of OPERATIONS) {
    const at = path.replace("{key}", "k");
    const init = { method, token: null };
    // Who asks there proves that he knows the token, without sending it.
    if (path === "/proof") {
      assert.equal(await refused(`${at}?challenge=${"0".repeat(32)}`, init), "401 TOKEN");
    } else if (open) assert.equal((await ask(at, init)).status, 200, at);
    else {
      assert.equal(await refused(at, init), "401 TOKEN", at);
      assert.equal(await refused(at, { ...init, token: "wrong" }), "401 TOKEN", at);
      assert.equal(await refused(at, { ...init, token: TOKEN.slice(1) }), "401 TOKEN", at);
      assert.equal(await refused(at, { ...init, token: `${TOKEN}0` }), "401 TOKEN", at);
    }
  }
  assert.equal(
    await refused("/store", { token: null, headers: { authorization: `Basic ${TOKEN}` } }),
    "401 TOKEN",
  );
  assert.equal(
    await refused("/store", { token: null, headers: { authorization: `Bearer ${"x".repeat(5_000)}` } }),
    "401 TOKEN",
  );
  const answer = await ask("/store", { token: null });
  assert.equal(answer.headers.get("www-authenticate"), "Bearer");
  // The scheme's name has no case, and any spaces may follow; nothing else may stand there.
  for (const authorization of [`bearer ${TOKEN}`, `BEARER   ${TOKEN}`, `Bearer  ${TOKEN}`]) {
    assert.equal(
      (await ask("/store", { token: null, headers: { authorization } })).status,
      200,
      authorization,
    );
  }
  for (const authorization of [TOKEN, `Bearer${TOKEN}`, "Bearer ", "Bearer", `Bearer x${TOKEN}`]) {
    assert.equal(await refused("/store", { token: null, headers: { authorization } }), "401 TOKEN");
  }
});

test("http: tokens are compared as wholes", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (one, other) => {
    assert.equal(sameText(one, other), one === other && other !== "");
    assert.equal(sameText(one, one), one !== "");
  }));
});

test("http: a page that has been pointed here by another name gets nothing, not even the status", async () => {
  const { app } = world();
  const probe = async (url: string, headers: Record<string, string> = {}, method = "GET") => {
    const answer = await app.request(url, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    });
    return answer.status;
  };
  for (
    const host of [
      "evil.example",
      "evil.example:1234",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "10.0.0.1",
      "0x7f.1",
      "127.0.0.1@evil.example",
      "",
      "a".repeat(500),
    ]
  ) {
    assert.equal(await probe("http://127.0.0.1:1234/status", { host }), 421, host);
    assert.equal(await probe("http://127.0.0.1:1234/nothing", { host }), 421, host);
  }
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:9", "127.1.2.3", "[::1]:80"]) {
    assert.equal(await probe("http://127.0.0.1:1234/status", { host }), 200, host);
  }
  assert.equal(await probe("http://evil.example/status"), 421);
});

test("http: names and addresses that are allowed are those that were given", async () => {
  const { app } = world({ hosts: ["Device.example"], anyAddress: true });
  const status = async (host: string) =>
    (await app.request("http://127.0.0.1/status", { headers: { host } })).status;
  assert.equal(await status("device.example:8080"), 200);
  assert.equal(await status("192.168.1.7:8080"), 200);
  assert.equal(await status("[fe80::1]"), 200);
  assert.equal(await status("other.example"), 421);
});

test("http: pages of other origins get nothing, a simple form changes nothing, and no answer has a CORS header", async () => {
  const { ask, run, refused } = world();
  const form = { "content-type": "application/x-www-form-urlencoded" };
  for (
    const origin of ["null", "http://evil.example", "https://127.0.0.1:1234", "http://127.0.0.1:1", "file://"]
  ) {
    assert.equal(await refused("/status", { headers: { origin } }), "403 ORIGIN", origin);
    assert.equal(await refused("/cancel", { method: "POST", headers: { origin } }), "403 ORIGIN", origin);
    assert.equal(
      await refused("/store/k", { method: "PUT", body: "1", headers: { origin } }),
      "403 ORIGIN",
      origin,
    );
  }
  assert.equal(await refused("/status", { headers: { "sec-fetch-site": "cross-site" } }), "403 ORIGIN");
  assert.equal(
    (await ask("/status", { headers: { origin: "http://127.0.0.1:1234", "sec-fetch-site": "same-origin" } }))
      .status,
    200,
  );
  assert.equal(
    await refused("/cancel", { method: "POST", body: "because=x", headers: form, token: null }),
    "401 TOKEN",
  );
  const preflight = await ask("/store/k", {
    method: "OPTIONS",
    headers: { origin: "http://evil.example", "access-control-request-method": "PUT" },
  });
  assert.equal(preflight.status, 403);
  const told: [string, RequestInit?][] = [
    ["/status"],
    ["/livez"],
    ["/metrics"],
    ["/store"],
    ["/store/none"],
    ["/store/watch?key"],
    ["/store/k", { method: "PUT", body: "1" }],
    ["/store/k"],
    ["/store/k", { headers: { "if-none-match": '"1"' } }],
    ["/store/k", { method: "DELETE" }],
    ["/nothing"],
    ["/logs"],
    ["/result"],
    ["/status", { headers: { host: "evil.example" } }],
  ];
  for (const [path, init] of told) {
    const { headers, body } = await ask(path, init);
    await body?.cancel();
    assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("access-control")), []);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("cache-control"), "no-store");
  }
  assert.deepEqual(run.cancelled, []);
  assert.deepEqual(run.store.keys().keys, []);
});

test("http: too long a path, too large headers, and a body that does not come are refused", async () => {
  const { refused } = world({ limits: { bodyMs: 20, target: 1_000, headerBytes: 4_000 } });
  assert.equal(await refused(`/store/k?wait=${"1".repeat(2_000)}`), "414 TARGET_TOO_LONG");
  assert.equal(
    await refused("/cancel", { method: "POST", headers: { "x-much": "x".repeat(5_000) } }),
    "431 HEADERS_TOO_LARGE",
  );
  let gone = false;
  const never = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array([49])),
    cancel: () => {
      gone = true;
    },
  });
  const init = { method: "PUT", body: never, duplex: "half" } as RequestInit;
  assert.equal(await refused("/store/k", init), "408 TOO_SLOW");
  assert.ok(gone);
});

test("http: secrets are in no status, log or metrics, however they are spelt", async () => {
  const run = new HandRun();
  const redactor = new Redactor(['s3cret"value']);
  const { ask } = world({
    redact: (text) => redactor.text(text),
    conditions: () => [{ code: "x", message: 'it said s3cret"value' }],
    version: 's3cret"value',
  }, run);
  run.progressText = 's3cret"value';
  run.say(`as JSON ${JSON.stringify('s3cret"value')}, as URL ${encodeURIComponent('s3cret"value')}`);
  for (const path of ["/status", "/logs", "/metrics", "/tasks", "/records"]) {
    const text = await (await ask(path)).text();
    assert.doesNotMatch(text, /s3cret/, path);
    assert.doesNotMatch(decodeURIComponent(text.replaceAll("%", "%25")), /s3cret/, path);
  }
});

const WORDS = [
  "/",
  "store",
  "k",
  "watch",
  "increment",
  "events",
  "logs",
  "status",
  "..",
  "%00",
  "%2F",
  "%ff",
  "%",
  "?",
  "=",
  "&",
  "since",
  "wait",
  "limit",
  "-1",
  "1e9",
  "NaN",
  "\u0000",
  "ü",
  "a".repeat(600),
  "//",
  ";",
  "#",
  "{",
  "__proto__",
  "constructor",
  "*",
  "1ms",
  "follow",
  "prefix",
  "cursor",
];
const HEADER_VALUES = [
  "*",
  '"1"',
  'W/"1"',
  '"x"',
  "",
  ",",
  "application/json",
  "text/event-stream;q=x",
  "a/b;q=0",
  "*/*",
  "gzip",
  "-1",
  "99999999999999999999",
  "null",
  "bytes=0-",
  "é",
];
const HEADERS = [
  "if-match",
  "if-none-match",
  "accept",
  "content-type",
  "content-encoding",
  "content-length",
  "last-event-id",
  "range",
  "origin",
  "host",
  "transfer-encoding",
  "authorization",
  "x-forwarded-host",
  "expect",
];
const BODIES = [
  "",
  "{",
  "[]",
  "null",
  '"x"',
  "1",
  '{"type":1}',
  '{"by":1e999}',
  '{"by":null}',
  '{"__proto__":{"x":1}}',
  '{"because":""}',
  "[".repeat(2_000),
  "\ud800",
  '{"$bytes":1}',
  '{"a":1,"a":2}',
];

test("http: random and hostile requests never fail, never hang, and change nothing without a token", async () => {
  const { app, run, defects } = world({ limits: { bodyMs: 50, aliveMs: 5 } });
  run.end();
  run.store.set("k", "1");
  const before = run.store.stats();
  const path = fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 5 })), { maxLength: 8 })
    .map((parts) => `/${parts.join("/").slice(0, 3_000)}`);
  const known = fc.tuple(
    fc.constantFrom(...OPERATIONS),
    fc.constantFrom(...WORDS),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 5 }),
  )
    .map(([{ path }, key, query]) => `${path.replace("{key}", encodeURIComponent(key))}?${query.join("=")}`);
  const headers = fc.dictionary(fc.constantFrom(...HEADERS), fc.constantFrom(...HEADER_VALUES), {
    maxKeys: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(path, known),
      fc.constantFrom("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND"),
      headers,
      fc.option(fc.oneof(fc.constantFrom(...BODIES), fc.string({ unit: "binary" }))),
      fc.boolean(),
      async (target, method, more, body, withToken) => {
        const reading = method === "GET" || method === "HEAD";
        const init = {
          method,
          headers: { ...more, ...(withToken && reading ? { authorization: `Bearer ${TOKEN}` } : {}) },
          ...(body !== null && !reading && { body }),
          signal: AbortSignal.timeout(2_000),
        };
        let request: Request;
        try {
          request = new Request(`http://127.0.0.1:1${target}`, init);
        } catch {
          return; // No client could send it.
        }
        const answer = await app.request(request);
        const text = await answer.text();
        assert.notEqual(answer.status, 500, `${method} ${target} ${text}`);
        if (answer.status >= 400 && answer.status !== 503 && method !== "HEAD") {
          const { error } = JSON.parse(text) as { error: { code: string; message: string } };
          assert.match(error.code, /^[A-Z_]+$/);
          assert.ok(error.message.length > 10 && error.message.length < 2_000);
        }
        assert.deepEqual(run.store.stats(), { ...before });
        assert.equal(run.store.get("k")!.version, 1);
        assert.equal(run.events.last, 0);
        assert.deepEqual(run.cancelled, []);
      },
    ),
    { numRuns: 600 },
  );
  assert.deepEqual(defects, []);
});

test("http: hostile requests with a token never fail either", async () => {
  const { app, defects } = world({ limits: { bodyMs: 50, aliveMs: 5 } });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...WORDS),
      fc.constantFrom("PUT", "POST", "DELETE"),
      fc.constantFrom("", "/increment", "?expires=1ms", "?expires=x", "?as=text", "?as=bytes", "?as=json"),
      fc.dictionary(
        fc.constantFrom("if-match", "if-none-match", "content-type", "content-encoding"),
        fc.constantFrom(...HEADER_VALUES.slice(0, -1)),
        { maxKeys: 2 },
      ),
      fc.oneof(fc.constantFrom(...BODIES), fc.json(), fc.string({ unit: "binary" })),
      async (key, method, rest, more, body) => {
        for (const path of [`/store/${encodeURIComponent(key)}${rest}`, "/events", "/cancel"]) {
          const request = new Request(`http://localhost${path}`, {
            method,
            body,
            headers: { authorization: `Bearer ${TOKEN}`, ...more },
          });
          const answer = await app.request(request);
          const text = await answer.text();
          assert.notEqual(answer.status, 500, `${method} ${path} ${text}`);
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.deepEqual(defects, []);
});
