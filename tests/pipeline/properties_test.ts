/** What holds for the plan of any graph. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { PipelineError } from "../../src/model/problem.ts";

/** Edges from any task to any other, so cycles are likely; and loops between any two. */
interface Shape {
  readonly size: number;
  readonly edges: readonly (readonly [number, number])[];
  readonly loops: readonly (readonly [number, number])[];
}

const shapes = (acyclic: boolean): fc.Arbitrary<Shape> =>
  fc.integer({ min: 1, max: 14 }).chain((size) => {
    const pair = fc.tuple(fc.nat(size - 1), fc.nat(size - 1));
    const edge = pair.filter(([a, b]) => acyclic ? a < b : a !== b);
    const unique = (item: fc.Arbitrary<[number, number]>, maxLength: number) =>
      fc.uniqueArray(item, { maxLength, selector: String });
    return fc.record({
      size: fc.constant(size),
      edges: size === 1 ? fc.constant([]) : unique(edge, 24),
      loops: unique(pair, 4),
    });
  });

function manifest({ size, edges, loops }: Shape): unknown {
  const tasks: Record<string, { needs: string[] }> = {};
  // Letters, since keys that look like numbers would be sorted; backwards, so that the order has work to do.
  for (let at = size - 1; at >= 0; at--) tasks[`t${at}`] = { needs: [] };
  for (const [before, after] of edges) tasks[`t${after}`]!.needs.push(`t${before}`);
  return {
    outrider: 1,
    name: "p",
    tasks,
    loops: loops.map(([from, to]) => ({ from: `t${from}`, to: `t${to}`, times: 1 })),
  };
}

/** Which tasks can be reached from each, itself included; by the definition, not by our walk. */
function reach({ size, edges }: Shape): boolean[][] {
  const can = Array.from({ length: size }, (_, a) => Array.from({ length: size }, (_, b) => a === b));
  for (let via = 0; via <= size; via++) {
    for (const [a, b] of edges) for (let to = 0; to < size; to++) can[a]![to] ||= can[b]![to]!;
  }
  return can;
}

function attempt(shape: Shape): Plan | PipelineError {
  try {
    return compile(manifest(shape), "file:///x/");
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    return error;
  }
}

test("a plan is in order, its edges agree both ways, and ranks put a need before what waits for it", () => {
  fc.assert(fc.property(shapes(true), (shape) => {
    const plan = compile(manifest({ ...shape, loops: [] }), "file:///x/");
    assert.deepEqual(plan.tasks.map(({ index }) => index), plan.tasks.map((_, at) => at));
    assert.deepEqual(
      plan.tasks.map(({ rank }) => rank).toSorted((a, b) => a - b),
      plan.tasks.map((_, at) => at),
    );
    const edges: string[] = [];
    for (const task of plan.tasks) {
      assert.deepEqual(task.dependents, task.dependents.toSorted((a, b) => a - b));
      for (const need of task.needs) {
        const before = plan.tasks[need.task]!;
        assert.ok(need.task < task.index && before.rank < task.rank);
        assert.equal(before.dependents.filter((index) => index === task.index).length, 1);
        edges.push(`${before.name} ${task.name}`);
      }
    }
    assert.deepEqual(edges.toSorted(), shape.edges.map(([a, b]) => `t${a} t${b}`).toSorted());
  }));
});

test("cycles are found exactly where there are some, and each path told is one", () => {
  fc.assert(fc.property(shapes(false), (shape) => {
    const can = reach(shape);
    const cyclic = shape.edges.some(([a, b]) => can[b]![a]);
    const result = attempt({ ...shape, loops: [] });
    const told = result instanceof PipelineError ? result.problems : [];
    assert.equal(told.length > 0, cyclic);
    const edges = new Set(shape.edges.map(([a, b]) => `t${a} t${b}`));
    for (const { message } of told) {
      const path = /^Cycle: (.*) \(each/.exec(message)![1]!.split(" -> ");
      assert.equal(path[0], path.at(-1));
      assert.equal(new Set(path).size, path.length - 1);
      for (let at = 1; at < path.length; at++) assert.ok(edges.has(`${path[at - 1]} ${path[at]}`));
    }
  }));
});

test("a loop holds exactly the tasks on the paths from to to from; open and overlapping ones are refused", () => {
  fc.assert(fc.property(shapes(true), (shape) => {
    const can = reach(shape);
    const bodies = shape.loops.map(([from, to]) =>
      Array.from({ length: shape.size }, (_, at) => at).filter((at) => can[to]![at] && can[at]![from])
    );
    const open = bodies.filter((body) => body.length === 0).length;
    const closed = bodies.filter((body) => body.length > 0);
    const overlapping = closed.some((one, at) =>
      closed.slice(0, at).some((other) => {
        const shared = one.filter((task) => other.includes(task)).length;
        return shared > 0 && shared < Math.min(one.length, other.length);
      })
    );
    const result = attempt(shape);
    if (result instanceof PipelineError) {
      assert.equal(
        result.problems.filter(({ message }) => message.includes("not closed by a path")).length,
        open,
      );
      assert.equal(result.problems.some(({ message }) => message.startsWith("Overlaps")), overlapping);
      return;
    }
    assert.ok(open === 0 && !overlapping);
    const named = (body: readonly number[]) =>
      body.map((index) => result.tasks[index]!.name).toSorted().join();
    assert.deepEqual(
      result.loops.map(({ body }) => named(body)).toSorted(),
      bodies.map((body) => body.map((at) => `t${at}`).toSorted().join()).toSorted(),
    );
    const sizes = result.loops.map(({ body }) => body.length);
    assert.deepEqual(sizes, sizes.toSorted((a, b) => a - b));
  }));
});

test("no document makes the compiler throw anything but a PipelineError", () => {
  const key = fc.constantFrom(
    "outrider",
    "name",
    "tasks",
    "loops",
    "a",
    "b",
    "run",
    "needs",
    "retry",
    "task",
    "on",
    "as",
    "from",
  );
  const { document } = fc.letrec((tie) => ({
    document: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(1, 0, -1, NaN, "a", "b", "", "1s", null, true, undefined, "success"),
      fc.array(tie("document"), { maxLength: 3 }),
      fc.dictionary(key, tie("document"), { maxKeys: 4 }),
    ),
  }));
  const tasks = fc.dictionary(fc.constantFrom("a", "b", "c"), document);
  fc.assert(fc.property(tasks, fc.array(document, { maxLength: 3 }), (tasks, loops) => {
    try {
      compile({ outrider: 1, name: "p", tasks, loops }, "file:///x/");
    } catch (error) {
      assert.ok(error instanceof PipelineError, String(error));
    }
  }));
});
