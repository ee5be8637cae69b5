import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { ExecutionEvent } from "../../src/run/execution.ts";
import { RunStoppedError } from "../../src/model/stopped.ts";
import {
  beats,
  fixture,
  HeldTimers,
  HOUR_MS,
  manifest,
  only,
  outcomes,
  printed,
  runScript,
  RUNTIME,
  see,
  standsStill,
  start,
  threads,
  withFolder,
} from "./rig.ts";

/** How long a thread may leave an abort unanswered: held where it is to answer, since a busy machine may let it wait. */
const DEAF_MS = 400;
/** A grace that is over only where a thread hangs. */
const PATIENT_MS = 60_000;

test("a synchronous endless loop is stopped at its timeout, and its thread is gone", () =>
  withFolder(async (folder) => {
    const file = join(folder, "beat");
    const held = new HeldTimers(HOUR_MS);
    const going = start(
      manifest("wrong", {
        loops: { params: { file }, timeout: "1h" },
        fine: { needs: [{ task: "loops", on: "failure" }] },
      }),
      { workers: 1, maxWorkers: 1, world: held.world },
    );
    await Promise.all([going.says("looping"), beats(file)]);
    await held.comes(HOUR_MS);
    const seen = await going.seen;
    const { outcome, because, worker } = only(seen.result, "loops");
    assert.deepEqual([outcome, because], ["timed_out", "it ran longer than its timeout of 3600 s"]);
    assert.deepEqual(printed(seen, "loops"), ["looping"]);
    assert.notEqual(only(seen.result, "fine").worker, worker);
    assert.ok(await standsStill(file));
    assert.equal(seen.result.state, "failed");
  }));

test("the outcome of a loop is told only when its thread stands still", () =>
  withFolder(async (folder) => {
    const file = join(folder, "beat");
    const held = new HeldTimers(HOUR_MS);
    const going = start(
      manifest("wrong", { loops: { params: { file }, timeout: "1h" }, awaits: {} }, {
        onFailure: "continue",
      }),
      { workers: 2, world: held.world },
    );
    await Promise.all([going.says("looping"), beats(file)]);
    await held.comes(HOUR_MS);
    await going.until((event) => event.type === "attempt.settled" && event.task === "loops");
    assert.ok(await standsStill(file));
    going.execution.cancel("seen");
    await going.seen;
  }));

test("a synchronous endless loop is stopped by a cancel, and its thread is gone", () =>
  withFolder(async (folder) => {
    const file = join(folder, "beat");
    const going = start(
      manifest("wrong", { loops: { params: { file } }, fine: { needs: [{ task: "loops", on: "any" }] } }),
      { workers: 1 },
    );
    await Promise.all([going.says("looping"), beats(file)]);
    going.execution.cancel("somebody wanted it");
    const { result, snapshot } = await going.seen;
    assert.ok(await standsStill(file));
    const { outcome, because } = only(result, "loops");
    assert.deepEqual([outcome, because], ["cancelled", "somebody wanted it"]);
    assert.equal(only(result, "fine").outcome, "skipped");
    assert.equal(result.state, "cancelled");
    assert.equal(snapshot.state, "cancelled");
  }));

test("a task that ignores its signal is terminated after the grace", () =>
  withFolder(async (folder) => {
    const file = join(folder, "beat");
    const held = new HeldTimers(DEAF_MS, HOUR_MS, 2 * HOUR_MS);
    const going = start(
      manifest("wrong", {
        ignores: { params: { file }, timeout: "2h" },
        fine: { needs: [{ task: "ignores", on: "failure" }] },
      }),
      { workers: 1, maxWorkers: 1, killGraceMs: HOUR_MS, world: held.world },
    );
    await Promise.all([going.says("ignoring"), beats(file)]);
    await held.comes(2 * HOUR_MS);
    await going.says("heard, ignored");
    await held.comes(HOUR_MS);
    const seen = await going.seen;
    assert.equal(only(seen.result, "ignores").outcome, "timed_out");
    assert.ok(await standsStill(file));
    assert.deepEqual(printed(seen, "ignores"), ["ignoring", "heard, ignored"]);
    assert.notEqual(only(seen.result, "fine").worker, only(seen.result, "ignores").worker);
  }));

for (const task of ["honours", "tidies", "looks"]) {
  test(`a task that minds its signal has timed out, and its worker is kept: ${task}`, async () => {
    const held = new HeldTimers(DEAF_MS, HOUR_MS, 2 * HOUR_MS);
    const going = start(
      manifest("wrong", {
        [task]: { timeout: "2h" },
        fine: { needs: [{ task, on: "failure" }] },
      }),
      { workers: 1, maxWorkers: 1, killGraceMs: HOUR_MS, world: held.world },
    );
    await going.says("waiting");
    await held.comes(2 * HOUR_MS);
    const { result } = await going.seen;
    const { outcome, because, value, worker } = only(result, task);
    assert.deepEqual([outcome, value], ["timed_out", undefined]);
    assert.equal(because, "it ran longer than its timeout of 7200 s");
    assert.equal(only(result, "fine").worker, worker);
  });
}

test("a task that minds its signal is cancelled, or has succeeded if it ends well", async () => {
  const going = start(manifest("wrong", { honours: {}, tidies: {}, never: {} }), {
    workers: 3,
    killGraceMs: PATIENT_MS,
    world: new HeldTimers(DEAF_MS).world,
  });
  await going.until((event) => event.type === "log" && event.task === "honours");
  await going.until((event) => event.type === "log" && event.task === "tidies");
  await going.says("never");
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { honours: "cancelled", tidies: "succeeded", never: "cancelled" });
  assert.equal(only(result, "tidies").value, "tidied after AbortError");
  assert.equal(only(result, "honours").because, "enough");
});

test("a synchronous task that ends after its timeout has timed out, without its value", async () => {
  const { result } = await see(manifest("wrong", { slow: { timeout: "50ms" } }), {
    killGraceMs: PATIENT_MS,
    world: new HeldTimers(DEAF_MS).world,
  });
  const { outcome, value, error, because } = only(result, "slow");
  assert.deepEqual([outcome, value, error], ["timed_out", undefined, undefined]);
  assert.equal(because, "it ran longer than its timeout of 50 ms");
});

test("a first stop lets running tasks end and starts nothing new", async () => {
  const going = start(
    manifest("wrong", {
      awaits: { params: { key: "go" } },
      fine: { needs: ["awaits"] },
      puts: { export: "gives" },
    }),
    { workers: 2 },
  );
  await Promise.all([going.says("awaiting"), going.says("giving")]);
  going.execution.stop("time for lunch");
  going.execution.stop("asked twice");
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { awaits: "succeeded", fine: "skipped", puts: "succeeded" });
  assert.equal(only(result, "fine").because, "time for lunch");
  assert.equal(result.state, "cancelled");
});

test("a pause lets running tasks end and starts nothing more until it is over", async () => {
  const going = start(manifest("wrong", { awaits: { params: { key: "go" } }, fine: { needs: ["awaits"] } }), {
    workers: 1,
  });
  const { execution } = going;
  const of = (name: string) => execution.standings().find(({ task }) => task === name)!;
  await going.says("awaiting");
  execution.pause();
  execution.store.set("go", "1");
  await going.until((event) => event.type === "attempt.settled" && event.task === "awaits");
  assert.deepEqual([of("fine").standing, of("fine").attempt], ["ready", 0]);
  execution.resume();
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { awaits: "succeeded", fine: "succeeded" });
});

test("after the grace of a stop, running tasks are cancelled", async () => {
  const going = start(manifest("wrong", { never: {}, fine: { needs: ["never"] } }), { stopGraceMs: 30 });
  await going.says("never");
  going.execution.stop("time for lunch");
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { never: "cancelled", fine: "skipped" });
  assert.match(only(result, "never").because ?? "", /^time for lunch, and its time to end was over/);
});

test("an aborted signal cancels the run, also before it has begun", async () => {
  const controller = new AbortController();
  const going = start(manifest("wrong", { never: {} }), { signal: controller.signal });
  await going.says("never");
  controller.abort();
  assert.equal((await going.seen).result.state, "cancelled");
  const { result } = await see(manifest("wrong", { fine: {} }), {
    signal: AbortSignal.abort(),
    killGraceMs: 20_000,
  });
  assert.deepEqual([result.state, only(result, "fine").outcome], ["cancelled", "skipped"]);
});

test("a wait of the store ends when the run is cancelled", async () => {
  const going = start(manifest("wrong", { awaits: {} }), {
    killGraceMs: PATIENT_MS,
    world: new HeldTimers(DEAF_MS).world,
  });
  await going.says("awaiting");
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.equal(only(result, "awaits").outcome, "cancelled");
  assert.equal(only(result, "awaits").error?.name, "AbortError");
});

test("a cancel while a module loads for ever ends the run, and the thread is gone", async () => {
  for (const source of [fixture("loads_for_ever"), manifest("loads_for_ever", { task: {} })]) {
    const going = start(source, { killGraceMs: 30 });
    going.execution.cancel("too long");
    await assert.rejects(going.seen, (error: unknown) => {
      assert.ok(error instanceof RunStoppedError);
      assert.match(error.message, /still being loaded when the run was stopped \(too long\)/);
      return true;
    });
    assert.equal(going.execution.snapshot().state, "cancelled");
    assert.equal(threads.size, 0);
  }
});

test("a stop or a cancel after the end changes nothing", async () => {
  const going = start(manifest("wrong", { fine: {} }));
  const { result } = await going.seen;
  going.execution.stop("late");
  going.execution.cancel("later");
  assert.equal(going.execution.snapshot().state, "succeeded");
  assert.equal(result.state, "succeeded");
});

test("cancelled retries are not tried again", async () => {
  const going = start(
    manifest("wrong", { throws: { retry: { attempts: 3, delay: "1h" } }, fine: { needs: ["throws"] } }),
  );
  await going.until((event) => event.type === "attempt.planned");
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { throws: "failed", fine: "skipped" });
  assert.equal(result.state, "cancelled");
});

async function lastLine(pipeline: object, options: object): Promise<ExecutionEvent[]> {
  const { stdout } = await runScript("program", [JSON.stringify(pipeline), JSON.stringify(options)]);
  return stdout.trimEnd().split("\n").filter(Boolean).map((line) => JSON.parse(line) as ExecutionEvent);
}

test("a task that fills the memory has crashed by memory, where the runtime has a heap cap", async () => {
  // Bun enforces none: there the memory of the machine would be filled.
  if (RUNTIME === "bun") return;
  const events = await lastLine(
    manifest("wrong", {
      fillsMemory: {},
      fine: { needs: [{ task: "fillsMemory", on: "failure" }] },
    }),
    { workers: 1, maxWorkers: 1, workerMemoryMiB: 24 },
  );
  const settled = events.filter((event) => event.type === "attempt.settled");
  assert.deepEqual(settled.map(({ task, outcome, reason }) => [task, outcome, reason]), [
    ["fillsMemory", "crashed", "memory"],
    ["fine", "succeeded", undefined],
  ]);
});

test("one huge allocation may end the whole process on Node, and a cap is not enforced on Bun", async () => {
  const huge = manifest("wrong", { allocatesHuge: {} });
  const options = { workers: 1, maxWorkers: 1, workerMemoryMiB: 24 };
  if (RUNTIME === "node") {
    const { code, signal, stderr } = await runScript("program", [
      JSON.stringify(huge),
      JSON.stringify(options),
    ]);
    assert.ok(code === 134 || signal === "SIGABRT", `${code} ${signal}`);
    assert.match(stderr, /heap out of memory/);
  } else if (RUNTIME === "bun") {
    const { result } = await see(manifest("wrong", { allocatesMuch: {} }), options);
    assert.equal(only(result, "allocatesMuch").value, 6_000_000);
  }
});

test("a task within the cap is left alone, whatever the runtime makes of the cap", async () => {
  const { result } = await see(manifest("wrong", { fine: {} }), { workerMemoryMiB: 64 });
  assert.equal(result.state, "succeeded");
});

test("heartbeats of a loop are written, so that standing still means something", () =>
  withFolder(async (folder) => {
    const file = join(folder, "beat");
    const going = start(manifest("wrong", { loops: { params: { file } } }), { workers: 1 });
    await going.says("looping");
    await beats(file);
    await beats(file, readFileSync(file, "utf8"));
    going.execution.cancel("seen");
    await going.seen;
  }));
