/**
 * Owns the port to what a registry knows of its content: blobs by digest, manifests and tags by repository. Types only.
 * Must not know where the bytes of blobs are.
 * Invariant: a manifest is kept with all that it refers to, or not at all; what one refers to is no garbage.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { OciManifest } from "../../model/oci.ts";

/** A manifest as it is kept. */
export interface ManifestRow {
  readonly digest: string;
  readonly type: string;
  readonly bytes: Bytes;
}

/** A manifest to be kept. */
export interface NewManifest extends ManifestRow {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly manifest: OciManifest;
}

/** What refers to a manifest by naming it as its subject. */
export interface ReferrerRow {
  readonly digest: string;
  readonly type: string;
  readonly size: number;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** A page of names in order. */
export interface Page {
  /** Only what comes after it. Default: from the first. */
  readonly last?: string | undefined;
  readonly limit: number;
}

/** What is known of blobs. */
export interface BlobCatalog {
  /** Size of a blob, bytes; nothing if there is none. */
  blobSize(digest: string): Promise<number | undefined>;
  /** @param at By the monotonic clock: what nothing refers to is kept for a time from then on. */
  putBlob(blob: { readonly digest: string; readonly size: number; readonly at: number }): Promise<void>;
  /** Somebody relies on a blob: the time for which it is kept with nothing that refers to it begins anew. */
  touchBlob(digest: string, at: number): Promise<void>;
  dropBlob(digest: string): Promise<void>;
  /** Digests of all blobs. */
  blobs(): Promise<string[]>;
  /** Drops blobs that nothing refers to and that nobody has relied on for `ms` of the gateway's running time; their digests. */
  forget(ms: number, at: number): Promise<string[]>;
  /** Bytes of all blobs, and of what refers to them. */
  bytes(): Promise<number>;
}

/** What a registry knows. */
export interface Catalog extends BlobCatalog {
  /** By its digest or a tag. */
  manifest(repository: string, reference: string): Promise<ManifestRow | undefined>;
  putManifest(manifest: NewManifest): Promise<void>;
  /** With its tags. Whether there was one. */
  dropManifest(repository: string, digest: string): Promise<boolean>;
  /** Whether there was one. */
  dropTag(repository: string, tag: string): Promise<boolean>;
  /** Whether anything was pushed there. */
  hasRepository(repository: string): Promise<boolean>;
  tags(repository: string, page: Page): Promise<string[]>;
  repositories(page: Page): Promise<string[]>;
  referrers(
    repository: string,
    subject: string,
    page: Page & { readonly type?: string | undefined },
  ): Promise<ReferrerRow[]>;
}
