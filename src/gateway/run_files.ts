/**
 * Owns how the files of a run go with their bytes.
 * Must not know why they go.
 * Invariant: what another run has kept as well stays.
 */
import { sha256 } from "../base/bytes.ts";
import type { Blobs } from "./registry/blobs.ts";
import type { GatewayStore } from "./store.ts";

/** Where the files of runs are. */
export interface FilesOfRuns {
  readonly store: GatewayStore;
  readonly files: Blobs | undefined;
}

/** Id of the upload of a file that an executor sends. */
export function uploadOf(executor: string, digest: string): Promise<string> {
  return sha256(`${executor}\n${digest}`);
}

/** Removes the bytes of files that a run of an executor has no longer. */
export async function removeFiles(
  { store, files }: FilesOfRuns,
  executor: string,
  digests: readonly string[],
): Promise<void> {
  if (digests.length === 0) return;
  for (const digest of await store.files?.unlinked(digests) ?? []) {
    await files?.abandon(await uploadOf(executor, digest));
  }
  await files?.sweep(() => store.files!.dropUnlinked(digests));
}
