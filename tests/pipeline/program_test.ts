/** Programs in both forms of a pipeline: what is taken, what is refused and where, and what the plan says. */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { readFileSync } from "node:fs";
import test from "node:test";
import { compile, examine } from "../../src/pipeline/plan/compile.ts";
import { whereabouts } from "../../src/pipeline/plan/runs.ts";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import type { Task } from "../../src/pipeline/builder/types.ts";
import { PipelineError } from "../../src/model/problem.ts";

const BASE = "file:///home/me/pipeline.json";

function planOf(run: unknown) {
  return compile({ outrider: 1, name: "p", tasks: { t: { run } } }, BASE).tasks[0]!.run;
}

function problemsOf(run: unknown): string[] {
  return examine({ outrider: 1, name: "p", tasks: { t: { run } } }, whereabouts(BASE)).problems
    .map(({ place, message }) => `${place}: ${message}`);
}

test("command: a command in JSON becomes one in the plan, in the manifest's folder", () => {
  assert.deepEqual(planOf({ command: ["ls"] }), { command: ["ls"], cwd: "file:///home/me/" });
  assert.deepEqual(
    planOf({ command: ["./a b.sh", "-x", ""], cwd: "sub%dir", env: { A: "1", B: "" }, stdin: "in" }),
    {
      command: ["./a b.sh", "-x", ""],
      cwd: "file:///home/me/sub%25dir/",
      env: { A: "1", B: "" },
      stdin: "in",
    },
  );
  assert.deepEqual(planOf({ command: ["ls"], cwd: "/abs" }), { command: ["ls"], cwd: "file:///abs/" });
  const inText = compile(
    { outrider: 1, name: "p", tasks: { t: { run: { command: ["ls"] } } } },
    "data:application/json,",
  );
  assert.deepEqual(inText.tasks[0]!.run, { command: ["ls"] });
});

test("command: what is wrong is told with its place and the nearest right word", () => {
  assert.deepEqual(problemsOf({ command: [] }), [
    "tasks.t.run.command: Must have at least 1 entry; it has 0",
  ]);
  assert.match(problemsOf({ command: "ls -l" })[0]!, /^tasks\.t\.run\.command: Must be an array/);
  assert.match(problemsOf({ command: ["ls", 1] })[0]!, /^tasks\.t\.run\.command\[1\]: Must be a string/);
  assert.match(
    problemsOf({ command: [""] })[0]!,
    /^tasks\.t\.run\.command\[0\]: Can't be empty: name the program/,
  );
  assert.match(
    problemsOf({ command: ["ls"], environment: {} })[0]!,
    /^tasks\.t\.run\.environment: Unknown key.*(env|keys here are command)/,
  );
  assert.match(problemsOf({ command: ["ls"], module: "./a.ts" })[0]!, /^tasks\.t\.run\.module: Unknown key/);
  assert.match(
    problemsOf({ command: ["ls"], env: { "A=B": "1" } })[0]!,
    /^tasks\.t\.run\.env: "A=B" can't be the name/,
  );
  assert.match(
    problemsOf({ command: ["ls"], env: { A: 1 } })[0]!,
    /^tasks\.t\.run\.env\.A: Must be a string/,
  );
  assert.match(problemsOf({ command: ["ls"], cwd: "http://x" })[0]!, /^tasks\.t\.run\.cwd: /);
  assert.match(
    problemsOf({ comand: ["ls"] }).join("\n"),
    /tasks\.t\.run\.comand: Unknown key|which "command" to run/,
  );
});

test("command: an argument can't hold what no program can be given", () => {
  assert.match(problemsOf({ command: ["ls", "a\0b"] })[0]!, /^tasks\.t\.run\.command\[1\]: Can't hold a NUL/);
});

test("command: the builder writes what the JSON form has", () => {
  const p = pipeline("p", { module: "file:///x/p.ts" });
  const cpu = p.task("cpu", () => 1);
  const probe: Task<{ ms: number }> = p.command<{ ms: number }>("probe", ["python3", "probe.py"], {
    cwd: "tools",
    env: { A: "1" },
    stdin: "in",
    timeout: "5s",
    params: { n: 1 },
  });
  p.command("plain", ["true"]);
  p.command("last", { cpu, second: probe.on("any") }, ["ls"], { fresh: true });
  p.command("after", [cpu], ["ls"]);
  const { tasks } = p.manifest();
  assert.deepEqual(tasks["probe"], {
    run: { command: ["python3", "probe.py"], cwd: "tools", env: { A: "1" }, stdin: "in" },
    timeout: "5s",
    params: { n: 1 },
  });
  assert.deepEqual(tasks["plain"], { run: { command: ["true"] } });
  assert.deepEqual(tasks["last"], {
    run: { command: ["ls"] },
    needs: [{ task: "cpu" }, { task: "probe", on: "any", as: "second" }],
    fresh: true,
  });
  assert.deepEqual(tasks["after"]!.needs, [{ task: "cpu" }]);
  const plan = compile(p.manifest(), "file:///x/p.ts");
  const run = plan.tasks.find(({ name }) => name === "probe")!.run;
  assert.deepEqual(run, {
    command: ["python3", "probe.py"],
    cwd: "file:///x/tools/",
    env: { A: "1" },
    stdin: "in",
  });
});

test("command: the builder refuses at once what is no command", () => {
  const p = pipeline("p", { module: "file:///x/p.ts" });
  const wrong = p.command.bind(p) as (name: string, ...rest: unknown[]) => unknown;
  for (const command of [undefined, "ls", [], ["ls", 1]]) {
    assert.throws(() => wrong("a", command), PipelineError);
  }
  p.command("a", ["ls"]);
  assert.throws(() => p.command("a", ["ls"]), /already/);
});

test("command: editors take and refuse what the program does", () => {
  const schema = JSON.parse(
    readFileSync(new URL("../../docs/pipeline.schema.json", import.meta.url), "utf8"),
  );
  const ajv = new Ajv2020({ strict: false });
  const takes = (run: unknown) => ajv.validate(schema, { outrider: 1, name: "p", tasks: { t: { run } } });
  assert.equal(takes({ command: ["ls"], cwd: "a", env: { A: "" }, stdin: "" }), true);
  assert.equal(takes({ module: "./a.ts" }), true);
  assert.equal(takes({ command: [] }), false);
  assert.equal(takes({ command: ["ls"], module: "./a.ts" }), false);
  assert.equal(takes({}), false);
});
