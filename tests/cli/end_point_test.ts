/** The command line and whatever listens where an executor should: who gets the token, how long it waits, what it says. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { askDirectly } from "../../src/base/no_proxy.ts";
import { proofOf } from "../../src/base/proof.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { exchange, follow, pieces, Told } from "../../src/cli/ask/exchange.ts";
import { runtime as real } from "../../src/runtime/runtime.ts";
import { FakeRuntime } from "./fake.ts";
import { HandRun, TOKEN, world } from "../http/rig.ts";
import { runCli, startCli, withFiles } from "../rig.ts";
import { HandClock } from "../store/hand_clock.ts";

/** Something that listens and is no executor: says `head` and `body` to each request, and keeps what it was sent. */
async function impostor(answer: string | ((socket: Socket) => void)) {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      heard.push(String(data));
      if (typeof answer === "string") socket.end(answer);
      else answer(socket);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    heard,
    close: () => new Promise<void>((done) => server.close(() => done())),
  };
}

function http(type: string, body: string, status = "200 OK"): string {
  const length = new TextEncoder().encode(body).length;
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`;
}

/** Runs a command of ours in this process, with a state directory that names an address. */
async function command(args: readonly string[], url: string, token: string = TOKEN) {
  const runtime = new FakeRuntime();
  runtime.askSocket = (request) => real.askSocket(request);
  runtime.files.set("state/http.json", JSON.stringify({ url, token, pid: 1 }));
  const code = await commandLine([...args, "--state-dir", "state"], runtime);
  return { code, stdout: runtime.stdout.text, stderr: runtime.stderr.text };
}

const COMMANDS = [
  ["status"],
  ["status", "--json"],
  ["store", "get", "k"],
  ["store", "set", "k", "1"],
  ["store", "keys"],
  ["store", "watch"],
  ["store", "delete", "k"],
  ["logs", "--follow"],
  ["cancel"],
];

const STRANGERS: readonly (readonly [name: string, answer: string, words: RegExp])[] = [
  ["a web page", http("text/html", "<html>login</html>"), /a web page/],
  ["a page that says nothing of itself", http("text/plain", "<!doctype html>"), /a web page/],
  ["another program's JSON", http("application/json", '{"ok":true}'), /JSON of another program/],
  [
    "another program's refusal",
    http("application/json", '{"detail":"no"}', "401 No"),
    /401 with JSON of another program/,
  ],
  ["nothing", http("text/plain", ""), /an empty answer/],
  [
    "a redirect",
    "HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    /redirect/,
  ],
  [
    "a wrong proof",
    http("application/json", `{"proof":"${"0".repeat(64)}"}`),
    /not the end point of the executor that the token is for/,
  ],
  ["another protocol", "SSH-2.0-x\r\n", /does not speak HTTP|no executor/],
];

test("no command sends the token to a program that is no executor, and each says what answered", async () => {
  for (const [name, answer, words] of STRANGERS) {
    const { url, heard, close } = await impostor(answer);
    for (const args of name === "a wrong proof" ? COMMANDS : COMMANDS.slice(0, 2)) {
      const { code, stdout, stderr } = await command(args, url);
      assert.equal(code, 2, `${name}: ${args}: ${stderr}`);
      assert.match(stderr, words, name);
      assert.match(stderr, /^\S.*\n$/, "one line");
      assert.equal(stdout, "");
    }
    assert.ok(heard.length > 0);
    for (const each of heard) assert.doesNotMatch(each, new RegExp(TOKEN), name);
    await close();
  }
  const gone = await impostor("");
  await gone.close();
  assert.match((await command(["status"], gone.url)).stderr, /^Nothing answers at http/);
});

test("without a token too it is said what answered", async () => {
  const { url, close } = await impostor(http("application/json", '{"ok":true}'));
  const runtime = new FakeRuntime();
  assert.equal(await commandLine(["status", "--url", url], runtime), 2);
  assert.match(runtime.stderr.text, /not the end point of an executor: it answered 200 with JSON of another/);
  assert.equal(await commandLine(["logs", "--url", url], runtime), 2);
  assert.match(runtime.stderr.text, /something that is no log/);
  await close();
});

test("an executor proves itself to who proves himself, by its own token or the operator's, and to nobody else", async () => {
  const operator = "an-operator-s-token";
  const { ask, refused, run } = world({ tokens: () => [TOKEN, operator] });
  const challenge = "0123456789abcdef".repeat(2);
  const prove = async (token: string, side: "client" | "executor" = "client") => ({
    token: null,
    headers: { authorization: `Proof ${await proofOf(token, side, challenge)}` },
  });
  for (const token of [TOKEN, operator]) {
    const answer = await ask(`/proof?challenge=${challenge}`, await prove(token));
    assert.deepEqual(await answer.json(), { proof: await proofOf(token, "executor", challenge) });
  }
  const path = `/proof?challenge=${challenge}`;
  assert.equal(await refused(path, await prove("another-token-of-16")), "401 TOKEN");
  assert.equal(await refused(path, await prove(TOKEN, "executor")), "401 TOKEN");
  assert.equal(await refused(`/proof?challenge=${"f".repeat(32)}`, await prove(TOKEN)), "401 TOKEN");
  assert.equal(await refused(path), "401 TOKEN");
  assert.equal(await refused("/proof?challenge=1", await prove(TOKEN)), "400 QUERY");
  run.end();
});

test("a real executor is asked with the token, after its proof; with another token nothing is sent", async () => {
  const run = new HandRun();
  const { app } = world({}, run);
  const seen: (string | null)[] = [];
  const fetch = (request: Request) => {
    seen.push(request.headers.get("authorization"));
    return app.fetch(request);
  };
  await withFiles({}, async (folder) => {
    const served = [
      await real.serve({ fetch, port: 0 }),
      await real.serve({ fetch, path: join(folder, "o.sock") }),
    ];
    for (const { url } of served) {
      assert.equal((await command(["store", "set", "k", "1"], url)).code, 0);
      assert.equal((await command(["store", "get", "k"], url)).stdout, "1\n");
      assert.deepEqual(seen.splice(0).map((each) => each?.split(" ")[0]), [
        "Proof",
        "Bearer",
        "Proof",
        "Bearer",
      ]);
      const wrong = await command(["store", "get", "k"], url, "b".repeat(64));
      assert.deepEqual([wrong.code, /not one of this run.*401 TOKEN/.test(wrong.stderr)], [2, true]);
      // What http.json says is read again, since it may be of a run that has just ended.
      assert.deepEqual(seen.splice(0).map((each) => each?.split(" ")[0]), Array(4).fill("Proof"));
    }
    for (const each of served) await each.close();
  });
  run.end();
});

test("whatever the other end does not do, the wait ends and says so", async () => {
  const clock = new HandClock(0);
  const url = "http://here";
  const late = async (work: Promise<unknown>, ms: number) => {
    const told = work.then(() => "answered", (error: Error) => error.message);
    // Lets the exchange come to its wait.
    for (let turn = 0; clock.timers === 0 && turn < 100; turn++) await Promise.resolve();
    clock.advance(ms - 1);
    assert.equal(clock.timers, 1);
    clock.advance(1);
    return await told;
  };
  const silent = () => new Promise<Response>(() => {});
  assert.match(await late(exchange(silent, { url, clock }), 10_000), /said nothing for 10 s/);
  assert.match(await late(exchange(silent, { url, clock, heldMs: 60_000 }), 70_000), /said nothing/);
  let stopped = false;
  const dripping = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => stopped = true);
    return Promise.resolve(new Response(new ReadableStream()));
  };
  const whole = exchange(dripping, { url, clock });
  await new Promise((turn) => setTimeout(turn));
  assert.match(await late(whole, 60_000), /did not finish its answer within 60 s/);
  assert.equal(stopped, true);
  const lines = await follow(dripping, { url, clock });
  assert.ok(!(lines instanceof Told));
  assert.match(await late(lines.next(), 30_000), /Nothing has come from http:\/\/here for 30 s/);
  assert.equal(clock.timers, 0);
});

test("an answer without end is given up at its bound, in bytes, as a whole and as one line", async () => {
  const url = "http://here";
  const endless = () => {
    const piece = new Uint8Array(4 * 1024 * 1024).fill(120);
    return Promise.resolve(
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) })),
    );
  };
  await assert.rejects(exchange(endless, { url }), /answered more than 64 MiB/);
  const lines = await follow(endless, { url });
  assert.ok(!(lines instanceof Told));
  await assert.rejects(lines.next(), /answered more than 64 MiB/);
});

test("an answer that goes on is told line by line, the last one too, and ends when nobody reads it any further", async () => {
  const url = "http://here";
  const parts = ["one\n\ntw", "o \u00e4\nlast"].flatMap((text) => [...new TextEncoder().encode(text)]);
  let left = false;
  const byBytes = () => {
    const source = parts.values();
    const body = new ReadableStream({
      pull: (controller) => {
        const { done, value } = source.next();
        if (done) controller.close();
        else controller.enqueue(Uint8Array.of(value));
      },
      cancel: () => void (left = true),
    });
    return Promise.resolve(new Response(body));
  };
  const all = await follow(byBytes, { url });
  assert.ok(!(all instanceof Told));
  assert.deepEqual(await Array.fromAsync(all), ["one", "two \u00e4", "last"]);
  for (const asked of [follow, pieces]) {
    left = false;
    const told = await asked(byBytes, { url });
    assert.ok(!(told instanceof Told));
    await told.next();
    await told.return(undefined);
    await new Promise((turn) => setTimeout(turn));
    assert.equal(left, true, asked.name);
  }
});

test("exceptions from proxies only grow, in both spellings", () => {
  const variables: Record<string, string> = { NO_PROXY: "example.org, 10.0.0.1", no_proxy: "other" };
  const environment = {
    env: (name: string) => variables[name],
    setEnv: (name: string, value: string) => void (variables[name] = value),
  };
  askDirectly(environment, "127.0.0.9");
  assert.equal(variables["NO_PROXY"], variables["no_proxy"]);
  const names = variables["NO_PROXY"]!.split(",");
  for (const name of ["example.org", "10.0.0.1", "other", "localhost", "127.0.0.1", "::1", "127.0.0.9"]) {
    assert.ok(names.includes(name), name);
  }
  const before = variables["NO_PROXY"];
  askDirectly(environment);
  assert.equal(variables["NO_PROXY"], before);
});

test("neither commands nor tasks ask this machine through a proxy, whatever the environment says", async () => {
  const proxy = await impostor(http("text/plain", "proxied", "502 No"));
  const env: Record<string, string> = {
    DENO_NO_UPDATE_CHECK: "1",
    NODE_USE_ENV_PROXY: "1",
    NO_PROXY: "example.org",
    no_proxy: "",
  };
  for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]) {
    env[name] = proxy.url;
  }
  const code = `export async function ask({ store, log }) {
    const { OUTRIDER_URL: url, OUTRIDER_TOKEN: token } = process.env;
    const answer = await fetch(url + "/store", { headers: { authorization: "Bearer " + token } });
    log.info("task got " + answer.status);
    await store.waitFor("go");
  }`;
  const module = `data:text/javascript,import process from "node:process";${encodeURIComponent(code)}`;
  const pipeline = { outrider: 1, name: "p", tasks: { ask: { run: { module, export: "ask" } } } };
  await withFiles({ "p.json": pipeline }, async (folder) => {
    const state = join(folder, "state");
    const run = startCli(["run", join(folder, "p.json"), "--serve", "--state-dir", state], { env });
    await run.says("task got 200");
    const ask = (...args: string[]) => runCli([...args, "--state-dir", state], { env });
    assert.equal((await ask("status")).code, 0);
    assert.match((await ask("logs")).stdout, /task got 200/);
    assert.equal((await ask("store", "set", "go", "1")).code, 0);
    assert.equal((await run.ended).code, 0);
  });
  const gateway = await impostor(http("application/json", '{"executors":[]}'));
  assert.equal((await runCli(["executors", "--gateway", gateway.url], { env })).code, 0);
  await gateway.close();
  assert.deepEqual(proxy.heard, []);
  await proxy.close();
});

test("a command reads again where the executor is, if a run has just taken the place of another; a given token stands", () =>
  withFiles({}, async (cwd) => {
    const { app } = world();
    const file = join(cwd, "http.json");
    let asked = 0;
    const server = await real.serve({
      fetch: (request) => {
        asked++;
        // From the first question on, the file has the token of the run that goes on now.
        writeFileSync(file, JSON.stringify({ url: server.url, token: TOKEN, pid: 1 }));
        return app.fetch(request);
      },
      hostname: "127.0.0.1",
      port: 0,
    });
    try {
      const old = "0".repeat(TOKEN.length);
      writeFileSync(file, JSON.stringify({ url: server.url, token: old, pid: 1 }));
      const { code, stdout, stderr } = await runCli(["status", "--state-dir", cwd]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^executor /);
      writeFileSync(file, JSON.stringify({ url: server.url, token: old, pid: 1 }));
      const store = await runCli(["store", "keys", "--state-dir", cwd]);
      assert.equal(store.code, 0, store.stderr);
      asked = 0;
      assert.equal((await runCli(["status", "--url", server.url, "--token", old])).code, 2);
      assert.equal(asked, 1);
    } finally {
      await server.close();
    }
  }));
