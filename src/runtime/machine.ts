/**
 * Owns what the machine has that a run may ask for: programs, devices.
 * Must not know who asks.
 * Invariant: nothing is started, and no device is opened.
 */
import { constants } from "node:fs";
import { platform } from "node:os";
import { delimiter, resolve } from "node:path";
import { promises } from "./builtin.ts";

/** What Windows puts behind a name that has no ending, unless `PATHEXT` says otherwise. */
const ENDINGS = ".COM;.EXE;.BAT;.CMD";

/**
 * Path of a program, found as the system finds it.
 *
 * @param name A name, or an absolute path.
 * @param path Folders, as `PATH` has them.
 */
export async function findProgram(
  name: string,
  { path, endings = ENDINGS }: { readonly path: string; readonly endings?: string | undefined },
): Promise<string | undefined> {
  const windows = platform() === "win32";
  const names = windows ? [name, ...endings.split(";").map((ending) => `${name}${ending}`)] : [name];
  const folders = /[/\\]/.test(name) ? [""] : path.split(delimiter);
  for (const folder of folders) {
    for (const each of names) {
      // An empty folder in PATH is the working directory.
      const candidate = resolve(folder, each);
      if (await isProgram(candidate)) return candidate;
    }
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { access, stat } = promises();
    if (!(await stat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
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
