/**
 * Owns the large pipeline as a file: `outrider run FILE --json` as a whole process, per task and over its start, in memory
 * and on disk; and the memory that a million tasks take.
 * Run alone: `node bench/large.ts [memory] [--quick]`, likewise on Deno (`-A`) and Bun. The built command line is that of
 * `OUTRIDER_BENCH_CLI`, by default `dist/cli.js` (`npm run build`).
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { RunResult } from "../src/model/result.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { type Figure, figure, median, print, quick, words } from "./figure.ts";
import { peakMiB } from "./proc.ts";
import { independent, layered, manifest } from "./shapes.ts";

const LARGE = quick ? 10_000 : 100_000;
const MILLION = quick ? 100_000 : 1_000_000;
const ROUNDS = quick ? 1 : 5;
const CLI = process.env["OUTRIDER_BENCH_CLI"] ?? fileURLToPath(new URL("../dist/cli.js", import.meta.url));
/** How often it is looked how much memory the process has had at most, milliseconds. */
const LOOK_MS = 50;

/** A whole process. */
interface Ran {
  readonly ms: number;
  /** How long the run itself took, by its own document. */
  readonly runMs: number;
  /** The most memory that was seen, where the system says it. */
  readonly peakMiB: number | undefined;
}

const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));

/** Writes the file of a pipeline. */
function fileOf(name: string, tasks: ReturnType<typeof layered>): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(manifest(name, tasks)));
  return path;
}

/** Runs a file, its document to a file too. @throws {Error} If the run does not succeed. */
async function ran(file: string, more: readonly string[] = []): Promise<Ran> {
  const out = join(folder, "result.json");
  const output = openSync(out, "w");
  const args = [...(runtime.name === "deno" ? ["run", "-A"] : []), CLI, "run", file, "--json", ...more];
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", output, "pipe"],
    env: { ...process.env, CI: "1" },
  });
  let errors = "", peak: number | undefined;
  child.stderr!.on("data", (chunk) => errors += chunk);
  const looks = setInterval(() => peak = peakMiB(child.pid!) ?? peak, LOOK_MS);
  const code = await new Promise<number | null>((done) => child.on("close", done));
  const ms = performance.now() - began;
  clearInterval(looks);
  closeSync(output);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${errors.slice(0, 2_000)}`);
  return { ms, runMs: tookMs(out), peakMiB: peak };
}

/** What the document says before its tasks. */
function tookMs(path: string): number {
  const head = readFileSync(path, "utf8").slice(0, 1_000).split(',"tasks":{')[0]!;
  return (JSON.parse(`${head}}`) as RunResult).tookMs!;
}

async function times(): Promise<void> {
  const one = fileOf("one", independent(1, "nothing"));
  const large = fileOf("large", layered(LARGE, "nothing"));
  const state = join(folder, "state");
  const start: number[] = [], inMemory: Ran[] = [], onDisk: Ran[] = [];
  await ran(one);
  for (let round = 0; round < ROUNDS; round++) {
    start.push((await ran(one)).ms);
    inMemory.push(await ran(large));
    onDisk.push(await ran(large, ["--state-dir", state]));
    rmSync(state, { recursive: true, force: true });
  }
  const perTask = (ms: number) => ms * 1_000 / LARGE;
  const rounds = `${LARGE} tasks, ${
    2 * LARGE
  } needs, default options, its document to a file; ${ROUNDS} rounds in turn`;
  const over = `over that of one task (median ${median(start).toFixed(0)} ms)`;
  const name = `large, ${LARGE} tasks of a file`;
  const figures: Figure[] = [
    figure(`${name}: whole process, per task`, inMemory.map(({ ms }, at) => perTask(ms - start[at]!)), {
      unit: "µs",
      how: `spawn to exit ${over}; ${rounds}`,
      target: { atMost: 8 },
    }),
    figure(`${name}: of it the run`, inMemory.map(({ runMs }) => perTask(runMs)), {
      unit: "µs",
      how: `run.started to run.ended; the rest is reading, checking, and writing the document; ${rounds}`,
    }),
    figure(`${name}: on disk, more per task`, onDisk.map(({ ms }, at) => perTask(ms - inMemory[at]!.ms)), {
      unit: "µs",
      how: `the same with --state-dir, over that without; ${rounds}`,
      target: { atMost: 3 },
    }),
  ];
  print("large", figures);
}

async function memory(): Promise<void> {
  const { peakMiB: peak, ms } = await ran(fileOf("million", layered(MILLION, "nothing")));
  if (peak === undefined) {
    return print("large memory", [], ["The system does not say how much memory a process has had"]);
  }
  print("large memory", [
    figure(`large, ${MILLION} tasks of a file: peak memory`, [peak], {
      unit: "MiB",
      how:
        `most memory that the process had resident, looked at every ${LOOK_MS} ms; one run of ${MILLION} tasks, ${
          2 * MILLION
        } needs, default options, ${(ms / 1_000).toFixed(1)} s`,
      target: { atMost: 4_096 },
    }),
  ]);
}

try {
  if (!existsSync(CLI)) print("large", [], [`${CLI} is missing: npm run build`]);
  else await (words.includes("memory") ? memory() : times());
} finally {
  rmSync(folder, { recursive: true, force: true });
}
