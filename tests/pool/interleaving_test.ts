/**
 * A lane, the board and its worker's line under every order of steps that seeds come to: claim against revoke, offers against
 * sleep, a release against the end of what it stands behind, outcomes against death, a deadline against the end. Each attempt
 * is settled once or given back, never both, never neither, and none begins before what it stands behind has succeeded.
 */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { Board } from "../../src/pool/board/board.ts";
import { Lane } from "../../src/pool/lane.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Supply } from "../../src/pool/port.ts";
import { newSeat, newShared } from "../../src/pool/seat.ts";
import { itemOf as plainItemOf, NO_SHEET } from "./item.ts";
import { ROOMY, seeds, type Threadless, World } from "./threadless.ts";

/** What tasks do, by the first letter of their name. */
function task(world: () => World, ran: (name: string) => void) {
  return (thread: Threadless, name: string): unknown => {
    ran(name);
    switch (name[0]) {
      case "t":
        throw new Error("thrown");
      case "l":
        return thread.later(name, name);
      case "h":
        if (!thread.mayBlock) return thread.later(name, name);
        return world().hang();
      case "p":
        thread.output.piece(thread.line.current!, { stream: "stdout", text: `whole\nhalf of ${name}` });
        return name;
      default:
        return name;
    }
  };
}

const KINDS = ["v", "v", "v", "v", "t", "l", "h", "p"] as const;

/** A text of one, two, three or four bytes a character. */
const CHARACTERS = ["a", "é", "€", "😀"];

/** An attempt: its name says what it does; each time that it is offered, it gets another number. */
interface Told {
  readonly name: string;
  /** The names of what it stands behind. */
  readonly behind: readonly string[];
  state: "offered" | "given back" | "settled";
  outcome?: LaneOutcome;
}

/** Keeps what becomes of offers, and holds them to the contract as they come. */
class Ledger {
  readonly offers: Map<string, Told> = new Map();
  readonly ran: Set<string> = new Set();
  threads: readonly Threadless[] = [];
  /** By task: the name that it was offered by last. */
  readonly #names: Map<number, string> = new Map();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  offered(item: LaneItem): void {
    const name = nameOf(item);
    this.is(!this.offers.has(name), `${name} was offered twice`);
    this.#names.set(item.task, name);
    const behind = item.behind.map((task) => this.#names.get(task)!);
    this.offers.set(name, { name, behind, state: "offered" });
  }

  gaveBack(items: readonly LaneItem[]): void {
    for (const item of items) {
      const told = this.#open(item);
      this.is(!this.ran.has(told.name), `${told.name} was given back and has run`);
      told.state = "given back";
    }
  }

  settled(item: LaneItem, outcome: LaneOutcome): void {
    const told = this.#open(item);
    told.state = "settled";
    told.outcome = outcome;
    this.is(outcome.startedAt <= outcome.endedAt, `${told.name} ends before it starts`);
    if (outcome.outcome !== "succeeded") return;
    this.is(this.ran.has(told.name), `${told.name} has succeeded and not run`);
    this.is(outcome.value === JSON.stringify(told.name), `${told.name} has the value ${outcome.value}`);
  }

  runs(name: string): void {
    this.is(!this.ran.has(name), `${name} ran twice`);
    const told = this.offers.get(name);
    this.is(told?.state === "offered", `${name} ran, which is not offered`);
    for (const need of told!.behind) {
      const written = this.threads.some((thread) => thread.written.includes(need));
      this.is(written, `${name} ran before the outcome of ${need} was told`);
    }
    this.ran.add(name);
  }

  /** Nothing is open any more, and what had been written before a thread died counts. */
  closed(): void {
    for (const name of this.threads.flatMap(({ written }) => written)) {
      const { outcome } = this.offers.get(name)!;
      this.is(
        outcome !== undefined && outcome.outcome !== "crashed",
        `${name} told its outcome, which is lost`,
      );
    }
    for (const { name, behind, state } of this.offers.values()) {
      this.is(state !== "offered", `${name} is lost`);
      for (const need of this.ran.has(name) ? behind : []) {
        const came = this.offers.get(need)!.outcome?.outcome;
        this.is(came === "succeeded", `${name} ran, and ${need}, behind which it stood, is ${came}`);
      }
    }
  }

  is(right: boolean, what: string): void {
    assert.ok(right, `${what} (seed ${this.#seed})`);
  }

  #open(item: LaneItem): Told {
    const told = this.offers.get(nameOf(item));
    this.is(told?.state === "offered", `${nameOf(item)} is told of, and is ${told?.state ?? "not known"}`);
    return told!;
  }
}

function nameOf(item: LaneItem): string {
  return JSON.parse(item.payload).t;
}

/** A made-up attempt. */
function itemOf(world: World, { name, task, ...more }: Partial<LaneItem> & {
  readonly name: string;
  readonly task: number;
}): LaneItem {
  const long = world.roll(12) === 0 ? 40_000 : world.roll(40) === 0 ? 6_000 : world.roll(40);
  const p = { text: CHARACTERS[world.roll(4)]!.repeat(long) };
  const payload = JSON.stringify({ s: 0, t: name, p });
  return plainItemOf(task, {
    urgent: world.roll(3) === 0,
    rank: world.roll(50) * 1_000 + task,
    payload,
    ...more,
  });
}

/** Goes on until nothing is left to do, or for so many steps. */
async function goOn(world: World, over: () => boolean): Promise<void> {
  for (let step = 0; step < 6_000 && !over(); step++) {
    if (world.roll(4) === 0) {
      const thread = world.threads[world.roll(world.threads.length)];
      if (thread !== undefined && await thread.goOn(world.roll(5) === 0)) continue;
    }
    world.act();
    if (step % 16 === 0) await null;
  }
}

/** One lane and a board, offered and taken back from at random. */
async function lane(seed: number, deaths: number): Promise<void> {
  const ledger = new Ledger(seed);
  using world: World = new World({ seed, deaths, task: task(() => world, (name) => ledger.runs(name)) });
  ledger.threads = world.threads;
  const { clock, roll } = world;
  const shared = newShared();
  const board = new Board(shared.board);
  const seat = newSeat(1, { shared, seat: 1, clock, start: world.start });
  /** What hangs on the board. */
  const hung = new Map<number, LaneItem>();
  let left: readonly LaneItem[] | undefined;
  const gaveBack = (items: readonly LaneItem[]) => {
    ledger.gaveBack(items);
    for (const { task } of items) {
      hung.delete(task);
      const first = [...hung.values()].find(({ behind }) => behind.includes(task));
      ledger.is(first === undefined, `${task} is taken back before ${first?.task}, which stands behind it`);
    }
  };
  const lane = new Lane({
    seat,
    board,
    clock,
    killGraceMs: 100,
    services: () => ({}),
    listener: {
      began() {},
      due: ({ behind }) => !behind.some((task) => hung.has(task)),
      early: () => ledger.is(false, "what it told itself before is not read"),
      settled(lane, item, outcome, behind) {
        gaveBack(behind);
        if (outcome.outcome !== "succeeded") gaveBack(lane.revoke());
        hung.delete(item.task);
        ledger.settled(item, outcome);
        if (outcome.outcome !== "succeeded") lane.release();
      },
      printed() {},
      progressed() {},
      told() {},
      ended(_, given) {
        gaveBack(given);
        left = given;
      },
    },
  });
  world.outside(() => lane.setup({ run: "run", width: 1, sources: [], sheet: NO_SHEET }));
  let count = 0;
  const some = () =>
    Array.from({ length: 1 + roll(6) }, () =>
      itemOf(world, {
        name: `${KINDS[roll(KINDS.length)]}${++count}`,
        task: count,
        timeoutMs: roll(3) === 0 ? 20 + roll(200) : undefined,
      }));
  const offer = () => {
    if (count >= 60 || !lane.warm) return;
    const items = some();
    items.forEach((item) => ledger.offered(item));
    ledger.gaveBack(lane.offer(items));
  };
  const hang = () => {
    if (count >= 60 || !lane.warm) return;
    lane.open = true;
    const items = some().map((item) => {
      const hanging = [...hung.keys()];
      const behind = roll(2) === 0
        ? []
        : [...new Set([0, 0].flatMap(() => hanging[roll(hanging.length)] ?? []))];
      const hanged = { ...item, behind, awaited: roll(3) };
      hung.set(item.task, hanged);
      ledger.offered(hanged);
      return hanged;
    });
    gaveBack([...board.offer(items)].reverse());
    if (lane.sleeps) lane.wake();
  };
  world.moves.push(
    offer,
    offer,
    hang,
    hang,
    hang,
    () => void lane.drain(),
    () => void lane.drain(),
    () => roll(3) === 0 && ledger.gaveBack(lane.revoke()),
    () => roll(25) === 0 && gaveBack(board.takeAll()),
    () => lane.open = roll(6) > 0,
    () => roll(10) === 0 && lane.abort("cancelled", "the test says so"),
    () => lane.inquire(clock.monotonic()),
  );
  const open = () => lane.outstanding + hung.size;
  await goOn(world, () => left !== undefined || count >= 60 && open() === 0);
  // What is left has a time to end.
  world.moves.length = 0;
  world.moves.push(
    () => lane.abort("cancelled", "the test ends"),
    () => void lane.drain(),
    () => {
      lane.open = true;
      lane.wake();
    },
  );
  await goOn(world, () => left !== undefined || open() === 0);
  if (left === undefined) ledger.is(open() === 0, `${open()} are never run`);
  world.outside(() => void lane.end());
  await goOn(world, () => left !== undefined);
  gaveBack(board.takeAll());
  ledger.is(left !== undefined, "the thread did not end");
  ledger.is(board.size === 0, `${board.size} still hang on the board`);
  ledger.is(lane.wrong === undefined || deaths > 0, `its program is refused: ${lane.wrong}`);
  ledger.is(world.failure === undefined, world.failure ?? "");
  ledger.closed();
  clock.advance(20);
  ledger.is(clock.timers === 0, `${clock.timers} timers are left`);
}

test("interleaved: each attempt of a lane is settled once or given back, and never both", async () => {
  for (const seed of seeds(40)) await lane(seed, 0);
});

test("interleaved: … also when its thread dies at any step", async () => {
  for (const seed of seeds(80)) await lane(seed, 2);
});

/** Tasks one after the other. */
interface Chain {
  readonly length: number;
  readonly alone: { readonly fresh: boolean } | undefined;
  readonly fatal: boolean;
  /** How many are handed out, and how many have settled. */
  next: number;
  settled: number;
  /** Whether the first failure is behind it; the second ends it. */
  failed: boolean;
}

/** Chains of tasks, as a schedule would hand them out. */
class Chains implements Supply {
  readonly chains: Chain[];
  readonly #world: World;
  readonly #ledger: Ledger;
  #count = 0;
  halted = false;
  readonly kept = [];

  constructor(world: World, ledger: Ledger) {
    this.#world = world;
    this.#ledger = ledger;
    const { roll } = world;
    this.chains = Array.from({ length: 3 + roll(8) }, () => ({
      length: 1 + roll(10),
      alone: roll(6) === 0 ? { fresh: roll(2) === 0 } : undefined,
      fatal: roll(8) === 0,
      next: 0,
      settled: 0,
      failed: false,
    }));
  }

  get over(): boolean {
    return this.chains.every((chain) =>
      chain.next === chain.settled && (this.halted || chain.next >= chain.length)
    );
  }

  get ready(): number {
    return this.#ready(false).length;
  }

  get readyAlone(): number {
    return this.#ready(true).length;
  }

  get alone(): { readonly fresh: boolean } | undefined {
    return this.#ready(true)[0]?.alone;
  }

  release({ max, ready }: { readonly max: number; readonly ready: number }): LaneItem[] {
    const items = this.#ready(false).slice(0, Math.min(max, ready)).map((chain) => this.#item(chain));
    for (const chain of this.halted ? [] : this.chains) {
      if (chain.alone !== undefined || chain.next === chain.settled) continue;
      while (items.length < max && chain.next < chain.length) items.push(this.#item(chain));
    }
    return items;
  }

  mayHaveBegun(task: number): boolean {
    return this.chains[Math.floor(task / 100)]!.settled >= task % 100;
  }

  takeAlone(): LaneItem | undefined {
    const [chain] = this.#ready(true);
    return chain && this.#item(chain);
  }

  takeOwn(): undefined {
    return undefined;
  }

  takeKept(): undefined {
    return undefined;
  }

  commit(): void {}

  giveBack(items: readonly LaneItem[]): void {
    this.#ledger.gaveBack(items);
    for (const { task } of items) {
      const chain = this.chains[Math.floor(task / 100)]!;
      this.#ledger.is(chain.next === task % 100 + 1, `${task} is given back before what follows it`);
      chain.next--;
    }
  }

  /** What an outcome leads to; whether the run stops. */
  settle(item: LaneItem, outcome: LaneOutcome): boolean {
    this.#ledger.settled(item, outcome);
    const chain = this.chains[Math.floor(item.task / 100)]!;
    this.#ledger.is(chain.settled === item.task % 100, `${item.task} settles out of order`);
    if (outcome.outcome === "succeeded") chain.settled++;
    else {
      this.#ledger.is(chain.next === chain.settled + 1, `what follows ${item.task} was not given back`);
      if (chain.failed) chain.settled = chain.next = chain.length;
      else chain.next--;
      chain.failed = true;
      if (chain.fatal && outcome.outcome !== "cancelled") this.halted = true;
    }
    return this.halted;
  }

  #ready(alone: boolean): Chain[] {
    if (this.halted) return [];
    return this.chains.filter((chain) =>
      chain.next === chain.settled && chain.next < chain.length && (chain.alone !== undefined) === alone
    );
  }

  #item(chain: Chain): LaneItem {
    const { roll } = this.#world;
    const task = this.chains.indexOf(chain) * 100 + chain.next;
    const item = itemOf(this.#world, {
      name: `${KINDS[roll(KINDS.length)]}${++this.#count}`,
      task,
      behind: chain.next > chain.settled ? [task - 1] : [],
      awaited: chain.next + 1 < chain.length ? 1 : 0,
      fatal: chain.fatal,
      // Nothing follows from its failure but that it is tried again.
      calm: chain.length === 1 && !chain.fatal,
      timeoutMs: roll(3) === 0 ? 20 + roll(200) : undefined,
    });
    chain.next++;
    this.#ledger.offered(item);
    return item;
  }
}

/** A whole pool, with chains of tasks. */
async function pool(seed: number, deaths: number): Promise<void> {
  const ledger = new Ledger(seed);
  using world: World = new World({
    seed,
    deaths,
    often: 60,
    task: task(() => world, (name) => ledger.runs(name)),
  });
  ledger.threads = world.threads;
  const { clock, roll } = world;
  const chains = new Chains(world, ledger);
  const workers = 1 + roll(2);
  const pool: Pool = new Pool({
    workers,
    maxWorkers: workers + roll(2),
    killGraceMs: 100,
    clock,
    capacity: { ...ROOMY, clock },
    start: world.start,
    services: () => ({}),
    listener: {
      settled(_, item, outcome) {
        if (chains.settle(item, outcome)) pool.haltAll();
      },
      printed() {},
      progressed() {},
      replaced() {},
    },
  });
  world.outside(() => pool.begin(chains, { run: "run", width: 1 + roll(3), sources: [], sheet: NO_SHEET }));
  let cancelled = false;
  world.moves.push(
    () => roll(20) === 0 && pool.drain(),
    () => {
      if (roll(30) > 0) return;
      pool.pause(true);
      pool.pause(false);
    },
    () => {
      if (cancelled || roll(60) > 0) return;
      cancelled = chains.halted = true;
      pool.haltAll();
      pool.cancelAll("the test says so");
    },
  );
  await goOn(world, () => chains.over);
  if (!chains.over) world.outside(() => pool.cancelAll("the test ends"));
  await goOn(world, () => chains.over);
  ledger.is(chains.over, `it hangs: ${JSON.stringify(chains.chains)}`);
  let closed = false;
  world.outside(() => void pool.close().then(() => closed = true));
  await goOn(world, () => closed);
  ledger.is(closed && world.threads.every(({ told }) => told), "a thread is left");
  ledger.is(pool.lanes.length === 0, `${pool.lanes.length} lanes are left`);
  ledger.is(world.failure === undefined, world.failure ?? "");
  ledger.closed();
  clock.advance(20);
  ledger.is(clock.timers === 0, `${clock.timers} timers are left`);
}

test("interleaved: the workers of a pool run chains in order, each attempt once, and leave nothing", async () => {
  for (const seed of seeds(40)) await pool(seed, 0);
});

test("interleaved: … also when threads die at any step", async () => {
  for (const seed of seeds(60)) await pool(seed, 2);
});
