/**
 * Owns the order of a full check: all tests, what is checked beside them, then one last line with the sum.
 * Invariant: the last line is printed whatever happens, and the exit code is 0 only if nothing has failed.
 */
import process from "node:process";
import { ROOT } from "../tests/system.ts";
import { checkJobs } from "./check.ts";
import { type Counts, test } from "./test.ts";

const started = performance.now();
let failed = 0;
let counts: Counts = { passed: 0, failed: 0, unsteady: [], leftOut: [], times: [] };
try {
  counts = await test(process.argv.slice(2), checkJobs(() => failed++));
} catch (error) {
  failed++;
  process.stdout.write(`${error instanceof Error ? error.stack : error}\n`);
}
for (const { name, missing } of counts.leftOut) {
  process.stdout.write(`"${name}" was left out: there is no ${missing.join(", no ")}\n`);
}
for (const file of counts.unsteady) {
  process.stdout.write(
    `${file} is unsteady: it failed beside the others, and passed by itself (see above)\n`,
  );
}
// Here nothing is left out that could be had: .ci/run installs what tests need, but can't make itself root.
const left = counts.leftOut.filter(({ missing }) => missing.some((what) => what !== ROOT));
failed += counts.failed + left.length;
const longest = counts.times.slice(0, 12).map(({ file, seconds }) => `  ${seconds.toFixed(0)} s  ${file}\n`);
process.stdout.write(`The longest files:\n${longest.join("")}`);
process.stdout.write(`All in ${((performance.now() - started) / 60_000).toFixed(1)} minutes\n`);
process.stdout.write(`${counts.passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
