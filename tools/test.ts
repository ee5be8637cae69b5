/**
 * Owns `npm test`: which tests run where, and how that is shown.
 *
 *   npm test                              everything
 *   npm test -- deno bun                  on some runtimes
 *   npm test -- tests/model/value_test.ts       some files
 *
 * Invariant: a test that runs on one runtime runs on all three, but for those that start the others themselves.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SEED } from "../tests/seed.ts";
import { inLanes, type Job } from "./lanes.ts";
import { root } from "./program.ts";
import { allTests, type FileResult, type LeftOut, runFile, type RuntimeName, runtimes } from "./suites.ts";

/** Tests that start all three runtimes themselves, a browser or a model checker, and take long; they run once, on Node. */
const ONCE: readonly string[] = [
  "tests/tools/package_test.ts",
  "tests/tools/compile_test.ts",
  "tests/page/page_test.ts",
  "tests/pool/board_model_test.ts",
];

/**
 * What is done to whole systems: installed, booted, cut off, with root and the system's programs. They run once, on Node, one
 * after the other in a lane of their own, since most of it is waiting.
 */
const ENVIRONMENTS = "tests/environment/heavy/";

/** Those that take longest begin first, so that none of them is left over when all else is done. */
const LONG: readonly string[] = [
  "tests/agent/kill_test.ts",
  "tests/page/page_test.ts",
  "tests/agent/process_test.ts",
  "tests/run/pool_test.ts",
  "tests/tools/package_test.ts",
  "tests/run/stop_test.ts",
  "tests/http/cli_test.ts",
  "tests/run/program_test.ts",
  "tests/workers/boundary_test.ts",
  "tests/agent/netunicorn_test.ts",
  "tests/agent/queue_test.ts",
];

/** One file more than there are cores runs at a time, since they also wait: for what they start, and for what they stop. */
const LANES: number = availableParallelism() + 1;

/**
 * A file that failed beside the others runs once more by itself when they are done: a busy machine, or a fault of a runtime (Deno
 * panics now and then where threads end), is no fault of ours. It is counted as unsteady, with what it printed, so that nobody
 * overlooks it. If more files fail than this, none is repeated: then something is wrong.
 */
const UNSTEADY_MOST = 3;

/** How many tests passed and failed, what passed only by itself, and which were left out for want of a program of the system. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** `FILE on RUNTIME`, each of which failed beside the others and then passed alone. */
  readonly unsteady: readonly string[];
  readonly leftOut: readonly LeftOut[];
  /** How long each file ran, with what ran beside it; the longest first. */
  readonly times: readonly { readonly file: string; readonly seconds: number }[];
}

/** Programs that tests need, each with Debian's package that brings it. */
const PACKAGES: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(root, "tests/programs.json"), "utf8"),
);

/**
 * Runs what the arguments name, all if there are none, and prints how each suite went.
 *
 * @param beside What else there is to do meanwhile.
 */
export async function test(args: readonly string[], beside: readonly Job[] = []): Promise<Counts> {
  const named = args.map((arg) => arg.replace(/^\.\//, ""));
  const onRuntimes = runtimes.filter((name) => named.includes(name));
  const files = allTests().filter((file) => named.includes(file));
  const unknown = named.filter((name) => !files.includes(name) && !onRuntimes.includes(name as RuntimeName));
  if (unknown.length > 0) {
    process.stdout.write(`There is no such test or runtime: ${unknown.join(", ")}\n`);
    return { passed: 0, failed: unknown.length, unsteady: [], leftOut: [], times: [] };
  }
  const suites = suitesOf(
    onRuntimes.length > 0 ? onRuntimes : runtimes,
    files.length > 0 ? files : allTests(),
  );
  process.stdout.write(`Chance begins with ${SEED}: OUTRIDER_TEST_SEED=${SEED} repeats it\n`);
  // Tests start Node on our sources hundreds of times: stripped and compiled once, that takes half the time.
  const compiled = mkdtempSync(join(tmpdir(), "outrider-compiled-"));
  const run = (suite: Suite, file: string) =>
    runIn(suite, file, { NODE_COMPILE_CACHE: compiled, OUTRIDER_TEST_SEED: String(SEED) });
  const jobs = (asked: (file: string) => boolean) => jobsOf(suites, asked, run);
  try {
    const apart = inLanes(jobs((file) => file.startsWith(ENVIRONMENTS)), 1);
    const others = jobs((file) => !file.startsWith(ENVIRONMENTS));
    await Promise.all([apart, inLanes([...beside, ...others], LANES)]);
    await repeatFailed(suites, run);
  } finally {
    rmSync(compiled, { recursive: true, force: true });
  }
  return countsOf(suites);
}

/** Files of tests on one runtime. */
interface Suite {
  readonly label: string;
  readonly runtime: RuntimeName;
  /** Those that run on all. */
  readonly everywhere: boolean;
  readonly files: readonly string[];
  /** By file; the last one counts. */
  readonly results: Map<string, FileResult>;
  readonly unsteady: string[];
}

function suitesOf(chosen: readonly RuntimeName[], files: readonly string[]): Suite[] {
  const environments = files.filter((file) => file.startsWith(ENVIRONMENTS));
  const once = files.filter((file) => ONCE.includes(file));
  const everywhere = files.filter((file) => !once.includes(file) && !environments.includes(file));
  const suites = chosen.map((runtime): Suite => (
    { label: runtime, runtime, everywhere: true, files: everywhere, results: new Map(), unsteady: [] }
  ));
  if (chosen.includes("node")) {
    suites.unshift(
      { label: "once", runtime: "node", everywhere: false, files: once, results: new Map(), unsteady: [] },
      {
        label: "environments",
        runtime: "node",
        everywhere: false,
        files: environments,
        results: new Map(),
        unsteady: [],
      },
    );
  }
  return suites.filter(({ files }) => files.length > 0);
}

/** The files that are asked for, those first that take longest. */
function jobsOf(
  suites: readonly Suite[],
  asked: (file: string) => boolean,
  run: (suite: Suite, file: string) => Promise<void>,
): Job[] {
  const jobs = suites.flatMap((suite) =>
    suite.files.filter(asked).map((file) => ({ file, job: () => run(suite, file) }))
  );
  const first = jobs.filter(({ file }) => LONG.includes(file));
  return [...first, ...jobs.filter(({ file }) => !LONG.includes(file))].map(({ job }) => job);
}

async function runIn(suite: Suite, file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const result = await runFile(suite.runtime, file, env);
  suite.results.set(file, result);
  if (result.failed > 0) process.stdout.write(`${file} on ${suite.runtime}:\n${result.output.trimEnd()}\n`);
  if (suite.results.size === suite.files.length) show(suite);
}

/** Runs what failed once more, one file at a time, if there are few. */
async function repeatFailed(
  suites: readonly Suite[],
  run: (suite: Suite, file: string) => Promise<void>,
): Promise<void> {
  const failed = suites.flatMap((suite) => failedIn(suite).map((file) => ({ suite, file })));
  if (failed.length > UNSTEADY_MOST) return;
  for (const { suite, file } of failed) {
    process.stdout.write(`${file} on ${suite.runtime} runs once more, by itself\n`);
    await run(suite, file);
    if (!failedIn(suite).includes(file)) suite.unsteady.push(`${file} on ${suite.runtime}`);
  }
}

function failedIn({ results }: Suite): string[] {
  return [...results].filter(([, { failed }]) => failed > 0).map(([file]) => file);
}

function countsOf(suites: readonly Suite[]): Counts {
  const results = suites.flatMap(({ results }) => [...results.values()]);
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, reportMissing(suites)),
    unsteady: suites.flatMap(({ unsteady }) => unsteady),
    leftOut: results.flatMap(({ leftOut }) => leftOut),
    times: suites.flatMap(({ runtime, results }) =>
      [...results].map(([file, { seconds }]) => ({ file: `${file} on ${runtime}`, seconds }))
    ).sort((one, other) => other.seconds - one.seconds),
  };
}

/** `N passed, N failed`, what passed only by itself, and what was left out for want of which program. */
export function sumOf({ passed, failed, unsteady, leftOut }: Counts): string {
  const missing = [...new Set(leftOut.flatMap(({ missing }) => missing))].sort();
  const words = missing.map((what) =>
    what in PACKAGES ? `no ${what} (apt install ${PACKAGES[what]})` : `no ${what}`
  );
  return `${passed} passed, ${failed} failed` +
    (unsteady.length === 0 ? "" : `, ${unsteady.length} unsteady: ${unsteady.join(", ")}`) +
    (leftOut.length === 0 ? "" : `, ${leftOut.length} skipped: ${words.join(", ")}`);
}

function show({ label, results }: Suite): void {
  const sum = (of: (result: FileResult) => number) =>
    [...results.values()].reduce((all, each) => all + of(each), 0);
  const [passed, failed, leftOut] = [
    sum((file) => file.passed),
    sum((file) => file.failed),
    sum((file) => file.leftOut.length),
  ];
  const state = failed === 0 ? `ok      ${passed} tests` : `FAILED  ${failed} of ${passed + failed} tests`;
  const without = leftOut === 0 ? "" : `, ${leftOut} left out`;
  const seconds = sum((file) => file.seconds).toFixed(1);
  process.stdout.write(`${label.padEnd(13)}${state}, files of ${seconds} s${without}\n`);
}

/** Tests that ran on one runtime and not on another, which is how a silently lost file shows. */
function reportMissing(suites: readonly Suite[]): number {
  const ran = suites.filter(({ everywhere }) => everywhere);
  if (ran.some((suite) => failedIn(suite).length > 0)) return 0;
  const namesOf = ({ results }: Suite) => [...results.values()].flatMap(({ names }) => names);
  const all = new Set(ran.flatMap(namesOf));
  let missing = 0;
  for (const suite of ran) {
    const names = new Set(namesOf(suite));
    const lost = [...all].filter((name) => !names.has(name));
    missing += lost.length;
    for (const name of lost) process.stdout.write(`${suite.runtime} has not run the test "${name}"\n`);
  }
  return missing;
}

if (import.meta.main) {
  const counts = await test(process.argv.slice(2));
  process.stdout.write(`${sumOf(counts)}\n`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
