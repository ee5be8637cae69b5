/** The parts of a pool, each alone and by the clock: what stops, polls, asks, deals and grows; and lanes that are no workers'. */
import assert from "node:assert/strict";
import test from "node:test";
import { type LaneItem, type LaneOutcome, stampsOf, tooLong } from "../../src/pool/attempt.ts";
import { Board } from "../../src/pool/board/board.ts";
import { LOW, SLOTS as BOARD_SLOTS, STIR } from "../../src/pool/board/memory.ts";
import type { Crew } from "../../src/pool/crew.ts";
import { Dealer } from "../../src/pool/dealer.ts";
import { Growth } from "../../src/pool/growth.ts";
import { Halt } from "../../src/pool/halt.ts";
import { Inquiry } from "../../src/pool/inquiry.ts";
import { RUNNERS } from "../../src/pool/kinds/list.ts";
import type { AttemptOptions, RunnerKind } from "../../src/pool/kinds/runner.ts";
import { NamedTimers } from "../../src/pool/named_timers.ts";
import { Offers } from "../../src/pool/offers.ts";
import { OwnLanes } from "../../src/pool/own.ts";
import { Pace } from "../../src/pool/pace.ts";
import { Poll } from "../../src/pool/poll.ts";
import type { Capacity, PoolTimer, Supply } from "../../src/pool/port.ts";
import { WAKE } from "../../src/pool/protocol.ts";
import { INBOX_CELLS, inboxMemory, InboxReader } from "../../src/pool/ring/inbox.ts";
import { newShared } from "../../src/pool/seat.ts";
import { WorkTime } from "../../src/pool/work_time.ts";
import { clip, ThreadLife } from "../../src/pool/thread_life.ts";
import { errorIn, isValueText, outcomeOf } from "../../src/pool/told.ts";
import { MAX_DEPTH } from "../../src/model/value.ts";
import type { Thread } from "../../src/runtime/port.ts";
import { withEntry } from "../fixtures/kinds/with_kinds.ts";
import { HandClock } from "../store/hand_clock.ts";
import { itemOf } from "./item.ts";
import { settle } from "./processless.ts";
import { ROOMY } from "./threadless.ts";
import { Toolless } from "./toolless.ts";

test("work time: one that can't be asked to stop any more is left to its end, and its thread to the next one", () => {
  const clock = new HandClock();
  let asked = 0;
  let listens = false;
  let ends = 0;
  const work = new WorkTime({
    ...{ clock, killGraceMs: 5_000, read: () => {}, unfinished: () => 0, began: () => {}, told: () => {} },
    running: () => ({ seq: 3, item: itemOf(1), since: clock.monotonic() }),
    abort: () => (asked++, listens),
    end: () => void ends++,
  });
  work.abort("cancelled", "why");
  assert.deepEqual([asked, work.aborted(3), clock.timers], [1, undefined, 0]);
  listens = true;
  work.abort("cancelled", "why");
  assert.deepEqual([asked, work.aborted(3)], [2, { outcome: "cancelled", because: "why" }]);
  work.abort("timed_out", "again");
  assert.equal(asked, 2);
  clock.advance(5_000);
  assert.deepEqual([ends, clock.timers], [1, 0]);
});

test("halt: what a worker has set is taken back after a second, what was meant is not, and each time counts anew", () => {
  const clock = new HandClock(), cell = newShared().halt;
  const halt = new Halt(cell, clock);
  for (let round = 0; round < 2; round++) {
    assert.equal(halt.lift(), false);
    cell[0] = 1;
    clock.advance(5_000);
    assert.equal(halt.lift(), false, "from now on it is known");
    assert.ok(halt.on);
    clock.advance(999);
    assert.equal(halt.lift(), false);
    clock.advance(1);
    assert.deepEqual([halt.lift(), cell[0], halt.on], [true, 0, false]);
  }
  // Set again before anybody has seen that it was taken back.
  for (let round = 0; round < 2; round++) {
    cell[0] = 1;
    assert.equal(halt.lift(), false);
    clock.advance(1_000);
    assert.equal(halt.lift(), true);
  }
  cell[0] = 1;
  assert.equal(halt.lift(), false);
  halt.set();
  clock.advance(5_000);
  assert.deepEqual([halt.lift(), cell[0]], [false, 1]);
});

test("timers: there is one of each name, which is set anew when it has fired, and none when all are closed", () => {
  const clock = new HandClock(), timers = new NamedTimers<"a" | "b">(clock);
  const acted: string[] = [];
  const set = (name: "a" | "b", ms: number) =>
    timers.after(name, { ms, act: () => void acted.push(`${name} ${timers.has(name)}`) });
  set("a", 10);
  set("a", 1);
  set("b", 5);
  assert.deepEqual([clock.timers, timers.has("a"), timers.closed], [2, true, false]);
  clock.advance(9);
  assert.deepEqual(acted, ["b false"]);
  clock.advance(1);
  set("a", 1);
  clock.advance(1);
  assert.deepEqual(acted, ["b false", "a false", "a false"]);
  set("a", 1);
  timers.close();
  set("b", 1);
  assert.deepEqual([clock.timers, timers.has("a"), timers.closed], [0, false, true]);
});

test("poll: it reads every 50 ms as long as there is something to do, and wakes who was halted", () => {
  const clock = new HandClock(), seen: string[] = [];
  let lifted = false;
  const lane = (name: string) => ({
    drain: () => void seen.push(`drain ${name}`),
    inquire: (at: number) => void seen.push(`ask ${at === clock.monotonic()}`),
    wake: () => void seen.push(`wake ${name}`),
  });
  const crew = { lanes: [lane("a"), lane("b")] };
  let feeds = 0;
  const poll: Poll = new Poll({
    ...{ clock, crew: crew as unknown as Crew, timers: new NamedTimers(clock) },
    halt: { lift: () => lifted } as Halt,
    feed: () => {
      feeds++;
      if (feeds < 9) poll.start();
    },
  });
  const wait = () => {
    const [before, since] = [feeds, clock.monotonic()];
    while (feeds === before) clock.advance(1);
    return clock.monotonic() - since;
  };
  poll.start();
  poll.start();
  assert.deepEqual(Array.from({ length: 5 }, wait), [50, 50, 50, 50, 50]);
  seen.length = 0;
  wait();
  assert.deepEqual(seen, ["drain a", "drain b", "ask true", "ask true"]);
  seen.length = 0;
  lifted = true;
  wait();
  assert.deepEqual(seen.slice(4), ["wake a", "wake b"]);
  wait();
  wait();
  assert.equal(clock.timers, 0, "nobody has asked for more");
});

test("inquiry: a worker of which nothing is heard is asked after 5 s, and has 3 s to take what it was offered", () => {
  const inquiry = new Inquiry();
  const offered = { first: 3, claimed: false }, running = { first: 3, claimed: true };
  assert.equal(inquiry.look(0, offered), undefined);
  assert.equal(inquiry.look(4_999, offered), undefined);
  assert.equal(inquiry.look(5_000, offered), 1);
  assert.equal(inquiry.look(7_999, offered), undefined, "asked once");
  assert.match(String(inquiry.look(8_000, offered)), /^it takes no attempts/);
  // It was taken: that is news.
  assert.equal(inquiry.look(8_000, running), undefined);
  assert.equal(inquiry.look(12_999, running), undefined);
  assert.equal(inquiry.look(13_000, running), 2);
  assert.equal(inquiry.look(99_000, running), undefined, "what runs may take long");
  assert.equal(inquiry.answered({ question: 1, runs: 9, current: 3 }), undefined, "that was not asked");
  assert.equal(inquiry.answered({ question: 2, runs: 3, current: 3 }), undefined);
  assert.equal(inquiry.look(99_000, running), undefined);
  assert.equal(inquiry.look(104_000, running), 3, "asked again after a while");
  assert.equal(inquiry.answered({ question: 3, runs: -1, current: 4 }), undefined, "it has gone on");
  assert.equal(inquiry.look(104_000, running), undefined);
  assert.equal(inquiry.look(109_000, running), 4);
  assert.match(inquiry.answered({ question: 4, runs: -1, current: 3 })!, /^it has let go of/);
  inquiry.look(200_000, { first: 4, claimed: false });
  inquiry.rest();
  assert.equal(inquiry.look(210_000, { first: 4, claimed: false }), undefined, "it counts anew");
  assert.equal(inquiry.look(215_000, { first: 4, claimed: false }), 5);
  assert.equal(inquiry.answered({ question: 5, runs: -1, current: 4 }), undefined, "it has not begun");
});

test("attempt: its times are in order, and its timeout is told in what people count in", () => {
  const clock = new HandClock();
  const since = clock.monotonic();
  clock.advance(5);
  assert.deepEqual(stampsOf(clock, since), { startedAt: clock.now() - 5, endedAt: clock.now() });
  assert.deepEqual(stampsOf(clock, Infinity), { startedAt: clock.now(), endedAt: clock.now() });
  const words = (timeoutMs: number) => tooLong(itemOf(0, { timeoutMs })).replace(/.* of /, "");
  assert.deepEqual([999, 1_000, 1_500, 90_000].map(words), ["999 ms", "1 s", "1.5 s", "90 s"]);
});

/** Offers, with the worker's end of their inbox. */
function offered() {
  const memory = inboxMemory(new Int32Array(new SharedArrayBuffer(4 * INBOX_CELLS)));
  const posted: unknown[] = [], woken: number[] = [];
  const offers = new Offers(memory, {
    post: (message) => void posted.push(message),
    woke: () => void woken.push(posted.length),
  });
  return { offers, worker: new InboxReader(memory), posted, woken };
}

test("offers: who waits for leave to go on and sleeps is woken with it", () => {
  for (const count of [0, 1, 2]) {
    const { offers, worker, posted, woken } = offered();
    offers.offer(Array.from({ length: count }, (_, task) => itemOf(task)));
    worker.hold();
    assert.equal(worker.sleep({ some: false, halted: false }), true);
    offers.release();
    assert.deepEqual([worker.held, posted, woken], [false, [WAKE], [0]], "it may go on with the board");
    offers.wake();
    assert.equal(posted.length, 1, "it sleeps no more");
  }
});

test("offers: of what its thread leaves that had begun which was claimed", () => {
  const { offers, worker } = offered();
  offers.offer([itemOf(0), itemOf(1), itemOf(2)]);
  // It claims what it should not have: the first has no outcome.
  for (let count = 0; count < 2; count++) {
    worker.claim(() => 0);
    worker.done();
  }
  assert.deepEqual(offers.takeBegun(undefined).map(([, { task }]) => task), [0, 1]);
  assert.deepEqual(offers.takeAll().map(({ task }) => task), [2]);
});

test("offers: a worker is busy while it runs something, or looks for something on the board", () => {
  const { offers, worker } = offered();
  assert.deepEqual([offers.busy, offers.atBoard], [false, false]);
  offers.atBoard = true;
  assert.ok(worker.open && offers.atBoard && !offers.busy);
  worker.looks();
  assert.deepEqual([offers.busy, offers.current], [true, undefined]);
  worker.runs(-9, 3);
  assert.deepEqual([offers.busy, offers.current, offers.claimedAt], [true, -9, 3]);
  worker.done();
  assert.ok(!offers.busy);
  offers.offer([itemOf(0)]);
  assert.ok(offers.busy && offers.used);
});

interface FakeLane {
  readonly id: number;
  warm: boolean;
  starting: boolean;
  open: boolean;
  sleeps: boolean;
  busy: boolean;
  running: { readonly seq: number } | undefined;
  /** What could run elsewhere. */
  waiting: LaneItem[];
  readonly spare: boolean;
  room: number;
  offer(items: readonly LaneItem[]): readonly LaneItem[];
  revoke(): LaneItem[];
  wake(): void;
}

/** Workers and what there is for them to do, as a dealer and growth see them; all that is done is noted. */
class Hall {
  readonly done: string[] = [];
  readonly taking: Set<FakeLane> = new Set();
  readonly shared = newShared();
  readonly board: Board = new Board(this.shared.board);
  room = 0;
  starting = 0;
  ready = 0;
  /** How many could stand behind what is released. */
  behind = 0;
  readyAlone = 0;
  readonly alones: { readonly fresh: boolean }[] = [];
  free: FakeLane | undefined;
  fresh: FakeLane | undefined;
  halted = false;
  readonly pace: Pace = new Pace();
  #released = 0;

  lane(more: Partial<FakeLane> = {}): FakeLane {
    const { done } = this;
    const lane: FakeLane = {
      ...{ id: this.taking.size + 1, warm: true, starting: false, open: true, sleeps: false, busy: false },
      ...{ running: undefined, waiting: [], room: Infinity },
      get spare() {
        return lane.waiting.length > 0;
      },
      offer(items) {
        done.push(`offer ${lane.id}: ${items.map(({ task }) => task)}`);
        return items.slice(lane.room);
      },
      revoke: () => lane.waiting.splice(0),
      wake() {
        done.push(`wake ${lane.id}`);
        lane.sleeps = false;
      },
    };
    Object.assign(lane, more);
    this.taking.add(lane);
    return lane;
  }

  /** What it releases: those that are ready, and those that stand behind the first of them. */
  release(max: number, ready: number): LaneItem[] {
    const free = Math.min(ready, max, this.ready);
    const behind = Math.min(max - free, this.behind);
    this.ready -= free;
    this.behind -= behind;
    const first = this.#released;
    this.#released += free + behind;
    return Array.from(
      { length: free + behind },
      (_, at) => itemOf(first + at, at < free ? {} : { behind: [0] }),
    );
  }

  deals(): string[] {
    this.done.length = 0;
    const { board, pace } = this;
    new Dealer({ crew: crewOf(this), board, halt: { on: this.halted }, supply: supplyOf(this), pace }).deal();
    return [...this.done];
  }

  /** Of how few that are unclaimed workers are to wake the executor. */
  get low(): number {
    return this.shared.board.cells[LOW]!;
  }
}

/** Its workers. */
function crewOf(hall: Hall): Crew {
  const note = (what: string) => (lane?: FakeLane) => void hall.done.push(lane ? `${what} ${lane.id}` : what);
  const crew = {
    taking: hall.taking,
    get lanes() {
      return [...hall.taking];
    },
    get room() {
      return hall.room;
    },
    get starting() {
      return hall.starting;
    },
    ...{
      unused: () => hall.fresh,
      idle: () => hall.free,
      next: () => hall.free,
      leave: note("leave"),
      dismiss: note("dismiss"),
    },
    grow: () => {
      hall.done.push("grow");
      hall.room--;
    },
  };
  return crew as unknown as Crew;
}

/** What there is to do in it. */
function supplyOf(hall: Hall): Supply {
  const supply: Partial<Supply> = {
    get ready() {
      return hall.ready;
    },
    get readyAlone() {
      return hall.readyAlone;
    },
    get alone() {
      return hall.alones[0];
    },
    release: ({ max, ready }) => {
      hall.done.push(`release ${max}, ${ready}`);
      return hall.release(max, ready);
    },
    takeAlone: () => hall.alones.shift() && itemOf(7),
    commit: () => void hall.done.push("commit"),
    giveBack: (items) => {
      if (items.length === 0) return;
      hall.done.push(`back: ${items.map(({ task }) => task)}`);
      hall.ready += items.length;
    },
  };
  return supply as Supply;
}

test("dealer: what lasts all workers a millisecond is released, and what may stand behind it for five", () => {
  const hall = new Hall();
  assert.deepEqual(hall.deals(), []);
  hall.lane({ warm: false });
  hall.ready = 300;
  assert.deepEqual(hall.deals(), [], "nobody could take it");
  hall.lane();
  hall.lane();
  hall.behind = 700;
  assert.deepEqual(hall.deals(), ["release 500, 100", "commit"]);
  assert.deepEqual([hall.board.size, hall.board.ready, hall.ready, hall.behind], [500, 100, 200, 300]);
  assert.equal(hall.low, 375, "they are to wake us when a quarter is gone");
  assert.deepEqual(hall.deals(), [], "there is enough");
  assert.equal(hall.low, -1);
  const short = new Hall();
  short.lane();
  short.ready = 30;
  assert.deepEqual(short.deals(), ["release 250, 50", "commit"]);
  assert.equal(short.low, -1, "there is no more");
  const slow = new Hall();
  Object.defineProperties(slow.pace, { queue: { value: 2 }, line: { value: 6 } });
  slow.lane();
  Object.assign(slow, { ready: 9, behind: 900 });
  assert.deepEqual(slow.deals(), ["release 64, 2", "commit"], "what only waits costs nothing");
});

test("dealer: a board keeps room for what could start, and what finds none is given back, the last first", () => {
  const hall = new Hall();
  for (let count = 0; count < 20; count++) hall.lane();
  Object.assign(hall, { ready: 1, behind: 2_000 });
  assert.deepEqual(hall.deals()[0], `release ${BOARD_SLOTS}, 1000`);
  assert.deepEqual([hall.board.room, hall.board.size], [0, BOARD_SLOTS]);
  const kept = new Hall();
  for (let count = 0; count < 20; count++) kept.lane();
  kept.board.offer([itemOf(0)]);
  kept.behind = 2_000;
  assert.deepEqual(kept.deals()[0], `release ${BOARD_SLOTS - 1 - 256}, ${BOARD_SLOTS - 1 - 256}`);
  assert.deepEqual(kept.deals(), [], "what only waits finds the rest kept");
  const many = new Hall();
  many.lane();
  many.ready = 3;
  many.release = () => {
    many.ready = 0;
    return [itemOf(0), itemOf(1), ...[2, 3].map((task) => itemOf(task, { behind: Array(5_000).fill(0) }))];
  };
  assert.deepEqual(many.deals(), ["release 250, 50", "commit", "back: 3,2"]);
});

test("dealer: for what is ready there are first those that are awake, then those that sleep, then those that are let at the board", () => {
  const hall = new Hall();
  const [a, b, c, d] = [{}, { warm: false }, {}, {}].map((more) => hall.lane({ open: false, ...more }));
  const open = () => [a, b, c, d].map((lane) => lane!.open);
  const woken = () => hall.deals().filter((what) => what.startsWith("wake"));
  hall.ready = 2;
  assert.deepEqual([woken(), open()], [[], [true, false, true, false]]);
  a!.sleeps = true;
  assert.deepEqual([woken(), woken(), open()[3]], [["wake 1"], [], false]);
  a!.sleeps = true;
  c!.busy = true;
  hall.halted = true;
  assert.deepEqual([woken(), open()[3]], [[], false], "they would only sleep again");
  hall.halted = false;
  assert.deepEqual([woken(), open()[3]], [["wake 1"], true]);
});

test("dealer: what wants a lane to itself gets one, a fresh one where it wants that, which is nobody's afterwards", () => {
  const hall = new Hall();
  hall.alones.push({ fresh: false }, { fresh: true });
  hall.free = hall.lane();
  hall.fresh = hall.lane();
  const released = "release 500, 100";
  const stirs = () => hall.shared.board.cells[STIR]!;
  const before = stirs();
  assert.deepEqual(hall.deals(), ["commit", "offer 1: 7", "commit", "offer 2: 7", "leave 2", released]);
  assert.equal(stirs(), before + 2, "who dozes looks at once");
  // There is no room for it: it goes back, and nobody leaves.
  hall.alones.push({ fresh: true });
  hall.fresh.room = 0;
  assert.deepEqual(hall.deals().slice(0, 3), ["commit", "offer 2: 7", "back: 7"]);
  const waits = (more: Partial<Hall>, fresh = true) => {
    const other = new Hall();
    other.alones.push({ fresh });
    Object.assign(other, more);
    return other.deals();
  };
  const idle = hall.free;
  assert.deepEqual(waits({ room: 1 }), ["grow"]);
  assert.deepEqual(waits({ room: 1, starting: 1 }), [], "one is on its way");
  assert.deepEqual(waits({ free: idle }), ["dismiss 1"]);
  assert.deepEqual(waits({}), []);
  assert.deepEqual(waits({ room: 1 }, false), []);
});

/** How many are started at once, and what is done after a wait. */
function growing(hall: Hall, workers: number, device: Partial<Capacity> = {}) {
  const clock = new HandClock(), timers = new NamedTimers<PoolTimer>(clock);
  const growth = new Growth({
    ...{ crew: crewOf(hall), board: hall.board, supply: supplyOf(hall), pace: hall.pace, timers, workers },
    capacity: { ...ROOMY, clock, ...device },
    feed: () => void hall.done.push("feed"),
  });
  const did = (act: () => void) => {
    hall.done.length = 0;
    act();
    return [...hall.done];
  };
  return {
    clock,
    growth,
    check: () => did(() => growth.check()),
    waits: (ms: number) => did(() => clock.advance(ms)),
  };
}

test("growth: up to the base each that could run has a worker at once, less those that are on their way", () => {
  const of = (
    { ready = 0, alone = 0, busy = 0, spare = 0, starting = 0, room = 9, workers = 5 }: Record<
      string,
      number
    >,
  ) => {
    const hall = new Hall();
    for (let count = 0; count < busy; count++) {
      hall.lane({ running: { seq: 1 }, waiting: count < spare ? [itemOf(1)] : [] });
    }
    Object.assign(hall, { ready, readyAlone: alone, starting, room });
    const { check, clock } = growing(hall, workers);
    return [check().length, clock.timers];
  };
  assert.deepEqual(of({}), [0, 0], "nobody waits");
  assert.deepEqual(of({ ready: 1 }), [1, 1]);
  assert.deepEqual(of({ ready: 2, alone: 1 }), [3, 1]);
  assert.deepEqual(of({ ready: 9 }), [5, 1]);
  assert.deepEqual(of({ ready: 9, room: 3 }), [3, 0], "there can be no more");
  assert.deepEqual(of({ ready: 9, busy: 2 }), [3, 1]);
  assert.deepEqual(of({ ready: 9, busy: 5 }), [0, 1]);
  assert.deepEqual(of({ ready: 9, busy: 5, room: 0 }), [0, 0]);
  assert.deepEqual(of({ ready: 3, starting: 2 }), [1, 1]);
  assert.deepEqual(of({ busy: 3, spare: 2 }), [2, 1]);
  const idle = new Hall();
  idle.lane({ waiting: [itemOf(1)] });
  idle.room = 5;
  assert.deepEqual(growing(idle, 5).check(), [], "it will run where it is");
  const hung = new Hall();
  hung.board.offer([itemOf(0), itemOf(1), itemOf(2, { behind: [0] })]);
  Object.assign(hung, { ready: 1, room: 9 });
  assert.equal(growing(hung, 9).check().length, 3, "what could start on the board, not what waits there");
});

test("growth: beyond the base it is after 20 ms, where all are stuck or it would last longer", () => {
  const after = (
    { ready, lanes, more = {}, ms = 0.02, moved = false }: {
      ready: number;
      lanes: number;
      more?: Partial<Hall>;
      ms?: number;
      moved?: boolean;
    },
  ) => {
    const hall = new Hall();
    for (let count = 0; count < lanes; count++) hall.lane({ running: { seq: 1 } });
    Object.assign(hall, { ready, room: 50 });
    Object.defineProperty(hall.pace, "meanMs", { value: ms });
    const { check, waits } = growing(hall, lanes);
    check();
    assert.deepEqual(waits(19), []);
    Object.assign(hall, more);
    if (moved) [...hall.taking][0]!.running = { seq: 2 };
    const done = waits(1);
    assert.equal(done.at(-1), "feed");
    for (let turn = 0; turn < 40; turn++) done.push(...waits(0));
    assert.ok(!done.join().includes("grow,grow"), "the others are fed between two");
    return done.filter((what) => what === "grow").length;
  };
  assert.equal(after({ ready: 1, lanes: 3 }), 1);
  assert.equal(after({ ready: 20, lanes: 3 }), 9, "the cores have nothing to do: three more for each");
  assert.equal(after({ ready: 9, lanes: 3, more: { room: 2 } }), 2);
  assert.equal(after({ ready: 1, lanes: 3, more: { ready: 0, readyAlone: 2 } }), 2);
  assert.equal(after({ ready: 1, lanes: 3, more: { ready: 0 } }), 0);
  assert.equal(after({ ready: 9, lanes: 3, more: { starting: 1 } }), 0, "one is on its way");
  assert.equal(after({ ready: 9, lanes: 3, moved: true }), 0, "they go on");
  assert.equal(after({ ready: 6, lanes: 3, moved: true, ms: 10 }), 0, "it would last 20 ms");
  assert.equal(after({ ready: 6, lanes: 3, moved: true, ms: 10.1 }), 6);
});

test("growth: beyond the base it is for cores that have nothing to do and memory that is free, and it says what holds it", () => {
  const MIB = 2 ** 20;
  const after = (
    { busy = 0, starting = 0, freeMiB = 1_000, room = 50, looks = 1, others = 0, queued = 0, before }: {
      [Name in "busy" | "starting" | "freeMiB" | "room" | "looks" | "others" | "queued" | "before"]?: number;
    },
  ) => {
    const hall = new Hall();
    for (let count = 0; count < 4; count++) hall.lane({ running: { seq: 1 } });
    Object.assign(hall, { ready: 40, room, starting });
    let cpu = 0;
    let idle = 1_000;
    let wanted = 0;
    const { check, waits, growth } = growing(hall, 4, {
      ...{ cores: 2, workerBytes: 10 * MIB, cpuMs: () => cpu, freeMemory: () => freeMiB * MIB },
      idleMs: () => others === 0 ? undefined : idle,
      queuedMs: () => wanted,
    });
    const done: string[] = [];
    for (let look = 0; look < looks; look++) {
      check();
      cpu += (look === 0 && before !== undefined ? before : busy) * 2 * 20;
      wanted += queued * 2 * 20;
      idle += (1 - busy - others) * 2 * 20;
      hall.starting = 0;
      done.push(...waits(20));
    }
    for (let turn = 0; turn < 40; turn++) done.push(...waits(0));
    return [done.filter((what) => what === "grow").length, growth.held];
  };
  assert.deepEqual(after({ busy: 0.19 }), [12, undefined], "tasks do nothing but wait");
  assert.deepEqual(after({ busy: 0.2, looks: 2 }), [0, "processor"], "it may be a moment between two tasks");
  assert.deepEqual(after({ busy: 0.2, looks: 3 }), [4, undefined], "a round doubles them");
  assert.deepEqual(after({ busy: 0.8, looks: 3 }), [4, undefined]);
  assert.deepEqual(after({ busy: 0.81, looks: 9 }), [0, "processor"]);
  assert.deepEqual(after({ busy: 0.4, others: 0.3, looks: 3 }), [4, undefined], "a core has nothing to do");
  assert.deepEqual(after({ busy: 0.4, others: 0.5, looks: 9 }), [0, "processor"], "others use the cores");
  assert.deepEqual(
    after({ busy: 0.1, others: 0.9 }),
    [12, undefined],
    "tasks that wait get their workers all the same",
  );
  assert.deepEqual(after({ busy: 0.1, others: 0.9, queued: 0.09 }), [12, undefined]);
  assert.deepEqual(
    after({ busy: 0.1, others: 0.9, queued: 0.1, looks: 9 }),
    [0, "processor"],
    "they compute",
  );
  assert.deepEqual(after({ busy: 0.1, queued: 0.3, looks: 3 }), [4, undefined], "a core has nothing to do");
  assert.deepEqual(
    after({ before: 0.9, busy: 0.1, looks: 2 }),
    [0, "processor"],
    "it is looked more closely",
  );
  assert.deepEqual(after({ before: 0.9, busy: 0.1, looks: 3 }), [12, undefined]);
  assert.deepEqual(after({ before: 0.9, busy: 0.1, queued: 0.8, looks: 9 }), [0, "processor"]);
  assert.deepEqual(after({ starting: 1 }), [0, undefined], "starting takes the processor by itself");
  assert.deepEqual(after({ freeMiB: 80 }), [2, undefined], "a quarter of what is free");
  assert.deepEqual(after({ freeMiB: 39 }), [0, "memory"]);
  assert.deepEqual(after({ room: 3 }), [3, undefined]);
  assert.deepEqual(after({ room: 0 }), [0, "limit"]);
});

test("growth: no more of a round start at a time than there are cores, the next when one is warm, and none that nobody waits for", () => {
  const hall = new Hall();
  for (let count = 0; count < 4; count++) hall.lane({ running: { seq: 1 } });
  let starting = 0;
  const push = hall.done.push.bind(hall.done);
  hall.done.push = (...what) => {
    starting += what.filter((each) => each === "grow").length;
    return push(...what);
  };
  Object.defineProperty(hall, "starting", { get: () => starting });
  Object.assign(hall, { ready: 40, room: 50 });
  const { check, waits } = growing(hall, 4, { cores: 2, cpuMs: () => 0 });
  const grown = (done: string[]) => done.filter((what) => what === "grow").length;
  check();
  assert.equal(grown(waits(20)), 2);
  assert.equal(grown([...check(), ...waits(50)]), 0, "both cores start one");
  starting = 1;
  assert.equal(grown([...check(), ...waits(0)]), 1);
  starting = 0;
  assert.equal(grown([...check(), ...waits(0)]), 2);
  starting = 1;
  hall.ready = 1;
  assert.equal(grown([...check(), ...waits(0)]), 0, "the one that waits has one that starts");
  hall.ready = 40;
  assert.equal(grown([...check(), ...waits(0)]), 0, "the round is over");
});

test("growth: a round ends when nothing waits any more, and what held it is forgotten with it", () => {
  const hall = new Hall();
  for (let count = 0; count < 2; count++) hall.lane({ running: { seq: 1 } });
  Object.assign(hall, { ready: 9, room: 9 });
  const { check, waits, growth } = growing(hall, 2, { cores: 1, cpuMs: () => 0 });
  check();
  waits(20);
  waits(0);
  hall.ready = 0;
  assert.deepEqual([...waits(0), ...waits(0), ...waits(100)].filter((what) => what === "grow"), []);
  Object.assign(hall, { ready: 9, room: 0 });
  check();
  assert.equal(growth.held, "limit");
  hall.ready = 0;
  check();
  assert.equal(growth.held, undefined);
});

test("growth: what waits behind what takes long is for others, and what has moved on keeps its own", () => {
  const hall = new Hall();
  const waiting = () => [itemOf(2), itemOf(1)];
  const [stuck, moves, idle] = [1, 1, undefined].map((seq) =>
    hall.lane({ running: seq === undefined ? undefined : { seq }, waiting: waiting() })
  );
  hall.room = 9;
  const { check, waits } = growing(hall, 3);
  check();
  moves!.running = { seq: 2 };
  const done = waits(20);
  assert.deepEqual(done.filter((what) => what.startsWith("back")), ["back: 2,1"]);
  assert.deepEqual([stuck!.waiting.length, moves!.waiting.length, idle!.waiting.length], [0, 2, 2]);
});

test("lanes: what runs in no worker has a lane of its own, as many as there may be, and each is told of", async () => {
  const started: AttemptOptions[] = [];
  const aborted: string[] = [], heard: string[] = [];
  const over: (() => void)[] = [];
  let closed = 0;
  const kind: RunnerKind = {
    key: "own",
    open: () => ({
      start: (options) => {
        started.push(options);
        const gone = Promise.withResolvers<void>();
        over.push(gone.resolve);
        const { lane: id, item } = options;
        const abort = (outcome: string, because: string) => void aborted.push(`${id} ${outcome} ${because}`);
        return { id, item, since: id * 10, over: gone.promise, abort };
      },
      close: () => Promise.resolve(void closed++),
    }),
  };
  await withEntry(RUNNERS, kind, async () => {
    const { port, clock } = new Toolless();
    let tasks = 0, commits = 0;
    const asked: number[] = [];
    const supply = {
      ...{ kept: [], readyKept: 0, takeKept: () => undefined, commit: () => void commits++ },
      takeOwn: (lane: number) => {
        asked.push(lane);
        return tasks > 0 ? { kind: "own", item: itemOf(tasks--) } : undefined;
      },
    };
    const lanes = new OwnLanes({
      ...{ ...port, base: 1, max: 3, killGraceMs: 50, services: () => ({}) },
      listener: {
        began: (lane, { task }, since) => void heard.push(`began ${lane} ${task} ${since === clock.now()}`),
        settled: (lane, { task }, { outcome }) => void heard.push(`${outcome} ${lane} ${task}`),
        printed: ({ task, at, text }) => void heard.push(`${text} ${task} ${at === clock.now()}`),
        progressed() {},
        free() {},
      },
    });
    assert.equal(lanes.feed(supply, 4), 4, "there is nothing");
    tasks = 2;
    assert.equal(lanes.feed(supply, 4), 6);
    assert.deepEqual([asked, commits], [[5, 5, 6, 7], 2]);
    assert.deepEqual(started.map(({ lane, killGraceMs }) => [lane, killGraceMs]), [[5, 50], [6, 50]]);
    tasks = 2;
    assert.equal(lanes.feed(supply, 9), 10, "there may be no more");
    assert.equal(tasks, 1);
    assert.deepEqual(lanes.views.map(({ id, running }) => [id, running.item.task, running.since]), [
      [5, 2, 50],
      [6, 1, 60],
      [10, 2, 100],
    ]);
    started[0]!.printed({ stream: 1, level: 1, text: "hello" });
    started[0]!.settled({ outcome: "succeeded", startedAt: 1, endedAt: 2 } as LaneOutcome);
    assert.equal(lanes.views.length, 2);
    assert.equal(lanes.feed(supply, 10), 11);
    assert.deepEqual(heard, [
      ...["began 5 2 true", "began 6 1 true", "began 10 2 true", "hello 2 true", "succeeded 5 2"],
      "began 11 1 true",
    ]);
    lanes.cancelAll("enough");
    assert.deepEqual(aborted.splice(0), ["6 cancelled enough", "10 cancelled enough", "11 cancelled enough"]);
    let gone = false;
    const closing = lanes.close().then(() => gone = true);
    assert.equal(lanes.close(), lanes.close());
    assert.equal(aborted[0], "6 cancelled the run has ended");
    // The one that has settled comes last: what is left of it is waited for as well.
    for (const each of over.reverse()) {
      await settle();
      assert.deepEqual([gone, closed], [false, 0]);
      each();
    }
    await closing;
    assert.equal(closed, 1);
  });
});

test("told: an outcome is what its record says, where something led to it", () => {
  const times = { startedAt: 1, endedAt: 2 };
  const error = '{"name":"E","message":"m"}';
  const of = (
    b: number,
    text: string | undefined,
    { timeoutMs, aborted }: { timeoutMs?: number; aborted?: "timed_out" | "cancelled" } = {},
  ) => {
    const how = aborted === undefined ? undefined : { outcome: aborted, because: "asked" };
    const fields = { a: 0, b, c: 0, x: 0, y: 0, text };
    const told = outcomeOf(itemOf(0, { timeoutMs }), fields, { ...times, aborted: how });
    return typeof told === "string" ? told.split(" ").slice(0, 5).join(" ") : told;
  };
  const failure = { error: { name: "E", message: "m" }, ...times };
  assert.deepEqual(of(0, undefined), { outcome: "succeeded", ...times });
  assert.deepEqual(of(0, "[1]"), { outcome: "succeeded", value: "[1]", ...times });
  assert.deepEqual(of(0, "["), "it has told a value");
  assert.deepEqual(of(1, error), { outcome: "failed", ...failure });
  assert.deepEqual(of(1, error, { aborted: "cancelled" }), {
    outcome: "failed",
    because: "asked",
    ...failure,
  });
  assert.deepEqual(of(2, undefined, { timeoutMs: 5 }), {
    ...{ outcome: "timed_out", because: "it ran longer than its timeout of 5 ms", ...times },
  });
  assert.deepEqual(of(2, undefined, { aborted: "timed_out" }), {
    outcome: "timed_out",
    because: "asked",
    ...times,
  });
  assert.deepEqual(of(3, error, { aborted: "cancelled", timeoutMs: 5 }), {
    ...{ outcome: "cancelled", because: "asked", ...failure },
  });
  const none = "it has told an outcome";
  assert.deepEqual([
    of(2, undefined),
    of(3, undefined, { timeoutMs: 5 }),
    of(3, error, { aborted: "timed_out" }),
  ], [
    none,
    none,
    none,
  ]);
  assert.deepEqual([of(5, error), of(-1, error)], [none, none]);
  const longest = "x".repeat(1_000);
  assert.deepEqual(of(4, longest), { outcome: "skipped", because: longest, ...times });
  const unsaid = [of(4, undefined), of(4, ""), of(4, `${longest}x`)];
  assert.deepEqual(unsaid, Array(3).fill("it has told a skip"));
  assert.deepEqual(
    [of(1, undefined), of(1, "[]"), of(2, "{", { timeoutMs: 5 })],
    Array(3).fill("it has told a failure"),
  );
});

test("told: of an error so much is kept: sixteen causes, a hundred errors, frames, notes and fields, each in its form", () => {
  let chain: object = { name: "E", message: "last" };
  for (let count = 0; count < 20; count++) chain = { name: "E", message: String(count), cause: chain };
  let depth = 0;
  for (let error = errorIn(chain)?.cause; error !== undefined; error = error.cause) depth++;
  assert.equal(depth, 16);
  const frame = { file: "f", line: 1, function: "g", code: "c" };
  const { frames, notes } = errorIn({
    ...{ name: "E", message: "m", frames: Array(101).fill(frame), notes: Array(101).fill("n") },
  })!;
  assert.deepEqual([frames?.length, notes?.length], [100, 100]);
  const odd = [{ file: 1 }, { line: 1.5 }, { function: 1 }, { code: 1 }].map((wrong) => ({
    ...frame,
    ...wrong,
  }));
  const read = errorIn({
    name: "E",
    message: "m",
    frames: [...odd, null, "x", frame],
    notes: [1, "n"],
    stack: "s",
  });
  assert.deepEqual(read, { name: "E", message: "m", stack: "s", frames: [frame], notes: ["n"] });
  for (const wrong of [null, "E", { name: "E" }, { message: "m" }, { name: 1, message: "m" }]) {
    assert.equal(errorIn(wrong), undefined);
  }
  const whole = {
    ...{ name: "E", message: "m", code: "ENOENT", fields: { path: "/x", port: 1 }, omitted: 2 },
    errors: [{ name: "F", message: "f", code: 7, cause: { name: "G", message: "g" } }],
  };
  assert.deepEqual(errorIn(whole), whole);
  const wrong = { code: {}, fields: [1], errors: {}, omitted: 0.5 };
  assert.deepEqual(errorIn({ name: "E", message: "m", ...wrong }), { name: "E", message: "m" });
  const many = Array(200).fill({ name: "F", message: "f" });
  assert.equal(errorIn({ name: "E", message: "m", errors: many })!.errors!.length, 99);
  const fields = Object.fromEntries(many.map((_, at) => [`f${at}`, at]));
  assert.equal(Object.keys(errorIn({ name: "E", message: "m", fields })!.fields!).length, 100);
  const inherited = Object.create({ cause: { name: "C", message: "c" } });
  assert.deepEqual(errorIn(Object.assign(inherited, { name: "E", message: "m" })), {
    name: "E",
    message: "m",
  });
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  assert.deepEqual([isValueText(nested(MAX_DEPTH + 1)), isValueText(nested(MAX_DEPTH + 2))], [true, false]);
});

test("thread: what ended it says what its attempt came to, the gravest first, and who waits is told", async () => {
  const life = () => {
    const seen = { terminated: 0 };
    const thread = { terminate: () => Promise.resolve(void seen.terminated++) } as unknown as Thread;
    return { seen, life: new ThreadLife(thread) };
  };
  const END = { memory: false, code: 3 };
  const asked = { outcome: "cancelled", because: "asked" } as const;
  const cause = (prepare: (life: ThreadLife) => void, end: object = {}, aborted?: typeof asked) => {
    const { life: its } = life();
    prepare(its);
    const { outcome, reason, code, because } = its.cause({ ...END, ...end }, aborted);
    return [outcome, reason, code, because].filter((each) => each !== undefined).join(" ");
  };
  assert.equal(cause(() => {}), "crashed lost the thread ended with code 3");
  assert.equal(cause(() => {}, { code: undefined }), "crashed lost the thread ended with code unknown");
  assert.equal(cause(() => {}, { error: new Error("x".repeat(1_001)) }), `crashed lost ${"x".repeat(1_000)}`);
  assert.equal(cause(() => {}, { memory: true, error: new Error("no") }), "crashed memory");
  assert.equal(cause((its) => its.exhausts()), "crashed memory");
  assert.equal(cause((its) => its.exhausts(), {}, asked), "cancelled asked");
  assert.equal(cause((its) => its.exits(0), { memory: true }, asked), "crashed exit 0");
  assert.match(
    cause(
      (its) => {
        its.exits(1);
        its.refuse("it lied");
        its.refuse("again");
      },
      {},
      asked,
    ),
    /^crashed lost it lied; look for/,
  );
  assert.equal(clip(3), "it said nothing that can be read");

  const rejected = async (prepare: (life: ThreadLife) => void) => {
    const { life: its } = life();
    prepare(its);
    const answer = assert.rejects(its.answered(new Promise(() => {})), { message: words });
    its.over();
    await answer;
  };
  let words = "The worker ended before it answered";
  await rejected(() => {});
  words = "The worker ended with exit code 0 before it answered";
  await rejected((its) => its.exits(0));
  words = "The worker ended, as it lied, before it answered";
  await rejected((its) => its.refuse("it lied"));

  const { life: its, seen } = life();
  assert.deepEqual([its.starting, its.warm, its.ended], [true, false, false]);
  its.ready();
  assert.deepEqual([its.starting, its.warm], [false, true]);
  let gone = 0;
  const ends = [its.end(), its.end()].map((end) => end.then(() => gone++));
  its.ready();
  assert.deepEqual([its.warm, seen.terminated], [false, 1], "it is told to end once");
  await settle();
  its.close();
  assert.deepEqual([its.ended, gone], [true, 0]);
  its.over();
  await Promise.all(ends);
  await its.end();
  assert.deepEqual([gone, seen.terminated], [2, 1]);
});
