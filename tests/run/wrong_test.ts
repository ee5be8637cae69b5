import assert from "node:assert/strict";
import test from "node:test";
import type { ExecutionEvent } from "../../src/run/execution.ts";
import type { Settled, StateRecord } from "../../src/model/record.ts";
import { PipelineError } from "../../src/model/problem.ts";
import type { ErrorData } from "../../src/model/outcome.ts";
import type { Value } from "../../src/model/value.ts";
import {
  fixture,
  HeldTimers,
  HOUR_MS,
  manifest,
  only,
  outcomes,
  printed,
  runScript,
  RUNTIME,
  see,
  start,
  threads,
} from "./rig.ts";

test("a task that throws has failed, with the error and its causes, and without our own frames", async () => {
  const { result, snapshot } = await see(
    manifest("wrong", { throws: {}, after: { export: "fine", needs: ["throws"] } }),
  );
  assert.equal(result.state, "failed");
  assert.equal(snapshot.state, "failed");
  const { outcome, error, endedAt, worker } = only(result, "throws");
  assert.equal(outcome, "failed");
  assert.equal(error?.name, "TypeError");
  assert.equal(error?.message, "disk is full");
  assert.match(error?.stack ?? "", /wrong\.ts/);
  assert.doesNotMatch(error?.stack ?? "", /outrider-worker|data:text/);
  assert.equal(error?.cause?.message, "no space");
  assert.match(error?.cause?.cause?.message ?? "", /sector 7/);
  assert.ok(endedAt !== undefined && worker !== undefined);
  assert.equal(only(result, "after").outcome, "skipped");
});

test("an error keeps its code, its fields and the errors behind it, and its stack is the task's alone", async () => {
  const { result } = await see(
    manifest("wrong", { rejectsAll: {}, noFile: {}, refusedByStore: {}, badValue: {} }, {
      onFailure: "continue",
    }),
  );
  const all = only(result, "rejectsAll").error!;
  assert.equal(all.name, "AggregateError");
  assert.notEqual(all.message, "");
  assert.deepEqual(all.errors!.map(({ message, code, fields }) => [message, code, fields]), [
    ["no 1", "E1", { status: 401 }],
    ["no 2", "E2", { status: 402 }],
  ]);
  const file = only(result, "noFile").error!;
  assert.deepEqual([file.code, file.fields?.["syscall"], file.fields?.["path"]], [
    "ENOENT",
    "open",
    "/no/such",
  ]);
  for (const [attempt] of Object.values(result.tasks)) {
    const error: ErrorData = attempt!.error!;
    for (const { stack = "" } of [error, ...error.errors ?? [], ...error.cause ? [error.cause] : []]) {
      for (const frame of stack.split("\n").filter((line) => /^\s*at /.test(line))) {
        assert.match(frame, /wrong\.ts:\d+:\d+/);
      }
    }
  }
  assert.match(only(result, "rejectsAll").error!.errors![0]!.stack!, /wrong\.ts/);
  assert.equal(only(result, "refusedByStore").error!.cause, undefined);
});

test("a task that rejects has failed", async () => {
  const { result } = await see(manifest("wrong", { rejects: {} }));
  assert.equal(only(result, "rejects").outcome, "failed");
  assert.equal(only(result, "rejects").error?.name, "RangeError");
});

test("whatever is thrown becomes an error in words", async () => {
  const thrown: Record<string, { what: Value; says: RegExp }> = {
    text: { what: "plain words", says: /plain words/ },
    number: { what: 42, says: /42/ },
    object: { what: { code: "E7" }, says: /E7/ },
    like: { what: { name: "Odd", message: "an object like an error" }, says: /an object like an error/ },
    nothing: { what: null, says: /null/ },
  };
  const tasks = Object.fromEntries(
    Object.entries(thrown).map(([name, { what }]) => [name, { export: "throwsParam", params: { what } }]),
  );
  const { result } = await see(
    manifest("wrong", { ...tasks, throwsUndefined: {}, throwsHostile: {} }, { onFailure: "continue" }),
  );
  for (const [name, { says }] of Object.entries(thrown)) {
    assert.equal(only(result, name).outcome, "failed");
    assert.match(only(result, name).error?.message ?? "", says);
  }
  assert.match(only(result, "throwsUndefined").error?.message ?? "", /undefined/);
  assert.match(only(result, "throwsHostile").error?.message ?? "", /\S/);
});

test("a value that can't be sent fails the task, and the message has its path", async () => {
  const { result } = await see(
    manifest("wrong", { report: {}, date: {}, bigint: {}, cycle: {}, getterThrows: {} }, {
      onFailure: "continue",
    }),
  );
  const message = (task: string) => `${only(result, task).outcome}: ${only(result, task).error?.message}`;
  assert.match(message("report"), /^failed: report\.items\[3\]\.fn is a function/);
  assert.match(message("date"), /^failed: date\.when is a Date: use toISOString\(\)/);
  assert.match(message("bigint"), /^failed: bigint is a bigint/);
  assert.match(message("cycle"), /^failed: cycle\.self\.self.* or holds itself/);
  assert.match(message("getterThrows"), /^failed: no value today/);
});

test("a broken thenable fails its task or counts once, and the worker goes on", async () => {
  const { result } = await see(
    manifest("wrong", {
      getter: { export: "thenable", params: { how: "getter" } },
      throws: { export: "thenable", params: { how: "throws" }, needs: [{ task: "getter", on: "any" }] },
      twice: { export: "thenable", params: { how: "twice" }, needs: [{ task: "throws", on: "any" }] },
      last: { export: "fine", needs: ["twice"] },
    }, { onFailure: "continue" }),
    { workers: 1, maxWorkers: 1 },
  );
  assert.equal(only(result, "getter").error?.message, "broken then");
  assert.equal(only(result, "throws").error?.message, "broken then");
  assert.equal(only(result, "twice").value, "first");
  assert.equal(only(result, "last").value, "fine");
});

const EXITS: Readonly<Record<string, number>> = {
  exits: 7,
  exitsLater: 8,
  exitsFromTimer: 9,
  exitsCaught: 3,
  exitsDeno: 11,
  exitCode: 4,
  closes: 0,
};

for (const [task, code] of Object.entries(EXITS)) {
  test(`a task that leaves its thread has crashed by exit, with the code: ${task}`, async () => {
    const seen = await see(
      manifest("wrong", { [task]: {}, next: { export: "fine", needs: [{ task, on: "failure" }] } }),
      { workers: 1, maxWorkers: 1 },
    );
    const { outcome, reason, code: exitCode, worker } = only(seen.result, task);
    assert.deepEqual({ outcome, reason, exitCode }, { outcome: "crashed", reason: "exit", exitCode: code });
    const lines = printed(seen, task);
    assert.ok(
      !lines.includes("after") && !lines.includes("caught") && !lines.includes("finally"),
      lines.join(),
    );
    assert.deepEqual(
      lines,
      task === "exits" || task === "exitsLater" || task === "exitsFromTimer" ? ["before"] : [],
    );
    assert.equal(only(seen.result, "next").value, "fine");
    assert.notEqual(only(seen.result, "next").worker, worker);
    assert.equal(seen.result.state, "failed");
  });
}

test("a crash of one worker leaves the others alone", async () => {
  const going = start(
    manifest("wrong", {
      awaits: {},
      exits: {},
      fine: { needs: [{ task: "exits", on: "failure" }] },
    }),
    { workers: 2 },
  );
  await going.until((event) => event.type === "attempt.settled" && event.task === "fine");
  going.execution.cancel("enough seen");
  const { result } = await going.seen;
  assert.deepEqual(outcomes(result), { awaits: "cancelled", exits: "crashed", fine: "succeeded" });
  assert.equal(result.state, "cancelled");
});

for (const how of ["throws", "rejects", "report", "exits", "loops", "never"]) {
  test(`a retry after a failure runs the task again: ${how}`, async () => {
    const held = new HeldTimers(HOUR_MS);
    const going = start(
      manifest("wrong", {
        atFirst: {
          params: { how },
          timeout: "1h",
          retry: { attempts: 3, delay: "1ms" },
        },
        fine: { needs: ["atFirst"] },
      }),
      { workers: 1, maxWorkers: 1, world: held.world },
    );
    await going.until((event) => event.type === "attempt.started");
    if (how === "loops" || how === "never") await held.comes(HOUR_MS);
    const { result } = await going.seen;
    const [first, second, ...more] = result.tasks["atFirst"]!;
    const expected = { exits: "crashed", loops: "timed_out", never: "timed_out" }[how] ?? "failed";
    assert.deepEqual([first?.attempt, first?.outcome], [1, expected]);
    assert.deepEqual([second?.attempt, second?.outcome, second?.value], [2, "succeeded", "attempt 2"]);
    assert.equal(more.length, 0);
    assert.equal(only(result, "fine").outcome, "succeeded");
    assert.equal(result.state, "succeeded");
  });
}

/** In a process of its own: `bun test` takes rejections for itself, those of workers too. */
async function seeElsewhere(source: object, options: object): Promise<ExecutionEvent[]> {
  const { code, stdout, stderr } = await runScript("program", [
    JSON.stringify(source),
    JSON.stringify(options),
  ]);
  assert.equal(code, 0, stderr);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as ExecutionEvent);
}

function settledOf(events: readonly ExecutionEvent[], task: string): Settled | undefined {
  return events.find((event): event is Extract<StateRecord, { type: "attempt.settled" }> =>
    event.type === "attempt.settled" && event.task === task
  );
}

for (const task of ["leavesRejection", "leavesException"]) {
  test(`an error after the task's end is logged with the task's name, and the run goes on: ${task}`, async () => {
    const events = await seeElsewhere(
      manifest("wrong", { [task]: {}, awaits: { needs: [task] } }),
      { workers: 1, maxWorkers: 1, cancelAt: "too late" },
    );
    const late = events.find((event) => event.type === "log" && event.text.includes("too late"));
    assert.ok(late?.type === "log");
    // Bun does not tell whose a rejection is: it is taken for that of the task that runs.
    const whose = RUNTIME === "bun" && task === "leavesRejection" ? "awaits" : task;
    assert.deepEqual([late.task, late.level, late.stream], [whose, "error", "stderr"]);
    assert.equal(settledOf(events, task)?.outcome, "succeeded");
    assert.equal(settledOf(events, "awaits")?.outcome, "cancelled");
  });
}

test("an error that nobody catches fails the running task that it comes from", async () => {
  const events = await seeElsewhere(
    manifest("wrong", {
      // Bun does not tell whose a rejection is: it is logged, and the timeout ends the task.
      unhandled: { timeout: RUNTIME === "bun" ? "3s" : "1m" },
      throwsFromTimer: { needs: [{ task: "unhandled", on: "failure" }] },
      fine: { needs: [{ task: "throwsFromTimer", on: "failure" }] },
    }),
    { workers: 1, maxWorkers: 1 },
  );
  const unhandled = settledOf(events, "unhandled");
  if (RUNTIME === "bun") {
    assert.equal(unhandled?.outcome, "timed_out");
    assert.ok(events.some((event) => event.type === "log" && event.text.includes("nobody's")));
  } else {
    assert.equal(unhandled?.outcome, "failed");
    assert.equal(unhandled?.error?.message, "nobody's");
  }
  assert.equal(settledOf(events, "throwsFromTimer")?.outcome, "failed");
  assert.equal(settledOf(events, "throwsFromTimer")?.error?.message, "from a timer");
  assert.equal(settledOf(events, "fine")?.outcome, "succeeded");
});

test("a worker that dies any other way is lost, and its task has crashed", async () => {
  const going = start(
    manifest("wrong", { never: {}, fine: { needs: [{ task: "never", on: "failure" }] } }),
    { workers: 1, maxWorkers: 1 },
  );
  await going.says("never");
  await Promise.all([...threads].map((thread) => thread.terminate()));
  const seen = await going.seen;
  const { outcome, reason, because } = only(seen.result, "never");
  assert.deepEqual([outcome, reason], ["crashed", "lost"]);
  assert.match(because ?? "", /\S/);
  assert.equal(only(seen.result, "fine").outcome, "succeeded");
  assert.ok(
    seen.logs.some(({ from, text }) => from === "executor" && text.includes("another takes its place")),
  );
});

test("a task that closes its worker's port does not hang the run", async () => {
  const held = new HeldTimers(HOUR_MS);
  const going = start(
    manifest("wrong", {
      cutsTheLine: { timeout: "1h" },
      fine: { needs: [{ task: "cutsTheLine", on: "failure" }] },
    }),
    { workers: 1, maxWorkers: 1, world: held.world },
  );
  await going.says("cutting");
  if (RUNTIME !== "deno") await held.comes(HOUR_MS);
  const { result } = await going.seen;
  const { outcome, reason } = only(result, "cutsTheLine");
  // On Deno a port has no close. Elsewhere it is not the port that the worker's program listens to.
  assert.deepEqual(
    [outcome, reason],
    RUNTIME === "deno" ? ["failed", undefined] : ["timed_out", undefined],
  );
  assert.equal(only(result, "fine").outcome, "succeeded");
});

test("an invalid pipeline rejects with every problem, and nothing has run", async () => {
  const going = start({
    ...manifest("wrong", { fine: {}, never: { needs: ["fin"] } }),
    tasks: {
      fine: { run: { module: fixture("wrong"), export: "fine" } },
      never: { run: { module: fixture("wrong"), export: "nevr" }, needs: ["fin"] },
    },
  });
  await assert.rejects(Promise.resolve(going.execution), (error: unknown) => {
    assert.ok(error instanceof PipelineError);
    assert.equal(error.problems.length, 2);
    return true;
  });
  await assert.rejects(going.seen, PipelineError);
  assert.equal(going.execution.snapshot().state, "failed");
  assert.equal(going.execution.snapshot().running.length, 0);
});

test("a module that leaves while it is loaded is a problem of the pipeline", async () => {
  for (const name of ["leaves_at_load", "throws_at_load", "no_such_module"]) {
    await assert.rejects(see(manifest(name, { task: {} })), (error: unknown) => {
      assert.ok(error instanceof PipelineError, String(error));
      assert.match(error.problems[0]!.message, /leaves_at_load.*code 5|thrown at load|no_such_module/);
      return true;
    });
    await assert.rejects(see(fixture(name)), PipelineError);
  }
});
