/**
 * Owns what is published: dist/ with the library, the command line, the declarations and the licences of what is in them.
 * Run by `npm run build` and before `npm pack`.
 * Must not know what the program does.
 * Invariant: dist/ needs no other package, neither to run nor for its types; a build that would break this fails.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { build as bundle, type BuildOptions, type Metafile, type Plugin } from "esbuild";
import { PROGRAM_FILE, PROGRAM_OPTIONS } from "../src/environment/executable/program.ts";
import { workerCode } from "../src/pool/worker_code.ts";
import { bundlePage, PAGES } from "./build_page.ts";
import { bundleWorker } from "./build_worker.ts";
import { withoutFacades } from "./builtins.ts";
import { withHiddenImports } from "./hidden.ts";
import { parts, reached } from "./parts.ts";
import { root } from "./program.ts";

const SHEBANG = "#!/usr/bin/env node\n";

const LIBRARY = { mod: "mod.ts", testing: "testing.ts" };

/** The file with the worker's program, beside the command line. */
const WORKER_FILE = "outrider-worker.js";

/** Tells the command line where it is; src/pool/worker_file.ts says why not the library. */
const workerFile: Plugin = {
  name: "worker file",
  setup(build) {
    build.onLoad({ filter: /[\\/]pool[\\/]worker_file\.ts$/ }, () => ({
      contents: `export const workerFile = new URL("./${WORKER_FILE}", import.meta.url).href;`,
    }));
  },
};

/** How the package's files are made. */
interface BuildHow {
  /**
   * Whether an executable is to be made of them: it has no file beside it that a worker could start from or where something
   * could be kept, and all that it may load has to be seen by who makes it.
   */
  readonly embedded?: boolean;
}

/** The package's files with code, by their paths relative to dist/, and what is in them. */
async function packaged(
  { embedded = false }: BuildHow = {},
): Promise<{ readonly files: ReadonlyMap<string, string>; readonly metafile: Metafile }> {
  const main = "src/cli/main.ts";
  const entryPoints = { ...LIBRARY, ...embedded ? { cli: main } : { cli: "src/cli/built.ts", main } };
  const options = {
    absWorkingDir: root,
    entryPoints,
    outdir: "dist",
    bundle: true,
    // What a command loads only when it is called becomes a file of its own.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    // What is not there need not be read. Traces of defects have names all the same, and lines that can be found.
    minifyWhitespace: true,
    lineLimit: 120,
    format: "esm",
    platform: "node",
    target: "node22.18",
    legalComments: "none",
    alias: PROGRAM_OPTIONS.alias,
    banner: PROGRAM_OPTIONS.banner,
    metafile: true,
    write: false,
    logLevel: "warning",
    // A part imports modules for their place alone.
    logOverride: { "ignored-bare-import": "silent" },
  } as const satisfies BuildOptions;
  const { metafile: before } = await bundle(options);
  const plugins = [
    parts(before, { root, entries: Object.values(entryPoints) }),
    ...embedded ? [] : [workerFile],
  ];
  const { outputFiles, metafile, warnings } = await bundle({ ...options, plugins });
  if (warnings.length > 0) throw warned();
  const library = reached(before.inputs, Object.values(LIBRARY), { later: true });
  const seen = { outputs: metafile.outputs, library };
  const files = outputFiles.map(({ path, text }) => {
    const name = relative(root, path).replaceAll("\\", "/");
    const code = withoutFacades(embedded ? text : withHiddenImports(text, name, seen));
    return [name.replace("dist/", ""), code] as const;
  });
  return { files: new Map(files), metafile };
}

function warned(): Error {
  return new Error("esbuild warns of the above: mend it, or say in tools/build.ts why not");
}

/** Makes the package's files in a folder, which is emptied first. */
export async function build(folder: string, how: BuildHow = {}): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const { files, metafile } = await packaged(how);
  const program = await bundle({
    ...PROGRAM_OPTIONS,
    absWorkingDir: root,
    entryPoints: ["src/cli/main.ts"],
    outfile: join(folder, PROGRAM_FILE),
  });
  if (program.warnings.length > 0) throw warned();
  for (const [name, code] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
  }
  if (how.embedded !== true) writeFileSync(join(folder, WORKER_FILE), workerCode);
  const cli = join(folder, "cli.js");
  writeFileSync(cli, SHEBANG + readFileSync(cli, "utf8").replace(/^#!.*\n/, ""));
  chmodSync(cli, 0o755);
  writeFileSync(
    join(folder, "THIRD_PARTY_LICENSES"),
    licences([
      ...Object.keys(metafile.inputs),
      ...bundleWorker().inputs,
      ...PAGES.flatMap((page) => bundlePage(page).inputs),
    ]),
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

/** Emits the declarations and keeps those that mod.d.ts and testing.d.ts lead to. */
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
  keep("testing.d.ts");
  rmSync(emitted, { recursive: true });
}

if (import.meta.main) {
  const folder = join(root, "dist");
  await build(folder);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile()
  );
  process.stdout.write(`Wrote dist/: ${files.length} files\n`);
}
