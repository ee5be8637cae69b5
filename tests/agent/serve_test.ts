/**
 * Holds the end point of agents: real processes, asked by real clients, with a gateway in the test.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { serveAgent } from "../../src/agent/serving.ts";
import { systemClock } from "../../src/base/clock.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import type { ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { startServing } from "../../src/serving/serving.ts";
import { type UserGateway, userGateway } from "../../src/uplink/user.ts";
import { CONFIG } from "./rig.ts";
import { type CliProcess, runCli, startCli, withFiles } from "../rig.ts";
import { testWith } from "../system.ts";

const CODE = `
export const go = async ({ store }) => { console.log("waits"); return await store.waitFor("go", () => true, { timeout: "1m" }); };
export const wait = ({ signal }) => { console.log("waits"); return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))); };
`;

const SECRET = "correct horse battery";
const SAYS_SECRET = { run: { command: ["sh", "-c", 'echo "it is $MY_KEY"; printf %s "$MY_KEY" | base64'] } };
const WITH_SECRET = { MY_KEY: SECRET, OUTRIDER_SECRETS: "MY_KEY" };
const TOLD = /correct horse battery|Y29ycmVjdCBob3Jz/;

/** A program that puts a value into the store of whoever runs it. */
const PUTS = {
  run: {
    command: [
      "sh",
      "-c",
      'curl -sS --fail -X PUT -H "Authorization: Bearer $OUTRIDER_TOKEN" "$OUTRIDER_URL/store/put?as=json" --data 5',
    ],
  },
};

interface Status {
  readonly executor: string;
  readonly able: boolean;
  readonly unable?: string;
  readonly state: string;
  readonly conditions: readonly { readonly code: string; readonly message: string }[];
  readonly run?: { readonly id: string; readonly state: string; readonly pipeline: string };
  readonly gateway?: {
    readonly url: string;
    readonly lastContactAt?: string;
    readonly heartbeatFailures: number;
    readonly spool: { readonly state: number; readonly log: number };
  };
}

interface Place {
  readonly cwd: string;
  readonly url: string;
  readonly user: UserGateway;
  readonly store: SqliteGatewayStore;
  readonly state: string;
  submit(name: string, tasks: Readonly<Record<string, ManifestTask>>): Promise<void>;
  agent(env?: Readonly<Record<string, string>>, ...args: readonly string[]): CliProcess;
}

/** A gateway in this process, and a folder for agents. */
function withGateway(use: (place: Place) => Promise<void>): Promise<void> {
  return withFiles({}, async (cwd) => {
    const store = sqliteGatewayStore(":memory:");
    const app = gatewayApp({ store, clock: systemClock });
    const served = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
    const { url } = served;
    const user = userGateway({ url, fetch, clock: systemClock, random: Math.random });
    const agents: CliProcess[] = [];
    try {
      await use({
        cwd,
        url,
        user,
        store,
        state: join(cwd, "state"),
        submit: async (name, tasks) => {
          const bundle = await makeBundle({ outrider: 1, name, tasks }, CODE);
          await user.submit(new TextEncoder().encode(bundleText(bundle)), "pi");
        },
        agent: (env, ...args) => {
          const agent = startCli(["agent", ...args], {
            cwd,
            env: {
              OUTRIDER_GATEWAY: url,
              OUTRIDER_EXECUTOR_ID: "pi",
              OUTRIDER_HEARTBEAT: "1s",
              OUTRIDER_WORKERS: "1",
              OUTRIDER_STATE_DIR: "state",
              OUTRIDER_STOP_GRACE: "100ms",
              ...env,
            },
          });
          agents.push(agent);
          return agent;
        },
      });
    } finally {
      for (const agent of agents) {
        if (agent.child.exitCode === null && agent.child.signalCode === null) agent.kill("SIGKILL");
        await agent.ended;
      }
      await served.close();
      store.close();
    }
  });
}

interface Found {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
}

function found({ state }: Pick<Place, "state">): Found {
  return JSON.parse(readFileSync(join(state, "http.json"), "utf8")) as Found;
}

/** Asks the agent that serves with a state directory. */
function ask(place: Pick<Place, "state">, path: string, init: RequestInit = {}): Promise<Response> {
  const { url, token } = found(place);
  return fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
}

async function statusOf(place: Pick<Place, "state">): Promise<Status> {
  const answer = await ask(place, "/status");
  const status = await answer.json() as Status;
  assert.equal(answer.status, status.able ? 200 : 503);
  return status;
}

async function metricsOf(place: Pick<Place, "state">): Promise<string> {
  return await (await ask(place, "/metrics")).text();
}

/** Asks until the answer is as wanted. */
async function until<T>(look: () => T | Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  for (const end = Date.now() + 120_000;;) {
    const seen = await look();
    if (wanted(seen)) return seen;
    assert.ok(Date.now() < end, `Not in 2 minutes: ${JSON.stringify(seen)}`);
    await new Promise((later) => setTimeout(later, 20));
  }
}

async function logOf({ user }: Place, run: string): Promise<string> {
  const lines: unknown[] = [];
  for await (const line of user.logs(run)) lines.push(line);
  return JSON.stringify(lines);
}

const SERVING = "Serving status, store, events and logs at http://127.0.0.1:";

testWith(
  ["curl"],
  "agent: answers while idle, while it runs and between runs, each of which has a token of its own",
  () =>
    withGateway(async (place) => {
      const agent = place.agent(WITH_SECRET, "--follow");
      await agent.says(SERVING);
      const idle = await until(
        () => statusOf(place),
        ({ gateway }) => gateway?.lastContactAt !== undefined,
      );
      assert.deepEqual([idle.executor, idle.state, idle.run, idle.conditions], ["pi", "idle", undefined, []]);
      const { lastContactAt, ...gateway } = idle.gateway!;
      assert.deepEqual(gateway, { url: place.url, heartbeatFailures: 0, spool: { state: 0, log: 0 } });
      assert.ok(Math.abs(Date.now() - Date.parse(lastContactAt!)) < 60_000);
      assert.equal((await ask(place, "/store")).status, 404);
      // Only whoever has asked once is told of the runs that came and went since.
      assert.match(await metricsOf(place), /^outrider_runs_total 0$/m);

      await place.submit("first", { go: { run: { module: "bundle:", export: "go" } }, PUTS, SAYS_SECRET });
      const running = await until(() => statusOf(place), ({ state }) => state === "running");
      assert.deepEqual([running.run?.pipeline, running.run?.state], ["first", "running"]);
      const put = await ask(place, "/store/put?wait=30s&since=0");
      assert.equal(await put.json(), 5);
      const shown = await runCli(["status", "--state-dir", place.state]);
      assert.equal(shown.code, 0, shown.stderr);
      assert.match(shown.stdout, /^state +running$/m);
      assert.match(shown.stdout, /^gateway +http:\/\/127\.0\.0\.1:\d+, last answer \d{4}-/m);
      const env = { OUTRIDER_STATE_DIR: place.state };
      const log = await until(() => runCli(["logs"], { env }), ({ stdout }) => stdout.includes("it is"));
      assert.match(log.stdout, /it is \[secret\]/, log.stderr);
      assert.doesNotMatch(log.stdout, TOLD);
      const first = found(place);
      assert.equal((await runCli(["store", "set", "go", "1"], { env })).code, 0);
      const over = await until(() => statusOf(place), ({ state }) => state === "idle");
      assert.deepEqual([over.run?.id, over.run?.state], [running.run?.id, "succeeded"]);

      await place.submit("second", { go: { run: { module: "bundle:", export: "go" } } });
      const again = await until(() => statusOf(place), ({ run }) => run?.pipeline === "second");
      const second = found(place);
      assert.deepEqual([second.url, second.pid], [first.url, first.pid]);
      assert.notEqual(second.token, first.token);
      const stale = { headers: { authorization: `Bearer ${first.token}` } };
      assert.equal((await ask(place, "/store", stale)).status, 401);
      assert.equal((await ask(place, "/store/put")).status, 404);
      const cancelled = await runCli(["cancel", "--because", "seen enough"], { env });
      assert.equal(cancelled.stdout, `Run ${again.run!.id} is being cancelled\n`, cancelled.stderr);
      await until(() => place.user.runs(), (runs) => runs.filter(({ complete }) => complete).length === 2);
      const records = await logOf(place, running.run!.id);
      assert.match(records, /it is \[secret\]/);
      assert.doesNotMatch(records, TOLD);
      const metrics = await metricsOf(place);
      assert.match(metrics, /^outrider_spool_records\{lane="state"\} \d+$/m);
      assert.match(metrics, /^outrider_heartbeat_failures_total 0$/m);
      assert.match(metrics, /^outrider_runs_total 2$/m);
      assert.match(metrics, /^outrider_attempts_total\{outcome="succeeded"\} 3$/m);
      agent.kill("SIGTERM");
      const { code, stdout, stderr } = await agent.ended;
      // That of the last run, which was cancelled.
      assert.equal(code, 1, stderr);
      assert.doesNotMatch(stdout + stderr, TOLD);
      for (const { token } of [first, second]) assert.ok(!(stdout + stderr).includes(token));
      assert.ok(!existsSync(join(place.state, "http.json")));
    }),
);

test("agent: tells of a gateway out of reach and what waits for it, and goes on", () =>
  withGateway(async (place) => {
    const dead = "http://127.0.0.1:1";
    const agent = place.agent({ OUTRIDER_GATEWAY: dead });
    await agent.says(SERVING);
    const status = await until(() => statusOf(place), ({ gateway }) => gateway!.heartbeatFailures > 0);
    assert.deepEqual([status.able, status.gateway?.url, status.gateway?.lastContactAt], [
      true,
      dead,
      undefined,
    ]);
    assert.deepEqual(status.conditions.map(({ code }) => code), ["gateway_out_of_reach"]);
    assert.match(
      status.conditions[0]!.message,
      /^The gateway has been out of reach for \d+ s: The gateway at \S+ can't be reached/,
    );
    const metrics = await metricsOf(place);
    assert.match(metrics, /^outrider_heartbeat_failures_total [1-9]/m);
    assert.match(metrics, /^outrider_conditions 1$/m);
    agent.kill("SIGTERM");
    assert.equal((await agent.ended).code, 143);
  }));

test("agent: says 503 and why while it is stopping, and closes at the end", () =>
  withGateway(async (place) => {
    await place.submit("waits", { wait: { run: { module: "bundle:", export: "wait" } } });
    const agent = place.agent({ OUTRIDER_STOP_GRACE: "1m", OUTRIDER_KILL_GRACE: "100ms" });
    await agent.says("waits");
    // Another one with the same state directory changes nothing of what the first has told.
    const before = found(place);
    const other = await place.agent().ended;
    assert.equal(other.code, 2, other.stderr);
    assert.deepEqual(found(place), before);
    agent.kill("SIGTERM");
    const status = await until(() => statusOf(place), ({ able }) => !able);
    assert.deepEqual([status.state, status.unable], ["stopping", "It is stopping: stopped by SIGTERM"]);
    const shown = await runCli(["status", "--state-dir", place.state]);
    assert.deepEqual([shown.code, /^unable +It is stopping/m.test(shown.stdout)], [1, true], shown.stdout);
    const ready = await ask(place, "/readyz");
    assert.deepEqual([ready.status, (await ask(place, "/livez")).status], [503, 200], await ready.text());
    agent.kill("SIGTERM");
    assert.equal((await agent.ended).code, 143);
    assert.ok(!existsSync(join(place.state, "http.json")));
  }));

test("agent: with --supervise the child serves, and the one after it too", () =>
  withGateway(async (place) => {
    const agent = place.agent({}, "--supervise");
    await agent.says(SERVING);
    const { pid } = found(place);
    assert.notEqual(pid, agent.child.pid);
    process.kill(pid, "SIGKILL");
    await until(() => found(place), (next) => next.pid !== pid);
    assert.equal((await statusOf(place)).state, "idle");
    agent.kill("SIGTERM");
    assert.equal((await agent.ended).code, 143);
  }));

test("agent: off serves nothing, and keeps secrets all the same; a token from a file is one", () =>
  withGateway(async (place) => {
    await withFiles({ token: "token-of-the-gateway\n" }, async (folder) => {
      const file = join(folder, "token");
      const says = { run: { command: ["sh", "-c", `echo it; cat ${file}; env`] } };
      await place.submit("secret", { SAYS_SECRET, says });
      const { code, stdout, stderr } = await place.agent({
        ...WITH_SECRET,
        OUTRIDER_SERVE: "off",
        OUTRIDER_TOKEN_FILE: file,
      }).ended;
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stdout + stderr, /Serving|OUTRIDER_URL/);
      const [run] = await place.user.runs();
      const log = await logOf(place, run!.run);
      assert.match(log, /it is \[secret\]/);
      assert.doesNotMatch(log + stdout + stderr, TOLD);
      assert.doesNotMatch(log + stdout + stderr, /token-of-the-gateway/);
      const asked = await runCli(["status", "--state-dir", place.state]);
      assert.equal(asked.code, 2);
      assert.match(asked.stderr, /an agent with OUTRIDER_STATE_DIR=/);
    });
  }));

test("agent: an address that is wrong, open to others, or taken is told with what to do, and exit code 2", () =>
  withFiles({ "p.json": { outrider: 1, name: "p", tasks: { a: {} } } }, async (cwd) => {
    const server = createServer();
    await new Promise<void>((open) => server.listen(0, "127.0.0.1", () => open()));
    const { port } = server.address() as AddressInfo;
    const cases: readonly [string, RegExp][] = [
      ["http://x", /^ {2}OUTRIDER_SERVE: Write HOST:PORT .*, or off; received "http:\/\/x"$/m],
      ["0.0.0.0:0", /^ {2}OUTRIDER_SERVE: Others can reach 0\.0\.0\.0: set OUTRIDER_SERVE_TOKEN/m],
      [
        `127.0.0.1:${port}`,
        /^OUTRIDER_SERVE: Could not listen on 127\.0\.0\.1, port \d+: another process has it: .*, or write off$/m,
      ],
    ];
    try {
      for (const [address, words] of cases) {
        const env = { OUTRIDER_PIPELINE: "p.json", OUTRIDER_SERVE: address };
        const { code, stdout, stderr } = await runCli(["agent"], { cwd, env });
        assert.equal(code, 2, stderr);
        assert.match(stderr, words);
        assert.doesNotMatch(stdout + stderr, /succeeded/);
      }
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  }));

const VIEW = {
  state: () => "idle" as const,
  unable: () => undefined,
  conditions: () => [],
  gateway: () => undefined,
  timetable: () => undefined,
};

test("agent: goes on without an end point where none can be had and none was named", async () => {
  const notes: string[] = [];
  const redactor = new Redactor([SECRET]);
  const broken = { ...runtime, serve: () => Promise.reject(new Error("Could not listen: no network")) };
  const options = {
    runtime: broken,
    version: "0",
    clock: systemClock,
    redactor,
    note: (text: string) => void notes.push(text),
  };
  const endPoint = await serveAgent({ ...CONFIG, serve: "" }, VIEW, options);
  assert.deepEqual(notes, [
    "Could not listen: no network. The agent goes on without its end point: OUTRIDER_SERVE names another address, or off",
  ]);
  assert.deepEqual(endPoint.environment(), {});
  const journal = memoryJournal();
  endPoint.journal(journal).log({ at: 0, level: "info", from: "task", stream: "log", text: `a ${SECRET} b` });
  assert.equal(journal.logs(0, 1)[0]?.text, "a [secret] b");
  await assert.rejects(serveAgent({ ...CONFIG, serve: "127.0.0.1:1" }, VIEW, options), {
    code: "OUTRIDER_SERVING",
  });
});

test("agent: a state directory that takes no http.json stops nothing, and nobody else's is removed", () =>
  withFiles({}, async (stateDir) => {
    const notes: string[] = [];
    const full = { ...runtime, writeText: () => Promise.reject(new Error("No space left on device")) };
    const note = (text: string) => void notes.push(text);
    const serving = await startServing({
      runtime: full,
      version: "0",
      clock: systemClock,
      redactor: new Redactor([]),
      stateDir,
      note,
    });
    try {
      assert.match(notes.join(), /http\.json can't be written \(No space left on device\): .* --url http:/);
      assert.equal((await fetch(`${serving.url}/status`)).status, 200);
      await runtime.writeText(join(stateDir, "http.json"), '{"pid":1}');
    } finally {
      await serving.close();
    }
    assert.ok(existsSync(join(stateDir, "http.json")));
  }));
