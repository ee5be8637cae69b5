/** The parts of a worker's program, each alone: what is printed, which values it has, what an attempt is given, calls. */
import assert from "node:assert/strict";
import test from "node:test";
import { MAX_LINE } from "../../src/base/limits.ts";
import { Sheet, sheetMemory } from "../../src/pool/board/sheet.ts";
import type { Payload } from "../../src/pool/protocol.ts";
import type { Claimed } from "../../src/pool/ring/inbox.ts";
import {
  OUTBOX_BYTES,
  OUTBOX_CELLS,
  OutboxReader,
  OutboxWriter,
  RecordKind,
} from "../../src/pool/ring/outbox.ts";
import { Unfinished, unfinishedMemory } from "../../src/pool/unfinished.ts";
import { Attempt } from "../../workers/attempt.ts";
import { Context, type ContextParts } from "../../workers/context.ts";
import { errorData, errorText } from "../../workers/errors.ts";
import { flagsClient } from "../../workers/flags.ts";
import { Locals } from "../../workers/locals.ts";
import { NOBODY, Printer } from "../../workers/output.ts";
import { Remote } from "../../workers/remote.ts";
import { SheetTold, TextTold } from "../../workers/told.ts";

/** A printer, and what it has printed: `seq stream level text`. */
function printing() {
  let rung = 0;
  const cells = new Int32Array(new SharedArrayBuffer(4 * OUTBOX_CELLS));
  const ring = new SharedArrayBuffer(OUTBOX_BYTES);
  const memory = unfinishedMemory();
  const reader = new OutboxReader(cells, ring);
  const unfinished = new Unfinished(memory);
  const printer = new Printer({
    outbox: new OutboxWriter(cells, ring, () => void rung++),
    unfinished,
    now: () => 42,
  });
  const printed = () => {
    const lines: string[] = [];
    reader.drain((kind, { a, x, y, text }) => {
      assert.deepEqual([kind, x], [RecordKind.log, 42]);
      lines.push(`${a} ${y >> 2} ${y & 3} ${text}`);
      return undefined;
    });
    return lines;
  };
  return { printer, printed, unfinished, rung: () => rung };
}

const AUTHOR = { seq: 3, ended: false };

test("printer: each line is a record of its level and stream, and the lane is woken", () => {
  const { printer, printed, rung } = printing();
  printer.lines(AUTHOR, { stream: "log", level: "warn", text: "one\n\ntwo\n" });
  assert.deepEqual(printed(), ["3 2 0 one", "3 2 0 ", "3 2 0 two", "3 2 0 "]);
  assert.equal(rung(), 1);
  printer.lines(NOBODY, { stream: "stderr", level: "critical", text: "" });
  assert.deepEqual(printed(), ["-1 4 2 "]);
  printer.lines(AUTHOR, { stream: "stdout", level: "debug", text: "x" });
  assert.deepEqual(printed(), ["3 0 1 x"]);
  printer.lines(AUTHOR, { stream: "none", level: "none", text: "x" });
  assert.deepEqual(printed(), ["3 0 0 x"]);
});

test("printer: a line longer than a log takes is cut into several, and parts no pair", () => {
  const { printer, printed } = printing();
  const lengths = (text: string) => {
    printer.lines(AUTHOR, { stream: "stdout", level: "info", text });
    return printed().map((line) => line.length - "3 1 1 ".length);
  };
  assert.deepEqual(lengths("x".repeat(MAX_LINE)), [MAX_LINE]);
  assert.deepEqual(lengths("x".repeat(MAX_LINE + 1)), [MAX_LINE, 1]);
  assert.deepEqual(lengths(`x${"😀".repeat(MAX_LINE / 2)}`), [MAX_LINE - 1, 2]);
});

test("printer: pieces are lines when their end comes, and lie unfinished until then", () => {
  const { printer, printed, unfinished } = printing();
  const write = (text: string, stream = "stdout") => printer.piece(AUTHOR, { stream, text });
  write("he");
  write("ll");
  write("else", "stderr");
  assert.deepEqual(printed(), []);
  assert.deepEqual([unfinished.read(1, 3), unfinished.read(2, 3)], ["hell", "else"]);
  write("o\r\nwor\nl");
  assert.deepEqual(printed(), ["3 1 1 hello", "3 1 1 wor"]);
  assert.deepEqual([unfinished.read(1, 3), unfinished.read(2, 3)], ["l", "else"]);
  write("d\r\n");
  assert.deepEqual(printed(), ["3 1 1 ld"]);
  assert.equal(unfinished.read(1, 3), undefined);
  write("a\n");
  assert.deepEqual(printed(), ["3 1 1 a"]);
  printer.flush(AUTHOR);
  assert.deepEqual(printed(), ["3 1 2 else"]);
  assert.equal(unfinished.read(2, 3), undefined);
  printer.flush(AUTHOR);
  assert.deepEqual(printed(), []);
});

test("printer: an unfinished line that gets too long is told without its end, and of what has ended nothing is kept", () => {
  const { printer, printed, unfinished } = printing();
  const write = (text: string) => printer.piece(AUTHOR, { stream: "stdout", text });
  write("x".repeat(MAX_LINE - 1));
  write("y");
  assert.deepEqual(printed(), []);
  assert.equal(unfinished.read(1, 3)?.length, MAX_LINE);
  write("z");
  assert.deepEqual(printed().map((line) => line.at(-1)), ["y", "z"]);
  assert.equal(unfinished.read(1, 3), undefined);
  write("mine");
  printer.piece({ seq: 2, ended: true }, { stream: "stdout", text: "late" });
  assert.deepEqual(printed(), ["2 1 1 late"]);
  printer.piece(NOBODY, { stream: "stdout", text: "nobody's\n" });
  assert.deepEqual(printed(), ["-1 1 1 nobody's"]);
  printer.flush(AUTHOR);
  assert.deepEqual(printed(), ["3 1 1 mine"]);
});

test("locals: a value is there for its task and iteration until another takes its place, and each asker has a copy", () => {
  const locals = new Locals();
  assert.ok(!locals.has(0, 0));
  assert.equal(locals.get(0), undefined);
  locals.keep(5, 1, '{"a":[1]}');
  assert.ok(locals.has(5, 1) && !locals.has(5, 0) && !locals.has(5 + 4096, 1));
  const [one, two] = [locals.get(5), locals.get(5)];
  assert.deepEqual(one, { a: [1] });
  assert.notEqual(one, two);
  locals.keep(6, 0, undefined);
  assert.ok(locals.has(6, 0));
  assert.equal(locals.get(6), undefined);
  locals.keep(5 + 4096, 0, "2");
  assert.ok(!locals.has(5, 1) && locals.has(5 + 4096, 0));
  assert.equal(locals.get(5), undefined);
  assert.equal(locals.get(5 + 4096), 2);
});

test("locals: what is kept is bounded by its length; then all but the newest is let go of", () => {
  const locals = new Locals();
  const quarter = JSON.stringify("x".repeat(4 * 1024 * 1024 - 2));
  for (let task = 0; task < 4; task++) locals.keep(task, 0, quarter);
  assert.ok([0, 1, 2, 3].every((task) => locals.has(task, 0)));
  // The same once more costs nothing.
  for (let count = 0; count < 5; count++) locals.keep(3, 1, quarter);
  assert.ok(locals.has(0, 0) && locals.has(3, 1));
  locals.keep(4, 0, "1");
  assert.ok(locals.has(4, 0) && ![0, 1, 2, 3].some((task) => locals.has(task, 0) || locals.has(task, 1)));
  assert.equal(locals.get(3), undefined);
  for (let task = 5; task < 8; task++) locals.keep(task, 0, quarter);
  assert.ok([4, 5, 6, 7].every((task) => locals.has(task, 0)));
  locals.keep(8, 0, quarter);
  assert.ok(locals.has(8, 0) && !locals.has(7, 0));
});

function attempt(payload: Payload): Attempt {
  const text = JSON.stringify(payload);
  return new Attempt(claimedAs({ payload: text }), new TextTold(text), 5);
}

function claimedAs(more: Partial<Claimed>): Claimed {
  const numbers = { seq: 9, task: 2, iteration: 1, attempt: 3, flags: 0, timeoutMs: 0, locals: 0 };
  return { ...numbers, payload: "", ...more };
}

test("attempt: it is what it was offered as, and its inputs come from payload, worker and executor", () => {
  const one = attempt({
    s: 1,
    t: "name",
    p: { x: 1 },
    i: { bytes: { $bytes: "AQI=" }, given: [1] },
    l: [["near", 4, 0], ["far", 5, 0], ["none", 6, 0]],
  });
  assert.deepEqual([one.index, one.seq, one.iteration, one.attempt, one.task, one.startedAt], [
    2,
    9,
    1,
    3,
    "name",
    5,
  ]);
  one.fetched(5, '"fetched"');
  one.fetched(6, undefined);
  const asked: number[] = [];
  const inputs = one.inputs((task) => {
    asked.push(task);
    return "local";
  });
  assert.deepEqual({ ...inputs, bytes: [...inputs["bytes"] as Uint8Array] }, {
    given: [1],
    bytes: [1, 2],
    near: "local",
    far: "fetched",
  });
  assert.deepEqual(asked, [4]);
  assert.deepEqual(one.params, { x: 1 });
  const bare = attempt({ s: 0, t: "t" });
  assert.deepEqual([bare.inputs(() => 1), bare.params, bare.told.places], [{}, {}, 0]);
});

test("attempt: one that is told as numbers reads the rest from the sheet", () => {
  const tasks = [
    { name: "é", needs: [] },
    { name: "__proto__", needs: [] },
    { name: "it", needs: [{ task: 1 }, { task: 3 }, { task: 0 }] },
    { name: "last", needs: [] },
  ];
  const sheet = new Sheet(sheetMemory(tasks, Int32Array.of(0, 0, 7, 0)));
  const of = (locals: number) => {
    const claimed = claimedAs({ locals });
    return new Attempt(claimed, new SheetTold(sheet, claimed), 5);
  };
  const one = of(0b101);
  assert.deepEqual([one.task, one.told.source, one.params, one.told.places], ["it", 7, {}, 3]);
  assert.deepEqual([0, 1, 2].map((place) => one.told.need(place)), [1, -1, 0]);
  assert.equal(one.told.iteration(0), 1);
  one.fetched(0, '"far"');
  const inputs = one.inputs((task) => `near ${task}`);
  assert.deepEqual(Object.entries(inputs), [["__proto__", "near 1"], ["é", "far"]]);
  const none = of(0);
  assert.deepEqual([none.inputs(() => 1), none.told.places], [{}, 0]);
});

test("attempt: its signals are aborted with its reason, whenever they are asked for", () => {
  for (const [outcome, name] of [["timed_out", "TimeoutError"], ["cancelled", "AbortError"]] as const) {
    const before = attempt({ s: 0, t: "t" });
    const { signal, life } = before;
    before.abort(outcome);
    before.abort("cancelled");
    assert.deepEqual([signal.aborted, life.aborted, before.aborted], [true, true, outcome]);
    assert.equal((signal.reason as Error).name, name);
    assert.equal((life.reason as Error).name, name);
    const after = attempt({ s: 0, t: "t" });
    after.abort(outcome);
    assert.equal((after.signal.reason as Error).name, name);
    assert.equal((after.life.reason as Error).name, name);
  }
  const ended = attempt({ s: 0, t: "t" });
  const { signal, life } = ended;
  ended.end();
  assert.deepEqual([signal.aborted, life.aborted, ended.ended], [false, true, true]);
  const late = attempt({ s: 0, t: "t" });
  late.end();
  assert.ok(late.life.aborted && !late.signal.aborted);
  assert.match((late.life.reason as Error).message, /Task t has ended/);
  const hurt = attempt({ s: 0, t: "t" });
  hurt.signal.addEventListener("abort", () => {});
  assert.ok(!hurt.life.aborted);
});

test("context: its members are made once, when asked for, and work outside of it", () => {
  const made: string[] = [];
  const progress: unknown[] = [];
  const logged: unknown[] = [];
  const parts = {
    run: "run",
    store: () => (made.push("store"), {}),
    events: () => (made.push("events"), {}),
    flags: () => (made.push("flags"), {}),
    previous: () => Promise.resolve({ a: [] }),
    log: (_: unknown, { level, args }: { level: string; args: readonly unknown[] }) =>
      void logged.push([level, ...args]),
    progress: (_: unknown, fraction: number, text?: string) => void progress.push([fraction, text]),
    local: () => 1,
  } as unknown as ContextParts;
  const context = new Context(attempt({ s: 0, t: "t", p: { x: 1 }, l: [["a", 1, 0]] }), parts);
  assert.deepEqual(made, []);
  assert.equal(context.store, context.store);
  assert.equal(context.events, context.events);
  assert.equal(context.flags, context.flags);
  assert.deepEqual(made, ["store", "events", "flags"]);
  const { inputs, params, log, progress: tell, signal, task, run, iteration, attempt: number, previous } =
    context;
  assert.equal(inputs, context.inputs);
  assert.equal(log, context.log);
  assert.deepEqual([inputs, params, task, run, iteration, number, signal.aborted], [
    { a: 1 },
    { x: 1 },
    "t",
    "run",
    1,
    3,
    false,
  ]);
  for (const level of ["debug", "info", "warn", "error", "critical"] as const) log[level](level, 1);
  assert.deepEqual(logged, ["debug", "info", "warn", "error", "critical"].map((level) => [level, level, 1]));
  tell(0.5, "half");
  tell(1);
  assert.throws(() => tell(0.5, 7 as unknown as string), {
    name: "TypeError",
    message: /a string; received 7$/,
  });
  assert.deepEqual(progress, [[0.5, "half"], [1, undefined]]);
  return previous().then((all) => assert.deepEqual(all, { a: [] }));
});

test("errors: whatever was thrown becomes data with a name and a message, and nothing is thrown for it", () => {
  const error = new TypeError("wrong", { cause: new RangeError("deep") });
  const { name, message, stack, cause } = errorData(error);
  assert.deepEqual([name, message, cause?.name, cause?.message], [
    "TypeError",
    "wrong",
    "RangeError",
    "deep",
  ]);
  assert.ok(stack?.includes("parts_test.ts"));
  assert.deepEqual(errorData("text"), { name: "Error", message: "Thrown: text" });
  assert.deepEqual(errorData(undefined), { name: "Error", message: "Thrown: undefined" });
  assert.deepEqual(errorData(null), { name: "Error", message: "Thrown: null" });
  assert.deepEqual(errorData({ name: 1, message: 2, stack: 3 }), { name: "1", message: "2" });
  assert.deepEqual(errorData({ name: "no message" }).message.slice(0, 8), "Thrown: ");
  const bad = {
    name: "n",
    get message(): string {
      throw new Error("no");
    },
  };
  assert.deepEqual(errorData(bad), {
    name: "Error",
    message: "Thrown: something that can't be read (Error: no)",
  });
  const worse = {
    name: "n",
    get message(): string {
      throw { toString: 1 };
    },
  };
  assert.deepEqual(errorData(worse), { name: "Error", message: "Thrown: something that can't be read" });
  assert.deepEqual(JSON.parse(errorText(error)), errorData(error));
  assert.deepEqual(JSON.parse(errorText("x")), { name: "Error", message: "Thrown: x" });
});

test("errors: long texts are cut and say by how much, stacks lose our frames, and causes are followed eight deep", () => {
  const long = errorData(new Error("x".repeat(32 * 1024 + 5)));
  assert.ok(long.message.endsWith("x… (5 more characters)"));
  assert.equal(errorData({ name: "n", message: "x".repeat(32 * 1024) }).message.length, 32 * 1024);
  const stack =
    "Error: m\n    at task (file:///task.ts:1:1)\n    at line (data:text/javascript;base64,eA==:1:1)\n    at x (outrider-worker:1:1)\n    at end (file:///task.ts:2:2)";
  assert.equal(
    errorData({ name: "Error", message: "m", stack }).stack,
    "Error: m\n    at task (file:///task.ts:1:1)\n    at line (bundle:1:1)\n    at end (file:///task.ts:2:2)",
  );
  let error = new Error("0");
  for (let depth = 1; depth < 12; depth++) error = new Error(`${depth}`, { cause: error });
  let count = 0;
  for (let data = errorData(error).cause; data !== undefined; data = data.cause) count++;
  assert.equal(count, 8);
});

test("remote: each call is a message with a number, and each answer settles its own call", async () => {
  const sent: { readonly id: string; readonly path: unknown; readonly argumentList: unknown }[] = [];
  const remote = new Remote((message) => void sent.push(message as never));
  const { services } = remote;
  const [one, two, three] = [services.get("key"), services.flagCount("n", 2), services.previous()];
  assert.deepEqual(sent.map(({ id, path }) => [id, path]), [["1", ["get"]], ["2", ["flagCount"]], ["3", [
    "previous",
  ]]]);
  assert.deepEqual(sent[1]!.argumentList, [{ type: "RAW", value: "n" }, { type: "RAW", value: 2 }]);
  assert.ok(!remote.receive({ id: "1", type: "APPLY", path: ["setup"] }), "a call is no answer");
  const thrown = (isError: boolean, value: unknown) => ({
    id: "1",
    type: "HANDLER",
    name: "throw",
    value: { isError, value },
  });
  assert.ok(remote.receive({ id: "2", type: "RAW", value: 7 }));
  assert.ok(remote.receive(thrown(true, { name: "StoreError", message: "no", stack: "s" })));
  assert.ok(remote.receive({ id: "2", type: "RAW", value: 8 }), "one that nobody waits for is passed over");
  assert.ok(remote.receive({ ...thrown(false, "plain"), id: "3" }));
  assert.equal(await two, 7);
  await assert.rejects(one, { name: "StoreError", message: "no", stack: "StoreError: no" });
  await assert.rejects(three, (error) => error === "plain");
  const calls = Object.entries(services).map(([name, call]) => {
    void (call as (...args: unknown[]) => Promise<unknown>)(1, 2, 3).catch(() => {});
    const { path, argumentList } = sent.at(-1)!;
    return [name, path, (argumentList as { value: unknown }[]).map(({ value }) => value)];
  });
  const arity: Readonly<Record<string, number>> = {
    get: 1,
    set: 3,
    delete: 2,
    keys: 2,
    increment: 2,
    compareAndSet: 3,
    nextChange: 3,
    emit: 3,
    lastEvent: 0,
    nextEvents: 3,
    flagGet: 1,
    flagSet: 2,
    flagCount: 2,
    flagChange: 3,
    fileKeep: 3,
    filesOf: 1,
    filePath: 1,
    previous: 0,
    value: 2,
  };
  assert.deepEqual(
    calls,
    Object.entries(arity).map(([name, count]) => [name, [name], [1, 2, 3].slice(0, count)]),
  );
});

test("flags: values go as JSON text, and a wait ends by what it waits for, by its time or with its attempt", async () => {
  const values = new Map<string, string>([["n", "1"]]);
  const changes: unknown[][] = [];
  const remote = {
    flagGet: (name: string) => Promise.resolve(values.get(name)),
    flagSet: (name: string, value: string) => Promise.resolve(void values.set(name, value)),
    flagCount: (name: string, by: number) => Promise.resolve(Number(values.get(name)) + by),
    flagChange: (name: string, known: string | undefined, timeoutMs: number) => {
      changes.push([name, known, timeoutMs]);
      return Promise.resolve(changes.length === 1 ? undefined : values.set(name, "5").get(name));
    },
  };
  const life = new AbortController();
  const flags = flagsClient(remote, { signal: life.signal });
  assert.equal(await flags.get("n"), 1);
  assert.equal(await flags.get("none"), undefined);
  await flags.set("list", [1]);
  assert.equal(values.get("list"), "[1]");
  await assert.rejects(flags.set("list", undefined as never), /can't be set to undefined/);
  assert.deepEqual([
    await flags.increment("n"),
    await flags.increment("n", 4),
    await flags.decrement("n"),
    await flags.decrement("n", 3),
  ], [2, 5, 0, -2]);
  assert.equal(await flags.waitFor("n"), 1);
  assert.equal(await flags.waitFor<number>("n", (n) => n > 3, { timeout: "5s" }), 5);
  assert.deepEqual(changes.map(([name, known]) => [name, known]), [["n", "1"], ["n", "1"]]);
  assert.ok(changes.every(([, , ms]) => (ms as number) > 4_000 && (ms as number) <= 5_000));
  changes.length = 0;
  await flags.waitFor<number>("n", () => changes.length > 0, { timeout: "60s" });
  assert.equal(changes[0]![2], 10_000);
  await assert.rejects(
    flags.waitFor("n", () => false, { timeout: 0 }),
    /Flag "n" has not become .* within 0: it is 5/,
  );
  await assert.rejects(flags.waitFor("none", undefined, { timeout: 0 }), /it is not set/);
  life.abort(new Error("over"));
  await assert.rejects(flags.waitFor("n", () => false), /over/);
});
