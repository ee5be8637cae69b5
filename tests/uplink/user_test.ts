/** The user's side: the whole loop, and a log that is followed over broken connections. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { userGateway } from "../../src/uplink/user.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { Activity, drive, FakeJournal, HandClock, pass } from "./rig.ts";

async function world() {
  const clock = new HandClock();
  const activity = new Activity();
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  await tokens.put({ name: "me", kind: "user" }, "user-token");
  await tokens.put({ name: "it", kind: "executor" }, "executor-token");
  const app = gatewayApp({ store, clock, tokens });
  const line: { fetch: Fetch } = {
    fetch: (url, init) => activity.during(Promise.resolve(app.request(url, init))),
  };
  const fetch: Fetch = (url, init) => line.fetch(url, init);
  const url = "http://localhost";
  const user = userGateway({ url, token: "user-token", fetch, clock, random: Math.random });
  const gateway = outriderGateway({
    url,
    token: "executor-token",
    executor: "e",
    fetch,
    clock,
    gzip: activity.gzip,
  });
  const journal = new FakeJournal();
  const report = () => startReport({ gateway, clock, random: Math.random, run: "r", source: journal });
  return { clock, activity, user, gateway, journal, report, line };
}

test("uplink: a user submits, sees the run, its result and its log", async () => {
  const w = await world();
  const bundle = new TextEncoder().encode("bundle");
  const submitted = await w.user.submit(bundle, "e");
  assert.deepEqual({ to: submitted.to, bytes: submitted.bytes }, { to: "e", bytes: 6 });
  const pulled = await w.gateway.pull(undefined, { timeoutMs: 1000 });
  assert.equal(pulled?.hash, submitted.hash);
  w.journal.fill(2, { logs: 3 });
  const report = w.report();
  report.end({ state: "succeeded" });
  await drive(report.drained, w);
  await report.stop();
  assert.deepEqual((await w.user.executors()).map(({ id }) => id), ["e"]);
  assert.deepEqual((await w.user.runs()).map(({ run, state }) => [run, state]), [["r", "succeeded"]]);
  assert.deepEqual(await w.user.runs("other"), []);
  assert.equal((await w.user.run("r")).complete, true);
  const result = await w.user.result("r") as { tasks: Record<string, unknown> };
  assert.deepEqual(Object.keys(result.tasks), ["t0", "t1"]);
  const texts: unknown[] = [];
  for await (const record of w.user.logs("r")) texts.push(record["text"]);
  assert.deepEqual(texts, ["line 0", "line 1", "line 2"]);
  await assert.rejects(w.user.cancel("r"), {
    code: "OUTRIDER_GATEWAY_REFUSED",
    message: /is over: it succeeded/,
  });
  await assert.rejects(w.user.result("none"), { code: "OUTRIDER_GATEWAY_REFUSED", message: /no run none/ });
  assert.match(await w.user.executorToken("dev", { executor: "e" }), /^[0-9a-f]{64}$/);
  await w.user.command("e", { type: "interval", ms: 5000 });
});

/** A stream that breaks after so many bytes. */
function breaking(body: ReadableStream<Uint8Array>, after: number): ReadableStream<Uint8Array> {
  let left = after;
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        if (left <= 0) return controller.error(new Error("reset"));
        controller.enqueue(chunk.subarray(0, left));
        left -= chunk.length;
      },
    }),
  );
}

test("uplink: a log that is followed comes once and whole, however often the connection breaks", async () => {
  const w = await world();
  const straight = w.line.fetch;
  let opened = 0;
  w.line.fetch = async (url, init) => {
    const response = await straight(url, init);
    if (!url.includes("/logs") || ++opened > 5 || !response.body) return response;
    return new Response(breaking(response.body, 250 * opened), response);
  };
  const report = w.report();
  w.journal.fill(1, { logs: 40 });
  await pass(5000, w);
  const seqs: unknown[] = [];
  const reading = (async () => {
    for await (const record of w.user.logs("r", { follow: true })) seqs.push(record["seq"]);
  })();
  await pass(100, w);
  w.journal.log("the last");
  report.end({ state: "succeeded" });
  await drive(Promise.all([reading, report.drained]), w);
  await report.stop();
  assert.deepEqual(seqs, Array.from({ length: 41 }, (_, at) => at + 1));
  assert.ok(opened > 5);
  assert.equal(w.clock.timers, 0);
});

test("uplink: following ends when it is told to", async () => {
  const w = await world();
  const report = w.report();
  w.journal.fill(1, { logs: 2 });
  await pass(5000, w);
  const stop = new AbortController();
  const seqs: unknown[] = [];
  const reading = (async () => {
    for await (const record of w.user.logs("r", { follow: true, signal: stop.signal })) {
      seqs.push(record["seq"]);
    }
  })();
  await pass(2000, w);
  stop.abort();
  await drive(reading, w);
  await report.stop();
  assert.deepEqual(seqs, [1, 2]);
});

test("uplink: what is no answer of a gateway's is not shown to its user as one", async () => {
  const bodies = ["", "OK", "<html>log in</html>", "null", "[]", "{}", '{"status":"login"}', '{"run":"r"}'];
  for (const status of [200, 201, 202]) {
    for (const body of bodies) {
      const fetch = () => Promise.resolve(new Response(body, { status }));
      const user = userGateway({
        url: "http://localhost",
        fetch,
        clock: new HandClock(),
        random: Math.random,
      });
      const asked = [
        user.submit(new Uint8Array(1), "e"),
        user.executors(),
        user.runs(),
        user.run("r"),
        user.result("r"),
        user.cancel("r"),
        user.command("e", { type: "pause" }),
        user.executorToken("t"),
        user.logs("r").next(),
      ];
      for (const answer of asked) await assert.rejects(answer, { code: "OUTRIDER_GATEWAY_ANSWER" }, body);
    }
  }
  const lines = '{"seq":1,"text":"a"}\n{"status":"login"}\n';
  const ndjson = { headers: { "content-type": "application/x-ndjson" } };
  const user = userGateway({
    url: "http://localhost",
    fetch: () => Promise.resolve(new Response(lines, ndjson)),
    clock: new HandClock(),
    random: Math.random,
  });
  const log = user.logs("r");
  assert.equal((await log.next()).value?.["seq"], 1);
  await assert.rejects(log.next(), {
    code: "OUTRIDER_GATEWAY_ANSWER",
    message: /no record: \{"status":"login"\}/,
  });
});

test("uplink: a user's questions have only what was asked for in them, each part by itself", async () => {
  const asked: string[] = [];
  const user = userGateway({
    url: "http://gateway.test/",
    clock: new HandClock(),
    random: () => 0,
    fetch: (url, { method, body }) => {
      const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : "";
      asked.push(`${method} ${url.slice("http://gateway.test".length)} ${text}`.trim());
      return Promise.resolve(Response.json({}));
    },
  });
  const bundle = new TextEncoder().encode("b");
  const questions: [Promise<unknown>, string][] = [
    [user.submit(bundle, "group:a b"), "POST /v1/bundles?to=group%3Aa%20b b"],
    [user.submit(bundle, "e", { name: "n&" }), "POST /v1/bundles?to=e&name=n%26 b"],
    [user.submit(bundle, "e", { replace: true }), "POST /v1/bundles?to=e&replace=1 b"],
    [user.handouts(), "GET /v1/handouts"],
    [user.handouts("e/"), "GET /v1/handouts?executor=e%2F"],
    [user.withdraw("q/1"), "POST /v1/handouts/q%2F1/cancel"],
    [user.withdraw("q", "so?"), "POST /v1/handouts/q/cancel?because=so%3F"],
    [user.executors(), "GET /v1/executors"],
    [user.executor("e/"), "GET /v1/executors/e%2F"],
    [user.runs(), "GET /v1/runs"],
    [user.runs("e&"), "GET /v1/runs?executor=e%26"],
    [user.run("r/"), "GET /v1/runs/r%2F"],
    [user.result("r/"), "GET /v1/runs/r%2F/result"],
    [user.cancel("r/"), "POST /v1/runs/r%2F/cancel"],
    [user.cancel("r", "so?"), "POST /v1/runs/r/cancel?because=so%3F"],
    [user.command("e/", { type: "pause" }), 'POST /v1/executors/e%2F/commands {"type":"pause"}'],
    [
      user.executorToken("n", { executor: "e" }),
      'POST /v1/tokens {"kind":"executor","name":"n","executor":"e"}',
    ],
  ];
  for (const [question] of questions) {
    await assert.rejects(question, { code: "OUTRIDER_GATEWAY_ANSWER" }, "nothing is no answer to any");
  }
  assert.deepEqual(asked, questions.map(([, what]) => what));
});

test("uplink: a bundle has as long to leave as its size needs on a slow line, and is given up then", async () => {
  const clock = new HandClock();
  const user = userGateway({
    ...{ url: "http://gateway.test", clock, random: () => 0 },
    fetch: () => new Promise<Response>(() => {}),
  });
  const submitted = user.submit(new Uint8Array(50_000), "e");
  const began = clock.monotonic();
  clock.step();
  await assert.rejects(submitted, { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  assert.equal(clock.monotonic() - began, 31_000);
  assert.equal(clock.timers, 0);
});
