/** The import of WfFormat traces. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { COMPUTE_MODULE, importWfFormat } from "../../src/pipeline/import/wfformat.ts";

/** A diamond; each edge is known to one end only, and what is not read is there too. */
function diamond(): Record<string, unknown> {
  return {
    name: "diamond",
    description: "four tasks",
    schemaVersion: "1.5",
    workflow: {
      specification: {
        tasks: [
          { name: "split", id: "split_1", parents: [], children: ["left_2", "right_3"], inputFiles: ["in"] },
          { name: "left", id: "left_2", parents: [], children: [] },
          { name: "right", id: "right_3", parents: ["split_1"], children: ["join_4"] },
          { name: "join", id: "join_4", parents: ["left_2"] },
        ],
        files: [{ id: "in", sizeInBytes: 1 }],
      },
      execution: {
        makespanInSeconds: 9,
        tasks: [
          { id: "join_4", runtimeInSeconds: 0.5, command: { program: "join" } },
          { id: "split_1", runtimeInSeconds: 1.2345678 },
          { id: "left_2", runtimeInSeconds: 20 },
          { id: "right_3", runtimeInSeconds: 0 },
        ],
      },
    },
  };
}

function problems(document: unknown): string[] {
  try {
    importWfFormat(document);
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    return error.problems.map(({ place, message }) => `${place}: ${message}`);
  }
  return [];
}

test("a trace becomes a manifest with needs from parents and children", () => {
  const manifest = importWfFormat(diamond(), { scale: 0.01 });
  const run = { module: COMPUTE_MODULE, export: "compute" };
  assert.deepEqual(manifest, {
    outrider: 1,
    name: "diamond",
    description: "four tasks",
    tasks: {
      split_1: { run, params: { ms: 12.346 }, estimate: 12.346 },
      left_2: { run, params: { ms: 200 }, estimate: 200, needs: ["split_1"] },
      right_3: { run, params: { ms: 0 }, estimate: 0, needs: ["split_1"] },
      join_4: { run, params: { ms: 5 }, estimate: 5, needs: ["right_3", "left_2"] },
    },
  });
  assert.deepEqual(JSON.parse(JSON.stringify(manifest)), manifest);
  const plan = compile(manifest, "file:///x/");
  assert.deepEqual(plan.tasks.map(({ name }) => name), ["split_1", "left_2", "right_3", "join_4"]);
  assert.equal(plan.tasks[1]!.estimateMs, 200);
});

test("the scale is 0.001 unless said otherwise, and the module can be another", () => {
  const manifest = importWfFormat(diamond(), { module: "./compute.ts" });
  assert.deepEqual(manifest.tasks["left_2"]!.run, { module: "./compute.ts", export: "compute" });
  assert.deepEqual(manifest.tasks["left_2"]!.params, { ms: 20 });
  for (const scale of [0, -1, NaN, Infinity]) {
    assert.throws(() => importWfFormat(diamond(), { scale }), {
      name: "RangeError",
      message: /^The scale must be above 0; received/,
    });
  }
});

test("what the tasks run is in the manifest: it computes until its time has passed", async () => {
  const { compute } = await import(COMPUTE_MODULE) as { compute(ctx: unknown): unknown };
  const start = performance.now();
  assert.equal(compute({ params: { ms: 5 } }), undefined);
  assert.ok(performance.now() - start >= 5);
});

test("problems of a trace, all at once", () => {
  const broken = {
    name: "x",
    schemaVersion: "1.5",
    workflow: {
      specification: {
        tasks: [
          { id: "a", parents: ["ghost"], children: ["b", "spook"] },
          { id: "b" },
          { id: "b" },
          { id: "c" },
          { id: "bad\nname" },
        ],
      },
      execution: {
        tasks: [
          { id: "a", runtimeInSeconds: 1 },
          { id: "b", runtimeInSeconds: 1 },
          { id: "a", runtimeInSeconds: 1 },
          { id: "lost", runtimeInSeconds: 1 },
          { id: "bad\nname", runtimeInSeconds: 1 },
        ],
      },
    },
  };
  const tasks = "workflow.specification.tasks";
  assert.deepEqual(problems(broken), [
    'workflow.execution.tasks[2]: Duplicate: there is a task "a" already',
    `workflow.execution.tasks[3].id: There is no task "lost" in ${tasks}`,
    `${tasks}[3]: Task "c" has no recorded runtime: add it to workflow.execution.tasks`,
    `${tasks}[2]: Duplicate: there is a task "b" already`,
    `${tasks}[4].id: The name "bad\\nname" has a line break, an invisible character, or a space at an end: remove it`,
    `${tasks}[0].parents[0]: There is no task "ghost" in ${tasks}`,
    `${tasks}[0].children[1]: There is no task "spook" in ${tasks}`,
  ]);
});

test("what is no trace says what is missing", () => {
  assert.deepEqual(
    problems({ schemaVersion: "2.0", workflow: { specification: { tasks: [{ id: 5, parents: "a" }] } } }),
    [
      'schemaVersion: WfFormat 1.3, 1.4 and 1.5 are what can be read; received "2.0"',
      "workflow.specification.tasks[0].id: Must be a string; received 5",
      'workflow.specification.tasks[0].parents: Must be an array; received "a"',
    ],
  );
  for (const document of [null, [], 5, "x", {}]) assert.notEqual(problems(document).length, 0);
  const negative = diamond() as { workflow: { execution: { tasks: { runtimeInSeconds: number }[] } } };
  negative.workflow.execution.tasks[0]!.runtimeInSeconds = -1;
  assert.deepEqual(problems(negative), [
    "workflow.execution.tasks[0].runtimeInSeconds: Must be 0 or more; received -1",
  ]);
});

test("a trace of 1.4 or 1.3 has tasks and runtimes in one list, and names its parents", () => {
  const tasks = [
    { name: "split_ID1", id: "ID1", children: ["left_ID2", "right_ID3"], runtimeInSeconds: 1 },
    { name: "left_ID2", id: "ID2", parents: ["split_ID1"], runtimeInSeconds: 2 },
    { name: "right_ID3", id: "ID3", parents: ["ID1"], runtimeInSeconds: 0 },
    { name: "join_ID4", id: "ID4", parents: ["left_ID2", "right_ID3"], runtimeInSeconds: 0.5 },
  ];
  const shape = (document: unknown) =>
    Object.entries(importWfFormat(document, { scale: 1 }).tasks).map((
      [name, { needs, params }],
    ) => [name, needs, params]);
  assert.deepEqual(shape({ name: "w", schemaVersion: "1.4", workflow: { machines: [], tasks } }), [
    ["ID1", undefined, { ms: 1000 }],
    ["ID2", ["ID1"], { ms: 2000 }],
    ["ID3", ["ID1"], { ms: 0 }],
    ["ID4", ["ID2", "ID3"], { ms: 500 }],
  ]);
  const older = tasks.slice(0, 2).map(({ id: _, children: __, runtimeInSeconds: runtime, ...task }) => ({
    ...task,
    runtime,
  }));
  assert.deepEqual(shape({ schemaVersion: "1.3", workflow: { tasks: older } }), [
    ["split_ID1", undefined, { ms: 1000 }],
    ["left_ID2", ["split_ID1"], { ms: 2000 }],
  ]);
  const twice = [...tasks, { ...tasks[0]!, id: "ID5", children: [] }, { name: "late", parents: ["gone"] }];
  assert.deepEqual(problems({ schemaVersion: "1.4", workflow: { tasks: twice } }), [
    'workflow.tasks[5]: Task "late" has no recorded runtime: add it to workflow.tasks, as runtimeInSeconds',
    'workflow.tasks[1].parents[0]: 2 tasks are called "split_ID1": say which one by its id',
    'workflow.tasks[5].parents[0]: There is no task "gone" in workflow.tasks',
  ]);
  assert.deepEqual(problems({ schemaVersion: "1.4", workflow: {} }), [
    "workflow.tasks: Missing: a WfFormat trace has this key",
  ]);
});

test("a trace without runtimes is read for what depends on what, and says what is missing", () => {
  const told = (document: unknown) => {
    const warnings: string[] = [];
    const { tasks } = importWfFormat(document, {
      warn: ({ place, message }) => void warnings.push(`${place}: ${message}`),
    });
    return {
      warnings,
      tasks: Object.entries(tasks).map(([name, { needs = [], params }]) => [name, needs, params]),
    };
  };
  const missing =
    "Missing: the trace tells how tasks depend, and of none how long it took: each computes for 0 ms";
  const specification = {
    tasks: [{ id: "a", name: "first", children: ["b"] }, { id: "b", parents: ["first"] }],
  };
  const tasks = [["a", [], { ms: 0 }], ["b", ["a"], { ms: 0 }]];
  assert.deepEqual(told({ schemaVersion: "1.5", workflow: { specification } }), {
    warnings: [`workflow.execution.tasks: ${missing}`],
    tasks,
  });
  const { tasks: [a, b] } = specification;
  assert.deepEqual(told({ schemaVersion: "1.4", workflow: { tasks: [a, { ...b, name: "b" }] } }), {
    warnings: [`workflow.tasks, as runtimeInSeconds: ${missing}`],
    tasks,
  });
  assert.deepEqual(told(diamond()).warnings, []);
});

test("a cycle in a trace is found when it is compiled, and a name that can't be used is replaced", () => {
  const document = diamond() as {
    name: string;
    workflow: { specification: { tasks: { children?: string[] }[] } };
  };
  document.name = "\n";
  document.workflow.specification.tasks[3]!.children = ["split_1"];
  const manifest = importWfFormat(document);
  assert.equal(manifest.name, "workflow");
  assert.throws(() => compile(manifest, "file:///x/"), /Cycle: /);
});

test("real traces compile, where they are at hand", () => {
  const folder = "/work/shared/data/wfinstances";
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".json")) : [];
  for (const file of files) {
    const document = JSON.parse(readFileSync(join(folder, file), "utf8"));
    const plan = compile(importWfFormat(document), "file:///x/");
    assert.equal(plan.tasks.length, document.workflow.specification.tasks.length, file);
    const edges = document.workflow.specification.tasks.reduce(
      (sum: number, task: { parents: unknown[] }) => sum + task.parents.length,
      0,
    );
    assert.equal(plan.tasks.reduce((sum, task) => sum + task.needs.length, 0), edges, file);
  }
});
