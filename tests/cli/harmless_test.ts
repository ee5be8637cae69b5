/** What is printed: whatever a gateway, a record, a problem or an executor says, a terminal obeys none of it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { harmlessJson, harmlessText, indented, printing } from "../../src/base/harmless.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { FakeRuntime } from "./fake.ts";
import { runCli, withFiles } from "../rig.ts";

/** Moves the cursor, clears, sets the title and the clipboard, rings; in 7 and 8 bits, and turns the writing direction. */
const EVIL =
  "a\x1b[2J\x1b[1;1Hb\x1b]0;title\x07c\x1b]52;c;cm0=\x1b\\d\x9b31me\x9d0;t\x9cf\x07\x08\x7f\u202eg\rh\u2028i";
// deno-lint-ignore no-control-regex
const OBEYED = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Texts with many characters that mean something to a terminal. */
const hostile = fc.array(
  fc.oneof(
    fc.constantFrom(
      "\x1b[",
      "\x1b]",
      "\x1b",
      "\x9b",
      "\x9d",
      "\x07",
      "\r",
      "\n",
      "\t",
      "\u202e",
      "31m",
      "2J",
      "0;",
    ),
    fc.string(),
  ),
).map((parts) => parts.join(""));

test("text is harmless whatever it holds, twice as well as once, and colours stay only where they are wanted", () => {
  fc.assert(fc.property(hostile, (text) => {
    const plain = harmlessText(text);
    assert.doesNotMatch(plain, OBEYED);
    assert.equal(harmlessText(plain), plain);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(harmlessText(text, true).replaceAll(/\x1b\[[0-9;:]*m/g, ""), OBEYED);
    assert.equal(indented(plain).split("\n").slice(1).every((line) => line.startsWith("    ")), true);
  }));
  assert.equal(harmlessText("one\r\ntwo\tthree\n"), "one\ntwo\tthree\n");
  assert.equal(harmlessText("hidden\rshown"), "hidden␍shown");
  assert.equal(harmlessText("\x1b]0;never ends\nnext line"), "\nnext line");
  assert.equal(harmlessText("\x1b[31mred\x1b[0m", true), "\x1b[31mred\x1b[0m");
});

test("JSON is harmless, and every value stays what it is", () => {
  fc.assert(fc.property(fc.jsonValue(), hostile, (value, text) => {
    const json = harmlessJson(JSON.stringify({ value, [text]: text }));
    assert.doesNotMatch(json, OBEYED);
    assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify({ value, [text]: text })));
  }));
});

test("what is printed without more words is harmless; colours, JSON and bytes are asked for", () => {
  const printed: string[] = [];
  const { write, coloured, json, raw } = printing((text) => void printed.push(text));
  for (const print of [write, coloured, raw]) print("\x1b[31ma\x1b[2J");
  json('"\u009b2J"');
  assert.deepEqual(printed, ["a", "\x1b[31ma", "\x1b[31ma\x1b[2J", '"\\u009b2J"']);
});

test("only the live view, steps and the value of a key are printed as they are, and nothing gets past the outputs", () => {
  const root = fileURLToPath(new URL("../../src", import.meta.url));
  const found: string[] = [];
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    // The page is for a browser.
    if (!name.endsWith(".ts") || /code\.ts$|^page\//.test(name)) continue;
    const code = readFileSync(join(root, name), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    if (/\b(stdout|stderr|out|err|output)\.raw\(/.test(code)) found.push(`${name}: raw`);
    if (/(?<!file)\.write\(\s*(json \?|`\$\{JSON\.)/.test(code)) found.push(`${name}: JSON as words`);
    if (/\.coloured\(/.test(code)) found.push(`${name}: coloured`);
    if (!name.startsWith("runtime/") && /(?<![.\w])(console\.\w+\(|process\.std)/.test(code)) {
      found.push(`${name}: past`);
    }
  }
  assert.deepEqual(found, [
    "cli/commands/store.ts: raw",
    "cli/view/paint.ts: coloured",
    "cli/view/region.ts: raw",
    "cli/view/steps.ts: raw",
  ]);
});

/** A server that answers everything with evil words, as a gateway and as an executor. */
async function evilServer() {
  const record = {
    seq: 1,
    at: "2026-01-01T00:00:00.000Z",
    level: "warn",
    from: "task",
    task: EVIL,
    stream: "log",
    text: EVIL,
  };
  const run = {
    run: "r",
    executor: EVIL,
    pipeline: EVIL,
    runtime: EVIL,
    state: "failed",
    session: "s",
    complete: false,
    startedAt: 1,
    heardAt: 1,
    at: 1,
    records: { state: 1, log: 1 },
    missing: [],
    counts: {},
    reason: EVIL,
  };
  const status = {
    executor: EVIL,
    version: EVIL,
    runtime: EVIL,
    uptimeMs: 1,
    unable: EVIL,
    state: EVIL,
    conditions: [{ code: EVIL, message: EVIL }],
    gateway: { url: EVIL, lastContactAt: EVIL, spool: { state: 0, log: 0 } },
    run: {
      id: EVIL,
      pipeline: EVIL,
      state: EVIL,
      tasks: 1,
      counts: { [EVIL]: 1 },
      running: [{ task: EVIL, worker: 1, ranMs: 1, progress: { fraction: 1, text: EVIL } }],
      waiting: [{ task: EVIL, waitsFor: [{ task: EVIL }] }],
      skipped: [{ task: EVIL, because: EVIL }],
    },
  };
  const answers: [RegExp, number, unknown][] = [
    [/^\/v1\/runs\/r\/logs|^\/logs/, 200, record],
    [/^\/v1\/runs\/r\/result/, 200, { ...run, tasks: { [EVIL]: [{ value: EVIL }] } }],
    [/^\/v1\/runs(\?|$)/, 200, { runs: [run] }],
    [/^\/v1\/executors(\?|$)/, 200, {
      executors: [{ executor: EVIL, state: EVIL, session: "s", groups: [] }],
    }],
    [/^\/status/, 200, status],
    [/^\/store\?/, 200, { keys: [EVIL] }],
    [/^\/store\/watch/, 200, { key: EVIL, value: EVIL, version: 1 }],
    [/^\/store\/k$/, 200, EVIL],
    [/^/, 400, { error: { code: "EVIL", message: EVIL } }],
  ];
  const server = createServer((request, response) => {
    const [, code, body] = answers.find(([path]) => path.test(request.url!))!;
    const type = /logs|watch/.test(request.url!) ? "application/x-ndjson" : "application/json";
    // Raw control characters are no JSON, those above 0x7f are.
    response.writeHead(code, { "content-type": type });
    response.end(`${JSON.stringify(body)}\n`);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise<void>((done) => (server.close(() => done()), server.closeAllConnections())),
  };
}

test("no command lets through what a gateway or an executor says, in words or as JSON, to a terminal or a pipe", async () => {
  const { url, close } = await evilServer();
  const here = ["--url", url];
  const there = ["--gateway", url];
  const commands = [
    ["status", ...here],
    ["status", "--json", ...here],
    ["logs", ...here],
    ["logs", "--json", ...here],
    ["store", "get", "k", ...here],
    ["store", "get", "other", ...here],
    ["store", "keys", ...here],
    ["store", "watch", ...here],
    ["store", "set", "k", "1", ...here],
    ["cancel", ...here],
    ["executors", ...there],
    ["executors", "--json", ...there],
    ["results", ...there],
    ["results", "--json", ...there],
    ["results", "r", ...there],
    ["logs", "r", ...there],
    ["logs", "r", "--json", ...there],
    ["logs", "other", ...there],
    ["cancel", "r", ...there],
    ["submit", EVIL, ...there],
    [EVIL],
    ["check", EVIL],
    ["status", `--${EVIL}`],
  ];
  for (const isTTY of [true, false]) {
    for (const args of commands) {
      const runtime = new FakeRuntime({ isTTY });
      await commandLine(args, runtime);
      const printed = runtime.stdout.text + runtime.stderr.text;
      assert.notEqual(printed, "", args.join(" "));
      assert.doesNotMatch(printed, OBEYED, args.join(" "));
    }
    const runtime = new FakeRuntime({ isTTY });
    await commandLine(["store", "get", "k", "--raw", ...here], runtime);
    assert.equal(runtime.stdout.text === EVIL, !isTTY, "a pipe gets the value as it is, a terminal does not");
  }
  for (const args of [["status", ...here], ["logs", "--json", ...here], ["cancel", "r", ...there]]) {
    const { stdout, stderr } = await runCli(args);
    assert.notEqual(stdout + stderr, "");
    assert.doesNotMatch(stdout + stderr, OBEYED, "a real process");
  }
  await close();
});

test("a module that can't be loaded is told without a runtime's colours, also as JSON", async () => {
  const tasks = { a: { run: { module: "./broken.ts" } }, b: { run: { module: "./none.ts" } } };
  await withFiles(
    { "p.json": { outrider: 1, name: "p", tasks }, "broken.ts": "export default (\n" },
    async (cwd) => {
      const env = { FORCE_COLOR: "1" };
      const [words, json] = await Promise.all([
        runCli(["check", "p.json"], { cwd, env }),
        runCli(["check", "p.json", "--json"], { cwd, env }),
      ]);
      assert.equal(words.code, 2, words.stderr);
      assert.doesNotMatch(words.stdout + words.stderr, OBEYED);
      const { problems } = JSON.parse(json.stdout) as { problems: { message: string }[] };
      assert.ok(problems.length > 0);
      for (const { message } of problems) assert.doesNotMatch(message, OBEYED);
    },
  );
});
