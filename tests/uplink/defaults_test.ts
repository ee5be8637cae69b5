/** Limits and settings of the uplink: each as documented where nothing is said, each handed on where something is. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { sha256 } from "../../src/base/bytes.ts";
import type { Heartbeat, HeartbeatReply } from "../../src/protocol/messages.ts";
import { DIALECTS } from "../../src/uplink/dialects/list.ts";
import { netunicornGateway } from "../../src/uplink/dialects/netunicorn/netunicorn.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { GatewayRefusedError, StoppedError, UnreachableError, UplinkError } from "../../src/uplink/errors.ts";
import { createFlags } from "../../src/uplink/flags.ts";
import type { CallOptions, Gateway } from "../../src/uplink/gateway.ts";
import { type HeartbeatOptions, type HeartbeatSnapshot, startHeartbeat } from "../../src/uplink/heartbeat.ts";
import { CommandInbox } from "../../src/uplink/instructions.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { pullPipeline } from "../../src/uplink/pull.ts";
import { userGateway } from "../../src/uplink/user.ts";
import { Activity, drive, HandClock, pass } from "./rig.ts";

const MIB = 1024 * 1024;
const SNAPSHOT: HeartbeatSnapshot = {
  outrider: "0",
  runtime: "t",
  state: "idle",
  spool: { state: 0, log: 0 },
};

function world() {
  return { clock: new HandClock(), activity: new Activity() };
}

function busy(retryAfterMs?: number): GatewayRefusedError {
  return new GatewayRefusedError("Busy", { status: 503, reason: "busy", own: true, retryAfterMs });
}

/** Flags of a gateway that answers each call as the test says. */
function flagsWith(w: ReturnType<typeof world>, read: Gateway["flags"]["read"], waits = false) {
  const gateway = { flags: { read, change: () => Promise.reject(busy()), repeatable: true, waits } };
  return createFlags({
    gateway: gateway as Pick<Gateway, "flags"> as Gateway,
    clock: w.clock,
    random: () => 0.5,
    newId: () => "id",
  });
}

test("uplink: a flag is tried for 30 s where nothing is said, and at least once, whatever the limit", async () => {
  const w = world();
  const calls: [at: number, timeoutMs: number][] = [];
  const began = w.clock.monotonic();
  const flags = flagsWith(w, (_, { timeoutMs }) => {
    calls.push([w.clock.monotonic() - began, timeoutMs]);
    return Promise.reject(busy(8_000));
  });
  await assert.rejects(drive(flags.get("n"), w), { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  assert.deepEqual(calls, [[0, 10_000], [8_250, 10_000], [16_750, 10_000], [25_750, 4_250]]);
  calls.length = 0;
  await assert.rejects(flags.get("n", { timeoutMs: 0 }), { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  await assert.rejects(flags.get("n", { timeoutMs: 8_250 }), { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  assert.deepEqual(
    calls.map(([, timeoutMs]) => timeoutMs),
    [1, 8_250],
    "no pause that ends too late is begun",
  );
  const stopped = AbortSignal.abort();
  await assert.rejects(flags.get("n", { signal: stopped }), { code: "OUTRIDER_STOPPED" });
  assert.equal(calls.length, 2, "and nothing is asked once it was stopped");
  const defect = flagsWith(w, () => Promise.reject(new RangeError("defect")));
  await assert.rejects(defect.get("n"), RangeError);
  assert.equal(w.clock.timers, 0);
});

test("uplink: a wait for a flag that is not there asks for any version, and has the same signal in each call", async () => {
  const w = world();
  const asked: { readonly after?: number; readonly waitMs?: number; readonly signal?: AbortSignal }[] = [];
  const { signal } = new AbortController();
  const flags = flagsWith(w, (name, options) => {
    asked.push(options);
    return Promise.resolve(asked.length < 3 ? undefined : { name, value: 1, version: 4 });
  }, true);
  assert.equal(await flags.waitFor("n", (value) => value === 1, { signal }), 1);
  assert.deepEqual(asked.map(({ after, waitMs }) => [after, waitMs]), [
    [undefined, undefined],
    [0, 25_000],
    [0, 25_000],
  ]);
  assert.ok(asked.every((options) => options.signal === signal));
  const never = flagsWith(w, () => Promise.resolve(undefined));
  const since = w.clock.monotonic();
  await assert.rejects(drive(never.waitFor("n", () => true), w), {
    message: /within 30000 ms: it is not set/,
  });
  assert.equal(w.clock.monotonic() - since, 30_000);
});

/** Heartbeats to a gateway that answers as the test says; the last answer is for all that follow. */
function beating(
  w: ReturnType<typeof world>,
  answers: (HeartbeatReply | UplinkError | undefined)[],
  more: Partial<HeartbeatOptions> = {},
) {
  const told: (Heartbeat & { readonly at: number; readonly timeoutMs: number })[] = [];
  const began = w.clock.monotonic();
  const beat = (heartbeat: Heartbeat, { timeoutMs }: CallOptions) => {
    told.push({ ...heartbeat, at: w.clock.monotonic() - began, timeoutMs });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return answer instanceof UplinkError ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const traffic = { requests: 0, failures: 0, sentBytes: 77, receivedBytes: 0 };
  const commands = new CommandInbox();
  const heartbeat = startHeartbeat({
    gateway: { beat, traffic } as Pick<Gateway, "beat" | "traffic"> as Gateway,
    clock: w.clock,
    random: () => 0.5,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands,
    ...more,
  });
  return { told, heartbeat, commands };
}

test("uplink: a heartbeat has 10 s, or what is said, but never more than its interval", async () => {
  for (
    const [options, ms] of [
      [{}, 10_000],
      [{ intervalMs: 60_000 }, 10_000],
      [{ intervalMs: 60_000, timeoutMs: 20_000 }, 20_000],
      [{ intervalMs: 2_000 }, 2_000],
      [{ intervalMs: 2_000, timeoutMs: 500 }, 500],
    ] as const
  ) {
    const w = world();
    const { told, heartbeat } = beating(w, [{}], options);
    await w.activity.still();
    assert.equal(told[0]!.timeoutMs, ms);
    assert.equal(told[0]!.sentBytes, 77);
    await heartbeat.stop();
  }
});

test("uplink: a heartbeat that took longer than its interval is followed at once, and one that was asked for comes once", async () => {
  const w = world();
  const times: number[] = [];
  const began = w.clock.monotonic();
  const waiting: ((reply: HeartbeatReply) => void)[] = [];
  const beat = () => {
    times.push(w.clock.monotonic() - began);
    return new Promise<HeartbeatReply>((resolve) => void waiting.push(resolve));
  };
  const heartbeat = startHeartbeat({
    gateway: { beat, traffic: { sentBytes: 0 } } as unknown as Gateway,
    clock: w.clock,
    random: () => 0,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands: new CommandInbox(),
  });
  const reply = async () => {
    waiting.shift()!({});
    await w.activity.still();
  };
  await w.activity.still();
  w.clock.reach(w.clock.now() + 9_000);
  await reply();
  await pass(0, w);
  assert.deepEqual(times, [0, 9_000]);
  heartbeat.beat();
  heartbeat.beat();
  await w.activity.still();
  assert.equal(times.length, 2, "one is under way");
  await reply();
  assert.equal(times.length, 3, "and then at once");
  await reply();
  await pass(7_999, w);
  assert.equal(times.length, 3, "once");
  await pass(1, w);
  assert.equal(times.length, 4);
  await reply();
  heartbeat.quiet(false);
  await w.activity.still();
  assert.equal(times.length, 4, "who is not quiet breaks no silence");
  const stopped = heartbeat.stop();
  await stopped;
  assert.equal(w.clock.timers, 0);
});

test("uplink: names in a heartbeat are the first eight, each and the pipeline's from its beginning", async () => {
  const w = world();
  const long = (name: string) => name + "n".repeat(200);
  const names = Array.from({ length: 10 }, (_, at) => long(`${at}`));
  const run = {
    id: "r",
    pipeline: long("p"),
    state: "running" as const,
    tasks: 1,
    counts: {},
    running: 1,
    names,
  };
  const { told, heartbeat } = beating(w, [{}], { snapshot: () => ({ ...SNAPSHOT, run }) });
  await w.activity.still();
  await heartbeat.stop();
  const expected = {
    ...run,
    pipeline: long("p").slice(0, 128),
    names: names.slice(0, 8).map((n) => n.slice(0, 128)),
  };
  assert.deepEqual(told[0]!.run, expected);
});

test("uplink: what a gateway answers is handed on, its storage is told back, and what fails after the stop is not told", async () => {
  const w = world();
  const heard: unknown[] = [];
  const answers = [
    { commands: [{ id: 3, type: "pause" }], storage: "x" },
    busy(),
    undefined,
    { commands: [], storage: "x", rival: "other" },
  ] as const;
  const { told, heartbeat, commands } = beating(w, [...answers], {
    onReply: (reply) => void heard.push(reply),
    onError: ({ message }) => void heard.push(message),
    onUnsent: () => void heard.push("unsent"),
  });
  const stands = () => [heartbeat.failures, heartbeat.heard];
  const seen: number[][] = [];
  for (let count = 0; count < 4; count++) {
    await w.activity.still();
    seen.push(stands());
    if (count < 3) await pass(10_000, w);
  }
  assert.deepEqual(heard, [answers[0], "Busy", "unsent", answers[3]]);
  assert.deepEqual(seen, [[0, 1], [1, 0], [1, 0], [0, 2]]);
  assert.deepEqual(told.map((beat) => [beat.seen, beat.storage, "storage" in beat]), [
    [0, undefined, false],
    [3, "x", true],
    [3, "x", true],
    [3, "x", true],
  ]);
  assert.equal(commands.storage, "x");
  await heartbeat.stop();
  const interval = { id: 9, type: "interval", ms: 1_000 };
  commands.take([interval], "x");
  assert.equal(heartbeat.intervalMs, 10_000, "who was stopped hears no more");
  const errors: string[] = [];
  const stopping = startHeartbeat({
    gateway: {
      traffic: { sentBytes: 0 },
      beat: (_, { signal }) =>
        new Promise((_, reject) =>
          signal!.addEventListener("abort", () => reject(new StoppedError("Stopped")))
        ),
    } as Pick<Gateway, "beat"> as Gateway,
    clock: w.clock,
    random: () => 0.5,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands,
    onError: ({ code }) => void errors.push(code),
  });
  await w.activity.still();
  await stopping.stop();
  assert.deepEqual(errors, []);
  assert.equal(w.clock.timers, 0);
});

test("uplink: a silence that is broken while it is being announced is no silence", async () => {
  const w = world();
  const told: boolean[] = [];
  let answer: (reply: HeartbeatReply) => void = () => {};
  const heartbeat = startHeartbeat({
    gateway: {
      traffic: { sentBytes: 0 },
      beat: ({ quiet = false }: Heartbeat) => {
        told.push(quiet);
        return new Promise<HeartbeatReply>((resolve) => answer = resolve);
      },
    } as unknown as Gateway,
    clock: w.clock,
    random: () => 0.5,
    session: "s",
    snapshot: () => SNAPSHOT,
    commands: new CommandInbox(),
    quiet: true,
  });
  await w.activity.still();
  heartbeat.quiet(false);
  answer({});
  await w.activity.still();
  answer({});
  await pass(10_000, w);
  answer({});
  await w.activity.still();
  assert.deepEqual(told, [true, false, false]);
  heartbeat.quiet(true);
  heartbeat.quiet(true);
  await w.activity.still();
  answer({});
  await pass(100_000, w);
  assert.deepEqual(told, [true, false, false, true]);
  await heartbeat.stop();
});

/** A user whose gateway answers as the test says. */
function userWith(clock: HandClock, fetch: Fetch) {
  return userGateway({ url: "http://gateway.test", clock, random: () => 0.5, fetch });
}

/** A body of so many bytes, of which one piece is in memory. */
function large(bytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(16 * MIB);
  let left = bytes;
  return new ReadableStream({
    pull(to) {
      if (left <= 0) return to.close();
      to.enqueue(piece.subarray(0, Math.min(left, piece.length)));
      left -= piece.length;
    },
  }, { highWaterMark: 0 });
}

test("uplink: a user reads lists of 64 MiB and a result of 1 GiB, and no more", async () => {
  const clock = new HandClock();
  const user = (bytes: number) => userWith(clock, () => Promise.resolve(new Response(large(bytes))));
  const other = { code: "OUTRIDER_GATEWAY_ANSWER", message: /something else than was asked for/ };
  await assert.rejects(user(64 * MIB).executors(), other);
  await assert.rejects(user(64 * MIB + 1).executors(), { message: /longer than 67108864 bytes/ });
  await assert.rejects(user(64 * MIB + 1).result("r"), other);
  await assert.rejects(user(1024 * MIB + 1).result("r"), { message: /longer than 1073741824 bytes/ });
});

test("uplink: a user's question has 30 s, and a refusal is told as one, whatever its status", async () => {
  const clock = new HandClock();
  const silent = userWith(clock, () => new Promise(() => {}));
  for (const ask of [() => silent.executors(), () => silent.cancel("r"), () => silent.logs("r").next()]) {
    const since = clock.monotonic();
    const late = assert.rejects(ask(), { code: "OUTRIDER_GATEWAY_TIMEOUT" });
    for (await Promise.resolve(); clock.step(););
    await late;
    assert.equal(clock.monotonic() - since, 30_000);
  }
  const refusal = { error: { code: "NO", message: "no" } };
  for (const status of [400, 404, 499, 500]) {
    const user = userWith(clock, () => Promise.resolve(Response.json(refusal, { status })));
    const expected = { code: "OUTRIDER_GATEWAY_REFUSED", status };
    for (const asked of [user.executors(), user.run("r"), user.cancel("r"), user.logs("r").next()]) {
      await assert.rejects(asked, expected);
    }
  }
  const ok = { executors: [] };
  for (const status of [200, 201, 299]) {
    const user = userWith(clock, () => Promise.resolve(Response.json(ok, { status })));
    assert.deepEqual(await user.executors(), []);
  }
  const unchanged = userWith(clock, () => Promise.resolve(new Response(null, { status: 304 })));
  await assert.rejects(unchanged.executors(), { status: 304 });
  assert.equal(clock.timers, 0);
});

test("uplink: a log that is followed asks again for what is missing: after pauses that grow to 10 s, and anew after each line", async () => {
  const w = world();
  const ndjson = { headers: { "content-type": "application/x-ndjson" } };
  const broken = (text: string) =>
    new Response(
      new ReadableStream({
        start(to) {
          if (text !== "") to.enqueue(new TextEncoder().encode(text));
        },
        pull: (to) => to.error(new Error("cut")),
      }, { highWaterMark: 0 }),
      ndjson,
    );
  const answers: (() => Response)[] = [
    ...Array.from({ length: 7 }, () => () => {
      throw new TypeError("no network");
    }),
    () => broken('{"seq":8}\n{"seq":6}\n'),
    () => broken('{"seq":9}\n{"se'),
    () =>
      Response.json({ error: { code: "X", message: "x" } }, { status: 500, headers: { "retry-after": "7" } }),
    () => new Response('{"seq":10}\n{"seq":11', ndjson),
    () => new Response('{"seq":11}\n', ndjson),
  ];
  const asked: [at: number, query: string][] = [];
  const began = w.clock.monotonic();
  const user = userWith(w.clock, (url) => {
    asked.push([w.clock.monotonic() - began, new URL(url).search]);
    return Promise.resolve().then(answers.shift()!);
  });
  const errors: string[] = [];
  const seqs: unknown[] = [];
  const reading = (async () => {
    const onError = ({ code }: UplinkError) => void errors.push(code);
    for await (const { seq } of user.logs("r", { since: 5, follow: true, onError })) seqs.push(seq);
  })();
  await drive(reading, w);
  const pauses = asked.slice(1).map(([at], index) => at - asked[index]![0]);
  assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 250, 250, 7_500, 250]);
  assert.deepEqual(asked.map(([, query]) => query), [
    ...Array.from({ length: 8 }, () => "?since=5&follow=1"),
    "?since=8&follow=1",
    "?since=9&follow=1",
    "?since=9&follow=1",
    "?since=10&follow=1",
  ]);
  assert.deepEqual(seqs, [8, 6, 9, 10, 11]);
  assert.equal(errors.length, 11);
  assert.equal(w.clock.timers, 0);
  for (const status of [499, 404]) {
    const refused = userWith(w.clock, () => Promise.resolve(new Response("no", { status })));
    await assert.rejects(refused.logs("r", { follow: true }).next(), { status });
  }
  const once = userWith(w.clock, () => Promise.reject(new TypeError("no network")));
  await assert.rejects(once.logs("r").next(), { code: "OUTRIDER_GATEWAY_UNREACHABLE" });
});

test("uplink: a log that falls silent is given up after 30 s, and asked for again", async () => {
  const w = world();
  const asked: number[] = [];
  const began = w.clock.monotonic();
  const user = userWith(w.clock, () => {
    asked.push(w.clock.monotonic() - began);
    const body = asked.length === 1 ? new ReadableStream<Uint8Array<ArrayBuffer>>({}) : '{"seq":1}\n';
    return Promise.resolve(new Response(body, { headers: { "content-type": "application/x-ndjson" } }));
  });
  const reading = (async () => {
    for await (const _ of user.logs("r", { follow: true }));
  })();
  await drive(reading, w);
  assert.deepEqual(asked, [0, 30_250]);
});

test("uplink: a bundle is as large as it may be, in either dialect, and no larger", async () => {
  const clock = new HandClock();
  const limits = { timeoutMs: 1_000 };
  const options = { url: "http://gateway.test", executor: "e", clock, maxBundleBytes: 3_000 };
  const bundle = (length: number) => new Uint8Array(length).fill(7);
  const own = async (length: number) =>
    outriderGateway({
      ...options,
      fetch: async () =>
        new Response(bundle(length), { headers: { "outrider-bundle-hash": await sha256(bundle(length)) } }),
    }).pull(undefined, limits);
  const other = (length: number) =>
    netunicornGateway({
      ...options,
      fetch: () => Promise.resolve(Response.json(btoa(String.fromCharCode(...bundle(length))))),
    }).pull(undefined, limits);
  for (const pull of [own, other]) {
    const pulled = await pull(3_000);
    assert.deepEqual([pulled?.bytes.length, pulled?.hash], [3_000, await sha256(bundle(3_000))]);
  }
  assert.equal(
    (await own(3_000))!.tag,
    `"${await sha256(bundle(3_000))}"`,
    "what has no tag has its hash for one",
  );
  await assert.rejects(own(3_001), { message: /longer than 3000 bytes/ });
  await assert.rejects(
    other(4_000),
    { message: /longer than 5024 bytes/ },
    "4000 of base64, and room for the rest",
  );
  const { maxBundleBytes: _, ...most } = options;
  const fetch = () => Promise.resolve(new Response(large(96 * MIB)));
  for (const [gateway, bytes] of [[outriderGateway, 67_108_864], [netunicornGateway, 89_479_510]] as const) {
    await assert.rejects(gateway({ ...most, fetch }).pull(undefined, limits), {
      message: new RegExp(`longer than ${bytes} bytes`),
    });
  }
});

test("uplink: nothing to be done is no bundle, and what is known is told to the gateway", async () => {
  const clock = new HandClock();
  const sent: (string | null)[] = [];
  const with204 = (status: number) =>
    outriderGateway({
      ...{ url: "http://gateway.test", executor: "e", clock },
      fetch: (_, { headers }) => {
        sent.push(new Headers(headers).get("if-none-match"));
        return Promise.resolve(new Response(null, { status }));
      },
    });
  assert.equal(await with204(204).pull(undefined, { timeoutMs: 1 }), undefined);
  assert.equal(await with204(304).pull('"x"', { timeoutMs: 1 }), undefined);
  await assert.rejects(with204(304).pull(undefined, { timeoutMs: 1 }), UplinkError);
  await assert.rejects(with204(205).pull(undefined, { timeoutMs: 1 }), { code: "OUTRIDER_GATEWAY_ANSWER" });
  assert.deepEqual(sent, [null, '"x"', null, null]);
});

test("uplink: a pull asks on after what was done before, with pauses of 10 s at most while there is nothing, of 60 s on failures", async () => {
  const w = world();
  const asked: [at: number, known: string | undefined, timeoutMs: number][] = [];
  const began = w.clock.monotonic();
  const pulled = (tag: string) => ({ bytes: new Uint8Array(1), hash: "h", tag });
  const answers = [
    ...Array.from({ length: 7 }, () => undefined),
    ...Array.from({ length: 9 }, () => new UnreachableError("x")),
    pulled("old"),
    new UnreachableError("x"),
    pulled("new"),
  ];
  const gateway = {
    pull: (known, { timeoutMs }) => {
      asked.push([w.clock.monotonic() - began, known, timeoutMs]);
      const next = answers.shift();
      return next instanceof UplinkError ? Promise.reject(next) : Promise.resolve(next);
    },
  } as Pick<Gateway, "pull"> as Gateway;
  let none = 0;
  const found = await drive(
    pullPipeline({
      gateway,
      clock: w.clock,
      random: () => 0.5,
      known: "first",
      signal: new AbortController().signal,
      isDone: ({ tag }) => Promise.resolve(tag === "old"),
      onNone: () => void none++,
    }),
    w,
  );
  assert.deepEqual([found?.tag, none], ["new", 7]);
  assert.deepEqual(asked.slice(1).map(([at], index) => at - asked[index]![0]), [
    ...[250, 500, 1_000, 2_000, 4_000, 5_000, 5_000],
    ...[250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
    ...[5_000, 250],
  ]);
  assert.deepEqual(asked.map(([, known]) => known).slice(-3), ["first", "old", "old"]);
  assert.ok(asked.every(([, , timeoutMs]) => timeoutMs === 300_000));
});

test("uplink: a dialect connects with all that it is given, and with nothing that it is not", async () => {
  const asked: { readonly path: string | undefined; readonly token: string | undefined }[] = [];
  const server = createServer(({ url, headers }, answer) => {
    asked.push({ path: url, token: headers.authorization });
    answer.end("null");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  try {
    for (const dialect of DIALECTS.filter(({ schemes }) => schemes.includes("http:"))) {
      for (const [experiment, token] of [["x", "t"], [undefined, undefined]]) {
        const { flags } = dialect.connect({
          url: `http://127.0.0.1:${port}`,
          executor: "e",
          groups: ["g"],
          experiment,
          token,
          renewToken: undefined,
          settings: {},
          clock: new HandClock(),
          random: () => 0,
          environment: { env: () => undefined, setEnv: () => {} },
          readSecret: () => Promise.reject(new Error("Nothing is to be read")),
        });
        await flags.read("n", { timeoutMs: 1_000 }).catch(() => {});
      }
    }
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
  assert.deepEqual(asked, [
    { path: "/v1/experiments/x/flags/n", token: "Bearer t" },
    { path: "/v1/experiments/default/flags/n", token: undefined },
    { path: "/api/v1/experiment/x/flag/n", token: "Bearer t" },
    { path: "/api/v1/experiment/Unknown/flag/n", token: undefined },
  ]);
});
