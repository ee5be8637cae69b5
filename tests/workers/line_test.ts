/** The line of a worker's attempts, with its lane's end of the memory in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import type { TaskContext } from "../../src/model/context.ts";
import type { WorkerData } from "../../src/pool/protocol.ts";
import { Board } from "../../src/pool/board/board.ts";
import { Hand } from "../../src/pool/board/hand.ts";
import { SOME_READY } from "../../src/pool/board/memory.ts";
import { Sheet, sheetMemory } from "../../src/pool/board/sheet.ts";
import { Flag, type Offer } from "../../src/pool/ring/inbox.ts";
import { atoms } from "../../src/pool/ring/atoms.ts";
import { InboxWriter } from "../../src/pool/ring/inbox.ts";
import { OutboxReader, OutboxWriter, RecordKind } from "../../src/pool/ring/outbox.ts";
import { InboxReader } from "../../src/pool/ring/inbox.ts";
import { newSeat, newShared } from "../../src/pool/seat.ts";
import { Unfinished } from "../../src/pool/unfinished.ts";
import { Line } from "../../workers/line.ts";
import { Locals } from "../../workers/locals.ts";
import { Printer } from "../../workers/output.ts";
import { SheetTold, TextTold } from "../../workers/told.ts";
import { itemOf } from "../pool/item.ts";
import { HandClock } from "../store/hand_clock.ts";

const OUTCOMES = ["succeeded", "failed", "timed_out", "cancelled"];

class Rig {
  readonly clock: HandClock = new HandClock();
  readonly data: WorkerData;
  readonly inbox: InboxWriter;
  readonly outbox: OutboxReader;
  readonly line: Line;
  readonly output: Printer;
  readonly ran: string[] = [];
  readonly turns: (() => void)[] = [];
  sheet: Sheet | undefined;
  bells = 0;
  /** What a task does, by its name; what it does not know it succeeds at once with its name. */
  tasks: Record<string, (context: Pick<TaskContext, "task" | "inputs" | "signal">) => unknown> = {};
  prepares: () => Promise<void> = () => Promise.resolve();
  ready = true;
  clearing: Promise<boolean> | undefined;
  fetched: (string | undefined)[] = [];

  constructor() {
    const { clock } = this;
    this.data = newSeat(1, { shared: newShared(), seat: 1, clock, start: () => undefined as never }).data;
    this.inbox = new InboxWriter(this.data.inbox);
    this.inbox.open = true;
    this.outbox = new OutboxReader(this.data.cells, this.data.outbox);
    const outbox = new OutboxWriter(this.data.cells, this.data.outbox, () => void this.bells++);
    const now = () => clock.monotonic();
    const locals = new Locals();
    this.output = new Printer({ outbox, unfinished: new Unfinished(this.data.unfinished), now });
    const inbox = new InboxReader(this.data.inbox);
    this.line = new Line({
      inbox,
      hand: new Hand(this.data.board, { seat: this.data.seat, own: inbox }),
      outbox,
      output: this.output,
      modules: {
        ready: (_, { task }) =>
          this.ready
            ? (context) => {
              this.ran.push(task);
              return (this.tasks[task] ?? (() => task))(context as never);
            }
            : undefined,
        prepare: () => this.prepares(),
      },
      locals,
      around: { local: (task: number) => locals.get(task) } as never,
      told: (claimed, payload) =>
        payload === "" ? new SheetTold(this.sheet!, claimed) : new TextTold(payload),
      value: () => Promise.resolve(this.fetched.shift()),
      halt: this.data.halt,
      looks: 2,
      now,
      isPromise: (value): value is Promise<unknown> => value instanceof Promise,
      nextTurn: (act) => void this.turns.push(act),
      clearChildren: () => this.clearing,
    });
  }

  offer(name: string, more: Partial<Offer> & { readonly l?: unknown } = {}): void {
    const { l, ...rest } = more;
    const payload = JSON.stringify({ s: 0, t: name, ...(l === undefined ? {} : { l }) });
    assert.ok(
      this.inbox.offer({
        task: this.inbox.next,
        iteration: 0,
        attempt: 1,
        flags: 0,
        timeoutMs: 0,
        payload,
        ...rest,
      }),
    );
  }

  /** Hangs attempts on the board, each with the numbers of those that it waits for. */
  hang(items: readonly (readonly [name: string, behind: readonly number[]])[]): void {
    const board = new Board(this.data.board);
    const left = board.offer(items.map(([name, behind], task) => ({
      ...{ task, iteration: 0, attempt: 1, rank: task, urgent: false, fatal: false, few: true, awaited: 0 },
      ...{ behind, timeoutMs: undefined, payload: JSON.stringify({ s: 0, t: name }) },
    })));
    assert.equal(left.length, 0);
  }

  /** Wakes it and lets it doze until it sleeps. */
  wakes(): void {
    this.line.wake();
    this.rests();
  }

  /** Lets it doze until it sleeps. */
  rests(): void {
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) turn();
  }

  told(): string[] {
    const told: string[] = [];
    this.outbox.drain((kind, { a, b, c, text }) => {
      if (kind === RecordKind.outcome) {
        const error = b === 1 || b > 1 && text
          ? ` ${JSON.parse(text!).message}`
          : text === undefined
          ? ""
          : ` ${text}`;
        told.push(`${a} ${OUTCOMES[b]}${error}${c === 1 ? " retires" : ""}`);
      } else if (kind === RecordKind.alive) told.push(`runs ${a}, asked ${b}`);
      else told.push(`${kind} ${text}`);
      return undefined;
    });
    return told;
  }
}

async function turn(): Promise<void> {
  for (let count = 0; count < 20; count++) await null;
}

test("line: it runs what is offered in order, tells each outcome, and sleeps when there is nothing more", () => {
  const rig = new Rig();
  rig.tasks["nothing"] = () => undefined;
  for (const name of ["a", "nothing", "c"]) rig.offer(name);
  rig.line.wake();
  assert.deepEqual(rig.told(), ['0 succeeded "a"', "1 succeeded", '2 succeeded "c"']);
  assert.equal(rig.line.current, undefined);
  assert.equal(rig.line.last?.task, "c");
  assert.equal(rig.bells, 1, "those who wait hear of it when there is nothing more to do");
  assert.ok(!rig.inbox.sleeps, "more may come");
  rig.rests();
  rig.offer("d");
  assert.ok(rig.inbox.mustWake());
  rig.line.wake();
  assert.deepEqual(rig.told(), ['3 succeeded "d"']);
});

test("line: before it sleeps it dozes 25 times, between which others have their turn, and runs what comes meanwhile", () => {
  const rig = new Rig();
  const dozes: number[] = [];
  const { wait } = atoms;
  atoms.wait = (_cells, _at, _value, ms) => {
    if (dozes.push(ms!) === 1) rig.offer("meanwhile");
    return "timed-out";
  };
  try {
    rig.offer("a");
    rig.line.wake();
    assert.deepEqual([rig.ran, dozes], [["a", "meanwhile"], [2, 2]]);
    assert.equal(rig.turns.length, 1);
    rig.rests();
    assert.deepEqual([dozes.length, rig.inbox.sleeps], [26, true]);
    rig.line.wake();
    rig.rests();
    assert.equal(dozes.length, 26, "it has dozed enough");
    Atomics.store(rig.data.halt, 0, 1);
    assert.ok(rig.inbox.mustWake());
    rig.line.wake();
    assert.deepEqual(
      [dozes.length, rig.inbox.sleeps],
      [26, true],
      "where nothing is to start it sleeps at once",
    );
  } finally {
    atoms.wait = wait;
  }
});

test("line: after anything but a success it waits for leave to go on", () => {
  const rig = new Rig();
  rig.tasks["throws"] = () => {
    throw new Error("no");
  };
  rig.tasks["bad"] = () => () => {};
  for (const name of ["throws", "b", "bad", "d"]) rig.offer(name);
  rig.line.wake();
  assert.deepEqual(rig.told(), ["0 failed no"]);
  rig.line.wake();
  assert.deepEqual(rig.ran, ["throws"]);
  rig.inbox.release();
  assert.ok(rig.inbox.mustWake());
  rig.line.wake();
  assert.deepEqual(rig.told(), [
    '1 succeeded "b"',
    "2 failed bad is a function: a value is JSON or a Uint8Array",
  ]);
  rig.inbox.release();
  rig.line.wake();
  assert.deepEqual(rig.ran, ["throws", "b", "bad", "d"]);
});

test("line: after a failure or skip that nothing follows from it goes on, and tells of it when it rests", () => {
  const rig = new Rig();
  rig.tasks["throws"] = () => {
    throw new Error("no");
  };
  for (const name of ["throws", "throws", "b"]) rig.offer(name, { flags: Flag.calm });
  rig.wakes();
  assert.deepEqual([rig.ran, rig.bells], [["throws", "throws", "b"], 1]);
  assert.deepEqual(rig.told(), ["0 failed no", "1 failed no", '2 succeeded "b"']);
  // What was cancelled, or ended too late, may be part of an end that follows for all.
  rig.tasks["late"] = () => rig.clock.advance(2);
  rig.offer("late", { flags: Flag.calm, timeoutMs: 1 });
  rig.offer("c", { flags: Flag.calm });
  rig.wakes();
  assert.deepEqual(rig.told(), ["3 timed_out"]);
  rig.inbox.release();
  rig.wakes();
  assert.deepEqual(rig.told(), ['4 succeeded "c"']);
});

test("line: a failure that is fatal halts all workers before it is told, a cancel and what is not fatal do not", () => {
  for (const [flags, halted] of [[Flag.fatal, 1], [Flag.urgent, 0]] as const) {
    const rig = new Rig();
    rig.tasks["throws"] = () => {
      throw new Error("no");
    };
    rig.offer("throws", { flags });
    rig.line.wake();
    assert.equal(Atomics.load(rig.data.halt, 0), halted);
  }
  const rig = new Rig();
  rig.tasks["waits"] = ({ signal }) =>
    new Promise((_, stop) => signal.addEventListener("abort", () => stop(signal.reason)));
  rig.offer("waits", { flags: Flag.fatal });
  rig.line.wake();
  rig.line.obey({ do: "abort", seq: 0, outcome: "cancelled" });
  return turn().then(() => {
    assert.deepEqual(rig.told(), ["runs 0, asked 0", "0 cancelled Task waits was cancelled"]);
    assert.equal(Atomics.load(rig.data.halt, 0), 0);
  });
});

test("line: halted, it begins nothing and rings; woken when that is over it goes on", () => {
  const rig = new Rig();
  rig.offer("a");
  Atomics.store(rig.data.halt, 0, 1);
  rig.line.wake();
  assert.deepEqual([rig.ran, rig.bells], [[], 1]);
  Atomics.store(rig.data.halt, 0, 0);
  rig.line.wake();
  assert.deepEqual(rig.ran, ["a"]);
});

test("line: it rings at once where somebody waits, else at 512 outcomes, at one that took long, and at the end", () => {
  const bells = (count: number, flags: number, ms = 0) => {
    const rig = new Rig();
    const seen: number[] = [];
    for (let at = 0; at < count; at++) {
      rig.tasks[`t${at}`] = () => {
        seen.push(rig.bells);
        if (rig.bells > 0) rig.told();
        rig.clock.skip(ms);
      };
      rig.offer(`t${at}`, { flags });
    }
    rig.wakes();
    return seen;
  };
  assert.deepEqual(bells(3, Flag.urgent), [0, 1, 2]);
  const quiet = bells(1_024, 0);
  assert.deepEqual([quiet[511], quiet[512], quiet[1_023]], [0, 1, 1]);
  assert.deepEqual(bells(3, 0, 9.99), [0, 0, 0]);
  assert.deepEqual(bells(3, 0, 10.001), [0, 1, 2]);
});

test("line: what it leaves to others while one of them sleeps it rings for, before it goes on", () => {
  const own = { open: true, looks() {}, runs() {}, done() {} };
  for (const sleeps of [false, true]) {
    const rig = new Rig();
    if (sleeps) new Hand(rig.data.board, { seat: 2, own }).sleeps(true);
    rig.hang([["a", []], ["b", [0]]]);
    rig.tasks["a"] = () => rig.offer("alone");
    const bells: number[] = [];
    rig.tasks["alone"] = () => void bells.push(rig.bells);
    rig.line.wake();
    assert.deepEqual([rig.ran, bells], [["a", "alone", "b"], [sleeps ? 1 : 0]]);
  }
});

test("line: with something in hand it is busy, also while others have their turn; halted, it leaves that and is not", () => {
  for (const halted of [false, true]) {
    const rig = new Rig();
    rig.hang([["a", []], ["b", [0]], ["c", [0]]]);
    rig.tasks["a"] = () => rig.clock.skip(10);
    rig.line.wake();
    assert.deepEqual([rig.ran, rig.inbox.busy, rig.inbox.current], [["a"], true, undefined]);
    if (halted) rig.data.halt[0] = 1;
    rig.rests();
    assert.deepEqual([rig.ran, rig.inbox.busy], [halted ? ["a"] : ["a", "b", "c"], false]);
  }
});

test("line: what is told as numbers has its name and its inputs' names from the sheet, and finds their values", async () => {
  const rig = new Rig();
  const tasks = [["a"], ["b"], ["c", 0, 1], ["d", 2, 4], ["far"]] as const;
  const sheet = sheetMemory(
    tasks.map(([name, ...needs]) => ({ name, needs: needs.map((task) => ({ task })) })),
    new Int32Array(tasks.length),
  );
  const items = [{ behind: [] }, { behind: [] }, { behind: [0, 1], locals: 0b11 }, {
    behind: [2],
    locals: 0b11,
  }].map((more, task) => itemOf(task, { payload: "", ...more }));
  assert.equal(new Board(rig.data.board).offer(items).length, 0);
  rig.tasks["a"] = () => undefined;
  rig.tasks["c"] = rig.tasks["d"] = ({ task, inputs }) => ({ task, inputs });
  rig.fetched = ["7"];
  rig.sheet = new Sheet(sheet);
  rig.wakes();
  await turn();
  assert.deepEqual(rig.ran, ["a", "b", "c", "d"]);
  const c = '{"task":"c","inputs":{"b":"b"}}';
  assert.deepEqual(rig.told().map((told) => told.replace(/^-\d+ /, "")), [
    "succeeded",
    'succeeded "b"',
    `succeeded ${c}`,
    `succeeded {"task":"d","inputs":{"c":${c},"far":7}}`,
  ]);
});

test("line: it does not take for nothing what another worker has just found nothing beside", () => {
  const rig = new Rig();
  assert.ok(!rig.line.some);
  rig.hang([["a", []]]);
  rig.data.board.cells[SOME_READY] = 0;
  assert.ok(rig.line.some);
  rig.inbox.open = false;
  assert.ok(!rig.line.some);
});

test("line: woken for nothing it rings for nothing", () => {
  const rig = new Rig();
  rig.wakes();
  assert.equal(rig.bells, 0);
  rig.offer("a");
  rig.wakes();
  assert.equal(rig.bells, 1);
  rig.told();
  rig.wakes();
  assert.equal(rig.bells, 1);
});

test("line: what a task printed without a line's end is told before its outcome", () => {
  const rig = new Rig();
  rig.tasks["a"] = () => rig.output.piece(rig.line.current!, { stream: "stdout", text: "no end" });
  rig.offer("a");
  rig.line.wake();
  assert.deepEqual(rig.told(), [`${RecordKind.log} no end`, "0 succeeded"]);
});

test("line: after 10 ms in one go others have their turn", () => {
  const rig = new Rig();
  for (let at = 0; at < 4; at++) {
    rig.tasks[`t${at}`] = () => rig.clock.skip(6);
    rig.offer(`t${at}`);
  }
  rig.line.wake();
  assert.deepEqual([rig.ran.length, rig.turns.length], [2, 1]);
  rig.line.wake();
  assert.equal(rig.ran.length, 2, "it is still at work");
  rig.turns.shift()!();
  assert.deepEqual([rig.ran.length, rig.turns.length], [4, 1]);
});

test("line: promises, thenables and frozen promises come to one honest outcome", async () => {
  const rig = new Rig();
  const { promise, resolve } = Promise.withResolvers<string>();
  rig.tasks["later"] = () => promise;
  rig.tasks["thenable"] = () => ({ then: (done: (value: number) => void) => (done(1), done(2)) });
  rig.tasks["rejects"] = () => Promise.reject(new Error("rejected"));
  for (const name of ["later", "thenable", "rejects", "never"]) rig.offer(name);
  rig.line.wake();
  await turn();
  assert.deepEqual(rig.ran, ["later"]);
  assert.equal(rig.line.current?.task, "later");
  resolve("x");
  await turn();
  assert.deepEqual(rig.told(), ['0 succeeded "x"', "1 succeeded 1", "2 failed rejected"]);
  assert.deepEqual(rig.ran, ["later", "thenable", "rejects"]);
});

test("line: what takes longer than its timeout has timed out, and its value is nobody's", async () => {
  const late = new Rig();
  late.tasks["a"] = () => late.clock.skip(11);
  late.offer("a", { timeoutMs: 10 });
  late.line.wake();
  assert.deepEqual(late.told(), ["0 timed_out"]);
  const exact = new Rig();
  exact.tasks["a"] = () => exact.clock.skip(10);
  exact.offer("a", { timeoutMs: 10 });
  exact.line.wake();
  assert.deepEqual(exact.told(), ["0 succeeded"]);
  assert.ok(exact.bells >= 1, "the lane hears when a deadline begins");
  const stopped = new Rig();
  const { promise, resolve } = Promise.withResolvers<number>();
  stopped.tasks["a"] = () => promise;
  stopped.offer("a");
  stopped.line.wake();
  stopped.line.obey({ do: "abort", seq: 5, outcome: "timed_out" });
  assert.deepEqual(stopped.told(), []);
  stopped.line.obey({ do: "abort", seq: 0, outcome: "timed_out" });
  resolve(1);
  await turn();
  assert.deepEqual(stopped.told(), ["runs 0, asked 0", "0 timed_out"]);
  const finished = new Rig();
  const cancelled = Promise.withResolvers<number>();
  finished.tasks["a"] = () => cancelled.promise;
  finished.offer("a");
  finished.line.wake();
  finished.line.obey({ do: "abort", seq: 0, outcome: "cancelled" });
  cancelled.resolve(1);
  await turn();
  assert.deepEqual(finished.told(), ["runs 0, asked 0", "0 succeeded 1"]);
});

test("line: a payload that comes as a message is waited for, and those of revoked offers go", async () => {
  const rig = new Rig();
  const bulky = { flags: Flag.bulky, payload: undefined };
  rig.offer("", bulky);
  rig.wakes();
  assert.deepEqual(rig.ran, []);
  rig.line.obey({ do: "payload", seq: 1, text: '{"s":0,"t":"other"}' });
  assert.deepEqual(rig.ran, []);
  rig.line.obey({ do: "payload", seq: 0, text: '{"s":0,"t":"big"}' });
  assert.deepEqual(rig.ran, ["big"]);
  rig.offer("", bulky);
  rig.wakes();
  assert.deepEqual(rig.ran, ["big", "other"]);
  rig.offer("", bulky);
  rig.wakes();
  rig.line.obey({ do: "payload", seq: 2, text: '{"s":0,"t":"third"}' });
  await turn();
  assert.deepEqual(rig.ran, ["big", "other", "third"]);
});

test("line: it says what runs when it is asked, and looks for something to do", () => {
  const rig = new Rig();
  rig.tasks["waits"] = () => new Promise(() => {});
  rig.line.obey({ do: "answer", question: 4 });
  rig.rests();
  rig.offer("waits");
  rig.line.obey({ do: "answer", question: 5 });
  rig.line.obey({ do: "answer", question: 6 });
  assert.deepEqual(rig.told(), ["runs -1, asked 4", "runs -1, asked 5", "runs 0, asked 6"]);
  assert.deepEqual(rig.ran, ["waits"]);
  const idle = new Rig();
  idle.offer("a");
  idle.line.wake();
  idle.line.obey({ do: "answer", question: 7 });
  assert.deepEqual(idle.told(), ['0 succeeded "a"', "runs -1, asked 7"]);
});

test("line: a module is prepared and values that were let go of are fetched before the task runs", async () => {
  const rig = new Rig();
  const seen: unknown[] = [];
  rig.tasks["b"] = ({ inputs }) => void seen.push(inputs);
  rig.offer("a", { task: 7 });
  rig.offer("b", { l: [["near", 7, 0], ["far", 8, 0], ["other", 7, 1]] });
  rig.ready = false;
  rig.prepares = () => {
    rig.ready = true;
    return Promise.resolve();
  };
  rig.fetched = ['"fetched"', undefined];
  rig.line.wake();
  assert.deepEqual(rig.ran, []);
  await turn();
  assert.deepEqual(rig.ran, ["a", "b"]);
  assert.deepEqual(seen, [{ far: "fetched" }]);
  const bad = new Rig();
  bad.ready = false;
  bad.prepares = () => Promise.reject(new Error("no module"));
  bad.offer("a");
  bad.line.wake();
  await turn();
  assert.deepEqual(bad.told(), ["0 failed no module"]);
});

test("line: an error that nothing caught ends the attempt once and retires the thread", async () => {
  const rig = new Rig();
  const { promise, resolve } = Promise.withResolvers<number>();
  rig.tasks["a"] = () => promise;
  rig.offer("a");
  rig.offer("b");
  rig.line.wake();
  const attempt = rig.line.current!;
  rig.line.fail(attempt, new Error("uncaught"));
  rig.line.fail(attempt, new Error("again"));
  resolve(1);
  await turn();
  assert.deepEqual(rig.told(), ["0 failed uncaught retires"]);
  assert.ok(attempt.ended);
  rig.inbox.release();
  rig.wakes();
  assert.deepEqual(rig.ran, ["a"], "whoever is let go on after a failure is not that thread");
});

test("line: after a task that gave all objects a then its thread runs no other", async () => {
  const rig = new Rig();
  rig.tasks["a"] = () => {
    Object.defineProperty(Object.prototype, "then", { value: undefined, configurable: true });
    return 1;
  };
  rig.offer("a");
  rig.offer("b");
  try {
    rig.line.wake();
  } finally {
    delete (Object.prototype as { then?: unknown }).then;
  }
  rig.wakes();
  await turn();
  assert.deepEqual(rig.told(), ["0 succeeded 1 retires"]);
  assert.deepEqual(rig.ran, ["a"]);
});

test("line: an attempt ends when its processes are gone, at the time when its code ended, and is told of those left", async () => {
  for (
    const [left, expected] of [[true, [
      `${RecordKind.log} It ended and left processes behind: they are stopped`,
    ]], [false, []]] as const
  ) {
    const rig = new Rig();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    rig.clearing = promise;
    rig.offer("a", { timeoutMs: 50 });
    rig.line.wake();
    rig.clock.skip(500);
    await turn();
    assert.deepEqual(rig.told(), []);
    resolve(left);
    await turn();
    assert.deepEqual(rig.told(), [...expected, '0 succeeded "a"']);
  }
  const rig = new Rig();
  rig.clearing = Promise.reject(new Error("x"));
  rig.offer("a");
  rig.line.wake();
  await turn();
  assert.deepEqual(rig.told(), ['0 succeeded "a"']);
});

test("line: a failure of its own program is told, and nothing more is begun", () => {
  const rig = new Rig();
  rig.offer("", { payload: "{" });
  rig.offer("b");
  rig.line.wake();
  const [told, ...more] = rig.told();
  assert.ok(told?.startsWith(`${RecordKind.broken} SyntaxError`), `${told}`);
  assert.deepEqual([more, rig.ran, rig.bells], [[], [], 1]);
});
