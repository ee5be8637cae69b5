/** The end point on the real server of the runtime that runs the test, asked by a real client while a real run goes on. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { inspectedRun } from "../../src/run/run.ts";
import type { InspectedExecution } from "../../src/run/inspection.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { type Serving, type ServingOptions, startServing } from "../../src/serving/serving.ts";
import { isLoopback } from "../../src/base/loopback.ts";
import { systemClock } from "../../src/base/clock.ts";
import { serveAddress } from "../../src/config/serve_address.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { StreamReader } from "../http/rig.ts";
import { withFolder } from "../run/rig.ts";
import { testWith } from "../system.ts";

/** A task of a worker that sets a key when another one is set, and tells the whole of its wait. */
const WORKER = `data:text/javascript,${
  encodeURIComponent(`
export async function echo({ store, events, log }) {
  await events.emit("ready");
  const asked = await store.waitFor("ask");
  log.info("asked " + asked);
  await store.set("answer", asked * 2);
  await events.once("done", { since: 0 });
  return await store.get("counted");
}`)
}`;

const PIPELINE = {
  outrider: 1,
  name: "served",
  tasks: { echo: { run: { module: WORKER, export: "echo" } } },
};

/** What serving here needs at the least. */
const HERE = { runtime, version: "0.0.0", clock: systemClock, redactor: new Redactor([]) };

/** Serves, runs, and ends both whatever happens. */
async function served<T>(
  use: (serving: Serving, execution: InspectedExecution) => Promise<T>,
  options: Partial<ServingOptions> = {},
): Promise<T> {
  const serving = await startServing({ ...HERE, ...options });
  const execution = serving.attach(
    inspectedRun(PIPELINE, {
      workers: 1,
      killGraceMs: 100,
      journal: serving.journal(memoryJournal()),
      environment: () => serving.environment(),
    }),
  );
  try {
    await execution.begun;
    return await use(serving, execution);
  } finally {
    execution.cancel("the test is over");
    await execution.then(() => {}, () => {});
    await serving.close();
  }
}

function asker({ url, token }: Serving): (path: string, init?: RequestInit) => Promise<Response> {
  return (path, init = {}) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", ...init.headers };
    return fetch(url + path, { ...init, headers });
  };
}

test("serve: a worker and a client share the store and the events, and the log tells of it", () =>
  served(async (serving, execution) => {
    const ask = asker(serving);
    const events = new StreamReader(await ask("/events"));
    await events.until(/"type":"ready"/);
    const watching = new StreamReader(await ask("/store/watch"));
    const held = ask("/store/answer?wait=30s&since=0");
    assert.equal((await ask("/store/ask", { method: "PUT", body: "21" })).status, 201);
    assert.equal(await (await held).text(), "42");
    await watching.until(/"key":"answer","version":1,"value":42/);
    await watching.leave();
    await ask("/store/counted/increment", { method: "POST", body: '{"by":5}' });
    const log = new StreamReader(await ask("/logs?follow=1", { headers: { accept: "text/plain" } }));
    await log.until(/asked 21/);
    const status = await (await ask("/status")).json() as {
      run: { state: string; running: { task: string }[] };
    };
    assert.deepEqual([status.run.state, status.run.running[0]!.task], ["running", "echo"]);
    await ask("/events", { method: "POST", body: '{"type":"done"}' });
    const result = await execution;
    assert.equal(result.tasks["echo"]![0]!.value, 5);
    assert.match(await log.rest(), /succeeded after/);
    await events.rest();
    const told = await (await ask("/result")).json() as { state: string };
    assert.equal(told.state, "succeeded");
    assert.equal((await ask("/cancel", { method: "POST", body: "{}" })).status, 409);
  }));

testWith(
  ["promtool"],
  "serve: Prometheus' own promtool finds nothing to say against the metrics of a real run",
  () =>
    served(async (serving, execution) => {
      const ask = asker(serving);
      const metrics = async () => {
        const input = await (await ask("/metrics")).text();
        const { error, status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
          input,
          encoding: "utf8",
        });
        assert.equal(error, undefined);
        assert.deepEqual([status, stdout, stderr], [0, "", ""], input);
        return input;
      };
      assert.match(await metrics(), /^outrider_workers\{state="busy"\} \d$/m);
      await ask("/store/ask", { method: "PUT", body: "21" });
      await ask("/events", { method: "POST", body: '{"type":"done"}' });
      await execution;
      assert.match(await metrics(), /^outrider_attempts_total\{outcome="succeeded"\} 1$/m);
    }, {
      gateway: () => ({ url: "x", spool: { state: 1, log: 2 }, heartbeatFailures: 3, lastContactAt: 4 }),
    }),
);

test("serve: a cancel by a client ends the run", () =>
  served(async (serving, execution) => {
    const ask = asker(serving);
    const events = new StreamReader(await ask("/events"));
    await events.until(/"ready"/);
    assert.equal((await ask("/cancel", { method: "POST", body: '{"because":"enough"}' })).status, 202);
    const { state, tasks } = await execution;
    assert.equal(state, "cancelled");
    assert.equal(tasks["echo"]![0]!.because, "enough");
    await events.rest();
  }));

test("serve: a client that goes away leaves no wait and no listener behind", () =>
  served(async (serving, execution) => {
    const ask = asker(serving);
    const leaving = new AbortController();
    const events = await ask("/events", { signal: leaving.signal });
    const reader = new StreamReader(events);
    const until = async (waits: number) => {
      while (execution.store.stats().waits !== waits) await new Promise((later) => setTimeout(later, 5));
    };
    await reader.until(/"type":"ready"/);
    // The task's own.
    await until(1);
    const held = ask("/store/never?wait=30s", { signal: leaving.signal }).catch(() => undefined);
    await until(2);
    leaving.abort();
    await held;
    await reader.leave().catch(() => {});
    await until(1);
    assert.equal((await ask("/livez")).status, 200);
  }));

/** Sends bytes as they are; resolves to what comes back until the other side closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.setEncoding("latin1").on("data", (piece: string) => answer += piece);
    // A server may reset a connection whose request it has given up.
    socket.on(
      "error",
      (error: { code?: string }) => /^(ECONNRESET|EPIPE)$/.test(error.code ?? "") || reject(error),
    );
    socket.on("close", () => resolve(answer));
  });
}

test("serve: the server lets nothing past by the way it reads requests", () =>
  served(async (serving, execution) => {
    const port = Number(new URL(serving.url).port);
    const status = async (head: string) => {
      const answer = await raw(port, `${head}\r\nConnection: close\r\n\r\n`);
      return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
    };
    assert.equal(await status(`GET /status HTTP/1.1\r\nHost: 127.0.0.1:${port}`), 200);
    assert.equal(await status("GET /status HTTP/1.1\r\nHost: evil.example"), 421);
    assert.ok(
      [400, 421].includes(await status("GET http://evil.example/status HTTP/1.1\r\nHost: evil.example")),
    );
    assert.equal(await status(`PUT /store/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1`), 401);
    assert.ok(
      [0, 400, 413, 431].includes(
        await status(`GET /status HTTP/1.1\r\nHost: localhost\r\nX-Much: ${"x".repeat(1_000_000)}`),
      ),
    );
    assert.ok([400, 401, 404].includes(await status("GET /store/%ZZ HTTP/1.1\r\nHost: localhost")));
    assert.deepEqual(execution.store.keys().keys, []);
  }));

test("serve: the address and the token are in a file for this user alone, and in no variable of the process", () =>
  withFolder(async (folder) => {
    const file = join(folder, "state", "http.json");
    await served(async (serving) => {
      const { url, token, pid } = JSON.parse(readFileSync(file, "utf8"));
      assert.deepEqual([url, token, pid], [serving.url, serving.token, process.pid]);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.deepEqual(serving.environment(), {
        OUTRIDER_URL: url,
        OUTRIDER_TOKEN: token,
        OUTRIDER_SOCKET: "",
      });
      // Workers and what they start have them; the process that serves has not.
      for (const name of Object.keys(serving.environment())) assert.equal(process.env[name], undefined, name);
      assert.match(token, /^[0-9a-f]{64}$/);
      await serving.renew();
      assert.notEqual(serving.token, token);
      assert.equal(
        (await fetch(`${url}/store`, { headers: { authorization: `Bearer ${token}` } })).status,
        401,
      );
      assert.equal((await asker(serving)("/store")).status, 200);
    }, { stateDir: join(folder, "state") });
    assert.ok(!existsSync(file));
  }));

test("serve: a Unix socket does as well as a port", () =>
  withFolder((folder) =>
    served(async (serving) => {
      const { OUTRIDER_URL, OUTRIDER_SOCKET } = serving.environment();
      assert.equal(OUTRIDER_URL, "http://localhost");
      const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
        const asked = request(
          { socketPath: OUTRIDER_SOCKET!, path: "/status", host: "localhost" },
          (message) => {
            let text = "";
            message.setEncoding("utf8").on("data", (piece: string) => text += piece);
            message.on("end", () => resolve({ status: message.statusCode!, text }));
          },
        );
        asked.on("error", reject);
        asked.end();
      });
      assert.equal(answer.status, 200);
      assert.equal(JSON.parse(answer.text).executor, "local");
    }, { address: `unix:${join(folder, "s")}` })
  ));

test("serve: an address that others reach is refused without a token of the operator's", async () => {
  const start = (address: string, token?: string) =>
    startServing({ ...HERE, address, operator: { token, hosts: [] } });
  for (const address of ["0.0.0.0", "0.0.0.0:0", "[::]:0", "192.0.2.1:80", "device.example"]) {
    await assert.rejects(start(address), /set OUTRIDER_SERVE_TOKEN/, address);
  }
  await assert.rejects(start("127.0.0.1", "too short"), /16 to 512/);
  const serving = await start("0.0.0.0:0", "an-operators-own-token");
  try {
    const headers = { authorization: "Bearer an-operators-own-token" };
    assert.equal((await fetch(`${serving.url}/store`, { headers })).status, 404);
    assert.equal((await fetch(`${serving.url}/store`)).status, 401);
  } finally {
    await serving.close();
  }
});

test("serve: addresses are read in all their forms", () => {
  assert.deepEqual(serveAddress(""), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(serveAddress("8080"), { hostname: "127.0.0.1", port: 8080 });
  assert.deepEqual(serveAddress(":8080"), { hostname: "127.0.0.1", port: 8080 });
  assert.deepEqual(serveAddress("localhost"), { hostname: "localhost", port: 0 });
  assert.deepEqual(serveAddress("[::1]:9"), { hostname: "::1", port: 9 });
  assert.deepEqual(serveAddress("unix:/run/o.sock"), { path: "/run/o.sock" });
  for (const bad of ["a b", "http://x", "x:99999", "unix:", "::1:2"]) {
    assert.throws(() => serveAddress(bad), /write HOST:PORT/, bad);
  }
  assert.ok(isLoopback("127.9.9.9") && isLoopback("::1") && !isLoopback("127.0.0.1.example"));
});
