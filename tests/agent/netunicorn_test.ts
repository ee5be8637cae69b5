/** Holds the whole agent, as a process, against a gateway that answers as netUnicorn's does. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import { listen, type Listening, NetunicornGateway } from "../uplink/netunicorn_rig.ts";
import { type CliProcess, startCli, withFiles } from "../rig.ts";
import { NETUNICORN, testWithPackages } from "../python_packages.ts";

const CODE = `
export const one = () => { console.log("from one"); return 1; };
export const two = () => { console.log("zwölf 😀"); return { bytes: new Uint8Array([0, 255]) }; };
export const meet = async ({ flags }) => {
  await flags.increment("here");
  return await flags.waitFor("here", (count) => count === 2, { timeout: "2m" });
};
export const gate = ({ flags, log }) => { log.info("at the gate"); return flags.waitFor("open", (text) => text === "now", { timeout: "2m" }); };
export const count = async ({ flags }) => [
  await flags.increment("n"), await flags.increment("n"), await flags.decrement("n"),
  await flags.set("n", -7) ?? null, await flags.get("n"), await flags.get("none") ?? "none",
];
export const big = ({ flags }) => flags.set("n", 2 ** 40);
export const bad = () => { throw new Error("on purpose"); };
`;

/** Bundle whose tasks run one after the other. */
async function bundleOf(...tasks: readonly string[]): Promise<Uint8Array> {
  const entries = tasks.map((task, at) => {
    const needs = at === 0 ? {} : { needs: [tasks[at - 1]!] };
    return [task, { run: { module: "bundle:", export: task }, ...needs }] as const;
  });
  const manifest = { outrider: 1 as const, name: "p", tasks: Object.fromEntries(entries) };
  return new TextEncoder().encode(bundleText(await makeBundle(manifest, CODE)));
}

interface Place {
  readonly gateway: NetunicornGateway;
  readonly door: Listening;
  /** Resolves when the condition holds after a request; rejects if an agent ends without. */
  until(condition: () => boolean): Promise<void>;
  agent(executor: string, env?: Readonly<Record<string, string>>): CliProcess;
}

/** A gateway, and agents that have netUnicorn's variables only. */
function withNetunicorn(use: (place: Place) => Promise<void>): Promise<void> {
  return withFiles({}, async (cwd) => {
    const gateway = new NetunicornGateway();
    const door = await listen(gateway);
    const agents: CliProcess[] = [];
    const agent = (executor: string, more: Readonly<Record<string, string>> = {}) => {
      const env = {
        NETUNICORN_GATEWAY_ENDPOINT: `http://127.0.0.1:${door.port}/`,
        NETUNICORN_EXECUTOR_ID: executor,
        NETUNICORN_EXPERIMENT_ID: "exp",
        NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS: "1",
        ...more,
      };
      agents.push(startCli(["agent"], { cwd, env }));
      return agents.at(-1)!;
    };
    const until = (condition: () => boolean) => {
      const lost = agents.map(async ({ ended }) => {
        const { stderr } = await ended;
        if (!condition()) throw new Error(`It ended without what was waited for:\n${stderr}`);
      });
      return Promise.race([gateway.until(condition), ...lost]);
    };
    try {
      await use({ gateway, door, until, agent });
    } finally {
      await door.close();
      for (const { child, kill } of agents) {
        if (child.exitCode === null && child.signalCode === null) kill("SIGKILL");
      }
      await Promise.all(agents.map(({ ended }) => ended));
    }
  });
}

interface Attempt {
  readonly outcome: string;
  readonly value?: unknown;
  readonly error?: { readonly message: string };
}

interface Stored {
  readonly outrider: number;
  readonly result: {
    readonly state: string;
    readonly tasks: Readonly<Record<string, readonly Attempt[]>>;
  };
  readonly log: readonly { readonly text: string }[];
}

/** What the gateway has of a run that is over. */
function storedAt(gateway: NetunicornGateway, executor: string): Stored {
  const row = gateway.executors.get(executor);
  assert.deepEqual([row?.state, row?.finished], [3, true]);
  return gateway.stored(executor) as unknown as Stored;
}

const RESULT = "POST /api/v1/executor/result";
const GRAPH = "GET /api/v1/executor/execution_graph";

test("netUnicorn: none yet, then a pipeline, heartbeats, devices that meet at a flag, and the result", () =>
  withNetunicorn(async ({ gateway, until, agent }) => {
    const agents = ["a", "b"].map((executor) => (gateway.put(executor, null), agent(executor)));
    await until(() => (gateway.asked.get(GRAPH) ?? 0) >= 4);
    assert.equal(gateway.posts.length, 0);
    const bundle = await bundleOf("two", "meet", "gate");
    for (const executor of ["a", "b"]) gateway.put(executor, bundle);
    const beats = (executor: string) => gateway.posts.filter((post) => post.executor_id === executor);
    await Promise.all(agents.map(({ says }) => says("at the gate")));
    const before = gateway.posts.length;
    await until(() => beats("a").length > 2 && beats("b").length > 2 && gateway.posts.length > before);
    assert.ok(gateway.posts.every(({ state }) => state === 1));
    const { heartbeat } = gateway.stored("a") as { heartbeat: Record<string, unknown> };
    assert.deepEqual([heartbeat.intervalMs, heartbeat.experiment], [1000, "exp"]);
    gateway.flags.set("exp/flag/open", { text_value: "now", int_value: 0 });
    for (const { ended } of agents) {
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
    }
    assert.equal(gateway.flags.get("exp/flag/here")?.int_value, 2);
    for (const executor of ["a", "b"]) {
      const { outrider, result, log } = storedAt(gateway, executor);
      assert.deepEqual([outrider, result.state], [1, "succeeded"]);
      assert.deepEqual(result.tasks.two?.[0]?.value, { bytes: { $bytes: "AP8=" } });
      assert.equal(result.tasks.meet?.[0]?.value, 2);
      assert.equal(result.tasks.gate?.[0]?.value, "now");
      assert.ok(log.some(({ text }) => text === "zwölf 😀"));
      // A heartbeat that was given up may arrive late: then the result is sent once more.
      assert.match(beats(executor).map(({ state }) => state).join(""), /^1+3+$/);
    }
  }));

test("netUnicorn: a result that meets 500s, then nobody, is delivered once the gateway is back", () =>
  withNetunicorn(async ({ gateway, door, until, agent }) => {
    gateway.put("a", await bundleOf("one", "gate"));
    const { says, ended } = agent("a");
    await says("at the gate");
    gateway.resultTrouble = 500;
    const before = gateway.posts.length;
    await until(() => gateway.posts.length > before);
    gateway.flags.set("exp/flag/open", { text_value: "now", int_value: 0 });
    await until(() => gateway.posts.filter(({ state }) => state === 3).length >= 1);
    await door.close();
    await says("can't be reached");
    assert.notEqual(gateway.executors.get("a")?.state, 3);
    gateway.resultTrouble = undefined;
    const back = await listen(gateway, door.port);
    const { code, stderr } = await ended;
    await back.close();
    assert.equal(code, 0, stderr);
    const { result, log } = storedAt(gateway, "a");
    assert.equal(result.tasks.one?.[0]?.value, 1);
    assert.ok(log.some(({ text }) => text === "from one"));
  }));

test("netUnicorn: flags are counted and set; a pipeline that fails is over, and says why", () =>
  withNetunicorn(async ({ gateway, agent }) => {
    gateway.put("a", await bundleOf("count", "bad", "two"));
    gateway.put("b", await bundleOf("big"));
    const [a, b] = await Promise.all([agent("a").ended, agent("b").ended]);
    assert.deepEqual([a?.code, b?.code], [1, 1], a?.stderr);
    const { result } = storedAt(gateway, "a");
    assert.equal(result.state, "failed");
    assert.deepEqual(result.tasks.count?.[0]?.value, [1, 2, 1, null, -7, "none"]);
    assert.equal(result.tasks.bad?.[0]?.error?.message, "on purpose");
    assert.equal(result.tasks.two?.[0]?.outcome, "skipped");
    const big = storedAt(gateway, "b").result.tasks.big?.[0];
    assert.match(big?.error?.message ?? "", /takes strings and whole numbers of 32 bits/);
  }));

test("netUnicorn: a run that another executor left is not taken for one's own", () =>
  withNetunicorn(async ({ gateway, agent }) => {
    gateway.put("a", await bundleOf("two", "gate"));
    const first = agent("a", { OUTRIDER_STATE_DIR: "state" });
    await first.says("at the gate");
    first.kill("SIGKILL");
    await first.ended;
    gateway.put("b", await bundleOf("one"));
    const { code, stderr } = await agent("b", { OUTRIDER_STATE_DIR: "state" }).ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /is of executor a, and this one is b: it is left alone/);
    assert.deepEqual(Object.keys(storedAt(gateway, "b").result.tasks), ["one"]);
    gateway.flags.set("exp/flag/open", { text_value: "now", int_value: 0 });
    const again = await agent("a", { OUTRIDER_STATE_DIR: "state" }).ended;
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(Object.keys(storedAt(gateway, "a").result.tasks), ["two", "gate"]);
  }));

test("netUnicorn: the gateway's address alone is enough: the executor is Unknown then, as netUnicorn's own", () =>
  withNetunicorn(async ({ gateway, agent }) => {
    gateway.put("Unknown", await bundleOf("one"));
    const none = { NETUNICORN_EXPERIMENT_ID: "", NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS: "" };
    const { code, stderr } = await agent("", none).ended;
    assert.equal(code, 0, stderr);
    assert.equal(storedAt(gateway, "Unknown").result.tasks.one?.[0]?.value, 1);
  }));

test("netUnicorn: what is no bundle ends the run at once, and the gateway is told", () =>
  withNetunicorn(async ({ gateway, agent }) => {
    gateway.put("a", new Uint8Array([0x70, 5, 0x95, 0x2e]));
    const { code, stderr } = await agent("a").ended;
    assert.equal(code, 2, stderr);
    const { result, log } = storedAt(gateway, "a");
    assert.equal(result.state, "failed");
    assert.ok(log.some(({ text }) => text.includes("no bundle")));
  }));

test("netUnicorn: a file is run without asking; a gateway that knows no such executor takes its result and keeps nothing", () =>
  withNetunicorn(async ({ gateway, agent }) =>
    await withFiles(
      { "p.outrider.json": new TextDecoder().decode(await bundleOf("one")) },
      async (folder) => {
        const { code, stderr } = await agent("nobody", { OUTRIDER_PIPELINE: `${folder}/p.outrider.json` })
          .ended;
        assert.equal(code, 0, stderr);
        assert.equal(gateway.asked.get(GRAPH), undefined);
        assert.equal(gateway.posts.at(-1)?.state, 3);
        assert.equal(gateway.asked.get(RESULT), gateway.posts.length);
        assert.equal(gateway.executors.size, 0);
      },
    )
  ));

const FIXTURES = fileURLToPath(new URL("../fixtures/netunicorn/", import.meta.url));

interface Read {
  readonly ok: boolean;
  readonly tasks: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly log: readonly string[];
}

/** What netUnicorn's client reads of what an executor has posted last. */
function readBy(python: string, gateway: NetunicornGateway, executor: string): Read {
  const result = Buffer.from(gateway.executors.get(executor)!.result!).toString("base64");
  const { stdout, stderr } = spawnSync(python, [join(FIXTURES, "read.py")], {
    encoding: "utf8",
    input: JSON.stringify([result]),
  });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout)[0];
}

/** Graphs that netUnicorn's client has made, and what makes agents find the Python that has its packages. */
async function withGraphs(
  python: string,
  use: (graph: (name: string) => Uint8Array, env: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  await withFiles({}, async (folder) => {
    const { status, stderr } = spawnSync(python, [join(FIXTURES, "wild.py"), folder], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const PATH = `${dirname(python)}${delimiter}${process.env["PATH"]}`;
    await use((name) => new Uint8Array(readFileSync(join(folder, `${name}.pickle`))), { PATH });
  });
}

testWithPackages(
  NETUNICORN,
  "netUnicorn: its own variables alone put an agent in its executor's place, and its client reads what its graph came to",
  (python) =>
    withNetunicorn(({ gateway, agent }) =>
      withGraphs(python, async (graph, env) => {
        gateway.put("a", graph("values"));
        const { code, stderr } = await agent("a", env).ended;
        assert.equal(code, 1, stderr);
        const row = gateway.executors.get("a");
        assert.deepEqual([row?.state, row?.finished], [3, true]);
        const { ok, tasks, log } = readBy(python, gateway, "a");
        assert.equal(ok, false);
        const { raises, sees, generator, lambda, ...rest } = tasks;
        assert.deepEqual(rest, {
          says: [["+", "{'ms': 12.5, 'raw': b'\\x00\\xff', 'none': None, 'deep': [[1, 'zw\\xf6lf']]}"]],
          whole: [["+", "2.0"]],
          nothing: [["+", "None"]],
          tuple: [["+", "(1, {2: 'b'})"]],
          point: [["+", "Point(1)"]],
          set: [["+", "{1}"]],
          forged: [["+", "{'$pickle': b'no', 'text': 'no'}"]],
          failure: [["-", "{'code': 7}"]],
          words: [["-", "'no luck'"]],
        });
        assert.match(raises![0]![1], /Traceback.*RuntimeError: no number/);
        assert.match(sees![0]![1], /'point': 'Point\(1\)'/);
        assert.deepEqual([generator![0]![0], lambda![0]![0]], ["-", "+"]);
        for (const text of ["one, from Python", "two, raw", "three, to stderr", "four, from a child"]) {
          assert.ok(log.some((line) => line.includes(`says | ${text}`)), text);
        }
      })
    ),
);

testWithPackages(
  NETUNICORN,
  "netUnicorn: a graph goes on after its executor was killed; its heartbeats can be read, and its tasks ask the gateway by themselves",
  (python) =>
    withNetunicorn(({ gateway, agent, until }) =>
      withGraphs(python, async (graph, env) => {
        const kept = { ...env, OUTRIDER_STATE_DIR: "state" };
        gateway.put("a", graph("waits"));
        const first = agent("a", kept);
        await first.says("at the gate");
        // One may be on its way that was made before.
        const before = gateway.posts.length;
        await until(() => gateway.posts.length > before + 1);
        const { ok, tasks, log } = readBy(python, gateway, "a");
        assert.deepEqual([ok, tasks], [true, {}]);
        assert.match(log[0]!, /running: waits/);
        first.kill("SIGKILL");
        await first.ended;
        const again = agent("a", kept);
        await again.says("at the gate");
        gateway.flags.set("exp/flag/open", { text_value: "now", int_value: 0 });
        const { code, stderr } = await again.ended;
        assert.equal(code, 0, stderr);
        const read = readBy(python, gateway, "a");
        assert.deepEqual([read.ok, read.tasks], [true, {
          before: [["+", "(1, 2)"]],
          waits: [["+", "('now', [<Success: (1, 2)>])"]],
          after: [["+", "3"]],
        }]);
      })
    ),
);
