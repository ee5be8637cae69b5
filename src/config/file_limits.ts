/**
 * Owns how much a run of the command line may keep of files, by the variables that an agent reads too.
 * Must not know who keeps files.
 * Invariant: one that is no size is told, and counts for nothing; where none is set, nothing is loaded to read it.
 */
import * as v from "valibot";
import type { ReadVariable } from "./serving.ts";

/** How much may be kept, as far as the environment says so, and what is wrong with what it says. */
export interface FileLimits {
  readonly maxFileBytes?: number;
  readonly maxBytes?: number;
  readonly problems: readonly string[];
}

/** What the environment says. */
export async function fileLimits(env: ReadVariable): Promise<FileLimits> {
  const problems: string[] = [];
  const maxFileBytes = await sizeIn(env, "OUTRIDER_FILE_SIZE", problems);
  const maxBytes = await sizeIn(env, "OUTRIDER_FILES_SIZE", problems);
  return {
    ...(maxFileBytes !== undefined && { maxFileBytes }),
    ...(maxBytes !== undefined && { maxBytes }),
    problems,
  };
}

async function sizeIn(env: ReadVariable, name: string, problems: string[]): Promise<number | undefined> {
  const text = env(name)?.trim();
  if (text === undefined || text === "") return undefined;
  const { bytesForm } = await import("./forms.ts");
  const { success, output, issues } = v.safeParse(bytesForm, text);
  if (success) return output;
  problems.push(`${name}: ${issues[0].message}; received ${JSON.stringify(text.slice(0, 100))}`);
  return undefined;
}
