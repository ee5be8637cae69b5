/** Tests of how mapped tasks are written: what `check` finds wrong, what they make of the plan, and the builder's words. */
import assert from "node:assert/strict";
import test from "node:test";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { planOf, problemsOf } from "./compiled.ts";
import { withItem } from "../../src/pipeline/kinds/item_arguments.ts";
import { widthOf } from "../../src/pipeline/plan/width.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { graph } from "../../src/pipeline/plan/graph.ts";
import { testContext } from "../../testing.ts";

const RUN = { module: "data:text/javascript,", export: "x" };

test("each: the task that returns the list becomes a need whose value is not given, unless it is one already", () => {
  const plan = planOf({
    ping: { run: RUN, each: { task: "scan", path: "/hosts" }, maxParallel: 4 },
    both: {
      run: RUN,
      each: { task: "scan", as: "host" },
      needs: [{ task: "scan", on: "any" }],
      onItemFailure: "continue",
    },
    scan: { run: RUN },
  });
  const [scan, ping, both] = ["scan", "ping", "both"].map((name) =>
    plan.tasks.find((task) => task.name === name)!
  );
  assert.deepEqual(ping!.needs, [{ task: scan!.index, on: "success", as: "item", silent: true }]);
  assert.deepEqual(ping!.each, {
    task: scan!.index,
    path: "/hosts",
    as: "item",
    maxParallel: 4,
    onItemFailure: "stop",
  });
  assert.deepEqual(both!.needs, [{ task: scan!.index, on: "any", as: "scan" }]);
  assert.deepEqual(both!.each, { task: scan!.index, path: "", as: "host", onItemFailure: "continue" });
  assert.equal(widthOf(plan, ({ name }) => name === "ping"), 4, "as many as may be at work");
  assert.equal(widthOf(plan, ({ name }) => name !== "scan"), 100_004);
});

test("each: what is wrong about it is told in its place", () => {
  assert.deepEqual(
    problemsOf({
      scan: { run: RUN },
      nothing: { each: { task: "scan" } },
      unknown: { run: RUN, each: { task: "scann" } },
      self: { run: RUN, each: { task: "self" } },
      path: { run: RUN, each: { task: "scan", path: "hosts" } },
      failure: { run: RUN, each: { task: "scan" }, needs: [{ task: "scan", on: "failure" }] },
      twin: { run: RUN, each: { task: "scan" }, needs: [{ task: "path", as: "item" }] },
      alone: { run: RUN, maxParallel: 2 },
      zero: { run: RUN, each: { task: "scan" }, maxParallel: 0, onItemFailure: "ask" },
    }),
    {
      "zero.maxParallel": "Must be at least 1; received 0",
      "zero.onItemFailure": 'Must be "stop" or "continue"; received "ask"',
      "unknown.each.task": 'There is no task "scann": did you mean "scan"?',
      "self.each.task": `Task "self" can't be run for each item of its own value: name another`,
      "nothing.each": "There is nothing to run for each item: give the task a run",
      "path.each.path": 'A path begins with "/", such as "/loss" or "/hosts/0"; received "hosts"',
      "failure.needs[0]":
        '"scan" has no list after a failure, and the task is run for each item of it: remove this need',
      "twin.needs[0].as":
        'Duplicate: the item is given as "item" too: choose another "as", here or in "each"',
      "alone.maxParallel": 'Is for tasks that are run for each item of a list: add "each", or take it out',
    },
  );
  assert.deepEqual(problemsOf({ b: { run: RUN, needs: ["a"] }, a: { run: RUN, each: { task: "b" } } }), {
    "a.each": "Cycle: b -> a -> b (each is needed by the next): remove it, or one of these needs",
  });
  assert.deepEqual(
    problemsOf({ a: { run: RUN }, b: { run: RUN, each: { task: "a" } } }, {
      edges: [{ from: "a", to: "b" }],
    }),
    { "b.each": "Has no meaning beside the pipeline's edges: remove it, or the edges" },
  );
});

test("each: an item is no program, nor code of a shell", () => {
  const code =
    'The shell would run what is in the item: write "$1" instead, and add two arguments, "sh" and "{item}"';
  const of = (...commands: readonly (readonly string[])[]) =>
    problemsOf({
      scan: { run: RUN },
      ...Object.fromEntries(
        commands.map((command, at) => [`p${at}`, { run: { command }, each: { task: "scan" } }]),
      ),
    });
  assert.deepEqual(
    of(
      ["{item}"],
      ["./run-{item}.sh", "{item}"],
      ["sh", "-c", "ping {item}"],
      ["/bin/bash", "-e", "-lc", "x", "{item}"],
      ["sudo", "bash", "-ec", "{item}"],
      ["bash", "-euo", "pipefail", "-c", "ping {item}"],
      ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c", "{item}"],
      ["fish", "-c", "{item}"],
    ),
    {
      "p0.run.command[0]": "An item can't be the program: name the one that is to be run",
      "p1.run.command[0]": "An item can't be the program: name the one that is to be run",
      "p2.run.command[2]": code,
      "p4.run.command[3]": code,
      "p5.run.command[4]": code,
      "p6.run.command[6]": code,
      "p7.run.command[2]": code,
    },
  );
  assert.deepEqual(
    of(
      ["sh", "-c", 'ping "$1"', "sh", "{item}"],
      ["sh", "-c", "jq '{{item}}' {index}"],
      ["sh", "-e", "{item}"],
      ["ping", "-c", "{item}"],
      ["sh", "run.sh", "-o", "out", "-c", "{item}"],
      ["bash", "-o", "pipefail", "-c", 'ping "$1"', "sh", "{item}"],
    ),
    {},
  );
  assert.deepEqual(
    problemsOf({ a: { run: { command: ["sh", "-c", "echo {item}"] } } }),
    {},
    "it is not mapped",
  );
});

test("each: an item becomes part of an argument as it is, if it is a text or a number", () => {
  const to = (item: unknown, ...command: readonly string[]) => withItem(command, { item, index: 7 });
  assert.deepEqual(to("$&{index} 'a b'", "a", "{item}", "x{item}-{index}{item}"), [
    "a",
    "$&{index} 'a b'",
    "x$&{index} 'a b'-7$&{index} 'a b'",
  ]);
  assert.deepEqual(to(-1.5, "{item}", "{{item}} {{index}} {{{item}}} {items} { item }"), [
    "-1.5",
    "{item} {index} {{item}} {items} { item }",
  ]);
  assert.deepEqual(to({}, "a", "{index}", "{{item}}"), ["a", "7", "{item}"]);
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{}, /^Error: Item 7 can't stand for \{item\}: it is an object, and an argument is a text: map over/],
    [[], /it is a list,/],
    [null, /it is null,/],
    [true, /it is true,/],
    ["x".repeat(32_769), /it has 32769 characters, more than the 32768 of an argument: read OUTRIDER_INPUTS/],
    ["a\0b", /it has a NUL character/],
  ];
  for (const [item, words] of wrong) assert.throws(() => to(item, "a", "-{item}"), words);
  assert.equal(to("x".repeat(32_768), "{item}")[0]!.length, 32_768);
});

test("each: the builder notes where the list is, for functions, programs and Python alike", () => {
  const p = pipeline("survey", { module: "file:///x.ts" });
  const scan = p.task("scan", () => ({ name: [[1], [2]], hosts: [{ ip: "::1" }] }));
  p.map("ping", { host: scan.each((value) => value.hosts), scan }, ({ item }) => item.ip, { maxParallel: 2 });
  p.map("first", { item: scan.each((value) => value.name[0]!) }, ({ index }) => index);
  p.command("shell", { host: scan.each((value) => value.hosts) }, ["true"], { onItemFailure: "continue" });
  p.python("py", { host: scan.each() }, "x.py", { function: "f" });
  const { tasks } = p.manifest();
  const shown = ["ping", "first", "shell", "py"].map((name) => {
    const { needs, each, maxParallel, onItemFailure } = tasks[name]!;
    return [needs, each, maxParallel ?? onItemFailure];
  });
  assert.deepEqual(shown, [
    [[{ task: "scan" }], { task: "scan", path: "/hosts", as: "host" }, 2],
    [undefined, { task: "scan", path: "/name/0" }, undefined],
    [undefined, { task: "scan", path: "/hosts", as: "host" }, "continue"],
    [undefined, { task: "scan", as: "host" }, undefined],
  ]);
});

test("each: what the builder can't take is refused at once", () => {
  const p = pipeline("refused", { module: "file:///x.ts" });
  const scan = p.task("scan", () => ({ hosts: ["a"] }));
  const list = scan.each((value) => value.hosts);
  const refuses = (message: RegExp, act: () => unknown) =>
    assert.throws(act, (error) => error instanceof PipelineError && message.test(error.message));
  refuses(/only names a part of a value/, () => scan.each((value) => value.hosts.filter(Boolean)));
  refuses(/There is no list among the needs/, () => p.map("a", { scan }, () => 1));
  refuses(/There are two lists among the needs/, () => p.map("a", { list, other: list }, () => 1));
  refuses(/A list is for map, command and python/, () => p.task("a", { list } as never, () => 1));
  refuses(/belongs to another pipeline|A need is what/, () => pipeline("b").map("a", { list }, () => 1));
});

test("each: a test gives a task's function its item", () => {
  const ctx = testContext({ item: { ip: "::1" }, index: 3, inputs: { more: 1 } });
  assert.deepEqual([ctx.item, ctx.index, ctx.inputs], [{ ip: "::1" }, 3, { item: { ip: "::1" }, more: 1 }]);
  const plain = testContext();
  assert.deepEqual([plain.item, plain.index], [undefined, undefined]);
});

test("each: drawings say over which list a task is mapped", async () => {
  const plan = planOf({ scan: { run: RUN }, ping: { run: RUN, each: { task: "scan", path: "/hosts" } } });
  assert.match(await graph(plan, "mermaid"), /for each of \/hosts of scan/);
  assert.deepEqual(JSON.parse(await graph(plan, "json")).tasks[1].each, {
    task: "scan",
    path: "/hosts",
    as: "item",
    onItemFailure: "stop",
  });
});
