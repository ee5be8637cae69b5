/**
 * Owns a gateway on a port of its own with devices, looked at by a real browser.
 * Must not know what is tested.
 * Invariant: when `withGateway` settles, browser, gateway and devices are gone; a message in the browser's console that the
 * test does not expect, or a request to another host, fails the test.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { type SqliteGatewayStore, sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { type CliProcess, startCli } from "../rig.ts";
import { browse, type Watched, watched } from "./rig.ts";

/** The token of a user. */
export const USER = "a-user-of-the-gateway";

/** A gateway that is looked at. */
export interface SeenGateway extends Watched {
  readonly url: string;
  readonly store: SqliteGatewayStore;
  /** Another page of the same browser, signed in as the first one. */
  another(size: { readonly width: number; readonly scheme: "light" | "dark" }): Promise<Watched>;
  /** Starts a device that carries out what it is handed. */
  device(id: string): CliProcess;
}

/** Serves a gateway and opens its page. @param expected Messages of the console that are no mistake. */
export async function withGateway(
  use: (gateway: SeenGateway) => Promise<void>,
  expected: RegExp = /^$/,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-page-"));
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  await tokens.put({ name: "user", kind: "user" }, USER);
  await tokens.put({ name: "devices", kind: "executor" }, "a-device");
  const defects: unknown[] = [];
  const app = gatewayApp({
    store,
    clock: systemClock,
    tokens,
    files: { files: runtime, folder: join(folder, "files"), maxBytes: 1_000_000 },
    onDefect: (error) => defects.push(error),
  });
  const server = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
  const devices: CliProcess[] = [];
  const device = (id: string) => {
    const started = startCli(["agent", "--follow"], {
      cwd: folder,
      env: {
        OUTRIDER_GATEWAY: server.url,
        OUTRIDER_TOKEN: "a-device",
        OUTRIDER_EXECUTOR_ID: id,
        OUTRIDER_GROUPS: "",
        OUTRIDER_HEARTBEAT: "1s",
        OUTRIDER_SERVE: "off",
      },
    });
    devices.push(started);
    return started;
  };
  const browser = await browse();
  try {
    const context = await browser.newContext({ viewport: { width: 1_280, height: 800 } });
    const pages: Watched[] = [];
    const open = async (): Promise<Watched> => {
      const seen = await watched(context);
      pages.push(seen);
      return seen;
    };
    const another: SeenGateway["another"] = async ({ width, scheme }) => {
      const seen = await open();
      await seen.page.setViewportSize({ width, height: 800 });
      await seen.page.emulateMedia({ colorScheme: scheme });
      return seen;
    };
    const first = await open();
    await first.page.goto(server.url);
    await use({ ...first, url: server.url, store, another, device });
    for (const { said, hosts } of pages) {
      assert.deepEqual(said.filter((text) => !expected.test(text)), [], "the page's console is not empty");
      assert.deepEqual([...hosts], [new URL(server.url).host], "the page has asked another host");
    }
    assert.deepEqual(defects, []);
  } finally {
    await browser.close();
    for (const each of devices) each.kill("SIGKILL");
    await Promise.all(devices.map((each) => each.ended));
    await server.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
