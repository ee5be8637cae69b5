/**
 * Owns whose a folder is into which an environment is written: one process at a time builds, pulls or signs there.
 * Must not know what is written.
 * Invariant: what holds a folder lets go of it with its process, however that ends: none has to be cleared by hand.
 */
import { lockFile } from "../journal/disk/lock.ts";
import { pathIn } from "../runtime/disk.ts";
import { runtime } from "../runtime/runtime.ts";
import { EnvironmentError } from "./document/error.ts";

/** Names a file that says nothing, and stays: one that was removed would be another's lock meanwhile. */
export const LOCKED_FILE = ".outrider.lock";

/** Works in a folder, which is made where there is none. @throws {EnvironmentError} If another process does so now. */
export async function alone<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const release = await lockFolder(folder);
  try {
    return await work();
  } finally {
    release();
  }
}

/** Takes a folder. @returns What lets go of it. @throws {EnvironmentError} If another process has it. */
export async function lockFolder(folder: string): Promise<() => void> {
  await runtime.makeFolder(folder);
  const release = await lockFile(pathIn(folder, LOCKED_FILE));
  if (release !== undefined) return release;
  throw new EnvironmentError(
    folder,
    "Another build, pull or signing writes into this folder now, and nothing was changed: wait for its end, or name another folder",
  );
}
