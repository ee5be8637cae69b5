/** The parts of a report, each alone: which records go in a batch, what is set aside or left out, and what a pickle says. */
import assert from "node:assert/strict";
import test from "node:test";
import type { BatchReply } from "../../src/protocol/messages.ts";
import {
  GatewayAnswerError,
  GatewayRefusedError,
  GatewayTimeoutError,
  SourceError,
  UnreachableError,
  UplinkError,
} from "../../src/uplink/errors.ts";
import { heartbeatBytes, resultBytes } from "../../src/uplink/dialects/netunicorn/result.ts";
import { pickle, PickledCall } from "../../src/uplink/dialects/netunicorn/pickle.ts";
import type { Gateway, Whole } from "../../src/uplink/gateway.ts";
import { createFlags } from "../../src/uplink/flags.ts";
import { jsonIn, refused } from "../../src/uplink/http/answer.ts";
import { CommandInbox } from "../../src/uplink/instructions.ts";
import type { Numbered } from "../../src/uplink/port.ts";
import { leanRecord, leanResult } from "../../src/uplink/report/lean.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { SetAside } from "../../src/uplink/report/set_aside.ts";
import { StreamSender, type StreamSenderOptions } from "../../src/uplink/report/stream.ts";
import { Activity, FakeJournal, HandClock, pass } from "./rig.ts";

function refusal(
  status: number,
  { own = true, retryAfterMs }: { own?: boolean; retryAfterMs?: number } = {},
) {
  return new GatewayRefusedError("No", { status, reason: "why", own, retryAfterMs });
}

test("uplink: what is set aside is told until it is taken; neighbours with one reason are one range", () => {
  const aside = new SetAside();
  const at = (from: number, to: number, reason = "a") => aside.add({ from, to, reason });
  at(5, 6);
  at(7, 7);
  at(8, 8, "b");
  at(6, 7);
  at(2, 2);
  const all = [{ from: 2, to: 2, reason: "a" }, { from: 5, to: 7, reason: "a" }, {
    from: 8,
    to: 8,
    reason: "b",
  }];
  assert.deepEqual(aside.after(0), all);
  assert.deepEqual([1, 2, 3, 4, 5, 7, 8, 9].filter((seq) => aside.has({ seq })), [2, 5, 7, 8]);
  assert.deepEqual(aside.after(6), all.slice(1));
  assert.deepEqual(aside.after(7), all.slice(2));
  aside.taken(6);
  assert.deepEqual(aside.after(0), all.slice(1));
  aside.taken(7);
  assert.deepEqual([aside.after(0), aside.has({ seq: 7 })], [all.slice(2), false]);
});

test("uplink: a record is to blame by the gateway's own word, or once two heartbeats got through meanwhile", () => {
  const aside = new SetAside();
  const blamed = (seq: number, heard: number, own: boolean) =>
    aside.isToBlame({ seq }, refusal(413, { own }), heard);
  assert.deepEqual([blamed(1, 0, true), blamed(1, 1, true)], [false, true]);
  assert.deepEqual([3, 4, 5].map((heard) => blamed(1, heard, false)), [false, false, true]);
  assert.equal(blamed(2, 6, false), false, "another record is another matter");
  assert.deepEqual([7, 8].map((heard) => blamed(2, heard, false)), [false, true]);
});

test("uplink: a record goes without its value once, if it has one", () => {
  const aside = new SetAside();
  const record = { seq: 4, value: "12345" };
  assert.equal(aside.lean(record), record);
  assert.equal(aside.leaveOut({ seq: 3 }), false);
  assert.deepEqual([aside.leaveOut(record), aside.leaveOut(record)], [true, false]);
  const valueLeftOut = "5 characters of JSON: too large for the way to this gateway";
  assert.deepEqual(aside.lean(record), { seq: 4, valueLeftOut });
  assert.deepEqual(leanRecord({ seq: 1, value: 5 } as Numbered), undefined);
});

test("uplink: of a result the largest values are left out, no more of them than have to be", () => {
  const tasks = {
    a: [{ attempt: 1, value: "x".repeat(100) }, { attempt: 2, value: "y".repeat(300) }],
    b: [{ attempt: 1 }, { attempt: 2, value: "z".repeat(200) }],
  };
  const result = { run: "r", tasks };
  const length = JSON.stringify(result).length;
  assert.deepEqual(leanResult(result, length), { result, leftOut: 0 });
  const left = (maxLength: number) => {
    const lean = leanResult(result, maxLength);
    const { run, tasks } = lean.result as { run: string; tasks: Record<string, Record<string, unknown>[]> };
    assert.equal(run, "r");
    return [
      lean.leftOut,
      Object.values(tasks).flat().map(({ value, valueLeftOut }) => value ?? valueLeftOut),
    ];
  };
  const out = (characters: number) =>
    `${characters} characters of JSON: too large for the way to this gateway`;
  const [x, z] = [tasks.a[0]!.value, tasks.b[1]!.value];
  assert.deepEqual(left(length - 1), [1, [x, out(302), undefined, z]]);
  assert.deepEqual(left(length - 302), [1, [x, out(302), undefined, z]]);
  assert.deepEqual(left(length - 303), [2, [x, out(302), undefined, out(202)]]);
  assert.deepEqual(left(0), [3, [out(102), out(302), undefined, out(202)]]);
  for (const none of [undefined, null, {}, { tasks: {} }]) {
    assert.deepEqual(leanResult(none, 0), { result: none, leftOut: 0 });
  }
});

test("uplink: commands are handed on once each, in their order; another storage numbers anew", () => {
  const inbox = new CommandInbox();
  const heard: number[] = [];
  const unlisten = inbox.listen(({ id }) => void heard.push(id));
  inbox.take();
  inbox.take([{ id: 3, type: "pause" }, { id: 2, type: "resume" }, { id: 2, type: "pause" }], "s");
  inbox.take([{ id: 3, type: "pause" }, { id: 4, type: "unheard of" }, { id: 5, type: "resume" }], "s");
  assert.deepEqual([heard, inbox.seen, inbox.storage], [[2, 3, 5], 5, "s"]);
  inbox.take([{ id: 1, type: "pause" }], "t");
  assert.deepEqual([heard, inbox.seen, inbox.storage], [[2, 3, 5, 1], 1, "t"]);
  unlisten();
  inbox.take([{ id: 2, type: "pause" }], "t");
  assert.deepEqual([heard.length, inbox.seen], [4, 2]);
});

function replyOf(acknowledged: BatchReply["acknowledged"], final = false): BatchReply {
  return { acknowledged, final, rejected: [], commands: [] };
}

/** A sender of a stream with a gateway in the test's hand: each batch waits until it is answered. */
function sending(records: Numbered[], more: Partial<StreamSenderOptions> = {}) {
  const clock = new HandClock();
  const activity = new Activity();
  const abort = new AbortController();
  const reads: [number, number][] = [];
  const batches: { seqs: number[]; parked: string[]; timeoutMs: number; final: boolean }[] = [];
  const errors: string[] = [];
  const leftOut: number[] = [];
  let answer: (reply: BatchReply | UplinkError) => void = () => {};
  const sender = new StreamSender({
    run: "r",
    life: undefined,
    stream: "state",
    from: 0,
    read: (after, limit) => {
      reads.push([after, limit]);
      return records.filter(({ seq }) => seq > after).slice(0, limit);
    },
    flush: () => Promise.resolve(),
    send: (batch, { timeoutMs }) => {
      batches.push({
        seqs: batch.records.map(({ seq }) => seq),
        parked: (batch.parked ?? []).map(({ from, to, status }) => `${from}-${to} ${status}`),
        timeoutMs,
        final: batch.final !== undefined,
      });
      return new Promise((resolve, reject) => {
        answer = (reply) => reply instanceof UplinkError ? reject(reply) : resolve(reply);
      });
    },
    clock,
    random: () => 0.5,
    signal: abort.signal,
    limits: { records: 8, bytes: 1_000_000, lingerMs: 400, timeoutMs: 10_000 },
    ready: () => true,
    final: () => undefined,
    heard: () => 1,
    onReply: () => {},
    onLeftOut: ({ seq }) => void leftOut.push(seq),
    onParked: () => {},
    onError: ({ message }) => void errors.push(message),
    ...more,
  });
  const running = sender.run();
  return {
    ...{ sender, clock, activity, reads, batches, errors, leftOut, records },
    /** Answers what is under way; which batches set out in the time that passes then. */
    async answered(reply: UplinkError | number, ms = 0, final = false): Promise<number[][]> {
      const before = batches.length;
      answer(reply instanceof UplinkError ? reply : replyOf({ state: reply, log: 0 }, final));
      await pass(ms, { clock, activity });
      await activity.still();
      return batches.slice(before).map(({ seqs }) => seqs);
    },
    async over() {
      abort.abort();
      answer(new UplinkError("Over"));
      await running;
      assert.equal(clock.timers, 0);
    },
  };
}

function numbers(from: number, to: number): Numbered[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({ seq: from + at }));
}

test("uplink: the last record is found with few reads of one record each, wherever it is", async () => {
  for (const last of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 1_000]) {
    const s = sending(numbers(1, last), { ready: () => false });
    assert.deepEqual([s.sender.last, s.sender.pending], [last, last > 0], `of ${last}`);
    assert.ok(s.reads.every(([, limit]) => limit === 1));
    assert.ok(s.reads.length <= 2 * Math.ceil(Math.log2(last + 2)) + 2, `${s.reads.length} for ${last}`);
    await s.over();
  }
  const s = sending(numbers(1, 9), { from: 4, ready: () => false });
  assert.deepEqual([s.sender.last, s.sender.acknowledged, s.reads[0]], [9, 4, [4, 1]]);
  await s.over();
});

test("uplink: batches go one at a time, full ones at once, the last after the linger; a batch that set out is counted", async () => {
  const s = sending(numbers(1, 20));
  await s.activity.still();
  assert.deepEqual([s.batches.length, s.sender.moves, s.sender.idle], [1, 1, false]);
  assert.deepEqual(s.batches[0]!.seqs, [1, 2, 3, 4, 5, 6, 7, 8]);
  const bytes = s.batches[0]!.seqs.reduce((sum, seq) => sum + JSON.stringify({ seq }).length, 0);
  assert.equal(s.batches[0]!.timeoutMs, 10_000 + Math.ceil(bytes / 2));
  assert.deepEqual(await s.answered(8), [[9, 10, 11, 12, 13, 14, 15, 16]]);
  assert.deepEqual(await s.answered(16), [[17, 18, 19, 20]]);
  s.records.push({ seq: 21 });
  s.sender.appended(21);
  assert.deepEqual(await s.answered(20, 399), []);
  assert.deepEqual([s.sender.moves, s.sender.idle, s.sender.pending], [3, true, true]);
  await pass(1, s);
  await s.activity.still();
  assert.deepEqual([s.batches.at(-1)!.seqs, s.sender.moves], [[21], 4]);
  await s.answered(21);
  assert.deepEqual([s.sender.pending, s.sender.last, s.errors], [false, 21, []]);
  s.sender.appended(3);
  assert.equal(s.sender.last, 21, "the last never falls");
  await s.over();
});

test("uplink: what comes back moves the cursor, on or back, and never beyond what there is", async () => {
  const s = sending(numbers(1, 6));
  await s.activity.still();
  assert.deepEqual(await s.answered(99, 400), []);
  assert.deepEqual([s.sender.acknowledged, s.errors], [6, []]);
  s.sender.heard(7);
  assert.equal(s.sender.acknowledged, 6);
  s.sender.heard(4);
  await pass(400, s);
  await s.activity.still();
  assert.deepEqual(s.batches.at(-1)!.seqs, [5, 6]);
  assert.deepEqual(await s.answered(2, 249), [], "a loss is waited out");
  assert.match(s.errors.join(), /only 2 of 4 state records/);
  await pass(1, s);
  await s.activity.still();
  assert.deepEqual(s.batches.at(-1)!.seqs, [3, 4, 5, 6]);
  assert.deepEqual(await s.answered(2, 499), [], "and so is nothing taken, the second time for longer");
  assert.match(s.errors[1]!, /none of what was sent/);
  await pass(1, s);
  await s.activity.still();
  assert.deepEqual(await s.answered(6, 400), []);
  s.sender.heard(5);
  await pass(400, s);
  await s.activity.still();
  assert.deepEqual(await s.answered(5, 250), [[6]], "a success began anew");
  await s.over();
});

test("uplink: what failed is sent again after its pause: as much, or half of it", async () => {
  const failures: [UplinkError, number, number][] = [
    [new UplinkError("x"), 8, 250],
    [new GatewayAnswerError("x"), 8, 250],
    [new UnreachableError("x"), 8, 250],
    [new GatewayTimeoutError("x"), 4, 250],
    [refusal(503), 8, 250],
    [refusal(429, { retryAfterMs: 7_000 }), 8, 7_250],
    [refusal(413), 4, 100],
    [refusal(413, { own: false }), 4, 100],
    [refusal(422), 4, 100],
    [refusal(422, { own: false }), 8, 250],
    [refusal(401), 8, 250],
  ];
  for (const [error, count, ms] of failures) {
    const s = sending(numbers(1, 20));
    await s.activity.still();
    assert.deepEqual(await s.answered(error, ms - 1), []);
    await pass(1, s);
    await s.activity.still();
    const what = `${error.name} ${(error as GatewayRefusedError).status}`;
    assert.deepEqual(
      s.batches.slice(1).map(({ seqs }) => seqs),
      [numbers(1, count).map(({ seq }) => seq)],
      what,
    );
    const grown = Math.min(8, count * 2);
    assert.deepEqual(
      await s.answered(count),
      [numbers(count + 1, count + grown).map(({ seq }) => seq)],
      what,
    );
    assert.deepEqual([s.errors.length, s.leftOut], [1, []]);
    await s.over();
  }
});

test("uplink: batches that were halved again and again grow to twice as much with each that is taken", async () => {
  const s = sending(numbers(1, 40));
  await s.activity.still();
  for (const count of [4, 2, 1, 1]) {
    const [next] = await s.answered(new GatewayTimeoutError("x"), 60_000);
    assert.equal(next!.length, count);
  }
  for (const [upTo, count] of [[1, 2], [3, 4], [7, 8], [15, 8]] as const) {
    assert.equal((await s.answered(upTo))[0]!.length, count);
  }
  await s.over();
});

test("uplink: a heartbeat that is answered ends the pauses of a network that was away, and no others", async () => {
  for (
    const [error, ends] of [
      [new UnreachableError("x"), true],
      [new GatewayTimeoutError("x"), true],
      [refusal(503), false],
      [new GatewayAnswerError("x"), false],
    ] as const
  ) {
    const s = sending(numbers(1, 2));
    await s.activity.still();
    await s.answered(error);
    s.sender.online();
    await s.activity.still();
    assert.equal(s.batches.length > 1, ends, error.name);
    await s.over();
  }
});

test("uplink: a record refused by itself goes without its value if it is too large, and is set aside then", async () => {
  const s = sending([{ seq: 1, value: "123" } as Numbered, ...numbers(2, 3)]);
  await s.activity.still();
  assert.deepEqual(await s.answered(refusal(413), 100), [[1]]);
  assert.deepEqual(await s.answered(refusal(413), 100), [[1]]);
  assert.deepEqual(s.leftOut, [1]);
  assert.deepEqual(await s.answered(refusal(413), 100), [[2]]);
  assert.deepEqual(s.batches.at(-1)!.parked, ["1-1 413"]);
  assert.deepEqual(await s.answered(2), [[3]]);
  assert.deepEqual(s.batches.at(-1)!.parked, []);
  assert.deepEqual(
    await s.answered(refusal(400), 100),
    [[]],
    "what was set aside is told, though nothing is sent",
  );
  assert.deepEqual(s.batches.at(-1)!.parked, ["3-3 400"]);
  assert.deepEqual(await s.answered(3, 1_000), []);
  assert.deepEqual(s.leftOut, [1]);
  await s.over();

  const deaf = sending(numbers(1, 1), { heard: () => 0 });
  await deaf.activity.still();
  assert.deepEqual(await deaf.answered(refusal(422), 250), [[1]]);
  await deaf.over();
});

test("uplink: numbers that the journal has no more are told as missing; those of a gap record are not", async () => {
  const dropped = { seq: 6, dropped: { count: 2, bytes: 1 } } as Numbered;
  const s = sending([...numbers(3, 3), dropped, ...numbers(7, 7)]);
  await s.activity.still();
  assert.deepEqual(s.batches[0], {
    seqs: [3, 6, 7],
    parked: ["1-2 undefined"],
    timeoutMs: s.batches[0]!.timeoutMs,
    final: false,
  });
  await s.over();
});

test("uplink: the end is told once all records are, and again until it is taken", async () => {
  let end = false;
  const s = sending(numbers(1, 8), {
    final: () => end ? { state: "succeeded", records: { state: 8, log: 0 } } : undefined,
  });
  end = true;
  await s.activity.still();
  assert.deepEqual(s.batches.map(({ final }) => final), [false]);
  assert.deepEqual(await s.answered(8), [[]]);
  assert.equal(s.batches[1]!.final, true);
  assert.deepEqual(await s.answered(8, 250), [[]], "it was not taken");
  end = false;
  assert.deepEqual(await s.answered(8, 10_000, true), []);
  assert.equal(s.errors.length, 1);
  await s.over();
});

test("uplink: records that can't be read are asked for ten times in a row, and what was read begins the count anew", async () => {
  let fails = 9;
  let reads = 0;
  const read = () => {
    reads++;
    if (fails-- > 0) throw new SourceError("The disk is gone");
    return [];
  };
  const s = sending([], { read });
  await pass(10 * 60_000, s);
  await s.activity.still();
  assert.deepEqual([s.sender.unreadable, s.errors.length], [undefined, 9]);
  fails = Infinity;
  reads = 0;
  s.sender.wake();
  await pass(60 * 60_000, s);
  await s.activity.still();
  assert.deepEqual([s.sender.unreadable, reads], ["The disk is gone", 10]);
  assert.equal(s.sender.pending, false);
  await s.over();
});

test("uplink: log records wait while state records do, and while the end does", async () => {
  const clock = new HandClock();
  const activity = new Activity();
  const journal = new FakeJournal();
  const under: { what: string; answer: (reply: BatchReply) => void }[] = [];
  const gateway = {
    report: {
      kind: "records",
      send: ({ lane, records, final }) => {
        const what = `${lane} ${records.map(({ seq }) => seq)}${final ? " end" : ""}`;
        return new Promise<BatchReply>((answer) => void under.push({ what, answer }));
      },
    },
  } as Pick<Gateway, "report"> as Gateway;
  const report = startReport({ gateway, clock, random: () => 0.5, run: "r", source: journal });
  const later = async () => {
    await pass(2_000, { clock, activity });
    await activity.still();
    return under.map(({ what }) => what);
  };
  const reply = (state: number, log: number, final = false) => {
    under.shift()!.answer(replyOf({ state, log }, final));
    return later();
  };
  journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" });
  journal.log("one");
  assert.deepEqual(await later(), ["state 1"]);
  assert.deepEqual(await reply(1, 0), ["log 1"]);
  assert.deepEqual(await reply(1, 1), []);
  journal.log("two");
  report.end({ state: "succeeded" });
  assert.deepEqual(await later(), ["state  end"]);
  assert.deepEqual([report.status().pending, report.status().acknowledged], [{ state: 0, log: 1 }, {
    state: 1,
    log: 1,
  }]);
  assert.deepEqual(await reply(1, 1, true), ["log 2"]);
  assert.equal(await report.final, true);
  let drained = false;
  void report.drained.then(() => drained = true);
  await later();
  assert.equal(drained, false);
  await reply(1, 2, true);
  assert.equal(drained, true);
  await report.stop();
  assert.deepEqual([clock.timers, journal.watchers], [0, 0]);
});

test("uplink: what one stream's reply says of the other counts only if nothing of that one was under way", async () => {
  const clock = new HandClock();
  const activity = new Activity();
  const journal = new FakeJournal();
  for (let at = 0; at < 3; at++) journal.log(`line ${at}`);
  const under = { state: [], log: [] } as Record<string, ((reply: BatchReply) => void)[]>;
  const logs: number[][] = [];
  const gateway = {
    report: {
      kind: "records",
      send: ({ lane, records }) => {
        if (lane === "log") logs.push(records.map(({ seq }) => seq));
        return new Promise<BatchReply>((resolve) => under[lane]!.push(resolve));
      },
    },
  } as Pick<Gateway, "report"> as Gateway;
  const report = startReport({ gateway, clock, random: () => 0.5, run: "r", source: journal });
  const reply = async (lane: "state" | "log", acknowledged: { state: number; log: number }) => {
    under[lane]!.shift()!(replyOf(acknowledged));
    await pass(2_000, { clock, activity });
    await activity.still();
  };
  await pass(2_000, { clock, activity });
  assert.deepEqual(logs, [[1, 2, 3]]);
  journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" });
  await pass(2_000, { clock, activity });
  await reply("log", { state: 0, log: 3 });
  await reply("state", { state: 1, log: 0 });
  assert.deepEqual(
    [logs.length, report.status().acknowledged],
    [1, { state: 1, log: 3 }],
    "told before the log was taken",
  );

  journal.state({ type: "tick" });
  await pass(2_000, { clock, activity });
  assert.equal(under["state"]!.length, 1);
  await reply("state", { state: 2, log: 1 });
  assert.deepEqual(logs, [[1, 2, 3], [2, 3]], "nothing was under way: the gateway has lost them");
  await reply("log", { state: 2, log: 3 });
  await report.stop();
  assert.deepEqual([clock.timers, journal.watchers], [0, 0]);
});

test("uplink: a run that is told whole has as long as its length, and goes smaller on the gateway's own word", async () => {
  const clock = new HandClock();
  const activity = new Activity();
  const journal = new FakeJournal();
  for (let at = 0; at < 10; at++) journal.log("x".repeat(100));
  const sent: { whole: Whole; timeoutMs: number }[] = [];
  const answers: (UplinkError | undefined)[] = [
    refusal(413),
    refusal(400, { own: false }),
    new UnreachableError("x"),
  ];
  const gateway = {
    report: {
      kind: "whole",
      send: (whole, { timeoutMs }) => {
        sent.push({ whole, timeoutMs });
        const error = answers.shift();
        return error === undefined ? Promise.resolve() : Promise.reject(error);
      },
    },
  } as Pick<Gateway, "report"> as Gateway;
  const acknowledged: unknown[] = [];
  const report = startReport({
    ...{ gateway, clock, random: () => 0.5, run: "r", source: journal },
    onAcknowledged: (numbers) => void acknowledged.push(numbers),
  });
  const lengths = () => sent.map(({ whole }) => whole.log.length);
  assert.deepEqual(report.status().pending, { state: 1, log: 0 });
  report.end({ state: "succeeded", result: { state: "succeeded" } });
  report.end({ state: "failed" });
  await activity.still();
  assert.deepEqual(lengths(), [10]);
  const { whole, timeoutMs } = sent[0]!;
  const length = JSON.stringify(whole.result).length + JSON.stringify(whole.log).length;
  assert.equal(timeoutMs, 30_000 + Math.ceil(length / 2));
  await pass(249, { clock, activity });
  assert.equal(sent.length, 1);
  await pass(1, { clock, activity });
  await activity.still();
  const count = sent[1]!.whole.log.length;
  assert.ok(count > 2 && count < 7 && JSON.stringify(sent[1]!.whole.log.slice(1)).length <= length / 2);
  const [gap] = sent[1]!.whole.log as [Numbered];
  const left = 10 - (count - 1);
  const bytes = journal.lanes.log.slice(0, left).reduce(
    (sum, record) => sum + JSON.stringify(record).length,
    0,
  );
  assert.deepEqual([gap.seq, gap.dropped], [left, { count: left - 1, bytes }]);
  assert.deepEqual((gap as { at?: unknown }).at, journal.lanes.log[left]!["at"]);
  report.online();
  await pass(499, { clock, activity });
  assert.equal(sent.length, 2, "a refusal's pause is not the network's");
  await pass(1, { clock, activity });
  await activity.still();
  assert.deepEqual(lengths().slice(2), [count], "a small one is not made smaller on another's word");
  report.online();
  assert.equal(await report.drained, true);
  assert.deepEqual(sent.map(({ whole }) => whole.result), Array(4).fill({ state: "succeeded" }));
  assert.deepEqual(report.status().acknowledged, { state: 1, log: 0 });
  assert.deepEqual(report.status().pending, { state: 0, log: 0 });
  assert.deepEqual(acknowledged, [{ state: 0, log: 0 }]);
  await report.stop();
  assert.equal(clock.timers, 0);
});

test("uplink: a refusal has its words: the gateway's own, or the text as it came, cut; and its advice", () => {
  const reasonIn = (body: unknown) => (body as { readonly why?: string } | undefined)?.why;
  const of = (status: number, text: string, headers: Record<string, string> = {}) => {
    const answer = { status, headers: new Headers(headers), bytes: new TextEncoder().encode(text) };
    const error = refused("GET x", answer, { now: 0, reasonIn });
    const { reason, own } = error as GatewayRefusedError;
    return { reason, own, after: error.retryAfterMs, name: error.name, message: error.message };
  };
  assert.deepEqual(of(503, '{"why":"later"}', { "retry-after": "3" }), {
    reason: "later",
    own: true,
    after: 3_000,
    name: "GatewayRefusedError",
    message: "GET x was answered 503: later",
  });
  const proxy = ", which is not how a gateway says it: a proxy may stand between";
  const see = ": see docs/operations.md#a-proxy";
  assert.deepEqual(of(502, " down ").message, "GET x was answered 502: down");
  assert.deepEqual(of(500, "").reason, "no reason given");
  assert.equal(of(400, "no").message, `GET x was answered 400: no${proxy}${see}`);
  for (const status of [401, 403]) {
    assert.ok(of(status, '{"why":"w"}').message.endsWith("w: check OUTRIDER_TOKEN and OUTRIDER_EXECUTOR_ID"));
  }
  for (const status of [404, 405]) {
    assert.ok(
      of(status, "w").message.endsWith(
        `${proxy}: check that OUTRIDER_GATEWAY is the address of a gateway${see}`,
      ),
    );
  }
  assert.equal(of(400, `first${"x".repeat(400)}`).reason, `first${"x".repeat(295)}`);
  assert.equal(of(400, `${" ".repeat(1_999)}xy`).reason, "x");
  for (
    const [status, name] of [
      [399, "GatewayRefusedError"],
      [400, "GatewayAnswerError"],
      [499, "GatewayAnswerError"],
      [500, "GatewayRefusedError"],
      [413, "GatewayRefusedError"],
    ] as const
  ) {
    assert.equal(of(status, "  <!DOCTYPE html>").name, name, `${status}`);
    assert.equal(of(status, "x", { "content-type": "text/html", "retry-after": "2" }).after, 2_000);
  }
  assert.equal(of(400, "<htm").name, "GatewayRefusedError");
  assert.equal(of(400, `${" ".repeat(196)}<html>`).name, "GatewayRefusedError");
  const bytes = new TextEncoder().encode("{");
  assert.equal(jsonIn({ status: 200, headers: new Headers(), bytes }), undefined);
});

/** Flags of a gateway that answers as the test says; the limits of each call. */
function flagsWith(
  answers: (UplinkError | number)[],
  { repeatable = false, waits = false }: { readonly repeatable?: boolean; readonly waits?: boolean } = {},
) {
  const clock = new HandClock();
  const calls: {
    readonly at: number;
    readonly timeoutMs: number;
    readonly waitMs?: number;
    readonly after?: number;
  }[] = [];
  const began = clock.monotonic();
  const answer = (
    { signal: _, ...options }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ) => {
    calls.push({ at: clock.monotonic() - began, ...options });
    const next = answers.length > 1 ? answers.shift()! : answers[0]!;
    if (next instanceof UplinkError) return Promise.reject(next);
    return Promise.resolve({ name: "n", value: next, version: 7 });
  };
  const gateway = {
    flags: {
      repeatable,
      waits,
      read: (_: string, options) => answer(options),
      change: async (_: string, __, options) => ({ flag: await answer(options), done: true }),
    },
  } as Pick<Gateway, "flags"> as Gateway;
  const flags = createFlags({ gateway, clock, random: () => 0.5, newId: () => "id" });
  const drive = async <T>(work: Promise<T>): Promise<T | string> => {
    const told = work.catch((error) => (error as UplinkError).code);
    await pass(3_600_000, { clock, activity: new Activity() });
    return await told;
  };
  return { flags, calls, drive, clock };
}

test("uplink: a change of a flag is sent again only where it was not taken, or does no harm twice", async () => {
  const failures: [UplinkError, string | number, string | number][] = [
    [refusal(429), 5, 5],
    [refusal(503), 5, 5],
    [refusal(500), "OUTRIDER_FLAG", 5],
    [new UnreachableError("x"), "OUTRIDER_FLAG", 5],
    [new GatewayTimeoutError("x"), "OUTRIDER_FLAG", 5],
    [refusal(422), "OUTRIDER_GATEWAY_REFUSED", "OUTRIDER_GATEWAY_REFUSED"],
  ];
  for (const [error, counted, harmless] of failures) {
    const once = flagsWith([error, 5]);
    assert.equal(await once.drive(once.flags.increment("n")), counted, error.message);
    assert.equal(once.calls.length, counted === 5 ? 2 : 1);
    const set = flagsWith([error, 5]);
    assert.equal(await set.drive(set.flags.set("n", 5)), harmless === 5 ? 7 : harmless);
    const again = flagsWith([error, 5], { repeatable: true });
    assert.equal(await again.drive(again.flags.decrement("n")), harmless);
    assert.equal(again.clock.timers, 0);
  }
});

test("uplink: an operation on a flag is tried until its time is up, each call with what is left, 10 s at most", async () => {
  const w = flagsWith([refusal(503, { retryAfterMs: 8_000 })]);
  assert.equal(await w.drive(w.flags.set("n", 1, { timeoutMs: 20_000 })), "OUTRIDER_GATEWAY_TIMEOUT");
  assert.deepEqual(w.calls, [
    { at: 0, timeoutMs: 10_000 },
    { at: 8_250, timeoutMs: 10_000 },
    { at: 16_750, timeoutMs: 3_250 },
  ]);
});

test("uplink: a wait for a flag is held by a gateway that can, and asked for each second of one that can't", async () => {
  const held = flagsWith([1, 1, 2], { waits: true });
  assert.equal(await held.drive(held.flags.waitFor("n", (value) => value === 2)), 2);
  const more = { after: 7, waitMs: 25_000 };
  assert.deepEqual(held.calls, [
    { at: 0, timeoutMs: 35_000 },
    { at: 0, timeoutMs: 35_000, ...more },
    { at: 0, timeoutMs: 35_000, ...more },
  ]);
  const asked = flagsWith([1]);
  const waiting = asked.flags.waitFor("n", (value) => value === 2, { timeoutMs: 2_500 });
  assert.equal(await asked.drive(waiting), "OUTRIDER_GATEWAY_TIMEOUT");
  assert.deepEqual(asked.calls.map(({ at }) => at), [0, 1_000, 2_000, 2_500]);
  assert.deepEqual(asked.calls.map(({ timeoutMs }) => timeoutMs), [12_500, 11_500, 10_500, 10_000]);
});

/** What Python makes of a pickle: calls as `[module, name, args]`. */
function unpickled(bytes: Uint8Array): { readonly value: unknown; readonly length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mark = Symbol();
  const stack: unknown[] = [];
  const memo: unknown[] = [];
  let at = 0;
  const sized = () => (at += 4, view.getInt32(at - 4, true));
  const blob = () => {
    const length = sized();
    return bytes.subarray(at, at += length);
  };
  const marked = () => stack.splice(stack.lastIndexOf(mark)).slice(1);
  const steps: Record<string, () => unknown> = {
    "80": () => assert.equal(view.getUint8(at++), 4),
    "28": () => stack.push(mark),
    "4e": () => stack.push(null),
    "88": () => stack.push(true),
    "89": () => stack.push(false),
    "4a": () => stack.push(sized()),
    "8a": () => {
      assert.equal(view.getUint8(at++), 8);
      stack.push(view.getBigInt64(at, true));
      at += 8;
    },
    "47": () => (stack.push({ float: view.getFloat64(at) }), at += 8),
    "58": () => stack.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(blob())),
    "42": () => stack.push(blob().slice()),
    "5d": () => stack.push([]),
    "65": () => {
      const values = marked();
      (stack.at(-1) as unknown[]).push(...values);
    },
    "7d": () => stack.push(new Map()),
    "75": () => {
      const values = marked();
      for (let key = 0; key < values.length; key += 2) {
        (stack.at(-1) as Map<unknown, unknown>).set(values[key], values[key + 1]);
      }
    },
    "74": () => stack.push(marked()),
    "52": () => {
      const args = stack.pop();
      stack.push([...stack.pop() as unknown[], args]);
    },
    "93": () => stack.push(stack.splice(-2)),
    "94": () => memo.push(stack.at(-1)),
    "6a": () => stack.push(memo[sized()]),
  };
  for (let op = view.getUint8(at++); op !== 0x2e; op = view.getUint8(at++)) {
    const step = steps[op.toString(16).padStart(2, "0")];
    assert.ok(step, `Unknown op ${op}`);
    step();
  }
  assert.equal(stack.length, 1);
  return { value: stack[0], length: at };
}

test("uplink: netUnicorn: a pickle says what it was made of, whatever is in it and however long", () => {
  const same = (value: unknown, read = value) => {
    const bytes = pickle(value);
    const { value: found, length } = unpickled(bytes);
    assert.deepEqual(found, read);
    assert.equal(length, bytes.length);
  };
  for (
    const value of [null, true, false, 0, 1, -1, 2 ** 31 - 1, -(2 ** 31), "", "zwölf", [], [[]], [1, [
      2,
      "3",
    ]]]
  ) same(value);
  same(undefined, null);
  for (const value of [2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER]) same(value, BigInt(value));
  for (const value of [0.5, -0, 2 ** 53, NaN, Infinity]) same(value, { float: value });
  same({ a: 1, b: { c: [null] } }, new Map<string, unknown>([["a", 1], ["b", new Map([["c", [null]]])]]));
  same(Uint8Array.of(0, 255));
  for (const length of [65_500, 65_526, 65_530, 65_536, 65_537, 200_000]) {
    same(["x".repeat(length), 1, "y".repeat(length), Uint8Array.from({ length }, (_, at) => at % 256), 2]);
  }
  const many = Array.from({ length: 20_000 }, (_, at) => at);
  same(many);
  const call = (name: string, ...args: unknown[]) => new PickledCall("m", name, args);
  same([call("a", 1), call("b"), call("a", "x", call("b", 2))], [
    ["m", "a", [1]],
    ["m", "b", []],
    ["m", "a", ["x", ["m", "b", [2]]]],
  ]);
  const [half] = [pickle("\ud800x")];
  assert.deepEqual([...half!.subarray(2, -1)], [0x58, 4, 0, 0, 0, 0xed, 0xa0, 0x80, 0x78]);
  assert.deepEqual([...pickle("ä\udfff").subarray(3, 12)], [5, 0, 0, 0, 0xc3, 0xa4, 0xed, 0xbf, 0xbf]);
});

test("uplink: netUnicorn: a result is a success or a failure with what each task that ran gave last, and the log", () => {
  const ran = (outcome: string, more: object = {}) => ({
    iteration: 0,
    attempt: 1,
    outcome,
    worker: 0,
    ...more,
  });
  const tasks = {
    fine: [ran("failed", { error: { message: "m" } }), ran("succeeded", { value: 3 })],
    none: [ran("succeeded")],
    twice: [ran("succeeded", { value: 1 }), ran("succeeded", { iteration: 1, value: 2 })],
    large: [ran("succeeded", { valueLeftOut: "too large" })],
    raised: [ran("failed", { error: { name: "E", message: "m", stack: "s" } })],
    said: [ran("failed", { error: { name: "E", message: "m" } })],
    coded: [ran("failed", { error: { name: "E", message: "m" }, value: 7 })],
    crashed: [ran("crashed", { reason: "exit", code: 0, because: "it ended" })],
    late: [ran("timed_out")],
    opened: [ran("succeeded", { value: { $pickle: { $bytes: "AQI=" }, text: "x" } })],
    skipped: [{ iteration: 0, attempt: 0, outcome: "skipped", worker: 0 }],
    sync: [{ iteration: 0, attempt: 1, outcome: "succeeded" }],
  };
  const log = [{ seq: 1, at: "T", level: "info", text: "one" }, {
    seq: 2,
    at: "T",
    level: "warn",
    task: "a",
    text: "two",
  }];
  const result = { state: "failed", tasks };
  const bytes = resultBytes({ run: "r", result, log });
  const { value, length } = unpickled(bytes);
  const good = (what: unknown) => ["returns.result", "Success", [what]];
  const bad = (what: unknown) => ["returns.result", "Failure", [what]];
  const told = new Map<string, unknown>([
    ["fine", [good(3)]],
    ["none", [good(null)]],
    ["twice", [good(1), good(2)]],
    ["large", [good("too large")]],
    ["raised", [bad("s")]],
    ["said", [bad("m")]],
    ["coded", [bad(7)]],
    ["crashed", [bad("crashed, exit, code 0: it ended")]],
    ["late", [bad("timed_out")]],
    ["opened", [good(["pickle", "loads", [Uint8Array.of(1, 2)]])]],
  ]);
  assert.deepEqual(value, [bad(told), ["T info outrider | one\n", "T warn a | two\n"]]);
  assert.equal(
    new TextDecoder().decode(bytes.subarray(length)),
    `\n${JSON.stringify({ outrider: 1, result, log })}`,
  );
  const of = (result: unknown) => unpickled(resultBytes({ run: "r", result, log: [] })).value;
  assert.deepEqual(of({ state: "succeeded", tasks: {} }), [good(new Map()), []]);
  assert.deepEqual(of(null), [bad(new Map()), []]);

  const beat = {
    session: "s",
    version: 1 as const,
    outrider: "0",
    runtime: "t",
    intervalMs: 1,
    sentBytes: 0,
    seen: 0,
    spool: { state: 0, log: 0 },
  };
  const run = {
    id: "r",
    pipeline: "p",
    state: "running" as const,
    tasks: 3,
    running: 1,
    names: [] as string[],
    counts: { succeeded: 1, failed: 0, running: 2 },
  };
  const standing = (more: object) => unpickled(heartbeatBytes({ ...beat, state: "running", ...more })).value;
  const success = good(new Map());
  assert.deepEqual(standing({}), [success, ["outrider: running\n"]]);
  assert.deepEqual(standing({ run }), [success, ["outrider: p, 3 tasks: 1 succeeded, 2 running\n"]]);
  assert.deepEqual(standing({ run: { ...run, names: ["a", "b"] } }), [
    success,
    ["outrider: p, 3 tasks: 1 succeeded, 2 running; running: a, b\n"],
  ]);
});

test("uplink: a batch is filled to its limit in bytes, from readings of 64 records at most", async () => {
  const size = JSON.stringify({ seq: 1 }).length;
  const s = sending(numbers(1, 9), {
    limits: { records: 500, bytes: 3 * size, lingerMs: 400, timeoutMs: 10_000 },
  });
  await s.activity.still();
  assert.deepEqual(s.batches[0]!.seqs, [1, 2, 3]);
  assert.deepEqual(await s.answered(3), [[4, 5, 6]]);
  await s.over();
  const many = sending(numbers(1, 150), {
    limits: { records: 100, bytes: 1_000_000, lingerMs: 400, timeoutMs: 10_000 },
  });
  await many.activity.still();
  assert.equal(many.batches[0]!.seqs.length, 100);
  assert.deepEqual(many.reads.filter(([, limit]) => limit > 1), [[0, 64], [64, 36]]);
  await many.over();
});

test("uplink: an end that is refused is told again after its pause, and no batch is under way in a pause", async () => {
  const s = sending(numbers(1, 1), { final: () => ({ state: "succeeded", records: { state: 1, log: 0 } }) });
  await s.activity.still();
  assert.equal(s.sender.idle, false);
  assert.deepEqual(await s.answered(refusal(503)), []);
  assert.equal(s.sender.idle, true);
  await pass(250, s);
  await s.activity.still();
  await s.answered(1, 400);
  assert.equal(s.batches.at(-1)!.final, true);
  assert.deepEqual(await s.answered(refusal(422), 249), []);
  assert.equal(s.sender.idle, true);
  await pass(1, s);
  await s.activity.still();
  assert.deepEqual([s.batches.length, s.batches.at(-1)!.final], [4, true]);
  await s.over();
});

test("uplink: the reason for which a record is set aside says whose word it was, and has 500 characters at most", async () => {
  for (const [own, by] of [[true, "the gateway"], [false, "what stands before the gateway"]] as const) {
    const parked: string[] = [];
    let heard = 1;
    const s = sending(numbers(1, 1), {
      stream: "log",
      onParked: ({ reason }) => void parked.push(reason),
      heard: () => heard++,
    });
    await s.activity.still();
    const error = new GatewayRefusedError("No", {
      ...{ status: 413, own, retryAfterMs: undefined },
      reason: "x".repeat(600),
    });
    for (let count = 0; count < 4 && parked.length === 0; count++) await s.answered(error, 60_000);
    assert.deepEqual(parked, [`Refused by ${by}: ${"x".repeat(600)}`.slice(0, 500)]);
    await s.over();
  }
});
