/** The JSON Schema for editors: current, and of one mind with the compiler. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { pipelineSchema } from "../../docs/generate.ts";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { checkManifest } from "../../src/pipeline/document/check.ts";

const text: string = readFileSync(new URL("../../docs/pipeline.schema.json", import.meta.url), "utf8");
const validate: (document: unknown) => unknown = new Ajv2020({ strict: true, strictTypes: false }).compile(
  JSON.parse(text),
);

test("docs/pipeline.schema.json is current; if not, run: node docs/generate.ts", () => {
  assert.equal(text, pipelineSchema());
});

/** The contract's example. */
const example = {
  outrider: 1,
  name: "device-check",
  onFailure: "stop",
  tasks: {
    cpu: { run: { module: "./tasks.ts", export: "cpu" }, params: { ms: 50 }, timeout: "10s" },
    cool: { run: { module: "./tasks.ts", export: "cool" }, needs: [{ task: "cpu", on: "failure" }] },
    joined: { needs: ["cpu", { task: "cool", on: "any" }], join: "any" },
  },
  loops: [{ from: "cpu", to: "cpu", times: 2 }],
};

test("the contract's example is valid, and so is what the builder writes", () => {
  assert.equal(validate(example), true);
  assert.equal(validate({ $schema: "./pipeline.schema.json", ...example }), true);
  const p = pipeline("built");
  const a = p.task("a", () => 1, { timeout: 5, retry: { attempts: 3, delay: "1s" } });
  p.task("b", { x: a.on("any") }, () => 1);
  assert.equal(validate(p.manifest()), true);
});

test("the schema refuses and takes what the compiler's check of the shape does", () => {
  const task = (task: unknown) => ({ ...example, tasks: { ...example.tasks, task }, loops: [] });
  const documents: readonly unknown[] = [
    5,
    [],
    {},
    { ...example, outrider: 2 },
    { ...example, name: "" },
    { ...example, nme: "x" },
    { ...example, onFailure: "go" },
    { ...example, tasks: [] },
    { ...example, loops: [{ from: "cpu", to: "cpu" }] },
    { ...example, loops: [{ from: "cpu", to: "cpu", times: 0 }] },
    { ...example, loops: [[]] },
    ...[
      5,
      [],
      {},
      { retry: { attempts: 2, on: [] } },
      { idle: "30s" },
      { retry: { on: [{}] } },
      { retry: { on: [{ outcome: "skipped" }] } },
      { retry: { on: [{ exit: 256 }] } },
      { retry: { on: [{ code: true }] } },
      { retry: { on: [{ code: 1.5 }] } },
      { retry: { on: [{ code: 7, error: "E", exit: 0, outcome: "crashed" }] } },
      { retry: { unless: [{ err: "E" }] } },
      { retry: { unless: { error: "E" } } },
      { retry: { unless: new Array(65).fill({ error: "E" }) } },
      { needs: "cpu" },
      { needs: [5] },
      { needs: [["cpu"]] },
      { needs: [{ on: "any" }] },
      { needs: [{ task: "cpu", on: "x" }] },
      { needs: ["cpu", { task: "cool", as: "c" }] },
      { run: {} },
      { run: { module: "./x.ts" } },
      { run: { modul: "./x.ts" } },
      { timeout: "5 s" },
      { timeout: 5.5 },
      { timeout: -1 },
      { estimate: 0 },
      { retry: { attempts: 1.5 } },
      { retry: { attempts: 2, jitter: 1, factor: 1, delay: "0s", maxDelay: 0 } },
      { retry: { jitter: 1.1 } },
      { params: [] },
      { params: { a: [1, { b: null }] } },
      { fresh: "yes" },
      { requires: { commands: ["ping"], python: ["x>=1"], capabilities: ["NET_RAW"], memory: "1GiB" } },
      { requires: { commands: ["ping x"] } },
      { requires: { packages: { debian: ["A"] } } },
      { requires: { packages: { rpm: [] } } },
      { requires: { devices: ["/dev/../x"] } },
      { requires: { capabilities: ["ALL"] } },
      { requires: [] },
      { onLost: "fail", join: "any", allowFailure: true, description: "d" },
    ].map(task),
  ];
  for (const document of documents) {
    const passes = checkManifest(document).manifest !== undefined;
    assert.equal(validate(document), passes, JSON.stringify(document));
  }
  assert.ok(documents.some((document) => validate(document)));
});
