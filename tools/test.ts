/**
 * Owns `npm test`: which tests run where, and how that is shown.
 *
 *   npm test                              everything
 *   npm test -- deno bun                  on some runtimes
 *   npm test -- tests/model/value_test.ts       some files
 *
 * Invariant: a test that runs on one runtime runs on all three, but for those that start the others themselves.
 */
import process from "node:process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  allTests,
  type LeftOut,
  root,
  runSuite,
  type RuntimeName,
  runtimes,
  type SuiteResult,
} from "./suites.ts";

/** Tests that start all three runtimes themselves, or a browser, and take long; they run once, on Node. */
const ONCE: readonly string[] = [
  "tests/tools/package_test.ts",
  "tests/tools/compile_test.ts",
  "tests/page/page_test.ts",
];

/** How many tests passed and failed, and which were left out because a program of the system is missing. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly leftOut: readonly LeftOut[];
}

/** Programs that tests need, each with Debian's package that brings it. */
const PACKAGES: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(root, "tests/programs.json"), "utf8"),
);

/** Runs what the arguments name, all if there are none, and prints how each suite went. */
export async function test(args: readonly string[]): Promise<Counts> {
  const named = args.map((arg) => arg.replace(/^\.\//, ""));
  const onRuntimes = runtimes.filter((name) => named.includes(name));
  const files = allTests().filter((file) => named.includes(file));
  const unknown = named.filter((name) => !files.includes(name) && !onRuntimes.includes(name as RuntimeName));
  if (unknown.length > 0) {
    process.stdout.write(`There is no such test or runtime: ${unknown.join(", ")}\n`);
    return { passed: 0, failed: unknown.length, leftOut: [] };
  }
  return await runSuites(
    onRuntimes.length > 0 ? onRuntimes : runtimes,
    files.length > 0 ? files : allTests(),
  );
}

async function runSuites(chosen: readonly RuntimeName[], files: readonly string[]): Promise<Counts> {
  const everywhere = files.filter((file) => !ONCE.includes(file));
  const once = files.filter((file) => ONCE.includes(file));
  const results: SuiteResult[] = [];
  for (const runtime of everywhere.length > 0 ? chosen : []) {
    results.push(show(runtime, await runSuite(runtime, everywhere)));
  }
  const missing = reportMissing(results);
  if (once.length > 0 && chosen.includes("node")) results.push(show("once", await runSuite("node", once)));
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, missing),
    leftOut: results.flatMap(({ leftOut }) => leftOut),
  };
}

/** `N passed, N failed`, and what was left out for want of which program. */
export function sumOf({ passed, failed, leftOut }: Counts): string {
  const missing = [...new Set(leftOut.flatMap(({ missing }) => missing))].sort();
  const words = missing.map((program) => `no ${program} (apt install ${PACKAGES[program] ?? program})`);
  return `${passed} passed, ${failed} failed` +
    (leftOut.length === 0 ? "" : `, ${leftOut.length} skipped: ${words.join(", ")}`);
}

function show(label: string, result: SuiteResult): SuiteResult {
  const { passed, failed, leftOut, output, seconds } = result;
  if (failed > 0) process.stdout.write(`${output.trimEnd()}\n`);
  const state = failed === 0 ? `ok      ${passed} tests` : `FAILED  ${failed} of ${passed + failed} tests`;
  const without = leftOut.length === 0 ? "" : `, ${leftOut.length} left out`;
  process.stdout.write(`${label.padEnd(8)}${state} in ${seconds.toFixed(1)} s${without}\n`);
  return result;
}

/** Tests that ran on one runtime and not on another, which is how a silently lost file shows. */
function reportMissing(results: readonly SuiteResult[]): number {
  if (results.some(({ failed }) => failed > 0)) return 0;
  const all = new Set(results.flatMap(({ names }) => names));
  let missing = 0;
  for (const { runtime, names } of results) {
    const lost = [...all].filter((name) => !names.includes(name));
    missing += lost.length;
    for (const name of lost) process.stdout.write(`${runtime} has not run the test "${name}"\n`);
  }
  return missing;
}

if (import.meta.main) {
  const counts = await test(process.argv.slice(2));
  process.stdout.write(`${sumOf(counts)}\n`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
