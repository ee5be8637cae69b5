/**
 * Owns keeping files by the digest of their bytes: read once, hashed and copied piece by piece. Loaded with the first one.
 * Must not know what is kept, nor who wants it.
 * Invariant: what has its new name is what was hashed, all of it and on the disk; only regular files are read, and no more
 * than a piece is held.
 */
import { constants, type Dirent, lstatSync, mkdirSync, readdirSync, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { promises } from "./builtin.ts";
import { removeEmpty } from "./temp_files.ts";
import type { FolderEntry, Keeping, KeepingOptions } from "./port.ts";

/** Bytes that are read at a time. */
const PIECE_BYTES = 256 * 1024;
/** What is kept is read, and written to by nobody. */
const KEPT_MODE = 0o400;
const FOLDER_MODE = 0o700;
/** Without waiting: to open a FIFO would else last until somebody writes to it. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const NOT_BY_LINKS = constants.O_NOFOLLOW ?? 0;

/** What keeps files. */
export const keeping: Keeping = {
  async keep(from, to, options) {
    const file = await promises().open(from, options.linked ? READ : READ | NOT_BY_LINKS);
    try {
      const about = await file.stat();
      if (!about.isFile()) throw coded("ENOTREG", "it is no regular file");
      options.begun(about.size);
      // What has another name would be made read-only there too, and be written to under it.
      // Whose it is that is another user's could go on writing to it, and we could not make it read-only.
      const alone = options.moved && about.nlink <= 1 && about.uid === process.getuid?.();
      return alone ? await moved(file, { from, to, ...options }) : await copied(file, to, options);
    } finally {
      await file.close();
    }
  },
  async link(from, to) {
    const { copyFile, link, mkdir, rm } = promises();
    await mkdir(dirname(to), { recursive: true, mode: FOLDER_MODE });
    try {
      await link(from, to);
    } catch (error) {
      if (codeOf(error) === "EEXIST") return;
      // There are file systems without links.
      try {
        await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      } catch (error) {
        if (codeOf(error) === "EEXIST") return;
        await rm(to, { force: true });
        throw error;
      }
    }
  },
  async entries(folder, most) {
    const found: FolderEntry[] = [];
    const names = await promises().opendir(folder);
    try {
      for (
        let entry = await names.read();
        entry !== null && found.length < most;
        entry = await names.read()
      ) {
        found.push({ name: entry.name, kind: kindOf(entry) });
      }
    } finally {
      await names.close();
    }
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  },
  makeDesk(path) {
    mkdirSync(path, { mode: FOLDER_MODE });
    const { dev, ino } = lstatSync(path);
    return () => {
      const now = lstatSync(path, { throwIfNoEntry: false });
      return now?.isDirectory() === true && now.dev === dev && now.ino === ino;
    };
  },
  dropDesk: (path) => removeEmpty(path).then(() => true, () => false),
  isEmpty(path) {
    try {
      return readdirSync(path).length === 0;
    } catch (error) {
      // Whoever looks closer is told what is wrong.
      return codeOf(error) === "ENOENT";
    }
  },
};

function kindOf(entry: Dirent): FolderEntry["kind"] {
  if (entry.isSymbolicLink()) return "link";
  if (entry.isFile()) return "file";
  return entry.isDirectory() ? "folder" : "other";
}

interface Kept {
  readonly sha256: string;
  readonly bytes: number;
}

async function moved(
  file: FileHandle,
  { from, to, more }: KeepingOptions & { readonly from: string; readonly to: string },
): Promise<Kept> {
  const { lstat, rename } = promises();
  const before = await file.stat();
  const kept = await hashed(file, (piece) => Promise.resolve(more(piece.length)));
  // Whoever still wrote to it, or put another in its place, has made it something else than what was hashed.
  if (!isSame(before, await lstat(from)) || before.size !== kept.bytes) {
    throw coded("ECHANGED", "it was changed as it was read");
  }
  await file.chmod(KEPT_MODE);
  await file.sync();
  await rename(from, to);
  return kept;
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeMs === b.mtimeMs &&
    a.nlink === b.nlink;
}

async function copied(file: FileHandle, to: string, { more }: KeepingOptions): Promise<Kept> {
  const { open, rm } = promises();
  const copy = await open(to, "wx", 0o600);
  try {
    let at = 0;
    const kept = await hashed(file, async (piece) => {
      more(piece.length);
      for (let done = 0; done < piece.length;) {
        const { bytesWritten } = await copy.write(piece, done, piece.length - done, at);
        done += bytesWritten;
        at += bytesWritten;
      }
    });
    await copy.sync();
    await copy.chmod(KEPT_MODE);
    await copy.close();
    return kept;
  } catch (error) {
    await copy.close().catch(() => {});
    await rm(to, { force: true });
    throw error;
  }
}

/** Reads a file to its end, once. @param take Is given each piece, which it may hold for as long as it takes. */
async function hashed(file: FileHandle, take: (piece: Uint8Array) => Promise<void>): Promise<Kept> {
  const digest = (await import("./digest.ts")).sha256Digest();
  const room = new Uint8Array(PIECE_BYTES);
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await file.read(room, 0, room.length, bytes);
    if (bytesRead === 0) return { sha256: digest.hex(), bytes };
    const piece = room.subarray(0, bytesRead);
    await take(piece);
    digest.update(piece);
    bytes += bytesRead;
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}
