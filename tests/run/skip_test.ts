/** Tests of tasks that skip themselves: on workers, in processes, in Python, as programs; and what follows from it. */
import assert from "node:assert/strict";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { anew, historyOf, NOTHING_ANEW, type RecordedPast } from "../../src/run/resume/replay.ts";
import { replay } from "../../src/schedule/replay.ts";
import { testContext } from "../../testing.ts";
import { plain } from "../fixtures/run/skips.ts";
import { testWith } from "../system.ts";
import { fixture, only, RUNTIME, see, type Seen } from "./rig.ts";

type Tasks = Readonly<Record<string, ManifestTask>>;

function of(tasks: Tasks, more: object = {}) {
  return { outrider: 1 as const, name: "skips", onFailure: "continue" as const, tasks, ...more };
}

function exported(name: string, more: ManifestTask = {}): ManifestTask {
  return { run: { module: fixture("skips"), export: name }, ...more };
}

/** By task: how its only attempt ended, and why. */
function endsOf({ result }: Seen): Record<string, string> {
  return Object.fromEntries(
    Object.keys(result.tasks).map((name) => {
      const { attempt, outcome, because, error } = only(result, name);
      return [name, `${attempt} ${outcome}: ${because ?? error?.message ?? ""}`];
    }),
  );
}

const FUNCTIONS: Tasks = {
  plain: exported("plain", { retry: { attempts: 3 } }),
  caught: exported("caught"),
  sideBySide: exported("sideBySide", { retry: { attempts: 2, delay: 1 } }),
  // Bun does not tell whose a rejection is that nobody awaits: there it is only logged.
  ...(RUNTIME === "bun" ? {} : { late: exported("late") }),
  wrapped: exported("wrapped"),
  wrong: exported("wrong"),
  long: exported("long"),
  afterAbort: exported("afterAbort", { timeout: "50ms" }),
  ran: exported("ran"),
};

const EXPECTED = {
  plain: "1 skipped: no host answered",
  caught: "1 skipped: caught, and skipped all the same",
  sideBySide: "1 skipped: the first",
  ...(RUNTIME === "bun" ? {} : { late: "1 skipped: nobody awaits this" }),
  wrapped: "1 failed: another error",
  wrong: "1 failed: The reason of a skip is a string; received 5",
  long: "1 failed: The reason of a skip has 1 to 1000 characters; received 1001",
  ran: "1 succeeded: ",
};

test("ctx.skip ends an attempt as skipped, whatever its code makes of what is thrown, and is never tried again", async () => {
  for (const isolation of ["thread", "process"] as const) {
    const tasks = Object.entries(FUNCTIONS).map(([name, task]) => [name, { ...task, isolation }] as const);
    const seen = await see(of(Object.fromEntries(tasks)));
    const { afterAbort, ...ends } = endsOf(seen);
    assert.deepEqual(ends, EXPECTED, isolation);
    assert.match(afterAbort!, /^1 timed_out: it ran longer/);
    const { startedAt, endedAt, worker, value } = only(seen.result, "plain");
    assert.ok(
      startedAt !== undefined && endedAt !== undefined && worker !== undefined && value === undefined,
    );
  }
});

test("a skip is no failure: nothing stops for it, and what needs it follows the rules of skips", async () => {
  const seen = await see(of({
    plain: exported("plain"),
    next: exported("ran", { needs: ["plain"] }),
    any: exported("ran", { needs: [{ task: "plain", on: "any" }] }),
    failure: exported("ran", { needs: [{ task: "plain", on: "failure" }] }),
    other: exported("ran"),
  }, { onFailure: "stop" }));
  assert.equal(seen.result.state, "succeeded");
  assert.deepEqual(endsOf(seen), {
    plain: "1 skipped: no host answered",
    next: "0 skipped: plain was skipped",
    any: "1 succeeded: ",
    failure: "0 skipped: plain did not fail",
    other: "1 succeeded: ",
  });
});

test(
  "a program skips itself by an exit code that skipOn names, and its last words are the reason",
  async () => {
    const program = (script: string, more: ManifestTask = {}): ManifestTask => ({
      run: { command: ["sh", "-c", script] },
      ...more,
    });
    const seen = await see(of({
      named: program("echo no radio >&2; exit 75", { skipOn: [1, 75], retry: { attempts: 3 } }),
      other: program("exit 3", { skipOn: [75] }),
      well: program("exit 0", { skipOn: [75] }),
    }));
    assert.deepEqual(endsOf(seen), {
      named: '1 skipped: "sh" ended with exit code 75: no radio',
      other: '1 failed: "sh" ended with exit code 3',
      well: "1 succeeded: ",
    });
  },
);

test("skipOn is for programs, of codes that are no success", () => {
  const tasks = {
    a: exported("ran", { skipOn: [75] }),
    b: { run: { command: ["true"] }, skipOn: [0] },
    c: { skipOn: [1] },
  };
  assert.throws(() => compile(of(tasks), "file:///x/"), (error: Error) => {
    assert.match(
      error.message,
      /tasks\.a\.skipOn: Is for programs, whose exit code it names: a function calls ctx\.skip\(reason\)/,
    );
    assert.match(error.message, /tasks\.b\.skipOn\[0\]: Must be at least 1; received 0/);
    assert.match(error.message, /tasks\.c\.skipOn: Is for programs/);
    return true;
  });
});

testWith(["python3"], "ctx.skip in Python, also where little is left uncaught", async () => {
  const python = new URL("../fixtures/python/skips.py", import.meta.url).href;
  const task = (name: string): ManifestTask => ({ run: { python, function: name } });
  const names = ["plain", "caught", "wrong", "side_by_side", "beside_an_error", "ran"];
  const seen = await see(of(Object.fromEntries(names.map((name) => [name, task(name)]))));
  const { beside_an_error: beside, ...ends } = endsOf(seen);
  // What the message is beside that, Python's group says.
  assert.match(beside!, /^1 failed: /);
  assert.deepEqual(ends, {
    plain: "1 skipped: nothing new since yesterday",
    caught: "1 skipped: caught, and skipped all the same",
    wrong: "1 failed: The reason of a skip has 1 to 1000 characters; received 1001",
    side_by_side: "1 skipped: the first",
    ran: "1 succeeded: ",
  });
});

test("a journal tells of what skipped itself as of any attempt, in a loop too; with --from it has run", async () => {
  const pipeline = of({
    first: exported("ran"),
    plain: exported("plain", { needs: ["first"] }),
    again: exported("ran", { needs: [{ task: "plain", on: "any" }] }),
    unmet: exported("ran", { needs: [{ task: "plain", on: "success" }] }),
    other: exported("ran"),
  }, { loops: [{ from: "again", to: "first", times: 2 }] });
  const { states } = await see(pipeline);
  const plan = compile(pipeline, "file:///x/");
  const past = { records: states } as unknown as RecordedPast;
  const { schedule, commands, inFlight } = replay(
    plan,
    historyOf(past, plan, NOTHING_ANEW).map(({ told }) => told),
  );
  assert.deepEqual([schedule.ended, inFlight, commands], [true, [], [{ type: "end", state: "succeeded" }]]);
  for (let cut = 0; cut < states.length; cut++) {
    replay(
      plan,
      historyOf({ records: states.slice(0, cut) } as unknown as RecordedPast, plan, NOTHING_ANEW).map((
        { told },
      ) => told),
    );
  }
  assert.deepEqual([...anew(plan, past, "other").again].toSorted(), ["other", "unmet"]);
});

test("a test sees the reason", () => {
  const ctx = testContext();
  assert.equal(ctx.skipped, undefined);
  assert.throws(() => plain(ctx), { message: "Task task is skipped: no host answered" });
  assert.equal(ctx.skipped, "no host answered");
});
