/**
 * Holds bundles: one file with all the code, whose hash is checked, and which runs where neither sources nor packages are.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { bundleOf, bundlePipeline } from "../../src/environment/bundling.ts";
import { loadPlan } from "../../src/run/loading.ts";
import {
  type Bundle,
  bundleText,
  isBundle,
  makeBundle,
  openBundle,
} from "../../src/pipeline/document/bundle.ts";
import { runCli, withFiles } from "../rig.ts";

const SHARED = `
let count = 0;
export const next = () => ++count;
export const isTyped = (value: string): boolean => value.length > 0;
`;

const TASKS = `
import { readFileSync } from "node:fs";
import { sep } from "path";
import { next } from "./shared.ts";
import words from "./words.json" with { type: "json" };
import { double } from "doubler";
export const first = async () => ({ next: next(), words: words.length, double: double(21) });
export default async () => typeof readFileSync + sep.length;
export const failing = async () => { throw new TypeError("on purpose"); };
`;

const MORE = `
import { next } from "./shared.ts";
export const first = () => next();
`;

/** An older package, which calls \`require\`. */
const DOUBLER = `
const { inspect } = require("node:util");
exports.double = (n) => inspect(n * 2);
`;

const MANIFEST = {
  outrider: 1,
  name: "all kinds",
  tasks: {
    a: { run: { module: "./tasks.ts", export: "first" } },
    b: { run: { module: "./more.ts", export: "first" }, needs: ["a"] },
    c: { run: { module: "./tasks.ts" } },
    d: { run: { module: "./tasks.ts", export: "failing" }, allowFailure: true },
    sync: { needs: ["a", "b", "c"] },
  },
};

const TYPED = `
import { pipeline, type TaskContext } from "outrider";
import { isTyped } from "./shared.ts";
const p = pipeline("typed");
const one = p.task("one", () => 20);
p.task("two", { one }, ({ inputs, params }: TaskContext<{ one: number }>) => inputs.one + (isTyped("x") ? 1 : 0) + Number(params.more ?? 0));
export default p;
`;

function withSources<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const sources = { "tasks.ts": TASKS, "more.ts": MORE, "shared.ts": SHARED, "words.json": ["a", "b"] };
  return withFiles({ ...sources, "p.json": MANIFEST, "typed.ts": TYPED }, (folder) => {
    mkdirSync(join(folder, "node_modules/doubler"), { recursive: true });
    writeFileSync(join(folder, "node_modules/doubler/index.js"), DOUBLER);
    writeFileSync(join(folder, "node_modules/doubler/package.json"), '{"name":"doubler","main":"index.js"}');
    return use(folder);
  });
}

function resultOf(
  stdout: string,
): Record<string, readonly { readonly value?: unknown; readonly error?: { readonly stack: string } }[]> {
  return JSON.parse(stdout).tasks;
}

test("a bundle runs in a folder where nothing else is", () =>
  withSources(async (folder) => {
    const made = await runCli(["bundle", "p.json", "-o", "p.outrider.json"], { cwd: folder });
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stderr, /^p\.outrider\.json: all kinds, 5 tasks, \d+ characters, hash [0-9a-f]{64}\n$/);
    const bundle = readFileSync(join(folder, "p.outrider.json"), "utf8");
    await withFiles({ "x.outrider.json": bundle }, async (cwd) => {
      const { code, stdout, stderr } = await runCli(["run", "x.outrider.json", "--json"], { cwd });
      assert.equal(code, 0, stderr);
      const { a, b, c, d } = resultOf(stdout);
      assert.deepEqual(a?.[0]?.value, { next: 1, words: 2, double: "42" });
      assert.equal(c?.[0]?.value, "function1");
      // On the same worker, a module that two tasks share is one module.
      assert.ok(b?.[0]?.value === 2 || b?.[0]?.value === 1);
      assert.match(d?.[0]?.error?.stack ?? "", /on purpose/);
      const checked = await runCli(["check", "x.outrider.json"], { cwd });
      assert.equal(checked.stdout, "x.outrider.json: ok, 5 tasks, 4 needs\n");
    });
  }));

test("a typed pipeline is bundled without Outrider itself, and takes parameters", () =>
  withSources(async (folder) => {
    const bundle = await bundlePipeline(join(folder, "typed.ts"));
    assert.ok(bundle.code.length < 3_000, `${bundle.code.length} characters`);
    await withFiles({ "t.json": bundleText(bundle) }, async (cwd) => {
      const { code, stdout, stderr } = await runCli(["run", "t.json", "--json", "--param", "more=5"], {
        cwd,
      });
      assert.equal(code, 0, stderr);
      assert.equal(resultOf(stdout)["two"]?.[0]?.value, 26);
    });
  }));

test("the same sources give the same bundle, wherever they lie", async () => {
  const hash = () => withSources(async (folder) => (await bundlePipeline(join(folder, "p.json"))).hash);
  assert.equal(await hash(), await hash());
});

test("a bundle is made with the packages whose code is in it, each once, by what it says of itself", () =>
  withSources(async (folder) => {
    const { bundle, packages } = await bundleOf(join(folder, "p.json"));
    assert.equal(bundle.hash, (await bundlePipeline(join(folder, "p.json"))).hash);
    assert.deepEqual(packages, [{ name: "doubler", version: "unknown" }]);
    const put = (name: string, about: object, index = "") => {
      const at = join(folder, "node_modules", name);
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, "package.json"), JSON.stringify({ main: "index.mjs", ...about }));
      writeFileSync(join(at, "index.mjs"), index);
    };
    const code = "export const is = (x) => x + Math.random();";
    const all = 'import { is as b } from "b"; import { is as c } from "@s/c";\n';
    put(
      "a",
      { name: "a", version: "1.0.0", license: { type: "MIT" } },
      `${all}export const is = (x) => b(c(x));`,
    );
    put("b", { name: "b", version: "2.0.0", licenses: [{ type: "MIT" }, { type: "ISC" }] }, code);
    put("@s/c", { name: "@s/c", version: "3.0.0", license: "Apache-2.0" }, `import "b2";\n${code}`);
    put("@s/c/node_modules/b2", { name: "b", version: "1.0.0", license: 5 }, "globalThis.b2 = 1;");
    put("unused", { name: "unused", version: "1.0.0", sideEffects: false }, code);
    const task = 'import { is } from "a"; import { is as no } from "unused"; export const t = () => is(1);';
    writeFileSync(join(folder, "t.mjs"), task);
    const manifest = { outrider: 1, name: "p", tasks: { t: { run: { module: "./t.mjs", export: "t" } } } };
    writeFileSync(join(folder, "t.json"), JSON.stringify(manifest));
    assert.deepEqual((await bundleOf(join(folder, "t.json"))).packages, [
      { name: "@s/c", version: "3.0.0", licence: "Apache-2.0" },
      { name: "a", version: "1.0.0", licence: "MIT" },
      { name: "b", version: "1.0.0" },
      { name: "b", version: "2.0.0", licence: "MIT OR ISC" },
    ]);
  }));

test("a bundle that was changed is refused, whatever was changed", () =>
  withSources(async (folder) => {
    const bundle = await bundlePipeline(join(folder, "p.json"));
    const { outriderBundle: _, ...bare } = bundle;
    assert.ok(isBundle(bundle) && !isBundle(bare));
    await openBundle(bundle, "x");
    const changed: readonly Bundle[] = [
      { ...bundle, code: `${bundle.code} ` },
      { ...bundle, hash: "0".repeat(64) },
      { ...bundle, manifest: { ...bundle.manifest, name: "other" } },
    ];
    for (const each of changed) {
      await assert.rejects(openBundle(each, "x"), /hash: The bundle says .* was changed or damaged/);
      await assert.rejects(loadPlan(each as never), { code: "OUTRIDER_PIPELINE" });
    }
    await assert.rejects(openBundle({ ...bundle, outriderBundle: 2 }, "x"), /Must be 1.*received 2/);
    await assert.rejects(openBundle({ outriderBundle: 1 }, "x"), /hash: Missing/);
    await assert.rejects(openBundle({ ...bundle, code: 5 }, "x"), /code: Missing or of the wrong kind/);
  }));

test("white space in the file does not matter, and a pipeline without code needs none", async () => {
  const bundle = await makeBundle({ outrider: 1, name: "points", tasks: { a: {}, b: { needs: ["a"] } } }, "");
  const plan = await loadPlan(JSON.parse(JSON.stringify(bundle, undefined, 4)));
  assert.deepEqual(plan.tasks.map(({ name }) => name), ["a", "b"]);
});

test("what can't be bundled is told with its place", async () => {
  const files = {
    "p.json": { outrider: 1, name: "p", tasks: { a: { run: { module: "./a.mjs", export: "a" } } } },
    "a.mjs": 'export const a = () => import("./b.mjs");',
    "b.mjs": 'import { c } from "jsr:@std/none";\nimport "./nowhere.mjs";\nexport const b = c;',
  };
  await withFiles(files, async (folder) => {
    await assert.rejects(
      bundlePipeline(join(folder, "p.json")),
      (error: Error & { readonly code: string }) => {
        assert.equal(error.code, "OUTRIDER_BUNDLING");
        assert.match(error.message, /b\.mjs:1: jsr:@std\/none is not on this disk/);
        assert.match(error.message, /b\.mjs:2: .*nowhere/);
        return true;
      },
    );
  });
});
