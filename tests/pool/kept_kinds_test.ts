/** How a process that runs tasks is started, and what it is told to do: functions of Python, of netUnicorn's graphs, and of modules here. */
import assert from "node:assert/strict";
import test from "node:test";
import { processKeyOf } from "../../src/pipeline/kinds/list.ts";
import { isolated } from "../../src/pool/kinds/isolated.ts";
import { netunicorn } from "../../src/pool/kinds/netunicorn.ts";
import { python, pythonText } from "../../src/pool/kinds/python.ts";
import { type Answer, itself, type Outside, Toolless } from "./toolless.ts";

/** Interpreters are remembered for as long as the process lives: each test has its own. */
let names = 0;
function ownName(): string {
  return `/opt/kept-${++names}`;
}

function opened(kind: typeof python, { variables, ...more }: Outside = {}) {
  const outside = new Toolless({
    variables: { OUTRIDER_PYTHON: ownName(), HOME: "/home/me", ...variables },
    answer: ([, flag]) => flag === "-c" ? itself("/real") : {},
    ...more,
  });
  return { outside, runner: kind.open(outside.port) };
}

test("kept: tasks share a process if their kind, what they import by, and their memory are the same", () => {
  const python = { python: "file:///m/a.py", function: "f" };
  const isolated = { isolated: true, module: "file:///a.ts", export: "f" };
  const code = "data:text/javascript,1";
  const keys = [
    python,
    { ...python, python: "file:///n/a.py" },
    { ...python, requirements: "file:///m/r.txt" },
    { ...python, requirements: "file:///m/s.txt" },
    { ...python, memoryBytes: 1 },
    { ...python, memoryBytes: 2 },
    { netunicorn: "file:///g/1", node: 0 },
    { netunicorn: "file:///g/2", node: 0 },
    isolated,
    { ...isolated, memoryBytes: 1 },
    { ...isolated, module: code },
    { ...isolated, module: `${code}1` },
  ].map(processKeyOf);
  assert.equal(new Set(keys).size, keys.length);
  const same = [
    [{ ...python, python: "file:///m/b.py", function: "g" }, 0],
    [{ netunicorn: "file:///g/1", node: 5 }, 6],
    [{ ...isolated, module: "file:///data:b.ts" }, 8],
    [{ ...isolated, module: code, export: "g" }, 10],
  ] as const;
  for (const [run, at] of same) assert.equal(processKeyOf(run), keys[at]);
});

test("python: a process is told which function of which file it is to call", () => {
  const { runner } = opened(python);
  assert.deepEqual(JSON.parse(runner.workOf({ python: "file:///m/a%20b.py", function: "f" })), {
    module: "a b",
    file: "/m/a b.py",
    function: "f",
  });
});

test("python: a process is the interpreter, or that of the requirements, with the folder to import from", async () => {
  const { outside, runner } = opened(python, { files: { "/m/r.txt": `own==${++names}` } });
  const run = { python: "file:///m/sub/a.py", function: "f" };
  const plain = await runner.launch(run);
  assert.deepEqual([plain.command.slice(0, 3), plain.command.length], [["/real", "-u", "-c"], 4]);
  assert.match(plain.command[3]!, /^exec\(compile\(".*, "<outrider>", "exec"\)\)$/s);
  assert.deepEqual([plain.cwd, plain.env, plain.setup], ["/here", { MINE: "1" }, { path: ["/m/sub"] }]);
  const more = await runner.launch({ ...run, requirements: "file:///m/r.txt", memoryBytes: 5 });
  assert.match(more.command[0]!, /^\/home\/me\/\.cache\/outrider\/python\/[0-9a-f-]+\/bin\/python$/);
  assert.deepEqual(more.setup, { path: ["/m/sub"], memoryBytes: 5 });
  const bundle = `data:application/json;base64,${btoa('{"a.py":""}')}#a.py`;
  assert.deepEqual((await runner.launch({ python: bundle, function: "f" })).setup, { path: ["/tmp/2"] });
  await runner.close();
  assert.deepEqual(outside.removed, ["/tmp/2"]);
});

test("python: a file that is a module is read by Python, any other as requirements", async () => {
  const outside = new Toolless({
    variables: { OUTRIDER_PYTHON: ownName() },
    files: { "/m/r.py.txt": "-r s.txt", "/m/s.txt": "" },
    answer: ([, flag]) => flag === "-c" ? itself("/real") : { out: '{"files":{"/m/a.py":["a.py"]}}' },
  });
  assert.deepEqual(await python.imports!(outside.port, "/m/r.py.txt"), ["r.py.txt", "s.txt"]);
  assert.equal(outside.groups.length, 0);
  assert.deepEqual(await python.imports!(outside.port, "/m/a.py"), ["a.py"]);
});

test("python: a text in its source is ASCII", () => {
  assert.equal(pythonText('a"\\\n\x7fäé\uffff'), '"a\\"\\\\\\n\x7f\\u00e4\\u00e9\\uffff"');
});

/** A pickled graph with this in it, as a URL. */
function graph(text: string): string {
  return `data:application/octet-stream;base64,${btoa(text)}`;
}
const MADE = (minor: number) => graph(`CodeType ... python_version\x94\x8c\x063.${minor}.4`);

function graphs(more: Outside = {}) {
  return opened(netunicorn, more);
}

test("netunicorn: a process is told which node it is to run and how apart, or to tell what there is", () => {
  const { runner } = graphs();
  const work = (run: object) => JSON.parse(runner.workOf({ netunicorn: "file:///a", ...run }));
  assert.deepEqual(work({}), { tell: true });
  assert.deepEqual(work({ node: 0 }), { node: 0, isolation: "fork" });
  assert.deepEqual(work({ node: 2, isolation: "none" }), { node: 2, isolation: "none" });
  const none = graphs({ variables: { OUTRIDER_NETUNICORN_ISOLATION: "none" } }).runner;
  assert.equal(none.workOf({ netunicorn: "x", node: 1 }), '{"node":1,"isolation":"none"}');
  assert.equal(none.workOf({ netunicorn: "x", node: 1, isolation: "fork" }), '{"node":1,"isolation":"fork"}');
});

test("netunicorn: a process is given the graph, where it lies or as it is, and what its tasks look for", async () => {
  const { runner } = graphs({
    variables: { NETUNICORN_EXECUTOR_ID: "e", NETUNICORN_OTHER: "no" },
    files: { "/g/data:1": "plain", "/g/2": "plain" },
  });
  const { command, cwd, env, setup } = await runner.launch({ netunicorn: "file:///g/data:1", node: 0 });
  assert.deepEqual([command.slice(0, 3), cwd], [["/real", "-u", "-c"], "/here"]);
  assert.deepEqual(env, { MINE: "1", NETUNICORN_EXECUTOR_ID: "e" });
  assert.deepEqual(setup, { path: ["/here"], file: "/g/data:1", open: true });
  const asked = await runner.launch({ netunicorn: graph("plain") });
  assert.deepEqual(asked.setup, { path: ["/here"], graph: btoa("plain"), open: false });
  for (const isolation of ["fork", "none", ""]) {
    const { runner } = graphs({ variables: { OUTRIDER_NETUNICORN_ISOLATION: isolation } });
    await runner.launch({ netunicorn: graph("plain"), node: 0 });
  }
  const wrong = graphs({ variables: { OUTRIDER_NETUNICORN_ISOLATION: "both" } }).runner;
  await assert.rejects(wrong.launch({ netunicorn: graph("plain"), node: 0 }), {
    code: "OUTRIDER_PYTHON",
    message: 'OUTRIDER_NETUNICORN_ISOLATION must be fork or none; received "both"',
  });
  await runner.close();
});

test("netunicorn: code in a graph is opened by the minor version of Python that made it, and no other", async () => {
  let minor = 40;
  const of = async (graph: string, answers: Readonly<Record<string, Answer>>, named = false) => {
    const outside = new Toolless({
      variables: named ? { OUTRIDER_PYTHON: ownName() } : {},
      answer: ([program = ""]) => answers[program] ?? answers["usual"] ?? { error: new Error("ENOENT") },
    });
    const { command } = await netunicorn.open(outside.port).launch({ netunicorn: graph, node: 0 });
    return command[0];
  };
  const usual = itself("/usual", "3.11.2");
  assert.equal(await of(MADE(11), { usual }, true), "/usual");
  assert.equal(await of(graph("CodeType"), { usual }, true), "/usual", "nobody knows which");
  assert.equal(await of(graph("python_version\x94\x8c\x063.9."), { usual }, true), "/usual", "no code in it");
  const refused = /^The graph was made with Python 3\.1, and \/usual is 3\.11\.2: put a python3\.1 with/;
  await assert.rejects(of(MADE(1), { usual }, true), { message: refused }, "no version by its beginning");
  await assert.rejects(of(MADE(9), { usual, "python3.9": itself("/nine", "3.9.1") }, true), {
    message: /^The graph was made with Python 3\.9, .* or name one by OUTRIDER_PYTHON$/,
  }, "one that is named is not passed over");
  // Beside the usual one, if no other is named, that of the name is looked for.
  const own = () => [++minor, `python3.${minor}`] as const;
  const [a, named] = own();
  assert.equal(await of(MADE(a), { python3: usual, [named]: itself("/made", `3.${a}.0`) }), "/made");
  const [b, lies] = own();
  await assert.rejects(of(MADE(b), { python3: usual, [lies]: itself("/made", "3.12.0") }), {
    message: /and \/usual is 3\.11\.2/,
  });
  const [c] = own();
  await assert.rejects(of(MADE(c), { python3: usual }), { message: /and \/usual is 3\.11\.2/ });
  await assert.rejects(of(graph("plain"), {}, true), {
    message: /^There is no Python for the tasks: ENOENT/,
  });
  await assert.rejects(of(MADE(9), {}, true), { message: /^There is no Python for the tasks: ENOENT/ });
});

test("netunicorn: which Python a graph is for is found once, and again where that failed", async () => {
  let there = false;
  const { outside, runner } = graphs({ answer: () => there ? itself("/real") : { code: 1 } });
  let read = 0;
  outside.differs({ readText: () => (read++, Promise.resolve("plain")) });
  const launch = () => runner.launch({ netunicorn: "file:///g/1", node: 0 });
  await assert.rejects(launch);
  there = true;
  for (let times = 0; times < 2; times++) assert.equal((await launch()).command[0], "/real");
  assert.equal(read, 2);
});

test("isolated: a process is told what it is to call, and of which module, unless that is its own code", async () => {
  const { runner } = opened(isolated);
  const one = "data:text/javascript,1";
  const work = (run: object) => JSON.parse(runner.workOf({ isolated: true, ...run }));
  assert.deepEqual(work({ module: "file:///a.ts", export: "f" }), { module: "file:///a.ts", export: "f" });
  assert.deepEqual(work({ module: one, export: "f" }), { export: "f" });
  const named = { module: "file:///data:1.ts", export: "f" };
  assert.deepEqual(work(named), named);
  assert.deepEqual(work({ module: "file:///a.ts", pipeline: "p", task: "t" }), {
    module: "file:///a.ts",
    pipeline: "p",
    task: "t",
  });
  await runner.close();
});

test("isolated: a process has a heap of three quarters of its memory, and the whole as its limit", async () => {
  const { runner } = opened(isolated);
  const MiB = 1024 ** 2;
  const plain = await runner.launch({ module: "file:///a.ts", export: "f" });
  assert.deepEqual([plain.command, plain.cwd, plain.env, plain.setup], [
    ["self"],
    "/here",
    { MINE: "1" },
    { runner: "Test 1.2" },
  ]);
  assert.ok(!("memoryBytes" in plain));
  const module = "data:text/javascript,1";
  const small = await runner.launch({ module, export: "f", memoryBytes: 101 * MiB });
  assert.deepEqual([small.command, small.memoryBytes, small.setup], [
    ["self", "75 MiB"],
    101 * MiB,
    { runner: "Test 1.2", module },
  ]);
});
