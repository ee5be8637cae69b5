/** A process that runs tasks, by the clock and by what it says, with the process itself in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import type { Doer } from "../../src/pool/board/slots.ts";
import type { Desk } from "../../src/pool/kinds/runner.ts";
import type { Launch } from "../../src/pool/process/life.ts";
import { TaskProcess } from "../../src/pool/process/process.ts";
import { HandClock } from "../store/hand_clock.ts";
import { itemOf } from "./item.ts";
import { DIGITS, type FakeGroup, Processless, settle } from "./processless.ts";

const GRACE_MS = 1_000, START_MS = 60_000;
const ITEM: LaneItem = itemOf(3, { iteration: 1, attempt: 2, payload: '{"p":{}}' });
const LAUNCH: Launch = {
  command: ["python", "-c", "x"],
  cwd: "/here",
  env: { A: "1" },
  setup: { path: ["/m"] },
};
const ERROR = { name: "E", message: "m" };

interface Rig {
  readonly clock: HandClock;
  readonly world: Processless;
  readonly process: TaskProcess;
  readonly group: FakeGroup;
  readonly heard: string[];
  readonly outcomes: LaneOutcome[];
  readonly asked: { given: (fits: (doer: Doer) => boolean) => boolean; resolve: (() => void)[] };
  /** Gives it an attempt. */
  run(more?: Partial<LaneItem>, last?: boolean): void;
  /** The one outcome so far. */
  only(): LaneOutcome;
}

async function started(launch: Promise<Launch> = Promise.resolve(LAUNCH), desk?: Desk): Promise<Rig> {
  const clock = new HandClock(), world = new Processless();
  const heard: string[] = [], outcomes: LaneOutcome[] = [];
  const asked: Rig["asked"] = { given: () => false, resolve: [] };
  const process = new TaskProcess({
    ...{ id: 7, key: "k", run: "the run", runtime: world, clock, launch, killGraceMs: GRACE_MS },
    desk: () => desk,
    services: ({ given }) => {
      asked.given = given;
      return {
        get: () => new Promise((resolve) => asked.resolve.push(() => resolve(1))),
        emit: (...list: unknown[]) => list,
      };
    },
    listener: {
      ready: ({ id }) => void heard.push(`ready ${id}`),
      printed: ({ attempt }, { stream, level, text }) =>
        void heard.push(`printed ${attempt} ${stream}.${level} ${text}`),
      progressed: ({ attempt }, { fraction, text }) =>
        void heard.push(`progressed ${attempt} ${fraction} ${text}`),
      settled: (_, { attempt }, outcome) => {
        heard.push(`${outcome.outcome} ${attempt}`);
        outcomes.push(outcome);
      },
      ended: (_, error) => void heard.push(`ended ${error?.message}`),
    },
  });
  await settle();
  return {
    ...{ clock, world, process, heard, outcomes, asked, group: world.last },
    run: (more = {}, last = false) =>
      process.run({ item: { ...ITEM, ...more }, task: "name", work: '{"w":1}' }, last),
    only: () => {
      assert.equal(outcomes.length, 1, heard.join(", "));
      return outcomes[0]!;
    },
  };
}

async function ready(desk?: Desk): Promise<Rig> {
  const rig = await started(undefined, desk);
  rig.group.ready();
  return rig;
}

/** With an attempt that runs, in a world in which nothing was heard so far. */
async function running(more: Partial<LaneItem> = {}, desk?: Desk): Promise<Rig> {
  const rig = await ready(desk);
  rig.heard.length = 0;
  rig.run(more);
  return rig;
}

/** It was ended for what it has told; by those words, and by what follows from them. */
async function refused({ group, heard, outcomes, process, clock }: Rig, words: string): Promise<void> {
  await settle();
  assert.deepEqual(group.signals.slice(0, 1), ["SIGKILL"], heard.join(", "));
  assert.equal(heard.at(-1), "ended undefined");
  const { outcome, reason, because } = outcomes.at(-1)!;
  assert.deepEqual({ outcome, reason }, { outcome: "crashed", reason: "lost" });
  const advice = words.includes("forked") ? "end the fork before" : "look for code";
  assert.ok(because!.startsWith(`${words}; ${advice}`), because!);
  assert.ok(!process.idle && process.running === undefined);
  assert.equal(clock.timers, 0);
}

test("process: it is told what it is for, and is idle when it is ready, not before", async () => {
  const { process, group, clock, heard, world } = await started();
  const { command, cwd, env, stdin, mark } = group.options;
  assert.deepEqual({ command, cwd, env, stdin, mark }, {
    ...{ command: LAUNCH.command, cwd: "/here", env: { A: "1" }, stdin: "", mark: "mark 1" },
  });
  const { maxFrameBytes, maxValueBytes, ...setup } = group.heard[0]!;
  assert.deepEqual(setup, { t: "setup", protocol: 1, run: "the run", path: ["/m"] });
  assert.ok(Number(maxFrameBytes) > Number(maxValueBytes));
  assert.ok(process.starting && !process.idle && !process.used);
  clock.advance(500);
  group.ready();
  assert.ok(!process.starting && process.idle);
  assert.equal(process.idleSince, clock.monotonic());
  assert.deepEqual(heard, ["ready 7"]);
  const gone = process.end();
  assert.ok(!process.idle && !process.starting);
  assert.deepEqual(group.heard.at(-1), { t: "end" });
  group.ends({ code: 0, signal: undefined });
  await gone;
  assert.deepEqual([heard.at(-1), world.stopped, group.released], ["ended undefined", ["mark 1"], true]);
  assert.deepEqual(group.signals, []);
});

test("process: one that is not ready in time is ended, with its last words", async () => {
  const { group, clock, heard } = await started();
  group.prints("stderr", "no module named x\n \n");
  clock.advance(START_MS - 1);
  assert.deepEqual(group.signals, []);
  clock.advance(1);
  await settle();
  assert.deepEqual(group.signals, ["SIGKILL"]);
  assert.deepEqual(heard, [
    `ended "python" can't run tasks, as it was not ready within 60 s: no module named x`,
  ]);
  assert.equal(clock.timers, 0);
});

test("process: one that is ready in time has no limit any more", async () => {
  const { group, clock, process } = await ready();
  clock.advance(10 * START_MS);
  assert.ok(process.idle);
  assert.deepEqual([group.signals, clock.timers], [[], 0]);
});

test("process: one that ends before it is ready says how", async () => {
  for (
    const [end, words] of [
      [{ code: 2, signal: undefined }, `"python" can't run tasks, as it ended with exit code 2`],
      [{ code: undefined, signal: "SIGSEGV" }, `"python" can't run tasks, as it ended by SIGSEGV`],
      [{ code: undefined, signal: undefined, error: new Error("no such file") }, "no such file"],
    ] as const
  ) {
    const { group, heard, clock } = await started();
    group.ends(end);
    await settle();
    assert.deepEqual([heard, clock.timers], [[`ended ${words}`], 0]);
  }
  const { heard, world } = await started(Promise.reject(new Error("There is no Python")));
  assert.deepEqual([heard, world.groups.length], [["ended There is no Python"], 0]);
});

test("process: what gets ready wrongly is ended", async () => {
  const other = await started();
  other.group.says("ready", { protocol: 2, runner: "r" });
  await settle();
  assert.deepEqual(other.heard, [
    `ended "python" can't run tasks, as its runner (r) speaks version 2, not 1`,
  ]);
  const twice = await running();
  twice.group.ready();
  await refused(twice, "it has got ready twice");
});

test("process: one that is ended before it is launched never starts", async () => {
  const launch = Promise.withResolvers<Launch>();
  const { process, heard, world } = await started(launch.promise);
  let gone = false;
  void process.end().then(() => gone = true);
  launch.resolve(LAUNCH);
  await settle();
  // It may have begun: then it is killed as soon as it is there.
  for (const group of world.groups) group.signal("SIGKILL");
  await settle();
  assert.ok(gone);
  assert.match(heard.at(-1)!, /^ended/);
});

test("process: an attempt settles when it is done and both outputs have come to its mark, in any order", async () => {
  const steps = {
    done: ({ group }: Rig) => group.says("done", { mark: DIGITS, value: "1" }),
    stdout: ({ group }: Rig) => group.marks("stdout"),
    stderr: ({ group }: Rig) => group.marks("stderr"),
  };
  const orders = [
    ["done", "stdout", "stderr"],
    ["stdout", "stderr", "done"],
    ["stdout", "done", "stderr"],
    ["stderr", "done", "stdout"],
  ] as const;
  for (const order of orders) {
    const rig = await running();
    const { clock, process, group, heard } = rig;
    const startedAt = clock.now();
    assert.deepEqual(group.heard.at(-1), {
      ...{ t: "run", seq: 1, iteration: 1, attempt: 2, work: { w: 1 }, given: { p: {} } },
    });
    assert.ok(process.used && !process.idle);
    assert.equal(process.running!.since, clock.monotonic());
    clock.advance(250);
    for (const step of order) {
      await settle();
      assert.deepEqual(heard, [], order.join());
      steps[step](rig);
    }
    assert.deepEqual(heard, [], "not while its output is read");
    await settle();
    assert.deepEqual(rig.only(), { outcome: "succeeded", value: "1", startedAt, endedAt: startedAt + 250 });
    assert.ok(process.idle);
    assert.deepEqual([process.idleSince, group.signals.length], [clock.monotonic(), 0]);
    clock.advance(START_MS);
    assert.deepEqual([process.idle, group.signals.length, clock.timers], [true, 0, 0], "nothing is left");
    // And the next has its own number.
    rig.run({ attempt: 5 });
    assert.deepEqual(group.heard.at(-1)!["seq"], 2);
    await group.done({ error: ERROR, value: "2" });
    assert.deepEqual(heard, ["succeeded 2", "failed 5"]);
    const { outcome, error, value } = rig.outcomes[1]!;
    assert.deepEqual({ outcome, error, value }, { outcome: "failed", error: ERROR, value: "2" });
  }
});

test("process: what it prints, logs and does is told as the attempt's; what comes late as the last one's", async () => {
  const { group, heard, run } = await running();
  group.prints("stdout", "out\n");
  group.prints("stderr", "err\n");
  group.says("log", { level: "debug", text: "low" });
  group.says("log", { level: "error", text: "high" });
  group.says("progress", { fraction: 0.5, text: "half" });
  group.prints("stdout", "no end");
  await group.done();
  group.prints("stdout", "late\n");
  group.says("log", { level: "info", text: "late" });
  group.says("progress", { fraction: 1 });
  run({ attempt: 3 });
  group.says("log", { seq: 1, level: "info", text: "of the last" });
  group.says("progress", { seq: 1, fraction: 1 });
  group.says("log", { seq: 77, level: "info", text: "of none" });
  group.prints("stdout", "now\n");
  assert.deepEqual(heard, [
    "printed 2 1.1 out",
    "printed 2 2.1 err",
    "printed 2 0.0 low",
    "printed 2 0.3 high",
    "progressed 2 0.5 half",
    "printed 2 1.1 no end",
    "succeeded 2",
    "printed 2 1.1 late",
    "printed 2 0.1 late",
    "printed 2 0.1 of the last",
    "printed 3 1.1 now",
  ]);
});

test("process: an attempt has ended while its files are still being kept: what comes then comes late", async () => {
  const kept = Promise.withResolvers<void>();
  const { group, heard, asked, process } = await running({}, {
    environment: {},
    isEmpty: () => false,
    take: () => kept.promise,
    remove: async () => {},
  });
  group.says("out", { stream: "stdout", text: "no end" });
  await group.done();
  assert.deepEqual(heard, ["printed 2 1.1 no end"]);
  for (const text of ["late", "later"]) group.says("out", { stream: "stdout", text });
  group.says("progress", { fraction: 1 });
  group.says("call", { id: 1, call: "store.get", with: { key: "k" } });
  await settle();
  assert.match(JSON.stringify(group.told("reply")), /The attempt that asks has ended/);
  assert.deepEqual(asked.resolve, []);
  assert.ok(!process.idle);
  kept.resolve();
  await settle();
  assert.deepEqual(heard, [
    "printed 2 1.1 no end",
    "printed 2 1.1 late",
    "printed 2 1.1 later",
    "succeeded 2",
  ]);
  assert.ok(process.idle);
});

test("process: what it tells that can't be right ends it", async () => {
  const mark = { mark: DIGITS };
  const wrongs: readonly (readonly [string, (rig: Rig) => unknown])[] = [
    ["it has sent what is no JSON", ({ group }) => group.saysText("{")],
    [
      "it has logged at a level that there is not",
      ({ group }) => group.says("log", { level: "loud", text: "" }),
    ],
    ["it has ended an attempt that does not run", ({ group }) => group.says("done", { ...mark, seq: 9 })],
    ["it has ended an attempt that does not run", ({ group }) => {
      group.says("done", mark);
      group.says("done", mark);
    }],
    ["it has told a value that is no JSON", ({ group }) => group.says("done", { ...mark, value: "{" })],
    ["it has forked, and the fork has come back from the task as well", ({ group }) => group.says("twice")],
    ["it has set a mark that is not its runner's", ({ group }) => {
      group.marks("stdout");
      group.marks("stdout");
    }],
    ["it has set a mark that is not its runner's", ({ group }) => {
      group.says("done", mark);
      group.marks("stderr", "f".repeat(32));
    }],
    ["it has set a mark that is not its runner's", ({ group }) => {
      group.marks("stdout", "f".repeat(32));
      group.says("done", mark);
    }],
  ];
  for (const [words, act] of wrongs) {
    const rig = await running();
    act(rig);
    await refused(rig, words);
    // Nothing is believed any more.
    rig.group.says("progress", { fraction: 1 });
    rig.group.saysText("{");
    assert.equal(rig.heard.filter((text) => text.startsWith("progressed")).length, 0);
    assert.deepEqual(rig.group.signals, ["SIGKILL"]);
  }
});

test("process: a mark when nothing runs ends it", async () => {
  const { group, heard } = await ready();
  group.marks("stdout");
  await settle();
  assert.deepEqual([group.signals, heard.at(-1)], [["SIGKILL"], "ended undefined"]);
});

test("process: the marks of an attempt come within 10 s of its end", async () => {
  const rig = await running();
  rig.group.says("done", { mark: DIGITS });
  rig.group.marks("stdout");
  rig.clock.advance(9_999);
  await settle();
  assert.deepEqual(rig.group.signals, []);
  rig.clock.advance(1);
  await refused(rig, "it has not set the marks of an attempt");
});

test("process: who tells when it begins has 10 s for that, and what left it so is told who did", async () => {
  const rig = await running();
  const { group, clock, heard } = rig;
  clock.advance(60_000);
  assert.deepEqual(group.signals, [], "a runner need not tell it");
  group.says("began");
  await group.done();
  rig.run();
  clock.advance(9_999);
  group.says("began");
  clock.advance(60_000);
  await group.done();
  assert.deepEqual([group.signals, clock.timers], [[], 0], "it may take as long as it likes");
  rig.run();
  clock.advance(9_999);
  assert.deepEqual(group.signals, []);
  heard.length = 0;
  clock.advance(1);
  assert.match(heard[0]!, /What it left behind has held its process for 10 s: the process ends/);
  await settle();
  const { outcome, reason, because } = rig.outcomes.at(-1)!;
  assert.deepEqual([outcome, reason, because], [
    "crashed",
    "lost",
    "its process has not begun with it, as what an earlier task left behind holds that; " +
    "let a task await or stop all that it starts, or be fresh",
  ]);
  assert.deepEqual([group.signals, clock.timers], [["SIGKILL"], 0]);
});

test("process: calls are answered by their numbers, in the name of the attempt", async () => {
  const { group, asked, run } = await running({ iteration: 4 });
  assert.ok(asked.given(({ attempt }) => attempt === 2) && !asked.given(({ attempt }) => attempt === 3));
  group.says("call", { id: 1, call: "store.get", with: { key: "k" } });
  group.says("call", { id: 2, call: "events.emit", with: { type: "a" } });
  await settle();
  const from = { task: "name", iteration: 4, attempt: 2 };
  assert.deepEqual(group.told("reply"), [{ t: "reply", id: 2, result: ["a", null, from] }]);
  asked.resolve[0]!();
  await settle();
  assert.deepEqual(group.told("reply").at(-1), { t: "reply", id: 1, result: 1 });
  await group.done();
  assert.ok(!asked.given(() => true));
  group.says("call", { id: 3, call: "store.get", with: {} });
  run();
  group.says("call", { id: 4, seq: 1, call: "store.get", with: {} });
  await settle();
  assert.equal(asked.resolve.length, 1);
  const late = group.told("reply").slice(-2);
  assert.deepEqual(late.map(({ id }) => id), [3, 4]);
  for (const reply of late) assert.match(JSON.stringify(reply), /The attempt that asks has ended/);
});

test("process: it may have 1,000 calls that are not answered, not one more", async () => {
  const rig = await running();
  const call = (id: number) => rig.group.says("call", { id, call: "store.get", with: {} });
  for (let id = 1; id <= 1_000; id++) call(id);
  rig.asked.resolve[0]!();
  await settle();
  // One was answered: there is room for one.
  call(1_001);
  assert.deepEqual(rig.group.signals, []);
  call(1_002);
  await refused(rig, "it calls faster than it can be answered");
});

test("process: it is ended if it does not read what it is answered, but may leave its work unread", async () => {
  const MOST = 2 * 1024 * 1024;
  const rig = await running();
  const max = Number(rig.group.heard[0]!["maxFrameBytes"]) * 2;
  assert.ok(max >= MOST);
  const ask = async (id: number, unread: number) => {
    rig.group.unread = unread;
    rig.group.says("call", { id, call: "store.get", with: {} });
    rig.group.says("call", { id: id + 1, call: "store.get", with: {} });
    await settle();
    rig.asked.resolve.at(-1)!();
    await settle();
  };
  await ask(1, max);
  assert.deepEqual(rig.group.signals, []);
  await ask(3, max + 1);
  await refused(rig, "it does not read what it is answered");
  // Nothing is asked: what it has not read is what it was given.
  const other = await ready();
  other.group.unread = max + 1;
  other.run();
  assert.deepEqual(other.group.signals, []);
});

test("process: an attempt is stopped when nothing was heard of it for its idle limit", async () => {
  const { clock, group, only } = await running({ idleMs: 300 });
  const hears: (() => void)[] = [
    () => group.says("progress", { fraction: 0.5 }),
    () => group.says("log", { level: "info", stream: "log", text: "x" }),
    () => group.prints("stdout", "x\n"),
    () => group.prints("stderr", "a bar that has no line end"),
    () => group.says("call", { id: 1, call: "store.get", with: { key: "k" } }),
  ];
  for (const hear of hears) {
    clock.advance(299);
    hear();
  }
  clock.advance(299);
  assert.deepEqual(group.signals, []);
  clock.advance(1);
  assert.deepEqual(group.signals, ["SIGTERM"]);
  clock.advance(GRACE_MS);
  await settle();
  const { outcome, because } = only();
  assert.equal(outcome, "timed_out");
  assert.match(because!, /^nothing was heard of it, .* for its idle limit of 300 ms$/);
  assert.equal(clock.timers, 0);
});

test("process: an attempt is stopped at its timeout: a signal, then time, then the end", async () => {
  const { clock, group, heard, only } = await running({ timeoutMs: 300 });
  clock.advance(299);
  assert.deepEqual(group.signals, []);
  clock.advance(1);
  assert.deepEqual(group.signals, ["SIGTERM"]);
  clock.advance(GRACE_MS - 1);
  assert.deepEqual([group.signals.length, heard.length], [1, 0]);
  clock.advance(1);
  await settle();
  assert.deepEqual(group.signals, ["SIGTERM", "SIGKILL"]);
  const { outcome, because, startedAt, endedAt } = only();
  assert.deepEqual([outcome, because, endedAt - startedAt], [
    "timed_out",
    "it ran longer than its timeout of 300 ms",
    1_300,
  ]);
  assert.deepEqual([heard.at(-1), clock.timers], ["ended undefined", 0]);
});

test("process: one that is stopped and ends its attempt settles when it is gone, and is used no more", async () => {
  const abort = { cancelled: "enough", timed_out: "too long" } as const;
  for (
    const [by, more, outcome] of [
      ["cancelled", { error: ERROR }, "cancelled"],
      ["cancelled", { cancelled: true }, "cancelled"],
      ["cancelled", { value: "1" }, "succeeded"],
      ["timed_out", { value: "1" }, "timed_out"],
      ["timed_out", { error: ERROR }, "timed_out"],
    ] as const
  ) {
    const { process, group, heard, only, clock } = await running();
    group.dies = false;
    process.abort(by, abort[by]);
    process.abort("cancelled", "again");
    assert.deepEqual(group.signals, ["SIGTERM"]);
    await group.done(more);
    process.abort("cancelled", "late");
    assert.deepEqual([group.signals, heard], [["SIGTERM", "SIGKILL"], []]);
    group.ends({ code: undefined, signal: "SIGKILL" });
    await settle();
    const end = only();
    assert.equal(end.outcome, outcome);
    assert.equal(end.because, outcome === "succeeded" ? undefined : abort[by]);
    assert.ok(!process.idle);
    assert.deepEqual([heard.at(-1), clock.timers], ["ended undefined", 0]);
  }
});

test("process: nothing is stopped where nothing runs", async () => {
  const { process, group, clock } = await ready();
  process.abort("cancelled", "enough");
  clock.advance(START_MS);
  assert.deepEqual([group.signals, clock.timers, process.idle], [[], 0, true]);
});

test("process: an attempt that leaves processes, or has no memory, is told when all is gone", async () => {
  const left = await running();
  left.group.dies = false;
  await left.group.done({ left: true, value: "1" });
  const words = "It ended and left processes behind: they are stopped";
  assert.deepEqual(left.heard, [`printed 2 0.2 ${words}`]);
  assert.deepEqual(left.group.signals, ["SIGKILL"]);
  left.group.ends({ code: undefined, signal: "SIGKILL" });
  await settle();
  assert.deepEqual([left.only().outcome, left.only().value], ["succeeded", "1"]);
  const frames = [{ file: "a.py", line: 1, function: "f", code: "" }, {
    ...{ file: "b.py", line: 2, function: "g", code: "" },
  }];
  for (const error of [{ ...ERROR, frames }, ERROR, undefined]) {
    const { group, only } = await running();
    await group.done({ memory: true, ...(error && { error }) });
    const { outcome, reason, because } = only();
    assert.deepEqual([outcome, reason], ["crashed", "memory"]);
    assert.equal(
      because,
      error !== undefined && "frames" in error
        ? "its process had no more memory, at b.py:2"
        : "its process had no more memory",
    );
    assert.deepEqual(group.signals, ["SIGKILL"]);
  }
  const { group, only } = await running();
  await group.done({ cancelled: true });
  assert.deepEqual([only().outcome, only().reason, only().because], [
    "crashed",
    "lost",
    "its process was told to end by SIGTERM, and not by its executor",
  ]);
});

test("process: an attempt whose process ends has crashed, by how it ended", async () => {
  const ends = [
    [{ code: 3, signal: undefined }, {
      ...{ outcome: "crashed", reason: "exit", code: 3, because: "its process ended with exit code 3" },
    }],
    [{ code: undefined, signal: "SIGSEGV" }, {
      ...{ outcome: "crashed", reason: "lost", because: "its process ended by SIGSEGV" },
    }],
  ] as const;
  for (const [end, wanted] of ends) {
    const { group, heard, only, process, clock } = await running({ timeoutMs: 5_000 });
    group.prints("stdout", "last words");
    group.ends(end);
    assert.ok(!process.idle);
    await settle();
    const { startedAt: _, endedAt: __, ...outcome } = only();
    assert.deepEqual(outcome, wanted);
    assert.deepEqual(heard, ["printed 2 1.1 last words", "crashed 2", "ended undefined"]);
    assert.deepEqual([clock.timers, group.released], [0, true]);
  }
});

test("process: it is looked every 20 ms how much memory it has, and one that has more than it may is ended", async () => {
  const MiB = 1024 ** 2;
  const { clock, group, run, only, heard } = await started(
    Promise.resolve({ ...LAUNCH, memoryBytes: 100 * MiB }),
  );
  group.ready();
  run();
  for (const memory of [undefined, 5, 100 * MiB]) {
    group.memory = memory;
    clock.advance(20);
    assert.deepEqual(group.signals, []);
  }
  group.memory = 100 * MiB + 1;
  clock.advance(19);
  assert.deepEqual(group.signals, []);
  clock.advance(1);
  assert.deepEqual(group.signals, ["SIGKILL"]);
  await settle();
  const { outcome, reason, because } = only();
  assert.deepEqual([outcome, reason], ["crashed", "memory"]);
  assert.equal(because, "its process had 101 MiB of memory, and may have 100");
  assert.equal(heard.at(-1), "ended undefined");
  clock.advance(20);
  assert.equal(clock.timers, 0, "who is gone is looked at no more");
});

test("process: one that says that it is out of memory and ends itself by that has had no more", async () => {
  const own = [..."SIGABRT SIGTRAP SIGILL".split(" "), 133, 134];
  const of = async (
    end: string | number,
    { stream = "stderr", text = "FATAL: Out of Memory" }: { stream?: "stdout" | "stderr"; text?: string } =
      {},
  ) => {
    const { group, only } = await running();
    group.prints(stream, `${text}\nmore\n`);
    group.ends(typeof end === "number" ? { code: end, signal: undefined } : { code: undefined, signal: end });
    await settle();
    return only().reason;
  };
  for (const end of own) assert.equal(await of(end), "memory", String(end));
  assert.deepEqual([await of("SIGSEGV"), await of(1), await of(132)], ["lost", "exit", "exit"]);
  assert.equal(await of("SIGABRT", { stream: "stdout" }), "lost");
  assert.equal(await of("SIGABRT", { text: "assertion failed" }), "lost");
});

test("process: the last one that is to run on it ends it, without a signal", async () => {
  const { run, group, process, heard, clock } = await ready();
  run({}, true);
  await group.done();
  assert.ok(!process.idle);
  assert.deepEqual([group.heard.at(-1), group.signals], [{ t: "end" }, []]);
  clock.advance(999);
  assert.deepEqual(group.signals, []);
  clock.advance(1);
  assert.deepEqual(group.signals, ["SIGKILL"]);
  await settle();
  assert.deepEqual(heard, ["ready 7", "succeeded 2", "ended undefined"]);
});

test("process: one that starts or runs something is ended at once", async () => {
  for (const rig of [await started(), await running()]) {
    const { group, process } = rig;
    group.dies = false;
    const gone = process.end();
    assert.deepEqual([group.signals, group.told("end")], [["SIGKILL"], []]);
    group.ends({ code: undefined, signal: "SIGKILL" });
    await gone;
    assert.match(rig.heard.at(-1)!, /^ended/);
  }
});

test("process: what is left of its group is stopped, for 5 s, and its output awaited for 1 s", async () => {
  const cleared = await running();
  cleared.group.dies = false;
  cleared.group.ends({ code: 0, signal: undefined }, false);
  await settle();
  for (let count = 0; count < 4; count++) {
    cleared.clock.advance(60);
    await settle();
  }
  assert.ok(cleared.group.signals.length >= 5, "again and again");
  assert.deepEqual(cleared.heard, []);
  cleared.group.clears();
  cleared.clock.advance(60);
  await settle();
  assert.deepEqual(cleared.heard, ["crashed 2", "ended undefined"]);
  assert.equal(cleared.clock.timers, 0);

  const stuck = await running();
  stuck.group.dies = false;
  stuck.group.ends({ code: 0, signal: undefined }, false);
  const passes = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) {
      stuck.clock.advance(10);
      await settle();
    }
  };
  await settle();
  await passes(5_900);
  assert.deepEqual(stuck.heard, [], "its output is awaited");
  await passes(200);
  assert.deepEqual(stuck.heard, ["crashed 2", "ended undefined"]);
});
