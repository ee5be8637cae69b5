/** Tests of pipelines in pipelines as they run: from their files, and from a bundle that carries all of them. */
import assert from "node:assert/strict";
import test from "node:test";
import { bundlePipeline } from "../../src/environment/bundling.ts";
import { fileURLToPath } from "node:url";
import { see } from "./rig.ts";

const MAIN = fileURLToPath(new URL("../fixtures/include/main.json", import.meta.url));

const SCANNED = {
  networks: ["one", "two"],
  params: { who: "main", own: true },
  inputs: { start: "started" },
};

const EXPECTED = {
  start: "started",
  "wifi/scan": SCANNED,
  "wifi/best": "one",
  "wifi/none": '/networks/9 of "wifi/scan" is not there',
  "wifi/name": "wifi/name",
  "made/inner/first": 20,
  "made/inner/second": 21,
  "made/sum": ["made/sum", 20, 21],
  // A need on an include is a need on all its ends: on one that was skipped it is not satisfied.
  report: "wifi/none was skipped",
};

test("a pipeline runs with all that it includes, JSON and TypeScript, and so does its bundle", async () => {
  const bundle = await bundlePipeline(MAIN);
  assert.ok(!JSON.stringify(bundle.manifest).includes("lib/"), "it names no other file");
  for (const source of [MAIN, bundle as unknown as Record<string, unknown>]) {
    const { result } = await see(source);
    const values = Object.entries(result.tasks).map((
      [name, [attempt]],
    ) => [name, attempt!.value ?? attempt!.because]);
    assert.deepEqual(Object.fromEntries(values), EXPECTED);
  }
});
