import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { RunResult } from "../../src/model/result.ts";
import { runCli, startCli, withFiles } from "../rig.ts";

const TASKS = `
export function one() { console.log("hello"); console.error("oops"); return { score: 1 }; }
export function bad() { throw new TypeError("disk is full"); }
export function wait(ctx) {
  console.log("waiting");
  return new Promise((done, fail) => ctx.signal.addEventListener("abort", () => fail(ctx.signal.reason)));
}
export function loop() { console.log("looping"); for (;;); }
export async function chatter() { for (let i = 0; i < 20000; i++) console.log("line", i); }
`;

function pipelineOf(tasks: Readonly<Record<string, object>>): object {
  const run = Object.entries(tasks).map((
    [name, { export: exported = name, ...more }]: [string, { export?: string }],
  ) => [name, { run: { module: "./tasks.mjs", export: exported }, ...more }] as const);
  return { outrider: 1, name: "device-check", tasks: Object.fromEntries(run) };
}

function withPipeline<T>(
  tasks: Readonly<Record<string, object>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  return withFiles({ "tasks.mjs": TASKS, "p.json": pipelineOf(tasks) }, use);
}

test("outrider run prints the log and the outcomes, --log keeps the log", () =>
  withPipeline(
    { one: {}, bad: { needs: ["one"] }, after: { export: "one", needs: ["bad"] } },
    async (cwd) => {
      const { code, stdout, stderr } = await runCli(["run", "p.json", "--log", "run.ndjson"], { cwd });
      assert.equal(code, 1, stderr);
      assert.match(stdout, /^\S+ one │ hello$/m);
      assert.match(stdout, /^\S+ one ! oops$/m);
      assert.match(stdout, /^✓ one +succeeded +\d+ ms {2}{"score":1}$/m);
      assert.match(stdout, /^✗ bad failed: TypeError: disk is full$/m);
      assert.match(stdout, /^− after +skipped +\S/m);
      assert.match(stdout, /^device-check failed in .*: 1 succeeded, 1 failed, 1 skipped\n$/m);
      assert.ok(!stdout.includes("\x1b"));
      const records = readFileSync(join(cwd, "run.ndjson"), "utf8").trimEnd().split("\n").map((line) =>
        JSON.parse(line) as { readonly seq: number; readonly text: string; readonly task?: string }
      );
      assert.deepEqual(records.map(({ seq }) => seq), records.map((_, at) => at + 1));
      assert.ok(records.some(({ task, text }) => task === "one" && text === "hello"));
    },
  ));

test("outrider run --json prints one document on stdout, and nothing else", () =>
  withPipeline({ one: {} }, async (cwd) => {
    const { code, stdout, stderr } = await runCli(["run", "p.json", "--json"], { cwd });
    assert.equal(code, 0, stderr);
    const result = JSON.parse(stdout) as RunResult;
    assert.equal(result.state, "succeeded");
    assert.equal(result.tasks["one"]?.[0]?.outcome, "succeeded");
    assert.deepEqual(result.tasks["one"]?.[0]?.value, { score: 1 });
    assert.match(stderr, / one │ hello$/m);
  }));

test("a first SIGINT lets tasks end within their grace, and gives 130", () =>
  withPipeline({ wait: {}, after: { export: "one", needs: ["wait"] } }, async (cwd) => {
    const cli = startCli(["run", "p.json", "--stop-grace", "50ms"], { cwd });
    await cli.says("waiting");
    cli.kill("SIGINT");
    const { code, stdout, stderr } = await cli.ended;
    assert.equal(code, 130, stdout + stderr);
    assert.match(
      stderr,
      /Stopping: running tasks get up to 50 ms to end; press Ctrl-C again to cancel them/,
    );
    assert.match(stdout, /^device-check cancelled in .*1 cancelled, 1 skipped$/m);
  }));

test("a second signal ends even a task in an endless loop", () =>
  withPipeline({ loop: {} }, async (cwd) => {
    const cli = startCli(["run", "p.json", "--kill-grace", "50ms"], { cwd });
    await cli.says("looping");
    cli.kill("SIGTERM");
    await cli.says("terminate again to cancel them");
    cli.kill("SIGTERM");
    const { code, stdout, stderr } = await cli.ended;
    assert.equal(code, 143, stdout + stderr);
    assert.match(stdout, /^device-check cancelled in/m);
  }));

test("a reader that goes away neither ends nor hangs a run", () =>
  withPipeline({ chatter: {}, one: { needs: ["chatter"] } }, async (cwd) => {
    const cli = startCli(["run", "p.json", "--log", "run.ndjson"], { cwd });
    await cli.says("line 10\n");
    cli.child.stdout!.destroy();
    const { code, stderr } = await cli.ended;
    assert.equal(code, 0, stderr);
    assert.ok(readFileSync(join(cwd, "run.ndjson"), "utf8").includes('"text":"line 19999"'));
  }));

test("outrider check tells the size of a sound pipeline, or every problem, and exits with 2", () =>
  withPipeline(
    { one: {}, bad: { needs: ["one"] }, "a b": { needs: ["two"], timeot: 3, export: "nope" } },
    async (cwd) => {
      const { code, stdout, stderr } = await runCli(["check", "p.json"], { cwd });
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^p.json: 3 problems, nothing has run$/m);
      assert.match(stderr, /^ {2}tasks\["a b"\]\.timeot: .*"timeout"/m);
      assert.match(stderr, /^ {2}tasks\["a b"\]\.needs\[0\].*"two"/m);
      assert.match(stderr, /^ {2}tasks\["a b"\]\.run\.export: .*"nope"/m);
      const json = await runCli(["check", "p.json", "--json"], { cwd });
      assert.equal(json.code, 2);
      assert.equal((JSON.parse(json.stdout) as { readonly problems: readonly unknown[] }).problems.length, 3);
    },
  ));

test("outrider check and graph take a sound pipeline", () =>
  withPipeline({ one: {}, bad: { needs: ["one"] } }, async (cwd) => {
    assert.deepEqual(await runCli(["check", "p.json"], { cwd }), {
      code: 0,
      signal: null,
      stdout: "p.json: ok, 2 tasks, 1 need\n",
      stderr: "",
    });
    const { code, stderr } = await runCli(["graph", "p.json", "-o", "p.dot"], { cwd });
    assert.equal(code, 0, stderr);
    assert.match(readFileSync(join(cwd, "p.dot"), "utf8"), /^digraph/m);
  }));

test("outrider graph takes the form from the file's name, and refuses one that there is not, before anything is written", () =>
  withPipeline({ one: {} }, async (cwd) => {
    for (
      const [file, begins] of [
        ["p.mmd", /^(flowchart|graph) /m],
        ["p.MERMAID", /^(flowchart|graph) /m],
        ["plain", /^(flowchart|graph) /m],
        ["p.gv", /^digraph/m],
        ["drawn.json", /^\{/],
      ] as const
    ) {
      const { code, stderr } = await runCli(["graph", "p.json", "-o", file], { cwd });
      assert.equal(code, 0, stderr);
      assert.match(readFileSync(join(cwd, file), "utf8"), begins, file);
    }
    for (const file of ["x.png", "x.svgz", "x.constructor", "x.v1.2"]) {
      const { code, stderr } = await runCli(["graph", "p.json", "-o", file], { cwd });
      assert.equal(code, 2, stderr);
      assert.match(
        stderr,
        /^--output "x\..*": There is no graph of the form ".+": end the name in one of \.mmd, \.mermaid, \.dot, \.gv, \.json, \.svg, or say --format mermaid\|dot\|json\|svg/,
      );
      assert.equal(stderr.includes("dot -Tpng > x.png"), file === "x.png");
      assert.equal(existsSync(join(cwd, file)), false);
    }
    const said = await runCli(["graph", "p.json", "-o", "x.txt", "--format", "dot"], { cwd });
    assert.equal(said.code, 0, said.stderr);
  }));

test("FORCE_COLOR brings colours into a pipe, and never into JSON", () =>
  withPipeline({ one: {} }, async (cwd) => {
    const forced = { FORCE_COLOR: "1", NO_COLOR: "1" };
    const { stdout, stderr } = await runCli(["run", "p.json"], { cwd, env: forced });
    assert.match(stdout, /\x1b\[32m/);
    assert.equal(stderr, "", "nothing of the runtime's own is said of it");
    const json = await runCli(["run", "p.json", "--json"], { cwd, env: forced });
    assert.equal((JSON.parse(json.stdout) as { readonly state: string }).state, "succeeded");
    assert.match(json.stderr, /\x1b\[32m/);
  }));

test("outrider run keeps files within the limits that an agent has, and refuses what is no size", () => {
  const command = [
    "sh",
    "-c",
    'head -c 70000 /dev/zero > "$OUTRIDER_FILES/large"; echo x > "$OUTRIDER_FILES/small"',
  ];
  const manifest = { outrider: 1, name: "keeps", tasks: { keep: { run: { command } } } };
  return withFiles({ "p.json": JSON.stringify(manifest) }, async (cwd) => {
    const { stdout } = await runCli(["run", "p.json", "--json"], {
      cwd,
      env: { OUTRIDER_FILE_SIZE: "64KiB" },
    });
    const { tasks } = JSON.parse(stdout) as Pick<RunResult, "tasks">;
    const [{ files, filesRefused } = {}] = tasks["keep"]!;
    assert.deepEqual([files, filesRefused].map((list) => list?.map(({ name }) => name)), [["small"], [
      "large",
    ]]);
    const wrong = await runCli(["run", "p.json"], { cwd, env: { OUTRIDER_FILES_SIZE: "much" } });
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /OUTRIDER_FILES_SIZE: Write a number of bytes .*; received "much"/);
  });
});

test("outrider run fails where its result could not be written", () =>
  withPipeline({ one: {} }, async (cwd) => {
    const child = startCli(["run", "p.json", "--json", "--quiet"], { cwd, stdout: "/dev/full" });
    const { code, stderr } = await child.ended;
    assert.equal(code, 1);
    assert.match(stderr, /What was printed is not whole: stdout can't be written \(.*[Nn]o space left/);
  }));

test("Ctrl-C while the pipeline is loaded is no problem of the pipeline", () =>
  withFiles({
    "p.json": { outrider: 1, name: "p", tasks: { a: { run: { module: "./m.mjs", export: "x" } } } },
    "m.mjs": 'console.log("loading"); await new Promise(() => {}); export const x = 1;',
  }, async (cwd) => {
    const child = startCli(["run", "p.json", "--stop-grace", "100ms"], { cwd });
    await child.says("loading");
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^It was still being loaded when the run was stopped \(stopped by SIGINT\)$/m);
  }));

test("a module that is missing is told in a line, without the name of our own program", () =>
  withFiles({
    "p.json": { outrider: 1, name: "p", tasks: { a: { run: { module: "./none.mjs", export: "x" } } } },
  }, async (cwd) => {
    const { code, stderr } = await runCli(["check", "p.json"], { cwd });
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^ {2}tasks\.a\.run\.module: Can't load "\.\/none\.mjs": .{10,300}none\.mjs['"]?\.?$/m,
    );
  }));

test("cli: what gets past every capture does not get into --json", () =>
  withFiles({
    "tasks.ts": `import { execSync } from "node:child_process";
import { writeSync } from "node:fs";
execSync("echo loaded", { stdio: "inherit" });
export function loud() {
  execSync("echo child", { stdio: "inherit" });
  writeSync(1, "by name\\n");
  return 1;
}`,
    "p.json": JSON.stringify({
      outrider: 1,
      name: "p",
      tasks: { loud: { run: { module: "./tasks.ts", export: "loud" } } },
    }),
  }, async (folder) => {
    const ran = await runCli(["run", "p.json", "--json"], { cwd: folder });
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal((JSON.parse(ran.stdout) as RunResult).tasks["loud"]![0]!.value, 1);
    for (const said of ["loaded", "child", "by name"]) assert.match(ran.stderr, new RegExp(said));
    const checked = await runCli(["check", "p.json", "--json"], { cwd: folder });
    assert.equal(checked.code, 0, checked.stderr);
    assert.equal((JSON.parse(checked.stdout) as { ok: boolean }).ok, true);
  }));
