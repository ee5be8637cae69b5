/**
 * Owns the making of a bundle: the modules of a pipeline's tasks, and all that they import, become one module.
 * Must not know what becomes of the bundle.
 * Invariant: the same sources give the same bundle, wherever they lie; nothing of them is evaluated in this thread.
 */
import type { Message, Plugin } from "esbuild";
import { loadDocument } from "../run/loading.ts";
import { type Bundle, makeBundle, MAX_CODE_BYTES } from "../pipeline/document/bundle.ts";
import { moduleOf } from "../pipeline/load/data_url.ts";
import type { Manifest, ManifestRun } from "../pipeline/document/manifest.ts";
import type { BundleMaker } from "../pipeline/kinds/kind.ts";
import { kindOf } from "../pipeline/kinds/list.ts";
import { resolveModule } from "../pipeline/load/modules.ts";
import { runtime } from "../runtime/runtime.ts";

/** A pipeline can't be bundled. */
export class BundlingError extends Error {
  readonly code = "OUTRIDER_BUNDLING";
  override name = "BundlingError";
}

type Esbuild = typeof import("esbuild");

/**
 * Bundles a pipeline with the code of its tasks.
 *
 * @param file A path or URL, as `run` takes it.
 * @throws {PipelineError} If the pipeline has problems.
 * @throws {BundlingError} If esbuild is not there, or a module can't be bundled.
 */
export async function bundlePipeline(file: string): Promise<Bundle> {
  const url = /^(file|data):/i.test(file) ? file : runtime.fileUrl(file);
  const bundle = /\.json$/i.test(url) ? await bundleManifest(file) : await bundleModule(url);
  // What was made is what will run: it is loaded as a device will load it.
  await loadDocument(bundle as unknown as Record<string, unknown>);
  return bundle;
}

async function bundleManifest(file: string): Promise<Bundle> {
  const { document, base } = await loadDocument(file);
  const entry = new Entry(base);
  const manifest = bundled(document, entry);
  if (entry.empty) return await makeBundle(manifest, "");
  return await makeBundle(manifest, await bundleCode(entry.text(), { base, name: document.name }));
}

/** The module is bundled before it is looked at: so it may import "outrider" where no runtime would find that. */
async function bundleModule(url: string): Promise<Bundle> {
  const path = JSON.stringify(runtime.filePath(url));
  const entry = `export * from ${path};\nimport * as all from ${path};\nexport default all.default;`;
  const name = /([^/]+?)(\.\w+)?$/.exec(decodeURIComponent(url))?.[1] ?? "pipeline";
  const code = await bundleCode(entry, { base: url, name });
  const module = moduleOf(code);
  const { document } = await loadDocument(module);
  const own: BundleMaker = {
    takeExport: (from, exported) => from === module ? exported : undefined,
    takePipeline: (from) => from === module,
  };
  return await makeBundle(bundled(document, own), code);
}

/** The manifest as it stands in the bundle. */
function bundled(document: Manifest, maker: BundleMaker): Manifest {
  const tasks = Object.entries(document.tasks).map(([name, task]) => {
    const run = task.run && kindOf(task.run).bundle(task.run, maker) as ManifestRun;
    return [name, run === task.run ? task : { ...task, run }] as const;
  });
  return { ...document, tasks: Object.fromEntries(tasks) };
}

/** The module that imports all that the tasks run, and gives it names. */
class Entry implements BundleMaker {
  readonly #base: string;
  readonly #lines: string[] = [];
  /** Export of the bundle, by what it stands for. */
  readonly #names: Map<string, string> = new Map();
  readonly #taken: Set<string> = new Set();

  constructor(base: string) {
    this.#base = base;
  }

  get empty(): boolean {
    return this.#lines.length === 0;
  }

  text(): string {
    return this.#lines.join("\n");
  }

  takePipeline(module: string, pipeline: string): boolean {
    const path = this.#pathOf(module);
    if (path === undefined) return false;
    const key = `pipeline ${pipeline} ${path}`;
    if (this.#names.has(key)) return true;
    const name = this.#free(pipeline);
    this.#names.set(key, name);
    this.#lines.push(
      `import * as ${name}_module from ${path};`,
      `export const ${name} = Object.values(${name}_module).find((each) =>`,
      `  typeof each?.functionOf === "function" && each.name === ${JSON.stringify(pipeline)});`,
    );
    return true;
  }

  takeExport(module: string, exported: string): string | undefined {
    const path = this.#pathOf(module);
    if (path === undefined) return undefined;
    const key = `export ${exported} ${path}`;
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = this.#free(exported);
    this.#names.set(key, name);
    this.#lines.push(`export { ${JSON.stringify(exported)} as ${name} } from ${path};`);
    return name;
  }

  /** A module's path, in quotes; none of one that is its own code. */
  #pathOf(module: string): string | undefined {
    const url = resolveModule(module, this.#base);
    return typeof url !== "string" || url.startsWith("data:")
      ? undefined
      : JSON.stringify(runtime.filePath(url));
  }

  /** A name for an export that no other has. */
  #free(wanted: string): string {
    const plain = `task_${wanted.replace(/[^\w]/g, "_").slice(0, 60)}`;
    let name = plain;
    for (let at = 2; this.#taken.has(name); at++) name = `${plain}_${at}`;
    this.#taken.add(name);
    return name;
  }
}

async function bundleCode(
  contents: string,
  { base, name }: { readonly base: string; readonly name: string },
): Promise<string> {
  const esbuild = await loadEsbuild();
  const folder = runtime.filePath(new URL(".", base).href);
  try {
    const { outputFiles } = await esbuild.build({
      absWorkingDir: folder,
      stdin: { contents, resolveDir: folder, sourcefile: "outrider-bundle.js", loader: "js" },
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "es2024",
      charset: "utf8",
      legalComments: "inline",
      logLevel: "silent",
      plugins: [plugin],
    });
    return withinLimit(finished(outputFiles[0]!.text, name));
  } catch (error) {
    throw explained(error);
  } finally {
    await esbuild.stop();
  }
}

/** Adds what code from packages of the older kind needs, and a name for stacks. */
function finished(code: string, name: string): string {
  const requires = /\b__require\b/.test(code);
  const head = requires
    ? 'import { createRequire as outriderRequire } from "node:module";\nconst require = outriderRequire("file:///");\n'
    : "";
  return `${head}${code}//# sourceURL=${name.replace(/[^\w.-]/g, "_")}.outrider.js\n`;
}

function withinLimit(code: string): string {
  const size = new TextEncoder().encode(code).length;
  if (size <= MAX_CODE_BYTES) return code;
  throw new BundlingError(
    `The code of the tasks comes to ${size} bytes, more than ${MAX_CODE_BYTES}: leave out packages or data that it does not need`,
  );
}

const WORKER = "outrider-worker";

/** The worker that runs the bundle has these; so the builder is always the worker's own. */
const PROVIDED = `const provided = globalThis["outrider.provided.outrider"];
export const { pipeline, Pipeline, PipelineError, ValueError, run } = provided;
`;

const PROVIDER = { path: "outrider", namespace: WORKER } as const;

/** What pipelines in this checkout import instead of "outrider". */
const OURS = new URL("../../mod.ts", import.meta.url).href;

const plugin: Plugin = {
  name: "outrider",
  setup(build) {
    build.onResolve({ filter: /^(jsr:)?(@outrider\/)?outrider(@[^/]*)?$/ }, () => PROVIDER);
    build.onLoad({ filter: /.*/, namespace: WORKER }, () => ({ contents: PROVIDED, loader: "js" }));
    build.onResolve(
      { filter: /(^|\/)mod\.ts$/ },
      ({ path, resolveDir }) =>
        new URL(path, `${runtime.fileUrl(resolveDir)}/`).href === OURS ? PROVIDER : undefined,
    );
    build.onResolve({ filter: /^(node|bun):/ }, ({ path }) => ({ path, external: true }));
    build.onResolve(
      { filter: /^[a-z_]+(\/[a-z_]+)*$/ },
      ({ path }) => runtime.isBuiltin(path) ? { path: `node:${path}`, external: true } : undefined,
    );
    build.onResolve(
      { filter: /^npm:/ },
      ({ path, importer, resolveDir, kind }) =>
        build.resolve(path.replace(/^npm:\/?(@[^/]+\/[^/@]+|[^/@]+)(@[^/]*)?/, "$1"), {
          importer,
          resolveDir,
          kind,
        }),
    );
    build.onResolve({ filter: /^(jsr|https?):/ }, ({ path }) => ({
      errors: [{
        text: `${path} is not on this disk, and only what is can be bundled: install it with npm or copy it`,
      }],
    }));
  },
};

function explained(error: unknown): unknown {
  const { errors } = (error ?? {}) as { readonly errors?: readonly Message[] };
  if (!Array.isArray(errors)) return error;
  const lines = errors.slice(0, 20).map(({ text, location }: Message) =>
    `  ${location === null ? "" : `${location.file}:${location.line}: `}${text}`
  );
  return new BundlingError(`The tasks' code can't be bundled:\n${lines.join("\n")}`, { cause: error });
}

/** esbuild is asked for only here: it is 11 MB, and a device that runs bundles has no use for it. */
async function loadEsbuild(): Promise<Esbuild> {
  const places = ["esbuild", runtime.fileUrl("node_modules/esbuild/lib/main.js")];
  for (const place of places) {
    try {
      const found = await import(place) as Esbuild & { readonly default?: Esbuild };
      return found.default ?? found;
    } catch {
      // Not there; the last word is below.
    }
  }
  throw new BundlingError(
    `Bundling needs esbuild, which is neither beside Outrider nor in ${
      runtime.fileUrl("node_modules")
    }: run npm install --save-dev esbuild there`,
  );
}
