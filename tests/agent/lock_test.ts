/**
 * Holds that one process at a time uses a state directory: a second one is refused or waits, the place is free at once when
 * its user is killed, and the child of a supervisor ends with it. All of them are processes.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import test from "node:test";
import { isLocked, lockFile } from "../../src/journal/disk/lock.ts";
import { type CliProcess, runCli, startCli, withFiles } from "../rig.ts";

/** A task that says which process it is in, and stays until it is told to end. */
const TASKS = `
import { appendFileSync } from "node:fs";
import process from "node:process";
export const stay = ({ signal }) => {
  appendFileSync("began.txt", process.pid + "\\n");
  console.log("staying");
  return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
};
`;
const PIPELINE = {
  outrider: 1,
  name: "stays",
  tasks: { stay: { run: { module: "./tasks.mjs", export: "stay" } } },
};

interface Place {
  readonly cwd: string;
  agent(...args: readonly string[]): CliProcess;
  /** Ids of the processes in which the task began. */
  began(): number[];
}

function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  return withFiles({ "tasks.mjs": TASKS, "p.json": PIPELINE }, async (cwd) => {
    const started: CliProcess[] = [];
    const env = {
      OUTRIDER_PIPELINE: "p.json",
      OUTRIDER_STATE_DIR: "state",
      OUTRIDER_SERVE: "off",
      OUTRIDER_STOP_GRACE: "100ms",
    };
    const began = (): number[] => {
      const file = join(cwd, "began.txt");
      return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trimEnd().split("\n").map(Number) : [];
    };
    try {
      await use({
        cwd,
        began,
        agent: (...args) => {
          const agent = startCli(["agent", ...args], { cwd, env });
          started.push(agent);
          return agent;
        },
      });
    } finally {
      for (const agent of started) if (agent.child.exitCode === null) agent.child.kill("SIGKILL");
      await Promise.all(started.map(({ ended }) => ended));
    }
  });
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !fs.existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((later) => setTimeout(later, 20));
}

test("a lock has one holder, is free when that lets go, and bears a file of anything", async () => {
  await withFiles({ damaged: "no database ".repeat(500) }, async (folder) => {
    for (const name of ["lock", "damaged"]) {
      const unlock = await lockFile(join(folder, name));
      assert.ok(unlock, name);
      assert.equal(await lockFile(join(folder, name)), undefined);
      assert.equal(await isLocked(join(folder, name)), true);
      unlock();
      assert.equal(await isLocked(join(folder, name)), false);
      (await lockFile(join(folder, name)))!();
    }
    await assert.rejects(lockFile(join(folder, "none", "lock")), { name: "JournalError" });
    await assert.rejects(lockFile(folder), { name: "JournalError", message: /is no file/ });
    assert.equal(await isLocked(folder), false);
  });
});

test("a state directory on a full disk has one holder too, and one that had no room for its lock takes it later", () =>
  withFiles({}, async (folder) => {
    const path = join(folder, "state");
    let full = true;
    const refusing = () =>
      full
        ? Promise.reject(Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" }))
        : undefined;
    const onFull = {
      about: (path: string) => runtime.about(path),
      list: (folder: string) => runtime.list(folder),
      remove: (path: string) => runtime.remove(path),
      rename: (from: string, to: string) => runtime.rename(from, to),
      readText: (path: string) => runtime.readText(path),
      makeFolder: (path: string, mode?: number) => refusing() ?? runtime.makeFolder(path, mode),
      writeText: (path: string, text: string, mode?: number) =>
        refusing() ?? runtime.writeText(path, text, mode),
    };
    const at = (world: typeof onFull) => new StateDir(path, { runtime: world, logBytes: 1_000_000 });
    const early = at(onFull);
    assert.equal(await early.lock(), true);
    full = false;
    await early.makeGood();
    await runtime.makeFolder(path);
    await early.makeGood();
    full = true;
    const late = at(onFull);
    assert.equal(await late.lock(), false);
    await early.end();
    assert.equal(await late.lock(), true);
    await late.end();
  }));

test("a second agent and a run are refused, a supervised one waits and goes on once the first is killed", () =>
  withPlace(async ({ cwd, agent, began }) => {
    const first = agent();
    await first.says("staying");
    const second = await agent().ended;
    assert.equal(second.code, 2, second.stderr);
    assert.match(second.stderr, /state is in use by another process: stop that one, or give this one/);
    const run = await runCli(["run", "p.json", "--state-dir", "state"], { cwd });
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, /in use by another process/);
    const supervised = agent("--supervise");
    await supervised.says("waiting until that has ended");
    assert.equal(began().length, 1);
    first.kill("SIGKILL");
    await until(() => began().length === 2);
    supervised.kill("SIGTERM");
    const { code, stderr } = await supervised.ended;
    assert.equal(code, 143, stderr);
    assert.match(stderr, /crashed: the process that ran it ended/);
  }));

test("the child of a supervisor that is killed ends, and the next supervisor goes on", () =>
  withPlace(async ({ agent, began }) => {
    const first = agent("--supervise");
    await first.says("staying");
    const [child] = began();
    assert.notEqual(child, first.child.pid);
    first.kill("SIGKILL");
    const second = agent("--supervise");
    await until(() => !lives(child!));
    await until(() => began().length === 2);
    second.kill("SIGTERM");
    assert.equal((await second.ended).code, 143);
    assert.ok(began().every((pid) => !lives(pid)));
  }));
