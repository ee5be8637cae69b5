/**
 * Owns `npm run check`: all that is checked beside the tests.
 * Invariant: every check runs, also after another has failed; one that fails is shown in full.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { allTests, root } from "./suites.ts";

/** A command line, or a function that lists what is wrong. */
interface Check {
  readonly name: string;
  readonly run: readonly string[] | (() => readonly string[]);
}

/** Tests that hold the sources rather than the program to something. */
const SOURCE_TESTS: readonly string[] = [
  "tests/architecture_test.ts",
  "tests/workers/code_test.ts",
  "tests/page/code_test.ts",
];

function checks(files: readonly string[]): Check[] {
  const sources = files.filter((file) => file.endsWith(".ts"));
  const tests = allTests().filter((file) => SOURCE_TESTS.includes(file));
  return [
    { name: "format", run: ["deno", "fmt", "--check", "--quiet"] },
    { name: "lint", run: ["deno", "lint", "--quiet"] },
    { name: "types", run: ["deno", "check", "--quiet", ...sources] },
    { name: "declarations", run: ["tsc", "--noCheck"] },
    { name: "documentation", run: ["deno", "doc", "--lint", "--quiet", "mod.ts"] },
    { name: "imports and generated files", run: ["node", "--test", "--test-reporter=dot", ...tests] },
    {
      name: "lock file",
      run: ["npm", "ci", "--dry-run", "--no-audit", "--no-fund", "--engine-strict=false"],
    },
    { name: "no registry addresses", run: () => registryAddresses(files) },
  ];
}

/** Runs all checks, prints how each one went, and returns how many have failed. */
export function check(): number {
  let failed = 0;
  for (const { name, run } of checks(committable())) {
    const started = Date.now();
    const wrong = typeof run === "function" ? run().join("\n") : output(run);
    if (wrong !== "") failed++;
    if (wrong !== "") process.stdout.write(`${wrong.trimEnd()}\n`);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${wrong === "" ? "ok     " : "FAILED "} ${name} in ${seconds} s\n`);
  }
  return failed;
}

/** What a command printed if it failed, else nothing. */
function output([program, ...args]: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program!, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status === 0) return "";
  return `${stdout ?? ""}${stderr ?? ""}` || `${program} has failed: ${error?.message ?? `code ${status}`}`;
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
      const found = /"resolved"\s*:|\bregistry\.[\w-]+\.\w+/.exec(line)?.[0] ??
        here.find((host) => line.includes(host));
      return found === undefined ? [] : [`${file}:${at + 1} names a registry (${found}): take it out`];
    });
  });
}

if (import.meta.main) process.exitCode = check() === 0 ? 0 : 1;
