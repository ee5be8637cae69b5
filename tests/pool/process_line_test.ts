/** What a process says, before anybody believes it: frames, marks between lines, and messages of known forms. */
import assert from "node:assert/strict";
import test from "node:test";
import { frameOf, FrameReader, MAX_FRAME_BYTES } from "../../src/pool/process/frames.ts";
import { systemClock } from "../../src/base/clock.ts";
import { MarkCutter } from "../../src/pool/process/marks.ts";
import { readSaid } from "../../src/pool/process/said.ts";
import { answerTo } from "../../src/pool/process/calls.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const DIGITS = "0123456789abcdef".repeat(2);

/** All that a stream gives, handed over in pieces of every size. */
function inPieces(whole: Uint8Array, size: number, push: (piece: Uint8Array) => void): void {
  for (let at = 0; at < whole.length; at += size) push(whole.subarray(at, at + size));
}

test("frames: come out whole, however they are cut", () => {
  const texts = ["", "{}", '{"a":"ä😀"}', "x".repeat(1_000)];
  const whole = new Uint8Array(texts.flatMap((text) => [...frameOf(text)]));
  for (const size of [1, 2, 3, 5, 7, 64, whole.length]) {
    const heard: string[] = [];
    const reader = new FrameReader((body) => heard.push(new TextDecoder().decode(body)));
    inPieces(whole, size, (piece) => assert.equal(reader.push(piece), undefined));
    assert.deepEqual(heard, texts, `in pieces of ${size}`);
  }
});

test("frames: the longest is taken, one byte more is refused before any of it comes", () => {
  const head = (length: number) => {
    const made = new Uint8Array(4);
    new DataView(made.buffer).setUint32(0, length);
    return made;
  };
  assert.equal(new FrameReader(() => {}).push(head(MAX_FRAME_BYTES)), undefined);
  const heard: Uint8Array[] = [];
  const reader = new FrameReader((body) => heard.push(body));
  assert.match(reader.push(head(MAX_FRAME_BYTES + 1))!, /^it has begun a frame of \d+ bytes$/);
  assert.match(reader.push(frameOf("{}"))!, /^it has begun/);
  assert.deepEqual(heard, []);
});

test("marks: are found between lines, however they are cut, and nothing else is taken for one", () => {
  const text = `one\nno end\0outrider:${DIGITS}\n\0outrider:short\n\0\0outrider:${DIGITS}\ntwo\n` +
    `\0outrider:${DIGITS.toUpperCase()}\n\0outrid`;
  for (const size of [1, 2, 9, 10, 11, 43, 44, text.length]) {
    const heard: string[] = [];
    const cutter = new MarkCutter({
      line: (line) => heard.push(`line ${line}`),
      mark: (digits) => heard.push(`mark ${digits}`),
    }, systemClock);
    inPieces(bytes(text), size, (piece) => cutter.push(piece));
    cutter.end();
    assert.deepEqual(heard, [
      "line one",
      "line no end",
      `mark ${DIGITS}`,
      "line \0outrider:short",
      "line \0",
      `mark ${DIGITS}`,
      "line two",
      `line \0outrider:${DIGITS.toUpperCase()}`,
      "line \0outrid",
    ], `in pieces of ${size}`);
  }
});

test("messages: those that there are come out with what they may have", () => {
  const of = (message: unknown) => readSaid(bytes(JSON.stringify(message)));
  assert.deepEqual(of({ t: "ready", protocol: 1, runner: "r", pid: 1 }), {
    t: "ready",
    protocol: 1,
    runner: "r",
  });
  assert.deepEqual(of({ t: "progress", seq: 1, fraction: 0.5 }), { t: "progress", seq: 1, fraction: 0.5 });
  const frame = { file: "f", line: 1, function: "g", code: "" };
  const error = {
    name: "E",
    message: "m",
    frames: [frame, { file: 1 }],
    notes: ["n", 2],
    cause: { name: "C" },
  };
  assert.deepEqual(of({ t: "done", seq: 1, mark: DIGITS, error, memory: 1, left: true, spent: true }), {
    t: "done",
    seq: 1,
    mark: DIGITS,
    error: { name: "E", message: "m", frames: [frame], notes: ["n"] },
    memory: false,
    cancelled: false,
    left: true,
    spent: true,
  });
  assert.deepEqual(of({ t: "log", seq: 1, level: "warn", text: "a" }), {
    ...{ t: "log", seq: 1, level: "warn", stream: "log", text: "a" },
  });
  assert.deepEqual(of({ t: "log", seq: 1, level: "warn", text: "a", stream: "stderr" }), {
    ...{ t: "log", seq: 1, level: "warn", stream: "stderr", text: "a" },
  });
  assert.deepEqual(of({ t: "out", seq: 1, stream: "stdout", text: "a" }), {
    ...{ t: "out", seq: 1, stream: "stdout", text: "a" },
  });
  // A task of netUnicorn may fail with a value.
  const failed = { t: "done", seq: 1, mark: DIGITS, value: "1", error: { name: "E", message: "m" } };
  assert.deepEqual(of({ ...failed, cancelled: true }), {
    ...failed,
    memory: false,
    cancelled: true,
    left: false,
    spent: false,
  });
});

test("messages: what has not the form of one is told as wrong", () => {
  const wrong: readonly unknown[] = [
    null,
    1,
    [],
    {},
    { t: "run" },
    { t: "ready", protocol: "1", runner: "r" },
    { t: "ready", protocol: 1, runner: "r".repeat(201) },
    { t: "log", seq: 1, level: 1, text: "" },
    { t: "log", seq: -1, level: "info", text: "" },
    { t: "log", seq: 1.5, level: "info", text: "" },
    { t: "log", seq: 1, level: "info", text: "", stream: "out" },
    { t: "out", seq: 1, stream: "log", text: "" },
    { t: "out", seq: 1, stream: "stdout", text: 1 },
    { t: "progress", seq: 1, fraction: "1" },
    { t: "progress", seq: 1, fraction: 1, text: 1 },
    { t: "call", seq: 1, id: 1, call: "store.get", with: [] },
    { t: "call", seq: 1, id: "1", call: "store.get", with: {} },
    { t: "call", seq: 1, id: 1, call: "x".repeat(101), with: {} },
    { t: "done", seq: 1, mark: "short" },
    { t: "done", seq: 1, mark: DIGITS, value: 1 },
    { t: "done", seq: 1, mark: DIGITS, error: "E" },
    { t: "twice" },
  ];
  for (const message of wrong) {
    const said = readSaid(bytes(JSON.stringify(message)));
    assert.equal(typeof said, "string", JSON.stringify(message));
  }
  const form = "it has sent a message of a form that there is not";
  assert.equal(readSaid(bytes(`{"t":"${"x".repeat(60)}"}`)), `${form} ("${"x".repeat(40)}")`);
  assert.equal(readSaid(bytes('{"t":5}')), `${form} (it has no t)`);
  assert.equal(readSaid(bytes("null")), "it has sent what is no message");
  assert.equal(readSaid(bytes("{")), "it has sent what is no JSON");
  assert.equal(readSaid(new Uint8Array([0x22, 0xff, 0x22])), "it has sent what is no JSON");
  const bomb = `{"t":"log","seq":1,"level":"info","text":"","x":[${"0,".repeat(40_000)}0]}`;
  assert.equal(readSaid(bytes(bomb)), "it has sent a message with more in it than there is to say");
});

test("messages: what is as long as it may be is taken, and texts that are longer are cut", () => {
  const of = (message: unknown) => readSaid(bytes(JSON.stringify(message)));
  const taken = (message: unknown) => typeof of(message) === "object";
  assert.ok(taken({ t: "ready", protocol: 0, runner: "r".repeat(200) }));
  assert.ok(taken({ t: "call", seq: 0, id: 0, call: "x".repeat(100), with: {} }));
  assert.ok(!taken({ t: "call", seq: 0, id: 0, call: "x", with: null }));
  assert.ok(!taken({ t: "done", seq: 1, mark: `${DIGITS}0` }));
  const long = "x".repeat(1024 * 1024 + 1);
  for (const message of [{ t: "log", level: "info" }, { t: "progress", fraction: 1 }]) {
    const said = of({ ...message, seq: 1, text: long }) as { readonly text: string };
    assert.equal(said.text.length, 1024 * 1024);
  }
  // Brackets and commas count: the message has two of its own, and its list is one.
  const many = (count: number, pad = 0) =>
    readSaid(bytes(`{"t":"twice","seq":1${" ".repeat(pad)},"x":[${"0,".repeat(count)}0]}`));
  const much = "it has sent a message with more in it than there is to say";
  assert.equal(typeof many(10_000 - 4, 64 * 1024), "object");
  assert.equal(many(10_000 - 3, 64 * 1024), much);
  const small = (bytes: number) => many(12_000, bytes - many.length - 24_000);
  assert.equal(typeof small(60_000), "object", "what is small is read as it is");
});

test("calls: each reaches its service with its arguments in the service's order", async () => {
  const from = { task: "t", iteration: 1, attempt: 2 };
  const cases: Readonly<Record<string, readonly [string, object, readonly unknown[]]>> = {
    "store.get": ["get", { key: "k" }, ["k"]],
    "store.set": ["set", { key: "k", value: "1", expiresInMs: 5 }, ["k", "1", { expiresInMs: 5 }]],
    "store.delete": ["delete", { key: "k", ifVersion: 0 }, ["k", { ifVersion: 0 }]],
    "store.keys": ["keys", { prefix: "p", cursor: "c" }, ["p", "c"]],
    "store.increment": ["increment", { key: "k", by: 2 }, ["k", 2]],
    "store.compareAndSet": ["compareAndSet", { value: "2", expected: "1", key: "k" }, ["k", "1", "2"]],
    "store.nextChange": ["nextChange", { timeoutMs: 3, since: 2, key: "k" }, ["k", 2, 3]],
    "events.emit": ["emit", { type: "a", detail: 1 }, ["a", 1, from]],
    "events.last": ["lastEvent", { type: "a" }, []],
    "events.next": ["nextEvents", { type: "a", since: 1, timeoutMs: 2 }, ["a", 1, 2]],
    "flags.get": ["flagGet", { name: "n" }, ["n"]],
    "flags.set": ["flagSet", { name: "n", value: 1 }, ["n", 1]],
    "flags.count": ["flagCount", { name: "n", by: 1 }, ["n", 1]],
    "flags.change": ["flagChange", { name: "n", known: 1, timeoutMs: 2 }, ["n", 1, 2]],
  };
  for (const [call, [service, given, expected]] of Object.entries(cases)) {
    let asked: readonly unknown[] = [];
    const services = { [service]: (...list: readonly unknown[]) => void (asked = list) };
    const answer = await answerTo(call, given as Record<string, unknown>, { services, from });
    assert.deepEqual([answer, asked], [{ result: null }, expected], call);
  }
  for (
    const [thrown, error] of [
      [undefined, { name: "Error", message: "" }],
      [null, { name: "Error", message: "" }],
      ["text", { name: "Error", message: "" }],
      [Object.assign(new RangeError("no"), { code: 5 }), { name: "RangeError", message: "no" }],
    ] as const
  ) {
    const services = { get: () => Promise.reject(thrown) };
    assert.deepEqual(await answerTo("store.get", { key: "k" }, { services, from }), { error });
  }
});

test("calls: only what is listed can be asked, and events are the asking attempt's", async () => {
  const asked: unknown[] = [];
  const services = {
    emit: (...list: unknown[]) => {
      asked.push(list);
      return Promise.resolve(7);
    },
    set: (...list: unknown[]) => {
      asked.push(list);
      return Promise.reject(Object.assign(new Error("full"), { name: "StoreFullError", code: "STORE_FULL" }));
    },
  };
  const from = { task: "t", iteration: 1, attempt: 2 };
  const ask = (call: string, given: Record<string, unknown>) => answerTo(call, given, { services, from });
  assert.deepEqual(await ask("events.emit", { type: "a", from: "another" }), { result: 7 });
  assert.deepEqual(await ask("store.set", { key: "k", value: "1", ifVersion: 0 }), {
    error: { name: "StoreFullError", message: "full", code: "STORE_FULL" },
  });
  assert.deepEqual(asked, [["a", undefined, from], ["k", "1", { ifVersion: 0 }]]);
  for (const call of ["value", "set", "constructor", "toString", "__proto__", ""]) {
    const { error } = await ask(call, {}) as { readonly error: { readonly message: string } };
    assert.match(error.message, /^There is no call /);
  }
});
