/**
 * Holds the embedded worker program to its sources.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  bundleProcess,
  bundleWorker,
  processCodeFile,
  processCodePath,
  pythonCodeFile,
  pythonCodePath,
  workerCodeFile,
  workerCodePath,
} from "../../tools/build_worker.ts";

test("src/pool/worker_code.ts is what the sources in workers/ give", () => {
  const committed = readFileSync(workerCodePath, "utf8");
  assert.ok(
    committed === workerCodeFile(bundleWorker().program),
    "src/pool/worker_code.ts is not current: run `npm run build:worker` and commit it",
  );
});

test("src/pool/kinds/python_code.ts is what workers/python/ gives", () => {
  assert.ok(
    readFileSync(pythonCodePath, "utf8") === pythonCodeFile(),
    "src/pool/kinds/python_code.ts is not current: run `npm run build:worker` and commit it",
  );
});

test("src/pool/process_code.ts is what the sources in workers/ give, and short enough for an argument", () => {
  const { program } = bundleProcess();
  assert.ok(
    readFileSync(processCodePath, "utf8") === processCodeFile(program),
    "src/pool/process_code.ts is not current: run `npm run build:worker` and commit it",
  );
  // Linux takes no argument of 128 KiB.
  assert.ok(program.length < 100_000, `${program.length} bytes`);
});

test("the worker program imports nothing but the runtime's own modules", async () => {
  const { workerCode } = await import("../../src/pool/worker_code.ts");
  const imports = [...workerCode.matchAll(/(?:from|import)\s*"([^"]+)"/g)].map((match) => match[1]!);
  assert.deepEqual(imports.filter((name) => !name.startsWith("node:")), []);
});

test("the worker program has a short name in stack traces", async () => {
  const { workerCode } = await import("../../src/pool/worker_code.ts");
  assert.match(workerCode, /\n\/\/# sourceURL=outrider-worker\n$/);
});
