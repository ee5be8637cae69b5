import assert from "node:assert/strict";
import test from "node:test";
import { tell, UsageError } from "../../src/cli/line/errors.ts";
import { openLogFile } from "../../src/cli/run/log_file.ts";
import { showRun } from "../../src/cli/run/session.ts";
import { stopOnSignals } from "../../src/cli/run/stopping.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { FakeExecution, FakeRuntime, resultOf } from "./fake.ts";

const options = {
  json: false,
  quiet: false,
  level: "info",
  stopGraceMs: 10_000,
  killGraceMs: 2_000,
} as const;
const cpu = { cpu: [{ iteration: 0, attempt: 1, outcome: "succeeded", value: 1 }] } as const;

/** Lets everything that is ready go on. */
function turn(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
}

test("a run that succeeded gives 0 and prints its report on stdout", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const shown = showRun(() => execution, { ...options, runtime });
  await turn();
  execution.end(resultOf("succeeded", cpu));
  assert.equal(await shown, 0);
  assert.equal(
    runtime.stdout.text,
    "✓ cpu  succeeded    1\n\ndevice-check succeeded in 1.2 s: 1 succeeded\n",
  );
  assert.equal(runtime.stderr.text, "");
  assert.equal(execution.watchers, 0);
  assert.equal(runtime.signal("SIGINT"), false, "signals have their own meaning again");
  assert.equal(runtime.uncaught.size, 0);
});

test("with --json stdout has one document and nothing else", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const shown = showRun(() => execution, { ...options, json: true, runtime });
  await turn();
  execution.log(0, "cpu", "hello");
  execution.end(resultOf("failed", cpu));
  assert.equal(await shown, 1);
  const document = JSON.parse(runtime.stdout.text) as { readonly state: string; readonly tasks: unknown };
  assert.equal(document.state, "failed");
  assert.deepEqual(document.tasks, cpu);
  assert.match(runtime.stderr.text, / cpu │ hello\n[^]*device-check failed in 1.2 s/);
});

test("while the document is read, a signal has its own meaning again", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const read = Promise.withResolvers<void>();
  const printing = Promise.withResolvers<void>();
  const { stdout } = runtime;
  stdout.jsonPieces = async (pieces) => {
    for (const piece of pieces) stdout.json(piece);
    printing.resolve();
    await read.promise;
  };
  const shown = showRun(() => execution, { ...options, json: true, runtime });
  execution.end(resultOf("succeeded", cpu));
  await printing.promise;
  assert.equal(runtime.signal("SIGINT"), false);
  assert.ok(!stdout.text.endsWith("\n"));
  read.resolve();
  assert.equal(await shown, 0);
  assert.ok(stdout.text.endsWith("}}\n"));
});

test("a pipeline with problems rejects, and leaves nothing behind", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const shown = showRun(() => execution, { ...options, runtime });
  const error = new PipelineError([{ place: "tasks.cpu", message: "Unknown key" }]);
  execution.fail(error);
  await assert.rejects(Promise.resolve(shown), error);
  assert.equal(execution.watchers, 0);
  assert.equal(runtime.signal("SIGTERM"), false);
});

test("the first signal stops, the second cancels, the third leaves", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const shown = showRun(() => execution, { ...options, runtime });
  await turn();
  runtime.signal("SIGINT");
  assert.deepEqual(execution.asked, ["stop: stopped by SIGINT"]);
  assert.match(
    runtime.stderr.text,
    /Stopping: running tasks get up to 10.0 s to end; press Ctrl-C again to cancel them\n$/,
  );
  runtime.signal("SIGINT");
  assert.deepEqual(execution.asked.slice(1), ["cancel: stopped by a second SIGINT"]);
  assert.match(
    runtime.stderr.text,
    /Cancelling: running tasks are told to stop, and ended 2.0 s later if they have not; press Ctrl-C again to leave/,
  );
  assert.deepEqual(runtime.exits, []);
  runtime.signal("SIGINT");
  assert.deepEqual(runtime.exits, [130]);
  assert.equal(runtime.signal("SIGINT"), false, "a fourth one is the system's");
  execution.end(resultOf("cancelled", cpu));
  assert.equal(await shown, 130);
});

test("a signal gives its exit code only if it ended the run", async () => {
  for (const [state, code] of [["cancelled", 143], ["failed", 1], ["succeeded", 0]] as const) {
    const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
    const shown = showRun(() => execution, { ...options, runtime });
    await turn();
    runtime.signal("SIGTERM");
    execution.end(resultOf(state, cpu));
    assert.equal(await shown, code);
  }
});

test("what ends the view on the way out may come more than once", () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const ends: string[] = [];
  const view = { note: () => {}, end: (last = "") => void ends.push(last) };
  const stopping = stopOnSignals(execution, { runtime, view, stopGraceMs: 1, killGraceMs: 1 });
  assert.equal(stopping.signal, undefined);
  for (let at = 0; at < 3; at++) runtime.signal("SIGTERM");
  assert.equal(stopping.signal, "SIGTERM");
  assert.equal(ends.length, 1);
  assert.deepEqual(runtime.exits, [143]);
});

test("the log file holds one record a line, of this run only", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  runtime.files.set("run.ndjson", "of another run\n");
  const log = await openLogFile("run.ndjson", runtime);
  const shown = showRun(() => execution, { ...options, log, level: "critical", runtime });
  await turn();
  execution.log(0, "cpu", "hello\nworld");
  execution.log(5, undefined, "detail", { level: "debug", stream: "log" });
  execution.end(resultOf("succeeded", cpu));
  await shown;
  assert.deepEqual(runtime.files.get("run.ndjson")!.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    {
      seq: 1,
      at: "2026-11-21T13:02:11.123Z",
      level: "info",
      stream: "stdout",
      text: "hello\nworld",
      from: "task",
      task: "cpu",
      iteration: 0,
      attempt: 1,
    },
    {
      seq: 2,
      at: "2026-11-21T13:02:11.128Z",
      level: "debug",
      stream: "log",
      text: "detail",
      from: "executor",
    },
  ]);
});

test("a disk that refuses the log is told, and the run goes on", async () => {
  const [execution, runtime] = [new FakeExecution(), new FakeRuntime()];
  const log = await openLogFile("run.ndjson", runtime);
  const shown = showRun(() => execution, { ...options, log, quiet: true, runtime });
  await turn();
  execution.log(0, "cpu", "hello");
  runtime.refuses = new Error("ENOSPC: no space left on device, write");
  execution.log(0, "cpu", "lost");
  execution.end(resultOf("succeeded", cpu));
  assert.equal(await shown, 0);
  assert.equal(
    runtime.stderr.text,
    'The log file "run.ndjson" ends at record 1: no space left on device, write\n',
  );
  await assert.rejects(openLogFile("/nowhere/x", runtime), UsageError);
});

test("errors are told in words, each kind with its exit code", () => {
  const runtime = new FakeRuntime();
  const where = { args: ["run", "p.json"], runtime };
  const problems = [{ place: "tasks.cpu", message: "Unknown key" }, {
    place: "",
    message: "There is no task",
  }];
  assert.deepEqual(tell(new PipelineError(problems), where), {
    text: "p.json: 2 problems, nothing has run\n  tasks.cpu: Unknown key\n  There is no task\n",
    code: 2,
  });
  assert.deepEqual(tell(new UsageError("No such thing"), where), { text: "No such thing\n", code: 2 });
  const many = Array.from({ length: 250 }, (_, at) => ({ place: `tasks.t${at}`, message: "Bad" }));
  assert.match(tell(new PipelineError(many), where).text, /t99: Bad\n {2}… and 150 more\n$/);
});

test("a defect says what, where and what to do, and is no bare stack", () => {
  const runtime = new FakeRuntime();
  for (
    const error of [
      new TypeError("x is undefined"),
      "a string",
      undefined,
      Object.assign(new Error("e"), { code: "EIO" }),
    ]
  ) {
    const { text, code } = tell(error, { args: ["run", "p.json"], runtime });
    assert.equal(code, 70);
    assert.match(text, /^Outrider met an error that it should have handled: /);
    assert.match(text, /\n {2}command: outrider run p.json\n {2}version: [\d.]+ on node 24.0.0\n/);
    assert.match(
      text,
      /\nThis is a defect of Outrider, not of your pipeline. Please report it together with these lines.\n$/,
    );
  }
  assert.match(tell(new TypeError("x"), { args: [], runtime }).text, /\n {2}at .*session_test/);
});
