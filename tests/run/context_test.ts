import assert from "node:assert/strict";
import test from "node:test";
import type { Value } from "../../src/model/value.ts";
import { fixture, manifest, only, printed, see, start } from "./rig.ts";

const ONE = { workers: 1, maxWorkers: 1 };

test("inputs have the values of the needs, by the key that each was given", async () => {
  const value = { text: "ü😀", list: [1, null, true, -0.5], deep: { $bytes: "no bytes" } };
  for (const options of [ONE, { workers: 2 }]) {
    const { result } = await see(
      manifest("context", {
        value: { params: { value } },
        nothing: {},
        fails: {},
        inputs: {
          needs: [
            { task: "value", as: "it" },
            "nothing",
            { task: "fails", on: "failure", as: "why" },
          ],
        },
        late: {
          export: "inputs",
          needs: ["value", { task: "inputs", on: "any" }, { task: "fails", on: "any" }],
        },
      }),
      options,
    );
    assert.deepEqual(only(result, "inputs").value, { it: value });
    assert.deepEqual(only(result, "late").value, { value, inputs: { it: value } });
  }
});

test("each task gets copies of its own", async () => {
  const list = { items: [1, 2] };
  const { result } = await see(
    manifest("context", {
      list: { export: "value", params: { value: list } },
      first: { export: "spoils", needs: ["list"] },
      second: { export: "spoils", needs: ["list", { task: "first", as: "order" }] },
    }),
    ONE,
  );
  assert.deepEqual(only(result, "first").value, [1, 2]);
  assert.deepEqual(only(result, "second").value, [1, 2]);
  assert.deepEqual(only(result, "list").value, list);
});

test("bytes are bytes for the next task, on its worker or another, and in the result", async () => {
  const { result } = await see(
    manifest("context", {
      bytes: {},
      one: { export: "kindOfBytes", needs: ["bytes"] },
      two: { export: "kindOfBytes", needs: ["bytes"] },
      three: { export: "kindOfBytes", needs: ["bytes"] },
    }),
    { workers: 2 },
  );
  for (const task of ["one", "two", "three"]) {
    assert.deepEqual(only(result, task).value, [0, 1, 127, 128, 255]);
  }
  assert.deepEqual(only(result, "bytes").value, new Uint8Array([0, 1, 127, 128, 255]));
});

test("large values arrive whole, along a line, by message and in the result", async () => {
  // Odd lengths, so that a pair of surrogates lies across each possible end of a piece.
  for (const length of [65_534, 65_537, 3_000_001]) {
    const { result } = await see(
      manifest("context", {
        large: { params: { length } },
        same: { export: "isLarge", params: { length }, needs: ["large"] },
        other: { export: "isLarge", params: { length }, needs: ["large"] },
        after: {
          export: "isLarge",
          params: { length },
          needs: ["large", { task: "other", as: "other", on: "failure" }],
          join: "any",
        },
      }),
      { workers: 2 },
    );
    for (const task of ["same", "other", "after"]) assert.deepEqual(only(result, task).value, [true], task);
    assert.equal((only(result, "large").value as string).length, length);
  }
});

test("inputs that a worker has let go of are fetched, however many", async () => {
  const length = 5_000_001;
  const { result } = await see(
    manifest("context", {
      a: { export: "large", params: { length } },
      b: { export: "large", params: { length }, needs: ["a"] },
      c: { export: "large", params: { length }, needs: ["b"] },
      d: { export: "large", params: { length }, needs: ["c"] },
      all: { export: "isLarge", params: { length }, needs: ["a", "b", "c", "d"] },
    }),
    ONE,
  );
  assert.deepEqual(only(result, "all").value, [true, true, true, true]);
});

test("a long line's first value is there for its last task", async () => {
  const length = 2_500;
  const names = Array.from({ length }, (_, at) => `t${at}`);
  const tasks = Object.fromEntries(names.map((name, at) => [name, {
    export: "value",
    params: { value: at },
    needs: at === 0 ? [] : [names[at - 1]!],
  }]));
  const needs = ["t0", "t452", "t2047", "t2048", `t${length - 1}`];
  const { result } = await see(manifest("context", { ...tasks, inputs: { needs } }), ONE);
  assert.deepEqual(only(result, "inputs").value, {
    t0: 0,
    t452: 452,
    t2047: 2047,
    t2048: 2048,
    [needs[4]!]: length - 1,
  });
  assert.equal(result.state, "succeeded");
});

test("previous has every outcome so far, those of the same line too", async () => {
  const { result } = await see(
    manifest("context", {
      value: { params: { value: 1 } },
      nothing: { needs: ["value"] },
      second: { needs: ["nothing"], retry: { attempts: 2, delay: 0 } },
      previous: { needs: ["second"] },
    }),
    ONE,
  );
  assert.deepEqual(only(result, "previous").value, {
    value: [["succeeded", 1, 1, 0]],
    nothing: [["succeeded", null, 1, 0]],
    second: [["failed", null, 1, 0], ["succeeded", "second", 2, 0]],
  });
});

test("params are the task's, with the run's laid over them", async () => {
  const { result } = await see(
    manifest("context", { params: { params: { a: 1, b: 2 } }, none: { export: "params" } }),
    { params: { b: 3, c: { d: 4 } } },
  );
  assert.deepEqual(only(result, "params").value, { a: 1, b: 3, c: { d: 4 } });
  assert.deepEqual(only(result, "none").value, { b: 3, c: { d: 4 } });
});

test("a task knows its name, its run, its iteration and its attempt", async () => {
  const { result } = await see(
    manifest("context", { where: {}, second: { needs: ["where"], retry: { attempts: 2, delay: 0 } } }, {
      loops: [{ from: "second", to: "where", times: 2 }],
    }),
  );
  const seen = result.tasks["where"]!.map(({ value }) => value as { iteration: number; attempt: number });
  assert.deepEqual(seen.map(({ iteration, attempt }) => [iteration, attempt]), [[0, 1], [1, 1], [2, 1]]);
  assert.deepEqual(
    result.tasks["second"]!.map(({ iteration, attempt, outcome }) => [iteration, attempt, outcome]),
    [0, 1, 2].flatMap((iteration) => [[iteration, 1, "failed"], [iteration, 2, "succeeded"]]),
  );
});

test("members of ctx work when they are taken out of it", async () => {
  const seen = await see(manifest("context", { takesApart: {} }));
  assert.deepEqual(only(seen.result, "takesApart").value, [1, 1, false, [], {}]);
  const line = seen.logs.find(({ task }) => task === "takesApart");
  assert.deepEqual([line?.level, line?.stream], ["info", "log"]);
  assert.match(line?.text ?? "", /^hello there \{ a: 1 \}$/);
});

test("progress is told, and what is no fraction is refused", async () => {
  for (const beyond of [1.5, -0.1, "much"] as Value[]) {
    const { result, events } = await see(manifest("context", { progresses: { params: { beyond } } }));
    assert.match(
      String(only(result, "progresses").value),
      /^RangeError: Progress is a number from 0 to 1; received/,
    );
    const told = events.filter((event) => event.type === "attempt.progressed");
    assert.deepEqual(told.map(({ fraction, text }) => [fraction, text]), [
      [0, undefined],
      [0.25, "a quarter"],
      [1, undefined],
    ]);
    const kinds = events.map(({ type }) => type);
    assert.ok(kinds.indexOf("attempt.started") < kinds.indexOf("attempt.progressed"));
  }
});

test("the signal of an attempt that ends well is left alone", async () => {
  const seen = await see(manifest("context", { keepsSignal: {}, nothing: { needs: ["keepsSignal"] } }), ONE);
  assert.deepEqual(printed(seen, "keepsSignal"), []);
});

test("two tasks side by side talk through the store and by events", async () => {
  const { result } = await see(manifest("context", { ping: {}, pong: {} }), { workers: 1, maxWorkers: 2 });
  assert.deepEqual(only(result, "pong").value, [7]);
  assert.deepEqual(only(result, "ping").value, {
    answer: 2,
    id: 1,
    detail: "until next time",
    task: "pong",
    keys: ["ping", "pong"],
    sum: 2,
  });
  assert.notEqual(only(result, "ping").worker, only(result, "pong").worker);
});

test("events are heard in order by who iterates over them", async () => {
  const { result } = await see(manifest("context", { counts: {}, listens: {} }), { workers: 2 });
  assert.deepEqual(only(result, "listens").value, [1, 2, 3, 4, 5]);
});

test("what tasks put into the store and emit is in the run's events", async () => {
  const { states } = await see(manifest("context", { ping: {}, pong: {} }), { workers: 2 });
  assert.ok(
    states.some((record) => record.type === "store.changed" && record.key === "pong" && record.value === "2"),
  );
  assert.ok(states.some((record) => record.type === "event.emitted" && record.event === "bye"));
});

test("a task whose module can't be found again at run time fails in words", async () => {
  const going = start({
    outrider: 1,
    name: "test",
    tasks: { one: { run: { module: fixture("context"), export: "noSuch" } } },
  });
  await assert.rejects(going.seen, /noSuch/);
});

test("context: a parameter that no task declares is a warning in the log, and is given to tasks", async () => {
  const seen = await see(
    { outrider: 1, name: "p", tasks: { a: { params: { ms: 1 } } } },
    { params: { mss: 2, ms: 3 } },
  );
  assert.equal(seen.result.state, "succeeded");
  const warnings = seen.logs.filter(({ level, from }) => level === "warn" && from === "executor");
  assert.deepEqual(warnings.map(({ text }) => text), [
    'params.mss: No task declares this parameter: did you mean "ms"?',
  ]);
});
