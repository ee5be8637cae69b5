/**
 * Whole runs on workers that decide what comes next: the real schedule, pool, board and line over random plans, under every
 * order of steps that seeds come to, while threads die at any of them. What comes of a run is what the contract says for the
 * outcomes that its attempts had; nothing starts before its needs, nothing twice, nothing never.
 */
import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import fc from "fast-check";
import type { Journal } from "../../src/journal/journal.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { TaskContext } from "../../src/model/context.ts";
import { type RunState, satisfies } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { sheetMemory } from "../../src/pool/board/sheet.ts";
import { Pool } from "../../src/pool/pool.ts";
import { AtWork } from "../../src/run/at_work.ts";
import { sourcesOf } from "../../src/run/feed.ts";
import { Lists } from "../../src/run/lists.ts";
import { Recorder } from "../../src/run/recorder.ts";
import { historyOf, NOTHING_ANEW, recordedPast } from "../../src/run/resume/replay.ts";
import { Timers } from "../../src/run/timers.ts";
import { Values } from "../../src/run/values.ts";
import { type Replayed, Standing } from "../../src/schedule/command.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { checkLaws } from "../schedule/laws.ts";
import { plans } from "../schedule/pipelines.ts";
import { ROOMY, type Threadless, World } from "../pool/threadless.ts";

/** What may happen besides the ordinary. */
interface Perils {
  /** Of a thousand things that happen, how many are the end of a thread. */
  readonly deaths: number;
  readonly stops: boolean;
}

/** Steps after which a run that has not ended hangs. */
const MOST_STEPS = 60_000;

/** One run. */
class Released {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #schedule: Schedule;
  readonly #journal: Journal = memoryJournal();
  readonly #work: AtWork;
  readonly #pool: Pool;
  readonly #timers: Timers;
  /** Attempts that have begun, and those whose code has ended with success. */
  readonly #begun: Set<string> = new Set();
  readonly #succeeded: Map<string, { readonly iteration: number; readonly value: string }> = new Map();
  #wrong: string | undefined;
  /** The attempt whose outcome stopped the run. */
  #fatal: { readonly task: number; readonly iteration: number; readonly attempt: number } | undefined;

  constructor(plan: Plan, seed: number, perils: Perils) {
    this.#plan = plan;
    const world = this.#world = new World({
      seed,
      deaths: perils.deaths,
      often: 60,
      task: (thread, name, context) => this.#run(thread, name, context),
      value: (task, iteration) => {
        this.#pool.drain();
        return this.#work.value(task, iteration);
      },
    });
    const { clock, roll } = world;
    const schedule = this.#schedule = new Schedule(plan);
    const values = new Values(plan.tasks.length);
    const recorder = new Recorder({ plan, journal: this.#journal, clock, schedule });
    const lists = new Lists({ plan, values, clock });
    const timers = this.#timers = new Timers({ clock, random: () => roll(1_000) / 1_000 });
    const workers = 1 + roll(3);
    const pool = this.#pool = new Pool({
      workers,
      maxWorkers: workers + roll(2),
      killGraceMs: 100,
      clock,
      capacity: { ...ROOMY, clock },
      start: world.start,
      services: () => ({}),
      listener: {
        settled: (lane, item, outcome) => {
          const stopped = schedule.stopped !== undefined;
          // Its thread may have died between the end of its code and telling it.
          if (outcome.outcome !== "succeeded") this.#succeeded.delete(plan.tasks[item.task]!.name);
          this.#work.settled(lane, item, outcome);
          if (!stopped && schedule.stopped !== undefined) this.#fatal = item;
        },
        printed() {},
        progressed() {},
        replaced() {},
      },
    });
    this.#work = new AtWork({
      ...{ plan, schedule, values, lists, recorder, timers, clock, pool },
      lender: { borrow: (task) => this.#work.obey(schedule.lent(task)), giveBack: () => {} },
    });
    const { sources, sourceOf } = sourcesOf(plan);
    const sheet = sheetMemory(plan.tasks, sourceOf);
    this.#journal.append(
      { type: "run.started", run: "run", pipeline: plan.name, runtime: "none", plan: "" },
      clock.now(),
    );
    world.outside(() => {
      this.#work.obey(schedule.start());
      pool.begin(this.#work.supply(sourceOf), { run: "run", width: 1 + roll(4), sources, sheet });
    });
    world.moves.push(
      () => roll(20) === 0 && pool.drain(),
      () => {
        if (roll(40) > 0) return;
        pool.pause(true);
        pool.pause(false);
      },
      () => perils.stops && roll(150) === 0 && this.#work.stop("the test says so", 500),
    );
  }

  /** Carries it out and holds it to the laws. */
  async carryOut(): Promise<void> {
    const world = this.#world;
    let state: RunState | undefined;
    void this.#work.ended.then((ended) => state = ended);
    const over = () => state !== undefined;
    for (let step = 0; step < MOST_STEPS && !over(); step++) {
      const thread = world.threads[world.roll(world.threads.length)];
      if (world.roll(4) > 0 || thread === undefined || !await thread.goOn(world.roll(6) === 0)) world.act();
      if (step % 16 === 0) await null;
    }
    assert.ok(state !== undefined, `it hangs: ${JSON.stringify(this.#standings())}`);
    assert.equal(this.#wrong, undefined);
    assert.equal(world.failure, undefined);
    let closed = false;
    world.outside(() => void this.#pool.close().then(() => closed = true));
    for (let step = 0; step < 2_000 && !closed; step++) {
      world.act();
      if (step % 16 === 0) await null;
    }
    assert.ok(closed, "a thread is left");
    this.#timers.end();
    const told = historyOf(recordedPast(this.#journal)!, this.#plan, NOTHING_ANEW).map(({ told }) => told);
    const journal = told.filter((record, at) => !this.#wasGivenBack(told, record, at));
    const fatal = this.#fatal;
    const stop = journal.findIndex((record) =>
      "stopped" in record || record.outcome !== undefined && record.task === fatal?.task &&
        record.iteration === fatal.iteration && record.attempt === fatal.attempt
    );
    checkLaws({ plan: this.#plan, journal, state: state!, stoppedAt: stop < 0 ? undefined : stop });
  }

  [Symbol.dispose](): void {
    this.#world[Symbol.dispose]();
  }

  /** A dispatch that is dispatched again under the same number, or settles as skipped, was given back. */
  #wasGivenBack(told: readonly Replayed[], record: Replayed, at: number): boolean {
    if ("stopped" in record || record.outcome !== undefined) return false;
    const same = told.slice(at + 1).find((other) =>
      !("stopped" in other) && other.task === record.task && other.iteration === record.iteration &&
      other.attempt === record.attempt
    );
    return same === undefined || "stopped" in same || same.outcome === undefined;
  }

  #standings(): unknown {
    return this.#plan.tasks.map(({ name, index }) => [name, this.#schedule.standing(index)]);
  }

  /** What a task does: it looks whether it may, and at what it was given. */
  #run(thread: Threadless, name: string, context: TaskContext): unknown {
    const { iteration, attempt } = thread.line.current!;
    const task = this.#plan.tasks.find((each) => each.name === name)!;
    const key = `${name}/${iteration}/${attempt}`;
    if (this.#begun.has(key)) this.#wrong ??= `${key} ran twice`;
    this.#begun.add(key);
    for (const need of task.needs) {
      const other = this.#plan.tasks[need.task]!;
      const ended = this.#succeeded.get(other.name);
      const last = ended?.iteration === this.#schedule.iteration(need.task) ? ended.value : undefined;
      const satisfied = this.#schedule.outcome(need.task);
      // Either its success was told by its worker, or the schedule knows how it ended.
      const known = this.#schedule.standing(need.task) === Standing.settled;
      const met = last !== undefined ? need.on !== "failure" : known && satisfies(need.on, satisfied!);
      if (!met && task.join === "all") {
        this.#wrong ??= `${key} began before ${other.name} had ended as it must`;
      }
      if (need.on === "failure" || last === undefined || known && satisfied !== "succeeded") continue;
      const given = context.inputs[need.as];
      if (given !== last) {
        this.#wrong ??= `${key} was given ${String(given)} of ${other.name}, not ${String(last)}`;
      }
    }
    const value = key;
    this.#succeeded.delete(name);
    const dice = this.#world.roll(12);
    if (dice < 2) throw new Error("thrown");
    if (dice > 9) return thread.later(name, value).then((late) => this.#ends(name, iteration, late));
    return this.#ends(name, iteration, value);
  }

  #ends(name: string, iteration: number, value: string): string {
    this.#succeeded.set(name, { iteration, value });
    return value;
  }
}

const seed = fc.integer({ min: 1, max: 2 ** 31 - 2 });
const numRuns = Number(process.env["OUTRIDER_TEST_RUNS"] ?? 150);

function holds(perils: Perils): Promise<void> {
  return fc.assert(
    fc.asyncProperty(plans(), seed, async (plan, seed) => {
      using run = new Released(plan, seed, perils);
      await run.carryOut();
    }),
    { numRuns },
  );
}

test("released: whatever workers do in which order, a run comes to what the contract says", () => {
  return holds({ deaths: 0, stops: false });
});

test("released: … also when threads die at any step", () => holds({ deaths: 6, stops: false }));

test("released: … and when it is asked to stop at any moment", () => holds({ deaths: 3, stops: true }));
