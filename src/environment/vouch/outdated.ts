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

/** Takes away the record of a folder, with whoever vouches for it. */
export async function removeRecord(folder: string, { remove }: Pick<Runtime, "remove">): Promise<void> {
  for (const name of [MADE_FILE, SBOM_FILE, PROVENANCE_FILE]) {
    for (const ending of ["", ".minisig"]) await remove(pathIn(folder, `${name}${ending}`));
  }
}
