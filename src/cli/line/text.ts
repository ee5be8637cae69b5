/**
 * Owns the words for mistakes on the command line: what was received, the nearest right one, and where help is.
 * Must not know any command.
 */
import { ArgumentScannerError, formatMessageForArgumentScannerError, text_en } from "@stricli/core";
import type { ApplicationText } from "@stricli/core";
import { concealedAddress } from "../../base/concealed.ts";

/**
 * The texts of the argument parser, in our grammar.
 *
 * @param command The command asked for, for the pointer to its help.
 * @param instead What to do with an argument that the command takes none of, in its own words.
 * @param args All that was given: with a command of commands, the next one is the one that parses.
 * @param told The words for an error that a command threw.
 */
export function text(
  { command, instead, holdsCommands, args }: {
    readonly command: string | undefined;
    readonly instead: string | undefined;
    readonly holdsCommands: boolean;
    readonly args: readonly string[];
  },
  told: (error: unknown) => string,
): ApplicationText {
  const helpOf = (words: readonly string[]) => `Try: ${["outrider", ...words, "--help"].join(" ")}`;
  const words = command === undefined ? [] : [command];
  const help = helpOf(words);
  return {
    ...text_en,
    headers: { ...text_en.headers, flags: "OPTIONS" },
    briefs: {
      ...text_en.briefs,
      help: "Print this help",
      version: "Print the version",
      argumentEscapeSequence: "Everything after it is an argument, not an option",
    },
    noCommandRegisteredForInput: ({ input, corrections }) =>
      (input.startsWith("-")
        ? `There is no option ${JSON.stringify(input)} here: before a command go --help and --version`
        : `There is no command ${JSON.stringify(input)}${meant(corrections)}`) + `\n${help}`,
    exceptionWhileParsingArguments: (error) =>
      `${parsingProblem(error, { last: args.at(-1) ?? "", instead })}\n${
        helpOf(holdsCommands ? args.slice(0, 2) : words)
      }`,
    exceptionWhileLoadingCommandFunction: told,
    exceptionWhileLoadingCommandContext: told,
    exceptionWhileRunningCommand: told,
    commandErrorResult: told,
  };
}

function parsingProblem(
  error: unknown,
  { last, instead }: { readonly last: string; readonly instead: string | undefined },
): string {
  if (!(error instanceof ArgumentScannerError)) return String(error);
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: ({ input, corrections }) =>
      `There is no option "--${input}"${meant(dashed(corrections))}`,
    AliasNotFoundError: ({ input }) => `There is no option "-${input}"`,
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, exception }) =>
      `${/^[A-Z]+$/.test(name) ? name : `--${name}`}: ${
        exception instanceof Error ? exception.message : String(exception)
      }`,
    EnumValidationError: ({ externalFlagName, input, values }) =>
      `--${externalFlagName}: ${JSON.stringify(input)} is none of ${values.join(", ")}`,
    UnsatisfiedFlagError: ({ externalFlagName, nextFlagName }) =>
      nextFlagName !== undefined || last.startsWith("-")
        ? `--${externalFlagName}: A value is missing after it`
        : `--${externalFlagName} is missing, with its value`,
    UnexpectedPositionalError: ({ expectedCount, input }) =>
      `There is an argument too many: ${shown(input)}, ${
        expectedCount === 0
          ? "where none is"
          : expectedCount === 1
          ? "after the one"
          : `after the ${expectedCount}`
      } expected${instead === undefined ? "" : `: ${instead}`}`,
    UnsatisfiedPositionalError: ({ placeholder }) => `${placeholder} is missing`,
    UnexpectedFlagError: ({ externalFlagName, previousInput, input }) =>
      `--${externalFlagName} is given twice${
        // A value that is a secret is not shown, nor which it is.
        externalFlagName === "token" ? "" : `: ${shown(previousInput)} and ${shown(input)}`}`,
  });
}

/** What was received; an address without what is secret in it. */
function shown(input: string): string {
  return JSON.stringify(concealedAddress(input));
}

function dashed(names: readonly string[]): readonly string[] {
  return names.map((name) => name.startsWith("-") ? name : `--${name}`);
}

/** The parser gives the names of commands in backticks. */
function meant(corrections: readonly string[]): string {
  const nearest = corrections[0]?.replaceAll("`", "");
  return nearest === undefined ? "" : `: did you mean ${JSON.stringify(nearest)}?`;
}
