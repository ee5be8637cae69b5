/**
 * Owns Pythons that have packages of PyPI, for tests that hold us to the real ones: a venv for each list, made once and
 * kept beside the dependencies.
 * Must not know what is tested.
 * Invariant: where Python, its venv or PyPI is out of reach, the test is left out and counted aloud.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { leaveOut, programPath } from "./system.ts";

/** What netUnicorn's users have, and its executor. */
export const NETUNICORN: readonly string[] = [
  "netunicorn-base==0.4.1",
  "netunicorn-client==0.4.0",
  "netunicorn-executor==0.4.2",
];

const PLACE = fileURLToPath(new URL("../node_modules/.cache/outrider-python", import.meta.url));

/** A test that needs packages of PyPI, and is given a Python that has them. */
export function testWithPackages(
  packages: readonly string[],
  name: string,
  fn: (python: string) => void | Promise<void>,
): void {
  test(name, () => {
    const python = pythonWith(packages);
    if (python === undefined) return leaveOut(name, packages.map((each) => `${each} of PyPI`));
    return fn(python);
  });
}

const known = new Map<string, string | undefined>();

/** Path of a Python with these packages; nothing if there is none to be had. */
export function pythonWith(packages: readonly string[]): string | undefined {
  const key = packages.join(" ");
  if (!known.has(key)) known.set(key, made(packages));
  return known.get(key);
}

function made(packages: readonly string[]): string | undefined {
  const base = programPath("python3");
  if (base === undefined) return undefined;
  const version = spawnSync(base, ["--version"], { encoding: "utf8" }).stdout;
  const hash = createHash("sha256").update([version, ...packages].join(" ")).digest("hex").slice(0, 16);
  const [folder, draft] = [join(PLACE, hash), join(PLACE, `${hash}.${process.pid}`)];
  if (!existsSync(folder)) {
    mkdirSync(PLACE, { recursive: true });
    const pip = [
      join(draft, "bin/python"),
      "-m",
      "pip",
      "install",
      "-q",
      "--retries",
      "1",
      "--timeout",
      "20",
    ];
    const done = succeeds([base, "-m", "venv", draft]) && succeeds([...pip, ...packages]);
    if (done) takeOver(draft, folder);
    rmSync(draft, { recursive: true, force: true });
  }
  return existsSync(folder) ? join(folder, "bin/python") : undefined;
}

/** Whoever is first wins. */
function takeOver(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch {
    // Another process has made it meanwhile.
  }
}

function succeeds([program, ...args]: readonly string[]): boolean {
  const { status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
  if (status !== 0) process.stderr.write(`${[program, ...args].join(" ")}:\n${stderr}\n`);
  return status === 0;
}
