/**
 * Owns how a program is found and what it takes to start it: one rule, whichever runtime starts it then. Each has its own,
 * and its own words where that fails (docs/command-tasks.md has ours).
 * Must not know who starts it, nor start anything.
 * Invariant: what is located is a file that this user may execute, and that the system starts as it is, or `sh` does.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { delimiter, resolve } from "node:path";
import process from "node:process";

/** Where a program is looked for if `PATH` is not set. */
const USUAL_PATH = "/usr/local/bin:/usr/bin:/bin";
/** What Windows puts behind a name that has no ending, unless `PATHEXT` says otherwise. */
const ENDINGS = ".COM;.EXE;.BAT;.CMD";
/** What runs a script that names no interpreter. */
const SHELL = "/bin/sh";
/** As much of a file as the system looks at to see what it is, bytes. */
const HEAD_BYTES = 256;
/** How many interpreters may be scripts, each of the next: as many as Linux takes. */
const MAX_INTERPRETERS = 4;
/** Where Linux lists what it lets other programs start: emulators, most of all. */
const OTHER_FORMATS = "/proc/sys/fs/binfmt_misc";

/** Processors by their numbers in a program's head, named as the runtimes name them. */
const PROCESSORS: Readonly<Record<number, string>> = {
  3: "ia32",
  8: "mips",
  20: "ppc",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  62: "x64",
  183: "arm64",
  243: "riscv64",
  258: "loong64",
};
/** Processors that run the programs of another one too. */
const ALSO: Readonly<Record<string, string>> = { x64: "ia32", arm64: "arm" };

/** Where a program is looked for. */
export interface Where {
  /** Folders, as `PATH` has them; absent: the usual ones. One that is relative or empty starts at `cwd`. */
  readonly path: string | undefined;
  /** What a relative path starts at: where the program is to run. */
  readonly cwd: string;
  /** On Windows, what may stand behind a name. */
  readonly endings?: string | undefined;
}

/** A program: what is to be started, and what stands before its arguments. Or why there is none, in words. */
export type Located = { readonly file: string; readonly before: readonly string[] } | {
  readonly problem: string;
};

/** Finds a program by its name or path. */
export function locate(name: string, { path = USUAL_PATH, cwd, endings = ENDINGS }: Where): Located {
  if (name === "") return { problem: "its name is empty" };
  const windows = process.platform === "win32";
  const names = windows ? [name, ...endings.split(";").map((ending) => `${name}${ending}`)] : [name];
  const named = (windows ? /[/\\]/ : /\//).test(name);
  const files = (named ? [""] : path.split(delimiter)).flatMap((folder) =>
    names.map((each) => resolve(cwd, folder, each))
  );
  const found = files.find((file) => existsSync(file) && problemOf(file) === undefined);
  if (found !== undefined) return windows ? { file: found, before: [] } : startable(found);
  // Only who finds nothing wants to know why: each reason comes with an error, which takes long to make.
  let reason: string | undefined;
  for (const file of files) {
    const problem = problemOf(file);
    if (problem === undefined || problem === NOT_THERE) continue;
    reason ??= named ? problem : `${JSON.stringify(file)} is in PATH, and ${problem}`;
  }
  return {
    problem: reason ?? (named ? NOT_THERE : "there is no such program in PATH: install it, or give its path"),
  };
}

const NOT_THERE = "there is no such file: install it, or correct its path";

/** Why a path is nothing that this user may execute. */
function problemOf(path: string): string | undefined {
  let found: Stats;
  try {
    found = statSync(path);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "EACCES") return "this user may not enter the folder that it is in";
    if (code === "ELOOP") return "its symbolic links lead round in a circle";
    return code === "ENAMETOOLONG" ? "its path is too long for this system" : NOT_THERE;
  }
  if (found.isDirectory()) return "it is a folder: name the program in it";
  if (!found.isFile()) return "it is no file: name a program";
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    return (found.mode & 0o111) === 0
      ? "it may not be executed: chmod +x, or name its interpreter"
      : "this user may not execute it, or its file system is mounted noexec: change its permissions, or name its interpreter";
  }
}

/** What starts a file, by how it begins. */
function startable(file: string, interpreters = MAX_INTERPRETERS): Located {
  const head = headOf(file);
  // What can't be read can be a program all the same.
  if (head === undefined) return { file, before: [] };
  const text = new TextDecoder("latin1").decode(head);
  if (text.startsWith("\x7fELF")) return wrongProcessor(file, head) ?? { file, before: [] };
  const [line = ""] = text.split("\n", 1);
  if (line.includes("\0")) return unknownForm() ?? { file, before: [] };
  const interpreter = /^#![ \t]*([^ \t]+)/.exec(line)?.[1];
  if (interpreter !== undefined) return interpreted(file, interpreter, interpreters);
  const problem = problemOf(SHELL);
  return problem === undefined
    ? { file: SHELL, before: [file] }
    : { problem: `it has no #! line, and there is no ${SHELL} to run it: name its interpreter` };
}

function interpreted(file: string, interpreter: string, left: number): Located {
  const named = `its first line names the interpreter ${JSON.stringify(interpreter)}`;
  if (interpreter.endsWith("\r")) {
    return { problem: `${named}: its lines end as on Windows (CRLF), save it with LF` };
  }
  const problem = problemOf(interpreter);
  if (problem === NOT_THERE) {
    return { problem: `${named}, which is not there: install it, or correct the line` };
  }
  if (problem !== undefined) return { problem: `${named}: ${problem}` };
  if (left === 0) {
    return { problem: `${named}, which is a script as well: too many lead from one to the next` };
  }
  const found = startable(interpreter, left - 1);
  if ("problem" in found) return { problem: `${named}: ${found.problem}` };
  // The system itself starts no script without an interpreter, and runtimes differ in what they do then.
  return found.file === interpreter ? { file, before: [] } : { problem: `${named}, which is no program` };
}

/** Why a program of Linux does not run here. */
function wrongProcessor(file: string, head: Uint8Array): Located | undefined {
  if (process.platform !== "linux") {
    return { problem: `it is a program for Linux, and this is ${process.platform}` };
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const number = head.length < 20 ? undefined : view.getUint16(18, head[5] === 1);
  const processor = number === undefined ? undefined : PROCESSORS[number] ?? `another processor (${number})`;
  const own: string = process.arch;
  if (processor === own || processor === ALSO[own] || hasOtherFormats()) return undefined;
  return {
    problem: processor === undefined
      ? "the file is cut off: copy it again"
      : `it is a program for ${processor}, and this machine is ${own}: take the one for ${own}, or name an emulator before ${
        JSON.stringify(file)
      }`,
  };
}

function unknownForm(): Located | undefined {
  if (process.platform !== "linux" || hasOtherFormats()) return undefined;
  return { problem: "it is neither a program of this system nor a script: name what runs it before it" };
}

function hasOtherFormats(): boolean {
  try {
    return readdirSync(OTHER_FORMATS).some((name) => name !== "register" && name !== "status");
  } catch {
    return false;
  }
}

function headOf(file: string): Uint8Array | undefined {
  let opened: number | undefined;
  try {
    opened = openSync(file, "r");
    const head = new Uint8Array(HEAD_BYTES);
    return head.subarray(0, readSync(opened, head, 0, HEAD_BYTES, 0));
  } catch {
    return undefined;
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** Why a program can't run in a folder. */
export function folderProblem(folder: string): string | undefined {
  const shown = JSON.stringify(folder);
  try {
    if (!statSync(folder).isDirectory()) return `${shown}, which it is to run in, is no folder: correct cwd`;
    accessSync(folder, constants.X_OK);
    return undefined;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return code === "EACCES" || code === "EPERM"
      ? `this user may not enter the folder ${shown} to run it in`
      : `there is no folder ${shown} to run it in`;
  }
}
