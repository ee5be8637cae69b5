import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { commands } from "../../src/cli/commands/list.ts";
import {
  duration,
  formOfGiven,
  mergeParams,
  param,
  positiveNumber,
  wholeNumber,
} from "../../src/cli/line/options.ts";
import { VERSION } from "../../src/version.ts";
import { FakeRuntime } from "./fake.ts";

async function cli(
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const runtime = new FakeRuntime();
  runtime.files.set("p.json", "{}");
  runtime.files.set("list.json", "[1]");
  const code = await commandLine(args, runtime);
  assert.equal(runtime.uncaught.size, 0);
  return { code, out: runtime.stdout.text, err: runtime.stderr.text };
}

test("mistakes get the nearest right word and exit code 2", async () => {
  const cases: readonly (readonly [args: string, err: string])[] = [
    ["rnu p.json", 'There is no command "rnu": did you mean "run"?\nTry: outrider --help\n'],
    ["xyzzy", 'There is no command "xyzzy"\nTry: outrider --help\n'],
    ["toString", 'There is no command "toString"\nTry: outrider --help\n'],
    ["__proto__ x", 'There is no command "__proto__"\nTry: outrider --help\n'],
    [
      "environment constructor",
      'There is no command "constructor"\nTry: outrider environment --help\n',
    ],
    ["run", "FILE is missing\nTry: outrider run --help\n"],
    ["run a b", 'There is an argument too many: "b", after the one expected\nTry: outrider run --help\n'],
    [
      "agent p.json",
      'There is an argument too many: "p.json", where none is expected: let OUTRIDER_PIPELINE name a file that is to be ' +
      "run, and OUTRIDER_STATE_DIR a folder for what outlives a restart\nTry: outrider agent --help\n",
    ],
    [
      "gateway pi",
      'There is an argument too many: "pi", where none is expected\nTry: outrider gateway --help\n',
    ],
    [
      "run p.json --wrokers 2",
      'There is no option "--wrokers": did you mean "--workers"?\nTry: outrider run --help\n',
    ],
    ["run p.json -x", 'There is no option "-x"\nTry: outrider run --help\n'],
    [
      "environment build p.json",
      "--output is missing, with its value\nTry: outrider environment build --help\n",
    ],
    [
      "environment build p.json -o",
      "--output: A value is missing after it\nTry: outrider environment build --help\n",
    ],
    [
      "environment build p.json -o --json",
      "--output: A value is missing after it\nTry: outrider environment build --help\n",
    ],
    ["environment push out", "REF is missing\nTry: outrider environment push --help\n"],
    [
      "environment psh",
      'There is no command "psh": did you mean "push"?\nTry: outrider environment --help\n',
    ],
    ["run p.json --workers", "--workers: A value is missing after it\nTry: outrider run --help\n"],
    [
      "run p.json --workers two",
      '--workers: "two" is not a whole number from 1 to 1024\nTry: outrider run --help\n',
    ],
    [
      "run p.json --workers 1 --workers 2",
      '--workers is given twice: "1" and "2"\nTry: outrider run --help\n',
    ],
    ["run p.json --param ms", '--param: "ms" is not of the form key=value\nTry: outrider run --help\n'],
    [
      "run p.json --log-level loud",
      '--log-level: "loud" is none of debug, info, warn, error, critical\nTry: outrider run --help\n',
    ],
    ["run nope.json", 'There is no file "nope.json" in /here\n'],
    ["run /nope.json", 'There is no file "/nope.json"\n'],
    ["check folder/", '"folder/" is a directory: give the file in it, such as folder/pipeline.ts\n'],
    ["run p.json --params nope.json", 'There is no file "nope.json" in /here\n'],
    [
      "run p.json --params list.json",
      '"list.json" holds a list: parameters are an object, such as {"ms": 50}\n',
    ],
    ["run p.json --log /nowhere/log", '--log "/nowhere/log" can\'t be written: no such file or directory\n'],
    [
      "run p.json --workers 9 --max-workers 3",
      "--workers 9 is more than --max-workers 3: lower one or raise the other\n",
    ],
    ["import wf p.json", 'There is no command "wf": did you mean "wfformat"?\nTry: outrider import --help\n'],
  ];
  for (const [args, expected] of cases) {
    const { code, out, err } = await cli(...args.split(" "));
    assert.equal(err, expected, args);
    assert.equal(code, 2, args);
    assert.equal(out, "", args);
  }
});

test("a bad duration says how one is written", async () => {
  const { code, err } = await cli("run", "p.json", "--stop-grace", "soon");
  assert.equal(code, 2);
  assert.match(err, /^--stop-grace: "soon" is not a duration: write a number and a unit, such as "250ms"/);
});

test("help that was asked for is on stdout, help that was not on stderr with exit code 2", async () => {
  const asked = await cli("--help");
  assert.equal(asked.code, 0);
  assert.equal(asked.err, "");
  for (const name of Object.keys(commands)) assert.match(asked.out, new RegExp(`^  ${name} `, "m"));
  const bare = await cli();
  assert.deepEqual(bare, { code: 2, out: "", err: asked.out });
  const half = await cli("import");
  assert.equal(half.code, 2);
  assert.match(half.err, /wfformat/);
});

test("every command has help with an example", async () => {
  for (const name of ["run", "check", "graph"]) {
    const { code, out } = await cli(name, "--help");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^  outrider ${name} pipeline.ts`, "m"));
    assert.equal((await cli("help", name)).out, out);
  }
  assert.match(
    (await cli("import", "wfformat", "--help")).out,
    /outrider import wfformat trace.json --scale 0.001/,
  );
});

test("--version is the package's", async () => {
  const manifest = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  assert.equal(VERSION, manifest.version);
  assert.deepEqual(await cli("--version"), { code: 0, out: `${VERSION}\n`, err: "" });
});

test("a parameter's value is JSON where it is JSON, else a string", () => {
  assert.deepEqual(param("ms=50"), ["ms", 50]);
  assert.deepEqual(param("name=cpu"), ["name", "cpu"]);
  assert.deepEqual(param('list=["a",1]'), ["list", ["a", 1]]);
  assert.deepEqual(param('text="50"'), ["text", "50"]);
  assert.deepEqual(param("url=http://a/?b=c"), ["url", "http://a/?b=c"]);
  assert.deepEqual(param("empty="), ["empty", ""]);
  // What a number does not give back is a version, a commit or an id, and no number.
  const texts = [
    "1.10",
    "12345678901234567890",
    "12e45",
    "1e3",
    "1.0",
    "-0",
    " 5",
    "1e999",
    "007",
    "+5",
    "0x1f",
  ];
  for (const text of texts) assert.deepEqual(param(`v=${text}`), ["v", text]);
  for (const number of [0, -1.5, 1e21, 0.1, 9007199254740991]) {
    assert.deepEqual(param(`n=${number}`), ["n", number]);
  }
  // What `store set` sends as it is; of the last two the end point says what is wrong, and where.
  for (const text of texts.slice(0, 5)) assert.equal(formOfGiven(text), "text");
  for (const text of ["1", "-0.5", '"1.10"', "[1.10]", "true", '{"id":12345678901234567890}', "{"]) {
    assert.equal(formOfGiven(text), "json");
  }
  assert.throws(() => param('ids=[1,{"x":12345678901234567890}]'), /^TypeError: \[1\]\.x: The number 1234/);
  assert.throws(() => param('o={"a":1,"a":2}'), /^TypeError: a: Duplicate/);
  assert.throws(() => param("=1"), /"=…" is not of the form key=value/);
});

test("parameters of the command line win over those of the file", () => {
  const file = { path: "p.json", text: '{"ms": 1, "host": "a"}' };
  assert.deepEqual(mergeParams(file, [["ms", 2], ["ms", 3]]), { ms: 3, host: "a" });
  assert.deepEqual(mergeParams(undefined, []), {});
  assert.throws(() => mergeParams({ path: "p.json", text: "{" }, []), /^UsageError: "p.json" is not JSON: /);
  assert.deepEqual(mergeParams({ path: "p.json", text: '\uFEFF{"ms": 1}' }, []), { ms: 1 });
  assert.throws(() => mergeParams({ path: "p.json", text: '{"a": 1, "b": {"c": 1e999}, "a": 2}' }, []), {
    message: [
      '"p.json" can\'t be read without a loss:',
      "b.c: The number 1e999 can't be held exactly, it would become Infinity: write it in quotes, at line 1, column 21",
      'a: Duplicate: the key "a" is there twice, so one would be lost, at line 1, column 29',
    ].join("\n"),
  });
});

test("numbers and durations are taken at their word", () => {
  assert.equal(wholeNumber(1)("12"), 12);
  for (const bad of ["0", "-1", "1.5", "1e3", "", " 1", "0x10"]) {
    assert.throws(() => wholeNumber(1)(bad), RangeError);
  }
  assert.equal(positiveNumber("0.001"), 0.001);
  for (const bad of ["0", "-1", "", "x", "Infinity"]) assert.throws(() => positiveNumber(bad), RangeError);
  assert.equal(duration("2s"), 2_000);
  assert.throws(() => duration("2"), /unit/);
});

test("an error that nobody caught is told after the view has ended, and ends the process with 70", async () => {
  const runtime = new FakeRuntime();
  const reading = Promise.withResolvers<string>();
  runtime.readText = () => reading.promise;
  const line = commandLine(["check", "p.json"], runtime);
  runtime.uncaught.add(() => runtime.stderr.write("view ended\n"));
  for (const listener of runtime.uncaught) listener(new TypeError("x is undefined"));
  await Promise.resolve();
  assert.match(
    runtime.stderr.text,
    /^view ended\nOutrider met an error that it should have handled: TypeError: x is undefined\n/,
  );
  assert.deepEqual(runtime.exits, [70]);
  reading.reject(Object.assign(new Error("ENOENT"), { code: "ENOENT" }));
  assert.equal(await line, 2);
});
