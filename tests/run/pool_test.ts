import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { ManifestNeed } from "../../src/pipeline/document/manifest.ts";
import type { On, Outcome } from "../../src/model/outcome.ts";
import { satisfies } from "../../src/model/outcome.ts";
import { type FixtureTask, manifest, only, outcomes, printed, see, type Seen, start } from "./rig.ts";

const ONE = { workers: 1, maxWorkers: 1 };

/** Tasks with names of the kind t0, t1, … */
function many(count: number, task: (at: number) => FixtureTask): Record<string, FixtureTask> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`t${at}`, task(at)]));
}

/** Most attempts that ran at the same time. */
function mostAtOnce({ states }: Seen): number {
  const edges = states.flatMap((record) =>
    record.type === "attempt.settled" && record.startedAt !== undefined && record.worker !== undefined
      ? [[record.startedAt, 1], [record.endedAt!, -1]] as const
      : []
  ).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  return edges.reduce((most, [, change]) => Math.max(most, now += change), 0);
}

/** Workers that ran something. */
function workersOf({ result }: Seen): Set<number> {
  return new Set(Object.values(result.tasks).flat().map(({ worker }) => worker!).filter(Boolean));
}

test("tasks that are ready together run at the same time, though there are fewer workers at the start", async () => {
  const seen = await see(manifest("context", many(3, () => ({ export: "meets", params: { of: 3 } }))), {
    workers: 2,
  });
  assert.equal(seen.result.state, "succeeded");
  assert.equal(workersOf(seen).size, 3);
});

test("tasks that wait for each other and become ready one after the other run at the same time", async () => {
  const seen = await see(
    manifest("context", {
      first: { export: "nothing" },
      a: { export: "meets", params: { of: 3 } },
      b: { export: "meets", params: { of: 3 }, needs: ["first"] },
      second: { export: "nothing", needs: ["first"] },
      c: { export: "meets", params: { of: 3 }, needs: ["second"] },
    }),
    { workers: 1 },
  );
  assert.equal(seen.result.state, "succeeded");
});

test("the pool grows to its most workers, and not beyond", async () => {
  const seen = await see(
    manifest("context", {
      // Three that wait for each other, however long a worker takes to start; then work enough for more.
      ...Object.fromEntries(["a", "b", "c"].map((name) => [name, { export: "meets", params: { of: 3 } }])),
      ...many(9, () => ({ export: "takes", params: { ms: 60 } })),
    }),
    { workers: 1, maxWorkers: 3 },
  );
  assert.equal(seen.result.state, "succeeded");
  assert.equal(mostAtOnce(seen), 3);
});

test("one worker runs everything, one after the other, also where only the most is said", async () => {
  for (const options of [ONE, { maxWorkers: 1 }]) {
    const seen = await see(
      manifest("context", {
        ...many(
          10,
          (at) => ({ export: "takes", params: { ms: 5 }, needs: at % 3 === 2 ? [`t${at - 1}`] : [] }),
        ),
        fresh: { export: "count", fresh: true },
        lossy: { export: "count", onLost: "fail" },
      }),
      options,
    );
    assert.equal(seen.result.state, "succeeded");
    assert.equal(mostAtOnce(seen), 1);
  }
});

test("a fresh task does not run beside another when there is only one worker", async () => {
  const seen = await see(
    manifest("context", {
      long: { export: "takes", params: { ms: 900 } },
      fresh: { export: "takes", params: { ms: 50 }, fresh: true },
      other: { export: "takes", params: { ms: 50 }, fresh: true },
    }),
    ONE,
  );
  assert.equal(seen.result.state, "succeeded");
  assert.equal(mostAtOnce(seen), 1);
});

test("a fresh task gets a worker that has run nothing, also where there can be no more workers", async () => {
  for (const options of [ONE, { workers: 2, maxWorkers: 2 }, { workers: 2, maxWorkers: 8 }]) {
    const { result } = await see(
      manifest("context", {
        ...many(6, () => ({ export: "count" })),
        ...Object.fromEntries(["f0", "f1", "f2"].map((name, at) => [name, {
          export: "count",
          fresh: true,
          needs: [`t${at}`],
        }])),
        last: { export: "count", needs: ["f0", "f1", "f2"] },
      }),
      options,
    );
    assert.equal(result.state, "succeeded");
    for (const name of ["f0", "f1", "f2"]) assert.equal(only(result, name).value, 0);
    assert.equal(new Set(["f0", "f1", "f2"].map((name) => only(result, name).worker)).size, 3);
  }
});

test("a warm worker is used again", async () => {
  const { result } = await see(
    manifest("context", many(5, (at) => ({ export: "count", needs: at === 0 ? [] : [`t${at - 1}`] }))),
    ONE,
  );
  assert.deepEqual(Object.values(result.tasks).map(([first]) => first!.value), [0, 1, 2, 3, 4]);
});

test("after each crash another worker goes on", async () => {
  const seen = await see(
    manifest("wrong", {
      ...many(4, (at) => ({
        export: "exits",
        needs: at === 0 ? [] : [{ task: `t${at - 1}`, on: "failure" as const }],
      })),
      fine: { needs: [{ task: "t3", on: "failure" }] },
    }),
    ONE,
  );
  assert.deepEqual(outcomes(seen.result), {
    t0: "crashed",
    t1: "crashed",
    t2: "crashed",
    t3: "crashed",
    fine: "succeeded",
  });
  assert.equal(workersOf(seen).size, 5);
  assert.deepEqual(printed(seen, "t3"), ["before"]);
});

test("a snapshot counts every task once, and names who runs", async () => {
  const going = start(
    manifest("wrong", { awaits: {}, fine: {}, next: { export: "fine", needs: ["awaits"] } }),
    { workers: 2 },
  );
  await going.says("awaiting");
  await going.until((event) => event.type === "attempt.settled" && event.task === "fine");
  const { counts, running, tasks, state, workers } = going.execution.snapshot();
  assert.equal(Object.values(counts).reduce((sum, count) => sum + count), tasks);
  assert.deepEqual([state, counts.succeeded, counts.waiting + counts.ready, counts.running], [
    "running",
    1,
    1,
    1,
  ]);
  assert.deepEqual(running.map(({ task, attempt }) => [task, attempt]), [["awaits", 1]]);
  assert.ok(Math.abs(running[0]!.startedAt - Date.now()) < 60_000);
  assert.equal(workers.busy, 1);
  going.execution.cancel("seen");
  const { snapshot } = await going.seen;
  assert.deepEqual(snapshot.running, []);
  assert.equal(snapshot.state, "cancelled");
});

test("two thousand independent tasks run, each once", async () => {
  const count = 2_000;
  const seen = await see(manifest("context", many(count, () => ({ export: "random" }))), { workers: 2 });
  assert.equal(seen.result.state, "succeeded");
  assert.equal(seen.states.filter(({ type }) => type === "attempt.settled").length, count);
  assert.ok(
    Object.values(seen.result.tasks).every((attempts) =>
      attempts.length === 1 && attempts[0]!.value === "at once"
    ),
  );
});

test("many small tasks make the pool grow in proportion only", async () => {
  const seen = await see(manifest("context", many(3_000, () => ({ export: "random" }))), {
    workers: 2,
    maxWorkers: 64,
  });
  assert.equal(seen.result.state, "succeeded");
  const { size } = new Set(
    seen.states.flatMap((record) => record.type === "attempt.dispatched" ? [record.worker] : []),
  );
  assert.ok(size <= 16, `${size} workers`);
});

test("a chain of two thousand tasks runs in order", async () => {
  const count = 2_000;
  const seen = await see(
    manifest("context", many(count, (at) => ({ export: "random", needs: at === 0 ? [] : [`t${at - 1}`] }))),
    { workers: 2 },
  );
  const order = seen.states.flatMap((record) => record.type === "attempt.settled" ? [record.task] : []);
  assert.deepEqual(order, Array.from({ length: count }, (_, at) => `t${at}`));
  assert.equal(seen.result.state, "succeeded");
});

interface RandomTask extends FixtureTask {
  readonly needs: ManifestNeed[];
}

const HOW = ["sync", "sync", "sync", "later", "turn", "throws", "rejects"];
const ON: readonly On[] = ["success", "success", "any", "failure"];

/** Pipelines of 300 tasks. */
const randomTasks: fc.Arbitrary<Record<string, RandomTask>> = fc.array(
  fc.record({
    how: fc.constantFrom(...HOW),
    join: fc.constantFrom("all" as const, "all" as const, "any" as const),
    attempts: fc.constantFrom(1, 1, 1, 2),
    needs: fc.array(fc.record({ back: fc.integer({ min: 1, max: 40 }), on: fc.constantFrom(...ON) }), {
      maxLength: 3,
    }),
  }),
  { minLength: 300, maxLength: 300 },
).map((tasks) =>
  Object.fromEntries(tasks.map(({ how, join, attempts, needs }, at) => [`t${at}`, {
    export: "random",
    params: { how },
    join,
    retry: { attempts, delay: 0 },
    needs: [...new Map(needs.filter(({ back }) => back <= at).map(({ back, on }) => [at - back, on]))]
      .map(([task, on]) => ({ task: `t${task}`, on })),
  }]))
);

/** Holds what was told of a run against the words of the contract. */
function holds(tasks: Record<string, RandomTask>, seen: Seen, onFailure: "stop" | "continue"): void {
  const final = new Map<string, Outcome>();
  const stopped = new Set<string>();
  const bad = (outcome: Outcome) => outcome === "failed" || outcome === "crashed" || outcome === "timed_out";
  for (const record of seen.states) {
    if (record.type === "attempt.settled") {
      const { task, outcome, attempt } = record;
      const { needs, join, retry } = tasks[task]!;
      assert.ok(!final.has(task), `${task} settles after its final outcome`);
      if (outcome !== "skipped") {
        const met = needs.filter((need) =>
          final.has(need.task) && satisfies(need.on!, final.get(need.task)!)
        );
        const settled = needs.every((need) => final.has(need.task));
        assert.ok(settled, `${task} ran before its needs were settled`);
        assert.ok(
          join === "any" ? needs.length === 0 || met.length > 0 : met.length === needs.length,
          `${task} ran unmet`,
        );
      } else if ((record.because ?? "").includes("stops on failure")) stopped.add(task);
      if (!bad(outcome) || attempt >= Number(retry!.attempts)) final.set(task, outcome);
    }
  }
  const last = outcomes(seen.result);
  assert.equal(Object.keys(last).length, 300);
  if (onFailure === "continue") {
    assert.equal(stopped.size, 0);
    for (const [task, { params }] of Object.entries(tasks)) {
      const fails = ["throws", "rejects"].includes(String(params!["how"]));
      assert.ok(
        last[task] === "skipped" || last[task] === (fails ? "failed" : "succeeded"),
        `${task} ${last[task]}`,
      );
    }
  }
  const failed = Object.values(last).some((outcome) => outcome === "failed");
  assert.equal(seen.result.state, failed ? "failed" : "succeeded");
}

test("random pipelines keep to the contract", () =>
  fc.assert(
    fc.asyncProperty(
      randomTasks,
      fc.constantFrom("stop" as const, "continue" as const),
      fc.integer({ min: 1, max: 3 }),
      async (tasks, onFailure, workers) => {
        const seen = await see(manifest("context", tasks, { onFailure }), {
          workers,
          maxWorkers: workers + 1,
        });
        holds(tasks, seen, onFailure);
      },
    ),
    { numRuns: 6, endOnFailure: true },
  ));
