/** The typed builder: what it makes, what it refuses at once, and how it knows its module. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { Pipeline, pipeline } from "../../src/pipeline/builder/builder.ts";
import { fileOfText, moduleUrl } from "../../src/pipeline/builder/caller.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { isPipeline, pipelinesMade } from "../../src/pipeline/builder/registry.ts";

const root: string = fileURLToPath(new URL("../..", import.meta.url));

function refused(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    return error.problems.map(({ place, message }) => `${place}: ${message}`).join("\n");
  }
  throw new Error("Was not refused");
}

test("the example of the contract becomes a manifest that compiles", () => {
  const p = pipeline("device-check");
  const cpu = p.task("cpu", () => Promise.resolve({ score: 1 }), { timeout: "10s" });
  const disk = p.task("disk", () => 12.5);
  p.task("report", { cpu, d: disk }, ({ inputs }) => inputs.cpu.score + inputs.d, { retry: { attempts: 3 } });
  p.task("done", { cpu: cpu.on("failure"), disk: disk.on("any") }, undefined, { join: "any" });
  p.loop({ from: cpu, to: cpu, times: 2, on: "failure" });
  const run = (task: string) => ({ module: import.meta.url, pipeline: "device-check", task });
  assert.deepEqual(p.manifest(), {
    outrider: 1,
    name: "device-check",
    tasks: {
      cpu: { timeout: "10s", run: run("cpu") },
      disk: { run: run("disk") },
      report: {
        retry: { attempts: 3 },
        run: run("report"),
        needs: [{ task: "cpu" }, { task: "disk", as: "d" }],
      },
      done: { join: "any", needs: [{ task: "cpu", on: "failure" }, { task: "disk", on: "any" }] },
    },
    loops: [{ from: "cpu", to: "cpu", times: 2, on: "failure" }],
  });
  const plan = compile(p.manifest("file:///elsewhere.ts"), "file:///x/");
  assert.deepEqual(plan.tasks[0]!.run, { ...run("cpu"), module: "file:///elsewhere.ts" });
  assert.deepEqual(structuredClone(p.manifest()), p.manifest());
});

test("functions are found by their task's name", () => {
  const p = pipeline("functions");
  const fn = () => 5;
  p.task("a", fn);
  p.task("b");
  assert.equal(p.functionOf("a"), fn);
  assert.equal(p.functionOf("b"), undefined);
  assert.equal(p.functionOf("c"), undefined);
});

test("options of the pipeline reach the manifest", () => {
  const p = pipeline("o", { onFailure: "continue", report: false, description: "d", module: "file:///m.ts" });
  p.task("a", () => 1);
  assert.deepEqual(p.manifest(), {
    outrider: 1,
    name: "o",
    description: "d",
    onFailure: "continue",
    report: false,
    tasks: { a: { run: { module: "file:///m.ts", pipeline: "o", task: "a" } } },
  });
});

test("what a type can't show is refused at once", () => {
  const p = pipeline("p");
  const a = p.task("a", () => 1);
  const foreign = pipeline("other").task("a", () => 1);
  const loose = p as unknown as { task(...args: unknown[]): unknown; loop(options: unknown): unknown };
  assert.equal(
    refused(() => p.task("a", () => 2)),
    'tasks.a: There is a task "a" already: give this one another name',
  );
  assert.equal(refused(() => p.task("", () => 2)), "tasks: A name can't be empty");
  assert.match(refused(() => p.task("x\n", () => 2)), /^tasks: The name "x\\n" has a line break/);
  assert.match(refused(() => p.task("constructor", () => 2)), /reserved by JavaScript: choose another$/);
  assert.match(refused(() => pipeline(5 as never)), /^name: A name is a string; received number$/);
  for (const need of [foreign, foreign.on("any")]) {
    assert.equal(
      refused(() => p.task("b", { need }, () => 2)),
      'tasks.b.needs.need: Task "a" belongs to another pipeline: needs stay within one',
    );
  }
  assert.match(
    refused(() => loose.task("b", { a: undefined }, () => 2)),
    /^tasks\.b\.needs\.a: .* received undefined$/,
  );
  assert.match(refused(() => loose.task("b", [null], () => 2)), /^tasks\.b\.needs\[0\]: .* received null$/);
  assert.match(
    refused(() => loose.task("b", "a", () => 2)),
    /^tasks\.b\.needs: Needs are an object of handles/,
  );
  assert.match(refused(() => loose.task("b", { a }, 5)), /^tasks\.b: The function is a number/);
  assert.match(refused(() => loose.task("b", () => 1, 5)), /^tasks\.b: Options are an object/);
  assert.match(
    refused(() => loose.task("b", () => 1, { params: { f: () => 1 } })),
    /^tasks\.b\.params: params\.f is a function/,
  );
  assert.match(refused(() => loose.task("b", () => 1, { params: [] })), /^tasks\.b\.params: /);
  assert.match(refused(() => loose.loop({ from: a, times: 1 })), /^loops\[0\]\.to: .* received undefined$/);
  p.task("b", [a], () => 2);
});

test("what only the compiler can tell is told with the others", () => {
  const p = pipeline("p");
  p.task("a", () => 1, { timeout: "5 sec", retries: 3 } as never);
  assert.throws(() => compile(p.manifest(), "file:///x/"), (error: unknown) => {
    assert.ok(error instanceof PipelineError);
    assert.deepEqual(error.problems.map(({ place }) => place), ["tasks.a.timeout", "tasks.a.retries"]);
    return true;
  });
});

test("every pipeline is on the list that all copies of Outrider share", () => {
  const before = pipelinesMade().length;
  const p = pipeline("listed");
  assert.equal(pipelinesMade().length, before + 1);
  assert.equal(pipelinesMade().at(-1), p);
  const realm = globalThis as unknown as Record<symbol, unknown>;
  assert.equal(realm[Symbol.for("outrider.pipelines")], pipelinesMade());
  assert.ok(isPipeline(p));
  assert.ok(!isPipeline({ name: "p", manifest: {} }));
});

test("a pipeline without a known module says how to name it", () => {
  const p = new Pipeline("prompt");
  p.task("sync");
  assert.equal(p.module, undefined);
  assert.deepEqual(p.manifest(), { outrider: 1, name: "prompt", tasks: { sync: {} } });
  p.task("a", () => 1);
  assert.match(
    refused(() => p.manifest()),
    /write pipeline\("prompt", \{ module: import\.meta\.url \}\) in a file$/,
  );
  assert.ok(p.manifest("file:///m.ts"));
});

test("the module is that of the caller, however Outrider is installed", async () => {
  assert.equal(pipeline("here").module, import.meta.url);
  // deno-lint-ignore require-await -- a frame of an async function looks different
  assert.equal(await (async () => pipeline("there"))().then((p) => p.module), import.meta.url);
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "outrider caller (1) #")));
  try {
    const installed = join(folder, "node_modules/outrider/dist");
    mkdirSync(installed, { recursive: true });
    const bundle = (entry: string, outfile: string) =>
      buildSync({
        entryPoints: [entry],
        outfile,
        bundle: true,
        format: "esm",
        platform: "node",
        logLevel: "error",
      });
    bundle(join(root, "src/pipeline/builder/builder.ts"), join(installed, "mod.js"));
    const user = (from: string) =>
      `import { pipeline } from ${JSON.stringify(from)};\nexport default pipeline("u");\n`;
    writeFileSync(join(folder, "user.js"), user("./node_modules/outrider/dist/mod.js"));
    writeFileSync(join(folder, "source.js"), user(join(root, "src/pipeline/builder/builder.ts")));
    bundle(join(folder, "source.js"), join(folder, "one.js"));
    for (const name of ["user.js", "one.js"]) {
      const url = pathToFileURL(join(folder, name)).href;
      const { default: made } = await import(url) as { default: { module: string } };
      assert.equal(made.module, url);
      assert.ok((pipelinesMade() as unknown[]).includes(made));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("asking for the caller leaves the engine's settings as they were", () => {
  const engine = Error as { prepareStackTrace?: unknown; stackTraceLimit?: number };
  const prepare = () => "prepared";
  const before = [engine.prepareStackTrace, engine.stackTraceLimit];
  try {
    engine.prepareStackTrace = prepare;
    engine.stackTraceLimit = 3;
    assert.equal(pipeline("settings").module, import.meta.url);
    assert.equal(engine.prepareStackTrace, prepare);
    assert.equal(engine.stackTraceLimit, 3);
  } finally {
    [engine.prepareStackTrace, engine.stackTraceLimit] = before as [unknown, number];
  }
});

test("stacks as text are read in the forms of both engines", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["Error: x\n    at file:///a/b.ts:1:2", "file:///a/b.ts"],
    ["Error\n    at make (file:///a/b%20(1).ts:10:20)\n    at file:///c.ts:1:1", "file:///a/b%20(1).ts"],
    ["    at async load (/a b/c.js:1:2)", "/a b/c.js"],
    ["    at new X (C:\\a\\b.js:1:2)", "C:\\a\\b.js"],
    ["make@/a/b.ts:1:2\nmodule code@/c.ts:3:4", "/a/b.ts"],
    ["@file:///a/b.ts:1:2", "file:///a/b.ts"],
    ["    at native\n    at <anonymous>", undefined],
  ];
  for (const [stack, file] of cases) assert.equal(fileOfText(stack), file, stack);
  assert.equal(fileOfText(undefined), undefined);
});

test("file names become URLs, code without a file does not", () => {
  assert.equal(moduleUrl("/a b/c#1?.ts"), "file:///a%20b/c%231%3F.ts");
  assert.equal(moduleUrl("C:\\a\\b.ts"), "file:///C:/a/b.ts");
  assert.equal(moduleUrl("data:text/javascript,1"), "data:text/javascript,1");
  for (
    const file of [
      "/w/[eval]",
      "file:///w/[eval1]",
      "/w/[stdin]",
      "file:///w/$deno$eval.mts",
      "<anonymous>",
      "node:internal",
      "",
    ]
  ) {
    assert.equal(moduleUrl(file), undefined, file);
  }
});

test("what the types promise is held by the compiler", () => {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const files = ["tests/pipeline/builder_types.ts"];
  const options = [
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--noUncheckedIndexedAccess",
    "--skipLibCheck",
  ];
  const { status, stdout, stderr } = spawnSync("node", [
    tsc,
    ...options,
    ..."--target esnext --module nodenext --allowImportingTsExtensions --types node --lib esnext,dom --ignoreConfig"
      .split(" "),
    ...files,
  ], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

test("builder: options in the place of needs, and needs in that of options, are told as that", () => {
  const loose = pipeline("p") as unknown as {
    task(...args: readonly unknown[]): object;
    command(...args: readonly unknown[]): object;
    python(...args: readonly unknown[]): object;
  };
  const cpu = loose.task("cpu", () => 1);
  const options =
    /^tasks\.a: Options stand in the place of needs: "timeout" is one, and they come last, as in task/;
  for (
    const refusing of [
      () => loose.task("a", { timeout: "10s" }, () => 1),
      () => loose.task("a", { cpu, timeout: "10s" }, () => 1),
      () => loose.command("a", { timeout: "10s" }, ["true"]),
      () => loose.python("a", { timeout: "10s" }, "a.py", { function: "f" }),
    ]
  ) assert.match(refused(refusing), options);
  const needs =
    /^tasks\.a: Needs stand in the place of options: "cpu" is one, and they come before what runs, as in task/;
  for (
    const refusing of [
      () => loose.task("a", () => 1, { cpu }),
      () => loose.command("a", ["true"], { cpu }),
      () => loose.python("a", "a.py", { function: "f", cpu }),
    ]
  ) assert.match(refused(refusing), needs);
  // A task may be called as an option is.
  const timeout = loose.task("timeout", () => 1);
  loose.task("a", { timeout }, () => 1);
  const other = pipeline("other").task("retry", () => 1);
  assert.match(refused(() => loose.task("b", { retry: other }, () => 1)), /belongs to another pipeline/);
});

test("builder: an option that can't be written down, such as a function, is refused with its place", () => {
  const p = pipeline("p", { module: "file:///p/p.ts" }) as unknown as {
    task(...args: readonly unknown[]): object;
    map(...args: readonly unknown[]): object;
    command(...args: readonly unknown[]): object;
    python(...args: readonly unknown[]): object;
    include(...args: readonly unknown[]): object;
    loop(options: object): void;
  };
  const make = pipeline as unknown as (name: string, options: object) => unknown;
  const cpu = p.task("cpu", () => [1]) as { each(): object };
  const other = pipeline("other", { module: "file:///p/o.ts" });
  const fn = () => 1;
  const own: { self?: unknown; fn: unknown } = { fn };
  own.self = own;
  const cases: readonly (readonly [() => unknown, string])[] = [
    [
      () => p.task("a", { cpu }, fn, { when: fn }),
      'tasks.a.when: Must be a condition such as {"task": "probe", "path": "/loss", "gt": 0.1}, which probe.when((v) => v.loss, { gt: 0.1 }) makes; received a function',
    ],
    [() => p.task("a", fn, { uses: fn }), "tasks.a.uses: Must be data; received a function"],
    [
      () => p.task("a", fn, { retry: { on: ["x", fn] } }),
      "tasks.a.retry.on[1]: Must be data; received a function",
    ],
    [() => p.task("a", fn, { retry: own }), "tasks.a.retry.fn: Must be data; received a function"],
    [() => p.task("a", fn, { timeout: Symbol() }), "tasks.a.timeout: Must be data; received a symbol"],
    [
      () => p.map("a", { one: cpu.each() }, fn, { maxParallel: fn }),
      "tasks.a.maxParallel: Must be data; received a function",
    ],
    [() => p.command("a", ["true"], { env: { A: fn } }), "tasks.a.env.A: Must be data; received a function"],
    [
      () => p.python("a", "a.py", { function: "f", memory: fn }),
      "tasks.a.memory: Must be data; received a function",
    ],
    [() => p.include("a", other, { cpu }, { join: fn }), "tasks.a.join: Must be data; received a function"],
    [
      () => p.loop({ from: cpu, to: cpu, times: fn }),
      "loops[0].times: Must be data; received a function",
    ],
    [
      () => make("q", { module: "file:///p/q.ts", resources: { radio: fn } }),
      "resources.radio: Must be data; received a function",
    ],
  ];
  for (const [refusing, message] of cases) assert.equal(refused(refusing), message);
});
