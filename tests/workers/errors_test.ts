/** What becomes of a thrown value: all that it says of itself, within bounds, and none but the task's frames. */
import assert from "node:assert/strict";
import test from "node:test";
import type { ErrorData } from "../../src/model/outcome.ts";
import { errorLines } from "../../src/model/error_text.ts";
import { errorData, errorText, uncaughtText } from "../../workers/errors.ts";
import { ofTask } from "../../workers/stacks.ts";

/** An error without a stack, which has the place of this test in it. */
function made(message: string, more: object = {}): Error {
  return Object.assign(new Error(message), { stack: undefined }, more);
}

/** How many errors there are in one. */
function count({ errors = [], cause }: ErrorData): number {
  return errors.reduce((sum, each) => sum + count(each), 1) + (cause === undefined ? 0 : count(cause));
}

test("an error keeps its code, its own fields, the errors that it stands for, and its cause", () => {
  const inner = made("b", { code: 7, cause: made("why") });
  const all = Object.assign(new AggregateError([made("a"), inner, "text"], "all"), { stack: undefined });
  const error = Object.assign(all, { code: "E_ALL", status: 404, path: "/x", list: [1, { a: null }] });
  const data: ErrorData = {
    ...{ name: "AggregateError", message: "all", code: "E_ALL" },
    fields: { status: 404, path: "/x", list: [1, { a: null }] },
    errors: [
      { name: "Error", message: "a" },
      { name: "Error", message: "b", code: 7, cause: { name: "Error", message: "why" } },
      { name: "Error", message: "Thrown: text" },
    ],
  };
  assert.deepEqual(errorData(error), data);
  assert.deepEqual(JSON.parse(errorText(error)), data);
});

test("a list of what are no errors, and errors that lie elsewhere, are fields", () => {
  const error = made("m", { errors: ["name is missing"], inner: new TypeError("in") });
  assert.deepEqual(errorData(error).fields, { errors: ["name is missing"], inner: "TypeError: in" });
  const suppressed = Object.defineProperties(made("both"), {
    error: { value: made("second") },
    suppressed: { value: made("first") },
  });
  assert.deepEqual(errorData(suppressed).errors, [{ name: "Error", message: "second" }, {
    name: "Error",
    message: "first",
  }]);
  assert.equal(errorData(new DOMException("no", "AbortError")).code, undefined);
  assert.equal(
    errorData(Object.assign(made(""), { errors: [made("one")] })).message,
    "1 errors, the first: one",
  );
});

test("what a field can't be told as is counted, and nothing of it is asked in JSON's way", () => {
  const hostile = made("m", { big: 5n, none: NaN, date: new Date(0), form: { toJSON: () => "x" }, ok: true });
  Object.defineProperty(hostile, "thrower", {
    enumerable: true,
    get() {
      throw new Error("no");
    },
  });
  const { fields, omitted } = errorData(hostile);
  assert.deepEqual([fields, omitted], [{ big: "5", none: "NaN", ok: true }, 3]);
});

test("an error behind itself is told once, by every way back", () => {
  const error = made("a");
  const other = made("b", { cause: error, errors: [error] });
  Object.assign(error, { cause: other });
  assert.deepEqual(errorData(error), {
    name: "Error",
    message: "a",
    cause: { name: "Error", message: "b" },
  });
});

test("what is behind an error is bounded in number, depth and length, and what is left out is counted", () => {
  const wide = new AggregateError(Array.from({ length: 1000 }, (_, at) => made(`${at}`)), "wide");
  const told = errorData(wide);
  assert.deepEqual([count(told), told.omitted], [32, 1000 - 31]);
  let deep = made("0");
  for (let depth = 1; depth < 12; depth++) {
    deep = made(`${depth}`, { cause: deep, errors: [made("x"), deep] });
  }
  assert.ok(count(errorData(deep)) <= 32);
  const fields = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`f${at}`, at]));
  const many = errorData(made("m", { ...fields, long: "x".repeat(5000) }));
  assert.deepEqual([Object.keys(many.fields!).length, many.omitted], [16, 15]);
  assert.equal(
    errorData(made("m", { long: "x".repeat(1001) })).fields!["long"],
    `${"x".repeat(1000)}… (1 more characters)`,
  );
  assert.equal(errorData(made("m", { long: Array(1001).fill(1) })).omitted, 1);
  const large = new AggregateError(Array.from({ length: 31 }, () => made("x".repeat(32 * 1024))), "large");
  assert.ok(errorText(large).length < 200 * 1024);
});

test("an error is data whatever prototypes have been given", () => {
  const error = made("m", { fields: [1], errors: [made("a")] });
  const text = errorText(error);
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.defineProperty(prototype, "toJSON", { configurable: true, writable: true, value: () => "forged" });
    try {
      assert.equal(errorText(error), text);
    } finally {
      delete (prototype as { toJSON?: unknown }).toJSON;
    }
  }
});

test("a stack has none but the task's frames, as each runtime writes them", () => {
  const kept = [
    "    at task (file:///a/tasks.ts:1:2)",
    "    at async file:///a/tasks.ts:3:4",
    "    at <anonymous> (/a/tasks.ts:5:6)",
    "    at deep (x.outrider.js:7:8)",
    "    at native.outrider.js:7:8",
    "    at C:\\a\\tasks.ts:9:10",
    "    at eval (eval at make (file:///a/tasks.ts:1:1), <anonymous>:1:1)",
  ];
  const left = [
    "    at AsyncLocalStorage.run (node:internal/async_local_storage/async_context_frame:65:14)",
    "    at EventTarget.[nodejs.internal.kHybridDispatch] [as x] (node:internal/event_target:1:2)",
    "    at async open (node:internal/fs/promises:1345:25)",
    "    at node:internal/main/worker_thread:1:1",
    "    at Array.map (<anonymous>)",
    "    at async Promise.all (index 0)",
    "    at map (native:1:11)",
    "    at parse (unknown)",
    "    at new k (unknown:1:28)",
    "    at <parse> (:0)",
    "    at __node_internal_uvException (ext:deno_node/internal/errors.ts:1:3450)",
    "    at ext:deno_node/fs.ts:1:20291",
    "    at Object.run (outrider-worker:1:14879)",
    "    at outrider-worker:5:5380",
  ];
  const mixed = [...left, ...kept.flatMap((line) => [line, ...left])];
  assert.equal(ofTask(["Error: m", ...mixed].join("\n"), "m"), ["Error: m", ...kept].join("\n"));
  assert.equal(ofTask(["Error: m", ...left].join("\n"), "m"), "Error: m");
});

test("a message whose lines look like frames stays whole, and code of a bundle is told by its place", () => {
  const message = "first\n    at node:fs:1:1\nlast";
  assert.equal(ofTask(`Error: ${message}\n    at node:fs:1:1`, message), `Error: ${message}`);
  const url = `data:text/javascript;base64,${"QUJD".repeat(50_000)}`;
  assert.equal(
    ofTask(`E: m\n    at f (${url}:3:4)\n    at ${url}:5:6`, "m"),
    "E: m\n    at f (bundle:3:4)\n    at bundle:5:6",
  );
});

test("what nothing caught is logged with all that it says", () => {
  const error = made("m", { code: "E", cause: made("why") });
  assert.equal(uncaughtText(error, false), "Uncaught: Error: m\ncode E\ncaused by Error: why");
  assert.match(uncaughtText(error, true), /^Uncaught after the task's end: Error: m\n/);
});

test("the lines of an error: frames, what it says, notes, those behind it, within bounds", () => {
  const frame = { file: "a.py", line: 3, function: "f", code: "f()" };
  const error: ErrorData = {
    ...{ name: "E", message: "m", code: 2, fields: { path: "/x\ny", list: [1] }, notes: ["n1\nn2"] },
    ...{ frames: [{ ...frame, line: 1 }, frame], omitted: 4 },
    errors: [{ name: "F", message: "f\ng", stack: "F: f\n    at one\n    at two" }],
    cause: { name: "G", message: "g" },
  };
  assert.deepEqual(errorLines(error), [
    "at f (a.py:3)",
    "at f (a.py:1)",
    "code 2, path /x …, list [1]",
    "note: n1 …",
    "and 4 more that it had are left out",
    "error 1 of 1: F: f …",
    "  at one",
    "  at two",
    "caused by G: g",
  ]);
  assert.deepEqual(errorLines(error, { frames: 1 }).slice(0, 2), [
    "at f (a.py:3)",
    "code 2, path /x …, list [1]",
  ]);
  const few = errorLines(error, { lines: 3 });
  assert.equal(few.length, 3);
  assert.match(few.at(-1)!, /and more/);
  let deep: ErrorData = { name: "E", message: "0" };
  for (let depth = 0; depth < 100; depth++) deep = { name: "E", message: "m", cause: deep };
  assert.ok(errorLines(deep).length <= 10);
});
