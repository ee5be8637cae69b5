/**
 * Owns netUnicorn's graphs: a chain of 20 tasks that return at once, made by its own client, in its own executor and here.
 * Run alone: `OUTRIDER_PYTHON=PYTHON node bench/netunicorn.ts [--quick]`, likewise on Deno (`-A`) and Bun; that Python has
 * netunicorn-base, netunicorn-executor and what they need. The built command line is that of `OUTRIDER_BENCH_CLI`, by
 * default `dist/cli.js` (`npm run build`), else the sources.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../src/runtime/runtime.ts";
import { type Figure, figure, print, quick } from "./figure.ts";

const ROUNDS = quick ? 1 : 5;
const TASKS = 20;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILT = process.env["OUTRIDER_BENCH_CLI"] ?? join(ROOT, "dist", "cli.js");
const CLI = existsSync(BUILT) ? BUILT : join(ROOT, "src/cli/main.ts");
const PYTHON = process.env["OUTRIDER_PYTHON"] ?? "python3";
const OWN = "import sys, cloudpickle; from netunicorn.executor.executor import get_local_executor; " +
  "get_local_executor(cloudpickle.load(open(sys.argv[1], 'rb')))()";

/** What a whole process takes, in milliseconds, and what it prints. @throws {Error} If it fails. */
function timed(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const began = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, CI: "1", ...env },
  });
  const ms = performance.now() - began;
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${error?.message ?? stderr}`);
  return { ms, stdout };
}

/** From the start of the first task to the end of the last, for each of them, in milliseconds. */
function eachOf(stdout: string): number {
  const { tasks } = JSON.parse(stdout) as {
    tasks: Record<string, { worker?: number; startedAt: string; endedAt: string }[]>;
  };
  const ran = Object.values(tasks).flat().filter(({ worker }) => worker !== undefined);
  const first = Math.min(...ran.map(({ startedAt }) => Date.parse(startedAt)));
  const last = Math.max(...ran.map(({ endedAt }) => Date.parse(endedAt)));
  return (last - first) / ran.length;
}

const NEEDED = ["netunicorn.base", "netunicorn.executor.executor", "cloudpickle"];
const has = spawnSync(PYTHON, ["-c", `import ${NEEDED.join(", ")}`]).status === 0;
if (!has) {
  print("netunicorn", [], [`Left out: ${PYTHON} (OUTRIDER_PYTHON) has not all of ${NEEDED.join(", ")}`]);
}
const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
if (has) measure();
rmSync(folder, { recursive: true, force: true });

function measure(): void {
  timed(PYTHON, [join(ROOT, "tests/fixtures/netunicorn/wild.py"), folder]);
  const graph = join(folder, "twenty.pickle");
  const run = [...(runtime.name === "deno" ? ["run", "-A"] : []), CLI, "run", graph, "--json"];
  const whole: Record<string, number[]> = { own: [], fork: [], none: [] };
  const each: Record<string, number[]> = { fork: [], none: [] };
  for (let round = 0; round < ROUNDS; round++) {
    whole["own"]!.push(timed(PYTHON, ["-c", OWN, graph]).ms);
    for (const isolation of ["fork", "none"]) {
      const { ms, stdout } = timed(process.execPath, run, { OUTRIDER_NETUNICORN_ISOLATION: isolation });
      whole[isolation]!.push(ms);
      each[isolation]!.push(eachOf(stdout));
    }
  }
  const how = `chain of ${TASKS} tasks that return at once, a real graph of ${
    readFileSync(graph).length
  } bytes; ${ROUNDS} rounds in turn`;
  const of = (name: string, times: readonly number[], target?: number): Figure =>
    figure(name, times, { unit: "ms", how, ...(target === undefined ? {} : { target: { atMost: target } }) });
  const goal = Math.min(...whole["own"]!) / 30;
  print("netunicorn", [
    of("netUnicorn's own executor, whole process", whole["own"]!),
    of("outrider run, forked, whole process", whole["fork"]!, goal),
    of("outrider run, warm, whole process", whole["none"]!, goal),
    of("a task, forked, start to start", each["fork"]!, 5),
    of("a task, warm, start to start", each["none"]!, 0.5),
  ], [`${CLI} on ${runtime.name} ${runtime.version}, ${PYTHON}`]);
}
