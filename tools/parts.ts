/**
 * Owns which modules of the package lie in one file. By itself, esbuild makes a file for each set of entries that share a
 * module: a run would read sixty of them, and each costs a runtime what it takes to find, read and link one.
 * Must not know what the modules do.
 * Invariant: a module is in one file only, so that there is one of it in a process.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Metafile, Plugin } from "esbuild";

/**
 * The parts, by the modules that ask for them: a part is what these reach and no earlier part has. Whatever needs a module of
 * a part gets all of it.
 */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  // All that is needed to start a worker, which takes as long as all else does. The last two are needed by what it may load
  // later, which would lead to the engine else: Deno reads what is written out before it is asked for.
  start: [
    "src/cli/line/start.ts",
    "src/base/no_proxy.ts",
    "src/runtime/runtime.ts",
    "src/run/prewarm.ts",
    "src/base/bytes.ts",
    "src/defaults.ts",
  ],
  engine: ["src/run/run.ts"],
  line: ["src/cli/line/command_line.ts"],
  run: ["src/cli/commands/run.ts"],
};

const PREFIX = "part:";

/**
 * Keeps what belongs together in one file.
 *
 * @param metafile Of the same build without this plugin. @param root The folder that its paths are relative to.
 */
export function parts({ inputs }: Metafile, { root, entries }: Place): Plugin {
  const modules = new Map<string, Set<string>>();
  const taken = new Set<string>();
  for (const [part, from] of Object.entries(PARTS)) {
    for (const module of from) {
      if (inputs[module] === undefined) {
        throw new Error(`Part "${part}" of the package names ${module}, which is not there`);
      }
    }
    const own = new Set([...reached(inputs, from)].filter((module) => !taken.has(module)));
    for (const module of own) taken.add(module);
    modules.set(part, own);
  }
  const needs = new Map<string, readonly string[]>();
  for (const entry of [...entries, ...loadedLater(inputs)]) {
    const all = new Set<string>();
    // A part brings what its modules reach, which may be of other parts.
    for (let before = -1; all.size > before;) {
      before = all.size;
      const reach = reached(inputs, [entry, ...[...all].flatMap((part) => [...modules.get(part)!])]);
      for (const [part, own] of modules) if ([...own].some((module) => reach.has(module))) all.add(part);
    }
    needs.set(entry, [...all]);
  }
  const lead = (entry: string) => (needs.get(entry) ?? []).map((part) => importOf(PREFIX + part)).join("");
  return {
    name: "parts",
    setup(build) {
      build.onResolve(
        { filter: new RegExp(`^${PREFIX}`) },
        ({ path }) => ({ path, namespace: "part", sideEffects: true }),
      );
      build.onLoad({ filter: /.*/, namespace: "part" }, ({ path }) => ({
        contents: [...modules.get(path.slice(PREFIX.length))!].map((module, at) =>
          `export * as m${at} from ${JSON.stringify(join(root, module))};`
        )
          .join(""),
        resolveDir: root,
      }));
      // What is loaded later is led to by a module of its own: it may be in a part itself, which it can't lead to. No entry is.
      build.onResolve({ filter: /^\./ }, async ({ path, kind, importer, resolveDir }) => {
        if (kind !== "dynamic-import") return undefined;
        const found = await build.resolve(path, { kind: "import-statement", importer, resolveDir });
        const module = relative(root, found.path).replaceAll("\\", "/");
        return lead(module) === "" || entries.includes(module) ? found : { path: module, namespace: "later" };
      });
      build.onLoad({ filter: /.*/, namespace: "later" }, ({ path }) => ({
        contents: `${lead(path)}export * from ${JSON.stringify(join(root, path))};`,
        resolveDir: root,
      }));
      const files = new RegExp(`/(${entries.map((entry) => entry.replaceAll(".", "\\.")).join("|")})$`);
      build.onLoad({ filter: files }, ({ path }) => {
        const module = relative(root, path).replaceAll("\\", "/");
        return { contents: lead(module) + readFileSync(path, "utf8"), loader: "ts" };
      });
    },
  };
}

/** Where the modules are. */
interface Place {
  readonly root: string;
  /** Those that the package is entered by, relative to the root. */
  readonly entries: readonly string[];
}

type Inputs = Metafile["inputs"];

/** The modules that these import, and those that they do. @param later Whether with what is loaded later. Default: without. */
export function reached(inputs: Inputs, from: readonly string[], { later = false } = {}): Set<string> {
  const found = new Set<string>();
  const next = [...from];
  for (let module = next.pop(); module !== undefined; module = next.pop()) {
    const input = inputs[module];
    if (found.has(module) || input === undefined) continue;
    found.add(module);
    for (const { path, kind } of input.imports) if (later || kind !== "dynamic-import") next.push(path);
  }
  return found;
}

function loadedLater(inputs: Inputs): Set<string> {
  const imports = Object.values(inputs).flatMap((input) => input.imports);
  return new Set(
    imports.filter(({ kind, external }) => kind === "dynamic-import" && !external).map(({ path }) => path),
  );
}

function importOf(module: string): string {
  return `import ${JSON.stringify(module)};`;
}
