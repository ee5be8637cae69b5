import assert from "node:assert/strict";
import test from "node:test";
import { HeldTimers, HOUR_MS, manifest, printed, runScript, see, type Seen, start } from "./rig.ts";

const ONE = { workers: 1, maxWorkers: 1 };

/** What a task printed, each line with its stream and level. */
function told(seen: Seen, task: string): string[] {
  return seen.logs.filter((record) => record.task === task)
    .map(({ stream, level, text }) => `${stream} ${level} ${text}`);
}

test("every method of console and of the log has its stream and level", async () => {
  const seen = await see(manifest("prints", { levels: {} }));
  const lines = told(seen, "levels");
  const table = lines.slice(5, -6);
  assert.deepEqual(lines.slice(0, 5), [
    "stdout debug debug",
    "stdout info log 1 { a: [ 2 ] }",
    "stdout info info",
    "stderr warn warn",
    "stderr error error",
  ]);
  assert.ok(table.length > 0 && table.every((line) => line.startsWith("stdout info ")), table.join("\n"));
  assert.deepEqual(lines.slice(-6), [
    "stderr error Assertion failed: assert",
    "log debug log debug",
    "log info log info",
    "log warn log warn",
    "log error log error",
    "log critical log critical",
  ]);
});

test("each line is a record", async () => {
  const seen = await see(manifest("prints", { several: {} }));
  assert.deepEqual(printed(seen, "several"), ["one", "two", "", "four"]);
});

test("a group that a task leaves open indents no other task", async () => {
  const seen = await see(manifest("prints", { groups: {}, plain: { needs: ["groups"] } }), ONE);
  assert.deepEqual(printed(seen, "groups"), ["outer", "  inner"]);
  assert.deepEqual(printed(seen, "plain"), ["plain"]);
});

test("pieces become lines, and an unfinished one is told at the end", async () => {
  const seen = await see(manifest("prints", { pieces: {}, plain: { needs: ["pieces"] } }), ONE);
  assert.deepEqual(told(seen, "pieces"), [
    "stdout info ab",
    "stderr info to stderr",
    "stdout info cü",
    "stdout info called back",
    "stdout info unfinished",
  ]);
  assert.deepEqual(printed(seen, "plain"), ["plain"]);
});

test("what is written to descriptors 1 and 2 is captured", async () => {
  const seen = await see(manifest("prints", { descriptors: {} }));
  assert.deepEqual(told(seen, "descriptors"), [
    "stdout info sync text",
    "stderr info sync bytes",
    "stdout info async text",
  ]);
});

test("functions imported by name from node:fs are captured", async () => {
  const { code, stdout, stderr } = await runScript("program", [
    JSON.stringify(manifest("prints", { named: {} })),
    JSON.stringify(ONE),
  ]);
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  const captured = lines.filter((line) => /"text":"named (a?sync)"/.test(line)).length;
  const past = lines.filter((line) => line === "named sync").length + stderr.split("named async\n").length -
    1;
  assert.deepEqual([captured, past], [2, 0]);
});

test("the runtime's own ways of writing are captured", async () => {
  const seen = await see(manifest("prints", { own: {} }));
  assert.deepEqual(told(seen, "own"), [
    "stdout info first",
    "stdout info second",
    "stderr info third",
    "stdout info fourth",
  ]);
});

test("output after an await and from timers belongs to its attempt, in order", async () => {
  const seen = await see(
    manifest("prints", {
      a: { export: "awaits", retry: { attempts: 2, delay: 0 } },
      b: { export: "awaits", retry: { attempts: 2, delay: 0 } },
      c: { export: "awaits", retry: { attempts: 2, delay: 0 }, needs: ["a"] },
    }, { loops: [{ from: "b", to: "b", times: 1 }] }),
    { workers: 2 },
  );
  const what = ["at once", "after a turn", "after a while", "in a timer", "in a microtask"];
  for (const task of ["a", "b", "c"]) {
    const records = seen.logs.filter((record) => record.task === task && record.text !== "module is loaded");
    const expected = (task === "b" ? [0, 1] : [0]).flatMap((iteration) =>
      [1, 2].flatMap((attempt) => what.map((each) => `${task} ${iteration}.${attempt} ${each}`))
    );
    assert.deepEqual(records.map(({ text }) => text), expected);
    for (const { text, iteration, attempt } of records) {
      assert.ok(text.startsWith(`${task} ${iteration}.${attempt} `), text);
    }
  }
});

test("what a task prints after its end belongs to it, also while another runs", async () => {
  const seen = await see(manifest("prints", { late: {}, lasts: { needs: ["late"] } }), ONE);
  assert.deepEqual(printed(seen, "late").filter((text) => text !== "module is loaded"), ["late"]);
  assert.deepEqual(printed(seen, "lasts"), ["lasting", "lasted"]);
  const texts = seen.logs.map(({ text }) => text);
  assert.ok(
    texts.indexOf("lasting") < texts.indexOf("late") && texts.indexOf("late") < texts.indexOf("lasted"),
  );
});

test("what a module prints when it is loaded is kept", async () => {
  const seen = await see(manifest("prints", { plain: {} }), ONE);
  assert.equal(
    seen.logs.filter(({ text, from }) => text === "module is loaded" && from === "task").length,
    1,
  );
  assert.deepEqual(printed(seen, "plain").filter((text) => text !== "module is loaded"), ["plain"]);
});

test("a very long line is cut into records, and nothing of it is lost", async () => {
  const length = 200_001;
  const seen = await see(manifest("prints", { long: { params: { length } } }));
  const lines = printed(seen, "long");
  assert.ok(lines.length > 2 && lines.every((line) => line.length <= 64 * 1024));
  assert.equal(lines.join(""), `${"x".repeat(length - 1)}.${"y".repeat(length)}`);
});

test("a burst of lines comes whole, in order and numbered without gaps", async () => {
  const lines = 50_000;
  const seen = await see(manifest("prints", { burst: { params: { lines } } }));
  const texts = printed(seen, "burst").filter((text) => text.startsWith("line "));
  assert.equal(texts.length, lines);
  assert.ok(texts.every((text, line) => text === `line ${line}`));
  assert.ok(seen.logs.every(({ seq }, at) => seq === at + 1));
  assert.ok(seen.states.every(({ seq }, at) => seq === at + 1));
});

test("output just before an exit or a kill is kept, also the line that has no end", async () => {
  const held = new HeldTimers(HOUR_MS);
  const going = start(
    manifest("prints", { exits: {}, loops: { timeout: "1h", needs: [{ task: "exits", on: "failure" }] } }),
    { ...ONE, world: held.world },
  );
  await going.until((event) => event.type === "attempt.progressed");
  await held.comes(HOUR_MS);
  const seen = await going.seen;
  assert.deepEqual(printed(seen, "exits").filter((text) => text !== "module is loaded"), [
    "unfinished before the exit",
  ]);
  assert.deepEqual(printed(seen, "loops").filter((text) => text !== "module is loaded"), [
    "before the loop",
    "unfinished",
  ]);
});
