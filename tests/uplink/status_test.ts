/** Where a report stands is told as it is, what one part can't go on without ends the other, and parts keep to their words. */
import assert from "node:assert/strict";
import test from "node:test";
import type { BatchReply, RecordBatch } from "../../src/protocol/messages.ts";
import { JournalError } from "../../src/journal/errors.ts";
import { netunicornGateway } from "../../src/uplink/dialects/netunicorn/netunicorn.ts";
import { NETUNICORN_VARIABLES } from "../../src/uplink/dialects/netunicorn/variables.ts";
import {
  AddressError,
  BundleHashError,
  FlagConflictError,
  FlagError,
  GatewayAnswerError,
  GatewayRefusedError,
  GatewayTimeoutError,
  IdError,
  SourceError,
  StoppedError,
  UnreachableError,
  UplinkError,
} from "../../src/uplink/errors.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { createFlags } from "../../src/uplink/flags.ts";
import type { Gateway, Whole } from "../../src/uplink/gateway.ts";
import { checkAddress } from "../../src/uplink/http/address.ts";
import { linesOf } from "../../src/uplink/http/lines.ts";
import { Wire } from "../../src/uplink/http/wire.ts";
import type { Numbered } from "../../src/uplink/port.ts";
import { Pauses } from "../../src/uplink/report/pauses.ts";
import { type RunReportOptions, startReport } from "../../src/uplink/report/report.ts";
import { jsonBehind } from "./netunicorn_rig.ts";
import { Activity, drive, FakeJournal, HandClock, pass } from "./rig.ts";
import * as v from "valibot";

function world() {
  return { clock: new HandClock(), activity: new Activity(), journal: new FakeJournal() };
}

function refusal(status: number, own = true): GatewayRefusedError {
  return new GatewayRefusedError("No", { status, reason: "why", own, retryAfterMs: undefined });
}

const RUN_STARTED = { type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" };

/** A report to a gateway that does with each batch as the test says, else takes it. */
function reporting(
  w: ReturnType<typeof world>,
  answer: (batch: RecordBatch) => BatchReply | UplinkError | undefined,
  more: Partial<RunReportOptions> = {},
) {
  const has = { state: 0, log: 0, ...more.from };
  const batches: RecordBatch[] = [];
  const send = (batch: RecordBatch): Promise<BatchReply> => {
    batches.push(batch);
    const told = answer(batch);
    if (told instanceof UplinkError) return Promise.reject(told);
    for (const { to } of batch.parked ?? []) has[batch.lane] = Math.max(has[batch.lane], to);
    for (const { seq } of batch.records) has[batch.lane] = Math.max(has[batch.lane], seq);
    return Promise.resolve(
      told ?? { acknowledged: { ...has }, final: batch.final !== undefined, rejected: [], commands: [] },
    );
  };
  const report = startReport({
    gateway: { report: { kind: "records", send } } as Pick<Gateway, "report"> as Gateway,
    clock: w.clock,
    random: () => 0.5,
    run: "r",
    source: w.journal,
    ...more,
  });
  return { report, batches };
}

test("uplink: a report tells its last error, what was set aside, left out and not understood, each counted", async () => {
  const w = world();
  const errors: string[] = [];
  const told: unknown[] = [];
  const kept = [{ seq: 1 }, { seq: 5, dropped: { count: 3, bytes: 1 } }, { seq: 6 }];
  w.journal.logs = (after, limit) => kept.filter(({ seq }) => seq > after).slice(0, limit);
  const { report, batches } = reporting(w, ({ records }) => {
    if (records.some(({ seq }) => seq === 5)) return refusal(422);
    return records.some(({ seq }) => seq === 6)
      ? {
        acknowledged: { state: 0, log: 6 },
        final: false,
        commands: [],
        rejected: [{ seq: 6, lane: "log", reason: "?" }, { seq: 7, lane: "log", reason: "?" }],
      } as unknown as BatchReply
      : undefined;
  }, {
    onError: ({ message }) => void errors.push(message),
    onParked: (stream, parked) => void told.push(["parked", stream, parked]),
    onRejected: (rejected) => void told.push(["rejected", rejected.length]),
    onAcknowledged: (numbers) => void told.push(numbers),
  });
  assert.deepEqual([report.status().lastError, report.status().parked], [undefined, 0]);
  await pass(10_000, w);
  assert.ok(batches.length > 1);
  // Two to five: a gap record stands for those before it, and is set aside with them.
  assert.equal(report.status().parked, 4 + 2);
  assert.deepEqual(told, [
    { state: 0, log: 1 },
    ["parked", "log", { from: 2, to: 5, status: 422, reason: "Refused by the gateway: why" }],
    ["rejected", 2],
    { state: 0, log: 6 },
  ]);
  assert.equal(report.status().lastError, errors.at(-1));
  assert.equal(errors.at(-1), "No");
  assert.equal(report.status().leftOut, 0);
  await report.stop();
  assert.equal(await report.final, false);
});

test("uplink: a value too large for the way is counted as left out, with its record and stream, of another's word too", async () => {
  const w = world();
  w.journal.state(RUN_STARTED);
  w.journal.state({ type: "attempt.settled", value: "123" });
  const told: string[] = [];
  const { report } = reporting(
    w,
    ({ records }) => records.some((record) => "value" in record) ? refusal(413) : undefined,
    { onLeftOut: (what) => void told.push(what) },
  );
  await pass(10_000, w);
  assert.deepEqual(told, ["Record 2 of the state goes without its value: Refused by the gateway: why"]);
  assert.deepEqual([report.status().leftOut, report.status().parked], [1, 0]);
  assert.deepEqual(report.status().acknowledged, { state: 2, log: 0 });
  await report.stop();
});

test("uplink: a report begins after what is known to be acknowledged, and says which run, life and hand-out it is of", async () => {
  const w = world();
  for (let at = 0; at < 4; at++) w.journal.log(`${at}`);
  w.journal.state(RUN_STARTED);
  const life = "life" as unknown as NonNullable<RunReportOptions["life"]>;
  const { report, batches } = reporting(w, () => undefined, {
    from: { state: 1, log: 2 },
    life,
    handout: "h",
  });
  assert.deepEqual(report.status().pending, { state: 0, log: 2 });
  await pass(1_000, w);
  assert.deepEqual(
    batches.map(({ run, lane, life, records, ...more }) => [
      run,
      lane,
      life,
      records.map(({ seq }) => seq),
      (more as { handout?: string }).handout,
    ]),
    [["r", "log", "life", [3, 4], "h"]],
  );
  await report.stop();
});

test("uplink: where one stream's records can't be read any more the report is over, and the other stream with it", async () => {
  for (const lane of ["states", "logs"] as const) {
    const w = world();
    w.journal.state(RUN_STARTED);
    let broken = false;
    const read = w.journal[lane].bind(w.journal);
    w.journal[lane] = (after, limit) => {
      if (broken) throw new JournalError("DISK", "The disk is gone");
      return read(after, limit);
    };
    const { report, batches } = reporting(w, () => undefined);
    await pass(2_000, w);
    broken = true;
    if (lane === "states") w.journal.state({ type: "tick" });
    else w.journal.log("lost");
    await pass(3_600_000, w);
    assert.deepEqual(await Promise.all([report.final, report.drained]), [false, false]);
    assert.equal(report.status().unreadable, "The disk is gone");
    const sent = batches.length;
    broken = false;
    w.journal.state({ type: "tick" });
    w.journal.log("more");
    await pass(60_000, w);
    assert.deepEqual([batches.length, w.clock.timers], [sent, 0]);
    await report.stop();
    assert.equal(w.journal.watchers, 0);
  }
});

test("uplink: a defect of a journal's is told to whoever waits for the end, and to nobody who does not", async () => {
  const w = world();
  const { report } = reporting(w, () => undefined);
  await w.activity.still();
  w.journal.states = () => {
    throw new RangeError("a defect");
  };
  w.journal.state(RUN_STARTED);
  await pass(2_000, w);
  await assert.rejects(report.final, RangeError);
  await assert.rejects(report.stop(), RangeError);
});

test("uplink: two records refused together are told apart while no heartbeat is heard; one alone is then waited out", async () => {
  const w = world();
  w.journal.log("one");
  w.journal.log("two");
  const at: [number, number[]][] = [];
  const began = w.clock.monotonic();
  const { report } = reporting(w, ({ records }) => {
    at.push([w.clock.monotonic() - began, records.map(({ seq }) => seq)]);
    return refusal(422);
  }, { heard: () => 0, limits: { lingerMs: 0 } });
  await pass(700, w);
  assert.deepEqual(at, [[0, [1, 2]], [100, [1]], [350, [1]]]);
  assert.equal(report.status().parked, 0);
  await report.stop();
});

/** A gateway that takes runs whole, with the errors that the first reports meet. */
function whole(w: ReturnType<typeof world>, errors: UplinkError[], more: Partial<RunReportOptions> = {}) {
  const sent: Whole[] = [];
  const send = (content: Whole) => {
    sent.push(content);
    const error = errors.shift();
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  };
  const report = startReport({
    gateway: { report: { kind: "whole", send } } as Pick<Gateway, "report"> as Gateway,
    clock: w.clock,
    random: () => 0.5,
    run: "r",
    source: w.journal,
    ...more,
  });
  return { report, sent };
}

test("uplink: a run that is told whole stands at nothing until it is taken, and tells its last error", async () => {
  const w = world();
  const { report, sent } = whole(w, [refusal(503)]);
  assert.deepEqual(report.status(), {
    acknowledged: { state: 0, log: 0 },
    pending: { state: 1, log: 0 },
    files: { pending: 0, parked: 0 },
    parked: 0,
    leftOut: 0,
    unreadable: undefined,
    lastError: undefined,
  });
  report.end({ state: "succeeded" });
  await pass(1_000, w);
  assert.equal(await report.final, true);
  assert.deepEqual(sent, [{ run: "r", result: null, log: [] }, { run: "r", result: null, log: [] }]);
  assert.equal(report.status().lastError, "No");
  assert.deepEqual(report.status().acknowledged, { state: 1, log: 0 });
  await report.stop();
  const stopped = whole(w, Array.from({ length: 99 }, () => refusal(503)));
  stopped.report.end({ state: "failed" });
  await pass(1_000, w);
  const tries = stopped.sent.length;
  await stopped.report.stop();
  await pass(600_000, w);
  assert.deepEqual([await stopped.report.drained, stopped.sent.length, w.clock.timers], [false, tries, 0]);
});

test("uplink: a whole run that is refused goes with half of what it had, the log before the values, down to nothing", async () => {
  const w = world();
  for (let at = 0; at < 20; at++) w.journal.log("x".repeat(100));
  const result = { run: "r", tasks: { a: [{ value: "v".repeat(800) }], b: [{ value: "w".repeat(300) }] } };
  const left: string[] = [];
  const errors = Array.from({ length: 12 }, () => refusal(413));
  const { report, sent } = whole(w, errors, { onLeftOut: (what) => void left.push(what) });
  report.end({ state: "succeeded", result });
  while (sent.length < 12) await pass(60_000, w);
  const resultLength = JSON.stringify(result).length;
  const lengths = sent.map(({ result, log }) => [
    JSON.stringify(result).length,
    log.reduce((sum, record) => sum + ("dropped" in record ? 0 : JSON.stringify(record).length), 0),
    log.length,
  ]);
  for (const [index, [resultSize, logSize, records]] of lengths.slice(1).entries()) {
    const before = sent[index]!;
    const half = Math.floor((JSON.stringify(before.result).length + JSON.stringify(before.log).length) / 2);
    if (before.log.length > 1) {
      assert.equal(resultSize, resultLength, "no value goes while there is log");
      assert.ok(logSize! <= Math.max(0, half - resultLength), `${logSize} of ${half}`);
      const line = JSON.stringify(w.journal.lanes.log[19]).length;
      assert.ok(logSize! + line > half - resultLength, "and no line goes that fits");
    } else {
      assert.deepEqual([logSize, records], [0, 1], "all of it is one gap record");
    }
  }
  const gap = sent.at(-1)!.log[0] as Numbered & { readonly at: string; readonly text: string };
  const bytes = w.journal.lanes.log.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
  assert.deepEqual([gap.seq, gap.at, gap.dropped], [20, "1970-01-01T00:00:00.000Z", { count: 19, bytes }]);
  assert.match(gap.text, /^20 earlier records were left out/);
  const values = sent.map(({ result }) => {
    const { tasks } = result as typeof result & { tasks: Record<string, { value?: string }[]> };
    return Object.values(tasks).flat().filter(({ value }) => value !== undefined).length;
  });
  assert.deepEqual([...new Set(values)], [2, 1, 0], "the largest goes first, then the other");
  await pass(3_600_000, w);
  assert.equal(await report.final, true);
  assert.match(left.join(), /^The result of run r went without 2 values/);
  assert.equal(report.status().leftOut, 2);
  await report.stop();
});

test("uplink: what another than the gateway refuses makes a whole run smaller only where it is larger than 16 KiB", async () => {
  for (const [lines, smaller] of [[40, false], [200, true]] as const) {
    const w = world();
    for (let at = 0; at < lines; at++) w.journal.log("x".repeat(100));
    const { report, sent } = whole(w, [refusal(413, false)]);
    report.end({ state: "succeeded", result: {} });
    await pass(10_000, w);
    assert.equal(sent.length, 2);
    assert.equal(sent[1]!.log.length < lines, smaller, `${lines}`);
    await report.stop();
  }
});

test("uplink: of a log that is told whole the last 4 MiB go, and what goes is whole to the last line that fits", async () => {
  const w = world();
  for (let at = 0; at < 30; at++) w.journal.log("x".repeat(200_000));
  const { report, sent } = whole(w, []);
  report.end({ state: "succeeded" });
  await pass(1_000, w);
  const size = JSON.stringify(w.journal.lanes.log[29]).length;
  const fit = Math.floor(4 * 1024 * 1024 / size);
  assert.deepEqual(
    sent[0]!.log.map(({ seq }) => seq).slice(1),
    w.journal.lanes.log.slice(-fit).map(({ seq }) => seq),
  );
  await report.stop();
  const exact = world();
  for (let at = 0; at < 3; at++) exact.journal.log("x");
  const bytes = exact.journal.lanes.log.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
  for (const [wholeLogBytes, count] of [[bytes, 3], [bytes - 1, 3], [0, 1]] as const) {
    const { report, sent } = whole(exact, [], { wholeLogBytes });
    report.end({ state: "succeeded" });
    await pass(1_000, exact);
    assert.equal(sent[0]!.log.length, count);
    assert.equal(sent[0]!.log[0]!.dropped === undefined, wholeLogBytes === bytes);
    await report.stop();
  }
});

test("uplink: a log of which nothing fits is one gap record that stands for all of it, however long it was", async () => {
  for (const count of [1, 255, 256, 257, 300, 600]) {
    const w = world();
    for (let at = 0; at < count; at++) w.journal.log("x");
    const { report, sent } = whole(w, [], { wholeLogBytes: 0 });
    report.end({ state: "succeeded" });
    await pass(1_000, w);
    const bytes = w.journal.lanes.log.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
    assert.deepEqual(sent[0]!.log.map(({ seq, dropped }) => [seq, dropped]), [
      [count, { count: count - 1, bytes }],
    ]);
    await report.stop();
  }
});

test("uplink: waits end with their signal, and once hurried nothing is collected", async () => {
  const { clock, activity } = world();
  const stop = new AbortController();
  const pauses = new Pauses({ clock, signal: stop.signal });
  const collecting = pauses.collect(1_000);
  assert.equal(clock.timers, 1);
  pauses.hurry();
  await collecting;
  await pauses.collect(1_000);
  assert.equal(clock.timers, 0);
  const away = pauses.network(1_000);
  assert.equal(clock.timers, 1);
  pauses.wake();
  await activity.still();
  assert.equal(clock.timers, 1, "news are no network");
  pauses.online();
  await away;
  const [news, network] = [pauses.news(), pauses.network(1_000)];
  stop.abort();
  await Promise.all([news, network, pauses.news(), pauses.network(1)]);
  assert.equal(clock.timers, 0);
});

test("uplink: errors have their codes, and say whether the same request may work later", () => {
  const told = [
    new UplinkError("x"),
    new UnreachableError("x"),
    new GatewayTimeoutError("x"),
    new GatewayAnswerError("x"),
    new BundleHashError("x"),
    new SourceError("x"),
    new AddressError("x"),
    new IdError("x"),
    new FlagError("x"),
    new FlagConflictError("x"),
    new StoppedError("x"),
  ].map(({ code, name, transient, retryAfterMs }) => [name, code, transient, retryAfterMs]);
  assert.deepEqual(told, [
    ["UplinkError", "OUTRIDER_UPLINK", true, undefined],
    ["UnreachableError", "OUTRIDER_GATEWAY_UNREACHABLE", true, undefined],
    ["GatewayTimeoutError", "OUTRIDER_GATEWAY_TIMEOUT", true, undefined],
    ["GatewayAnswerError", "OUTRIDER_GATEWAY_ANSWER", true, undefined],
    ["BundleHashError", "OUTRIDER_BUNDLE_HASH", true, undefined],
    ["SourceError", "OUTRIDER_JOURNAL_UNREADABLE", true, undefined],
    ["AddressError", "OUTRIDER_GATEWAY_ADDRESS", false, undefined],
    ["IdError", "OUTRIDER_ID", false, undefined],
    ["FlagError", "OUTRIDER_FLAG", false, undefined],
    ["FlagConflictError", "OUTRIDER_FLAG_CONFLICT", false, undefined],
    ["StoppedError", "OUTRIDER_STOPPED", false, undefined],
  ]);
  const later = [399, 401, 403, 404, 405, 407, 408, 429, 500, 503];
  const never = [400, 402, 406, 409, 410, 413, 422, 430, 499];
  for (const status of [...later, ...never]) {
    assert.equal(refusal(status).transient, later.includes(status), `${status}`);
    assert.equal(refusal(status, false).transient, true, `${status} of another`);
    assert.equal(refusal(status).tooLarge, status === 413);
  }
});

test("uplink: an address with a user or a password is refused, each by itself, and slashes at its end are taken off", () => {
  for (const url of ["http://user@x", "http://:pass@x", "https://user:pass@x", "file:///x", "x:1", ""]) {
    assert.throws(() => checkAddress(url), { code: "OUTRIDER_GATEWAY_ADDRESS" }, url);
  }
  assert.equal(checkAddress("http://x:80/a/b//?query#hash"), "http://x/a/b");
  const { schema } = NETUNICORN_VARIABLES.find(({ standsFor }) => standsFor === "OUTRIDER_HEARTBEAT")!;
  const read = (text: string) => v.safeParse(schema!, text);
  for (const [text, ms] of [["1", 1_000], ["30", 30_000], ["1.5", 1_500], ["3600", 3_600_000]] as const) {
    assert.equal(read(text).output, ms);
  }
  for (const text of ["0", "0.9", "3601", "", "x", "30s", "-1"]) {
    assert.equal(read(text).success, false, text);
  }
});

test("uplink: what goes over the line is counted to the byte, failures too, and names have no query", async () => {
  const { clock } = world();
  let fails = false;
  const wire = new Wire({
    url: "http://g/base/",
    token: "t",
    clock,
    fetch: () => fails ? Promise.reject(new TypeError("no network")) : Promise.resolve(new Response("12345")),
  });
  const body = new Uint8Array(10);
  await wire.call({ method: "POST", path: "/p?q", body, headers: { a: "bc" }, timeoutMs: 1_000 });
  const authorization = "authorization".length + "Bearer t".length + 4;
  const sentBytes = 10 + "POST".length + "/p?q".length + 12 + (1 + 2 + 4) + authorization;
  assert.deepEqual(wire.traffic, { requests: 1, failures: 0, sentBytes, receivedBytes: 5 });
  fails = true;
  await assert.rejects(wire.call({ method: "GET", path: "/", timeoutMs: 1_000 }));
  assert.deepEqual(wire.traffic, {
    requests: 2,
    failures: 1,
    sentBytes: sentBytes + "GET".length + 1 + 12 + authorization,
    receivedBytes: 5,
  });
  assert.equal(wire.name({ method: "GET", path: "/p?q=secret" }), "GET http://g/base/p");
  const before = wire.traffic;
  before.requests satisfies number;
  await assert.rejects(
    wire.call({ method: "GET", path: "/", timeoutMs: 1_000, signal: AbortSignal.abort() }),
    { code: "OUTRIDER_STOPPED" },
  );
  assert.equal(before.requests, 2, "what was told is told");
  fails = false;
  const limit = (maxBytes?: number) =>
    wire.call({ method: "GET", path: "/", timeoutMs: 1_000, ...(maxBytes !== undefined && { maxBytes }) });
  assert.equal((await limit(5)).bytes.length, 5);
  await assert.rejects(limit(4), { message: /longer than 4 bytes/ });
  const long = new Wire({
    ...{ url: "http://g", clock },
    fetch: () => Promise.resolve(new Response(new Uint8Array(1_048_577))),
  });
  await assert.rejects(long.call({ method: "GET", path: "/", timeoutMs: 1 }), {
    message: /longer than 1048576 /,
  });
  assert.equal(clock.timers, 0);
});

test("uplink: an answer that goes on is one by its type and status alone, and what is not read is let go", async () => {
  const { clock } = world();
  const open = (status: number, type: string) => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (to) => {
        to.enqueue(new Uint8Array(1));
        if (status !== 302) to.close();
      },
      cancel: () => void (cancelled = true),
    }, { highWaterMark: 0 });
    const response = new Response(body, { status, headers: { "content-type": type, location: "/x" } });
    const wire = new Wire({ url: "http://g", clock, fetch: () => Promise.resolve(response) });
    return { opened: wire.open({ method: "GET", path: "/", timeoutMs: 1_000 }), cancelled: () => cancelled };
  };
  assert.ok(await open(200, "application/x-ndjson").opened instanceof ReadableStream);
  assert.ok(await open(200, "application/x-ndjson; charset=utf-8").opened instanceof ReadableStream);
  for (
    const [status, type] of [[201, "application/x-ndjson"], [200, "text/x-ndjson"], [
      200,
      "x application/x-ndjson",
    ]] as const
  ) {
    const answer = await open(status, type).opened;
    assert.ok(!(answer instanceof ReadableStream) && answer.status === status, type);
  }
  const redirected = open(302, "text/plain");
  await assert.rejects(redirected.opened, { code: "OUTRIDER_GATEWAY_ANSWER", message: /redirect to \/x,/ });
  assert.equal(redirected.cancelled(), true);
  let let_go = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (to) => to.enqueue(new TextEncoder().encode("line\n")),
    cancel: () => void (let_go = true),
  });
  for await (const line of linesOf(endless, { clock, idleMs: 1_000 })) {
    assert.equal(line, "line");
    break;
  }
  assert.equal(let_go, true);
  const stop = new AbortController();
  const reading = linesOf(new ReadableStream<Uint8Array>({}), { clock, idleMs: 1_000, signal: stop.signal })
    .next();
  stop.abort();
  await assert.rejects(reading, { code: "OUTRIDER_STOPPED" });
  const late = linesOf(new ReadableStream<Uint8Array>({}), { clock, idleMs: 1_000, signal: stop.signal })
    .next();
  await assert.rejects(late, { code: "OUTRIDER_STOPPED" });
  assert.equal(clock.timers, 0);
});

test("uplink: netUnicorn: a flag has version 1, what was counted is read each half second, to the end of its time", async () => {
  const w = world();
  const limits = { timeoutMs: 1_000 };
  const reads: number[] = [];
  const began = w.clock.monotonic();
  const gateway = netunicornGateway({
    ...{ url: "http://gateway.test", executor: "e", experiment: "x", clock: w.clock },
    fetch: (_, { method }) => {
      if (method === "POST") return Promise.resolve(Response.json(null));
      reads.push(w.clock.monotonic() - began);
      return Promise.resolve(new Response("down", { status: 503 }));
    },
  });
  const counting = gateway.flags.change("n", { op: "increment", id: "i", by: 1 }, limits);
  await assert.rejects(drive(counting, w), {
    code: "OUTRIDER_FLAG",
    message: /was counted, but can't be read/,
  });
  assert.deepEqual(reads, [0, 500]);
  const stop = new AbortController();
  const stopped = gateway.flags.change("n", { op: "decrement", id: "i", by: 1 }, {
    ...limits,
    signal: stop.signal,
  });
  await w.activity.still();
  stop.abort();
  await assert.rejects(drive(stopped, w), { code: "OUTRIDER_STOPPED" });
  const there = netunicornGateway({
    ...{ url: "http://gateway.test", executor: "e", experiment: "x", clock: w.clock },
    fetch: (_, { method }) =>
      Promise.resolve(Response.json(method === "POST" ? null : { text_value: "t", int_value: 3 })),
  });
  const flags = createFlags({ gateway: there, clock: w.clock, random: () => 0, newId: () => "i" });
  assert.deepEqual(await flags.entry("n"), { name: "n", value: { text: "t", number: 3 }, version: 1 });
  assert.equal(await flags.set("n", "t"), 1, "there are no versions: it is always the first");
  await assert.rejects(flags.set("n", "t", { ifVersion: 1 }), {
    code: "OUTRIDER_FLAG",
    message: /on a condition/,
  });
  await assert.rejects(flags.decrement("n", { by: 2 }), { code: "OUTRIDER_FLAG", message: /counts by one/ });
  assert.equal(w.clock.timers, 0);
});

test("netUnicorn: heartbeats and results have the JSON that is documented; a result is sent once where no heartbeat strayed", async () => {
  const w = world();
  const posts: { executor_id: string; state: number; results: string }[] = [];
  const gateway = netunicornGateway({
    ...{ url: "http://gateway.test", executor: "e", clock: w.clock },
    fetch: (_, { body }) => {
      posts.push(JSON.parse(new TextDecoder().decode(body as Uint8Array)));
      return Promise.resolve(Response.json(null));
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
  const beat = {
    ...{ session: "s", version: 1, outrider: "0", runtime: "t", state: "running" as const, run },
    ...{ intervalMs: 1, sentBytes: 0, seen: 0, spool: { state: 0, log: 0 } },
  };
  assert.deepEqual(await gateway.beat(beat, { timeoutMs: 1_000 }), {});
  const { report } = gateway;
  assert.ok(report.kind === "whole");
  await report.send({ run: "r", result: { state: "succeeded" }, log: [] }, { timeoutMs: 1_000 });
  assert.equal(await gateway.beat(beat, { timeoutMs: 1_000 }), undefined, "it is over");
  const next = { ...beat, run: { ...run, id: "next" } };
  assert.deepEqual(await gateway.beat(next, { timeoutMs: 1_000 }), {}, "another run is another matter");
  const json = posts.map(({ results }) =>
    jsonBehind(Uint8Array.from(atob(results), (char) => char.charCodeAt(0)))
  );
  assert.deepEqual(json, [
    { outrider: 1, heartbeat: beat },
    { outrider: 1, result: { state: "succeeded" }, log: [] },
    { outrider: 1, heartbeat: next },
  ]);
  assert.deepEqual(posts.map(({ executor_id, state }) => [executor_id, state]), [["e", 1], ["e", 3], [
    "e",
    1,
  ]]);
  assert.equal(w.clock.timers, 0);
});

/** A signal, and how many listen to it. */
function listened(): { readonly signal: AbortSignal; readonly listeners: () => number } {
  const { signal } = new AbortController();
  const all = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
    all.add(listener);
    add(type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: EventListener) => {
    all.delete(listener);
    remove(type, listener);
  };
  return { signal, listeners: () => all.size };
}

test("uplink: of a request that is over, however, nothing listens to its signal; one given up is broken off", async () => {
  const { clock } = world();
  const { signal, listeners } = listened();
  const call = { method: "GET", path: "/", timeoutMs: 1_000, signal } as const;
  const line = new ReadableStream<Uint8Array>({
    start: (to) => (to.enqueue(new TextEncoder().encode("a\nb\n")), to.close()),
  });
  for await (const _ of linesOf(line, { clock, idleMs: 1_000, signal }));
  assert.equal(listeners(), 0);
  let under: AbortSignal | null | undefined;
  const answers: (() => Promise<Response>)[] = [
    () => Promise.resolve(new Response("x")),
    () => Promise.reject(new TypeError("no network")),
    () => Promise.resolve(new Response(null, { status: 300 })),
    () => Promise.resolve(new Response(null, { status: 399 })),
    () => new Promise(() => {}),
  ];
  const wire = new Wire({
    ...{ url: "http://g", clock },
    fetch: (_, init) => {
      under = init.signal;
      return answers.shift()!();
    },
  });
  assert.equal((await wire.call(call)).bytes.length, 1);
  await assert.rejects(wire.call(call), { code: "OUTRIDER_GATEWAY_UNREACHABLE" });
  for (let count = 0; count < 2; count++) {
    await assert.rejects(wire.call(call), {
      code: "OUTRIDER_GATEWAY_ANSWER",
      message: /redirect to an address that is hidden/,
    });
  }
  assert.equal(listeners(), 0);
  const late = wire.call(call);
  clock.step();
  await assert.rejects(late, { code: "OUTRIDER_GATEWAY_TIMEOUT" });
  assert.deepEqual([under?.aborted, listeners(), clock.timers], [true, 0, 0]);
  const before = answers.length;
  await assert.rejects(wire.call({ ...call, signal: AbortSignal.abort() }), { code: "OUTRIDER_STOPPED" });
  assert.equal(answers.length, before, "what was stopped before is not asked");
});

test("uplink: the answer that a new token makes up for is let go", async () => {
  const { clock } = world();
  let cancelled = 0;
  let asked = 0;
  const wire = new Wire({
    ...{ url: "http://g", clock, token: "old" },
    renewToken: () => Promise.resolve("new"),
    fetch: () => {
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void cancelled++ });
      return Promise.resolve(asked++ === 0 ? new Response(body, { status: 401 }) : new Response("ok"));
    },
  });
  assert.equal((await wire.call({ method: "GET", path: "/", timeoutMs: 1_000 })).status, 200);
  assert.deepEqual([asked, cancelled], [2, 1]);
});

test("uplink: a line of the gateway's has 128 Mi characters at most", async () => {
  const { clock } = world();
  const piece = new Uint8Array(32 * 1024 * 1024).fill(0x61);
  let left = 4;
  const endless = new ReadableStream<Uint8Array>({
    pull(to) {
      if (left-- > 0) return to.enqueue(piece);
      to.enqueue(piece.subarray(0, 1));
      to.close();
    },
  }, { highWaterMark: 0 });
  await assert.rejects(linesOf(endless, { clock, idleMs: 1_000 }).next(), {
    code: "OUTRIDER_GATEWAY_ANSWER",
    message: /longer than 134217728 characters/,
  });
});

test("uplink: both streams of a report go on once the gateway is heard, and both hurry at the end", async () => {
  const w = world();
  let away = true;
  const { report, batches } = reporting(w, () => away ? new UnreachableError("x") : undefined, {
    limits: { lingerMs: 5_000 },
  });
  w.journal.log("one");
  await pass(5_000, w);
  assert.deepEqual(batches.map(({ lane }) => lane), ["log"]);
  away = false;
  report.online();
  await w.activity.still();
  assert.equal(batches.length, 2);
  away = true;
  w.journal.state(RUN_STARTED);
  await pass(5_000, w);
  assert.equal(batches.at(-1)!.lane, "state");
  const before = batches.length;
  away = false;
  report.online();
  await w.activity.still();
  assert.equal(batches.length, before + 1);
  w.journal.log("two");
  await w.activity.still();
  report.end({ state: "succeeded" });
  await w.activity.still();
  assert.equal(await report.drained, true);
  await report.stop();
  assert.equal(w.clock.timers, 0);
});

test("uplink: netUnicorn: a result is sent again only after a heartbeat that was given up, while it may still stray", async () => {
  const run = {
    id: "r",
    pipeline: "p",
    state: "running" as const,
    tasks: 1,
    counts: {},
    running: 0,
    names: [],
  };
  const beat = {
    ...{ session: "s", version: 1, outrider: "0", runtime: "t", state: "running" as const, run },
    ...{ intervalMs: 1, sentBytes: 0, seen: 0, spool: { state: 0, log: 0 } },
  };
  const result = { run: "r", result: {}, log: [] };
  const limits = { timeoutMs: 1_000 };
  const meeting = async (first: () => Promise<Response>) => {
    const w = world();
    const states: number[] = [];
    const answers = [first];
    const gateway = netunicornGateway({
      ...{ url: "http://gateway.test", executor: "e", clock: w.clock },
      fetch: (_, { body }) => {
        states.push(JSON.parse(new TextDecoder().decode(body as Uint8Array)).state);
        return (answers.shift() ?? (() => Promise.resolve(Response.json(null))))();
      },
    });
    const { report } = gateway;
    assert.ok(report.kind === "whole");
    await assert.rejects(drive(gateway.beat(beat, limits), w), UplinkError);
    return { ...w, states, report, gateway };
  };
  const silent = () => new Promise<Response>(() => {});
  const refused = await meeting(() => Promise.resolve(new Response("no", { status: 503 })));
  await refused.report.send(result, limits);
  assert.deepEqual(refused.states, [1, 3], "what was refused is not on its way");
  const late = await meeting(silent);
  await pass(10_000, late);
  await late.report.send(result, limits);
  assert.deepEqual([late.states, late.clock.timers], [[1, 3], 0]);
  const stopped = await meeting(silent);
  const stop = new AbortController();
  const sending = stopped.report.send(result, { ...limits, signal: stop.signal });
  await stopped.activity.still();
  const queued = stopped.gateway.beat(beat, limits);
  stop.abort();
  await sending;
  assert.equal(await queued, undefined);
  assert.deepEqual([stopped.states, stopped.clock.timers], [[1, 3], 0]);
  const next = await meeting(silent);
  const first = next.report.send(result, limits);
  await next.activity.still();
  const second = next.report.send({ ...result, run: "next" }, limits);
  await drive(Promise.all([first, second]), next);
  assert.deepEqual(next.states, [1, 3, 3, 3], "only the last result is sent anew");
});

test("uplink: netUnicorn: a flag that holds nothing is none, and half a number is no number", async () => {
  const { clock } = world();
  const reading = (text: string, status = 200) =>
    netunicornGateway({
      ...{ url: "http://gateway.test", executor: "e", clock },
      fetch: () => Promise.resolve(new Response(text, { status })),
    }).flags.read("n", { timeoutMs: 1_000 });
  for (const status of [200, 404]) assert.equal(await reading("null", status), undefined);
  for (
    const text of ['{"text_value":null,"int_value":null}', "{}", '{"int_value":1.5}', '{"text_value":[]}']
  ) {
    await assert.rejects(reading(text), { code: "OUTRIDER_GATEWAY_ANSWER", message: /no flag/ }, text);
  }
  assert.equal((await reading('{"int_value":2}'))?.value, 2);
  assert.equal((await reading('{"text_value":"t"}'))?.value, "t");
  await assert.rejects(reading("no JSON"), { code: "OUTRIDER_GATEWAY_ANSWER", message: /no JSON/ });
});

test("uplink: a batch has 500 records and 256 KiB at most, 0.5 s to come together and 30 s to be taken, where nothing is said", async () => {
  const timeouts: number[] = [];
  const sizes = async (w: ReturnType<typeof world>, count: number) => {
    const batches: RecordBatch[] = [];
    const gateway = {
      report: {
        kind: "records",
        send: (batch, { timeoutMs }) => {
          batches.push(batch);
          timeouts.push(timeoutMs);
          return new Promise(() => {});
        },
      },
    } as Pick<Gateway, "report"> as Gateway;
    const report = startReport({ gateway, clock: w.clock, random: () => 0.5, run: "r", source: w.journal });
    await w.activity.still();
    assert.equal(batches[0]!.records.length, count);
    return { batches, report };
  };
  const many = world();
  for (let at = 0; at < 600; at++) many.journal.log("");
  await sizes(many, 500);
  const bytes = many.journal.lanes.log.slice(0, 500).reduce(
    (sum, record) => sum + JSON.stringify(record).length,
    0,
  );
  assert.deepEqual(timeouts, [30_000 + Math.ceil(bytes / 2)]);
  const large = world();
  const empty = world();
  empty.journal.log("");
  const frame = JSON.stringify(empty.journal.lanes.log[0]).length;
  for (let at = 0; at < 4; at++) large.journal.log("x".repeat(128 * 1024 - frame));
  await sizes(large, 2);
  const w = world();
  const { report, batches } = reporting(w, () => undefined);
  await pass(5_000, w);
  w.journal.log("one");
  await pass(499, w);
  assert.equal(batches.length, 0);
  await pass(1, w);
  assert.equal(batches.length, 1);
  await report.stop();
});

test("uplink: what can't be read at the start counts as acknowledged so far, until it is known how much there is", async () => {
  const w = world();
  let broken = true;
  for (let at = 0; at < 5; at++) w.journal.log(`${at}`);
  const read = w.journal.logs.bind(w.journal);
  w.journal.logs = (after, limit) => {
    if (broken) throw new JournalError("DISK", "The disk is gone");
    return read(after, limit);
  };
  const { report } = reporting(w, () => undefined, { from: { state: 0, log: 3 } });
  const { pending, acknowledged, unreadable } = report.status();
  assert.deepEqual([pending.log, acknowledged.log, unreadable], [0, 3, "The disk is gone"]);
  w.journal.log("later");
  assert.equal(report.status().pending.log, 0);
  broken = false;
  await pass(60_000, w);
  assert.deepEqual([report.status().acknowledged.log, report.status().unreadable], [6, undefined]);
  await report.stop();
});

test("uplink: what has 256 bytes goes packed, what has fewer goes as it is", async () => {
  for (const [length, packed] of [[255, null], [256, "gzip"], [257, "gzip"]] as const) {
    const sent: { readonly encoding: string | null; readonly type: string | null; readonly bytes: number }[] =
      [];
    const gateway = outriderGateway({
      ...{ url: "http://gateway.test", executor: "e", clock: new HandClock() },
      gzip: () => Promise.resolve(new Uint8Array(1)),
      fetch: (_, init) => {
        const headers = new Headers(init.headers);
        const bytes = (init.body as Uint8Array).length;
        sent.push({ encoding: headers.get("content-encoding"), type: headers.get("content-type"), bytes });
        return Promise.resolve(Response.json({ done: true }));
      },
    });
    const operation = { op: "set", id: "i", value: "" } as const;
    const value = "v".repeat(length - JSON.stringify(operation).length);
    await gateway.flags.change("n", { ...operation, value }, { timeoutMs: 1_000 }).catch(() => {});
    assert.deepEqual(sent, [{
      encoding: packed,
      type: "application/json",
      bytes: packed === null ? length : 1,
    }]);
  }
});
