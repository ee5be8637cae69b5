/** A schedule whose edges are followed, step by step: what is ready, what is told, and what it comes to. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Manifest, ManifestEdge } from "../../src/pipeline/document/manifest.ts";
import { Standing } from "../../src/schedule/command.ts";
import { FlowSchedule } from "../../src/schedule/flow.ts";
import { Example, planOf } from "./example.ts";

type Tasks = Parameters<typeof planOf>[0];

/** `a>b`, `a~>b` for a weak one; what follows is more of it. */
function edge(text: string, more: Partial<ManifestEdge> = {}): ManifestEdge {
  const [from, to] = text.split(/~?>/) as [string, string];
  return { from, to, ...(text.includes("~") && { weak: true }), ...more };
}

/** A run that has started. */
function flow(tasks: Tasks, edges: readonly ManifestEdge[], more: Partial<Manifest> = {}): Example {
  const plan = planOf(tasks, { edges, ...more });
  const example = new Example(plan, new FlowSchedule(plan));
  example.tell(example.schedule.start());
  return example;
}

const ends = ({ plan, schedule }: Example) =>
  Object.fromEntries(plan.tasks.map(({ name, index }) => [name, schedule.outcome(index)]));

test("flow: what an edge leads to waits for all strong ones, and runs when the last has come", () => {
  const run = flow({ a: {}, b: {}, c: {}, d: {} }, [
    edge("a>c"),
    edge("b>c"),
    edge("c>d", { on: "failure" }),
  ]);
  assert.deepEqual(run.takeAll(), ["a", "b"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), []);
  assert.equal(run.schedule.ended, false);
  run.settle("b");
  assert.deepEqual(run.takeAll(), ["c"]);
  run.settle("c");
  assert.deepEqual(run.told, ["d skipped: no edge led here", "end succeeded"]);
  assert.deepEqual([run.schedule.ended, ends(run)], [true, {
    ...{ a: "succeeded", b: "succeeded", c: "succeeded", d: "skipped" },
  }]);
});

test("flow: a failure that no edge leads on from stops the run, and its reason is that of all that is skipped", () => {
  const run = flow({ a: {}, b: {}, c: {} }, [edge("a>c")]);
  assert.deepEqual(run.take(), ["a"]);
  assert.equal(run.schedule.stopped, undefined);
  run.settle("a", "failed");
  const because = run.schedule.stopped;
  assert.match(because!, /\ba\b.* failed/);
  assert.deepEqual(run.told, [
    "revoke",
    `b skipped: ${because}`,
    `c skipped: ${because}`,
    "end failed",
  ]);
  assert.deepEqual(run.take(), []);
  assert.deepEqual(run.schedule.stop("too late"), []);
  assert.equal(run.schedule.stopped, because);
});

test("flow: one that an edge leads on from, is allowed, or is of a run that goes on stops nothing", () => {
  const cases: readonly (readonly [Tasks, readonly ManifestEdge[], Partial<Manifest>, string])[] = [
    [{ a: {}, b: {} }, [edge("a>b", { on: "failure" })], {}, "end failed"],
    [{ a: { allowFailure: true }, b: {} }, [], {}, "end succeeded"],
    [{ a: {}, b: {} }, [], { onFailure: "continue" }, "end failed"],
  ];
  for (const [tasks, edges, more, end] of cases) {
    const run = flow(tasks, edges, more);
    assert.deepEqual(run.goOn({ a: "failed" }), ["a", "b"]);
    assert.deepEqual(run.told, [end]);
    assert.equal(run.schedule.stopped, undefined);
  }
});

test("flow: whatever ends badly is a failure; what is cancelled is none", () => {
  for (const outcome of ["failed", "timed_out", "crashed"] as const) {
    assert.deepEqual(flow({ a: {} }, []).goOn({ a: outcome }), ["a"]);
    const run = flow({ a: {} }, []);
    run.goOn({ a: outcome });
    assert.equal(run.told.at(-1), "end failed", outcome);
  }
});

test("flow: what waits for others says for which, three at most, and that no edge led there if none did", () => {
  const names = ["p", "q", "r", "s"];
  const run = flow(
    { a: {}, ...Object.fromEntries(names.map((name) => [name, {}])), z: {}, ...{ never: {} } },
    [
      edge("a>z"),
      ...names.map((name) => edge(`${name}>z`)),
      ...names.map((name) => edge(`never>${name}`)),
      edge("a>never", { on: "failure" }),
    ],
  );
  assert.deepEqual(run.goOn(), ["a"]);
  assert.deepEqual(
    run.told,
    [
      "p skipped: no edge led here",
      "q skipped: no edge led here",
      "r skipped: no edge led here",
      "s skipped: no edge led here",
      "z skipped: it waits for p, q, r, which did not run",
      "never skipped: no edge led here",
      "end succeeded",
    ].sort((a, b) => run.told.indexOf(a) - run.told.indexOf(b)),
  );
});

test("flow: a task that an edge leads back to runs again, its attempts from 1, as often as the edge says", () => {
  const run = flow({ a: { retry: { attempts: 2 } }, b: {} }, [
    edge("a>b"),
    edge("b~>a", { times: 2 }),
  ]);
  assert.deepEqual(run.take(), ["a"]);
  run.settle("a", "failed");
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.goOn(), [
    "a attempt 2",
    "b",
    "a iteration 1",
    "b iteration 1",
    "a iteration 2",
    "b iteration 2",
  ]);
  assert.deepEqual(run.told, ["retry a after 1", "end succeeded"]);
  assert.deepEqual([run.schedule.iteration(0), run.schedule.attempt(0)], [2, 1]);
});

test("flow: an edge that is gone is waited for no more", () => {
  // b needs a the first time only: then c alone leads to it.
  const run = flow({ a: {}, b: {}, c: {} }, [
    edge("a>b", { times: 1 }),
    edge("b>c", { times: 2 }),
    edge("c~>b", { times: 1 }),
    edge("c~>a", { times: 1 }),
  ]);
  assert.deepEqual(run.take(), ["a"]);
  run.settle("a");
  assert.deepEqual(run.take(), ["b"]);
  run.settle("b");
  assert.deepEqual(run.take(), ["c"]);
  run.settle("c");
  assert.deepEqual(run.takeAll().sort(), ["a iteration 1", "b iteration 1"]);
});

test("flow: a task does not begin while one that a strong edge comes from is due or at it again", () => {
  const run = flow({ a: {}, b: {}, c: {} }, [edge("a>b"), edge("a~>a", { times: 1 }), edge("c~>b")]);
  assert.deepEqual(run.takeAll(), ["a", "c"]);
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["a iteration 1"], "b waits until it has ended again");
  run.settle("c");
  assert.deepEqual(run.takeAll(), []);
  run.settle("a");
  assert.deepEqual(run.takeAll(), ["b"], "once, though three edges led there");
  run.settle("b");
  assert.deepEqual(run.told, ["end succeeded"]);
});

test("flow: a sync point passes by itself, and is told with its iteration and as the first attempt", () => {
  const plan = planOf({ s: { sync: true }, a: {} }, { edges: [edge("s>a"), edge("a~>s", { times: 1 })] });
  const schedule = new FlowSchedule(plan);
  const at = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  const s = at("s"), a = at("a");
  const passed = (iteration: number) => [
    { type: "record", task: s, iteration, attempt: 1, outcome: "succeeded" },
  ];
  assert.deepEqual(schedule.start(), passed(0));
  assert.deepEqual([schedule.standing(s), schedule.outcome(s)], [Standing.settled, "succeeded"]);
  assert.deepEqual(schedule.release(1, { max: 1, ready: 1 }), [
    { task: a, iteration: 0, attempt: 1, behind: [], few: false, awaited: 0, urgent: true, fatal: false },
  ]);
  assert.deepEqual(schedule.settle(a, "succeeded"), passed(1));
  assert.equal(schedule.iteration(s), 1);
});

test("flow: what is ready stands where it runs: with others, alone, as a process of its own, in one that is kept", () => {
  const tasks: Tasks = {
    a: {},
    b: {},
    c: {},
    fresh: { fresh: true },
    lossy: { onLost: "fail" },
    program: { run: { command: ["true"] } },
    python: { run: { python: "./x.py", function: "f" } },
  };
  const { schedule, index, plan } = flow(tasks, []);
  const of = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  assert.ok(index !== undefined);
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.kept.length], [3, 2, 1]);
  assert.deepEqual([schedule.headAlone, schedule.kept[0]!.head], [of("fresh"), of("python")]);
  assert.deepEqual(schedule.next(9), ["fresh", "lossy", "program", "python", "a", "b", "c"].map(of));
  assert.deepEqual(schedule.next(2), ["fresh", "lossy"].map(of));
  assert.equal(schedule.takeAlone(1)?.task, of("fresh"));
  assert.equal(schedule.takeAlone(1, 2)?.task, of("program"));
  assert.equal(schedule.takeAlone(1, 2), undefined);
  assert.equal(schedule.takeKept(1, of("python"))?.task, of("python"));
  assert.equal(schedule.takeAlone(1, 1)?.task, of("lossy"));
  const count = (options: { max: number; ready: number }) => schedule.release(1, options).length;
  assert.deepEqual([count({ max: 0, ready: 5 }), count({ max: 5, ready: 0 }), count({ max: 2, ready: 1 })], [
    ...[0, 0, 1],
  ]);
  assert.deepEqual([count({ max: 1, ready: 2 }), count({ max: 9, ready: 9 }), count({ max: 9, ready: 9 })], [
    ...[1, 1, 0],
  ]);
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount, schedule.kept.length], [0, 0, 0]);
});

test("flow: where it stands is told of each task, and only what is dispatched may run", () => {
  const run = flow({ a: { retry: { attempts: 2 } }, b: {} }, [edge("a>b")]);
  const { schedule } = run;
  const seen = () => [schedule.standing(0), schedule.standing(1), schedule.mayRun(0)];
  assert.deepEqual(seen(), [Standing.ready, Standing.waiting, false]);
  run.take();
  assert.deepEqual(seen(), [Standing.dispatched, Standing.waiting, true]);
  run.settle("a", "failed");
  assert.deepEqual(seen(), [Standing.retrying, Standing.waiting, false]);
  assert.deepEqual([schedule.outcome(0), schedule.outcome(1)], ["failed", undefined]);
  run.tell(schedule.due(0));
  assert.deepEqual(seen(), [Standing.ready, Standing.waiting, false]);
  run.take();
  run.settle("a");
  assert.deepEqual(seen(), [Standing.settled, Standing.ready, false]);
  assert.deepEqual(schedule.due(0), [], "no delay is left");
  assert.deepEqual(schedule.release(1, { max: 9, ready: 0 }), [], "nothing stands behind another");
  assert.ok(schedule.mayHaveBegun(0) && schedule.mayHaveBegun(1));
});

test("flow: as many tries as it may have, not counting those that were lost with their process", () => {
  const run = flow({ a: { retry: { attempts: 2 } } }, []);
  run.take();
  run.tell(run.schedule.rerun(0));
  assert.deepEqual([run.schedule.outcome(0), run.schedule.standing(0)], ["crashed", Standing.ready]);
  assert.deepEqual(run.take(), ["a attempt 2"]);
  run.settle("a", "failed");
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.take(), ["a attempt 3"]);
  run.settle("a", "failed");
  assert.deepEqual(run.told, ["retry a after 2", "revoke", "end failed"]);
});

test("flow: a stop lets what runs end, skips what never ran, and gives what did the outcome of its last try", () => {
  const tasks: Tasks = {
    runs: { retry: { attempts: 5 } },
    back: {},
    lost: {},
    ready: {},
    delayed: { retry: { attempts: 2 } },
    again: { retry: { attempts: 3 } },
    after: {},
  };
  const run = flow(tasks, [edge("runs>after")]);
  assert.equal(run.takeAll().length, 6);
  const { schedule } = run;
  schedule.giveBack(run.index("ready"));
  run.settle("delayed", "failed");
  run.settle("again", "timed_out");
  run.tell(schedule.due(run.index("again")));
  run.told.length = 0;
  run.tell(schedule.stop("enough"));
  assert.deepEqual([run.told, schedule.stopped, schedule.ended], [
    [
      "revoke",
      "ready skipped: enough",
    ],
    "enough",
    false,
  ]);
  assert.deepEqual([schedule.readyCount, schedule.next(9)], [0, []]);
  assert.deepEqual(schedule.due(run.index("delayed")), []);
  run.told.length = 0;
  run.tell(schedule.giveBack(run.index("back")));
  run.tell(schedule.rerun(run.index("lost")));
  assert.deepEqual(run.told, ["back skipped: enough"]);
  run.settle("runs", "failed");
  assert.deepEqual(run.told, ["back skipped: enough", "after skipped: enough", "end cancelled"]);
  assert.deepEqual(ends(run), {
    ...{ runs: "failed", back: "skipped", lost: "crashed", ready: "skipped" },
    ...{ delayed: "failed", again: "timed_out", after: "skipped" },
  });
  assert.deepEqual(run.take(), []);
});

test("flow: a run that gave up has failed, and one that was asked to stop is cancelled, whatever came first", () => {
  const cases: readonly (readonly [readonly ("stop" | "giveUp" | "fails")[], string, string])[] = [
    [["giveUp"], "giveUp", "end failed"],
    [["stop"], "stop", "end cancelled"],
    [["giveUp", "stop"], "stop", "end cancelled"],
    [["stop", "giveUp"], "stop", "end cancelled"],
    [["fails", "giveUp"], "giveUp", "end failed"],
    [["fails", "stop"], "stop", "end cancelled"],
    [["giveUp", "fails"], "giveUp", "end failed"],
  ];
  for (const [acts, because, end] of cases) {
    const run = flow({ a: {}, b: {}, c: {} }, []);
    assert.deepEqual([...run.take(), ...run.take()], ["a", "b"]);
    for (const act of acts) {
      if (act === "fails") run.settle("a", "failed");
      else run.tell(run.schedule[act](act));
    }
    assert.equal(run.told.filter((text) => text === "revoke").length, 1);
    assert.equal(run.schedule.stopped, because, acts.join());
    if (!acts.includes("fails")) run.settle("a");
    run.settle("b");
    assert.equal(run.told.at(-1), end, acts.join());
    assert.equal(run.schedule.ended, true);
    assert.deepEqual(run.schedule.giveUp("again"), []);
  }
});

test("flow: what a journal says was dispatched is, from ready and from a delay; the rest is in order again", () => {
  const run = flow({
    a: { retry: { attempts: 3 }, estimate: "9s" },
    b: { estimate: "5s" },
    c: { estimate: "7s" },
    f: { fresh: true },
    z: {},
  }, [edge("a>z")]);
  const { schedule } = run;
  const [a, b, c, f, z] = ["a", "b", "c", "f", "z"].map((name) => run.index(name)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  assert.ok(schedule.redispatch(a, 1));
  assert.ok(!schedule.redispatch(a, 1), "it is dispatched already");
  assert.ok(!schedule.redispatch(z, 1), "it is not ready");
  assert.deepEqual([schedule.standing(a), schedule.attempt(a)], [Standing.dispatched, 1]);
  assert.ok(schedule.redispatch(f, 1));
  schedule.requeue();
  assert.deepEqual([schedule.readyCount, schedule.readyAloneCount], [2, 0]);
  assert.deepEqual(schedule.next(9), [c, b]);
  run.settle("a", "failed");
  assert.ok(schedule.redispatch(a, 1));
  assert.deepEqual([schedule.due(a), schedule.attempt(a)], [[], 2], "its delay is over");
  run.settle("a");
  assert.ok(!schedule.redispatch(a, 1), "it has settled");
});
