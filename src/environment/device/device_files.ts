/**
 * Owns the real disk of a device.
 * Must not know what is kept on it.
 */
import type { OpenFile, Runtime } from "../../runtime/port.ts";
import type { DeviceDisk } from "./device_disk.ts";

/** What of the runtime it stands on. */
export type DeviceRuntime = Pick<
  Runtime,
  | "about"
  | "list"
  | "makeFolder"
  | "openFile"
  | "readText"
  | "remove"
  | "rename"
  | "sha256"
  | "syncFolder"
  | "writeText"
>;

/** Read at a time, bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** The files of this machine, for this user alone. */
export function deviceFiles(runtime: DeviceRuntime): DeviceDisk {
  return {
    readText: (path, maxBytes) => runtime.readText(path, maxBytes),
    async writeText(path, text) {
      await runtime.writeText(path, text, 0o600);
      await runtime.syncFolder(folderOf(path));
    },
    list: (folder) => runtime.list(folder),
    makeFolder: (path) => runtime.makeFolder(path, 0o700),
    remove: (path) => runtime.remove(path),
    async rename(from, to) {
      await runtime.rename(from, to);
      await runtime.syncFolder(folderOf(to));
      await runtime.syncFolder(folderOf(from));
    },
    sizeOf: async (path) => (await runtime.about(path))?.size ?? 0,
    append: (path, chunks) =>
      withFile(runtime.openFile(path, "write", 0o700), (file) => append(file, chunks)),
    read: (path, at, most) => withFile(runtime.openFile(path, "read"), (file) => file.read(at, most)),
    async digestOf(path) {
      if (await runtime.about(path) === undefined) return undefined;
      const digest = await runtime.sha256();
      await withFile(runtime.openFile(path, "read"), async (file) => {
        for (let at = 0;;) {
          const bytes = await file.read(at, CHUNK_BYTES);
          if (bytes.length === 0) return;
          digest.update(bytes);
          at += bytes.length;
        }
      });
      return digest.hex();
    },
  };
}

async function append(file: OpenFile, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let at = await file.size();
  try {
    for await (const chunk of chunks) {
      await file.write(at, chunk);
      at += chunk.length;
    }
  } finally {
    await file.sync();
  }
}

async function withFile<T>(opening: Promise<OpenFile>, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await opening;
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
