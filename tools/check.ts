/**
 * Owns `npm run check`: all that is checked beside the tests.
 * Invariant: every check runs, also after another has failed; one that fails is shown in full.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { checkPython } from "./check_python.ts";
import { inLanes, type Job } from "./lanes.ts";
import { root, runProgram } from "./program.ts";
import { allTests } from "./suites.ts";

/** A command line, or a function that lists what is wrong. */
interface Check {
  readonly name: string;
  readonly run: readonly string[] | (() => readonly string[] | Promise<readonly string[]>);
}

/** Tests that hold the sources rather than the program to something. */
const SOURCE_TESTS: readonly string[] = [
  "tests/architecture_test.ts",
  "tests/workers/code_test.ts",
  "tests/page/code_test.ts",
];

/** A check that is not over by then has failed. */
const CHECK_LIMIT_MS = 5 * 60_000;

function checks(files: readonly string[]): Check[] {
  const sources = files.filter((file) => file.endsWith(".ts"));
  const tests = allTests().filter((file) => SOURCE_TESTS.includes(file));
  return [
    { name: "format", run: ["deno", "fmt", "--check", "--quiet"] },
    { name: "lint", run: ["deno", "lint", "--quiet"] },
    { name: "types", run: ["deno", "check", "--quiet", ...sources] },
    { name: "declarations", run: ["tsc", "--noCheck"] },
    { name: "documentation", run: ["deno", "doc", "--lint", "--quiet", "mod.ts", "testing.ts"] },
    { name: "imports and generated files", run: ["node", "--test", "--test-reporter=dot", ...tests] },
    {
      name: "lock file",
      run: ["npm", "ci", "--dry-run", "--no-audit", "--no-fund", "--engine-strict=false"],
    },
    { name: "Python", run: checkPython },
    { name: "no registry addresses", run: () => registryAddresses(files) },
  ];
}

/** All checks, each as a job that prints how it went and tells of a failure. */
export function checkJobs(failed: () => void): Job[] {
  return checks(committable()).map(({ name, run }) => async () => {
    const started = performance.now();
    const wrong = typeof run === "function" ? (await run()).join("\n") : await output(run);
    if (wrong !== "") failed();
    if (wrong !== "") process.stdout.write(`${wrong.trimEnd()}\n`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${wrong === "" ? "ok     " : "FAILED "} ${name} in ${seconds} s\n`);
  });
}

/** What a command printed if it failed, else nothing. */
async function output(command: readonly string[]): Promise<string> {
  const { code, output } = await runProgram(command, { limitMs: CHECK_LIMIT_MS });
  return code === 0 ? "" : output || `${command[0]} has failed: code ${code}`;
}

/** Files that are in git, or would be with the next `git add`. */
function committable(): string[] {
  const { stdout } = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return [...new Set(stdout.split("\0"))].filter((file) => file !== "" && readable(file) !== undefined);
}

function readable(file: string): string | undefined {
  try {
    return readFileSync(join(root, file), "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Places that name a package registry. A clone must install from whichever registry its machine is set up for, and an
 * address in a lock file overrules that.
 */
function registryAddresses(files: readonly string[]): string[] {
  const { stdout } = spawnSync("npm", ["config", "get", "registry"], { cwd: root, encoding: "utf8" });
  const here = URL.canParse(stdout.trim()) ? [new URL(stdout.trim()).host] : [];
  return files.flatMap((file) => {
    if (file.endsWith(".npmrc")) return [`${file} is in git: settings for a registry belong to the machine`];
    return readable(file)!.split("\n").flatMap((line, at) => {
      const found = /"resolved"\s*:|\bregistry\.[\w-]+\.\w+\b(?!\()/.exec(line)?.[0] ??
        here.find((host) => line.includes(host));
      return found === undefined ? [] : [`${file}:${at + 1} names a registry (${found}): take it out`];
    });
  });
}

if (import.meta.main) {
  await inLanes(checkJobs(() => void (process.exitCode = 1)), availableParallelism());
}
