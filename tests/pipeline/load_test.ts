/** Loading: every kind of source, every kind of mistake, with a port that is a table. */
import assert from "node:assert/strict";
import test from "node:test";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import {
  load,
  type LoadOptions,
  type LoadPort,
  loadWhole,
  type ModuleExports,
  type Source,
} from "../../src/pipeline/load/load.ts";
import { PipelineError } from "../../src/model/problem.ts";

interface World {
  /** By URL: a text, or the error that reading gives. */
  readonly files?: Readonly<Record<string, string | Error>>;
  /** By URL of a module: what describing it gives. */
  readonly described?: Readonly<Record<string, unknown>>;
  readonly exports?: Readonly<Record<string, ModuleExports>>;
}

function port({ files = {}, described = {}, exports = {} }: World, asked: string[] = []): LoadPort {
  const lookup = <T>(table: Readonly<Record<string, T | Error>>, url: string): Promise<T> => {
    asked.push(url);
    const found = table[url] ?? Object.assign(new Error("no such file"), { code: "ENOENT" });
    return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
  };
  return {
    fileUrl: (path, base = "file:///work/") => new URL(path, base).href,
    realUrl: (url) => url,
    readText: (url) => lookup(files, url),
    describe: (url) => lookup(described, url),
    graphAt: () => Promise.reject(new Error("There is no Python here")),
    exportsOf(modules) {
      asked.push(...modules);
      return Promise.resolve(
        Object.fromEntries(modules.map((url) => [url, exports[url] ?? { error: "Module not found" }])),
      );
    },
  };
}

async function refused(source: Source, world: World, options: LoadOptions = {}): Promise<PipelineError> {
  try {
    await load(source, port(world), options);
  } catch (error) {
    assert.ok(error instanceof PipelineError, String(error));
    return error;
  }
  throw new Error("Was not refused");
}

const told = ({ problems }: PipelineError): string[] =>
  problems.map(({ place, message }) => `${place}: ${message}`);

const manifest = {
  outrider: 1,
  name: "p",
  tasks: { a: { run: { module: "./t.ts", export: "a" }, params: { x: 1, y: 1 } }, b: { needs: ["a"] } },
};
const text = JSON.stringify(manifest);
const t = { "file:///work/sub/t.ts": { exports: ["a", "alpha"] } };

test("a JSON file by path, by URL and as a URL object", async () => {
  const world = { files: { "file:///work/sub/p.json": `\uFEFF${text}` }, exports: t };
  for (const source of ["sub/p.json", "file:///work/sub/p.json", new URL("file:///work/sub/p.json")]) {
    const plan = await load(source, port(world));
    assert.deepEqual(plan.tasks[0]!.run, { module: "file:///work/sub/t.ts", export: "a" });
  }
});

test("a module is described, never read as JSON", async () => {
  const p = pipeline("described", { module: "file:///work/p.ts" });
  p.task("a", () => 1);
  const url = "file:///work/p.ts";
  const plan = await load(
    "p.ts",
    port({ files: { [url]: "export default …" }, described: { [url]: p.manifest() } }),
  );
  assert.deepEqual(plan.tasks[0]!.run, { module: url, pipeline: "described", task: "a" });
});

test("a data: URL is a module, of which no file is read", async () => {
  const url = `data:text/javascript;base64,${btoa("export default 1")}`;
  const asked: string[] = [];
  await load(url, port({ described: { [url]: { ...manifest, tasks: { a: {} } } } }, asked));
  assert.deepEqual(asked, [url]);
});

test("an object, with a base or the working directory", async () => {
  const exports = { ...t, "file:///work/t.ts": { exports: ["a"] } };
  const module = async (options?: LoadOptions) =>
    (await load(manifest, port({ exports }), options)).tasks[0]!.run as { module: string };
  assert.equal((await module()).module, "file:///work/t.ts");
  assert.equal((await module({ base: "sub" })).module, "file:///work/sub/t.ts");
  assert.equal((await module({ base: "file:///work/sub/" })).module, "file:///work/sub/t.ts");
});

test("a pipeline, also one that another copy of Outrider made", async () => {
  const p = pipeline("own");
  p.task("a", () => 1);
  assert.equal((await load(p, port({}))).name, "own");
  const copy = { name: "own", module: p.module, manifest: () => p.manifest(), functionOf: () => undefined };
  assert.equal((await load(copy, port({}))).name, "own");
});

test("params are laid over those of every task", async () => {
  const world = { files: { "file:///work/sub/p.json": text }, exports: t };
  const plan = await load("sub/p.json", port(world), { params: { y: 2, z: 3 } });
  assert.deepEqual(plan.tasks.map(({ params }) => params), [{ x: 1, y: 2, z: 3 }, { y: 2, z: 3 }]);
  await assert.rejects(load("sub/p.json", port(world), { params: { f: () => 1 } }), {
    name: "PipelineError",
  });
});

test("modules and exports that are missing are told with the other problems, each once", async () => {
  const run = (module: string, name: string) => ({ run: { module, export: name } });
  const document = {
    ...manifest,
    tasks: {
      a: run("./t.ts", "alhpa"),
      b: run("./t.ts", "zzzzz"),
      c: run("./gone.ts", "x"),
      d: run("./gone.ts", "y"),
      e: { ...run("./t.ts", "alpha"), needs: ["nobody"] },
      f: run("./none.ts", "x"),
    },
  };
  const exports = { ...t, "file:///work/sub/none.ts": { exports: [] } };
  assert.deepEqual(
    told(
      await refused("sub/p.json", {
        files: { "file:///work/sub/p.json": JSON.stringify(document) },
        exports,
      }),
    ),
    [
      'tasks.e.needs[0].task: There is no task "nobody": add it, or remove this',
      'tasks.a.run.export: "./t.ts" exports no function "alhpa": did you mean "alpha"?',
      'tasks.b.run.export: "./t.ts" exports no function "zzzzz": it has a, alpha',
      `tasks.c.run.module: Can't load "./gone.ts": Module not found`,
      'tasks.f.run.export: "./none.ts" exports no function "x": it has none',
    ],
  );
});

test("many tasks of one missing export are one problem", async () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 5 }, (_, at) => [`t${at}`, { run: { module: "./t.ts", export: "zzzzz" } }]),
  );
  const error = await refused({ ...manifest, tasks }, { exports: t }, { base: "sub" });
  assert.deepEqual(told(error), [
    'tasks.t0.run.export: "./t.ts" exports no function "zzzzz": it has a, alpha (and 4 more of the tasks)',
  ]);
});

test("files that can't be read are told in words, with the cause", async () => {
  const failing = (name: string, code?: string) => Object.assign(new Error("boom"), { name, code });
  const cases: readonly (readonly [Error, RegExp])[] = [
    [failing("Error", "ENOENT"), /^There is no such file; relative paths start at file:\/\/\/work\/$/],
    [failing("NotFound"), /^There is no such file/],
    [failing("Error", "EISDIR"), /^This is a folder: name the pipeline's file in it$/],
    [failing("IsADirectory"), /^This is a folder/],
    [failing("PermissionDenied"), /^The file may not be read: boom$/],
    [failing("Error", "EIO"), /^The file can't be read: boom$/],
  ];
  for (const [cause, message] of cases) {
    for (const file of ["p.json", "p.ts"]) {
      const error = await refused(file, { files: { [`file:///work/${file}`]: cause } });
      assert.equal(error.problems[0]!.place, file);
      assert.match(error.problems[0]!.message, message);
      assert.equal(error.cause, cause);
    }
  }
});

test("text that is no JSON, or holds a key twice", async () => {
  const file = async (content: string) =>
    told(await refused("p.json", { files: { "file:///work/p.json": content } }));
  assert.deepEqual(await file(""), ["p.json: The file is empty: a pipeline is written as a JSON object"]);
  assert.deepEqual(await file('{"outrider": 1,\n}'), [
    'p.json: Not JSON: Found a comma before "}": remove it at line 2, column 1',
  ]);
  assert.deepEqual(await file("null"), [': A pipeline is an object with "tasks"; received null']);
  assert.deepEqual(await file('{"outrider": 1, "name": "p", "tasks": {"a": {}, "a": {"needs": ["x"]}}}'), [
    'tasks.a: Duplicate: the key "a" is there twice, so one would be lost, at line 1, column 49',
    'tasks.a.needs[0].task: There is no task "x": add it, or remove this',
  ]);
  for (
    const tasks of [
      '{"a": {"params": {"id": 12345678901234567890}}}',
      '{"a": {"params": {"ids": [9007199254740993]}}}',
    ]
  ) {
    const [problem, ...more] = await file(`{"outrider": 1, "name": "p", "tasks": ${tasks}}`);
    assert.match(
      problem!,
      /^tasks\.a\.params\.ids?(\[0\])?: The number .* write it in quotes, at line 1, column \d+$/,
    );
    assert.deepEqual(more, []);
  }
});

test("a parameter that no task declares is told with the nearest, and is given all the same", async () => {
  const world = { exports: { "file:///work/t.ts": { exports: ["a"] } } };
  const loaded = async (source: object, params: Record<string, unknown>) =>
    await loadWhole(source as Source, port(world), { params });
  const { unread, plan } = await loaded(manifest, { x: 2, yy: 1, other: 1 });
  assert.deepEqual(unread, [
    { place: "params.yy", message: 'No task declares this parameter: did you mean "y"?' },
    { place: "params.other", message: "No task declares this parameter: declared are x, y" },
  ]);
  assert.deepEqual(plan.tasks[0]!.params, { x: 2, y: 1, yy: 1, other: 1 });
  assert.deepEqual((await loaded({ outrider: 1, name: "p", tasks: { a: {} } }, { x: 1 })).unread, []);
  assert.deepEqual((await loadWhole(manifest as Source, port(world))).unread, []);
});

test("a module that can't be described says why", async () => {
  const url = "file:///work/p.ts";
  const world = (cause: Error) => ({ files: { [url]: "" }, described: { [url]: cause } });
  const cause = new Error("The module exports no pipeline");
  const error = await refused("p.ts", world(cause));
  assert.deepEqual(told(error), ["p.ts: The module exports no pipeline"]);
  assert.equal(error.cause, cause);
  const inner = new PipelineError([{ place: "tasks.a", message: "Taken" }]);
  assert.deepEqual(told(await refused("p.ts", world(inner))), ["tasks.a: Taken"]);
});

test("sources that are none", async () => {
  assert.deepEqual(told(await refused("", {})), [": The pipeline's file is an empty string: name a file"]);
  assert.match(
    told(await refused("https://example.com/p.ts", {}))[0]!,
    /a module is a path, or a file: or data: URL$/,
  );
  for (const source of [null, undefined, 5, []]) {
    assert.match(
      told(await refused(source as never, {}))[0]!,
      /^: A pipeline is an object with "tasks"; received/,
    );
  }
});

test("the message names the source and lists all", async () => {
  const error = await refused("p.json", { files: { "file:///work/p.json": '{"outrider":1,"tasks":{}}' } });
  assert.equal(
    error.message,
    'Pipeline p.json has 2 problems:\n  name: Missing: the key "name" is needed here\n' +
      "  tasks: There are no tasks: a pipeline has at least one",
  );
});

test("a text gives the plan and the document that its object gives", async () => {
  const run = { module: "./t.ts", export: "a" };
  const document = {
    outrider: 1,
    name: "p",
    onFailure: "continue",
    tasks: {
      late: { run, needs: ["a", { task: "b", on: "failure", as: "other" }], params: { x: 1 } },
      b: { run, needs: ["a"], timeout: "5s", isolation: "process" },
      a: { run, requires: { commands: ["ping"] } },
      c: { run: { command: ["ping"] }, needs: ["late"], retry: { attempts: 2 } },
    },
    loops: [{ from: "b", to: "a", times: 2 }],
  };
  const exports = { "file:///work/t.ts": { exports: ["a"] } };
  const files = { "file:///work/p.json": JSON.stringify(document, undefined, 2) };
  const read = await loadWhole("p.json", port({ files, exports }));
  const given = await loadWhole(document, port({ exports }));
  assert.deepEqual(read.plan, given.plan);
  assert.equal(JSON.stringify(read.document), JSON.stringify(document));
});

test("a text has the problems that its object has, in that order", async () => {
  const document = {
    outrider: 2,
    name: "p",
    tasks: {
      a: { run: { module: "./t.ts", export: "x" }, needs: ["a", "q", "b", "b"], nope: 1 },
      b: { run: { module: "http://x/" }, needs: [5, "a", { task: "a", as: "\n" }], isolation: "process" },
      "c\n": { memory: "1MiB", params: [], needs: ["b", "a", { task: "c\n" }, "b"] },
      d: { run: { module: "./t.ts", export: "x" }, needs: ["e"] },
      e: { needs: ["d", { task: "a", as: "d" }] },
    },
  };
  const exports = { "file:///work/t.ts": { exports: ["a"] } };
  const files = { "file:///work/p.json": JSON.stringify(document) };
  const read = await refused("p.json", { files, exports });
  const given = await refused(document, { exports });
  assert.deepEqual(told(read), told(given));
  assert.ok(told(read).length > 10);
});
