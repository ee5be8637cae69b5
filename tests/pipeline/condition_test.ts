/** Tests of how conditions are written: what `check` finds wrong, what they make of the plan, and the builder's words. */
import assert from "node:assert/strict";
import test from "node:test";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import type { ManifestCondition, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { planOf, problemsOf } from "./compiled.ts";
import { conditionText } from "../../src/pipeline/plan/condition.ts";
import { graph as draw } from "../../src/pipeline/plan/graph.ts";

test("the task that a condition asks becomes a need, as a plain one; the condition is part of the plan", () => {
  const plan = planOf({
    other: {},
    a: {
      when: { all: [{ task: "probe", gt: 1 }, { not: { task: "other", path: "/x", eq: 1 } }] },
      needs: ["other"],
    },
    probe: {},
  }, { onFailure: "continue" });
  const a = plan.tasks.find(({ name }) => name === "a")!;
  const index = (name: string) => plan.tasks.findIndex((task) => task.name === name);
  assert.deepEqual(a.needs, [
    { task: index("other"), on: "any", as: "other" },
    { task: index("probe"), on: "any", as: "probe" },
  ]);
  assert.deepEqual(a.when, {
    all: [{ task: index("probe"), path: "", gt: 1 }, { not: { task: index("other"), path: "/x", eq: 1 } }],
  });
});

test("all that is wrong with conditions is told at once, each at its place", () => {
  let deep: unknown = { task: "probe", eq: 1 };
  for (let level = 0; level < 10; level++) deep = { not: deep };
  const wide = {
    any: Array.from({ length: 17 }, () => ({ all: [{ task: "probe", eq: 1 }, { task: "probe", eq: 2 }] })),
  };
  const problems = problemsOf({
    probe: {},
    a: { when: { task: "prob", path: "loss", gt: "x" } },
    b: { when: { task: "probe", path: "/a" } },
    c: { when: { all: [] } },
    d: {
      when: {
        all: [{ task: "probe", in: [[]] }, { task: "probe", matches: "(a" }, { task: "d", eq: 1 }, 5, {
          task: "probe",
          eq: 1,
          gtt: 5,
        }],
      },
    },
    e: { when: "probe" },
    f: { needs: [{ task: "probe", on: "failure" }], when: { task: "probe", eq: 1 } },
    g: { when: deep },
    h: { when: { task: "i", eq: 1 } },
    i: { when: { task: "h", eq: 1 } },
    j: { when: { task: "probe", eq: {}, foo: 1, any: [] } },
    k: { needs: [{ task: "b", as: "probe" }], when: { task: "probe", eq: 1 } },
    l: { when: wide },
    m: { when: { not: { eq: 1 } } },
  });
  const keys = "task, path, eq, ne, lt, lte, gt, gte, in, matches, exists";
  const such = 'Must be a condition such as {"task": "probe", "path": "/loss", "gt": 0.1}; received';
  assert.deepEqual(problems, {
    "a.when.gt": 'Must be a number; received "x"',
    "c.when.all": "Must have at least 1 entry; it has 0",
    "d.when.all[0].in[0]": "Must be a text, a number, true, false or null; received an array",
    "d.when.all[3]": `${such} 5`,
    "d.when.all[4].gtt": 'Unknown key "gtt": did you mean "gt"?',
    "e.when": `${such} "probe"`,
    "j.when.eq": "Must be a text, a number, true, false or null; received an object",
    "j.when.foo": `Unknown key "foo": the keys here are ${keys}`,
    "j.when.any": `Unknown key "any": the keys here are ${keys}`,
    "m.when.not.task": 'Missing: the key "task" is needed here',
    "a.when.path": 'A path begins with "/", such as "/loss" or "/hosts/0"; received "loss"',
    "a.when.task": 'There is no task "prob": did you mean "probe"?',
    "b.when":
      'Nothing is asked of "probe": add one of eq, ne, lt, lte, gt, gte, in, matches, exists, such as "gt": 0.1',
    "d.when.all[1].matches": 'No pattern that can be used: A ")" is missing (character 3)',
    "d.when.all[2].task": 'Task "d" asks for its own value: ask that of another',
    "f.when.task": '"probe" is needed on failure, and has no value then: need it on success, or on any',
    "g.when": "Conditions lie in each other more than 10 deep: use fewer",
    "k.when.task":
      'Another need gives its value as "probe": choose another "as" there, or need "probe" with one',
    "l.when": "There are 34 tests: 32 are allowed",
    "i.when": "Cycle: h -> i -> h (each is needed by the next): ask the value of another task",
  });
});

test("conditions have no meaning beside edges", () => {
  const problems = problemsOf({ a: {}, b: { when: { task: "a", eq: 1 } } }, {
    edges: [{ from: "a", to: "b" }],
  });
  assert.match(problems["b.when"]!, /^Has no meaning beside the pipeline's edges/);
});

test("the builder makes a condition of what a function names, and refuses one that does more", () => {
  const p = pipeline("built", { module: "file:///x/p.ts" });
  const probe = p.task("probe", () => ({ loss: 0.5, "a/b~": [{ up: true }], name: "eth0" }));
  p.task("next", { probe }, () => 1, {
    when: {
      all: [
        probe.when((value) => value.loss, { gt: 0.1, lte: 1 }),
        { not: probe.when((value) => value["a/b~"][0]?.up, { eq: false }) },
        probe.when({ exists: true }),
      ],
    },
  });
  const { when, needs } = p.manifest().tasks["next"] as ManifestTask;
  assert.deepEqual(when, {
    all: [
      { task: "probe", path: "/loss", gt: 0.1, lte: 1 },
      { not: { task: "probe", path: "/a~1b~0/0/up", eq: false } },
      { task: "probe", exists: true },
    ],
  });
  assert.deepEqual(needs, [{ task: "probe" }]);
  const refused = [
    () => probe.when((value) => value.loss * 2, { gt: 1 }),
    () => probe.when((value) => value.name.toUpperCase(), { eq: "ETH0" }),
    () => probe.when(() => 5, { eq: 5 }),
    () => probe.when((value) => `${value.name}`, { eq: "x" }),
    () => probe.when("loss" as never),
  ];
  for (const wrong of refused) {
    assert.throws(wrong, {
      name: "PipelineError",
      message: /tasks\.probe\.when: (The function|Say what is asked)/,
    });
  }
});

test("a condition is drawn in few words, whatever its texts", async () => {
  const text = (when: ManifestCondition) => {
    const plan = planOf({ probe: {}, a: { when } });
    return conditionText(plan, plan.tasks[1]!.when!);
  };
  assert.equal(text({ task: "probe", path: "/loss", gt: 0.1 }), "/loss of probe > 0.1");
  assert.equal(
    text({
      any: [{ not: { task: "probe", exists: true } }, {
        all: [{ task: "probe", in: [1, "a"] }, { task: "probe", gte: 1, lt: 2 }],
      }],
    }),
    'not probe is there or (probe in 1, "a" and probe ≥ 1 and < 2)',
  );
  assert.equal([...text({ task: "probe", matches: "x".repeat(100) })].length, 80);
  const evil = planOf({ probe: {}, a: { when: { task: "probe", eq: '"]<script>&' } } });
  assert.match(await draw(evil, "dot"), /label="a\\nwhen probe = \\"\\\\\\"\]<script>&amp;\\""/);
  assert.ok(!(await draw(evil, "svg")).includes("<script>"));
  assert.match(await draw(evil, "mermaid"), /when probe #61; #34;#92;#34;#93;#60;script#62;#38;#34;/);
  assert.match(await draw(evil, "json"), /"when": "probe = /);
});
