/** Who gets what there is only so much of, and when it is free again. */
import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import type { ManifestResource, ManifestTask, ManifestUses } from "../../src/pipeline/document/manifest.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { type Command, Standing } from "../../src/schedule/command.ts";
import { FlowSchedule } from "../../src/schedule/flow.ts";
import { replay } from "../../src/schedule/replay.ts";
import { MappedTasks } from "../../src/schedule/items.ts";
import { Resources } from "../../src/schedule/resources.ts";
import { type Dice, dice } from "./dice.ts";
import { Example, planOf } from "./example.ts";

/** A plan whose tasks start in the order in which they are written. */
function shared(
  resources: Readonly<Record<string, ManifestResource>>,
  tasks: Readonly<Record<string, ManifestTask>>,
): Plan {
  const count = Object.keys(tasks).length;
  const ranked = Object.entries(tasks).map(([name, task], at) =>
    [name, { estimate: `${count - at}s`, ...task }] as const
  );
  return planOf(Object.fromEntries(ranked), { resources, onFailure: "continue" });
}

test("tasks that use the same run one after the other, in the order of their ranks; others beside them", () => {
  const run = new Example(
    shared({ radio: 1 }, { a: { uses: ["radio"] }, b: { uses: ["radio"] }, c: {}, d: { uses: ["radio"] } }),
  );
  assert.deepEqual(run.takeAll(), ["a", "c"]);
  run.settle("c");
  assert.deepEqual(run.takeAll(), []);
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["b"]);
  run.settle("b", "failed");
  assert.deepEqual(run.takeAll(), ["d"]);
  run.settle("d", "crashed");
  assert.deepEqual(run.told.at(-1), "end failed");
});

test("a task takes all that it uses or nothing", () => {
  const run = new Example(shared({ radio: 1, uplink: 2 }, {
    a: { uses: ["radio"] },
    b: { uses: { uplink: 1 } },
    both: { uses: { radio: 1, uplink: 2 } },
  }));
  assert.deepEqual(run.takeAll(), ["a", "b"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), []);
  const [radio] = run.schedule.holdings();
  assert.deepEqual([radio!.free, radio!.holders, radio!.first], [1, [], run.index("both")]);
  run.settle("b");
  assert.deepEqual(run.takeAll(), ["both"]);
});

test("what a task waits for is not given to those that come after it, but what it leaves is", () => {
  const run = new Example(shared({ radio: 1, uplink: 3 }, {
    a: { uses: ["radio"] },
    b: { uses: { radio: 1, uplink: 2 } },
    c: { uses: { uplink: 1 } },
    d: { uses: { uplink: 1 } },
  }));
  assert.deepEqual(run.takeAll(), ["a", "c"], "two of the three are for b, and d would take one of them");
  run.settle("c");
  assert.deepEqual(run.takeAll(), ["d"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["b"]);
});

test("who wants much is not passed for ever by those who want little", () => {
  const little = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [`s${at}`, { uses: { uplink: 1 } }]),
  );
  const run = new Example(
    shared({ uplink: 2 }, { s: { uses: ["uplink"] }, much: { uses: { uplink: 2 } }, ...little }),
  );
  assert.deepEqual(run.takeAll(), ["s"]);
  run.settle("s");
  assert.deepEqual(run.takeAll(), ["much"]);
});

test("while a retry waits for its delay, what the task used is free; then it waits like any other", () => {
  const run = new Example(shared({ radio: 1 }, {
    a: { uses: ["radio"], retry: { attempts: 2 } },
    b: { uses: ["radio"] },
  }));
  assert.deepEqual(run.takeAll(), ["a"]);
  run.settle("a", "failed");
  assert.deepEqual(run.takeAll(), ["b"]);
  run.tell(run.schedule.due(run.index("a")));
  assert.deepEqual([run.takeAll(), run.schedule.lacks(run.index("a"))], [[], true]);
  run.settle("b");
  assert.deepEqual(run.takeAll(), ["a attempt 2"]);
});

test("what is given back, lost with its worker, or run again in a loop frees what it used once", () => {
  const plan = planOf({ a: { uses: ["radio"] }, b: { needs: ["a"], uses: ["radio"] } }, {
    resources: { radio: 1 },
    loops: [{ from: "b", to: "a", times: 1 }],
  });
  const run = new Example(plan);
  const free = () => run.schedule.holdings()[0]!.free;
  assert.deepEqual([run.takeAll(), free()], [["a"], 0]);
  run.tell(run.schedule.giveBack(run.index("a")));
  assert.deepEqual([run.takeAll(), free()], [["a"], 0]);
  run.tell(run.schedule.rerun(run.index("a")));
  assert.deepEqual([run.takeAll(), free()], [["a attempt 2"], 0]);
  run.settle("a");
  assert.deepEqual([run.goOn(), free()], [["b", "a iteration 1", "b iteration 1"], 1]);
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("after a stop nothing is granted, and all is free when what runs has ended", () => {
  const run = new Example(shared({ radio: 1 }, { a: { uses: ["radio"] }, b: { uses: ["radio"] }, c: {} }));
  assert.deepEqual(run.take(), ["a"]);
  run.tell(run.schedule.stop("the owner came home"));
  assert.ok(!run.schedule.lacks(run.index("b")));
  run.settle("a");
  assert.deepEqual([run.schedule.holdings()[0]!.free, run.told.at(-1)], [1, "end cancelled"]);
});

test("while it is paused nobody is granted anything, and who has not begun keeps nothing", () => {
  const run = new Example(
    shared({ radio: 1 }, { a: { uses: ["radio"], fresh: true }, b: { uses: ["radio"] }, c: {} }),
  );
  assert.ok(!run.schedule.lacks(run.index("a")));
  run.tell(run.schedule.pause(true));
  assert.deepEqual([run.schedule.lacks(run.index("a")), run.schedule.holdings()[0]!.free], [true, 1]);
  assert.deepEqual(run.takeAll(), ["c"], "who holds back the others is the pool");
  run.tell(run.schedule.pause(false));
  assert.deepEqual(run.takeAll(), ["a"]);
});

test("where edges decide, resources are had and freed as anywhere", () => {
  const plan = planOf(
    { a: { uses: ["radio"], retry: { attempts: 2 } }, b: { uses: ["radio"] }, c: { uses: ["radio"] } },
    { resources: { radio: 1 }, onFailure: "continue", edges: [{ from: "a", to: "c" }] },
  );
  const schedule = new FlowSchedule(plan);
  const run = new Example(plan, schedule);
  run.tell(schedule.start());
  assert.deepEqual(run.takeAll(), ["a"]);
  run.settle("a", "failed");
  assert.deepEqual(run.takeAll(), ["b"]);
  run.tell(schedule.due(run.index("a")));
  run.tell(schedule.giveBack(run.index("b")));
  assert.deepEqual(run.takeAll(), ["a attempt 2"], "it comes before b");
  run.tell(schedule.rerun(run.index("a")));
  assert.deepEqual(run.goOn(), ["a attempt 3", "b", "c"]);
  assert.deepEqual([schedule.holdings()[0]!.free, run.told.at(-1)], [1, "end succeeded"]);
  const stopped = new Example(plan, new FlowSchedule(plan));
  stopped.tell(stopped.schedule.start());
  stopped.tell(stopped.schedule.stop("enough"));
  assert.deepEqual([stopped.schedule.holdings()[0]!.free, stopped.told.at(-1)], [1, "end cancelled"]);
});

test("of the device it is asked for when all else is there, used when it is lent, and goes back once", () => {
  const plan = shared({ radio: 1, uplink: { capacity: 2, scope: "device" } }, {
    a: { uses: ["radio"] },
    b: { uses: ["radio", "uplink"] },
    c: { uses: { uplink: 1 } },
  });
  const run = new Example(plan);
  assert.deepEqual([run.takeAll(), run.told], [["a"], ["borrow for c"]], "b lacks the radio");
  run.settle("a");
  assert.deepEqual(run.told.splice(0), ["borrow for c", "borrow for b"]);
  run.tell(run.schedule.lent(run.index("b")));
  assert.deepEqual(run.takeAll(), ["b"]);
  run.tell(run.schedule.lent(run.index("c")));
  assert.deepEqual(run.takeAll(), ["c"]);
  run.settle("b");
  run.tell(run.schedule.giveBack(run.index("c")));
  assert.deepEqual(run.told.splice(0), ["return for b", "return for c", "borrow for c"]);
  run.tell(run.schedule.stop("enough"));
  assert.deepEqual(run.told.filter((told) => told.startsWith("return")), ["return for c"]);
  run.tell(run.schedule.lent(run.index("c")));
  assert.deepEqual(run.takeAll(), [], "what is lent too late leads to nothing");
});

test("what was borrowed goes back when one that comes before wants it, or what else it needs", () => {
  const plan = planOf({
    first: { estimate: "9s" },
    then: { needs: ["first"], uses: ["radio"], estimate: "9s" },
    borrows: { uses: ["radio", "uplink"] },
  }, { resources: { radio: 1, uplink: { scope: "device" } } });
  const run = new Example(plan);
  run.take();
  assert.deepEqual(run.told.splice(0), ["borrow for borrows"]);
  run.settle("first");
  assert.deepEqual([run.told.splice(0), run.takeAll()], [["return for borrows"], ["then"]]);
  run.settle("then");
  assert.deepEqual(run.told.splice(0), ["borrow for borrows"]);
});

test("what is lent goes back unused where one that comes before has come to want the rest in the meantime", () => {
  const plan = shared({ radio: 1, uplink: { scope: "device" } }, {
    before: { uses: ["radio"] },
    after: { uses: ["radio", "uplink"] },
  });
  const resources = new Resources(
    plan,
    Int32Array.from(plan.tasks, ({ rank }) => rank),
    new MappedTasks(plan),
  );
  const [before, after] = ["before", "after"].map((name) =>
    plan.tasks.find((task) => task.name === name)!.index
  );
  resources.wait(after!);
  assert.deepEqual([resources.grant(), resources.takeCommands()], [[], [{ type: "borrow", task: after }]]);
  resources.lent(after!);
  resources.wait(before!);
  assert.deepEqual(resources.grant(), [before]);
  assert.deepEqual(resources.takeCommands(), [{ type: "return", task: after }]);
  assert.ok(resources.waits(after!));
  resources.free(before!);
  resources.grant();
  resources.lent(after!);
  resources.clear();
  assert.deepEqual(resources.takeCommands().map(({ type }) => type), ["borrow", "return"]);
  assert.deepEqual(resources.holdings().map(({ free }) => free), [1, 1], "it had none of it yet");
});

test("a run that goes on has free what those used that were in flight, and asks the device anew", () => {
  const plan = shared({ radio: 1, uplink: { scope: "device" } }, {
    a: { uses: ["radio"] },
    b: { uses: ["radio"] },
    c: { uses: ["uplink"] },
    d: { uses: ["uplink"] },
  });
  const began = (name: string) => ({
    task: plan.tasks.find((task) => task.name === name)!.index,
    iteration: 0,
    attempt: 1,
  });
  const { schedule, commands, inFlight } = replay(plan, [
    ...[began("c"), { ...began("c"), outcome: "succeeded" as const }],
    // Given back, of which a journal knows nothing, and b was dispatched in its place.
    ...[began("a"), began("b")],
  ]);
  const run = new Example(plan, schedule);
  run.tell(commands);
  assert.deepEqual([inFlight.length, run.told.splice(0)], [2, ["borrow for d"]]);
  assert.deepEqual(run.takeAll(), []);
  for (const task of inFlight) run.tell(schedule.rerun(task));
  assert.deepEqual(run.takeAll(), ["a attempt 2"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["b attempt 2"]);
  run.tell(schedule.lent(run.index("d")));
  assert.deepEqual(run.takeAll(), ["d"]);
});

/** What may happen to the resources of a run. */
type Act = { readonly what: "wait" | "take" | "free" | "lend" | "clear" | "pause"; readonly which: number };

const RESOURCES = { one: 1, three: 3, device: { capacity: 2, scope: "device" } } as const;
const USES: readonly ManifestUses[] = [
  ...[["one"], ["device"], ["one", "device"], { three: 1 }, { three: 2 }, { three: 3, one: 1 }],
  ...[{ three: 1, device: 2 }],
];

test("whatever happens in whatever order: never over capacity, and who is granted something is who should be", () => {
  const uses = fc.array(fc.constantFrom(...USES), { minLength: 1, maxLength: 12 });
  const act = fc.record({
    what: fc.constantFrom<Act["what"]>(
      ...["wait", "wait", "wait", "take", "take", "free", "free", "lend", "lend", "pause", "clear"] as const,
    ),
    which: fc.nat(40),
  });
  fc.assert(
    fc.property(uses, fc.array(act, { maxLength: 80 }), (uses, acts) => {
      const tasks = Object.fromEntries(uses.map((uses, at) => [`t${String(at).padStart(2, "0")}`, { uses }]));
      new Model(shared(RESOURCES, tasks)).play(acts);
    }),
    { numRuns: 400 },
  );
});

/** The same from the words alone: who waits and who has what, and after each act who should have got something. */
class Model {
  readonly #plan: Plan;
  readonly #real: Resources;
  /** By task: it waits, has asked, was lent something; it was granted all; it runs. */
  readonly #at: Map<number, "waits" | "asked" | "lent" | "granted" | "runs"> = new Map();
  #paused = false;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#real = new Resources(plan, Int32Array.from(plan.tasks, ({ rank }) => rank), new MappedTasks(plan));
  }

  play(acts: readonly Act[]): void {
    for (const act of acts) {
      this.#act(act);
      this.#compare();
      for (const [resource, { capacity }] of this.#plan.resources!.entries()) {
        assert.ok(this.#taken(resource) <= capacity, "over capacity");
        assert.equal(this.#real.holdings()[resource]!.free, capacity - this.#taken(resource));
      }
    }
  }

  #act({ what, which }: Act): void {
    if (what === "clear") {
      this.#real.clear();
      for (const [task, at] of this.#at) if (at !== "runs") this.#at.delete(task);
    } else if (what === "pause") this.#pause();
    else {
      const fit = this.#plan.tasks.map(({ index }) => index).filter((task) =>
        this.#fits(what, this.#at.get(task))
      );
      if (fit.length === 0) return;
      const task = fit[which % fit.length]!;
      if (what === "wait") this.#real.wait(task);
      else if (what === "take") this.#real.taken(task);
      else if (what === "free") this.#real.free(task);
      else this.#real.lent(task);
      if (what === "free") this.#at.delete(task);
      else this.#at.set(task, ({ wait: "waits", take: "runs", lend: "lent" } as const)[what]);
    }
  }

  #fits(what: Act["what"], at: string | undefined): boolean {
    return at ===
      ({ wait: undefined, take: "granted", free: "runs", lend: "asked" } as Record<string, unknown>)[what];
  }

  #pause(): void {
    this.#paused = !this.#paused;
    const back = this.#real.pause(this.#paused);
    const granted = [...this.#at].filter(([, at]) => at === "granted").map(([task]) => task);
    assert.deepEqual([...back].toSorted(), this.#paused ? granted.toSorted() : []);
    if (!this.#paused) return;
    for (const [task, at] of this.#at) if (at !== "runs") this.#at.set(task, "waits");
  }

  /** By rank each that waits: it is granted what is left by those before it, who take off what they want. */
  #compare(): void {
    const granted = this.#real.grant();
    const expected: number[] = [];
    const before = new Map(this.#at);
    const waiting = this.#plan.tasks.filter(({ index }) =>
      ["waits", "asked", "lent"].includes(this.#at.get(index)!)
    )
      .sort((a, b) => a.rank - b.rank);
    if (!this.#paused) {
      const left = this.#plan.resources!.map(({ capacity }, at) => capacity - this.#taken(at));
      for (const { index, uses = [] } of waiting) {
        const fits = uses.every(({ resource, amount }) => amount <= left[resource]!);
        for (const { resource, amount } of uses) left[resource]! -= amount;
        const device = uses.some(({ resource }) => this.#plan.resources![resource]!.scope === "device");
        if (fits && (!device || before.get(index) === "lent")) expected.push(index);
        this.#at.set(
          index,
          !fits ? "waits" : device && before.get(index) === "waits" ? "asked" : before.get(index)!,
        );
      }
      for (const task of expected) this.#at.set(task, "granted");
    }
    assert.deepEqual(granted, expected);
    for (const command of this.#real.takeCommands()) {
      assert.ok(command.type === "borrow" || command.type === "return");
      this.#borrowed.has(command.task) === (command.type === "return") ||
        assert.fail(`${command.type} twice`);
      if (command.type === "borrow") this.#borrowed.add(command.task);
      else this.#borrowed.delete(command.task);
    }
    this.#compareHoldings();
    const has = [...this.#at].filter(([task, at]) => at !== "waits" && this.#borrows(task)).map(([task]) =>
      task
    );
    assert.deepEqual(
      [...this.#borrowed].toSorted(),
      has.toSorted(),
      "borrowed is what is asked for or in use",
    );
  }

  #compareHoldings(): void {
    const { tasks } = this.#plan;
    const waits = (task: number) => ["waits", "asked", "lent"].includes(this.#at.get(task)!);
    for (const [resource, { holders, first }] of this.#real.holdings().entries()) {
      const using = tasks.filter(({ uses = [] }) => uses.some((use) => use.resource === resource));
      const has = using.filter(({ index }) => ["granted", "runs"].includes(this.#at.get(index)!));
      assert.deepEqual(holders.toSorted(), has.map(({ index }) => index).toSorted());
      const waiting = using.filter(({ index }) => waits(index)).sort((a, b) => a.rank - b.rank);
      assert.equal(first, waiting[0]?.index);
    }
    for (const { index } of tasks) assert.equal(this.#real.waits(index), waits(index));
  }

  readonly #borrowed: Set<number> = new Set();

  #borrows(task: number): boolean {
    return this.#plan.tasks[task]!.uses!.some(({ resource }) =>
      this.#plan.resources![resource]!.scope === "device"
    );
  }

  #taken(of: number): number {
    let taken = 0;
    for (const [task, at] of this.#at) {
      if (at !== "granted" && at !== "runs") continue;
      for (const { resource, amount } of this.#plan.tasks[task]!.uses!) if (resource === of) taken += amount;
    }
    return taken;
  }
}

test("a task that waits for a resource is ready, and nobody can take it", () => {
  const run = new Example(
    shared({ radio: 1 }, { a: { uses: ["radio"] }, b: { uses: ["radio"], fresh: true } }),
  );
  const { schedule } = run;
  const b = run.index("b");
  assert.deepEqual([schedule.standing(b), schedule.lacks(b)], [Standing.ready, true]);
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.headAlone], [1, 0, undefined]);
  run.takeAll();
  run.settle("a");
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.headAlone], [0, 1, b]);
});

test("of ten thousand that wait for one radio no more is looked at for each than of a thousand", () => {
  const each = (count: number): number => {
    const tasks = Array.from({ length: count }, (_, at) => [`t${at}`, { uses: ["radio"] }] as const);
    const plan = planOf(Object.fromEntries(tasks), { resources: { radio: 1, uplink: { scope: "device" } } });
    let looks = 0;
    const ranks = new Proxy(Int32Array.from(plan.tasks, ({ rank }) => rank), {
      get: (target, key) => (looks++, Reflect.get(target, key)),
    });
    const resources = new Resources(plan, ranks, new MappedTasks(plan));
    for (const { index } of plan.tasks) resources.wait(index);
    looks = 0;
    for (let task = resources.grant()[0]; task !== undefined; task = resources.grant()[0]) {
      resources.free(task);
    }
    return looks / count;
  };
  assert.ok(each(10_000) < 2 * each(1_000));
});

test("where edges decide, chance brings no more into use than there is, and every run comes to its end", () => {
  const names = [..."abcdef"];
  const drawn = fc.record({ from: fc.nat(5), to: fc.nat(5), weak: fc.boolean() });
  const uses = fc.array(fc.constantFrom<ManifestUses | undefined>(undefined, ...USES), {
    minLength: 6,
    maxLength: 6,
  });
  fc.assert(
    fc.property(fc.array(drawn, { maxLength: 8 }), uses, fc.integer(), (drawn, uses, seed) => {
      const known = new Map(
        drawn.filter(({ from, to, weak }) => from < to || (weak && from !== to))
          .map((
            { from, to, weak },
          ) => [`${from} ${to}`, { from: names[from]!, to: names[to]!, weak, times: 2 }]),
      );
      const tasks = Object.fromEntries(
        names.map((name, at) => [name, { uses: uses[at] ?? [], retry: { attempts: 2 } }]),
      );
      const plan = planOf(tasks, { resources: RESOURCES, edges: [...known.values()], onFailure: "continue" });
      new FlowByChance(plan, dice(seed)).run();
    }),
    { numRuns: 200 },
  );
});

/** A run whose edges decide, in which everything happens by chance. */
class FlowByChance {
  readonly #plan: Plan;
  readonly #roll: Dice;
  readonly #schedule: FlowSchedule;
  readonly #running: number[] = [];
  readonly #delayed: number[] = [];
  /** By task: whether what it borrows of the device was lent. */
  readonly #loans: Map<number, boolean> = new Map();
  #paused = false;
  #ended = false;

  constructor(plan: Plan, roll: Dice) {
    this.#plan = plan;
    this.#roll = roll;
    this.#schedule = new FlowSchedule(plan);
  }

  run(): void {
    this.#obey(this.#schedule.start());
    for (let step = 0; !this.#ended; step++) {
      assert.ok(step < 5_000, "it never ends");
      const acts = this.#acts(step < 1_000);
      assert.ok(acts.length > 0, "it has not ended, and there is nothing to do");
      acts[this.#roll(acts.length)]!();
      this.#check();
    }
    assert.equal(this.#loans.size, 0);
    assert.ok(
      this.#schedule.holdings().every(({ free }, at) => free === this.#plan.resources![at]!.capacity),
    );
  }

  #acts(idle: boolean): (() => void)[] {
    const schedule = this.#schedule;
    const acts: (() => void)[] = [];
    if (schedule.readyCount > 0) {
      acts.push(() =>
        this.#running.push(...schedule.release(1, { max: 1, ready: 1 }).map(({ task }) => task))
      );
    }
    if (this.#running.length > 0) {
      acts.push(() => this.#obey(schedule.settle(this.#one(this.#running), this.#end())));
    }
    if (this.#running.length > 0 && idle) {
      acts.push(() => this.#obey(schedule.giveBack(this.#one(this.#running))));
      acts.push(() => this.#obey(schedule.rerun(this.#one(this.#running))));
    }
    if (this.#delayed.length > 0) acts.push(() => this.#obey(schedule.due(this.#one(this.#delayed))));
    for (const [task, lent] of this.#loans) if (!lent) acts.push(() => this.#lend(task));
    if (this.#paused || (idle && this.#roll(5) === 0)) acts.push(() => this.#pause());
    return acts;
  }

  #one(of: number[]): number {
    return of.splice(this.#roll(of.length), 1)[0]!;
  }

  #end(): "succeeded" | "failed" {
    return this.#roll(4) === 0 ? "failed" : "succeeded";
  }

  #lend(task: number): void {
    this.#loans.set(task, true);
    this.#obey(this.#schedule.lent(task));
  }

  #pause(): void {
    this.#paused = !this.#paused;
    this.#obey(this.#schedule.pause(this.#paused));
  }

  #check(): void {
    const used = this.#plan.resources!.map(() => 0);
    for (const task of this.#running) {
      for (const { resource, amount } of this.#plan.tasks[task]!.uses ?? []) {
        used[resource]! += amount;
        if (this.#plan.resources![resource]!.scope === "device") assert.equal(this.#loans.get(task), true);
      }
    }
    used.forEach((amount, at) => assert.ok(amount <= this.#plan.resources![at]!.capacity, "over capacity"));
  }

  #obey(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "end") this.#ended = true;
      else if (command.type === "delay") this.#delayed.push(command.task);
      else if (command.type === "borrow") {
        assert.ok(!this.#loans.has(command.task) && !this.#paused);
        this.#loans.set(command.task, false);
      } else if (command.type === "return") assert.ok(this.#loans.delete(command.task), "given back twice");
    }
  }
}
