/**
 * Owns what lies in the root of an image or a disk: files, folders and links by their paths, whoever packs them.
 * Must not know what they are for, nor how they are packed.
 * Invariant: no path leaves the root or goes through a link; `/bin`, `/lib` and `/sbin` are those below `/usr`; what stands twice
 * is the later one, but a folder stays as it was first said to be; a folder stands before what is in it.
 */
import type { Bytes } from "../../base/bytes.ts";

/** Something in the root. */
export type RootEntry =
  & {
    /** Without a slash at either end. */
    readonly path: string;
    /** The user. Default 0: root. */
    readonly owner?: number;
    /** Default: the number of the user. */
    readonly group?: number;
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
    for (const above of foldersAbove(path)) {
      const found = tree.get(above);
      if (found === undefined) tree.set(above, folderEntry(above));
      else requireFolder(found, path);
    }
  }
  tree.delete("");
  return [...tree.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}

/** What lies in a root already: what is packed after it names folders anew, and whoever unpacks that goes by the last word. */
export class Below {
  readonly #said: Map<string, RootEntry> = new Map();
  /** Folders that a part of ours has said: others do not change them. */
  readonly #ours: Set<string> = new Set();

  /** @param entries What others have put there. */
  constructor(entries: readonly RootEntry[] = []) {
    for (const entry of entries) this.#said.set(entry.path, entry);
  }

  /**
   * Puts entries on top.
   *
   * @returns Them, with the folders above them as they are already.
   * @throws {RootError} If one lies below what is no folder.
   */
  put(entries: readonly RootEntry[]): RootEntry[] {
    const before = new Map(this.#said);
    const own = entries.map((entry) => {
      const found = before.get(entry.path);
      const stays = entry.type === "folder" && found?.type === "folder" && this.#ours.has(entry.path);
      return stays ? found : entry;
    });
    for (const entry of own) this.#said.set(entry.path, entry);
    const above = new Set(own.flatMap(({ path }) => foldersAbove(path)));
    for (const { path } of own) this.#ours.add(path);
    for (const { path } of own) {
      for (const each of foldersAbove(path)) {
        const found = this.#said.get(each);
        if (found !== undefined) requireFolder(found, path);
      }
    }
    const named = new Set(own.map(({ path }) => path));
    return [
      ...[...above].filter((path) => !named.has(path)).map((path) => before.get(path)).filter((entry) =>
        entry !== undefined
      ),
      ...own,
    ];
  }
}

/** Paths of the folders that a path lies in, the nearest first. */
function foldersAbove(path: string): string[] {
  const above: string[] = [];
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    above.push(path.slice(0, end));
  }
  return above;
}

function requireFolder({ path: above, type }: RootEntry, path: string): void {
  if (type === "folder") return;
  throw new RootError(`${JSON.stringify(path)} lies below ${JSON.stringify(above)}, which is no folder`);
}
