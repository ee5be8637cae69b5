/**
 * Holds the agent as a whole, in one process: real runs, a clock moved by hand, and a gateway that is a function.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { inspectedRun } from "../../src/run/run.ts";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { AgentWorld, bundleOf, CODE } from "./rig.ts";
import type { Harm } from "../uplink/rig.ts";

async function inWorld(
  use: (world: AgentWorld, folder: string) => Promise<void>,
  harm: Harm = {},
): Promise<void> {
  const world = new AgentWorld(harm);
  const folder = mkdtempSync(join(tmpdir(), "outrider-agent-"));
  try {
    await use(world, folder);
    // What the gateway holds for those who have gone ends by itself.
    for (let at = 0; at < 20 && world.clock.step(); at++) await world.activity.still();
    assert.equal(world.clock.timers, 0, "A timer was left");
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Result = {
  readonly state: string;
  readonly tasks: Record<string, readonly { readonly outcome: string; readonly value?: unknown }[]>;
};

async function resultOf(world: AgentWorld, run: string): Promise<Result> {
  return await world.user.result(run) as Result;
}

async function logOf(world: AgentWorld, run: string): Promise<Record<string, unknown>[]> {
  const records: Record<string, unknown>[] = [];
  for await (const record of world.user.logs(run)) records.push(record);
  return records;
}

async function onlyRun(world: AgentWorld): Promise<string> {
  const runs = await world.user.runs();
  assert.equal(runs.length, 1, JSON.stringify(runs));
  return runs[0]!.run;
}

test("an agent waits for a pipeline, runs it, reports it, and ends with its code", () =>
  inWorld(async (world) => {
    const agent = world.agent();
    await world.when(() => world.notes.some((note) => note.includes("has no pipeline yet")));
    assert.equal((await world.user.executors())[0]?.state, "idle");
    await world.user.submit(await bundleOf("sums", { one: {}, sum: { needs: ["one"] } }), "pi");
    assert.equal(await world.until(agent.ended), 0);
    const run = await onlyRun(world);
    const { state, tasks } = await resultOf(world, run);
    assert.equal(state, "succeeded");
    assert.equal(tasks["sum"]?.[0]?.value, 1);
    const view = await world.user.run(run);
    assert.equal(view.complete, true);
    assert.ok((await logOf(world, run)).some(({ text, task }) => text === "from one" && task === "one"));
    assert.match(world.notes.at(-1)!, /^Sent \d+ bytes to /);
  }));

test("over a network that loses, repeats, delays and refuses, every record arrives, once and in order", () =>
  inWorld(
    async (world) => {
      await world.user.submit(
        await bundleOf("chatty", {
          one: {},
          chatter: { params: { lines: 3000 } },
          bad: { allowFailure: true },
        }),
        "group:all",
      );
      assert.equal(await world.until(world.agent().ended), 0);
      const run = await onlyRun(world);
      const view = await world.user.run(run);
      assert.equal(view.complete, true);
      assert.deepEqual(view.missing, []);
      const log = await logOf(world, run);
      assert.deepEqual(log.map(({ seq }) => seq), log.map((_, at) => at + 1));
      const lines = log.filter(({ text }) => String(text).startsWith("line ")).map(({ text }) => text);
      assert.deepEqual(lines, Array.from({ length: 3000 }, (_, at) => `line ${at}`));
      assert.equal((await resultOf(world, run)).tasks["bad"]?.[0]?.outcome, "failed");
    },
    { lost: 0.15, deaf: 0.15, twice: 0.1, slow: 0.1, error500: 0.1, error429: 0.1 },
  ));

test("offline for hours after a run, the agent stays until the gateway has everything", () =>
  inWorld(async (world) => {
    await world.user.submit(await bundleOf("sums", { one: {} }), "pi");
    const agent = world.agent({ heartbeatMs: 60_000 }, { onRun: () => void (world.network.offline = true) });
    await world.when(() => world.network.offline);
    const offlineAt = world.clock.now();
    await world.when(() => world.clock.now() > offlineAt + 2 * 3_600_000);
    assert.deepEqual(await world.user.runs(), []);
    world.network.offline = false;
    assert.equal(await world.until(agent.ended), 0);
    assert.equal((await world.user.run(await onlyRun(world))).complete, true);
    assert.ok(world.notes.some((note) => /trying again$/.test(note)));
    assert.ok(world.notes.some((note) => /is back$/.test(note)));
  }));

test("OUTRIDER_KEEP_ALIVE ends the wait; the next start sends what is left and runs nothing again", () =>
  inWorld(async (world, stateDir) => {
    await world.user.submit(await bundleOf("sums", { one: {} }), "pi");
    const keepAlive = { ms: 60_000, then: "finish" } as const;
    const agent = world.agent({ stateDir, keepAlive }, { onRun: () => void (world.network.offline = true) });
    assert.equal(await world.until(agent.ended), 0);
    assert.deepEqual(await world.user.runs(), []);
    assert.ok(world.notes.some((note) => note.includes("the next start sends them")), world.notes.join("\n"));
    world.network.offline = false;
    const next = world.agent({ stateDir });
    await world.when(async () => (await world.user.runs())[0]?.complete === true);
    next.stop("enough", 143);
    assert.equal(await world.until(next.ended), 143);
    assert.equal((await resultOf(world, await onlyRun(world))).state, "succeeded");
    assert.deepEqual(readdirSync(join(stateDir, "runs")), []);
  }));

test("a run that ended in a process that was killed before it could say so is reported, not run again", () =>
  inWorld(async (world, folder) => {
    writeFileSync(join(folder, "tasks.mjs"), CODE);
    const tasks = { one: { run: { module: "./tasks.mjs", export: "one" } } };
    writeFileSync(join(folder, "p.json"), JSON.stringify({ outrider: 1, name: "file", tasks }));
    const config = { stateDir: join(folder, "state"), pipeline: join(folder, "p.json") };
    const state = new StateDir(config.stateDir, { runtime, logBytes: 1_000_000 });
    await state.runs();
    const { journal } = (await state.begin({}))!;
    const before = await inspectedRun(config.pipeline, { journal });
    await state.end();
    assert.equal(await world.until(world.agent(config).ended), 0);
    const run = await onlyRun(world);
    assert.equal(run, before.run);
    assert.deepEqual((await resultOf(world, run)).tasks, before.tasks);
    // It is closed now: the next start begins another.
    assert.equal(await world.until(world.agent(config).ended), 0);
    assert.equal((await world.user.runs()).length, 2);
  }));

test("without a gateway the newest twenty runs are kept, and no more", () =>
  inWorld(async (world, folder) => {
    writeFileSync(join(folder, "p.json"), JSON.stringify({ outrider: 1, name: "file", tasks: { none: {} } }));
    const config = { stateDir: join(folder, "state"), pipeline: join(folder, "p.json") };
    for (let run = 1; run <= 22; run++) {
      assert.equal(await world.until(world.agent({ ...config, gateway: undefined }).ended), 0);
    }
    const numbers = readdirSync(join(config.stateDir, "runs")).map(Number).sort((a, b) => a - b);
    assert.deepEqual([numbers.length, numbers[0], numbers.at(-1)], [21, 2, 22]);
  }));

test("a cancel from the gateway reaches the task, and the agent ends", () =>
  inWorld(async (world) => {
    await world.user.submit(await bundleOf("long", { wait: {}, one: { needs: ["wait"] } }), "pi");
    const agent = world.agent({}, { free: true });
    await world.when(async () => (await world.user.executors())[0]?.heartbeat?.run?.counts["running"] === 1);
    const run = await onlyRun(world);
    await world.user.cancel(run, "changed my mind");
    assert.equal(await world.until(agent.ended), 1);
    const { state, tasks } = await resultOf(world, run);
    assert.equal(state, "cancelled");
    assert.equal(tasks["wait"]?.[0]?.outcome, "cancelled");
    assert.equal(tasks["one"]?.[0]?.outcome, "skipped");
  }));

test("pause, resume, log level and stop come with replies", () =>
  inWorld(async (world) => {
    const agent = world.agent({}, { follow: true, free: true });
    const state = async () => (await world.user.executors())[0]?.state;
    await world.when(async () => await state() === "idle");
    const seen = async () => (await world.user.executors())[0]?.heartbeat?.seen ?? 0;
    await world.user.command("pi", { type: "pause" });
    await world.when(async () => await state() === "paused");
    const paused = await seen();
    await world.user.command("pi", { type: "logLevel", level: "error" });
    await world.when(async () => await seen() > paused);
    await world.user.submit(await bundleOf("levels", { levels: {} }), "pi");
    await world.when(async () => (await world.user.runs()).some(({ pipeline }) => pipeline === "levels"));
    const run = await onlyRun(world);
    assert.deepEqual((await resultOf(world, run)).tasks, {});
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => (await world.user.run(run)).complete);
    assert.deepEqual((await logOf(world, run)).map(({ text }) => text), ["loud word"]);
    await world.user.command("pi", { type: "stop" });
    assert.equal(await world.until(agent.ended), 0);
    assert.equal((await world.user.executors())[0]?.state, "stopping");
  }));

test("--follow runs one pipeline after the other, and a bundle that was damaged is a failed run", () =>
  inWorld(async (world, stateDir) => {
    const agent = world.agent({ stateDir }, { follow: true });
    await world.user.submit(await bundleOf("first", { one: {} }), "pi");
    await world.when(async () => (await world.user.runs()).some(({ complete }) => complete));
    const bytes = await bundleOf("second", { one: {} });
    bytes[bytes.indexOf("from one".charCodeAt(0), 200)]! ^= 1;
    await world.user.submit(bytes, "pi");
    await world.when(async () => (await world.user.runs()).filter(({ complete }) => complete).length === 2);
    const failed = (await world.user.runs()).find(({ state }) => state === "failed")!;
    assert.match(JSON.stringify(await logOf(world, failed.run)), /changed or damaged|no bundle|Unknown key/);
    await world.user.submit(await bundleOf("third", { one: {}, sum: { needs: ["one"] } }), "pi");
    await world.when(async () => (await world.user.runs()).filter(({ complete }) => complete).length === 3);
    assert.ok(
      (await world.user.runs()).some(({ pipeline, state }) => pipeline === "third" && state === "succeeded"),
    );
    agent.stop("enough", 143);
    assert.equal(await world.until(agent.ended), 0);
  }));

test("quiet: one heartbeat says so, then nothing is sent until the run is over", () =>
  inWorld(async (world) => {
    await world.user.submit(await bundleOf("still", { gate: {} }, { report: false }), "pi");
    const agent = world.agent({ experiment: "quiet", stopGraceMs: 100 }, { free: true });
    await world.when(async () => (await world.user.executors())[0]?.heartbeat?.quiet === true);
    const since = world.clock.now();
    const heard = (await world.user.executors())[0]!.heartbeat!.version;
    await world.when(() => world.clock.now() > since + 600_000);
    assert.equal((await world.user.executors())[0]!.heartbeat!.version, heard);
    agent.stop("enough");
    await world.until(agent.ended);
    assert.equal((await world.user.run(await onlyRun(world))).complete, true);
  }));

test("quiet: who is paused is silent only once it is resumed, and so hears of that, over a restart too", () =>
  inWorld(async (world, stateDir) => {
    const first = world.agent({ stateDir }, { follow: true, free: true });
    await world.when(() => world.view?.state() === "idle");
    await world.user.command("pi", { type: "pause" });
    await world.when(() => world.view?.state() === "paused");
    first.stop("enough", 0);
    await world.until(first.ended);
    await world.user.submit(await bundleOf("still", { one: {} }, { report: false }), "pi");
    const agent = world.agent({ stateDir, quiet: true }, { follow: true, free: true });
    await world.when(async () => {
      const [executor] = await world.user.executors();
      return executor?.state === "paused" && executor.heartbeat?.run !== undefined;
    });
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => (await world.user.runs()).some(({ complete }) => complete));
    agent.stop("enough", 0);
    await world.until(agent.ended);
  }));

test("devices meet at a flag", () =>
  inWorld(async (world) => {
    await world.user.submit(await bundleOf("meeting", { meet: {} }), "group:all");
    const agents = ["a", "b"].map((executor) =>
      world.agent({ executor, experiment: "both" }, { free: true })
    );
    assert.deepEqual(await world.until(Promise.all(agents.map((agent) => agent.ended))), [0, 0]);
    const values = await Promise.all(
      (await world.user.runs()).map(async ({ run }) =>
        (await resultOf(world, run)).tasks["meet"]?.[0]?.value
      ),
    );
    assert.deepEqual(values.sort(), [[1, 2], [2, 2]]);
  }));

test("without a gateway the file is run, and without either the agent says what is missing", () =>
  inWorld(async (world, folder) => {
    writeFileSync(join(folder, "tasks.mjs"), CODE);
    const of = (name: string) => ({
      outrider: 1,
      name,
      tasks: { x: { run: { module: "./tasks.mjs", export: name } } },
    });
    for (const name of ["one", "bad", "meet"]) {
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(of(name)));
    }
    const alone = { gateway: undefined };
    assert.equal(await world.until(world.agent({ ...alone, pipeline: join(folder, "one.json") }).ended), 0);
    assert.equal(await world.until(world.agent({ ...alone, pipeline: join(folder, "bad.json") }).ended), 1);
    assert.equal(await world.until(world.agent({ ...alone, pipeline: join(folder, "meet.json") }).ended), 1);
    await assert.rejects(world.until(world.agent({ ...alone, pipeline: join(folder, "none.json") }).ended), {
      code: "OUTRIDER_PIPELINE",
    });
    await assert.rejects(world.until(world.agent(alone).ended), { code: "OUTRIDER_NO_PIPELINE" });
  }));

test("records that the gateway refuses are told, and the exit code is no 0; what a proxy refuses is waited for", () =>
  inWorld(async (world, stateDir) => {
    const refusing = (answer: () => Response) => {
      world.network.stands = (path, text) =>
        path.endsWith("/records") && text.includes('"attempt.settled"') ? answer() : undefined;
    };
    await world.user.submit(await bundleOf("p", { one: {} }), "pi");
    refusing(() => new Response("Bad Request", { status: 400 }));
    const waiting = world.agent({ stateDir });
    await world.when(() => world.notes.some((note) => /answered 400: Bad Request/.test(note)));
    const until = world.clock.now() + 3_600_000;
    await world.when(() => world.clock.now() > until);
    world.network.stands = undefined;
    assert.equal(await world.until(waiting.ended), 0);
    assert.equal((await resultOf(world, await onlyRun(world))).tasks["one"]?.[0]?.value, 1);
    assert.ok(!world.notes.some((note) => note.includes("set aside")));

    await world.user.submit(await bundleOf("p", { one: {} }), "pi");
    refusing(() => Response.json({ error: { code: "BAD", message: "not this one" } }, { status: 422 }));
    assert.equal(await world.until(world.agent({ stateDir }).ended), 1);
    assert.match(
      world.notes.join("\n"),
      /will not have all of run \S+: 1 records were set aside, 0 values left out/,
    );
    world.network.stands = undefined;
    await world.user.submit(await bundleOf("p", { one: {} }), "pi");
    assert.equal(await world.until(world.agent({ stateDir }).ended), 0);
    const kept = readdirSync(join(stateDir, "runs")).filter((name) => name.endsWith(".refused"));
    assert.equal(kept.length, 1);
    const last = world.agent({ stateDir }, { follow: true });
    await world.when(() => world.view?.conditions().some(({ code }) => code === "kept_refused") === true);
    last.stop("enough", 0);
    await world.until(last.ended);
  }));

test("a gateway is told no secrets: not in values, errors or the log", () =>
  inWorld(async (world, stateDir) => {
    const code = `
export const value = ({ log }) => { log.info("it is open-sesame"); return { "open-sesame": ["say open-sesame", 4711] }; };
export const fails = () => { throw new Error("not open-sesame"); };
`;
    const task = (name: string) => ({ run: { module: "bundle:", export: name } });
    const manifest = {
      outrider: 1 as const,
      name: "p",
      onFailure: "continue" as const,
      tasks: { value: task("value"), fails: task("fails") },
    };
    const bundle = new TextEncoder().encode(bundleText(await makeBundle(manifest, code)));
    await world.user.submit(bundle, "pi");
    assert.equal(await world.until(world.agent({ stateDir }, { secrets: ["open-sesame", "4711"] }).ended), 1);
    const run = await onlyRun(world);
    const result = await resultOf(world, run);
    assert.deepEqual(result.tasks["value"]?.[0]?.value, { "[secret]": ["say [secret]", 4711] });
    assert.match(JSON.stringify(result.tasks["fails"]), /not \[secret\]/);
    assert.doesNotMatch(JSON.stringify([result, await logOf(world, run)]), /open-sesame/);
  }));

test("what a pipeline or the environment requires and is missing is told at the gateway, and nothing has run", () =>
  inWorld(async (world) => {
    const requires = { commands: ["no-such-program-of-ours"], devices: ["/dev/no-such-device"] };
    await world.user.submit(await bundleOf("needy", { one: { requires } }), "pi");
    const agent = world.agent({}, {
      requires: { place: "environment.requires", requires: { memory: "9999999GiB" } },
    });
    await assert.rejects(world.until(agent.ended), { code: "OUTRIDER_PIPELINE" });
    const run = await onlyRun(world);
    assert.equal((await resultOf(world, run)).state, "failed");
    const told = (await logOf(world, run)).map(({ text }) => text).join("\n");
    assert.match(told, /tasks\.one\.requires\.commands\[0\]: There is no program no-such-program-of-ours/);
    assert.match(told, /tasks\.one\.requires\.devices\[0\]: There is no device/);
    assert.match(told, /environment\.requires\.memory: There are \d+MiB in all/);
    assert.ok(!told.includes("from one"));
  }));
