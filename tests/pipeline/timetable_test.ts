/** The timetable of a pipeline as it is written: in JSON and by the builder, what is refused, what `check` and `run` say of it. */
import assert from "node:assert/strict";
import test from "node:test";
import { pipeline, PipelineError } from "../../mod.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { loadPlan } from "../../src/run/loading.ts";
import { planHash } from "../../src/run/resume/replay.ts";
import { runCli, withFiles } from "../rig.ts";

function manifest(schedule: unknown): object {
  return { outrider: 1, name: "survey", tasks: { one: {} }, schedule };
}

/** What is wrong with a timetable, each with its place. */
async function problemsOf(schedule: unknown): Promise<string[]> {
  try {
    await loadPlan(manifest(schedule) as Readonly<Record<string, unknown>>);
    return [];
  } catch (error) {
    assert.ok(error instanceof PipelineError);
    return error.problems.map(({ place, message }) => `${place}: ${message}`);
  }
}

test("timetable: what is left out of a schedule has its defaults in the plan, and a run is the same with any", async () => {
  const hourly = compile(manifest({ cron: "0 * * * *" }), "file:///p.json");
  assert.deepEqual(hourly.schedule, {
    cron: "0 * * * *",
    timezone: "UTC",
    jitterMs: 0,
    overlap: "skip",
    missed: "skip",
  });
  const whole = { cron: "@daily", timezone: "Asia/Tokyo", jitter: "5m", overlap: "queue", missed: "once" };
  const daily = compile(manifest(whole), "file:///p.json");
  assert.deepEqual(daily.schedule, {
    cron: "@daily",
    timezone: "Asia/Tokyo",
    jitterMs: 300_000,
    overlap: "queue",
    missed: "once",
  });
  // What has begun goes on by another timetable too.
  assert.equal(await planHash(hourly), await planHash(daily));
});

test("timetable: the builder writes it as it is given", () => {
  const schedule = { cron: "0 * * * *", jitter: 60_000, missed: "once" } as const;
  const made = pipeline("survey", { schedule, module: "file:///p.ts" });
  made.task("one");
  assert.deepEqual(made.manifest().schedule, schedule);
});

test("timetable: what is no time is refused with its place and what to write", async () => {
  const cases: readonly (readonly [schedule: unknown, problem: RegExp])[] = [
    [{}, /^schedule\.cron: Missing: say when it is due/],
    [
      { cron: "61 * * * *" },
      /^schedule\.cron: "61 \* \* \* \*" is no cron expression \(.*minute.*\): write five fields/,
    ],
    [{ cron: "hourly" }, /^schedule\.cron: "hourly" is no cron expression: write five fields/],
    [{ cron: "* * * * * * *" }, /^schedule\.cron: .* is no cron expression/],
    [{ cron: "2030-01-01T00:00:00" }, /^schedule\.cron: .* is no cron expression/],
    [{ cron: "@reboot" }, /^schedule\.cron: "@reboot" is no cron expression/],
    [{ cron: "0 0 30 2 *" }, /^schedule\.cron: "0 0 30 2 \*" is never due/],
    [
      { cron: "0 * * * *", timezone: "Mars/Olympus" },
      /^schedule\.timezone: There is no time zone "Mars\/Olympus"/,
    ],
    [{ cron: "0 * * * *", jitter: "25h" }, /^schedule\.jitter: Must be at most 24h; received "25h"/],
    [{ cron: "0 * * * *", jitter: "soon" }, /^schedule\.jitter: "soon" is not a duration/],
    [
      { cron: "0 * * * *", overlap: "both" },
      /^schedule\.overlap: Must be "skip" or "queue"; received "both"/,
    ],
    [{ cron: "0 * * * *", missed: true }, /^schedule\.missed: Must be "skip" or "once"; received true/],
    [{ cron: "0 * * * *", tz: "UTC" }, /^schedule\.tz: Unknown key "tz"/],
    ["0 * * * *", /^schedule: Must be an object/],
  ];
  for (const [schedule, problem] of cases) {
    const told = await problemsOf(schedule);
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(told[0]!, problem);
  }
  const both = await problemsOf({ cron: "61 * * * *", timezone: "Mars/Olympus" });
  assert.deepEqual(both.map((problem) => /^[^:]*/.exec(problem)![0]), [
    "schedule.cron",
    "schedule.timezone",
  ]);
  for (const cron of ["*/5 8-18 * * MON-FRI", "0 0 L * *", "@hourly", "*/10 * * * * *", "0 0 29 2 *"]) {
    assert.deepEqual(await problemsOf({ cron }), []);
  }
});

test("timetable: check tells the next three due times, and run that it is run once", () =>
  withFiles(
    { "p.json": manifest({ cron: "30 2 * * *", timezone: "Europe/Berlin", jitter: "5m" }) },
    async (cwd) => {
      const text = await runCli(["check", "p.json"], { cwd });
      assert.match(
        text.stdout,
        /p\.json: due by 30 2 \* \* \* \(Europe\/Berlin\), next (\d{4}-\d\d-\d\d .*?, ){2}.*, on each device up to 5 min/,
      );
      const { next } = JSON.parse((await runCli(["check", "p.json", "--json"], { cwd })).stdout) as {
        next: string[];
      };
      assert.equal(next.length, 3);
      for (const due of next) {
        const shown = new Date(due).toLocaleTimeString("sv-SE", { timeZone: "Europe/Berlin" });
        assert.ok(shown === "02:30:00" || shown === "03:00:00", due);
      }
      const ran = await runCli(["run", "p.json"], { cwd });
      assert.equal(ran.code, 0);
      assert.match(ran.stderr + ran.stdout, /for outrider agent: here it is run once, now/);
    },
  ));
