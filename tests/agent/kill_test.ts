/**
 * Kills the executor's process at random moments of a run, again and again, and starts it anew until the run is done: what
 * had finished is not run again, and no result is missing. More than a hundred times over the three runtimes, every day at
 * other moments.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import type { RunResult } from "../../src/model/result.ts";
import { type CliProcess, runCli, startCli, withFiles } from "../rig.ts";
import { SEED } from "../seed.ts";
import { seeded } from "../uplink/rig.ts";

/** Kills in all. More of them: `OUTRIDER_TEST_KILLS=1000`. */
const KILLS = Number(process.env["OUTRIDER_TEST_KILLS"] ?? 40);
const CHAINS = 4;
const LENGTH = 30;

/** Each execution leaves a line as it begins and one as it ends, straight on the disk, and returns what they say. */
const TASKS = `
import { appendFileSync } from "node:fs";
import process from "node:process";
export function step({ task, inputs }) {
  const token = Math.random().toString(36).slice(2);
  appendFileSync("proof.txt", ["begin", task, process.pid, token].join(" ") + "\\n");
  const until = performance.now() + 1;
  while (performance.now() < until);
  appendFileSync("proof.txt", ["end", task, process.pid, token].join(" ") + "\\n");
  console.log("did", task);
  return { token, before: Object.values(inputs).map((input) => input.token) };
}
`;

/** Chains beside each other, tied together at every fifth step. */
function pipeline(): object {
  const tasks: Record<string, object> = {};
  for (let step = 0; step < LENGTH; step++) {
    for (let chain = 0; chain < CHAINS; chain++) {
      const needs = step === 0 ? [] : [`t${chain}_${step - 1}`];
      if (step % 5 === 4) needs.push(`t${(chain + 1) % CHAINS}_${step - 1}`);
      tasks[`t${chain}_${step}`] = { run: { module: "./tasks.mjs", export: "step" }, needs };
    }
  }
  return { outrider: 1, name: "killed", tasks };
}

/** Resolves when the process has told of so many tasks, or has ended. */
function hasDone(cli: CliProcess, tasks: number): Promise<void> {
  return new Promise((done) => {
    let seen = 0;
    cli.child.stderr!.on("data", (piece: string) => {
      seen += piece.split(" did ").length - 1;
      if (seen >= tasks) done();
    });
    cli.ended.then(() => done(), () => done());
  });
}

test(`a run that is killed at random is done in the end, over ${KILLS} kills`, async () => {
  const random = seeded(SEED);
  let kills = 0;
  while (kills < KILLS) {
    await withFiles({ "tasks.mjs": TASKS, "p.json": pipeline() }, async (cwd) => {
      const result = await untilDone(cwd, async (cli) => {
        if (kills >= KILLS) return;
        // A task prints a moment before it ends, and what is told in one go is recorded at its end: some must have ended for sure.
        await hasDone(cli, 6 + Math.floor(random() * 8));
        await new Promise((later) => setTimeout(later, random() * 8));
        if (cli.child.exitCode === null) cli.kill("SIGKILL");
        if ((await cli.ended).signal === "SIGKILL") kills++;
      });
      check(cwd, result, `seed ${SEED}`);
    });
  }
});

/** Kills of an agent with a gateway. More of them: `OUTRIDER_TEST_AGENT_KILLS=100`. */
const AGENT_KILLS = Number(process.env["OUTRIDER_TEST_AGENT_KILLS"] ?? 6);

test(`an agent that is killed at random reports its run whole in the end, over ${AGENT_KILLS} kills`, () =>
  withFiles({ "tasks.mjs": TASKS, "p.json": pipeline() }, async (cwd) => {
    const random = seeded(SEED);
    const gateway = startCli(["gateway", "--port", "0", "--db", "gateway.db"], { cwd });
    try {
      const url = await new Promise<string>((found) => {
        let text = "";
        gateway.child.stdout!.on("data", (piece: string) => {
          text += piece;
          const [named] = /http:\/\/\S+:\d+/.exec(text) ?? [];
          if (named !== undefined) found(named);
        });
      });
      const env = {
        OUTRIDER_GATEWAY: url,
        OUTRIDER_EXECUTOR_ID: "pi",
        OUTRIDER_STATE_DIR: "state",
        OUTRIDER_WORKERS: "2",
        OUTRIDER_SERVE: "off",
      };
      const ask = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await runCli(args, { cwd, env });
        assert.equal(code, 0, `${stderr}, seed ${SEED}`);
        return stdout;
      };
      await ask("submit", "p.json", "--to", "pi");
      for (let kill = 0; kill < AGENT_KILLS; kill++) {
        const agent = startCli(["agent", "--follow"], { cwd, env });
        // Where so much was done by then that nothing is left, it waits for the next pipeline.
        const idle = agent.says("has no pipeline yet").catch(() => {});
        await Promise.race([hasDone(agent, 4 + Math.floor(random() * 12)), idle]);
        await new Promise((later) => setTimeout(later, random() * 30));
        if (agent.child.exitCode === null) agent.kill("SIGKILL");
        await agent.ended;
      }
      const last = startCli(["agent", "--follow"], { cwd, env });
      type View = { readonly run: string; readonly complete: boolean; readonly missing: readonly unknown[] };
      let views: View[] = [];
      while (!views[0]?.complete) views = JSON.parse(await ask("results", "--json")) as View[];
      last.kill("SIGTERM");
      await last.ended;
      assert.deepEqual([views.length, views[0].missing], [1, []], `seed ${SEED}`);
      check(cwd, JSON.parse(await ask("results", views[0].run)) as RunResult, `seed ${SEED}`);
      const log = (await ask("logs", views[0].run, "--json")).trimEnd().split("\n");
      const numbers = log.map((line) => (JSON.parse(line) as { readonly seq: number }).seq);
      assert.deepEqual(numbers, numbers.map((_, at) => at + 1), `seed ${SEED}`);
    } finally {
      gateway.kill("SIGTERM");
      await gateway.ended;
    }
  }));

async function untilDone(cwd: string, disturb: (cli: CliProcess) => Promise<void>): Promise<RunResult> {
  for (;;) {
    const args = ["run", "p.json", "--state-dir", "state", "--json", "--workers", "2", "--max-workers", "2"];
    const cli = startCli(args, { cwd });
    await disturb(cli);
    const { code, signal, stdout, stderr } = await cli.ended;
    // One that was killed after it had told its result is done all the same.
    if (stdout.endsWith("}}\n")) return JSON.parse(stdout) as RunResult;
    assert.equal(signal ?? code, "SIGKILL", stderr);
  }
}

function check(cwd: string, result: RunResult, seed: string): void {
  const bad = Object.entries(result.tasks).filter(([, attempts]) => attempts.at(-1)!.outcome !== "succeeded");
  assert.equal(result.state, "succeeded", `${JSON.stringify(bad.slice(0, 3))}, ${seed}`);
  assert.equal(Object.keys(result.tasks).length, CHAINS * LENGTH, seed);
  const lines = readFileSync(join(cwd, "proof.txt"), "utf8").trimEnd().split("\n");
  for (const [task, attempts] of Object.entries(result.tasks)) {
    const begun = lines.filter((line) => line.startsWith(`begin ${task} `)).map((line) => line.split(" "));
    const processes = begun.map(([, , pid]) => pid);
    assert.equal(new Set(processes).size, begun.length, `${task} ran twice in one process, ${seed}`);
    const last = attempts.at(-1)!;
    assert.equal(last.outcome, "succeeded", `${task}, ${seed}`);
    for (const { outcome, reason } of attempts.slice(0, -1)) {
      assert.deepEqual([outcome, reason], ["crashed", "lost"], `${task}, ${seed}`);
    }
    const { token } = last.value as { readonly token: string };
    assert.equal(begun.at(-1)?.[3], token, `${task} ran again after it had finished, ${seed}`);
    assert.ok(
      lines.some((line) => line.startsWith(`end ${task} `) && line.endsWith(token)),
      `${task}, ${seed}`,
    );
    checkInputs(task, result, seed);
  }
}

/** What a task was given is what those before it came to: no result was made anew under its feet. */
function checkInputs(task: string, result: RunResult, seed: string): void {
  const { before } = result.tasks[task]!.at(-1)!.value as { readonly before: readonly string[] };
  const tokens = new Set(
    Object.values(result.tasks).map((attempts) =>
      (attempts.at(-1)!.value as { readonly token: string }).token
    ),
  );
  assert.ok(before.every((token) => tokens.has(token)), `${task} was given what is no result, ${seed}`);
}
