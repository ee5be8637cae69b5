/**
 * Owns files that are too large for memory: read and written piece by piece, at any place.
 * Must not know what is in them.
 * Invariant: only regular files are opened; what `sync` has told is on the disk, name and all, after `syncFolder`.
 */
import { constants, stat, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Bytes } from "../base/bytes.ts";
import { promises } from "./builtin.ts";
import { told } from "./files.ts";
import type { FileAbout, OpenFile, OpenHow } from "./port.ts";

const FLAGS: Readonly<Record<OpenHow, number>> = {
  // Without waiting: to open a FIFO would else last until somebody writes to it.
  read: constants.O_RDONLY | (constants.O_NONBLOCK ?? 0),
  write: constants.O_RDWR | constants.O_CREAT,
  new: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

/** Opens a regular file. @throws {Error} If it can't be opened, or is none. */
export async function openFile(path: string, how: OpenHow, mode: number = 0o666): Promise<OpenFile> {
  const file = await promises().open(path, FLAGS[how], mode);
  try {
    if ((await file.stat()).isFile()) return opened(file);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw Object.assign(new Error(`${path} is no regular file`), { code: "EINVAL" });
}

function opened(file: FileHandle): OpenFile {
  return {
    size: async () => (await file.stat()).size,
    async read(at, most) {
      const bytes: Bytes = new Uint8Array(most);
      const { bytesRead } = await file.read(bytes, 0, most, at);
      return bytes.subarray(0, bytesRead);
    },
    async write(at, bytes) {
      for (let done = 0; done < bytes.length;) {
        done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
      }
    },
    cut: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

/** What is told of a file or folder; nothing if there is none. */
export async function aboutFile(path: string): Promise<FileAbout | undefined> {
  try {
    const about = await told<Stats>((done) => stat(path, done));
    return { size: about.size, isFile: about.isFile(), isFolder: about.isDirectory() };
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Brings the names in a folder to the disk. Where a folder can't be opened (Windows) the system does so by itself. */
export async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle;
  try {
    folder = await promises().open(path, constants.O_RDONLY);
  } catch (error) {
    if (["EISDIR", "EPERM", "EACCES"].includes(String((error as { code?: unknown }).code))) return;
    throw error;
  }
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
