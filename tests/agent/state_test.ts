/**
 * Holds that nothing that lies in a state directory, and nothing that a gateway hands out, stops an agent: what can't be
 * read is set aside and told, what can't be carried out is a run that failed, and the next one is run.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { AgentWorld, bundleOf } from "./rig.ts";
import { withFiles } from "../rig.ts";

function inWorld(use: (world: AgentWorld, stateDir: string) => Promise<void>): Promise<void> {
  return withFiles({}, async (folder) => {
    const world = new AgentWorld();
    try {
      await use(world, join(folder, "state"));
    } finally {
      world.close();
    }
  });
}

const complete = async (world: AgentWorld, count: number): Promise<boolean> => {
  const runs = await world.user.runs();
  return runs.length === count && runs.every((run) => run.complete);
};

async function textsOf(world: AgentWorld, run: string): Promise<string> {
  const texts: string[] = [];
  for await (const record of world.user.logs(run)) texts.push(String((record as { text?: unknown }).text));
  return texts.join("\n");
}

/** A bundle whose manifest is anything, with a hash that fits. */
async function oddBundle(manifest: unknown): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(JSON.stringify([manifest, ""]));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new TextEncoder().encode(JSON.stringify({ outriderBundle: 1, hash, manifest, code: "" }));
}

/** Runs a good pipeline after whatever came before. */
async function goesOn(world: AgentWorld, already: number): Promise<void> {
  await world.user.submit(await bundleOf("good", { one: {} }), "pi");
  await world.when(() => complete(world, already + 1));
  const good = (await world.user.runs()).find(({ pipeline }) => pipeline === "good");
  assert.equal(good?.state, "succeeded");
}

test("bundles of any shape and depth are failed runs, and a good one after them is run", () =>
  inWorld(async (world, stateDir) => {
    const agent = world.agent({ stateDir }, { follow: true });
    const deep = `{"outriderBundle":1,"hash":"0","code":"","manifest":{"tasks":{"t":${"[".repeat(20_000)}${
      "]".repeat(20_000)
    }}}}`;
    const odd = [
      await oddBundle({ outrider: 1, name: "n", tasks: { t: null } }),
      await oddBundle({ outrider: 1, name: "n", tasks: { t: { run: null } } }),
      await oddBundle({ tasks: { t: { needs: {} } } }),
      new TextEncoder().encode(deep),
      new TextEncoder().encode("null"),
      new TextEncoder().encode("[".repeat(100_000)),
      new Uint8Array([0xff, 0, 0xfe]),
    ];
    for (const [at, bytes] of odd.entries()) {
      await world.user.submit(bytes, "pi");
      await world.when(() => complete(world, at + 1));
    }
    assert.ok((await world.user.runs()).every(({ state }) => state === "failed"));
    await goesOn(world, odd.length);
    agent.stop("enough", 0);
    assert.equal(await world.until(agent.ended), 0);
  }));

/** A run that was begun and not closed, as a process that was killed leaves it. */
async function leftBehind(
  stateDir: string,
  tasks: Parameters<typeof bundleOf>[1] = { wait: {} },
): Promise<string> {
  const state = new StateDir(stateDir, { runtime, logBytes: 1_000_000 });
  await state.runs();
  const text = new TextDecoder().decode(await bundleOf("left", tasks));
  const kept = await state.begin({ tag: '"tag"' }, text);
  const execution = inspectedRun(JSON.parse(text) as Record<string, unknown>, { journal: kept!.journal });
  execution.pause();
  await execution.begun;
  await kept!.journal.flush();
  const copy = `${stateDir}.copy`;
  fs.cpSync(stateDir, copy, { recursive: true });
  execution.cancel("enough");
  await execution;
  await state.end();
  fs.rmSync(stateDir, { recursive: true });
  fs.renameSync(copy, stateDir);
  return join(stateDir, "runs", "000001");
}

const HARMS: Readonly<Record<string, (folder: string) => void>> = {
  "a journal that is no database": (folder) =>
    fs.writeFileSync(join(folder, "journal.db"), "no database ".repeat(999)),
  "an empty journal": (folder) => fs.truncateSync(join(folder, "journal.db")),
  "no journal": (folder) => fs.rmSync(join(folder, "journal.db")),
  "no origin.json": (folder) => fs.rmSync(join(folder, "origin.json")),
  "an origin.json that is none": (folder) => fs.writeFileSync(join(folder, "origin.json"), '{"tag": 5}'),
  "no pipeline.json": (folder) => fs.rmSync(join(folder, "pipeline.json")),
  "a pipeline.json that is another": (folder) =>
    fs.writeFileSync(join(folder, "pipeline.json"), '{"outrider": 1, "name": "other", "tasks": {"a": {}}}'),
  "a pipeline.json that is none": (folder) => fs.writeFileSync(join(folder, "pipeline.json"), "{"),
};

for (const [what, harm] of Object.entries(HARMS)) {
  test(`${what} is set aside and told, and the agent goes on`, () =>
    inWorld(async (world, stateDir) => {
      const folder = await leftBehind(stateDir);
      harm(folder);
      const agent = world.agent({ stateDir }, { follow: true });
      await world.when(() => complete(world, 1));
      const [failed] = await world.user.runs();
      assert.equal(failed!.state, "failed");
      assert.match(await textsOf(world, failed!.run), /000001/);
      await world.when(() => fs.existsSync(`${folder}.damaged`) && !fs.existsSync(folder));
      await goesOn(world, 1);
      const told = world.view!.conditions().find(({ code }) => code === "set_aside");
      assert.match(told?.message ?? "none", /000001\.damaged could not be read and are kept/);
      agent.stop("enough", 0);
      assert.equal(await world.until(agent.ended), 0);
      const again = world.agent({ stateDir }, { follow: true });
      await world.when(() => world.view!.conditions().some(({ code }) => code === "set_aside"));
      assert.equal((await world.user.runs()).length, 2, "nothing is told or run twice");
      again.stop("enough", 0);
      await world.until(again.ended);
    }));
}

test("a stray file among the runs is left alone and told", () =>
  inWorld(async (world, stateDir) => {
    fs.mkdirSync(join(stateDir, "runs"), { recursive: true });
    fs.writeFileSync(join(stateDir, "runs", "notes.txt"), "mine");
    fs.writeFileSync(join(stateDir, "runs", "000007"), "mine too");
    const agent = world.agent({ stateDir }, { follow: true });
    await world.when(() => complete(world, 1));
    await goesOn(world, 1);
    assert.equal(fs.readFileSync(join(stateDir, "runs", "notes.txt"), "utf8"), "mine");
    assert.equal(fs.readFileSync(join(stateDir, "runs", "000007.damaged"), "utf8"), "mine too");
    const codes = world.view!.conditions().map(({ code }) => code);
    assert.ok(codes.includes("left_alone") && codes.includes("set_aside"), codes.join());
    agent.stop("enough", 0);
    assert.equal(await world.until(agent.ended), 0);
  }));

test("a run whose pipeline ends its process while it is read is given up after three times, and told", () =>
  inWorld(async (world, stateDir) => {
    await leftBehind(stateDir);
    const state = new StateDir(stateDir, { runtime, logBytes: 1_000_000 });
    const [kept] = await state.runs();
    for (let death = 0; death < 3; death++) assert.equal(await state.starting(kept!), death);
    await state.end();
    const agent = world.agent({ stateDir });
    assert.equal(await world.until(agent.ended), 1);
    const [run] = await world.user.runs();
    assert.deepEqual([run!.state, run!.complete], ["failed", true]);
    assert.match(await textsOf(world, run!.run), /ended 3 times in a row while it read the pipeline/);
  }));

/** A runtime whose disk takes nothing beside the journal. */
function fullDisk(): { full: boolean; readonly runtime: typeof runtime } {
  const disk = { full: false };
  const refuse = <T>(work: () => Promise<T>): Promise<T> =>
    disk.full
      ? Promise.reject(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }))
      : work();
  return Object.assign(disk, {
    runtime: {
      ...runtime,
      writeText: (path: string, text: string, mode?: number) =>
        refuse(() => runtime.writeText(path, text, mode)),
      makeFolder: (path: string, mode?: number) => refuse(() => runtime.makeFolder(path, mode)),
    },
  });
}

for (const follow of [false, true]) {
  test(`a disk that is full when a run closes ends no agent${follow ? " that follows" : ""}, and nothing is run twice`, () =>
    inWorld(async (world, stateDir) => {
      const disk = fullDisk();
      const options = { follow, runtime: disk.runtime, onRun: () => void (disk.full = true) };
      await world.user.submit(await bundleOf("good", { one: {} }), "pi");
      const agent = world.agent({ stateDir }, options);
      await world.when(() => complete(world, 1));
      if (follow) {
        await world.user.submit(await bundleOf("second", { one: {} }), "pi");
        await world.when(() => complete(world, 2));
        assert.ok(world.view!.conditions().some(({ code }) => code === "disk"));
        agent.stop("enough", 0);
      }
      assert.equal(await world.until(agent.ended), 0);
      assert.ok((await world.user.runs()).every(({ state }) => state === "succeeded"));
      disk.full = false;
      const again = world.agent({ stateDir }, { follow: true });
      await world.when(() => world.notes.some((note) => note.includes("no pipeline yet")) || follow);
      await world.when(() => world.view!.state() === "idle");
      again.stop("enough", 0);
      await world.until(again.ended);
      const count = (await world.user.runs()).length;
      assert.ok(count === 1 || follow, `${count} runs`);
    }));
}

test("what a life sent and the disk had not taken when it died is not mixed with what the next one sends", () =>
  inWorld(async (world, stateDir) => {
    const tasks = { one: {}, chatter: { params: { lines: 40 }, needs: ["one"] } };
    await leftBehind(stateDir, tasks);
    const asItWas = `${stateDir}.was`;
    fs.cpSync(stateDir, asItWas, { recursive: true });
    const follow = async (): Promise<number> => {
      const agent = world.agent({ stateDir }, { follow: true });
      await world.when(() => complete(world, 1));
      await world.when(() => world.view?.state() === "idle");
      agent.stop("enough", 0);
      return await world.until(agent.ended);
    };
    assert.equal(await follow(), 0);
    const [first] = await world.user.runs();
    // As if all that it did had been in its memory alone.
    fs.rmSync(stateDir, { recursive: true });
    fs.renameSync(asItWas, stateDir);
    const since = new Date().toISOString();
    const agent = world.agent({ stateDir }, { follow: true });
    await world.when(async () => {
      const [run] = await world.user.runs();
      return run!.version > first!.version && run!.complete;
    });
    agent.stop("enough", 0);
    await world.until(agent.ended);
    const [run] = await world.user.runs();
    assert.deepEqual([run!.run, run!.state, run!.missing], [first!.run, "succeeded", []]);
    const result = await world.user.result(run!.run) as {
      readonly tasks: Record<string, readonly { readonly outcome: string; readonly endedAt: string }[]>;
    };
    for (const [task, attempts] of Object.entries(result.tasks)) {
      assert.equal(attempts.at(-1)!.outcome, "succeeded");
      assert.ok(attempts.at(-1)!.endedAt >= since, `${task} is of the life before`);
    }
    const lines = (await textsOf(world, run!.run)).split("\n");
    assert.equal(lines.filter((text) => text === "line 7").length, 1);
    assert.equal(lines.filter((text) => /^Run .* succeeded after/.test(text)).length, 1);
  }));

test("what a state directory holds is for this user alone", () =>
  inWorld(async (world, stateDir) => {
    await world.user.submit(await bundleOf("good", { wait: {} }), "pi");
    const agent = world.agent({ stateDir }, { free: true });
    await world.when(async () => (await world.user.runs()).length === 1);
    for (const name of fs.readdirSync(stateDir, { recursive: true, encoding: "utf8" })) {
      const { mode } = fs.statSync(join(stateDir, name));
      assert.equal(mode & 0o077, 0, name);
    }
    assert.equal(fs.statSync(stateDir).mode & 0o777, 0o700);
    agent.stop("enough");
    agent.stop("at once");
    await world.until(agent.ended);
  }));

test("a journal that can't be read any more in the midst of a run ends no agent, is told, and the next run is run", () =>
  inWorld(async (world, stateDir) => {
    const code = "export default ({ params }) => params.letter.repeat(200_000);";
    const big = Array.from({ length: 40 }, (_, at) => [`t${at}`, {
      run: { module: "bundle:" },
      params: { letter: String.fromCharCode(97 + at % 26) },
    }]);
    const manifest = { outrider: 1 as const, name: "big", tasks: Object.fromEntries(big) };
    const text = bundleText(await makeBundle(manifest as never, code));
    await world.user.submit(new TextEncoder().encode(text), "pi");
    world.network.stands = (path) =>
      path.endsWith("/records") ? new Response("busy", { status: 503 }) : undefined;
    const agent = world.agent({ stateDir }, { follow: true, free: true });
    const file = join(stateDir, "runs", "000001", "journal.db");
    await world.when(() => fs.existsSync(file) && fs.statSync(file).size > 3_000_000);
    await world.when(() => world.view?.state() === "idle");
    fs.truncateSync(file, 8_192);
    world.network.stands = undefined;
    await world.when(() => world.notes.some((note) => /has not all, since it could not be read/.test(note)));
    await world.user.submit(await bundleOf("good", { one: {} }), "pi");
    await world.when(async () =>
      (await world.user.runs()).some(({ pipeline, complete }) => pipeline === "good" && complete)
    );
    agent.stop("enough", 0);
    assert.equal(await world.until(agent.ended), 1);
  }));

test("what lies where a journal's files should be and is no file is set aside: nothing is waited for or read without end", () =>
  inWorld(async (world, stateDir) => {
    const odd: readonly [string, (path: string) => void][] = [
      ["journal.db", (path) => fs.mkdirSync(path)],
      ["journal.db", (path) => fs.symlinkSync("/dev/zero", path)],
      ["journal.db.tail-a", (path) => fs.mkdirSync(path)],
      ["journal.db.tail-b", (path) => fs.symlinkSync("/dev/zero", path)],
    ];
    for (const [at, [name, make]] of odd.entries()) {
      await leftBehind(stateDir, { one: {} });
      const folder = join(stateDir, "runs", "000001");
      fs.rmSync(join(folder, name), { force: true });
      make(join(folder, name));
      const agent = world.agent({ stateDir }, { follow: true });
      await world.when(() => complete(world, at + 1));
      const aside = fs.readdirSync(join(stateDir, "runs")).filter((found) => found.includes(".damaged"));
      assert.equal(aside.length, 1, name);
      agent.stop("enough", 0);
      await world.until(agent.ended);
      fs.rmSync(stateDir, { recursive: true });
    }
  }));
