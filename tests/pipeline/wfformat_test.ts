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
    problems({ schemaVersion: "1.4", workflow: { specification: { tasks: [{ id: 5, parents: "a" }] } } }),
    [
      'schemaVersion: WfFormat 1.5 is what can be read; received "1.4"',
      "workflow.specification.tasks[0].id: Must be a string; received 5",
      'workflow.specification.tasks[0].parents: Must be an array; received "a"',
      "workflow.execution: Missing: a WfFormat trace has this key",
    ],
  );
  for (const document of [null, [], 5, "x", {}]) assert.notEqual(problems(document).length, 0);
  const negative = diamond() as { workflow: { execution: { tasks: { runtimeInSeconds: number }[] } } };
  negative.workflow.execution.tasks[0]!.runtimeInSeconds = -1;
  assert.deepEqual(problems(negative), [
    "workflow.execution.tasks[0].runtimeInSeconds: Must be 0 or more; received -1",
  ]);
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
