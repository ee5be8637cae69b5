/** Processes that a worker's task starts: what they print is in the log, and none is left. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import type { RunResult } from "../../src/model/result.ts";
import { startCli, withFiles } from "../rig.ts";
import { HeldTimers, HOUR_MS, manifest, only, printed, RUNTIME, see, type Seen, start } from "./rig.ts";

const ONE = { workers: 1, maxWorkers: 1 };

/** What a task printed, in the order of each stream. */
function told(seen: Seen, task: string): Record<"stdout" | "stderr", string[]> {
  const of = (stream: string) =>
    seen.logs.filter((record) => record.task === task && record.stream === stream).map(({ text }) => text);
  return { stdout: of("stdout"), stderr: of("stderr") };
}

const out = (...ways: string[]): string[] => ways.map((way) => `${way} out`);
const err = (...ways: string[]): string[] => ways.map((way) => `${way} err`);

test("children: what inherits our outputs is captured, and what is piped stays as it is", async () => {
  const seen = await see(manifest("starts", { later: {}, forks: {}, own: {} }), ONE);
  assert.deepEqual(only(seen.result, "later").value, [[null, null], "piped\ncaptured\n"]);
  assert.deepEqual(told(seen, "later"), {
    stdout: out("spawn", "fd"),
    stderr: [...err("spawn", "fd"), "crossed out"],
  });
  assert.equal(only(seen.result, "forks").value, 7);
  assert.deepEqual(printed(seen, "forks"), ["from the fork"]);
  assert.equal(only(seen.result, "own").value, RUNTIME === "node" ? null : "piped\n");
  const ways = {
    deno: ["command", "output", "outputSync"],
    node: [],
    bun: ["spawn", "spawnSync", "shell"],
  }[RUNTIME];
  assert.deepEqual(told(seen, "own"), { stdout: out(...ways), stderr: err(...ways) });
});

test("children: what a synchronous one inherits is captured, and a child of it holds nothing up", async () => {
  // In a process of its own: what can't be captured on Deno goes to its stderr.
  await withFiles({ "p.json": manifest("starts", { atOnce: {} }) }, async (folder) => {
    const { code, stdout, stderr } = await startCli(["run", join(folder, "p.json"), "--json"])
      .ended;
    assert.equal(code, 0, stderr);
    const ways = ["execSync", "execFileSync", "spawnSync"];
    const result = JSON.parse(stdout) as RunResult;
    assert.deepEqual(only(result, "atOnce").value, [null, "piped\n"]);
    for (const line of [...out(...ways), ...err(...ways)]) assert.ok(stderr.includes(line), line);
  });
});

test("children: outputs that are written to as files are captured, and other files are not", async () => {
  const seen = await see(manifest("outputs", { files: {}, own: {} }), ONE);
  assert.equal(only(seen.result, "files").value, "a file\n");
  assert.deepEqual(told(seen, "files"), {
    stdout: ["writev one", "writeFile", "called back"],
    stderr: ["appendFile", "opened"],
  });
  const own = { stdout: ["text", "file"], stderr: ["bytes"] };
  assert.deepEqual(told(seen, "own"), RUNTIME === "node" ? { stdout: [], stderr: [] } : own);
});

/** Processes of these that are there and no zombies. */
function left(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    assert.ok(pid > 1);
    try {
      return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
      return false;
    }
  });
}

test("children: none is left when its attempt has ended, whichever way, when the run goes on", async () => {
  if (process.platform !== "linux") return;
  const hang = { leavesAndHangs: HOUR_MS, waitsAtOnce: 2 * HOUR_MS, cooperates: 4 * HOUR_MS };
  const held = new HeldTimers(...Object.values(hang));
  const pipeline = manifest("starts", {
    leaves: {},
    leavesAndExits: {},
    leavesAndHangs: { timeout: "1h" },
    waitsAtOnce: { timeout: "2h" },
    cooperates: { timeout: "4h" },
  }, { onFailure: "continue" });
  const going = start(pipeline, { world: held.world });
  await Promise.all(
    Object.entries(hang).map(async ([task, ms]) => {
      await going.until((event) =>
        "task" in event && event.task === task &&
        (task === "waitsAtOnce" ? event.type === "attempt.started" : event.type === "log")
      );
      await held.comes(ms);
    }),
  );
  await Promise.all(
    Object.keys(pipeline.tasks).map(async (task) => {
      await going.until((event) => event.type === "attempt.settled" && event.task === task);
      if (task === "waitsAtOnce") return;
      const told = await going.until((event) =>
        event.type === "log" && event.task === task && /^pids \d/.test(event.text)
      );
      const pids = (told as { readonly text: string }).text.split(" ").slice(1).map(Number);
      assert.deepEqual(left(pids), [], task);
    }),
  );
  const { result, logs } = await going.seen;
  assert.equal(only(result, "leaves").outcome, "succeeded");
  assert.ok(
    logs.some(({ task, level, text }) =>
      task === "leaves" && level === "warn" && /left processes behind: they are stopped/.test(text)
    ),
  );
  assert.equal(only(result, "leavesAndExits").outcome, "crashed");
  for (const task of Object.keys(hang)) {
    assert.equal(only(result, task).outcome, "timed_out");
  }
});

test("children: none is left when the executor is killed", async () => {
  if (process.platform !== "linux") return;
  await withFiles({ "p.json": manifest("starts", { leavesAndHangs: {} }) }, async (folder) => {
    const cli = startCli(["run", join(folder, "p.json")]);
    await cli.says("left");
    const marked = markedBy(cli.child.pid!);
    assert.ok(marked.length >= 6, String(marked));
    cli.kill("SIGKILL");
    const { stdout, stderr } = await cli.ended;
    const told = /pids ([\d ]+)/.exec(stdout + stderr)![1]!.trim().split(" ").map(Number);
    assert.ok(told.length >= 6, String(told));
    marked.push(...told);
    for (let tries = 0; left(marked).length > 0; tries++) {
      assert.ok(tries < 6_000, `left: ${left(marked)}`);
      await new Promise((later) => setTimeout(later, 10));
    }
  });
});

/** Processes that came of a process, by its mark in the environment of one of its children. */
function markedBy(parent: number): number[] {
  const pids = readdirSync("/proc").map(Number).filter((pid) => pid > 1);
  const text = (pid: number, name: string) => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "latin1");
    } catch {
      return "";
    }
  };
  const child = pids.find((pid) =>
    new RegExp(`\\) \\S ${parent} `).test(text(pid, "stat")) && /OUTRIDER_MARK=/.test(text(pid, "environ"))
  )!;
  const mark = /OUTRIDER_MARK=[^\0]*?(\w+\.)\d+;\0/.exec(text(child, "environ"))![1]!;
  return pids.filter((pid) => text(pid, "environ").includes(mark));
}

test("children: a task that starts none is not looked at, and has no variable more but the mark", async () => {
  const module = `data:text/javascript,${
    encodeURIComponent("import process from 'node:process'; export const t = () => process.env.OUTRIDER_MARK")
  }`;
  const seen = await see({ outrider: 1, name: "p", tasks: { t: { run: { module, export: "t" } } } });
  assert.match(String(only(seen.result, "t").value), /\w{16}\.\d+;$/);
  assert.equal(process.env["OUTRIDER_MARK"]?.includes(String(only(seen.result, "t").value)) ?? false, false);
});
