/**
 * Owns the program that executables are made of: the whole command line as one module.
 * Must not know what runs it.
 * Invariant: the same version gives the same text, from the sources, from the package and from an executable.
 */
import type { BuildOptions } from "esbuild";
import { runtime } from "../../runtime/runtime.ts";
import { loadEsbuild } from "../code.ts";

/** The name of the program's file in the package. */
export const PROGRAM_FILE = "outrider.js";

/** How it is made of the sources, by esbuild; the package's build does the same. */
export const PROGRAM_OPTIONS = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node22.18",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  alias: {
    // What xz-decompress falls back to where the runtime has no streams; ours have, and a module of ES can't ask for it.
    "stream/web": "./tools/no_module.cjs",
    // fflate leaves the prefix away, without which Deno knows no such module.
    module: "node:module",
  },
  // What is written in CommonJS asks for what the runtime has built in by a function that a module of ES lacks.
  banner: { js: "const require=(name)=>globalThis.process.getBuiltinModule(name);" },
  logLevel: "silent",
} as const satisfies BuildOptions;

const MAX_BYTES: number = 64 * 1024 ** 2;

/** Its text. @throws {BundlingError} If it has to be made of the sources, and esbuild is not there. */
export async function programText(): Promise<string> {
  const inside = await runtime.inside("program");
  if (inside !== undefined) return inside;
  // What is the program itself holds this file too; in the package it is in chunks/.
  if (import.meta.url.endsWith(`/${PROGRAM_FILE}`)) return await ownText();
  const beside = runtime.filePath(new URL(`../${PROGRAM_FILE}`, import.meta.url).href);
  if (await runtime.about(beside) !== undefined) return await runtime.readText(beside, MAX_BYTES);
  return await ofSources();
}

function ownText(): Promise<string> {
  return runtime.readText(runtime.filePath(import.meta.url), MAX_BYTES);
}

async function ofSources(): Promise<string> {
  const esbuild = await loadEsbuild();
  try {
    const { outputFiles } = await esbuild.build({
      ...PROGRAM_OPTIONS,
      absWorkingDir: runtime.filePath(new URL("../../../", import.meta.url).href),
      entryPoints: ["src/cli/main.ts"],
      write: false,
    });
    return outputFiles[0]!.text;
  } finally {
    await esbuild.stop();
  }
}
