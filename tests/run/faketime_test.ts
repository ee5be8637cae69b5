/**
 * Runs of the command line on a wall clock that really steps, for all threads of the process: from 1970 to now, as NTP does
 * after a boot, and an hour back. libfaketime stands between the process and the system's wall clock.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunResult } from "../../src/model/result.ts";
import { startCli, withFiles } from "../rig.ts";
import { manifest } from "./rig.ts";
import { programPath, testWith } from "../system.ts";

const NOW_S = Math.floor(Date.now() / 1_000);
/** What the wall clock is set from and to, in seconds beside the system's. */
const STEPS = [[-NOW_S + 60, 0], [0, -3_600]] as const;

/** The library that lies between, for programs with threads. */
function library(): string {
  const faketime = programPath("faketime")!;
  const { stdout } = spawnSync(faketime, ["-m", "-f", "+0", "printenv", "LD_PRELOAD"], { encoding: "utf8" });
  return stdout.trim();
}

/** An offset as the library reads it. */
function signed(seconds: number): string {
  return seconds < 0 ? `${seconds}` : `+${seconds}`;
}

const PIPELINE = {
  ...manifest("clock", {
    lasts: { timeout: "20s" },
    keeps: {},
    waits: { needs: ["keeps"] },
    failsOnce: { needs: ["lasts"], retry: { attempts: 2, delay: "300ms" } },
    looks: { needs: ["failsOnce", "keeps"], fresh: true },
  }),
};

testWith(["faketime"], "a wall clock that really steps changes no outcome and no duration", async () => {
  const preload = library();
  for (const [from, to] of STEPS) {
    await withFiles({ "p.json": PIPELINE, "offset": signed(from) }, async (folder) => {
      const offset = join(folder, "offset");
      const env = {
        LD_PRELOAD: preload,
        FAKETIME_TIMESTAMP_FILE: offset,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      const cli = startCli(["run", join(folder, "p.json"), "--json"], { env });
      await cli.says("before");
      writeFileSync(offset, signed(to));
      const { code, stdout, stderr } = await cli.ended;
      assert.equal(code, 0, stderr);
      const result = JSON.parse(stdout) as RunResult;
      const wanted = Date.now() + to * 1_000;
      assert.ok(Math.abs(Date.parse(result.endedAt!) - wanted) < 60_000, `${result.endedAt} after ${to}`);
      assert.ok(Math.abs(Date.parse(result.startedAt) - (Date.now() + from * 1_000)) < 60_000);
      assert.ok(result.tookMs! > 500 && result.tookMs! < 60_000, `${result.tookMs}`);
      assert.equal(result.tasks["waits"]![0]!.value, "TimeoutError");
      assert.equal(result.tasks["looks"]![0]!.value, 1);
      for (const [task, least] of [["lasts", 290], ["waits", 290]] as const) {
        const { startedAt, endedAt } = result.tasks[task]!.at(-1)!;
        const ran = Date.parse(endedAt!) - Date.parse(startedAt!);
        assert.ok(ran >= least && ran < 20_000, `${task} ran ${ran} ms`);
      }
    });
  }
});
