/**
 * Tests the report of a run as a file: what is in it, what is left out, and `outrider run --report`.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { MAX_REPORT_LINES, MAX_REPORT_VALUE, pageReport } from "../../src/serving/report.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { SharedStore } from "../../src/store/store.ts";
import { runCli, withFiles } from "../rig.ts";

const TASKS: string = fileURLToPath(new URL("../fixtures/page/tasks.ts", import.meta.url));

/** The lines of one of a report's blocks. */
function block(html: string, name: string): Record<string, unknown>[] {
  const text = new RegExp(`id="outrider-${name}">([^<]*)</script>`).exec(html)![1]!;
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

function parts(): Parameters<typeof pageReport>[0] {
  const plan = compile({ outrider: 1, name: "p", tasks: { a: {} } }, "file:///x/");
  const journal = memoryJournal();
  journal.append({ type: "run.started", run: "r", pipeline: "p", runtime: "x 1", plan: "" }, 1_000);
  return { run: "r", plan, journal, store: new SharedStore() };
}

test("a report has pipeline, records, log and store", () => {
  const run = parts();
  run.journal.append({
    type: "attempt.settled",
    task: "a",
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    value: "1",
  }, 1_001);
  run.journal.log({ at: 1_002, level: "info", from: "executor", stream: "log", text: "hello" });
  run.store.set("k", '{"x":1}', {});
  const html = [...pageReport(run)].join("");
  assert.deepEqual(block(html, "head").map(({ run, runtime }) => [run, runtime]), [["r", "x 1"]]);
  assert.deepEqual(block(html, "records").map(({ type }) => type), ["run.started", "attempt.settled"]);
  assert.deepEqual(block(html, "logs").map(({ text }) => text), ["hello"]);
  assert.deepEqual(block(html, "store"), [{ key: "k", version: 1, text: '{"x":1}' }]);
});

test("what is too long for a report is left out, and that is said", () => {
  const run = parts();
  const value = JSON.stringify("v".repeat(MAX_REPORT_VALUE));
  run.journal.append({
    type: "attempt.settled",
    task: "a",
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    value,
  }, 1_001);
  for (let line = 1; line <= MAX_REPORT_LINES + 3; line++) {
    run.journal.log({ at: 1_002, level: "info", from: "executor", stream: "log", text: `line ${line}` });
  }
  const html = [...pageReport(run)].join("");
  assert.match(
    String(block(html, "records")[1]!["value"]),
    /^"\(a value of 65538 characters, not in this report\)"$/,
  );
  const logs = block(html, "logs").map(({ text }) => text);
  assert.equal(logs.length, MAX_REPORT_LINES + 1);
  assert.deepEqual(logs.slice(0, 2), [
    "The first 3 lines are not in this report; --log keeps them all",
    "line 4",
  ]);
  assert.equal(logs.at(-1), `line ${MAX_REPORT_LINES + 3}`);
});

test("outrider run --report writes the page, also of a run that failed", () =>
  withFiles({
    "p.json": { outrider: 1, name: "p", tasks: { bad: { run: { module: TASKS, export: "fails" } } } },
  }, async (folder) => {
    const file = join(folder, "run.html");
    const { code } = await runCli(["run", join(folder, "p.json"), "--report", file, "--quiet"]);
    assert.equal(code, 1);
    const records = block(readFileSync(file, "utf8"), "records");
    assert.deepEqual(records.at(-1)!["type"], "run.ended");
    assert.match(JSON.stringify(records), /has no \\u003croom>|has no <room>/);
  }));

test("a report that can't be written is told before anything runs", () =>
  withFiles({
    "p.json": { outrider: 1, name: "p", tasks: { quick: { run: { module: TASKS, export: "quick" } } } },
  }, async (folder) => {
    const file = join(folder, "nowhere", "run.html");
    const { code, stdout, stderr } = await runCli(["run", join(folder, "p.json"), "--report", file]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /--report ".*run\.html" can't be written/);
    assert.doesNotMatch(stdout + stderr, /quick has begun/);
    assert.equal(existsSync(file), false);
  }));

test("outrider run --report leaves nothing where there was no run, and what was there as it was", () =>
  withFiles({ "bad.json": { outrider: 1, name: "bad", tasks: { a: { needs: ["b"] } } } }, async (folder) => {
    const file = join(folder, "run.html");
    assert.equal((await runCli(["run", join(folder, "bad.json"), "--report", file])).code, 2);
    assert.equal(existsSync(file), false);
    writeFileSync(file, "an older one");
    assert.equal((await runCli(["run", join(folder, "bad.json"), "--report", file])).code, 2);
    assert.equal(readFileSync(file, "utf8"), "an older one");
  }));
