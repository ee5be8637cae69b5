/**
 * Owns taking away what tells of files that are about to be others: their record, and who vouches for it.
 * Must not know what is written then.
 * Invariant: no signature outlives the record that it was made for.
 */
import { pathIn } from "../../runtime/disk.ts";
import type { Runtime } from "../../runtime/port.ts";
import { MADE_FILE } from "../made.ts";
import { PROVENANCE_FILE } from "./provenance.ts";
import { SBOM_FILE } from "./sbom.ts";
import { signatureNames } from "./signature_file.ts";

/** Takes away the record of a folder, with whoever vouches for it. */
export async function removeRecord(
  folder: string,
  { remove, list }: Pick<Runtime, "remove" | "list">,
): Promise<void> {
  const names = await list(folder);
  for (const name of [MADE_FILE, SBOM_FILE, PROVENANCE_FILE]) {
    for (const each of [name, ...signatureNames(name, names)]) await remove(pathIn(folder, each));
  }
}
