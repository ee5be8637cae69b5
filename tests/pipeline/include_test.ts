/** Tests of pipelines in pipelines: what becomes of what is included, and what is told of what can't be. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { movedFrom, wayTo } from "../../src/pipeline/document/include.ts";
import type { Manifest } from "../../src/pipeline/document/manifest.ts";
import { makeBundle } from "../../src/pipeline/document/bundle.ts";
import { KINDS } from "../../src/pipeline/kinds/list.ts";
import { PATHS } from "../../src/pipeline/kinds/paths.ts";
import { type Loaded, type LoadPort, loadWhole, type Source } from "../../src/pipeline/load/load.ts";
import { graph } from "../../src/pipeline/plan/graph.ts";
import type { PipelineError } from "../../src/model/problem.ts";

/** Files by their path below one folder; modules are not looked at, and say what they make by their text. */
function portOf(files: Readonly<Record<string, unknown>>, reads: string[] = []): LoadPort {
  return {
    fileUrl: (path, base) => new URL(path, base ?? "file:///p/").href,
    realUrl: (url) => url,
    readText: (url) => {
      const path = decodeURIComponent(url.replace("file:///p/", ""));
      reads.push(path);
      const file = files[path];
      if (file === undefined) return Promise.reject(Object.assign(new Error("none"), { code: "ENOENT" }));
      return Promise.resolve(typeof file === "string" ? file : JSON.stringify(file));
    },
    describe: (url) => {
      const { tasks } = files[url.replace("file:///p/", "")] as { readonly tasks: readonly string[] };
      return Promise.resolve({
        outrider: 1,
        name: "made",
        tasks: Object.fromEntries(
          tasks.map((task) => [task, { run: { module: url, pipeline: "made", task } }]),
        ),
      });
    },
    exportsOf: (modules) =>
      Promise.resolve(Object.fromEntries(modules.map((each) => [each, { exports: [], open: true }]))),
    graphAt: () => Promise.reject(new Error("no graphs here")),
  };
}

function of(tasks: object, more: object = {}): object {
  return { outrider: 1, name: "p", ...more, tasks };
}

function load(files: Readonly<Record<string, unknown>>, source: Source = "main.json"): Promise<Loaded> {
  return loadWhole(source, portOf(files));
}

async function problemsOf(files: Readonly<Record<string, unknown>>, source?: Source): Promise<string[]> {
  try {
    await load(files, source);
    return [];
  } catch (error) {
    return (error as PipelineError).problems.map(({ place, message }) => `${place}: ${message}`);
  }
}

const RUN = { run: { module: "./tasks.ts" } };

test("tasks stand in the place of an include: sources need what it needs, who needs it needs all sinks, inputs keep their keys", async () => {
  const { document, plan } = await load({
    "main.json": of({
      start: RUN,
      wifi: { include: "lib/wifi.json", needs: ["start"], join: "any", params: { who: "main", n: 1 } },
      lan: {
        include: "lib/one.json",
        needs: [{ task: "wifi", on: "any", as: "w" }],
        when: { task: "start", eq: 1 },
      },
      last: { ...RUN, needs: ["wifi", { task: "lan", as: "l" }, "wifi/scan"] },
    }),
    "lib/wifi.json": of({
      scan: { ...RUN, params: { who: "wifi", own: 2 } },
      pick: { ...RUN, needs: ["scan"], when: { not: { task: "scan", exists: false } } },
      ask: { ...RUN, when: { any: [{ task: "scan", eq: 1 }, { task: "pick", eq: 2 }] } },
      inner: { include: "../one.json", needs: ["scan"] },
    }, { onFailure: "continue", loops: [{ from: "pick", to: "scan", times: 2 }] }),
    "lib/one.json": of({ only: { run: { command: ["./a.sh"] } } }),
    "x.py": "",
    "file:///r.txt": "",
    "one.json": of({ only: { run: { python: "x.py", function: "f", requirements: "/r.txt" } } }),
  });
  assert.deepEqual(
    document,
    of({
      start: RUN,
      "wifi/scan": {
        run: { module: "./lib/./tasks.ts" },
        params: { who: "main", own: 2, n: 1 },
        needs: ["start"],
        join: "any",
      },
      "wifi/pick": {
        run: { module: "./lib/./tasks.ts" },
        params: { who: "main", n: 1 },
        when: { not: { task: "wifi/scan", exists: false } },
        needs: [{ task: "wifi/scan", as: "scan", on: "any" }],
      },
      "wifi/ask": {
        run: { module: "./lib/./tasks.ts" },
        params: { who: "main", n: 1 },
        when: { any: [{ task: "wifi/scan", eq: 1 }, { task: "wifi/pick", eq: 2 }] },
        needs: [{ task: "wifi/scan", as: "scan", on: "any" }, { task: "wifi/pick", as: "pick", on: "any" }],
      },
      "wifi/inner/only": {
        run: { python: "./lib/../x.py", function: "f", requirements: "/r.txt" },
        params: { who: "main", n: 1 },
        needs: [{ task: "wifi/scan", as: "scan", on: "any" }],
      },
      "lan/only": {
        run: { command: ["./a.sh"], cwd: "./lib/." },
        needs: [{ task: "wifi/ask", on: "any", as: "w/ask" }, {
          task: "wifi/inner/only",
          on: "any",
          as: "w/inner/only",
        }],
        when: { task: "start", eq: 1 },
      },
      last: {
        ...RUN,
        needs: [{ task: "wifi/ask", as: "wifi/ask" }, { task: "wifi/inner/only", as: "wifi/inner/only" }, {
          task: "lan/only",
          as: "l",
        }, "wifi/scan"],
      },
    }, { loops: [{ from: "wifi/pick", to: "wifi/scan", times: 2 }] }),
  );
  const urls = plan.tasks.map((
    { name, run },
  ) => [name, run as { module?: string; python?: string; cwd?: string }]);
  const of_ = Object.fromEntries(urls) as Record<string, { module?: string; python?: string; cwd?: string }>;
  assert.equal(of_["wifi/scan"]!.module, "file:///p/lib/tasks.ts");
  assert.equal(of_["wifi/inner/only"]!.python, "file:///p/x.py");
  assert.equal(of_["lan/only"]!.cwd, "file:///p/lib/");
});

test("what asks an include asks all of it: a task that would run after a skip is asked too, others are skipped with their needs", async () => {
  const { document } = await load({
    "main.json": of({
      p: RUN,
      lib: {
        include: "lib.json",
        needs: [{ task: "p", on: "any" }],
        when: { all: [{ task: "p", gt: 1 }, { task: "p", lt: 9 }] },
      },
    }),
    "lib.json": of({
      p: RUN,
      plain: { ...RUN, needs: [{ task: "p", on: "success" }] },
      last: { ...RUN, needs: ["p"] },
      own: { ...RUN, when: { task: "p", eq: 2 } },
      one: { ...RUN, join: "any", needs: ["p", { task: "plain", on: "failure" }] },
      none: { ...RUN, join: "any", needs: [{ task: "p", on: "success" }, { task: "plain", on: "failure" }] },
    }, { onFailure: "continue" }),
  });
  const asked = [{ task: "p", gt: 1 }, { task: "p", lt: 9 }];
  const need = { task: "p", as: "../p", on: "any" };
  const seen = Object.fromEntries(
    Object.entries(document.tasks).map(([name, { needs, when }]) => [name, { when, needs }]),
  );
  assert.deepEqual(seen["lib/p"], { when: { all: asked }, needs: [{ task: "p", on: "any" }] });
  assert.deepEqual(seen["lib/plain"]!.when, undefined);
  assert.deepEqual(seen["lib/last"], {
    when: { all: asked },
    needs: [{ as: "p", on: "any", task: "lib/p" }, need],
  });
  assert.deepEqual(seen["lib/own"], {
    when: { all: [...asked, { task: "lib/p", eq: 2 }] },
    needs: [{ as: "p", on: "any", task: "lib/p" }, need],
  });
  assert.deepEqual(seen["lib/one"]!.when, { all: asked });
  assert.deepEqual(seen["lib/none"]!.when, undefined);
});

test("a need or a condition of an include is told where that stands, once, and a loop by its number in its file", async () => {
  const problems = await problemsOf({
    "main.json": of({
      p: RUN,
      two: { include: "two.json", needs: ["p"] },
      lib: { include: "lib.json", needs: ["two", "q"], when: { task: "pp", gt: 1 }, join: "some" },
      last: { ...RUN, needs: ["two", "nobody"] },
    }, { loops: [{ from: "p", to: "p", times: 1 }] }),
    "two.json": of({ a: RUN, b: RUN }),
    "lib.json": of({
      a: RUN,
      b: RUN,
      c: { ...RUN, needs: [{ task: "a", on: "any" }], when: { task: "d", eq: 1 } },
      e: { ...RUN, when: { any: [{ task: "a", eq: 1 }, { task: "f", eq: 1 }] } },
      g: { ...RUN, needs: ["c", "e"] },
    }, { loops: [{ from: "g", to: "c", times: 1 }, { from: "c", to: "a", times: 1 }] }),
  });
  assert.deepEqual(problems.toSorted(), [
    'lib.json: loops[1]: Overlaps lib.json: loops[0]: both hold "lib/c", but only the other holds "lib/g": put one wholly inside the other, or apart',
    'lib.json: tasks.c.when.task: There is no task "lib/d": did you mean "lib/a"?',
    'lib.json: tasks.e.when.any[1].task: There is no task "lib/f": did you mean "lib/a"?',
    'tasks.last.needs[1].task: There is no task "nobody": add it, or remove this',
    'tasks.lib.join: Must be "all" or "any"; received "some"',
    'tasks.lib.needs[1].task: There is no task "q": add it, or remove this',
    'tasks.lib.when.task: There is no task "pp": did you mean "p"?',
  ]);
});

test("a resource is declared alike in either spelling", async () => {
  const lib = (radio: unknown) => ({
    "main.json": of({ lib: { include: "lib.json" } }, { resources: { radio: 1 } }),
    "lib.json": of({ scan: { ...RUN, uses: ["radio"] } }, { resources: { radio } }),
  });
  for (const radio of [1, {}, { capacity: 1 }, { scope: "run", capacity: 1 }]) {
    assert.deepEqual(await problemsOf(lib(radio)), []);
  }
  for (const radio of [{ capacity: 2 }, { scope: "device" }]) {
    assert.match((await problemsOf(lib(radio)))[0]!, /Declares the resource "radio" as .* is 1 here/);
  }
  // Every object has something of this name.
  assert.deepEqual(
    await problemsOf({
      "main.json": of({ lib: { include: "lib.json" } }, { resources: { radio: 1 } }),
      "lib.json": of({ scan: { ...RUN, uses: ["toString"] } }, { resources: { toString: 1 } }),
    }),
    [],
  );
  const other = pipeline("other", {
    module: "file:///p/o.ts",
    resources: { radio: { capacity: 1, scope: "run" }, toString: 2 },
  });
  other.task("a", () => 1);
  const p = pipeline("main", { module: "file:///p/main.ts", resources: { radio: 1 } });
  p.include("other", other);
  assert.deepEqual(p.manifest().resources, { radio: 1, toString: 2 });
});

test("where a task has to be named, an include is told as that, with one of its tasks", async () => {
  const problems = await problemsOf({
    "main.json": of({
      lib: { include: "lib.json" },
      a: { ...RUN, when: { task: "lib", eq: 1 } },
      b: { ...RUN, each: { task: "lib/in" } },
    }, { loops: [{ from: "lib", to: "a", times: 1 }] }),
    "lib.json": of({ in: { include: "in.json" }, last: { ...RUN, needs: ["in"] } }),
    "in.json": of({ x: RUN }),
  });
  assert.deepEqual(problems, [
    'tasks.a.when.task: "lib" is an include: name one of its tasks, such as "lib/last"',
    'tasks.b.each.task: "lib/in" is an include: name one of its tasks, such as "lib/in/x"',
    'loops[0].from: "lib" is an include: name one of its tasks, such as "lib/last"',
  ]);
  const other = pipeline("other", { module: "file:///p/o.ts" });
  other.task("sum", () => 1);
  const made = pipeline("main", { module: "file:///p/main.ts" }).include("wifi", other);
  for (const ask of [() => made.when({ eq: 1 }), () => made.each()]) {
    assert.throws(ask, /"wifi" is an include: name one of its tasks, such as included\.of\(sum\)/);
  }
});

test("a mapped task of what is included is run for each item of the same list", async () => {
  const { document, plan } = await load({
    "main.json": of({
      a: RUN,
      // What is asked is asked of the scan: its list is nothing that the ping would run without.
      lib: { include: "lib.json", needs: ["a"], when: { task: "a", eq: 1 } },
      last: { ...RUN, needs: ["lib"] },
    }),
    "lib.json": of({ scan: RUN, ping: { ...RUN, each: { task: "scan", path: "/hosts", as: "host" } } }),
  });
  assert.deepEqual(document.tasks["lib/ping"], {
    ...RUN,
    each: { task: "lib/scan", path: "/hosts", as: "host" },
  });
  assert.deepEqual(document.tasks["last"]!.needs, [{ task: "lib/ping", as: "lib" }]);
  assert.deepEqual(plan.tasks.map(({ name }) => name), ["a", "lib/scan", "lib/ping", "last"]);
});

test("of each kind it is known which parts are paths", () => {
  assert.deepEqual(Object.keys(PATHS).toSorted(), KINDS.map(({ key }) => key).toSorted());
});

test("a module's pipeline is included by its file, and resources of both are one where they are declared alike", async () => {
  const files = {
    "main.json": of({ made: { include: "m.ts" }, lib: { include: "lib.json" } }, { resources: { radio: 1 } }),
    "m.ts": { tasks: ["a", "b"] },
    "lib.json": of({ scan: { ...RUN, uses: ["radio", "link"] } }, {
      resources: { radio: 1, link: { capacity: 2 } },
    }),
  };
  const { document } = await load(files);
  assert.deepEqual(document.tasks["made/b"], {
    run: { module: "file:///p/m.ts", pipeline: "made", task: "b" },
  });
  assert.deepEqual(document.resources, { radio: 1, link: { capacity: 2 } });
  const other = { ...files, "main.json": of({ lib: { include: "lib.json" } }, { resources: { radio: 2 } }) };
  assert.deepEqual(await problemsOf(other), [
    'tasks.lib.include: Declares the resource "radio" as 1, and it is 2 here: let both say the same',
  ]);
});

test("problems are told all at once, each with the file and the place where it is written", async () => {
  const problems = await problemsOf({
    "main.json": of({
      a: { include: "none.json" },
      b: { include: "lib/bad.json", needs: ["nobody"], timeout: "5s", foo: 1 },
      d: { include: "https://x.y/z.json" },
      e: { include: "lib/fine.json" },
      "e/scan": {},
      g: { include: 5 },
      h: { include: "lib/text.json" },
      i: { include: "lib/edges.json" },
    }),
    "lib/bad.json": of({
      x: { needs: ["yy"], timeout: "5 sec", run: { module: "http://x" } },
      y: { needs: ["x"], when: { task: "x", path: "loss", gt: 1 } },
      z: { needs: ["w"] },
      w: { needs: ["z"] },
    }, { fooo: 1, loops: [{ from: "x", to: "y", times: 0 }], resources: { r: 0 } }),
    "lib/fine.json": of({ scan: RUN }),
    "lib/text.json": "{",
    "lib/edges.json": of({ a: RUN, b: RUN }, { edges: [{ from: "a", to: "b" }] }),
  });
  const parts = [
    'tasks.a.include: Can\'t include "none.json": There is no such file',
    "tasks.b.foo: Unknown key",
    'tasks.b.timeout: Has no meaning beside "include": it is said of the tasks in "lib/bad.json"',
    "lib/bad.json: fooo: Unknown key",
    "lib/bad.json: resources.r: Must be at least 1",
    'tasks.d.include: Can\'t include "https://x.y/z.json": it is a path or a file: URL',
    "tasks.g.include: Must be a string; received 5",
    'tasks.h.include: Can\'t include "lib/text.json": ',
    "lib/edges.json: edges: A pipeline with edges can't be included",
    'tasks.e: Includes a task "scan", and there is a task "e/scan" already: choose another name',
    'lib/bad.json: tasks.x.timeout: "5 sec" is not a duration',
    "lib/bad.json: loops[0].times: Must be at least 1",
    'lib/bad.json: tasks.x.needs[0].task: There is no task "b/yy": did you mean "b/y"?',
    'lib/bad.json: tasks.y.when.path: A path begins with "/"',
    "lib/bad.json: tasks.w.needs[0]: Cycle: b/z -> b/w -> b/z",
    "lib/bad.json: loops[0]: The loop is not closed by a path",
    'lib/bad.json: tasks.x.run.module: Can\'t use "http://x"',
  ];
  for (const part of parts) {
    assert.ok(problems.some((each) => each.startsWith(part)), `${part}\nin\n${problems.join("\n")}`);
  }
  assert.equal(new Set(problems).size, problems.length);
});

test("tasks of two includes have names of their own, whichever of them stands first", async () => {
  const files = { "one.json": of({ "b/c": RUN, d: RUN }), "two.json": of({ c: RUN }) };
  const [one, two] = [{ include: "one.json" }, { include: "two.json" }];
  const twin = '"a/b/c" already: choose another name';
  assert.deepEqual(await problemsOf({ ...files, "main.json": of({ a: one, "a/b": two }) }), [
    `tasks["a/b"]: Includes a task "c", and there is a task ${twin}`,
  ]);
  assert.deepEqual(await problemsOf({ ...files, "main.json": of({ "a/b": two, a: one }) }), [
    `tasks.a: Includes a task "b/c", and there is a task ${twin}`,
  ]);
});

test("files that include each other are told as their path; depth, number and tasks are bounded, each file is read once", async () => {
  const cycle = {
    "main.json": of({ a: { include: "l/a.json" } }),
    "l/a.json": of({ b: { include: "b.json" } }),
    "l/b.json": of({ c: { include: "./a.json" }, d: RUN }),
  };
  assert.deepEqual(await problemsOf(cycle), [
    "l/b.json: tasks.c.include: Files include each other: l/a.json -> l/b.json -> l/a.json: take one of these includes out",
  ]);
  assert.deepEqual(await problemsOf({ "main.json": of({ a: { include: "main.json" }, b: RUN }) }), [
    "tasks.a.include: Files include each other: main.json -> main.json: take one of these includes out",
  ]);
  const tower = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [`${at}.json`, of({ a: { include: `${at + 1}.json` }, b: RUN })]),
  );
  assert.deepEqual(await problemsOf({ ...tower, "20.json": of({ a: RUN }) }, "0.json"), [
    "16.json: tasks.a.include: Includes lie in each other more than 16 deep: use fewer",
  ]);
  const ten = (file: string) =>
    Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`t${at}`, { include: file }]));
  const bomb = Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => [`${at}.json`, of({ ...ten(`${at + 1}.json`), own: RUN })]),
  );
  const reads: string[] = [];
  await assert.rejects(loadWhole("0.json", portOf({ ...bomb, "12.json": of({ a: RUN }) }, reads)), {
    message: /There are more than 1000 includes in all: use fewer/,
  });
  assert.equal(reads.length, new Set(reads).size);
});

test("what is no file of this device's user includes nothing: an object, a bundle, code in a URL", async () => {
  const files = { "lib.json": of({ a: RUN }) };
  const source = of({ lib: { include: "lib.json" } }) as Manifest;
  const refused = [
    'tasks.lib.include: Can\'t include "lib.json": this pipeline comes without its files. ' +
    "Make one document of them with outrider bundle FILE, and use that",
  ];
  const reads: string[] = [];
  const bundle = await makeBundle(source, "");
  for (const one of [source, { ...source }, bundle as unknown as Manifest]) {
    await assert.rejects(
      loadWhole(one, portOf(files, reads), { base: "file:///p/" }),
      (error: PipelineError) => {
        assert.deepEqual(error.problems.map(({ place, message }) => `${place}: ${message}`), refused);
        return true;
      },
    );
  }
  assert.deepEqual(await problemsOf({ ...files, "b.json": bundle }, "b.json"), refused);
  assert.deepEqual(reads, []);
});

test("the way from folder to folder, as a path in a file writes it", () => {
  assert.equal(wayTo("file:///a/b/x.json", "file:///a/b/y.json"), "");
  assert.equal(wayTo("file:///a/x.json", "file:///a/b%20c/y.json"), "./b c/");
  assert.equal(wayTo("file:///a/b/x.json", "file:///c/y.json"), "../../c/");
  const move = movedFrom("file:///a/lib/y.json", "file:///a/x.json")!;
  const moved = ["t.ts", "../t.ts", "/t.ts", "file:///t.ts", "data:text/javascript,", "C:\\t.ts"].map(move);
  assert.deepEqual(moved, [
    "./lib/t.ts",
    "./lib/../t.ts",
    "/t.ts",
    "file:///t.ts",
    "data:text/javascript,",
    "C:\\t.ts",
  ]);
  assert.equal(movedFrom("file:///a/y.json", "file:///a/x.json"), undefined);
});

test("a file that is reached by links lies where it really is: a cycle through one is found, and modules beside it", async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "include-")));
  try {
    const write = (path: string, text: unknown) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), typeof text === "string" ? text : JSON.stringify(text));
    };
    write("real/lib.json", of({ a: { run: { module: "./a.mjs" } }, more: { include: "../main/main.json" } }));
    write("real/a.mjs", "export default () => 1;");
    write("main/main.json", of({ lib: { include: "link.json" } }));
    symlinkSync("../real/lib.json", join(folder, "main/link.json"));
    const { loadDocument } = await import("../../src/run/loading.ts");
    await assert.rejects(loadDocument(join(folder, "main/main.json")), {
      message: /Files include each other: main\.json -> \.\.\/real\/lib\.json -> main\.json/,
    });
    write("real/lib.json", of({ a: { run: { module: "./a.mjs" } } }));
    const { plan } = await loadDocument(join(folder, "main/main.json"));
    assert.deepEqual(plan.tasks[0]!.run, {
      module: pathToFileURL(join(folder, "real/a.mjs")).href,
      export: "default",
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the builder includes another pipeline: its functions, needs, loops, and handles of its tasks", () => {
  const wifi = pipeline("wifi", {
    module: "file:///p/lib/wifi.ts",
    onFailure: "continue",
    resources: { radio: 1 },
  });
  const scan = wifi.task("scan", () => ({ hosts: ["a"] }), { uses: ["radio"] });
  const pick = wifi.task("pick", { scan }, ({ inputs }) => inputs.scan!.hosts[0]!, {
    when: scan.when((v) => v.hosts[0], { exists: true }),
  });
  wifi.command("say", { pick }, ["./say.sh"]);
  wifi.python("look", [scan], "look.py", { function: "look" });
  wifi.loop({ from: pick, to: scan, times: 1 });
  const p = pipeline("main", { module: "file:///p/main.ts" });
  const start = p.task("start", () => 1);
  const made = p.include("wifi", wifi, { start }, { params: { ms: 5 } });
  p.task("last", { made, host: made.of(pick), any: made.on("any") }, ({ inputs }) => {
    const host: string = inputs.host;
    return host;
  });
  const { tasks, loops, resources } = p.manifest();
  assert.equal(p.functionOf("wifi/scan"), wifi.functionOf("scan"));
  assert.deepEqual([loops, resources], [[{ from: "wifi/pick", to: "wifi/scan", times: 1 }], { radio: 1 }]);
  assert.deepEqual(tasks["wifi/scan"], {
    uses: ["radio"],
    run: { module: "file:///p/main.ts", pipeline: "main", task: "wifi/scan" },
    params: { ms: 5 },
    needs: [{ task: "start" }],
  });
  assert.deepEqual(tasks["wifi/pick"]!.needs, [{ as: "scan", on: "any", task: "wifi/scan" }]);
  assert.deepEqual(tasks["wifi/pick"]!.when, { task: "wifi/scan", path: "/hosts/0", exists: true });
  assert.deepEqual(tasks["wifi/say"]!.run, { command: ["./say.sh"], cwd: "./lib/." });
  assert.deepEqual(tasks["wifi/look"]!.run, { python: "./lib/look.py", function: "look" });
  assert.throws(() => p.include("wifi", wifi), /There is a task "wifi" already/);
  assert.throws(
    () => p.include("other", "./wifi.json" as never),
    /received "\.\/wifi\.json" in the place of a pipeline/,
  );
  assert.throws(
    () => p.include("empty", pipeline("empty", { module: "file:///p/main.ts" }), { start }),
    /The included pipeline has no tasks yet: include it after they are added to it/,
  );
  assert.throws(() => made.of(start), /The included pipeline has no task "start"/);
  const q = pipeline("q", { module: "file:///p/main.ts", resources: { radio: 2 } });
  assert.throws(() => q.include("wifi", wifi), /Both pipelines declare the resource "radio", and not alike/);
  assert.deepEqual(Object.keys(q.manifest().tasks), []);
});

test("groups are drawn, within groups too", async () => {
  const { plan } = await load({
    "main.json": of({ a: RUN, lib: { include: "lib.json", needs: ["a"] } }),
    "lib.json": of({ x: RUN, in: { include: "in.json" } }),
    "in.json": of({ y: RUN }),
  });
  assert.match(
    await graph(plan, "mermaid"),
    /\n {2}t0\["a"\]\n {2}subgraph g1_1\["lib"\]\n {4}t1\["lib\/x"\]\n {4}subgraph g2_2\["lib\/in"\]\n {6}t2\["lib\/in\/y"\]\n {4}end\n {2}end\n/,
  );
  assert.match(
    await graph(plan, "dot"),
    /\n {2}subgraph "cluster lib" \{\n {4}label="lib"; [^\n]*\n {4}t1 \[[^\n]*\n {4}subgraph "cluster lib\/in" \{/,
  );
});
