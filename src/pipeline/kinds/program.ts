/**
 * Owns tasks that are programs of the device, as a pipeline has them.
 * Must not know how a program is run (pool/kinds/program.ts).
 * Invariant: the folder in a plan is a `file:` URL.
 */
import * as v from "valibot";
import { type Problem, show } from "../../model/problem.ts";
import { isRecord, LIMITS, type ManifestCommandRun } from "../document/manifest.ts";
import { about, closed, maybe, record, type Schema } from "../document/shapes.ts";
import { itemProblems } from "./item_arguments.ts";
import type { OwnKind, Whereabouts } from "./kind.ts";

/** A program as it stands in a plan. */
export interface ProgramRun {
  /** The program and its arguments; at least the program. A program with a slash is relative to `cwd`. */
  readonly command: readonly string[];
  /** `file:` URL of the folder that it runs in; absent: the executor's working directory. */
  readonly cwd?: string;
  /** Laid over the executor's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input, which is then closed. */
  readonly stdin?: string;
}

/** What a system takes as an argument or a variable: anything but a NUL. */
const argument = v.pipe(
  v.string(),
  v.maxLength(LIMITS.argument),
  v.regex(/^[^\0]*$/, "Can't hold a NUL character"),
) as Schema<string>;

const schema = closed({
  command: about(
    v.pipe(v.array(argument), v.minLength(1), v.maxLength(LIMITS.arguments)) as Schema<string[]>,
    "A program of the device and its arguments; no shell is involved. A program with a slash is relative to cwd. Of a mapped task, {item} and {index} in an argument are its item and which one it is.",
  ),
  cwd: maybe(
    v.pipe(argument, v.minLength(1)) as Schema<string>,
    "The folder it runs in, relative to this file. Default: this file's folder.",
  ),
  env: maybe(record(argument), "Variables laid over the executor's environment."),
  stdin: maybe(
    v.pipe(v.string(), v.maxLength(LIMITS.stdin)) as Schema<string>,
    "Text written to its standard input, which is then closed.",
  ),
});

/** Programs. */
export const programKind: OwnKind<ManifestCommandRun, ProgramRun> = {
  key: "command",
  name: "command",
  schema,
  isPlain(run) {
    const { command } = run;
    if (!Array.isArray(command) || command.length === 0 || command.length > LIMITS.arguments) return false;
    for (const key in run) if (key !== "command") return false;
    return command.every((each) =>
      typeof each === "string" && each.length <= LIMITS.argument && !each.includes("\0")
    );
  },
  place: "own",
  problems(run, around) {
    const problem = problemOf(run, around);
    return problem === undefined ? [] : [problem];
  },
  itemProblems: ({ command }) => itemProblems(command),
  resolve({ command, cwd, env, stdin }, around) {
    const folder = folderOf(cwd, around);
    return {
      command,
      ...(typeof folder === "string" && { cwd: folder }),
      ...(env !== undefined && { env }),
      ...(stdin !== undefined && { stdin }),
    };
  },
  bundle(run) {
    if (run.cwd === undefined || !/(?:^|\/)\.$/.test(run.cwd)) return run;
    // That of a file (see paths.ts). In a bundle there are no others: it runs where the bundle lies.
    const { cwd: _, ...others } = run;
    return others;
  },
  shown: ({ command }) => ({ command }),
};

function problemOf(run: Readonly<Record<string, unknown>>, around: Whereabouts): Problem | undefined {
  const { command, cwd, env } = run;
  if (Array.isArray(command) && command[0] === "") {
    return { place: "command[0]", message: "Can't be empty: name the program" };
  }
  const bad = isRecord(env) ? Object.keys(env).find((name) => !/^[^=\0]+$/.test(name)) : undefined;
  if (bad !== undefined) {
    return {
      place: "env",
      message: `${show(bad)} can't be the name of a variable: it is empty, or has "=" or NUL`,
    };
  }
  const folder = typeof cwd === "string" && cwd !== "" ? folderOf(cwd, around) : undefined;
  return folder instanceof Error ? { place: "cwd", message: folder.message } : undefined;
}

/**
 * The `file:` URL of the folder that a program runs in; `undefined` where the manifest lies in no folder and none is named.
 *
 * @returns The URL, or an error to be told.
 */
function folderOf(cwd: string | undefined, { base, resolve }: Whereabouts): string | undefined | Error {
  if (cwd === undefined) return base.startsWith("file:") ? new URL(".", base).href : undefined;
  const url = resolve(cwd.endsWith("/") ? cwd : `${cwd}/`);
  if (url instanceof Error || url.startsWith("file:")) return url;
  return new Error(`Can't run in ${show(cwd)}: a folder is a path or a file: URL`);
}
