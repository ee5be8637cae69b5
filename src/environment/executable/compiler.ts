/**
 * Owns what one way of making executables is. Types only.
 * Must not know any of them.
 */
import type { Target } from "../document/schema.ts";

/** What an executable is made of. */
export interface Compilation {
  /** The text of the program. */
  readonly program: string;
  /** The text of an environment that is to be inside. */
  readonly environment: string | undefined;
  readonly target: Target;
  /** Path of the base of this machine, which does the work. */
  readonly host: string;
  /** Path of the base of the target, which is what the executable consists of. */
  readonly base: string;
  /** An empty folder, which is this compilation's alone. */
  readonly folder: string;
}

/** Makes an executable in the folder, and returns its path. The same is given the same bytes, whichever folder it is. */
export type Compiler = (compilation: Compilation) => Promise<string>;

/** The name of every executable while it is made: it stands in the bytes of some. */
export function executableName(target: Target): string {
  return target.startsWith("windows-") ? "outrider.exe" : "outrider";
}
