/**
 * Agents that keep to a timetable: with a gateway, without, with a state directory and without, by a clock moved by hand; and
 * what a gateway may do between two runs.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { Agent } from "../../src/agent/port.ts";
import type { ManifestSchedule } from "../../src/pipeline/document/manifest.ts";
import type { ReportedRun } from "../../src/protocol/messages.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { localTime } from "../../src/base/shown.ts";
import { AgentWorld, bundleOf } from "./rig.ts";
import { withFiles } from "../rig.ts";

const MINUTE = 60_000;
const OFTEN: ManifestSchedule = { cron: "*/3 * * * *" };
const eight = (minutes: number, seconds: number = 0): number => Date.UTC(2026, 10, 21, 8, minutes, seconds);

interface Scene {
  readonly world: AgentWorld;
  readonly folder: string;
  readonly stateDir: string;
}

function inWorld(use: (scene: Scene) => Promise<void>): Promise<void> {
  return withFiles({}, async (folder) => {
    const world = new AgentWorld();
    world.clock.reach(eight(0, 10));
    try {
      await use({ world, folder, stateDir: join(folder, "state") });
    } finally {
      world.close();
    }
  });
}

async function submit(world: AgentWorld, name: string, schedule?: ManifestSchedule): Promise<string> {
  const more = schedule === undefined ? {} : { schedule };
  return (await world.user.submit(await bundleOf(name, { one: {} }, more), "pi", { name })).id!;
}

/**
 * Holds that each due time of `OFTEN` was run once and in order. Which ones is the clock's affair: it is moved while files are
 * read and processes start, and may be past one by then.
 */
function inOrder(due: readonly string[]): void {
  for (const text of due) {
    const [, minutes] = /^often \d\d:(\d\d) succeeded$/.exec(text) ?? [];
    assert.equal(Number(minutes) % 3, 0, text);
  }
  assert.deepEqual(due, [...new Set(due)]);
}

/** The due times of runs that are over and here, the oldest first. */
async function dueOf(world: AgentWorld): Promise<string[]> {
  const runs = (await world.user.runs()).filter(({ complete }) => complete);
  return runs.map(textOf).sort();
}

function textOf({ pipeline, state, scheduledFor }: ReportedRun): string {
  return `${pipeline} ${scheduledFor?.slice(11, 16) ?? "now"} ${state}`;
}

async function stopped(world: AgentWorld, agent: Agent): Promise<number> {
  agent.stop("enough");
  return await world.until(agent.ended);
}

const timetableOf = async (world: AgentWorld) => (await world.user.executors())[0]?.heartbeat?.timetable;

test("timetable: what was handed out is run when it is due, again and again, and each run is reported", () =>
  inWorld(async ({ world }) => {
    const id = await submit(world, "often", OFTEN);
    const agent = world.agent();
    await world.when(async () => (await timetableOf(world)) !== undefined);
    assert.equal((await timetableOf(world))?.next, eight(3));
    assert.deepEqual(world.view?.timetable()?.next, eight(3));
    assert.deepEqual(await world.user.runs(), []);
    await world.when(async () => (await dueOf(world)).length === 3);
    inOrder(await dueOf(world));
    const runs = await world.user.runs();
    assert.deepEqual(new Set(runs.map(({ handout }) => handout)), new Set([id]));
    const result = await world.user.result(runs[0]!.run) as { scheduledFor?: string };
    assert.equal(result.scheduledFor, runs[0]!.scheduledFor);
    assert.equal(await stopped(world, agent), 0);
  }));

test("timetable: a file's goes on without any gateway, and keeps the newest runs only", () =>
  inWorld(async ({ world, folder, stateDir }) => {
    const path = join(folder, "p.json");
    const tasks = { one: { run: { command: ["true"] } } };
    fs.writeFileSync(
      path,
      JSON.stringify({ outrider: 1, name: "filed", schedule: { cron: "* * * * *" }, tasks }),
    );
    // As many as are kept have been run before.
    const earlier = new StateDir(stateDir, { runtime, logBytes: 1_000_000 });
    await earlier.runs();
    for (let run = 0; run < 20; run++) await earlier.close((await earlier.begin({ scheduledFor: run }))!);
    await earlier.end();
    let begun = 0;
    const agent = world.agent({ gateway: undefined, pipeline: path, stateDir }, { onRun: () => begun++ });
    await world.when(() => begun >= 5);
    const kept = fs.readdirSync(join(stateDir, "runs"));
    assert.ok(kept.length <= 22, `${kept.length} runs are kept`);
    await stopped(world, agent);
    const { timetable } = JSON.parse(fs.readFileSync(join(stateDir, "agent.json"), "utf8"));
    assert.equal(timetable.pipeline, "filed");
  }));

test("timetable: an agent that is started anew goes on where it stood, gateway or none, and says what it missed", () =>
  inWorld(async ({ world, stateDir }) => {
    await submit(world, "often", { ...OFTEN, missed: "once" });
    const first = world.agent({ stateDir });
    await world.when(async () => (await dueOf(world)).length === 1);
    await stopped(world, first);
    world.clock.reach(eight(14));
    const app = world.app;
    world.app = { fetch: () => new Response("away", { status: 503 }) };
    let begun = 0;
    const second = world.agent({ stateDir }, { onRun: () => begun++ });
    await world.when(() => begun >= 2);
    world.app = app;
    await world.when(async () => (await dueOf(world)).length === 3);
    inOrder(await dueOf(world));
    assert.ok((await dueOf(world))[1]! >= "often 08:12");
    assert.ok(
      world.notes.some((note) =>
        note.includes(`due from ${localTime(eight(6))} to `) && note.includes(" are left out")
      ),
    );
    await stopped(world, second);
  }));

test("timetable: a kept run from when the clock was ahead takes no due time from any start", () =>
  inWorld(async ({ world, folder, stateDir }) => {
    const path = join(folder, "p.json");
    const schedule = { cron: "0 * * * *", missed: "once" as const };
    const tasks = { one: { run: { command: ["true"] } } };
    fs.writeFileSync(path, JSON.stringify({ outrider: 1, name: "filed", schedule, tasks }));
    const earlier = new StateDir(stateDir, { runtime, logBytes: 1_000_000 });
    await earlier.runs();
    await earlier.close((await earlier.begin({ scheduledFor: Date.UTC(2099, 0, 1) }))!);
    await earlier.keepTo({
      pipeline: "filed",
      // As the plan has it, in its order.
      schedule: { cron: schedule.cron, timezone: "UTC", jitterMs: 0, overlap: "skip", missed: "once" },
      seed: "s",
      at: eight(-70),
      ran: [],
    }, undefined);
    await earlier.end();
    const begun: unknown[] = [];
    const onRun = () => begun.push(world.view?.timetable()?.last);
    const agent = world.agent({ gateway: undefined, pipeline: path, stateDir }, { onRun });
    // The file is read first, which begins nothing yet.
    await world.when(() => begun.length >= 2);
    assert.equal(begun[1], eight(0));
    await stopped(world, agent);
  }));

test("timetable: what came due until a run of an earlier process is over was missed, not overlapped", () =>
  inWorld(async ({ world, folder, stateDir }) => {
    const path = join(folder, "p.json");
    const tasks = { one: { run: { command: ["true"] } } };
    for (const missed of ["once", "skip"] as const) {
      const schedule = { cron: "0 * * * *", missed };
      fs.writeFileSync(path, JSON.stringify({ outrider: 1, name: missed, schedule, tasks }));
      const own = `${stateDir}-${missed}`;
      const earlier = new StateDir(own, { runtime, logBytes: 1_000_000 });
      await earlier.runs();
      await earlier.begin({ scheduledFor: eight(-120) });
      await earlier.keepTo({
        pipeline: missed,
        schedule: { cron: schedule.cron, timezone: "UTC", jitterMs: 0, overlap: "skip", missed },
        seed: "s",
        at: eight(-120),
        ran: [eight(-120)],
      }, undefined);
      await earlier.end();
      world.clock.reach(eight(14));
      const begun: unknown[] = [];
      const onRun = () => begun.push(world.view?.timetable()?.last);
      const agent = world.agent({ gateway: undefined, pipeline: path, stateDir: own }, { onRun });
      await world.when(() => begun.length >= 2);
      assert.equal(begun[1], missed === "once" ? eight(0) : eight(60));
      assert.ok(
        world.notes.some((note) => note.includes(`: a run has been due since ${localTime(eight(-60))}`)),
      );
      await stopped(world, agent);
    }
  }));

test("timetable: where a clock was set back to is written down at once, and the next process goes on from there", () =>
  inWorld(async ({ world, folder, stateDir }) => {
    const path = join(folder, "p.json");
    const tasks = { one: { run: { command: ["true"] } } };
    fs.writeFileSync(
      path,
      JSON.stringify({ outrider: 1, name: "filed", schedule: { cron: "0 0 1 1 *" }, tasks }),
    );
    const place = () => JSON.parse(fs.readFileSync(join(stateDir, "agent.json"), "utf8")).timetable?.at;
    const agent = world.agent({ gateway: undefined, pipeline: path, stateDir });
    await world.when(() => world.view?.timetable() !== undefined);
    const taken = place();
    world.clock.jump(-3 * 24 * 60 * MINUTE);
    await world.when(() => place() < taken);
    await stopped(world, agent);
  }));

test("timetable: without a state directory the gateway hands it out anew, and the same due time is not run twice by one process", () =>
  inWorld(async ({ world }) => {
    await submit(world, "often", OFTEN);
    const agent = world.agent();
    await world.when(async () => (await dueOf(world)).length === 2);
    const [, last] = await dueOf(world);
    world.clock.jump(-5 * MINUTE);
    await world.when(async () => (await dueOf(world)).length === 3);
    inOrder(await dueOf(world));
    assert.ok((await dueOf(world))[2]! > last!);
    await stopped(world, agent);
  }));

test("timetable: a newer pipeline takes its place between two runs; one that is not sound does not", () =>
  inWorld(async ({ world, stateDir }) => {
    await submit(world, "often", OFTEN);
    const agent = world.agent({ stateDir });
    await world.when(async () => (await dueOf(world)).length === 1);
    await world.user.submit(new TextEncoder().encode('{"outrider":1,"name":"bad","tasks":{}}'), "pi", {
      name: "bad",
    });
    await world.when(async () => (await dueOf(world)).length === 3);
    await submit(world, "daily", { cron: "20 8 * * *" });
    await world.when(async () => (await timetableOf(world))?.pipeline === "daily");
    await world.when(async () => (await dueOf(world)).some((text) => text.startsWith("daily")));
    const all = await dueOf(world);
    assert.deepEqual(all.filter((text) => text.includes("daily")), ["daily 08:20 succeeded"]);
    assert.equal(all.filter((text) => text.includes("failed")).length, 1);
    await submit(world, "last");
    // One run that has no timetable, and who does not follow is done.
    assert.equal(await world.until(agent.ended), 0);
    assert.ok((await dueOf(world)).includes("last now succeeded"));
    assert.deepEqual(fs.readdirSync(join(stateDir, "timetable")), []);
  }));

test("timetable: a pause holds the next run back, and what came due meanwhile was missed", () =>
  inWorld(async ({ world }) => {
    await submit(world, "often", OFTEN);
    const agent = world.agent();
    const state = async () => (await world.user.executors())[0]?.state;
    await world.when(async () => (await dueOf(world)).length === 1);
    await world.user.command("pi", { type: "pause" });
    await world.when(async () => await state() === "paused");
    await world.when(() => world.clock.now() > eight(10, 40));
    await world.user.command("pi", { type: "resume" });
    await world.when(async () => (await dueOf(world)).length === 2);
    inOrder(await dueOf(world));
    // What came due before the pause ended is not run.
    assert.ok((await dueOf(world))[1]! > "often 08:10");
    await world.user.command("pi", { type: "stop" });
    assert.equal(await world.until(agent.ended), 0);
  }));

test("timetable: it ends when its hand-out is withdrawn, also after its first run, and an agent that follows asks on", () =>
  inWorld(async ({ world, stateDir }) => {
    for (const follow of [false, true]) {
      const before = (await dueOf(world)).length;
      const id = await submit(world, `withdrawn ${follow}`, OFTEN);
      const agent = world.agent({ stateDir: `${stateDir}-${follow}` }, { follow });
      await world.when(async () => (await dueOf(world)).length === before + 1);
      await world.when(async () => (await timetableOf(world))?.last !== undefined);
      assert.deepEqual((await world.user.withdraw(id)).taken, ["pi"]);
      if (follow) {
        await world.when(async () => (await timetableOf(world)) === undefined);
        await submit(world, "after");
        await world.when(async () => (await dueOf(world)).includes("after now succeeded"));
        agent.stop("enough");
      }
      assert.equal(await world.until(agent.ended), 0);
    }
  }));

test("timetable: a cancelled run and one that fails end nothing but themselves", () =>
  inWorld(async ({ world, stateDir }) => {
    const bundle = await bundleOf("mixed", { wait: {} }, { schedule: OFTEN });
    await world.user.submit(bundle, "pi", { name: "mixed" });
    const agent = world.agent({ stateDir }, { free: true });
    for (let count = 1; count <= 2; count++) {
      const running = async () => (await world.user.runs()).find(({ state }) => state === "running");
      await world.when(async () => (await running()) !== undefined);
      await world.user.command("pi", { type: "cancel", run: (await running())!.run });
      await world.when(async () => (await dueOf(world)).length === count);
    }
    assert.ok((await dueOf(world)).every((text) => text.endsWith("cancelled")));
    await stopped(world, agent);
  }));

async function setOpen(world: AgentWorld, value: boolean): Promise<void> {
  const { status } = await world.app.fetch(
    new Request("http://127.0.0.1:8410/v1/experiments/e/flags/open", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ value }),
    }),
  );
  assert.equal(status, 200);
}

/** What a task waits for until a test has it: runs last as long as is wanted. */
async function gated(world: AgentWorld, schedule: ManifestSchedule): Promise<void> {
  await world.user.submit(await bundleOf("gated", { gate: {} }, { schedule }), "pi", { name: "gated" });
}

test("timetable: what comes due while a run goes on is passed over, or one waits", () =>
  inWorld(async ({ world, stateDir }) => {
    for (const overlap of ["skip", "queue"] as const) {
      const before = (await dueOf(world)).length;
      const start = Math.ceil((world.clock.now() + MINUTE) / (3 * MINUTE)) * 3 * MINUTE;
      await setOpen(world, false);
      await gated(world, { ...OFTEN, overlap });
      const agent = world.agent({ stateDir: `${stateDir}-${overlap}` }, { free: true });
      const running = async () => (await world.user.runs()).some(({ state }) => state === "running");
      await world.when(running);
      await world.when(() => world.clock.now() > start + 7 * MINUTE);
      const opened = world.clock.now();
      await setOpen(world, true);
      await world.when(async () => (await dueOf(world)).length === before + 2);
      const [first, second] = (await world.user.runs()).map(({ scheduledFor }) => Date.parse(scheduledFor!))
        .filter((due) => due >= start).sort((a, b) => a - b);
      assert.ok(first! < opened, overlap);
      if (overlap === "skip") assert.ok(second! >= opened, "it was not passed over");
      else {assert.ok(
          second! >= start + 6 * MINUTE && second! < opened + 4 * MINUTE,
          "none waited, or the first did",
        );}
      await stopped(world, agent);
    }
  }));

test("timetable: runs that wait for a gateway that is away are bounded in number and bytes", () =>
  inWorld(async ({ world, stateDir }) => {
    const bundle = await bundleOf("chatty", { chatter: { params: { lines: 200 } } }, {
      schedule: { cron: "* * * * *" },
    });
    await world.user.submit(bundle, "pi", { name: "chatty" });
    // Four of the largest logs: some six of these runs.
    const most = 6;
    let begun = 0;
    const agent = world.agent({ stateDir, spoolBytes: 40_000, maxFilesBytes: 0, heartbeatMs: 60_000 }, {
      onRun: () => begun++,
    });
    await world.when(() => world.view?.timetable() !== undefined);
    world.app = { fetch: () => new Response("away", { status: 503 }) };
    await world.when(() => begun >= most + 4);
    const conditions = world.view!.conditions().map(({ code }) => code);
    assert.ok(conditions.includes("runs_let_go"), conditions.join());
    const kept = fs.readdirSync(join(stateDir, "runs"));
    assert.ok(kept.length <= most + 2, `${kept.length} runs are kept`);
    const bundles = kept.filter((name) => fs.existsSync(join(stateDir, "runs", name, "pipeline.json")));
    assert.ok(bundles.length <= 1, `${bundles.length} bundles are kept beside runs`);
    agent.stop("enough");
    agent.stop("enough");
    // It may be reading the pipeline for the next run just now.
    assert.notEqual(await world.until(agent.ended).catch(() => 1), 0);
  }));
