/**
 * Holds the agent, the gateway and the commands of its user as processes that speak over real sockets.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createWebServer } from "node:http";
import { join } from "node:path";
import test from "node:test";
import { type CliProcess, type CliResult, runCli, startCli, urlOf, withFiles } from "../rig.ts";
import { seeded } from "../uplink/rig.ts";

const TASKS = `
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
export const one = () => { console.log("from one"); return 1; };
export const chatter = () => { for (let at = 0; at < 20000; at++) console.log("line", at); };
export const wait = ({ signal }) => { console.log("waiting"); return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))); };
export const killOnce = () => {
  if (existsSync("killed")) return "survived";
  writeFileSync("killed", "");
  process.kill(process.pid, "SIGKILL");
};
export const killAlways = () => process.kill(process.pid, "SIGKILL");
`;

function pipelineOf(name: string, tasks: readonly string[]): object {
  const run = (task: string) => ({ run: { module: "./tasks.mjs", export: task } });
  return { outrider: 1, name, tasks: Object.fromEntries(tasks.map((task) => [task, run(task)])) };
}

interface Place {
  readonly cwd: string;
  readonly url: string;
  /** Runs a command of the gateway's user. */
  ask(...args: readonly string[]): Promise<CliResult>;
  agent(env?: Readonly<Record<string, string>>, ...args: readonly string[]): CliProcess;
}

/** A gateway that is a process, and a folder with pipelines. */
function withGateway(use: (place: Place) => Promise<void>): Promise<void> {
  const files = {
    "tasks.mjs": TASKS,
    "one.json": pipelineOf("one", ["one"]),
    "chatter.json": pipelineOf("chatter", ["chatter", "one"]),
    "wait.json": pipelineOf("wait", ["wait"]),
    "kill_once.json": pipelineOf("kill-once", ["killOnce", "one"]),
    "kill_always.json": pipelineOf("kill-always", ["killAlways"]),
  };
  return withFiles(files, async (cwd) => {
    const gateway = startCli(["gateway", "--port", "0", "--db", "gateway.db", "--token", "secret"], { cwd });
    try {
      const url = await urlOf(gateway);
      const env = { OUTRIDER_GATEWAY: url, OUTRIDER_TOKEN: "secret" };
      await use({
        cwd,
        url,
        ask: (...args) => runCli(args, { cwd, env }),
        agent: (more, ...args) =>
          startCli(["agent", ...args], {
            cwd,
            env: { ...env, OUTRIDER_EXECUTOR_ID: "pi", OUTRIDER_HEARTBEAT: "1s", ...more },
          }),
      });
    } finally {
      gateway.kill("SIGTERM");
      assert.equal((await gateway.ended).code, 0);
    }
  });
}

interface RunView {
  readonly run: string;
  readonly state: string;
  readonly complete: boolean;
  readonly pipeline?: string;
}

async function runsAt({ ask }: Place): Promise<readonly RunView[]> {
  const { code, stdout, stderr } = await ask("results", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as RunView[];
}

async function linesOf({ ask }: Place, run: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await ask("logs", run, "--json");
  assert.equal(code, 0, stderr);
  return stdout.trimEnd().split("\n").map((line) => (JSON.parse(line) as { readonly text: string }).text);
}

test("submit, agent, executors, results and logs: the whole loop on one machine", () =>
  withGateway(async (place) => {
    const { ask, agent } = place;
    const submitted = await ask("submit", "one.json", "--to", "pi");
    assert.match(
      submitted.stdout,
      /^one\.json is for pi now: version 1, hash [0-9a-f]{64}\n$/,
      submitted.stderr,
    );
    const hash = submitted.stdout.slice(-65, -1);
    const bundled = await runCli(["bundle", "one.json", "-o", "one.outrider.json"], { cwd: place.cwd });
    assert.ok(bundled.stderr.endsWith(`hash ${hash}\n`), bundled.stderr);
    const again = await ask("submit", "one.outrider.json", "--to", "other");
    assert.ok(again.stdout.endsWith(`hash ${hash}\n`), again.stdout + again.stderr);
    const { code, stderr } = await agent().ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /one succeeded: 1 succeeded/);
    assert.match(stderr, /Sent \d+ bytes to http/);
    const [run] = await runsAt(place);
    assert.deepEqual([run?.state, run?.complete, run?.pipeline], ["succeeded", true, "one"]);
    const result = await ask("results", run!.run);
    assert.equal(JSON.parse(result.stdout).tasks.one[0].value, 1);
    const logs = await ask("logs", run!.run, "--follow");
    assert.match(logs.stdout, / one │ from one$/m);
    assert.match((await ask("executors")).stdout, /^pi +idle +[\d-]+ [\d:]+ [+-][\d:]+ +\w+ [\d.]+$/m);
    const none = await ask("results", "nope");
    assert.equal(none.code, 2);
    assert.match(none.stderr, /There is no run nope/);
  }));

test("a cancel from the command line reaches a task", () =>
  withGateway(async (place) => {
    await place.ask("submit", "wait.json", "--to", "group:all");
    const agent = place.agent();
    await agent.says("waiting");
    let runs = await runsAt(place);
    while (runs.length === 0) runs = await runsAt(place);
    const { code, stderr } = await place.ask("cancel", runs[0]!.run, "--because", "enough");
    assert.equal(code, 0, stderr);
    assert.equal((await agent.ended).code, 1);
    assert.equal((await runsAt(place))[0]?.state, "cancelled");
  }));

/** A way to the gateway that cuts connections, delays and throttles. */
async function withBadLine(url: string, use: (url: string, line: BadLine) => Promise<void>): Promise<void> {
  const line = new BadLine(Number(new URL(url).port));
  const port = await line.open();
  try {
    await use(`http://127.0.0.1:${port}`, line);
  } finally {
    await line.close();
  }
}

class BadLine {
  cuts = 0;
  #chunks = 0;
  /** Whether anything gets through. */
  up = true;
  readonly #sockets: Set<Socket> = new Set();
  readonly #random = seeded(3);
  readonly #to: number;
  readonly #server: Server;

  constructor(to: number) {
    this.#to = to;
    this.#server = createServer((socket) => this.#carry(socket));
  }

  open(): Promise<number> {
    return new Promise((open) =>
      this.#server.listen(0, "127.0.0.1", () => open((this.#server.address() as AddressInfo).port))
    );
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  #carry(near: Socket): void {
    const far = connect(this.#to, "127.0.0.1");
    const cut = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on("error", cut).on("close", () => this.#sockets.delete(socket));
    }
    if (!this.up) return cut();
    this.#pass(near, { to: far, cut });
    this.#pass(far, { to: near, cut });
  }

  #pass(from: Socket, { to, cut }: { readonly to: Socket; readonly cut: () => void }): void {
    let late = 0;
    let over = false;
    const done = () => over && late === 0 && to.end();
    from.on("data", (chunk) => {
      // The fifth for sure: how many chunks there are is the machine's affair.
      if (++this.#chunks === 5 || this.#random() < 0.03) {
        this.cuts++;
        return cut();
      }
      late++;
      from.pause();
      // At most 4 MB a second, and up to 10 ms late.
      setTimeout(() => {
        late--;
        if (!to.destroyed) to.write(chunk);
        from.resume();
        done();
      }, this.#random() * 10 + chunk.length / 4096);
    });
    from.on("end", () => {
      over = true;
      done();
    });
  }
}

test("over a line that cuts, delays and throttles, every line arrives, once and in order", () =>
  withGateway(async (place) => {
    await place.ask("submit", "chatter.json", "--to", "pi");
    await withBadLine(place.url, async (url, line) => {
      const { code, stderr } = await place.agent({ OUTRIDER_GATEWAY: url, OUTRIDER_STATE_DIR: "state" })
        .ended;
      assert.equal(code, 0, stderr);
      assert.ok(line.cuts > 0, "The line was too good for this test");
    });
    const [run] = await runsAt(place);
    assert.deepEqual([run?.state, run?.complete], ["succeeded", true]);
    const lines = (await linesOf(place, run!.run)).filter((text) => text.startsWith("line "));
    assert.equal(lines.length, 20_000);
    assert.ok(lines.every((text, at) => text === `line ${at}`));
  }));

test("SIGTERM lets the run end and keeps what could not be sent for the next start", () =>
  withGateway(async (place) => {
    await place.ask("submit", "wait.json", "--to", "pi");
    await withBadLine(place.url, async (url, line) => {
      const env = { OUTRIDER_GATEWAY: url, OUTRIDER_STATE_DIR: "state", OUTRIDER_STOP_GRACE: "300ms" };
      const agent = place.agent(env);
      await agent.says("waiting");
      line.up = false;
      await line.close();
      agent.kill("SIGTERM");
      const { code, stderr } = await agent.ended;
      assert.equal(code, 143, stderr);
      assert.match(stderr, /have not reached the gateway: they stay in state\/runs\/000001/);
    });
    const next = place.agent({ OUTRIDER_STATE_DIR: "state" });
    let runs = await runsAt(place);
    while (runs[0]?.complete !== true) runs = await runsAt(place);
    assert.equal(runs[0]?.state, "cancelled");
    next.kill("SIGTERM");
    assert.equal((await next.ended).code, 143);
    assert.equal((await runsAt(place)).length, 1);
  }));

test("--supervise starts an agent again that was killed, which goes on and tells why", () =>
  withGateway(async (place) => {
    await place.ask("submit", "kill_once.json", "--to", "pi");
    const agent = place.agent({ OUTRIDER_STATE_DIR: "state", OUTRIDER_WORKERS: "1" }, "--supervise");
    const { code, stderr } = await agent.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /The agent was ended by SIGKILL.*: it is started again in 1\.\d s/);
    const [run] = await runsAt(place);
    assert.deepEqual([run?.state, run?.complete], ["succeeded", true]);
    assert.ok(
      (await linesOf(place, run!.run)).some((text) =>
        /^The process before this one ended: was ended by SIGKILL/.test(text)
      ),
    );
    const { tasks } = JSON.parse((await place.ask("results", run!.run)).stdout);
    assert.equal(tasks.killOnce[0].reason, "lost");
    assert.equal(tasks.killOnce[1].value, "survived");
  }));

test("an agent whose pipeline kills it three times in a row says so and stops", () =>
  withGateway(async (place) => {
    await place.ask("submit", "kill_always.json", "--to", "pi");
    const agent = place.agent({ OUTRIDER_STATE_DIR: "state" }, "--supervise");
    const { code, stderr } = await agent.ended;
    assert.equal(code, 1, stderr);
    assert.equal(stderr.split("it is started again").length - 1, 3, stderr);
    const [run] = await runsAt(place);
    assert.deepEqual([run?.state, run?.complete], ["failed", true]);
    assert.ok(
      (await linesOf(place, run!.run)).some((text) =>
        /is given up: its process has ended 3 times/.test(text)
      ),
    );
  }));

test("SIGTERM ends the supervisor and the agent", () =>
  withGateway(async (place) => {
    await place.ask("submit", "wait.json", "--to", "pi");
    const agent = place.agent({ OUTRIDER_STOP_GRACE: "100ms" }, "--supervise");
    await agent.says("waiting");
    agent.kill("SIGTERM");
    assert.equal((await agent.ended).code, 143);
    assert.equal((await runsAt(place))[0]?.state, "cancelled");
  }));

test("bad input is told with what to do, and exit code 2", () =>
  withFiles(
    { "tasks.mjs": TASKS, "one.json": pipelineOf("one", ["one"]), "page.html": "<html>", file: "" },
    async (cwd) => {
      const agent = (env: Readonly<Record<string, string>>, ...args: string[]) =>
        runCli(["agent", ...args], { cwd, env });
      const gateway = { OUTRIDER_GATEWAY: "http://127.0.0.1:1", OUTRIDER_EXECUTOR_ID: "pi" };
      const cases: readonly [Promise<CliResult>, RegExp][] = [
        [agent({}), /^There is nothing to run: no file .* set OUTRIDER_PIPELINE or OUTRIDER_GATEWAY$/m],
        [
          agent({ ...gateway, OUTRIDER_TOKEN: "a\nb" }),
          /OUTRIDER_TOKEN: The token has a line break at character 2 of 3/,
        ],
        [
          agent({ OUTRIDER_PIPELINE: "one.json", OUTRIDER_STATE_DIR: "file" }),
          /state directory file can't be used .* it is no folder/,
        ],
        [
          agent({ OUTRIDER_WORKERS: "x", OUTRIDER_QUIET: "y" }),
          /^The configuration has 2 problems:\n {2}OUTRIDER_QUIET: .*\n {2}OUTRIDER_WORKERS: /m,
        ],
        [
          runCli(["submit", "page.html", "--to", "pi"], { cwd, env: gateway }),
          /"page\.html" is no bundle: make one with outrider bundle/,
        ],
        [
          runCli(["submit", "one.json", "--to", "pi"], { cwd, env: gateway }),
          /The gateway at .* can't be reached: .* check the network/,
        ],
        [runCli(["executors"], { cwd }), /set OUTRIDER_GATEWAY, or give --gateway URL/],
        [runCli(["gateway", "--host", "0.0.0.0"], { cwd }), /give the gateway a token by/],
        [runCli(["run", "one.json", "--from", "one"], { cwd }), /give the --state-dir/],
        [
          runCli(["run", "one.json", "--from", "one", "--state-dir", "none"], { cwd }),
          /There is no run in none to repeat/,
        ],
      ];
      for (const [result, words] of cases) {
        const { code, stderr } = await result;
        assert.match(stderr, words);
        assert.equal(code, 2, stderr);
      }
      const printed = await agent({ ...gateway, OUTRIDER_TOKEN: "s3cret" }, "--print-config");
      assert.equal(printed.code, 0, printed.stderr);
      assert.match(printed.stdout, /^OUTRIDER_GATEWAY +http:\/\/127\.0\.0\.1:1 {2}\(environment\)$/m);
      assert.match(printed.stdout, /^OUTRIDER_TOKEN +hidden, 6 characters/m);
      assert.ok(!printed.stdout.includes("s3cret"));
    },
  ));

test("a gateway that answers with a web page is told as such, and asked again", () =>
  withFiles({}, async (cwd) => {
    const server = createWebServer((_, answer) =>
      void answer.writeHead(200, { "content-type": "text/html" }).end("<html>log in")
    );
    await new Promise<void>((open) => server.listen(0, "127.0.0.1", () => open()));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const agent = startCli(["agent"], { cwd, env: { OUTRIDER_GATEWAY: url, OUTRIDER_EXECUTOR_ID: "pi" } });
    await agent.says("with a web page");
    agent.kill("SIGTERM");
    const { code, stderr } = await agent.ended;
    assert.equal(code, 143, stderr);
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }));

test("run --state-dir keeps a run, and --from repeats a task of it and what depends on it", () =>
  withFiles({
    "tasks.mjs": `import { appendFileSync } from "node:fs";
      const step = (name) => () => { appendFileSync("ran.txt", name); return name; };
      export const a = step("a"), b = step("b"), c = step("c");`,
    "p.json": {
      outrider: 1,
      name: "kept",
      tasks: {
        a: { run: { module: "./tasks.mjs", export: "a" } },
        b: { run: { module: "./tasks.mjs", export: "b" }, needs: ["a"] },
        c: { run: { module: "./tasks.mjs", export: "c" }, needs: ["b"] },
      },
    },
  }, async (cwd) => {
    const run = (...more: string[]) =>
      runCli(["run", "p.json", "--state-dir", "state", "--json", ...more], { cwd });
    const first = await run();
    assert.equal(first.code, 0, first.stderr);
    const again = await run("--from", "b");
    assert.equal(again.code, 0, again.stderr);
    assert.equal(readFileSync(join(cwd, "ran.txt"), "utf8"), "abcbc");
    const [before, after] = [JSON.parse(first.stdout), JSON.parse(again.stdout)];
    assert.equal(after.run, before.run);
    assert.deepEqual(after.tasks.a, before.tasks.a);
    const anew = await run();
    assert.equal(readFileSync(join(cwd, "ran.txt"), "utf8"), "abcbcabc");
    assert.notEqual(JSON.parse(anew.stdout).run, before.run);
    assert.ok(existsSync(join(cwd, "state")));
    writeFileSync(join(cwd, "p.json"), readFileSync(join(cwd, "p.json"), "utf8").replace("kept", "other"));
    const other = await run("--from", "b");
    assert.equal(other.code, 2);
    assert.match(other.stderr, /holds run .* of another pipeline/);
  }));
