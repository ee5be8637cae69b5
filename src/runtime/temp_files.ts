/**
 * Owns a folder of small files for one program: made at once, for this user alone, and gone with all that was put into it.
 * Must not know what is in the files.
 * Invariant: nothing is forced to the disk: what is there for one program is of no use after a power cut.
 */
import { lstatSync, mkdtempSync, readdirSync, rmdir, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { promises } from "./builtin.ts";
import { passing } from "./passing.ts";
import type { TempFiles } from "./port.ts";

/** So many files are removed at once; more are left to the system's threads. */
const FEW = 8;

/** Removes a folder in which nothing lies, on a thread of the system's: on some file systems it takes as long as a program. */
export function removeEmpty(folder: string): Promise<void> {
  return new Promise((done, failed) => rmdir(folder, (error) => error === null ? done() : failed(error)));
}

/** Makes the folder. @param texts By name. @throws {Error} If that can't be; then nothing is left of it. */
export function makeTempFiles(texts: Readonly<Record<string, string>>): TempFiles {
  const folder = mkdtempSync(join(tmpdir(), "outrider-"));
  const forget = passing(folder);
  const path = (name: string) => `${folder}/${name}`;
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(path(name), text);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    forget();
    throw error;
  }
  return {
    path,
    has: (name) => lstatSync(path(name), { throwIfNoEntry: false }) !== undefined,
    async remove() {
      // Who waits for the end of what used them has its turn first.
      await new Promise<void>((turn) => systemClock.after(0, turn));
      try {
        const names = readdirSync(folder);
        if (names.length > FEW) throw new Error("There are many");
        for (const name of names) unlinkSync(path(name));
        await removeEmpty(folder);
      } catch {
        // The program has put folders or many files into it, or has taken it away.
        await promises().rm(folder, { recursive: true, force: true });
      }
      forget();
    },
  };
}
