/**
 * Owns what workers are answered who ask for files, and the folders that programs and processes leave files in.
 * Must not know how files are kept. It trusts nothing that arrives.
 * Invariant: a file is kept in the name of an attempt that the worker runs, and of no other; whatever goes wrong is an answer.
 */
import { messageOf } from "../../base/message.ts";
import { FileError } from "../../model/file.ts";
import { type AttemptKey, attemptKeyOf } from "../../model/record.ts";
import type { Plan } from "../../pipeline/plan/plan.ts";
import type { LaneItem } from "../../pool/attempt.ts";
import type { Desk } from "../../pool/kinds/runner.ts";
import type { FileCalls, FileRefusal } from "../../pool/protocol.ts";
import { deskOf, noDesk } from "./desk.ts";
import type { FilesRuntime, RunFiles } from "./run_files.ts";

/** Longest path that is looked at, UTF-16 code units. */
const MAX_PATH = 16_384;

/** The files, for one worker. @param isOwn Whether the worker runs an attempt. */
export function fileCalls(files: RunFiles, isOwn: (from: AttemptKey) => boolean): FileCalls {
  return {
    fileKeep: (path, name, from) =>
      told(async () => {
        if (typeof path !== "string" || path === "" || path.length > MAX_PATH || path.includes("\0")) {
          throw new FileError("FILE_NAME", "The path of a file to keep is a text without zeros");
        }
        if (typeof from !== "object" || from === null || !isOwn(from)) {
          throw new FileError("FILE_ENDED", "The attempt has ended: files are kept while it runs");
        }
        return await files.keep(attemptKeyOf(from), { path, name, linked: true });
      }),
    filesOf: (task) => told(() => files.of(String(task))),
    filePath: (file) => told(() => files.path(file)),
  };
}

async function told<T>(work: () => Promise<T>): Promise<T | FileRefusal> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return { refused: error.code, message: error.message };
  }
}

/** What a desk of a run is made of. */
export interface DesksOptions {
  readonly files: RunFiles;
  readonly runtime: FilesRuntime;
  readonly plan: () => Plan | undefined;
  /** The task of a number, which may be that of an item. */
  readonly taskOf: (number: number) => number;
  /** Tells what is not as it should be. */
  readonly warn: (text: string) => void;
}

/** Makes the folders that programs and processes leave files in. */
export function desksOf(
  { files, runtime, plan, taskOf, warn }: DesksOptions,
): (item?: LaneItem) => Promise<Desk> {
  let warned = false;
  return async (item) => {
    try {
      const tasks = plan()?.tasks ?? [];
      const needs = item === undefined
        ? []
        : tasks[taskOf(item.task)]!.needs.map(({ task }) => tasks[task]!.name);
      // A program is gone when its files are taken; a process goes on.
      return await deskOf({ files, runtime, needs, left: item !== undefined });
    } catch (error) {
      if (!warned) warn(`There is no folder for files (OUTRIDER_FILES): ${messageOf(error)}`);
      warned = true;
      return noDesk(files, messageOf(error));
    }
  };
}
