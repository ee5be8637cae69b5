/** The parts of an agent by themselves, by a clock moved by hand: its orders, its end, its look-out, the gateway's reach. */
import assert from "node:assert/strict";
import test from "node:test";
import { lookOut } from "../../src/agent/lookout.ts";
import { Orders } from "../../src/agent/orders.ts";
import type { AgentPort } from "../../src/agent/port.ts";
import { Reach } from "../../src/agent/reach.ts";
import type { AgentRun } from "../../src/agent/run.ts";
import { Timekeeper } from "../../src/agent/timekeeper.ts";
import { localTime } from "../../src/base/shown.ts";
import type { PlanSchedule } from "../../src/pipeline/plan/plan.ts";
import { AgentStopping } from "../../src/agent/stopping.ts";
import type { Instruction } from "../../src/protocol/messages.ts";
import { GatewayTimeoutError, UnreachableError } from "../../src/uplink/errors.ts";
import { HandClock } from "../uplink/rig.ts";

const EIGHT = Date.UTC(2026, 10, 21, 8);
const MINUTE = 60_000;
const SCHEDULE: PlanSchedule = {
  cron: "*/3 * * * *",
  timezone: "UTC",
  jitterMs: 0,
  overlap: "queue",
  missed: "skip",
};
const TIMETABLED = { source: { text: "{}" }, tag: "h", pipeline: "often", schedule: SCHEDULE };

/** A run that tells what is done to it. */
function runOf(id: string, handout: string) {
  const done: string[] = [];
  const run = {
    id,
    handout,
    cancel: (because: string) => void done.push(`cancel: ${because}`),
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
  };
  return { run: run as unknown as AgentRun, done };
}

/** Orders about one run, and what they lead to. */
function ordered(kept: { readonly paused?: boolean; readonly keepToNone?: () => Promise<void> } = {}) {
  const told: string[] = [];
  const { run, done } = runOf("r", "h");
  let present: AgentRun | undefined = run;
  const state = {
    paused: kept.paused === true,
    pause: (on: boolean) => void told.push(`kept ${on}`),
    keepTo: () => Promise.resolve(true),
    keepToNone: kept.keepToNone,
  };
  const port = { state, clock: new HandClock(EIGHT), newId: () => "id" };
  const orders = new Orders({
    port: { ...port, note: (text: string) => void told.push(text) } as unknown as AgentPort,
    executor: "pi",
    level: "debug",
    run: () => present,
    stop: (because) => void told.push(`stop: ${because}`),
    paused: (on) => void told.push(`paused ${on}`),
    changed: () => {},
    environmentWaits: () => {},
  });
  const obey = (instruction: Partial<Instruction> & { readonly type: string }) =>
    orders.obey({ id: 1, ...instruction } as Instruction);
  return { orders, obey, told, done, gone: () => void (present = undefined) };
}

test("agent: a cancel of another run, or of another hand-out, leaves this one alone", () => {
  const { obey, done, orders } = ordered();
  obey({ type: "cancel", run: "another" });
  obey({ type: "withdraw", handout: "another" });
  assert.deepEqual(done, []);
  obey({ type: "cancel", run: "r", because: "no more" });
  obey({ type: "cancel", run: "r" });
  obey({ type: "withdraw", handout: "h" });
  assert.deepEqual(done, [
    "cancel: no more",
    "cancel: cancelled at the gateway",
    "cancel: withdrawn at the gateway",
  ]);
  const later = runOf("q", "another");
  orders.apply(later.run);
  assert.deepEqual(later.done, ["cancel: withdrawn at the gateway"]);
  const free = runOf("p", "yet another");
  orders.apply(free.run);
  assert.deepEqual(free.done, []);
});

test("agent: a hand-out counts as withdrawn once its timetable is off the disk, whether it is being run or not", async () => {
  for (const goesOn of [true, false]) {
    const off = Promise.withResolvers<void>();
    const { orders, obey, done, gone } = ordered({ keepToNone: () => off.promise });
    if (!goesOn) gone();
    await orders.keeper.take(TIMETABLED);
    let isOff = false;
    const kept = Promise.resolve(obey({ type: "withdraw", handout: "h" })).then(() => isOff);
    assert.equal(done.length, goesOn ? 1 : 0);
    await new Promise((resolve) => setImmediate(resolve));
    isOff = true;
    off.resolve();
    assert.equal(await kept, true);
    assert.equal(orders.keeper.kept, undefined);
  }
});

test("agent: a timetable that can't be read now is kept for the next process, one that is gone is not", async () => {
  for (const [code, left] of [["EIO", 1], ["EMFILE", 1], ["ENOENT", 0]] as const) {
    const kept = { ...TIMETABLED, seed: "s", at: EIGHT, ran: [] };
    const notes: string[] = [];
    let timetables = 1;
    const state = {
      timetable: kept,
      timetableFile: () => Promise.resolve("f"),
      keepToNone: () => Promise.resolve(void timetables--),
    };
    const port = {
      state,
      clock: new HandClock(EIGHT),
      note: (text: string) => void notes.push(text),
      readText: () => Promise.reject(Object.assign(new Error("No"), { code })),
    } as unknown as AgentPort;
    const keeper = new Timekeeper({ port, executor: "pi", paused: () => false, changed: () => {} });
    await keeper.remember();
    assert.deepEqual([timetables, notes], [left, ["The timetable of often can't be kept to: No"]], code);
    await new Timekeeper({
      port: { ...port, readText: () => Promise.resolve("{}") },
      executor: "pi",
      paused: () => false,
      changed: () => {},
    }).remember();
    assert.equal(notes.length, 1);
  }
});

test("agent: a due time that waits is told as left out when a later one takes its place", async () => {
  const clock = new HandClock(EIGHT);
  const notes: string[] = [];
  const port = { clock, newId: () => "id", note: (text: string) => void notes.push(text) };
  const keeper = new Timekeeper({
    port: port as unknown as AgentPort,
    executor: "pi",
    paused: () => false,
    changed: () => {},
  });
  await keeper.take(TIMETABLED);
  for (const minutes of [4, 5, 7]) {
    clock.reach(EIGHT + minutes * MINUTE);
    keeper.ranOn();
  }
  assert.deepEqual(notes.slice(1), [
    `The run of often that was due at ${localTime(EIGHT + 3 * MINUTE)} is left out: a later one came due`,
  ]);
  assert.equal(await keeper.due(new AbortController().signal), EIGHT + 6 * MINUTE);
});

test("agent: a cancel while nothing runs is about nothing that comes later", () => {
  const { obey, orders, gone } = ordered();
  gone();
  obey({ type: "cancel", run: "r" });
  const later = runOf("r", "h");
  orders.apply(later.run);
  assert.deepEqual(later.done, []);
});

test("agent: the newest hundred hand-outs that were withdrawn are remembered", () => {
  const { obey, orders } = ordered();
  for (let at = 0; at <= 100; at++) obey({ type: "withdraw", handout: `w${at}` });
  const [first, second] = [runOf("1", "w0"), runOf("2", "w1")];
  orders.apply(first.run);
  orders.apply(second.run);
  assert.deepEqual([first.done.length, second.done.length], [0, 1]);
});

test("agent: a pause holds for this run and the next, is kept, and ends; a level and an end are obeyed", () => {
  const { obey, orders, told, done } = ordered();
  obey({ type: "pause" });
  assert.equal(orders.paused, true);
  const next = runOf("n", "h2");
  orders.apply(next.run);
  obey({ type: "resume" });
  assert.equal(orders.paused, false);
  obey({ type: "logLevel", level: "error" });
  obey({ type: "stop" });
  assert.deepEqual([done, next.done, orders.level], [["pause", "resume"], ["pause"], "error"]);
  assert.deepEqual(told, [
    "paused true",
    "kept true",
    "paused false",
    "kept false",
    "stop: stopped at the gateway",
  ]);
  const again = ordered({ paused: true });
  again.orders.remember();
  assert.equal(again.orders.paused, true);
  assert.match(again.told.join(), /^paused true,Paused, as before/);
  const not = ordered();
  not.orders.remember();
  assert.deepEqual([not.orders.paused, not.told], [false, []]);
});

test("agent: once it is over no timer of its end is left, and what was said first holds", async () => {
  const clock = new HandClock();
  const stopping = new AgentStopping(clock);
  assert.deepEqual([stopping.asked, stopping.because, stopping.exitCode, stopping.givenUp], [
    false,
    "",
    undefined,
    undefined,
  ]);
  stopping.ask("enough", 143);
  assert.deepEqual([stopping.asked, stopping.signal.aborted, stopping.because, stopping.exitCode], [
    true,
    true,
    "enough",
    143,
  ]);
  stopping.within(10_000);
  stopping.within(20_000);
  let over = false;
  void stopping.over.then(() => over = true);
  await Promise.resolve();
  assert.equal(over, false);
  clock.step();
  await stopping.over;
  assert.equal(clock.timers, 0);
});

test("agent: it is looked every 5 s, or four times in the time that the gateway has, until that is over", () => {
  for (
    const [keepAliveMs, every] of [[Infinity, 5_000], [60_000, 5_000], [2_000, 500], [100, 100]] as const
  ) {
    const clock = new HandClock();
    const began = clock.monotonic();
    const looks: number[] = [];
    let givenUp = 0;
    const port = { clock, state: undefined, note: () => {} } as unknown as AgentPort;
    const cancel = lookOut({
      port,
      keepAliveMs,
      outOfReachMs: () => clock.monotonic() - began,
      look: () => void looks.push(clock.monotonic() - began),
      giveUp: () => void givenUp++,
    });
    for (let at = 0; at < 40 && clock.step(); at++);
    assert.equal(looks[0], every);
    if (keepAliveMs === Infinity) assert.deepEqual([looks.length, givenUp], [40, 0]);
    else assert.deepEqual([looks.at(-1), givenUp], [keepAliveMs, 1]);
    cancel();
    assert.equal(clock.timers, 0);
  }
});

test("agent: trouble of the disk is told when it begins and when it ends", async () => {
  const clock = new HandClock();
  const notes: string[] = [];
  const state = { trouble: undefined as string | undefined, makeGood: () => Promise.resolve() };
  const port = { clock, state, note: (text: string) => void notes.push(text) } as unknown as AgentPort;
  const cancel = lookOut({ port, keepAliveMs: Infinity, outOfReachMs: () => 0, look() {}, giveUp() {} });
  for (const trouble of [undefined, "full", "full", undefined, undefined]) {
    state.trouble = trouble;
    clock.step();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(notes, ["full", "The disk takes what is kept of the agent again"]);
  cancel();
});

test("agent: each kind of trouble with the gateway is told once, and that it is back when all gets through", () => {
  const clock = new HandClock();
  const notes: string[] = [];
  const reached: boolean[] = [];
  const reach = new Reach({
    clock,
    url: "http://g",
    note: (text) => void notes.push(text),
    changed: (now) => void reached.push(now),
  });
  const pass = (ms: number) => {
    clock.after(ms, () => {});
    clock.step();
  };
  assert.deepEqual([reach.failing, reach.outMs, reach.lastContactAt], [false, 0, undefined]);
  pass(1_000);
  reach.heard("heartbeat");
  assert.equal(reach.lastContactAt, clock.now());
  pass(500);
  reach.failed("report", new UnreachableError("No connection"));
  reach.failed("report", new UnreachableError("No connection again"));
  reach.failed("heartbeat", new GatewayTimeoutError("No answer"));
  assert.deepEqual(notes, ["No connection; trying again", "No answer; trying again"]);
  assert.deepEqual([reach.failing, reach.outMs, reach.lastError, reach.missedBeats], [
    true,
    500,
    "No answer",
    1,
  ]);
  pass(500);
  // Heartbeats get through, the report does not: it is not back.
  reach.heard("heartbeat");
  assert.deepEqual([reach.failing, reach.outMs, reach.lastError], [true, 1_000, "No connection again"]);
  reach.heard("report");
  assert.deepEqual([reach.failing, reach.outMs], [false, 0]);
  assert.equal(notes.at(-1), "The gateway http://g is back");
  reach.heard("report");
  assert.equal(notes.length, 3);
  reach.failed("pull", new UnreachableError("No connection"));
  assert.equal(notes.length, 4, "told anew");
  reach.forget("pull");
  assert.deepEqual([reach.failing, reach.outMs, notes.length], [false, 0, 4]);
  reach.heard("heartbeat");
  assert.deepEqual(reached, [true, false, true, false, true]);
});
