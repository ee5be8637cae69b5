/**
 * Owns how problems of a pipeline are told: each with its place, all at once.
 * Must not know what can be wrong.
 * Invariant: a `PipelineError` has at least one problem.
 */
import { quoted } from "../base/message.ts";
import { harmlessText } from "../base/harmless.ts";

/** One thing that is wrong with a pipeline. */
export interface Problem {
  /** Where, as a path into the manifest such as `tasks.report.needs[0].task`, or the file's name; empty for the whole. */
  readonly place: string;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** Problems shown in the message of one error; `problems` always holds all of them. */
export const MAX_PROBLEMS_SHOWN = 100;

/** A pipeline that can't be run. Nothing of it has run. */
export class PipelineError extends Error {
  /** Always `PipelineError`. */
  override readonly name: string = "PipelineError";
  /** Stable, for programs. */
  readonly code: "OUTRIDER_PIPELINE" = "OUTRIDER_PIPELINE" as const;
  /** Everything that is wrong, in the order in which it was found. */
  readonly problems: readonly Problem[];

  /**
   * Tells of the problems, at most a hundred in the message.
   *
   * @param problems At least one.
   * @param options `source`: the pipeline's file or name, for the message; `cause`: the error behind it.
   */
  constructor(
    problems: readonly Problem[],
    options: { readonly source?: string; readonly cause?: unknown } = {},
  ) {
    // What a runtime says of a module that can't be loaded may come in its colours.
    const clean = problems.map(({ place, message }) => ({ place, message: harmlessText(message) }));
    super(summary(clean, options.source), "cause" in options ? { cause: options.cause } : {});
    this.problems = clean;
  }
}

function summary(problems: readonly Problem[], source: string | undefined): string {
  const subject = source === undefined ? "The pipeline" : `Pipeline ${source}`;
  if (problems.length === 1) return `${subject} has a problem: ${line(problems[0]!)}`;
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN).map((problem) => `\n  ${line(problem)}`).join("");
  const more = problems.length - MAX_PROBLEMS_SHOWN;
  return `${subject} has ${problems.length} problems:${shown}${more > 0 ? `\n  … and ${more} more` : ""}`;
}

function line({ place, message }: Problem): string {
  return place === "" ? message : `${place}: ${message}`;
}

/** The place of a key below another place: `tasks` and `a b` give `tasks["a b"]`. */
export function placeOf(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

/** A value in a message, short. */
export function show(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return "an array";
  if (value === null || typeof value !== "object") {
    return typeof value === "function" ? "a function" : String(value);
  }
  return "an object";
}
