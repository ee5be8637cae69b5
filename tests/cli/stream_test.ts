/** Where a pipeline may come from beside a file whose name says what it is: stdin, pipes, FIFOs, and names that say nothing. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { withPipeline } from "../../src/cli/run/pipeline_source.ts";
import { readSource } from "../../src/cli/run/source.ts";
import { isJsonForm } from "../../src/pipeline/load/load.ts";
import { loadPlan } from "../../src/run/loading.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { ROOT, runCli, withFiles } from "../rig.ts";

const DOCUMENT = { outrider: 1, name: "p", tasks: { a: { run: { module: "./t.mjs", export: "a" } } } };
const FILES = { "t.mjs": "export const a = () => 5;", "p.JSON": DOCUMENT };
const MODULE = `import { pipeline } from ${JSON.stringify(`${ROOT}mod.ts`)};
import { a } from "./t.mjs";
const p: ReturnType<typeof pipeline> = pipeline("typed");
p.task("x", () => a());
export default p;`;

test("stream: JSON and a module from stdin run as a file in the working directory does, and nothing is left of them", () =>
  withFiles(FILES, async (cwd) => {
    const ran = await runCli(["run", "-", "--json"], { cwd, stdin: MODULE });
    assert.equal(ran.code, 0, ran.stderr);
    const { pipeline, tasks } = JSON.parse(ran.stdout) as {
      pipeline: string;
      tasks: { x: { value: unknown }[] };
    };
    assert.equal(pipeline, "typed");
    assert.equal(tasks.x[0]!.value, 5);
    const checked = await runCli(["check", "-"], { cwd, stdin: `\uFEFF${JSON.stringify(DOCUMENT)}` });
    assert.equal(checked.stdout, "-: ok, 1 task, 0 needs\n");
    const kept = await runCli(["run", "-", "--state-dir", "state"], { cwd, stdin: MODULE });
    assert.equal(kept.code, 2);
    assert.match(kept.stderr, /^--state-dir keeps a run .*: name a file\n$/);
    assert.deepEqual(readdirSync(cwd).sort(), ["p.JSON", "t.mjs"]);
  }));

test("stream: what comes is refused in our own words, whatever it is", () =>
  withFiles({}, async (cwd) => {
    const told = async (stdin: string | Uint8Array) => {
      const { code, stdout, stderr } = await runCli(["graph", "/dev/stdin"], { cwd, stdin });
      assert.equal(code, 2);
      assert.equal(stdout, "");
      return stderr;
    };
    assert.match(await told(""), /Nothing came: a pipeline is written as a JSON object, or is a module\n$/);
    assert.match(await told('{"a": 1, "a": 2}'), /a: Duplicate: the key "a" .* at line 1, column 10\n$/);
    assert.match(
      await told(Uint8Array.of(0x7b, 0xe9)),
      /can't be read: it is not UTF-8: the byte 0xe9 at line 1, column 2/,
    );
  }));

test("stream: a FIFO is waited for, read to its end, and its form told by its content", () =>
  withFiles(FILES, async (folder) => {
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    for (const text of [JSON.stringify(DOCUMENT), "export default 1;"]) {
      const seen = withPipeline(
        fifo,
        { ...runtime, passingModule: held },
        (source) => Promise.resolve(source),
      );
      write(fifo, text);
      assert.deepEqual(await seen, text.startsWith("{") ? DOCUMENT : text);
    }
    const params = readSource(fifo, runtime);
    write(fifo, '{"ms": 1}');
    assert.equal(await params, '{"ms": 1}');
  }));

/** Writes as another process does: ours would wait for itself. */
function write(fifo: string, text: string): void {
  spawn("sh", ["-c", 'printf %s "$1" > "$2"', "sh", text, fifo], { stdio: "ignore" });
}

/** A module's text in the place of its path. */
function held(text: string): ReturnType<typeof runtime.passingModule> {
  return Promise.resolve({ path: text, remove: () => Promise.resolve() });
}

test("stream: one without end is read to its bound", async () => {
  await assert.rejects(readSource("/dev/zero", runtime), {
    code: "OUTRIDER_USAGE",
    message: "/dev/zero can't be read: it brings more than 67108864 bytes: write it to a file, and name that",
  });
});

test("stream: a folder that may not be written to holds no module, and says so", async () => {
  const refuses = {
    ...runtime,
    readStream: () => Promise.resolve("export default 1;"),
    passingModule: () =>
      Promise.reject(Object.assign(new Error("EROFS: read-only file system, open 'x'"), { code: "EROFS" })),
  };
  await assert.rejects(withPipeline("-", refuses, () => Promise.resolve()), {
    code: "OUTRIDER_USAGE",
    message:
      /^A module that comes from stdin lies in the working directory .*: read-only file system: go to another/,
  });
});

test("stream: a name tells the form, and where it does not, the content does", async () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["p.json", "export", true],
    ["p.JSON", "", true],
    ["p.ts", "{}", false],
    ["p.MJS", "{}", false],
    ["p", " \n\uFEFF{}", true],
    ["p", "[1]", true],
    ["p", "import x", false],
    ["p.txt", "{}", true],
  ];
  for (const [name, text, isJson] of cases) assert.equal(isJsonForm(name, text), isJson, `${name} ${text}`);
  await withFiles({ ...FILES, "p.txt": DOCUMENT, bare: DOCUMENT, "p.yaml": "name: p" }, async (folder) => {
    for (const name of ["p.JSON", "p.txt", "bare"]) {
      assert.equal((await loadPlan(join(folder, name))).name, "p");
    }
    await assert.rejects(loadPlan(join(folder, "p.yaml")), {
      code: "OUTRIDER_PIPELINE",
      message: /A name with \.yaml does not say what it is, and the text does not begin as JSON does/,
    });
  });
});
