/** Tests of what others see of a run: its picture, where its tasks stand, what watchers are told; no thread is started. */
import assert from "node:assert/strict";
import test from "node:test";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type { ExecutionEvent } from "../../src/run/execution.ts";
import { entryOf } from "../../src/run/feed.ts";
import { lackWords } from "../../src/model/lack.ts";
import { type Pictured, snapshotOf, standingsOf } from "../../src/run/standings.ts";
import { type Progress, RunningTold, Watching } from "../../src/run/watching.ts";
import { planOf } from "../schedule/example.ts";
import { BEGIN, WorkRig } from "./work_rig.ts";

interface LaneSeen {
  readonly id: number;
  readonly warm: boolean;
  readonly starting: boolean;
  readonly outstanding: number;
  readonly running?: { readonly item: unknown; readonly seq: number; readonly since: number };
}

function picture(
  rig: WorkRig,
  { lanes = [], progress = new Map() }: {
    readonly lanes?: readonly LaneSeen[];
    readonly progress?: ReadonlyMap<number, Progress>;
  } = {},
): Pictured {
  return {
    clock: rig.clock,
    run: "r",
    state: "running",
    startedAt: BEGIN,
    scheduledFor: undefined,
    ranMs: 77,
    sinceResumeMs: undefined,
    plan: rig.plan,
    schedule: rig.work.schedule,
    pool: { lanes, own: undefined } as unknown as Pool,
    progress,
    because: rig.work.because,
    lender: rig.lender,
  };
}

const IDLE = { warm: true, starting: false, outstanding: 0 };

test("snapshot: every task is counted once; what was offered and does not run is ready, or waits for its needs", () => {
  const rig = new WorkRig({
    a: {},
    b: {},
    c: { needs: ["a"] },
    d: { needs: ["a", "b"] },
    e: { retry: { attempts: 2, delay: "1h" } },
    f: { needs: [{ task: "a", on: "failure" }] },
  });
  rig.settles("e", "failed");
  rig.clock.advance(40);
  const since = rig.clock.monotonic() - 30;
  const running = { item: rig.pool.taken.get("a")!, seq: 1, since };
  const lanes = [
    { ...IDLE, id: 3, outstanding: 2, running },
    { ...IDLE, id: 4 },
    { ...IDLE, id: 5, warm: false, starting: true },
  ];
  const told = { fraction: 0.5, text: "half" };
  const seen = snapshotOf(picture(rig, { lanes, progress: new Map([[0, told]]) }), 5);
  const { counts } = seen;
  assert.deepEqual(
    [counts.running, counts.ready, counts.retrying, counts.waiting, counts.succeeded],
    [1, 1, 1, 3, 0],
  );
  assert.ok(rig.pool.taken.size > 2, "something was offered ahead of its needs");
  assert.equal(Object.values(counts).reduce((sum, count) => sum + count), 6);
  assert.deepEqual(seen.running, [{
    task: "a",
    iteration: 0,
    attempt: 1,
    worker: 3,
    startedAt: BEGIN + 10,
    ranMs: 30,
    progress: told,
  }]);
  assert.deepEqual(seen.workers, { busy: 1, idle: 1, starting: 1 });
  assert.deepEqual([seen.run, seen.pipeline, seen.tasks, seen.ranMs, seen.startedAt], [
    "r",
    "p",
    6,
    77,
    BEGIN,
  ]);
  rig.settles("a");
  const after = snapshotOf(picture(rig), 5).counts;
  assert.deepEqual([after.succeeded, after.skipped, after.running], [1, 1, 0]);
});

test("snapshot: a wall clock that steps moves when an attempt began, not how long it runs", () => {
  const rig = new WorkRig({ a: {} });
  const lane = {
    ...IDLE,
    id: 1,
    outstanding: 1,
    running: { item: rig.pool.taken.get("a")!, seq: 1, since: 7_000 },
  };
  rig.clock.advance(5);
  rig.clock.step(-500);
  const [running] = snapshotOf(picture(rig, { lanes: [lane] }), 5).running;
  assert.deepEqual([running!.startedAt, running!.ranMs], [BEGIN - 500, 5]);
  const ahead = { ...lane, running: { ...lane.running, since: 9_000 } };
  assert.equal(snapshotOf(picture(rig, { lanes: [ahead] }), 5).running[0]!.ranMs, 0);
});

test("snapshot: those that come next are the ready ones, then those that wait, by rank, no more than asked for", () => {
  const rig = new WorkRig({
    a: {},
    slow: { needs: ["a"], estimate: "9s", fresh: true },
    quick: { needs: ["a"], estimate: "1s", fresh: true },
    last: { needs: ["slow", "quick"] },
  });
  const next = (limit: number) => snapshotOf(picture(rig), limit).next;
  assert.deepEqual(next(9), ["a", "slow", "quick", "last"]);
  assert.deepEqual(next(2), ["a", "slow"]);
  assert.deepEqual(next(0), []);
  rig.settles("a");
  assert.deepEqual(next(1), ["slow"]);
  const { counts } = snapshotOf(picture(rig), 1);
  assert.deepEqual([counts.ready, counts.waiting, counts.succeeded], [2, 1, 1]);
  assert.deepEqual(next(9), ["slow", "quick", "last"]);
});

test("snapshot: what comes next is in the order of its rank, not in that of the pipeline", () => {
  const rig = new WorkRig({
    quick: { estimate: "1s", fresh: true },
    slow: { estimate: "9s", fresh: true },
    after: { needs: ["quick"], estimate: "1s", fresh: true },
    late: { needs: ["quick"], estimate: "9s", fresh: true },
  });
  const ranked = [...rig.plan.tasks].sort((a, b) => a.rank - b.rank).map(({ name }) => name);
  const ready = ranked.filter((name) => name === "quick" || name === "slow");
  assert.deepEqual(snapshotOf(picture(rig), 9).next, [...ready, "late", "after"]);
});

test("snapshot: of a run that is still loaded everything is nothing", () => {
  const rig = new WorkRig({ a: {} });
  const loading = {
    ...picture(rig, { lanes: [{ ...IDLE, id: 1, warm: false, starting: true }] }),
    plan: undefined,
    schedule: undefined,
  };
  const { pipeline, tasks, counts, next, running, workers } = snapshotOf(loading, 5);
  assert.deepEqual([pipeline, tasks, next, running, workers.starting], ["", 0, [], [], 1]);
  assert.ok(Object.values(counts).every((count) => count === 0));
  assert.deepEqual(standingsOf(loading, { offset: 0, limit: 9 }), []);
});

test("standings: each task with where it stands, what it waits for, and why it was skipped", () => {
  const rig = new WorkRig({
    a: {},
    b: { needs: [{ task: "a", on: "failure" }] },
    c: { needs: ["a", { task: "b", on: "any" }], fresh: true },
    d: { needs: ["c"] },
  });
  const all = () => standingsOf(picture(rig), { offset: 0, limit: 9 });
  const base = { iteration: 0, attempt: 0, waitsFor: [] };
  assert.deepEqual(all().slice(0, 3), [
    { ...base, task: "a", standing: "ready" },
    { ...base, task: "b", standing: "waiting", waitsFor: [{ task: "a", on: "failure" }] },
    {
      ...base,
      task: "c",
      standing: "waiting",
      waitsFor: [{ task: "a", on: "success" }, { task: "b", on: "any" }],
    },
  ]);
  rig.settles("a");
  assert.deepEqual(all(), [
    { ...base, task: "a", standing: "settled", attempt: 1, outcome: "succeeded" },
    { ...base, task: "b", standing: "settled", outcome: "skipped", because: "a did not fail" },
    { ...base, task: "c", standing: "ready" },
    { ...base, task: "d", standing: "waiting", waitsFor: [{ task: "c", on: "success" }] },
  ]);
  assert.deepEqual(standingsOf(picture(rig), { offset: 1, limit: 2 }).map(({ task }) => task), ["b", "c"]);
});

test("standings: who lacks a resource waits for it, and is told who has it and who comes first", () => {
  const uses = ["radio"];
  const rig = new WorkRig({
    a: { uses, estimate: "9s" },
    b: { uses: { radio: 1, uplink: 2 }, estimate: "8s" },
    c: { uses: { uplink: 1 }, estimate: "7s" },
    d: { uses: { uplink: 1 }, estimate: "6s" },
  }, { resources: { radio: 1, uplink: 3 } });
  const lacks = () =>
    standingsOf(picture(rig), { offset: 0, limit: 9 }).map(({ task, standing, lacks }) =>
      `${task} ${standing}${lacks === undefined ? "" : ` ${lackWords(lacks)}`}`
    );
  assert.deepEqual([...rig.pool.taken.keys()], ["a", "c"]);
  assert.deepEqual(lacks(), [
    "a ready",
    "b waiting for radio, which a has",
    "c ready",
    "d waiting for uplink, which c has",
  ]);
  const { counts, lacking, next } = snapshotOf(picture(rig), 1);
  assert.deepEqual([counts.ready, counts.waiting, next], [2, 2, ["a"]]);
  assert.deepEqual(lacking, [{
    task: "b",
    lacks: [{ resource: "radio", amount: 1, capacity: 1, heldBy: [{ task: "a" }] }],
  }]);
  rig.settles("c");
  rig.settles("a");
  assert.deepEqual(lacks().slice(1), ["b ready", "c settled", "d ready"]);
  assert.equal(snapshotOf(picture(rig), 9).lacking, undefined);
});

test("snapshot: of mapped tasks that are at work it is told how many items there are, run, and have ended how", () => {
  const rig = new WorkRig({
    list: {},
    each: { each: { task: "list" }, onItemFailure: "continue" },
    more: { each: { task: "list" }, when: { task: "each", exists: true } },
  });
  const mapped = () => snapshotOf(running(rig), 9).mapped;
  assert.equal(mapped(), undefined);
  rig.settles("list", "succeeded", "[5,6,7,8]");
  assert.deepEqual(mapped(), [{ task: "each", items: { count: 4, running: 4, ended: {} } }]);
  rig.settles("each 1", "failed");
  rig.settles("each 0");
  assert.deepEqual(mapped(), [
    { task: "each", items: { count: 4, running: 2, ended: { succeeded: 1, failed: 1 } } },
  ]);
  rig.settles("each 2");
  rig.settles("each 3");
  assert.deepEqual(mapped(), [{ task: "more", items: { count: 4, running: 4, ended: {} } }]);
});

/** A picture of a rig in which these tasks run. */
function running(rig: WorkRig, ...tasks: readonly string[]): Pictured {
  const lanes = tasks.map((task, at) => ({
    ...{ ...IDLE, id: at + 1, outstanding: 1 },
    running: { item: rig.pool.taken.get(task)!, seq: 1, since: 0 },
  }));
  return picture(rig, { lanes });
}

/** Where tasks stand: `b waiting 0 a` is b, waiting in no attempt yet, for a. */
function stands(pictured: Pictured): readonly string[] {
  return standingsOf(pictured, { offset: 0, limit: 99 }).map(({ task, standing, attempt, waitsFor }) =>
    [task, standing, attempt, ...waitsFor.map((need) => need.task)].join(" ")
  );
}

test("standings: what was handed out ahead of its needs waits for them, and is at work only once it has begun", () => {
  const rig = new WorkRig({ a: {}, b: { needs: ["a"] }, c: { needs: ["a", "b"] } });
  assert.deepEqual([...rig.pool.taken.keys()], ["a", "b", "c"]);
  assert.deepEqual(stands(picture(rig)), ["a ready 0", "b waiting 0 a", "c waiting 0 a b"]);
  assert.deepEqual(stands(running(rig, "a")), ["a dispatched 1", "b waiting 0 a", "c waiting 0 a b"]);
  assert.deepEqual(snapshotOf(running(rig, "a"), 9).next, ["b", "c"]);
  // Its worker has gone on, and the outcome is still to be read.
  assert.deepEqual(stands(running(rig, "b")), ["a dispatched 1", "b dispatched 1", "c waiting 0 a b"]);
  assert.deepEqual(stands(running(rig, "c")).map((each) => each.slice(0, 12)), [
    ...["a dispatched", "b dispatched", "c dispatched"],
  ]);
  assert.deepEqual(snapshotOf(running(rig, "b"), 9).next, ["c"]);
  rig.settles("a");
  assert.deepEqual(stands(running(rig, "b")), ["a settled 1", "b dispatched 1", "c waiting 0 b"]);
  const { counts } = snapshotOf(running(rig, "b"), 9);
  assert.deepEqual([counts.succeeded, counts.running, counts.waiting, counts.ready], [1, 1, 1, 0]);
  rig.settles("b");
  assert.deepEqual(stands(picture(rig)), ["a settled 1", "b settled 1", "c ready 0"]);
});

test("standings: who needs a task of a loop waits for it until no other round can follow", () => {
  const rig = new WorkRig(
    { a: {}, b: { needs: ["a"] }, other: {}, out: { needs: ["a", "other"] } },
    { loops: [{ from: "b", to: "a", times: 1, on: "success" }] },
  );
  const [loop, other] = [["a", "b"], ["other"]].map((names) => (task: string) =>
    names.includes(task.split(" ")[0]!)
  );
  const seen = (task: string) => stands(running(rig, task)).filter((each) => !other!(each));
  rig.settles("a");
  assert.deepEqual(seen("b"), ["a settled 1", "b dispatched 1", "out waiting 0 a other"]);
  rig.settles("b");
  assert.deepEqual(seen("a"), ["a dispatched 1", "b waiting 0 a", "out waiting 0 a other"]);
  rig.settles("a");
  rig.settles("b");
  assert.deepEqual(stands(picture(rig)).filter((each) => !loop!(each)), [
    "other ready 0",
    "out waiting 0 other",
  ]);
});

/** A journal that is watched, and what is told of it. */
function watched() {
  const journal = memoryJournal();
  const ended = Promise.withResolvers<void>();
  const watching = new Watching(journal, ended.promise);
  return { journal, ended, watching, told: new RunningTold(watching) };
}

const A = { worker: 2, task: 0, iteration: 0, attempt: 1, name: "a" };

test("told: an attempt has started once, before anything else of it, if anybody listens", () => {
  const { watching, told } = watched();
  told.began(A, 1);
  assert.ok(!told.some, "nobody listens, so nothing is to be forgotten");
  const heard: string[] = [];
  const leave = watching.listen((event) => heard.push(`${event.type} ${event.at}`));
  assert.ok(told.some);
  told.progressed(A, { fraction: 0.25 }, 5);
  told.began(A, 6);
  told.progressed(A, { fraction: 0.5, text: "half" }, 7);
  assert.deepEqual(heard, ["attempt.started 5", "attempt.progressed 5", "attempt.progressed 7"]);
  assert.deepEqual([...told.progress], [[0, { fraction: 0.5, text: "half" }]]);
  told.settled(A, 4);
  assert.equal(heard.length, 3);
  assert.equal(told.progress.size, 0);
  told.settled({ ...A, attempt: 2 }, 9);
  assert.deepEqual(heard.slice(3), ["attempt.started 9"]);
  leave();
  assert.ok(!told.some);
  told.began({ ...A, attempt: 3 }, 10);
  assert.equal(heard.length, 4);
});

test("who follows hears the log and what it wants, and nothing is told of starts for it", () => {
  const { journal, watching, told } = watched();
  const heard: string[] = [];
  const leave = watching.follow(
    (event) => heard.push(event.type === "log" ? event.text : `${event.type} ${event.seq}`),
    (event) => event.type === "run.ended",
  );
  assert.ok(!told.some);
  told.progressed(A, { fraction: 0.25 }, 5);
  told.began(A, 6);
  journal.append({ type: "run.started", run: "r", pipeline: "p", runtime: "x", plan: "" }, 10);
  journal.log({ at: 11, level: "info", from: "executor", stream: "log", text: "a line" });
  journal.append({ type: "run.ended", state: "succeeded" }, 12);
  assert.deepEqual(heard, ["a line", "run.ended 2"]);
  leave();
  journal.append({ type: "run.ended", state: "succeeded" }, 13);
  assert.equal(heard.length, 2);
});

test("told: progress is kept for the picture though nobody listens, until the attempt has ended", () => {
  const { told } = watched();
  told.progressed(A, { fraction: 0.1 }, 1);
  assert.ok(told.some);
  assert.equal(told.progress.get(0)?.fraction, 0.1);
  told.settled(A, 1);
  assert.ok(!told.some);
});

test("watching: what was written before comes first, then what passes, in order of time, until the end", async () => {
  const { journal, ended, watching } = watched();
  journal.append({ type: "run.started", run: "r", pipeline: "p", runtime: "x", plan: "" }, 10);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of watching.iterate()) seen.push(event.type === "log" ? event.text : event.type);
  })();
  await Promise.resolve();
  assert.ok(watching.some, "who iterates is told what passes");
  const log = (at: number, text: string) =>
    journal.log({ at, level: "info", from: "executor", stream: "log", text });
  watching.pass({ type: "attempt.started", at: 15, task: "a", iteration: 0, attempt: 1, worker: 1 });
  log(12, "twelve");
  journal.append({ type: "attempt.dispatched", task: "a", iteration: 0, attempt: 1, worker: 1 }, 11);
  log(20, "twenty");
  await new Promise((done) => setTimeout(done, 0));
  ended.resolve();
  await reading;
  assert.deepEqual(seen, ["run.started", "attempt.dispatched", "twelve", "attempt.started", "twenty"]);
  assert.ok(!watching.some);
});

test("watching: who only iterates hears why there was no run", async () => {
  const { ended, watching } = watched();
  const reading = watching.iterate().next();
  ended.reject(new Error("no pipeline"));
  await assert.rejects(reading, /no pipeline/);
});

test("watching: a slow reader gets the last 10,000 of what passes, and all that is kept", async () => {
  const { journal, ended, watching } = watched();
  journal.append({ type: "run.started", run: "r", pipeline: "p", runtime: "x", plan: "" }, 0);
  const events = watching.iterate();
  await events.next();
  for (let at = 1; at <= 10_050; at++) {
    watching.pass({ type: "attempt.progressed", at, task: "a", iteration: 0, attempt: 1, fraction: 0 });
  }
  for (let at = 0; at < 1_500; at++) {
    journal.append(
      { type: "attempt.dispatched", task: "a", iteration: 0, attempt: 1, worker: 1 },
      20_000 + at,
    );
  }
  ended.resolve();
  const seen: ExecutionEvent[] = [];
  for await (const event of events) seen.push(event);
  const passed = seen.filter(({ type }) => type === "attempt.progressed");
  assert.deepEqual([passed.length, passed[0]!.at, passed.at(-1)!.at], [10_000, 51, 10_050]);
  assert.equal(seen.filter(({ type }) => type === "attempt.dispatched").length, 1_500);
});

test("watching: a listener hears state and log until it leaves", () => {
  const { journal, watching } = watched();
  const heard: string[] = [];
  const leave = watching.listen((event) => heard.push(event.type === "log" ? event.text : event.type));
  assert.ok(watching.some);
  journal.append({ type: "run.stopping", because: "x", state: "cancelled" }, 1);
  journal.log({ at: 1, level: "info", from: "task", stream: "stdout", text: "line" });
  leave();
  journal.append({ type: "run.ended", state: "cancelled" }, 2);
  watching.pass({ type: "attempt.progressed", at: 3, task: "a", iteration: 0, attempt: 1, fraction: 0 });
  assert.deepEqual(heard, ["run.stopping", "line"]);
  assert.ok(!watching.some);
});

test("log: a line of a task has its name and attempt, a line of no task has none", () => {
  const plan = planOf({ a: {}, b: {} });
  const line = { task: 1, iteration: 2, attempt: 3, at: 9, level: 3, stream: 2, text: "x" };
  const entry = { at: 9, level: "error", from: "task", stream: "stderr", text: "x" };
  assert.deepEqual(entryOf(line, { plan, schedule: undefined }), {
    ...entry,
    task: "b",
    iteration: 2,
    attempt: 3,
  });
  assert.deepEqual(entryOf({ ...line, task: -1 }, { plan, schedule: undefined }), entry);
  assert.deepEqual(entryOf(line, { plan: undefined, schedule: undefined }), entry);
});
