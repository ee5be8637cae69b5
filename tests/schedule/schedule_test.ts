/** The rules of the contract, one by one. */
import assert from "node:assert/strict";
import test from "node:test";
import { Example, planOf } from "./example.ts";

test("a task starts when all its needs have succeeded", () => {
  const run = new Example(planOf({ a: {}, b: {}, c: { needs: ["a", "b"] } }));
  assert.deepEqual(run.takeAll(), ["a", "b"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), []);
  run.settle("b");
  assert.deepEqual(run.takeAll(), ["c"]);
  run.settle("c");
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("a need on failure is for what to do then, a need on any is for both", () => {
  const plan = planOf({
    work: {},
    repair: { needs: [{ task: "work", on: "failure" }] },
    report: { needs: [{ task: "work", on: "any" }, { task: "repair", on: "any" }] },
  });
  const fine = new Example(plan);
  assert.deepEqual(fine.goOn(), ["work", "report"]);
  assert.deepEqual(fine.told, ["repair skipped: work did not fail", "end succeeded"]);
  for (const outcome of ["failed", "timed_out", "crashed"] as const) {
    assert.deepEqual(new Example(plan).goOn({ work: outcome }), ["work", "repair", "report"]);
  }
});

test("a need on a skipped task is satisfied only by any", () => {
  const run = new Example(planOf({
    work: {},
    skipped: { needs: [{ task: "work", on: "failure" }] },
    success: { needs: ["skipped"] },
    failure: { needs: [{ task: "skipped", on: "failure" }] },
    any: { needs: [{ task: "skipped", on: "any" }] },
  }));
  assert.deepEqual(run.goOn(), ["work", "any"]);
  assert.deepEqual(run.told.slice(1), [
    "success skipped: skipped was skipped",
    "failure skipped: skipped did not fail",
    "end succeeded",
  ]);
});

test("a join of any waits for all its needs and runs if one of them is satisfied", () => {
  const plan = planOf({ a: {}, b: {}, c: { needs: ["a", "b"], join: "any" } }, { onFailure: "continue" });
  const needing = planOf({
    a: { allowFailure: true },
    b: { allowFailure: true },
    c: { needs: ["a", "b"], join: "any" },
  });
  const one = new Example(needing);
  one.takeAll();
  one.settle("b");
  assert.deepEqual(one.takeAll(), []);
  one.settle("a", "failed");
  assert.deepEqual(one.takeAll(), ["c"]);
  const none = new Example(needing);
  none.goOn({ a: "timed_out", b: "crashed" });
  assert.deepEqual(none.told, ["c skipped: a timed out, b crashed", "end succeeded"]);
  assert.deepEqual(new Example(plan).goOn({ a: "failed", b: "failed" }), ["a", "b", "c"]);
});

test("a reason names three needs, and how many more there are", () => {
  const sources = Object.fromEntries([..."abcde"].map((name) => [name, { allowFailure: true }]));
  const run = new Example(planOf({ ...sources, all: { needs: [..."abcde"] } }));
  run.goOn({ a: "failed", b: "failed", c: "timed_out", d: "crashed" });
  assert.deepEqual(run.told, ["all skipped: a failed, b failed, c timed out and 1 more", "end succeeded"]);
});

test("a sync point passes by itself", () => {
  const run = new Example(planOf({ a: {}, gate: { sync: true, needs: ["a"] }, b: { needs: ["gate"] } }));
  assert.deepEqual(run.goOn(), ["a", "b"]);
  assert.deepEqual(run.told, ["gate succeeded", "end succeeded"]);
});

test("onFailure stop: nothing new starts, what runs may end, the rest is skipped", () => {
  const run = new Example(planOf({ bad: {}, long: {}, next: { needs: ["long"] } }));
  run.take(1);
  run.take(2);
  run.settle("bad", "failed");
  assert.deepEqual(run.told, [
    "revoke",
    "next skipped: bad failed, and the pipeline stops on failure",
  ]);
  assert.deepEqual(run.takeAll(), []);
  run.settle("long");
  assert.equal(run.told.at(-1), "end failed");
});

test("onFailure stop: a need on the failure leads on, and the run goes on", () => {
  const run = new Example(planOf({ bad: {}, other: {}, cure: { needs: [{ task: "bad", on: "failure" }] } }));
  assert.deepEqual(run.goOn({ bad: "failed" }).toSorted(), ["bad", "cure", "other"]);
  assert.deepEqual(run.told, ["end failed"]);
});

test("onFailure continue: a plain need is satisfied by anything, and all that can run runs", () => {
  const run = new Example(
    planOf({ bad: {}, next: { needs: ["bad"] }, other: {} }, { onFailure: "continue" }),
  );
  assert.deepEqual(run.goOn({ bad: "failed" }).toSorted(), ["bad", "next", "other"]);
  assert.deepEqual(run.told, ["end failed"]);
});

test("allowFailure: the failure neither stops the run nor makes it fail", () => {
  const run = new Example(planOf({ bad: { allowFailure: true }, other: {}, next: { needs: ["bad"] } }));
  assert.deepEqual(run.goOn({ bad: "failed" }), ["bad", "other"]);
  assert.deepEqual(run.told, ["next skipped: bad failed", "end succeeded"]);
});

test("a failed attempt is tried again when its delay is over, until the attempts are used up", () => {
  const run = new Example(planOf({ a: { retry: { attempts: 3 } } }));
  run.take();
  run.settle("a", "failed");
  assert.deepEqual([run.told, run.takeAll()], [["retry a after 1"], []]);
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.take(), ["a attempt 2"]);
  run.settle("a", "timed_out");
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.take(), ["a attempt 3"]);
  run.settle("a", "crashed");
  assert.deepEqual(run.told.slice(2), ["revoke", "end failed"]);
});

test("a cancelled attempt is not tried again, and is no failure that leads on", () => {
  const run = new Example(planOf({
    a: { retry: { attempts: 3 } },
    cure: { needs: [{ task: "a", on: "failure" }] },
  }));
  run.goOn({ a: "cancelled" });
  assert.deepEqual(run.told, ["cure skipped: a did not fail", "end failed"]);
});

test("a stop skips what has not begun, keeps what ran, and makes the run cancelled", () => {
  const run = new Example(planOf({ a: { retry: { attempts: 2 } }, b: {}, c: { needs: ["b"] } }));
  run.take(1);
  run.take(2);
  run.settle("a", "failed");
  run.tell(run.schedule.stop("the device is needed"));
  assert.deepEqual(run.told, ["retry a after 1", "revoke", "c skipped: the device is needed"]);
  run.tell(run.schedule.due(run.index("a")));
  assert.deepEqual(run.takeAll(), []);
  run.settle("b");
  assert.equal(run.told.at(-1), "end cancelled");
});

test("a run that is given up has failed, even if nothing in it did", () => {
  const run = new Example(planOf({ a: {} }));
  run.tell(run.schedule.giveUp("it kills its process"));
  assert.deepEqual(run.told, ["revoke", "a skipped: it kills its process", "end failed"]);
});

test("a loop runs its tasks again, as often as it may; what needs them from outside runs once, afterwards", () => {
  const run = new Example(planOf(
    { a: {}, b: { needs: ["a"] }, c: { needs: ["b"] }, after: { needs: ["c"] }, aside: { needs: ["a"] } },
    { loops: [{ from: "c", to: "b", times: 2 }] },
  ));
  const ran = run.goOn();
  assert.deepEqual(ran.filter((name) => name !== "aside"), [
    ..."abc",
    ...["b iteration 1", "c iteration 1", "b iteration 2", "c iteration 2", "after"],
  ]);
});

test("a loop ends when the task it closes at does not end as on says", () => {
  const tasks = { try: {}, after: { needs: [{ task: "try", on: "any" as const }] } };
  const loops = [{ from: "try", to: "try", times: 9, on: "failure" as const }];
  const run = new Example(planOf(tasks, { loops }));
  const ran = run.goOn({ try: "failed", "try iteration 2": "succeeded" });
  assert.deepEqual(ran, ["try", "try iteration 1", "try iteration 2", "after"]);
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("a loop on any goes round for a skipped task too, one on success or failure does not", () => {
  const loops = (on: "any" | "success" | "failure") => [{ from: "b", to: "a", times: 1, on }];
  const tasks = { a: { allowFailure: true }, b: { needs: ["a"] } };
  const any = new Example(planOf(tasks, { loops: loops("any") }));
  assert.deepEqual(any.goOn({ a: "failed" }), ["a", "a iteration 1"]);
  assert.deepEqual(any.told, ["b skipped: a failed", "b iteration 1 skipped: a failed", "end succeeded"]);
  for (const on of ["success", "failure"] as const) {
    assert.deepEqual(new Example(planOf(tasks, { loops: loops(on) })).goOn({ a: "failed" }), ["a"]);
  }
});

test("a join counts in its own iteration; needs outside the loop stay as they are", () => {
  const run = new Example(planOf(
    { out: {}, a: {}, b: {}, join: { needs: ["out", "a", "b"] }, x: { needs: ["join"] } },
    { loops: [{ from: "join", to: "a", times: 1 }, { from: "x", to: "a", times: 1 }] },
  ));
  const ran = run.goOn();
  const joins = ran.filter((name) => name.startsWith("join"));
  assert.deepEqual(joins, ["join", "join iteration 1", "join iteration 2", "join iteration 3"]);
  assert.deepEqual([ran.filter((name) => name === "out").length, ran.filter((name) => name === "b").length], [
    1,
    1,
  ]);
  for (const [at, name] of joins.entries()) {
    assert.ok(ran.indexOf(name) > ran.indexOf(at === 0 ? "a" : `a iteration ${at}`));
  }
});

test("two loops that close at one task: the inner one first, and anew each time the outer one goes round", () => {
  const run = new Example(planOf(
    { a: {}, b: { needs: ["a"] } },
    { loops: [{ from: "b", to: "a", times: 1 }, { from: "b", to: "b", times: 1 }] },
  ));
  const ran = run.goOn();
  assert.deepEqual(ran, ["a", "b", "b iteration 1", "a iteration 1", "b iteration 2", "b iteration 3"]);
});

test("each iteration has attempts of its own", () => {
  const run = new Example(planOf(
    { a: { retry: { attempts: 2 } } },
    { loops: [{ from: "a", to: "a", times: 1, on: "any" }] },
  ));
  for (const expected of ["a", "a attempt 2", "a iteration 1", "a iteration 1 attempt 2"]) {
    assert.deepEqual(run.take(), [expected]);
    run.settle("a", "failed");
    run.tell(run.schedule.due(0));
  }
  assert.equal(run.told.at(-1), "end failed");
});

test("behind what is released stands all that waits for nothing else, each after what it needs", () => {
  const run = new Example(planOf({
    a: {},
    b: { needs: ["a"] },
    c: { needs: ["b", "a"] },
    other: { needs: ["a"] },
    far: {},
    both: { needs: ["c", "far"] },
  }));
  assert.deepEqual(run.take(1, { ahead: true }), ["a", "b", "c", "other"]);
  assert.deepEqual(run.take(1, { ahead: true }), ["far", "both"]);
  for (const name of ["a", "far", "b", "c"]) run.settle(name);
  assert.deepEqual([run.takeAll(), run.told], [[], []]);
  run.settle("both");
  run.settle("other");
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("a task that waits for a failure, or wants to be alone, does not stand behind what it needs", () => {
  const run = new Example(planOf({
    a: {},
    cure: { needs: [{ task: "a", on: "failure" }] },
    fresh: { needs: ["a"], fresh: true },
    once: { needs: ["a"], onLost: "fail" },
  }));
  assert.deepEqual(run.take(1, { ahead: true }), ["a"]);
  run.settle("a");
  assert.deepEqual(run.takeAll().toSorted(), ["fresh", "once"]);
});

test("an attempt that is given back leaves no trace; if its needs have failed since, it is skipped", () => {
  const run = new Example(planOf({ a: { allowFailure: true }, b: { needs: ["a"] } }));
  assert.deepEqual(run.take(1, { ahead: true }), ["a", "b"]);
  run.settle("a", "failed");
  assert.deepEqual(run.told, []);
  run.tell(run.schedule.giveBack(run.index("b")));
  assert.deepEqual(run.told, ["b skipped: a failed", "end succeeded"]);
});

test("the longest remaining path goes first", () => {
  const run = new Example(
    planOf({ short: {}, long: { estimate: "5s" }, path: {}, next: { needs: ["path"] } }),
  );
  assert.deepEqual(run.schedule.next(3).map((task) => run.plan.tasks[task]!.name), ["long", "path", "short"]);
});

test("a dispatch says who waits for it, for whom it waits, and whether its failure would stop everything", () => {
  const run = new Example(
    planOf({ a: {}, b: { needs: ["a"], retry: { attempts: 2 } }, c: { needs: ["a"], fresh: true } }),
  );
  const [a, b] = run.schedule.release(1, { max: 9, ready: 1 });
  assert.deepEqual(a, {
    ...{ task: run.index("a"), iteration: 0, attempt: 1 },
    ...{ behind: [], few: true, awaited: 0, urgent: true, fatal: true },
  });
  assert.deepEqual(b, {
    ...{ task: run.index("b"), iteration: 0, attempt: 1 },
    ...{ behind: [a!.task], few: true, awaited: 0, urgent: false, fatal: false },
  });
});

test("settling what is on no lane is a defect, and says so", () => {
  const run = new Example(planOf({ a: {} }));
  assert.throws(() => run.settle("a"), /^Error: Task 0 is not on a lane$/);
});
