/**
 * Owns the check of what is written in Python: ruff and mypy of PyPI, in an environment that is made once beside the
 * dependencies.
 * Must not know what the programs do.
 * Invariant: where Python or PyPI can't be reached, that is said aloud, and nothing is wrong with the sources by it.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root, runProgram } from "./program.ts";

/** mypy holds types to the least version that it knows; ruff the syntax, and vermin what is used of the library, to 3.8. */
const TOOLS: readonly string[] = ["ruff==0.17.6", "mypy==2.4.1", "vermin==1.9.2"];
const TYPED: readonly string[] = [
  "workers/python/runner.py",
  "workers/python/look.py",
  "workers/python/graph.py",
];
const LIMIT_MS = 3 * 60_000;

/** Lists what is wrong. */
export async function checkPython(): Promise<readonly string[]> {
  const bin = await toolFolder();
  if (bin === undefined) {
    process.stdout.write(
      `Left out: the check of workers/python needs python3, and ${TOOLS.join(", ")} of PyPI\n`,
    );
    return [];
  }
  const cache = join(root, "node_modules/.cache/mypy");
  const wrong: string[] = [];
  for (
    const command of [
      [join(bin, "ruff"), "check", "--quiet", "--no-cache", "workers/python"],
      [join(bin, "ruff"), "format", "--quiet", "--no-cache", "--diff", ...TYPED],
      [
        join(bin, "python"),
        "-c",
        "import vermin; vermin.main()",
        "--target=3.8-",
        "--no-tips",
        "--violations",
        "--quiet",
        ...TYPED,
      ],
      [
        join(bin, "python"),
        "-m",
        "mypy",
        "--no-error-summary",
        "--config-file",
        "workers/python/mypy.ini",
        "--cache-dir",
        cache,
        ...TYPED,
      ],
    ]
  ) {
    const { code, output } = await runProgram(command, { limitMs: LIMIT_MS });
    if (code !== 0) wrong.push(output || `${command[0]} has failed: code ${code}`);
  }
  return wrong;
}

/** Where the tools are; nothing if they are not to be had. */
async function toolFolder(): Promise<string | undefined> {
  const folder = join(root, "node_modules/.cache/outrider-python", ["check", ...TOOLS].join("-"));
  if (existsSync(folder)) return join(folder, "bin");
  const draft = `${folder}.${process.pid}`;
  mkdirSync(join(folder, ".."), { recursive: true });
  const pip = [join(draft, "bin/python"), "-m", "pip", "install", "-q", "--retries", "1", "--timeout", "20"];
  const made = await succeeds(["python3", "-m", "venv", draft]) && await succeeds([...pip, ...TOOLS]);
  try {
    if (made) renameSync(draft, folder);
  } catch {
    // Another process has made it meanwhile.
  }
  rmSync(draft, { recursive: true, force: true });
  return existsSync(folder) ? join(folder, "bin") : undefined;
}

async function succeeds(command: readonly string[]): Promise<boolean> {
  const { code } = await runProgram(command, { limitMs: LIMIT_MS });
  return code === 0;
}
