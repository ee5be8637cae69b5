/**
 * Owns how an error that reaches the end of the command line is told, and the exit code it gives.
 * Must not know which command was running.
 * Invariant: never a bare stack trace; a defect says what, where and what to do.
 */
import { concealedArguments } from "../../base/concealed.ts";
import { indented } from "../../base/harmless.ts";
import type { Problem } from "../../model/problem.ts";
import { EXIT } from "./context.ts";
import type { CliRuntime } from "./context.ts";
import { refusalText } from "./refusals.ts";
import { VERSION } from "../../version.ts";

/** Bad usage or configuration that the person can put right; the message says how. */
export class UsageError extends Error {
  readonly code = "OUTRIDER_USAGE";
  override name = "UsageError";
}

/** What to print, and the exit code. */
export interface Told {
  readonly text: string;
  readonly code: number;
}

/** Tells an error. Errors with a `code` that starts with `OUTRIDER_` are known; any other is a defect of ours. */
export function tell(
  error: unknown,
  where: { readonly args: readonly string[]; readonly runtime: Pick<CliRuntime, "name" | "version"> },
): Told {
  const problems = problemsOf(error);
  if (problems !== undefined) {
    const [, first = "-"] = where.args;
    // What else is first is an option, which may hold a value.
    return { text: problemsText(problems, first.startsWith("-") ? undefined : first), code: EXIT.usage };
  }
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (error instanceof Error && typeof code === "string" && code.startsWith("OUTRIDER_")) {
    return { text: `${indented(gatewayRefusal(error) ?? error.message)}\n`, code: EXIT.usage };
  }
  return { text: defectText(error, where), code: EXIT.defect };
}

/** The problems of a `PipelineError`; known by its code, so that its file need not be loaded to ask. */
export function problemsOf(error: unknown): readonly Problem[] | undefined {
  const { code, problems } = (error ?? {}) as { code?: unknown; problems?: unknown };
  return code === "OUTRIDER_PIPELINE" && Array.isArray(problems) ? problems as Problem[] : undefined;
}

/** What a gateway itself has refused, in the words of the command line; known by its code, as above. */
function gatewayRefusal(error: Error): string | undefined {
  const { code, word, reason } = error as { code?: unknown; word?: unknown; reason?: unknown };
  return code === "OUTRIDER_GATEWAY_REFUSED" && typeof word === "string" && typeof reason === "string"
    ? refusalText("gateway", { code: word, message: reason })
    : undefined;
}

/** Most problems that a person is shown. */
const MAX_PROBLEMS = 100;

/** Problems for a person, each with its place. */
export function problemsText(problems: readonly Problem[], source: string | undefined): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = problems.slice(0, MAX_PROBLEMS).map(({ place, message }) =>
    `  ${place === "" ? "" : `${place}: `}${message.replaceAll("\n", "\n    ")}`
  );
  if (problems.length > MAX_PROBLEMS) lines.push(`  … and ${problems.length - MAX_PROBLEMS} more`);
  return `${source ?? "The pipeline"}: ${count}, nothing has run\n${lines.join("\n")}\n`;
}

function defectText(
  error: unknown,
  { args, runtime }: {
    readonly args: readonly string[];
    readonly runtime: Pick<CliRuntime, "name" | "version">;
  },
): string {
  const { text, conceal } = concealedArguments(args);
  const what = conceal(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return [
    `Outrider met an error that it should have handled: ${indented(what)}`,
    `  command: outrider ${text}`,
    `  version: ${VERSION} on ${runtime.name} ${runtime.version}`,
    ...stackOf(error).map((line) => `  ${conceal(line)}`),
    "This is a defect of Outrider, not of your pipeline. Please report it together with these lines.",
    "",
  ].join("\n");
}

function stackOf(error: unknown): readonly string[] {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  return stack.split("\n").map((line) => line.trim()).filter((line) => /^at |@/.test(line)).slice(0, 20);
}
