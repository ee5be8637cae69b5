/**
 * Owns what Deno, Node and Bun do alike, through the part of Node's interface that all three have.
 * Must not know which of them runs it; what differs is passed in by NAME/outside.ts.
 * Invariant: no file is ever left half written.
 */
import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeSync } from "node:fs";
import { isBuiltin } from "node:module";
import { arch, platform, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { coresAllowed, freeMemory, idleMs, memoryAllowed, queuedTime } from "./allowance.ts";
import type { AppendFile, InsideName, Runtime, TaskProgramOptions, Thread, ThreadOptions } from "./port.ts";
import type { Listen } from "./serve.ts";
import { promises } from "./builtin.ts";
import { newMark } from "./marks.ts";
import { stopOffspring } from "./offspring.ts";
import { output, type WriteSome } from "./output.ts";
import { cover, givenTo, valuesOf } from "./process_memory.ts";
import { startProcess } from "./child.ts";
import { readText } from "./files.ts";
import { aboutFile, openFile, syncFolder } from "./pieces.ts";
import { startGroup } from "./group.ts";
import { findProgram, isDevice } from "./machine.ts";
import { type Libc, shieldStdout } from "./shield.ts";
import { passed, passing, whenLeft } from "./passing.ts";
import { makeTempFiles } from "./temp_files.ts";

/** What differs between the runtimes. */
export interface Differences {
  readonly name: Runtime["name"];
  readonly version: string;
  readonly threadBytes: number;
  startThread(options: ThreadOptions): Thread;
  readonly listen: Listen;
  /** The C library, where this runtime can call it and what tasks print can get past it otherwise. */
  readonly libc?: () => Libc | undefined;
  /** The program and the arguments that start this program anew, without its own. */
  self(): readonly string[];
  /** The program and the arguments that run JavaScript. @param whole This program was started as a whole. */
  taskProgram(
    options: TaskProgramOptions,
    whole: { readonly argument: string } | undefined,
  ): readonly string[];
  /** What was put into this executable. Default: nothing. */
  readonly inside?: (name: InsideName) => Promise<string | undefined>;
  /** How this program is started as Bun. Default: it is none. */
  readonly asBun?: Runtime["asBun"];
  /** How a module is loaded by its URL. Default: by `import`. */
  readonly importUrl?: (url: string) => Promise<unknown>;
  /** Whether a thread may start from a file. Default: it may. */
  readonly startsFrom?: (file: string) => boolean;
  /** How stdout and stderr are written to where they are no terminals. Default: by the runtime's streams. */
  readonly writeSome?: WriteSome;
  /** How an id is made. Default: by Web Crypto. */
  readonly newId?: () => string;
}

/** The argument with which this program is started to run tasks. */
const FOR_TASKS = "--outrider-run-tasks";

/** A runtime made of what all three share and what differs. */
export function nodeCompatible(
  { listen, self, libc, taskProgram, writeSome, ...differences }: Differences,
): Runtime {
  let whole: { readonly argument: string } | undefined;
  let cores: number | undefined;
  const stdout = output("stdout", writeSome);
  const stderr = output("stderr", writeSome);
  return {
    inside: () => Promise.resolve(undefined),
    asBun: () => undefined,
    machine: `${platform().replace("win32", "windows")}-${arch()}`,
    importUrl: (url) => import(url) as Promise<unknown>,
    newId: () => crypto.randomUUID(),
    startsFrom: () => true,
    ...differences,
    get cores() {
      return cores ??= coresAllowed();
    },
    pid: process.pid,
    args: process.argv.slice(2),
    stdout,
    stderr,
    shieldStdout: () => shieldStdout(platform() === "linux" ? libc?.() : undefined),
    env: (name) => process.env[name] ?? hidden.get(name),
    envNames: () => Object.keys(process.env),
    cwd: () => process.cwd(),
    fileUrl: (path, base) =>
      base === undefined ? pathToFileURL(resolve(path)).href : new URL(encodePath(path), base).href,
    filePath: (url) => fileURLToPath(url),
    realUrl,
    // These are loaded with the first use: few runs serve or ask that way, and what they need takes time.
    serve: async (options) => (await import("./serve.ts")).serveWith(listen, options),
    askSocket: async (request) => (await import("./socket.ts")).askSocket(request),
    readText,
    readStream: async (path) => (await import("./stream.ts")).readStream(path),
    passingModule: async (text) => (await import("./stream.ts")).passingModule(text),
    writeText,
    appendTo,
    openFile,
    about: aboutFile,
    syncFolder,
    sha256: async () => (await import("./digest.ts")).sha256Digest(),
    keeping: async () => (await import("./keeping.ts")).keeping,
    list,
    makeFolder,
    rename: (from, to) => promises().rename(from, to),
    remove: async (path) => {
      await promises().rm(path, { recursive: true, force: true });
      passed(path);
    },
    isBuiltin,
    program: process.execPath,
    startSelf: (args, env, program) =>
      startProcess([...(program === undefined ? self() : [program]), ...args], {
        ...Object.fromEntries(hidden),
        ...env,
      }),
    taskProgram: (options) => taskProgram(options, whole),
    isForTasks() {
      whole = { argument: FOR_TASKS };
      return process.argv[2] === FOR_TASKS;
    },
    startGroup,
    newMark,
    stopMarked: stopOffspring,
    makeTempFiles,
    makeTempFolder: async () => {
      const folder = await promises().mkdtemp(join(tmpdir(), "outrider-"));
      passing(folder);
      return folder;
    },
    whenLeft,
    hideEnv: (names) => {
      for (const name of names) {
        const value = process.env[name];
        if (value === undefined) continue;
        hidden.set(name, value);
        delete process.env[name];
      }
      cover("environ", (shown) => valuesOf(shown, names));
    },
    hideArgument: (option) => cover("cmdline", (shown) => givenTo(shown, option)),
    onParentGone,
    ignoreWarnings: () => void process.removeAllListeners("warning"),
    setEnv: (name, value) => void (process.env[name] = value),
    onSignal,
    onUncaught,
    exit: async (code) => {
      await stdout.drained();
      if (stdout.lost !== undefined) {
        stderr.write(`What was printed is not whole: stdout can't be written (${String(stdout.lost)})\n`);
      }
      await stderr.drained();
      process.exit(stdout.lost === undefined ? code : code || 1);
    },
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    memoryBytes,
    findProgram,
    isDevice,
    memoryAllowed: () => memoryAllowed(),
    freeMemory: () => freeMemory(),
    idleMs: () => idleMs(),
    queuedMs: queuedTime(),
  };
}

/** What concerns the program that was started, and no other. */
const NOT_PASSED_ON =
  /^(-e|--eval|-p|--print|-pe|--input-type|--inspect.*|--test.*|--watch.*|--max-old-space-size)(=|$)/;
/** Of those, what is followed by a value. */
const WITH_VALUE = /^(-e|--eval|-p|--print|-pe)$/;

/** Options of the runtime that hold for what runs tasks as well. */
export function passedOn(options: readonly string[]): string[] {
  return options.filter((option, at) =>
    !NOT_PASSED_ON.test(option) && !WITH_VALUE.test(options[at - 1] ?? "")
  );
}

/**
 * The program that runs tasks where this one is an executable: itself, which takes no code.
 *
 * @throws {Error} If it was not started as a whole: started anew, it would do once more what it does.
 */
export function itself(whole: { readonly argument: string } | undefined): readonly string[] {
  if (whole !== undefined) return [process.execPath, whole.argument];
  throw new Error(
    'An executable that is not Outrider\'s own runs no tasks in processes: leave out "isolation": "process", or run the pipeline with outrider',
  );
}

/** Without a file descriptor left, Node and Bun can't tell, and Deno says 0. */
function memoryBytes(): number | undefined {
  try {
    return (process.memoryUsage.rss?.() ?? process.memoryUsage().rss) || undefined;
  } catch {
    return undefined;
  }
}

/** Variables that only this process knows any more. */
const hidden: Map<string, string> = new Map();

function realUrl(url: string): string {
  try {
    const path = fileURLToPath(url);
    const real = realpathSync(path);
    if (real === path.replace(/[/\\]$/, "")) return url;
    return `${pathToFileURL(real).href}${url.endsWith("/") ? "/" : ""}`;
  } catch {
    return url;
  }
}

function encodePath(path: string): string {
  return path.replaceAll("%", "%25").replaceAll("?", "%3F").replaceAll("#", "%23");
}

function writeText(path: string, text: string, mode = 0o666): Promise<void> {
  const neighbour = `${path}.${process.pid}.tmp`;
  try {
    const file = openSync(neighbour, "w", mode);
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(neighbour, path);
    return Promise.resolve();
  } catch (error) {
    rmSync(neighbour, { force: true });
    return Promise.reject(error);
  }
}

async function makeFolder(path: string, mode?: number): Promise<void> {
  await makeFolders(path, mode);
  if (mode !== undefined) await promises().chmod(path, mode);
}

/** One after the other: below /proc, where nobody can make one, Node's own `recursive` never comes to an end. */
async function makeFolders(path: string, mode: number | undefined): Promise<void> {
  const { mkdir } = promises();
  const above = dirname(path);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await isFolder(path)) return;
    if ((error as { code?: unknown }).code !== "ENOENT" || above === path) throw error;
    await makeFolders(above, mode);
    await mkdir(path, { mode }).catch(async (error) => {
      if (!await isFolder(path)) throw error;
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await promises().stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** Nothing is ever written to our stdin there, and the system closes it when the other end is gone. */
function onParentGone(listener: () => void): void {
  let told = false;
  const gone = () => {
    if (!told) listener();
    told = true;
  };
  process.stdin.on("end", gone).on("close", gone).on("error", gone).resume();
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await promises().readdir(folder)).sort();
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
}

function appendTo(path: string): AppendFile {
  const file = openSync(path, "a");
  return {
    write(text) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    },
    close: () => closeSync(file),
  };
}

function onSignal(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  const int = () => listener("SIGINT");
  const term = () => listener("SIGTERM");
  process.on("SIGINT", int);
  process.on("SIGTERM", term);
  return () => {
    process.off("SIGINT", int);
    process.off("SIGTERM", term);
  };
}

function onUncaught(listener: (error: unknown) => void): () => void {
  process.on("uncaughtException", listener);
  process.on("unhandledRejection", listener);
  return () => {
    process.off("uncaughtException", listener);
    process.off("unhandledRejection", listener);
  };
}
