/**
 * The board and the hands of its workers, without threads, lanes or lines, so that very many random plans fit into a moment:
 * between any two steps on shared memory others may go on, and a worker may die. The real schedule is the oracle: what workers
 * start by themselves is what it allows, and the final outcomes are those of the contract.
 */
import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import type { Outcome, RunState } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { LaneItem } from "../../src/pool/attempt.ts";
import { Board } from "../../src/pool/board/board.ts";
import { Hand } from "../../src/pool/board/hand.ts";
import { boardMemory, LINKS, SLOTS, SOME_READY } from "../../src/pool/board/memory.ts";
import { SHARED_VALUE_BYTES, SharedValues } from "../../src/pool/board/shared_values.ts";
import { atoms } from "../../src/pool/ring/atoms.ts";
import type { Claimed } from "../../src/pool/ring/inbox.ts";
import { type Command, type Dispatch, type Replayed, Standing } from "../../src/schedule/command.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { Inbox } from "../../src/run/inbox.ts";
import { type Dice, dice } from "../schedule/dice.ts";
import { checkLaws } from "../schedule/laws.ts";
import { NOT_SO } from "../schedule/oracle.ts";
import { drawnPlan } from "../schedule/pipelines.ts";
import { SEED } from "../seed.ts";
import { itemOf } from "./item.ts";

type Ran = Exclude<Outcome, "skipped">;

/** Ends the code of a worker that is dead. */
class Dead extends Error {}

const LANE = 0, ALONE = 99;
const WORKERS = 3;
const MOST_STEPS = 20_000;

/** What a worker has told, and nobody has read. */
interface Told {
  readonly seq: number;
  readonly outcome: Ran;
}

/** A worker: its hand, and what it runs. */
class Worker {
  readonly seat: number;
  readonly hand: Hand;
  readonly told: Told[] = [];
  current = 0;
  dead = false;
  running: Claimed | undefined;

  constructor(memory: ReturnType<typeof boardMemory>, seat: number) {
    this.seat = seat;
    this.hand = new Hand(memory, {
      seat,
      own: {
        open: true,
        looks: () => void (this.current = -1),
        runs: (seq) => void (this.current = seq),
        done: () => void (this.current = 0),
      },
    });
  }
}

/** What may happen besides the ordinary. */
interface Perils {
  readonly deaths: boolean;
  readonly stops: boolean;
}

/** One run of one plan. */
class Bench {
  readonly #plan: Plan;
  readonly #roll: Dice;
  readonly #inbox: Inbox<Command> = new Inbox((command) => this.#do(command));
  readonly #perils: Perils;
  readonly #memory = MEMORY;
  readonly #board: Board;
  readonly #values: SharedValues;
  readonly #schedule: Schedule;
  #workers: Worker[];
  readonly #journal: Replayed[] = [];
  readonly #delays: Set<number> = new Set();
  readonly #stack: (Worker | "executor")[] = [];
  /** Attempts that have begun, by task, iteration and attempt. */
  readonly #begun: Set<string> = new Set();
  /** Tasks whose present iteration has succeeded, told or not, with their values. */
  readonly #succeeded: Map<string, string> = new Map();
  /** Alone on a lane of their own. */
  readonly #alone: Dispatch[] = [];
  #halted = false;
  #stoppedAt: number | undefined;
  #state: RunState | undefined;

  constructor(plan: Plan, roll: Dice, perils: Perils) {
    this.#plan = plan;
    this.#roll = roll;
    this.#perils = perils;
    this.#memory.cells.fill(0);
    // As many places as a plan has tasks, and more.
    new Int32Array(this.#memory.values, 0, 16 * 256).fill(0);
    this.#board = new Board(this.#memory);
    this.#values = new SharedValues(this.#memory.values);
    this.#schedule = new Schedule(plan);
    this.#workers = Array.from({ length: WORKERS }, (_, at) => new Worker(this.#memory, at + 1));
  }

  run(): void {
    between = () => this.#between();
    this.#obey(this.#schedule.start());
    for (let step = 0; this.#state === undefined; step++) {
      assert.ok(step < MOST_STEPS, `it hangs: ${JSON.stringify(this.#standings())}`);
      this.#act();
    }
    between = undefined;
    assert.equal(this.#board.size, 0, "something is left on the board");
    this.#checkRoom();
    checkLaws({ plan: this.#plan, journal: this.#journal, state: this.#state!, stoppedAt: this.#stoppedAt });
  }

  /** All slots and links can be used again, once all workers have gone on. */
  #checkRoom(): void {
    for (const worker of this.#workers) {
      if (worker.dead) this.#board.bury(worker.seat);
      else worker.current = 0;
    }
    this.#board.offer([]);
    assert.deepEqual([this.#board.room, this.#board.linkRoom], [SLOTS, LINKS]);
  }

  #standings(): unknown {
    return this.#plan.tasks.map(({ name, index }) => [name, this.#schedule.standing(index)]);
  }

  /** Between two steps of one side others may go on, or the worker dies. */
  #between(): void {
    const side = this.#stack.at(-1);
    if (side instanceof Worker && side.dead) throw new Dead();
    if (this.#stack.length > 0 && this.#stack.length < 4 && this.#roll(100) < 12) this.#act();
    if (side instanceof Worker && side.dead) throw new Dead();
  }

  #act(): void {
    const { deaths } = this.#perils;
    if (deaths && this.#roll(60) === 0) this.#workers[this.#roll(WORKERS)]!.dead = true;
    const workers = this.#workers.filter((worker) => !worker.dead && !this.#stack.includes(worker));
    const mayLead = !this.#stack.includes("executor");
    const choice = this.#roll(workers.length + (mayLead ? 2 : 0));
    if (choice < workers.length) this.#on(workers[choice]!, () => this.#work(workers[choice]!));
    else if (mayLead) this.#on("executor", () => this.#lead());
  }

  #on(side: Worker | "executor", act: () => void): void {
    this.#stack.push(side);
    try {
      act();
    } catch (error) {
      if (!(error instanceof Dead)) throw error;
    } finally {
      this.#stack.pop();
    }
  }

  #work(worker: Worker): void {
    if (worker.running === undefined) {
      if (this.#halted) return;
      const claimed = worker.hand.claim(() => 0);
      if (claimed === undefined) return;
      worker.running = claimed;
      this.#begins(claimed, worker);
      if (this.#roll(3) === 0) return;
    }
    const claimed = worker.running;
    worker.running = undefined;
    const outcome = anOutcome(this.#roll);
    const { seq, task, iteration, attempt } = claimed;
    const value = `${task}/${iteration}/${attempt}`;
    if (outcome === "succeeded") this.#succeeded.set(`${task}/${iteration}`, value);
    else if ((claimed.flags & 2) !== 0 && outcome !== "cancelled") this.#halted = true;
    worker.told.push({ seq, outcome });
    if (outcome === "succeeded") worker.hand.finish(claimed, value);
    worker.current = 0;
  }

  /** What begins must be startable, and finds the values that it needs as they are, or none. */
  #begins({ task, iteration, attempt }: Claimed, worker: Worker): void {
    const key = `${task}/${iteration}/${attempt}`;
    assert.ok(!this.#begun.has(key), `${key} began twice`);
    this.#begun.add(key);
    const { needs, join, name } = this.#plan.tasks[task]!;
    for (const need of needs) {
      const at = `${need.task}/${this.#schedule.iteration(need.task)}`;
      const value = this.#succeeded.get(at);
      const settled = this.#schedule.standing(need.task) === Standing.settled;
      assert.ok(
        value !== undefined || settled || join === "any",
        `${name} began before its need ${at} had ended`,
      );
      const left = worker.hand.value(need.task, this.#schedule.iteration(need.task));
      if (left !== undefined) assert.equal(left.text, value, `${name} was given another value of ${at}`);
    }
  }

  #lead(): void {
    const schedule = this.#schedule;
    const acts = [() => this.#drain(), () => this.#drain(), () => this.#release(), () => this.#bury()];
    if (schedule.readyAloneCount > 0) acts.push(() => this.#takeAlone());
    if (this.#alone.length > 0) acts.push(() => this.#settleAlone());
    for (const task of this.#delays) acts.push(() => this.#due(task));
    if (this.#roll(30) === 0) acts.push(() => this.#giveBack(this.#board.takeAll()));
    if (this.#perils.stops && this.#stoppedAt === undefined && this.#roll(40) === 0) {
      acts.push(() => this.#stop());
    }
    acts[this.#roll(acts.length)]!();
  }

  #release(): void {
    const max = 1 + this.#roll(8);
    const released = this.#schedule.release(LANE, { max, ready: this.#roll(max + 1) });
    for (const { task, iteration, attempt } of released) {
      assert.equal(this.#stoppedAt, undefined, "released after a stop");
      this.#journal.push({ task, iteration, attempt });
    }
    const left = this.#board.offer(released.map((dispatch) => this.#itemOf(dispatch)));
    assert.equal(left.length, 0);
  }

  #itemOf(dispatch: Dispatch): LaneItem {
    const { rank } = this.#plan.tasks[dispatch.task]!;
    return { ...dispatch, rank, timeoutMs: undefined, payload: "{}" };
  }

  /** Reads what workers have told: what is not due waits for what others have told, and is due then. */
  #drain(): void {
    for (;;) {
      const waiting = this.#workers.filter((worker) => !this.#readAll(worker));
      if (waiting.length === 0) return;
      const before = this.#journal.length;
      const open = waiting.filter((worker) => !this.#readAll(worker));
      for (const worker of this.#workers) this.#readAll(worker);
      if (open.length > 0 && this.#journal.length === before) {
        assert.ok(this.#readAll(open[0]!), "it was told before what it needs");
      }
    }
  }

  /** Whether all that a worker has told could be taken. */
  #readAll(worker: Worker): boolean {
    for (let told = worker.told[0]; told !== undefined; told = worker.told[0]) {
      const item = this.#board.get(told.seq);
      assert.ok(
        item !== undefined && this.#board.claimed(worker.seat, told.seq) === item,
        "nobody knows what was told",
      );
      if (!this.#schedule.mayHaveBegun(item.task)) return false;
      worker.told.shift();
      this.#settle(worker, item, told);
    }
    return true;
  }

  #settle(worker: Worker, item: LaneItem, { seq, outcome }: Told): void {
    this.#giveBack(this.#board.settle(seq, outcome === "succeeded", worker));
    this.#outcome(item, outcome);
  }

  #outcome(
    { task, iteration, attempt }: Pick<LaneItem, "task" | "iteration" | "attempt">,
    outcome: Ran,
  ): void {
    this.#journal.push({ task, iteration, attempt, outcome });
    this.#watchStop(() => this.#schedule.settle(task, outcome));
  }

  /** Dead workers get successors, each on the seat that is free. */
  #bury(): void {
    for (const worker of this.#workers) {
      if (!worker.dead || this.#stack.includes(worker)) continue;
      this.#drain();
      for (const seq of this.#board.claims(worker.seat)) {
        this.#settle(worker, this.#board.get(seq)!, { seq, outcome: "crashed" });
      }
      this.#giveBack(this.#board.bury(worker.seat));
      this.#workers = this.#workers.map((each) =>
        each === worker ? new Worker(this.#memory, worker.seat) : each
      );
    }
  }

  #takeAlone(): void {
    const dispatch = this.#schedule.takeAlone(ALONE)!;
    const { task, iteration, attempt } = dispatch;
    this.#journal.push({ task, iteration, attempt });
    this.#alone.push(dispatch);
  }

  #settleAlone(): void {
    const dispatch = this.#alone.shift()!;
    const outcome = anOutcome(this.#roll);
    const { task, iteration, attempt } = dispatch;
    if (outcome === "succeeded") {
      this.#succeeded.set(`${task}/${iteration}`, `${task}/${iteration}/${attempt}`);
    }
    this.#outcome(dispatch, outcome);
  }

  #due(task: number): void {
    this.#delays.delete(task);
    this.#obey(this.#schedule.due(task));
  }

  #stop(): void {
    if (this.#schedule.ended) return;
    this.#journal.push({ stopped: "the owner came home" });
    this.#watchStop(() => this.#schedule.stop("the owner came home"));
  }

  #watchStop(act: () => readonly Command[]): void {
    const commands = act();
    if (this.#schedule.stopped !== undefined) this.#stoppedAt ??= this.#journal.length - 1;
    this.#obey(commands);
  }

  #giveBack(items: readonly LaneItem[]): void {
    for (const { task, iteration, attempt } of items) {
      assert.ok(!this.#begun.has(`${task}/${iteration}/${attempt}`), "what has begun was given back");
      this.#obey(this.#schedule.giveBack(task));
    }
  }

  #obey(commands: readonly Command[]): void {
    this.#inbox.take(commands);
  }

  #do(command: Command): void {
    if (command.type === "record") this.#record(command);
    else if (command.type === "delay") this.#delays.add(command.task);
    else if (command.type === "decide") {
      this.#obey(this.#schedule.decided(command.task, this.#roll(3) === 0 ? NOT_SO : undefined));
    } else if (command.type === "revoke") {
      this.#halted = true;
      this.#delays.clear();
      this.#giveBack(this.#board.takeAll());
    } else if (command.type === "borrow") this.#obey(this.#schedule.lent(command.task));
    else if (command.type === "end") this.#state = command.state;
  }

  #record({ type: _, ...record }: Extract<Command, { type: "record" }>): void {
    this.#journal.push(record);
  }
}

function anOutcome(roll: Dice): Ran {
  const at = roll(20);
  return at < 15 ? "succeeded" : at < 18 ? "failed" : at < 19 ? "timed_out" : "crashed";
}

/** Made once: to clear its cells costs less than to make it. */
const MEMORY = boardMemory(SHARED_VALUE_BYTES);
/** Called between any two steps on shared memory. */
let between: (() => void) | undefined;

/** Lets others come between the steps of whatever is done meanwhile. */
function interleaved(act: () => void): void {
  const real = { ...atoms };
  for (const name of ["load", "store", "add", "and", "or", "exchange", "compareExchange"] as const) {
    const step = real[name] as (...args: unknown[]) => unknown;
    Object.assign(atoms, {
      [name]: (...args: unknown[]) => {
        between?.();
        const result = step(...args);
        between?.();
        return result;
      },
    });
  }
  try {
    act();
  } finally {
    between = undefined;
    Object.assign(atoms, real);
  }
}

const PLANS = Number(process.env["OUTRIDER_TEST_PLANS"] ?? 12_000);

/** Runs very many plans. The seed of one that fails is told. */
function holds(perils: Perils, salt: number): void {
  interleaved(() => {
    for (let count = 0; count < PLANS; count++) {
      const seed = SEED * 31 + salt * 1_000_003 + count;
      const roll = dice(seed);
      try {
        new Bench(drawnPlan(roll), roll, perils).run();
      } catch (error) {
        throw new Error(`Plan ${count} of seed ${SEED}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

test("board: random plans come to what the contract says, whatever comes between two steps", () => {
  holds({ deaths: false, stops: false }, 1);
});

test("board: … also when workers die at any step", () => holds({ deaths: true, stops: false }, 2));

test("board: … and when the run is asked to stop", () => holds({ deaths: true, stops: true }, 3));

test("board: what is there without a note of it is found by who is about to block, and can then be claimed", () => {
  const memory = boardMemory(SHARED_VALUE_BYTES);
  const { hand } = new Worker(memory, 1);
  assert.deepEqual(new Board(memory).offer([itemOf(0)]), []);
  atoms.store(memory.cells, SOME_READY, 0);
  assert.equal(hand.claim(() => 0), undefined);
  assert.ok(hand.finds());
  assert.equal(hand.claim(() => 0)?.task, 0);
  assert.ok(!hand.finds());
});

test("board: a value is left for those that are hung behind its task once that has ended", () => {
  const memory = boardMemory(SHARED_VALUE_BYTES);
  const { hand } = new Worker(memory, 1);
  const board = new Board(memory);
  // One that nobody waits for, two whose dependents come later or one by one, and a chain.
  const items = [
    itemOf(0),
    itemOf(1, { awaited: 1 }),
    itemOf(2, { awaited: 2 }),
    itemOf(3, { behind: [2], few: true }),
    itemOf(4, { awaited: 1 }),
    itemOf(5, { behind: [4], few: true }),
  ];
  assert.deepEqual(board.offer(items), []);
  for (let claimed = hand.claim(() => 0); claimed !== undefined; claimed = hand.claim(() => 0)) {
    hand.finish(claimed, `${claimed.task}`);
  }
  const values = new SharedValues(memory.values);
  const left = items.map(({ task }) => values.get(task, 0)?.text);
  assert.deepEqual(left, [undefined, "1", "2", undefined, undefined, undefined]);
});
