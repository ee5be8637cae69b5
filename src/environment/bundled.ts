/**
 * Owns a pipeline as it travels: its bundle as a text, and what a person is told of it.
 * Must not know how code is bundled (bundling.ts), nor where the text is put.
 */
import { bundleText } from "../pipeline/document/bundle.ts";
import { bundlePipeline } from "./bundling.ts";

/** A bundle as a text. */
export interface BundledPipeline {
  /** The pipeline's name. */
  readonly name: string;
  readonly hash: string;
  readonly text: string;
  /** A name for its file, after the pipeline's. */
  readonly file: string;
  /** In the words that a person reads behind the file's name. */
  readonly summary: string;
}

/** Bundles a pipeline. @param file A path or URL, as `run` takes it. @throws {Error} What `bundlePipeline` throws. */
export async function bundledPipeline(file: string): Promise<BundledPipeline> {
  const { manifest, hash, ...made } = await bundlePipeline(file);
  const text = bundleText({ manifest, hash, ...made });
  const { name } = manifest;
  const count = Object.keys(manifest.tasks).length;
  const tasks = count === 1 ? "1 task" : `${count} tasks`;
  return {
    name,
    hash,
    text,
    file: fileNameOf(name),
    summary: `${name}, ${tasks}, ${text.length} characters, hash ${hash}`,
  };
}

function fileNameOf(name: string): string {
  return `${name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^\.+/, "") || "pipeline"}.outrider.json`;
}
