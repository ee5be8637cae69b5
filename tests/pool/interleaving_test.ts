/**
 * A lane and its worker's line under every order of steps that seeds come to: claim against revoke, offers against sleep,
 * outcomes against death, a deadline against the end. Each attempt is settled once or given back, never both, never neither.
 */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { Lane } from "../../src/pool/lane.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Supply } from "../../src/pool/port.ts";
import { haltCell, newSeat } from "../../src/pool/seat.ts";
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
  state: "offered" | "given back" | "settled";
  outcome?: LaneOutcome;
}

/** Keeps what becomes of offers, and holds them to the contract as they come. */
class Ledger {
  readonly offers: Map<string, Told> = new Map();
  readonly ran: Set<string> = new Set();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  offered(item: LaneItem): void {
    const name = nameOf(item);
    this.is(!this.offers.has(name), `${name} was offered twice`);
    this.offers.set(name, { name, state: "offered" });
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
    this.is(this.offers.get(name)?.state === "offered", `${name} ran, which is not offered`);
    this.ran.add(name);
  }

  /** Nothing is open any more, and what had been written before a thread died counts. */
  closed(threads: readonly Threadless[]): void {
    for (const name of threads.flatMap(({ written }) => written)) {
      const { outcome } = this.offers.get(name)!;
      this.is(
        outcome !== undefined && outcome.outcome !== "crashed",
        `${name} told its outcome, which is lost`,
      );
    }
    for (const { name, state } of this.offers.values()) this.is(state !== "offered", `${name} is lost`);
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
function itemOf(world: World, { name, task, timeoutMs, follows = false, fatal = false }: {
  readonly name: string;
  readonly task: number;
  readonly timeoutMs?: number | undefined;
  readonly follows?: boolean;
  readonly fatal?: boolean;
}): LaneItem {
  const long = world.roll(12) === 0 ? 40_000 : world.roll(40) === 0 ? 6_000 : world.roll(40);
  const p = { text: CHARACTERS[world.roll(4)]!.repeat(long) };
  return {
    task,
    iteration: 0,
    attempt: 1,
    urgent: world.roll(3) === 0,
    fatal,
    follows,
    timeoutMs,
    payload: JSON.stringify({ s: 0, t: name, p }),
  };
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

/** One lane, offered and taken back from at random. */
async function lane(seed: number, deaths: number): Promise<void> {
  const ledger = new Ledger(seed);
  using world: World = new World({ seed, deaths, task: task(() => world, (name) => ledger.runs(name)) });
  const { clock, roll } = world;
  const seat = newSeat(1, { halt: haltCell(), clock, start: world.start });
  let left: readonly LaneItem[] | undefined;
  const lane = new Lane({
    seat,
    clock,
    killGraceMs: 100,
    services: () => ({}),
    listener: {
      began() {},
      settled(lane, item, outcome) {
        if (outcome.outcome !== "succeeded") ledger.gaveBack(lane.revoke());
        ledger.settled(item, outcome);
        if (outcome.outcome !== "succeeded") lane.release();
      },
      printed() {},
      progressed() {},
      told() {},
      ended(_, given) {
        ledger.gaveBack(given);
        left = given;
      },
    },
  });
  let count = 0;
  const offer = () => {
    if (count >= 60 || !lane.warm) return;
    const items = Array.from({ length: 1 + roll(6) }, (_, at) =>
      itemOf(world, {
        name: `${KINDS[roll(KINDS.length)]}${++count}`,
        task: count,
        timeoutMs: roll(3) === 0 ? 20 + roll(200) : undefined,
        follows: at > 0 && roll(2) === 0,
      }));
    items.forEach((item) => ledger.offered(item));
    ledger.gaveBack(lane.offer(items));
  };
  world.moves.push(
    offer,
    offer,
    offer,
    () => void lane.drain(),
    () => void lane.drain(),
    () => roll(3) === 0 && ledger.gaveBack(lane.revoke()),
    () => ledger.gaveBack(lane.revokeTail()),
    () => roll(10) === 0 && lane.abort("cancelled", "the test says so"),
    () => lane.inquire(clock.monotonic()),
  );
  await goOn(world, () => left !== undefined || count >= 60 && lane.outstanding === 0);
  // What is left has a time to end.
  world.moves.length = 0;
  world.moves.push(() => lane.abort("cancelled", "the test ends"), () => void lane.drain());
  await goOn(world, () => left !== undefined || lane.outstanding === 0);
  world.outside(() => void lane.end());
  await goOn(world, () => left !== undefined);
  ledger.is(left !== undefined, "the thread did not end");
  ledger.is(lane.wrong === undefined || deaths > 0, `its program is refused: ${lane.wrong}`);
  ledger.is(world.failure === undefined, world.failure ?? "");
  ledger.closed(world.threads);
  clock.advance(20);
  ledger.is(clock.timers === 0, `${clock.timers} timers are left`);
}

test("interleaved: each attempt of a lane is settled once or given back, and never both", async () => {
  for (const seed of seeds(40)) await lane(seed, 0);
});

test("interleaved: … also when its thread dies at any step", async () => {
  for (const seed of seeds(80)) await lane(seed, 15);
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

  take(_lane: number, { max, ready }: { readonly max: number; readonly ready: number }): LaneItem[] {
    const items: LaneItem[] = [];
    for (const chain of this.#ready(false).slice(0, ready)) {
      while (items.length < max && chain.next < chain.length) items.push(this.#item(chain));
    }
    return items;
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

  extend(_lane: number, { last, max }: { readonly last: number; readonly max: number }): LaneItem[] {
    const chain = this.chains[Math.floor(last / 100)]!;
    const items: LaneItem[] = [];
    if (this.halted || chain.alone || chain.next !== last % 100 + 1) return items;
    while (items.length < max && chain.next < chain.length) items.push(this.#item(chain));
    return items;
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
    const item = itemOf(this.#world, {
      name: `${KINDS[roll(KINDS.length)]}${++this.#count}`,
      task: this.chains.indexOf(chain) * 100 + chain.next,
      follows: chain.next > chain.settled,
      fatal: chain.fatal,
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
  world.outside(() => pool.begin(chains, { run: "run", width: 1 + roll(3), sources: [] }));
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
  ledger.closed(world.threads);
  clock.advance(20);
  ledger.is(clock.timers === 0, `${clock.timers} timers are left`);
}

test("interleaved: the workers of a pool run chains in order, each attempt once, and leave nothing", async () => {
  for (const seed of seeds(40)) await pool(seed, 0);
});

test("interleaved: … also when threads die at any step", async () => {
  for (const seed of seeds(60)) await pool(seed, 8);
});
