/**
 * Tries the package as a user would: packs it, installs it in an empty folder without a network, and runs its command
 * and its import on Deno, Node and Bun. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { workerCode } from "../../src/pool/worker_code.ts";

const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** A pipeline as a user writes it, beside the package. */
const PIPELINE = `
import { pipeline } from "outrider";
const p = pipeline("sums");
const one = p.task("one", () => 1);
const two = p.task("two", async () => 2);
p.task("sum", { one, two }, ({ inputs }) => {
  const sum: number = inputs.one + inputs.two;
  return { sum };
});
export default p;
`;

const PROGRAM = `
import { run } from "outrider";
import type { RunResult } from "outrider";
import p from "./sums.ts";
const result: RunResult = await run(p);
console.log(JSON.stringify(result));
`;

const TESTED = `
import { testContext, testRun } from "outrider/testing";
import p from "./sums.ts";
const { values } = await testRun(p, { fakes: { one: 5 } });
const ctx = testContext({ inputs: { one: 1, two: 2 } });
console.log(JSON.stringify([values["sum"], await p.functionOf("sum")!(ctx)]));
`;

/** How each runtime runs the installed command, and a program. */
const RUNTIMES = {
  deno: {
    command: ["deno", "run", "-A", "node_modules/outrider/dist/cli.js"],
    program: ["deno", "run", "-A"],
  },
  node: { command: ["npx", "--no-install", "outrider"], program: ["node"] },
  bun: { command: ["bunx", "--bun", "--no-install", "outrider"], program: ["bun"] },
} as const;

/** The folder in which the package is installed; made when the first test asks for it. */
let installed: { readonly folder: string; readonly files: readonly string[] } | undefined;

function install(): { readonly folder: string; readonly files: readonly string[] } {
  if (installed !== undefined) return installed;
  const folder = mkdtempSync(join(tmpdir(), "outrider-package-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const packed = join(folder, "packed");
  const user = join(folder, "user");
  mkdirSync(packed);
  mkdirSync(user);
  run(["npm", "pack", "--silent", "--pack-destination", packed], root);
  const [name] = readdirSync(packed);
  const tarball = join(packed, name!);
  const files = run(["tar", "-tzf", tarball], folder).trim().split("\n").map((path) =>
    path.replace("package/", "")
  );
  writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }\n');
  writeFileSync(join(user, "sums.ts"), PIPELINE);
  writeFileSync(join(user, "program.ts"), PROGRAM);
  writeFileSync(join(user, "tested.ts"), TESTED);
  run(["npm", "install", "--offline", "--no-audit", "--no-fund", tarball], user);
  installed = { folder: user, files };
  return installed;
}

/** Runs a program and returns its stdout; its error has stderr too. */
function run([program, ...args]: readonly string[], cwd: string): string {
  // Nor where the runner of the tests has Node keep what it compiles.
  const { NODE_TEST_CONTEXT: _, NODE_COMPILE_CACHE: _kept, ...env } = process.env;
  return execFileSync(program!, args, {
    cwd,
    encoding: "utf8",
    env: { ...env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${env.PATH}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function assertSummed(text: string, runtime: string): void {
  const result = JSON.parse(text);
  assert.equal(result.state, "succeeded");
  assert.deepEqual(result.tasks.sum[0].value, { sum: 3 });
  assert.ok(result.runtime.startsWith(`${runtime} `), `ran on ${result.runtime}`);
}

test("the package holds what it is to hold, and depends on nothing", () => {
  const { folder, files } = install();
  for (
    const needed of ["README.md", "LICENSE", "CHANGELOG.md", "dist/THIRD_PARTY_LICENSES", "dist/mod.d.ts"]
  ) {
    assert.ok(files.includes(needed), `${needed} is missing in the package`);
  }
  assert.deepEqual(
    files.filter((file) =>
      !/^(dist\/.+|[A-Z]+(\.md)?|package\.json|docs\/[\w.-]+\.(json|md|png))$/.test(file)
    ),
    [],
  );
  assert.deepEqual(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith(".")), [
    "outrider",
  ]);
  const { dependencies, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(dependencies, undefined, "move them to devDependencies: the build bundles them");
  assert.equal(run(["npx", "--no-install", "outrider", "--version"], folder).trim(), version);
});

/** Files of the package that these lead to, relative to dist/. @param pattern What leads on, with the path. */
function ledTo(from: readonly string[], pattern: RegExp): readonly string[] {
  const dist = join(install().folder, "node_modules/outrider/dist");
  const next = from.map((file) => join(dist, file));
  const found = new Set<string>();
  for (let file = next.pop(); file !== undefined; file = next.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    for (const [, path] of readFileSync(file, "utf8").matchAll(pattern)) next.push(join(file, "..", path!));
  }
  return [...found].map((file) => relative(dist, file));
}

/** What is loaded with a file. */
const AT_ONCE = /\b(?:import|from)\s*"(\.[^"]+)"/g;
/** What is written out, whether it is loaded at once or later. */
const WRITTEN = /\b(?:import\s*\(?|from\s*)"(\.[^"]+)"/g;

/** Files in dist/chunks/ of modules that are loaded later, by the modules' names. */
function chunks(...names: readonly string[]): readonly string[] {
  const all = readdirSync(join(install().folder, "node_modules/outrider/dist/chunks"));
  return names.flatMap((name) => all.filter((file) => new RegExp(`^${name}-\\w+\\.js$`).test(file)))
    .map((file) => `chunks/${file}`);
}

function kilobytes(files: readonly string[]): number {
  const dist = join(install().folder, "node_modules/outrider/dist");
  return files.reduce((sum, file) => sum + statSync(join(dist, file)).size, 0) / 1000;
}

test("the start reads a handful of files of the package, no larger than they have to be", () => {
  // What comes before the runtime is told where to keep what it compiles is compiled at each start.
  const first = ledTo(["cli.js"], AT_ONCE);
  // Before a worker can start. Each 10 kB more are 1 ms on a device. What a command needs is not needed for that.
  const start = ledTo(["cli.js", "main.js"], AT_ONCE);
  const line = ledTo(["cli.js", "main.js", ...chunks("command_line")], AT_ONCE);
  const run = ledTo(["cli.js", "main.js", ...chunks("command_line", "run")], AT_ONCE);
  const bounds = { first: 5, start: 85, line: 175, run: 690 };
  for (const [step, files] of Object.entries({ first, start, line, run })) {
    const size = kilobytes(files);
    const bound = bounds[step as keyof typeof bounds];
    const found = `${step}: ${size.toFixed()} kB in ${files.join(", ")}`;
    assert.ok(size > bound / 2 && size <= bound, `${found}: load later what few need, or say why not`);
  }
  assert.ok(run.length > 5 && run.length <= 20, run.join("\n"));
  const dist = join(install().folder, "node_modules/outrider/dist");
  // The first program of a run wants what keeps files, though it may keep none.
  for (const file of [...run, ...chunks("keeping")]) {
    const taken = readFileSync(join(dist, file), "utf8").match(
      /getBuiltinModule\("node:(?:net|http|crypto|vm|child_process|fs\/promises)"\)/,
    );
    assert.equal(taken, null, `${file} has what no run of functions needs`);
  }
  assert.match(
    readFileSync(join(dist, "main.js"), "utf8"),
    /new URL\("\.\/outrider-worker\.js",\s?import\.meta\.url\)/,
  );
  assert.equal(readFileSync(join(dist, "outrider-worker.js"), "utf8"), workerCode);
});

test("the start does not show what other commands need; the library shows all that it may load", () => {
  // Deno reads all of it before the first statement.
  const seen = ledTo(["cli.js", "main.js"], WRITTEN);
  assert.ok(kilobytes(seen) < 250, `${kilobytes(seen).toFixed()} kB: ${seen.join(", ")}`);
  const shown = ledTo(["mod.js", "testing.js"], WRITTEN);
  const needed = chunks("requires", "python_code", "process_code", "serve", "socket", "stream", "digest");
  assert.deepEqual(needed.filter((file) => !shown.includes(file)), []);
});

test("Node and Bun keep beside the program what they have compiled of it, and not without end", () => {
  const { folder } = install();
  const cache = join(folder, "node_modules/outrider/dist/.cache");
  for (const { command } of [RUNTIMES.node, RUNTIMES.bun]) {
    rmSync(cache, { recursive: true, force: true });
    run([...command, "agent", "--help"], folder);
    assert.equal(existsSync(cache), false, "what goes on for long keeps nothing");
    for (const _ of ["it is kept", "it is used"]) run([...command, "check", "sums.ts"], folder);
    const kept = readdirSync(cache, { recursive: true }).length;
    assert.ok(kept > 5 && kept < 40, `${kept} are kept`);
    for (let count = 0; count < 600; count++) writeFileSync(join(cache, `${count}`), "");
    run([...command, "check", "sums.ts"], folder);
    const left = existsSync(cache) ? readdirSync(cache, { recursive: true }).length : 0;
    assert.ok(left < 40, `${left} are kept of 600 more`);
    // It is looked at when something has come, and only then.
    const looked = () => statSync(join(cache, "looked")).mtimeMs;
    for (const _ of ["it is kept", "it is looked at"]) run([...command, "check", "sums.ts"], folder);
    const before = looked();
    run([...command, "check", "sums.ts"], folder);
    assert.equal(looked(), before);
    writeFileSync(join(cache, "more"), "");
    run([...command, "check", "sums.ts"], folder);
    assert.ok(looked() > before);
    // Where nothing can be kept.
    rmSync(cache, { recursive: true, force: true });
    writeFileSync(cache, "");
    run([...command, "check", "sums.ts"], folder);
    rmSync(cache);
  }
});

test("on Node what tasks import is kept compiled there too, by workers and by processes of tasks", () => {
  const { folder } = install();
  const module = `import module from "node:module";
export const where = () => module.getCompileCacheDir?.();
`;
  writeFileSync(join(folder, "where.mjs"), module);
  const task = { run: { module: "./where.mjs", export: "where" } };
  const tasks = { thread: task, process: { ...task, isolation: "process" } };
  writeFileSync(join(folder, "where.json"), JSON.stringify({ outrider: 1, name: "where", tasks }));
  const told = JSON.parse(run([...RUNTIMES.node.command, "run", "where.json", "--json"], folder));
  const cache = join(folder, "node_modules/outrider/dist/.cache/");
  for (const name of ["thread", "process"]) {
    const [attempt] = told.tasks[name];
    assert.ok(String(attempt.value).startsWith(cache), JSON.stringify(attempt));
  }
});

for (const [runtime, { command, program }] of Object.entries(RUNTIMES)) {
  test(`the package's command runs a pipeline in TypeScript on ${runtime}`, () => {
    assertSummed(run([...command, "run", "sums.ts", "--json"], install().folder), runtime);
  });

  test(`the package's import runs a pipeline in TypeScript on ${runtime}`, () => {
    assertSummed(run([...program, "program.ts"], install().folder), runtime);
  });

  test(`the package's outrider/testing tests a pipeline on ${runtime}`, () => {
    const told = JSON.parse(run([...program, "tested.ts"], install().folder));
    assert.deepEqual(told, [{ sum: 7 }, { sum: 3 }]);
  });
}

test("the package's types hold without those of any runtime", () => {
  const { folder } = install();
  writeFileSync(join(folder, "misspelt.ts"), PIPELINE.replace("inputs.two", "inputs.tow"));
  const strict = [
    "--strict",
    "--exactOptionalPropertyTypes",
    "--noUncheckedIndexedAccess",
    "--isolatedModules",
  ];
  const module = ["--module", "nodenext", "--target", "es2024", "--lib", "es2024,dom", "--types", ""];
  const tsc = ["tsc", "--noEmit", "--ignoreConfig", "--allowImportingTsExtensions", ...strict, ...module];
  run([...tsc, "program.ts", "tested.ts"], folder);
  assert.throws(() => run([...tsc, "misspelt.ts"], folder), (error: Error & { stdout: string }) => {
    assert.match(error.stdout, /^misspelt\.ts\(7,43\): error TS\d+: Property 'tow' does not exist/);
    return true;
  });
});

test("types of a pipeline beside the package are checked by the tsconfig.json of the documents", () => {
  const { folder } = install();
  const document = readFileSync(join(root, "docs/pipelines.md"), "utf8");
  const [, config] = /`npx tsc`:\n\n```json\n([\s\S]*?)\n```/.exec(document)!;
  writeFileSync(join(folder, "tsconfig.json"), config!);
  rmSync(join(folder, "misspelt.ts"), { force: true });
  run(["tsc"], folder);
  writeFileSync(join(folder, "misspelt.ts"), PIPELINE.replace("inputs.two", "inputs.tow"));
  assert.throws(() => run(["tsc"], folder), /Command failed/);
});
