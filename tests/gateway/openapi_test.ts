/** The OpenAPI document: of every route and nothing else, whole, and kept current. `UPDATE=1` writes it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { openApiDocument, OPERATIONS } from "../../src/gateway/openapi.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { HandClock } from "../uplink/rig.ts";

const FILE = new URL("../../docs/gateway.openapi.json", import.meta.url);

test("gateway: docs/gateway.openapi.json is what the schemas make; else run this test with UPDATE=1", () => {
  const made = `${JSON.stringify(openApiDocument(), null, 2)}\n`;
  if (process.env["UPDATE"]) writeFileSync(FILE, made);
  assert.equal(readFileSync(FILE, "utf8"), made);
});

test("gateway: every route is described, and nothing else", () => {
  const store = sqliteGatewayStore(":memory:");
  const { routes } = gatewayApp({ store, clock: new HandClock() });
  const served = routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  const described = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assert.deepEqual(served.sort(), described.sort());
  store.close();
});

test("gateway: every reference in the document leads somewhere, and every schema is used or named", () => {
  const document = openApiDocument() as { components: { schemas: Record<string, unknown> } };
  const named = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) =>
    name!
  );
  assert.ok(named.length > 20);
  for (const name of named) assert.ok(document.components.schemas[name], name);
});
