/**
 * Owns the making of a bundle: the modules of a pipeline's tasks, and all that they import, become one module.
 * Must not know what becomes of the bundle, nor how many modules are made one (code.ts).
 * Invariant: the same sources give the same bundle, wherever they lie; nothing of them is evaluated in this thread.
 */
import { loadDocument } from "../run/loading.ts";
import { type Bundle, type CarriedFiles, makeBundle, MAX_CODE_BYTES } from "../pipeline/document/bundle.ts";
import { Carried } from "./carried.ts";
import { isJsonForm } from "../pipeline/load/load.ts";
import { moduleOf } from "../pipeline/load/data_url.ts";
import type { Manifest, ManifestRun } from "../pipeline/document/manifest.ts";
import type { BundleMaker } from "../pipeline/kinds/kind.ts";
import { kindOf } from "../pipeline/kinds/list.ts";
import { resolveModule } from "../pipeline/load/modules.ts";
import { runtime } from "../runtime/runtime.ts";
import { bundleCode, BundlingError } from "./code.ts";
import type { BundledPackage } from "./packages.ts";

/**
 * Bundles a pipeline with the code of its tasks.
 *
 * @param source A path, a URL or the JSON form, as `run` takes it.
 * @throws {PipelineError} If the pipeline has problems.
 * @throws {BundlingError} If esbuild is not there, or a module can't be bundled.
 */
export async function bundlePipeline(source: BundleSource): Promise<Bundle> {
  return (await bundleOf(source)).bundle;
}

/** What can be bundled: a path or URL, or the JSON form. */
export type BundleSource = string | Readonly<Record<string, unknown>>;

/** A bundle, and what is in it of others. */
export interface MadeBundle {
  readonly bundle: Bundle;
  readonly packages: readonly BundledPackage[];
}

/** The same, with the packages whose code is in it. */
export async function bundleOf(source: BundleSource): Promise<MadeBundle> {
  const made = await isManifest(source)
    ? await bundleManifest(source)
    : await bundleModule(realUrlOf(`${source}`));
  // What was made is what will run: it is loaded as a device will load it.
  await loadDocument(made.bundle as unknown as Record<string, unknown>);
  return made;
}

/** Whether it is a manifest rather than a module; what can't be read is told when it is loaded. */
async function isManifest(source: BundleSource): Promise<boolean> {
  if (typeof source !== "string") return true;
  const url = urlOf(source);
  if (url.startsWith("data:")) return false;
  const text = await runtime.readText(runtime.filePath(url)).catch(() => "");
  return isJsonForm(url, text);
}

/** Where a module truly lies: what it imports is found from there. */
function realUrlOf(file: string): string {
  const named = urlOf(file);
  return named.startsWith("data:") ? named : runtime.realUrl(named);
}

function urlOf(file: string): string {
  return /^(file|data):/i.test(file) ? file : runtime.fileUrl(file);
}

async function bundleManifest(source: BundleSource): Promise<MadeBundle> {
  const { document, base } = await loadDocument(source);
  const entry = new Entry(base);
  const manifest = bundled(document, entry);
  const files = await read(entry.carried);
  if (entry.empty) return { bundle: await makeBundle(manifest, "", files), packages: [] };
  const { code, packages } = await bundleCode(entry.text(), { base, name: document.name });
  return { bundle: await makeBundle(manifest, code, files), packages };
}

/** The module is bundled before it is looked at: so it may import "outrider" where no runtime would find that. */
async function bundleModule(url: string): Promise<MadeBundle> {
  const path = JSON.stringify(runtime.filePath(url));
  const entry = `export * from ${path};\nimport * as all from ${path};\nexport default all.default;`;
  const name = /([^/]+?)(\.\w+)?$/.exec(decodeURIComponent(url))?.[1] ?? "pipeline";
  const { code, packages } = await bundleCode(entry, { base: url, name });
  const module = moduleOf(code);
  const { document } = await loadDocument(module, { base: url });
  const carried = new Carried(url);
  const own: BundleMaker = {
    takeExport: (from, exported) => from === module ? exported : undefined,
    takePipeline: (from) => from === module,
    takeFile: (file, kind) => carried.take(file, kind),
  };
  const manifest = bundled(document, own);
  return { bundle: await makeBundle(manifest, code, await read(carried)), packages };
}

async function read(carried: Carried): Promise<CarriedFiles | undefined> {
  try {
    const files = await carried.read();
    const size = files === undefined ? 0 : JSON.stringify(files).length;
    if (size <= MAX_CODE_BYTES) return files;
    throw new Error(`they come to ${size} bytes, more than ${MAX_CODE_BYTES}`);
  } catch (error) {
    throw new BundlingError(`The tasks' files can't be bundled: ${(error as Error).message}`, {
      cause: error,
    });
  }
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
  readonly carried: Carried;
  readonly #base: string;
  readonly #lines: string[] = [];
  /** Export of the bundle, by what it stands for. */
  readonly #names: Map<string, string> = new Map();
  readonly #taken: Set<string> = new Set();
  /** Names of the pipelines that were taken. */
  readonly #pipelines: Set<string> = new Set();

  constructor(base: string) {
    this.#base = base;
    this.carried = new Carried(base);
  }

  takeFile(file: string, kind?: string): string | undefined {
    return this.carried.take(file, kind);
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
    // In one module they would be told apart by their names alone.
    if (this.#pipelines.has(pipeline)) {
      throw new BundlingError(
        `Two of the included modules make a pipeline ${
          JSON.stringify(pipeline)
        }: give one of them another name`,
      );
    }
    this.#pipelines.add(pipeline);
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
