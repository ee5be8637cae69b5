/**
 * Tries the executables of environments: built by the command in two folders and from another executable, run where nothing else
 * is, where hostile files lie, on another processor. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../../../tools/build.ts";
import { CACHE } from "../../../tools/compile.ts";
import { testWith } from "../../system.ts";
import { ARM64_PROCESSOR } from "./vm_rig.ts";

const root: string = fileURLToPath(new URL("../../..", import.meta.url));
const folder: string = realpathSync(mkdtempSync(join(tmpdir(), "outrider-executables-")));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const TARGET = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
const LOADER = "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with nothing of our environment but what is said. */
function run(
  [program, ...args]: readonly string[],
  { cwd = folder, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  return new Promise((done) =>
    execFile(program!, args, {
      cwd,
      encoding: "utf8",
      env: { PATH: "", HOME: cwd, ...env },
      timeout: 500_000,
      maxBuffer: 64 * 1024 ** 2,
    }, (error, stdout, stderr) => {
      const { code, signal } = (error ?? { code: 0 }) as { readonly code?: number; readonly signal?: string };
      done({ code: typeof code === "number" ? code : -1, stdout, stderr: `${stderr}${signal ?? ""}` });
    })
  );
}

const DOCUMENT = {
  outriderEnvironment: 1,
  name: "probe",
  targets: ["linux-x64", "linux-arm64"],
  pipeline: { from: "file", path: "pipeline.json" },
  env: { GREETING: "built in", OVERLAID: "built in" },
  secrets: ["PASSWORD"],
};

/** A folder with an environment whose pipeline tells what it finds. */
function sources(name: string, document: object = {}): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, "environment.json"), JSON.stringify({ ...DOCUMENT, ...document }));
  writeFileSync(
    join(path, "pipeline.json"),
    JSON.stringify({
      outrider: 1,
      name: "told",
      tasks: {
        tell: { run: { module: "./tasks.ts", export: "tell" } },
      },
    }),
  );
  writeFileSync(
    join(path, "apart.json"),
    JSON.stringify({
      outrider: 1,
      name: "apart",
      tasks: { tell: { run: { module: "./tasks.ts", export: "tell" }, isolation: "process" } },
    }),
  );
  writeFileSync(
    join(path, "tasks.ts"),
    `export function tell(): string {
      const { GREETING, OVERLAID, EVIL } = process.env;
      console.log(GREETING + ", " + OVERLAID + ", " + EVIL + " on " + process.arch);
      return GREETING as string;
    }`,
  );
  return path;
}

/** Builds by a command. @returns The record, as its text. */
async function built(
  command: readonly string[],
  cwd: string,
  { args = [], env = {} }: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<string> {
  const all = [
    ...command,
    "environment",
    "build",
    "environment.json",
    "-o",
    "out",
    "--cache",
    CACHE,
    "--json",
    ...args,
  ];
  const { code, stdout, stderr } = await run(all, { cwd, env });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** What bases come by: npm, and its settings. */
const FETCHING: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(process.env).filter((entry): entry is [string, string] =>
    entry[1] !== undefined && /^(PATH|HOME|npm_config_.*|.*_proxy)$/i.test(entry[0])
  ),
);

const SOURCES = [process.execPath, join(root, "src/cli/main.ts")];

let first: Promise<{ readonly path: string; readonly record: string }> | undefined;

/** The executables of the first folder, made when the first test asks for them. */
function probe() {
  return first ??= (async () => {
    const path = sources("first");
    return { path, record: await built(SOURCES, path, { env: FETCHING }) };
  })();
}

const SET = { PASSWORD: "hunter22" };

test("an executable runs the pipeline inside without arguments, its variables beneath the device's", async () => {
  const { path } = await probe();
  const cwd = join(folder, "alone");
  mkdirSync(cwd);
  const { code, stderr } = await run([join(path, "out/probe-linux-x64")], {
    cwd,
    env: { ...SET, OVERLAID: "mine" },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /built in, mine, undefined on x64/);
  const apart = await run([join(path, "out/probe-linux-x64"), "run", "apart.json"], { cwd: path });
  assert.equal(apart.code, 0, apart.stderr);
});

test("an executable says which secrets it lacks, and runs nothing", async () => {
  const { path } = await probe();
  const { code, stderr } = await run([join(path, "out/probe-linux-x64")]);
  assert.equal(code, 2);
  assert.match(stderr, /1 problem:\n {2}PASSWORD: Missing: the environment probe needs this secret/);
});

test("an executable obeys no file that lies where it is started, nor one that would be run first", async () => {
  const { path } = await probe();
  const cwd = join(folder, "hostile");
  mkdirSync(cwd);
  const evil = `require("fs").writeFileSync(${JSON.stringify(join(folder, "evil.txt"))}, "ran")`;
  for (
    const [name, text] of Object.entries({
      ".env": "EVIL=1\nPASSWORD=x\nGREETING=evil\n",
      ".env.local": "EVIL=1\n",
      "bunfig.toml": 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n',
      "evil.js": evil,
      "package.json": '{"type":"commonjs","imports":{"#x":"./evil.js"}}',
      "tsconfig.json": '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}',
      "node_modules/hono/index.js": evil,
      "inside/environment.txt": "{}",
      "environment.json": "{}",
    })
  ) {
    mkdirSync(join(cwd, name, ".."), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  const file = join(cwd, "probe");
  cpSync(join(path, "out/probe-linux-x64"), file);
  const bare = await run([file], { cwd });
  assert.equal(bare.code, 2, "the secret in .env was taken for the device's");
  const { code, stderr } = await run([file], { cwd, env: SET });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /built in, built in, undefined on x64/);
  assert.throws(() => readFileSync(join(folder, "evil.txt")), /ENOENT/);
});

test("the same environment gives the same bytes: another folder, runtime, and an executable as builder", async () => {
  const { path, record } = await probe();
  const shared = join(root, "node_modules/.cache/outrider/executables");
  rmSync(shared, { recursive: true, force: true });
  const deno = [
    join(root, "node_modules/.bin/deno"),
    "run",
    "-A",
    "--no-check",
    join(root, "src/cli/main.ts"),
  ];
  assert.equal(await built(deno, sources("second"), { env: { PATH: FETCHING["PATH"]! } }), record);
  rmSync(shared, { recursive: true, force: true });
  // What bundles the pipeline's code is not in an executable; the bundle is.
  const bundled = await run([...SOURCES, "bundle", "pipeline.json", "-o", "bundle.json"], { cwd: path });
  assert.equal(bundled.code, 0, bundled.stderr);
  const third = sources("third", { pipeline: { from: "file", path: "../first/bundle.json" } });
  assert.equal(await built([join(path, "out/probe-linux-x64")], third), record);
});

test("the package's program is the one that the sources give", async () => {
  const { programText } = await import("../../../src/environment/executable/program.ts");
  const dist = join(folder, "dist");
  await build(dist);
  assert.equal(readFileSync(join(dist, "outrider.js"), "utf8"), await programText());
});

testWith(["qemu-aarch64-static", LOADER], "an executable for arm64 runs the pipeline inside", async () => {
  const { path } = await probe();
  const emulated = ["/usr/bin/qemu-aarch64-static", "-cpu", ARM64_PROCESSOR, "-L", "/usr/aarch64-linux-gnu"];
  const { code, stderr } = await run([...emulated, join(path, "out/probe-linux-arm64")], { env: SET });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /built in, built in, undefined on arm64/);
});

testWith(
  ["qemu-x86_64-static"],
  "an executable says that the processor is too old, before that ends it",
  async () => {
    const { path } = await probe();
    const on = (processor: string) =>
      run(["/usr/bin/qemu-x86_64-static", "-cpu", processor, join(path, "out/probe-linux-x64"), "--version"]);
    const old = await on("core2duo");
    assert.deepEqual([old.code, old.stdout], [2, ""]);
    assert.match(old.stderr, /^This processor lacks SSE4\.2 or POPCNT/);
    assert.equal((await on("Nehalem")).code, 0);
  },
);

test("the folder of Deno runs the pipeline inside, called by a link, and obeys no configuration around it", async () => {
  const path = sources("deno", { runtime: "deno", targets: ["linux-x64"] });
  await built(SOURCES, path, { env: FETCHING });
  const cwd = join(folder, "around");
  mkdirSync(cwd);
  writeFileSync(join(cwd, "deno.json"), '{"imports":{"node:fs":"./evil.js","node:os":"./evil.js"}}');
  writeFileSync(join(cwd, ".env"), "EVIL=1\n");
  symlinkSync(join(path, "out/probe-linux-x64.deno/outrider"), join(cwd, "probe"));
  const { code, stderr } = await run([join(cwd, "probe")], { cwd, env: { ...SET, PATH: "/usr/bin:/bin" } });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /built in, built in, undefined on x64/);
});

test("an executable of Node starts itself anew, however it was called, and heeds no NODE_OPTIONS", async () => {
  const path = sources("node", { runtime: "node", targets: ["linux-x64"] });
  await built(SOURCES, path, { env: FETCHING });
  const cwd = join(path, "out");
  chmodSync(join(cwd, "probe-linux-x64"), 0o755);
  const evil = `--import=data:text/javascript,process.env.EVIL="yes"`;
  const { code, stderr } = await run(["./probe-linux-x64", "agent", "--supervise"], {
    cwd,
    env: { ...SET, NODE_OPTIONS: evil },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /built in, built in, undefined on x64/);
  const apart = await run(["./out/probe-linux-x64", "run", "apart.json"], { cwd: path });
  assert.equal(apart.code, 0, apart.stderr);
  assert.doesNotMatch(stderr + apart.stderr, /Warning/);
});

test("what build --sign makes is installed, and run by an agent, where its key alone is trusted", async () => {
  const path = sources("signed", { targets: [TARGET] });
  const env = { ...FETCHING, HOME: path };
  const ran = async (args: readonly string[], more = {}) =>
    await run([...SOURCES, ...args], { cwd: path, env: { ...env, ...more } });
  assert.equal((await ran(["key", "new", "ours"])).code, 0);
  await built(SOURCES, path, {
    env: FETCHING,
    args: ["--kind", "script", "--sign", "ours.key", "--version", "7"],
  });
  const trusting = { OUTRIDER_TRUST: join(path, "ours.pub") };
  const installed = await ran(["environment", "install", "out", "--user"], trusting);
  assert.equal(installed.code, 0, installed.stderr);
  const place = join(path, ".local/share/outrider/current");
  const { code, stderr } = await run([join(place, "outrider"), "agent"], {
    cwd: path,
    env: {
      ...SET,
      ...trusting,
      OUTRIDER_ENVIRONMENT: join(place, "environment.json"),
      OUTRIDER_SERVE: "off",
    },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Version 7 of told is signed by/);
  assert.match(stderr, /built in, built in, undefined on/);
});
