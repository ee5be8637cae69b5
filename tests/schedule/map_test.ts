/** Mapped tasks: which items begin, and what becomes of the task; and what holds however it goes. */
import assert from "node:assert/strict";
import test from "node:test";
import { dice } from "./dice.ts";
import { Example, planOf } from "./example.ts";
import { checkLaws } from "./laws.ts";
import { checkItems, mappedPlan, MapRig } from "./map_rig.ts";
import { replay, ReplayError } from "../../src/schedule/replay.ts";
import type { ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { Replayed } from "../../src/schedule/command.ts";

const SEEDS = Number(process.env["OUTRIDER_TEST_RUNS"] ?? 500);

/** `scan`, `ping` for each of its list, and `report`, which needs `ping`. */
function survey(ping: ManifestTask = {}, options: Parameters<typeof planOf>[1] = {}): Example {
  return new Example(planOf({
    scan: {},
    ping: { each: { task: "scan" }, ...ping },
    report: { needs: ["ping"] },
  }, options));
}

/** The items are counted. */
function counted(run: Example, count: number): void {
  run.tell(run.schedule.expand(run.index("ping"), count));
}

/** What the items came to is made the task's. */
function gathered(run: Example, outcome: "succeeded" | "failed" | "cancelled"): void {
  run.settle("ping", outcome);
}

test("map: each item of the list is an attempt, and the task ends after the last; then others begin", () => {
  const run = survey();
  assert.deepEqual(run.take(1, { ahead: true }), ["scan"], "nothing is released ahead");
  run.settle("scan");
  assert.deepEqual(run.told.splice(0), ["expand ping"]);
  assert.deepEqual(run.take(), []);
  counted(run, 3);
  assert.equal(run.schedule.readyCount, 3);
  assert.deepEqual(run.take(1, { ahead: true }), ["ping[0]", "ping[1]", "ping[2]"].slice(0, 1));
  assert.deepEqual(run.takeAll(), ["ping[1]", "ping[2]"]);
  for (const name of ["ping[2]", "ping[0]"]) run.settle(name);
  assert.deepEqual(run.told, []);
  run.settle("ping[1]");
  assert.deepEqual(run.told.splice(0), ["ping gather succeeded"]);
  assert.deepEqual(run.take(), []);
  gathered(run, "succeeded");
  assert.deepEqual(run.goOn(), ["report"]);
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("map: an empty list is a success, and no list a failure", () => {
  const empty = survey();
  empty.goOn();
  empty.told.length = 0;
  counted(empty, 0);
  assert.deepEqual(empty.told.splice(0), ["ping gather succeeded"]);
  const none = survey();
  none.goOn();
  none.told.length = 0;
  none.settle("ping", "failed");
  assert.deepEqual(none.told, ["report skipped: ping failed", "revoke", "end failed"]);
});

test("map: no more items are at work than may be, and those that wait begin in order", () => {
  const run = survey({ maxParallel: 2 });
  run.goOn();
  counted(run, 5);
  assert.equal(run.schedule.readyCount, 2);
  assert.deepEqual(run.takeAll(), ["ping[0]", "ping[1]"]);
  run.settle("ping[1]");
  assert.deepEqual(run.takeAll(), ["ping[2]"]);
  run.tell(run.schedule.giveBack(run.index("ping[0]")));
  assert.deepEqual(run.takeAll(), ["ping[0]"], "what was given back comes before those after it");
  run.settle("ping[2]");
  run.settle("ping[0]");
  assert.deepEqual(run.takeAll(), ["ping[3]", "ping[4]"]);
});

test("map: items wait for what they use one by one, in order, and give it back between their attempts", () => {
  const run = new Example(planOf({
    scan: {},
    ping: { each: { task: "scan" }, uses: { radio: 2 }, retry: { attempts: 2 } },
    late: { needs: ["scan"], uses: ["radio"] },
  }, { resources: { radio: 5 } }));
  run.take();
  run.settle("scan");
  counted(run, 4);
  const rank = (name: string) => run.plan.tasks[run.index(name)]!.rank;
  assert.ok(rank("ping") < rank("late"));
  assert.deepEqual(run.takeAll(), ["ping[0]", "ping[1]", "late"], "what is left goes to who comes next");
  assert.equal(run.schedule.lacks(run.index("ping")), false, "some are at work");
  assert.deepEqual(run.schedule.holdings()[0]!.free, 0);
  run.settle("ping[0]", "failed");
  assert.deepEqual(run.takeAll(), ["ping[2]"]);
  run.tell(run.schedule.due(run.index("ping[0]")));
  run.settle("ping[1]");
  assert.deepEqual(run.takeAll(), ["ping[0] attempt 2"], "it comes before those that never began");
  run.settle("ping[2]");
  assert.deepEqual(run.takeAll(), ["ping[3]"]);
  run.tell(run.schedule.stop("enough"));
  for (const name of ["ping[3]", "ping[0]", "late"]) run.settle(name);
  assert.equal(run.schedule.holdings()[0]!.free, 5, "all is given back");
});

test("map: after an item's failure for good no other begins, and the pipeline stops as soon as it is certain", () => {
  const run = survey({ retry: { attempts: 2 } });
  run.goOn();
  counted(run, 5);
  assert.deepEqual([run.take(), run.take(), run.take()].flat(), ["ping[0]", "ping[1]", "ping[2]"]);
  run.told.length = 0;
  run.settle("ping[1]", "failed");
  assert.deepEqual(run.told.splice(0), ["retry ping[1] after 1"]);
  run.tell(run.schedule.due(run.index("ping[1]")));
  assert.deepEqual(run.take(), ["ping[1] attempt 2"], "it comes before those that have not begun");
  run.settle("ping[1]", "timed_out");
  const because = "ping timed out, and the pipeline stops on failure";
  assert.deepEqual(run.told.splice(0), ["recall", "revoke", `report skipped: ${because}`]);
  assert.deepEqual(run.take(), []);
  run.tell(run.schedule.giveBack(run.index("ping[2]")));
  run.settle("ping[0]");
  assert.deepEqual(run.told.splice(0), ["ping gather failed"]);
  assert.deepEqual(run.schedule.items(run.index("ping"))!.counts, { succeeded: 1, timed_out: 1, skipped: 3 });
  gathered(run, "failed");
  assert.deepEqual(run.told, ["end failed"]);
});

test("map: where others go on after its failure the pipeline does not stop, and only the task's own items are taken back", () => {
  const run = new Example(planOf({
    scan: {},
    ping: { each: { task: "scan" } },
    comfort: { needs: [{ task: "ping", on: "failure" }] },
    other: {},
  }));
  run.take();
  run.settle("scan");
  counted(run, 3);
  run.takeAll();
  run.told.length = 0;
  run.settle("ping[0]", "failed");
  assert.deepEqual(run.told.splice(0), ["recall"]);
  run.tell(run.schedule.giveBack(run.index("other")));
  run.tell(run.schedule.giveBack(run.index("ping[2]")));
  assert.deepEqual(run.takeAll(), ["other"], "it is handed out again, and the item is not");
  run.settle("ping[1]", "failed");
  assert.deepEqual(run.told.splice(0), ["ping gather failed"]);
  gathered(run, "failed");
  assert.deepEqual(run.take(), ["comfort"]);
});

test("map: one that goes on after failures runs all, tries again as its rule says, and is a success", () => {
  const run = survey({ onItemFailure: "continue", retry: { attempts: 2 } });
  run.goOn();
  counted(run, 2);
  run.takeAll();
  run.told.length = 0;
  for (const outcome of ["failed", "crashed"] as const) {
    run.settle("ping[0]", outcome);
    run.tell(run.schedule.due(run.index("ping[0]")));
    run.take();
  }
  run.settle("ping[1]");
  assert.deepEqual(run.told, ["retry ping[0] after 1", "ping gather succeeded"]);
  assert.deepEqual(run.schedule.items(run.index("ping"))!.counts, { succeeded: 1, crashed: 1 });
});

test("map: a stop lets what runs end, skips the rest, and cancels the task", () => {
  const run = survey({ retry: { attempts: 3 } });
  run.goOn();
  counted(run, 4);
  run.takeAll();
  run.settle("ping[3]", "failed");
  run.told.length = 0;
  run.tell(run.schedule.stop("enough"));
  assert.deepEqual(run.told.splice(0), ["revoke", "report skipped: enough"]);
  run.tell(run.schedule.giveBack(run.index("ping[2]")));
  run.settle("ping[0]");
  run.settle("ping[1]", "failed");
  assert.deepEqual(
    run.told.splice(0),
    ["ping gather failed"],
    "a failure counts, also one that would have been tried again",
  );
  const all = survey();
  all.goOn();
  counted(all, 2);
  all.take();
  all.told.length = 0;
  all.tell(all.schedule.stop("enough"));
  all.settle("ping[0]");
  assert.deepEqual(all.told, ["revoke", "report skipped: enough", "ping gather cancelled: enough"]);
});

test("map: in a loop each iteration has a list of its own, and numbers are used again", () => {
  const run = new Example(planOf({
    scan: {},
    ping: { each: { task: "scan" } },
  }, { loops: [{ from: "ping", to: "scan", times: 2 }] }));
  const numbers: number[] = [];
  for (const count of [2, 3, 1]) {
    run.take();
    run.settle("scan");
    counted(run, count);
    const first = run.index("ping[0]");
    numbers.push(first);
    assert.equal(run.schedule.items(run.index("ping"))!.count, count);
    assert.equal(run.schedule.numberOf(run.index("ping"), count), undefined);
    const taken = run.takeAll();
    assert.equal(taken.length, count);
    for (let item = 0; item < count; item++) {
      assert.deepEqual([run.schedule.taskOf(first + item), run.schedule.itemOf(first + item)], [
        run.index("ping"),
        item,
      ]);
      run.settle(`ping[${item}]`);
    }
    gathered(run, "succeeded");
  }
  assert.deepEqual(numbers, [2, 4, 4], "where there are enough of them");
  assert.equal(run.told.at(-1), "end succeeded");
});

test("map: what a journal tells that can't have happened is refused", () => {
  const { plan } = survey();
  const [scan, ping] = [0, 1];
  const begun: Replayed[] = [
    { task: scan, iteration: 0, attempt: 1, outcome: "succeeded" },
    { task: ping, iteration: 0, attempt: 1, count: 2 },
  ];
  const refused = (...records: Replayed[]) => assert.throws(() => replay(plan, records), ReplayError);
  refused({ task: ping, iteration: 0, attempt: 1, count: 2 });
  refused(...begun, { task: ping, iteration: 0, attempt: 1, count: 2 });
  refused(...begun, { task: ping, item: 2, iteration: 0, attempt: 1 });
  refused(...begun, { task: ping, item: 0, iteration: 1, attempt: 1 });
  refused(...begun, { task: ping, item: 0, iteration: 0, attempt: 2, outcome: "failed" });
  refused(...begun, { task: ping, iteration: 0, attempt: 1, outcome: "succeeded" });
  refused(begun[0]!, { task: scan, item: 0, iteration: 0, attempt: 1 });
  refused(begun[0]!, { task: ping, item: 0, iteration: 0, attempt: 1 });
  const { inFlight, commands } = replay(plan, [...begun, { task: ping, item: 1, iteration: 0, attempt: 1 }]);
  assert.deepEqual([inFlight, commands], [[4], []]);
  assert.deepEqual(replay(plan, begun.slice(0, 1)).commands, [{ type: "expand", task: ping, iteration: 0 }]);
});

test("map: whatever the order of events, each run ends, and each item has one end at most, by the contract", () => {
  for (let seed = 0; seed < SEEDS; seed++) checkAll(seed, {});
});

test("map: nothing begins after a stop, and a run goes on from any beginning of its journal", () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    checkAll(seed, { stops: seed % 2 === 0, kills: seed % 4 });
  }
});

function checkAll(seed: number, perils: { readonly stops?: boolean; readonly kills?: number }): void {
  const roll = dice(seed);
  const plan = mappedPlan(roll);
  try {
    const rig = new MapRig(plan, roll, perils).run();
    checkItems(rig);
    const finished = rig.finished();
    // The laws of tasks hold of mapped ones as well: an item's failure is theirs.
    if (plan.onFailure === "continue" && !finished.stopped) {
      checkLaws({ ...finished, plan: asTried(finished.plan) });
    }
  } catch (error) {
    throw new Error(`Seed ${seed}`, { cause: error });
  }
}

/** For the laws of tasks: a mapped task as a whole is not tried again. */
function asTried(plan: MapRig["plan"]): MapRig["plan"] {
  const tasks = plan.tasks.map((task) =>
    task.each === undefined ? task : { ...task, retry: { ...task.retry, attempts: 1 } }
  );
  return { ...plan, tasks };
}
