/**
 * Owns what a program is given and gives in files: inputs, parameters, its value.
 * Must not know how the program runs.
 * Invariant: the folder is for this user alone, and gone when the attempt is over.
 */
import { readJson, unmarked } from "../../model/json_text.ts";
import { MAX_VALUE_BYTES } from "../../base/limits.ts";
import { decode, encode, jsonOf } from "../../model/value.ts";
import { operationsHint } from "../../base/operations.ts";
import type { Runtime, TempFiles } from "../../runtime/port.ts";

/** The part of the runtime that programs need. */
export type ProgramRuntime = Pick<
  Runtime,
  | "startGroup"
  | "newMark"
  | "stopMarked"
  | "makeTempFiles"
  | "readText"
  | "filePath"
  | "cwd"
>;

/** Where a program's files are. */
export interface ProgramFiles {
  /** The variables that name them. */
  readonly environment: Readonly<Record<string, string>>;
  readonly output: string;
  /** Whether the program has written its value. */
  hasOutput(): boolean;
  remove(): Promise<void>;
}

const [INPUTS, PARAMS, OUTPUT] = ["inputs.json", "params.json", "output.json"] as const;

/** Writes the files of an attempt. @param what `i`: inputs, `p`: parameters, as JSON values. */
export function makeFiles(
  runtime: ProgramRuntime,
  { i = {}, p = {} }: { readonly i?: unknown; readonly p?: unknown },
): ProgramFiles {
  let files: TempFiles;
  try {
    files = runtime.makeTempFiles({
      [INPUTS]: `${jsonOf(i)}\n`,
      [PARAMS]: `${jsonOf(p)}\n`,
    });
  } catch (error) {
    throw new Error(
      `Could not write the task's inputs: ${(error as Error).message}${operationsHint(error)}`,
      { cause: error },
    );
  }
  const output = files.path(OUTPUT);
  return {
    environment: {
      OUTRIDER_INPUTS: files.path(INPUTS),
      OUTRIDER_PARAMS: files.path(PARAMS),
      OUTRIDER_OUTPUT: output,
    },
    output,
    hasOutput: () => files.has(OUTPUT),
    remove: () => files.remove().catch(() => {}),
  };
}

/** The value that a program has written, as JSON text; none if it wrote no file or an empty one. */
export async function readOutput(
  runtime: ProgramRuntime,
  { output, hasOutput }: ProgramFiles,
  task: string,
): Promise<{ readonly value?: string } | { readonly problem: string }> {
  if (!hasOutput()) return {};
  let text: string;
  try {
    text = unmarked(await runtime.readText(output, MAX_VALUE_BYTES));
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT") return {};
    // No room now; whoever asks may ask again.
    if (code === "EMFILE" || code === "ENFILE") throw error;
    return { problem: `The value in OUTRIDER_OUTPUT can't be read: ${(error as Error).message}` };
  }
  if (text.trim() === "") return {};
  const { problems } = readJson(text, "");
  const [problem] = problems;
  if (problem !== undefined) {
    const place = problem.place === "" ? "" : `${problem.place}: `;
    return { problem: `The value in OUTRIDER_OUTPUT can't be used, ${place}${problem.message}` };
  }
  try {
    const value = encode(decode(text), task);
    return value === undefined ? {} : { value };
  } catch (error) {
    return { problem: `The value in OUTRIDER_OUTPUT can't be used: ${(error as Error).message}` };
  }
}
