/**
 * Owns the state directory: a folder for each run, with its journal and the bundle that it runs.
 * Must not know how a run is carried out or reported.
 * Invariant: one process uses it at a time; a run that was begun and not closed is found again by the next start, whatever
 * ended the process; nothing is removed because it can't be read, and after the start no failure of the disk is an error.
 *
 *   DIR/lock                         state_lock.ts
 *   DIR/agent.json                   memory.ts
 *   DIR/timetable/HASH.json          what was handed out with the timetable that is kept to; the rest is in agent.json
 *   DIR/gateway.json                 contact.ts
 *   DIR/versions.json                which signed pipelines were taken (agent/admission.ts)
 *   DIR/runs/000001/origin.json      where the pipeline comes from; written last
 *                   pipeline.json    the bundle, if it came from a gateway
 *                   journal.db …
 *                   files/           run/files/run_files.ts
 *   DIR/runs/000001.*                aside.ts
 */
import { sha256 } from "../../base/bytes.ts";
import { Aside } from "./aside.ts";
import { Contact } from "./contact.ts";
import type { KeptTimetable } from "./kept_timetable.ts";
import { type KeptRun, type Origin, originOf, type Unread } from "./kept_run.ts";
import { Memory } from "./memory.ts";
import { StateDisk, StateError, type StateRuntime } from "./state_disk.ts";
import { StateLock } from "./state_lock.ts";
import { realWorld } from "../world.ts";

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
/** Cursor that counts the processes that took up a run. */
const STARTS = "starts";
/** The same, as of the last process that came to read the whole pipeline. */
const BEGUN = "begun";

/** The name of the file with what was handed out by a tag. */
async function fileOf(tag: string): Promise<string> {
  return `${(await sha256(tag)).slice(0, 32)}.json`;
}

/** What a state directory stands on. */
export interface StateDirOptions {
  readonly runtime: StateRuntime;
  /** Most bytes of log that a run keeps. */
  readonly logBytes: number;
  /** An id for each life of a run. Default: a random one. */
  readonly newId?: () => string;
}

/** The state directory of one process. */
export class StateDir {
  readonly #disk: StateDisk;
  readonly #logBytes: number;
  readonly #newId: () => string;
  readonly #lock: StateLock;
  readonly #memory: Memory;
  readonly #contact: Contact;
  readonly #aside: Aside;
  readonly #open: Set<KeptRun> = new Set();

  constructor(
    path: string,
    { runtime, logBytes, newId = realWorld.newId }: StateDirOptions,
  ) {
    this.#newId = newId;
    this.#disk = new StateDisk(path, runtime);
    this.#logBytes = logBytes;
    this.#lock = new StateLock(this.#disk);
    this.#memory = new Memory(this.#disk);
    this.#contact = new Contact(this.#disk);
    this.#aside = new Aside(this.#disk);
  }

  /** What could not be read at this start. */
  get unread(): readonly Unread[] {
    return this.#aside.unread;
  }

  /** Paths of what was ever set aside and is still there. */
  get aside(): readonly string[] {
    return this.#aside.damaged;
  }

  /** Paths of runs that the gateway did not take all of, and that are still there. */
  get refused(): readonly string[] {
    return this.#aside.refused;
  }

  /** What the disk refuses beside the journals, in words. It is tried again with whatever is written next. */
  get trouble(): string | undefined {
    return this.#disk.trouble;
  }

  /** Tag of the last pipeline from a gateway that was closed, or that can't be read. */
  get known(): string | undefined {
    return this.#memory.known;
  }

  /** Whether the agent was told to start nothing new. */
  get paused(): boolean {
    return this.#memory.paused;
  }

  /** The timetable that is kept to, if there is one. */
  get timetable(): KeptTimetable | undefined {
    return this.#memory.timetable;
  }

  /** Whether the pipeline with this tag was closed lately. */
  wasClosed(tag: string): boolean {
    return this.#memory.wasClosed(tag);
  }

  /**
   * Takes the directory for this process, until `end`; returns whether it could be had.
   *
   * @throws {StateError} If the directory can't be used.
   */
  lock(): Promise<boolean> {
    return this.#lock.take();
  }

  /**
   * Opens the runs that are kept, the oldest first. What can't be read is set aside, or left for the next start.
   *
   * @throws {StateError} If the directory can't be used, or another process uses it.
   */
  async runs(): Promise<KeptRun[]> {
    if (!await this.lock()) {
      throw new StateError(
        `The state directory ${this.#disk.path} is in use by another process: stop that one, or give this one a directory of its own`,
      );
    }
    await this.#memory.load();
    const runs: KeptRun[] = [];
    for (const name of await this.#disk.list(this.#runs)) {
      if (/^\d+$/.test(name)) await this.#openAgain(name, runs);
      else this.#aside.found(name);
    }
    for (const { journal, origin } of runs) {
      if (journal.cursor(CLOSED) === UNREMEMBERED) this.#memory.closed(origin);
    }
    const newest = runs.at(-1)?.folder ?? "";
    for (const { folder, origin } of this.unread) this.#memory.closed(origin, folder > newest);
    // What was told before the directory was this process's.
    await this.#contact.save();
    await this.#memory.save();
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
    return await this.#disk.tried(async () => {
      const names = await this.#disk.list(this.#runs);
      const number = 1 + Math.max(0, ...names.map((name) => Number.parseInt(name, 10) || 0));
      const folder = `${this.#runs}/${String(number).padStart(6, "0")}`;
      try {
        await this.#disk.makeFolder(folder);
        if (bundle !== undefined) await this.#disk.write(`${folder}/pipeline.json`, bundle);
        const run = await this.#opened(folder, { origin, existing: false });
        // Last: a folder without it is of a process that ended before anything else happened.
        await this.#disk.write(`${folder}/origin.json`, `${JSON.stringify(origin)}\n`);
        return run;
      } catch (error) {
        await this.#forget(folder);
        throw error;
      }
    });
  }

  /** Keeps whether the agent was told to start nothing new. Written before this returns, if the disk takes it. */
  async pause(on: boolean): Promise<void> {
    this.#memory.pause(on);
    await this.makeGood();
  }

  /**
   * Keeps to a timetable from now on. One that was handed out is kept with what is run, and its hand-out is not asked for
   * again: all of that or none.
   *
   * @param text What was handed out, unless it is kept already.
   * @returns Whether it outlives this process; where it does not, `trouble` says why.
   */
  async keepTo(timetable: KeptTimetable, text?: string): Promise<boolean> {
    const { tag } = timetable;
    if (tag !== undefined && text !== undefined) {
      const written = await this.#disk.tried(async () => {
        await this.#disk.makeFolder(this.#timetables);
        // Beside that of the timetable before, which is kept to until agent.json names this one.
        await this.#disk.write(await this.timetableFile(tag), text);
        return true;
      });
      if (written !== true) return false;
      this.#memory.closed({ tag });
    }
    this.#memory.keepTo(timetable);
    if (!await this.makeGood()) return false;
    if (text !== undefined) await this.#sweepTimetables(tag);
    return true;
  }

  /** Keeps to no timetable any more. */
  async keepToNone(): Promise<void> {
    if (this.timetable === undefined) return;
    this.#memory.keepTo(undefined);
    if (await this.makeGood()) await this.#sweepTimetables(undefined);
  }

  /** Path of what was handed out with a timetable. */
  async timetableFile(tag: string): Promise<string> {
    return `${this.#timetables}/${await fileOf(tag)}`;
  }

  /** Bytes that a run takes of the disk, about. */
  size({ folder }: KeptRun): Promise<number> {
    return this.#disk.size(folder);
  }

  /** The runs that are over and not let go of yet, the oldest first. */
  get over(): readonly KeptRun[] {
    return [...this.#open].filter((run) => this.isClosed(run));
  }

  /** Keeps whether the gateway is in reach, for who starts the next process; once the directory is this one's. */
  async reached(on: boolean): Promise<void> {
    this.#contact.tell(on);
    if (this.#lock.isHeld) await this.#contact.save();
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
  async close({ origin, journal, bundle }: KeptRun): Promise<void> {
    this.#memory.closed(origin);
    journal.setCursor(CLOSED, await this.makeGood() ? 1 : UNREMEMBERED);
    await journal.flush();
    // Of one pipeline there may be hundreds of runs that wait for the gateway.
    if (origin.scheduledFor !== undefined) await this.#disk.tried(() => this.#disk.remove(bundle));
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
    await this.#release(run);
    if (spoiled) await this.#aside.setAside(run.folder);
    else if (refused) await this.#aside.keepRefused(run.folder);
    else await this.#disk.tried(() => this.#disk.remove(run.folder));
  }

  /** Writes what could not be written before; returns whether nothing is left of that. */
  async makeGood(): Promise<boolean> {
    await this.#lock.makeGood();
    if (this.#lock.isHeld) await this.#contact.save();
    return await this.#memory.save();
  }

  /** Closes all files, and lets others use the directory. */
  async end(): Promise<void> {
    await this.makeGood();
    for (const run of [...this.#open]) await this.#release(run);
    this.#lock.release();
  }

  get #timetables(): string {
    return `${this.#disk.path}/timetable`;
  }

  /** Removes what was handed out with other timetables. */
  async #sweepTimetables(tag: string | undefined): Promise<void> {
    const kept = tag === undefined ? undefined : await fileOf(tag);
    await this.#disk.tried(async () => {
      for (const name of await this.#disk.list(this.#timetables)) {
        if (name !== kept) await this.#disk.remove(`${this.#timetables}/${name}`);
      }
    });
  }

  get #runs(): string {
    return `${this.#disk.path}/runs`;
  }

  async #openAgain(name: string, runs: KeptRun[]): Promise<void> {
    const folder = `${this.#runs}/${name}`;
    let origin: Origin | undefined;
    try {
      const found = await this.#disk.read(`${folder}/origin.json`);
      const names = await this.#disk.list(folder);
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
      await this.#aside.setUnreadAside(folder, `${folder}/origin.json is missing or damaged`, {});
    } catch (error) {
      const { damaged, message } = error as StateError;
      if (damaged) await this.#aside.setUnreadAside(folder, message, origin ?? {});
      else this.#aside.leaveUnread(folder, message, origin ?? {});
    }
  }

  async #release(run: KeptRun): Promise<void> {
    this.#open.delete(run);
    await run.journal.close();
  }

  /** Removes the folder of a run that never was. */
  async #forget(folder: string): Promise<void> {
    for (const run of this.#open) if (run.folder === folder) await this.#release(run);
    await this.#disk.tried(() => this.#disk.remove(folder));
  }

  async #opened(
    folder: string,
    { origin, existing }: { readonly origin: Origin; readonly existing: boolean },
  ): Promise<KeptRun> {
    const { openSqliteJournal } = await import("../../journal/disk/sqlite.ts");
    const journal = await this.#disk.told(() =>
      openSqliteJournal(`${folder}/journal.db`, { logBytes: this.#logBytes, existing })
    );
    const { states, logs } = journal.recovered;
    const life = { id: this.#newId(), since: { state: states, log: logs } };
    const run = { folder, origin, journal, bundle: `${folder}/pipeline.json`, life };
    this.#open.add(run);
    return run;
  }
}
