/**
 * Owns a pipeline as it travels: its bundle as a text, and what a person is told of it.
 * Must not know how code is bundled (bundling.ts), nor where the text is put.
 */
import { type Bundle, bundleText, isBundle } from "../pipeline/document/bundle.ts";
import { readJson } from "../model/json_text.ts";
import { loadDocument } from "../run/loading.ts";
import { runtime } from "../runtime/runtime.ts";
import { signedBundle } from "../trust/bundle.ts";
import { signatureOf } from "../trust/minisign.ts";
import type { SecretKey } from "../trust/secret_key.ts";
import { bundleOf, type BundleSource } from "./bundling.ts";
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
  /** Id of the key that it says has signed it, which nobody has verified; absent if none has. */
  readonly signedBy?: string;
}

/** Who signs bundles. */
export interface BundleSigner {
  readonly key: SecretKey;
  readonly version: number;
}

/** Bundles a pipeline. @throws {Error} What `bundleOf` throws. */
export async function bundledPipeline(
  source: BundleSource,
  signer?: BundleSigner,
): Promise<BundledPipeline> {
  const { bundle, packages } = await bundleOf(source);
  return await described(bundle, packages, signer);
}

/**
 * The same, where a bundle is taken as it is. One that somebody has signed stays theirs; another gets the signature of `signer`.
 *
 * @throws {PipelineError} If it is none that is whole.
 */
export async function travellingPipeline(file: string, signer?: BundleSigner): Promise<BundledPipeline> {
  if (!/\.json$/i.test(file)) return await bundledPipeline(file, signer);
  const { value } = readJson(await runtime.readText(file), file);
  if (!isBundle(value)) return await bundledPipeline(file, signer);
  await loadDocument(file);
  // What it was made of, only who has made it knows.
  return await described(value as Bundle, [], signer);
}

async function described(
  given: Bundle,
  packages: readonly BundledPackage[],
  signer: BundleSigner | undefined,
): Promise<BundledPipeline> {
  const { manifest, hash } = given;
  const { name } = manifest;
  const file = fileNameOf(name);
  const bundle = signer === undefined || given.signature !== undefined
    ? given
    : await signedBundle(given, signer.key, { file, version: signer.version });
  const { signature } = bundle;
  const text = bundleText(bundle);
  const count = Object.keys(manifest.tasks).length;
  const tasks = count === 1 ? "1 task" : `${count} tasks`;
  return {
    name,
    hash,
    text,
    packages,
    file,
    summary: `${name}, ${tasks}, ${text.length} characters, hash ${hash}`,
    ...(typeof signature === "string" && { signedBy: signatureOf(signature).keyId }),
  };
}

function fileNameOf(name: string): string {
  return `${name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^\.+/, "") || "pipeline"}.outrider.json`;
}
