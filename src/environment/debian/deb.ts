/**
 * Owns the unpacking of one package of Debian into what would lie in a root.
 * Must not know where the package comes from. Its scripts are not run.
 * Invariant: nothing of it leaves the root, and there are no devices; nobody's rights are raised by it.
 */
import { unpackTar } from "modern-tar";
import type { Bytes } from "../../base/bytes.ts";
import { fileEntry, folderEntry, linkEntry, type RootEntry, rootPath } from "../root/entry.ts";
import { unpacked } from "../unpacked.ts";
import { arMembers } from "./ar.ts";
import { DebianError } from "./errors.ts";

type TarEntry = Awaited<ReturnType<typeof unpackTar>>[number];

/** The most that a package may have once it is unpacked. */
const MAX_PACKAGE_BYTES = 1024 ** 3;

/** What no program needs to run. Whose work it is, and under which terms, stays. */
const LEFT_OUT =
  /^usr\/share\/(doc\/(?!.*\/copyright$)|man\/|info\/|locale\/|lintian\/|bash-completion\/|fish\/|zsh\/|doc-base\/|menu\/|bug\/|apport\/)/;

/** Unpacks it. @param name For messages. @throws {DebianError} If it is damaged, or has what may not be in it. */
export async function debEntries(deb: Bytes, name: string): Promise<RootEntry[]> {
  try {
    const members = arMembers(deb);
    const [, packed] = [...members].find(([member]) => /^data\.tar(\.(gz|xz|zst))?$/.test(member)) ?? [];
    if (packed === undefined) {
      throw new DebianError(`It has no data.tar, but ${[...members.keys()].join(", ")}`);
    }
    const entries = await unpackTar(await unpacked(packed, MAX_PACKAGE_BYTES), { strict: true });
    return rootEntries(entries).filter(({ path }) => !LEFT_OUT.test(`${path}/`.slice(0, -1)));
  } catch (cause) {
    throw new DebianError(`The package ${name} can't be unpacked: ${(cause as Error).message}`, { cause });
  }
}

function rootEntries(entries: readonly TarEntry[]): RootEntry[] {
  const files = new Map<string, RootEntry>();
  const made: RootEntry[] = [];
  for (const { header, data } of entries) {
    const path = rootPath(header.name);
    if (path === "" || header.type === "pax-global-header") continue;
    const entry = entryOf(path, header, { data, files });
    files.set(path, entry);
    made.push(entry);
  }
  return made;
}

function entryOf(
  path: string,
  { type = "file", mode = 0o644, linkname = "" }: TarEntry["header"],
  { data, files }: { data: Bytes | undefined; files: ReadonlyMap<string, RootEntry> },
): RootEntry {
  // Without setuid, setgid and the like: nothing in an image may raise its rights.
  const rights = mode & 0o777;
  switch (type) {
    case "file":
      return fileEntry(path, data ?? new Uint8Array(), rights);
    case "directory":
      return folderEntry(path, rights);
    case "symlink":
      return linkEntry(path, linkname);
    case "link": {
      const same = files.get(rootPath(linkname));
      if (same?.type !== "file") {
        throw new DebianError(`It links ${path} to ${JSON.stringify(linkname)}, which it does not have`);
      }
      return { ...same, path };
    }
    default:
      throw new DebianError(`It has ${path}, a ${type}, and only files, folders and links may be in it`);
  }
}
