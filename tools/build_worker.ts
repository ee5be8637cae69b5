/**
 * Owns the embedding of the worker's program: workers/task_worker.ts becomes the text in src/pool/worker_code.ts, so
 * that an executable needs no file beside it. Run by `npm run build:worker`.
 * Must not know what the program does.
 * Invariant: the same sources give the same text, byte for byte, on every machine and runtime.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { withoutFacades } from "./builtins.ts";

const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Where the texts of the programs in Python live. */
export const pythonCodePath: string = fileURLToPath(
  new URL("../src/pool/kinds/python_code.ts", import.meta.url),
);

function pythonSource(name: string): string {
  return readFileSync(new URL(`../workers/python/${name}`, import.meta.url), "utf8");
}

/** The text of src/pool/kinds/python_code.ts. */
export function pythonCodeFile(): string {
  return [
    "/**",
    " * Owns the texts of what runs Python. Generated from workers/python/ by `npm run build:worker`; don't edit it.",
    " * Invariant: they are what lies in workers/python/ (tests/workers/code_test.ts).",
    " */",
    "// deno-fmt-ignore-file",
    "",
    "/** The program that runs functions of Python modules. */",
    `export const pythonCode: string = ${JSON.stringify(pythonSource("runner.py"))};`,
    "",
    "/** What joins it to run tasks of netUnicorn's graphs. */",
    `export const graphCode: string = ${JSON.stringify(pythonSource("graph.py"))};`,
    "",
    "/** The program that says what functions Python modules have. */",
    `export const pythonLookCode: string = ${JSON.stringify(pythonSource("look.py"))};`,
    "",
  ].join("\n");
}

/** Where the text lives. */
export const workerCodePath: string = fileURLToPath(new URL("../src/pool/worker_code.ts", import.meta.url));

/** Where the text of the program for processes lives. */
export const processCodePath: string = fileURLToPath(new URL("../src/pool/process_code.ts", import.meta.url));

/** The program of a process that runs functions of modules. */
export function bundleProcess(): Bundled {
  return bundleProgram("workers/task_process.ts");
}

/** The text of src/pool/process_code.ts for a program. */
export function processCodeFile(program: string): string {
  return [
    "/**",
    " * Owns the text of the program of processes. Generated from workers/ by `npm run build:worker`; don't edit it.",
    " * Invariant: it is what the sources in workers/ give (tests/workers/code_test.ts).",
    " */",
    "// deno-fmt-ignore-file",
    "",
    "/** The program of a process that runs functions, JavaScript source of a module. */",
    `export const processCode: string = ${JSON.stringify(program)};`,
    "",
  ].join("\n");
}

/** A program as one module of JavaScript, and the files that went into it. */
interface Bundled {
  readonly program: string;
  readonly inputs: readonly string[];
}

/** The worker's program. */
export function bundleWorker(): Bundled {
  return bundleProgram("workers/task_worker.ts");
}

/** A program for a worker. @param entry Its module, relative to the repository. */
export function bundleProgram(entry: string): Bundled {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2024",
    external: ["node:*"],
    legalComments: "none",
    charset: "ascii",
    footer: { js: "//# sourceURL=outrider-worker" },
  });
  return { program: withoutFacades(outputFiles[0]!.text), inputs: Object.keys(metafile.inputs) };
}

/** The text of src/pool/worker_code.ts for a program. */
export function workerCodeFile(program: string): string {
  return [
    "/**",
    " * Owns the text of the worker's program. Generated from workers/ by `npm run build:worker`; don't edit it.",
    " * Invariant: it is what the sources in workers/ give (tests/workers/code_test.ts).",
    " */",
    "// deno-fmt-ignore-file",
    "",
    "/** The program that a worker runs, JavaScript source of a module. */",
    `export const workerCode: string = ${JSON.stringify(program)};`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const text = workerCodeFile(bundleWorker().program);
  writeFileSync(workerCodePath, text);
  process.stdout.write(`Wrote src/pool/worker_code.ts: ${text.length} bytes\n`);
  const processText = processCodeFile(bundleProcess().program);
  writeFileSync(processCodePath, processText);
  process.stdout.write(`Wrote src/pool/process_code.ts: ${processText.length} bytes\n`);
  const python = pythonCodeFile();
  writeFileSync(pythonCodePath, python);
  process.stdout.write(`Wrote src/pool/kinds/python_code.ts: ${python.length} bytes\n`);
}
