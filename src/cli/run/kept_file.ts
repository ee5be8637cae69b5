/**
 * Owns the writing of a file that is to outlive the process, for nobody else to read.
 * Must not know what is in it.
 */
import type { Runtime } from "../../runtime/port.ts";

/** Writes it; it is on the disk then. */
export async function writeKept(
  file: string,
  text: string,
  { folder, runtime }: {
    readonly folder: string;
    readonly runtime: Pick<Runtime, "makeFolder" | "writeText" | "syncFolder">;
  },
): Promise<void> {
  await runtime.makeFolder(folder, 0o700);
  await runtime.writeText(file, text, 0o600);
  await runtime.syncFolder(folder);
}
