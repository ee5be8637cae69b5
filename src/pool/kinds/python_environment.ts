/**
 * Owns the environments of Python tasks: what a requirements file asks for, installed once, in a folder of its own.
 * Must not know the tasks.
 * Invariant: an environment is used only when all of it is there; the same interpreter and the same requirements have the same
 * one. Who makes one at the same time makes another, and either is used.
 */
import { randomHex, sha256 } from "../../base/bytes.ts";
import { messageOf } from "../../base/message.ts";
import { operationsHint } from "../../base/operations.ts";
import type { Runtime } from "../../runtime/port.ts";
import { LineCutter } from "./program_lines.ts";
import { type Interpreter, once, PythonError, runTool, type ToolEnd } from "./python_interpreter.ts";
import type { RunnerPort } from "./runner.ts";

/** How long installing may take, milliseconds. */
const INSTALL_MS = 30 * 60_000;
/** How long making an empty environment may take, milliseconds. */
const MAKE_MS = 120_000;
/** While something is installed, a line of it is shown this often, milliseconds. */
const SHOW_MS = 5_000;
/** Most of a requirements file that is read, bytes. */
const MAX_FILE: number = 1024 ** 2;
/** How deep requirements files may include others. */
const MAX_DEPTH = 10;
/** A folder of this name beside the requirements has all that is installed: nothing is fetched then. */
const WHEELS = "wheels";
const INCLUDE = /^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)/;

const made: Map<string, Promise<string>> = new Map();

/** What an environment is made of. */
export interface EnvironmentOptions {
  readonly port: RunnerPort;
  readonly interpreter: Interpreter;
  /** Path of the requirements file. */
  readonly requirements: string;
}

/** Path of the interpreter of an environment with the requirements in it. @throws {PythonError} With what is missing. */
export async function environmentOf(options: EnvironmentOptions): Promise<string> {
  const { port: { runtime }, interpreter: { executable, version }, requirements } = options;
  const texts = (await readAll(runtime, requirements, 0)).map(({ text }) => text);
  const wheels = (await runtime.list(`${folderOf(requirements)}/${WHEELS}`)).join("\n");
  const hash = (await sha256(JSON.stringify([executable, version, texts, wheels]))).slice(0, 32);
  // What failed may work the next time: a network may be there then.
  return await once(made, { name: hash, over: options.port.over }, () => kept(options, hash, wheels !== ""));
}

/** The one that is there already, or a new one. */
async function kept(options: EnvironmentOptions, hash: string, wheels: boolean): Promise<string> {
  const { runtime } = options.port;
  const base = cacheOf(runtime);
  const pointer = `${base}/${hash}.json`;
  const known = await runtime.readText(pointer, MAX_FILE).then((text) => JSON.parse(text) as unknown).catch(
    () => {},
  );
  const before = typeof known === "string" && /^[0-9a-f-]+$/.test(known) ? `${base}/${known}` : undefined;
  if (before !== undefined && (await runtime.list(`${before}/bin`)).includes("python")) {
    return `${before}/bin/python`;
  }
  const name = `${hash}-${randomHex(4)}`;
  const folder = `${base}/${name}`;
  await runtime.makeFolder(base, 0o700).catch((error) => {
    throw new PythonError(
      `${base}, where environments of Python are kept, can't be made (${messageOf(error)}): ` +
        `set OUTRIDER_STATE_DIR or XDG_CACHE_HOME to a folder that can be written${operationsHint(error)}`,
    );
  });
  try {
    await make(options, folder, wheels);
  } catch (error) {
    await runtime.remove(folder).catch(() => {});
    throw error;
  }
  await runtime.writeText(pointer, JSON.stringify(name));
  return `${folder}/bin/python`;
}

async function make(options: EnvironmentOptions, folder: string, wheels: boolean): Promise<void> {
  const { port, interpreter: { executable, version }, requirements } = options;
  const here = folderOf(requirements);
  const name = requirements.slice(here.length + 1);
  const tool = toolOf(options, (line, due) => port.note(`${name}: ${line}`, due));
  port.note(
    `Installing ${requirements} for Python ${version} (${executable}), once; its tasks wait for it`,
    true,
  );
  const from = wheels ? ["--no-index", "--find-links", `${here}/${WHEELS}`] : [];
  const python = `${folder}/bin/python`;
  const { code } = await tool(["uv", "venv", "--quiet", "--python", executable, folder], MAKE_MS);
  const install = code === 0
    ? ["uv", "pip", "install", "--python", python]
    : [...await pipOf(options, tool, folder), "install", ...PIP];
  refuse(await tool([...install, ...from, "-r", requirements], INSTALL_MS), options, NETWORK);
  port.note(`Installed ${requirements}`, true);
}

type Tool = (command: readonly string[], limitMs: number) => Promise<ToolEnd>;

/**
 * Runs programs in the folder of the requirements.
 *
 * @param tell Hears what they print, by lines. Who waits is to see now and then that it goes on: then it is due.
 */
function toolOf(
  { port, requirements }: EnvironmentOptions,
  tell: (line: string, due: boolean) => void,
): Tool {
  const env = port.environment();
  let shownAt = port.clock.monotonic();
  const hear = (line: string) => {
    if (line === "") return;
    const due = port.clock.monotonic() - shownAt >= SHOW_MS;
    if (due) shownAt = port.clock.monotonic();
    tell(line, due);
  };
  return (command, limitMs) => {
    const cutter = new LineCutter((line) => hear(line.trim()), port.clock);
    const cwd = folderOf(requirements);
    return runTool(port, { command, env, cwd, limitMs, hear: (bytes) => cutter.push(bytes) });
  };
}

/** Makes an environment by what Python has itself. @returns The pip that installs into it. */
async function pipOf(options: EnvironmentOptions, tool: Tool, folder: string): Promise<readonly string[]> {
  const { port: { runtime }, interpreter: { executable } } = options;
  const python = `${folder}/bin/python`;
  await runtime.remove(folder);
  refuse(await tool([executable, "-m", "venv", "--without-pip", folder], MAKE_MS), options, VENV);
  // The interpreter's own pip, if it can install elsewhere: one in the environment takes seconds more.
  const { stdout } = await tool([executable, "-m", "pip", "--version"], MAKE_MS);
  const [, major = 0, minor = 0] = (/^pip (\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  if (major > 22 || (major === 22 && minor >= 3)) return [executable, "-m", "pip", "--python", python];
  refuse(await tool([python, "-m", "ensurepip", "--default-pip"], MAKE_MS), options, VENV);
  return [python, "-m", "pip"];
}

const PIP = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
const VENV = "install uv, or Python's venv and pip (Debian: apt install python3-venv python3-pip)";
const NETWORK = `make the package index reachable, or put all wheels into a folder ${WHEELS} beside the file`;

function refuse(
  end: ToolEnd,
  { interpreter: { executable, version }, requirements }: EnvironmentOptions,
  advice: string,
) {
  if (end.code === 0) return;
  const said = `${end.stderr}\n${end.stdout}`.split("\n").map((line) => line.trim());
  const errors = said.filter((line) => /^(error|cause|×|╰)/i.test(line));
  const words = (errors.length > 0 ? errors : said.filter((line) => line !== "")).slice(0, 4).join("; ");
  const why = end.error?.message ?? (words || `exit code ${end.code ?? "unknown"}`);
  throw new PythonError(
    `${requirements} can't be installed for Python ${version} (${executable}): ${
      why.slice(0, 2_000)
    }; ${advice}`,
  );
}

/**
 * A requirements file and those that it includes, as paths relative to its folder.
 *
 * @throws {PythonError} If one can't be read, or lies elsewhere.
 */
export async function requirementFiles(runtime: Runtime, path: string): Promise<readonly string[]> {
  const folder = `${folderOf(path)}/`;
  const names = (await readAll(runtime, path, 0)).map((file) => {
    const whole = runtime.filePath(runtime.fileUrl(file.path));
    if (whole.startsWith(folder)) return whole.slice(folder.length);
    throw new PythonError(`${path} includes ${whole}, which is not in its folder: put it beside the file`);
  });
  return [...new Set(names)];
}

interface RequirementsFile {
  readonly path: string;
  readonly text: string;
}

/** A requirements file and those that it includes. */
async function readAll(runtime: Runtime, path: string, depth: number): Promise<readonly RequirementsFile[]> {
  let text: string;
  try {
    text = await runtime.readText(path, MAX_FILE);
  } catch (error) {
    throw new PythonError(`The requirements ${path} can't be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (depth === MAX_DEPTH) return [{ path, text }];
  const others = text.split("\n").flatMap((line) => INCLUDE.exec(line)?.[1] ?? []);
  const included = others.filter((other) => !/^[a-z]+:\/\//i.test(other)).map((other) =>
    readAll(runtime, other.startsWith("/") ? other : `${folderOf(path)}/${other}`, depth + 1)
  );
  return [{ path, text }, ...(await Promise.all(included)).flat()];
}

/** Where environments are kept: with the state of an agent, else with what this user's programs keep. */
function cacheOf(runtime: Runtime): string {
  const state = runtime.env("OUTRIDER_STATE_DIR");
  if (state) return runtime.filePath(runtime.fileUrl(`${state}/python`));
  const home = runtime.env("HOME");
  const cache = runtime.env("XDG_CACHE_HOME") || (home ? `${home}/.cache` : "");
  if (cache === "") {
    throw new PythonError(
      "There is no place to install requirements into: set HOME, XDG_CACHE_HOME or OUTRIDER_STATE_DIR",
    );
  }
  return `${cache}/outrider/python`;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
