/**
 * What a task may do to the thread it runs in without harm to its own outcome, the next one's, or the executor: real workers.
 * What a worker may tell is held to in boundary_lane_test.ts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import type { Manifest } from "../../src/pipeline/document/manifest.ts";
import type { WorkerData } from "../../src/pool/protocol.ts";
import { names } from "../fixtures/run/vandal.ts";
import { runCli, withFiles } from "../rig.ts";
import {
  HeldTimers,
  HOUR_MS,
  lastShared,
  manifest,
  only,
  RUNTIME,
  see,
  type Seen,
  start,
} from "../run/rig.ts";

const ONE = { workers: 1, maxWorkers: 1 };

/** One vandal, and who comes after it on the same worker. */
function afterVandal(what: string, lies: boolean): Manifest {
  return manifest("vandal", {
    vandal: { params: { what, lies }, export: lies ? "vandalLater" : "vandal" },
    witness: { needs: ["vandal"], params: { text: "given" } },
    throwsAfter: { needs: ["witness"] },
    last: {
      export: "witness",
      needs: [{ task: "throwsAfter", on: "failure" }],
      params: { text: "x".repeat(40_000) },
    },
  }, { onFailure: "continue" });
}

function assertUnharmed({ result }: Seen, what: string): void {
  assert.equal(only(result, "vandal").value, "broken", `${what}: ${JSON.stringify(result.tasks)}`);
  assert.deepEqual(only(result, "witness").value, {
    saw: { vandal: "broken" },
    given: "given",
    list: [1, "ü", { deep: null }],
  });
  const { outcome, error } = only(result, "throwsAfter");
  assert.deepEqual([outcome, error?.name, error?.message], ["failed", "TypeError", "the task's own error"]);
  assert.equal(only(result, "last").outcome, "succeeded");
  assert.ok(
    Object.values(result.tasks).every(([attempt]) => attempt!.worker === 1),
    `${what}: another worker`,
  );
}

for (const what of names) {
  test(`a task that breaks ${what} harms neither its own outcome nor the next ones on its worker`, async () => {
    const lies = start(afterVandal(what, true), ONE).seen;
    assertUnharmed(await see(afterVandal(what, false), ONE), `${what} throws`);
    assertUnharmed(await lies, `${what} lies`);
  });
}

test("the store works after its worker's maps, promises, JSON and timers were broken", async () => {
  for (const what of ["json", "promise", "maps", "arrays"]) {
    const { result } = await see(
      manifest("vandal", { vandal: { params: { what, lies: false } }, stores: { needs: ["vandal"] } }),
      ONE,
    );
    assert.deepEqual(only(result, "stores").value, { n: 1 }, what);
  }
});

test("a task that takes from promises what `then` asks for leaves its worker hearing", async () => {
  const { result } = await see(
    manifest("vandal", {
      takesConstructors: {},
      stores: { needs: ["takesConstructors"] },
      throwsAfter: { needs: ["stores"] },
      fine: { needs: [{ task: "throwsAfter", on: "failure" }] },
    }, { onFailure: "continue" }),
    ONE,
  );
  assert.equal(only(result, "takesConstructors").value, true);
  assert.deepEqual(only(result, "stores").value, { n: 1 });
  assert.deepEqual([only(result, "fine").value, only(result, "fine").worker], ["fine", 1]);
});

test("what a task adds to prototypes is nobody's input and no message", async () => {
  const { result } = await see(
    manifest("vandal", {
      pollutes: {},
      witness: { needs: ["pollutes"], params: { text: "given" } },
      stores: { needs: ["witness"] },
    }),
    ONE,
  );
  assert.deepEqual((only(result, "witness").value as { saw: unknown }).saw, { pollutes: "polluted" });
  assert.deepEqual(only(result, "stores").value, { n: 1 });
});

test("a task that makes promises of all objects is nobody's outcome but its own, and its worker runs no other", async () => {
  const { result } = await see(
    manifest("vandal", {
      makesThenable: {},
      throwsAfter: { needs: ["makesThenable"] },
      fine: { needs: [{ task: "throwsAfter", on: "failure" }] },
    }, { onFailure: "continue" }),
    ONE,
  );
  assert.deepEqual([only(result, "makesThenable").value, only(result, "makesThenable").worker], ["made", 1]);
  assert.equal(only(result, "throwsAfter").error?.message, "the task's own error");
  assert.equal(only(result, "fine").value, "fine");
  assert.notEqual(only(result, "throwsAfter").worker, 1);
});

test("a promise of whatever class is waited for; one that can't be fails its task, and no other", async () => {
  const { result } = await see(
    manifest("vandal", {
      subclass: { export: "oddPromise", params: { how: "subclass" } },
      named: { export: "oddPromise", params: { how: "constructor" } },
      frozen: { export: "oddPromise", params: { how: "frozen" } },
      fine: { needs: [{ task: "frozen", on: "failure" }] },
    }, { onFailure: "continue" }),
    ONE,
  );
  assert.equal(only(result, "subclass").value, "odd");
  assert.equal(only(result, "named").value, "odd");
  assert.equal(only(result, "frozen").outcome, "failed");
  assert.equal(only(result, "fine").value, "fine");
});

test("a task that takes away all listeners of the process keeps no error from its task", async () => {
  const pipeline = manifest("vandal", {
    deafens: {},
    throwsLater: { needs: ["deafens"], timeout: "20s" },
  }, { onFailure: "continue" });
  await withFiles({ "p.json": pipeline }, async (folder) => {
    const { stdout } = await runCli(["run", join(folder, "p.json"), "--json", "--max-workers", "1"]);
    const { outcome, error } = only(JSON.parse(stdout), "throwsLater");
    assert.deepEqual([outcome, error?.message], ["failed", "the task's own error"]);
  });
});

test("an error of any length is told, cut, within its task's time", async () => {
  const { result } = await see(manifest("vandal", { throwsMuch: { timeout: "20s" } }), ONE);
  const { outcome, error } = only(result, "throwsMuch");
  assert.deepEqual([outcome, error?.name], ["failed", "RangeError"]);
  assert.match(error!.message, /^x{32768}… \(\d+ more characters\)$/);
});

test("a task finds no way to the executor but its ctx", async () => {
  const { result } = await see(manifest("vandal", { looksAround: {}, sendsAsLibrariesDo: {} }), ONE);
  assert.deepEqual(only(result, "looksAround").value, { data: [], again: [] });
  assert.equal(only(result, "sendsAsLibrariesDo").outcome, "succeeded");
});

test("a message past the worker's program makes the attempt crashed, and the worker is replaced", async () => {
  const { result, logs } = await see(
    manifest("vandal", {
      sendsPast: { timeout: "20s" },
      fine: { needs: [{ task: "sendsPast", on: "any" }] },
    }),
    ONE,
  );
  const { outcome, reason, because, value } = only(result, "sendsPast");
  if (value === "no way") return assert.equal(RUNTIME, "deno");
  assert.deepEqual([outcome, reason], ["crashed", "lost"]);
  assert.match(because ?? "", /^it has sent a message past its program.*globals/);
  assert.equal(only(result, "fine").outcome, "succeeded");
  assert.ok(
    logs.some(({ text }) => /^Worker 1 is gone, as it has sent .*; another takes its place$/.test(text)),
  );
});

test("zeros in the outbox, cells that lie: the attempt has crashed, the others run", async () => {
  const harms: Readonly<Record<string, (data: WorkerData) => void>> = {
    "zeros in its outbox": ({ cells }) => void Atomics.add(cells, 0, 64),
    "a cleared cell": ({ cells }) => void Atomics.store(cells, 7, 0),
    "a passed offer": ({ cells }) => void Atomics.store(cells, 4, 1_000),
  };
  for (const [what, harm] of Object.entries(harms)) {
    const going = start(
      manifest("vandal", {
        hangs: { params: { pieces: 1 }, timeout: "20s" },
        fine: { needs: [{ task: "hangs", on: "failure" }] },
      }),
      ONE,
    );
    // Then its thread writes nothing more that could undo it.
    await going.until((event) => event.type === "attempt.progressed");
    harm(lastShared());
    const { result } = await going.seen;
    const { outcome, reason, because } = only(result, "hangs");
    assert.deepEqual([outcome, reason], ["crashed", "lost"], what);
    assert.match(because ?? "", /\S.*globals/);
    assert.equal(only(result, "fine").outcome, "succeeded");
  }
});

test("a cell that says without a reason that nothing is to start stops nothing for good", async () => {
  const held = new HeldTimers(HOUR_MS);
  const going = start(
    manifest("vandal", {
      fine: {},
      hangs: { params: { pieces: 1 }, timeout: "1h" },
      after: { export: "fine", needs: [{ task: "hangs", on: "failure" }] },
    }),
    { ...ONE, world: held.world },
  );
  await going.until((event) => event.type === "attempt.started");
  Atomics.store(lastShared().halt, 0, 1);
  await going.until((event) => event.type === "attempt.started" && event.task === "hangs");
  await held.comes(HOUR_MS);
  const { result } = await going.seen;
  assert.equal(only(result, "after").outcome, "succeeded");
});

test("an unfinished line is in the log when its thread is stopped, hangs, exits or is killed", async () => {
  const held = new HeldTimers(HOUR_MS);
  const going = start(
    manifest("vandal", {
      sync: { export: "hangs", params: { sync: true, pieces: 20_000 }, timeout: "1h" },
      waits: {
        export: "hangs",
        params: { pieces: 3 },
        timeout: "1h",
        needs: [{ task: "sync", on: "failure" }],
      },
      exits: { needs: [{ task: "waits", on: "failure" }] },
    }),
    { ...ONE, killGraceMs: 50, world: held.world },
  );
  for (const task of ["sync", "waits"]) {
    await going.until((event) => event.type === "attempt.progressed" && event.task === task);
    await held.comes(HOUR_MS);
  }
  const { result, logs } = await going.seen;
  const told = (task: string) =>
    logs.filter((record) => record.task === task).map(({ stream, text }) => `${stream} ${text}`);
  assert.deepEqual(told("sync"), [`stdout ${"ü.".repeat(20_000)}`, "stderr connecting to 10.0.0.7 …"]);
  assert.deepEqual(told("waits"), ["stdout ü.ü.ü.", "stderr connecting to 10.0.0.7 …"]);
  assert.deepEqual(told("exits"), ["stdout about to exit"]);
  assert.equal(only(result, "sync").outcome, "timed_out");
});
