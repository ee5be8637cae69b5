/**
 * Owns the running of an installer on this machine, and the installer that takes away what any installer has installed.
 * Must not know what is installed, nor where an installer comes from.
 * Invariant: nothing that is secret is among its arguments; it is over when the promise settles.
 */
import { messageOf } from "../../base/message.ts";
import { systemClock } from "../../base/clock.ts";
import type { Runtime } from "../../runtime/port.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import { installerText } from "./script.ts";

/** A download of a program over a slow line takes its time, milliseconds. */
const LIMIT_MS = 6 * 60 * 60_000;

/** What an installer is run with. */
export interface InstallerRun {
  readonly runtime: Pick<Runtime, "startGroup" | "envNames" | "env" | "cwd" | "onSignal">;
  readonly args: readonly string[];
  /** Laid over the environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
}

/** An installer that has nothing to install: it removes what any other has installed. */
export function removerText(): string {
  return installerText({
    name: "outrider",
    version: VERSION,
    targets: [],
    carried: "",
    inside: false,
    files: [],
    secrets: [],
    requires: {},
  });
}

/** Runs it to its end. @returns Its exit code. @throws {EnvironmentError} If it can't be run. */
export async function runInstaller(
  path: string,
  { runtime, args, variables, onOutput }: InstallerRun,
): Promise<number> {
  const env: Record<string, string> = {};
  for (const name of [...runtime.envNames(), "OUTRIDER_TOKEN"]) {
    const value = runtime.env(name);
    if (value !== undefined) env[name] = value;
  }
  const group = runtime.startGroup({
    command: ["sh", path, ...args],
    cwd: runtime.cwd(),
    env: { ...env, ...variables },
    stdin: "",
    onOutput,
  });
  const cancel = systemClock.after(LIMIT_MS, () => group.signal("SIGTERM"));
  // It is in a group of its own, which no terminal reaches. What it needs stays until it has ended.
  const unlisten = runtime.onSignal(() => group.signal("SIGTERM"));
  try {
    const { code, signal, error } = await group.ended;
    if (error !== undefined) {
      throw new EnvironmentError(path, `The installer can't be run by sh: ${messageOf(error)}`, {
        cause: error,
      });
    }
    await group.drained;
    if (code !== undefined) return code;
    throw new EnvironmentError(path, `The installer was ended by ${signal}: run it again, it goes on`);
  } finally {
    cancel();
    unlisten();
    group.release();
  }
}
