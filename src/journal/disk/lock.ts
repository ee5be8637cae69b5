/**
 * Owns a lock between processes: a database that is never written, whose lock the system lets go of with the process that
 * holds it, however that ends.
 * Must not know what is locked.
 * Invariant: at most one holder at a time, in this process and in all others.
 */
import fs from "node:fs";
import { journalError } from "../errors.ts";
import { systemDisk } from "./system.ts";

/**
 * Takes the lock that a file stands for, made where there is none.
 *
 * @returns What lets go of it; `undefined` if somebody else holds it.
 * @throws {JournalError} If the file can't be used.
 */
export async function lockFile(path: string): Promise<(() => void) | undefined> {
  const disk = await systemDisk();
  try {
    return held(disk, path);
  } catch (error) {
    const { code } = journalError(path, error);
    if (code === "LOCKED") return undefined;
    // What is no file at all is nobody's lock, and stays what it is.
    if (code !== "CORRUPT" || !fs.statSync(path, { throwIfNoEntry: false })?.isFile()) {
      throw journalError(path, error);
    }
  }
  // Nobody holds it, or that would have been said first; what is in it is of no use.
  fs.truncateSync(path);
  return held(disk, path);
}

/**
 * Whether somebody holds the lock that a file stands for; nobody does where that can't be found out. To find out, it takes the
 * lock for a moment, and makes the file if there is none.
 */
export async function isLocked(path: string): Promise<boolean> {
  try {
    const release = await lockFile(path);
    release?.();
    return release === undefined;
  } catch {
    return false;
  }
}

function held(disk: Awaited<ReturnType<typeof systemDisk>>, path: string): () => void {
  const database = disk.openDatabase(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw error;
  }
  return () => database.close();
}
