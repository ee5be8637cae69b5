/**
 * Owns what the disk below a state directory refuses: the error that it is, and what is said of it where it ends nothing.
 * Must not know what lies in the directory.
 * Invariant: `tried` rejects for no refusal.
 */
import { messageOf } from "../../base/message.ts";
import { operationsHint } from "../../base/operations.ts";
import type { Runtime } from "../../runtime/port.ts";

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
  "about" | "list" | "makeFolder" | "remove" | "rename" | "readText" | "writeText"
>;

/** What is in a state directory is for its user alone. */
const OUR_FILE = 0o600;
const OUR_FOLDER = 0o700;

/** The disk of one state directory. */
export class StateDisk {
  /** Of the directory, without a slash at its end. */
  readonly path: string;
  readonly #runtime: StateRuntime;
  #trouble: string | undefined;

  constructor(path: string, runtime: StateRuntime) {
    this.path = path.replace(/(?<=.)[/\\]+$/, "");
    this.#runtime = runtime;
  }

  /** What it refused last, in words; `undefined` once it has taken something again. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  list(folder: string): Promise<string[]> {
    return this.told(() => this.#runtime.list(folder));
  }

  makeFolder(folder: string): Promise<void> {
    return this.told(() => this.#runtime.makeFolder(folder, OUR_FOLDER));
  }

  write(file: string, text: string): Promise<void> {
    return this.told(() => this.#runtime.writeText(file, text, OUR_FILE));
  }

  remove(path: string): Promise<void> {
    return this.told(() => this.#runtime.remove(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.told(() => this.#runtime.rename(from, to));
  }

  /** Bytes of all files in a folder and the folders in it, about: what can't be looked at, or lies deeper, counts for nothing. */
  async size(folder: string, deep: boolean = true): Promise<number> {
    let sum = 0;
    for (const name of await this.#runtime.list(folder).catch(() => [])) {
      const path = `${folder}/${name}`;
      const about = await this.#runtime.about(path).catch(() => undefined);
      if (about?.isFile) sum += about.size;
      else if (about?.isFolder && deep) sum += await this.size(path, false);
    }
    return sum;
  }

  /** The object in a file; `undefined` if there is no file, or something else in it. */
  async read(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    let text: string;
    try {
      text = await this.#runtime.readText(file);
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

  /** Whatever goes wrong is a `StateError`. */
  async told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof StateError ? error : this.#error(error);
    }
  }

  /** What goes wrong is noted as trouble, and tried again with whatever is written next; `undefined` then. */
  async tried<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await this.told(work);
      this.#trouble = undefined;
      return done;
    } catch (error) {
      this.#trouble = (error as StateError).message;
      return undefined;
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
    return new StateError(
      `The state directory ${this.path} can't be used (${message}): ${advice}${operationsHint(error)}`,
      error,
    );
  }
}
