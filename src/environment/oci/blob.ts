/**
 * Owns what an image is made of: bytes that are called by their digest, and what describes them to others.
 * Must not know what is in them.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import type { FileContents } from "../../runtime/disk.ts";

/** A platform, in the words of images. */
export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** What one document of an image says of another. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and lower-case hexadecimal. */
  readonly digest: string;
  readonly size: number;
  readonly platform?: ImagePlatform;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Bytes with what describes them. */
export interface ImageBlob {
  readonly descriptor: Descriptor;
  readonly from: FileContents;
}

/** Bytes as a blob. */
export async function blobOf(mediaType: string, bytes: Bytes): Promise<ImageBlob> {
  return {
    descriptor: { mediaType, digest: `sha256:${await sha256(bytes)}`, size: bytes.length },
    from: { bytes },
  };
}

/** A document as a blob. */
export async function jsonBlob(mediaType: string, document: unknown): Promise<ImageBlob> {
  return await blobOf(mediaType, new TextEncoder().encode(JSON.stringify(document)));
}
