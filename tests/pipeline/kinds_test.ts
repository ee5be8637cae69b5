/** Kinds of tasks, as a pipeline has them: a made-up one is a file and a line, and nothing else asks what kind a task is. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { bundlePipeline } from "../../src/environment/bundling.ts";
import { planJson } from "../../src/http/run_routes.ts";
import { kindOf, KINDS } from "../../src/pipeline/kinds/list.ts";
import { compile, examine } from "../../src/pipeline/plan/compile.ts";
import { whereabouts } from "../../src/pipeline/plan/runs.ts";
import { planHash } from "../../src/run/resume/replay.ts";
import { edgesOf } from "../../src/schedule/edges.ts";
import { echoKind } from "../fixtures/kinds/echo_kind.ts";
import { shoutKind } from "../fixtures/kinds/shout_kind.ts";
import { withKind } from "../fixtures/kinds/with_kinds.ts";
import { ROOT, withFiles } from "../rig.ts";

const BASE = "file:///home/me/pipeline.json";

function pipelineOf(tasks: Readonly<Record<string, unknown>>) {
  return { outrider: 1, name: "p", tasks };
}

function problemsOf(run: unknown): string[] {
  return examine(pipelineOf({ t: { run } }), whereabouts(BASE)).problems.map(({ place, message }) =>
    `${place}: ${message}`
  );
}

test("kinds: each has a key and a name of its own, and what has no key is of the last", () => {
  assert.equal(new Set(KINDS.map(({ key }) => key)).size, KINDS.length);
  assert.equal(new Set(KINDS.map(({ name }) => name)).size, KINDS.length);
  for (const kind of KINDS) assert.equal(kindOf({ [kind.key]: 1 }), kind);
  assert.equal(kindOf({}), KINDS.at(-1));
});

test("kinds: nothing but the seam asks whether a task is of some kind", () => {
  const asks = new RegExp(`["'](?:${KINDS.map(({ key }) => key).join("|")})["'] in `);
  const found = ["src", "workers"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith("code.ts"))
      .filter((name) => asks.test(readFileSync(join(ROOT, folder, name), "utf8")))
  );
  assert.deepEqual(found, []);
});

test("kinds: one more is checked, resolved, placed and shown by its file alone", () =>
  withKind(echoKind, async () => {
    const plan = compile(
      pipelineOf({
        a: { run: { echo: "hello", near: "./x.ts" } },
        b: { needs: ["a"], run: { module: "./t.ts" } },
      }),
      BASE,
    );
    assert.deepEqual(plan.tasks.map(({ run }) => run), [
      { echo: "hello", near: "file:///home/me/x.ts" },
      { module: "file:///home/me/t.ts", export: "default" },
    ]);
    assert.deepEqual([...edgesOf(plan).alone], [2, 0]);
    const shown = JSON.parse(planJson(plan)).tasks[0];
    assert.deepEqual([shown.kind, shown.echo], ["echo", "hello"]);
    const other = compile(
      pipelineOf({
        a: { run: { echo: "hullo", near: "./x.ts" } },
        b: { needs: ["a"], run: { module: "./t.ts" } },
      }),
      BASE,
    );
    assert.notEqual(await planHash(plan), await planHash(other));
  }));

test("kinds: what is wrong with one more is told with its place, and its key is known", () =>
  withKind(echoKind, () => {
    assert.deepEqual(problemsOf({ echo: "", near: "npm:x" }), [
      "tasks.t.run.echo: Can't be empty: say what comes back",
      'tasks.t.run.near: Can\'t use "npm:x": a module is a path, or a file: or data: URL',
    ]);
    assert.deepEqual(problemsOf({ echo: 1 }), ["tasks.t.run.echo: Must be a string; received 1"]);
    assert.deepEqual(problemsOf({ echo: "x", nera: "y" }), [
      'tasks.t.run.nera: Unknown key "nera": the keys here are echo, near',
    ]);
    assert.deepEqual(problemsOf({}), [
      'tasks.t.run.module: Missing: say which file holds the function, such as "./tasks.ts", or which "echo", "command", "python" or "netunicorn" to run',
    ]);
  }));

test("kinds: one more stands in a bundle as it says", () =>
  withKind(echoKind, () => {
    const document = pipelineOf({ a: { run: { echo: "hello", near: "./x.ts" } } });
    return withFiles({ "p.json": JSON.stringify(document) }, async (folder) => {
      const { manifest, code } = await bundlePipeline(join(folder, "p.json"));
      assert.deepEqual([manifest.tasks["a"]!.run, code], [{ echo: "hello" }, ""]);
    });
  }));

test("kinds: one whose tasks want a worker for themselves gets it", async () => {
  const document = pipelineOf({ a: { run: { shout: "loud" } } });
  for (const [place, alone] of [["line", 0], ["alone", 1]] as const) {
    await withKind(shoutKind(place), () => {
      const { alone: found, inLine } = edgesOf(compile(document, BASE));
      assert.deepEqual([found[0], inLine[0]], [alone, 1 - alone]);
    });
  }
});
