/**
 * Owns which imports of the package a runtime can see before they are reached. Deno reads, before the first statement runs, all
 * files that a program may ever load, as far as it is written out which they are: for every command all that any of them needs.
 * Must not know what the modules do.
 * Invariant: what the library loads later is written out, for who bundles it; a program that was changed does what it did.
 */
import { posix } from "node:path";
import type { Metafile } from "esbuild";

/**
 * The same file, in which nothing but a value says what is loaded later, unless the library may load it.
 *
 * @param file Its path, as in the metafile's outputs. @param library What the library may reach.
 */
export function withHiddenImports(
  code: string,
  file: string,
  { outputs, library }: { readonly outputs: Metafile["outputs"]; readonly library: ReadonlySet<string> },
): string {
  let changed = code;
  const { imports, inputs } = outputs[file]!;
  const shared = Object.keys(inputs).some((module) => library.has(module));
  const later = imports.filter(({ kind, external }) => kind === "dynamic-import" && !external);
  for (const path of new Set(later.map(({ path }) => path))) {
    if (shared && library.has(outputs[path]!.entryPoint!.replace(/^later:/, ""))) continue;
    const from = JSON.stringify(`./${posix.relative(posix.dirname(file), path)}`);
    if (!changed.includes(`import(${from})`)) {
      throw new Error(`${file} is to load ${path} later, but has no import(${from})`);
    }
    changed = changed.replaceAll(`import(${from})`, () => `import(\`\${${from}}\`)`);
  }
  return changed;
}
