/** What netUnicorn's own client reads of our results, held by its own classes from PyPI. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { pickle, PickledCall } from "../../src/uplink/dialects/netunicorn/pickle.ts";
import { heartbeatBytes, resultBytes } from "../../src/uplink/dialects/netunicorn/result.ts";
import { NETUNICORN, testWithPackages } from "../python_packages.ts";
import { testWith } from "../system.ts";
import { jsonBehind } from "./netunicorn_rig.ts";

const READ = fileURLToPath(new URL("../fixtures/netunicorn/read.py", import.meta.url));

interface Told {
  readonly ok: boolean;
  readonly tasks: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly log: readonly string[];
  readonly text: string;
}

/** What netUnicorn's client reads in results. */
function readBy(python: string, ...results: readonly Uint8Array[]): Told[] {
  return JSON.parse(printed([python, READ], JSON.stringify(results.map(base64))));
}

function printed([program, ...args]: readonly string[], input: string): string {
  const { stdout, stderr, status } = spawnSync(program!, args, { encoding: "utf8", input });
  assert.equal(status, 0, stderr);
  return stdout;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Values, and what Python says that they are. */
const VALUES: readonly (readonly [unknown, string])[] = [
  [null, "None"],
  [undefined, "None"],
  [true, "True"],
  [false, "False"],
  [0, "0"],
  [-0, "-0.0"],
  [-1, "-1"],
  [2 ** 31 - 1, "2147483647"],
  [2 ** 31, "2147483648"],
  [-(2 ** 31), "-2147483648"],
  [-(2 ** 31) - 1, "-2147483649"],
  [2 ** 53 - 1, "9007199254740991"],
  [-(2 ** 53) + 1, "-9007199254740991"],
  [2 ** 53, "9007199254740992.0"],
  [0.1, "0.1"],
  [-1e300, "-1e+300"],
  ["", "''"],
  ["a\0b\n", "'a\\x00b\\n'"],
  ["zwölf 😀", "'zw\\xf6lf \\U0001f600'"],
  ["half \ud83d pair", "'half \\ud83d pair'"],
  ["\udfff\ue000\ud7ff😀 and half \ud800", "'\\udfff\\ue000\\ud7ff\\U0001f600 and half \\ud800'"],
  [new Uint8Array(), "b''"],
  [Uint8Array.of(0, 128, 255), "b'\\x00\\x80\\xff'"],
  [[], "[]"],
  [{}, "{}"],
  [[1, [2, []], { a: [{ "": null }] }], "[1, [2, []], {'a': [{'': None}]}]"],
  [{ b: 1, a: Uint8Array.of(46) }, "{'b': 1, 'a': b'.'}"],
];

testWith(["python3"], "uplink: netUnicorn: Python reads values as they were written", () => {
  const code = "import pickle, sys; print(*map(ascii, pickle.loads(sys.stdin.buffer.read())), sep='\\n')";
  const { stdout, stderr } = spawnSync("python3", ["-c", code], {
    encoding: "utf8",
    input: pickle(VALUES.map(([value]) => value)),
  });
  assert.deepEqual(stdout.trimEnd().split("\n"), VALUES.map(([, text]) => text), stderr);
});

testWith(
  ["python3"],
  "uplink: netUnicorn: what is long, deep, or called more than once is read whole",
  () => {
    const long = "x".repeat(200_000), blob = new Uint8Array(300_000).fill(7);
    let deep: unknown = "end";
    for (let depth = 0; depth < 500; depth++) deep = depth % 2 === 0 ? [deep] : { d: deep };
    const made = Array.from(
      { length: 70_000 },
      (_, at) => new PickledCall("builtins", at % 2 ? "complex" : "bool", [at]),
    );
    const code = "import pickle, sys; l, b, d, m, after = pickle.loads(sys.stdin.buffer.read())\n" +
      "while not isinstance(d, str): d = d[0] if isinstance(d, list) else d['d']\n" +
      "print(len(l), set(l), len(b), set(b), d, m[:4], len(m), set(map(type, m)) == {bool, complex}, after)";
    const { stdout, stderr } = spawnSync("python3", ["-c", code], {
      encoding: "utf8",
      input: pickle([long, blob, deep, made, "after"]),
    });
    assert.equal(
      stdout.trim(),
      "200000 {'x'} 300000 {7} end [False, (1+0j), True, (3+0j)] 70000 True after",
      stderr,
    );
  },
);

const attempt = (outcome: string, more: object = {}) => ({
  iteration: 0,
  attempt: 1,
  outcome,
  worker: 1,
  ...more,
});

const LOG = [
  { seq: 1, at: "2026-11-27T12:00:00.000Z", level: "info", from: "executor", stream: "log", text: "started" },
  {
    seq: 2,
    at: "2026-11-27T12:00:01.000Z",
    level: "info",
    from: "task",
    task: "a",
    stream: "stdout",
    text: "zwölf",
  },
];

/** `pickle.dumps((1, 2))` of Python's own. */
const TUPLE = "gASVBwAAAAAAAABLAUsChpQu";

testWithPackages(
  NETUNICORN,
  "uplink: netUnicorn: its client reads a run: each task that ran, how it ended, and the log",
  (python) => {
    const tasks = {
      none: [attempt("succeeded")],
      bytes: [attempt("succeeded", { value: { raw: { $bytes: "AP8=" }, odd: { $$bytes: "no bytes" } } })],
      tuple: [attempt("succeeded", { value: { $pickle: { $bytes: TUPLE }, text: "(1, 2)" } })],
      spoilt: [attempt("succeeded", { value: { $bytes: "hidden: ***" } })],
      looped: [attempt("succeeded", { value: 1 }), attempt("succeeded", { iteration: 1, value: 2 })],
      retried: [
        attempt("failed", { error: { name: "E", message: "m" } }),
        attempt("succeeded", { attempt: 2, value: 3 }),
      ],
      raised: [attempt("failed", { error: { name: "ValueError", message: "m", stack: "Traceback: m" } })],
      failure: [attempt("failed", { error: { name: "Failure", message: "m" } })],
      coded: [attempt("failed", { error: { name: "Failure", message: "7" }, value: 7 })],
      crashed: [attempt("crashed", { reason: "exit", code: 3, because: "the process ended" })],
      late: [attempt("timed_out", { because: "it ran longer than 1 s" })],
      large: [attempt("succeeded", { valueLeftOut: "99 characters of JSON: too large" })],
      skipped: [{ iteration: 0, attempt: 0, outcome: "skipped", because: "raised failed" }],
      sync: [{ iteration: 0, attempt: 1, outcome: "succeeded" }],
    };
    const content = { run: "r", result: { run: "r", state: "failed", tasks }, log: LOG };
    const bytes = resultBytes(content);
    const [failed, fine] = readBy(
      python,
      bytes,
      resultBytes({ ...content, result: { state: "succeeded", tasks: {} } }),
    );
    assert.equal(failed!.ok, false);
    assert.deepEqual(failed!.tasks, {
      none: [["+", "None"]],
      bytes: [["+", "{'raw': b'\\x00\\xff', 'odd': {'$bytes': 'no bytes'}}"]],
      tuple: [["+", "(1, 2)"]],
      spoilt: [["+", "{'$bytes': 'hidden: ***'}"]],
      looped: [["+", "1"], ["+", "2"]],
      retried: [["+", "3"]],
      raised: [["-", "'Traceback: m'"]],
      failure: [["-", "'m'"]],
      coded: [["-", "7"]],
      crashed: [["-", "'crashed, exit, code 3: the process ended'"]],
      late: [["-", "'timed_out: it ran longer than 1 s'"]],
      large: [["+", "'99 characters of JSON: too large'"]],
    });
    assert.deepEqual(failed!.log, [
      "2026-11-27T12:00:00.000Z info outrider | started\n",
      "2026-11-27T12:00:01.000Z info a | zwölf\n",
    ]);
    assert.match(failed!.text, /Failure/);
    assert.deepEqual([fine!.ok, fine!.tasks], [true, {}]);
    assert.match(fine!.text, /Logs:\n {4}2026-11-27T12:00:00.000Z info outrider \| started/);
    assert.deepEqual(jsonBehind(bytes), { outrider: 1, result: content.result, log: LOG });
  },
);

testWithPackages(
  NETUNICORN,
  "uplink: netUnicorn: its client reads a heartbeat, and a run that could not begin",
  (python) => {
    const heartbeat = {
      ...{
        session: "s",
        version: 1 as const,
        outrider: "0",
        runtime: "t",
        state: "running" as const,
        intervalMs: 1000,
        sentBytes: 0,
        seen: 0,
      },
      spool: { state: 0, log: 0 },
      run: {
        ...{ id: "r", pipeline: "p", state: "running" as const, tasks: 3, running: 1, names: ["b"] },
        counts: { succeeded: 1, running: 1, waiting: 1, failed: 0 },
      },
    };
    const [beat, none] = readBy(
      python,
      heartbeatBytes(heartbeat),
      resultBytes({ run: "r", result: null, log: [] }),
    );
    assert.deepEqual([beat!.ok, beat!.tasks, beat!.log], [
      true,
      {},
      ["outrider: p, 3 tasks: 1 succeeded, 1 running, 1 waiting; running: b\n"],
    ]);
    assert.deepEqual([none!.ok, none!.tasks, none!.log], [false, {}, []]);
  },
);

test("uplink: netUnicorn: the JSON behind a pickle is its last line, whatever the values hold", () => {
  const result = { state: "succeeded", tasks: { a: [attempt("succeeded", { value: "a\n{\u2028}\n" })] } };
  assert.deepEqual(jsonBehind(resultBytes({ run: "r", result, log: [] })), { outrider: 1, result, log: [] });
});
