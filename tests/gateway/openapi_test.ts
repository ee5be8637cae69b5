/** The OpenAPI document: of every route and nothing else, whole, and kept current. `UPDATE=1` writes it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { HandClock } from "../uplink/rig.ts";

const FILE = new URL("../../docs/gateway.openapi.json", import.meta.url);

interface Document {
  readonly paths: Readonly<Record<string, object>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

async function described() {
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock: new HandClock() });
  const document = await (await app.request("http://127.0.0.1:9/v1/openapi.json")).json() as Document;
  store.close();
  return { app, document };
}

test("gateway: docs/gateway.openapi.json is what the schemas make; else run this test with UPDATE=1", async () => {
  const made = `${JSON.stringify((await described()).document, null, 2)}\n`;
  if (process.env["UPDATE"]) writeFileSync(FILE, made);
  assert.equal(readFileSync(FILE, "utf8"), made);
});

test("gateway: the document has every route that is served, and nothing else", async () => {
  const { app, document } = await described();
  const served = app.routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "{$1}")}`);
  const told = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  );
  assert.ok(served.length > 20);
  assert.deepEqual(served.sort(), told.sort());
});

test("gateway: every reference in the document leads somewhere, and every schema is used or named", async () => {
  const { document } = await described();
  const named = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) =>
    name!
  );
  assert.ok(named.length > 20);
  for (const name of named) assert.ok(document.components.schemas[name], name);
});
