/**
 * Tests what the page makes of records: where tasks stand, and how the graph is placed.
 */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { PagePipeline } from "../../src/page/data.ts";
import { Slice, tellWhole } from "../../src/page/lines.ts";
import { attemptFiles, Model, toldAttempts } from "../../src/page/model.ts";
import { BOX_HEIGHT, layersOf, placeInLayers, type Sketch } from "../../src/page/place.ts";
import { whyOf } from "../../src/page/reason.ts";
import { STANDING_NAMES } from "../../src/page/words.ts";
import { itemsInWords } from "../../src/model/items.ts";
import type { StateEvent, StateRecord } from "../../src/model/record.ts";

function pipelineOf(...names: readonly string[]): PagePipeline {
  return {
    name: "p",
    onFailure: "stop",
    loops: [],
    tasks: names.map((name, at) => ({
      name,
      kind: "task",
      needs: at === 0 ? [] : [{ task: names[at - 1]!, on: "success" }],
      join: "all",
      attempts: 2,
      allowFailure: false,
    })),
  };
}

function told(model: Model, ...events: readonly StateEvent[]): Model {
  events.forEach((event) => {
    const seq = model.course.seq + 1;
    model.add({ seq, at: 1_000 + seq * 10, ...event } as StateRecord);
  });
  return model;
}

const dispatched = (task: string, worker = 1, attempt = 1): StateEvent => ({
  type: "attempt.dispatched",
  task,
  worker,
  iteration: 0,
  attempt,
});

const settled = (task: string, more: object = {}): StateEvent => ({
  type: "attempt.settled",
  task,
  iteration: 0,
  attempt: 1,
  outcome: "succeeded",
  worker: 1,
  startedAt: 1_001,
  endedAt: 1_002,
  ...more,
});

const standings = (model: Model) => model.tasks.map(({ name, standing }) => `${name} ${standing}`);

test("how long an attempt waited is known with it, also once it has ended", () => {
  const waits = { ...dispatched("a"), waitedMs: 70 } as StateEvent;
  const model = told(new Model({ id: "r", runtime: "x" }, pipelineOf("a")), waits, settled("a"));
  assert.deepEqual(model.lanes.begun.get(1)!.map(({ waitedMs, outcome }) => [waitedMs, outcome]), [[
    70,
    "succeeded",
  ]]);
});

test("of the tasks given to a worker the first one runs, and the next when it has ended", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b", "c")),
    dispatched("a"),
    dispatched("b"),
  );
  assert.deepEqual(standings(model), ["a running", "b waiting", "c waiting"]);
  assert.deepEqual([whyOf(model.tasks[1]!, model), toldAttempts(model.tasks[1]!)], ["for a", []]);
  told(model, settled("a"));
  assert.deepEqual(standings(model), ["a succeeded", "b running", "c waiting"]);
  assert.equal(toldAttempts(model.tasks[1]!).length, 1);
});

test("a task that is given to a worker before its need has ended waits for it, wherever that runs", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b", "c")),
    dispatched("a", 1),
    dispatched("b", 2),
    dispatched("c", 2),
  );
  assert.deepEqual(standings(model), ["a running", "b waiting", "c waiting"]);
  told(model, settled("a"));
  assert.deepEqual(standings(model), ["a succeeded", "b running", "c waiting"]);
  assert.equal(whyOf(model.tasks[2]!, model), "for b");
});

test("a task without needs behind another one is next on its worker, and runs when the executor says so", () => {
  const pipeline = {
    ...pipelineOf("a", "b"),
    tasks: pipelineOf("a", "b").tasks.map((task) => ({ ...task, needs: [] })),
  };
  const model = told(new Model({ id: "r", runtime: "x" }, pipeline), dispatched("a"), dispatched("b"));
  assert.deepEqual(standings(model), ["a running", "b queued"]);
  const running = { iteration: 0, worker: 1 };
  model.progress([{ ...running, task: "b", attempt: 2 }, { ...running, task: "no such task", attempt: 1 }]);
  assert.deepEqual(standings(model), ["a running", "b queued"]);
  model.progress([{ ...running, task: "b", attempt: 1 }]);
  assert.deepEqual(standings(model), ["a running", "b running"]);
  assert.equal(model.counts.running, 2);
});

test("a task that lacks a resource says for what it waits and who has it, until it is told that it lacks none", () => {
  const uses = [{ resource: "radio", amount: 1 }];
  const pipeline = {
    ...pipelineOf(),
    tasks: pipelineOf("a", "b").tasks.map((task) => ({ ...task, needs: [], uses })),
  };
  const model = told(new Model({ id: "r", runtime: "x" }, pipeline), dispatched("a"));
  const b = model.tasks[1]!;
  const lacks = [{ resource: "radio", amount: 1, capacity: 1, heldBy: [{ task: "a" }] }];
  model.changed.clear();
  model.lack([{ task: "b", lacks }, { task: "no such task", lacks }]);
  assert.deepEqual([whyOf(b, model), [...model.changed]], ["for radio, which a has", [1]]);
  model.changed.clear();
  model.lack([{ task: "b", lacks: [...lacks] }]);
  assert.equal(model.changed.size, 0);
  model.lack([]);
  assert.deepEqual([whyOf(b, model), [...model.changed]], ["", [1]]);
});

test("who needs a task of a loop waits for it until the loop has ended", () => {
  const [a, b, out] = pipelineOf("a", "b", "out").tasks;
  const pipeline: PagePipeline = {
    ...pipelineOf(),
    tasks: [a!, b!, { ...out!, needs: [{ task: "a", on: "success" }] }],
    loops: [{ from: "b", to: "a", times: 1, on: "success", body: ["a", "b"] }],
  };
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipeline),
    dispatched("a"),
    dispatched("b"),
    settled("a"),
  );
  assert.deepEqual(standings(model), ["a succeeded", "b running", "out waiting"]);
  assert.equal(whyOf(model.tasks[2]!, model), "for a");
});

test("an attempt that one worker gives back runs on the other, and is in one lane", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b")),
    dispatched("a", 1),
    dispatched("b", 1),
    dispatched("b", 2),
    settled("a"),
    settled("b", { worker: 2 }),
  );
  assert.deepEqual([...model.lanes.begun].map(([worker, lane]) => [worker, lane.map(({ task }) => task)]), [
    [1, ["a"]],
    [2, ["b"]],
  ]);
  assert.equal(model.tasks[1]!.attempts.length, 1);
});

test("a task that failed and is planned again is retrying, with both attempts in the end", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a")),
    dispatched("a"),
    settled("a", { outcome: "failed", error: { name: "Error", message: "no" } }),
    { type: "attempt.planned", task: "a", iteration: 0, attempt: 2, dueAt: 1_500 },
  );
  assert.deepEqual(standings(model), ["a retrying"]);
  assert.match(whyOf(model.tasks[0]!, model), /^again in .*; before: no$/);
  told(model, dispatched("a", 1, 2), settled("a", { attempt: 2 }));
  assert.deepEqual(model.tasks[0]!.attempts.map(({ outcome }) => outcome), ["failed", "succeeded"]);
});

test("of one that was stopped it is said why, and not what its code made of that", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a")),
    dispatched("a"),
    settled("a", {
      outcome: "timed_out",
      because: "it was quiet",
      error: { name: "TimeoutError", message: "no" },
    }),
    { type: "attempt.planned", task: "a", iteration: 0, attempt: 2, dueAt: 1_500 },
  );
  assert.match(whyOf(model.tasks[0]!, model), /^again in .*; before: it was quiet$/);
  told(
    model,
    dispatched("a", 1, 2),
    settled("a", { attempt: 2, outcome: "timed_out", because: "it was slow" }),
  );
  assert.equal(whyOf(model.tasks[0]!, model), "it was slow");
});

test("a task says what it waits for, and why it was skipped", () => {
  const model = told(new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b")), dispatched("a"));
  assert.equal(whyOf(model.tasks[1]!, model), "for a");
  told(model, settled("a", { outcome: "failed" }), {
    type: "attempt.settled",
    task: "b",
    iteration: 0,
    attempt: 0,
    outcome: "skipped",
    because: "a did not succeed",
  });
  assert.equal(whyOf(model.tasks[1]!, model), "a did not succeed");
});

test("a resumed run forgets what was in flight and what is done again", () => {
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b")),
    dispatched("a"),
    settled("a"),
    dispatched("b"),
    { type: "run.resumed", lost: 1, again: ["a"] },
  );
  assert.deepEqual(standings(model), ["a waiting", "b waiting"]);
  assert.equal(model.counts.waiting, 2);
  const { course } = model;
  const began = course.now;
  course.add(
    {
      type: "run.ended",
      seq: course.seq + 1,
      at: began + 2_000,
      state: "succeeded",
      tookMs: 9_000,
    } as StateRecord,
  );
  assert.equal(course.took(true), 9_000);
  assert.equal(course.sinceResume(true), 9_000 - (began - course.startedAt));
});

test("the counts always add up to the number of tasks, whatever the records say", () => {
  const names = ["a", "b", "c", "d"];
  const event = fc.oneof(
    fc.record({ task: fc.constantFrom(...names), worker: fc.nat(2) }).map(({ task, worker }) =>
      dispatched(task, worker)
    ),
    fc.record({ task: fc.constantFrom(...names), worker: fc.nat(2) }).map(({ task, worker }) =>
      settled(task, { worker })
    ),
    fc.constantFrom(...names).map((task): StateEvent => ({
      type: "attempt.planned",
      task,
      iteration: 0,
      attempt: 2,
      dueAt: 5,
    })),
    fc.constantFrom(...names).map((task): StateEvent => ({ type: "run.resumed", lost: 0, again: [task] })),
  );
  fc.assert(fc.property(fc.array(event, { maxLength: 40 }), (events) => {
    const model = told(new Model({ id: "r", runtime: "x" }, pipelineOf(...names)), ...events);
    assert.equal(STANDING_NAMES.reduce((sum, name) => sum + model.counts[name], 0), names.length);
    for (const task of model.tasks) {
      const open = task.attempts.filter(({ outcome }) => outcome === undefined);
      assert.ok(open.length <= 1, "a task has two attempts under way");
    }
  }));
});

const sketches: fc.Arbitrary<Sketch> = fc.integer({ min: 1, max: 120 }).chain((count) =>
  fc.record({
    widths: fc.array(fc.integer({ min: 40, max: 230 }), { minLength: count, maxLength: count }),
    edges: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 200 }).map((pairs) =>
      pairs.filter(([a, b]) => a !== b).map(([a, b]) => ({
        from: Math.min(a, b),
        to: Math.max(a, b),
        kind: "success" as const,
      }))
    ),
  })
);

test("in layers, every need lies before the task that has it, and no two boxes overlap", () => {
  fc.assert(
    fc.property(sketches, fc.constantFrom("TB" as const, "LR" as const), (sketch, direction) => {
      const { middles, width, height, lines } = placeInLayers(sketch, direction);
      const layers = layersOf(sketch);
      for (const { from, to } of sketch.edges) assert.ok(layers[from]! < layers[to]!);
      assert.equal(lines.length, sketch.edges.length);
      const boxes = sketch.widths.map((wide, at) => ({ x: middles[2 * at]!, y: middles[2 * at + 1]!, wide }));
      boxes.forEach((box, at) => {
        assert.ok(box.x - box.wide / 2 >= 0 && box.x + box.wide / 2 <= width);
        assert.ok(box.y - BOX_HEIGHT / 2 >= 0 && box.y + BOX_HEIGHT / 2 <= height);
        for (const other of boxes.slice(at + 1)) {
          assert.ok(
            Math.abs(box.y - other.y) >= BOX_HEIGHT ||
              Math.abs(box.x - other.x) >= (box.wide + other.wide) / 2,
          );
        }
      });
    }),
    { numRuns: 60 },
  );
});

test("lines are told whole, also where a text ends within one", async () => {
  const lines: unknown[] = [];
  const rest = await tellWhole('{"a":1}\n\n{"a":2}\n{"a"', new Slice(), (line) => lines.push(line));
  assert.deepEqual([lines, rest], [[{ a: 1 }, { a: 2 }], '{"a"']);
});

test("page: files are their task's, and those of a task that is run anew go", () => {
  const key = { task: "a", iteration: 0, attempt: 1 };
  const kept: StateEvent = { type: "file.kept", name: "f", sha256: "0".repeat(64), bytes: 1, ...key };
  const refused: StateEvent = { type: "file.refused", name: "g", because: "it is a folder", ...key };
  const model = told(new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b")), kept, settled("a"), refused);
  const names = () => model.tasks.map(({ files }) => files?.map(({ name }) => name));
  assert.deepEqual(names(), [["f", "g"], undefined]);
  assert.ok(model.changed.has(0));
  told(model, { ...kept, task: "unknown" }, { type: "run.resumed", lost: 0, again: ["a"] });
  assert.deepEqual(names(), [undefined, undefined]);
});

test("page: files of items are their attempts', and all of them the task's; those of items that are run anew go", () => {
  const key = (item?: number, attempt = 1) => ({
    ...{ task: "a", iteration: 0, attempt },
    ...(item !== undefined && { item }),
  });
  const kept = (name: string, item?: number, attempt?: number) =>
    ({ type: "file.kept", name, sha256: "0".repeat(64), bytes: 1, ...key(item, attempt) }) as StateEvent;
  const begins = { ...dispatched("a", 0), count: 2 } as StateEvent;
  const item = (item: number, attempt: number, outcome: string) => [
    { ...dispatched("a", 1, attempt), item } as StateEvent,
    settled("a", { item, attempt, outcome }),
  ];
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a")),
    ...[begins, ...item(0, 1, "failed"), kept("x", 0), ...item(0, 2, "succeeded"), kept("y", 0, 2)],
    ...[...item(1, 1, "failed"), kept("z", 1), settled("a", { outcome: "failed", worker: undefined })],
  );
  const task = model.tasks[0]!;
  const names = (attempt: typeof task.attempts[number]) =>
    attemptFiles(task, attempt).map(({ name }) => name);
  assert.deepEqual(names(toldAttempts(task)[0]!), ["x", "y", "z"]);
  assert.deepEqual([...task.items!.failed.values()].map(names), [["z"]]);
  told(model, { type: "run.resumed", lost: 0, again: ["a"], missing: ["a"] });
  assert.deepEqual(names(toldAttempts(task)[0]!), ["x", "y"]);
});

test("a mapped task is one, with counts of its items, each by its last attempt; those that failed are told", () => {
  const item = (item: number, more: object = {}) =>
    ({ ...dispatched("b", 1 + item % 2), item, ...more }) as StateEvent;
  const ended = (item: number, outcome = "succeeded", more: object = {}) =>
    settled("b", { item, outcome, worker: 1 + item % 2, ...more });
  const counted = { ...dispatched("b", 0), count: 4 } as StateEvent;
  const model = told(
    new Model({ id: "r", runtime: "x" }, pipelineOf("a", "b", "c")),
    dispatched("a"),
    settled("a"),
  );
  told(model, counted);
  assert.deepEqual(standings(model), ["a succeeded", "b queued", "c waiting"]);
  told(model, item(0), item(1), ended(0, "failed"), item(0, { attempt: 2 }));
  const { items } = model.tasks[1]!;
  assert.deepEqual(standings(model), ["a succeeded", "b running", "c waiting"]);
  assert.deepEqual([items!.count, items!.running, items!.ended], [4, 2, { failed: 1 }]);
  told(model, ended(0, "succeeded", { attempt: 2 }), ended(1, "timed_out"), item(2));
  assert.deepEqual([items!.running, items!.ended], [1, { succeeded: 1, timed_out: 1 }]);
  assert.deepEqual([...items!.failed.keys()], [1]);
  assert.equal(itemsInWords(items!), "1 of 4 items succeeded, 1 timed out, 1 running");
  told(
    model,
    settled("b", { outcome: "failed", worker: undefined, items: { succeeded: 1, timed_out: 1, skipped: 2 } }),
  );
  assert.deepEqual([standings(model)[1], items!.running], ["b failed", 0]);
  assert.equal(toldAttempts(model.tasks[1]!).length, 1);
  told(
    model,
    { type: "run.resumed", lost: 0, again: ["b", "c"], missing: ["b"] },
    item(1),
    ended(1),
    item(2),
  );
  assert.deepEqual([standings(model)[1], model.tasks[1]!.items!.ended], ["b running", { succeeded: 2 }]);
  told(model, { type: "run.resumed", lost: 1 }, item(2, { attempt: 2 }));
  assert.equal(model.tasks[1]!.items!.running, 1);
  assert.equal(itemsInWords({ ended: { succeeded: 2 } }), "2 items");
});
