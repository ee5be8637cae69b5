/**
 * Owns a bundle's signature: what of a bundle is signed, where the signature stands, and what an unsigned one is told.
 * Must not know who runs bundles.
 * Invariant: what is given back is made of what was signed, and of nothing else that stood in the document.
 */
import { type Bundle, bundleProblem, bundleText, isBundle } from "../pipeline/document/bundle.ts";
import { PipelineError } from "../model/problem.ts";
import type { Bytes } from "../base/bytes.ts";
import { TrustError } from "./error.ts";
import { commentOf, verify, versionOf } from "./keys.ts";
import { type PublicKey, signedHash } from "./minisign.ts";
import type { SecretKey } from "./secret_key.ts";

/** A bundle whose signature is that of a trusted key. */
export interface TrustedBundle {
  readonly bundle: Bundle;
  readonly keyId: string;
  readonly version: number;
}

/** Signs a bundle: the text of its file without the signature, so that minisign itself can verify it. */
export async function signedBundle(
  bundle: Bundle,
  key: SecretKey,
  { file, version }: { readonly file: string; readonly version: number },
): Promise<Bundle> {
  const unsigned = withoutSignature(bundle);
  return { ...unsigned, signature: await key.sign(hashOf(unsigned), commentOf({ file, version })) };
}

/**
 * The bundle that a document is, if a trusted key has signed it.
 *
 * @throws {TrustError} If it is not signed, by another key, changed, or has no version.
 * @throws {PipelineError} If it is no whole bundle.
 */
export async function trustedBundle(
  document: unknown,
  keys: readonly PublicKey[],
): Promise<TrustedBundle> {
  if (!isBundle(document)) {
    throw new TrustError(
      "Only signed bundles are run here (OUTRIDER_TRUST), and this is none: make one with outrider bundle --sign KEY",
    );
  }
  const problem = await bundleProblem(document);
  if (problem !== undefined) throw new PipelineError([problem]);
  const { signature, ...bundle } = document as unknown as Bundle;
  const what = "The bundle";
  if (typeof signature !== "string") {
    throw new TrustError(
      `${what} is not signed, and only signed ones are run here (OUTRIDER_TRUST): make it with outrider bundle --sign KEY`,
    );
  }
  const unsigned = withoutSignature(bundle);
  const verified = await verify(hashOf(unsigned), { signature, keys, what });
  return { bundle: unsigned, keyId: verified.keyId, version: versionOf(verified, what) };
}

function withoutSignature({ outriderBundle, hash, manifest, code, files }: Bundle): Bundle {
  return { outriderBundle, hash, manifest, code, ...(files !== undefined && { files }) };
}

function hashOf(unsigned: Bundle): Bytes {
  return signedHash(new TextEncoder().encode(bundleText(unsigned)));
}
