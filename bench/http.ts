/**
 * Owns the local end point: its routes beside bare Hono routes on the same server, how soon a change is seen, what it costs
 * a run that its log is followed. Run alone: `node bench/http.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { Hono } from "hono";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inspectedRun } from "../src/executor.ts";
import { httpApp } from "../src/http/app.ts";
import type { HttpRun } from "../src/http/port.ts";
import type { InspectedExecution } from "../src/inspection.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { type Figure, figure, print, quantile, quick } from "./figure.ts";
import type { Load } from "./http_load.ts";
import { MODULE } from "./shapes.ts";

const ROUNDS = quick ? 1 : 5;
const ROUND_MS = quick ? 300 : 1_500;
const CHANGES = quick ? 50 : 500;
const LINES = quick ? 10_000 : 100_000;
const TOKEN = "0123456789abcdef".repeat(4);
const NODE = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));

/** The run as an end point sees it. */
function viewOf(execution: InspectedExecution): HttpRun {
  let over = false;
  const end = () => {
    over = true;
  };
  return {
    run: execution.run,
    store: execution.store,
    events: execution.events,
    journal: execution.journal,
    plan: execution.plan,
    get over() {
      return over;
    },
    whenOver: Promise.resolve(execution).then(end, end),
    snapshot: (limit) => execution.snapshot(limit),
    standings: (offset, limit) => execution.standings(offset, limit),
    resultJson: () => execution.resultJson(),
    cancel: (because) => execution.cancel(because),
  };
}

function serve(execution: InspectedExecution) {
  const run = viewOf(execution);
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

/** Runs a program of Node's; resolves to what it prints. */
function client(file: string, argument: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = spawn(NODE, [path, JSON.stringify(argument)], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => text += piece);
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve(text) : reject(new Error(`${file} ended with ${code}`)));
  });
}

async function perSecond(load: Load, status: string): Promise<number> {
  const told = JSON.parse(await client("./http_load.ts", load)) as { perSecond: number; status: string };
  if (!told.status.endsWith(status)) {
    throw new Error(`Expected ${status}, got ${told.status} for ${load.head}`);
  }
  return told.perSecond;
}

/** Ours over bare, in turn. */
async function routes(): Promise<Figure[]> {
  const execution = inspectedRun(manifest("waits"), { workers: 1 });
  await execution.begun;
  execution.store.set("k", '{"a":1}');
  const ours = await serve(execution);
  const bare = new Hono();
  bare.get("/status", (c) => c.json({ ok: true }));
  bare.put("/store/k", async (c) => c.text(String((await c.req.text()).length)));
  const other = await runtime.serve({ fetch: (request) => bare.fetch(request), port: 0 });
  const auth = `Authorization: Bearer ${TOKEN}`;
  const put = `PUT /store/k HTTP/1.1\r\n${auth}\r\nContent-Type: application/json`;
  const pairs = [
    {
      name: "GET /status",
      ours: "GET /status HTTP/1.1",
      bare: "GET /status HTTP/1.1",
      body: "",
      atLeast: 0.8,
      status: "200",
    },
    {
      name: "GET /store/k",
      ours: `GET /store/k HTTP/1.1\r\n${auth}`,
      bare: `GET /status HTTP/1.1\r\n${auth}`,
      body: "",
      atLeast: 0.8,
      status: "200",
    },
    { name: "PUT /store/k", ours: put, bare: put, body: '{"a":[1,2,3]}', atLeast: 0.6, status: "204" },
  ];
  const figures: Figure[] = [];
  for (const { name, atLeast, body, status, ...heads } of pairs) {
    const shares: number[] = [];
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const theirs = await perSecond({ port: other.port, head: heads.bare, body, ms: ROUND_MS }, "200");
      const mine = await perSecond({ port: ours.port, head: heads.ours, body, ms: ROUND_MS }, status);
      shares.push(mine / theirs);
      rates.push(1e6 / mine);
    }
    const how = `16 connections from another process, ${ROUNDS} rounds in turn with a bare Hono route that ${
      body === "" ? "answers {ok: true}" : "reads the body"
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
  const text = client("./http_watch.ts", { url: `${served.url}/store/watch`, token: TOKEN, until: CHANGES });
  const times = JSON.parse(await text) as number[];
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
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await timedLogging(false);
    shares.push(await timedLogging(true) / alone);
  }
  return figure("http: a run whose log is followed, share of one that is not", shares, {
    unit: "×",
    how:
      `one task logs ${LINES} lines of 80 characters; time of the attempt with a follower in another process over that without`,
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
  if (followed) await new Promise((connected) => setTimeout(connected, 300));
  execution.store.set("go", "true");
  const { tasks } = await execution;
  await reader;
  await served.close();
  return tasks["logs"]![0]!.value as number;
}

print("http", [...await routes(), await latency(), await following()]);
