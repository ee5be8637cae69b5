/**
 * Owns the state directory: a folder for each run, with its journal and the bundle that it runs.
 * Must not know how a run is carried out or reported.
 * Invariant: one process uses it at a time; a run that was begun and not closed is found again by the next start, whatever
 * ended the process; nothing is removed because it can't be read, and after the start no failure of the disk is an error.
 *
 *   DIR/lock                         held for the life of a process
 *   DIR/agent.json                   tags of the last pipelines that were closed; whether the agent is paused
 *   DIR/runs/000001/origin.json      where the pipeline comes from; written last
 *                   pipeline.json    the bundle, if it came from a gateway
 *                   journal.db …
 *   DIR/runs/000001.damaged          what could not be read
 *   DIR/runs/000001.refused          what the gateway did not take all of, the newest
 */
import { messageOf } from "../../base/message.ts";
import type { SqliteJournal } from "../../journal/disk/sqlite.ts";
import type { Runtime } from "../../runtime/port.ts";
import type { Life } from "../../model/stream.ts";

/** Where a run's pipeline comes from. */
export interface Origin {
  /** Names the hand-out of the gateway; `undefined`: it is a file. */
  readonly tag?: string;
  /** Id of the executor that began it. */
  readonly executor?: string;
}

/** A run as the state directory has it. */
export interface KeptRun {
  readonly folder: string;
  readonly origin: Origin;
  readonly journal: SqliteJournal;
  /** Path of the bundle that came from the gateway. */
  readonly bundle: string;
  /** Names what this process makes of it, for a gateway: another one may have gone another way from where we stand. */
  readonly life: Life;
}

/** What of a run was lost before its journal was opened, in words. */
export function lossOf({ folder, journal }: KeptRun): string | undefined {
  const { lost } = journal.recovered;
  return lost === undefined ? undefined : `Of the run in ${folder}: ${lost}. It goes on from what is left`;
}

/** What was found in the place of a run and can't be read. */
export interface Unread {
  /** Where it is now. */
  readonly folder: string;
  /** Why, in words. */
  readonly because: string;
  /** It is out of the way for good; else the next start tries it again. */
  readonly setAside: boolean;
  readonly origin: Origin;
}

/** What outlives a process of the agent beside its runs. */
interface Memory {
  /** Tag of the last pipeline from a gateway that was closed. */
  readonly known?: string;
  /** Tags of those closed before, the newest last. */
  readonly done?: readonly string[];
  readonly paused?: boolean;
}

/** Tags that are remembered: as many as a gateway keeps for an executor, so that an older copy of it repeats none. */
const MAX_DONE = 100;

/** The state directory can't be used. */
export class StateError extends Error {
  readonly code = "OUTRIDER_STATE";
  override name = "StateError";
  /** The disk is full: nothing else is wrong. */
  readonly full: boolean;
  /** What is there is damaged: no disk that is mended makes it good. */
  readonly damaged: boolean;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    const { code } = (cause ?? {}) as { readonly code?: unknown };
    this.full = code === "DISK_FULL" || code === "ENOSPC" || code === "EDQUOT";
    this.damaged = code === "CORRUPT" || code === "ENOTDIR";
  }
}

/** The part of the runtime that is needed. */
export type StateRuntime = Pick<
  Runtime,
  "list" | "makeFolder" | "remove" | "rename" | "readText" | "writeText"
>;

/** Cursor that says that nothing more is to be done for a run but to report it. */
const CLOSED = "closed";
/** What it is where `agent.json` could not be written with it. */
const UNREMEMBERED = 2;
/** Cursor that says that the gateway has all of a run. */
const REPORTED = "reported";
/** Cursor that says that a run is kept for a person to look at when all is done for it. */
const SPOILED = "spoiled";
/** Cursor that says so of one that the gateway did not take all of. */
const REFUSED = "refused";
/** Runs of which something was refused are kept, the newest so many. */
const MAX_REFUSED = 20;
/** Cursor that counts the processes that took up a run. */
const STARTS = "starts";
/** The same, as of the last process that came to read the whole pipeline. */
const BEGUN = "begun";

const OURS = 0o600;
const OUR_FOLDER = 0o700;

/** The state directory of one process. */
export class StateDir {
  readonly #path: string;
  readonly #runtime: StateRuntime;
  readonly #logBytes: number;
  readonly #open: Set<KeptRun> = new Set();
  readonly #unread: Unread[] = [];
  #aside: readonly string[] = [];
  #refused: readonly string[] = [];
  #unlock: (() => void) | undefined;
  /** There was no room for a lock yet. */
  #lockless = false;
  #memory: Memory = {};
  /** Whether `agent.json` has what is remembered. */
  #saved = true;
  #trouble: string | undefined;

  constructor(
    path: string,
    { runtime, logBytes }: { readonly runtime: StateRuntime; readonly logBytes: number },
  ) {
    this.#path = path.replace(/(?<=.)[/\\]+$/, "");
    this.#runtime = runtime;
    this.#logBytes = logBytes;
  }

  /** What could not be read at this start. */
  get unread(): readonly Unread[] {
    return this.#unread;
  }

  /** Paths of what was ever set aside and is still there. */
  get aside(): readonly string[] {
    return this.#aside.map((name) => `${this.#path}/runs/${name}`);
  }

  /** Paths of runs that the gateway did not take all of, and that are still there. */
  get refused(): readonly string[] {
    return this.#refused.map((name) => `${this.#path}/runs/${name}`);
  }

  /** What the disk refuses beside the journals, in words. It is tried again with whatever is written next. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Takes the directory for this process, until `end`; returns whether it could be had.
   *
   * @throws {StateError} If the directory can't be used.
   */
  async lock(): Promise<boolean> {
    if (this.#unlock !== undefined) return true;
    const { lockFile } = await import("../../journal/disk/lock.ts");
    const isFull = (error: unknown): boolean => {
      if (error instanceof StateError && error.full) return true;
      throw error;
    };
    const full = await this.#tryOut().then(() => false, isFull);
    try {
      // A full disk may hold a lock all the same, and another process has it.
      this.#unlock = await this.#told(() => lockFile(`${this.#path}/lock`));
      this.#lockless = false;
    } catch (error) {
      // Where none can be made there is nothing to share either; it is made as soon as there is room.
      this.#lockless = full || isFull(error);
    }
    return this.#lockless || this.#unlock !== undefined;
  }

  /**
   * Opens the runs that are kept, the oldest first. What can't be read is set aside, or left for the next start.
   *
   * @throws {StateError} If the directory can't be used, or another process uses it.
   */
  async runs(): Promise<KeptRun[]> {
    if (!await this.lock()) {
      throw new StateError(
        `The state directory ${this.#path} is in use by another process: stop that one, or give this one a directory of its own`,
      );
    }
    this.#memory = memoryOf(await this.#read(`${this.#path}/agent.json`).catch(() => undefined));
    const runs: KeptRun[] = [];
    for (const name of await this.#told(() => this.#runtime.list(`${this.#path}/runs`))) {
      if (/^\d+$/.test(name)) await this.#openAgain(name, runs);
      else if (name.includes(".damaged")) this.#aside = [...this.#aside, name];
      else if (name.includes(".refused")) this.#refused = [...this.#refused, name];
      else this.#leave(`${this.#path}/runs/${name}`, "it is none of Outrider's", {});
    }
    for (const { journal, origin } of runs) {
      if (journal.cursor(CLOSED) === UNREMEMBERED) this.#closed(origin);
    }
    const newest = runs.at(-1)?.folder ?? "";
    for (const { folder, origin } of this.#unread) this.#closed(origin, folder > newest);
    return runs;
  }

  /**
   * Begins a run, and lets go of those that nothing is left to be done for, but for the newest: it is still being shown.
   *
   * @param bundle Text of the bundle, if it came from a gateway.
   * @returns `undefined` if the disk takes nothing: `trouble` says why.
   */
  async begin(origin: Origin, bundle?: string): Promise<KeptRun | undefined> {
    const done = [...this.#open].filter((run) => this.isClosed(run) && this.isReported(run));
    for (const run of done.slice(0, -1)) await this.remove(run);
    return await this.#tried(async () => {
      const names = await this.#runtime.list(`${this.#path}/runs`);
      const number = 1 + Math.max(0, ...names.map((name) => Number.parseInt(name, 10) || 0));
      const folder = `${this.#path}/runs/${String(number).padStart(6, "0")}`;
      try {
        await this.#runtime.makeFolder(folder, OUR_FOLDER);
        if (bundle !== undefined) await this.#runtime.writeText(`${folder}/pipeline.json`, bundle, OURS);
        const run = await this.#opened(folder, { origin, existing: false });
        // Last: a folder without it is of a process that ended before anything else happened.
        await this.#runtime.writeText(`${folder}/origin.json`, `${JSON.stringify(origin)}\n`, OURS);
        return run;
      } catch (error) {
        await this.#forget(folder);
        throw error;
      }
    });
  }

  /** Tag of the last pipeline from a gateway that was closed, or that can't be read. */
  get known(): string | undefined {
    return this.#memory.known;
  }

  /** Whether the pipeline with this tag was closed lately. */
  wasClosed(tag: string): boolean {
    return this.#memory.done?.includes(tag) === true;
  }

  /** Whether the agent was told to start nothing new. */
  get paused(): boolean {
    return this.#memory.paused === true;
  }

  /** Keeps whether the agent was told to start nothing new. Written before this returns, if the disk takes it. */
  async pause(on: boolean): Promise<void> {
    this.#remember({ paused: on });
    await this.makeGood();
  }

  /** Counts that this process takes up a run; returns how many before it ended, one after the other, while they read its pipeline. */
  async starting({ journal }: KeptRun): Promise<number> {
    const ended = journal.cursor(STARTS) - journal.cursor(BEGUN);
    journal.setCursor(STARTS, journal.cursor(STARTS) + 1);
    await journal.flush();
    return ended;
  }

  /** The pipeline of a run has been read, whatever came of it. */
  begun({ journal }: KeptRun): void {
    journal.setCursor(BEGUN, journal.cursor(STARTS));
  }

  /** Nothing more is to be done for a run but to report it: the next start begins another one. */
  async close({ origin, journal }: KeptRun): Promise<void> {
    this.#closed(origin);
    journal.setCursor(CLOSED, await this.makeGood() ? 1 : UNREMEMBERED);
    await journal.flush();
  }

  /** Whether a run was closed. */
  isClosed({ journal }: KeptRun): boolean {
    return journal.cursor(CLOSED) > 0;
  }

  /** The gateway has all of a run. */
  reported({ journal }: KeptRun): void {
    journal.setCursor(REPORTED, 1);
  }

  /** Whether the gateway has all of a run. */
  isReported({ journal }: KeptRun): boolean {
    return journal.cursor(REPORTED) > 0;
  }

  /** A run can't go on: it is set aside for a person to look at, once all that can be done for it is done. */
  spoil({ journal }: KeptRun): void {
    journal.setCursor(SPOILED, 1);
  }

  /** Something of a run was refused by the gateway, and is nowhere else: it is kept when all else is done for it. */
  keepRefused({ journal }: KeptRun): void {
    journal.setCursor(REFUSED, 1);
  }

  /** Whether something of a run was ever refused. */
  isRefused({ journal }: KeptRun): boolean {
    return journal.cursor(REFUSED) > 0;
  }

  /** Lets go of a run for good; one that was spoiled, or of which something was refused, is set aside. Where the disk refuses, the next start does it. */
  async remove(run: KeptRun): Promise<void> {
    // Its folder is what tells which pipeline was the last, as long as nothing else does.
    if (!await this.makeGood()) return;
    const [spoiled, refused] = [run.journal.cursor(SPOILED) > 0, this.isRefused(run)];
    this.#open.delete(run);
    await run.journal.close();
    if (spoiled) await this.setAside(run.folder);
    else if (refused) await this.#setRefusedAside(run.folder);
    else await this.#tried(() => this.#runtime.remove(run.folder));
  }

  /** Moves what can't be used out of the way, under a name that says so; returns where it is then. */
  async setAside(folder: string): Promise<string> {
    const open = [...this.#open].find((run) => run.folder === folder);
    if (open !== undefined) {
      this.#open.delete(open);
      await open.journal.close();
    }
    const name = await this.#moveAside(folder, "damaged");
    if (name === undefined) return folder;
    this.#aside = [...this.#aside, name];
    return `${this.#path}/runs/${name}`;
  }

  /** Keeps a run that the gateway did not take all of, and lets go of the oldest of that kind. */
  async #setRefusedAside(folder: string): Promise<void> {
    const name = await this.#moveAside(folder, "refused");
    if (name === undefined) return;
    const all = [...this.#refused, name].sort();
    for (const old of all.slice(0, -MAX_REFUSED)) {
      await this.#tried(() => this.#runtime.remove(`${this.#path}/runs/${old}`));
    }
    this.#refused = all.slice(-MAX_REFUSED);
  }

  /** Gives a folder a name that says what is the matter with it; `undefined` if the disk refuses. */
  #moveAside(folder: string, what: string): Promise<string | undefined> {
    return this.#tried(async () => {
      const names = await this.#runtime.list(`${this.#path}/runs`);
      const plain = `${folder.slice(folder.lastIndexOf("/") + 1)}.${what}`;
      let name = plain;
      for (let copy = 2; names.includes(name); copy++) name = `${plain}-${copy}`;
      await this.#runtime.rename(folder, `${this.#path}/runs/${name}`);
      return name;
    });
  }

  /** Writes what could not be written before; returns whether nothing is left of that. */
  async makeGood(): Promise<boolean> {
    if (this.#lockless) await this.#tried(() => this.lock());
    if (this.#saved) return true;
    const memory = this.#memory;
    const written = await this.#tried(async () => {
      await this.#runtime.writeText(`${this.#path}/agent.json`, `${JSON.stringify(memory)}\n`, OURS);
      return true;
    });
    if (written) this.#saved = this.#memory === memory;
    return this.#saved;
  }

  /** Closes all files, and lets others use the directory. */
  async end(): Promise<void> {
    for (const { journal } of this.#open) await journal.close();
    this.#open.clear();
    this.#lockless = false;
    this.#unlock?.();
    this.#unlock = undefined;
  }

  /** A pipeline from a gateway is not to be run again. @param last It is the last that was handed out. */
  #closed({ tag }: Origin, last = true): void {
    const { known, done = [] } = this.#memory;
    if (tag === undefined || tag === known || done.includes(tag)) return;
    this.#remember({ ...(last && { known: tag }), done: [...done, tag].slice(-MAX_DONE) });
  }

  #remember(change: Memory): void {
    this.#memory = { ...this.#memory, ...change };
    this.#saved = false;
  }

  /** Finds out before there is anything to keep that nothing can be. A disk that is full may have room by then. */
  async #tryOut(): Promise<void> {
    const file = `${this.#path}/.written`;
    await this.#told(async () => {
      await this.#runtime.makeFolder(`${this.#path}/runs`, OUR_FOLDER);
      await this.#runtime.writeText(file, "", OURS);
      await this.#runtime.remove(file);
    });
  }

  async #openAgain(name: string, runs: KeptRun[]): Promise<void> {
    const folder = `${this.#path}/runs/${name}`;
    let origin: Origin | undefined;
    try {
      const found = await this.#read(`${folder}/origin.json`);
      const names = await this.#told(() => this.#runtime.list(folder));
      // Whoever began it was ended before anything else happened.
      if (found === undefined && !names.includes("origin.json")) {
        if (!names.includes("journal.db")) return await this.#forget(folder);
      }
      origin = originOf(found);
      const run = await this.#opened(folder, { origin: origin ?? {}, existing: true });
      if (origin !== undefined) return void runs.push(run);
      const empty = run.journal.last().states === 0 && !names.includes("origin.json");
      await this.#release(run);
      if (empty) return await this.#forget(folder);
      await this.#setAsideNow(folder, `${folder}/origin.json is missing or damaged`, {});
    } catch (error) {
      const told = error instanceof StateError ? error : this.#error(error);
      if (told.damaged) await this.#setAsideNow(folder, told.message, origin ?? {});
      else this.#leave(folder, told.message, origin ?? {});
    }
  }

  async #setAsideNow(folder: string, because: string, origin: Origin): Promise<void> {
    this.#unread.push({ folder: await this.setAside(folder), because, setAside: true, origin });
  }

  #leave(folder: string, because: string, origin: Origin): void {
    this.#unread.push({ folder, because, setAside: false, origin });
  }

  async #release(run: KeptRun): Promise<void> {
    this.#open.delete(run);
    await run.journal.close();
  }

  /** Removes the folder of a run that never was. */
  async #forget(folder: string): Promise<void> {
    for (const run of this.#open) if (run.folder === folder) await this.#release(run);
    await this.#tried(() => this.#runtime.remove(folder));
  }

  async #opened(
    folder: string,
    { origin, existing }: { readonly origin: Origin; readonly existing: boolean },
  ): Promise<KeptRun> {
    const { openSqliteJournal } = await import("../../journal/disk/sqlite.ts");
    const journal = await this.#told(() =>
      openSqliteJournal(`${folder}/journal.db`, { logBytes: this.#logBytes, existing })
    );
    const { states, logs } = journal.recovered;
    const life = { id: crypto.randomUUID(), since: { state: states, log: logs } };
    const run = { folder, origin, journal, bundle: `${folder}/pipeline.json`, life };
    this.#open.add(run);
    return run;
  }

  /** The object in a file; `undefined` if there is no file, or something else in it. */
  async #read(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    let text: string;
    try {
      text = await this.#runtime.readText(path);
    } catch (error) {
      if ((error as { code?: unknown }).code === "ENOENT") return undefined;
      throw this.#error(error);
    }
    try {
      const value: unknown = JSON.parse(text);
      return typeof value === "object" && value !== null
        ? value as Readonly<Record<string, unknown>>
        : undefined;
    } catch {
      return undefined;
    }
  }

  /** What the disk refuses is noted; all else that is thrown is a defect. */
  async #tried<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await this.#told(work);
      this.#trouble = undefined;
      return done;
    } catch (error) {
      this.#trouble = (error as StateError).message;
      return undefined;
    }
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof StateError ? error : this.#error(error);
    }
  }

  #error(error: unknown): StateError {
    const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
    const message = messageOf(error);
    if (name === "JournalError") return new StateError(message, error);
    const advice = code === "EACCES" || code === "EROFS" || code === "EPERM"
      ? "it can't be written: give the user who runs this the right to write there, or choose another state directory"
      : code === "ENOTDIR" || code === "EEXIST"
      ? "it is no folder: choose another state directory"
      : "check the disk, or choose another state directory";
    return new StateError(`The state directory ${this.#path} can't be used (${message}): ${advice}`, error);
  }
}

function originOf(found: Readonly<Record<string, unknown>> | undefined): Origin | undefined {
  if (found === undefined) return undefined;
  const { tag, executor } = found;
  const bad = [tag, executor].some((each) => each !== undefined && typeof each !== "string");
  return bad ? undefined : {
    ...(typeof tag === "string" && { tag }),
    ...(typeof executor === "string" && { executor }),
  };
}

function memoryOf(found: Readonly<Record<string, unknown>> | undefined): Memory {
  const { known, done, paused } = found ?? {};
  return {
    ...(typeof known === "string" && { known }),
    ...(Array.isArray(done) && { done: done.filter((tag) => typeof tag === "string").slice(-MAX_DONE) }),
    ...(typeof paused === "boolean" && { paused }),
  };
}
