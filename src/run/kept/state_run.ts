/**
 * Owns a run of a person's that is kept in a state directory: which one goes on, which is begun, which is let go of.
 * Must not know how a run is carried out or shown.
 * Invariant: a run is closed only after its result has been shown; one that was begun and not closed is gone on with.
 */
import { LOG_BYTES } from "../../defaults.ts";
import type { InnerOptions } from "../inspection.ts";
import { realWorld, type World } from "../world.ts";
import { filesOf, type KeptRun, lossOf } from "./kept_run.ts";
import { StateDir } from "./state_dir.ts";
import { StateError } from "./state_disk.ts";

/** What a person asked for. */
export interface KeptRunOptions {
  readonly folder: string;
  /** Repeat this task, and what depends on it, in the run that is kept. */
  readonly from: string | undefined;
  /** Tells a person, in words. */
  readonly note: (text: string) => void;
  /** Default: the real one. */
  readonly world?: World;
}

/**
 * Carries out a run that is kept.
 *
 * @param carryOut Runs it with these options, and shows its result.
 * @throws {StateError} If the directory can't be used, or there is no run to repeat a part of.
 */
export async function keptRun<T>(
  { folder, from, note, world: { clock, runtime, newId } = realWorld }: KeptRunOptions,
  carryOut: (options: Pick<InnerOptions, "journal" | "from" | "files">) => Promise<T>,
): Promise<T> {
  const state = new StateDir(folder, { runtime, logBytes: LOG_BYTES, newId });
  try {
    const kept = await choose(state, { folder, from, note });
    tellLoss(kept, { note, at: clock.now() });
    try {
      const done = await carryOut({
        journal: kept.journal,
        files: { folder: () => Promise.resolve(filesOf(kept)) },
        ...(from === undefined ? {} : { from }),
      });
      await state.close(kept);
      return done;
    } catch (error) {
      // Nothing has begun, so there is nothing to go on with.
      if (kept.journal.last().states === 0) await state.remove(kept);
      throw error;
    }
  } finally {
    await state.end();
  }
}

/** The run to go on with or to begin; the closed ones before it are let go of. */
async function choose(
  state: StateDir,
  { folder, from, note }: Pick<KeptRunOptions, "folder" | "from" | "note">,
): Promise<KeptRun> {
  const runs = await state.runs();
  for (const { folder, because, setAside } of state.unread) {
    note(
      setAside
        ? `A run could not be read (${because}). It is kept as ${folder}, and nothing of it counts any more`
        : `${folder} is left as it is: ${because}`,
    );
  }
  const last = runs.at(-1);
  if (from !== undefined) {
    if (last !== undefined && last.journal.last().states > 0) return last;
    throw new StateError(
      `There is no run in ${folder} to repeat a part of: run the pipeline with this --state-dir first`,
    );
  }
  const open = runs.find((run) => !isOver(state, run));
  const kept = open ?? await state.begin({});
  if (kept === undefined) throw new StateError(state.trouble ?? `Nothing can be kept in ${folder}`);
  for (const run of runs) if (run !== kept && isOver(state, run)) await state.remove(run);
  return kept;
}

/** Whether there is nothing to go on with. One that was closed may have been cut off since, as a part of it was repeated. */
function isOver(state: StateDir, run: KeptRun): boolean {
  if (!state.isClosed(run)) return false;
  const { states } = run.journal.last();
  return states === 0 || run.journal.states(states - 1, 1)[0]?.type === "run.ended";
}

/** Says what was lost of a run, also in its log. */
function tellLoss(
  kept: KeptRun,
  { note, at }: { readonly note: (text: string) => void; readonly at: number },
): void {
  const lost = lossOf(kept);
  if (lost === undefined) return;
  note(lost);
  kept.journal.log({ at, level: "error", from: "executor", stream: "log", text: lost });
}
