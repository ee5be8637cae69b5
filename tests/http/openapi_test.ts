/** The description of the end point: of every route and nothing else, without a fault, and kept current. `UPDATE=1` writes it. */
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { Ajv2020 } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { described, world } from "./rig.ts";

const { document: DOCUMENT } = await described(world());
const FILE = new URL("../../docs/openapi.json", import.meta.url);

test("http: docs/openapi.json is what the schemas make; else run this test with UPDATE=1", () => {
  const made = `${JSON.stringify(DOCUMENT, null, 2)}\n`;
  if (process.env["UPDATE"]) writeFileSync(FILE, made);
  assert.equal(readFileSync(FILE, "utf8"), made);
});

test("http: the document has every route that is served, and nothing else", async () => {
  const w = world({ page: { html: "<p>" } });
  const served = w.app.routes.map(({ method, path }) =>
    `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`
  );
  // The route of a key finds that of watching too, which has the place of a key called `watch`.
  served.push("GET /store/watch");
  const { operations } = await described(w);
  assert.deepEqual(served.sort(), operations.map(({ method, path }) => `${method} ${path}`).sort());
});

test("http: the linter finds nothing in the description", async () => {
  const config = await createConfig({
    extends: ["recommended-strict"],
    rules: {
      // The address is another one for each run.
      "no-server-example.com": "off",
      "info-license-strict": "off",
      // What is open to anyone can't be refused; what is the default answer says it for all others.
      "operation-4xx-response": "off",
    },
  });
  const problems = await lintFromString({ source: JSON.stringify(DOCUMENT), config });
  const told = problems.map(({ ruleId, message, location }) =>
    `${ruleId}: ${message} ${location[0]?.pointer ?? ""}`
  );
  assert.deepEqual(told, []);
});

test("http: what the end point answers is what the description says", async () => {
  const { ask, run } = world({
    gateway: () => ({ url: "x", spool: { state: 1, log: 2 }, heartbeatFailures: 0 }),
  });
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: "doc", components: DOCUMENT.components });
  const fits = async (name: string, path: string, init: RequestInit = {}) => {
    const answer = await ask(path, init);
    const text = await answer.text();
    for (const line of init.headers === undefined ? [text] : text.trim().split("\n")) {
      const valid = ajv.validate({ $ref: `doc#/components/schemas/${name}` }, JSON.parse(line));
      assert.ok(valid, `${path} ${JSON.stringify(ajv.errors)} ${line}`);
    }
  };
  run.store.set("k", "1", { expiresInMs: 60_000 });
  run.events.emit("e", "1", { task: "t", iteration: 0, attempt: 1 });
  run.say("x", { task: "first" });
  run.journal.append({ type: "run.started", run: "r", pipeline: "p", runtime: "t", plan: "" }, 1);
  run.end();
  await fits("Status", "/status");
  await fits("Keys", "/store?limit=1");
  await fits("Incremented", "/store/n/increment", { method: "POST" });
  await fits("EventMade", "/events", { method: "POST", body: '{"type":"x"}' });
  await fits("Pipeline", "/pipeline");
  await fits("Tasks", "/tasks");
  await fits("Result", "/result");
  await fits("Refusal", "/nothing");
  const headers = { accept: "application/x-ndjson" };
  await fits("LogRecord", "/logs", { headers });
  await fits("StateRecord", "/records", { headers });
  await fits("Event", "/events", { headers });
  await fits("Change", "/store/watch", { headers });
  run.store.close();
});
