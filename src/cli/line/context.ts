/**
 * Owns what every command gets: the runtime, and a place for its exit code.
 * Must not know any command.
 */
import type { CommandContext } from "@stricli/core";
import type { Runtime } from "../../runtime/port.ts";

/** The part of the runtime that the command line needs. */
export type CliRuntime = Pick<
  Runtime,
  | "name"
  | "version"
  | "pid"
  | "shieldStdout"
  | "stdout"
  | "stderr"
  | "env"
  | "envNames"
  | "setEnv"
  | "cwd"
  | "readText"
  | "readStream"
  | "passingModule"
  | "about"
  | "askSocket"
  | "writeText"
  | "appendTo"
  | "remove"
  | "onSignal"
  | "onUncaught"
  | "exit"
>;

/** The `this` of a command's function. */
export interface CliContext extends CommandContext {
  readonly runtime: CliRuntime;
  /** The exit code; a command that ends well leaves it alone. */
  exitCode: number;
}

/** Exit codes other than that of a run. */
export const EXIT = { ok: 0, failed: 1, usage: 2, defect: 70 } as const;

/** Exit code of a process that a signal ended. */
export function signalExitCode(signal: "SIGINT" | "SIGTERM"): number {
  return 128 + (signal === "SIGINT" ? 2 : 15);
}
