/**
 * Owns how help is laid out: options with what they take, and every line within the terminal.
 * Must not know any command.
 * Invariant: no line is wider than what there is, but for a single word that is.
 */
import type { Command, RouteMap } from "@stricli/core";
import type { Output } from "../../runtime/port.ts";
import { fold, tabled } from "../view/fold.ts";
import type { CliContext } from "./context.ts";
import { optionsOf, takenBy } from "./option_form.ts";

/** A command, or a command of commands. */
export type CommandRoute = Command<CliContext> | RouteMap<CliContext>;

/** Widest line of a help, however wide the terminal is; also where there is no terminal. */
const MAX_COLUMNS = 120;

/** The width that help has on an output. */
export function helpColumns({ isTTY, columns }: Pick<Output, "isTTY" | "columns">): number {
  return isTTY ? Math.min(columns, MAX_COLUMNS) : MAX_COLUMNS;
}

/** The same command with help that is laid out so, and the commands below it too. */
export function withHelp<R extends CommandRoute>(route: R, columns: number): R {
  const formatHelp: CommandRoute["formatHelp"] = (args) => laidOut(route, args, columns);
  if ("parameters" in route) return { ...route, formatHelp };
  const getRoutingTargetForInput: RouteMap<CliContext>["getRoutingTargetForInput"] = (input) => {
    const target = route.getRoutingTargetForInput(input);
    return target && withHelp(target, columns);
  };
  return { ...route, formatHelp, getRoutingTargetForInput };
}

type HelpArguments = Parameters<CommandRoute["formatHelp"]>[0];

/** The library's help, but for the options. Its parts have an empty line between them. */
function laidOut(route: CommandRoute, args: HelpArguments, columns: number): string {
  const head = args.text.headers.flags;
  const [before = "", after = ""] = route.formatHelp(args).split(`\n${head}\n`);
  const [, rest = ""] = /\n\n([^]*)$/.exec(after) ?? [];
  const parts = [fold(before.trimEnd(), columns), `${head}\n${options(route, args, columns)}`];
  if (rest !== "") parts.push(fold(rest.trimEnd(), columns));
  return `${parts.join("\n\n")}\n`;
}

function options(
  route: CommandRoute,
  { additionalFlags, text, ...args }: HelpArguments,
  columns: number,
): string {
  const own = "parameters" in route ? optionsOf(takenBy(route)) : [];
  const more = additionalFlags.filter(({ hidden }) => !hidden).map(({ name, aliases = [], brief }) => ({
    ...{ shorts: aliases.map((alias) => `-${alias}`), long: `--${name}`, meaning: brief },
  }));
  const escape = args.includeArgumentEscapeSequenceFlag
    ? [{ shorts: [], long: "--", meaning: text.briefs.argumentEscapeSequence }]
    : [];
  const rows = [...own, ...more, ...escape].map(({ shorts, long, meaning }) =>
    [`  ${shorts.length === 0 ? "    " : `${shorts.join(", ")}, `}${long}`, meaning] as const
  );
  return tabled(rows, columns);
}
