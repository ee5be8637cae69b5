/**
 * Owns how tests start the real command line, on the runtime that runs the test.
 * Must not know what is tested.
 * Invariant: a process that it starts has ended when its promise settles, or the test holds it and ends it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Root of the checkout. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url));

/** How to start the command line. */
export interface CliOptions {
  readonly cwd?: string;
  /** Laid over the environment, in which neither CI, NO_COLOR nor FORCE_COLOR is set. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from its stdin. Default: it has none. */
  readonly stdin?: string | Uint8Array;
  /** Path that its stdout goes to. Default: it is read. */
  readonly stdout?: string;
}

/** What became of a command line. */
export interface CliResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line that is going on. */
export interface CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  /** Sends a signal. Deno's own `child.kill` sends only one, and then takes the exit code 128+n for a death by signal. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
  /** Resolves when stdout and stderr together hold the text; rejects if it ends without. */
  says(text: string): Promise<void>;
}

/** Runs `outrider` with arguments to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** Starts `outrider` with arguments. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliProcess {
  const { CI: _ci, NO_COLOR: _colour, FORCE_COLOR: _force, ...env } = process.env;
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const out = options.stdout === undefined ? "pipe" : openSync(options.stdout, "w");
  const child = spawn(process.execPath, [...before, join(ROOT, "src/cli/main.ts"), ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...env, ...options.env },
    stdio: [options.stdin === undefined ? "ignore" : "pipe", out, "pipe"],
  });
  child.stdin?.on("error", () => {}).end(options.stdin);
  if (out !== "pipe") closeSync(out);
  const text = { stdout: "", stderr: "" };
  const waiting: { readonly text: string; readonly found: () => void }[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (piece: string) => {
      text[name] += piece;
      for (const { text: wanted, found } of waiting) {
        if (text.stdout.includes(wanted) || text.stderr.includes(wanted)) found();
      }
    });
  }
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...text }));
  });
  const says = (wanted: string) =>
    new Promise<void>((found, reject) => {
      if (text.stdout.includes(wanted) || text.stderr.includes(wanted)) return found();
      waiting.push({ text: wanted, found });
      ended.then(
        ({ stdout, stderr }) => reject(new Error(`It ended without ${wanted}:\n${stdout}${stderr}`)),
        reject,
      );
    });
  return { child, ended, says, kill: (signal) => void process.kill(child.pid!, signal) };
}

/** The address that a gateway prints. */
export function urlOf(gateway: CliProcess): Promise<string> {
  return new Promise((found, reject) => {
    let text = "";
    gateway.child.stdout!.on("data", (piece: string) => {
      text += piece;
      const url = /http:\/\/\S+:\d+/.exec(text)?.[0];
      if (url !== undefined) found(url);
    });
    gateway.ended.then(({ stderr }) => reject(new Error(stderr)), reject);
  });
}

/** Calls a function with a new folder that holds the files given, and removes the folder. */
export async function withFiles<T>(
  files: Readonly<Record<string, string | object>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
