/**
 * Owns saving a file that comes in pieces: under its name once all of it is there and its digest is found.
 * Must not know where it comes from.
 * Invariant: what was there before is not written over, and of what does not come whole nothing is left.
 */
import { randomHex } from "../../base/bytes.ts";
import type { KeptFile } from "../../model/file.ts";
import type { OpenFile, Runtime } from "../../runtime/port.ts";
import { UsageError } from "../line/errors.ts";
import { reason } from "./source.ts";

/** Gives the bytes from a place on. It may break off: then it is asked again from where it was, if that is of use. */
export type PiecesFrom = (at: number) => AsyncIterable<Uint8Array>;

/** What has come is not the file, or the disk refuses it. */
export class SaveError extends Error {
  readonly code = "OUTRIDER_SAVE";
  override name = "SaveError";
}

/** What is to be saved. */
export interface ToSave {
  readonly file: KeptFile;
  readonly path: string;
  readonly pieces: PiecesFrom;
  /** Whether to go on after an error, which may be told to a person; it waits before it says so. */
  readonly again?: (error: unknown, at: number) => Promise<boolean>;
}

type SavingRuntime = Pick<Runtime, "about" | "openFile" | "remove" | "rename" | "sha256">;

/**
 * Saves a file.
 *
 * @throws {UsageError} If there is one already, or none can be made.
 * @throws {SaveError} If it does not come whole, the disk refuses it, or somebody else has made a file of its name meanwhile.
 */
export async function saveFile(wanted: ToSave, runtime: SavingRuntime): Promise<void> {
  const { path } = wanted;
  const shown = JSON.stringify(path);
  if (await runtime.about(path) !== undefined) {
    throw new UsageError(`There is a file ${shown} already: give another name by --output`);
  }
  // A name that nobody has taken: what is called so already may be a person's.
  const part = `${path}.${randomHex(6)}.part`;
  const to = await runtime.openFile(part, "new", 0o600).catch((error: unknown) => {
    throw new UsageError(`${shown} can't be written: ${reason(error)}`, { cause: error });
  });
  try {
    try {
      await received(wanted, to, runtime);
      await to.sync();
    } finally {
      await to.close();
    }
    await nameNew(part, path, runtime);
  } catch (error) {
    await runtime.remove(part);
    throw isOfDisk(error)
      ? new SaveError(`${shown} is not saved: ${reason(error)}`, { cause: error })
      : error;
  }
}

/** Writes all of a file. @throws {SaveError} If it does not come whole. */
async function received(
  { file, path, pieces, again }: ToSave,
  to: OpenFile,
  runtime: SavingRuntime,
): Promise<void> {
  const shown = JSON.stringify(path);
  const digest = await runtime.sha256();
  let at = 0;
  while (at < file.bytes) {
    const before = at;
    try {
      for await (const piece of pieces(at)) {
        if (at + piece.length > file.bytes) {
          throw new SaveError(`More bytes have come for ${shown} than the file has`);
        }
        await to.write(at, piece);
        digest.update(piece);
        at += piece.length;
      }
      if (at === before && at < file.bytes) {
        throw new SaveError(
          `Only ${at} of ${file.bytes} bytes have come for ${shown}: what was kept is cut off`,
        );
      }
    } catch (error) {
      if (again === undefined || !await again(error, at)) throw error;
    }
  }
  if (digest.hex() !== file.sha256) {
    throw new SaveError(
      `What has come for ${shown} has not the digest ${file.sha256}: what was kept has been changed`,
    );
  }
}

/** Gives a file a name that nothing else has: a rename alone would take the place of what has it. */
async function nameNew(part: string, path: string, runtime: SavingRuntime): Promise<void> {
  await (await runtime.openFile(path, "new", 0o600)).close();
  try {
    await runtime.rename(part, path);
  } catch (error) {
    await runtime.remove(path);
    throw error;
  }
}

/** Whether it is the system's, by its code. */
function isOfDisk(error: unknown): boolean {
  return /^E[A-Z0-9]+$/.test(String((error as { readonly code?: unknown } | null)?.code));
}
