/**
 * Owns the order of a full check: everything that is not a test, then all tests, then one last line with the sum.
 * Invariant: the last line is printed whatever happens, and the exit code is 0 only if nothing has failed.
 */
import process from "node:process";
import { check } from "./check.ts";
import { test } from "./test.ts";

const sum = { passed: 0, failed: 0 };
try {
  sum.failed += check();
  const { passed, failed } = await test(process.argv.slice(2));
  sum.passed += passed;
  sum.failed += failed;
} catch (error) {
  sum.failed++;
  process.stdout.write(`${error instanceof Error ? error.stack : error}\n`);
}
process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`);
process.exitCode = sum.failed === 0 ? 0 : 1;
