/** Tests of the schedule's parts, each by itself: the order of what is ready, lanes, what is released, edges, rounds and reasons. */
import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import type { Dispatch } from "../../src/schedule/command.ts";
import { edgesOf } from "../../src/schedule/edges.ts";
import { Lanes } from "../../src/schedule/lanes.ts";
import { ReadyQueue } from "../../src/schedule/ready_queue.ts";
import { ReadyTasks } from "../../src/schedule/ready_tasks.ts";
import { whySkipped, whyStopped } from "../../src/schedule/reasons.ts";
import { Rounds } from "../../src/schedule/rounds.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { Example, planOf } from "./example.ts";

test("ready queue: whatever is put in and taken out, the lowest rank comes first, each task once", () => {
  const acts = fc.array(fc.option(fc.nat(40), { nil: undefined }), { maxLength: 120 });
  fc.assert(
    fc.property(acts, fc.shuffledSubarray([...Array(41).keys()], { minLength: 41 }), (acts, ranks) => {
      const queue = new ReadyQueue(Int32Array.from(ranks));
      const model = new Set<number>();
      const first = () => [...model].sort((a, b) => ranks[a]! - ranks[b]!)[0];
      for (const task of acts) {
        if (task === undefined) {
          const expected = first();
          assert.equal(queue.head, expected);
          assert.equal(queue.pop(), expected);
          if (expected !== undefined) model.delete(expected);
        } else if (!model.has(task)) {
          queue.push(task);
          model.add(task);
        }
        assert.equal(queue.size, model.size);
        assert.equal(queue.head, first());
        assert.equal(queue.peek(1)[0], first());
      }
      queue.clear();
      assert.deepEqual([queue.size, queue.head, queue.pop(), queue.peek(9)], [0, undefined, undefined, []]);
    }),
  );
});

test("ready queue: a look at what comes next gives no more than was asked for, in order, and takes nothing", () => {
  const queue = new ReadyQueue(Int32Array.from([3, 1, 2, 0]));
  for (const task of [0, 1, 2, 3]) queue.push(task);
  assert.deepEqual(queue.peek(3), [3, 1, 2]);
  assert.deepEqual(queue.peek(0), []);
  assert.deepEqual(queue.peek(9), [3, 1, 2, 0]);
  assert.equal(queue.size, 4);
});

test("ready tasks: each is in the queue of its kind, and all end at once", () => {
  const plan = planOf({ line: {}, alone: { fresh: true }, lossy: { onLost: "fail" }, other: {} });
  const index = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  const ready = new ReadyTasks(plan, Uint8Array.from([0, 1, 2, 3]));
  for (const { index } of plan.tasks) ready.put(index);
  for (const kind of [0, 1, 2] as const) assert.deepEqual([ready.count(kind), ready.head(kind)], [1, kind]);
  assert.deepEqual(ready.kept.map(({ head, count }) => [head, count]), [[3, 1]]);
  assert.deepEqual(ready.next(9).sort(), [0, 1, 2, 3]);
  assert.deepEqual(ready.next(2).length, 2);
  assert.equal(ready.take(2), 2);
  assert.equal(ready.take(2), undefined);
  ready.clear();
  assert.deepEqual([0, 1, 2].map((kind) => ready.count(kind as 0)), [0, 0, 0]);
  assert.deepEqual(ready.kept, []);
  ready.delay(index("line"));
  ready.clear();
  assert.ok(ready.undelay(index("line")), "a delay outlasts that nothing may start now");
  assert.ok(!ready.undelay(index("line")));
  ready.delay(index("line"));
  ready.put(index("other"));
  ready.end();
  assert.ok(!ready.undelay(index("line")));
  assert.deepEqual(ready.next(9), []);
});

test("lanes: how many needs of a task are on a lane is never too many, and none is left when they are gone", () => {
  const plan = planOf({ a: {}, b: {}, c: { needs: ["a", "b"] }, d: { needs: ["c"] } });
  const lanes = new Lanes(edgesOf(plan).now);
  assert.deepEqual([lanes.near(2, 7), lanes.near(0, 7)], [0, 0]);
  lanes.put(0, 7);
  assert.deepEqual([lanes.near(2, 7), lanes.near(2, 8)], [1, 0]);
  lanes.put(1, 7);
  assert.equal(lanes.near(2, 7), 2);
  lanes.takeOff(0);
  assert.equal(lanes.near(2, 7), 1);
  lanes.takeOff(1);
  assert.equal(lanes.near(2, 7), 0);
  // A lane that comes later counts anew; a need on another lane takes nothing off it.
  lanes.put(0, 9);
  lanes.put(1, 8);
  assert.deepEqual([lanes.near(2, 9), lanes.near(2, 8)], [1, 0]);
  lanes.takeOff(1);
  assert.equal(lanes.near(2, 9), 1);
  assert.throws(() => lanes.takeOff(1), /Task 1 is not on a lane/);
});

/** What is released, each with what it stands behind: `b<a`. */
function released(
  run: Example,
  lane: number,
  options: { readonly max: number; readonly ready: number },
): string[] {
  const name = (task: number) => run.plan.tasks[task]!.name;
  return run.schedule.release(lane, options).map(({ task, behind }) =>
    [name(task), ...behind.map(name).toSorted()].join("<")
  );
}

test("release: what is ready comes first by its rank, then what stands behind it, each after what it stands behind", () => {
  const run = new Example(planOf({
    a: { estimate: "9s" },
    a2: { needs: ["a"] },
    a3: { needs: ["a2"] },
    b: { estimate: "5s" },
    c: { estimate: "3s" },
    c2: { needs: ["c"] },
    all: { needs: ["a3", "b", "c2"] },
  }));
  assert.deepEqual(released(run, 4, { max: 9, ready: 9 }), [
    ...["a", "b", "c", "a2<a", "c2<c", "a3<a2", "all<a3<b<c2"],
  ]);
  assert.deepEqual(released(run, 4, { max: 9, ready: 9 }), []);
});

test("release: as many as were asked for, of those that are ready and in all", () => {
  const plan = planOf({ a: {}, a2: { needs: ["a"] }, a3: { needs: ["a2"] }, b: {}, c: {} });
  const count = (max: number, ready: number) => {
    const taken = released(new Example(plan), 1, { max, ready });
    return taken.filter((one) => !one.includes("<")).length * 10 + taken.length;
  };
  assert.deepEqual([count(9, 1), count(9, 2), count(2, 9), count(4, 9), count(9, 0), count(0, 9)], [
    ...[13, 24, 22, 34, 0, 0],
  ]);
  const run = new Example(plan);
  assert.deepEqual(released(run, 1, { max: 1, ready: 1 }), ["a"]);
  assert.deepEqual(released(run, 2, { max: 9, ready: 0 }), [], "it is on another lane");
});

test("release: what was left off for want of room comes the next time, in the same order", () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 7 }, (_, at) => [`w${at}`, { needs: ["a"], estimate: `${9 - at}s` }]),
  );
  const run = new Example(planOf({ a: {}, ...tasks, last: { needs: ["w6"] } }));
  assert.deepEqual(released(run, 1, { max: 3, ready: 1 }), ["a", "w0<a", "w1<a"]);
  assert.deepEqual(released(run, 1, { max: 2, ready: 1 }), ["w2<a", "w3<a"]);
  assert.deepEqual(released(run, 1, { max: 9, ready: 1 }), ["w4<a", "w5<a", "w6<a", "last<w6"]);
});

test("release: what can't start when its needs on the board have succeeded does not stand behind them", () => {
  const run = new Example(planOf({
    a: {},
    bad: { allowFailure: true, estimate: "9s" },
    fresh: { fresh: true },
    both: { needs: ["a", "bad"] },
    any: { needs: ["a", "bad"], join: "any" },
    far: { needs: ["a", "fresh"] },
  }));
  assert.deepEqual(run.take(2), ["fresh"]);
  assert.deepEqual(released(run, 1, { max: 1, ready: 1 }), ["bad"]);
  run.settle("bad", "failed");
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), ["a", "any<a"]);
  run.settle("fresh");
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), [], "each was looked at once");
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["far"]);
  assert.deepEqual(run.told, ["both skipped: bad failed"]);
});

test("release: what was given back stands behind its needs again as soon as those are released again", () => {
  const run = new Example(planOf({ a: { retry: { attempts: 2 } }, b: { needs: ["a"] } }));
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), ["a", "b<a"]);
  run.tell(run.schedule.giveBack(run.index("b")));
  run.tell(run.schedule.giveBack(run.index("a")));
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), ["a", "b<a"]);
  run.tell(run.schedule.giveBack(run.index("b")));
  run.settle("a", "failed");
  run.tell(run.schedule.due(run.index("a")));
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), ["a", "b<a"]);
  assert.deepEqual(run.told, ["retry a after 1"]);
});

test("release: what is behind others may have begun when those have settled, also after a stop", () => {
  const began = (stop: boolean) => {
    const run = new Example(planOf({ a: {}, b: { needs: ["a"] }, c: { needs: ["b"] } }));
    assert.deepEqual(run.take(1, { ahead: true }), ["a", "b", "c"]);
    const seen = () => ["a", "b", "c"].map((name) => run.schedule.mayHaveBegun(run.index(name)));
    const before = seen();
    if (stop) run.tell(run.schedule.stop("enough"));
    run.settle("a");
    const after = seen();
    run.settle("b");
    return [before, after, seen()];
  };
  const expected = [[true, false, false], [true, true, false], [true, true, true]];
  assert.deepEqual([began(false), began(true)], [expected, expected]);
});

/** The first dispatch of a task, when what is ready is released one by one. */
function dispatchOf(plan: ReturnType<typeof planOf>, name: string): Dispatch {
  const schedule = new Schedule(plan);
  schedule.start();
  for (;;) {
    const [taken] = schedule.release(1, { max: 1, ready: 1 });
    if (taken === undefined) return assert.fail(name);
    if (plan.tasks[taken.task]!.name === name) return taken;
  }
}

/** A task that needs so many others, and what it is itself. */
function manyTo(count: number, more: object = {}): ReturnType<typeof planOf> {
  const sources = Array.from({ length: count }, (_, at) => `s${at}`);
  return planOf({
    ...Object.fromEntries(sources.map((name) => [name, {}])),
    all: { needs: sources, ...more },
  });
}

test("release: an outcome is urgent where a loop, or what never stands behind it, waits for it and for few others", () => {
  const urgent = (plan: ReturnType<typeof planOf>, name: string) => dispatchOf(plan, name).urgent;
  assert.equal(urgent(planOf({ a: {} }), "a"), false);
  assert.equal(urgent(planOf({ a: {}, b: { needs: ["a"] } }), "a"), false, "it may stand behind it");
  assert.equal(urgent(planOf({ a: {}, b: { needs: ["a"], fresh: true } }), "a"), true);
  assert.equal(urgent(planOf({ a: {}, b: { needs: [{ task: "a", on: "failure" }] } }), "a"), true);
  assert.equal(urgent(manyTo(16, { fresh: true }), "s3"), true);
  assert.equal(urgent(manyTo(17, { fresh: true }), "s3"), false);
  const looped = planOf({ a: {} }, { loops: [{ from: "a", to: "a", times: 1 }] });
  assert.equal(urgent(looped, "a"), true);
});

test("release: an outcome is awaited by those of few needs that may stand behind it", () => {
  const awaited = (plan: ReturnType<typeof planOf>, name: string) => dispatchOf(plan, name).awaited;
  assert.equal(awaited(planOf({ a: {} }), "a"), 0);
  assert.equal(awaited(planOf({ a: {}, b: { needs: ["a"] }, c: { needs: ["a"] } }), "a"), 2);
  assert.equal(awaited(planOf({ a: {}, b: { needs: ["a"], fresh: true } }), "a"), 0, "that makes it urgent");
  assert.deepEqual([awaited(manyTo(16), "s3"), awaited(manyTo(17), "s3")], [1, 0]);
  const few = (count: number) => {
    const taken = new Example(manyTo(count)).schedule.release(1, { max: 99, ready: 99 });
    return [taken.at(-1)!.behind.length, taken.at(-1)!.few];
  };
  assert.deepEqual([few(16), few(17)], [[16, true], [17, false]]);
});

test("edges: what has to be alone, stops the run or may stand behind its needs is told of each task by itself", () => {
  const { alone, inLine, fatal } = edgesOf(planOf({
    a: {},
    fresh: { fresh: true },
    lossy: { onLost: "fail" },
    sync: { sync: true },
    fails: { needs: [{ task: "a", on: "failure" }] },
    any: { needs: [{ task: "fresh", on: "any" }] },
    allowed: { allowFailure: true },
  }));
  assert.deepEqual([...alone], [0, 1, 1, 0, 0, 0, 0]);
  assert.deepEqual([...inLine], [1, 0, 0, 0, 0, 1, 1]);
  assert.deepEqual([...fatal], [0, 0, 1, 1, 1, 1, 0]);
  assert.deepEqual([...edgesOf(planOf({ a: {} }, { onFailure: "continue" })).fatal], [0]);
});

test("release: a task that is held back is never released ahead of its needs, nor what stands behind it", () => {
  const plan = planOf({ a: {}, b: { needs: ["a"] }, c: { needs: ["b"] } });
  const tasks = plan.tasks.map((task) =>
    task.name === "b" ? { ...task, uses: [{ resource: 0, amount: 1 }] } : task
  );
  const resources = [{ name: "radio", capacity: 1, scope: "run" as const }];
  const run = new Example({ ...plan, resources, tasks });
  assert.deepEqual(edgesOf(run.plan).inLine, Uint8Array.from([1, 0, 1]));
  const { schedule } = run;
  const [first, ...more] = schedule.release(1, { max: 9, ready: 9 });
  assert.deepEqual([first!.task, first!.urgent, more], [0, true, []], "its end is told at once");
  run.settle("a");
  assert.deepEqual(released(run, 1, { max: 9, ready: 9 }), ["b", "c<b"]);
});

test("edges: a need is settled with its task, or with the outermost loop that it leaves", () => {
  const plan = planOf({
    a: {},
    b: { needs: ["a"] },
    c: { needs: ["b"] },
    after: { needs: ["a", "c"] },
    inner: { needs: ["b"] },
  }, { loops: [{ from: "b", to: "b", times: 1 }, { from: "c", to: "a", times: 2 }] });
  const name = (task: number) => plan.tasks[task]!.name;
  const { now, exits, closes } = edgesOf(plan);
  const told = (edges: readonly { readonly from: number; readonly to: number }[]) =>
    edges.map(({ from, to }) => `${name(from)} ${name(to)}`).sort();
  const settledNow = plan.tasks.flatMap(({ index: from }) =>
    [...now.to.subarray(now.first[from], now.first[from + 1])].map((to) => ({ from, to }))
  );
  assert.deepEqual(told(settledNow), ["a b"]);
  const loops = plan.loops.map(({ from }) => name(from));
  const at = (from: string) => exits[loops.indexOf(from)]!;
  assert.deepEqual(told(at("b")), ["b c"]);
  assert.deepEqual(told(at("c")), ["a after", "b inner", "c after"]);
  assert.deepEqual(
    closes.map((loops) => loops.length),
    plan.tasks.map(({ name }) => name === "b" || name === "c" ? 1 : 0),
  );
});

test("rounds: a loop goes round as often as it may while it ends as it must, and begins anew with the one around it", () => {
  const plan = planOf({ a: {}, b: { needs: ["a"] } }, {
    loops: [{ from: "b", to: "b", times: 2, on: "success" }, { from: "b", to: "a", times: 1, on: "any" }],
  });
  const rounds = new Rounds(plan);
  const both = [0, 1];
  assert.deepEqual(
    Array.from({ length: 6 }, () => rounds.next(both, "succeeded")),
    [0, 0, 1, 0, 0, undefined],
  );
  assert.equal(rounds.next([0], "failed"), undefined);
  assert.equal(rounds.next(both, "failed"), 1);
  assert.equal(rounds.next([0], "succeeded"), 0);
});

test("reasons: of many needs that are not met three are named, the others counted", () => {
  const names = ["a", "b", "c", "d", "e"];
  const plan = planOf({ ...Object.fromEntries(names.map((name) => [name, {}])), all: { needs: names } });
  const all = plan.tasks.at(-1)!;
  const why = (...outcomes: ("failed" | "timed_out" | "cancelled" | "crashed" | "skipped" | "succeeded")[]) =>
    whySkipped(plan, all, outcomes);
  assert.equal(why("failed", "succeeded", "succeeded", "succeeded", "succeeded"), "a failed");
  assert.equal(
    why("timed_out", "crashed", "cancelled", "succeeded", "succeeded"),
    "a timed out, b crashed, c was cancelled",
  );
  assert.equal(
    why("failed", "skipped", "failed", "failed", "succeeded"),
    "a failed, b was skipped, c failed and 1 more",
  );
  assert.equal(
    why("failed", "failed", "failed", "failed", "failed"),
    "a failed, b failed, c failed and 2 more",
  );
  assert.equal(whyStopped("a", "timed_out"), "a timed out, and the pipeline stops on failure");
});

test("rerun: an attempt that was lost with its process counts as crashed, and not as a try", () => {
  const plan = planOf({ a: { retry: { attempts: 2, delay: "1s" } }, b: { needs: ["a"] } });
  const run = new Example(plan);
  assert.deepEqual(run.take(), ["a"]);
  run.tell(run.schedule.rerun(0));
  assert.equal(run.schedule.outcome(0), "crashed");
  assert.deepEqual(run.take(), ["a attempt 2"]);
  run.settle("a", "failed");
  assert.deepEqual(run.told, ["retry a after 2"]);
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.take(), ["a attempt 3"]);
  run.settle("a", "failed");
  assert.deepEqual(run.told.slice(1), [
    "b skipped: a failed",
    "revoke",
    "end failed",
  ]);
});

test("rerun: after a stop the attempt that was lost is the last one, and has crashed", () => {
  const run = new Example(planOf({ a: {} }));
  run.take();
  run.tell(run.schedule.stop("enough"));
  run.tell(run.schedule.rerun(0));
  assert.equal(run.schedule.outcome(0), "crashed");
  assert.deepEqual(run.take(), []);
  assert.deepEqual(run.told, ["revoke", "end cancelled"]);
});

test("stop: a run that gave up has failed, and one that was asked to stop is cancelled, whatever came first", () => {
  const ends = (...acts: ("fail" | "stop" | "giveUp")[]) => {
    const run = new Example(planOf({ a: {}, b: {}, c: {} }));
    run.takeAll();
    for (const act of acts) {
      if (act === "fail") run.settle("a", "failed");
      else run.tell(run.schedule[act]("because"));
    }
    for (const name of ["a", "b", "c"]) {
      if (run.schedule.standing(run.index(name)) === 2) run.settle(name);
    }
    assert.equal(run.told.filter((what) => what === "revoke").length, acts.length === 0 ? 0 : 1);
    return run.told.at(-1);
  };
  assert.equal(ends(), "end succeeded");
  assert.equal(ends("stop"), "end cancelled");
  assert.equal(ends("giveUp"), "end failed");
  assert.equal(ends("fail"), "end failed");
  assert.equal(ends("fail", "stop"), "end cancelled");
  assert.equal(ends("stop", "fail"), "end cancelled");
  assert.equal(ends("stop", "giveUp"), "end cancelled");
  assert.equal(ends("giveUp", "stop"), "end cancelled");
});

test("take: what has to be alone, and what runs in no worker, is taken by itself, and stands behind nothing", () => {
  const plan = planOf({ a: {}, alone: { fresh: true, needs: ["a"] }, b: { needs: ["alone"] } });
  const { schedule } = new Example(plan);
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.headAlone], [1, 0, undefined]);
  assert.equal(schedule.release(1, { max: 9, ready: 9 }).length, 1);
  schedule.settle(0, "succeeded");
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.headAlone], [0, 1, 1]);
  assert.deepEqual(schedule.next(5), [1]);
  assert.equal(schedule.takeAlone(1, 2), undefined);
  assert.equal(schedule.takeAlone(1)?.task, 1);
  assert.deepEqual(schedule.release(1, { max: 9, ready: 9 }), [], "nothing stands behind it");
  assert.equal(schedule.takeAlone(1), undefined);
});

test("requeue: what is ready is in order again, and nothing else is there", () => {
  const plan = planOf({
    a: { estimate: "9s" },
    b: { estimate: "5s" },
    c: { estimate: "7s" },
    f: { fresh: true },
  });
  const schedule = new Schedule(plan);
  schedule.start();
  const index = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  schedule.redispatch(index("a"), 1);
  schedule.redispatch(index("f"), 1);
  schedule.requeue();
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.kept.length], [2, 0, 0]);
  assert.deepEqual(schedule.next(9), [index("c"), index("b")]);
});

test("take: what runs in a process that is kept is taken by itself, each by what its process has to be", () => {
  const run = (python: string, more = {}) => ({ run: { python, function: "f", ...more } });
  const plan = planOf({
    a: {},
    one: { ...run("./x.py"), estimate: "5s" },
    two: { ...run("./y.py"), estimate: "9s" },
    numpy: { ...run("./x.py", { requirements: "./r.txt" }), estimate: "7s" },
    less: { ...run("./x.py", { memory: "64MiB" }), estimate: "3s" },
    away: { ...run("./in/x.py"), estimate: "1s" },
  });
  const schedule = new Schedule(plan);
  schedule.start();
  const of = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  const seen = () => schedule.kept.map(({ head, count }) => [plan.tasks[head]!.name, count]);
  assert.deepEqual(seen(), [["two", 2], ["numpy", 1], ["less", 1], ["away", 1]]);
  assert.equal(new Set(schedule.kept.map(({ key }) => key)).size, 4);
  assert.deepEqual(schedule.next(9), ["two", "numpy", "one", "less", "away", "a"].map(of));
  assert.equal(schedule.readyAloneCount, 0);
  assert.equal(schedule.takeKept(5, of("two"))?.task, of("two"));
  assert.deepEqual(seen(), [["numpy", 1], ["one", 1], ["less", 1], ["away", 1]]);
  assert.equal(schedule.takeKept(5, of("one"))?.task, of("one"));
  assert.equal(schedule.takeKept(5, of("one")), undefined);
  for (const { head } of schedule.kept) schedule.takeKept(5, head);
  assert.deepEqual(schedule.kept, []);
});

test("calm: a worker goes on after the failure of an item alone whose failures are told with the others", () => {
  const calm = (onItemFailure: "stop" | "continue", more: object = {}) => {
    const plan = planOf({ list: {}, a: { each: { task: "list" }, onItemFailure, ...more } });
    const schedule = new Schedule(plan);
    schedule.start();
    const [list] = schedule.release(1, { max: 1, ready: 1 });
    schedule.settle(list!.task, "succeeded");
    schedule.expand(plan.tasks.findIndex(({ name }) => name === "a"), 2);
    return [list!.calm, ...schedule.release(1, { max: 2, ready: 2 }).map((dispatch) => dispatch.calm)];
  };
  assert.deepEqual(calm("continue"), [undefined, true, true]);
  assert.deepEqual(calm("continue", { retry: { attempts: 2 } }), [undefined, true, true]);
  assert.deepEqual(calm("stop", { allowFailure: true }), [undefined, false, false]);
});

test("fatal: an attempt stops the run if it is the last of a task whose failure nobody minds, in no loop", () => {
  const fatal = (task: object, more: object = {}, others: object = {}) => {
    const schedule = new Schedule(planOf({ a: task, ...others }, more));
    schedule.start();
    return schedule.release(1, { max: 1, ready: 1 })[0]!.fatal;
  };
  assert.equal(fatal({}), true);
  assert.equal(fatal({ allowFailure: true }), false);
  assert.equal(fatal({}, { onFailure: "continue" }), false);
  assert.equal(fatal({ retry: { attempts: 2 } }), false);
  assert.equal(fatal({}, { loops: [{ from: "a", to: "a", times: 1 }] }), false);
  assert.equal(fatal({}, {}, { b: { needs: [{ task: "a", on: "failure" }] } }), false);
  assert.equal(fatal({}, {}, { b: { needs: ["a"] } }), true);
});

test("rerun: an attempt that was lost is on no lane any more, so that nothing stands behind it", () => {
  const plan = planOf({ a: {}, c: {}, b: { needs: ["a", "c"] } });
  const schedule = new Schedule(plan);
  schedule.start();
  assert.deepEqual(schedule.release(1, { max: 1, ready: 1 }).map(({ task }) => task), [0]);
  schedule.rerun(0);
  assert.deepEqual(schedule.release(2, { max: 1, ready: 1 }).map(({ task }) => task), [0]);
  assert.deepEqual(schedule.release(1, { max: 9, ready: 1 }).map(({ task }) => task), [1]);
});

test("redispatch: a delay that a journal has passed by leads to nothing", () => {
  const schedule = new Schedule(planOf({ a: { retry: { attempts: 3, delay: "1s" } } }));
  schedule.start();
  assert.ok(schedule.redispatch(0, 1));
  assert.ok(!schedule.redispatch(0, 1), "it is dispatched already");
  schedule.settle(0, "failed");
  assert.ok(schedule.redispatch(0, 1));
  assert.equal(schedule.attempt(0), 2);
  schedule.requeue();
  assert.deepEqual([schedule.due(0), schedule.readyCount, schedule.standing(0)], [[], 0, 2]);
  schedule.settle(0, "succeeded");
  assert.ok(!schedule.redispatch(0, 1), "it has settled");
});
