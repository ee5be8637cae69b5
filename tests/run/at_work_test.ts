/**
 * Tests of a run at work, with a pool, a clock and chance in the test's hand: what is written when, what is asked of the
 * pool, and when.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { traceOf } from "../../src/model/trace.ts";
import { BEGIN, WorkRig } from "./work_rig.ts";

test("work: an attempt is in the journal before the pool has it, an outcome before anything follows", () => {
  const rig = new WorkRig({ a: {}, b: { needs: ["a"], sync: true }, c: { needs: ["b"] } });
  assert.deepEqual(rig.told, ["a dispatched"]);
  rig.clock.advance(5);
  rig.settles("a", "succeeded", "1");
  assert.deepEqual(rig.told, ["a dispatched", "a succeeded", "b succeeded", "c dispatched"]);
  assert.deepEqual(rig.states.map(({ at }) => at), [BEGIN, BEGIN + 5, BEGIN + 5, BEGIN + 5]);
  const b = rig.states[2]!;
  assert.ok(b.type === "attempt.settled" && b.worker === undefined);
  assert.deepEqual([b.startedAt, b.endedAt], [BEGIN + 5, BEGIN + 5]);
});

test("work: what is offered is told to the journal for good before the pool offers it", () => {
  const rig = new WorkRig({ a: {} });
  const seen: string[] = [];
  rig.journal.commit = () => void seen.push(rig.told.at(-1)!);
  rig.pool.giveBack(["a"]);
  rig.pool.feed();
  assert.deepEqual(seen, ["a dispatched"]);
});

test("work: a retry waits as its rule says: longer each time, up to the most, and by chance a little more or less", () => {
  const rig = new WorkRig({
    a: { retry: { attempts: 5, delay: "100ms", factor: 3, maxDelay: "500ms", jitter: 0.5 } },
  });
  const waits: number[] = [];
  // No chance, the least, nearly the most, and once more the least, of what is the most.
  for (const [chance, expected] of [[0.5, 100], [0, 150], [1, 750], [0, 250]] as const) {
    rig.chances.push(chance);
    const from = rig.clock.now();
    rig.settles("a", "failed");
    assert.equal(rig.pool.taken.size, 0);
    assert.equal(rig.work.schedule.standing(0), 3);
    const planned = rig.states.at(-1)!;
    assert.ok(planned.type === "attempt.planned");
    waits.push(planned.dueAt - from);
    rig.clock.advance(expected - 1);
    assert.equal(rig.pool.taken.size, 0, `after ${expected - 1} ms`);
    rig.clock.advance(1);
    assert.equal(rig.pool.taken.get("a")?.attempt, waits.length + 1);
    assert.equal(rig.clock.timers, 0);
  }
  assert.deepEqual(waits, [100, 150, 750, 250]);
  rig.settles("a", "failed");
  assert.equal(rig.told.at(-1), "a failed");
  assert.equal(rig.clock.timers, 0);
});

test("work: a retry says when it is due and which attempt it is", () => {
  const rig = new WorkRig({ a: { retry: { attempts: 2, delay: "1s" } } });
  rig.chances.push(0.5);
  rig.settles("a", "failed");
  const { seq: _, ...planned } = rig.states.at(-1)!;
  assert.deepEqual(planned, {
    at: BEGIN,
    type: "attempt.planned",
    task: "a",
    iteration: 0,
    attempt: 2,
    dueAt: BEGIN + 1_000,
  });
});

test("work: items that are due at the same time are tried again all at once", () => {
  const rig = new WorkRig({
    list: {},
    each: { each: { task: "list" }, retry: { attempts: 2, delay: "1s" } },
  });
  rig.settles("list", "succeeded", "[1,2,3]");
  for (const item of [0, 1, 2]) rig.settles(`each ${item}`, "failed");
  const { fed } = rig.pool;
  rig.clock.advance(999);
  assert.equal(rig.pool.taken.size, 0);
  rig.clock.advance(1);
  assert.deepEqual([...rig.pool.taken.values()].map(({ attempt }) => attempt), [2, 2, 2]);
  assert.equal(rig.pool.fed - fed, 1);
});

test("work: what an item of an iteration before waited for leads to nothing for the item that has its number now", () => {
  const rig = new WorkRig({
    list: {},
    each: { each: { task: "list" }, retry: { attempts: 2, delay: "1s" } },
  }, { loops: [{ from: "each", to: "list", times: 1, on: "failure" }] });
  rig.settles("list", "succeeded", "[1,2]");
  rig.settles("each 1", "failed");
  rig.clock.advance(500);
  rig.settles("each 0", "failed");
  rig.clock.advance(500);
  rig.settles("each 1", "failed");
  rig.settles("list", "succeeded", "[1,2]");
  assert.equal(rig.pool.taken.get("each 0")?.iteration, 1);
  rig.settles("each 0", "failed");
  rig.clock.advance(999);
  assert.deepEqual([...rig.pool.taken.keys()], ["each 1"]);
  rig.clock.advance(1);
  assert.deepEqual([...rig.pool.taken.keys()], ["each 1", "each 0"]);
});

test("work: a step of the wall clock neither shortens nor lengthens the wait for a retry", () => {
  for (const step of [-3_600_000, 3_600_000]) {
    const rig = new WorkRig({ a: { retry: { attempts: 2, delay: "200ms" } } });
    rig.settles("a", "failed");
    rig.clock.step(step);
    rig.clock.advance(199);
    assert.equal(rig.pool.taken.size, 0);
    rig.clock.advance(1);
    assert.equal(rig.pool.taken.size, 1);
    const dispatched = rig.states.at(-1)!;
    assert.equal(dispatched.at, BEGIN + step + 200);
  }
});

test("work: a stop lets what runs end, skips the rest, and cancels when the grace is over", async () => {
  const rig = new WorkRig({ a: {}, b: {}, c: { needs: ["a", "b"] } });
  rig.begins("a", "b");
  rig.work.stop("time for lunch", 3_000);
  assert.ok(rig.work.stopping);
  assert.deepEqual(rig.pool.asked, ["halt"]);
  assert.deepEqual(rig.told.slice(3), ["run.stopping", "c skipped: time for lunch"]);
  assert.deepEqual(
    rig.logs.map(({ level, from, text }) => [level, from, text]),
    [["info", "executor", "Stopping: time for lunch. Nothing new starts; running tasks may end"]],
  );
  rig.settles("a");
  rig.clock.advance(2_999);
  assert.deepEqual(rig.pool.asked, ["halt"]);
  rig.clock.advance(1);
  assert.deepEqual(rig.pool.asked, ["halt", "cancel: time for lunch, and its time to end was over"]);
  assert.equal(rig.clock.timers, 0);
  assert.deepEqual(rig.ended, []);
  rig.settles("b", "cancelled");
  await rig.work.ended;
  assert.deepEqual(rig.ended, ["cancelled"]);
  assert.deepEqual([...rig.work.because], [[2, "time for lunch"]]);
});

test("work: only the first stop does anything, and none does after the end", async () => {
  const rig = new WorkRig({ a: {} });
  rig.begins("a");
  rig.work.stop("first", 3_000);
  rig.work.stop("second", 10);
  assert.equal(rig.told.filter((what) => what === "run.stopping").length, 1);
  assert.equal(rig.clock.timers, 1);
  rig.settles("a");
  assert.equal(await rig.work.ended, "cancelled");
  rig.timers.end();
  assert.equal(rig.clock.timers, 0);
  const over = new WorkRig({ a: {} });
  over.settles("a");
  over.work.stop("late", 10);
  assert.equal(await over.work.ended, "succeeded");
  assert.ok(!over.work.stopping);
  assert.equal(over.clock.timers, 0);
  assert.deepEqual(over.told, ["a dispatched", "a succeeded"]);
});

test("work: a stop while a retry is waited for leaves the attempt's failure, and the wait leads to nothing", async () => {
  const rig = new WorkRig({ a: { retry: { attempts: 3, delay: "1h" } }, b: { needs: ["a"] } });
  rig.settles("a", "failed");
  rig.work.stop("enough", 10);
  assert.equal(await rig.work.ended, "cancelled");
  assert.equal(rig.work.schedule.outcome(0), "failed");
  rig.clock.advance(3_600_000);
  assert.equal(rig.pool.taken.size, 0);
  assert.deepEqual(rig.told.slice(-2), ["run.stopping", "b skipped: enough"]);
});

test("work: after its end no timer of a run is left, and none that is due acts", () => {
  const rig = new WorkRig({
    a: { retry: { attempts: 3, delay: "1s" } },
    b: { retry: { attempts: 3, delay: "2s" } },
  });
  rig.settles("a", "failed");
  rig.settles("b", "failed");
  assert.equal(rig.clock.timers, 2);
  rig.timers.end();
  assert.equal(rig.clock.timers, 0);
  rig.clock.advance(5_000);
  assert.equal(rig.pool.taken.size, 0);
});

test("work: a failure that stops the run takes back what has not begun, and leaves what runs to its end", async () => {
  const rig = new WorkRig({ a: {}, b: {}, c: {}, d: { needs: ["b"] } });
  rig.begins("a", "b");
  rig.settles("a", "failed");
  assert.deepEqual(rig.pool.asked, ["halt"]);
  assert.deepEqual([...rig.pool.taken.keys()], ["b"]);
  const why = "a failed, and the pipeline stops on failure";
  // What stands behind others is given back before them.
  assert.deepEqual(rig.told.slice(-3), ["a failed", `d skipped: ${why}`, `c skipped: ${why}`]);
  assert.deepEqual(rig.ended, []);
  rig.settles("b", "succeeded", "2");
  assert.equal(await rig.work.ended, "failed");
  assert.equal(rig.work.value(1, 0), "2");
});

test("work: what follows from a halt is done after what was asked for before it, the end last", async () => {
  // `a`, and `c` behind `b`, are given back at the halt; `e` and `f` were never taken.
  const rig = new WorkRig({
    a: {},
    b: {},
    c: { needs: ["b"] },
    e: { needs: [{ task: "b", on: "failure" }, { task: "a", on: "any" }] },
    f: { needs: ["e"] },
  }, { onFailure: "stop" });
  rig.begins("b");
  rig.work.stop("enough", 10);
  // The halt gave them back, and what follows from that comes after what the stop itself asked for.
  assert.deepEqual(rig.told.slice(-5), [
    "run.stopping",
    "e skipped: enough",
    "f skipped: enough",
    "c skipped: enough",
    "a skipped: enough",
  ]);
  assert.deepEqual(rig.ended, []);
  rig.settles("b");
  assert.equal(await rig.work.ended, "cancelled");
});

test("work: a run has ended only when all of its outcomes are written", async () => {
  for (const count of [1, 5]) {
    const rig = new WorkRig(
      Object.fromEntries(
        Array.from({ length: count + 1 }, (_, at) => [`t${at}`, at === 0 ? {} : { needs: [] }]),
      ),
    );
    const written: number[] = [];
    rig.work.ended.then(() =>
      written.push(rig.states.filter(({ type }) => type === "attempt.settled").length)
    );
    rig.settles("t0", "failed");
    await rig.work.ended;
    assert.deepEqual(written, [count + 1]);
  }
});

test("work: a task has the value of its last success in its present iteration, and none after anything else", () => {
  const rig = new WorkRig(
    {
      a: { retry: { attempts: 2, delay: 0 } },
      b: { needs: [{ task: "a", on: "any" }] },
      c: { needs: ["b"] },
    },
    { loops: [{ from: "b", to: "a", times: 1, on: "success" }] },
  );
  rig.settles("a", "succeeded", '"one"');
  assert.equal(rig.work.value(0, 0), '"one"');
  assert.equal(rig.work.value(0, 1), undefined);
  rig.settles("b", "succeeded", "0");
  assert.equal(rig.work.value(0, 0), undefined, "the iteration before is over");
  assert.equal(rig.work.schedule.iteration(0), 1);
  rig.settles("a", "failed");
  assert.equal(rig.work.value(0, 1), undefined);
});

test("work: an input is what its need's task returned; what was skipped, failed or returned nothing gives none", () => {
  const rig = new WorkRig({
    a: {},
    b: { allowFailure: true },
    nothing: {},
    skipped: { needs: [{ task: "a", on: "failure" }] },
    z: {
      needs: [
        { task: "a", as: 'the "a"' },
        { task: "b", on: "any" },
        "nothing",
        { task: "skipped", on: "any" },
      ],
      params: { x: 1 },
    },
  }, { onFailure: "continue" });
  rig.settles("a", "succeeded", '{"deep":[1]}');
  rig.settles("b", "failed");
  rig.settles("nothing");
  assert.deepEqual(rig.offer("z"), { s: 0, t: "z", p: { x: 1 }, i: { 'the "a"': { deep: [1] } } });
});

test("work: what stands in a line is told where its inputs will come from", () => {
  const rig = new WorkRig({ a: {}, b: { needs: ["a"] } });
  assert.deepEqual(rig.offer("b"), { locals: 1 });
  rig.pool.giveBack(["b"]);
  rig.settles("a", "succeeded", "7");
  assert.deepEqual(rig.offer("b"), { s: 0, t: "b", i: { a: 7 } });
});

test("work: a text goes with what the sheet of all tasks does not say, and with nothing else", () => {
  const rig = new WorkRig({
    a: {},
    named: { needs: [{ task: "a", as: "other" }] },
    set: { needs: ["a"], params: { x: 1 } },
    both: { needs: ["a", { task: "fails", on: "any" }, "b"] },
    fails: {},
    b: {},
    late: { needs: ["a", "b", { task: "fails", on: "failure" }] },
  }, { onFailure: "continue" });
  assert.deepEqual(rig.offer("a"), { locals: 0 });
  assert.deepEqual(rig.offer("named"), { s: 0, t: "named", l: [["other", 0, 0]] });
  assert.deepEqual(rig.offer("set"), { s: 0, t: "set", p: { x: 1 }, l: [["a", 0, 0]] });
  assert.deepEqual(rig.offer("both"), { locals: 0b111 });
  rig.pool.giveBack(["both"]);
  for (const name of ["a", "b"]) rig.settles(name);
  rig.settles("fails", "failed");
  assert.deepEqual([rig.offer("both"), rig.offer("late")], [{ locals: 0 }, { locals: 0 }]);
});

test("work: 32 needs are told as numbers, and one more as a text", () => {
  const names = Array.from({ length: 33 }, (_, at) => `n${at}`);
  const rig = new WorkRig({
    ...Object.fromEntries(names.map((name) => [name, {}])),
    few: { needs: names.slice(1) },
    many: { needs: names },
  });
  assert.deepEqual(rig.offer("few"), { locals: -1 });
  assert.equal((rig.offer("many")["l"] as readonly unknown[]).length, 33);
});

test("work: a value of another iteration is told of in a text", () => {
  const rig = new WorkRig(
    { before: {}, from: { needs: ["to"] }, to: { needs: ["before"] }, again: { needs: ["to", "before"] } },
    { loops: [{ from: "from", to: "to", times: 1, on: "success" }] },
  );
  assert.deepEqual(rig.offer("to"), { locals: 1 });
  rig.settles("before");
  rig.settles("to");
  rig.settles("from");
  assert.deepEqual([rig.pool.taken.get("to")!.iteration, rig.offer("to"), rig.offer("from")], [
    1,
    { locals: 0 },
    { locals: 1 },
  ]);
});

test("work: what a pool gives back before its needs have ended waits for them again", () => {
  const rig = new WorkRig({ a: {}, b: { needs: ["a"] } });
  rig.pool.giveBack(["b"]);
  assert.deepEqual([...rig.pool.taken.keys()], ["a"]);
  rig.settles("a", "failed");
  assert.equal(rig.told.at(-1), "b skipped: a failed");
});

/** Attempts that have waited: task, item, attempt, and how long, milliseconds. */
function waitsOf({ states }: WorkRig) {
  return states.flatMap((record) =>
    record.type === "attempt.dispatched" && record.waitedMs !== undefined
      ? [[record.task, record.item, record.attempt, record.waitedMs]]
      : []
  );
}

test("work: how long an attempt has waited for resources or its turn is told as it is handed out, and traced", () => {
  const rig = new WorkRig({
    list: {},
    a: { needs: ["list"], uses: ["radio"], retry: { attempts: 2, delay: "1s", jitter: 0 } },
    b: { needs: ["list"], uses: ["radio"] },
    free: { needs: ["list"] },
    each: { each: { task: "list" }, maxParallel: 1 },
  }, { resources: { radio: 1 } });
  rig.clock.advance(100);
  rig.settles("list", "succeeded", "[1,2]");
  rig.clock.advance(250);
  rig.settles("free");
  rig.settles("each 0");
  rig.settles("a", "failed");
  rig.clock.advance(1_000);
  rig.settles("b");
  rig.settles("a");
  rig.settles("each 1");
  // The second attempt waits only since its delay is over; what waits for a worker alone is not told.
  assert.deepEqual(waitsOf(rig), [["each", 1, 1, 250], ["b", undefined, 1, 250]]);
  const { traceEvents } = JSON.parse([...traceOf(rig.journal)].join("")) as {
    traceEvents: { cat?: string; ph: string; name: string; ts: number; id?: number }[];
  };
  const bars = traceEvents.filter(({ cat }) => cat === "waiting");
  const from = (BEGIN + 100) * 1_000;
  assert.deepEqual(bars.map(({ ph, name, ts }) => [ph, name, ts - from]), [
    ["b", "b waits", 0],
    ["e", "b waits", 250_000],
    ["b", "each waits", 0],
    ["e", "each waits", 250_000],
  ]);
  assert.equal(new Set(bars.map(({ id }) => id)).size, 2);
});

test("work: of a loop an attempt waits since its round began, and after one since the last round ended", () => {
  const rig = new WorkRig({
    before: {},
    first: { needs: ["before"], uses: ["radio"] },
    last: { needs: ["first"] },
    other: { needs: ["first"], uses: ["radio"] },
  }, { resources: { radio: 1 }, loops: [{ from: "last", to: "first", times: 1, on: "success" }] });
  rig.settles("before");
  rig.clock.advance(300);
  rig.settles("first");
  rig.settles("last");
  rig.clock.advance(20);
  rig.settles("first");
  rig.clock.advance(5);
  rig.settles("last");
  rig.settles("other");
  assert.deepEqual(waitsOf(rig), []);
});

test("work: what is handed out anew, since it had not begun, has waited until then, and is traced once", () => {
  const rig = new WorkRig({ a: { uses: ["radio"] }, b: { uses: ["radio"] } }, { resources: { radio: 1 } });
  rig.clock.advance(10);
  rig.settles("a");
  rig.pool.giveBack(["b"]);
  rig.clock.advance(20);
  rig.pool.feed();
  const waited = rig.states.map((record) => record.type === "attempt.dispatched" ? record.waitedMs : -1);
  assert.deepEqual(waited, [undefined, -1, 10, 30]);
  rig.settles("b");
  assert.equal([...traceOf(rig.journal)].join("").split('"cat":"waiting"').length - 1, 2);
});
