/**
 * Owns saving a file that comes in pieces: under its name once all of it is there and its digest is found.
 * Must not know where it comes from.
 * Invariant: what was there before is not written over, and of what does not come whole nothing is left.
 */
import type { KeptFile } from "../../model/file.ts";
import type { Runtime } from "../../runtime/port.ts";
import { UsageError } from "../line/errors.ts";
import { reason } from "./source.ts";

/** Gives the bytes from a place on. It may break off: then it is asked again from where it was, if that is of use. */
export type PiecesFrom = (at: number) => AsyncIterable<Uint8Array>;

/** What is to be saved. */
export interface ToSave {
  readonly file: KeptFile;
  readonly path: string;
  readonly pieces: PiecesFrom;
  /** Whether to go on after an error, which may be told to a person; it waits before it says so. */
  readonly again?: (error: unknown, at: number) => Promise<boolean>;
}

type SavingRuntime = Pick<Runtime, "about" | "openFile" | "remove" | "rename" | "sha256">;

/** Saves a file. @throws {UsageError} If there is one already, or none can be made. */
export async function saveFile({ file, path, pieces, again }: ToSave, runtime: SavingRuntime): Promise<void> {
  const shown = JSON.stringify(path);
  if (await runtime.about(path) !== undefined) {
    throw new UsageError(`There is a file ${shown} already: give another name by --output`);
  }
  const part = `${path}.part`;
  const to = await runtime.openFile(part, "write", 0o600).catch((error: unknown) => {
    throw new UsageError(`${shown} can't be written: ${reason(error)}`, { cause: error });
  });
  const digest = await runtime.sha256();
  let at = 0;
  try {
    await to.cut(0);
    while (at < file.bytes) {
      const before = at;
      try {
        for await (const piece of pieces(at)) {
          if (at + piece.length > file.bytes) throw new Error("More bytes have come than the file has");
          await to.write(at, piece);
          digest.update(piece);
          at += piece.length;
        }
        if (at === before && at < file.bytes) throw new Error(`Only ${at} of ${file.bytes} bytes have come`);
      } catch (error) {
        if (again === undefined || !await again(error, at)) throw error;
      }
    }
    if (digest.hex() !== file.sha256) {
      throw new Error(`What has come for ${shown} has not the digest ${file.sha256}`);
    }
    await to.sync();
  } catch (error) {
    await to.close();
    await runtime.remove(part);
    throw error;
  }
  await to.close();
  await runtime.rename(part, path);
}
