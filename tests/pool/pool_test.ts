/** A pool by the clock, with threads that are none: when it grows and shrinks, what it holds ready, how it stops and ends. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { Pace } from "../../src/pool/pace.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { PoolOptions, Supply } from "../../src/pool/port.ts";
import { newSeat, newShared } from "../../src/pool/seat.ts";
import { SLOTS } from "../../src/pool/ring/inbox.ts";
import { itemOf, NO_SHEET } from "./item.ts";
import { ROOMY, World } from "./threadless.ts";

interface Task {
  /** `v…` ends at once, `l…` when it is let, `t…` throws. */
  readonly name: string;
  readonly alone?: "idle" | "fresh";
  readonly fatal?: boolean;
  readonly calm?: boolean;
  /** It stands behind the one before it, and is not released before that. */
  readonly behind?: boolean;
}

/** A pool, what it is given, and what it tells. */
class Rig implements Supply {
  readonly world: World;
  readonly pool: Pool;
  readonly heard: string[] = [];
  readonly ran: string[] = [];
  readonly outcomes: LaneOutcome[] = [];
  commits = 0;
  readonly kept = [];
  readonly #tasks: Task[] = [];
  readonly #waiting: number[] = [];
  readonly #settled: Set<number> = new Set();

  /** @param asked Whether a worker is started before the run begins. */
  constructor(options: Partial<PoolOptions> = {}, width = 1, asked = false) {
    this.world = new World({ seed: 1, often: 0, task: (thread, name) => this.#run(thread, name) });
    this.pool = new Pool({
      workers: 1,
      maxWorkers: 4,
      killGraceMs: 100,
      clock: this.world.clock,
      capacity: { ...ROOMY, clock: this.world.clock },
      start: this.world.start,
      services: () => ({}),
      listener: {
        settled: (_, item, outcome) => {
          this.#settled.add(item.task);
          this.heard.push(`${outcome.outcome} ${this.#tasks[item.task]!.name}`);
          this.outcomes.push(outcome);
        },
        printed() {},
        progressed() {},
        replaced: (lane, wrong) => void this.heard.push(`replaced ${lane} ${wrong}`),
      },
      ...options,
    });
    if (asked) this.pool.first();
    this.pool.begin(this, { run: "run", width, sources: [], sheet: NO_SHEET });
    this.world.rest();
  }

  #run(thread: { later<T>(name: string, value: T): Promise<T> }, name: string): unknown {
    this.ran.push(name);
    if (name.startsWith("t")) throw new Error("thrown");
    return name.startsWith("l") ? thread.later(name, name) : name;
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }

  get lanes(): number {
    return this.pool.lanes.length;
  }

  get threads(): number {
    return this.world.threads.filter(({ dead }) => !dead).length;
  }

  add(...tasks: Task[]): void {
    for (const task of tasks) this.#waiting.push(this.#tasks.push(task) - 1);
    this.world.outside(() => this.pool.feed());
    this.world.rest();
  }

  /** Lets the first task that waits on a thread end. */
  async ends(thread: number): Promise<void> {
    await this.world.threads[thread]!.goOn(false);
    this.world.rest();
  }

  async close(): Promise<void> {
    const closed = this.pool.close();
    this.world.rest();
    await closed;
    assert.equal(this.threads, 0, "a thread is left");
    this.world.clock.advance(20);
    assert.equal(this.world.clock.timers, 0, "a timer is left");
    assert.equal(this.lanes, 0);
  }

  #line(alone: boolean): number[] {
    return this.#waiting.filter((task) => (this.#tasks[task]!.alone !== undefined) === alone);
  }

  get ready(): number {
    return this.#line(false).filter((task) => !this.#isBehind(task)).length;
  }

  get readyAlone(): number {
    return this.#line(true).length;
  }

  get alone(): { readonly fresh: boolean } | undefined {
    const [first] = this.#line(true);
    return first === undefined ? undefined : { fresh: this.#tasks[first]!.alone === "fresh" };
  }

  release({ max, ready }: { readonly max: number; readonly ready: number }): LaneItem[] {
    const free = this.#line(false).filter((task) => !this.#isBehind(task)).slice(0, Math.min(max, ready));
    const items = free.map((task) => this.#take(task));
    for (const task of this.#line(false)) {
      if (items.length >= max) break;
      if (this.#isBehind(task) && !this.#waiting.includes(task - 1)) items.push(this.#take(task));
    }
    return items;
  }

  mayHaveBegun(task: number): boolean {
    return !this.#isBehind(task);
  }

  #isBehind(task: number): boolean {
    return this.#tasks[task]!.behind === true && !this.#settled.has(task - 1);
  }

  takeAlone(): LaneItem | undefined {
    const [first] = this.#line(true);
    return first === undefined ? undefined : this.#take(first);
  }

  takeOwn(): undefined {
    return undefined;
  }

  takeKept(): undefined {
    return undefined;
  }

  commit(): void {
    this.commits++;
  }

  giveBack(items: readonly LaneItem[]): void {
    for (const { task } of items) {
      this.heard.push(`back ${this.#tasks[task]!.name}`);
      this.#waiting.unshift(task);
    }
  }

  #take(task: number): LaneItem {
    this.#waiting.splice(this.#waiting.indexOf(task), 1);
    const { name, fatal = false, calm } = this.#tasks[task]!;
    const payload = JSON.stringify({ s: 0, t: name });
    const behind = this.#isBehind(task) ? [task - 1] : [];
    const awaited = this.#tasks[task + 1]?.behind === true ? 1 : 0;
    return itemOf(task, { urgent: true, fatal, calm, behind, awaited, payload });
  }
}

test("pool: a lane gets what lasts a millisecond, five with its line, at least two and at most a thousand", () => {
  const pace = new Pace();
  assert.deepEqual([pace.queue, pace.line], [50, 250]);
  pace.took(2.02);
  assert.ok(Math.abs(pace.meanMs - 0.12) < 1e-9);
  assert.deepEqual([pace.queue, pace.line], [9, 42]);
  for (let count = 0; count < 500; count++) pace.took(1);
  assert.deepEqual([pace.queue, pace.line], [2, 6]);
  for (let count = 0; count < 900; count++) pace.took(0);
  assert.deepEqual([pace.queue, pace.line], [1_000, 1_000]);
});

test("pool: it starts as many workers as the run can use, up to the base, and one is there to be asked before", async () => {
  for (const [workers, width, expected] of [[2, 5, 2], [3, 2, 2], [2, 0, 0]] as const) {
    using rig = new Rig({ workers }, width);
    assert.equal(rig.lanes, expected);
    const first = rig.pool.first();
    assert.equal(rig.pool.first(), first);
    assert.equal(rig.lanes, Math.max(1, expected));
    rig.world.rest();
    await rig.close();
  }
});

test("pool: where a run has nothing for workers, the one that was there to be asked ends, and none is in reserve", async () => {
  using rig = new Rig({ workers: 2 }, 0, true);
  assert.equal(rig.world.threads.length, 1);
  assert.deepEqual([rig.threads, rig.lanes], [0, 0]);
  rig.world.passes(10_000, 10);
  assert.deepEqual([rig.world.threads.length, rig.heard], [1, []]);
  await rig.close();
});

test("pool: below the base a worker is started for each ready task at once, beyond it after 20 ms only", async () => {
  using rig = new Rig({ workers: 2, maxWorkers: 4 });
  assert.equal(rig.lanes, 1);
  rig.add({ name: "l1" }, { name: "l2" }, { name: "l3" }, { name: "l4" }, { name: "l5" });
  assert.equal(rig.lanes, 2);
  rig.world.passes(19);
  assert.equal(rig.lanes, 2);
  // Those of the base have begun meanwhile, so that it is looked once more whether they are stuck.
  rig.world.passes(60);
  assert.equal(rig.lanes, 4);
  rig.world.passes(100);
  assert.equal(rig.lanes, 4, "more than there may be");
  assert.equal(rig.ran.length, 4);
  await rig.ends(0);
  assert.deepEqual(rig.ran.toSorted(), ["l1", "l2", "l3", "l4", "l5"]);
  await rig.close();
});

test("pool: while a worker starts, no more are started, and there are as many as there is to do", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 10 });
  rig.add(...Array.from({ length: 9 }, (_, at) => ({ name: `l${at}` })));
  assert.equal(rig.lanes, 1);
  rig.world.passes(300);
  assert.equal(rig.lanes, 9);
  assert.equal(rig.ran.length, 9);
  await rig.close();
  using slow = new Rig({ workers: 1, maxWorkers: 10 });
  slow.add(...Array.from({ length: 9 }, (_, at) => ({ name: `l${at}` })));
  slow.world.passes(19);
  // The new thread does nothing yet.
  for (let count = 0; count < 10; count++) slow.world.outside(() => slow.world.clock.advance(20));
  assert.equal(slow.lanes, 4, "one round");
  await slow.close();
});

test("pool: what waits behind a task that takes long runs elsewhere", async () => {
  using rig = new Rig({ workers: 2, maxWorkers: 2 }, 2);
  rig.add({ name: "l1" }, { name: "l2" }, { name: "v3" }, { name: "v4" });
  assert.deepEqual(rig.ran, ["l1", "l2"]);
  await rig.ends(1);
  assert.deepEqual(rig.ran.toSorted(), ["l1", "l2", "v3", "v4"]);
  await rig.ends(0);
  assert.deepEqual(rig.heard.filter((what) => what.startsWith("succeeded")).length, 4);
  await rig.close();
});

test("pool: lanes beyond the base end after 10 s of nothing to do, those of the base stay", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 3 });
  rig.add({ name: "l1" }, { name: "l2" }, { name: "l3" });
  rig.world.passes(120);
  assert.equal(rig.lanes, 3);
  await rig.ends(0);
  await rig.ends(1);
  rig.world.passes(9_000, 50);
  assert.equal(rig.lanes, 3);
  rig.world.passes(12_000, 50);
  assert.equal(rig.lanes, 1);
  assert.deepEqual(rig.heard.filter((what) => what.startsWith("replaced")), [], "nobody was lost");
  await rig.ends(2);
  rig.world.passes(30_000, 100);
  assert.equal(rig.lanes, 1);
  await rig.close();
});

test("pool: where there are no more lanes than the base and nothing to do, nothing is timed", async () => {
  using rig = new Rig({ workers: 2, maxWorkers: 2 }, 2);
  rig.world.passes(3_000, 50);
  assert.deepEqual([rig.lanes, rig.world.clock.timers], [2, 0]);
  await rig.close();
});

test("pool: a lane beyond the base that is at work does not end, however long that takes", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 3 });
  rig.add({ name: "l1" }, { name: "l2" });
  rig.world.passes(60);
  assert.equal(rig.lanes, 2);
  rig.world.passes(35_000, 500);
  assert.deepEqual([rig.lanes, rig.ran.length], [2, 2]);
  await rig.ends(0);
  await rig.ends(1);
  rig.world.passes(9_000, 500);
  assert.equal(rig.lanes, 2, "nothing to do for less than 10 s");
  rig.world.passes(15_000, 500);
  assert.equal(rig.lanes, 1);
  await rig.close();
});

test("pool: after 2 s one worker is in reserve, takes the place of one that is lost, and ends with the pool", async () => {
  using rig = new Rig();
  rig.world.passes(1_999, 10);
  assert.equal(rig.threads, 1);
  rig.world.passes(1);
  assert.deepEqual([rig.threads, rig.lanes], [2, 1]);
  rig.add({ name: "l1" });
  rig.world.threads[0]!.dies({ memory: true });
  rig.world.rest();
  assert.deepEqual(rig.heard, ["crashed l1", "replaced 1 undefined"]);
  assert.deepEqual([rig.threads, rig.lanes], [1, 1]);
  rig.add({ name: "v2" });
  assert.deepEqual(rig.ran, ["l1", "v2"]);
  rig.world.passes(2_000, 10);
  assert.deepEqual([rig.threads, rig.lanes], [2, 1]);
  await rig.close();
});

test("pool: a reserve that is lost is told of, and is nobody's lane", async () => {
  using rig = new Rig();
  rig.world.passes(2_000, 10);
  rig.world.threads[1]!.dies({ memory: false });
  rig.world.rest();
  assert.deepEqual([rig.threads, rig.lanes], [1, 1]);
  assert.deepEqual(rig.heard, ["replaced 2 undefined"]);
  await rig.close();
});

test("pool: a fresh task gets a worker that has run nothing, the reserve first, and its worker ends with it", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 2 });
  rig.add({ name: "v1" });
  rig.world.passes(2_000, 10);
  assert.equal(rig.threads, 2);
  rig.add({ name: "l2", alone: "fresh" });
  assert.deepEqual(rig.ran, ["v1", "l2"]);
  assert.equal(rig.threads, 2, "none was started for it");
  assert.equal(rig.lanes, 2);
  rig.add({ name: "l" }, { name: "v" });
  assert.deepEqual(rig.ran, ["v1", "l2", "l"], "nothing joins a fresh task on its worker");
  await rig.ends(0);
  await rig.ends(1);
  assert.deepEqual([rig.threads, rig.lanes], [1, 1]);
  assert.ok(rig.ran.includes("v"));
  assert.ok(!rig.heard.some((what) => what.startsWith("replaced")));
  // Where there can be no more, an idle one makes room.
  rig.add({ name: "l3", alone: "fresh" }, { name: "l4", alone: "fresh" });
  rig.world.passes(5);
  assert.equal(rig.lanes, 2);
  const before = rig.world.threads.length;
  await rig.ends(before - 1);
  await rig.ends(before - 2);
  rig.world.passes(5);
  assert.ok(rig.ran.includes("l3") && rig.ran.includes("l4"));
  await rig.close();
});

test("pool: a task that wants a lane to itself comes before all that hangs on the board, and is committed before", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "l1" });
  rig.add({ name: "v2" }, { name: "v3" });
  const before = rig.commits;
  rig.add({ name: "v4", alone: "idle" });
  assert.equal(rig.commits, before + 2, "once for what was told, once for what is offered");
  assert.deepEqual(rig.ran, ["l1"]);
  await rig.ends(0);
  assert.deepEqual(rig.ran, ["l1", "v4", "v2", "v3"]);
  await rig.close();
});

test("pool: what waits behind a task that goes on runs on the first worker that has nothing to do", async () => {
  using rig = new Rig({ workers: 2, maxWorkers: 2 }, 2);
  rig.add({ name: "l1" }, { name: "l2" });
  rig.add({ name: "v3", alone: "idle" });
  assert.deepEqual(rig.ran.toSorted(), ["l1", "l2"]);
  await rig.ends(1);
  assert.deepEqual(rig.ran.toSorted(), ["l1", "l2", "v3"]);
  await rig.close();
});

test("pool: one that finds no room on a lane without anything to do, as what was taken back lies there, is not lost", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  const [lane] = rig.pool.lanes;
  // Taken back before its worker could pass any of it.
  const items = Array.from({ length: SLOTS }, (_, task) => itemOf(task, { payload: '{"s":0,"t":"v"}' }));
  assert.equal(lane!.offer(items).length, 0);
  assert.equal(lane!.revoke().length, SLOTS);
  const tasks = { name: "v1", alone: "idle" } as const;
  rig.add(tasks);
  rig.world.passes(500, 10);
  assert.deepEqual(rig.heard.at(-1), "succeeded v1");
  await rig.close();
});

test("pool: a fatal failure halts the other workers before anybody has read of it, and halting takes back what never began", async () => {
  using rig = new Rig({ workers: 2, maxWorkers: 2 }, 2);
  rig.add({ name: "l1" }, { name: "l2" }, { name: "v3" }, { name: "v4" });
  assert.deepEqual(rig.ran, ["l1", "l2"]);
  const halt = rig.world.threads[0]!.data.halt;
  assert.equal(halt, rig.world.threads[1]!.data.halt);
  Atomics.store(halt, 0, 1);
  await rig.world.threads[1]!.goOn(false);
  assert.deepEqual(rig.ran, ["l1", "l2"], "the other one goes on");
  rig.pool.haltAll();
  rig.world.rest();
  rig.world.passes(3_000, 20);
  assert.deepEqual(rig.ran, ["l1", "l2"]);
  assert.equal(Atomics.load(halt, 0), 1);
  assert.ok(rig.heard.includes("back v3") && rig.heard.includes("back v4"));
  await rig.close();
});

test("pool: a halt that no failure follows is lifted after a second, and the workers are woken", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "l1" }, { name: "v2" }, { name: "v3" });
  Atomics.store(rig.world.threads[0]!.data.halt, 0, 1);
  await rig.ends(0);
  rig.world.passes(700, 10);
  assert.deepEqual(rig.ran, ["l1"]);
  rig.world.passes(800, 10);
  assert.deepEqual(rig.ran, ["l1", "v2", "v3"]);
  await rig.close();
});

test("pool: what is fatal stops its own line at its failure, and no other outcome does", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "v1", fatal: true }, { name: "t2" }, { name: "v3" });
  assert.deepEqual(rig.ran, ["v1", "t2", "v3"]);
  assert.equal(Atomics.load(rig.world.threads[0]!.data.halt, 0), 0);
  rig.add({ name: "t4", fatal: true }, { name: "v5" });
  assert.equal(rig.ran.at(-1), "t4");
  assert.equal(Atomics.load(rig.world.threads[0]!.data.halt, 0), 1);
  await rig.close();
});

test("pool: after a failure that nothing follows from, a worker has no leave too many, nor one too few", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  const calm = true;
  rig.add({ name: "t1", calm }, { name: "t2", calm }, { name: "t3" }, { name: "v4" });
  assert.deepEqual(rig.ran, ["t1", "t2", "t3", "v4"]);
  rig.add({ name: "t5", alone: "idle", calm }, { name: "t6", alone: "idle" }, { name: "v7" });
  assert.deepEqual(rig.heard.slice(-3).sort(), ["failed t5", "failed t6", "succeeded v7"]);
  await rig.close();
});

test("pool: paused, it starts nothing and takes back what has not begun; then it goes on", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "l1" }, { name: "v2" });
  rig.pool.pause(true);
  assert.deepEqual(rig.heard, ["back v2"]);
  await rig.ends(0);
  rig.add({ name: "v3" });
  rig.world.passes(300, 10);
  assert.deepEqual(rig.ran, ["l1"]);
  rig.pool.pause(false);
  rig.world.rest();
  assert.deepEqual(rig.ran, ["l1", "v2", "v3"]);
  await rig.close();
});

test("pool: a cancel reaches what runs, and what begins just then", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "l1" });
  rig.pool.cancelAll("enough");
  rig.world.rest();
  rig.world.passes(200, 10);
  assert.deepEqual(rig.outcomes.map(({ outcome, because }) => [outcome, because]), [["cancelled", "enough"]]);
  rig.add({ name: "l2" });
  rig.world.passes(300, 10);
  assert.equal(rig.outcomes[1]?.outcome, "cancelled");
  await rig.close();
});

test("pool: a worker that was started early is the first one, and its halt is the run's", async () => {
  const world = new World({ seed: 1, often: 0, task: () => undefined });
  const shared = newShared();
  const early = newSeat(1, { shared, seat: 1, clock: world.clock, start: world.start });
  using rig = new Rig({ early });
  world[Symbol.dispose]();
  assert.equal(rig.world.threads.length, 0);
  assert.equal(rig.pool.first().id, 1);
  rig.pool.haltAll();
  assert.equal(Atomics.load(shared.halt, 0), 1);
  const closed = rig.pool.close();
  world.rest();
  await closed;
});

test("pool: outcomes that nobody rings for are read all the same, every 50 ms", async () => {
  using rig = new Rig({ workers: 1, maxWorkers: 1 });
  rig.add({ name: "l1" });
  const [lane] = rig.pool.lanes;
  let reads = 0;
  const drain = lane!.drain.bind(lane!);
  lane!.drain = () => {
    reads++;
    return drain();
  };
  rig.world.passes(45);
  assert.equal(reads, 0);
  rig.world.passes(1_000);
  assert.ok(reads >= 19 && reads <= 21, `${reads} reads in 1 s`);
  await rig.close();
});

test("pool: closed, it hands out nothing, whatever is ready", async () => {
  using rig = new Rig();
  rig.add({ name: "l1" });
  await rig.close();
  rig.add({ name: "v2" });
  assert.deepEqual(rig.ran, ["l1"]);
  assert.equal(rig.world.clock.timers, 0);
  assert.deepEqual(rig.heard, ["crashed l1"], "nothing is replaced");
});

test("pool: closed, it starts no worker to be asked either, as what is still being read may want one", async () => {
  using rig = new Rig();
  await rig.close();
  const started = rig.world.threads.length;
  assert.throws(() => rig.pool.first(), /The run has ended: no worker is started any more/);
  assert.equal(rig.world.threads.length, started);
});
