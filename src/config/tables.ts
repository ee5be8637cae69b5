/**
 * Owns the tables of variables in docs/configuration.md, as Markdown with its columns aligned, and how a table is.
 * Must not know what any of them is used for.
 */
import { DIALECTS } from "../uplink/dialects/list.ts";
import { VARIABLES } from "./variables.ts";

/** The table of the agent's variables. */
export function configTable(): string {
  const rows = Object.values(VARIABLES).map(({ name, about, form, fallback, fallbackWords }) => [
    `\`${name}\``,
    about,
    form,
    fallbackWords ?? (fallback || "none"),
  ]);
  return markdownTable([["variable", "what it says", "form", "default"], ...rows]);
}

/** The table of the variables that dialects of gateways have of their own. */
export function dialectTable(): string {
  const rows = DIALECTS.flatMap(({ name, variables }) =>
    variables.map((own) => [
      `\`${own.name}\``,
      name,
      own.about,
      own.form,
      own.standsFor === undefined ? "nothing of ours" : `\`${own.standsFor}\``,
    ])
  );
  return markdownTable([["variable", "dialect", "what it says", "form", "stands for"], ...rows]);
}

/** A table of rows, the first of which is its head. */
export function markdownTable([head, ...rows]: readonly (readonly string[])[]): string {
  const widths = head!.map((_, at) => Math.max(...[head!, ...rows].map((row) => row[at]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
