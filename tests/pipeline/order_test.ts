/** Tasks keep the order in which they are written, also where an object would put their names in another. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { pipeline } from "../../mod.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { readApart } from "../../src/pipeline/document/apart.ts";
import { orderOf, tasksOf, withTasks } from "../../src/pipeline/document/task_list.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { SEED } from "../seed.ts";

const NAMES = ["10", "2", "b", "a"];
const RUN = { command: ["true"] };
const HEAD = { outrider: 1, name: "p" };

function planned(document: unknown): readonly string[] {
  return compile(document, "file:///x/").tasks.map(({ name }) => name);
}

test("a pipeline in JSON and one of the builder have their tasks in the order in which they are written", () => {
  const members = NAMES.map((name) => `"${name}":{"run":{"command":["true"]}}`).join(",");
  const apart = readApart(`{"outrider":1,"name":"p","tasks":{${members}}}`)!;
  assert.deepEqual(apart.list.names, NAMES);
  assert.deepEqual(planned(withTasks(apart.head, apart.list)), NAMES);
  const p = pipeline("p", { module: "file:///x/p.ts" });
  for (const name of NAMES) p.command(name, RUN.command);
  assert.deepEqual(planned(JSON.parse(JSON.stringify(p.manifest()))), NAMES);
});

test("what says its order is read by that, whatever the order of its keys", () => {
  const text = JSON.stringify({
    ...HEAD,
    order: NAMES,
    tasks: Object.fromEntries(NAMES.map((name) => [name, { run: RUN }])),
  });
  assert.equal(readApart(text), undefined);
  assert.deepEqual(planned(JSON.parse(text)), NAMES);
});

test("an order that does not name each task once is a problem, with its place", () => {
  const tasks = { a: { run: RUN }, b: { run: RUN } };
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [["a"], /order: Must name each task once: "b" is missing/],
    [["a", "b", "a"], /order: Must name each task once: one is there twice/],
    [["a", "b", "c"], /order: Must name the tasks: there is none of the name "c"/],
    [["a", 5], /order\[1\]/],
    ["a, b", /order: Must be an array/],
  ];
  for (const [order, said] of cases) {
    assert.throws(() => compile({ ...HEAD, order, tasks }, "file:///x/"), (error) => {
      assert.ok(error instanceof PipelineError);
      assert.match(error.message, said);
      return true;
    });
  }
});

test("an order is said only where the keys have another, and then whatever the names are", () => {
  assert.deepEqual([orderOf(["a", "b"]), orderOf(["1", "02", "a"]), orderOf(["2", "10", "x"])], [{}, {}, {}]);
  const name = fc.oneof(
    fc.nat(20).map(String),
    fc.constantFrom("01", "-1", "a", "b", "4294967295", "99999999999"),
  );
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), (names) => {
      const list = { names, tasks: names, indexOf: new Map() };
      const document = JSON.parse(JSON.stringify(withTasks(HEAD, list)));
      assert.deepEqual(tasksOf(document).names, names);
      assert.deepEqual(tasksOf(document).tasks, names);
    }),
    { seed: SEED },
  );
});
