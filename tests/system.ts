/**
 * Owns what a test does that needs a program of the system: where the program is missing it is left out, and counted aloud.
 * Must not know what is tested. The programs, each with Debian's package that brings it, are in programs.json, which
 * .ci/run installs and the runner of the tests names.
 * Invariant: a test that is left out has a line in the file that OUTRIDER_TESTS_LEFT_OUT names, so that it never counts as
 * passed; without that file (a test run by hand) it says so on stderr.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import process from "node:process";
import test from "node:test";

const PACKAGES: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL("./programs.json", import.meta.url), "utf8"),
);

/** The word for the right to do everything to the system, where a test asks for that as for a program. */
export const ROOT = "root";

/** Path of a program, or nothing if it is not there; of a file, where its package is known by one. */
export function programPath(program: string): string | undefined {
  if (!(program in PACKAGES)) {
    throw new Error(`${program} is not in tests/programs.json: add it with its package`);
  }
  if (isAbsolute(program)) return existsSync(program) ? program : undefined;
  return (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program)).find(existsSync);
}

/** A test that needs programs of the system, or `ROOT`. `test` of `node:test` is what it is otherwise. */
export function testWith(programs: readonly string[], name: string, fn: () => void | Promise<void>): void {
  const missing = programs.filter((each) =>
    each === ROOT ? process.getuid?.() !== 0 : programPath(each) === undefined
  );
  test(name, missing.length === 0 ? fn : () => leaveOut(name, missing));
}

/** Counts a test that is left out, for want of these. */
export function leaveOut(name: string, missing: readonly string[]): void {
  const file = process.env["OUTRIDER_TESTS_LEFT_OUT"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ name, missing })}\n`);
  else process.stderr.write(`Left out "${name}": there is no ${missing.join(", no ")}\n`);
}
