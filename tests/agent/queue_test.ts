/** Agents and the gateway's queue: each pipeline once and in order, whatever is killed, replaced, or started twice. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { ReportedRun } from "../../src/protocol/messages.ts";
import { systemClock } from "../../src/base/clock.ts";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import { userGateway } from "../../src/uplink/user.ts";
import { AgentWorld, bundleOf } from "./rig.ts";
import { runCli, startCli, urlOf, withFiles } from "../rig.ts";
import { SEED } from "../seed.ts";
import { seeded } from "../uplink/rig.ts";

async function inWorld(use: (world: AgentWorld, stateDir: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-queue-"));
  const world = new AgentWorld();
  try {
    await use(world, join(folder, "state"));
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function submit(world: AgentWorld, name: string, to = "pi"): Promise<string> {
  return (await world.user.submit(await bundleOf(name, { one: {} }), to, { name })).id!;
}

/** The runs that are over and here, the oldest first. */
async function done(world: AgentWorld): Promise<ReportedRun[]> {
  const runs = (await world.user.runs()).filter(({ complete }) => complete);
  return runs.sort((a, b) => a.startedAt! < b.startedAt! ? -1 : 1);
}

async function namesOf(world: AgentWorld): Promise<string[]> {
  return (await done(world)).map(({ pipeline, state }) => `${pipeline} ${state}`);
}

test("queue: an agent that was away runs all that waits, in order, and the next as it comes", () =>
  inWorld(async (world, stateDir) => {
    const ids = [await submit(world, "a"), await submit(world, "all", "group:all"), await submit(world, "b")];
    const agent = world.agent({ stateDir }, { follow: true });
    await world.when(async () => (await done(world)).length === 3);
    ids.push(await submit(world, "c"));
    await world.when(async () => (await done(world)).length === 4);
    assert.deepEqual(await namesOf(world), ["a succeeded", "all succeeded", "b succeeded", "c succeeded"]);
    assert.deepEqual((await done(world)).map(({ handout }) => handout), ids);
    const { handouts } = await world.user.executor("pi");
    assert.deepEqual(handouts.map(({ id, state }) => [id, state]), ids.map((id) => [id, "succeeded"]));
    agent.stop("enough");
    await world.until(agent.ended);
  }));

test("queue: one run a start, with a state directory or none, and none of them twice", () =>
  inWorld(async (world, stateDir) => {
    for (const name of ["a", "b", "c", "d"]) await submit(world, name);
    for (const kept of [{ stateDir }, { stateDir }, {}, {}]) {
      assert.equal(await world.until(world.agent(kept).ended), 0);
    }
    assert.deepEqual(await namesOf(world), ["a succeeded", "b succeeded", "c succeeded", "d succeeded"]);
  }));

test("queue: a storage that was put back from a copy repeats nothing to who has a state directory", () =>
  inWorld(async (world, stateDir) => {
    const [file, copy] = [`${stateDir}-a.db`, `${stateDir}-b.db`];
    world.replaceStore(sqliteGatewayStore(file));
    for (const name of ["a", "b"]) await submit(world, name);
    world.store.close();
    copyFileSync(file, copy);
    world.replaceStore(sqliteGatewayStore(file));
    const agent = world.agent({ stateDir }, { follow: true, free: true });
    await world.when(async () => (await done(world)).length === 2);
    await world.user.command("pi", { type: "resume" });
    await world.when(() => world.store.rows.commands("pi", 0).length === 0);
    world.store.close();
    world.replaceStore(sqliteGatewayStore(copy));
    await submit(world, "c");
    await world.user.command("pi", { type: "pause" });
    await world.when(async () => (await world.user.executors())[0]?.state === "paused");
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => (await done(world)).length === 1);
    assert.deepEqual(await namesOf(world), ["c succeeded"]);
    agent.stop("enough");
    await world.until(agent.ended);
  }));

test("agent: it hears the commands of a storage that took the place of another, and what is submitted there", () =>
  inWorld(async (world, stateDir) => {
    const agent = world.agent({ stateDir }, { follow: true, free: true });
    const state = async () => (await world.user.executors())[0]?.state;
    for (let at = 0; at < 6; at++) await world.user.command("pi", { type: at % 2 ? "resume" : "pause" });
    await submit(world, "a");
    await world.when(async () => (await done(world)).length === 1);
    world.store.close();
    world.replaceStore();
    await world.user.command("pi", { type: "pause" });
    await world.when(async () => await state() === "paused");
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => await state() === "idle");
    await submit(world, "a");
    await world.when(async () => (await done(world)).length === 1);
    await world.user.command("pi", { type: "stop" });
    assert.equal(await world.until(agent.ended), 0);
  }));

test("agent: what it was told to pause stays so over a restart, until it is resumed", () =>
  inWorld(async (world, stateDir) => {
    const state = async () => (await world.user.executors())[0]?.state;
    const first = world.agent({ stateDir }, { follow: true, free: true });
    await world.user.command("pi", { type: "pause" });
    await world.when(async () => await state() === "paused");
    first.stop("enough");
    await world.until(first.ended);
    await submit(world, "a");
    const second = world.agent({ stateDir }, { follow: true, free: true });
    await world.when(async () => await state() === "paused" && (await world.user.runs()).length === 1);
    assert.ok(world.notes.some((note) => /^Paused, as before/.test(note)), world.notes.join("\n"));
    assert.deepEqual(
      ((await world.user.result((await world.user.runs())[0]!.run)) as { tasks: object }).tasks,
      {},
    );
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => (await done(world)).length === 1);
    second.stop("enough");
    await world.until(second.ended);
    const third = world.agent({ stateDir }, { follow: true, free: true });
    await world.when(async () => await state() === "idle");
    third.stop("enough");
    await world.until(third.ended);
  }));

test("queue: what is withdrawn while it is on its way to the agent is cancelled there, and the next one runs", () =>
  inWorld(async (world, stateDir) => {
    const id = (await world.user.submit(await bundleOf("a", { wait: {} }), "pi", { name: "a" })).id!;
    const agent = world.agent({ stateDir }, {
      follow: true,
      free: true,
      // Nothing of the run is heard of yet.
      onRun: () => world.network.offline = true,
    });
    await world.when(() => world.network.offline);
    assert.deepEqual((await world.user.withdraw(id, "wrong one")).taken, ["pi"]);
    world.network.offline = false;
    await world.when(async () => (await done(world)).length === 1);
    const { handouts } = await world.user.executor("pi");
    assert.deepEqual(handouts.map(({ id, state }) => [id, state]), [[id, "cancelled"]]);
    agent.stop("enough");
    await world.until(agent.ended);
  }));

test("agent: two with one id are told of each other, and so is the user, until one ends", () =>
  inWorld(async (world) => {
    const rival = async () => (await world.user.executors())[0]?.rival;
    const [one, two] = [world.agent({}, { follow: true }), world.agent({}, { follow: true })];
    await world.when(async () => await rival() !== undefined);
    await world.when(() =>
      world.notes.filter((note) => note.startsWith("Another device speaks")).length === 2
    );
    assert.deepEqual(world.view?.conditions().map(({ code }) => code), ["executor_twice"]);
    one.stop("enough");
    await world.until(one.ended);
    await world.when(async () => await rival() === undefined);
    await world.when(() => world.view?.conditions().length === 0);
    two.stop("enough");
    await world.until(two.ended);
  }));

/** A gateway of before there was a queue: it knows no new field, and hands out what is the newest. */
function withoutQueue(world: AgentWorld): void {
  const { store, clock } = world;
  const app = gatewayApp({ store, clock });
  const passed = (request: Request) => app.fetch(request);
  const fetch = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname;
    if (!path.startsWith("/v1/executors/pi/")) return await passed(request);
    if (path.endsWith("/commands")) return await passed(request);
    if (path.endsWith("/pipeline")) {
      const row = store.rows.handouts(["pi"], 1)[0];
      if (row === undefined) return new Response(null, { status: 204 });
      const etag = `"${row.version}-${row.hash}"`;
      if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304 });
      return new Response(store.rows.bundle(row.hash)!, {
        headers: { etag, "outrider-bundle-hash": row.hash },
      });
    }
    const packed = request.headers.get("content-encoding") === "gzip";
    const sent = packed ? request.body!.pipeThrough(new DecompressionStream("gzip")) : request.body;
    const { handout: _, run, storage: _storage, rival: _rival, ...rest } = await new Response(sent).json();
    const body = typeof run === "object"
      ? { ...rest, run: { ...run, handout: undefined } }
      : { ...rest, run };
    const old = new Request(request.url, { method: "POST", body: JSON.stringify(body) });
    const { storage: _new, ...reply } = await (await passed(old)).json();
    return Response.json(reply);
  };
  world.app = { fetch };
}

test("queue: with a gateway that has none the agent runs the newest, as before", () =>
  inWorld(async (world, stateDir) => {
    withoutQueue(world);
    const agent = world.agent({ stateDir }, { follow: true });
    for (const [at, name] of ["a", "b", "a"].entries()) {
      await submit(world, name);
      await world.when(async () => (await done(world)).length === at + 1);
    }
    assert.deepEqual(await namesOf(world), ["a succeeded", "b succeeded", "a succeeded"]);
    await world.user.command("pi", { type: "stop" });
    assert.equal(await world.until(agent.ended), 0);
  }));

const KILLS = 8;
const PIPELINES = 6;

const TASKS = `
import { appendFileSync } from "node:fs";
export const note = ({ params, run }) => appendFileSync("proof.txt", params.name + " " + run + "\\n");
export const nap = () => new Promise((done) => setTimeout(done, 150));
`;

async function napping(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const run = (fn: string) => ({ module: "bundle:", export: fn });
  const tasks = { note: { run: run("note"), params: { name } }, nap: { run: run("nap"), needs: ["note"] } };
  return new TextEncoder().encode(bundleText(await makeBundle({ outrider: 1, name, tasks }, TASKS)));
}

test(`queue: each of ${PIPELINES} pipelines runs once and in order, over ${KILLS} kills of agent and gateway`, async () => {
  const random = seeded(SEED);
  const names = Array.from({ length: PIPELINES }, (_, at) => `p${at}`);
  await withFiles({}, async (cwd) => {
    let port = "0";
    const gateway = () =>
      startCli(["gateway", "--port", port, "--db", "gateway.db", "--token", "secret"], { cwd });
    const began = performance.now();
    let listening = gateway();
    const url = await urlOf(listening);
    // What dies three times while it reads a pipeline gives that up: so each dies only after a task has run.
    const startMs = performance.now() - began;
    port = new URL(url).port;
    const env = {
      OUTRIDER_GATEWAY: url,
      OUTRIDER_TOKEN: "secret",
      OUTRIDER_EXECUTOR_ID: "pi",
      OUTRIDER_HEARTBEAT: "1s",
      OUTRIDER_STATE_DIR: "state",
    };
    const user = userGateway({ url, token: "secret", fetch, clock: systemClock, random });
    for (const name of names) await user.submit(await napping(name), "pi", { name });
    const agent = () => startCli(["agent", "--follow"], { cwd, env });
    let working = agent();
    let left = false;
    const over = async () => {
      // The gateway may be killed just now.
      while (!left && (await runs().catch(() => [])).filter(({ complete }) => complete).length < PIPELINES) {
        await new Promise((later) => setTimeout(later, 50));
      }
    };
    const runs = async () => [...await user.runs()].sort((a, b) => a.startedAt! < b.startedAt! ? -1 : 1);
    try {
      const all = over();
      for (let kill = 0; kill < KILLS; kill++) {
        await new Promise((later) => setTimeout(later, startMs + random() * 900));
        const which = random() < 0.6 ? working : listening;
        if (which === working) {
          // However slow the machine is just now.
          await Promise.race([working.says("note ✓"), all]);
        }
        which.kill("SIGKILL");
        await which.ended;
        if (which === working) working = agent();
        else await urlOf(listening = gateway());
      }
      await all;
      const list = await runs();
      assert.deepEqual(
        list.map(({ pipeline, state }) => `${pipeline} ${state}`),
        names.map((name) => `${name} succeeded`),
        `seed ${SEED}`,
      );
      assert.equal(new Set(list.map(({ handout }) => handout)).size, PIPELINES, `seed ${SEED}`);
      const lines = readFileSync(join(cwd, "proof.txt"), "utf8").trimEnd().split("\n");
      const proof = [...new Set(lines)];
      assert.deepEqual(
        proof,
        list.map(({ pipeline, run }) => `${pipeline} ${run}`),
        `one run each, seed ${SEED}`,
      );
      const { stdout } = await runCli(["executors", "pi"], { cwd, env });
      assert.deepEqual(
        stdout.match(/^q-.*/gm)?.map((line) => line.split(/ +/)[3]),
        names.map(() => "succeeded"),
        stdout,
      );
    } finally {
      left = true;
      for (const cli of [working, listening]) cli.kill("SIGTERM");
      await Promise.all([working.ended, listening.ended]);
    }
  });
});
