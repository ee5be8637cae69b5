/**
 * Owns what is published: dist/ with the library, the command line, the declarations and the licences of what is in them.
 * Run by `npm run build` and before `npm pack`.
 * Must not know what the program does.
 * Invariant: dist/ needs no other package, neither to run nor for its types; a build that would break this fails.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { buildSync } from "esbuild";
import { PROGRAM_FILE, PROGRAM_OPTIONS } from "../src/environment/executable/program.ts";
import { bundlePage } from "./build_page.ts";
import { bundleWorker } from "./build_worker.ts";
import { root } from "./program.ts";

const SHEBANG = "#!/usr/bin/env node\n";

/** Makes the package's files in a folder, which is emptied first. */
export function build(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const { metafile, warnings } = buildSync({
    absWorkingDir: root,
    entryPoints: { mod: "mod.ts", cli: "src/cli/main.ts" },
    outdir: folder,
    bundle: true,
    // What the entries share and what a command loads only when it is called become files of their own.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node22.18",
    legalComments: "none",
    alias: PROGRAM_OPTIONS.alias,
    metafile: true,
    logLevel: "warning",
  });
  const program = buildSync({
    ...PROGRAM_OPTIONS,
    absWorkingDir: root,
    entryPoints: ["src/cli/main.ts"],
    outfile: join(folder, PROGRAM_FILE),
  });
  warnings.push(...program.warnings);
  if (warnings.length > 0) {
    throw new Error("esbuild warns of the above: mend it, or say in tools/build.ts why not");
  }
  const cli = join(folder, "cli.js");
  writeFileSync(cli, SHEBANG + readFileSync(cli, "utf8").replace(/^#!.*\n/, ""));
  chmodSync(cli, 0o755);
  writeFileSync(
    join(folder, "THIRD_PARTY_LICENSES"),
    licences([...Object.keys(metafile.inputs), ...bundleWorker().inputs, ...bundlePage().inputs]),
  );
  declarations(folder);
}

/** The text of a licence, by package or by its name, for packages that name theirs and bring no file with it. */
const LICENCE_TEXTS: Readonly<Record<string, string>> = {
  // Those whom its sources name.
  "xz-decompress": "tools/licences/xz-decompress.txt",
  "Apache-2.0": "node_modules/typescript/LICENSE",
};

/** The licence of each package that one of the files belongs to, as its authors wrote it. */
function licences(inputs: readonly string[]): string {
  const packages = new Set(
    inputs.flatMap((path) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []),
  );
  const sections = [...packages].sort().map((path) => {
    const folder = join(root, path);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
    const texts = files.map((file) => join(folder, file));
    const known = [name, license].find((each) => Object.hasOwn(LICENCE_TEXTS, each));
    if (texts.length === 0 && known !== undefined) texts.push(join(root, LICENCE_TEXTS[known]!));
    if (texts.length === 0) throw new Error(`${name} has no file with its licence: don't bundle it`);
    return [`${name} ${version} (${license})`, ...texts.map((text) => readFileSync(text, "utf8").trim())]
      .join("\n\n");
  });
  return ["This package contains the following software.", ...sections].join(`\n\n${"-".repeat(80)}\n\n`) +
    "\n";
}

/** Emits the declarations and keeps those that mod.d.ts leads to. */
function declarations(folder: string): void {
  const emitted = mkdtempSync(join(tmpdir(), "outrider-declarations-"));
  const { status, stdout, error } = spawnSync(
    "tsc",
    ["--project", "tools", "--noCheck", "--outDir", emitted],
    {
      cwd: root,
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(`tsc could not emit the declarations: ${error?.message ?? stdout}`);
  const seen = new Set<string>();
  const keep = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(join(emitted, path), "utf8");
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text.replace(/(from\s*"\.[^"]*|import\("\.[^"]*)\.ts"/g, '$1.js"'));
    for (const [, name] of code.matchAll(/(?:\bfrom\s+|\bimport\()"([^"]+)"/g)) {
      if (!name!.startsWith(".")) {
        throw new Error(`The types in ${path} need "${name}": keep it out of the interface`);
      }
      keep(join(dirname(path), name!).replace(/\.ts$/, ".d.ts"));
    }
  };
  keep("mod.d.ts");
  rmSync(emitted, { recursive: true });
}

if (import.meta.main) {
  const folder = join(root, "dist");
  build(folder);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile()
  );
  process.stdout.write(`Wrote dist/: ${files.length} files\n`);
}
