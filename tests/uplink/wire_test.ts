/** One request: bounded in time and space whatever the other end does, and failures that say what to do. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Backoff, retryAfterMs } from "../../src/base/backoff.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { pullPipeline } from "../../src/uplink/pull.ts";
import { checkToken } from "../../src/protocol/token.ts";
import { userGateway } from "../../src/uplink/user.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { sha256 } from "../../src/base/bytes.ts";
import { Activity, drive, HandClock, pass } from "./rig.ts";

const LIMITS = { timeoutMs: 5000 };
const BEAT = {
  session: "s",
  version: 1,
  outrider: "0",
  runtime: "test 1",
  state: "idle" as const,
  spool: { state: 0, log: 0 },
  sentBytes: 0,
  seen: 0,
};
const BATCH = { run: "r", lane: "state" as const, records: [] };

function gatewayOf(fetch: Fetch, clock: HandClock = new HandClock()) {
  return outriderGateway({
    url: "http://device.test:8080/base/",
    executor: "e",
    fetch,
    clock,
    token: "secret",
  });
}

function sendTo(fetch: Fetch, clock?: HandClock): Promise<unknown> {
  const { report } = gatewayOf(fetch, clock);
  return report.kind === "records" ? report.send(BATCH, LIMITS) : Promise.reject(new Error("not records"));
}

function answering(body: BodyInit | null, init: ResponseInit = {}): Fetch {
  return () => Promise.resolve(new Response(body, init));
}

test("uplink: a web page instead of an answer is told as one, with whatever status", async () => {
  for (const status of [200, 400, 403, 404]) {
    const page = answering("<!DOCTYPE html><h1>Hotel Wi-Fi</h1>", {
      status,
      headers: { "content-type": "text/html" },
    });
    await assert.rejects(sendTo(page), {
      code: "OUTRIDER_GATEWAY_ANSWER",
      transient: true,
      message: /web page: a proxy or a login page/,
    });
  }
});

test("uplink: a redirect is not followed and named, without the token", async () => {
  let seen: RequestInit | undefined;
  const fetch: Fetch = (_, init) => {
    seen = init;
    return Promise.resolve(new Response(null, { status: 302, headers: { location: "https://evil.test/" } }));
  };
  const error = await sendTo(fetch).catch((error) => error as Error);
  assert.ok(error instanceof Error);
  assert.match(error.message, /redirect to https:\/\/evil\.test\//);
  assert.doesNotMatch(error.message, /secret/);
  assert.equal(seen?.redirect, "manual");
});

test("uplink: an answer that comes in pieces is read in their order", async () => {
  const pieces = ['{"com', 'mands":', "[]}"].map((text) => new TextEncoder().encode(text));
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
  const answer = await gatewayOf(answering(body)).beat(BEAT, LIMITS);
  assert.deepEqual(answer?.commands, []);
});

test("uplink: an endless answer is cut off at its limit", async () => {
  let sent = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536));
    },
    cancel() {
      cancelled = true;
    },
  });
  await assert.rejects(sendTo(answering(endless)), {
    code: "OUTRIDER_GATEWAY_ANSWER",
    message: /longer than 1048576/,
  });
  assert.ok(sent < 2_000_000, `${sent}`);
  assert.equal(cancelled, true);
});

test("uplink: an answer that drips for ever ends at the time limit", async () => {
  const clock = new HandClock();
  const drip = new ReadableStream<Uint8Array>({
    pull: (controller) =>
      new Promise((resolve) => {
        clock.after(1000, () => (controller.enqueue(new Uint8Array(1)), resolve()));
      }),
  });
  const sending = sendTo(answering(drip), clock);
  await assert.rejects(drive(sending, { clock, activity: new Activity() }), {
    code: "OUTRIDER_GATEWAY_TIMEOUT",
  });
});

test("uplink: no connection, no JSON, JSON of another shape: each says what it was", async () => {
  const refused: Fetch = () =>
    Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }));
  await assert.rejects(sendTo(refused), {
    code: "OUTRIDER_GATEWAY_UNREACHABLE",
    message: /can't be reached: nothing listens there: check the network/,
  });
  await assert.rejects(sendTo(answering("hello")), { code: "OUTRIDER_GATEWAY_ANSWER", message: /no JSON/ });
  const other = answering('{"acknowledged":{"state":"all"}}', { status: 200 });
  await assert.rejects(sendTo(other), {
    code: "OUTRIDER_GATEWAY_ANSWER",
    message: /acknowledged\.state: .*Expected number/,
  });
});

test("uplink: what a refusal is about decides whether the record is to blame", async () => {
  const blamed: number[] = [];
  const own = JSON.stringify({ error: { code: "BAD", message: "no" } });
  for (let status = 400; status < 600; status++) {
    const error = await sendTo(answering(own, { status })).catch((error) => error as { transient: boolean });
    if (!(error as { transient: boolean }).transient) blamed.push(status);
  }
  const expected = Array.from({ length: 100 }, (_, at) => 400 + at)
    .filter((status) => ![401, 403, 404, 405, 407, 408, 429].includes(status));
  assert.deepEqual(blamed, expected);
});

/** Answers that are none of a gateway's: of proxies, login pages, other servers. */
const FOREIGN = [
  "",
  "Bad Request",
  "<html>no</html>",
  "{}",
  "null",
  '{"message":"Forbidden"}',
  '{"error":"bad_request"}',
  '{"error":{"code":400,"message":"Invalid","status":"INVALID_ARGUMENT"}}',
  '{"error":{"code":"BadRequest","message":"Invalid"}}',
  '{"detail":"Not Found"}',
  '{"error":{"code":"BAD"}}',
];

test("uplink: a refusal that is not in the gateway's own form blames nothing that was sent, whatever its status", async () => {
  for (const body of FOREIGN) {
    for (const status of [400, 406, 409, 410, 413, 415, 422, 431, 451, 499, 500]) {
      await assert.rejects(sendTo(answering(body, { status })), { transient: true }, `${status} ${body}`);
    }
  }
});

test("uplink: a success that is none of a gateway's is not believed", async () => {
  for (const body of [...FOREIGN, '{"status":"login"}', '"ok"', "[]", '{"ok":true}']) {
    for (const status of [200, 201, 202]) {
      const fetch = answering(body, { status });
      const gateway = gatewayOf(fetch);
      await assert.rejects(sendTo(fetch), { transient: true }, body);
      await assert.rejects(gateway.pull(undefined, LIMITS), { transient: true }, body);
      await assert.rejects(gateway.flags.read("n", LIMITS), { transient: true }, body);
      const set = { op: "set", id: "1", value: 1 } as const;
      await assert.rejects(gateway.flags.change("n", set, LIMITS), { transient: true }, body);
      // An empty object is a reply without commands, as any field of it may be left out.
      if (body !== "{}") await assert.rejects(gateway.beat(BEAT, LIMITS), { transient: true }, body);
    }
  }
});

test("uplink: a token with a line break is refused, says where, and is never shown", () => {
  for (const token of ["abc\ndef", "abc\r\n", "abc def", "abcé", "", "x".repeat(5000)]) {
    assert.throws(() => checkToken(token), (error: Error & { code?: string }) => {
      assert.equal(error.code, "OUTRIDER_TOKEN");
      assert.doesNotMatch(error.message, /abc|xxx/);
      return true;
    });
  }
  assert.throws(() => checkToken("abc\ndef"), /a line break at character 4 of 7/);
  assert.equal(checkToken("abc.DEF-123_~+/="), "abc.DEF-123_~+/=");
});

test("uplink: an address that is none, of another protocol, or with a password is refused", () => {
  const clock = new HandClock();
  const make = (url: string) => outriderGateway({ url, executor: "e", fetch: answering(null), clock });
  for (const url of ["gateway:8080x", "nonsense", "ftp://x", "http://user:pass@x"]) {
    assert.throws(() => make(url), { code: "OUTRIDER_GATEWAY_ADDRESS" });
  }
  assert.equal(make("https://x.test/a//").url, "https://x.test/a");
  const bad = { url: "http://x", executor: "my device", fetch: answering(null), clock };
  assert.throws(() => outriderGateway(bad), {
    code: "OUTRIDER_ID",
    message: /OUTRIDER_EXECUTOR_ID is "my device"/,
  });
});

test("uplink: what is sent is counted", async () => {
  const gateway = gatewayOf(answering('{"commands":[]}'));
  const heartbeat = {
    session: "s",
    version: 1,
    outrider: "0",
    runtime: "t",
    state: "idle" as const,
    spool: { state: 0, log: 0 },
    sentBytes: 0,
    seen: 0,
  };
  await gateway.beat(heartbeat, LIMITS);
  const { requests, failures, sentBytes, receivedBytes } = gateway.traffic;
  assert.deepEqual({ requests, failures, receivedBytes }, { requests: 1, failures: 0, receivedBytes: 15 });
  assert.ok(sentBytes > JSON.stringify(heartbeat).length && sentBytes < 400, `${sentBytes}`);
});

test("uplink: a delay lies between 0 and a ceiling that doubles from 0.5 s to 60 s; a success starts over", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 60 }), (draws) => {
      let at = 0;
      const backoff = new Backoff({ random: () => draws[at] ?? 0.5 });
      for (; at < draws.length; at++) {
        const delay = backoff.next();
        assert.ok(delay >= 0 && delay <= Math.min(60_000, 500 * 2 ** at));
      }
      backoff.reset();
      assert.ok(backoff.next() <= 500);
    }),
  );
  const most = new Backoff({ random: () => 0.9999999 });
  const ceilings = Array.from({ length: 9 }, () => Math.round(most.next() / 500));
  assert.deepEqual(ceilings, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
});

test("uplink: Retry-After is read as seconds or as a date, by the sender's clock, and bounded", () => {
  const now = Date.UTC(2026, 0, 1);
  const of = (headers: Record<string, string>) => retryAfterMs(new Headers(headers), now);
  assert.equal(of({}), undefined);
  assert.equal(of({ "retry-after": "120" }), 120_000);
  assert.equal(of({ "retry-after": "soon" }), undefined);
  assert.equal(of({ "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" }), 60_000);
  assert.equal(
    of({ "retry-after": "Thu, 01 Jan 2026 00:00:00 GMT", date: "Wed, 31 Dec 2025 23:59:30 GMT" }),
    30_000,
  );
  assert.equal(of({ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }), 0);
  const hour = 3_600_000;
  const long = [
    "1000000000",
    "9".repeat(400),
    "Thu, 01 Jan 2099 00:00:00 GMT",
    "Fri, 31 Dec 9999 00:00:00 GMT",
  ];
  for (const text of long) assert.ok(of({ "retry-after": text })! <= hour, text);
  assert.equal(of({ "retry-after": "1000000000" }), hour);
  assert.equal(new Backoff({ random: () => 0 }).next(1e12), hour);
});

test("uplink: a bundle is asked for until there is one whose hash is right", async () => {
  const clock = new HandClock();
  const bundle = new TextEncoder().encode("bundle");
  const hash = await sha256(bundle);
  const good = { "outrider-bundle-hash": hash, etag: '"3-x"' };
  const bad = { "outrider-bundle-hash": "0".repeat(64), etag: '"2-x"' };
  const answers: (() => Response)[] = [
    () => new Response(null, { status: 204 }),
    () => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } }),
    () => new Response(bundle, { headers: bad }),
    () => new Response(bundle),
    () => new Response("down", { status: 502 }),
    () => new Response(null, { status: 204 }),
    () => new Response(bundle, { headers: good }),
  ];
  const fetch: Fetch = () => Promise.resolve(answers.shift()!());
  const codes: string[] = [];
  const pulling = pullPipeline({
    gateway: gatewayOf(fetch, clock),
    clock,
    random: Math.random,
    signal: new AbortController().signal,
    onError: (error) => codes.push(error.code),
  });
  const pulled = await drive(pulling, { clock, activity: new Activity() });
  assert.deepEqual(pulled && { ...pulled, bytes: [...pulled.bytes] }, {
    hash,
    tag: '"3-x"',
    bytes: [...bundle],
  });
  const answer = "OUTRIDER_GATEWAY_ANSWER";
  assert.deepEqual(codes, [answer, "OUTRIDER_BUNDLE_HASH", answer, "OUTRIDER_GATEWAY_REFUSED"]);
});

test("uplink: a pull ends at once when told to stop, waiting or under way", async () => {
  for (const fetch of [answering(null, { status: 204 }), (() => new Promise(() => {})) as Fetch]) {
    const clock = new HandClock();
    const stop = new AbortController();
    const { signal } = stop;
    const pulling = pullPipeline({ gateway: gatewayOf(fetch, clock), clock, random: () => 0.9, signal });
    await pass(100, { clock, activity: new Activity() });
    stop.abort();
    assert.equal(await pulling, undefined);
    assert.equal(clock.timers, 0);
  }
});

test("uplink: a token that was replaced is read again after a 401, and the request sent once more, not more often", async () => {
  let right = "first";
  let file = "first";
  let reads = 0;
  const sent: string[] = [];
  const gateway = outriderGateway({
    url: "http://device.test",
    executor: "e",
    clock: new HandClock(),
    token: "first",
    renewToken: () => (reads++, Promise.resolve(file)),
    fetch: (_, init) => {
      const token = new Headers(init.headers).get("authorization")!.slice("Bearer ".length);
      sent.push(token);
      const ok = token === right;
      return Promise.resolve(
        Response.json(ok ? { commands: [] } : { error: { code: "TOKEN", message: "no" } }, {
          status: ok ? 200 : 401,
        }),
      );
    },
  });
  await gateway.beat(BEAT, LIMITS);
  assert.equal(reads, 0);
  [right, file] = ["second", "second"];
  await Promise.all([gateway.beat(BEAT, LIMITS), gateway.beat(BEAT, LIMITS)]);
  assert.deepEqual(sent, ["first", "first", "first", "second", "second"]);
  right = "third";
  await assert.rejects(gateway.beat(BEAT, LIMITS), { status: 401, transient: true });
  assert.equal(sent.length, 6);
  file = "no token\nat all";
  await assert.rejects(gateway.beat(BEAT, LIMITS), { status: 401 });
  file = "third";
  await gateway.beat(BEAT, LIMITS);
  assert.deepEqual(sent.slice(-2), ["second", "third"]);
});

test("uplink: a token that is only in a file is read before the first request", async () => {
  const sent: (string | null)[] = [];
  const options = {
    url: "http://device.test",
    clock: new HandClock(),
    random: Math.random,
    fetch: (_: string, init: RequestInit) => {
      sent.push(new Headers(init.headers).get("authorization"));
      return Promise.resolve(Response.json({ executors: [] }));
    },
  };
  await userGateway({ ...options, renewToken: () => Promise.resolve("from-a-file") }).executors();
  assert.deepEqual(sent, ["Bearer from-a-file"]);
  const missing = userGateway({ ...options, renewToken: () => Promise.reject(new Error("No such file")) });
  await assert.rejects(missing.executors(), {
    code: "OUTRIDER_TOKEN",
    message: /No such file: check OUTRIDER_TOKEN_FILE/,
  });
});
