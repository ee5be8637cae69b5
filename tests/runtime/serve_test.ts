/**
 * Holds how apps are served: over a port and a Unix socket, held requests, and what happens when the place is taken.
 */
import assert from "node:assert/strict";
import { existsSync, renameSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { serveWith } from "../../src/runtime/serve.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { startServing } from "../../src/serving/serving.ts";
import { withFiles } from "../rig.ts";

const hello = (request: Request) => new Response(`${request.method} ${new URL(request.url).pathname}`);

/** What serving here needs at the least. */
const HERE = { runtime, version: "0", clock: systemClock, redactor: new Redactor([]) };

test("an app is served on a free port, and the port is free again after close", async () => {
  const served = await runtime.serve({ fetch: hello, port: 0 });
  assert.match(served.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(await (await fetch(`${served.url}/a`, { method: "POST", body: "x" })).text(), "POST /a");
  await served.close();
  await served.close();
  const again = await runtime.serve({ fetch: hello, port: served.port });
  assert.equal(again.port, served.port);
  await again.close();
});

/** Addresses of this machine, beside 127.0.0.1, at which a stranger or another program would knock. */
const OTHERS = [
  ...(process.platform === "linux" ? ["127.0.0.2"] : []),
  ...Object.values(networkInterfaces()).flat().filter((each) => each?.internal === false)
    .map((each) => each!.address).filter((address) => !address.startsWith("fe80")),
];

/** Whether anyone takes a connection there. */
function taken(host: string, port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect({ host, port });
    const say = (open: boolean) => {
      socket.destroy();
      answer(open);
    };
    socket.on("connect", () => say(true)).on("error", () => say(false)).setTimeout(2_000, () => say(false));
  });
}

test("an app is served at the address that was asked for and at no other of this machine", async () => {
  for (const hostname of [undefined, "127.0.0.1", "localhost"]) {
    const served = await runtime.serve({
      fetch: hello,
      port: 0,
      ...(hostname !== undefined && { hostname }),
    });
    assert.equal(await (await fetch(`${served.url}/c`)).text(), "GET /c");
    for (const other of OTHERS) assert.equal(await taken(other, served.port), false, `${hostname}: ${other}`);
    await served.close();
  }
});

test("the gateway and the end point are served on 127.0.0.1 alone", async () => {
  await withFiles({}, async (folder) => {
    const store = sqliteGatewayStore(":memory:");
    const gateway = await runtime.serve({ fetch: gatewayApp({ store, clock: systemClock }).fetch, port: 0 });
    const serving = await startServing({ ...HERE, stateDir: folder });
    const ports = [gateway.port, Number(new URL(serving.url).port)];
    for (const port of ports) {
      assert.equal(await taken("127.0.0.1", port), true);
      for (const other of OTHERS) assert.equal(await taken(other, port), false, other);
    }
    await serving.close();
    await gateway.close();
    store.close();
  });
});

/** The first line of the answer to a request as it is written here; empty if there is none. */
function answerTo(port: number, head: string): Promise<string> {
  return new Promise((answer) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(`${head}\r\n\r\n`));
    socket.on("data", (piece) => {
      text += piece;
      if (text.includes("\r\n")) socket.destroy();
    });
    socket.on("error", () => {}).on("close", () => answer(text.split("\r\n")[0]!));
  });
}

test("a Host that is none, or no Host at all, is refused, and no defect of the gateway or the end point", async () => {
  await withFiles({}, async (folder) => {
    const defects: unknown[] = [];
    const store = sqliteGatewayStore(":memory:");
    const app = gatewayApp({ store, clock: systemClock, onDefect: (error) => void defects.push(error) });
    const gateway = await runtime.serve({ fetch: app.fetch, port: 0 });
    const serving = await startServing({ ...HERE, stateDir: folder });
    const hosts = ["[", "[::1", "%zz", "a:b", ":80", "1.2.3.4.5", "256.256.256.256", "..", "xn--", "a b", ""];
    const heads = hosts.map((host) => `GET /v1/runs HTTP/1.1\r\nHost: ${host}\r\nConnection: close`);
    const answers: string[] = [];
    for (const port of [gateway.port, Number(new URL(serving.url).port)]) {
      for (const head of heads) {
        // One that is right before each changes nothing.
        await answerTo(port, "GET /v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close");
        answers.push(await answerTo(port, head));
      }
    }
    const hostless = await answerTo(gateway.port, "GET /v1/runs HTTP/1.0");
    await serving.close();
    await gateway.close();
    store.close();
    assert.deepEqual(answers.filter((answer) => !/^HTTP\/1\.1 4\d\d /.test(answer)), []);
    assert.doesNotMatch(hostless, /^HTTP\/1\.\d 5/);
    assert.deepEqual(defects, []);
  });
});

test("a server that the system put at another address is closed again, and that is an error", async () => {
  for (
    const [asked, got] of [["127.0.0.1", "0.0.0.0"], ["127.0.0.1", "::"], ["localhost", "0.0.0.0"]] as const
  ) {
    let closed = 0;
    const listen = () =>
      Promise.resolve({ at: { address: got, port: 1 }, close: () => Promise.resolve(void closed++) });
    await assert.rejects(serveWith(listen, { fetch: hello, hostname: asked, port: 0 }), {
      code: "OUTRIDER_SERVE",
      message: /the system gave .* instead of (127\.0\.0\.1|::1)/,
    });
    assert.equal(closed, 1);
  }
  const listen = () =>
    Promise.resolve({ at: { address: "0:0:0:0:0:0:0:1", port: 1 }, close: () => Promise.resolve() });
  assert.equal((await serveWith(listen, { fetch: hello, hostname: "::1", port: 0 })).url, "http://[::1]:1");
});

test("a port that is taken is an error that says so", async () => {
  const first = await runtime.serve({ fetch: hello, port: 0 });
  await assert.rejects(
    runtime.serve({ fetch: hello, port: first.port }),
    {
      code: "OUTRIDER_SERVE",
      message: /^Could not listen on 127\.0\.0\.1, port \d+: another process has it/,
    },
  );
  await first.close();
});

test("close breaks off a request that is held", async () => {
  const held = Promise.withResolvers<void>();
  const served = await runtime.serve({
    fetch: () => {
      held.resolve();
      return new Promise(() => {});
    },
    port: 0,
  });
  const answer = assert.rejects(fetch(served.url));
  await held.promise;
  await served.close();
  await answer;
});

test("a request's signal is aborted when its client goes away, and not by an answer", async () => {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let answered: AbortSignal | undefined;
  const held = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => gone.resolve());
    asked.resolve();
    return new Promise<Response>(() => {});
  };
  const app = ({ url, signal }: Request) =>
    url.endsWith("/held")
      ? held(signal)
      : new Response("ok", { headers: { kept: String(answered = signal) } });
  const served = await runtime.serve({ fetch: app, port: 0 });
  assert.equal(await (await fetch(served.url)).text(), "ok");
  const client = new AbortController();
  const answer = assert.rejects(fetch(`${served.url}/held`, { signal: client.signal }));
  await asked.promise;
  client.abort();
  await Promise.all([answer, gone.promise]);
  assert.equal(answered?.aborted, false);
  await served.close();
});

test("an answer whose reader goes away is cancelled", async () => {
  const cancelled = Promise.withResolvers<void>();
  const body = () =>
    new ReadableStream({
      pull: async (controller) => {
        controller.enqueue(new TextEncoder().encode("more\n"));
        await new Promise((done) => setTimeout(done, 5));
      },
      cancel: () => cancelled.resolve(),
    });
  const served = await runtime.serve({ fetch: () => new Response(body()), port: 0 });
  const reader = (await fetch(served.url)).body!.getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel();
  await cancelled.promise;
  await served.close();
});

test("a Unix socket left behind by a killed process is replaced, one in use is not", async () => {
  await withFiles({}, async (folder) => {
    const path = join(folder, "o.sock");
    const other = createServer();
    await new Promise<void>((listening) => other.listen(`${path}.other`, listening));
    renameSync(`${path}.other`, path);
    await new Promise((closed) => other.close(closed));
    assert.ok(existsSync(path));
    const served = await runtime.serve({ fetch: hello, path });
    assert.equal(served.url, `unix:${path}`);
    assert.equal(await overSocket(path), "GET /b");
    await assert.rejects(runtime.serve({ fetch: hello, path }), { code: "OUTRIDER_SERVE" });
    assert.equal(await overSocket(path), "GET /b");
    await served.close();
    assert.equal(existsSync(path), false);
  });
});

function overSocket(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path: "/b", agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => text += piece).on("end", () => resolve(text));
    });
    request.on("error", reject);
    request.end();
  });
}
