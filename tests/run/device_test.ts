/** Resources of the device: shared by all runs on it, in whichever process, and free when their holder dies. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { ManifestTask, ManifestUses } from "../../src/pipeline/document/manifest.ts";
import { Ledger, lentNow, type Loan, type LoanWish } from "../../src/run/device/ledger.ts";
import { Lender } from "../../src/run/device/lender.ts";
import type { World } from "../../src/run/world.ts";
import { systemDisk } from "../../src/journal/disk/system.ts";
import { HandClock } from "../store/hand_clock.ts";
import { startCli } from "../rig.ts";
import { beats, outcomes, see, start, withFolder, world } from "./rig.ts";

const run = { command: ["true"] };

/** The world with the book in this folder. */
function sharing(folder: string, more: Partial<World> = {}): World {
  const env = (name: string) => name === "OUTRIDER_DEVICE_DIR" ? folder : world.runtime.env(name);
  return { ...world, runtime: { ...world.runtime, env }, ...more };
}

function open(folder: string, run: string): Promise<Ledger> {
  return Ledger.open({ folder, run, runtime: world.runtime, newId: world.newId });
}

function wish(task: number, amounts: Readonly<Record<string, number>>, capacity = 2): LoanWish {
  const shares = Object.entries(amounts).map(([resource, amount]) => ({ resource, amount, capacity }));
  return { task, name: `t${task}`, shares };
}

/** Tasks that this run has been lent what they use. */
function lent(ledger: Ledger, asked: readonly LoanWish[] = [], returned: readonly number[] = []): number[] {
  const own = ledger.update({ asked, returned }).filter((loan) => loan.lent && ledger.isOwn(loan));
  return [...new Set(own.map(({ task }) => task))];
}

test("device: who asked first gets all that it asks for or nothing, and is not passed by those that want the same", () =>
  withFolder(async (folder) => {
    const [a, b] = [await open(folder, "a"), await open(folder, "b")];
    assert.deepEqual(lent(a, [wish(1, { radio: 1, uplink: 1 })]), [1]);
    assert.deepEqual(lent(b, [wish(1, { uplink: 2 }), wish(2, { uplink: 1 }), wish(3, { radio: 1 })]), [3]);
    assert.deepEqual(lent(a, [wish(2, { radio: 1 })]), [1], "all of the radio is in use");
    assert.ok(b.isNews && !a.isNews);
    assert.deepEqual(lent(a, [], [1]), [2]);
    assert.deepEqual(lent(b), [1, 3], "the second comes behind the first");
    assert.ok(!b.isNews);
    await a.close();
    assert.ok(b.isNews);
    assert.deepEqual(b.update({ asked: [], returned: [1] }).map(({ task, lent }) => [task, lent]), [
      [2, true],
      [3, true],
    ]);
    await b.close();
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith(".lock")), []);
  }));

test("device: two that name different capacities each keep to their own", () =>
  withFolder(async (folder) => {
    const [a, b] = [await open(folder, "a"), await open(folder, "b")];
    assert.deepEqual(lent(a, [wish(1, { uplink: 1 }, 3), wish(2, { uplink: 1 }, 3)]), [1, 2]);
    assert.deepEqual(lent(b, [wish(1, { uplink: 1 }, 1)]), []);
    assert.deepEqual([lent(a, [], [1, 2]), lent(b)], [[], [1]]);
    await a.close();
    await b.close();
  }));

test("device: what a process had that is gone is free, and the book says so to who opens it or waits", () =>
  withFolder(async (folder) => {
    const a = await open(folder, "a");
    const database = (await systemDisk()).openDatabase(join(folder, "loans.sqlite"));
    const die = (holder: string) =>
      database.exec(`INSERT INTO loans VALUES (1, '${holder}', 'r', 77, 0, 'scan', 'radio', 2, 2, 1)`);
    die("ghost");
    const [{ run, process, name } = {} as Loan] = a.update({ asked: [wish(5, { radio: 1 })], returned: [] });
    assert.deepEqual([run, process, name, lent(a)], ["r", 77, "scan", []]);
    await a.bury(["ghost"]);
    assert.ok(a.isNews);
    assert.deepEqual(lent(a), [5]);
    const b = await open(folder, "b");
    await b.bury(a.update({ asked: [], returned: [] }).map(({ holder }) => holder));
    assert.deepEqual(lent(a), [5], "who lives keeps what it has");
    die("late");
    writeFileSync(join(folder, "late.lock"), "");
    const c = await open(folder, "c");
    assert.ok(!existsSync(join(folder, "late.lock")));
    assert.deepEqual(c.update({ asked: [], returned: [] }).map(({ task }) => task), [5]);
    for (const each of [a, b, c]) await each.close();
    database.close();
  }));

test("device: whatever was asked and lent in whatever order, never more is in use than there is", () => {
  const amount = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
  const act = fc.record({
    one: amount,
    two: amount,
    what: fc.constantFrom("ask", "lend", "return"),
    which: fc.nat(),
  });
  fc.assert(fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
    const rows = { holder: "h", run: "r", process: 1, task: 0, name: "t", capacity: 3 };
    let loans: Loan[] = [];
    for (const [ticket, { one, two, what, which }] of acts.entries()) {
      const open = [...new Set(loans.map((loan) => loan.ticket))];
      if (what === "return") loans = loans.filter((loan) => loan.ticket !== open[which % open.length]);
      else if (what === "ask") {
        const wished = Object.entries({ one, two }).filter(([, amount]) => amount !== undefined);
        loans.push(
          ...wished.map(([resource, amount]) => ({
            ...rows,
            ticket,
            resource,
            amount: amount!,
            lent: false,
          })),
        );
      } else {
        const granted = lentNow(loans);
        loans = loans.map((each) => granted.includes(each.ticket) ? { ...each, lent: true } : each);
        const first = loans.find(({ lent }) => !lent)?.ticket;
        if (first !== undefined) {
          assert.ok(loans.some((each) => each.lent), "what is free is lent to who is first");
        }
      }
      for (const resource of ["one", "two"]) {
        const taken = loans.filter((each) => each.lent && each.resource === resource);
        assert.ok(taken.reduce((sum, { amount }) => sum + amount, 0) <= 3, "over capacity");
      }
    }
  }));
});

/** A lender whose time is in the test's hand. */
class Hand {
  readonly clock = new HandClock(1_000_000);
  readonly lender: Lender;
  readonly heard: string[] = [];
  readonly #uses: readonly ManifestUses[];

  constructor(folder: string, run: string, uses: readonly ManifestUses[], shares = true) {
    this.#uses = uses;
    this.lender = new Lender({ run, world: sharing(folder, { clock: this.clock }), shares });
  }

  async open(): Promise<this> {
    const tasks = Object.fromEntries(this.#uses.map((uses, at) => [`t${at}`, { run, uses } as ManifestTask]));
    const resources = { radio: 1, uplink: { capacity: 2, scope: "device" }, disk: { scope: "device" } };
    const plan = compile({ outrider: 1, name: "p", resources, tasks }, "file:///");
    await this.lender.open(plan, {
      taskOf: (item) => item % this.#uses.length,
      lent: (task) => this.heard.push(`lent ${task}`),
      note: (level, text) => this.heard.push(`${level} ${text}`),
    });
    return this;
  }

  /** What it has heard after so long. */
  after(ms: number): string[] {
    this.clock.advance(ms);
    return this.heard.splice(0);
  }
}

test("lender: what is free is lent at once; what is not is looked for, less and less often, and said who has it", () =>
  withFolder(async (folder) => {
    const a = await new Hand(folder, "a", [{ uplink: 2 }, ["radio"]]).open();
    const b = await new Hand(folder, "b", [["uplink"], ["uplink"]]).open();
    const c = await new Hand(folder, "c", [["uplink"], ["radio"]]).open();
    a.lender.borrow(0);
    assert.deepEqual(a.after(0), ["lent 0"]);
    a.after(20);
    assert.equal(a.clock.timers, 0, "who waits for nothing looks at nothing");
    b.lender.borrow(0);
    assert.deepEqual(b.after(1_000), []);
    assert.deepEqual(b.lender.others("uplink"), [{ task: "t0", run: "a", process: world.runtime.pid }]);
    assert.deepEqual(b.after(12_000), [
      `info t0 waits for uplink, which t0 of run a (process ${world.runtime.pid}) has`,
    ]);
    a.lender.giveBack(0);
    assert.deepEqual([a.after(0), b.after(500)], [[], ["lent 0"]]);
    b.lender.giveBack(0);
    assert.deepEqual(b.after(0), []);
    // The second is another item of the same task.
    for (const item of [0, 2]) c.lender.borrow(item);
    assert.deepEqual(c.after(1_000), ["lent 0", "lent 2"]);
    b.lender.borrow(0);
    assert.deepEqual(b.after(1_000), []);
    assert.deepEqual(b.lender.others("uplink"), [{ task: "t0", run: "c", process: world.runtime.pid }]);
    for (const item of [0, 2]) c.lender.giveBack(item);
    assert.deepEqual([c.after(0), b.after(500)], [[], ["lent 0"]]);
    await c.lender.close();
    b.lender.borrow(1);
    b.lender.giveBack(1);
    assert.deepEqual(b.after(1_000), [], "what is given back before it is lent is not lent");
    await b.lender.close();
    a.lender.borrow(0);
    assert.deepEqual(a.after(0), ["lent 0"]);
    await a.lender.close();
    assert.equal(a.clock.timers + b.clock.timers, 0);
  }));

test("lender: one that is closed while it opens the book leaves nothing open and no lock", () =>
  withFolder(async (folder) => {
    const hand = new Hand(folder, "a", [["uplink"]]);
    const opening = hand.open();
    await hand.lender.close();
    await opening;
    assert.deepEqual(readdirSync(join(folder, "device")).filter((name) => name.endsWith(".lock")), []);
    hand.lender.borrow(0);
    assert.deepEqual([hand.after(1_000), hand.clock.timers], [[], 0]);
  }));

test("lender: a plan that uses nothing of the device opens nothing, and one that shares nothing gets all at once", () =>
  withFolder(async (folder) => {
    const none = await new Hand(join(folder, "none"), "a", [["radio"]]).open();
    await none.lender.close();
    const alone = await new Hand(join(folder, "none"), "b", [["uplink"], { uplink: 2 }], false).open();
    alone.lender.borrow(0);
    alone.lender.borrow(1);
    assert.deepEqual(alone.after(0), ["lent 0", "lent 1"]);
    await alone.lender.close();
    assert.ok(!existsSync(join(folder, "none")));
  }));

test("device: a folder that can't be used is a problem, and nothing has run", () =>
  withFolder(async (folder) => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const source = {
      outrider: 1,
      name: "p",
      resources: { uplink: { scope: "device" } },
      tasks: { a: { run, uses: ["uplink"] } },
    } as const;
    await assert.rejects(Promise.resolve(see(source, { world: sharing(file) })), (error: Error) => {
      assert.match(
        error.message,
        /resources: What the device lends can't be written down .*OUTRIDER_DEVICE_DIR/,
      );
      return true;
    });
  }));

const ALONE = `
import { mkdirSync, rmdirSync } from "node:fs";
export async function alone({ params }) {
  for (const lock of params.locks) mkdirSync(lock);
  await new Promise((done) => setTimeout(done, 3));
  for (const lock of params.locks) rmdirSync(lock);
}
`;

test("device: runs beside each other, that take the same in different orders, never have it at the same time and all end", () =>
  withFolder(async (folder) => {
    const module = join(folder, "alone.mjs");
    writeFileSync(module, ALONE);
    const task = (...names: string[]): ManifestTask => ({
      run: { module, export: "alone" },
      uses: names,
      params: { locks: names.map((name) => join(folder, `lock-${name}`)) },
    });
    const of = (name: string, tasks: Readonly<Record<string, ManifestTask>>) =>
      see({
        outrider: 1,
        name,
        onFailure: "continue",
        resources: { one: { scope: "device" }, two: { scope: "device" }, own: 1 },
        tasks,
      }, { world: sharing(join(folder, "device")), workers: 2 });
    const all = await Promise.all([
      of("p", { a: task("one", "two"), b: task("two"), c: task("one") }),
      of("q", { a: task("two", "one"), b: task("one"), c: task("two", "one") }),
      of("r", { a: task("one"), b: task("two", "one") }),
    ]);
    for (const { result } of all) {
      assert.ok(
        Object.values(outcomes(result)).every((outcome) => outcome === "succeeded"),
        JSON.stringify(result.tasks),
      );
    }
  }));

test("device: two agents and one more run, of which the one that has it is killed: the next has it, then the last", () =>
  withFolder(async (folder) => {
    const device = join(folder, "device");
    const agent = (name: string, command: readonly string[]) => {
      const pipeline = join(folder, `${name}.json`);
      const tasks = { [name]: { run: { command }, uses: ["uplink"] } };
      const resources = { uplink: { scope: "device" } };
      writeFileSync(pipeline, JSON.stringify({ outrider: 1, name, resources, tasks }));
      const env = {
        OUTRIDER_PIPELINE: pipeline,
        OUTRIDER_STATE_DIR: join(folder, `state-${name}`),
        OUTRIDER_DEVICE_DIR: folder,
      };
      return startCli(["agent"], { env });
    };
    const begun = join(folder, "begun");
    const first = agent("first", ["sh", "-c", `echo > ${begun}; exec sleep 600`]);
    await beats(begun);
    const second = agent("second", ["sh", "-c", `echo >> ${begun}`]);
    const watching = await open(device, "watching");
    const waits = async (count: number) => {
      while (watching.update({ asked: [], returned: [] }).filter(({ lent }) => !lent).length < count) {
        await new Promise((done) => setTimeout(done, 5));
      }
    };
    await waits(1);
    const third = start({
      outrider: 1,
      name: "third",
      resources: { uplink: { scope: "device" } },
      tasks: { third: { run, uses: ["uplink"] } },
    }, { world: sharing(folder) });
    await waits(2);
    const [{ lacks } = { lacks: [] }] = third.execution.snapshot().lacking ?? [];
    assert.deepEqual(lacks[0]!.heldBy.map(({ task, process }) => [task, process]), [[
      "first",
      first.child.pid,
    ]]);
    first.kill("SIGKILL");
    const { code, stdout, stderr } = await second.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(outcomes((await third.seen).result), { third: "succeeded" });
    await first.ended;
    await watching.close();
  }));
