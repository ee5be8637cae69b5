/** What a pipeline says of resources: what becomes of it in the plan, and all that can be wrong with it. */
import assert from "node:assert/strict";
import test from "node:test";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { declaredIn } from "../../src/pipeline/document/declared.ts";
import { LIMITS } from "../../src/pipeline/document/manifest.ts";
import { drawDot } from "../../src/pipeline/draw/dot.ts";
import { drawJson } from "../../src/pipeline/draw/json.ts";
import { drawMermaid } from "../../src/pipeline/draw/mermaid.ts";
import { drawSvg } from "../../src/pipeline/draw/svg.ts";
import { isHeld } from "../../src/pipeline/plan/held.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { PipelineError } from "../../src/model/problem.ts";

const run = { module: "./tasks.ts", export: "f" };

function manifest(resources: unknown, uses: unknown, rest: object = { run }): unknown {
  return { outrider: 1, name: "p", resources, tasks: { ping: { ...rest, uses } } };
}

function problems(resources: unknown, uses: unknown, rest?: object): string[] {
  try {
    compile(manifest(resources, uses, rest), "file:///work/");
    return [];
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    return error.problems.map(({ place, message }) => `${place}: ${message}`);
  }
}

test("resources become places in the plan, and tasks that take the same have one list of it", () => {
  const plan = compile({
    outrider: 1,
    name: "p",
    resources: { radio: 1, uplink: { capacity: 3 }, disk: {} },
    tasks: {
      a: { run, uses: ["uplink", "radio"] },
      b: { run, uses: { radio: 1, uplink: 1 } },
      c: { run, uses: { uplink: 2 } },
      none: { run, uses: [] },
      never: { run },
    },
  }, "file:///work/");
  assert.deepEqual(plan.resources, [
    { name: "radio", capacity: 1, scope: "run" },
    { name: "uplink", capacity: 3, scope: "run" },
    { name: "disk", capacity: 1, scope: "run" },
  ]);
  const [a, b, c, none, never] = plan.tasks;
  assert.deepEqual(a!.uses, [{ resource: 0, amount: 1 }, { resource: 1, amount: 1 }]);
  assert.equal(b!.uses, a!.uses);
  assert.deepEqual(c!.uses, [{ resource: 1, amount: 2 }]);
  assert.deepEqual([none!.uses, never!.uses], [undefined, undefined]);
  assert.deepEqual(plan.tasks.map(isHeld), [true, true, true, false, false]);
  const bare = compile({ outrider: 1, name: "p", tasks: { a: { run } } }, "file:///work/");
  assert.ok(!("resources" in bare) && !("uses" in bare.tasks[0]!), "nothing is said where there is nothing");
});

test("a resource that is not declared is a problem, with the one that was probably meant", () => {
  assert.deepEqual(problems({ radio: 1 }, ["radoi"]), [
    'tasks.ping.uses[0]: There is no resource "radoi": did you mean "radio"?',
  ]);
  assert.deepEqual(problems(undefined, { uplink: 1 }), [
    'tasks.ping.uses.uplink: There is no resource "uplink": declare it in the pipeline\'s resources, such as {"uplink": 1}',
  ]);
  assert.deepEqual(
    problems({ radio: 1 }, ["toString", "__proto__"]).length,
    2,
    "what every object has is none",
  );
});

test("who takes more than there is would never start, and is told so", () => {
  assert.deepEqual(problems({ uplink: { capacity: 2 } }, { uplink: 3 }), [
    'tasks.ping.uses.uplink: Takes 3 of "uplink", of which there are 2, and would never start: take less, or raise the capacity',
  ]);
  assert.deepEqual(problems({ uplink: {} }, { uplink: 2 }).length, 1, "there is 1 where nothing is said");
  assert.deepEqual(problems({ uplink: 2 }, { uplink: 2 }), []);
});

test("what is named twice, or by who runs nothing, is a problem", () => {
  assert.deepEqual(problems({ radio: 2 }, ["radio", "radio"]), [
    'tasks.ping.uses[1]: Duplicate: "radio" is there already: to take more of it write {"radio": 2}',
  ]);
  assert.deepEqual(problems({ radio: 1 }, ["radio"], {}), [
    "tasks.ping.uses: A sync point runs nothing that could use a resource: take it out, or say what it runs",
  ]);
});

test("every wrong shape is told with its place and what to write", () => {
  const { capacity } = LIMITS;
  const wrong: readonly (readonly [unknown, unknown, RegExp])[] = [
    [{ radio: 0 }, [], /^resources\.radio: Must be at least 1; received 0$/],
    [{ radio: 1.5 }, [], /^resources\.radio: Must be a whole number; received 1\.5$/],
    [{ radio: capacity + 1 }, [], new RegExp(`^resources\\.radio: Must be at most ${capacity}; received`)],
    [{ radio: { capacity: "2" } }, [], /^resources\.radio\.capacity: Must be a number; received "2"$/],
    [{ radio: { capcity: 2 } }, [], /^resources\.radio\.capcity: .*did you mean "capacity"\?$/],
    [{ radio: "one" }, [], /^resources\.radio: Must be how much there is, such as 1, or an object.*"one"$/],
    [["radio"], [], /^resources: Must be an object; received an array$/],
    [{ " radio": 1 }, [], /^resources\[" radio"\]: .*space at an end/],
    [{ radio: 1 }, "radio", /^tasks\.ping\.uses: Must be a list of resources such as \["radio"\], or how/],
    [{ radio: 1 }, [1], /^tasks\.ping\.uses\[0\]: Must be a string; received 1$/],
    [{ radio: 1 }, { radio: 0 }, /^tasks\.ping\.uses\.radio: Must be at least 1; received 0$/],
    [{ radio: 1 }, { radio: "1" }, /^tasks\.ping\.uses\.radio: Must be a number; received "1"$/],
  ];
  for (const [resources, uses, expected] of wrong) {
    const found = problems(resources, uses);
    assert.equal(found.length, 1, JSON.stringify([resources, uses, found]));
    assert.match(found[0]!, expected);
  }
  const many = Object.fromEntries(Array.from({ length: LIMITS.resources + 1 }, (_, at) => [`r${at}`, 1]));
  assert.match(problems(many, [])[0]!, /^resources: /);
});

test("the builder writes the same words", () => {
  const p = pipeline("words", {
    module: "file:///work/x.ts",
    resources: { radio: 1, uplink: { capacity: 2 } },
  });
  p.task("list", () => 1, { uses: ["radio"] });
  p.command("amounts", ["true"], { uses: { uplink: 2 } });
  const { resources, tasks } = p.manifest();
  assert.deepEqual(resources, { radio: 1, uplink: { capacity: 2 } });
  assert.deepEqual([tasks["list"]!.uses, tasks["amounts"]!.uses], [["radio"], { uplink: 2 }]);
  const plan = compile(p.manifest(), "file:///work/");
  assert.deepEqual(plan.resources!.map(({ name }) => name), declaredIn(p.manifest()).map(({ name }) => name));
  assert.ok(!("resources" in pipeline("none", { module: "file:///work/x.ts" }).manifest()));
});

test("every drawing says what a task uses, and no name breaks out of it", async () => {
  const plan = compile({
    outrider: 1,
    name: "p",
    resources: { 'ra"dio<b>': 1, uplink: 2 },
    tasks: { a: { run, uses: { 'ra"dio<b>': 1, uplink: 2 } }, b: { run } },
  }, "file:///work/");
  assert.match(drawDot(plan), /t0 \[label="a\\nuses ra\\"dio<b>, 2 of uplink"\]/);
  assert.match(drawMermaid(plan), /t0\["a<br><i>uses ra#34;dio#60;b#62;#44; 2 of uplink<\/i>"\]/);
  assert.match(drawSvg(plan), /class="note"[^>]*>uses ra&#34;dio&#60;b&#62;, 2 of uplink</);
  const drawn = JSON.parse(drawJson(plan));
  assert.deepEqual(drawn.resources.map(({ name }: { name: string }) => name), ['ra"dio<b>', "uplink"]);
  assert.deepEqual(drawn.tasks[0].uses[1], { resource: "uplink", amount: 2 });
  assert.ok(!("uses" in drawn.tasks[1]));
});
