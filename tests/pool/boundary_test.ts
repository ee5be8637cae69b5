/**
 * What a worker may tell its lane, held to by the other end of its memory and its port: a thread in the test's hand. What can't
 * be right ends the thread, and the attempt that runs has crashed; nothing is thrown, nothing hangs, nothing is settled twice.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { isPlainJson } from "../../src/base/json.ts";
import { Board } from "../../src/pool/board/board.ts";
import { Hand } from "../../src/pool/board/hand.ts";
import { InboxReader } from "../../src/pool/ring/inbox.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "../../src/pool/attempt.ts";
import { Lane } from "../../src/pool/lane.ts";
import { OUTBOX_BYTES, OutboxWriter, RecordKind } from "../../src/pool/ring/outbox.ts";
import { BELL, type WorkerData } from "../../src/pool/protocol.ts";
import { newSeat, newShared } from "../../src/pool/seat.ts";
import { STRAY, type Thread, type ThreadEnd } from "../../src/runtime/port.ts";
import { itemOf } from "./item.ts";

/** Cells of the control array: the outbox's first, then the inbox's. */
const Cell = {
  outboxHead: 0,
  outboxTail: 1,
  bell: 2,
  head: 3,
  tail: 4,
  idle: 5,
  released: 6,
  current: 7,
} as const;

/** A lane, and all that it tells, with its worker in the test's hand. */
class Rig {
  readonly data: WorkerData;
  readonly inbox: InboxReader;
  readonly outbox: OutboxWriter;
  readonly board: Board;
  readonly hand: Hand;
  /** Another worker's, of which nothing is told. */
  readonly other: Hand;
  readonly lane: Lane;
  /** Whether all is known that had to end before an attempt of the board could begin. */
  due = true;
  onEarly = () => this.lane.refuse("it has told the outcome of an attempt that can't have begun");
  readonly sent: unknown[] = [];
  readonly settled: { readonly item: LaneItem; readonly outcome: LaneOutcome }[] = [];
  readonly lines: LaneLine[] = [];
  readonly progress: unknown[] = [];
  readonly called: unknown[] = [];
  readonly taken: LaneItem[] = [];
  left: readonly LaneItem[] | undefined;
  terminated = false;
  readonly #told: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #heard: PromiseWithResolvers<void> = Promise.withResolvers();
  #message: (message: unknown) => void = () => {};
  #end: (end: ThreadEnd) => void = () => {};

  constructor() {
    const thread: Thread = {
      postMessage: (message) => void this.sent.push(message),
      onMessage: (listener) => void (this.#message = listener),
      onEnd: (listener) => void (this.#end = listener),
      terminate: () => {
        this.terminated = true;
        return Promise.resolve();
      },
      ref() {},
    };
    const shared = newShared();
    const seat = newSeat(1, { shared, seat: 1, clock: systemClock, start: () => thread });
    this.data = seat.data;
    this.inbox = new InboxReader(seat.data.inbox);
    const board = this.board = new Board(shared.board);
    this.hand = new Hand(shared.board, { seat: 1, own: this.inbox });
    const others = { open: true, looks() {}, runs() {}, done() {} };
    this.other = new Hand(shared.board, { seat: 2, own: others });
    this.outbox = new OutboxWriter(seat.data.cells, seat.data.outbox, () => this.#message(BELL));
    this.lane = new Lane({
      ...{ seat, board },
      clock: systemClock,
      killGraceMs: 1_000,
      services: () => ({ get: (...args: unknown[]) => this.#called(args) }),
      listener: {
        began() {},
        due: () => this.due,
        early: () => this.onEarly(),
        settled: (lane, item, outcome, behind) => {
          if (outcome.outcome !== "succeeded") this.taken.push(...behind, ...lane.revoke());
          this.settled.push({ item, outcome });
          if (outcome.outcome !== "succeeded") lane.release();
        },
        printed: (_, line) => void this.lines.push(line),
        progressed: (_, __, progress) => void this.progress.push(progress),
        told: () => this.#told.resolve(),
        ended: (_, left) => void (this.left = left),
      },
    });
    this.outbox.ring();
  }

  /** A lane that can take attempts. Others may have to have their turn before its worker is heard. */
  static async ready(): Promise<Rig> {
    const rig = new Rig();
    await rig.#told.promise;
    return rig;
  }

  /** Resolves when a service was called. */
  get heard(): Promise<void> {
    return this.#heard.promise;
  }

  #called(args: unknown[]): void {
    this.called.push(args);
    this.#heard.resolve();
  }

  /** Offers so many attempts. */
  offer(count: number, { timeoutMs }: { timeoutMs?: number } = {}): void {
    assert.equal(this.lane.offer(attempts(count, { timeoutMs })).length, 0);
  }

  /** Hangs so many attempts on the board: the first two wait for nothing, each other for the first. */
  hang(count: number, { timeoutMs }: { timeoutMs?: number } = {}): void {
    const items = attempts(count, { timeoutMs }).map((item, at) => at < 2 ? item : { ...item, behind: [0] });
    assert.equal(this.board.offer(items).length, 0);
    this.lane.open = true;
  }

  /** Claims the next offer, as the worker's program does. */
  claim(): number {
    return this.inbox.claim(() => Date.now())!.seq;
  }

  /** Claims what comes first on the board. */
  takes(): number {
    return this.hand.claim(() => Date.now())!.seq;
  }

  readonly tell = (kind: number, fields: Partial<Parameters<OutboxWriter["write"]>[1]> = {}): void => {
    const at = performance.timeOrigin + performance.now();
    this.outbox.write(kind, { a: 0, b: 0, c: 0, x: at, y: at, text: undefined, ...fields });
  };

  cell(cell: number, value: number): void {
    Atomics.store(this.data.cells, cell, value);
  }

  says(message: unknown): void {
    this.#message(message);
  }

  ends(end: Partial<ThreadEnd> = {}): void {
    this.#end({ memory: false, code: 0, ...end });
  }

  /** What the only attempt that was running came to, after the thread has ended as it was told to. */
  refused(): string {
    this.lane.drain();
    assert.ok(this.terminated, "the thread was not ended");
    this.ends();
    const lost = this.settled.filter(({ outcome }) => outcome.outcome === "crashed");
    assert.equal(lost.length, 1, JSON.stringify(this.settled));
    assert.equal(lost[0]!.outcome.reason, "lost");
    return lost[0]!.outcome.because ?? "";
  }
}

function attempts(count: number, { timeoutMs }: { timeoutMs: number | undefined }): LaneItem[] {
  return Array.from(
    { length: count },
    (_, task) => itemOf(task, { timeoutMs, payload: `{"s":0,"t":"t${task}"}` }),
  );
}

/** A lane whose worker runs the first of four attempts on the board; another worker has the second. */
async function atBoard(): Promise<Rig & { readonly seq: number; readonly others: number }> {
  const rig = await Rig.ready();
  rig.hang(4);
  const seq = rig.takes();
  return Object.assign(rig, { seq, others: rig.other.claim(() => 0)!.seq });
}

/** A lane whose worker runs the first of three attempts. */
async function running(options: { timeoutMs?: number } = {}): Promise<Rig> {
  const rig = await Rig.ready();
  rig.offer(3, options);
  rig.claim();
  return rig;
}

const SUCCESS = 0, FAILURE = 1, TIMED_OUT = 2, CANCELLED = 3;

/** Every way to tell what can't be right, by record or cell, with what is said of it. */
const WRONG: Readonly<Record<string, readonly [(rig: Rig) => void, RegExp]>> = {
  "zeros": [(rig) => rig.cell(Cell.outboxHead, 64), /claims 0 bytes/],
  "a head that goes back": [(rig) => rig.cell(Cell.outboxHead, -8), /claims -8 bytes/],
  "a head beyond the ring": [(rig) => rig.cell(Cell.outboxHead, OUTBOX_BYTES + 8), /claims \d+ bytes of/],
  "a head in the midst of a record": [
    (rig) => {
      rig.tell(RecordKind.alive);
      rig.cell(Cell.outboxHead, 16);
    },
    /claims 40 bytes/,
  ],
  "a length that is odd": [(rig) => patch(rig, 0, 41), /claims 41 bytes/],
  "a length below 0": [(rig) => patch(rig, 0, -40), /claims -40 bytes/],
  "a length beyond what is there": [(rig) => patch(rig, 0, 4_096), /claims 4096 bytes/],
  "a text longer than its record": [(rig) => patch(rig, 9, 400), /text in its outbox claims 400/],
  "a text of less than nothing": [(rig) => patch(rig, 9, -2), /text in its outbox claims -2/],
  "a kind that there is not": [(rig) => rig.tell(99), /of the kind 99/],
  "an outcome of an offer not claimed": [
    (rig) => rig.tell(RecordKind.outcome, { a: 1 }),
    /that it does not run/,
  ],
  "an outcome of no offer": [(rig) => rig.tell(RecordKind.outcome, { a: 70_000 }), /that it does not run/],
  "an outcome of the number -1": [(rig) => rig.tell(RecordKind.outcome, { a: -1 }), /that it does not run/],
  "an outcome that there is not": [
    (rig) => rig.tell(RecordKind.outcome, { b: 5 }),
    /outcome that there is not/,
  ],
  "an outcome below 0": [(rig) => rig.tell(RecordKind.outcome, { b: -1 }), /outcome that there is not/],
  "a value that is no JSON": [(rig) => rig.tell(RecordKind.outcome, { b: SUCCESS, text: "{" }), /no JSON/],
  "a value with something behind it": [
    (rig) => rig.tell(RecordKind.outcome, { b: SUCCESS, text: '1},"s":0,"t":"t1"' }),
    /no JSON/,
  ],
  "a value that is too deep": [
    (rig) => rig.tell(RecordKind.outcome, { b: SUCCESS, text: "[".repeat(2_000) + "]".repeat(2_000) }),
    /no JSON/,
  ],
  "a failure without an error": [(rig) => rig.tell(RecordKind.outcome, { b: FAILURE }), /without an error/],
  "an error that is no JSON": [
    (rig) => rig.tell(RecordKind.outcome, { b: FAILURE, text: "oops" }),
    /without an error/,
  ],
  "an error that is none": [
    (rig) => rig.tell(RecordKind.outcome, { b: FAILURE, text: '{"name":1}' }),
    /without an error/,
  ],
  "a timeout where there is none": [
    (rig) => rig.tell(RecordKind.outcome, { b: TIMED_OUT }),
    /nothing led to/,
  ],
  "a cancel that nobody asked for": [
    (rig) => rig.tell(RecordKind.outcome, { b: CANCELLED }),
    /nothing led to/,
  ],
  "progress that is no number": [(rig) => rig.tell(RecordKind.progress, { x: NaN }), /no number from 0 to 1/],
  "progress beyond its end": [(rig) => rig.tell(RecordKind.progress, { x: 1.001 }), /no number from 0 to 1/],
  "progress before its start": [(rig) => rig.tell(RecordKind.progress, { x: -0.001 }), /from 0 to 1/],
  "progress of another attempt": [
    (rig) => rig.tell(RecordKind.progress, { a: 1, x: 0.5 }),
    /that it does not run/,
  ],
  "a line of no level": [
    (rig) => rig.tell(RecordKind.log, { y: 20, text: "" }),
    /of a kind that there is not/,
  ],
  "a line of no stream": [
    (rig) => rig.tell(RecordKind.log, { y: 3, text: "" }),
    /of a kind that there is not/,
  ],
  "a line of no number": [
    (rig) => rig.tell(RecordKind.log, { y: NaN, text: "" }),
    /of a kind that there is not/,
  ],
  "a line without a text": [(rig) => rig.tell(RecordKind.log, { y: 5 }), /of a kind that there is not/],
  "a line of an offer to come": [
    (rig) => rig.tell(RecordKind.log, { a: 3, y: 5, text: "" }),
    /of a kind that there is not/,
  ],
  "a text that never ends": [(rig) => rig.tell(RecordKind.chunk), /has no end/],
  "its own failure": [
    (rig) => rig.tell(RecordKind.broken, { text: "Error: x" }),
    /its program failed: Error: x/,
  ],
  "an attempt that is gone": [(rig) => rig.cell(Cell.current, 0), /without telling the outcome/],
  "another attempt that runs": [(rig) => rig.cell(Cell.current, 2), /without telling the outcome/],
  "an attempt to come that runs": [(rig) => rig.cell(Cell.current, 50), /claims that offer 50 of 3 runs/],
  "one of the board that is not there": [
    (rig) => rig.cell(Cell.current, -5),
    /without telling the outcome/,
  ],
  "more offers than there were": [(rig) => rig.cell(Cell.tail, 1_000), /claims 1000 of 3 offers/],
  "fewer offers than before": [
    (rig) => {
      rig.lane.drain();
      rig.cell(Cell.tail, 0);
    },
    /claims 0 of 3 offers/,
  ],
};

/** The same of what hangs on the board, where it runs the first of four attempts. */
const WRONG_AT_BOARD: Readonly<
  Record<string, readonly [(rig: Awaited<ReturnType<typeof atBoard>>) => void, RegExp]>
> = {
  "an outcome of an attempt that waits": [
    ({ tell, seq }) => tell(RecordKind.outcome, { a: seq - 2 }),
    /that it does not run/,
  ],
  "an outcome of another worker's attempt": [
    ({ tell, others }) => tell(RecordKind.outcome, { a: others }),
    /that it does not run/,
  ],
  "an outcome of no attempt": [
    ({ tell }) => tell(RecordKind.outcome, { a: -70_000 }),
    /that it does not run/,
  ],
  "an outcome of what hung there later": [
    ({ tell, seq }) => tell(RecordKind.outcome, { a: seq - 1_024 }),
    /that it does not run/,
  ],
  "an outcome of the least number": [
    ({ tell }) => tell(RecordKind.outcome, { a: -(2 ** 31) }),
    /that it does not run/,
  ],
  "an outcome that is not due": [
    (rig) => {
      rig.due = false;
      rig.tell(RecordKind.outcome, { a: rig.seq });
    },
    /can't have begun/,
  ],
  "an outcome that there is not": [
    ({ tell, seq }) => tell(RecordKind.outcome, { a: seq, b: 5 }),
    /outcome that there is not/,
  ],
  "a value that is no JSON": [
    ({ tell, seq }) => tell(RecordKind.outcome, { a: seq, text: "{" }),
    /no JSON/,
  ],
  "progress of another's": [
    ({ tell, others }) => tell(RecordKind.progress, { a: others, x: 0.5 }),
    /that it does not run/,
  ],
  "a line of what never hung there": [
    ({ tell, seq }) => tell(RecordKind.log, { a: seq - 1_024, y: 5, text: "" }),
    /of a kind that there is not/,
  ],
  "a wish for another's text": [
    ({ tell, others }) => tell(RecordKind.wants, { a: others }),
    /asked for an attempt that it does not run/,
  ],
  "a wish for nobody's text": [
    ({ tell }) => tell(RecordKind.wants, { a: -1 }),
    /asked for an attempt that it does not run/,
  ],
};

/** Writes a record and then another number into its header. */
function patch({ outbox, data }: Rig, word: number, value: number): void {
  outbox.write(RecordKind.log, { a: 0, b: 0, c: 0, x: 0, y: 5, text: "0123456789" });
  new Int32Array(data.outbox)[word] = value;
}

test("what can't be right in memory ends the thread, and only the attempt that runs has crashed", async () => {
  for (const [what, [wrong, because]] of Object.entries(WRONG)) {
    const rig = await running();
    wrong(rig);
    assert.match(rig.refused(), because, what);
    assert.equal(rig.settled[0]!.item.task, 0, what);
    assert.deepEqual([...rig.taken, ...rig.left ?? []].map(({ task }) => task), [2, 1], what);
  }
});

test("what can't be right about the board ends the thread, and only the attempt that runs has crashed", async () => {
  for (const [what, [wrong, because]] of Object.entries(WRONG_AT_BOARD)) {
    const rig = await atBoard();
    wrong(rig);
    assert.match(rig.refused(), because, what);
    assert.deepEqual(rig.settled.map(({ item }) => item.task), [0], what);
    assert.deepEqual(rig.taken.map(({ task }) => task), [3, 2], `${what}: what hung behind it is taken back`);
    assert.deepEqual([rig.left, rig.board.size], [[], 1], what);
    assert.ok(rig.board.claimed(2, rig.others), `${what}: another's attempt goes on`);
  }
});

test("a worker that asks for the text of an attempt that has none is ended", async () => {
  const rig = await Rig.ready();
  assert.equal(rig.board.offer([itemOf(0, { payload: "", locals: 0 })]).length, 0);
  rig.lane.open = true;
  rig.tell(RecordKind.wants, { a: rig.takes() });
  rig.lane.drain();
  assert.match(rig.refused(), /the text of an attempt that has none/);
});

test("an outcome of the board is told once, and the text that did not fit is sent to who has claimed it", async () => {
  const rig = await atBoard();
  rig.tell(RecordKind.wants, { a: rig.seq });
  rig.lane.drain();
  assert.deepEqual(rig.sent.at(-1), { do: "payload", seq: rig.seq, text: '{"s":0,"t":"t0"}' });
  rig.tell(RecordKind.log, { a: rig.seq, y: 5, text: "mine" });
  rig.tell(RecordKind.outcome, { a: rig.seq, text: "1" });
  rig.tell(RecordKind.log, { a: rig.seq, y: 5, text: "late" });
  rig.tell(RecordKind.outcome, { a: rig.seq, text: "2" });
  rig.lane.drain();
  assert.ok(rig.terminated);
  rig.ends();
  assert.deepEqual(rig.settled.map(({ item, outcome }) => [item.task, outcome.value]), [[0, "1"]]);
  assert.deepEqual(rig.lines.map(({ task, text }) => `${task} ${text}`), ["0 mine", "0 late"]);
});

test("an outcome that is not due yet is left where it is, with all that comes after it", async () => {
  const rig = await Rig.ready();
  rig.hang(4);
  const early: number[] = [];
  const seq = rig.takes();
  rig.due = false;
  rig.tell(RecordKind.log, { a: seq, y: 5, text: "before" });
  rig.tell(RecordKind.outcome, { a: seq, text: "1" });
  rig.tell(RecordKind.log, { a: seq, y: 5, text: "after" });
  rig.onEarly = () => early.push(rig.lines.length);
  rig.lane.drain();
  rig.lane.drain();
  assert.deepEqual([early, rig.lane.early, rig.settled.length], [[1, 1], true, 0]);
  rig.due = true;
  rig.lane.drain();
  assert.deepEqual([rig.lane.early, rig.terminated, rig.settled.length], [false, false, 1]);
  assert.deepEqual(rig.lines.map(({ text }) => text), ["before", "after"]);
  rig.ends();
});

test("what ran when its thread ended is settled after what it needed, though others have told that", async () => {
  const rig = await Rig.ready();
  rig.hang(1);
  rig.takes();
  rig.due = false;
  const early: number[] = [];
  rig.onEarly = () => {
    early.push(rig.settled.length);
    rig.due = true;
  };
  rig.ends();
  assert.deepEqual([early, rig.settled.map(({ outcome }) => outcome.outcome)], [[0], ["crashed"]]);
});

/** What comlink would obey, and what it would fall over. */
const MESSAGES: readonly unknown[] = [
  { id: "1", type: "APPLY", path: ["set"], argumentList: {} },
  { id: "1", type: "APPLY", path: ["get"], argumentList: {} },
  { id: "1", type: "APPLY", path: ["get"], argumentList: [null] },
  { id: "1", type: "APPLY", path: ["get"], argumentList: [{ type: "HANDLER", name: "proxy", value: 1 }] },
  { id: "1", type: "APPLY", path: ["get"], argumentList: [{ type: "HANDLER", name: "throw", value: {} }] },
  { id: "1", type: "APPLY", path: ["get"], argumentList: Array(5).fill({ type: "RAW", value: 1 }) },
  { id: "1", type: "APPLY", path: ["constructor"], argumentList: [] },
  { id: "1", type: "APPLY", path: ["__proto__"], argumentList: [] },
  { id: "1", type: "APPLY", path: ["get", "constructor"], argumentList: [] },
  { id: "1", type: "APPLY", path: [["get"]], argumentList: [] },
  { id: "1", type: "APPLY", path: "get", argumentList: [] },
  { id: "1", type: "APPLY", path: [], argumentList: [] },
  { id: "1", type: "SET", path: ["__proto__", "polluted"], value: { type: "RAW", value: 1 } },
  { id: "1", type: "GET", path: ["get"] },
  { id: "1", type: "CONSTRUCT", path: ["get"], argumentList: [] },
  { id: "1", type: "ENDPOINT", path: [] },
  { id: "1", type: "RELEASE", path: [] },
  { id: "1", type: "RAW", value: 1 },
  { id: 1, type: "APPLY", path: ["get"], argumentList: [] },
  { id: "x".repeat(1_000), type: "APPLY", path: ["get"], argumentList: [] },
  { type: "APPLY", path: ["get"], argumentList: [] },
  {},
  [],
  null,
  undefined,
  "text",
  10n,
  0,
  2,
  BELL,
  STRAY,
  new Map(),
  new Error("x"),
];

test("a message that the worker's program does not send ends the thread, and reaches nothing", async () => {
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  for (const message of MESSAGES) {
    const rig = await running();
    rig.lane.drain();
    rig.says(message);
    assert.match(
      rig.refused(),
      /^it has .*; look for code that changes globals/,
      JSON.stringify(String(message)),
    );
    assert.deepEqual(rig.called, []);
  }
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
  assert.equal((({}) as { polluted?: unknown }).polluted, undefined);
});

test("a call of a service is heard, and answers to what was asked", async () => {
  const rig = await running();
  rig.says({ id: "7", type: "APPLY", path: ["get"], argumentList: [{ type: "RAW", value: "key" }] });
  await rig.heard;
  assert.deepEqual(rig.called, [["key"]]);
  const answer = rig.lane.ask((calls) => calls.describe("data:,"));
  const { id } = rig.sent.find((message) => (message as { path?: unknown }).path !== undefined) as {
    id: string;
  };
  rig.says({ id, type: "HANDLER", name: "throw", value: { isError: false, value: { toString: 1 } } });
  await assert.rejects(answer, /^Error: Thrown: an object$/);
  assert.equal(rig.terminated, false);
  rig.says({ id, type: "RAW", value: 1 });
  assert.match(rig.refused(), /answered what it was not asked/);
});

test("a flood of bells or of calls is refused", async () => {
  const bells = await running();
  bells.lane.drain();
  for (let count = 0; count < 1_000; count++) bells.says(BELL);
  assert.match(bells.refused(), /rung a bell/);
  const calls = await running();
  const call = { id: "7", type: "APPLY", path: ["get"], argumentList: [] };
  for (let count = 0; count < 300_000 && !calls.terminated; count++) calls.says(call);
  assert.match(calls.refused(), /calls faster/);
});

test("a bell for each time that something was told is none too many", async () => {
  const rig = await Rig.ready();
  for (let count = 0; count < 100; count++) {
    rig.offer(1);
    const seq = rig.claim();
    rig.tell(RecordKind.outcome, { a: seq });
    rig.inbox.done();
    rig.outbox.ring();
    if (count % 3 === 0) rig.lane.drain();
  }
  rig.lane.drain();
  assert.equal(rig.terminated, false);
  assert.equal(rig.settled.length, 100);
});

test("an outcome is told once", async () => {
  const rig = await running();
  rig.tell(RecordKind.outcome, { a: 0, text: "1" });
  rig.tell(RecordKind.outcome, { a: 0, text: "2" });
  rig.lane.drain();
  rig.ends();
  assert.equal(rig.settled.filter(({ item }) => item.task === 0).length, 1);
  assert.equal(rig.settled[0]!.outcome.value, "1");
  assert.ok(rig.terminated);
});

test("times that can't be are taken for the nearest that can", async () => {
  for (const at of [NaN, Infinity, -Infinity, 1e300, -1e300, 0]) {
    const rig = await running();
    rig.data.inbox.claimedAt[0] = at;
    rig.tell(RecordKind.log, { x: at, y: 5, text: "line" });
    rig.tell(RecordKind.outcome, { x: at, y: at });
    rig.lane.drain();
    const { startedAt, endedAt } = rig.settled[0]!.outcome;
    for (const time of [startedAt, endedAt, rig.lines[0]!.at]) {
      assert.ok(!Number.isNaN(new Date(time).getTime()));
    }
    assert.ok(startedAt <= endedAt && endedAt <= Date.now() + 1_000);
    rig.ends();
  }
});

test("a line is in the name of an attempt that the worker was given, or nobody's", async () => {
  const rig = await running();
  rig.tell(RecordKind.log, { a: 0, y: 5, text: "mine" });
  rig.tell(RecordKind.log, { a: -1, y: 5, text: "nobody's" });
  rig.lane.drain();
  assert.deepEqual(rig.lines.map(({ task, iteration, attempt, text }) => [task, iteration, attempt, text]), [
    [0, 0, 1, "mine"],
    [-1, 0, 0, "nobody's"],
  ]);
  assert.ok(rig.lane.given(({ task }) => task === 0) && !rig.lane.given(({ task }) => task === 9));
  rig.ends();
});

test("an error that a worker tells keeps what an error has, and nothing else", async () => {
  const rig = await running();
  const text =
    '{"name":"E","message":"m","stack":5,"__proto__":{"a":1},"cause":{"name":"C","message":"c"},"more":1}';
  rig.tell(RecordKind.outcome, { b: FAILURE, text });
  rig.lane.drain();
  assert.deepEqual(rig.settled[0]!.outcome.error, {
    name: "E",
    message: "m",
    cause: { name: "C", message: "c" },
  });
  rig.ends();
});

test("an attempt that is not claimed, or not known to who claimed it, does not wait for ever", async () => {
  const deaf = await Rig.ready();
  deaf.offer(2);
  deaf.lane.inquire(0);
  deaf.lane.inquire(5_000);
  assert.deepEqual(deaf.sent.at(-1), { do: "answer", question: 1 });
  assert.equal(deaf.terminated, false);
  deaf.lane.inquire(8_000);
  assert.ok(deaf.terminated);
  deaf.ends();
  assert.deepEqual([deaf.settled.length, deaf.left?.length], [0, 2]);

  const gone = await running();
  gone.lane.inquire(0);
  gone.lane.inquire(5_000);
  gone.tell(RecordKind.alive, { a: -1, b: 1 });
  assert.match(gone.refused(), /let go of the attempt/);

  const busy = await running();
  for (let at = 0; at < 60_000; at += 1_000) {
    busy.lane.inquire(at);
    const asked = busy.sent.at(-1) as { question?: number } | undefined;
    if (asked?.question !== undefined) busy.tell(RecordKind.alive, { a: 0, b: asked.question });
    busy.lane.drain();
  }
  assert.equal(busy.terminated, false);
  const asked = busy.sent.filter((message) => (message as { do?: string }).do === "answer");
  assert.ok(asked.length > 5 && asked.length < 15, `asked ${asked.length} times`);
  busy.ends();

  const woken = await Rig.ready();
  woken.lane.open = true;
  assert.ok(woken.inbox.sleep({ some: false, halted: false }));
  for (const at of [0, 5_000, 10_000]) woken.lane.inquire(at);
  assert.deepEqual(woken.sent, [], "nobody asks who sleeps");
  woken.lane.wake();
  for (const at of [20_000, 25_000]) woken.lane.inquire(at);
  assert.deepEqual(woken.sent.at(-1), { do: "answer", question: 1 });
  assert.equal(woken.terminated, false);
  woken.lane.inquire(28_000);
  assert.match(String(woken.lane.wrong), /takes no attempts/);
  assert.ok(woken.terminated);
  woken.ends();

  const dropped = await atBoard();
  dropped.inbox.done();
  for (const at of [0, 5_000]) dropped.lane.inquire(at);
  assert.equal(dropped.terminated, false);
  dropped.lane.inquire(8_000);
  assert.match(dropped.refused(), /takes no attempts/);
});

/** Numbers that look random and are the same each time. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % sides;
  };
}

test("whatever lies in memory and comes by the port, each attempt is settled once or given back, and nothing is thrown", async () => {
  const seed = Date.now() % 1_000_000_000;
  const roll = dice(seed);
  for (let round = 0; round < 400; round++) {
    const rig = await Rig.ready();
    const board = roll(2) === 0;
    const some = 1 + roll(5);
    const limit = roll(2) === 0 ? { timeoutMs: 60_000 } : {};
    if (board) rig.hang(some, limit);
    else rig.offer(some, limit);
    if (roll(3) > 0) board ? rig.takes() : rig.claim();
    const ints = new Int32Array(rig.data.outbox);
    for (let harm = 0; harm < 1 + roll(6); harm++) {
      const value = [0, 1, -1, 40, 64, 2 ** 31 - 1, -(2 ** 31), roll(200), roll(1e9)][roll(9)]!;
      const what = roll(6);
      if (what === 0) rig.cell(roll(8), value);
      else if (what === 1) new Int32Array(rig.data.inbox.slots)[roll(48)] = value;
      else if (what === 2) {
        rig.tell(roll(11), {
          a: board ? -2 - roll(6) : roll(6) - 1,
          b: roll(6) - 1,
          text: roll(2) === 0 ? "[1]" : undefined,
        });
      } else if (what === 3) ints[roll(60)] = value;
      else if (what === 4) rig.says(MESSAGES[roll(MESSAGES.length)]);
      else if (roll(2) === 0) rig.lane.drain();
    }
    rig.lane.drain();
    rig.lane.abort("cancelled", "the test ends");
    rig.ends();
    const back = [...rig.taken, ...rig.left ?? [], ...rig.board.takeAll()];
    const told = [...rig.settled.map(({ item }) => item), ...back].map(({ task }) => task);
    assert.deepEqual(
      told.sort(),
      Array.from({ length: some }, (_, at) => at),
      `seed ${seed}, round ${round}`,
    );
  }
});

test("whether a text is JSON is known without making anything of it", async () => {
  const good = [
    "0",
    "-0",
    "1.5e-7",
    "true",
    "null",
    '""',
    '"\\u00e9\\n\\""',
    "[]",
    "{}",
    '[1,[2,{"a":{"b":[]}}],"ü"]',
  ];
  const bad = [
    ...[
      "",
      " 1",
      "1 ",
      "01",
      "1.",
      "+1",
      "nul",
      "NaN",
      "Infinity",
      "'a'",
      '"',
      '"\\x"',
      '"\n"',
      "[",
      "]",
      "[1,]",
    ],
    ...[
      "[,1]",
      "{1:2}",
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      "1,2",
      "[1]2",
      "{}{}",
      '"\\u12"',
      "undefined",
      "1".repeat(99),
    ],
  ];
  for (const text of good) assert.ok(isPlainJson(text, 10), text);
  for (const text of bad) assert.ok(!isPlainJson(text, 10), text);
  assert.ok(
    isPlainJson("[".repeat(10) + "]".repeat(10), 10) && !isPlainJson("[".repeat(11) + "]".repeat(11), 10),
  );
  const value = {
    list: Array.from({ length: 200 }, (_, at) => ({ at, text: String.fromCodePoint(at * 97) })),
  };
  assert.ok(isPlainJson(JSON.stringify(value), 5));
});
