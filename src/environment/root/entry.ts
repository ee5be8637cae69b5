/**
 * Owns what lies in the root of an image or a disk: files, folders and links by their paths, whoever packs them.
 * Must not know what they are for, nor how they are packed.
 * Invariant: no path leaves the root or goes through a link; `/bin`, `/lib` and `/sbin` are those below `/usr`; what stands twice
 * is the later one; a folder stands before what is in it.
 */
import type { Bytes } from "../../base/bytes.ts";

/** Something in the root. */
export type RootEntry =
  & {
    /** Without a slash at either end. */
    readonly path: string;
    /** Of user and group alike. Default 0: root. */
    readonly owner?: number;
  }
  & (
    | { readonly type: "file"; readonly bytes: Bytes; readonly mode: number }
    | { readonly type: "folder"; readonly mode: number }
    | { readonly type: "link"; readonly target: string }
  );

/** An entry can't be in the root of an image. */
export class RootError extends Error {
  readonly code = "OUTRIDER_ROOT";
  override name = "RootError";
}

/** What is below /usr, as Debian has it. */
const BELOW_USR = /^(bin|sbin|lib|lib32|lib64|libx32)(?=\/)/;
const MAX_PATH = 4_096;

/** The path of an entry as packages and people write it. @throws {RootError} If it leaves the root. */
export function rootPath(text: string): string {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  const path = parts.join("/").replace(BELOW_USR, "usr/$1");
  if (parts.includes("..") || path.length > MAX_PATH || /[\p{Cc}\\]/u.test(path)) {
    throw new RootError(`It has ${JSON.stringify(text.slice(0, 200))}, which does not lie below its root`);
  }
  return path;
}

/** A regular file. */
export function fileEntry(path: string, contents: Bytes | string, mode: number = 0o644): RootEntry {
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  return { type: "file", path: rootPath(path), bytes, mode };
}

/** A folder. */
export function folderEntry(path: string, mode: number = 0o755, owner: number = 0): RootEntry {
  return { type: "folder", path: rootPath(path), mode, owner };
}

/** A symbolic link. */
export function linkEntry(path: string, target: string): RootEntry {
  return { type: "link", path: rootPath(path), target };
}

/** All in order, each once, with the folders above them. @throws {RootError} If one lies below what is no folder. */
export function rootTree(entries: readonly RootEntry[]): RootEntry[] {
  const tree = new Map<string, RootEntry>();
  for (const entry of entries) {
    const before = tree.get(entry.path);
    // A folder that others bring too keeps what was said of it first.
    if (entry.type !== "folder" || before === undefined || before.type !== "folder") {
      tree.set(entry.path, entry);
    }
  }
  for (const { path } of [...tree.values()]) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const above = path.slice(0, end);
      const found = tree.get(above);
      if (found === undefined) tree.set(above, folderEntry(above));
      else if (found.type !== "folder") {
        throw new RootError(
          `${JSON.stringify(path)} lies below ${JSON.stringify(above)}, which is no folder`,
        );
      }
    }
  }
  tree.delete("");
  return [...tree.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}
