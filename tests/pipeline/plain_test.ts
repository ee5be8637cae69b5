/** The quick look at tasks: of one mind with the schema, and plain is what most tasks are. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { safeParse } from "valibot";
import { checkManifest } from "../../src/pipeline/document/check.ts";
import { LIMITS } from "../../src/pipeline/document/manifest.ts";
import { PlainTasks } from "../../src/pipeline/document/plain.ts";
import { taskSchema } from "../../src/pipeline/document/schema.ts";
import { SEED } from "../seed.ts";

const name = fc.constantFrom<unknown>("a", "a b", "", "x".repeat(200), "x".repeat(201), 5, null, undefined, [
  "a",
]);
const duration = fc.constantFrom<unknown>(
  "5s",
  "0s",
  "1.5m",
  "577h",
  "5 s",
  "",
  0,
  -0,
  -1,
  5.5,
  NaN,
  Infinity,
  2e9,
  3e9,
  null,
  [],
  undefined,
);
const number = fc.constantFrom<unknown>(
  1,
  0,
  2,
  1.5,
  -1,
  100,
  101,
  1_000_000,
  1_000_001,
  NaN,
  "1",
  null,
  undefined,
);
const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  5,
  "x",
  true,
  [],
  {},
  [[]],
  () => 1,
  Symbol("s"),
  new Date(0),
);
const text = fc.constantFrom<unknown>(
  "",
  "x",
  "x".repeat(LIMITS.description),
  "x".repeat(LIMITS.description + 1),
  5,
);

/** An object with some of the keys, and now and then one that is not listed. */
const some = (entries: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> =>
  fc.record({
    known: fc.record(entries, { requiredKeys: [] }),
    more: fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, {
      weight: 1,
      arbitrary: fc.dictionary(fc.constantFrom("x", "Run", "__proto__", "constructor"), odd),
    }),
  }).map(({ known, more }) => ({ ...known, ...more }));
const rarelyOdd = (usual: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });

const run = fc.oneof(
  some({ module: fc.constantFrom<unknown>("./a.ts", "", 5), export: name }),
  some({ module: fc.constant("./a.ts"), export: name, pipeline: name, task: name }),
  some({
    command: fc.oneof(fc.array(fc.constantFrom<unknown>("ping", "", "a\0", 5), { maxLength: 3 }), odd),
    cwd: odd,
    env: odd,
  }),
  some({ python: name, function: name }),
);
const need = fc.oneof(
  name,
  some({ task: name, on: fc.constantFrom("any", "success", "failure", "x", null), as: name }),
);
const on = (...words: unknown[]) => fc.constantFrom<unknown>(...words, "x", undefined, null, 1);
const task = rarelyOdd(some({
  run: rarelyOdd(run),
  needs: rarelyOdd(fc.array(need, { maxLength: 3 })),
  params: rarelyOdd(fc.dictionary(fc.string(), fc.jsonValue())),
  timeout: duration,
  estimate: duration,
  retry: rarelyOdd(
    some({ attempts: number, delay: duration, maxDelay: duration, factor: number, jitter: number }),
  ),
  join: on("all", "any"),
  allowFailure: on(true, false),
  fresh: on(true, false),
  isolation: on("thread", "process"),
  memory: on("512MiB"),
  onLost: on("rerun", "fail"),
  description: text,
  requires: rarelyOdd(fc.constant({ commands: ["ping"] })),
}));

test("of each key, what is plain passes the schema, and what passes is plain where it is usual", () => {
  const names = ["a", "a b", "x".repeat(200), "x".repeat(201), "", 5, null, undefined, ["a"], {}];
  const durations = ["5s", "0s", "1.5m", "577h", "5 s", 0, -0, 1, -1, 5.5, NaN, 2e9, 3e9, null, [], true];
  const whole = [1, 0, 2, 1.5, -1, 1_000_000, 1_000_001, NaN, Infinity, "1", null];
  const others = [null, 5, "x", "all", "thread", "rerun", true, [], {}, [[]], new Date(0)];
  const needs = [
    ...names,
    ...names.map((task) => ({ task })),
    ...names.map((as) => ({ task: "a", as })),
    ...["any", "success", "failure", "x", null, 1].map((on) => ({ task: "a", on })),
    { on: "any" },
    { task: "a", x: 1 },
    [],
  ];
  const runs = [
    ...names.map((module) => ({ module })),
    ...names.map((exported) => ({ module: "./a.ts", export: exported })),
    { module: "./a.ts", x: 1 },
    { module: "x".repeat(LIMITS.module) },
    { module: "x".repeat(LIMITS.module + 1) },
    ...[[], ["a"], ["a", ""], ["a\0"], ["a", 5], "a", ["x".repeat(LIMITS.argument + 1)]].map((command) => ({
      command,
    })),
    { command: ["a"], x: 1 },
    { command: new Array<string>(LIMITS.arguments + 1).fill("a") },
  ];
  const texts = ["", "d".repeat(LIMITS.description), "d".repeat(LIMITS.description + 1)];
  const tasks: readonly Readonly<Record<string, unknown>>[] = [
    ...[...runs, ...others].map((run) => ({ run })),
    ...[
      ...needs.map((need) => [need]),
      ["a", 5],
      new Array<string>(LIMITS.needsOfTask + 1).fill("a"),
      ...others,
    ]
      .map((needs) => ({ needs })),
    ...[...durations, ...others].flatMap((ms) => [{ timeout: ms }, { estimate: ms }]),
    ...durations.flatMap((ms) => [{ retry: { delay: ms } }, { retry: { maxDelay: ms } }]),
    ...whole.map((attempts) => ({ retry: { attempts } })),
    ...others.flatMap((value) =>
      ["retry", "params", "join", "allowFailure", "fresh", "isolation", "onLost", "description", "x"]
        .map((key) => ({ [key]: value }))
    ),
    ...["any", "process", "fail", false, ...texts].flatMap((value) =>
      ["join", "fresh", "isolation", "onLost", "description"].map((key) => ({ [key]: value }))
    ),
    { retry: { x: 1 } },
  ];
  for (const each of tasks) {
    const text = JSON.stringify(each, (_, value) => value === undefined ? "(undefined)" : value);
    const look = new PlainTasks();
    const right = safeParse(taskSchema, each).success;
    const plain = look.has(each);
    assert.equal(look.has(each), plain, text.slice(0, 100));
    // What is there and undefined is left to the schema.
    if (plain || !text.includes("(undefined)")) assert.equal(plain, right, text.slice(0, 100));
  }
});

test("what is plain passes the schema", () => {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(task, { maxLength: 6 }), (tasks) => {
      const look = new PlainTasks();
      // One after the other, as what one has is not looked at again in the next.
      for (const each of [...tasks, ...tasks]) {
        if (!look.has(each)) continue;
        plain++;
        assert.ok(safeParse(taskSchema, each).success, JSON.stringify(each));
      }
    }),
    { numRuns: 200, seed: SEED },
  );
  assert.ok(plain > 5, `${plain}`);
});

test("the check says the same whether a task is plain or not", () => {
  const document = (tasks: readonly unknown[]) => ({
    outrider: 1,
    name: "p",
    tasks: Object.fromEntries(tasks.map((each, at) => [`t${at}`, each])),
  });
  fc.assert(
    fc.property(fc.array(task, { minLength: 1, maxLength: 4 }), (tasks) => {
      const right = tasks.every((each) => safeParse(taskSchema, each).success);
      const { manifest, problems } = checkManifest(document(tasks));
      assert.equal(manifest !== undefined, right);
      assert.equal(problems.length === 0, right);
    }),
    { numRuns: 200, seed: SEED },
  );
});

test("tasks as they are usually written are plain", () => {
  const look = new PlainTasks();
  const module = "./tasks.ts";
  const usual: readonly unknown[] = [
    {},
    { run: { module, export: "a" } },
    { run: { module } },
    { run: { command: ["ping", "-c", "1"] }, timeout: "5s" },
    { run: { module, export: "b" }, needs: ["a", { task: "b", on: "any", as: "c" }], join: "any" },
    {
      run: { module },
      params: { x: 1 },
      timeout: 5_000,
      retry: { attempts: 3, delay: "1s", maxDelay: "1m" },
    },
    {
      allowFailure: true,
      fresh: false,
      isolation: "process",
      onLost: "fail",
      estimate: "1h",
      description: "d",
    },
  ];
  for (const each of usual) assert.ok(look.has(each), JSON.stringify(each));
});
