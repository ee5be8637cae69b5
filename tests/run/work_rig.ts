/**
 * Owns a run at work whose pool, clock and chance a test holds in its hand.
 * Must not know what is tested.
 * Invariant: nothing here waits for real time, and no thread is started.
 */
import assert from "node:assert/strict";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import type { LogRecord, StateRecord } from "../../src/model/record.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { LaneItem } from "../../src/pool/attempt.ts";
import type { Supply } from "../../src/pool/port.ts";
import { AtWork } from "../../src/run/at_work.ts";
import { sourcesOf } from "../../src/run/feed.ts";
import { Lists } from "../../src/run/lists.ts";
import { Recorder } from "../../src/run/recorder.ts";
import { Timers } from "../../src/run/timers.ts";
import { Values } from "../../src/run/values.ts";
import { realWorld, type World } from "../../src/run/world.ts";
import type { Thread } from "../../src/runtime/port.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { planOf } from "../schedule/example.ts";
import { HandClock } from "../store/hand_clock.ts";

/** When its clock begins, by the wall. */
export const BEGIN = 1_000_000;

/** A pool in which attempts begin, and end, as the test says. */
export class HandPool {
  /** What has been taken and has not settled, by name. */
  readonly taken: Map<string, LaneItem> = new Map();
  readonly begun: Set<string> = new Set();
  /** What it was asked, in words. */
  readonly asked: string[] = [];
  /** How often it was told that there is something to take. */
  fed = 0;
  #supply: Supply | undefined;
  readonly #nameOf: (task: number) => string;

  constructor(nameOf: (task: number) => string) {
    this.#nameOf = nameOf;
  }

  begin(supply: Supply): void {
    this.#supply = supply;
    this.feed();
  }

  /** Takes all that is ready, and what may stand behind it. */
  feed(): void {
    this.fed++;
    const supply = this.#supply;
    if (supply === undefined) return;
    while (supply.ready > 0) {
      for (const item of supply.release({ max: 9, ready: 9 })) this.taken.set(this.#nameOf(item.task), item);
    }
    supply.commit();
  }

  haltAll(): void {
    this.asked.push("halt");
    this.giveBack([...this.taken.keys()].filter((name) => !this.begun.has(name)).reverse());
  }

  giveBack(names: readonly string[]): void {
    const items = names.map((name) => this.taken.get(name)!);
    for (const name of names) this.taken.delete(name);
    this.#supply?.giveBack(items);
  }

  /** Takes back what has not begun, the last first, as a pool does. */
  takeBack(): void {
    this.giveBack([...this.taken.keys()].filter((name) => !this.begun.has(name)).reverse());
    this.feed();
  }

  cancelAll(because: string): void {
    this.asked.push(`cancel: ${because}`);
  }
}

/** A run at work. */
export class WorkRig {
  readonly clock = new HandClock(BEGIN);
  readonly journal = memoryJournal();
  readonly plan: Plan;
  readonly work: AtWork;
  readonly pool: HandPool;
  readonly timers: Timers;
  /** What was asked of the device and not given back, by task. */
  readonly asked: Set<number> = new Set();
  readonly lender = {
    borrow: (task: number): void => void this.asked.add(task),
    giveBack: (task: number): void => void this.asked.delete(task),
    others: (): never[] => [],
  };
  /** What chance says next; then 0.5. */
  readonly chances: number[] = [];
  readonly ended: string[] = [];

  constructor(
    tasks: Readonly<Record<string, ManifestTask & { readonly sync?: true }>>,
    options: Partial<Omit<Manifest, "tasks">> = {},
  ) {
    const { journal, clock } = this;
    const plan = this.plan = planOf(tasks, options);
    const schedule = new Schedule(plan);
    this.pool = new HandPool((number) => {
      const [{ name }, item] = [plan.tasks[schedule.taskOf(number)]!, schedule.itemOf(number)];
      return item === undefined ? name : `${name} ${item}`;
    });
    this.timers = new Timers({ clock, random: () => this.chances.shift() ?? 0.5 });
    const values = new Values(plan.tasks.length);
    this.work = new AtWork({
      plan,
      schedule,
      values,
      lists: new Lists({ plan, values, clock }),
      recorder: new Recorder({ plan, journal, clock, schedule }),
      timers: this.timers,
      clock,
      pool: this.pool,
      lender: this.lender,
    });
    this.work.ended.then((state) => this.ended.push(state));
    this.work.obey(schedule.start());
    this.pool.begin(this.work.supply(sourcesOf(plan).sourceOf));
  }

  /** Attempts begin on their worker: they can't be given back any more. */
  begins(...names: string[]): void {
    for (const name of names) {
      assert.ok(this.pool.taken.has(name), `${name} was not taken`);
      this.pool.begun.add(name);
    }
  }

  /** An attempt ends; what lies behind it on its line, and has not begun, is given back after a failure, as a pool does. */
  settles(name: string, outcome: Exclude<Outcome, "skipped"> = "succeeded", value?: string): void {
    const item = this.pool.taken.get(name) ?? assert.fail(`${name} was not taken`);
    this.pool.taken.delete(name);
    this.pool.begun.delete(name);
    const at = this.clock.now();
    this.work.settled(1, item, {
      outcome,
      ...(value === undefined ? {} : { value }),
      startedAt: at,
      endedAt: at,
    });
    this.pool.feed();
  }

  /** What the pool is offered of a task, as JSON; of one that the sheet tells of, which needs' values its worker finds. */
  offer(name: string): Readonly<Record<string, unknown>> {
    const { payload, locals } = this.pool.taken.get(name)!;
    return payload === "" ? { locals } : JSON.parse(payload) as Readonly<Record<string, unknown>>;
  }

  get states(): StateRecord[] {
    return this.journal.states(0, 10_000);
  }

  get logs(): LogRecord[] {
    return this.journal.logs(0, 10_000);
  }

  /** The journal in words. */
  get told(): string[] {
    return this.states.map((record) => {
      if (record.type === "attempt.dispatched") return `${record.task} dispatched`;
      if (record.type === "attempt.planned") return `${record.task} planned ${record.attempt}`;
      if (record.type !== "attempt.settled") return record.type;
      return `${record.task} ${record.outcome}${record.because === undefined ? "" : `: ${record.because}`}`;
    });
  }
}

/** A world whose threads never say anything, with a clock that a test holds in its hand. */
export function stillWorld(clock: HandClock): World & { readonly threads: Set<Thread> } {
  const threads = new Set<Thread>();
  const startThread = (): Thread => {
    let over = (): void => {};
    const thread: Thread = {
      postMessage() {},
      onMessage() {},
      onEnd: (listener) => over = () => listener({ memory: false }),
      terminate() {
        if (threads.delete(thread)) over();
        return Promise.resolve();
      },
      ref() {},
    };
    threads.add(thread);
    return thread;
  };
  return { ...realWorld, clock, threads, runtime: { ...realWorld.runtime, startThread } };
}
