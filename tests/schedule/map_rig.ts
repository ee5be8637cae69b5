/**
 * Carries out plans with mapped tasks at random: how long lists are, which attempts are taken, how they end and in which order,
 * what is given back, when the run is asked to stop, when the process is killed and goes on from its journal. It checks at each
 * step what must hold then.
 */
import assert from "node:assert/strict";
import { isFailure, type Outcome, type RunState } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { type Command, type Dispatch, type Replayed, Standing } from "../../src/schedule/command.ts";
import { replay } from "../../src/schedule/replay.ts";
import { Schedule, type Scheduler } from "../../src/schedule/schedule.ts";
import type { Dice } from "./dice.ts";
import { drawnPlan } from "./pipelines.ts";
import { Inbox } from "../../src/run/inbox.ts";
import { NOT_SO } from "./oracle.ts";
import { finalsOf } from "./laws.ts";
import type { AttemptRecord, Finished } from "./rig.ts";

/** What may happen besides the ordinary. */
export interface MapPerils {
  readonly stops?: boolean;
  readonly kills?: number;
}

/** No list, or one of so many items: always the same in an iteration, as a value is. */
export function lengthOf(task: number, iteration: number): number | undefined {
  const at = (task * 7 + iteration * 13 + 5) % 9;
  return at === 8 ? undefined : at % 6;
}

/** A random plan in which some tasks are mapped. */
export function mappedPlan(roll: Dice): Plan {
  const plan = drawnPlan(roll);
  const tasks = plan.tasks.map((task) => {
    const list = task.needs.find(({ on }) => on !== "failure");
    if (list === undefined || task.run === undefined || roll(2) === 0) return task;
    const each = {
      task: list.task,
      path: "",
      as: "item",
      ...(roll(2) === 0 && { maxParallel: 1 + roll(3) }),
      onItemFailure: roll(2) === 0 ? "stop" as const : "continue" as const,
    };
    return { ...task, each };
  });
  return { ...plan, tasks };
}

/** A run that is led by chance. */
export class MapRig {
  readonly plan: Plan;
  journal: Replayed[] = [];
  state: RunState | undefined;
  #schedule: Scheduler;
  readonly #roll: Dice;
  readonly #perils: MapPerils;
  /** What is out, by its number. */
  #out: Map<number, Dispatch> = new Map();
  #delays: Set<number> = new Set();
  readonly #inbox: Inbox<Command> = new Inbox((command) => this.#do(command));
  #killsLeft: number;
  #stopped = false;
  #idle = 0;
  /** By length of the journal: where everything stood. */
  #pictures: Map<number, string> = new Map();

  constructor(plan: Plan, roll: Dice, perils: MapPerils = {}) {
    this.plan = plan;
    this.#roll = roll;
    this.#perils = perils;
    this.#killsLeft = perils.kills ?? 0;
    this.#schedule = new Schedule(plan);
    this.#obey(this.#schedule.start());
  }

  /** Carries it out. */
  run(): this {
    for (let step = 0; step < 20_000; step++) {
      if (this.state !== undefined && (this.#killsLeft === 0 || this.#roll(2) === 0)) return this;
      this.#picture();
      if (this.#killsLeft > 0 && this.#roll(15) === 0) this.#kill();
      const acts = this.#acts();
      if (acts.length > 0) acts[this.#roll(acts.length)]!();
      else if (this.state === undefined && this.#killsLeft === 0) return assert.fail("it hangs");
      this.#check();
    }
    return assert.fail("it does not end");
  }

  /** The journal as it is of tasks alone, for the laws of tasks; it tells of no stop where an item's failure was the cause. */
  finished(): Finished & { readonly stopped: boolean } {
    const journal = this.journal.filter((record) => "stopped" in record || record.item === undefined);
    return { plan: this.plan, journal, state: this.state!, stoppedAt: undefined, stopped: this.#stopped };
  }

  #acts(): (() => void)[] {
    const acts: (() => void)[] = [];
    const schedule = this.#schedule;
    if (this.state !== undefined) return acts;
    if (schedule.readyCount > 0) acts.push(() => this.#release());
    if (schedule.readyAloneCount > 0) acts.push(() => this.#take(schedule.takeAlone(1)));
    for (const dispatch of this.#out.values()) acts.push(() => this.#settle(dispatch));
    for (const number of this.#delays) acts.push(() => this.#due(number));
    if (this.#out.size > 0 && this.#idle < 200) acts.push(() => this.#giveBack());
    if (this.#idle < 200 && this.#roll(10) === 0) acts.push(() => this.#pause());
    if (this.#perils.stops && !this.#stopped && this.#roll(20) === 0) acts.push(() => this.#stop());
    return acts;
  }

  #release(): void {
    const max = 1 + this.#roll(3);
    for (const dispatch of this.#schedule.release(0, { max, ready: max })) {
      // What stands behind another is another test's affair.
      if (dispatch.behind.length > 0) this.#obey(this.#schedule.giveBack(dispatch.task));
      else this.#take(dispatch);
    }
  }

  #take(dispatch: Dispatch | undefined): void {
    if (dispatch === undefined) return;
    const { iteration, attempt } = dispatch;
    assert.equal(this.#schedule.stopped, undefined, "dispatched after a stop");
    assert.ok(!this.#out.has(dispatch.task), "dispatched twice");
    this.#out.set(dispatch.task, dispatch);
    this.journal.push({ ...this.#key(dispatch.task), iteration, attempt });
  }

  #settle({ task: number, iteration, attempt, fatal }: Dispatch): void {
    const at = this.#roll(20);
    const outcome: Outcome = at < 15
      ? "succeeded"
      : at < 17
      ? "failed"
      : at < 18
      ? "timed_out"
      : at < 19
      ? "crashed"
      : this.#roll(2) === 0
      ? "skipped"
      : "cancelled";
    this.#out.delete(number);
    this.journal.push({ ...this.#key(number), iteration, attempt, outcome });
    this.#obey(this.#schedule.settle(number, outcome));
    if (fatal && isFailure(outcome)) assert.notEqual(this.#schedule.stopped, undefined, "called fatal");
  }

  #giveBack(): void {
    this.#idle++;
    for (const number of [...this.#out.keys()].reverse()) if (this.#roll(3) === 0) this.#takeBack(number);
  }

  /** All that has not begun is taken back, and handed out again. */
  #pause(): void {
    this.#idle++;
    this.#obey(this.#schedule.pause(true));
    assert.deepEqual(
      this.#schedule.holdings().flatMap(({ holders }) => holders).filter((number) => !this.#out.has(number)),
      [],
    );
    this.#obey(this.#schedule.pause(false));
  }

  #takeBack(number: number): void {
    this.#out.delete(number);
    this.#obey(this.#schedule.giveBack(number));
  }

  #due(number: number): void {
    this.#delays.delete(number);
    this.#obey(this.#schedule.due(number));
  }

  #stop(): void {
    this.#stopped = true;
    this.journal.push({ stopped: "the owner came home" });
    this.#obey(this.#schedule.stop("the owner came home"));
  }

  /** One after the other, as a run does it. */
  #obey(commands: readonly Command[]): void {
    this.#inbox.take(commands);
  }

  #do(command: Command): void {
    if (command.type === "end") this.state = command.state;
    else if (command.type === "delay") this.#delays.add(command.task);
    else if (command.type === "decide") this.#decide(command.task);
    else if (command.type === "expand") this.#expand(command.task, command.iteration);
    else if (command.type === "record") {
      const { task, iteration, attempt, outcome, because } = command;
      this.journal.push({ task, iteration, attempt, outcome, ...(because !== undefined && { because }) });
    } else if (command.type === "gather") {
      const { task, iteration, outcome } = command;
      this.journal.push({ task, iteration, attempt: 1, outcome });
      this.#obey(this.#schedule.settle(task, outcome));
    } else if (command.type === "borrow") this.#obey(this.#schedule.lent(command.task));
    else if (command.type !== "return") {
      // Some have begun by now, and end.
      for (const number of [...this.#out.keys()].reverse()) if (this.#roll(2) === 0) this.#takeBack(number);
    }
  }

  /** Some conditions are so. */
  #decide(task: number): void {
    this.#obey(this.#schedule.decided(task, this.#roll(3) === 0 ? NOT_SO : undefined));
  }

  #expand(task: number, iteration: number): void {
    if (this.#schedule.standing(task) !== Standing.ready) return;
    const count = lengthOf(task, iteration);
    if (count === undefined) {
      this.journal.push({ task, iteration, attempt: 1, outcome: "failed" });
      return this.#obey(this.#schedule.settle(task, "failed"));
    }
    this.journal.push({ task, iteration, attempt: 1, count });
    this.#obey(this.#schedule.expand(task, count));
  }

  /** The process dies; of the journal a beginning is left, from which the run goes on. */
  #kill(): void {
    this.#killsLeft--;
    const cut = this.#roll(3) === 0 ? this.journal.length : this.#roll(this.journal.length + 1);
    this.journal = this.journal.slice(0, cut);
    this.#out.clear();
    this.#delays.clear();
    this.state = undefined;
    const { schedule, commands, inFlight } = replay(this.plan, this.journal);
    this.#schedule = schedule;
    this.#stopped = this.journal.some((record) => "stopped" in record);
    const was = this.#pictures.get(cut);
    if (was !== undefined && inFlight.length === 0) assert.equal(this.#seen(), was);
    this.#pictures = new Map([...this.#pictures].filter(([at]) => at < cut));
    this.#obey(commands);
    for (const number of inFlight) this.#lose(number);
  }

  #lose(number: number): void {
    const [iteration, attempt] = [this.#schedule.iteration(number), this.#schedule.attempt(number)];
    const choice = this.#roll(3);
    if (choice === 0) return this.#obey(this.#schedule.giveBack(number));
    const rerun = choice === 1 ? { rerun: true } : {};
    this.journal.push({ ...this.#key(number), iteration, attempt, outcome: "crashed", ...rerun });
    this.#obey(choice === 1 ? this.#schedule.rerun(number) : this.#schedule.settle(number, "crashed"));
  }

  #key(number: number): { readonly task: number; readonly item?: number } {
    const item = this.#schedule.itemOf(number);
    return { task: this.#schedule.taskOf(number), ...(item !== undefined && { item }) };
  }

  /** Never more at a time than may be. */
  #check(): void {
    const count = new Map<number, number>();
    for (const number of this.#out.keys()) {
      const task = this.#schedule.taskOf(number);
      count.set(task, (count.get(task) ?? 0) + 1);
    }
    const used = (this.plan.resources ?? []).map(() => 0);
    for (const [task, out] of count) {
      const { each, uses = [] } = this.plan.tasks[task]!;
      assert.ok(out <= (each?.maxParallel ?? Infinity));
      for (const { resource, amount } of uses) used[resource]! += out * amount;
    }
    used.forEach((amount, at) =>
      assert.ok(amount <= this.plan.resources![at]!.capacity, "more than there is")
    );
  }

  #picture(): void {
    if (this.#out.size === 0 && this.state === undefined) {
      this.#pictures.set(this.journal.length, this.#seen());
    }
  }

  /** Where everything stands. A journal does not tell when a delay is over, nor what never began of that which was closed. */
  #seen(): string {
    const schedule = this.#schedule;
    return JSON.stringify(this.plan.tasks.map(({ index, each, when }) => {
      // A condition that was so is told by what follows.
      const decided = when !== undefined && schedule.standing(index) === Standing.ready &&
        schedule.attempt(index) === 0;
      const late = schedule.standing(index) === Standing.ready && schedule.attempt(index) > 0;
      const items = each === undefined || schedule.standing(index) !== Standing.dispatched
        ? undefined
        : schedule.items(index);
      return [
        late ? Standing.retrying : decided ? Standing.waiting : schedule.standing(index),
        schedule.iteration(index),
        schedule.outcome(index),
        items?.count,
        items?.counts,
      ];
    }));
  }
}

/** Holds what each mapped task came to against what its items came to, each of which has at most one final outcome. */
export function checkItems(
  { plan, journal }: { readonly plan: Plan; readonly journal: readonly Replayed[] },
): void {
  const records = journal.filter((record): record is AttemptRecord => !("stopped" in record));
  const finals = finalsOf(records.filter(({ item }) => item === undefined));
  for (const { index, each, retry } of plan.tasks) {
    if (each === undefined) continue;
    const own = records.filter(({ task }) => task === index);
    for (const iteration of new Set(own.map((record) => record.iteration))) {
      const here = own.filter((record) => record.iteration === iteration);
      const count = here.find((record) => record.count !== undefined)?.count;
      const ended = here.filter(({ item, outcome }) => item !== undefined && outcome !== undefined);
      const last = new Map(ended.map((record) => [record.item!, record.outcome!]));
      for (const item of last.keys()) {
        assert.ok(item < count!);
        const attempts = ended.filter((record) => record.item === item);
        assert.deepEqual(attempts.map(({ attempt }) => attempt), attempts.map((_, at) => at + 1));
        assert.ok(
          attempts.slice(0, -1).every(({ outcome }) => isFailure(outcome!)),
          "tried again after no failure",
        );
        assert.ok(attempts.filter(({ rerun }) => !rerun).length <= retry.attempts);
      }
      checkEnd(finals.get(`${index}/${iteration}`), {
        last: [...last.values()],
        count,
        goesOn: each.onItemFailure === "continue",
      });
    }
  }
}

function checkEnd(
  final: Outcome | undefined,
  { last, count, goesOn }: {
    readonly last: readonly Outcome[];
    readonly count: number | undefined;
    readonly goesOn: boolean;
  },
): void {
  assert.notEqual(final, undefined, "no end");
  if (count === undefined) return assert.ok(last.length === 0 && (final === "failed" || final === "skipped"));
  const failed = !goesOn && last.some(isFailure);
  const left = last.length < count || last.includes("cancelled");
  assert.equal(final, failed ? "failed" : left ? "cancelled" : "succeeded");
}
