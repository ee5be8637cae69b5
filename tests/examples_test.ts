/**
 * Runs each example, and those in the README, by the real command line on the runtime that runs the test, and looks at
 * what came out.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import test from "node:test";
import { pathToFileURL } from "node:url";
import type { Report } from "../examples/device_check/report.ts";
import type { RunResult } from "../src/model/result.ts";
import { ROOT, runCli, withFiles } from "./rig.ts";
import { leaveOut, programPath } from "./system.ts";

/** Runs an example with `--json`. */
async function runExample(
  file: string,
  { code = 0, params = [], env = {} }: {
    readonly code?: number;
    readonly params?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<{ readonly result: RunResult; readonly stderr: string }> {
  const args = ["run", `examples/${file}`, "--json", ...params.flatMap((param) => ["--param", param])];
  const ended = await runCli(args, { env });
  assert.equal(ended.code, code, ended.stdout + ended.stderr);
  return { result: JSON.parse(ended.stdout) as RunResult, stderr: ended.stderr };
}

/** The outcomes of a task's attempts, in order. */
function outcomes({ tasks }: RunResult, task: string): string[] {
  return tasks[task]!.map(({ outcome }) => outcome);
}

function valueOf<T>({ tasks }: RunResult, task: string): T {
  return tasks[task]!.at(-1)!.value as T;
}

test("device_check measures the machine, overcomes a failure, and leaves nothing behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-examples-"));
  try {
    const { result, stderr } = await runExample("device_check/pipeline.ts", {
      params: ["quick=true", "fail=disk", "failures=1"],
      env: { TMPDIR: folder },
    });
    assert.deepEqual(outcomes(result, "disk"), ["failed", "succeeded"]);
    assert.deepEqual(outcomes(result, "trouble"), ["skipped"]);
    assert.equal(outcomes(result, "steady").at(-1), "succeeded");
    assert.equal(result.tasks["cpu"]!.length, result.tasks["steady"]!.length);
    const { machine, cpu, memory, disk, network, clock, timers, trouble } = valueOf<Report>(result, "report");
    assert.ok(machine.cores >= 1 && machine.memoryGiB > 0);
    assert.ok(result.runtime.toLowerCase() === machine.runtime.toLowerCase());
    assert.ok(cpu.millionsPerSecond > 0 && cpu.spread >= 0);
    assert.ok(memory!.copyGiBPerSecond > 0 && memory!.latencyNs > 0);
    assert.ok(disk!.writeMiBPerSecond > 0 && disk!.syncMs > 0 && disk!.freeGiB > 0);
    assert.ok(network!.throughputMiBPerSecond > 0 && network!.roundTripUs > 0);
    assert.ok(network!.slowRoundTripUs >= network!.roundTripUs);
    assert.ok(Number.isFinite(clock!.driftPpm));
    assert.ok(timers!.resolutionNs > 0 && timers!.latestMs >= timers!.lateMs);
    assert.deepEqual(trouble, []);
    assert.match(stderr, / report +│ +network +\d.* MiB\/s on loopback/);
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("device_check reports what it could measure when a check fails for good", async () => {
  const { result, stderr } = await runExample("device_check/pipeline.ts", {
    code: 1,
    params: ["quick=true", "fail=network"],
  });
  assert.equal(result.state, "failed");
  assert.deepEqual(outcomes(result, "network"), ["failed", "failed", "failed"]);
  assert.deepEqual(outcomes(result, "timers"), ["succeeded"]);
  const told = ["network failed: Asked to fail, by --param fail=network"];
  assert.deepEqual(valueOf(result, "trouble"), told);
  const report = valueOf<Report>(result, "report");
  assert.deepEqual(report.trouble, told);
  assert.equal(report.network, undefined);
  assert.ok(report.disk!.writeMiBPerSecond > 0);
  assert.match(stderr, / report +│ +network +not measured/);
});

test("the JSON example retries, skips the archive, and goes round its loop until the scale is right", async () => {
  const { result } = await runExample("json/pipeline.json");
  assert.deepEqual(outcomes(result, "station"), ["failed", "succeeded"]);
  assert.deepEqual(outcomes(result, "archive"), ["skipped"]);
  assert.deepEqual(outcomes(result, "compare"), ["failed", "failed", "failed", "succeeded"]);
  assert.deepEqual(result.tasks["adjust"]!.map(({ iteration }) => iteration), [0, 1, 2, 3]);
  assert.equal(valueOf(result, "report"), "312.4 cm from the station, scale set to 312.5 cm in 4 rounds");
});

test("the JSON example takes the archive when the station never answers", async () => {
  const { result } = await runExample("json/pipeline.json", { params: ["answersAt=9", "tolerance=20"] });
  assert.deepEqual(outcomes(result, "station"), ["failed", "failed", "failed"]);
  assert.deepEqual(outcomes(result, "archive"), ["succeeded"]);
  assert.equal(valueOf(result, "report"), "309 cm from the archive, scale set to 312.5 cm in 4 rounds");
});

test("two tasks side by side meet through the store and events, and lose nothing", async () => {
  const { result } = await runExample("side_by_side/pipeline.ts", { params: ["messages=2000", "bytes=100"] });
  assert.deepEqual(valueOf(result, "capture"), { messages: 2_000, bytes: 200_000 });
  assert.deepEqual(valueOf(result, "generator"), { messages: 2_000 });
  assert.deepEqual(valueOf(result, "compare"), { lost: 0 });
  const [capture] = result.tasks["capture"]!;
  const [generator] = result.tasks["generator"]!;
  assert.notEqual(capture!.worker, generator!.worker);
  assert.ok(capture!.startedAt! < generator!.endedAt! && generator!.startedAt! < capture!.endedAt!);
});

test("the library example runs its own pipeline, watches it and uses its result", () => {
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const file = join(ROOT, "examples/library/main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [...before, file], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 6, stdout);
  assert.deepEqual(lines.slice(0, 2), ["text succeeded", "words succeeded"]);
  assert.deepEqual(lines.slice(2, 4).sort(), ["counted succeeded", "longest succeeded"]);
  assert.deepEqual(lines.slice(4), ["report succeeded", "succeeded 9 words, the longest is quick"]);
});

test("the tests of the tested example pass on this runtime's own runner", () => {
  const file = "examples/tested/pipeline_test.ts";
  const args = "Deno" in globalThis
    ? ["test", "-A", "--no-check"]
    : "Bun" in globalThis
    ? ["test"]
    : ["--test"];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, `./${file}`], {
    cwd: ROOT,
    env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout + stderr, /\b5 pass(?:ed)?\b|\bpass 5\b/);
});

/** The block of code in the README that follows the name of its file. */
function fromReadme(file: string): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const block = new RegExp(`\`${file}\`[^\n]*:\n\n\`\`\`\\w+\n([\\s\\S]*?)\n\`\`\`\n`).exec(readme);
  assert.ok(block !== null, `The README shows no ${file}`);
  return block[1]!.replaceAll('"outrider";', `${JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href)};`);
}

test("the first pipelines of the README run as they stand there", () =>
  withFiles(
    Object.fromEntries(["pipeline.ts", "pipeline.json", "tasks.ts"].map((file) => [file, fromReadme(file)])),
    async (cwd) => {
      const typed = await runCli(["run", "pipeline.ts"], { cwd });
      assert.equal(typed.code, 0, typed.stdout + typed.stderr);
      assert.match(typed.stdout, /^\S+ greet │ hello, world$/m);
      const json = await runCli(["run", "pipeline.json", "--param", "who=moon"], { cwd });
      assert.equal(json.code, 0, json.stdout + json.stderr);
      assert.match(json.stdout, /^\S+ greet │ hello, moon$/m);
    },
  ));

test("the links in the documents lead to files that are there", () => {
  const documents = ["README.md", "src/README.md", "CHANGELOG.md"];
  for (const name of readdirSync(join(ROOT, "docs"))) {
    if (name.endsWith(".md")) documents.push(`docs/${name}`);
  }
  const broken = documents.flatMap((document) =>
    [...readFileSync(join(ROOT, document), "utf8").matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
      .filter(([, to]) => !existsSync(join(ROOT, dirname(document), to!)))
      .map(([, to]) => `${document}: ${to}`)
  );
  assert.deepEqual(broken, []);
});

test("the map has every room, and names no file that is not there", () => {
  const map = readFileSync(join(ROOT, "src/README.md"), "utf8");
  const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory() && readdirSync(join(ROOT, "src", entry.name)).length > 0
  );
  const missing = rooms.map(({ name }) => name).filter((name) => !map.includes(`\`${name}/\``));
  assert.deepEqual(missing, [], "Give each a line in src/README.md");
  const named = [...map.matchAll(/`([\w./]+(?:\.ts|\/))`/g)].map(([, name]) => name!);
  const gone = named.filter((name) => ![".", ".."].some((from) => existsSync(join(ROOT, "src", from, name))));
  assert.deepEqual(gone, []);
});

test("bandwidth measures in Python with numpy while JavaScript makes the load, agreeing by the store", async () => {
  const name = "examples/bandwidth";
  if (programPath("python3") === undefined) return leaveOut(name, ["python3"]);
  const cache = join(ROOT, "node_modules/.cache/outrider-requirements");
  const args = [
    "run",
    "examples/bandwidth/pipeline.ts",
    "--json",
    "--param",
    "seconds=0.05",
    "--param",
    "mib=4",
  ];
  const ended = await runCli(args, { env: { XDG_CACHE_HOME: cache } });
  if (ended.stdout.includes("can't be installed")) return leaveOut(name, ["numpy of PyPI"]);
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  const result = JSON.parse(ended.stdout) as RunResult;
  const { idle, loaded } = valueOf<Record<string, { readonly median: number; readonly copies: number }>>(
    result,
    "measure",
  );
  assert.ok(idle!.median > 0 && idle!.copies >= 3 && loaded!.median > 0);
  assert.ok(valueOf<number>(result, "load") > 0, "there was no load");
  assert.match(valueOf<string>(result, "report"), /^[\d.]+ GiB\/s, [\d.]+ with \d+ rounds of load: \d+ %$/);
});

/** What the survey reports. */
interface Surveyed {
  readonly hosts: number;
  readonly loss: number;
  readonly record: { readonly $file: { readonly sha256: string; readonly name: string } } | null;
}

/** Runs the survey; what it reports, and how each task ended. */
async function surveyed(
  cwd: string,
  params: Readonly<Record<string, unknown>>,
): Promise<{ report: Surveyed; result: RunResult }> {
  const given = Object.entries(params).flatMap((
    [key, value],
  ) => ["--param", `${key}=${JSON.stringify(value)}`]);
  const args = [
    "run",
    join(ROOT, "examples/survey/pipeline.ts"),
    "--json",
    "--state-dir",
    "state",
    "--workers",
    "2",
    ...given,
  ];
  const { code, stdout, stderr } = await runCli(args, { cwd });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /timetable \(0 \* \* \* \*, UTC\) is for outrider agent: here it is run once, now/);
  const result = JSON.parse(stdout) as RunResult;
  return { report: result.tasks["report"]!.at(-1)!.value as unknown as Surveyed, result };
}

test("survey: where every host answers, nothing is recorded", () =>
  withFiles({}, async (cwd) => {
    const { report, result } = await surveyed(cwd, { count: 3, everyMs: 1 });
    assert.deepEqual([report.hosts, report.loss, report.record], [2, 0, null]);
    const [capture] = result.tasks["capture"]!;
    assert.equal(capture!.outcome, "skipped");
    assert.match(capture!.because!, /loss of "quality" is 0, not greater than 0.1/);
    const items = result.tasks["probe"]!.filter(({ item }) => item !== undefined);
    assert.deepEqual(items.map(({ item, outcome }) => [item, outcome]), [[0, "succeeded"], [1, "succeeded"]]);
  }));

test("survey: a host that loses too much is recorded, question by question, and one that has no address is told", () =>
  withFiles({}, async (cwd) => {
    let asked = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      if (asked++ % 2 === 0) socket.end("here\n");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      const { port } = server.address() as AddressInfo;
      const { report } = await surveyed(cwd, {
        hosts: ["127.0.0.1", "nowhere.invalid"],
        port,
        count: 6,
        everyMs: 1,
        patienceMs: 300,
      });
      assert.deepEqual([report.hosts, report.loss], [1, 0.5]);
      const { name, sha256 } = report.record!.$file;
      assert.equal(name, "capture.csv");
      const [head, ...lines] = readFileSync(`${cwd}/state/runs/000001/files/${sha256}`, "utf8").trimEnd()
        .split("\n");
      assert.equal(head, "at,name,address,ms");
      assert.equal(lines.length, 6);
      assert.equal(lines.filter((line) => line.endsWith(",")).length, 3);
    } finally {
      server.close();
    }
  }));

test("survey: its picture in the README is the one that is drawn of it", async () => {
  const { stdout } = await runCli(["graph", "examples/survey/pipeline.ts", "--format", "svg"]);
  assert.equal(stdout, readFileSync(join(ROOT, "docs/survey.svg"), "utf8"));
});
