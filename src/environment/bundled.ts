/**
 * Owns a pipeline as it travels: its bundle as a text, and what a person is told of it.
 * Must not know how code is bundled (bundling.ts), nor where the text is put.
 */
import { type Bundle, bundleText, isBundle } from "../pipeline/document/bundle.ts";
import { readJson } from "../pipeline/document/json_text.ts";
import { loadDocument } from "../run/loading.ts";
import { runtime } from "../runtime/runtime.ts";
import { bundleOf } from "./bundling.ts";
import type { BundledPackage } from "./packages.ts";

/** A bundle as a text. */
export interface BundledPipeline {
  /** The pipeline's name. */
  readonly name: string;
  readonly hash: string;
  readonly text: string;
  /** Those whose code is in it; none of a bundle that is taken as it is. */
  readonly packages: readonly BundledPackage[];
  /** A name for its file, after the pipeline's. */
  readonly file: string;
  /** In the words that a person reads behind the file's name. */
  readonly summary: string;
}

/** Bundles a pipeline. @param file A path or URL, as `run` takes it. @throws {Error} What `bundleOf` throws. */
export async function bundledPipeline(file: string): Promise<BundledPipeline> {
  const { bundle, packages } = await bundleOf(file);
  return described(bundle, bundleText(bundle), packages);
}

/** The same, where a bundle is taken as it is. @throws {PipelineError} If it is none that is whole. */
export async function travellingPipeline(file: string): Promise<BundledPipeline> {
  if (!/\.json$/i.test(file)) return await bundledPipeline(file);
  const { value } = readJson(await runtime.readText(file), file);
  if (!isBundle(value)) return await bundledPipeline(file);
  await loadDocument(file);
  const bundle = value as Bundle;
  // What it was made of, only who has made it knows.
  return described(bundle, bundleText(bundle), []);
}

function described(
  { manifest, hash }: Bundle,
  text: string,
  packages: readonly BundledPackage[],
): BundledPipeline {
  const { name } = manifest;
  const count = Object.keys(manifest.tasks).length;
  const tasks = count === 1 ? "1 task" : `${count} tasks`;
  return {
    name,
    hash,
    text,
    packages,
    file: fileNameOf(name),
    summary: `${name}, ${tasks}, ${text.length} characters, hash ${hash}`,
  };
}

function fileNameOf(name: string): string {
  return `${name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^\.+/, "") || "pipeline"}.outrider.json`;
}
