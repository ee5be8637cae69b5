/**
 * Owns the running of one file of tests on Deno, Node or Bun, and the count of what passed.
 * Must not know what the tests test, nor what else runs meanwhile.
 * Invariant: a runtime that ends badly counts at least one failure, also when it named none.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runProgram } from "./program.ts";

/** What runs tests. */
export type RuntimeName = "deno" | "node" | "bun";

/** How a file's tests ended. */
export interface FileResult {
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

/** A file that has not ended by then is killed, and counts as failed. */
const FILE_LIMIT_MS = 15 * 60_000;

/** Where tests note that they were left out. */
const LEFT_OUT = "left_out.ndjson";

/** Limit for one test, where the runtime has one: a machine of another processor is emulated in it, which takes minutes. */
const TEST_LIMIT_MS = 480_000;

/** Paths of all tests, relative to the repository. */
export function allTests(): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("_test.ts"))
    .map((name) => `tests/${name}`)
    .sort();
}

/** Runs a file of tests on one runtime. @param env Laid over the environment. */
export async function runFile(
  runtime: RuntimeName,
  file: string,
  env: NodeJS.ProcessEnv = {},
): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-suite-"));
  const report = join(folder, "report.xml");
  const started = performance.now();
  try {
    const { code, output } = await runProgram([...commandFor(runtime, report), `./${file}`], {
      limitMs: FILE_LIMIT_MS,
      env: { ...env, OUTRIDER_TESTS_LEFT_OUT: join(folder, LEFT_OUT) },
    });
    const { passed, ...counted } = count(report, code);
    const leftOut = leftOutIn(folder);
    const seconds = (performance.now() - started) / 1000;
    return { output, seconds, leftOut, passed: passed - leftOut.length, ...counted };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function commandFor(runtime: RuntimeName, report: string): string[] {
  switch (runtime) {
    case "deno":
      return ["deno", "test", "-A", "--no-check", "--reporter=dot", `--junit-path=${report}`];
    case "node":
      // Without `--test`, which would start a second process for the file.
      return [
        "node",
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

/** What tests/system.ts has noted of the tests that it left out. */
function leftOutIn(folder: string): LeftOut[] {
  const file = join(folder, LEFT_OUT);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Counts the cases of a JUnit report; all three runtimes write one. */
function count(report: string, code: number): Pick<FileResult, "passed" | "failed" | "names"> {
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
