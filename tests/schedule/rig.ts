/**
 * A pool that decides everything at random: how much is released to the board, which worker takes what, when attempts begin
 * and end and how, when the outcomes are told, what is given back, which worker dies, when the run is asked to stop, when the
 * process is killed and goes on from its journal. It checks at each step what must hold then.
 */
import assert from "node:assert/strict";
import { isFailure, type Outcome, type RunState } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { type Command, type Dispatch, type Replayed, Standing } from "../../src/schedule/command.ts";
import { replay } from "../../src/schedule/replay.ts";
import { Schedule, type Scheduler } from "../../src/schedule/schedule.ts";
import { Inbox } from "../../src/run/inbox.ts";
import type { Dice } from "./dice.ts";
import { expected, key, knownOf, NOT_SO, satisfied } from "./oracle.ts";

export type AttemptRecord = Exclude<Replayed, { stopped: string }>;

/** What may happen besides the ordinary. */
export interface Perils {
  /** How an attempt ends; attempt 0: `skipped` if the task's condition is not so. Default: at random. */
  readonly outcomeOf?: (task: number, iteration: number, attempt: number) => Outcome;
  /** Whether lanes die. */
  readonly deaths?: boolean;
  /** Whether the run may be asked to stop. */
  readonly stops?: boolean;
  /** How often the process is killed and goes on from a beginning of its journal. */
  readonly kills?: number;
}

/** An attempt that was released, or given to a worker alone. */
class RigItem {
  readonly dispatch: Dispatch;
  /** What it waits for. */
  readonly needs: readonly RigItem[];
  begun = false;
  /** How it ended, whether or not that is told. */
  outcome: Outcome | undefined;

  constructor(dispatch: Dispatch, needs: readonly RigItem[]) {
    this.dispatch = dispatch;
    this.needs = needs;
  }

  get task(): number {
    return this.dispatch.task;
  }

  /** Whether a worker may take it. */
  get free(): boolean {
    return !this.begun && this.needs.every(({ outcome }) => outcome === "succeeded");
  }
}

class RigWorker {
  /** Its lane, for what has to be alone. */
  readonly lane: number;
  /** What only this worker may take. */
  alone: RigItem | undefined;
  running: RigItem | undefined;
  /** Ended, and not yet told. */
  outbox: RigItem[] = [];
  /** Waits after an outcome that was no success. */
  held = false;

  constructor(lane: number) {
    this.lane = lane;
  }
}

/** What a run left behind. */
export interface Finished {
  readonly plan: Plan;
  readonly journal: readonly Replayed[];
  readonly state: RunState;
  /** Where in the journal the run stopped, if it did: the record that made it stop. */
  readonly stoppedAt: number | undefined;
}

/** The lane of the board, from which every worker takes. */
const BOARD = 0;
const WORKERS = 3;
/** With no more needs a task is awaited by whoever hears of their ends. */
const FEW = 16;
const MOST_STEPS = 50_000;
/** Acts that lead nowhere by themselves end after so many, so that every run comes to its end. */
const MOST_IDLE_ACTS = 150;

/** Runs a plan to its end. */
export function runAtRandom(plan: Plan, roll: Dice, perils: Perils = {}): Finished {
  const rig = new Rig(plan, roll, perils);
  const kills = Array.from({ length: perils.kills ?? 0 }, () => roll(40)).sort((a, b) => a - b);
  for (let step = 0; rig.state === undefined; step++) {
    assert.ok(step < MOST_STEPS, "the run never ends");
    rig.step();
    while (kills.length > 0 && kills[0]! <= step) {
      kills.shift();
      rig.kill();
    }
  }
  return { plan, journal: rig.journal, state: rig.state, stoppedAt: rig.stoppedAt };
}

class Rig {
  readonly #plan: Plan;
  readonly #roll: Dice;
  readonly #perils: Perils;
  #schedule: Scheduler;
  #workers: RigWorker[] = [];
  /** What was released and has not been told of, in the order of its release. */
  #board: RigItem[] = [];
  readonly #delays: Set<number> = new Set();
  readonly #inbox: Inbox<Command> = new Inbox((command) => this.#do(command));
  /** What is to be borrowed of the device for which tasks, and whether it was lent. */
  readonly #loans: Map<number, boolean> = new Map();
  #paused = false;
  /** The workers' own flag: set by a fatal failure before anybody is told. */
  #halted = false;
  #idleActs = 0;
  /** States of the schedule by the length of the journal at which they were. */
  #pictures: Map<number, string[]> = new Map();
  journal: Replayed[] = [];
  state: RunState | undefined;
  stoppedAt: number | undefined;

  constructor(plan: Plan, roll: Dice, perils: Perils) {
    this.#plan = plan;
    this.#roll = roll;
    this.#perils = perils;
    this.#schedule = new Schedule(plan);
    this.#workers = freshWorkers();
    this.#obey(this.#schedule.start());
    this.#takePicture();
  }

  step(): void {
    const acts = this.#acts();
    assert.ok(acts.length > 0, "the run has not ended and there is nothing to do");
    acts[this.#roll(acts.length)]!();
    this.#takePicture();
  }

  #acts(): (() => void)[] {
    const schedule = this.#schedule;
    const acts: (() => void)[] = [];
    if (schedule.readyCount > 0) acts.push(() => this.#release(1 + this.#roll(3)));
    for (const worker of this.#workers) {
      const { running, outbox, alone } = worker;
      const idle = running === undefined && !worker.held && !this.#halted;
      if (idle) { for (const item of this.#takable(worker)) acts.push(() => this.#begin(worker, item)); }
      if (running !== undefined) acts.push(() => this.#finish(worker, running));
      if (outbox.length > 0 && this.#isDue(outbox[0]!)) acts.push(() => this.#tell(worker));
      if (schedule.readyAloneCount > 0 && alone === undefined) acts.push(() => this.#takeAlone(worker));
      const dies = running !== undefined && this.#perils.deaths && this.#idleActs <= MOST_IDLE_ACTS;
      if (dies && this.#roll(4) === 0) acts.push(() => this.#die(worker));
    }
    if (this.#idleActs <= MOST_IDLE_ACTS) {
      if (this.#board.length > 0) acts.push(() => this.#release(0));
      const unbegun = this.#board.filter(({ begun }) => !begun);
      if (unbegun.length > 0) acts.push(() => this.#giveBackSome(unbegun));
    }
    for (const task of this.#delays) acts.push(() => this.#due(task));
    for (const [task, lent] of this.#loans) if (!lent) acts.push(() => this.#lend(task));
    if (this.#paused) acts.push(() => this.#pause(false));
    else if (this.#idleActs <= MOST_IDLE_ACTS && this.#roll(9) === 0) acts.push(() => this.#pause(true));
    if (this.#perils.stops && this.stoppedAt === undefined && this.#roll(12) === 0) {
      acts.push(() => this.#stop());
    }
    return acts;
  }

  /** What a worker may take: what is there for it alone, or else any of the board that waits for nothing. */
  #takable({ alone }: RigWorker): readonly RigItem[] {
    return alone !== undefined ? [alone] : this.#board.filter(({ free }) => free);
  }

  /** An outcome is told when all is that it had to wait for. */
  #isDue({ task, needs }: RigItem): boolean {
    const due = this.#schedule.mayHaveBegun(task);
    assert.equal(due, needs.every((need) => !this.#board.includes(need)));
    return due;
  }

  /** @param ready How many of those that are ready at most; what stands behind others comes with them. */
  #release(ready: number): void {
    if (ready === 0) this.#idleActs++;
    const max = 1 + this.#roll(5);
    const dispatches = this.#schedule.release(BOARD, { max, ready });
    assert.ok(dispatches.length <= max);
    assert.ok(dispatches.filter(({ behind }) => behind.length === 0).length <= ready);
    for (const dispatch of dispatches) this.#board.push(this.#accept(dispatch));
  }

  #takeAlone(worker: RigWorker): void {
    const dispatch = this.#schedule.takeAlone(worker.lane)!;
    assert.ok(this.#alone(dispatch.task));
    assert.deepEqual(dispatch.behind, []);
    worker.alone = this.#accept(dispatch);
  }

  /** Nothing is dispatched after a stop, and a task stands behind just its unsettled needs, which hang on the board. */
  #accept(dispatch: Dispatch): RigItem {
    assert.equal(this.stoppedAt, undefined, "dispatched after a stop");
    const { task, iteration, attempt, behind } = dispatch;
    const needs = [...new Set(this.#plan.tasks[task]!.needs.map((need) => need.task))];
    const unsettled = needs.filter((need) => !this.#settled(need));
    assert.deepEqual([...behind].toSorted(), unsettled.toSorted());
    if (behind.length > 0) assert.ok(!this.#alone(task));
    this.journal.push({ task, iteration, attempt });
    return new RigItem(
      dispatch,
      behind.map((need) =>
        this.#board.find((item) => item.task === need) ?? assert.fail("a need that is not on the board")
      ),
    );
  }

  /** What begins must be startable by the contract, with what is told and how those have ended that it was hung behind. */
  #begin(worker: RigWorker, item: RigItem): void {
    const { task, iteration, attempt } = item.dispatch;
    const known = knownOf(this.journal);
    const own = new Map(
      item.needs.map(({ dispatch: { task, iteration, attempt }, outcome }) =>
        [key(task, iteration, attempt), outcome] as const
      ),
    );
    // What those waited for that it waits for.
    for (const need of item.needs) this.#addKnown(need, own);
    const { startable } = expected(this.#plan, (...at) => own.get(key(...at)) ?? known(...at));
    assert.ok(startable.has(key(task, iteration, attempt)), `${task} began before its needs were satisfied`);
    assert.equal(this.stoppedAt, undefined, "began after a stop");
    item.begun = true;
    worker.running = item;
    if (worker.alone === item) worker.alone = undefined;
  }

  #addKnown({ needs }: RigItem, known: Map<string, Outcome | undefined>): void {
    for (const need of needs) {
      const { task, iteration, attempt } = need.dispatch;
      known.set(key(task, iteration, attempt), need.outcome);
      this.#addKnown(need, known);
    }
  }

  #finish(worker: RigWorker, item: RigItem): void {
    const { task, iteration, attempt, fatal } = item.dispatch;
    const outcome = this.#perils.outcomeOf?.(task, iteration, attempt) ?? anOutcome(this.#roll);
    item.outcome = outcome;
    worker.running = undefined;
    worker.outbox.push(item);
    if (outcome !== "succeeded") worker.held = true;
    else this.#checkBell(item);
    if (fatal && isFailure(outcome)) this.#halted = true;
  }

  /** Of a success that nobody is told of at once, each task of few needs that waits for it hangs behind it already. */
  #checkBell(item: RigItem): void {
    const { task, urgent, awaited } = item.dispatch;
    const behind = this.#board.filter(({ needs }) => needs.includes(item));
    if (urgent || behind.filter(({ dispatch }) => dispatch.few).length < awaited) return;
    if (this.#alone(task)) return;
    for (const { index, needs } of this.#plan.tasks) {
      if (needs.length > FEW || !needs.some((need) => need.task === task)) continue;
      // Outside of a loop around the task it waits for the loop's end, which is urgent by itself.
      if (this.#plan.loops.some(({ body }) => body.includes(task) && !body.includes(index))) continue;
      assert.ok(behind.some((one) => one.task === index), `${index} waits, and nobody is told`);
    }
  }

  /** The pool reads an outcome. What stands behind anything but a success is given back, before or after. */
  #tell(worker: RigWorker): void {
    const item = worker.outbox.shift()!;
    const { dispatch, outcome } = item;
    const behind = outcome === "succeeded" ? [] : this.#behind([item]);
    const first = this.#roll(2) === 0;
    if (first) this.#giveBack(behind);
    this.#settle(item);
    if (!first) this.#giveBack(behind);
    if (outcome !== "succeeded") worker.held = false;
    if (dispatch.fatal && isFailure(outcome!)) {
      assert.notEqual(this.stoppedAt, undefined, "called fatal, and did not stop the run");
    }
  }

  #settle(item: RigItem): void {
    const { dispatch: { task, iteration, attempt } } = item;
    const outcome = item.outcome!;
    this.#board = this.#board.filter((one) => one !== item);
    this.journal.push({ task, iteration, attempt, outcome });
    this.#watchStop(() => this.#schedule.settle(task, outcome));
  }

  /** Remembers the record that stopped the run, before the commands are obeyed. */
  #watchStop(act: () => Command[]): void {
    const commands = act();
    if (this.#schedule.stopped !== undefined) this.stoppedAt ??= this.journal.length - 1;
    this.#obey(commands);
  }

  /** Some that have not begun, with all that stands behind them. */
  #giveBackSome(unbegun: readonly RigItem[]): void {
    this.#idleActs++;
    const roots = unbegun.filter(() => this.#roll(3) === 0);
    this.#giveBack(this.#board.filter((item) => roots.includes(item) || this.#behind(roots).includes(item)));
  }

  /** All that stands behind these, in the order of its release. None of it has begun. */
  #behind(roots: readonly RigItem[]): readonly RigItem[] {
    const found = new Set<RigItem>();
    // Whatever stands behind another was released after it.
    for (const item of this.#board) {
      if (item.needs.some((need) => roots.includes(need) || found.has(need))) found.add(item);
    }
    return [...found];
  }

  /** The last first. Those that were given back with others, by a stop, are there no more. */
  #giveBack(items: readonly RigItem[]): void {
    for (const item of [...items].reverse()) {
      if (!this.#board.includes(item)) continue;
      assert.ok(!item.begun, "given back after it began");
      this.#board = this.#board.filter((one) => one !== item);
      this.#obey(this.#schedule.giveBack(item.task));
    }
  }

  #giveBackAll(): void {
    for (const worker of this.#workers) {
      const { alone } = worker;
      worker.alone = undefined;
      if (alone !== undefined) this.#obey(this.#schedule.giveBack(alone.task));
    }
    this.#giveBack(this.#board.filter(({ begun }) => !begun));
  }

  /** What it had told is read, and with it what others have told before; then what it ran has crashed. */
  #die(worker: RigWorker): void {
    this.#idleActs++;
    const told = [...worker.outbox];
    while (worker.outbox.length > 0) {
      this.#tell(
        this.#workers.find(({ outbox }) =>
          outbox.length > 0 && this.#isDue(outbox[0]!) &&
          (outbox === worker.outbox || !this.#isDue(worker.outbox[0]!))
        )!,
      );
    }
    // It may not have counted down what waits for the last of them.
    if (this.#roll(2) === 0) this.#giveBack(this.#behind(told).filter(({ begun }) => !begun));
    const { running, alone } = worker;
    worker.running = undefined;
    worker.alone = undefined;
    worker.held = false;
    if (running !== undefined) this.#crash(running);
    if (alone !== undefined) this.#obey(this.#schedule.giveBack(alone.task));
  }

  /** All that it waited for is told first. */
  #crash(item: RigItem): void {
    while (!this.#isDue(item)) {
      this.#tell(this.#workers.find(({ outbox }) => outbox.length > 0 && this.#isDue(outbox[0]!))!);
    }
    item.outcome = "crashed";
    const behind = this.#behind([item]);
    if (this.#roll(2) === 0) this.#giveBack(behind);
    this.#settle(item);
    this.#giveBack(behind);
  }

  #lend(task: number): void {
    this.#loans.set(task, true);
    this.#obey(this.#schedule.lent(task));
  }

  /** As a run does it: what has not begun is taken back. */
  #pause(on: boolean): void {
    this.#idleActs++;
    this.#paused = on;
    this.#obey(this.#schedule.pause(on));
    if (on) this.#giveBackAll();
    assert.ok(
      !on || [...this.#loans.keys()].every((task) => this.#hasBegun(task)),
      "kept while it is paused",
    );
  }

  #due(task: number): void {
    this.#delays.delete(task);
    this.#obey(this.#schedule.due(task));
  }

  #stop(): void {
    this.journal.push({ stopped: "the owner came home" });
    this.#watchStop(() => this.#schedule.stop("the owner came home"));
  }

  /** The process dies; of the journal a beginning is left, from which the run goes on. */
  kill(): void {
    if (this.state !== undefined && this.#roll(2) === 0) return;
    const cut = this.#roll(3) === 0 ? this.journal.length : this.#roll(this.journal.length + 1);
    this.journal = this.journal.slice(0, cut);
    if (this.stoppedAt !== undefined && this.stoppedAt >= cut) this.stoppedAt = undefined;
    this.#workers = freshWorkers();
    this.#board = [];
    this.#delays.clear();
    this.#loans.clear();
    this.#paused = false;
    this.#halted = false;
    this.state = undefined;
    const { schedule, commands, inFlight } = replay(this.#plan, this.journal);
    this.#schedule = schedule;
    assert.equal(schedule.stopped !== undefined, this.stoppedAt !== undefined);
    this.#comparePictures(this.#pictures.get(cut), inFlight);
    this.#pictures = new Map([...this.#pictures].filter(([at]) => at < cut));
    this.#obey(commands);
    for (const task of inFlight) this.#resolveLost(task);
    this.#takePicture();
  }

  #resolveLost(task: number): void {
    const iteration = this.#schedule.iteration(task);
    const attempt = this.#schedule.attempt(task);
    const choice = this.#roll(3);
    if (choice === 0) return this.#obey(this.#schedule.giveBack(task));
    this.journal.push({
      task,
      iteration,
      attempt,
      outcome: "crashed",
      ...(choice === 1 ? { rerun: true } : {}),
    });
    this.#watchStop(() => choice === 1 ? this.#schedule.rerun(task) : this.#schedule.settle(task, "crashed"));
  }

  /** One after the other, as a run does it: what one leads to comes after all that came before. */
  #obey(commands: readonly Command[]): void {
    this.#inbox.take(commands);
  }

  #do(command: Command): void {
    if (command.type === "record") this.#record(command);
    else if (command.type === "delay") this.#delays.add(command.task);
    else if (command.type === "decide") this.#decide(command);
    else if (command.type === "revoke") {
      this.#halted = true;
      this.#delays.clear();
      this.#giveBackAll();
    } else if (command.type === "borrow") {
      assert.ok(!this.#loans.has(command.task) && !this.#paused, "borrowed twice, or while it is paused");
      this.#loans.set(command.task, false);
    } else if (command.type === "return") this.#loans.delete(command.task);
    else if (command.type === "end") this.state = command.state;
    else assert.fail(`asked to ${command.type}, and nothing is mapped`);
  }

  /** A condition is asked for once; not any more where the run has stopped meanwhile. */
  #decide({ task, iteration }: Extract<Command, { type: "decide" }>): void {
    assert.ok(this.#plan.tasks[task]!.when !== undefined);
    if (this.stoppedAt === undefined) assert.ok(this.#schedule.isUndecided(task));
    assert.equal(this.#schedule.iteration(task), iteration);
    const outcome = this.#perils.outcomeOf?.(task, iteration, 0) ??
      (this.#roll(3) === 0 ? "skipped" : undefined);
    this.#obey(this.#schedule.decided(task, outcome === "skipped" ? NOT_SO : undefined));
  }

  /** Of nothing more is in use than there is, and of the device's only what was lent. */
  #checkUse(): void {
    if (this.state !== undefined) assert.equal(this.#loans.size, 0, "kept what was borrowed");
    const used = (this.#plan.resources ?? []).map(() => 0);
    for (const { index, uses = [] } of this.#plan.tasks) {
      if (this.#schedule.standing(index) !== Standing.dispatched) continue;
      for (const { resource, amount } of uses) {
        used[resource]! += amount;
        if (this.#plan.resources![resource]!.scope === "device") assert.equal(this.#loans.get(index), true);
      }
    }
    used.forEach((amount, at) => assert.ok(amount <= this.#plan.resources![at]!.capacity, "over capacity"));
  }

  #hasBegun(task: number): boolean {
    return this.#board.some((item) => item.task === task && item.begun) ||
      this.#workers.some(({ running, outbox }) =>
        running?.task === task || outbox.some((item) => item.task === task)
      );
  }

  #record({ task, iteration, attempt, outcome, because }: Extract<Command, { type: "record" }>): void {
    if (outcome === "skipped") this.#checkReason(task, because ?? "");
    else assert.equal(this.#plan.tasks[task]!.run, undefined);
    const why = because === undefined ? {} : { because };
    this.journal.push({ task, iteration, attempt, outcome, ...why });
  }

  /** A reason names what is true: the stop, or needs that are settled and not satisfied. */
  #checkReason(task: number, because: string): void {
    if (because === this.#schedule.stopped) return;
    if (because === NOT_SO) return assert.ok(this.#plan.tasks[task]!.when !== undefined);
    const named = because.split(", ");
    assert.ok(named.length > 0 && named.length <= 3, because);
    for (const reason of named) {
      const [, name, what] = /^([a-z]) (.+)$/.exec(reason) ??
        assert.fail(`Reason ${JSON.stringify(because)}`);
      const need = this.#plan.tasks[task]!.needs.find((need) => this.#plan.tasks[need.task]!.name === name)!;
      const outcome = this.#lastOf(need.task)!;
      assert.ok(!satisfied(need, outcome), because);
      assert.equal(what, need.on === "failure" ? "did not fail" : WORDS[outcome]);
    }
  }

  #lastOf(task: number): Outcome | undefined {
    return this.journal.findLast((record): record is AttemptRecord & { outcome: Outcome } =>
      !("stopped" in record) && record.task === task && record.outcome !== undefined
    )?.outcome;
  }

  #settled(task: number): boolean {
    return this.#schedule.standing(task) === Standing.settled;
  }

  #alone(task: number): boolean {
    const { fresh, onLost } = this.#plan.tasks[task]!;
    return fresh || onLost === "fail";
  }

  #takePicture(): void {
    this.#checkUse();
    this.#pictures.set(this.journal.length, this.#picture());
  }

  #picture(): string[] {
    const schedule = this.#schedule;
    return this.#plan.tasks.map(({ index, needs, when }) => {
      let standing = schedule.standing(index);
      let attempt = schedule.attempt(index);
      let outcome = schedule.outcome(index);
      // Behind others: if they are lost it is waiting again, or will not start any more.
      if (standing === Standing.dispatched && needs.some((need) => !this.#settled(need.task))) {
        standing = schedule.stopped === undefined ? Standing.waiting : Standing.settled;
        if (schedule.stopped !== undefined) outcome = "skipped";
        attempt--;
      }
      // A condition that was so is told by the dispatch.
      if (standing === Standing.ready && attempt === 0 && when !== undefined) standing = Standing.waiting;
      // A journal does not tell when a delay is over.
      if (standing === Standing.ready && attempt > 0) standing = Standing.retrying;
      return [standing, schedule.iteration(index), attempt, outcome].join(" ");
    });
  }

  /** The replayed state is the one that was, but for what may have been given back unknown to the journal. */
  #comparePictures(was: readonly string[] | undefined, inFlight: readonly number[]): void {
    if (was === undefined) return;
    this.#picture().forEach((now, task) => {
      if (!inFlight.includes(task)) assert.equal(now, was[task], `task ${task} is not as it was`);
    });
    was.forEach((picture, task) => {
      if (picture.startsWith(`${Standing.dispatched} `)) assert.ok(inFlight.includes(task), "not in flight");
    });
  }
}

const WORDS: Readonly<Record<string, string>> = {
  failed: "failed",
  timed_out: "timed out",
  crashed: "crashed",
  cancelled: "was cancelled",
  skipped: "was skipped",
};

function freshWorkers(): RigWorker[] {
  return Array.from({ length: WORKERS }, (_, at) => new RigWorker(at + 1));
}

function anOutcome(roll: Dice): Outcome {
  const at = roll(20);
  return at < 13
    ? "succeeded"
    : at < 16
    ? "failed"
    : at < 18
    ? "timed_out"
    : at < 19
    ? "crashed"
    : roll(2) === 0
    ? "skipped"
    : "cancelled";
}
