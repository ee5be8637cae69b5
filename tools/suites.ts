/**
 * Owns the running of the tests on Deno, Node and Bun, one after the other, and the count of what passed.
 * Must not know what the tests test.
 * Invariant: a runtime that ends badly counts at least one failure, also when it named none.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What runs tests. */
export type RuntimeName = "deno" | "node" | "bun";

/** How a suite ended. */
export interface SuiteResult {
  readonly runtime: RuntimeName;
  readonly passed: number;
  readonly failed: number;
  /** Names of all tests that ran, without signs. */
  readonly names: readonly string[];
  /** Tests among them that were left out, each with the programs that it lacks. */
  readonly leftOut: readonly LeftOut[];
  /** What the runtime printed. */
  readonly output: string;
  readonly seconds: number;
}

/** A test that needs programs of the system that are not there; it is not among those that passed. */
export interface LeftOut {
  readonly name: string;
  readonly missing: readonly string[];
}

/** All three, in the order in which they run. */
export const runtimes: readonly RuntimeName[] = ["deno", "node", "bun"];

/** A suite that has not ended by then is killed, and counts as failed. */
const SUITE_LIMIT_MS = 15 * 60_000;

/** Where tests note that they were left out. */
const LEFT_OUT = "left_out.ndjson";

/** Limit for one test, where the runtime has one. */
const TEST_LIMIT_MS = 240_000;

/** The repository's folder. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Paths of all tests, relative to the repository. */
export function allTests(): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("_test.ts"))
    .map((name) => `tests/${name}`)
    .sort();
}

/** Runs test files on one runtime. */
export async function runSuite(runtime: RuntimeName, files: readonly string[]): Promise<SuiteResult> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-suite-"));
  const report = join(folder, "report.xml");
  const started = Date.now();
  try {
    const { code, output } = await captured(commandFor(runtime, report), { files, folder });
    const { passed, ...counted } = count(report, code);
    const leftOut = leftOutIn(folder);
    const seconds = (Date.now() - started) / 1000;
    return { runtime, output, seconds, leftOut, passed: passed - leftOut.length, ...counted };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function commandFor(runtime: RuntimeName, report: string): string[] {
  switch (runtime) {
    case "deno":
      return ["deno", "test", "-A", "--no-check", "--reporter=dot", `--junit-path=${report}`];
    case "node":
      return [
        "node",
        "--test",
        `--test-timeout=${TEST_LIMIT_MS}`,
        "--test-reporter=dot",
        "--test-reporter-destination=stdout",
        "--test-reporter=junit",
        `--test-reporter-destination=${report}`,
      ];
    case "bun":
      return [
        "bun",
        "test",
        `--timeout=${TEST_LIMIT_MS}`,
        "--only-failures",
        "--reporter=junit",
        `--reporter-outfile=${report}`,
      ];
  }
}

/** Runs a program in a process group of its own, so that nothing of it is left when it has to be killed. */
function captured(
  command: readonly string[],
  { files, folder }: { readonly files: readonly string[]; readonly folder: string },
): Promise<{ code: number; output: string }> {
  const [program, ...args] = [...command, ...files.map((file) => `./${file}`)];
  const child = spawn(program!, args, {
    cwd: root,
    detached: true,
    // Tests start Node on our sources hundreds of times: stripped and compiled once, that takes half the time.
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: join(folder, "compiled"),
      OUTRIDER_TESTS_LEFT_OUT: join(folder, LEFT_OUT),
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Uint8Array[] = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  const kill = () => process.kill(-child.pid!, "SIGKILL");
  const stop = () => (kill(), process.exit(130));
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const limit = setTimeout(() => {
    chunks.push(new TextEncoder().encode(`\nNot over after ${SUITE_LIMIT_MS / 60_000} minutes: killed\n`));
    kill();
  }, SUITE_LIMIT_MS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(limit);
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() });
    });
  });
}

/** What tests/system.ts has noted of the tests that it left out. */
function leftOutIn(folder: string): LeftOut[] {
  const file = join(folder, LEFT_OUT);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Counts the cases of a JUnit report; all three runtimes write one. */
function count(report: string, code: number): Pick<SuiteResult, "passed" | "failed" | "names"> {
  let text = "";
  try {
    text = readFileSync(report, "utf8");
  } catch {
    // Killed, or it could not start: the exit code says so.
  }
  const cases = [...text.matchAll(/<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
  const bad = cases.filter(([, , inside = ""]) => /<(failure|error|skipped)\b/.test(inside)).length;
  const failed = bad === 0 && (code !== 0 || cases.length === 0) ? 1 : bad;
  const names = cases.map(([, attributes]) => wordsOf(/\bname="([^"]*)"/.exec(attributes!)?.[1] ?? "?"))
    .sort();
  return { passed: cases.length - bad, failed, names };
}

/** The words of a name, without what the runtimes escape each in a way of its own. */
function wordsOf(name: string): string {
  return name.replace(/&(?:amp;)*#?\w+;|\\[a-z]/g, " ").replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}
