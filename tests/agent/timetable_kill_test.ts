/**
 * Kills an agent that keeps to a timetable at random moments, again and again, as real processes without a gateway: runs go on,
 * and none is run twice for the same due time.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { runCli, startCli, withFiles } from "../rig.ts";
import { SEED } from "../seed.ts";
import { seeded } from "../uplink/rig.ts";

/** Kills in all. More of them: `OUTRIDER_TEST_TIMETABLE_KILLS=100`. */
const KILLS = Number(process.env["OUTRIDER_TEST_TIMETABLE_KILLS"] ?? 2);

const TASKS = `
import { appendFileSync } from "node:fs";
export async function probe({ run }) {
  appendFileSync("proof.txt", run + "\\n");
  await new Promise((done) => setTimeout(done, 100));
}
`;

const PIPELINE = {
  outrider: 1,
  name: "every-second",
  schedule: { cron: "* * * * * *" },
  tasks: { probe: { run: { module: "./tasks.mjs", export: "probe" } } },
};

function linesIn(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

test(`timetable: an agent that is killed at random runs on, and nothing twice, over ${KILLS} kills`, () =>
  withFiles({ "tasks.mjs": TASKS, "p.json": PIPELINE }, async (cwd) => {
    const random = seeded(SEED);
    const env = {
      OUTRIDER_PIPELINE: "p.json",
      OUTRIDER_STATE_DIR: "state",
      OUTRIDER_WORKERS: "1",
    };
    const proof = join(cwd, "proof.txt");
    /** Folder by due time: a run that goes on stays where it is. */
    const folders = new Map<number, string>();
    const look = () => {
      for (const name of readdirSync(join(cwd, "state", "runs"))) {
        const file = join(cwd, "state", "runs", name, "origin.json");
        if (!existsSync(file)) continue;
        const { scheduledFor } = JSON.parse(readFileSync(file, "utf8")) as { readonly scheduledFor: number };
        if (scheduledFor === undefined) continue;
        assert.equal(folders.get(scheduledFor) ?? name, name, `${scheduledFor} is run twice, seed ${SEED}`);
        folders.set(scheduledFor, name);
      }
    };
    for (let kill = 0; kill <= KILLS; kill++) {
      const before = new Set(linesIn(proof)).size;
      const agent = startCli(["agent"], { cwd, env });
      while (new Set(linesIn(proof)).size < before + 1) {
        if (agent.child.exitCode !== null) assert.fail((await agent.ended).stderr);
        await new Promise((later) => setTimeout(later, 20));
      }
      await new Promise((later) => setTimeout(later, random() * 1_200));
      if (kill === KILLS) {
        const { stdout, stderr } = await runCli(["status", "--state-dir", "state"], { cwd });
        agent.kill("SIGTERM");
        assert.match(
          stdout + stderr,
          /timetable +every-second by \* \* \* \* \* \* \(UTC\), next \d{4}-.*, last \d{4}-/,
        );
      }
      agent.kill(kill < KILLS ? "SIGKILL" : "SIGTERM");
      await agent.ended;
      look();
    }
    assert.ok(folders.size > KILLS, `${folders.size} due times`);
    const { timetable } = JSON.parse(readFileSync(join(cwd, "state", "agent.json"), "utf8"));
    assert.equal(timetable.at, Math.max(...folders.keys()));
    assert.equal(new Set(linesIn(proof)).size >= KILLS, true);
  }));
