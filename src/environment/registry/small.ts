/**
 * Owns fetching what fits into memory: records, signatures, configurations.
 * Must not know what they say.
 * Invariant: what is handed out has the digest that was asked for.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import type { OciDescriptor } from "../../model/oci.ts";
import { RegistryError } from "./error.ts";
import type { RegistryLine } from "./line.ts";
import { blobOf } from "./pull.ts";

/** Largest file that is read whole. */
export const MAX_SMALL_BYTES: number = 16 * 1024 * 1024;

/** A blob that fits into memory, held to its digest. @param most Bytes that it may have. */
export async function smallBlob(
  { line, repository }: { readonly line: RegistryLine; readonly repository: string },
  blob: OciDescriptor,
  most: number = MAX_SMALL_BYTES,
): Promise<Bytes> {
  if (blob.size > most) {
    throw new RegistryError(`${blob.digest} has ${blob.size} bytes, more than ${most}: it is not taken`);
  }
  const bytes: Bytes = new Uint8Array(blob.size);
  let at = 0;
  for await (const piece of blobOf(line, repository, { blob })) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const found = `sha256:${await sha256(bytes)}`;
  if (found !== blob.digest) throw otherBytes(blob.digest, found);
  return bytes;
}

/** What came is another than what was asked for. */
export function otherBytes(what: string, found: string): RegistryError {
  return new RegistryError(
    `What came of ${what} has the digest ${found}: it is not what was asked for, and is removed`,
  );
}
