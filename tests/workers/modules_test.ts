/** The modules of tasks: found by export or by pipeline, imported once, whatever a task has done to the language before. */
import assert from "node:assert/strict";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { describe, exportsOf, Modules, ranInWorker } from "../../workers/modules.ts";
import { ROOT, withFiles } from "../rig.ts";

const BUILDER = pathToFileURL(join(ROOT, "src/pipeline/builder/builder.ts")).href;
let count = 0;

/** Calls with the addresses of new modules of these texts. */
function withModules<T>(
  texts: Readonly<Record<string, string>>,
  use: (urls: Record<string, string>) => Promise<T>,
): Promise<T> {
  const names = Object.fromEntries(Object.keys(texts).map((name) => [name, `${name}_${++count}.mjs`]));
  const files = Object.fromEntries(Object.entries(texts).map(([name, text]) => [names[name]!, text]));
  return withFiles(
    files,
    (folder) =>
      use(
        Object.fromEntries(
          Object.entries(names).map(([name, file]) => [name, pathToFileURL(join(folder, file)).href]),
        ),
      ),
  );
}

test("modules: a function is there once its module is imported, and is found by the name of its export", () =>
  withModules({ tasks: "export function good() { return 1; }\nexport const bad = 2;" }, async ({ tasks }) => {
    const modules = new Modules();
    modules.setup([{ module: tasks!, export: "good" }, { module: tasks!, export: "bad" }, {
      module: tasks!,
      export: "none",
    }]);
    assert.equal(modules.ready(0, { task: "t" }), undefined);
    await modules.prepare(0, "t");
    assert.equal(modules.ready(0, { task: "t" })!({}), 1);
    await assert.rejects(modules.prepare(1, "t"), /has no function "bad": it is number/);
    await assert.rejects(modules.prepare(2, "t"), /has no function "none": it is undefined/);
    assert.equal(modules.ready(1, { task: "t" }), undefined);
  }));

test("modules: a pipeline's function is found by pipeline and task, and the pipeline is described", () =>
  withModules({
    one: `import { pipeline } from ${JSON.stringify(BUILDER)};
      const p = pipeline("one");
      p.task("a", () => "of one");
      export default p;`,
    two: `import { pipeline } from ${JSON.stringify(BUILDER)};
      export const x = pipeline("x");
      x.task("a", () => "of x");
      export const y = pipeline("y");
      y.task("a", () => "of y");`,
    only: `import { pipeline } from ${JSON.stringify(BUILDER)};
      pipeline("only").task("a", () => 1);`,
    none: "export default 1;",
  }, async ({ one, two, only, none }) => {
    const modules = new Modules();
    modules.setup([
      { module: one!, pipeline: "one" },
      { module: two!, pipeline: "y" },
      { module: two!, pipeline: "z" },
      { module: only!, pipeline: "only" },
    ]);
    assert.equal(modules.ready(0, { task: "a" }), undefined);
    await modules.prepare(0, "a");
    await modules.prepare(1, "a");
    await modules.prepare(3, "a");
    assert.deepEqual([0, 1, 3].map((source) => modules.ready(source, { task: "a" })!({})), [
      "of one",
      "of y",
      1,
    ]);
    await assert.rejects(modules.prepare(0, "b"), /"one" in .* has no function for the task "b"/);
    await assert.rejects(modules.prepare(2, "a"), /makes no pipeline "z" when a worker imports it/);
    assert.equal((await describe(one!) as { name: string }).name, "one");
    assert.equal((await describe(only!) as { name: string }).name, "only");
    await assert.rejects(describe(two!), /makes 2 pipelines \(x, y\): export the one to run as default/);
    await assert.rejects(describe(none!), /makes no pipeline: export one as default/);
  }));

test("modules: a module that runs its own pipeline and does not come to its end is described by that", () =>
  withModules({ runs: `await globalThis.testRuns();` }, async ({ runs }) => {
    const pipeline = {
      name: "runs itself",
      manifest: (module: string) => ({ of: module }),
      functionOf: (task: string) => task === "a" ? () => 3 : undefined,
    };
    const over = Promise.withResolvers<void>();
    const global = globalThis as { testRuns?: () => Promise<void> };
    global.testRuns = () => {
      ranInWorker(pipeline as never);
      return over.promise;
    };
    try {
      const modules = new Modules();
      modules.setup([{ module: runs!, pipeline: "runs itself" }]);
      await modules.prepare(0, "a");
      assert.equal(modules.ready(0, { task: "a" })!({}), 3);
    } finally {
      over.resolve();
      delete global.testRuns;
    }
  }));

test("modules: a pipeline that no builder of ours has made is found by its name, as default alone", () =>
  withModules({
    other:
      `export default { name: "other", manifest: () => ({}), functionOf: (t) => t === "a" ? () => 4 : undefined };`,
  }, async ({ other }) => {
    const modules = new Modules();
    modules.setup([{ module: other!, pipeline: "other" }, { module: other!, pipeline: "another" }]);
    await modules.prepare(0, "a");
    assert.equal(modules.ready(0, { task: "a" })!({}), 4);
    await assert.rejects(modules.prepare(0, "b"), /has no function for the task "b"/);
    await assert.rejects(modules.prepare(1, "a"), /makes no pipeline "another"/);
  }));

test("modules: what a task has added to the language is away while one is imported, and there again after it", () =>
  withModules({
    looks: "const { looked } = globalThis; looked.push('then' in []); export const f = () => looked;",
  }, async ({ looks }) => {
    const looked: boolean[] = [];
    const global = globalThis as { looked?: boolean[] };
    global.looked = looked;
    const own = () => {};
    Object.defineProperty(Array.prototype, "then", { value: own, configurable: true, writable: true });
    try {
      const modules = new Modules();
      modules.setup([{ module: looks!, export: "f" }]);
      await modules.prepare(0, "t");
      assert.equal((Array.prototype as { then?: unknown }).then, own);
      assert.deepEqual(looked.slice(), [false]);
    } finally {
      delete (Array.prototype as { then?: unknown }).then;
      delete global.looked;
    }
  }));

test("modules: each is told what it exports, or why it can't be imported", () =>
  withModules({
    good: "export function f() {}\nexport const n = 1;\nexport default () => {};",
    bad: "throw new Error('at import');",
  }, async ({ good, bad }) => {
    const found = await exportsOf([good!, bad!, "file:///none/of/this.mjs"]);
    const { exports } = found[good!] as { exports: string[] };
    assert.deepEqual(exports.toSorted(), ["default", "f"]);
    assert.match((found[bad!] as { error: string }).error, /^at import, at .*bad_\d+\.mjs:1:\d+$/);
    assert.ok("error" in found["file:///none/of/this.mjs"]!);
  }));

test("modules: each is imported once", () =>
  withModules({
    counts: "globalThis.testCount = (globalThis.testCount ?? 0) + 1;\nexport const f = () => 1;",
  }, async ({ counts }) => {
    const shared = globalThis as { testCount?: number };
    await exportsOf([counts!]);
    await exportsOf([counts!]);
    assert.equal(shared.testCount, 1);
    delete shared.testCount;
  }));
