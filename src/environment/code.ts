/**
 * Owns the making of one module out of many: a module's text, with all that it imports, by esbuild.
 * Must not know what a pipeline is.
 * Invariant: the same sources give the same text, wherever they lie; nothing of them is evaluated.
 */
import type { Message, Plugin } from "esbuild";
import { MAX_CODE_BYTES } from "../pipeline/document/bundle.ts";
import { runtime } from "../runtime/runtime.ts";
import { pathIn } from "../runtime/disk.ts";
import { type BundledPackage, packagesOf } from "./packages.ts";

/** A pipeline can't be bundled. */
export class BundlingError extends Error {
  readonly code = "OUTRIDER_BUNDLING";
  override name = "BundlingError";
}

/** One module made of many. */
export interface BundledCode {
  readonly code: string;
  /** Those whose code is in it. */
  readonly packages: readonly BundledPackage[];
}

type Esbuild = typeof import("esbuild");

/**
 * Makes it.
 *
 * @param contents The text of the first module.
 * @param options `base`: where it would lie; `name`: what stacks call the result.
 * @throws {BundlingError} If esbuild is not there, or a module can't be bundled.
 */
export async function bundleCode(
  contents: string,
  { base, name }: { readonly base: string; readonly name: string },
): Promise<BundledCode> {
  const esbuild = await loadEsbuild();
  const folder = runtime.filePath(new URL(".", base).href);
  try {
    const { outputFiles, metafile } = await esbuild.build({
      absWorkingDir: folder,
      stdin: { contents, resolveDir: folder, sourcefile: "outrider-bundle.js", loader: "js" },
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "node",
      target: "es2024",
      charset: "utf8",
      legalComments: "inline",
      logLevel: "silent",
      plugins: [plugin],
    });
    const [output] = Object.values(metafile.outputs);
    const inputs = Object.entries(output!.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
    return {
      code: withinLimit(finished(outputFiles[0]!.text, name)),
      packages: await packagesOf(inputs.map(([path]) => pathIn(folder, path))),
    };
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
export async function loadEsbuild(): Promise<Esbuild> {
  const places = ["esbuild", runtime.fileUrl("node_modules/esbuild/lib/main.js")];
  for (const place of places) {
    try {
      const found = await runtime.importUrl(place) as Esbuild & { readonly default?: Esbuild };
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
