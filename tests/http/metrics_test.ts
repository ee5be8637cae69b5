/** The metrics: each bucket with its bound, what is counted once over runs, and what is told of process, run and gateway. */
import assert from "node:assert/strict";
import test from "node:test";
import type { HttpOptions } from "../../src/http/port.ts";
import { HandRun, world } from "./rig.ts";

const DURATIONS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600];
const GAPS = [0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1, 10];

interface Settled {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly worker?: number;
}

function settle(run: HandRun, { startedAt, endedAt, worker }: Settled): void {
  const attempt = {
    task: "first",
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    startedAt,
    endedAt,
  } as const;
  run.journal.append(
    { type: "attempt.settled", ...attempt, ...(worker !== undefined && { worker }) },
    endedAt,
  );
}

function metrics(options: Partial<HttpOptions> = {}, run: HandRun = new HandRun()) {
  const { ask } = world(options, run);
  const text = async () => await (await ask("/metrics", { token: null })).text();
  const buckets = async (name: string) =>
    [...(await text()).matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)$`, "gm"))]
      .map(([, bound, count]) => [Number(bound === "+Inf" ? Infinity : bound), Number(count)]);
  const value = async (name: string) => {
    const line = (await text()).split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };
  return { run, text, buckets, value };
}

test("http: an attempt is in the bucket whose bound it just reaches", async () => {
  const { run, buckets, value } = metrics();
  for (const bound of [...DURATIONS, 4_000]) settle(run, { startedAt: 0, endedAt: bound * 1_000 });
  const all = [...DURATIONS, Infinity];
  assert.deepEqual(
    await buckets("outrider_attempt_duration_seconds"),
    all.map((bound, at) => [bound, at + 1]),
  );
  const sum = [...DURATIONS, 4_000].reduce((sum, each) => sum + each, 0);
  assert.ok(Math.abs(await value("outrider_attempt_duration_seconds_sum") as number - sum) < 1e-6);
  assert.equal(await value("outrider_attempt_duration_seconds_count"), DURATIONS.length + 1);
});

test("http: between attempts counts from the end of one to the start of the next on the same worker, and no step of a clock", async () => {
  const run = new HandRun();
  const standing = run.snapshot.bind(run);
  run.snapshot = (limit) => ({ ...standing(limit), ranMs: 20_000 });
  const { buckets } = metrics({}, run);
  GAPS.forEach((gap, worker) => {
    settle(run, { startedAt: 0, endedAt: 0, worker });
    settle(run, { startedAt: gap * 1_000, endedAt: gap * 1_000, worker });
  });
  // Longer than the run, before the one before it, and on no worker.
  settle(run, { startedAt: 30_000, endedAt: 30_000, worker: 0 });
  settle(run, { startedAt: 1, endedAt: 1, worker: 0 });
  settle(run, { startedAt: 2, endedAt: 2 });
  const found = await buckets("outrider_between_attempts_seconds");
  assert.deepEqual(found, [...GAPS, Infinity].map((bound, at) => [bound, Math.min(at + 1, GAPS.length)]));
});

test("http: what has been counted is counted once, and a run that came and went between two askings is not missed", async () => {
  const runs = [new HandRun(), new HandRun(), new HandRun()] as const;
  let current: HandRun = runs[0];
  let beforeNext = () => {};
  const next = (run: HandRun) => {
    beforeNext();
    current = run;
  };
  const options = { run: () => current, beforeNext: (listener: () => void) => void (beforeNext = listener) };
  const { value, text } = metrics(options);
  const attempts = async () =>
    Number(/outrider_attempts_total\{outcome="succeeded"\} (\d+)/.exec(await text())![1]);
  settle(runs[0], { startedAt: 0, endedAt: 1 });
  assert.equal(await attempts(), 1);
  assert.equal(await attempts(), 1);
  settle(runs[0], { startedAt: 1, endedAt: 2 });
  next(runs[1]);
  settle(runs[1], { startedAt: 0, endedAt: 1 });
  next(runs[2]);
  settle(runs[2], { startedAt: 0, endedAt: 1 });
  assert.equal(await attempts(), 4);
  assert.equal(await value("outrider_runs_total"), 3);
});

test("http: nobody who asks for metrics costs a run nothing", () => {
  const run = new HandRun();
  let looked = 0;
  const standing = run.snapshot.bind(run);
  run.snapshot = (limit) => {
    looked++;
    return standing(limit);
  };
  let beforeNext = () => {};
  metrics({ beforeNext: (listener) => void (beforeNext = listener) }, run);
  beforeNext();
  assert.equal(looked, 0);
});

test("http: process, run, store and gateway are told, each in its unit", async () => {
  const state: { unable?: string } = {};
  const { run, text, value } = metrics({
    version: '1"\\\n2',
    startedAt: 5_000,
    unable: () => state.unable,
    conditions: () => [{ code: "a", message: "A" }, { code: "b", message: "B" }],
    gateway: () => ({ url: "x", spool: { state: 4, log: 5 }, heartbeatFailures: 6, lastContactAt: 7_000 }),
  });
  run.store.set("key", "12");
  assert.equal(await value("outrider_able"), 1);
  state.unable = "no";
  assert.equal(await value("outrider_able"), 0);
  assert.equal(await value("outrider_conditions"), 2);
  assert.equal(await value("outrider_start_time_seconds"), 5);
  assert.equal(await value("outrider_gateway_contact_time_seconds"), 7);
  assert.equal(await value("outrider_store_keys"), 1);
  assert.match(await text(), /^outrider_info\{version="1\\"\\\\\\n2",runtime="test 1"\} 1$/m);
  const alone = metrics({ run: () => undefined });
  assert.equal(await alone.value("outrider_conditions"), 0);
  assert.equal(await alone.value("outrider_store_keys"), undefined);
  assert.equal(await alone.value("outrider_gateway_contact_time_seconds"), undefined);
});

test("http: an attempt that follows at once counts, and so does a gap as long as the run; what has no times is only counted", async () => {
  const run = new HandRun();
  const standing = run.snapshot.bind(run);
  run.snapshot = (limit) => ({ ...standing(limit), ranMs: 4_000 });
  const { text, value } = metrics({}, run);
  settle(run, { startedAt: 1_000, endedAt: 2_000, worker: 1 });
  settle(run, { startedAt: 2_000, endedAt: 3_000, worker: 1 });
  settle(run, { startedAt: 7_000, endedAt: 7_000, worker: 1 });
  settle(run, { startedAt: 11_001, endedAt: 11_001, worker: 1 });
  const attempt = { task: "first", iteration: 0, attempt: 1, outcome: "skipped" } as const;
  run.journal.append({ type: "attempt.settled", ...attempt }, 1);
  run.journal.append({ type: "attempt.settled", ...attempt, startedAt: 1 }, 1);
  run.journal.append({ type: "attempt.settled", ...attempt, endedAt: 1 }, 1);
  assert.equal(await value("outrider_between_attempts_seconds_count"), 2);
  assert.equal(await value("outrider_between_attempts_seconds_sum"), 4);
  assert.equal(await value("outrider_attempt_duration_seconds_count"), 4);
  assert.equal(await value("outrider_attempt_duration_seconds_sum"), 2);
  for (const [outcome, count] of [["succeeded", 4], ["skipped", 3], ["failed", 0], ["crashed", 0]]) {
    assert.match(
      await text(),
      new RegExp(`^outrider_attempts_total\\{outcome="${outcome}"\\} ${count}$`, "m"),
    );
  }
});

test("http: what is between the last attempt of a run and the first one of the next is no gap", async () => {
  const runs = [1, 2].map(() => {
    const run = new HandRun();
    const standing = run.snapshot.bind(run);
    run.snapshot = (limit) => ({ ...standing(limit), ranMs: 9_000 });
    return run;
  });
  let current = runs[0]!;
  const { value } = metrics({ run: () => current });
  settle(current, { startedAt: 1_000, endedAt: 2_000, worker: 1 });
  assert.equal(await value("outrider_between_attempts_seconds_count"), 0);
  current = runs[1]!;
  settle(current, { startedAt: 3_000, endedAt: 4_000, worker: 1 });
  assert.equal(await value("outrider_between_attempts_seconds_count"), 0);
  settle(current, { startedAt: 5_000, endedAt: 6_000, worker: 1 });
  assert.equal(await value("outrider_between_attempts_seconds_sum"), 1);
});

test("http: metrics say all that there is, each with its help and type, and a run that is gone is no longer told", async () => {
  const run = new HandRun();
  const runs: { current: HandRun | undefined } = { current: run };
  const gateway = { url: "x", spool: { state: 4, log: 5 }, heartbeatFailures: 6 };
  const { text, value } = metrics({ run: () => runs.current, gateway: () => gateway });
  run.store.set("key", "12");
  run.events.emit("e");
  const told = (await text()).split("\n");
  for (
    const line of [
      'outrider_tasks{standing="waiting"} 1',
      'outrider_tasks{standing="ready"} 0',
      'outrider_tasks{standing="running"} 1',
      'outrider_tasks{standing="retrying"} 0',
      'outrider_workers{state="busy"} 1',
      'outrider_workers{state="idle"} 0',
      'outrider_workers_held{by="processor"} 0',
      'outrider_workers_held{by="limit"} 0',
      "outrider_store_characters 5",
      "outrider_store_waits 0",
      "outrider_events 1",
      'outrider_spool_records{lane="state"} 4',
      'outrider_spool_records{lane="log"} 5',
      "outrider_heartbeat_failures_total 6",
      "outrider_runs_total 1",
      "outrider_able 1",
    ]
  ) assert.ok(told.includes(line), line);
  const samples = new Set(
    told.filter((line) => line !== "" && !line.startsWith("#")).map((line) =>
      line.split(/[{ ]/)[0]!.replace(/_(bucket|sum|count)$/, "")
    ),
  );
  for (const name of samples) {
    assert.equal(told.filter((line) => line.startsWith(`# HELP ${name} `)).length, 1, name);
    assert.equal(told.filter((line) => line.startsWith(`# TYPE ${name} `)).length, 1, name);
  }
  runs.current = undefined;
  assert.equal(await value("outrider_runs_total"), 1, "no run is not another one");
  assert.equal(await value("outrider_events"), undefined);
  runs.current = new HandRun();
  assert.equal(await value("outrider_runs_total"), 2);
  run.store.close();
});
