/**
 * A pool that decides everything at random: which lane takes what, when attempts begin and end and how, when the outcomes are
 * told, what is given back, which lane dies, when the run is asked to stop, when the process is killed and goes on from its
 * journal. It checks at each step what must hold then.
 */
import assert from "node:assert/strict";
import type { Outcome, RunState } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { type Command, type Dispatch, type Replayed, Standing } from "../../src/schedule/command.ts";
import { replay } from "../../src/schedule/replay.ts";
import { Schedule, type Scheduler } from "../../src/schedule/schedule.ts";
import type { Dice } from "./dice.ts";
import { expected, key, knownOf, satisfied } from "./oracle.ts";

type Ran = Exclude<Outcome, "skipped">;
export type AttemptRecord = Exclude<Replayed, { stopped: string }>;

/** What may happen besides the ordinary. */
export interface Perils {
  /** How an attempt ends. Default: at random. */
  readonly outcomeOf?: (task: number, iteration: number, attempt: number) => Ran;
  /** Whether lanes die. */
  readonly deaths?: boolean;
  /** Whether the run may be asked to stop. */
  readonly stops?: boolean;
  /** How often the process is killed and goes on from a beginning of its journal. */
  readonly kills?: number;
}

class RigLane {
  readonly id: number;
  /** Offered; the first one has begun if `began`. */
  items: Dispatch[] = [];
  began = false;
  /** Ended, and not yet told. */
  outbox: { readonly dispatch: Dispatch; readonly outcome: Ran }[] = [];
  /** Waits after an outcome that was no success. */
  held = false;

  constructor(id: number) {
    this.id = id;
  }

  get untold(): Dispatch[] {
    return [...this.outbox.map(({ dispatch }) => dispatch), ...this.items];
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

const LANES = 3;
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
  #lanes: RigLane[] = [];
  readonly #delays: Set<number> = new Set();
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
    this.#lanes = freshLanes();
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
    for (const lane of this.#lanes) {
      const alone = lane.untold.some(({ task }) => this.#alone(task));
      if (lane.items.length > 0 && !lane.began && !lane.held && !this.#halted) {
        acts.push(() => this.#begin(lane));
      }
      if (lane.began) acts.push(() => this.#finish(lane));
      if (lane.outbox.length > 0) acts.push(() => this.#tell(lane));
      if (schedule.readyCount > 0 && !alone) acts.push(() => this.#take(lane));
      if (schedule.readyAloneCount > 0 && lane.untold.length === 0) acts.push(() => this.#takeAlone(lane));
      if (this.#idleActs > MOST_IDLE_ACTS) continue;
      if (lane.untold.length > 0) acts.push(() => this.#extend(lane));
      if (lane.items.length > (lane.began ? 1 : 0)) acts.push(() => this.#giveBack(lane));
      if (lane.began && this.#perils.deaths && this.#roll(4) === 0) acts.push(() => this.#die(lane));
    }
    for (const task of this.#delays) acts.push(() => this.#due(task));
    if (this.#perils.stops && this.stoppedAt === undefined && this.#roll(12) === 0) {
      acts.push(() => this.#stop());
    }
    return acts;
  }

  #take(lane: RigLane): void {
    this.#accept(
      lane,
      this.#schedule.take(lane.id, { max: 1 + this.#roll(5), ready: 1 + this.#roll(3) }),
    );
  }

  #takeAlone(lane: RigLane): void {
    this.#accept(lane, [this.#schedule.takeAlone(lane.id)!]);
  }

  #extend(lane: RigLane): void {
    this.#idleActs++;
    const last = lane.untold.at(-1)!.task;
    this.#accept(lane, this.#schedule.extend(lane.id, { last, max: 1 + this.#roll(3) }));
  }

  /** Nothing is dispatched after a stop, and a task stands in a line only behind its unsettled needs. */
  #accept(lane: RigLane, dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) {
      assert.equal(this.stoppedAt, undefined, "dispatched after a stop");
      const { task, iteration, attempt, follows } = dispatch;
      if (this.#alone(task)) assert.deepEqual([follows, lane.untold.length], [false, 0]);
      const before = new Set(lane.untold.map((one) => one.task));
      const unsettled = this.#plan.tasks[task]!.needs.filter((need) => !this.#settled(need.task));
      assert.ok(unsettled.every((need) => before.has(need.task)), "unsettled needs on another lane");
      if (!follows) assert.equal(unsettled.length, 0);
      this.journal.push({ task, iteration, attempt });
      lane.items.push(dispatch);
    }
  }

  /** What begins must be startable by the contract, with what is told and what this lane alone knows. */
  #begin(lane: RigLane): void {
    const { task, iteration, attempt } = lane.items[0]!;
    const known = knownOf(this.journal);
    const own = new Map(
      lane.outbox.map(({ dispatch, outcome }) =>
        [key(dispatch.task, dispatch.iteration, dispatch.attempt), outcome] as const
      ),
    );
    const { startable } = expected(this.#plan, (...at) => own.get(key(...at)) ?? known(...at));
    assert.ok(startable.has(key(task, iteration, attempt)), `${task} began before its needs were satisfied`);
    assert.equal(this.stoppedAt, undefined, "began after a stop");
    lane.began = true;
  }

  #finish(lane: RigLane): void {
    const dispatch = lane.items.shift()!;
    const { task, iteration, attempt, fatal } = dispatch;
    const outcome = this.#perils.outcomeOf?.(task, iteration, attempt) ?? anOutcome(this.#roll);
    lane.began = false;
    lane.outbox.push({ dispatch, outcome });
    if (outcome !== "succeeded") lane.held = true;
    if (fatal && outcome !== "succeeded" && outcome !== "cancelled") this.#halted = true;
  }

  /** The pool reads an outcome. What stood behind anything but a success is given back, before or after. */
  #tell(lane: RigLane): void {
    const { dispatch, outcome } = lane.outbox.shift()!;
    const last = lane.outbox.length === 0 && lane.held;
    const first = this.#roll(2) === 0;
    if (last && first) this.#giveBackAll(lane);
    this.#settle(dispatch, outcome);
    if (last && !first) this.#giveBackAll(lane);
    if (last) lane.held = false;
    if (dispatch.fatal && outcome !== "succeeded" && outcome !== "cancelled") {
      assert.notEqual(this.stoppedAt, undefined, "called fatal, and did not stop the run");
    }
  }

  #settle({ task, iteration, attempt }: Dispatch, outcome: Ran): void {
    this.journal.push({ task, iteration, attempt, outcome });
    this.#watchStop(() => this.#schedule.settle(task, outcome));
  }

  /** Remembers the record that stopped the run, before the commands are obeyed. */
  #watchStop(act: () => Command[]): void {
    const commands = act();
    if (this.#schedule.stopped !== undefined) this.stoppedAt ??= this.journal.length - 1;
    this.#obey(commands);
  }

  #giveBack(lane: RigLane): void {
    this.#idleActs++;
    const most = lane.items.length - (lane.began ? 1 : 0);
    for (let count = 1 + this.#roll(most); count > 0; count--) {
      this.#obey(this.#schedule.giveBack(lane.items.pop()!.task));
    }
  }

  #giveBackAll(lane: RigLane): void {
    while (lane.items.length > (lane.began ? 1 : 0)) {
      this.#obey(this.#schedule.giveBack(lane.items.pop()!.task));
    }
  }

  #die(lane: RigLane): void {
    const running = lane.items[0]!;
    while (lane.outbox.length > 0) {
      const { dispatch, outcome } = lane.outbox.shift()!;
      this.#settle(dispatch, outcome);
    }
    this.#giveBackAll(lane);
    lane.items = [];
    lane.began = false;
    lane.held = false;
    this.#settle(running, "crashed");
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
    this.#lanes = freshLanes();
    this.#delays.clear();
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

  #obey(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "record") this.#record(command);
      else if (command.type === "delay") this.#delays.add(command.task);
      else if (command.type === "revoke") {
        this.#halted = true;
        this.#delays.clear();
        for (const lane of this.#lanes) this.#giveBackAll(lane);
      } else this.state = command.state;
    }
  }

  #record({ task, iteration, attempt, outcome, because }: Extract<Command, { type: "record" }>): void {
    if (outcome === "skipped") this.#checkReason(task, because ?? "");
    else assert.equal(this.#plan.tasks[task]!.run, undefined);
    this.journal.push({ task, iteration, attempt, outcome });
  }

  /** A reason names what is true: the stop, or needs that are settled and not satisfied. */
  #checkReason(task: number, because: string): void {
    if (because === this.#schedule.stopped) return;
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
    this.#pictures.set(this.journal.length, this.#picture());
  }

  #picture(): string[] {
    const schedule = this.#schedule;
    return this.#plan.tasks.map(({ index, needs }) => {
      let standing = schedule.standing(index);
      let attempt = schedule.attempt(index);
      let outcome = schedule.outcome(index);
      // In a line: if the line is lost it is waiting again, or will not start any more.
      if (standing === Standing.dispatched && needs.some((need) => !this.#settled(need.task))) {
        standing = schedule.stopped === undefined ? Standing.waiting : Standing.settled;
        if (schedule.stopped !== undefined) outcome = "skipped";
        attempt--;
      }
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

function freshLanes(): RigLane[] {
  return Array.from({ length: LANES }, (_, at) => new RigLane(at + 1));
}

function anOutcome(roll: Dice): Ran {
  const at = roll(20);
  return at < 13
    ? "succeeded"
    : at < 16
    ? "failed"
    : at < 18
    ? "timed_out"
    : at < 19
    ? "crashed"
    : "cancelled";
}
