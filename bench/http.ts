/**
 * Owns the local end point: its routes beside bare Hono routes on the same server, how soon a change is seen, what it costs
 * a run that its log is followed. Run alone: `node bench/http.ts [routes] [latency] [following] [--quick]`, likewise on Deno
 * (`-A`) and Bun; without a word, all three.
 */
import { Hono } from "hono";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inspectedRun } from "../src/run/run.ts";
import { httpApp } from "../src/http/app.ts";
import type { InspectedExecution } from "../src/run/inspection.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { viewOf } from "../src/serving/serving.ts";
import { type Figure, figure, print, quantile, quick, words } from "./figure.ts";
import type { Load } from "./http_load.ts";
import { MODULE } from "./shapes.ts";

const ROUNDS = quick ? 1 : 5;
const ROUND_MS = quick ? 300 : 1_500;
const FOLLOWED_ROUNDS = quick ? 0 : 9;
const CHANGES = quick ? 50 : 500;
const LINES = quick ? 10_000 : 100_000;
const TOKEN = "0123456789abcdef".repeat(4);
const NODE = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));

function serve(execution: InspectedExecution) {
  const run = viewOf(execution, runtime);
  const app = httpApp({
    runtime: "bench",
    version: "0",
    executor: "bench",
    startedAt: Date.now(),
    run: () => run,
    tokens: () => [TOKEN],
  });
  return runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
}

function manifest(name: string) {
  return {
    outrider: 1,
    name,
    tasks: { [name]: { run: { module: MODULE, export: name }, params: { count: CHANGES, lines: LINES } } },
  };
}

/** A program of Node's: `begun` when it prints first, `printed` when it has ended. */
function client(
  file: string,
  argument: object,
): { readonly begun: Promise<void>; readonly printed: Promise<string> } {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(NODE, [path, JSON.stringify(argument)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => text += piece);
  return {
    begun: new Promise((resolve) => child.stdout.once("data", () => resolve())),
    printed: new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on(
        "close",
        (code) => code === 0 ? resolve(text) : reject(new Error(`${file} ended with ${code}`)),
      );
    }),
  };
}

async function perSecond(load: Load, status: string): Promise<number> {
  const told = JSON.parse(await client("./http_load.ts", load).printed) as {
    perSecond: number;
    status: string;
  };
  if (!told.status.endsWith(status)) {
    throw new Error(`Expected ${status}, got ${told.status} for ${load.head}`);
  }
  return told.perSecond;
}

/** What anyone would write who wants no more than the answers: the same paths, texts and types. */
function bareApp(status: string): Hono {
  const json = { "content-type": "application/json" };
  const bare = new Hono();
  bare.get("/status", (c) => c.body(status, 200, json));
  bare.get("/store/:key{.+}", (c) => c.body('{"a":1}', 200, json));
  bare.put("/store/:key{.+}", async (c) => c.text(String((await c.req.text()).length)));
  return bare;
}

/** Ours over bare, in turn. */
async function routes(): Promise<Figure[]> {
  const execution = inspectedRun(manifest("waits"), { workers: 1 });
  await execution.begun;
  execution.store.set("k", '{"a":1}');
  const ours = await serve(execution);
  const status = await (await fetch(`${ours.url}/status`)).text();
  const bare = bareApp(status);
  const other = await runtime.serve({ fetch: (request) => bare.fetch(request), port: 0 });
  const auth = `Authorization: Bearer ${TOKEN}`;
  const put = `PUT /store/k HTTP/1.1\r\n${auth}\r\nContent-Type: application/json`;
  const get = `GET /store/k HTTP/1.1\r\n${auth}`;
  const requests = [
    { name: "GET /status", head: "GET /status HTTP/1.1", body: "", atLeast: 0.8, wanted: "200" },
    { name: "GET /store/k", head: get, body: "", atLeast: 0.8, wanted: "200" },
    { name: "PUT /store/k", head: put, body: '{"a":[1,2,3]}', atLeast: 0.6, wanted: "204" },
  ];
  const figures: Figure[] = [];
  for (const { name, head, body, atLeast, wanted } of requests) {
    const shares: number[] = [];
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const theirs = await perSecond({ port: other.port, head, body, ms: ROUND_MS }, "200");
      const mine = await perSecond({ port: ours.port, head, body, ms: ROUND_MS }, wanted);
      shares.push(mine / theirs);
      rates.push(1e6 / mine);
    }
    const how = `16 connections from another process, ${ROUNDS} rounds in turn with a bare Hono route that ${
      body === "" ? "answers with the same text" : "reads the body"
    }`;
    figures.push(
      figure(`http: ${name}, share of a bare route`, shares, { unit: "×", how, target: { atLeast } }),
    );
    figures.push(figure(`http: ${name}, time per request`, rates, { unit: "µs", how }));
  }
  execution.cancel("measured");
  await execution;
  await Promise.all([ours.close(), other.close()]);
  return figures;
}

/** From a set in a worker to its sight by a client that watches. */
async function latency(): Promise<Figure> {
  const execution = inspectedRun(manifest("changes"), { workers: 1 });
  await execution.begun;
  const served = await serve(execution);
  const watcher = client("./http_watch.ts", {
    url: `${served.url}/store/watch`,
    token: TOKEN,
    until: CHANGES,
  });
  const times = JSON.parse(await watcher.printed) as number[];
  await execution;
  await served.close();
  return figure("http: set in a worker to sight by a watcher, median", [quantile(times, 0.5)], {
    unit: "ms",
    how:
      `${CHANGES} sets, 10 ms apart, each of the worker's clock; a watcher in another process compares with its own`,
    target: { atMost: 5 },
  });
}

/** A run that logs, alone and with one who follows. */
async function following(): Promise<Figure> {
  const shares: number[] = [];
  for (let round = 0; round <= FOLLOWED_ROUNDS; round++) {
    const alone = await timedLogging(false);
    const share = await timedLogging(true) / alone;
    if (round > 0 || quick) shares.push(share);
  }
  return figure("http: a run whose log is followed, share of one that is not", shares, {
    unit: "×",
    how:
      `one task logs ${LINES} lines of 80 characters; time of the attempt with a follower in another process over that without, in turn, after one round that warms up`,
    target: { atMost: 1.1 },
  });
}

async function timedLogging(followed: boolean): Promise<number> {
  const execution = inspectedRun(manifest("logs"), { workers: 1 });
  await execution.begun;
  const served = await serve(execution);
  const reader = followed
    ? client("./http_watch.ts", { url: `${served.url}/logs?follow=1`, token: TOKEN })
    : undefined;
  await reader?.begun;
  execution.store.set("go", "true");
  const { tasks } = await execution;
  await reader?.printed;
  await served.close();
  return tasks["logs"]![0]!.value as number;
}

const parts: Readonly<Record<string, () => Promise<Figure[]>>> = {
  routes,
  latency: async () => [await latency()],
  following: async () => [await following()],
};
const figures: Figure[] = [];
for (const name of words.length > 0 ? words : Object.keys(parts)) figures.push(...await parts[name]!());
print("http", figures);
