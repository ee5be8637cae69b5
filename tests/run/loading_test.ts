/**
 * Tests of what comes before a run's first task and after its last: loading that a stop or a clock ends, and what is told
 * of a run without a worker. Clock and threads are in the test's hand.
 */
import assert from "node:assert/strict";
import test from "node:test";
import type { InnerOptions, InspectedExecution } from "../../src/run/inspection.ts";
import { loadPlan } from "../../src/run/loading.ts";
import { startEarly } from "../../src/run/prewarm.ts";
import { workerCode } from "../../src/pool/worker_code.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { RunStoppedError } from "../../src/model/stopped.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { StateRecord } from "../../src/model/record.ts";
import { HandClock } from "../store/hand_clock.ts";
import { BEGIN, stillWorld } from "./work_rig.ts";

/** A pipeline whose module a worker has to be asked about. */
const ASKS = { outrider: 1, name: "asks", tasks: { a: { run: { module: "file:///x/y.ts", export: "a" } } } };
const MODULE = `data:text/javascript,${encodeURIComponent("export const a = () => 1;")}`;
/** A pipeline that needs no worker. */
const SYNC = { outrider: 1, name: "sync", tasks: { a: {}, b: { needs: ["a"] } } };

/** Lets everything go on that waits for nothing but its turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function begin(source: object, options: InnerOptions = {}) {
  const clock = new HandClock(BEGIN);
  const world = stillWorld(clock);
  const run: InspectedExecution = inspectedRun(source as Parameters<typeof inspectedRun>[0], {
    world,
    run: "r",
    ...options,
  });
  const failed: unknown[] = [];
  run.then(undefined, (error: unknown) => failed.push(error));
  return { clock, world, run, failed };
}

function messageOf(error: unknown): string {
  assert.ok(error instanceof PipelineError, String(error));
  return error.message;
}

test("loading: a worker that was started early is asked about modules, and ended where there are none", async () => {
  const { startThread } = runtime;
  const ended: Promise<unknown>[] = [];
  runtime.startThread = (options) => {
    const thread = startThread(options);
    ended.push(new Promise((resolve) => thread.onEnd(resolve)));
    return thread;
  };
  try {
    for (const source of [SYNC, { ...ASKS, tasks: { a: { run: { module: MODULE, export: "a" } } } }]) {
      startEarly({ code: workerCode });
      await loadPlan(source);
      assert.equal(ended.length, 1, "another worker was started");
      await ended.pop();
    }
  } finally {
    runtime.startThread = startThread;
  }
});

test("loading: a stop while a module is looked at gives it as long as a task, then ends the run", async () => {
  const { clock, world, run, failed } = begin(ASKS, { stopGraceMs: 3_000 });
  await settled();
  run.stop("time for lunch");
  run.stop("not any sooner");
  clock.advance(2_999);
  await settled();
  assert.deepEqual(failed, []);
  assert.equal(run.snapshot().state, "running");
  clock.advance(1);
  await assert.rejects(Promise.resolve(run), (error) => {
    assert.ok(error instanceof RunStoppedError);
    assert.match(error.message, /still being loaded when the run was stopped \(time for lunch\)/);
    return true;
  });
  await assert.rejects(run.begun, { name: "RunStoppedError", because: "time for lunch" });
  assert.equal(run.snapshot().state, "cancelled");
  assert.equal(world.threads.size, 0);
});

test("loading: a cancel gives what is looked at no longer than a task that is cancelled", async () => {
  const { clock, run } = begin(ASKS, { stopGraceMs: 30_000, killGraceMs: 50 });
  await settled();
  run.stop("soon");
  run.cancel("now");
  clock.advance(50);
  await assert.rejects(Promise.resolve(run), (error) => {
    assert.ok(error instanceof RunStoppedError);
    assert.match(error.message, /when the run was stopped \(now\)/);
    return true;
  });
  assert.equal(run.snapshot().state, "cancelled");
});

test("loading: a module that never answers is given up after a minute, in words", async () => {
  const { clock, world, failed, run } = begin(ASKS);
  await settled();
  clock.advance(59_999);
  await settled();
  assert.deepEqual(failed, []);
  clock.advance(1);
  await assert.rejects(Promise.resolve(run), (error) => {
    assert.match(
      messageOf(error),
      /Loading file:\/\/\/x\/y\.ts takes longer than 60 s: look for code that waits at its top level/,
    );
    return true;
  });
  assert.equal(run.snapshot().state, "failed");
  assert.equal(world.threads.size, 0);
});

test("loading: relative modules start at the base that was given, and parameters are laid over those of every task", async () => {
  const near = { ...ASKS, tasks: { a: { run: { module: "./y.ts", export: "a" } } } };
  const { run, clock } = begin(near, { base: "file:///home/me/" });
  await settled();
  clock.advance(60_000);
  await assert.rejects(Promise.resolve(run), /Loading file:\/\/\/home\/me\/y\.ts takes/);
  const own = {
    outrider: 1,
    name: "own",
    tasks: { a: { run: { command: ["true"] }, params: { x: 1, y: 2 } } },
  };
  const { run: over } = begin(own, { params: { y: 3 } });
  over.cancel("seen");
  const { tasks: [a] } = await over.begun;
  assert.deepEqual(a!.params, { x: 1, y: 3 });
  await over;
});

test("loading: a plan alone is given up in the same time, with its thread", async () => {
  const clock = new HandClock(BEGIN);
  const world = stillWorld(clock);
  const plan = loadPlan(ASKS as Parameters<typeof loadPlan>[0], {}, world);
  plan.catch(() => {});
  await settled();
  assert.equal(world.threads.size, 1);
  clock.advance(60_000);
  await assert.rejects(plan, /takes longer than 60 s/);
  assert.equal(world.threads.size, 0);
});

test("loading: what has failed is not stopped any more, and no timer is left of it", async () => {
  const { clock, run } = begin({ outrider: 1, name: "x", tasks: { a: { needs: ["b"] } } });
  await assert.rejects(Promise.resolve(run), PipelineError);
  run.stop("late");
  run.cancel("later");
  assert.equal(clock.timers, 0);
  assert.equal(run.snapshot().state, "failed");
});

test("run: what needs no worker begins and ends at the clock's time, and says how long it took", async () => {
  const { clock, world, run } = begin(SYNC);
  assert.equal(world.threads.size, 1, "a worker starts while the pipeline is read");
  clock.advance(12);
  const result = await run;
  assert.deepEqual([result.run, result.pipeline, result.state, result.tookMs], ["r", "sync", "succeeded", 0]);
  assert.equal(result.runtime, `${world.runtime.name} ${world.runtime.version}`);
  assert.equal(Date.parse(result.startedAt), BEGIN + 12);
  assert.equal(Date.parse(result.endedAt!), BEGIN + 12);
  assert.deepEqual(run.journal.states(0, 9).map(({ type }) => type), [
    "run.started",
    "attempt.settled",
    "attempt.settled",
    "run.ended",
  ]);
  assert.deepEqual(run.journal.logs(0, 9).map(({ text }) => text), [
    `Run r of sync (2 tasks) started on ${result.runtime}`,
    "Run r succeeded after 0.000 s",
  ]);
  const { state, ranMs, startedAt, counts } = run.snapshot();
  clock.advance(1_000);
  assert.deepEqual([state, ranMs, startedAt, counts.succeeded], ["succeeded", 0, BEGIN + 12, 2]);
  assert.equal(run.snapshot().ranMs, 0);
  assert.equal(world.threads.size, 0);
  assert.equal(clock.timers, 0);
});

test("run: what is asked for while it is loaded holds once it is: nothing starts", async () => {
  const { run } = begin(SYNC);
  run.stop("at once");
  const { state } = await run;
  assert.equal(state, "succeeded", "there was nothing left to stop");
  const { run: cancelled, clock } = begin({
    ...ASKS,
    tasks: { a: { run: { command: ["true"] } }, b: { needs: ["a"] } },
  });
  cancelled.cancel("no");
  const result = await cancelled;
  assert.equal(result.state, "cancelled");
  assert.deepEqual(result.tasks["a"]!.map(({ outcome, because }) => [outcome, because]), [["skipped", "no"]]);
  assert.equal(clock.timers, 0);
});

test("run: without an id it takes one of the world, and the store and the events have the world's time", async () => {
  const clock = new HandClock(BEGIN);
  const world = { ...stillWorld(clock), newId: () => "the world's" };
  const run = inspectedRun(SYNC as Parameters<typeof inspectedRun>[0], { world });
  assert.equal(run.run, "the world's");
  run.events.emit("x");
  run.store.set("k", "1", { expiresInMs: 50 });
  clock.advance(50);
  assert.equal(run.store.get("k"), undefined);
  const at = run.journal.states(0, 9).map((record) => [record.type, record.at]);
  assert.deepEqual(at.slice(0, 2), [["event.emitted", BEGIN], ["store.changed", BEGIN]]);
  await run;
});

test("run: whoever waits for a change or an event of a run that has ended waits no longer", async () => {
  const { run, clock } = begin(SYNC);
  const change = run.store.wait("never", 0, { timeoutMs: 86_400_000 });
  const events = run.events.next("never", 0, { timeoutMs: 86_400_000 });
  await run;
  assert.equal(await change, undefined);
  assert.deepEqual((await events).events, []);
  assert.deepEqual([run.store.stats().waits, run.events.stats().waits, clock.timers], [0, 0, 0]);
});

test("run: an aborted signal cancels it, and it leaves no listener behind", async () => {
  const listeners = new Set<unknown>();
  const signal = Object.assign(new EventTarget(), { aborted: false }) as unknown as AbortSignal;
  const counted = new Proxy(signal, {
    get(target, name) {
      if (name === "addEventListener") return (_: string, listener: unknown) => listeners.add(listener);
      if (name === "removeEventListener") return (_: string, listener: unknown) => listeners.delete(listener);
      return Reflect.get(target, name) as unknown;
    },
  });
  const { run, clock } = begin(ASKS, { signal: counted, killGraceMs: 10 });
  assert.equal(listeners.size, 1);
  for (const listener of listeners) (listener as () => void)();
  clock.advance(10);
  await assert.rejects(Promise.resolve(run), /when the run was stopped \(its signal was aborted\)/);
  await settled();
  assert.equal(listeners.size, 0);
});

test("run: a journal with a run that has ended gives its result again, and nothing runs", async () => {
  const journal = memoryJournal();
  const first = await begin(SYNC, { journal }).run;
  const count = journal.last().states;
  const { run } = begin(SYNC, { journal, run: "another" });
  assert.deepEqual(await run, first);
  assert.deepEqual([run.run, run.snapshot().state, journal.last().states], ["r", "succeeded", count]);
  assert.equal((await run.begun).name, "sync");
});

test("run: a journal with a run that has not ended is gone on with, as the log says", async () => {
  const whole = memoryJournal();
  await begin(SYNC, { journal: whole }).run;
  const journal = memoryJournal();
  for (const { seq: _, at, ...event } of whole.states(0, 2)) journal.append(event, at);
  const { run, clock } = begin(SYNC, { journal });
  clock.advance(500);
  const result = await run;
  assert.deepEqual([result.run, result.state, result.tookMs], ["r", "succeeded", 500]);
  assert.deepEqual(journal.states(0, 9).map(({ type }) => type), [
    "run.started",
    "attempt.settled",
    "run.resumed",
    "attempt.settled",
    "run.ended",
  ]);
  assert.deepEqual(journal.logs(0, 9).map(({ text }) => text), [
    "Run r of sync goes on; attempts that were lost: 0",
    "Run r succeeded after 0.500 s",
  ]);
});

test("run: a run whose process has died too often is given up, as the log says", async () => {
  const whole = memoryJournal();
  const program = { outrider: 1, name: "program", tasks: { a: { run: { command: ["true"] } } } };
  const never = begin(program, { journal: whole });
  never.run.cancel("it never began");
  await never.run;
  const journal = memoryJournal();
  const [{ seq: _, at, ...started }] = whole.states(0, 1) as [StateRecord];
  journal.append(started, at);
  for (let count = 0; count < 2; count++) journal.append({ type: "run.resumed", lost: 0 }, at);
  const result = await begin(program, { journal }).run;
  assert.equal(result.state, "failed");
  const critical = journal.logs(0, 9).filter(({ level }) => level === "critical").map(({ text }) => text);
  assert.deepEqual(critical, [
    "Run r is given up: its process has ended 3 times in a row without one more outcome",
  ]);
});
