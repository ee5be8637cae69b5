/** netUnicorn's dialect, against a stand-in that answers as its gateway does. */
import assert from "node:assert/strict";
import test from "node:test";
import { GatewayLink } from "../../src/agent/link.ts";
import type { Gateway } from "../../src/uplink/gateway.ts";
import { createFlags } from "../../src/uplink/flags.ts";
import { CommandInbox } from "../../src/uplink/instructions.ts";
import { startHeartbeat } from "../../src/uplink/heartbeat.ts";
import { netunicornGateway } from "../../src/uplink/dialects/netunicorn/netunicorn.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { sha256 } from "../../src/base/bytes.ts";
import { jsonBehind, NetunicornGateway, type Posted } from "./netunicorn_rig.ts";
import { Activity, Chaos, drive, FakeJournal, HandClock, pass, seeded } from "./rig.ts";

function world() {
  const clock = new HandClock();
  const activity = new Activity();
  const there = new NetunicornGateway();
  there.put("dev ice", null);
  const chaos = new Chaos((request) => there.fetch(request), { clock, activity, random: seeded(4) });
  const gateway = netunicornGateway({
    url: "http://gateway.test:26512/",
    executor: "dev ice",
    experiment: "x",
    fetch: chaos.fetch,
    clock,
  });
  return { clock, activity, chaos, gateway, there };
}

/** A gateway of which each answer is this one. */
function answering(text: string, status = 200): Gateway {
  const fetch = () => Promise.resolve(new Response(text, { status }));
  return netunicornGateway({ url: "http://gateway.test", executor: "e", fetch, clock: new HandClock() });
}

function unpacked(result: Posted | undefined): Record<string, unknown> {
  return jsonBehind(Uint8Array.from(atob(result!.results), (char) => char.charCodeAt(0)));
}

test("uplink: netUnicorn: 204 is none yet; then the bundle is unpacked, and known the next time", async () => {
  const w = world();
  assert.equal(await w.gateway.pull(undefined, { timeoutMs: 1000 }), undefined);
  w.there.put("dev ice", new Uint8Array(0));
  assert.equal(await w.gateway.pull(undefined, { timeoutMs: 1000 }), undefined);
  const bytes = Uint8Array.from("bundle\0\xff", (char) => char.charCodeAt(0));
  w.there.put("dev ice", bytes);
  const pulled = await w.gateway.pull(undefined, { timeoutMs: 1000 });
  assert.deepEqual(pulled?.bytes, bytes);
  assert.equal(pulled?.hash, await sha256(bytes));
  assert.equal(await w.gateway.pull(pulled?.tag, { timeoutMs: 1000 }), undefined);
  for (const answer of ['"%%% not base64"', "<html>"]) {
    const gateway = answering(answer);
    await assert.rejects(gateway.pull(undefined, { timeoutMs: 1000 }), {
      code: "OUTRIDER_GATEWAY_ANSWER",
      message: /NETUNICORN_GATEWAY_ENDPOINT is/,
    });
  }
});

test("uplink: netUnicorn: heartbeats say 1, the end says 3 with result and log, and nothing follows it", async () => {
  const w = world();
  const journal = new FakeJournal();
  journal.fill(2, { logs: 3 });
  const run = {
    id: "r",
    pipeline: "p",
    state: "running" as const,
    tasks: 2,
    counts: {},
    running: 0,
    names: [],
  };
  const heartbeat = startHeartbeat({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    session: "s",
    snapshot: () => ({ outrider: "0", runtime: "t", state: "running", run, spool: { state: 0, log: 0 } }),
    commands: new CommandInbox(),
  });
  const report = startReport({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    run: "r",
    source: journal,
  });
  await pass(60_000, w);
  const before = w.there.posts.length;
  assert.ok(before >= 5);
  assert.ok(w.there.posts.every(({ state }) => state === 1));
  heartbeat.beat();
  w.chaos.harm = { lost: 0.5, error500: 0.3 };
  report.end({ state: "succeeded", result: { run: "r", state: "succeeded" } });
  assert.equal(await drive(report.drained, w), true);
  w.chaos.harm = {};
  await pass(60_000, w);
  await heartbeat.stop();
  await report.stop();
  const last = w.there.posts.at(-1);
  assert.equal(last?.state, 3);
  assert.equal(last?.executor_id, "dev ice");
  assert.deepEqual(unpacked(last), {
    outrider: 1,
    result: { run: "r", state: "succeeded" },
    log: journal.lanes.log,
  });
  assert.equal(w.clock.timers, 0);
});

test("uplink: netUnicorn: a log too long is cut at its beginning and says so", async () => {
  const w = world();
  const journal = new FakeJournal();
  for (let at = 0; at < 2000; at++) journal.log(`line ${at} ${"x".repeat(100)}`);
  const report = startReport({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    run: "r",
    source: journal,
    wholeLogBytes: 10_000,
  });
  report.end({ state: "failed", result: {} });
  await drive(report.final, w);
  const log = unpacked(w.there.posts.at(-1))["log"] as { seq: number; dropped?: { count: number } }[];
  assert.ok(log.length > 20 && log.length < 100, `${log.length}`);
  assert.equal(log[0]?.dropped?.count, 2000 - log.length);
  assert.equal(log[0]?.seq, log[0]!.dropped!.count + 1);
  assert.equal(log[1]?.seq, log[0]!.seq + 1);
  assert.equal(log.at(-1)?.seq, 2000);
  assert.ok(journal.mostRead <= 256);
});

function flagsOf({ gateway, clock }: ReturnType<typeof world>) {
  return createFlags({ gateway, clock, random: Math.random, newId: () => crypto.randomUUID() });
}

test("uplink: netUnicorn: flags are texts or whole numbers, counted by one, and waited for by asking", async () => {
  const w = world();
  const flags = flagsOf(w);
  assert.equal(await flags.get("n"), undefined);
  await flags.set("n", "text");
  assert.equal(await flags.get("n"), "text");
  await flags.set("n", 41);
  assert.equal(await flags.increment("n"), 42);
  assert.equal(await flags.decrement("n"), 41);
  await assert.rejects(flags.set("n", { a: 1 }), {
    code: "OUTRIDER_FLAG",
    message: /strings and whole numbers/,
  });
  await assert.rejects(flags.increment("n", { by: 2 }), { code: "OUTRIDER_FLAG", message: /counts by one/ });
  await assert.rejects(flags.compareAndSet("n", { expected: 1, value: 2 }), { code: "OUTRIDER_FLAG" });
  const waiting = flags.waitFor("n", (value) => value === 42, { timeoutMs: 20_000 });
  await pass(5000, w);
  await flags.increment("n");
  assert.equal(await drive(waiting, w), 42);
});

test("uplink: netUnicorn: an increment of which nobody knows whether it was taken is not sent again", async () => {
  const w = world();
  const flags = flagsOf(w);
  w.chaos.harm = { deaf: 1 };
  await assert.rejects(drive(flags.increment("n"), w), {
    code: "OUTRIDER_FLAG",
    message: /not known whether/,
  });
  w.chaos.harm = {};
  assert.equal(await flags.get("n"), 1);
});

test("uplink: netUnicorn: what a flag can't hold, and names that lead to other paths, are refused before they are sent", async () => {
  const w = world();
  const flags = flagsOf(w);
  for (const value of [2 ** 31, -(2 ** 31) - 1, 1.5, NaN, "a\0b", "\ud800", null, true]) {
    await assert.rejects(flags.set("n", value), { code: "OUTRIDER_FLAG" });
  }
  for (const name of ["", ".", "..", "n/increment", "a\0b", "\ud800"]) {
    await assert.rejects(flags.get(name), { code: "OUTRIDER_FLAG", message: /can't be asked for/ });
    await assert.rejects(flags.set(name, 1), { code: "OUTRIDER_FLAG" });
  }
  assert.equal(w.there.asked.size, 0);
  for (const value of [2 ** 31 - 1, -(2 ** 31), "", "ü 😀"]) {
    await flags.set("a b%2F?#é", value);
    assert.equal(await flags.get("a b%2F?#é"), value);
  }
});

test("uplink: netUnicorn: a flag with a text and a number gives both, and takes both", async () => {
  const w = world();
  const flags = flagsOf(w);
  await flags.set("n", { text: "phase 2", number: 7 });
  assert.deepEqual(w.there.flags.get("x/flag/n"), { text_value: "phase 2", int_value: 7 });
  assert.deepEqual(await flags.get("n"), { text: "phase 2", number: 7 });
  assert.equal(await flags.increment("n"), 8);
  assert.deepEqual(await flags.get("n"), { text: "phase 2", number: 8 });
  // As netUnicorn's own client may have set it: a text alone, and a number alone.
  w.there.flags.set("x/flag/t", { text_value: "t", int_value: 0 });
  w.there.flags.set("x/flag/i", { text_value: null, int_value: -3 });
  assert.deepEqual([await flags.get("t"), await flags.get("i")], ["t", -3]);
  for (const value of [{ text: "t" }, { text: 1, number: 1 }, { text: "t", number: 2 ** 31 }]) {
    await assert.rejects(flags.set("n", value), { code: "OUTRIDER_FLAG", message: /\{text, number\}/ });
  }
});

test("uplink: netUnicorn: what is no flag is not taken for one", async () => {
  for (const text of ['{"ok":true}', "[]", "7", '{"text_value":1,"int_value":1}', '{"int_value":"1"}']) {
    const read = answering(text).flags.read("n", { timeoutMs: 1000 });
    await assert.rejects(read, { code: "OUTRIDER_GATEWAY_ANSWER", message: /no flag of netUnicorn's/ }, text);
  }
});

test("uplink: netUnicorn: a number is counted under a text, which goes on to be the value", async () => {
  const w = world();
  const flags = flagsOf(w);
  await flags.set("n", "text");
  assert.equal(await flags.increment("n"), 1);
  assert.equal(await flags.decrement("n"), 0);
  assert.equal(await flags.get("n"), "text");
});

test("uplink: netUnicorn: what was counted is read again until it is known, and never counted again", async () => {
  const w = world();
  const path = "/api/v1/experiment/x/flag/n";
  const flags = flagsOf(w);
  const counting = flags.increment("n");
  await w.there.until(() => w.there.asked.has(`POST ${path}/increment`));
  w.there.trouble = 503;
  await pass(3000, w);
  w.there.trouble = undefined;
  assert.equal(await drive(counting, w), 1);
  assert.ok(w.there.asked.get(`GET ${path}`)! > 1);
  const stuck = flags.increment("n");
  await w.there.until(() => w.there.asked.get(`POST ${path}/increment`) === 2);
  w.there.trouble = 503;
  await assert.rejects(drive(stuck, w), { code: "OUTRIDER_FLAG", message: /was counted, but can't be read/ });
  assert.equal(w.there.asked.get(`POST ${path}/increment`), 2);
});

test("uplink: netUnicorn: a heartbeat that was given up and arrives after the result does not replace it", async () => {
  const clock = new HandClock();
  const activity = new Activity();
  const there = new NetunicornGateway();
  there.put("e", null);
  let late: (() => void) | undefined;
  const gateway = netunicornGateway({
    url: "http://gateway.test",
    executor: "e",
    clock,
    fetch: (url, init) => {
      const { signal: _signal, ...rest } = init;
      const request = new Request(url, rest);
      if (late) return there.fetch(request);
      return new Promise((resolve) => late = () => void there.fetch(request).then(resolve));
    },
  });
  const run = {
    id: "r",
    pipeline: "p",
    state: "running" as const,
    tasks: 1,
    counts: {},
    running: 0,
    names: [],
  };
  const beat = { outrider: "0", runtime: "t", state: "running" as const, run, spool: { state: 0, log: 0 } };
  const more = { session: "s", version: 1, intervalMs: 1000, sentBytes: 0, seen: 0 };
  const given = gateway.beat({ ...beat, ...more }, { timeoutMs: 1000 });
  await assert.rejects(drive(given, { clock, activity }), { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  assert.equal(gateway.report.kind, "whole");
  if (gateway.report.kind !== "whole") return;
  const sent = gateway.report.send({ run: "r", result: { state: "succeeded" }, log: [] }, {
    timeoutMs: 1000,
  });
  await there.until(() => there.executors.get("e")?.state === 3);
  late?.();
  await there.until(() => there.executors.get("e")?.state === 1);
  const givenUp = clock.monotonic();
  await drive(sent, { clock, activity });
  assert.equal(clock.monotonic() - givenUp, 10_000);
  assert.equal(there.executors.get("e")?.state, 3);
  assert.deepEqual(there.stored("e").result, { state: "succeeded" });
  assert.equal(there.posts.length, 3);
});

test("uplink: netUnicorn: a heartbeat that is not sent is neither an answer nor a failure", async () => {
  const w = world();
  const seen: string[] = [];
  const heartbeat = startHeartbeat({
    gateway: w.gateway,
    clock: w.clock,
    random: Math.random,
    session: "s",
    snapshot: () => ({ outrider: "0", runtime: "t", state: "idle", spool: { state: 0, log: 0 } }),
    commands: new CommandInbox(),
    onReply: () => seen.push("reply"),
    onError: () => seen.push("error"),
  });
  await pass(60_000, w);
  await heartbeat.stop();
  assert.deepEqual(seen, []);
  assert.equal(w.there.posts.length, 0);
});

test("uplink: netUnicorn: a result that a proxy finds too large goes without log, then without its largest values, and says so", async () => {
  const w = world();
  const limit = 20_000;
  const sizes: number[] = [];
  const gateway = netunicornGateway({
    url: "http://gateway.test",
    executor: "dev ice",
    clock: w.clock,
    fetch: (url, init) => {
      const size = (init.body as Uint8Array).length;
      sizes.push(size);
      if (size <= limit) return w.chaos.fetch(url, init);
      return Promise.resolve(new Response("<html>413</html>", { status: 413 }));
    },
  });
  const journal = new FakeJournal();
  for (let at = 0; at < 2000; at++) journal.log(`line ${at}`);
  const attempt = (value: unknown) => [{ iteration: 0, attempt: 1, outcome: "succeeded", value }];
  const told: string[] = [];
  const { clock } = w;
  const report = startReport({
    ...{ gateway, clock, random: Math.random, run: "r", source: journal },
    onLeftOut: (text) => told.push(text),
  });
  const tasks = {
    small: attempt(1),
    large: attempt("x".repeat(100_000)),
    larger: attempt("y".repeat(200_000)),
  };
  report.end({ state: "succeeded", result: { run: "r", state: "succeeded", tasks } });
  assert.equal(await drive(report.drained, w), true);
  const { result } = w.there.stored("dev ice") as {
    result: { tasks: Record<string, Record<string, unknown>[]> };
  };
  assert.equal(result.tasks["small"]?.[0]?.["value"], 1);
  for (const name of ["large", "larger"]) {
    const [kept] = result.tasks[name]!;
    assert.deepEqual([kept?.["outcome"], "value" in kept!], ["succeeded", false]);
    assert.match(String(kept?.["valueLeftOut"]), /\d+ characters of JSON: too large/);
  }
  assert.match(told.join(), /run r went without 2 values, since it was too large: .*413/);
  assert.equal(report.status().leftOut, 2);
  assert.ok(sizes.length <= 8, `${sizes}`);
});

test("uplink: netUnicorn: a small result that a proxy calls too large waits, and comes whole", async () => {
  const w = world();
  let refusals = 6;
  const gateway = netunicornGateway({
    url: "http://gateway.test",
    executor: "dev ice",
    clock: w.clock,
    fetch: (url, init) =>
      refusals-- > 0 ? Promise.resolve(new Response("big", { status: 413 })) : w.chaos.fetch(url, init),
  });
  const report = startReport({
    ...{ gateway, clock: w.clock, random: Math.random, run: "r", source: new FakeJournal() },
  });
  const tasks = { one: [{ iteration: 0, attempt: 1, outcome: "succeeded", value: "kept" }] };
  report.end({ state: "succeeded", result: { run: "r", state: "succeeded", tasks } });
  assert.equal(await drive(report.drained, w), true);
  const { result } = w.there.stored("dev ice") as { result: { tasks: typeof tasks } };
  assert.equal(result.tasks.one[0]?.value, "kept");
  assert.equal(report.status().leftOut, 0);
});

test("uplink: netUnicorn: while a proxy refuses the result, the back-off grows, nothing is told to be back, and the gateway counts as out of reach", async () => {
  const w = world();
  w.there.resultTrouble = 413;
  const notes: string[] = [];
  const link = new GatewayLink({
    onReach: () => {},
    gateway: w.gateway,
    clock: w.clock,
    random: () => 0.999,
    session: "s",
    heartbeatMs: 1000,
    quiet: false,
    snapshot: () => ({ outrider: "0", runtime: "t", state: "idle" }),
    onCommand: () => {},
    note: (text) => notes.push(text),
  });
  const report = link.report("r", new FakeJournal());
  report.end({ state: "succeeded", result: { tasks: {} } });
  await pass(1_800_000, w);
  assert.ok(w.there.posts.length < 60, `${w.there.posts.length}`);
  assert.ok(link.outOfReachMs >= 1_790_000, `${link.outOfReachMs}`);
  assert.equal(notes.length, 1, notes.join("\n"));
  w.there.resultTrouble = undefined;
  assert.equal(await drive(report.drained, w), true);
  assert.match(notes.at(-1)!, /is back$/);
  assert.equal(link.outOfReachMs, 0);
  await link.stop();
  assert.equal(w.clock.timers, 0);
});

test("uplink: netUnicorn: what is no answer of its gateway's is not believed", async () => {
  const limits = { timeoutMs: 1000 };
  for (const text of ["", "OKOK", "<html>", '{"error":{"code":"BAD","message":"no"}}']) {
    const there = answering(text);
    if (text !== "") {
      await assert.rejects(there.pull(undefined, limits), { code: "OUTRIDER_GATEWAY_ANSWER" }, text);
    }
    if (there.report.kind !== "whole") continue;
    await assert.rejects(there.report.send({ run: "r", result: {}, log: [] }, limits), {
      code: "OUTRIDER_GATEWAY_ANSWER",
    });
  }
});

test("uplink: netUnicorn: a refusal names the variables that were set", async () => {
  const limits = { timeoutMs: 1000 };
  await assert.rejects(answering('{"detail": "Not Found"}', 404).pull(undefined, limits), {
    code: "OUTRIDER_GATEWAY_REFUSED",
    message: /404: .* check that NETUNICORN_GATEWAY_ENDPOINT is the address/,
  });
  await assert.rejects(answering("no", 403).pull(undefined, limits), {
    message: /check OUTRIDER_TOKEN and NETUNICORN_EXECUTOR_ID/,
  });
  await assert.rejects(answering('{"detail": "Not Found"}', 404).flags.read("n", limits), { status: 404 });
  for (
    const [detail, reason] of [
      ['{"detail": "why"}', "why"],
      ['{"detail": [{"msg": "x"}]}', '[{"msg":"x"}]'],
    ]
  ) {
    const told = { status: 422, reason, own: true };
    await assert.rejects(answering(detail!, 422).flags.read("n", limits), told);
  }
  for (const none of ['{"detail": 5}', "null", "{}", "no"]) {
    await assert.rejects(answering(none, 422).flags.read("n", limits), { status: 422, own: false }, none);
  }
});

test("uplink: netUnicorn: a flag that was counted and has no number after all counts as 0", async () => {
  const clock = new HandClock();
  const gateway = netunicornGateway({
    ...{ url: "http://gateway.test", executor: "e", experiment: "x", clock },
    fetch: (_, { method }) =>
      Promise.resolve(
        method === "POST" ? Response.json(null) : Response.json({ text_value: "t", int_value: null }),
      ),
  });
  const flags = createFlags({ gateway, clock, random: () => 0, newId: () => "id" });
  assert.equal(await flags.increment("n"), 0);
});
