/**
 * Owns the files that one run keeps: a folder with each under its SHA-256, whose they are, and how much there may be.
 * Must not know how a task asks, nor what becomes of them after the run.
 * Invariant: a file is in the journal only when all of it is on the disk under its digest, and what can't be kept leaves
 * nothing behind; no file is ever in memory whole.
 *
 *   FOLDER/SHA256                     the bytes, read-only
 *   FOLDER/.work/N                    a file that is being copied
 *   FOLDER/.work/given/SHA256/NAME    a kept file as a task was given it
 *   FOLDER/.work/desk-N[.in]          desk.ts
 */
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/message.ts";
import { operationsHint } from "../../base/operations.ts";
import { MAX_FILE_BYTES, MAX_FILES_BYTES } from "../../defaults.ts";
import type { Journal } from "../../journal/journal.ts";
import type { FileErrorCode } from "../../model/error_code.ts";
import {
  FileError,
  fileNameProblem,
  type GivenFile,
  isKeptFile,
  type KeptFile,
  MAX_FILES,
  SHA256,
} from "../../model/file.ts";
import { type AttemptKey, attemptKeyOf, isDoneItem, type StateRecord } from "../../model/record.ts";
import type { Keeping, Runtime } from "../../runtime/port.ts";

/** What is kept, and how much of it. */
export interface FilesOptions {
  /** Where files are kept; asked for with the first. Default: a temporary folder, which goes with the run. */
  readonly folder?: () => Promise<string>;
  /** The temporary folder outlives the run, until `drop` is called: what is in it is to be told of elsewhere. */
  readonly stay?: boolean;
  /** Largest file, bytes. Default 4 GiB. */
  readonly maxFileBytes?: number;
  /** Most bytes of all files of the run. Default 16 GiB. */
  readonly maxBytes?: number;
}

/** The part of the runtime that is needed. */
export type FilesRuntime = Pick<
  Runtime,
  | "keeping"
  | "about"
  | "list"
  | "makeFolder"
  | "makeTempFolder"
  | "remove"
  | "rename"
  | "syncFolder"
  | "fileUrl"
  | "filePath"
>;

/** What the files of a run are made with. */
export interface RunFilesParts {
  readonly runtime: FilesRuntime;
  readonly clock: Clock;
  readonly journal: Pick<Journal, "append" | "log">;
  readonly options: FilesOptions | undefined;
}

/** What is to be kept. */
export interface ToKeep {
  readonly path: string;
  /** Default: the last part of the path. */
  readonly name?: string | undefined;
  /** It is moved, since nobody else has it any more. Default: copied. */
  readonly moved?: boolean;
  /** It may be a symbolic link. */
  readonly linked?: boolean;
}

/** Where files lie. */
export interface Shelf {
  readonly folder: string;
  /** What lies here is for the time of the run. */
  readonly work: string;
  readonly keeping: Keeping;
}

type Owned = KeptFile & AttemptKey;

const OUR_FOLDER = 0o700;
const GIB = 1024 ** 3;

/** The files of one run. */
export class RunFiles {
  readonly #parts: RunFilesParts;
  readonly #limits: { readonly file: number; readonly all: number };
  #shelf: Promise<Shelf> | undefined;
  /** By task, in the order in which they were kept. */
  readonly #owned: Map<string, Owned[]> = new Map();
  /** By task: its items that had succeeded by what the journal has told before. */
  readonly #done: Map<string, Set<number>> = new Map();
  /** Digests of what is kept. */
  readonly #known: Set<string> = new Set();
  /** Bytes of what is kept or being kept, and how many files are. */
  readonly #held = { bytes: 0, files: 0 };
  /** Names are given one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #numbers = 0;

  constructor(parts: RunFilesParts) {
    this.#parts = parts;
    const { maxFileBytes = MAX_FILE_BYTES, maxBytes = MAX_FILES_BYTES } = parts.options ?? {};
    this.#limits = { file: maxFileBytes, all: maxBytes };
  }

  /** Takes the next record of what the journal has told before. */
  restore(record: StateRecord): void {
    if (record.type === "file.kept") this.#restoreOne(record);
    else if (record.type === "run.resumed") this.forget(record.again ?? [], new Set(record.missing));
    else if (isDoneItem(record)) {
      const done = this.#done.get(record.task);
      if (done === undefined) this.#done.set(record.task, new Set([record.item]));
      else done.add(record.item);
    }
  }

  /**
   * Tasks are run anew: what they have kept before is given to nobody any more.
   *
   * @param missing Those of which the items that have succeeded are not, and what those have kept still counts.
   */
  forget(tasks: Iterable<string>, missing: ReadonlySet<string>): void {
    for (const task of tasks) {
      const done = missing.has(task) ? this.#done.get(task) : undefined;
      const kept = this.#owned.get(task)?.filter(({ item }) => item !== undefined && done?.has(item)) ?? [];
      if (kept.length > 0) this.#owned.set(task, kept);
      else this.#owned.delete(task);
      if (done === undefined) this.#done.delete(task);
    }
  }

  /**
   * Keeps a file for an attempt.
   *
   * @throws {FileError} Then nothing is kept.
   */
  async keep(from: AttemptKey, { path, name, moved = false, linked = false }: ToKeep): Promise<KeptFile> {
    const { runtime } = this.#parts;
    const whole = pathOf(path, runtime);
    const called = name ?? whole.slice(Math.max(whole.lastIndexOf("/"), whole.lastIndexOf("\\")) + 1);
    const problem = fileNameProblem(called);
    if (problem !== undefined) throw refusal("FILE_NAME", called, `${problem}: give it another by "name"`);
    if (this.#held.files >= MAX_FILES) {
      throw refusal("FILES_FULL", called, `the run keeps ${MAX_FILES} files already, which is the most`);
    }
    this.#held.files++;
    let held = 0;
    const more = (bytes: number) => {
      this.#requireRoom(called, { size: held + bytes, more: bytes });
      held += bytes;
      this.#held.bytes += bytes;
    };
    try {
      const { work, keeping } = await this.shelf();
      const passing = `${work}/${++this.#numbers}`;
      const begun = (size: number) => this.#requireRoom(called, { size, more: size });
      const found = await keeping.keep(whole, passing, { moved, linked, begun, more });
      const file = { name: called, ...found };
      const isNew = await this.#inTurn(() => this.#name(passing, { file, from }));
      if (!isNew) this.#held.bytes -= held;
      return file;
    } catch (error) {
      this.#held.bytes -= held;
      this.#held.files--;
      throw fileError(error, called, whole);
    }
  }

  /** The files of a task's last attempt that has kept any. */
  last(task: string): readonly (KeptFile & AttemptKey)[] {
    const all = this.#owned.get(task) ?? [];
    const last = all.at(-1);
    const own = all.filter(({ iteration }) => iteration === last?.iteration);
    // Of a mapped task those of each of its items.
    const attempts = new Map(own.map(({ item, attempt }) => [item, attempt]));
    return own.filter(({ item, attempt }) => attempts.get(item) === attempt);
  }

  /** The same, as they are given to a task. @throws {FileError} If the disk refuses. */
  async of(task: string): Promise<readonly GivenFile[]> {
    return await Promise.all(
      this.last(task).map(async ({ name, sha256, bytes, item }) => {
        const file = { name, sha256, bytes };
        return { ...file, ...(item !== undefined && { item }), path: await this.path(file) };
      }),
    );
  }

  /** Whether a task has kept any. */
  has(task: string): boolean {
    return this.#owned.has(task);
  }

  /** Where a file of this run can be read until its end. @throws {FileError} If it keeps no such file. */
  async path(file: unknown): Promise<string> {
    if (!isKeptFile(file) || !this.#known.has(file.sha256)) {
      throw new FileError(
        "FILE_MISSING",
        "The run keeps no such file: give what ctx.files.keep or ctx.files.of gave, in the same run",
      );
    }
    const { sha256, name } = file;
    const place = `given/${sha256}/${name}`;
    try {
      const { folder, work, keeping } = await this.shelf();
      await keeping.link(`${folder}/${sha256}`, `${work}/${place}`);
      return `${work}/${place}`;
    } catch (error) {
      throw fileError(error, name, place);
    }
  }

  /** Says that a file is not kept that was to be. */
  refuse(from: AttemptKey, refused: { name: string; because: string }): void {
    const { journal, clock } = this.#parts;
    const at = clock.now();
    const key = attemptKeyOf(from);
    journal.append({ type: "file.refused", ...refused, ...key }, at);
    const text = `File ${JSON.stringify(refused.name)} is not kept: ${refused.because}`;
    journal.log({ at, level: "error", from: "executor", ...key, stream: "log", text });
  }

  /** Where files lie; made with the first use. @throws {Error} If that can't be. */
  shelf(): Promise<Shelf> {
    return this.#shelf ??= this.#open().catch((error) => {
      // The disk may have room by then.
      this.#shelf = undefined;
      throw error;
    });
  }

  /** Files of attempts that count, in the order of tasks. */
  list(): (KeptFile & AttemptKey)[] {
    return [...this.#owned.values()].flat();
  }

  /** Path of the bytes of a file that is kept, also once the run is over. */
  async stored(sha256: string): Promise<string> {
    return `${(await this.shelf()).folder}/${sha256}`;
  }

  /** The run is over: removes what was for its time, and all where nobody else wants it. It never rejects. */
  async close(): Promise<void> {
    const shelf = await this.#shelf?.catch(() => undefined);
    if (shelf === undefined) return;
    if (this.#parts.options?.stay !== true) await this.drop();
    await this.#parts.runtime.remove(shelf.work).catch(() => {});
  }

  /** Removes the folder if it is a temporary one. It never rejects. */
  async drop(): Promise<void> {
    if (this.#parts.options?.folder !== undefined) return;
    const shelf = await this.#shelf?.catch(() => undefined);
    if (shelf !== undefined) await this.#parts.runtime.remove(shelf.folder).catch(() => {});
  }

  async #open(): Promise<Shelf> {
    const { runtime, options } = this.#parts;
    const given = await (options?.folder ?? runtime.makeTempFolder)();
    // Programs are given paths, and run in folders of their own.
    const folder = runtime.filePath(runtime.fileUrl(given));
    const work = `${folder}/.work`;
    if (options?.folder !== undefined) {
      await runtime.makeFolder(folder, OUR_FOLDER);
      // What an earlier process was at, and what it had kept and not told of any more.
      for (const name of await runtime.list(folder)) {
        if (!SHA256.test(name) || !this.#known.has(name)) await runtime.remove(`${folder}/${name}`);
      }
    }
    await runtime.makeFolder(work, OUR_FOLDER);
    return { folder, work, keeping: await runtime.keeping() };
  }

  /** Gives what was copied its name, and tells of it; returns whether the bytes are new. */
  async #name(
    passing: string,
    { file, from }: { readonly file: KeptFile; readonly from: AttemptKey },
  ): Promise<boolean> {
    const { runtime, journal, clock } = this.#parts;
    const { folder } = await this.shelf();
    const { task, iteration, attempt, item } = from;
    const same = this.#owned.get(task)?.find((each) =>
      each.name === file.name && each.iteration === iteration && each.attempt === attempt &&
      each.item === item
    );
    const isHere = this.#known.has(file.sha256) &&
      (await runtime.about(`${folder}/${file.sha256}`))?.size === file.bytes;
    if (isHere || same !== undefined) await runtime.remove(passing);
    if (same !== undefined && same.sha256 !== file.sha256) {
      throw refusal(
        "FILE_EXISTS",
        file.name,
        'the attempt keeps another one of that name: give it one by "name"',
      );
    }
    if (same !== undefined) {
      this.#held.files--;
      return false;
    }
    if (!isHere) {
      await runtime.rename(passing, `${folder}/${file.sha256}`);
      await runtime.syncFolder(folder);
    }
    const owned = { ...file, ...attemptKeyOf(from) };
    journal.append({ type: "file.kept", ...owned }, clock.now());
    this.#own(owned);
    return !isHere;
  }

  #restoreOne(told: Owned): void {
    const { name, sha256, bytes } = told;
    this.#held.files++;
    if (!this.#known.has(sha256)) this.#held.bytes += bytes;
    this.#own({ name, sha256, bytes, ...attemptKeyOf(told) });
  }

  #own(owned: Owned): void {
    const own = this.#owned.get(owned.task);
    if (own === undefined) this.#owned.set(owned.task, [owned]);
    else own.push(owned);
    this.#known.add(owned.sha256);
  }

  #requireRoom(name: string, { size, more }: { readonly size: number; readonly more: number }): void {
    const { file, all } = this.#limits;
    if (size > file) {
      throw refusal("FILE_TOO_LARGE", name, `a file has at most ${sized(file)}: see OUTRIDER_FILE_SIZE`);
    }
    if (this.#held.bytes + more > all) {
      throw refusal(
        "FILES_FULL",
        name,
        `the run keeps ${sized(this.#held.bytes)} of at most ${sized(all)}: see OUTRIDER_FILES_SIZE`,
      );
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }
}

function refusal(code: FileErrorCode, name: string, because: string): FileError {
  return new FileError(code, `File ${JSON.stringify(name.slice(0, 200))} is not kept: ${because}`);
}

/** What the disk says, in our words. */
function fileError(error: unknown, name: string, path: string): FileError {
  if (error instanceof FileError) return error;
  const shown = JSON.stringify(name);
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const say = (known: FileError["code"], words: string) =>
    new FileError(known, `File ${shown} is not kept: ${words}`, { cause: error });
  if (code === "ENOENT" || code === "ENOTDIR") return say("FILE_MISSING", `there is no ${path}`);
  if (code === "ELOOP") return say("FILE_KIND", "it is a symbolic link, which is not followed");
  if (code === "ENOTREG" || code === "EISDIR" || code === "ENXIO") {
    return say("FILE_KIND", "it is no regular file");
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    return say("FILE_DISK_FULL", "the disk is full; make room there, all else goes on");
  }
  return say("FILE", `${messageOf(error)}${operationsHint(error)}`);
}

/** @throws {FileError} If it is a URL of what is no file here. */
function pathOf(path: string, runtime: FilesRuntime): string {
  try {
    return runtime.filePath(path.startsWith("file:") ? path : runtime.fileUrl(path));
  } catch (error) {
    throw new FileError(
      "FILE_NAME",
      `${JSON.stringify(path.slice(0, 200))} is no path of a file here: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function sized(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB} GiB` : `${bytes} bytes`;
}
