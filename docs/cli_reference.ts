/**
 * Owns the part of docs/cli.md that says what each command and option is, as the commands say it of themselves.
 * Must not know what any of them does, nor be imported by the product.
 * Invariant: every command and every option that `--help` shows is there, in the words of `--help`.
 */
import type { Command, RouteMap } from "@stricli/core";
import { commands } from "../src/cli/commands/list.ts";
import type { CliContext } from "../src/cli/line/context.ts";
import { type Argument, optionsOf, takenBy } from "../src/cli/line/option_form.ts";
import { markdownTable } from "../src/config/tables.ts";

type Target = Command<CliContext> | RouteMap<CliContext>;

/** The heading under which docs/cli.md has what is made here, up to its end. */
const HEADING = "## Every command and option\n";

/** The text of docs/cli.md with all commands as they describe themselves. */
export async function withCommands(text: string): Promise<string> {
  const at = text.indexOf(`\n${HEADING}`);
  if (at < 0) throw new Error(`docs/cli.md has no heading "${HEADING.trim()}": give it one, as its last`);
  return `${text.slice(0, at)}\n${HEADING}\n${(await reference()).join("\n\n")}\n`;
}

/** One part for each command, in the order of `outrider --help`. */
async function reference(): Promise<readonly string[]> {
  const parts: string[] = [];
  for (const [name, { load }] of Object.entries(commands)) {
    parts.push(...described(["outrider", name], (await load()).command));
  }
  return parts;
}

function described(path: readonly string[], target: Target): readonly string[] {
  if ("parameters" in target) return [ofCommand(path, target)];
  const routes = target.getAllEntries().filter(({ hidden }) => !hidden);
  return [
    [`### ${path.join(" ")}`, ...paragraphs(target)].join("\n\n"),
    ...routes.flatMap(({ name, target }) =>
      described([...path, name["convert-camel-to-kebab"]], target as Target)
    ),
  ];
}

function ofCommand(path: readonly string[], command: Command<CliContext>): string {
  const taken = takenBy(command);
  const { positional } = taken;
  const given = positional === undefined
    ? []
    : positional.kind === "tuple"
    ? positional.parameters.map((argument) => ({ argument, form: formOf(argument) }))
    : [{ argument: positional.parameter, form: `${formOf({ ...positional.parameter, optional: true })}...` }];
  const options = optionsOf(taken).map(({ shorts, long, meaning }) => [
    code([...shorts, long].join(", ")),
    escaped(meaning),
  ]);
  const rows = [...given.map(({ argument, form }) => [code(form), escaped(argument.brief)]), ...options];
  const usage = [...path, ...given.map(({ form }) => form), ...(options.length === 0 ? [] : ["[OPTIONS]"])];
  return [
    `### ${path.join(" ")}`,
    ...paragraphs(command),
    `\`\`\`\n${usage.join(" ")}\n\`\`\``,
    ...(rows.length === 0 ? [] : [markdownTable([["given", "what it is"], ...rows])]),
  ].join("\n\n");
}

function formOf({ placeholder = "VALUE", optional }: Argument): string {
  return optional ? `[${placeholder}]` : placeholder;
}

/** What is said of it at length, else its one line. What stands indented there is shown as it is. */
function paragraphs({ brief, fullDescription = brief }: Target): readonly string[] {
  return fullDescription.trim().split(/\n\s*\n/).map((paragraph) =>
    /^ {2}/.test(paragraph)
      ? `\`\`\`\n${paragraph.replaceAll(/^ {2}/gm, "")}\n\`\`\``
      : filled(escaped(paragraph).split(/\s+/))
  );
}

/** Words in lines as `deno fmt` fills them. */
function filled(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

const WIDTH = 110;

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** What would be more than text in Markdown. */
function escaped(text: string): string {
  return text.replaceAll(
    /[|*<_`[\]]/g,
    (sign, at: number, all: string) =>
      sign === "_" && /\w/.test(all[at - 1] ?? "") && /\w/.test(all[at + 1] ?? "") ? sign : `\\${sign}`,
  );
}
