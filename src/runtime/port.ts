/**
 * Owns the runtime's port: all that the product asks of Deno, Node or Bun and that no web standard gives.
 * Must not know which runtime is behind it.
 * Invariant: nothing outside runtime/ (and the SQLite journal) touches `Deno.`, `Bun.` or `node:`.
 */

import type { Bytes } from "../base/bytes.ts";
import type { Printing } from "../base/harmless.ts";

/** A thread that runs our worker code. It looks like a Web Worker, with an honest end. */
export interface Thread {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void;
  /** One listener for all messages. */
  onMessage(listener: (message: unknown) => void): void;
  /** Listener for the end of the thread, called once, when the thread is proven gone. */
  onEnd(listener: (end: ThreadEnd) => void): void;
  /** Stops the thread, also in the midst of synchronous code; resolves when it is proven gone. */
  terminate(): Promise<void>;
  /** Whether the thread keeps the process alive. */
  ref(on: boolean): void;
}

/** The message by which a thread is asked to end itself; its program never sees it. */
export const END = "outrider.end";

/** What a thread's program finds in its `workerData`, before any module of a task can. */
export interface ThreadData {
  /** Name of the lock that it is to hold. */
  readonly lock: string;
  /** What it was started with. */
  readonly data: unknown;
  /** The port by which it is heard: the one that every module can reach is not. */
  readonly port: MessagePort;
  /** The mark of the processes that its code starts, and the whole of their variable (offspring.ts). */
  readonly mark: string;
  readonly marks: string;
  /** Variables of this thread alone, beside those of the process. */
  readonly environment: Readonly<Record<string, string>>;
  /** One cell: 1 while its code may have started processes that are not known to be gone. */
  readonly children: Int32Array;
  /** The folder in which the runtime keeps what it compiles, if it does. */
  readonly compiled?: string | undefined;
}

/** What is heard in the place of a message that did not come from the thread's program, or can't be read. */
export const STRAY = "outrider.stray";

/** How a thread ended. */
export interface ThreadEnd {
  readonly code?: number;
  /** The runtime said that the thread's heap was exhausted. */
  readonly memory: boolean;
  readonly error?: unknown;
}

/** The program of a thread: JavaScript source of a module, or the URL of a file with it, from which a thread starts sooner. */
export type ThreadProgram = { readonly code: string } | { readonly file: string };

/** What a thread is started with. */
export type ThreadOptions = ThreadProgram & ThreadSetup;

/** What a thread is started with beside its program. */
interface ThreadSetup {
  /** Given to the program; cloned. */
  readonly data: unknown;
  /** Heap cap in MiB, where the runtime enforces one. */
  readonly memoryMiB?: number;
  /** Variables that the thread and what its code starts find beside those of the process. Default: none. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * A stream that a person or a pipe reads. What is printed leaves in order; once the reader has gone away
 * (`outrider … | head`), nothing more is printed and nothing thrown.
 */
export interface Output extends Printing {
  readonly isTTY: boolean;
  /** Width in characters, 80 where unknown. */
  readonly columns: number;
  readonly rows: number;
  /** Prints JSON that comes in pieces, no faster than it is read; resolves when all is on its way, or nobody reads. */
  jsonPieces(pieces: Iterable<string>): Promise<void>;
}

/** A file that only grows. */
export interface AppendFile {
  /** Writes at once; throws where the disk refuses. */
  write(text: string): void;
  close(): void;
}

/**
 * What a file is opened for: one that is written to is made if there is none, and can be read too; a new one is an error where
 * there is any (`EEXIST`).
 */
export type OpenHow = "read" | "write" | "new";

/** A file that is too large for memory, read and written at any place. Places and sizes are bytes. */
export interface OpenFile {
  size(): Promise<number>;
  /** At most so many bytes; fewer at the end, none behind it. */
  read(at: number, most: number): Promise<Bytes>;
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** Takes away what is behind `size`. */
  cut(size: number): Promise<void>;
  /** Resolves when what was written is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A folder of small files for one program. */
export interface TempFiles {
  /** Where a file of this name is, or would be. */
  path(name: string): string;
  /** Whether there is something of this name. */
  has(name: string): boolean;
  /** Removes the folder, with all that is in it. */
  remove(): Promise<void>;
}

/** What is told of a file or folder. */
export interface FileAbout {
  readonly size: number;
  readonly isFile: boolean;
  readonly isFolder: boolean;
}

/** A digest of bytes that come piece by piece. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** In lower-case hexadecimal; nothing more is taken after it. */
  hex(): string;
}

/** What lies in a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
}
/** How a file is kept. */
export interface KeepingOptions {
  /** It is moved rather than copied unless it has another name or is another user's: nobody else writes to it any more. Default: copied. */
  readonly moved?: boolean;
  /** A symbolic link is followed. Default: it is an error (`ELOOP`). */
  readonly linked?: boolean;
  /** Told how many bytes the file has as it is opened; what it throws ends it. */
  readonly begun: (bytes: number) => void;
  /** Told of bytes before they are kept; what it throws ends it. */
  readonly more: (bytes: number) => void;
}
/** Files that are kept by the digest of their bytes: read, hashed and copied piece by piece. */
export interface Keeping {
  /**
   * Keeps a regular file under a new name, to be read by this user alone; it is on the disk then.
   *
   * @returns The SHA-256 of its bytes, lower-case hexadecimal, and how many they are.
   * @throws {Error} As the system does, or with the code `ENOTREG`; then nothing is left under the new name.
   */
  keep(from: string, to: string, options: KeepingOptions): Promise<{ sha256: string; bytes: number }>;
  /** Gives a kept file a second name, in folders that are made: by a link where the file system has such, else by a copy. */
  link(from: string, to: string): Promise<void>;
  /** What lies in a folder, in the order of names; at most so many. */
  entries(folder: string, most: number): Promise<readonly FolderEntry[]>;
  /**
   * Makes a folder for this user alone, at once; those above it must be there.
   *
   * @returns Tells at once whether the path is still that folder, and no link or other one in its place.
   */
  makeDesk(path: string): () => boolean;
  /** Whether nothing lies in a folder, or it is not there. At once. */
  isEmpty(path: string): boolean;
  /** Removes a folder in which nothing lies. @returns Whether it could. */
  dropDesk(path: string): Promise<boolean>;
}

/** What answers requests; a Hono app's `fetch` is one. */
export type AppFetch = (request: Request) => Response | Promise<Response>;

/** Where an app is served, and what it is. */
export type ServeOptions =
  & {
    readonly fetch: AppFetch;
    /**
     * Most connections at a time. Default 1,000, and never so many that less than half of the descriptors that the process
     * may open is left for other things. Beyond it nobody is let in, and those who have asked for nothing are let go.
     */
    readonly connections?: number;
  }
  & (
    | {
      /** Name or address of the interface. Default `127.0.0.1`, which only this machine reaches. */
      readonly hostname?: string;
      /** 0: any that is free. */
      readonly port: number;
    }
    | {
      /** Path of a Unix socket, made for this user alone. One that a process left behind when it was killed is replaced. */
      readonly path: string;
    }
  );

/** An app that is being served. A request may be held, and an answer go on, for as long as it says something every 25 s. */
export interface Served {
  /** `http://HOST:PORT`, without a slash at the end; for a Unix socket `unix:PATH`. */
  readonly url: string;
  /** The port that was taken; 0 for a Unix socket. */
  readonly port: number;
  /** Takes nothing more and breaks off what is under way; resolves when the port is free again. More calls do nothing. */
  close(): Promise<void>;
}

/** An app can't be served where it was asked for. */
export class ServeError extends Error {
  readonly code = "OUTRIDER_SERVE";
  override name = "ServeError";
}

/** A process that was started. Its streams are ours. */
export interface Child {
  readonly pid: number;
  /** Settles once, when the process is gone; never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** Sends a signal; does nothing once it is gone. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
}

/** How a process ended: by itself with a code, by a signal, or it could not be started. */
export interface ChildEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly error?: Error;
}

/** A program to run in a process group of its own. */
export interface GroupOptions {
  /** The program and its arguments. A program with a slash is relative to `cwd`. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Written to its input, which is then closed. */
  readonly stdin: string;
  /** Hears what it writes to its descriptor 3, which is two-way then. Default: it has none. */
  readonly onLine?: (bytes: Uint8Array) => void;
  /** Hears that its descriptor 3 is closed, by whatever. */
  readonly onLineEnd?: () => void;
  /** A mark for it and all that comes of it, also what leaves its group. Default: none. */
  readonly mark?: string;
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
}

/** A program with all that it has started, as far as that stays in its group. */
export interface ProcessGroup {
  /** Of the program, and the number of the group; 0 if it could not be started. */
  readonly pid: number;
  /** Settles when the program itself is gone; never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** Settles when nobody can write to its outputs any more and all is read. */
  readonly drained: Promise<void>;
  /** Writes to its descriptor 3, if it has one; returns how many bytes it has not read yet. */
  write(bytes: Uint8Array): number;
  /** How much memory it has with all that it has started, bytes, without pages of files; `undefined` where that can't be told. */
  memoryBytes(): number | undefined;
  /** Sends a signal to every process of the group. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
  /** Whether any process of the group is left. */
  readonly alive: boolean;
  /** Reads its outputs no longer, and forgets it. */
  release(): void;
}

/** What an executable may hold beside the code that it runs: the text of its program, to make others of it, and an environment. */
export type InsideName = "program" | "environment";

/** How a program that runs tasks is to be started. */
export interface TaskProgramOptions {
  /** A module of JavaScript. */
  readonly code: string;
  /** The most that its heap may have, MiB, where the runtime keeps to such a limit. */
  readonly heapMiB?: number;
}

/** What is asked at a Unix socket. */
export interface SocketRequest {
  /** Path of the socket. */
  readonly socket: string;
  /** With the query. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** All that the product asks of a runtime. */
export interface Runtime {
  readonly name: string;
  readonly version: string;
  /** Logical cores that this process may use, at least 1: those that its affinity and its container leave to it. */
  readonly cores: number;
  /** Bytes that a thread with our program takes, about. */
  readonly threadBytes: number;
  readonly pid: number;
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly stdout: Output;
  readonly stderr: Output;
  /**
   * Keeps stdout for this program's own words: until the returned function is called, what anybody else in the process writes
   * to descriptor 1 reaches stderr, where the runtime can see to that (Deno and Bun on Linux); nothing may be written to
   * `stdout` meanwhile.
   */
  shieldStdout(): () => void;
  env(name: string): string | undefined;
  /** Names of all variables of the environment. */
  envNames(): readonly string[];
  cwd(): string;
  /** An id that nothing else has, anywhere: a UUID of chance alone. */
  newId(): string;
  /** Absolute `file:` URL of a path, which is relative to the working directory or to `base`, a `file:` URL. */
  fileUrl(path: string, base?: string): string;
  /** Path of a `file:` URL. */
  filePath(url: string): string;
  /** The `file:` URL of what a `file:` URL leads to, by whatever symbolic links; the same where there is nothing. */
  realUrl(url: string): string;
  startThread(options: ThreadOptions): Thread;
  /** Whether a thread may start from a file, by its URL. */
  startsFrom(file: string): boolean;
  /** Serves an app over HTTP. @throws {ServeError} If the port is taken or may not be used. */
  serve(options: ServeOptions): Promise<Served>;
  /** Asks over HTTP at a Unix socket, as `fetch` does elsewhere. @throws {Error} If nobody answers there. */
  askSocket(request: SocketRequest): Promise<Response>;
  /**
   * The text of a regular file: FIFOs, sockets and devices are refused, so that nobody's file holds up or fills this process.
   *
   * @param maxBytes Default 256 MiB; a larger file is an error.
   * @param form `loose`: what is not UTF-8 is replaced rather than an error, for who only looks for something in it.
   * @throws {Utf8Error} With the place of the first byte that is not UTF-8.
   */
  readText(path: string, maxBytes?: number, form?: "strict" | "loose"): Promise<string>;
  /**
   * Writes a file whole: to a neighbour first, then renamed, so that no reader sees half of it.
   *
   * @param mode Who may read and write it. Default 0o666 less what the system takes away.
   */
  writeText(path: string, text: string, mode?: number): Promise<void>;
  /**
   * The text of what comes once: of stdin (`-`), a FIFO or a device. At most 64 MiB, and at most 10 minutes of silence.
   *
   * @throws {Utf8Error} With the place of the first byte that is not UTF-8.
   */
  readStream(path: string): Promise<string>;
  /** A module in a file of its own in the working directory, which goes with this process, or when it is removed. */
  passingModule(text: string): Promise<{ readonly path: string; readonly remove: () => Promise<void> }>;
  appendTo(path: string): AppendFile;
  /**
   * Opens a regular file to be read or written piece by piece.
   *
   * @param mode Who may read and write one that is made. Default 0o666 less what the system takes away.
   */
  openFile(path: string, how: OpenHow, mode?: number): Promise<OpenFile>;
  /** What a file or folder is; nothing if there is none. Links are followed. */
  about(path: string): Promise<FileAbout | undefined>;
  /** Brings the names in a folder to the disk: those of files that were made, renamed or removed. */
  syncFolder(path: string): Promise<void>;
  /** A SHA-256 of what is still to come. */
  sha256(): Promise<Digest>;
  /** What keeps files. */
  keeping(): Promise<Keeping>;
  /** Names in a folder, sorted; none if it is not there. */
  list(folder: string): Promise<string[]>;
  /**
   * Makes a folder, and those above it. One that is there is left as it is, unless a mode is asked for.
   *
   * @param mode Who may use it, and those above it that are made. Default 0o777 less what the system takes away.
   */
  makeFolder(path: string, mode?: number): Promise<void>;
  /** Gives a file or folder another name. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all that is in it; nothing if there is none. */
  remove(path: string): Promise<void>;
  /** Whether a module of this name comes with the runtime, such as `fs`. */
  isBuiltin(name: string): boolean;
  /**
   * Starts this program anew, as a process of its own, with other arguments and with `env` laid over the environment, from
   * which what is undefined there is taken. It can tell when we are gone: `onParentGone`.
   *
   * @param program Path of an executable that is the same program, of another environment. Default: this one.
   */
  startSelf(
    args: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
    program?: string,
  ): Child;
  /**
   * The program and its arguments that run JavaScript in this runtime, in a process: the program of what runs tasks. Where
   * this program was started as a whole, it is that again, which then runs what `runTasks` gives it.
   */
  taskProgram(options: TaskProgramOptions): readonly string[];
  /** A text that was put into this executable when it was made; `undefined` where there is none. */
  inside(name: InsideName): Promise<string | undefined>;
  /** Path of the file that runs: the runtime, or this executable. */
  readonly program: string;
  /** How this program is started as the Bun that is in it, where that is so; what it says of itself is `version`. */
  asBun():
    | { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> }
    | undefined;
  /** This machine, such as `linux-x64`. */
  readonly machine: string;
  /** Loads a module by its URL at run time, also where this program has no other modules than its own. */
  importUrl(url: string): Promise<unknown>;
  /** Says that this program is one that was started as a whole, and heeds its arguments. @returns Whether it is to run tasks. */
  isForTasks(): boolean;
  /**
   * Starts a program in a process group of its own. If this process is killed, the group is too, where there is a `sh` to
   * see to it.
   */
  startGroup(options: GroupOptions): ProcessGroup;
  /** A mark by which processes can be found that have left their group. */
  newMark(): string;
  /** Stops all processes with the mark; resolves to whether there were any, when none is left. Linux; else none is found. */
  stopMarked(mark: string): Promise<boolean>;
  /**
   * Makes a folder with small files for one program, for this user alone. At once, and not forced to the disk.
   *
   * @param texts By name. @throws {Error} If that can't be; then nothing is left of it.
   */
  makeTempFiles(texts: Readonly<Record<string, string>>): TempFiles;
  /**
   * Makes a folder of its own for temporary files, for this user alone; returns its path. What has not removed it when the
   * process is left by `exit` need not.
   */
  makeTempFolder(): Promise<string>;
  /** Undoes something, without waiting for anything, if the process is left by `exit` before what is returned is called. */
  whenLeft(undo: () => void): () => void;
  /**
   * Takes variables out of the environment, and out of what the system shows of it, where it lets us: threads, programs and
   * other processes of this user don't find them. `env` still gives them, and `startSelf` hands them on.
   */
  hideEnv(names: readonly string[]): void;
  /** Covers what is given to an option in the arguments that the system shows, where it lets us. */
  hideArgument(option: string): void;
  /** Sets a variable of the environment, which threads and processes started from now on see. */
  setEnv(name: string, value: string): void;
  /** From now on nothing is printed of what the runtime warns of: it speaks to who writes a program, not to who runs one. */
  ignoreWarnings(): void;
  /** Calls the listener once the process that started us with `startSelf` is gone, however it ended. */
  onParentGone(listener: () => void): void;
  /** Calls the listener on SIGINT or SIGTERM instead of ending, until the returned function is called. */
  onSignal(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void;
  /**
   * Calls the listener, instead of ending, with an error that nobody caught and with a rejection that nobody handled,
   * until the returned function is called.
   */
  onUncaught(listener: (error: unknown) => void): () => void;
  /** Ends the process once what was written to stdout and stderr has left it. */
  exit(code: number): Promise<never>;
  /** Bytes of memory that this process may have with all others of its container: what the machine has, or a limit below it. */
  memoryAllowed(): number;
  /** Bytes of memory that this process may still take: what is free on the machine, or what its container leaves. */
  freeMemory(): number;
  /** Time that the machine's cores had nothing to do, all together, milliseconds; undefined where the system does not tell. */
  idleMs(): number | undefined;
  /** Time that threads of this process were ready to run and had no core, all together, milliseconds; `undefined` where that is not known. */
  queuedMs(): number | undefined;
  /** Resident memory of the process in bytes; `undefined` where the system does not tell now. */
  memoryBytes(): number | undefined;
  /** Time that the processors have spent on this process, milliseconds. */
  cpuMs(): number;
  /**
   * Path of a program, found as where it is started; nothing if there is none that this user may run.
   *
   * @param name A name, or an absolute path.
   * @param options `path`: folders, as `PATH` has them; `endings`: on Windows, what may stand behind a name.
   */
  findProgram(
    name: string,
    options: { readonly path: string | undefined; readonly endings?: string | undefined },
  ): Promise<string | undefined>;
  /** Whether there is a device at a path. It is not opened. */
  isDevice(path: string): Promise<boolean>;
}
