import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import widthOf from "fast-string-truncated-width";
import { harmless, harmlessLines } from "../../src/base/harmless.ts";
import { labelOf, LineWriter, reasonOf } from "../../src/cli/view/text_line.ts";
import { count, counted, growing, span } from "../../src/base/shown.ts";
import { fit, pad, squeezed, width } from "../../src/cli/view/measures.ts";
import { colourPaint, isColoured, isRich, plainPaint } from "../../src/cli/view/paint.ts";
import type { LogRecord } from "../../src/model/record.ts";
import { START, utc } from "./fake.ts";

function record(text: string, more: Partial<LogRecord> = {}): LogRecord {
  const at = new Date(START).toISOString();
  return {
    seq: 1,
    at,
    level: "info",
    from: "task",
    task: "cpu",
    iteration: 0,
    attempt: 1,
    stream: "stdout",
    text,
    ...more,
  };
}

test("a line says when, who, and what", () => {
  const lines = new LineWriter(plainPaint, utc);
  assert.equal(lines.log(record("hello")), "13:02:11.123 cpu │ hello\n");
  assert.equal(lines.log(record("oops", { stream: "stderr" })), "13:02:11.123 cpu ! oops\n");
  assert.equal(
    lines.log(record("hot", { stream: "log", level: "warn" })),
    "13:02:11.123 cpu │ warn: hot\n",
  );
  assert.equal(
    lines.log({
      seq: 1,
      at: new Date(START).toISOString(),
      level: "error",
      from: "executor",
      stream: "log",
      text: "no",
    }),
    "13:02:11.123 outrider · error: no\n",
  );
});

test("labels line up with the widest so far, and very long ones push nobody", () => {
  const lines = new LineWriter(plainPaint, utc);
  assert.equal(lines.log(record("a", { task: "network" })), "13:02:11.123 network │ a\n");
  assert.equal(lines.log(record("b")), "13:02:11.123 cpu     │ b\n");
  assert.equal(
    lines.log(record("c", { task: "a-very-long-name-of-a-task" })),
    "13:02:11.123 a-very-long-name-of-a-task │ c\n",
  );
  assert.equal(lines.log(record("d")), "13:02:11.123 cpu     │ d\n");
});

test("each line of a text is a line of its task", () => {
  const lines = new LineWriter(plainPaint, utc);
  assert.equal(lines.log(record("a\nb\n")), "13:02:11.123 cpu │ a\n13:02:11.123 cpu │ b\n");
  assert.equal(lines.log(record("")), "13:02:11.123 cpu │ \n");
});

test("labels name the iteration and the attempt where there are several", () => {
  assert.equal(labelOf({ task: "cpu" }), "cpu");
  assert.equal(labelOf({ task: "cpu", iteration: 0, attempt: 1 }), "cpu");
  assert.equal(labelOf({ task: "cpu", iteration: 0, attempt: 2 }), "cpu #2");
  assert.equal(labelOf({ task: "cpu", iteration: 1, attempt: 1 }), "cpu [1]");
  assert.equal(labelOf({ task: "ping", iteration: 1, attempt: 2, item: 0 }), "ping (0) [1] #2");
  assert.equal(labelOf({ task: "cpu", iteration: 3, attempt: 2 }), "cpu [3] #2");
});

test("the end of an attempt is told with its time and its reason", () => {
  const lines = new LineWriter(plainPaint, utc);
  const key = { task: "cpu", iteration: 0, attempt: 1, at: START, startedAt: START - 1_234, endedAt: START };
  assert.equal(lines.settled({ ...key, outcome: "succeeded" }), "13:02:11.123 cpu ✓ succeeded in 1.2 s\n");
  assert.equal(
    lines.settled({ ...key, outcome: "failed", error: { name: "TypeError", message: "no disk\nat all" } }),
    "13:02:11.123 cpu ✗ failed after 1.2 s: TypeError: no disk …\n",
  );
  assert.equal(
    lines.settled({ ...key, outcome: "crashed", reason: "exit", code: 3 }),
    "13:02:11.123 cpu ✗ crashed after 1.2 s: it ended its worker with exit code 3\n",
  );
  assert.equal(
    lines.settled({
      task: "cool",
      iteration: 0,
      attempt: 0,
      at: START,
      outcome: "skipped",
      because: "cpu did not fail",
    }),
    "13:02:11.123 cool − skipped: cpu did not fail\n",
  );
  assert.equal(
    lines.planned(START, { task: "cpu", iteration: 0, attempt: 2, dueAt: START + 2_000 }),
    "13:02:11.123 cpu  ↻ attempt 2 starts in 2.0 s\n",
  );
});

test("reasons of crashes are words", () => {
  assert.equal(reasonOf({ reason: "memory" }), "the memory of its worker was exhausted");
  assert.equal(reasonOf({ reason: "lost" }), "its worker was lost");
  assert.equal(reasonOf({ reason: "exit" }), "it ended its worker");
  const process = { because: "its process ended with exit code 3" };
  for (const reason of ["exit", "memory", "lost"] as const) {
    assert.equal(reasonOf({ reason, code: 3, ...process }), process.because, "a process is no worker");
  }
  assert.equal(reasonOf({}), "");
  const error = { name: "TimeoutError", message: "Task a has reached its timeout" };
  for (const outcome of ["timed_out", "cancelled"] as const) {
    assert.equal(reasonOf({ outcome, error, because: "it was quiet" }), "it was quiet", "why it was stopped");
    assert.equal(reasonOf({ outcome, error }), "TimeoutError: Task a has reached its timeout");
  }
  assert.equal(
    reasonOf({ outcome: "failed", error, because: "x" }),
    "TimeoutError: Task a has reached its timeout",
  );
});

test("text of tasks can't move the cursor, clear the screen or set the title", () => {
  assert.equal(harmless("a\x1b[2Jb\x1b[Hc"), "abc");
  assert.equal(harmless("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y"), "xy");
  assert.equal(harmless("\x1bcgone\x9b2Jtoo"), "gonetoo");
  assert.equal(harmless("10 %\r50 %\r100 %\r"), "100 %");
  assert.equal(harmless("bell\x07 back\b del\x7f"), "bell␇ back␈ del␡");
  assert.equal(harmless("a\tb"), "a\tb");
  assert.equal(harmless("evil\u202etxt"), "eviltxt");
  assert.equal(harmless("\x1b[31mred\x1b[0m"), "red");
  assert.equal(harmless("\x1b[31mred\x1b[2K", true), "\x1b[31mred\x1b[0m");
  assert.deepEqual(harmlessLines("one\r\ntwo\r\n", false), ["one", "two"]);
});

test("whatever a task prints, no control character reaches a plain terminal", () => {
  const nasty = fc.array(
    fc.constantFrom(
      "\x1b",
      "[",
      "]",
      "0",
      ";",
      "m",
      "J",
      "\x07",
      "\\",
      "\r",
      "\n",
      "\x9b",
      "\x90",
      "P",
      "a",
      "é",
      "\u202e",
    ),
  );
  fc.assert(fc.property(nasty, (parts) => {
    for (const line of harmlessLines(parts.join(""), false)) {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line, /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]/);
    }
    for (const line of harmlessLines(parts.join(""), true)) {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line.replaceAll(/\x1b\[[0-9;:]*m/g, ""), /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]/);
      if (line.includes("\x1b")) assert.ok(line.endsWith("\x1b[0m"));
    }
  }));
});

test("times and counts are written as people write them", () => {
  assert.deepEqual(
    [0, 35, 999.4, 999.6, 1_234, 59_940, 59_960, 125_000, 3_599_600, 11_220_000, -5].map(span),
    [
      "0 ms",
      "35 ms",
      "999 ms",
      "1.0 s",
      "1.2 s",
      "59.9 s",
      "1 min 00 s",
      "2 min 05 s",
      "1 h 00 min",
      "3 h 07 min",
      "0 ms",
    ],
  );
  assert.deepEqual([0, 340, 1_500].map(growing), ["0.0 s", "0.3 s", "1.5 s"]);
  assert.deepEqual([1, 999, 1_000, 1_234_567].map(count), ["1", "999", "1,000", "1,234,567"]);
  assert.deepEqual([counted(1, "task"), counted(2, "task")], ["1 task", "2 tasks"]);
});

test("a text that is fitted is never wider than asked, and the same if it was not", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
    const fitted = fit(text, columns);
    if (width(text) <= columns) assert.equal(fitted, text);
    else {assert.ok(
        width(fitted) <= columns,
        `${JSON.stringify(fitted)} is ${width(fitted)} wide, not ${columns}`,
      );}
  }));
  assert.equal(fit("déjà vu 世界", 9), "déjà vu …");
  assert.equal(fit("\x1b[31mabcdef\x1b[39m", 4), "\x1b[31mabc\x1b[0m…");
  assert.equal(pad("世界", 6), "世界  ");
});

test("a task keeps its colour, and nothing is red or yellow by chance", async () => {
  const paint = await colourPaint();
  assert.equal(paint.task("cpu", "x"), paint.task("cpu", "x"));
  const codes = new Set<string>();
  for (let at = 0; at < 200; at++) codes.add(paint.task(`task ${at}`, "x"));
  assert.ok(codes.size >= 5);
  for (const painted of codes) assert.doesNotMatch(painted, /\[(31|33|91|93)m/);
});

test("NO_COLOR, CI, a dumb terminal and a pipe are plain", () => {
  const env = (values: Record<string, string>) => (name: string) => values[name];
  assert.equal(isRich({ isTTY: true }, env({ TERM: "xterm" })), true);
  assert.equal(isRich({ isTTY: false }, env({ TERM: "xterm" })), false);
  assert.equal(isRich({ isTTY: true }, env({ NO_COLOR: "1" })), false);
  assert.equal(isRich({ isTTY: true }, env({ NO_COLOR: "" })), true);
  assert.equal(isRich({ isTTY: true }, env({ CI: "true" })), false);
  assert.equal(isRich({ isTTY: true }, env({ CI: "false" })), true);
  assert.equal(isRich({ isTTY: true }, env({ TERM: "dumb" })), false);
});

test("FORCE_COLOR wins over all that says whether there are colours, and brings no live view", () => {
  const env = (values: Record<string, string>) => (name: string) => values[name];
  for (const yes of ["1", "2", "3", "true", "always"]) {
    assert.equal(
      isColoured({ isTTY: false }, env({ FORCE_COLOR: yes, NO_COLOR: "1", CI: "1", TERM: "dumb" })),
      true,
    );
  }
  for (const no of ["0", "false", "No"]) {
    assert.equal(isColoured({ isTTY: true }, env({ FORCE_COLOR: no, TERM: "xterm" })), false);
  }
  for (const isTTY of [true, false]) {
    assert.equal(isColoured({ isTTY }, env({ FORCE_COLOR: "" })), isTTY);
    assert.equal(isColoured({ isTTY }, env({ NO_COLOR: "1" })), false);
    assert.equal(isRich({ isTTY }, env({ FORCE_COLOR: "1" })), isTTY);
    assert.equal(isRich({ isTTY }, env({ FORCE_COLOR: "1", CI: "1" })), false);
  }
});

test("a name that is squeezed keeps its beginning and its end, and is never wider than asked", () => {
  assert.equal(squeezed("upload-of-device-17", 12), "upload…ce-17");
  assert.equal(squeezed("short", 5), "short");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
    const name = squeezed(text, columns);
    if (width(text) <= columns) assert.equal(name, text);
    else assert.ok(width(name) <= columns, `${JSON.stringify(name)} is ${width(name)} wide, not ${columns}`);
  }));
});

test("marks of our own lines are one column wide, by who measures all else too", () => {
  for (const mark of "✓✗−↻│·…") {
    assert.equal(widthOf(mark).width, 1, mark);
    assert.equal(width(`${mark} cpu`), 5);
    assert.equal(width(`${mark} 温度`), 6);
  }
});
