/**
 * Owns which Python runs tasks: the one that OUTRIDER_PYTHON names, else python3, found once for each name.
 * Must not know what it runs.
 * Invariant: what it gives is an interpreter itself and no shim before it, of a version that the runner takes. A program of a
 * run that is over is killed, and nobody who wants the same fails by that.
 */
import type { Clock } from "../../base/clock.ts";
import { within } from "../../base/wait.ts";
import type { ChildEnd, Runtime } from "../../runtime/port.ts";

/** The variable that names the interpreter. */
export const PYTHON_VARIABLE = "OUTRIDER_PYTHON";
/** The least version that the runner takes. */
const LEAST: readonly [number, number] = [3, 8];
/** How long an interpreter may take to say what it is, milliseconds. */
const ASK_MS = 30_000;
/** How long the rest of what a program has printed is waited for, milliseconds. */
const DRAIN_MS = 1_000;
/** Most that is kept of what a program prints, bytes. */
const MAX_OUTPUT: number = 64 * 1024 ** 2;

/** An interpreter. */
export interface Interpreter {
  /** Path of it. */
  readonly executable: string;
  /** Such as `3.11.7`. */
  readonly version: string;
}

/** What running a program needs of the outside. */
export interface ToolPort {
  readonly runtime: Pick<Runtime, "startGroup" | "cwd" | "env">;
  readonly clock: Clock;
  /** Aborted when nobody wants what is run any more. */
  readonly over?: AbortSignal;
}

/** What a program has come to. */
export interface ToolEnd extends ChildEnd {
  readonly stdout: string;
  readonly stderr: string;
}

/** No interpreter, or one that will not do. */
export class PythonError extends Error {
  override name = "PythonError";
  readonly code = "OUTRIDER_PYTHON";
}

/** Nobody wants it any more. */
function runIsOver(): DOMException {
  return new DOMException("The run is over", "AbortError");
}

/** Does once what all want who name the same, each as long as its run goes on; what failed is done anew for the next. */
export async function once<T>(
  known: Map<string, Promise<T>>,
  { name, over }: { readonly name: string; readonly over: AbortSignal | undefined },
  act: () => Promise<T>,
): Promise<T> {
  for (;;) {
    let doing = known.get(name);
    const own = doing === undefined;
    if (doing === undefined) {
      known.set(name, doing = act());
      doing.catch(() => known.delete(name));
    }
    try {
      return await (own ? doing : unlessOver(doing, over));
    } catch (error) {
      // Who did it for all was over: whoever goes on does it.
      if (own || over?.aborted || (error as Error).name !== "AbortError") throw error;
    }
  }
}

/** Waits for what another does, but no longer than it is wanted. */
async function unlessOver<T>(doing: Promise<T>, over: AbortSignal | undefined): Promise<T> {
  if (over === undefined) return await doing;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(runIsOver());
  if (over.aborted) stop();
  over.addEventListener("abort", stop);
  try {
    return await Promise.race([doing, promise]);
  } finally {
    over.removeEventListener("abort", stop);
  }
}

const found: Map<string, Promise<Interpreter>> = new Map();

/** The interpreter for tasks. @param program Another than the usual one. @throws {PythonError} With what to install. */
export async function interpreterOf(
  port: ToolPort,
  env: Readonly<Record<string, string>>,
  program: string = port.runtime.env(PYTHON_VARIABLE) || "python3",
): Promise<Interpreter> {
  // One that is not there may be installed meanwhile.
  return await once(found, { name: program, over: port.over }, () => ask(port, program, env));
}

async function ask(
  port: ToolPort,
  program: string,
  env: Readonly<Record<string, string>>,
): Promise<Interpreter> {
  const code = "import sys; print(sys.executable); print('.'.join(map(str, sys.version_info[:3])))";
  const end = await runTool(port, { command: [program, "-c", code], env, limitMs: ASK_MS });
  const named = port.runtime.env(PYTHON_VARIABLE) ? `${PYTHON_VARIABLE} names` : "PATH has";
  const advice = `install Python ${LEAST.join(".")} or newer, or name one by ${PYTHON_VARIABLE}`;
  if (end.error !== undefined) {
    throw new PythonError(`There is no Python for the tasks: ${end.error.message}; ${advice}`);
  }
  const [executable = "", version = ""] = end.stdout.split("\n").map((line) => line.trim());
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (end.code !== 0 || executable === "" || !(major >= 2)) {
    const why = end.stderr.trim().split("\n").at(-1) || `it ended with exit code ${end.code ?? "unknown"}`;
    throw new PythonError(`${JSON.stringify(program)}, which ${named}, is no Python: ${why}; ${advice}`);
  }
  if (major !== LEAST[0] || minor < LEAST[1]) {
    throw new PythonError(`${executable} is Python ${version}: ${advice}`);
  }
  return { executable, version };
}

/** Runs a program to its end. One that takes longer than `limitMs` is killed. It rejects only when nobody wants it any more. */
export async function runTool(
  { runtime, clock, over }: ToolPort,
  { command, env, cwd = runtime.cwd(), stdin = "", limitMs, hear }: {
    readonly command: readonly string[];
    readonly cwd?: string;
    readonly env: Readonly<Record<string, string>>;
    readonly stdin?: string;
    readonly limitMs: number;
    /** Hears what it prints. */
    readonly hear?: (bytes: Uint8Array) => void;
  },
): Promise<ToolEnd> {
  if (over?.aborted) throw runIsOver();
  const texts = { stdout: "", stderr: "" };
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const group = runtime.startGroup({
    command,
    cwd,
    env,
    stdin,
    onOutput: (stream, bytes) => {
      hear?.(bytes);
      if (texts[stream].length < MAX_OUTPUT) {
        texts[stream] += decoders[stream].decode(bytes, { stream: true });
      }
    },
  });
  const kill = () => group.signal("SIGKILL");
  const cancel = clock.after(limitMs, kill);
  over?.addEventListener("abort", kill);
  const end = await group.ended;
  over?.removeEventListener("abort", kill);
  cancel();
  if (group.alive) group.signal("SIGKILL");
  await within(clock, DRAIN_MS, group.drained);
  group.release();
  if (over?.aborted) throw runIsOver();
  return { ...end, ...texts };
}
