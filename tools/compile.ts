/**
 * Owns the single executable: `dist/outrider`, made of the built command line by Deno or by Bun.
 *
 *   node tools/compile.ts deno|bun [FILE]
 *
 * Both start from dist/, not from the sources: `deno compile` would otherwise embed all of node_modules.
 * Invariant: nothing but the files of the command line is embedded; the executable reads nothing that lies beside it.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { build } from "./build.ts";
import { root } from "./program.ts";

const COMMANDS: Readonly<Record<string, (entry: string, file: string) => string[]>> = {
  // No configuration and no npm: nothing of the folder it is built in may get in.
  deno: (
    entry,
    file,
  ) => ["deno", "compile", "--no-config", "--no-npm", "--allow-all", `--output=${file}`, entry],
  // Bytecode makes a start 15 ms shorter (10 instead of 25), for 2 MB of 110.
  bun: (entry, file) => [
    ...["bun", "build", "--compile", "--minify", "--bytecode", "--format=esm", `--outfile=${file}`, entry],
  ],
};

/** Makes an executable and returns what the compiler printed. `by`: `"deno"` or `"bun"`. */
export function compile(by: string, file: string): string {
  const folder = mkdtempSync(join(tmpdir(), "outrider-compile-"));
  try {
    build(folder);
    const [program, ...args] = COMMANDS[by]!(join(folder, "cli.js"), file);
    const { status, stdout, stderr, error } = spawnSync(program!, args, {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    if (status !== 0) throw new Error(`${by} could not compile: ${error?.message ?? `${stdout}${stderr}`}`);
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [by = "", file = join(root, "dist/outrider")] = process.argv.slice(2);
  if (Object.hasOwn(COMMANDS, by)) process.stdout.write(compile(by, resolve(file)));
  else {
    process.stderr.write("Say which compiler to use: node tools/compile.ts deno|bun [FILE]\n");
    process.exitCode = 2;
  }
}
