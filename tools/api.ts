/**
 * Owns the text of the public surface: what `mod.ts` and `testing.ts` export, with its types, as their declarations have
 * it. Run by
 * `npm run build:api`, which writes it to tests/api.snapshot.
 * Must not know what any of it is for.
 * Invariant: the same sources give the same text on every machine; comments and places in files are not in it.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./program.ts";

/** Where the snapshot is. */
export const SNAPSHOT: string = join(root, "tests/api.snapshot");

const EXPORT = /^export (?:type )?(?:\*|\{([^}]*)\}) from "(.+)\.ts";$/gm;
/** A declaration at the top of a file, up to the next. */
const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:class|const|function|interface|type) (\w+)[\s\S]*?(?=^(?:export|import|declare|interface|type) |(?![\s\S]))/gm;

/** The surface as it is now: every declaration, by name, and then those that are for tests. */
export function publicSurface(): string {
  const folder = mkdtempSync(join(tmpdir(), "outrider-api-"));
  try {
    emit(folder);
    return `${surfaceOf(folder, "mod")}\n// outrider/testing\n\n${surfaceOf(folder, "testing")}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What one module exports. */
function surfaceOf(folder: string, module: string): string {
  const read = (path: string) => readFileSync(join(folder, `${path}.d.ts`), "utf8");
  const blocks = [...read(module).matchAll(EXPORT)].flatMap(([, names, path]) => {
    const wanted = names?.split(",").map((name) => name.trim().replace(/^type /, "")).filter(Boolean);
    const all = [...read(path!).matchAll(DECLARATION)]
      .map(([text, name]) => ({ name: name!, text: text.trimEnd() }));
    if (wanted === undefined) return all;
    return wanted.flatMap((name) => {
      const found = all.filter((each) => each.name === name);
      if (found.length === 0) throw new Error(`${path}.d.ts declares no ${name}`);
      return found;
    });
  });
  const sorted = blocks.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  return `${sorted.map(({ text }) => text).join("\n\n")}\n`;
}

/** Emits all declarations, without comments. */
function emit(folder: string): void {
  const { status, stdout, error } = spawnSync(
    join(root, "node_modules/.bin/tsc"),
    ["--project", "tools", "--noCheck", "--removeComments", "--outDir", folder],
    { cwd: root, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`tsc could not emit the declarations: ${error?.message ?? stdout}`);
}

if (import.meta.main) writeFileSync(SNAPSHOT, publicSurface());
