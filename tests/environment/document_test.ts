/** environment.json: what may be in it, and that everything wrong is told at once, each with its place. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { environmentJsonSchema } from "../../docs/generate.ts";
import { EnvironmentError } from "../../src/environment/document/error.ts";
import { readEnvironment } from "../../src/environment/document/read.ts";
import { readMade } from "../../src/environment/made.ts";

const WHOLE = {
  $schema: "x",
  outriderEnvironment: 1,
  name: "probe-1",
  version: "1.4.0",
  targets: ["linux-x64", "linux-arm64"],
  kinds: ["executable", "oci"],
  runtime: "node",
  pipeline: { from: "file", path: "../p.ts" },
  requires: {
    commands: ["iperf3", "ping"],
    packages: { debian: ["iperf3", "g++"] },
    python: ["numpy>=2,<3", "requests[socks]~=2.0", "x"],
    capabilities: ["NET_RAW"],
    devices: ["/dev/ttyUSB0", "/dev/dri/card0"],
    memory: "512MiB",
  },
  files: { "/opt/probe/targets.json": { from: "targets.json", mode: "0600" } },
  env: { OUTRIDER_GROUPS: "probes" },
  secrets: ["OUTRIDER_TOKEN"],
  base: "./base",
};

/** What is wrong with the whole document once a part is laid over it: `place: message`. */
function wrong(part: unknown): string[] {
  const text = typeof part === "string" ? part : JSON.stringify({ ...WHOLE, ...part as object });
  try {
    readEnvironment(text, "environment.json");
    return [];
  } catch (error) {
    assert.ok(error instanceof EnvironmentError);
    return error.problems.map(({ place, message }) => `${place}: ${message}`);
  }
}

test("environment.json: a whole one is read as it is", () => {
  assert.deepEqual(readEnvironment(JSON.stringify(WHOLE), "x"), WHOLE);
  const least = { outriderEnvironment: 1, name: "p", targets: ["linux-x64"] };
  assert.deepEqual(readEnvironment(`\uFEFF${JSON.stringify(least)}`, "x"), least);
});

/** By what is laid over it: the place of the one problem, and how its words begin. */
const WRONG: readonly (readonly [part: unknown, place: string, message: RegExp])[] = [
  ["", "", /^The file is empty/],
  ["[]", "", /^An environment is an object/],
  ["{", "", /^Not JSON/],
  [{ outriderEnvironment: 2 }, "outriderEnvironment", /^Must be 1, the version of this form; received 2$/],
  [{ outriderEnvironment: undefined }, "outriderEnvironment", /^Missing: an environment starts with/],
  [{ name: undefined }, "name", /^Missing/],
  [{ name: "Über" }, "name", /^Must be lower-case letters.*received "Über"$/],
  [{ name: "../x" }, "name", /^Must be lower-case/],
  [{ version: "-x" }, "version", /^Must be letters/],
  [{ targets: [] }, "targets", /^Must have at least 1 entry/],
  [{ targets: undefined }, "targets", /^Missing: say what to make it for/],
  [{ targets: ["linux-x46"] }, "targets[0]", /did you mean "linux-x64"\?$/],
  [{ targets: ["linux-x64", "linux-x64"] }, "targets[1]", /^"linux-x64" is there twice/],
  [{ kinds: ["oci", "docker"] }, "kinds[1]", /^Must be "executable", "script"/],
  [{ runtime: "python" }, "runtime", /^Must be "bun", "node" or "deno"/],
  [
    { pipeline: { from: "web", path: "x" } },
    "pipeline.from",
    /^Must be "gateway" or "file"; received "web"$/,
  ],
  [{ pipeline: { from: "file" } }, "pipeline.path", /^Missing/],
  [{ pipeline: { from: "gateway", path: "x" } }, "pipeline.path", /^Unknown key/],
  [{ pipeline: null }, "pipeline", /^Must be an object/],
  [{ requires: { commands: ["a; rm -rf /"] } }, "requires.commands[0]", /^Must be the name of a program/],
  [
    { requires: { packages: { debian: ["a b"] } } },
    "requires.packages.debian[0]",
    /^Must be the name of a package/,
  ],
  [
    { requires: { packages: { debian: ["-o=x"] } } },
    "requires.packages.debian[0]",
    /^Must be the name of a package/,
  ],
  [{ requires: { packages: { alpine: [] } } }, "requires.packages.alpine", /^Unknown key/],
  [{ requires: { python: ["--index-url x"] } }, "requires.python[0]", /^Must be a name with versions/],
  [{ requires: { python: ["x @ file:///etc"] } }, "requires.python[0]", /^Must be a name with versions/],
  [{ requires: { capabilities: ["CAP_NET_RAW"] } }, "requires.capabilities[0]", /did you mean "NET_RAW"\?$/],
  [
    { requires: { devices: ["/dev/../etc/passwd"] } },
    "requires.devices[0]",
    /^Must be a path below/,
  ],
  [{ requires: { devices: ["/etc/passwd"] } }, "requires.devices[0]", /^Must be a path below/],
  [{ requires: { memory: "lots" } }, "requires.memory", /^Must be a size such as/],
  [{ requires: { comands: [] } }, "requires.comands", /did you mean "commands"\?$/],
  [{ files: { "/a/../b": { from: "x" } } }, 'files["/a/../b"]', /^Must be an absolute path/],
  [{ files: { "a/b": { from: "x" } } }, 'files["a/b"]', /^Must be an absolute path/],
  [{ files: { "/proc/x": { from: "x" } } }, 'files["/proc/x"]', /^Must be an absolute path/],
  [{ files: { "/a": { from: "" } } }, 'files["/a"].from', /^Can't be empty/],
  [{ files: { "/a": { from: "x", mode: "4755" } } }, 'files["/a"].mode', /^Must be four octal digits/],
  [{ env: { "A B": "x" } }, 'env["A B"]', /^Must be a variable's name/],
  [{ env: { A: 1 } }, "env.A", /^Must be a string; received 1$/],
  [{ env: { A: "x\ny" } }, "env.A", /^Must be one line of text$/],
  [{ env: { OUTRIDER_TOKEN: "hunter2" } }, "env.OUTRIDER_TOKEN", /^Can't be built in, since it is one of/],
  [
    { env: { OUTRIDER_SERVE_TOKEN: "hunter2" } },
    "env.OUTRIDER_SERVE_TOKEN",
    /^Can't be built in, since it holds/,
  ],
  [{ env: { constructor: 5 } }, "env.constructor", /^The name "constructor" is reserved by JavaScript/],
  [
    { files: JSON.parse('{"__proto__":{"from":"x","mode":"0644; reboot"}}') },
    "files.__proto__",
    /^The name "__proto__" is reserved/,
  ],
  [{ secrets: ["a=b"] }, "secrets[0]", /^Must be a variable's name/],
  [{ extra: 1 }, "extra", /^Unknown key "extra"/],
  [{ kinds: ["bundle"], pipeline: undefined }, "pipeline", /^A bundle holds a pipeline/],
];

for (const [part, place, message] of WRONG) {
  test(`environment.json: ${JSON.stringify(part)} is told`, () => {
    const problems = wrong(part);
    assert.equal(problems.length, 1, problems.join("\n"));
    const found = problems[0]!;
    assert.ok(found.startsWith(`${place}: `), found);
    assert.match(found.slice(place.length + 2), message);
    assert.doesNotMatch(found, /hunter2/);
  });
}

test("environment.json: everything wrong is told at once, and a key that is there twice", () => {
  const problems = wrong('{"outriderEnvironment":1,"name":"A","name":"B","targets":["x"],"runtime":"y"}');
  assert.deepEqual(problems.map((each) => each.split(":")[0]), ["name", "name", "targets[0]", "runtime"]);
  const two = new EnvironmentError("e.json", [{ place: "a", message: "One" }, {
    place: "",
    message: "Two\x1b[1m",
  }]);
  assert.equal(two.message, "e.json has 2 problems:\n  a: One\n  Two");
});

test("environment.json: its JSON Schema is what the sources give, and judges alike", () => {
  const text = environmentJsonSchema();
  assert.equal(readFileSync(new URL("../../docs/environment.schema.json", import.meta.url), "utf8"), text);
  const validate = new Ajv2020({ strict: false }).compile(JSON.parse(text));
  assert.ok(validate(WHOLE), JSON.stringify(validate.errors));
  for (const [part] of WRONG) {
    if (typeof part === "string" || /twice|Can't be built in|A bundle holds/.test(wrong(part)[0]!)) continue;
    assert.ok(!validate(JSON.parse(JSON.stringify({ ...WHOLE, ...part as object }))), JSON.stringify(part));
  }
});

test("a record of what was made is read only if nothing in it leads elsewhere", () => {
  const made = { outriderMade: 1, name: "p", outrider: "0", kinds: ["vm"], files: [], used: [] };
  const file = { name: "a/b", kind: "vm", bytes: 1, sha256: "0".repeat(64) };
  assert.deepEqual(readMade(JSON.stringify({ ...made, files: [file] }), "r").files, [file]);
  for (const name of ["../x", "/x", "a/../x", "a//b", "a/", "", "a\\b", "."]) {
    assert.throws(
      () => readMade(JSON.stringify({ ...made, files: [{ ...file, name }] }), "r"),
      EnvironmentError,
    );
  }
  assert.throws(
    () => readMade(JSON.stringify({ ...made, files: [{ ...file, sha256: "X" }] }), "r"),
    /sha256/,
  );
  assert.throws(() => readMade("{", "r"), /^EnvironmentError: r: Not JSON/);
});
