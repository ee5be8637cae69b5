/**
 * Owns what a person can have of the files in a state directory that no process uses: which runs have kept which.
 * Must not know how they are shown, nor where a copy goes.
 * Invariant: it changes nothing of a run, and makes no state directory.
 */
import { LOG_BYTES } from "../../defaults.ts";
import type { KeptFile } from "../../model/file.ts";
import { pastOf } from "../../model/past.ts";
import type { AttemptKey } from "../../model/record.ts";
import { RunFiles } from "../files/run_files.ts";
import { realWorld, type World } from "../world.ts";
import { filesOf } from "./kept_run.ts";
import { StateDir } from "./state_dir.ts";
import { StateError } from "./state_disk.ts";

/** A file that a run has kept on this device. */
export interface FileHere extends KeptFile, AttemptKey {
  readonly run: string;
  /** Where its bytes are. */
  readonly path: string;
}

/**
 * The files of the runs in a state directory, the oldest run first; nothing if another process uses it.
 *
 * @throws {StateError} If there is no such directory, or it can't be used.
 */
export async function filesIn(
  folder: string,
  { runtime, clock, newId }: World = realWorld,
): Promise<readonly FileHere[] | undefined> {
  if ((await runtime.about(`${folder}/runs`))?.isFolder !== true) {
    throw new StateError(
      `There is no state directory ${
        JSON.stringify(folder)
      }: name the one that runs were started with (--state-dir, OUTRIDER_STATE_DIR)`,
    );
  }
  const state = new StateDir(folder, { runtime, logBytes: LOG_BYTES, newId });
  if (!await state.lock()) return undefined;
  try {
    const found: FileHere[] = [];
    for (const kept of await state.runs()) {
      const files = new RunFiles({ runtime, clock, journal: kept.journal, options: undefined });
      const past = pastOf(kept.journal, (record) => files.restore(record));
      for (const file of files.list()) {
        found.push({ run: past?.run ?? "", ...file, path: `${filesOf(kept)}/${file.sha256}` });
      }
    }
    return found;
  } finally {
    await state.end();
  }
}
