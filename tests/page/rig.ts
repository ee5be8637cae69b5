/**
 * Owns a real run behind the real end point, looked at by a real browser.
 * Must not know what is tested.
 * Invariant: when `withPage` settles, browser, server and run are gone; a message in the browser's console or a request to
 * another host fails the test.
 */
import assert from "node:assert/strict";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { inspectedRun } from "../../src/run/run.ts";
import { httpApp } from "../../src/http/app.ts";
import { pageDocument as ownPage } from "../../src/page/page.ts";
import type { HttpOptions, HttpRun } from "../../src/http/port.ts";
import type { InspectedExecution } from "../../src/run/inspection.ts";
import type { Source } from "../../src/pipeline/load/load.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { viewOf } from "../../src/serving/serving.ts";
import { programPath } from "../system.ts";

/** Where it is; what starts it fails in words where it is not. */
export const CHROMIUM: string = programPath("chromium") ?? "/usr/bin/chromium";

const FLAGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The run's token. */
export const TOKEN: string = "0123456789abcdef".repeat(2);

/** How the page is looked at. */
export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
}

/** Starts a browser. */
export function browse(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS] });
}

/** A page that is watched. */
export interface Watched {
  readonly page: Page;
  /** Messages of its console, and errors. */
  readonly said: string[];
  /** Hosts that it has asked. */
  readonly hosts: Set<string>;
}

/** Opens a page, in a context of its own or in one that is there. */
export async function watched(
  browser: Browser | BrowserContext,
  { width = 1_280, height = 800, scheme = "light" }: Look = {},
): Promise<Watched> {
  const page = "contexts" in browser
    ? await browser.newPage({ viewport: { width, height }, colorScheme: scheme })
    : await browser.newPage();
  const said: string[] = [];
  const hosts = new Set<string>();
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error.stack)));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (!["data:", "blob:", "file:"].includes(protocol)) hosts.add(host);
  });
  return { page, said, hosts };
}

/** What an end point sees of a run. */
export function httpRun(execution: InspectedExecution): HttpRun {
  return viewOf(execution, runtime);
}

/** An end point on a port of its own. */
export interface Served {
  readonly url: string;
  /** With the token, as a terminal shows it. */
  readonly address: string;
  readonly host: string;
  close(): Promise<void>;
}

/** Serves what `run` gives, with the page. @param port Default: any. */
export async function served(
  run: () => HttpRun | undefined,
  port: number = 0,
  more: Partial<HttpOptions> = {},
): Promise<Served> {
  const app = httpApp({
    runtime: "test 1",
    version: "0.0.0",
    executor: "here",
    startedAt: Date.now(),
    run,
    tokens: () => [TOKEN],
    page: ownPage,
    ...more,
  });
  const server = await runtime.serve({ fetch: (request) => app.fetch(request), port });
  const { host } = new URL(server.url);
  return { url: server.url, address: `${server.url}/#token=${TOKEN}`, host, close: () => server.close() };
}

/** A page on a run that goes on. */
export interface PageOnRun extends Watched {
  readonly execution: InspectedExecution;
  readonly server: Served;
}

/** Runs a pipeline, opens the page on it, and lets a test look. */
export async function withPage(
  source: Source,
  use: (shown: PageOnRun) => Promise<void>,
  look: Look & { readonly workers?: number } = {},
): Promise<void> {
  const browser = await browse();
  const execution = inspectedRun(source, { workers: look.workers ?? 2 });
  const server = await served(() => httpRun(execution));
  try {
    const seen = await watched(browser, look);
    await seen.page.goto(server.address);
    await use({ ...seen, execution, server });
    assert.deepEqual(seen.said, [], "the page's console is not empty");
    assert.deepEqual([...seen.hosts], [server.host], "the page has asked another host");
  } finally {
    await browser.close();
    execution.cancel("the test is over");
    await Promise.resolve(execution).catch(() => {});
    await server.close();
  }
}
