/**
 * Owns the running of programs by the tools: each in a process group of its own, so that nothing of it is left when it has
 * to be killed, with a limit, and with what it prints kept.
 * Must not know what the programs do.
 * Invariant: none of them outlives us when we are told to end, and none its limit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** How a program ended. */
export interface Ended {
  /** 1 if it could not be started, or was killed. */
  readonly code: number;
  /** What it printed, stdout and stderr. */
  readonly output: string;
}

const running: Set<ChildProcess> = new Set();

function kill({ pid }: ChildProcess): void {
  try {
    // Without a number it was never started.
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Its group has just gone.
  }
}

let heeding = false;

/** From the first program on, who tells us to end ends them too. */
function heedSignals(): void {
  if (heeding) return;
  heeding = true;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      for (const child of running) kill(child);
      process.exit(130);
    });
  }
}

/** Runs a program in the repository's folder. @param env Laid over the environment. */
export function runProgram(
  [program, ...args]: readonly string[],
  { limitMs, env = {} }: { readonly limitMs: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  heedSignals();
  const child = spawn(program!, args, {
    cwd: root,
    detached: true,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const chunks: Uint8Array[] = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  const limit = setTimeout(() => {
    chunks.push(new TextEncoder().encode(`\nNot over after ${limitMs / 60_000} minutes: killed\n`));
    kill(child);
  }, limitMs);
  return new Promise((resolve) => {
    const end = (code: number | null, words = "") => {
      clearTimeout(limit);
      running.delete(child);
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() + words });
    };
    child.on("error", ({ message }) => end(1, `${program} can't be started: ${message}\n`));
    child.on("close", (code) => end(code));
  });
}
