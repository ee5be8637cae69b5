/**
 * Owns the folders of a program, or of a process that runs tasks: what it puts into the one is kept when an attempt ends, in
 * the other lie the files that its needs have kept.
 * Must not know how programs run.
 * Invariant: only regular files of the folder itself are kept; what is not is said, and changes no outcome. What was put in
 * the folder's place is not touched.
 */
import { FileError, fileNameProblem, MAX_FILES } from "../../model/file.ts";
import type { AttemptKey } from "../../model/record.ts";
import type { Desk } from "../../pool/kinds/runner.ts";
import type { FilesRuntime, RunFiles, Shelf } from "./run_files.ts";

/** Files of one attempt of which is said that they are not kept; of all others how many they are. */
const SAID = 100;

/** What a desk is made with. */
export interface DeskParts {
  readonly files: RunFiles;
  readonly runtime: FilesRuntime;
  /** Whether nobody writes to what lies there any more when it is taken. */
  readonly left: boolean;
  /** The tasks whose files lie in the second folder. */
  readonly needs: readonly string[];
}

/** Below what is no folder, so that nobody makes it either. */
const NOWHERE = "/dev/null/there-is-no-folder";

let count = 0;

/** Makes the folders. @throws {Error} If the disk refuses. */
export async function deskOf({ files, runtime, needs, left }: DeskParts): Promise<Desk> {
  const shelf = await files.shelf();
  const folder = `${shelf.work}/desk-${++count}`;
  const given = `${folder}.in`;
  const isOurs = shelf.keeping.makeDesk(folder);
  const has = needs.filter((task) => files.has(task));
  for (const task of has) await lay(shelf, { files, task, into: `${given}/${folderOf(task)}` });
  const remove = async (path: string) => await runtime.remove(path).catch(() => {});
  let taken: Promise<void> = Promise.resolve();
  const take = async (of: AttemptKey) => {
    try {
      await takeAll(shelf, { files, folder, isOurs, of, moved: left });
    } catch (error) {
      files.refuse(of, { name: "OUTRIDER_FILES", because: (error as Error).message });
    }
    const names = isOurs() ? await runtime.list(folder).catch(() => []) : [];
    for (const name of names) if (isOurs()) await remove(`${folder}/${name}`);
  };
  return {
    environment: { OUTRIDER_FILES: folder, OUTRIDER_INPUT_FILES: given },
    isEmpty: () => shelf.keeping.isEmpty(folder),
    take: (of) => taken = take(of),
    async remove() {
      await taken;
      if (!await shelf.keeping.dropDesk(folder)) await remove(folder);
      if (has.length > 0) await remove(given);
    },
  };
}

/** What is there instead where no folders could be made: paths at which nothing can be, and each attempt is told. */
export function noDesk(files: RunFiles, because: string): Desk {
  return {
    environment: { OUTRIDER_FILES: NOWHERE, OUTRIDER_INPUT_FILES: `${NOWHERE}.in` },
    isEmpty: () => false,
    take: (of) =>
      Promise.resolve(
        files.refuse(of, { name: "OUTRIDER_FILES", because: `there is no folder: ${because}` }),
      ),
    remove: () => Promise.resolve(),
  };
}

/** Lays the files that a task has kept into a folder. */
async function lay(
  { folder, keeping }: Shelf,
  { files, task, into }: { readonly files: RunFiles; readonly task: string; readonly into: string },
): Promise<void> {
  for (const { sha256, name, item } of files.last(task)) {
    const folderOfItem = item === undefined ? "" : `${item}/`;
    await keeping.link(`${folder}/${sha256}`, `${into}/${folderOfItem}${name}`);
  }
}

/** A task's name as that of one folder, no other task's: what `a` has kept as `b` is not in the way of what `a/b` has. */
function folderOf(task: string): string {
  if (fileNameProblem(task) === undefined && !task.includes("%")) return task;
  return encodeURIComponent(task).replaceAll(".", "%2E");
}

async function takeAll(
  { keeping }: Shelf,
  { files, folder, isOurs, of, moved }: {
    readonly files: RunFiles;
    readonly folder: string;
    readonly isOurs: () => boolean;
    readonly of: AttemptKey;
    readonly moved: boolean;
  },
): Promise<void> {
  if (!isOurs()) throw new Error(REPLACED);
  const refused: { name: string; because: string }[] = [];
  const entries = await keeping.entries(folder, MAX_FILES + 1);
  for (const { name, kind } of entries) {
    try {
      if (!isOurs()) throw new Error(REPLACED);
      if (kind !== "file") throw new FileError("FILE_KIND", WORDS[kind]);
      await files.keep(of, { path: `${folder}/${name}`, name, moved });
    } catch (error) {
      const because = (error as Error).message.replace(/^File .*? is not kept: /s, "");
      refused.push({ name: name.slice(0, 200), because });
    }
  }
  for (const each of refused.slice(0, SAID)) files.refuse(of, each);
  const rest = refused.length - SAID;
  if (rest > 0) {
    files.refuse(of, { name: refused[SAID]!.name, because: `and so are ${rest} in all that are not named` });
  }
}

/** What it is now may be anybody's: nothing in it is touched. */
const REPLACED = "the folder was replaced by a link or another folder: put files into the one that is there";

const WORDS = {
  folder: "it is a folder: put files beside one another",
  link: "it is a symbolic link, which is not followed",
  other: "it is no regular file",
} as const;
