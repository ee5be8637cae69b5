/**
 * Owns the order of a full check: everything that is not a test, then all tests, then one last line with the sum.
 * Invariant: the last line is printed whatever happens, and the exit code is 0 only if nothing has failed.
 */
import process from "node:process";
import { check } from "./check.ts";
import { type Counts, test } from "./test.ts";

let failed = 0;
let counts: Counts = { passed: 0, failed: 0, leftOut: [] };
try {
  failed += check();
  counts = await test(process.argv.slice(2));
} catch (error) {
  failed++;
  process.stdout.write(`${error instanceof Error ? error.stack : error}\n`);
}
// Here nothing is left out: .ci/run installs what tests need.
for (const { name, missing } of counts.leftOut) {
  process.stdout.write(`"${name}" was left out: there is no ${missing.join(", no ")}\n`);
}
failed += counts.failed + counts.leftOut.length;
process.stdout.write(`${counts.passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
