/**
 * Owns the state directory: a folder for each run, with its journal and the bundle that it runs.
 * Must not know how a run is carried out or reported.
 * Invariant: a run that was begun and not closed is found again by the next start, whatever ended the process.
 *
 *   DIR/agent.json                   tags of the last pipelines that were closed; whether the agent is paused
 *   DIR/runs/000001/origin.json      where the pipeline comes from; written first
 *                   pipeline.json    the bundle, if it came from a gateway
 *                   journal.db …
 */
import type { SqliteJournal } from "./journal/sqlite.ts";
import type { Runtime } from "./runtime/port.ts";

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

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    const { code } = (cause ?? {}) as { readonly code?: unknown };
    this.full = code === "DISK_FULL" || code === "ENOSPC" || code === "EDQUOT";
  }
}

/** The part of the runtime that is needed. */
export type StateRuntime = Pick<Runtime, "list" | "makeFolder" | "remove" | "readText" | "writeText">;

/** Cursor that says that nothing more is to be done for a run but to report it. */
const CLOSED = "closed";
/** Cursor that says that the gateway has all of a run. */
const REPORTED = "reported";

/** The state directory of one process. */
export class StateDir {
  readonly #path: string;
  readonly #runtime: StateRuntime;
  readonly #logBytes: number;
  readonly #open: Set<KeptRun> = new Set();
  #memory: Memory | undefined;

  constructor(
    path: string,
    { runtime, logBytes }: { readonly runtime: StateRuntime; readonly logBytes: number },
  ) {
    this.#path = path.replace(/(?<=.)[/\\]+$/, "");
    this.#runtime = runtime;
    this.#logBytes = logBytes;
  }

  /**
   * Opens the runs that are kept, the oldest first.
   *
   * @throws {StateError} If the directory can't be used, or another process uses it.
   */
  async runs(): Promise<KeptRun[]> {
    await this.#tryOut();
    const runs: KeptRun[] = [];
    for (const name of await this.#told(() => this.#runtime.list(`${this.#path}/runs`))) {
      const folder = `${this.#path}/runs/${name}`;
      const origin = await this.#read<Origin>(`${folder}/origin.json`);
      // Whoever began it was ended before anything else happened.
      if (origin === undefined) await this.#told(() => this.#runtime.remove(folder));
      else runs.push(await this.#opened(folder, origin));
    }
    return runs;
  }

  /**
   * Begins a run, and lets go of those that nothing is left to be done for, but for the newest: it is still being shown.
   *
   * @param bundle Text of the bundle, if it came from a gateway.
   */
  async begin(origin: Origin, bundle?: string): Promise<KeptRun> {
    const done = [...this.#open].filter((run) => this.isClosed(run) && this.isReported(run));
    for (const run of done.slice(0, -1)) await this.remove(run);
    const names = await this.#told(() => this.#runtime.list(`${this.#path}/runs`));
    const number = 1 + Math.max(0, ...names.map((name) => Number.parseInt(name, 10) || 0));
    const folder = `${this.#path}/runs/${String(number).padStart(6, "0")}`;
    return await this.#told(async () => {
      await this.#runtime.makeFolder(folder);
      if (bundle !== undefined) await this.#runtime.writeText(`${folder}/pipeline.json`, bundle);
      await this.#runtime.writeText(`${folder}/origin.json`, `${JSON.stringify(origin)}\n`);
      return await this.#opened(folder, origin);
    });
  }

  /** Tag of the last pipeline from a gateway that was closed. */
  async known(): Promise<string | undefined> {
    return (await this.#remembered()).known;
  }

  /** Whether the pipeline with this tag was closed lately. */
  async wasClosed(tag: string): Promise<boolean> {
    return (await this.#remembered()).done?.includes(tag) === true;
  }

  /** Whether the agent was told to start nothing new. */
  async paused(): Promise<boolean> {
    return (await this.#remembered()).paused === true;
  }

  /** Keeps whether the agent was told to start nothing new. Written before this returns, if nothing else is being written. */
  async pause(on: boolean): Promise<void> {
    await this.#keep({ paused: on });
  }

  /** Nothing more is to be done for a run but to report it: the next start begins another one. */
  async close({ origin, journal }: KeptRun): Promise<void> {
    if (origin.tag !== undefined) {
      const { done = [] } = await this.#remembered();
      await this.#keep({ known: origin.tag, done: [...done, origin.tag].slice(-MAX_DONE) });
    }
    journal.setCursor(CLOSED, 1);
    await journal.flush();
  }

  /** Whether a run was closed. */
  isClosed({ journal }: KeptRun): boolean {
    return journal.cursor(CLOSED) > 0;
  }

  /** The gateway has all of a run. */
  reported({ journal }: KeptRun): void {
    journal.setCursor(REPORTED, journal.states(0, 1).length + 1);
  }

  /** Whether the gateway has all of a run. */
  isReported({ journal }: KeptRun): boolean {
    return journal.cursor(REPORTED) > 0;
  }

  /** Lets go of a run for good. */
  async remove(run: KeptRun): Promise<void> {
    this.#open.delete(run);
    await run.journal.close();
    await this.#told(() => this.#runtime.remove(run.folder));
  }

  /** Closes all files. */
  async end(): Promise<void> {
    for (const { journal } of this.#open) await journal.close();
    this.#open.clear();
  }

  /** Finds out before there is anything to keep that nothing can be. A disk that is full may have room by then. */
  async #tryOut(): Promise<void> {
    const file = `${this.#path}/.written`;
    try {
      await this.#told(async () => {
        await this.#runtime.makeFolder(`${this.#path}/runs`);
        await this.#runtime.writeText(file, "");
        await this.#runtime.remove(file);
      });
    } catch (error) {
      if (!(error instanceof StateError) || !error.full) throw error;
    }
  }

  async #opened(folder: string, origin: Origin): Promise<KeptRun> {
    const { openSqliteJournal } = await import("./journal/sqlite.ts");
    const journal = await this.#told(() =>
      openSqliteJournal(`${folder}/journal.db`, { logBytes: this.#logBytes })
    );
    const run = { folder, origin, journal, bundle: `${folder}/pipeline.json` };
    this.#open.add(run);
    return run;
  }

  async #remembered(): Promise<Memory> {
    return this.#memory ??= await this.#read<Memory>(`${this.#path}/agent.json`) ?? {};
  }

  async #keep(change: Memory): Promise<void> {
    const memory = this.#memory = { ...this.#memory ?? await this.#remembered(), ...change };
    await this.#told(() =>
      this.#runtime.writeText(`${this.#path}/agent.json`, `${JSON.stringify(memory)}\n`)
    );
  }

  async #read<T>(path: string): Promise<T | undefined> {
    let text: string;
    try {
      text = await this.#runtime.readText(path);
    } catch (error) {
      if ((error as { code?: unknown }).code === "ENOENT") return undefined;
      throw this.#error(error);
    }
    try {
      return JSON.parse(text) as T;
    } catch {
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
    const message = error instanceof Error ? error.message : String(error);
    if (name === "JournalError") return new StateError(message, error);
    const advice = code === "EACCES" || code === "EROFS" || code === "EPERM"
      ? "it can't be written: give the user who runs this the right to write there, or choose another state directory"
      : code === "ENOTDIR" || code === "EEXIST"
      ? "it is no folder: choose another state directory"
      : "check the disk, or choose another state directory";
    return new StateError(`The state directory ${this.#path} can't be used (${message}): ${advice}`, error);
  }
}
