/**
 * Owns what lies in a root as a cpio archive in the form that Linux unpacks at its start ("newc").
 * Must not know what is in it, nor how it is packed.
 * Invariant: the same entries and time give the same bytes; archives one behind the other are unpacked one over the other.
 */
import { type Bytes, joined } from "../../base/bytes.ts";
import { type RootEntry, rootTree } from "../root/entry.ts";

const FILE = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;

/** What ends an archive. */
const TRAILER = "TRAILER!!!";

/** The archive. @param epoch The time of all files, seconds since 1970. */
export function cpioArchive(entries: readonly RootEntry[], epoch: number): Bytes {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const add = (chunk: Uint8Array) => {
    const padding = new Uint8Array(-chunk.length & 3);
    chunks.push(chunk, padding);
    length += chunk.length + padding.length;
  };
  let number = 0;
  for (const entry of rootTree(entries)) {
    const { mode, body } = contentsOf(entry);
    const { owner = 0, group = owner } = entry;
    add(header(entry.path, { number: ++number, mode, owner, group, epoch, size: body.length }));
    add(body);
  }
  add(header(TRAILER, { number: 0, mode: 0, owner: 0, group: 0, epoch: 0, size: 0 }));
  return joined(chunks, length);
}

function contentsOf(entry: RootEntry): { readonly mode: number; readonly body: Uint8Array } {
  switch (entry.type) {
    case "file":
      return { mode: FILE | entry.mode, body: entry.bytes };
    case "folder":
      return { mode: FOLDER | entry.mode, body: new Uint8Array() };
    case "link":
      return { mode: LINK | 0o777, body: new TextEncoder().encode(entry.target) };
  }
}

/** The fields are in the order of the kernel's `initramfs/buffer-format`: ino, mode, uid, gid, nlink, mtime, filesize, … */
function header(
  path: string,
  { number, mode, owner, group, epoch, size }: {
    readonly number: number;
    readonly mode: number;
    readonly owner: number;
    readonly group: number;
    readonly epoch: number;
    readonly size: number;
  },
): Uint8Array {
  const name = new TextEncoder().encode(path);
  // A file of the disk would name devices: none of these is on one.
  const fields = [number, mode, owner, group, 1, epoch, size, 0, 0, 0, 0, name.length + 1, 0];
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const bytes = new Uint8Array(text.length + name.length + 1);
  bytes.set(new TextEncoder().encode(text));
  bytes.set(name, text.length);
  return bytes;
}
