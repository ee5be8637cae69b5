/**
 * Owns what can be typed next, for the scripts of shells (shells.ts).
 * Must not know any command.
 * Invariant: whatever has been typed, it answers, with nothing where it does not know.
 */
import { type Application, proposeCompletions } from "@stricli/core";
import { harmless } from "../../base/harmless.ts";
import type { CliContext } from "./context.ts";

/** The argument by which a script asks; what comes after it has been typed behind `outrider`. */
export const PROPOSE = "--propose";

/** What can stand in the place of the last of the words, a line for each. */
export async function proposals(
  app: Application<CliContext>,
  words: readonly string[],
  context: CliContext,
): Promise<string> {
  const asked = words[0] === "help" && words.length > 1 ? words.slice(1) : words;
  const last = asked.at(-1) ?? "";
  const found = await proposeCompletions(app, asked.length === 0 ? [""] : asked, context);
  return found
    // Options are many: they come once a dash has been typed.
    .filter(({ kind, completion }) => kind !== "argument:flag" || last.startsWith("-") && completion !== "--")
    .map(({ completion, brief }) => `${harmless(completion)}\t${harmless(brief)}\n`)
    .join("");
}
