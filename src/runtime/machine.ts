/**
 * Owns what the machine has that a run may ask for: programs, devices.
 * Must not know who asks.
 * Invariant: nothing is started, and no device is opened.
 */
import process from "node:process";
import { promises } from "./builtin.ts";
import { locate, type Where } from "./located.ts";

/**
 * Path of a program, found as it is found when it is started.
 *
 * @param name A name, or an absolute path.
 * @param where `path`: folders, as `PATH` has them; `endings`: on Windows, what may stand behind a name.
 */
export function findProgram(name: string, where: Omit<Where, "cwd">): Promise<string | undefined> {
  const found = locate(name, { ...where, cwd: process.cwd() });
  return Promise.resolve("problem" in found ? undefined : found.before[0] ?? found.file);
}

/** Whether there is a device at a path. */
export async function isDevice(path: string): Promise<boolean> {
  try {
    const about = await promises().stat(path);
    return about.isCharacterDevice() || about.isBlockDevice();
  } catch {
    return false;
  }
}
