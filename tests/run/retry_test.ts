/** Retries that depend on how an attempt failed, and attempts that fall silent: real workers and programs. */
import assert from "node:assert/strict";
import test from "node:test";
import type { ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { historyOf, NOTHING_ANEW } from "../../src/run/resume/replay.ts";
import { replay } from "../../src/schedule/replay.ts";
import { manifest, only, see } from "./rig.ts";

const AGAIN = { attempts: 3, delay: 0 } as const;

test("a failure is tried again by its outcome, error, code or exit code, and after the run so by its journal", async () => {
  const program = (code: number, retry: ManifestTask["retry"]): ManifestTask => ({
    run: { command: ["sh", "-c", `exit ${code}`] },
    retry,
  });
  const pipeline = manifest("fails", {
    refused: { retry: { ...AGAIN, on: [{ code: "ECONNREFUSED" }] } },
    named: { export: "refused", retry: { ...AGAIN, unless: [{ error: "TypeError" }] } },
    wrong: { retry: { ...AGAIN, on: [{ error: "TypeError" }, { outcome: "timed_out" }] } },
    hangs: { timeout: "20ms", retry: { ...AGAIN, attempts: 2, on: [{ outcome: "timed_out" }] } },
    plain: { export: "wrong", retry: AGAIN },
  }, { onFailure: "continue" });
  const whole = {
    ...pipeline,
    tasks: {
      ...pipeline.tasks,
      busy: program(75, { ...AGAIN, on: [{ exit: 75 }] }),
      broken: program(2, { ...AGAIN, on: [{ exit: 75 }] }),
      given: program(2, { ...AGAIN, unless: [{ exit: 2 }] }),
    },
  };
  const { result, states } = await see(whole);
  const tries = Object.fromEntries(Object.entries(result.tasks).map(([name, all]) => [name, all.length]));
  assert.deepEqual(tries, {
    refused: 3,
    named: 1,
    wrong: 1,
    hangs: 2,
    plain: 3,
    busy: 3,
    broken: 1,
    given: 1,
  });
  const plan = compile(whole, "file:///x/");
  const past = { records: states } as unknown as Parameters<typeof historyOf>[0];
  const { schedule, commands } = replay(plan, historyOf(past, plan, NOTHING_ANEW).map(({ told }) => told));
  assert.ok(schedule.ended);
  assert.deepEqual(commands, [{ type: "end", state: "failed" }]);
});

test("an attempt that falls silent has timed out, on a thread, in a process and as a program", async () => {
  const idle = "300ms";
  const { tasks, ...rest } = manifest("quiet", {
    fallsSilent: { idle },
    blocks: { idle },
    apart: { export: "fallsSilent", idle, isolation: "process" },
  }, { onFailure: "continue" });
  const program: ManifestTask = { run: { command: ["sleep", "600"] }, idle };
  const { result } = await see({ ...rest, tasks: { ...tasks, program } });
  for (const name of ["fallsSilent", "blocks", "apart", "program"]) {
    const { outcome, because } = only(result, name);
    assert.equal(outcome, "timed_out", name);
    assert.match(because!, /idle limit of 300 ms$/);
  }
});
