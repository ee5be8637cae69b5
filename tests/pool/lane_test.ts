/** A lane by the clock: deadlines, deaf threads, grace, and what its thread's end means, with a thread in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { Board } from "../../src/pool/board/board.ts";
import { Hand } from "../../src/pool/board/hand.ts";
import { SLOTS as BOARD_SLOTS } from "../../src/pool/board/memory.ts";
import { Lane } from "../../src/pool/lane.ts";
import { BELL, WAKE, type WorkerData } from "../../src/pool/protocol.ts";
import { InboxReader, SLOTS } from "../../src/pool/ring/inbox.ts";
import { OutboxWriter, RecordKind } from "../../src/pool/ring/outbox.ts";
import { newSeat, newShared } from "../../src/pool/seat.ts";
import { Unfinished } from "../../src/pool/unfinished.ts";
import type { Thread, ThreadEnd } from "../../src/runtime/port.ts";
import { HandClock } from "../store/hand_clock.ts";
import { itemOf } from "./item.ts";

const SUCCEEDED = 0, FAILED = 1, TIMED_OUT = 2, CANCELLED = 3;
const GRACE_MS = 1_000, DEAF_MS = 400;
const ERROR = '{"name":"E","message":"m"}';

class Rig {
  readonly clock: HandClock = new HandClock();
  readonly sent: unknown[] = [];
  readonly heard: string[] = [];
  readonly settled: (LaneOutcome & { readonly task: number })[] = [];
  readonly lines: string[] = [];
  readonly board: Board;
  readonly hand: Hand;
  readonly lane: Lane;
  readonly inbox: InboxReader;
  readonly outbox: OutboxWriter;
  readonly unfinished: Unfinished;
  readonly data: WorkerData;
  terminated = 0;
  #message: (message: unknown) => void = () => {};
  #end: (end: ThreadEnd) => void = () => {};

  constructor(killGraceMs: number = GRACE_MS) {
    const thread: Thread = {
      postMessage: (message) => void this.sent.push(message),
      onMessage: (listener) => void (this.#message = listener),
      onEnd: (listener) => void (this.#end = listener),
      terminate: () => {
        this.terminated++;
        return Promise.resolve();
      },
      ref() {},
    };
    const { clock } = this;
    const shared = newShared();
    const seat = newSeat(1, { shared, seat: 1, clock, start: () => thread });
    this.data = seat.data;
    this.inbox = new InboxReader(seat.data.inbox);
    const board = this.board = new Board(shared.board);
    this.hand = new Hand(shared.board, { seat: 1, own: this.inbox });
    this.outbox = new OutboxWriter(seat.data.cells, seat.data.outbox, () => this.#message(BELL));
    this.unfinished = new Unfinished(seat.data.unfinished);
    this.lane = new Lane({
      ...{ seat, board, clock, killGraceMs },
      services: () => ({}),
      listener: {
        began: (_, { task }, since) => void this.heard.push(`began ${task} ${since - clock.stampOffset()}`),
        due: () => true,
        early() {},
        settled: (lane, { task }, outcome, behind) => {
          for (const { task } of behind) this.heard.push(`back ${task}`);
          this.heard.push(`${outcome.outcome} ${task}`);
          this.settled.push({ ...outcome, task });
          if (outcome.outcome === "succeeded") return;
          for (const { task } of lane.revoke()) this.heard.push(`back ${task}`);
          lane.release();
        },
        printed: (_, { task, stream, text }) => void this.lines.push(`${task} ${stream} ${text}`),
        progressed: (_, { task }, { fraction, text }) =>
          void this.heard.push(`progress ${task} ${fraction} ${text}`),
        told: () => void this.heard.push("told"),
        ended: (_, left) => void this.heard.push(`ended ${left.map(({ task }) => task)}`),
      },
    });
    assert.equal(this.lane.idleSince, clock.monotonic());
    // One count of time for both.
    this.tell(RecordKind.clock, { x: clock.stampOffset(), y: clock.monotonic() });
    this.outbox.ring();
    this.heard.length = 0;
  }

  item(task: number, more: Partial<LaneItem> = {}): LaneItem {
    return itemOf(task, { payload: `{"s":0,"t":"t${task}"}`, ...more });
  }

  offer(count: number, more: Partial<LaneItem> = {}): void {
    assert.deepEqual(this.lane.offer(Array.from({ length: count }, (_, task) => this.item(task, more))), []);
  }

  /** Hangs attempts on the board: by task, what each stands behind. */
  hang(behind: readonly (readonly number[])[], more: Partial<LaneItem> = {}): void {
    const items = behind.map((needs, task) => this.item(task, { behind: needs, ...more }));
    assert.deepEqual(this.board.offer(items), []);
    this.lane.open = true;
  }

  /** Claims what comes first on the board and lets the lane see that. */
  takes(): number {
    const { seq } = this.hand.claim(() => this.clock.monotonic())!;
    this.lane.drain();
    return seq;
  }

  /** Claims the next one and lets the lane see that. */
  claim(): number {
    const { seq } = this.inbox.claim(() => this.clock.monotonic())!;
    this.lane.drain();
    return seq;
  }

  tell(kind: number, fields: Partial<Parameters<OutboxWriter["write"]>[1]>): void {
    const now = this.clock.monotonic();
    this.outbox.write(kind, { a: 0, b: 0, c: 0, x: now, y: now, text: undefined, ...fields });
  }

  /** Tells the outcome of the one that runs, as the worker's program does. */
  ends(a: number, b: number, more: { readonly c?: number; readonly text?: string } = {}): void {
    this.tell(RecordKind.outcome, { a, b, ...(b === FAILED ? { text: ERROR } : {}), ...more });
    this.inbox.done();
    if (b !== SUCCEEDED) this.inbox.hold();
    this.lane.drain();
  }

  gone(end: Partial<ThreadEnd> = {}): void {
    this.#end({ memory: false, ...end });
    assert.equal(this.clock.timers, 0, "timers are left behind the end");
  }

  get aborts(): unknown[] {
    return this.sent.filter((message) => (message as { do?: string }).do === "abort");
  }
}

test("lane: an attempt is told to have begun when it was claimed, and has its deadline from then", () => {
  const rig = new Rig();
  rig.offer(1, { timeoutMs: 300 });
  const { seq } = rig.inbox.claim(() => rig.clock.monotonic())!;
  const began = rig.clock.monotonic();
  rig.clock.skip(100);
  rig.lane.drain();
  assert.deepEqual(rig.heard, [`began 0 ${began}`]);
  assert.deepEqual([rig.lane.running?.seq, rig.lane.running?.since], [seq, began]);
  rig.lane.drain();
  assert.equal(rig.heard.length, 1, "it is told once");
  rig.clock.advance(199);
  assert.deepEqual(rig.aborts, []);
  rig.clock.advance(1);
  assert.deepEqual(rig.aborts, [{ do: "abort", seq, outcome: "timed_out" }]);
  rig.tell(RecordKind.alive, { a: seq });
  rig.ends(seq, TIMED_OUT);
  assert.equal(rig.settled[0]!.because, "it ran longer than its timeout of 300 ms");
  assert.equal(rig.clock.timers, 0);
  assert.equal(rig.terminated, 0);
  rig.gone();
});

test("lane: an attempt of which nothing is heard for its idle limit is stopped, and what is heard puts that off", () => {
  const rig = new Rig();
  rig.offer(2, { idleMs: 300 });
  const seq = rig.claim();
  rig.clock.advance(299);
  // Only at its limit is it read what lies unread.
  rig.tell(RecordKind.log, { a: seq, y: 1, text: "a line" });
  rig.clock.advance(1);
  assert.deepEqual([rig.aborts, rig.lines], [[], ["0 1 a line"]]);
  rig.clock.advance(299);
  rig.tell(RecordKind.progress, { a: seq, x: 0.5 });
  rig.lane.drain();
  rig.clock.advance(299);
  // Of a line without an end nobody is told before: it is looked for at the limit, and counts from then.
  rig.unfinished.add(1, seq, "..");
  rig.clock.advance(1);
  rig.clock.advance(299);
  assert.deepEqual(rig.aborts, []);
  rig.clock.advance(1);
  assert.deepEqual(rig.aborts, [{ do: "abort", seq, outcome: "timed_out" }]);
  rig.tell(RecordKind.alive, { a: seq });
  rig.ends(seq, TIMED_OUT);
  assert.equal(
    rig.settled[0]!.because,
    "nothing was heard of it, no output, progress or call, for its idle limit of 300 ms",
  );
  const other = new Rig();
  other.offer(1, { idleMs: 300, timeoutMs: 400 });
  other.claim();
  other.clock.advance(200);
  other.ends(0, SUCCEEDED);
  assert.equal(other.clock.timers, 0, "one that ends in time leaves no timer");
  rig.gone();
  other.gone();
});

test("lane: an attempt that ends in time leaves no timer, and its stamps are those of its worker", () => {
  const rig = new Rig();
  rig.offer(2, { timeoutMs: 1_500 });
  const before = rig.clock.now();
  rig.claim();
  rig.clock.advance(1_400);
  rig.ends(0, SUCCEEDED, { text: "1" });
  assert.equal(rig.clock.timers, 0);
  rig.claim();
  assert.equal(rig.clock.timers, 1);
  const [first] = rig.settled;
  assert.deepEqual([first!.outcome, first!.value], ["succeeded", "1"]);
  assert.ok(first!.startedAt >= before && first!.endedAt <= rig.clock.now());
  rig.clock.advance(1_499);
  assert.deepEqual(rig.aborts, []);
  rig.clock.advance(1);
  assert.equal(rig.aborts.length, 1);
  rig.clock.advance(DEAF_MS);
  assert.equal(rig.terminated, 1);
  rig.gone({ code: 1 });
  assert.equal(rig.settled[1]!.because, "it ran longer than its timeout of 1.5 s");
});

test("lane: an outcome that was told before its timeout was looked at is none that timed out", () => {
  const rig = new Rig();
  rig.offer(1, { timeoutMs: 100 });
  rig.claim();
  rig.clock.skip(90);
  rig.tell(RecordKind.outcome, { a: 0, b: SUCCEEDED });
  rig.inbox.done();
  rig.heard.length = 0;
  rig.clock.advance(50);
  assert.deepEqual(rig.heard, ["succeeded 0", "told"]);
  assert.deepEqual(rig.aborts, []);
  assert.equal(rig.clock.timers, 0);
  rig.gone();
});

test("lane: a deaf thread is ended after 400 ms, no sooner and no later", () => {
  const rig = new Rig();
  rig.offer(1);
  rig.claim();
  rig.lane.abort("cancelled", "enough");
  rig.lane.abort("cancelled", "again");
  assert.equal(rig.aborts.length, 1);
  assert.equal(rig.clock.timers, 1);
  rig.clock.advance(DEAF_MS - 1);
  assert.equal(rig.terminated, 0);
  rig.clock.advance(1);
  assert.equal(rig.terminated, 1);
  assert.equal(rig.clock.timers, 0);
  rig.gone({ code: 0 });
  assert.deepEqual(rig.settled.map(({ outcome, because }) => [outcome, because]), [["cancelled", "enough"]]);
});

test("lane: a thread that listens has its whole grace from when it said so", () => {
  const rig = new Rig();
  rig.offer(1);
  rig.claim();
  rig.lane.abort("cancelled", "enough");
  rig.clock.advance(DEAF_MS - 50);
  rig.tell(RecordKind.alive, { a: 0 });
  rig.lane.drain();
  assert.equal(rig.clock.timers, 1, "the timer of a deaf thread is gone");
  rig.clock.advance(GRACE_MS - 1);
  assert.equal(rig.terminated, 0);
  rig.clock.advance(1);
  assert.equal(rig.terminated, 1);
  rig.gone();
  assert.equal(rig.settled[0]!.outcome, "cancelled");
});

test("lane: an abort that is obeyed ends no thread, and what comes next is not stopped by it", () => {
  const rig = new Rig();
  rig.offer(1);
  rig.claim();
  rig.lane.abort("cancelled", "enough");
  rig.tell(RecordKind.alive, { a: 0 });
  rig.ends(0, CANCELLED);
  assert.equal(rig.settled[0]!.because, "enough");
  assert.equal(rig.clock.timers, 0);
  rig.offer(1);
  rig.claim();
  rig.clock.advance(10 * GRACE_MS);
  assert.equal(rig.terminated, 0);
  // Another's answer gives no grace.
  rig.lane.abort("cancelled", "now");
  rig.tell(RecordKind.alive, { a: 0 });
  rig.lane.drain();
  rig.clock.advance(DEAF_MS);
  assert.equal(rig.terminated, 1);
  rig.gone();
});

test("lane: where the grace is shorter than a thread may be deaf for, it is the grace", () => {
  const rig = new Rig(100);
  rig.offer(1);
  rig.claim();
  rig.lane.abort("cancelled", "enough");
  rig.clock.advance(99);
  assert.equal(rig.terminated, 0);
  rig.clock.advance(1);
  assert.equal(rig.terminated, 1);
  rig.gone();
});

test("lane: an attempt that ends as its grace does keeps its outcome, and its thread", () => {
  const rig = new Rig();
  rig.offer(1);
  rig.claim();
  rig.lane.abort("cancelled", "enough");
  rig.tell(RecordKind.outcome, { a: 0, b: SUCCEEDED, text: "2" });
  rig.inbox.done();
  rig.clock.advance(DEAF_MS);
  assert.deepEqual([rig.settled[0]!.outcome, rig.terminated], ["succeeded", 0]);
  rig.gone();
});

test("lane: nothing is aborted where nothing runs, or the thread ends anyway", async () => {
  const rig = new Rig();
  rig.lane.abort("cancelled", "x");
  rig.offer(1);
  rig.lane.abort("cancelled", "x");
  assert.deepEqual([rig.aborts, rig.clock.timers], [[], 0]);
  rig.claim();
  const ended = rig.lane.end();
  rig.lane.abort("cancelled", "x");
  assert.deepEqual([rig.aborts, rig.clock.timers], [[], 0]);
  void rig.lane.end();
  assert.equal(rig.terminated, 1);
  rig.gone({ code: 3 });
  await ended;
  assert.equal(rig.settled[0]!.because, "the thread ended with code 3");
});

/** How a thread ends, and what the attempt that ran in it has come to. */
const ENDS: readonly (readonly [(rig: Rig) => Partial<ThreadEnd>, Partial<LaneOutcome>])[] = [
  [() => ({ code: 5 }), { outcome: "crashed", reason: "lost", because: "the thread ended with code 5" }],
  [() => ({}), { outcome: "crashed", reason: "lost", because: "the thread ended with code unknown" }],
  [() => ({ error: new Error("why") }), { outcome: "crashed", reason: "lost", because: "why" }],
  [() => ({ error: "why" }), {
    outcome: "crashed",
    reason: "lost",
    because: "the thread ended with code unknown",
  }],
  [() => ({ memory: true }), { outcome: "crashed", reason: "memory" }],
  [(rig) => (rig.tell(RecordKind.exhausted, {}), {}), { outcome: "crashed", reason: "memory" }],
  [(rig) => (rig.tell(RecordKind.exit, { a: 9 }), { memory: true }), {
    outcome: "crashed",
    reason: "exit",
    code: 9,
  }],
  [(rig) => (rig.tell(RecordKind.exit, { a: 0 }), {}), { outcome: "crashed", reason: "exit", code: 0 }],
];

test("lane: what ran when the thread ended has crashed by what ended it, and what never began is given back", async () => {
  for (const [how, expected] of ENDS) {
    const rig = new Rig();
    rig.offer(3);
    rig.claim();
    const since = rig.clock.now();
    rig.clock.advance(70);
    const asked = rig.lane.ask((calls) => calls.describe("x"));
    const end = how(rig);
    rig.gone(end);
    await assert.rejects(
      asked,
      expected.reason === "exit"
        ? new RegExp(`^Error: The worker ended with exit code ${expected.code} before it answered$`)
        : /^Error: The worker ended before it answered$/,
    );
    const [{ task, startedAt, endedAt, ...outcome }] = rig.settled as [typeof rig.settled[0]];
    assert.deepEqual([task, startedAt, endedAt], [0, since, since + 70]);
    assert.deepEqual(outcome, expected);
    assert.deepEqual(rig.heard.slice(-4), ["crashed 0", "back 2", "back 1", "ended "]);
    assert.deepEqual([rig.lane.outstanding, rig.lane.warm, rig.lane.starting], [0, false, false]);
    rig.lane.drain();
    assert.equal(rig.settled.length, 1);
  }
});

test("lane: an attempt whose claim was cut short by the end of its thread has begun", () => {
  const rig = new Rig();
  rig.offer(2);
  // The claim, and that it runs; not that it was passed.
  new Int32Array(rig.data.inbox.slots)[0] = 2;
  rig.data.inbox.cells[4] = 1;
  rig.gone({ code: 1 });
  assert.deepEqual(rig.settled.map(({ task, outcome }) => [task, outcome]), [[0, "crashed"]]);
  const claimed = new Rig();
  claimed.offer(2);
  // Only the claim: whether its code had begun nobody knows, so that it has not.
  new Int32Array(claimed.data.inbox.slots)[0] = 2;
  claimed.gone({ code: 1 });
  assert.deepEqual([claimed.settled.length, claimed.heard.at(-1)], [0, "ended 1,0"]);
});

test("lane: a task that ends its thread has the thread ended, and an attempt that retires its own too", () => {
  const exits = new Rig();
  exits.offer(1);
  exits.claim();
  exits.tell(RecordKind.exit, { a: 1 });
  exits.lane.drain();
  assert.equal(exits.terminated, 1);
  exits.gone();
  const retires = new Rig();
  retires.offer(2);
  retires.claim();
  retires.ends(0, FAILED, { c: 1 });
  assert.equal(retires.terminated, 1);
  assert.deepEqual(retires.settled[0]!.error, { name: "E", message: "m" });
  retires.gone();
  const stays = new Rig();
  stays.offer(1);
  stays.claim();
  stays.ends(0, FAILED, { c: 0 });
  assert.equal(stays.terminated, 0);
  stays.gone();
});

test("lane: the line that an attempt was printing says where it was, and the last outcome is none of a thread's end", () => {
  const rig = new Rig();
  rig.offer(2);
  const seq = rig.claim();
  rig.unfinished.add(1, seq, "half a line");
  rig.unfinished.add(2, seq + 1, "another's");
  rig.tell(RecordKind.outcome, { a: 0, b: SUCCEEDED });
  rig.gone();
  assert.deepEqual([rig.settled[0]!.outcome, rig.lines], ["succeeded", []]);
  const cut = new Rig();
  cut.offer(1);
  cut.unfinished.add(1, cut.claim(), "half a line");
  cut.gone();
  assert.deepEqual(cut.lines, ["0 1 half a line"]);
});

test("lane: offers beyond the room are returned, and large payloads go by message", () => {
  const rig = new Rig();
  const items = Array.from({ length: SLOTS + 3 }, (_, task) => rig.item(task, { payload: "{}" }));
  assert.deepEqual(rig.lane.offer(items).map(({ task }) => task), [SLOTS, SLOTS + 1, SLOTS + 2]);
  assert.deepEqual(rig.lane.offer([items[0]!]).length, 1);
  assert.equal(rig.lane.outstanding, SLOTS);
  rig.gone();
  const large = new Rig();
  const [small, bulky] = ["x".repeat(21_845), "x".repeat(21_846)];
  large.lane.offer([large.item(0, { payload: small }), large.item(1, { payload: bulky })]);
  assert.deepEqual(large.sent.filter((message) => typeof message === "object"), [
    { do: "payload", seq: 1, text: bulky },
  ]);
  assert.equal(large.inbox.claim(() => 0)!.payload, small);
  large.lane.drain();
  large.inbox.done();
  assert.equal(large.inbox.claim(() => 0)!.payload, undefined);
  large.gone();
});

test("lane: what a worker has passed and told of is not overwritten before that is read", () => {
  const rig = new Rig();
  const items = Array.from({ length: SLOTS + 1 }, (_, task) => rig.item(task, { payload: "{}" }));
  rig.lane.offer(items.slice(0, SLOTS));
  for (let seq = 0; seq < SLOTS; seq++) {
    assert.equal(rig.inbox.claim(() => rig.clock.monotonic())!.seq, seq);
    rig.tell(RecordKind.outcome, { a: seq, b: SUCCEEDED });
    rig.inbox.done();
  }
  // All slots are passed, and nobody has read what became of them.
  const last = items.slice(SLOTS);
  assert.deepEqual(rig.lane.offer(last), last);
  rig.lane.drain();
  assert.equal(rig.lane.wrong, undefined);
  assert.equal(rig.settled.length, SLOTS);
  assert.deepEqual(rig.lane.offer(last), []);
  rig.gone();
});

test("lane: a worker that sleeps is woken by a message, once for what is offered together", () => {
  const rig = new Rig();
  assert.ok(!rig.lane.used);
  rig.offer(2);
  assert.ok(rig.lane.used);
  assert.deepEqual(rig.sent, []);
  rig.claim();
  rig.ends(0, SUCCEEDED);
  rig.claim();
  rig.ends(1, SUCCEEDED);
  assert.ok(rig.inbox.sleep({ some: false, halted: false }));
  rig.offer(3);
  assert.deepEqual(rig.sent, [WAKE]);
  rig.lane.wake();
  assert.deepEqual(rig.sent, [WAKE], "it sleeps no more");
  rig.claim();
  rig.ends(2, FAILED);
  assert.ok(!rig.inbox.sleep({ some: false, halted: false }), "what was taken back is to be passed");
  rig.lane.wake();
  assert.deepEqual(rig.sent, [WAKE]);
  rig.gone();
});

test("lane: what waits behind the one that runs could run elsewhere, and is taken back the last first", () => {
  const rig = new Rig();
  rig.offer(3);
  assert.ok(rig.lane.spare);
  rig.claim();
  assert.ok(rig.lane.spare);
  assert.deepEqual(rig.lane.revoke().map(({ task }) => task), [2, 1]);
  assert.ok(!rig.lane.spare);
  assert.deepEqual([rig.lane.revoke(), rig.lane.outstanding], [[], 1]);
  rig.gone();
});

test("lane: an attempt of the board has begun when it was claimed, has its deadline from then, and ends by it", () => {
  const rig = new Rig();
  assert.ok(!rig.lane.used && !rig.lane.open);
  rig.hang([[], [0]], { timeoutMs: 300 });
  assert.ok(rig.lane.used && rig.lane.open && !rig.lane.busy);
  const since = rig.clock.monotonic();
  const { seq } = rig.hand.claim(() => since)!;
  rig.clock.skip(100);
  rig.lane.drain();
  assert.deepEqual(rig.heard, [`began 0 ${since}`]);
  assert.deepEqual([rig.lane.running?.seq, rig.lane.running?.since], [seq, since]);
  assert.deepEqual([rig.lane.outstanding, rig.lane.busy, rig.lane.spare], [0, true, false]);
  assert.ok(rig.lane.given(({ task }) => task === 0) && !rig.lane.given(({ task }) => task === 1));
  rig.clock.advance(200);
  assert.deepEqual(rig.aborts, [{ do: "abort", seq, outcome: "timed_out" }]);
  rig.tell(RecordKind.alive, { a: seq });
  rig.tell(RecordKind.progress, { a: seq, x: 0.5 });
  rig.ends(seq, TIMED_OUT);
  assert.deepEqual(rig.heard.slice(1).filter((what) => what !== "told"), [
    "progress 0 0.5 undefined",
    "back 1",
    "timed_out 0",
  ]);
  assert.equal(rig.settled[0]!.because, "it ran longer than its timeout of 300 ms");
  assert.deepEqual([rig.clock.timers, rig.terminated, rig.board.size], [0, 0, 0]);
  rig.gone();
});

test("lane: what ran of the board when the thread ended has crashed, and what hung behind it is taken back, the last first", () => {
  const rig = new Rig();
  rig.hang([[], [0], [], [1, 2], [0, 2]]);
  rig.offer(1);
  const seq = rig.takes();
  rig.unfinished.add(1, seq, "half a line");
  rig.gone({ code: 5 });
  assert.deepEqual(rig.settled.map(({ task, outcome, because }) => [task, outcome, because]), [
    [0, "crashed", "the thread ended with code 5"],
  ]);
  assert.deepEqual(rig.heard.slice(1), [
    ...["back 4", "back 3", "back 1", "crashed 0", "back 0", "ended "],
  ]);
  assert.deepEqual(rig.lines, ["0 1 half a line"]);
  assert.deepEqual(
    [rig.board.size, rig.board.takeAll().map(({ task }) => task)],
    [1, [2]],
    "that is for others",
  );
});

test("lane: what a worker that is gone may not have counted down is given back, and what it had in hand is for others", () => {
  const rig = new Rig();
  rig.hang([[], [0], [1], []]);
  const seq = rig.takes();
  // It tells the outcome, and does not come to what follows from it.
  rig.tell(RecordKind.outcome, { a: seq, b: SUCCEEDED });
  rig.lane.drain();
  assert.deepEqual(rig.heard.at(-1), "succeeded 0");
  rig.gone();
  assert.equal(rig.heard.at(-1), "ended 2,1");
  assert.equal(rig.board.ready, 1);
  const done = new Rig();
  done.hang([[], [0], [1]]);
  const first = done.hand.claim(() => done.clock.monotonic())!;
  done.tell(RecordKind.outcome, { a: first.seq, b: SUCCEEDED });
  done.hand.finish(first, undefined);
  done.inbox.done();
  done.lane.drain();
  assert.equal(done.board.ready, 0, "the next one is in its hand");
  done.gone();
  assert.deepEqual([done.heard.at(-1), done.board.ready, done.board.size], ["ended ", 1, 2]);
});

test("lane: the place of an attempt on the board is free again when its worker has gone on", () => {
  const rig = new Rig();
  rig.hang([[]]);
  const { room } = rig.board;
  assert.equal(room, BOARD_SLOTS - 1);
  const claimed = rig.hand.claim(() => rig.clock.monotonic())!;
  rig.tell(RecordKind.outcome, { a: claimed.seq, b: SUCCEEDED });
  rig.lane.drain();
  assert.deepEqual([rig.settled.length, rig.board.size, rig.board.room], [1, 0, room]);
  rig.hand.finish(claimed, undefined);
  rig.inbox.done();
  rig.board.offer([]);
  assert.equal(rig.board.room, BOARD_SLOTS);
  rig.gone();
});

test("lane: a worker that sleeps is woken when the board is opened to it, and what is of it alone comes first", () => {
  const rig = new Rig();
  assert.ok(rig.inbox.sleep({ some: rig.hand.some, halted: false }));
  assert.ok(rig.lane.sleeps);
  rig.hang([[], []]);
  assert.deepEqual([rig.sent, rig.lane.sleeps], [[WAKE], false]);
  rig.lane.open = false;
  assert.deepEqual([rig.hand.some, rig.hand.claim(() => 0), rig.lane.busy], [false, undefined, false]);
  rig.lane.open = true;
  assert.deepEqual([rig.hand.some, rig.sent.length], [true, 1]);
  assert.ok(!rig.inbox.sleep({ some: rig.hand.some, halted: false }), "there is something for it");
  rig.gone();
});

test("lane: it remembers whose code may still print, and since when it has had nothing to do", () => {
  const rig = new Rig();
  const begun = rig.lane.idleSince;
  rig.offer(1);
  rig.claim();
  rig.tell(RecordKind.progress, { a: 0, x: 0.5, text: "t".repeat(1_500) });
  rig.tell(RecordKind.progress, { a: 0, x: 1 });
  rig.tell(RecordKind.progress, { a: 0, x: 0 });
  rig.clock.advance(30);
  rig.ends(0, SUCCEEDED);
  assert.deepEqual(rig.heard.filter((what) => what.startsWith("progress")), [
    `progress 0 0.5 ${"t".repeat(1_000)}`,
    "progress 0 1 undefined",
    "progress 0 0 undefined",
  ]);
  assert.equal(rig.lane.idleSince, begun + 30);
  rig.clock.advance(5);
  rig.tell(RecordKind.log, { a: 0, y: 2, text: "late" });
  rig.lane.drain();
  for (let count = 0; count < SLOTS; count++) {
    rig.lane.offer([rig.item(7)]);
    rig.claim();
    rig.ends(count + 1, SUCCEEDED);
  }
  rig.tell(RecordKind.log, { a: 0, y: 19 - 1, text: "too late" });
  rig.tell(RecordKind.log, { a: 1, y: 0, text: "just in time" });
  rig.lane.drain();
  assert.deepEqual(rig.lines, ["0 2 late", "-1 2 too late", "7 0 just in time"]);
  assert.ok(rig.lane.given(({ task }) => task === 7) && !rig.lane.given(({ task }) => task === 0));
  rig.gone();
});
