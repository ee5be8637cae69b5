/** netUnicorn's graphs, made with its packages from PyPI, on real Pythons. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import type { InnerOptions } from "../../src/run/inspection.ts";
import type { World } from "../../src/run/world.ts";
import { importGraph, readGraph } from "../../src/pipeline/import/netunicorn.ts";
import { loadDocument } from "../../src/run/loading.ts";
import type { Manifest } from "../../src/pipeline/document/manifest.ts";
import type { AttemptResult } from "../../src/model/outcome.ts";
import { EITHER, type Ends, OTHERWISE } from "../fixtures/netunicorn/otherwise.ts";
import { NETUNICORN, testWithPackages } from "../python_packages.ts";
import { runCli } from "../rig.ts";
import { testWith } from "../system.ts";
import {
  HeldTimers,
  HOUR_MS,
  only,
  printed,
  RUNTIME,
  see,
  type Seen,
  start,
  withFolder,
  world,
} from "./rig.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/netunicorn/", import.meta.url));
const CASES: Readonly<Record<string, { readonly graph: unknown; readonly own: Ends }>> = JSON.parse(
  readFileSync(join(FIXTURES, "graphs.json"), "utf8"),
);

/** The world with variables of ours; one without a value is not set. */
function worldWith(variables: Readonly<Record<string, string | undefined>>): World {
  const env = (name: string) => name in variables ? variables[name] : world.runtime.env(name);
  return { ...world, runtime: { ...world.runtime, env } };
}

/** Graphs that a script of the fixtures makes, in a folder. */
function withGraphs(
  python: string,
  script: string,
  use: (folder: string, options: InnerOptions) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const { status, stderr } = spawnSync(python, [join(FIXTURES, script), folder], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    await use(folder, { world: worldWith({ OUTRIDER_PYTHON: python }) });
  });
}

/** What a run of a graph has come to, of the tasks that ran. */
function endsOf({ result }: Seen): Ends {
  const ran = Object.entries(result.tasks).map(([name, attempts]) => {
    const marks = attempts.filter(({ worker }) => worker !== undefined)
      .map(({ outcome }) => outcome === "succeeded" ? "+" : "-");
    return [name, marks.join("")] as const;
  });
  const tasks = Object.fromEntries(ran.filter(([, marks]) => marks !== "").sort());
  return { ok: result.state === "succeeded", tasks };
}

testWithPackages(
  NETUNICORN,
  "netUnicorn: its 29 graphs come to what its own executor makes of them, but for those that are listed",
  (python) =>
    withGraphs(python, "graphs.py", async (folder, options) => {
      // What decides is in tests/schedule/flow_test.ts: Python itself is the same on each runtime, and takes its time to start.
      const left = Object.entries(CASES).filter((_, at) => RUNTIME === "node" || at % 4 === 3);
      const one = async (): Promise<void> => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          const [name, { own }] = next;
          const ends = endsOf(await see(join(folder, `${name}.pickle`), options));
          const expected = OTHERWISE[name] ?? own;
          const either = EITHER[name];
          const marks = either === undefined ? undefined : ends.tasks[either.task];
          if (either !== undefined) assert.match(marks ?? "", either.marks, name);
          const tasks = { ...expected.tasks, ...(marks !== undefined && { [either!.task]: marks }) };
          assert.deepEqual(ends, { ok: expected.ok, tasks }, name);
        }
      };
      await Promise.all([one(), one(), one()]);
    }),
);

const failed = (message: string) => ({ outcome: "failed", message });
const pickled = (text: string) => ({ outcome: "succeeded", text });

/** What is to be told of an attempt whose value may be Python's own. */
function shown({ outcome, value, error }: AttemptResult): unknown {
  if (error !== undefined) return { outcome, message: error.message };
  const { $pickle, text } = (value ?? {}) as { readonly $pickle?: unknown; readonly text?: string };
  return $pickle instanceof Uint8Array ? { outcome, text } : { outcome, value };
}

testWithPackages(
  NETUNICORN,
  "netUnicorn: values are JSON where that is all of them, else pickles; tasks see those of the tasks before as they were",
  (python) =>
    withGraphs(python, "wild.py", async (folder, options) => {
      const seen = await see(join(folder, "values.pickle"), options);
      const told = Object.fromEntries(
        Object.entries(seen.result.tasks).filter(([name]) => !/^(root|stage)/.test(name)).map((
          [name, [attempt]],
        ) => [name, shown(attempt!)]),
      );
      const value = (value: unknown) => ({ outcome: "succeeded", value });
      assert.deepEqual(told, {
        says: value({ ms: 12.5, raw: Uint8Array.of(0, 255), none: null, deep: [[1, "zwölf"]] }),
        whole: pickled("2.0"),
        nothing: value(undefined),
        tuple: pickled("(1, {2: 'b'})"),
        point: pickled("Point(1)"),
        set: pickled("{1}"),
        forged: pickled("{'$pickle': b'no', 'text': 'no'}"),
        failure: failed("{'code': 7}"),
        words: failed("no luck"),
        raises: failed("no number"),
        lambda: pickled(String((told["lambda"] as { text: string }).text)),
        generator: failed(String((told["generator"] as { message: string }).message)),
        sees: value({
          names: [
            "failure",
            "forged",
            "generator",
            "lambda",
            "nothing",
            "point",
            "raises",
            "says",
            "set",
            "tuple",
            "whole",
            "words",
          ],
          point: "Point(1)",
          says: true,
          whole: "float",
          failure: "{'code': 7}",
          raises: "RuntimeError: no number",
          missing: [],
          copy: true,
        }),
      });
      assert.match(
        (told["generator"] as { message: string }).message,
        /^The result can't be pickled: TypeError/,
      );
      const { error, value: code } = only(seen.result, "failure");
      assert.deepEqual([error?.name, code], ["Failure", { code: 7 }]);
      const { error: raised } = only(seen.result, "raises");
      assert.equal(raised?.cause?.name, "ValueError");
      assert.match(raised?.stack ?? "", /Traceback[^]*RuntimeError: no number$/);
      assert.deepEqual(
        printed(seen, "says").sort(),
        ["one, from Python", "two, raw", "three, to stderr", "four, from a child"].sort(),
      );
    }),
);

testWithPackages(
  NETUNICORN,
  "netUnicorn: a fork that ends otherwise is a crash of its task alone; nothing of it is seen by the next, and what it started lives on",
  (python) =>
    withGraphs(python, "wild.py", async (folder, options) => {
      const of = (name: string, more: InnerOptions = {}) =>
        see(join(folder, `${name}.pickle`), { ...options, ...more });
      const [exits, killed, quits, twice, leaving, state, holding] = await Promise.all(
        ["exits", "killed", "quits", "twice", "leaving", "state", "holding"].map((name) => of(name)),
      );
      const end = (seen: Seen | undefined, name: string) => {
        const { outcome, reason, code, because, value } = only(seen!.result, name);
        return [outcome, reason, code, because, value].filter((part) => part !== undefined);
      };
      assert.deepEqual(end(exits, "exits"), ["crashed", "exit", 3, "its process ended with exit code 3"]);
      assert.deepEqual(end(exits, "after"), ["succeeded", 1]);
      assert.equal(exits!.result.state, "failed");
      assert.deepEqual(end(killed, "killed"), ["crashed", "lost", "its process ended by SIGSEGV"]);
      assert.deepEqual(end(killed, "after"), ["succeeded", 1]);
      assert.deepEqual(end(quits, "quits"), ["crashed", "exit", 0, "its process ended with exit code 0"]);
      assert.deepEqual([end(twice, "twice"), end(twice, "after")], [["succeeded", 1], ["succeeded", 2]]);
      assert.deepEqual([end(holding, "first"), end(holding, "second")], [["succeeded", 1], ["succeeded", 1]]);
      assert.deepEqual(end(leaving, "ends"), ["succeeded", "ended"]);
      assert.deepEqual([end(state, "first"), end(state, "second")], [["succeeded", 1], ["succeeded", 1]]);
      const warm = await of("state", {
        world: worldWith({ OUTRIDER_PYTHON: python, OUTRIDER_NETUNICORN_ISOLATION: "none" }),
      });
      assert.deepEqual([end(warm, "first"), end(warm, "second")], [["succeeded", 1], ["succeeded", 2]]);
    }),
);

testWithPackages(
  NETUNICORN,
  "netUnicorn: a graph becomes a pipeline that names it, can be changed, and is stopped as any other",
  (python) =>
    withGraphs(python, "wild.py", async (folder, options) => {
      const { document } = await loadDocument(join(folder, "slow.pickle"), {}, options.world);
      const { slow, ...rest } = document.tasks;
      assert.deepEqual(slow?.run, { netunicorn: new URL(`file://${folder}/slow.pickle`).href, node: 1 });
      const limited: Manifest = { ...document, tasks: { ...rest, slow: { ...slow, timeout: "1h" } } };
      const held = new HeldTimers(HOUR_MS);
      const { clock } = held.world;
      const [late, cancelled] = await Promise.all([
        (async () => {
          const going = start(limited, {
            ...options,
            killGraceMs: 60_000,
            world: { ...held.world, ...options.world, clock },
          });
          await going.says("asleep");
          await held.comes(HOUR_MS);
          return await going.seen;
        })(),
        (async () => {
          const going = start({ ...document }, { ...options, killGraceMs: 60_000 });
          await going.says("asleep");
          going.execution.cancel("enough");
          return await going.seen;
        })(),
      ]);
      for (const [seen, outcome] of [[late, "timed_out"], [cancelled, "cancelled"]] as const) {
        assert.equal(only(seen.result, "slow").outcome, outcome);
        assert.deepEqual(printed(seen, "slow"), ["asleep", "tidied"]);
      }
      const wrong = {
        ...document,
        tasks: { t: { run: { netunicorn: join(folder, "slow.pickle"), node: 0 } } },
      };
      const { error } = only((await see(wrong, options)).result, "t");
      assert.match(error?.message ?? "", /no task at node 0/);
      const names = await see(join(folder, "names.pickle"), options);
      assert.deepEqual(Object.keys(endsOf(names).tasks).sort(), ["a b", "same", "same (2)", "unnamed"]);
    }),
);

testWithPackages(
  NETUNICORN,
  "netUnicorn: what keeps a graph from being opened is told in words, and nothing has run",
  (python) =>
    withGraphs(python, "wild.py", async (folder, options) => {
      const graph = join(folder, "state.pickle");
      const bytes = readFileSync(graph);
      const other = join(folder, "other.pickle"),
        broken = join(folder, "broken.pickle"),
        list = join(folder, "list.pickle");
      writeFileSync(
        other,
        Buffer.from(bytes.toString("latin1").replace(/(python_version.{2,3}3\.)\d+\./s, "$177."), "latin1"),
      );
      writeFileSync(broken, bytes.subarray(0, 300));
      writeFileSync(list, Uint8Array.of(0x80, 4, 0x5d, 0x2e));
      const why = (file: string) => see(file, options).then(() => "", (error: Error) => error.message);
      assert.match(
        await why(other),
        /was made with Python 3\.77, and .* is 3\.\d+\.\d+: put a python3\.77 with netunicorn-base/,
      );
      assert.match(await why(broken), /Python 3\.\S+ can't open the graph: /);
      assert.match(await why(list), /holds a list, and no execution graph/);
      const wrong = { OUTRIDER_PYTHON: python, OUTRIDER_NETUNICORN_ISOLATION: "forks" };
      await assert.rejects(see(graph, { world: worldWith(wrong) }), /must be fork or none; received "forks"/);
      const handed = { outriderGraph: 1, pickle: "not base64 at all" };
      await assert.rejects(see(handed, options), { code: "OUTRIDER_PIPELINE" });
    }),
);

testWithPackages(
  NETUNICORN,
  "netUnicorn: the command line takes a graph as it is, and finds the Python of the version that made it",
  (python) =>
    withGraphs(python, "graphs.py", async (folder) => {
      // A Python of a version that there is not: it says so, and is the real one.
      const made = join(folder, "made.pickle");
      const text = readFileSync(join(folder, "loop5.pickle")).toString("latin1");
      writeFileSync(made, Buffer.from(text.replace(/(python_version.{2,3}3\.)\d+\./s, "$177."), "latin1"));
      const named = join(folder, "python3.77");
      const script =
        `case "$2" in "import sys;"*) echo ${named}; echo 3.77.1;; *) exec ${python} "$@";; esac`;
      writeFileSync(named, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const PATH = [folder, dirname(python), process.env["PATH"]].join(delimiter);
      const env = { PATH, OUTRIDER_PYTHON: "" };
      const checked = await runCli(["check", made], { env });
      assert.deepEqual(
        [checked.code, checked.stdout],
        [0, `${made}: ok, 5 tasks, 4 needs, 1 loop\n`],
        checked.stderr,
      );
      const pipeline = join(folder, "pipeline.json");
      const other = await runCli(["import", "netunicorn", "deno.json"], { env });
      assert.equal(other.code, 2, other.stderr);
      assert.match(other.stderr, /deno\.json is no graph of netUnicorn's/);
      const imported = await runCli(["import", "netunicorn", made, "-o", pipeline], { env });
      assert.equal(imported.code, 0, imported.stderr);
      const drawn = await runCli(["graph", pipeline], { env });
      assert.match(drawn.stdout, /t\d+ -\. "again, at most 4 times" \.-> t\d+/);
      const { code, stdout, stderr } = await runCli(["run", pipeline, "--json"], { env });
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).tasks.d.length, 5);
    }),
);

testWith(
  ["python3"],
  "netUnicorn: all packages that Python lacks are named, with the Python",
  () =>
    withFolder(async (folder) => {
      const graph = join(folder, "graph.pickle");
      writeFileSync(graph, Uint8Array.of(0x80, 4, 0x5d, 0x2e));
      const made = spawnSync("python3", ["-m", "venv", "--without-pip", join(folder, "bare")], {
        encoding: "utf8",
      });
      assert.equal(made.status, 0, made.stderr);
      const bare = worldWith({ OUTRIDER_PYTHON: join(folder, "bare/bin/python") });
      await assert.rejects(see(graph, { world: bare }), (error: Error) => {
        assert.match(
          error.message,
          /bare.bin.python \(Python 3\.\S+\) lacks cloudpickle, netunicorn-base, returns: run .* -m pip install cloudpickle netunicorn-base returns/,
        );
        return true;
      });
    }),
);

test("netUnicorn: what Python tells of a graph is checked before it is believed", () => {
  const graph = {
    name: "g",
    earlyStopping: true,
    report: true,
    nodes: [{ task: false, name: "root" }],
    edges: [],
  };
  assert.deepEqual(importGraph(readGraph(graph), (node) => ({ netunicorn: "g", node })).tasks, { root: {} });
  const edge = { from: 0, to: 1, weak: false };
  for (
    const told of [null, [], { ...graph, nodes: 1 }, { ...graph, edges: [edge] }, {
      ...graph,
      edges: [{ ...edge, to: -1 }],
    }]
  ) {
    assert.throws(() => readGraph(told), { code: "OUTRIDER_PIPELINE" });
  }
});
