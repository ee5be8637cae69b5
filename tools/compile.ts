/**
 * Owns the single executable of this machine: `dist/outrider`, made by Deno, or by Bun as environments' executables are.
 *
 *   node tools/compile.ts deno|bun [FILE]
 *
 * Deno starts from dist/, not from the sources: `deno compile` would otherwise embed all of node_modules.
 * Invariant: nothing but the files of the command line is embedded; the executable reads nothing that lies beside it.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { hostTarget } from "../src/environment/executable/base.ts";
import { Executables } from "../src/environment/executable/executable.ts";
import { PROGRAM_FILE } from "../src/environment/executable/program.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { build } from "./build.ts";
import { root } from "./program.ts";

/** Where bases are kept that were downloaded, and executables that were made: for tests, too. */
export const CACHE: string = join(root, "node_modules/.cache/outrider");

/** Makes an executable and returns what the compiler printed. `by`: `"deno"` or `"bun"`. */
export async function compile(by: string, file: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-compile-"));
  try {
    return by === "deno" ? await compileByDeno(folder, file) : await compileByBun(folder, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compileByBun(work: string, file: string): Promise<string> {
  const said: string[] = [];
  const executables = new Executables("bun", {
    cache: CACHE,
    work,
    progress: (step) => said.push(`${step}\n`),
  });
  const { path } = await executables.make(hostTarget(runtime.machine));
  copyFileSync(path, `${file}.new`);
  renameSync(`${file}.new`, file);
  return said.join("");
}

async function compileByDeno(folder: string, file: string): Promise<string> {
  // An executable has no file beside it.
  await build(folder, { embedded: true });
  // From executables others are made: with the text of the program beside it.
  mkdirSync(join(folder, "inside"));
  renameSync(join(folder, PROGRAM_FILE), join(folder, "inside/program.txt"));
  // No configuration and no npm: nothing of the folder it is built in may get in.
  const args = ["compile", "--no-config", "--no-npm", "--allow-all", "--include=inside/program.txt"];
  const { status, stdout, stderr, error } = spawnSync("deno", [...args, `--output=${file}`, "cli.js"], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status !== 0) throw new Error(`deno could not compile: ${error?.message ?? `${stdout}${stderr}`}`);
  return `${stdout}${stderr}`;
}

if (import.meta.main) {
  const [by = "", file = join(root, "dist/outrider")] = process.argv.slice(2);
  if (by === "deno" || by === "bun") process.stdout.write(await compile(by, resolve(file)));
  else {
    process.stderr.write("Say which compiler to use: node tools/compile.ts deno|bun [FILE]\n");
    process.exitCode = 2;
  }
}
