/**
 * Owns the error for an environment that can't be read, made or used: all that is wrong at once.
 * Must not know what can be wrong.
 * Invariant: it has at least one problem.
 */
import { harmlessText } from "../../base/harmless.ts";
import { MAX_PROBLEMS_SHOWN, type Problem } from "../../model/problem.ts";

/** What is wrong with an environment. Nothing was made of it. */
export class EnvironmentError extends Error {
  readonly code = "OUTRIDER_ENVIRONMENT";
  override name = "EnvironmentError";
  readonly problems: readonly Problem[];

  /** @param subject The file or thing that has the problems. @param problems One, in words, or all. */
  constructor(subject: string, problems: string | readonly Problem[], options: ErrorOptions = {}) {
    const all = typeof problems === "string" ? [{ place: "", message: problems }] : problems;
    super(harmlessText(told(subject, all)), options);
    this.problems = all;
  }
}

/** Works; what the system refuses meanwhile (no room, no right, no such file) is told in its words: no defect of ours. */
export async function refusalsTold<T>(subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
    if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) throw error;
    throw new EnvironmentError(subject, `It can't be done: ${message}`, { cause: error });
  }
}

function told(subject: string, problems: readonly Problem[]): string {
  const lines = problems.slice(0, MAX_PROBLEMS_SHOWN).map(({ place, message }) =>
    place === "" ? message : `${place}: ${message}`
  );
  if (problems.length === 1) return `${subject}: ${lines[0]}`;
  const more = problems.length - MAX_PROBLEMS_SHOWN;
  return `${subject} has ${problems.length} problems:${lines.map((line) => `\n  ${line}`).join("")}${
    more > 0 ? `\n  … and ${more} more` : ""
  }`;
}
