/**
 * Owns a layer of an image: what lies in the root, as a tar archive, packed.
 * Must not know what is in it.
 * Invariant: the same entries and time give the same bytes, on each runtime and in any folder; a packed layer is kept by the
 * digest of what it packs.
 */
import { packTar } from "modern-tar";
import { type Bytes, sha256 } from "../../base/bytes.ts";
import { gzipped } from "../packed.ts";
import { type RootEntry, rootTree } from "../root/entry.ts";
import { blobOf, type ImageBlob } from "./blob.ts";

/** A layer. */
export interface ImageLayer {
  readonly blob: ImageBlob;
  /** Digest of what is packed. */
  readonly diffId: string;
  /** What it is, for people. */
  readonly about: string;
}

/** Makes a layer. @param options `epoch`: the time of all files, seconds since 1970; `cache`: where packed layers are kept. */
export async function imageLayer(
  about: string,
  entries: readonly RootEntry[],
  { epoch, cache }: { readonly epoch: number; readonly cache: string },
): Promise<ImageLayer> {
  const mtime = new Date(epoch * 1000);
  const tar = await packTar(rootTree(entries).map((entry) => packed(entry, mtime)));
  const diffId = await sha256(tar);
  const blob = await blobOf(
    "application/vnd.oci.image.layer.v1.tar+gzip",
    await gzipped(tar, diffId, cache),
  );
  return { blob, diffId: `sha256:${diffId}`, about };
}

function packed(
  entry: RootEntry,
  mtime: Date,
): { header: Parameters<typeof packTar>[0][number]["header"]; body?: Bytes } {
  const { path, owner = 0, group = owner, type } = entry;
  const header = { name: path, uid: owner, gid: group, uname: "", gname: "", mtime, size: 0 };
  switch (type) {
    case "file":
      return { header: { ...header, type, mode: entry.mode, size: entry.bytes.length }, body: entry.bytes };
    case "folder":
      return { header: { ...header, name: `${path}/`, type: "directory", mode: entry.mode } };
    case "link":
      return { header: { ...header, type: "symlink", mode: 0o777, linkname: entry.target } };
  }
}
