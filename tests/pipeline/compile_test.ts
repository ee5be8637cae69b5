/** The way from a manifest to a plan: semantics of the plan, and every problem with its place. */
import assert from "node:assert/strict";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { LIMITS } from "../../src/pipeline/document/manifest.ts";
import type { PlanTask } from "../../src/pipeline/plan/plan.ts";
import { PipelineError } from "../../src/model/problem.ts";

const BASE = "file:///work/pipeline.json";
const run = { module: "./tasks.ts", export: "f" };

function manifest(tasks: unknown, rest: object = {}): unknown {
  return { outrider: 1, name: "p", tasks, ...rest };
}

function problems(document: unknown): string[] {
  try {
    compile(document, BASE);
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    assert.equal(error.code, "OUTRIDER_PIPELINE");
    for (const { message } of error.problems) assert.ok(error.message.includes(message));
    return error.problems.map(({ place, message }) => `${place}: ${message}`);
  }
  return [];
}

function task(tasks: unknown, name: string, rest: object = {}): PlanTask {
  const found = compile(manifest(tasks, rest), BASE).tasks.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

test("the example of the contract becomes a plan", () => {
  const plan = compile({
    outrider: 1,
    name: "device-check",
    onFailure: "stop",
    tasks: {
      cpu: { run: { module: "./tasks.ts", export: "cpu" }, params: { ms: 50 }, timeout: "10s" },
      cool: { run: { module: "./tasks.ts", export: "cool" }, needs: [{ task: "cpu", on: "failure" }] },
      joined: { needs: ["cpu", { task: "cool", on: "any" }], join: "any" },
    },
    loops: [{ from: "cpu", to: "cpu", times: 2 }],
  }, BASE);
  const retry = { attempts: 1, delayMs: 1000, factor: 2, maxDelayMs: 60_000, jitter: 0.2 };
  const same = { retry, allowFailure: false, fresh: false, onLost: "rerun", estimateMs: undefined };
  const none = { params: {}, timeoutMs: undefined };
  const module = "file:///work/tasks.ts";
  assert.deepEqual(plan, {
    name: "device-check",
    onFailure: "stop",
    report: true,
    tasks: [
      {
        ...same,
        index: 0,
        name: "cpu",
        run: { module, export: "cpu" },
        needs: [],
        dependents: [1, 2],
        join: "all",
        params: { ms: 50 },
        timeoutMs: 10_000,
        rank: 0,
      },
      {
        ...same,
        ...none,
        index: 1,
        name: "cool",
        run: { module, export: "cool" },
        needs: [{ task: 0, on: "failure", as: "cpu" }],
        dependents: [2],
        join: "all",
        rank: 1,
      },
      {
        ...same,
        ...none,
        index: 2,
        name: "joined",
        run: undefined,
        needs: [{ task: 0, on: "success", as: "cpu" }, { task: 1, on: "any", as: "cool" }],
        dependents: [],
        join: "any",
        rank: 2,
      },
    ],
    loops: [{ from: 0, to: 0, times: 2, on: "success", body: [0] }],
  });
});

test("options of a task reach the plan", () => {
  const found = task({
    a: {
      run: { module: "data:text/javascript,export default 1" },
      retry: { attempts: 4, delay: "250ms", factor: 1, maxDelay: "1.5s", jitter: 0 },
      timeout: 1500,
      allowFailure: true,
      fresh: true,
      onLost: "fail",
      estimate: "2m",
      description: "for people",
    },
  }, "a");
  assert.deepEqual(found.run, {
    module: `data:text/javascript;base64,${btoa("export default 1")}`,
    export: "default",
  });
  assert.deepEqual(found.retry, { attempts: 4, delayMs: 250, factor: 1, maxDelayMs: 1500, jitter: 0 });
  assert.deepEqual(
    [found.timeoutMs, found.allowFailure, found.fresh, found.onLost, found.estimateMs],
    [1500, true, true, "fail", 120_000],
  );
});

test("what the builder writes as run stays as it is", () => {
  const found = task({ a: { run: { module: "file:///x/p.ts", pipeline: "p", task: "a" } } }, "a");
  assert.deepEqual(found.run, { module: "file:///x/p.ts", pipeline: "p", task: "a" });
});

test("a need without on means success, and any where failures do not stop the pipeline", () => {
  const tasks = {
    a: {},
    b: {},
    c: { needs: ["a", { task: "b", as: "x" }] },
    d: { needs: [{ task: "a", on: "success" }] },
  };
  const on = (name: string, rest: object) => task(tasks, name, rest).needs.map((need) => need.on);
  assert.deepEqual(on("c", {}), ["success", "success"]);
  assert.deepEqual(on("c", { onFailure: "continue" }), ["any", "any"]);
  assert.deepEqual(on("d", { onFailure: "continue" }), ["success"]);
});

test("modules are resolved against the base, and a path is a path", () => {
  const url = (module: string) => (task({ a: { run: { module } } }, "a").run as { module: string }).module;
  assert.equal(url("tasks.ts"), "file:///work/tasks.ts");
  assert.equal(url("../a b/100%.ts"), "file:///a%20b/100%25.ts");
  assert.equal(url("./what#1.ts"), "file:///work/what%231.ts");
  assert.equal(url("/abs/x.js"), "file:///abs/x.js");
  assert.equal(url("C:\\x\\y.ts"), "file:///C:/x/y.ts");
  assert.equal(url("file:///z/q.ts"), "file:///z/q.ts");
});

test("a module in a data: URL is written so that every runtime reads it", async () => {
  const url = (module: string) => (task({ a: { run: { module } } }, "a").run as { module: string }).module;
  const code = "export const x = '100 % é';";
  const found = url(`data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`);
  assert.match(found, /^data:text\/javascript;base64,/);
  assert.equal((await import(found) as { x: string }).x, "100 % é");
  assert.equal(url(found), found);
  assert.match(
    problems(manifest({ a: { run: { module: "data:text/plain,x" } } }))[0]!,
    /of the type "text\/plain": write data:text\/javascript,…$/,
  );
  assert.match(
    problems(manifest({ a: { run: { module: "data:text/javascript,100%" } } }))[0]!,
    /a % in it is not followed/,
  );
});

test("rank follows the longest remaining path by estimates, then the manifest's order", () => {
  const plan = compile(
    manifest({
      short: { estimate: 5 },
      early: {},
      late: {},
      long: { estimate: 1 },
      end: { needs: ["long"], estimate: "1s" },
    }),
    BASE,
  );
  const byRank = [...plan.tasks].sort((a, b) => a.rank - b.rank).map(({ name }) => name);
  assert.deepEqual(byRank, ["long", "end", "short", "early", "late"]);
});

test("tasks keep the manifest's order where needs allow it", () => {
  const names = compile(manifest({ c: { needs: ["a"] }, b: {}, a: {} }), BASE).tasks.map(({ name }) => name);
  assert.deepEqual(names, ["a", "c", "b"]);
});

test("every problem is reported at once, each with its place", () => {
  const found = problems({
    outrider: 2,
    nme: "x",
    name: "x\ny",
    onFailure: "stopp",
    report: "yes",
    tasks: {
      a: { needs: ["b", "b", "zz"], timeout: "5 sec", retr: {} },
      b: {
        needs: ["a", { tsk: "a" }],
        run: { module: "npm:x" },
        retry: { attempts: 0, factor: "x", jitter: 2 },
      },
      joined: { needs: "a", join: "al", timeout: "0s", estimate: "1000h", params: [1] },
      report: { needs: ["jioned", "report", { task: "a", as: "v" }, { task: "b", as: "v" }] },
      "constructor": {},
      d: 5,
    },
    loops: [
      { from: "a", to: "joined", times: 1.5 },
      { from: "q", to: "a", on: "x" },
      { from: "d", to: "d", times: 1 },
      { from: "d", to: "d", times: 2 },
    ],
  });
  const expected = [
    "outrider: Must be 1, the version of this form; received 2",
    'onFailure: Must be "stop" or "continue"; received "stopp": did you mean "stop"?',
    'report: Must be true or false; received "yes"',
    "loops[0].times: Must be a whole number; received 1.5",
    "loops[1].times: Missing: say how many more times the loop may run",
    'loops[1].on: Must be "success", "failure" or "any"; received "x"',
    'nme: Unknown key "nme": did you mean "name"?',
    'tasks.a.timeout: "5 sec" is not a duration: write a number and a unit, such as "250ms", "30s", "5m" or "1h"',
    'tasks.a.retr: Unknown key "retr": did you mean "retry"?',
    'tasks.b.needs[1].task: Missing: the key "task" is needed here',
    'tasks.b.needs[1].tsk: Unknown key "tsk": did you mean "task"?',
    "tasks.b.retry.attempts: Must be at least 1; received 0",
    'tasks.b.retry.factor: Must be a number; received "x"',
    "tasks.b.retry.jitter: Must be at most 1; received 2",
    'tasks.joined.needs: Must be an array; received "a"',
    'tasks.joined.join: Must be "all" or "any"; received "al": did you mean "all"?',
    'tasks.joined.timeout: Must be above 0; received "0s"',
    "tasks.joined.params: Must be an object; received an array",
    'tasks.joined.estimate: "1000h" is out of range: a duration is 0 to 24 days ("576h")',
    "tasks.d: Must be an object; received 5",
    'name: The name "x\\ny" has a line break, an invisible character, or a space at an end: remove it',
    'tasks.a.needs[2].task: There is no task "zz": add it, or remove this',
    'tasks.a.needs[1]: Duplicate: needs[0] is "b" already: remove one',
    'tasks.report.needs[0].task: There is no task "jioned": did you mean "joined"?',
    'tasks.report.needs[1].task: Task "report" needs itself: remove this need',
    'tasks.report.needs[3].as: Duplicate: needs[2] gives its value as "v" too: choose another "as"',
    'tasks.constructor: The name "constructor" is reserved by JavaScript: choose another',
    'loops[1].from: There is no task "q": add it, or remove this',
    "tasks.b.needs[0]: Cycle: a -> b -> a (each is needed by the next): remove one of these needs",
    'loops[0]: The loop is not closed by a path: no chain of needs leads from "joined" to "a": add the needs, or choose another "to"',
    'loops[3]: Duplicate: loops[2] has the same "from" and "to": remove one',
    `tasks.b.run.module: Can't use "npm:x": a module is a path, or a file: or data: URL`,
  ];
  assert.deepEqual(found.toSorted(), expected.toSorted());
});

test("a cycle is told as its path, a long one without its middle", () => {
  assert.deepEqual(
    problems(
      manifest({ a: { needs: ["c"] }, b: { needs: ["a"] }, c: { needs: ["b"] }, d: { needs: ["c"] } }),
    ),
    [
      "tasks.b.needs[0]: Cycle: a -> b -> c -> a (each is needed by the next): remove one of these needs",
    ],
  );
  const size = 10_000;
  const ring = Object.fromEntries(
    Array.from({ length: size }, (_, at) => [`t${at}`, { needs: [`t${(at + 1) % size}`] }]),
  );
  const [only, ...others] = problems(manifest(ring));
  assert.deepEqual(others, []);
  assert.match(
    only!,
    /^tasks\.t9999\.needs\[0\]: Cycle: t0 -> t9999 -> .* -> … 9981 more … -> .* -> t1 -> t0 \(/,
  );
});

test("two cycles are two problems", () => {
  const found = problems(
    manifest({ a: { needs: ["b"] }, b: { needs: ["a"] }, c: { needs: ["d"] }, d: { needs: ["c"] } }),
  );
  assert.equal(found.length, 2);
});

test("a loop whose ends are swapped is told so", () => {
  const [message] = problems(
    manifest({ a: {}, b: { needs: ["a"] } }, { loops: [{ from: "a", to: "b", times: 1 }] }),
  );
  assert.match(
    message!,
    /^loops\[0\]: .*no chain of needs leads from "b" to "a", but one leads back: swap "from" and "to"$/,
  );
});

test("loops may lie in one another or apart, inner ones first, but not overlap", () => {
  const tasks = {
    a: {},
    b: { needs: ["a"] },
    c: { needs: ["b"] },
    d: { needs: ["c"] },
    x: { needs: ["a"] },
    y: { needs: ["d"] },
  };
  const loop = (from: string, to: string) => ({ from, to, times: 1 });
  const plan = compile(
    manifest(tasks, { loops: [loop("c", "a"), loop("c", "b"), loop("b", "b"), loop("d", "d")] }),
    BASE,
  );
  assert.deepEqual(plan.loops.map(({ body }) => body), [[1], [3], [1, 2], [0, 1, 2]]);
  assert.deepEqual(problems(manifest(tasks, { loops: [loop("c", "a"), loop("d", "b")] })), [
    'loops[1]: Overlaps loops[0]: both hold "c", but only the other holds "a": put one wholly inside the other, or apart',
  ]);
});

test("duplicates: a need twice on different outcomes", () => {
  const needs = [{ task: "a", on: "success" }, { task: "a", on: "failure", as: "f" }];
  assert.deepEqual(problems(manifest({ a: {}, b: { needs } })), [
    'tasks.b.needs[1]: Duplicate: needs[0] is "a" already: keep one, with "on": "any" if either will do',
  ]);
});

test("who says after what a task is tried again says how often", () => {
  const failures = [{ code: "ECONNREFUSED" }];
  const missing = (key: string) =>
    `Missing: without it there is one attempt, and "${key}" says nothing: add how many there may be, such as 3`;
  assert.deepEqual(
    problems(manifest({
      a: { run, retry: { on: failures } },
      b: { run, retry: { delay: "1s", unless: failures } },
      c: { run, retry: { attempts: 1, on: failures } },
      d: { run, retry: { delay: "1s" } },
    })),
    [`tasks.a.retry.attempts: ${missing("on")}`, `tasks.b.retry.attempts: ${missing("unless")}`],
  );
});

test("params are JSON", () => {
  assert.deepEqual(
    problems(manifest({ a: { params: { f: () => 1 } }, b: { params: { x: new Uint8Array(1) } } })),
    [
      "tasks.a.params: params.f is a function: a value is JSON or a Uint8Array",
      "tasks.b.params: params hold bytes, which JSON has no word for: write them as base64",
    ],
  );
});

test("run names either an export or a task of a pipeline", () => {
  const found = problems(manifest({
    a: { run: { module: "./x.ts", export: "f", pipeline: "p", task: "a" } },
    b: { run: { module: "./x.ts", task: "b" } },
    c: { run: { modul: "./x.ts" } },
  }));
  assert.deepEqual(found, [
    'tasks.c.run.module: Missing: say which file holds the function, such as "./tasks.ts", or which "command", "python" or "netunicorn" to run',
    'tasks.c.run.modul: Unknown key "modul": did you mean "module"?',
    'tasks.a.run: Has both "export" and "pipeline" or "task": keep "module" and "export"',
    'tasks.b.run: "pipeline" and "task" go together: add the other, or use "export"',
  ]);
});

test("whatever is given, the problem has words", () => {
  const never = [
    undefined,
    null,
    5,
    "x",
    [],
    () => 1,
    {},
    { outrider: 1 },
    manifest([]),
    manifest(null),
    manifest({}),
    manifest("x"),
  ];
  for (const document of never) assert.notEqual(problems(document).length, 0);
  assert.deepEqual(problems(null), [': A pipeline is an object with "tasks"; received null']);
  assert.deepEqual(problems(manifest({})), ["tasks: There are no tasks: a pipeline has at least one"]);
  assert.deepEqual(problems(manifest([])), ["tasks: Must be an object; received an array"]);
  assert.deepEqual(problems(JSON.parse('{"outrider":1,"name":"p","tasks":{"__proto__":{}}}')), [
    'tasks.__proto__: The name "__proto__" is reserved by JavaScript: choose another',
  ]);
});

test("limits have words of their own", () => {
  const long = "n".repeat(201);
  const found = problems(
    manifest({ [long]: {}, a: { needs: Array.from({ length: LIMITS.needsOfTask + 1 }, () => "b") } }),
  );
  assert.equal(found.length, 2);
  assert.match(found[0]!, /^tasks\.a\.needs: May have at most 100000 entries; it has 100001$/);
  assert.match(found[1]!, /^tasks\.n+: The name "n+…" is 201 characters long: 200 are allowed$/);
});

test("the editor's $schema is tolerated", () => {
  assert.equal(
    compile(manifest({ a: { run } }, { $schema: "./pipeline.schema.json", description: "x" }), BASE).name,
    "p",
  );
});

test("a message lists at most a hundred problems, the error holds all", () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 150 }, (_, at) => [`t${at}`, { needs: ["nope nope nope"] }]),
  );
  assert.throws(() => compile(manifest(tasks), BASE), (error: unknown) => {
    assert.ok(error instanceof PipelineError);
    assert.equal(error.problems.length, 150);
    assert.match(error.message, /^Pipeline "p" has 150 problems:\n/);
    assert.match(error.message, /\n {2}… and 50 more$/);
    return true;
  });
});

test("a chain of 100,000 tasks and wide joins compile without recursion", () => {
  const size = 100_000;
  const chain = Object.fromEntries(
    Array.from(
      { length: size },
      (_, at) => [`t${size - at}`, at === size - 1 ? {} : { needs: [`t${size - at - 1}`] }],
    ),
  );
  const plan = compile(manifest(chain, { loops: [{ from: "t100000", to: "t1", times: 1 }] }), BASE);
  assert.equal(plan.tasks[0]!.name, "t1");
  assert.equal(plan.tasks.at(-1)!.rank, size - 1);
  assert.equal(plan.loops[0]!.body.length, size);
});

test("neighbours that run the same have one object for it in the plan, and others have not", () => {
  const module = "./t.ts";
  const runs = [
    { module, export: "a" },
    { module, export: "a" },
    { module, export: "b" },
    {
      module,
      pipeline: "p",
      task: "x",
    },
    { module, pipeline: "p", task: "y" },
    { module },
    { module },
    { module, export: "a" },
  ];
  const tasks = Object.fromEntries(runs.map((run, at) => [`t${at}`, { run }]));
  const planned = compile(manifest(tasks), "file:///base/").tasks.map(({ run }) => run);
  assert.deepEqual(planned.slice(1).map((run, at) => run === planned[at]), [
    ...[true, false, false, false, false, true, false],
  ]);
  assert.deepEqual(planned[7], { module: "file:///base/t.ts", export: "a" });
});
