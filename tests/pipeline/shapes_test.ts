/** Holds that a document of any shape and depth is a pipeline or a list of problems, and never an error of ours. */
import assert from "node:assert/strict";
import test from "node:test";
import { deeperThan } from "../../src/base/depth.ts";
import { makeBundle } from "../../src/pipeline/document/bundle.ts";
import { load, type LoadPort } from "../../src/pipeline/load/load.ts";
import type { Manifest } from "../../src/pipeline/document/manifest.ts";
import { SEED } from "../seed.ts";
import { seeded } from "../uplink/rig.ts";

/** A world whose one file holds the text. */
function portOf(text: string): LoadPort {
  return {
    fileUrl: (path) => `file:///${path}`,
    realUrl: (url) => url,
    readText: () => Promise.resolve(text),
    describe: () => Promise.reject(new Error("There is no module here")),
    graphAt: () => Promise.reject(new Error("There is no Python here")),
    exportsOf: (modules) =>
      Promise.resolve(Object.fromEntries(modules.map((name) => [name, { exports: ["a"] }]))),
  };
}

/** The problems of a source, told as such. */
async function problemsOf(source: Parameters<typeof load>[0], text = ""): Promise<string> {
  try {
    await load(source, portOf(text));
    return "";
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    assert.equal(code, "OUTRIDER_PIPELINE", message);
    return message;
  }
}

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

const GOOD = {
  outrider: 1,
  name: "good",
  description: "d",
  onFailure: "continue",
  report: true,
  tasks: {
    a: {
      run: { module: "bundle:", export: "a" },
      needs: [],
      params: { x: [1, { y: null }] },
      retry: { attempts: 2, delay: "1s" },
      timeout: "1s",
    },
    b: { run: { command: ["true"], env: { A: "b" } }, needs: ["a", { task: "a", on: "any", as: "again" }] },
  },
  loops: [{ from: "b", to: "a", times: 1 }],
};

test("depth is counted without recursion", () => {
  assert.equal(deeperThan(1, 0), false);
  assert.equal(deeperThan([[]], 2), false);
  assert.equal(deeperThan([1, { a: [] }], 2), true);
  const circle: unknown[] = [];
  circle.push(circle);
  assert.equal(deeperThan(circle, 1000), true);
  let deep: unknown = 0;
  for (let level = 0; level < 300_000; level++) deep = [deep];
  assert.equal(deeperThan(deep, 1000), true);
});

test("a bundle that has no tasks of the right shape is told with its places", async () => {
  for (
    const tasks of [{ t: null }, { t: 1 }, { t: { run: null } }, { t: { run: [] } }, {
      t: { run: { module: null } },
    }]
  ) {
    const manifest = { outrider: 1, name: "n", tasks } as unknown as Manifest;
    assert.match(await problemsOf({ ...await makeBundle(manifest, "") }), /tasks\.t/, JSON.stringify(tasks));
  }
});

test("what is nested too deep is told, in a bundle, an object and a file", async () => {
  for (const depth of [1_500, 20_000, 200_000]) {
    let deep: unknown = 0;
    for (let level = 0; level < depth; level++) deep = [deep];
    const tasks = { t: { params: { deep } } };
    const manifest = { outrider: 1, name: "n", tasks };
    const bundle = { outriderBundle: 1, hash: "0".repeat(64), manifest, code: "" };
    assert.match(await problemsOf(bundle), /manifest: Is nested more than 1000 levels deep/);
    assert.match(await problemsOf(manifest), /nested/);
    const text = `{"outrider":1,"name":"n","tasks":{"t":{"params":{"deep":${nested(depth)}}}}}`;
    assert.match(await problemsOf("p.json", text), /Is nested more than 1000 levels deep.* at line 1/);
  }
});

/** Every place of a document, as the keys that lead there. */
function placesOf(value: unknown, at: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...at]];
  return [[...at], ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...at, key]))];
}

function withAt(value: unknown, [key, ...rest]: readonly string[], put: unknown): unknown {
  if (key === undefined) return put;
  const copy: Record<string, unknown> = Array.isArray(value)
    ? [...value] as unknown as Record<string, unknown>
    : { ...value as object };
  copy[key] = withAt(copy[key], rest, put);
  return copy;
}

test("whatever stands at any place of a document, it is a pipeline or its problems", async () => {
  const odd: readonly unknown[] = [
    null,
    true,
    0,
    -1,
    1e308,
    "",
    "a",
    "__proto__",
    [],
    [null],
    [[]],
    {},
    { a: null },
    { __proto__: null, length: 1e9 },
    JSON.parse('{"__proto__": {"run": null}, "constructor": 1, "toString": null}'),
  ];
  const random = seeded(SEED);
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  for (const place of placesOf(GOOD)) {
    for (const put of odd) {
      let document = withAt(GOOD, place, put);
      if (random() < 0.5) document = withAt(document, any(placesOf(document)), any(odd));
      const said = `seed ${SEED}: ${JSON.stringify(document)}`;
      const source = document as Record<string, unknown>;
      if (typeof document === "object" && document !== null) {
        await problemsOf(source).catch((error) => assert.fail(`${error} ${said}`));
        await problemsOf({ ...await makeBundle(source as unknown as Manifest, "") })
          .catch((error) => assert.fail(`${error} ${said}`));
      }
      await problemsOf("p.json", JSON.stringify(document)).catch((error) => assert.fail(`${error} ${said}`));
    }
  }
});
