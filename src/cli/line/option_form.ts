/**
 * Owns how an option and an argument are written and what they mean, in help and in docs/cli.md alike.
 * Must not know which command has them.
 */
import type { Command } from "@stricli/core";
import type { CliContext } from "./context.ts";

/** What is read of an option; the library tells its kinds apart by more. */
export interface Option {
  readonly kind: "boolean" | "counter" | "enum" | "parsed";
  readonly brief: string;
  readonly placeholder?: string;
  readonly values?: readonly string[];
  readonly default?: unknown;
  readonly variadic?: boolean | string;
  readonly inferEmpty?: boolean;
  readonly hidden?: boolean;
}

/** What is read of an argument. */
export interface Argument {
  readonly brief: string;
  readonly placeholder?: string;
  readonly optional?: boolean;
}

/** What a command takes. */
export interface CommandTakes {
  readonly flags?: Readonly<Record<string, Option>>;
  readonly aliases?: Readonly<Record<string, string>>;
  readonly positional?:
    | { readonly kind: "tuple"; readonly parameters: readonly Argument[] }
    | { readonly kind: "array"; readonly parameter: Argument };
}

/** What the library keeps of a command's options and arguments. */
export function takenBy({ parameters }: Pick<Command<CliContext>, "parameters">): CommandTakes {
  return parameters as CommandTakes;
}

/** How an option is written: its short names, its long one, and what it takes. */
export interface Written {
  /** `-p`, if there is one. */
  readonly shorts: readonly string[];
  /** `--param key=value...` */
  readonly long: string;
  readonly meaning: string;
}

/** The options that a command shows, in its order. */
export function optionsOf({ flags = {}, aliases = {} }: CommandTakes): readonly Written[] {
  return Object.entries(flags).filter(([, { hidden }]) => !hidden).map(([name, option]) => ({
    shorts: Object.keys(aliases).filter((short) => aliases[short] === name).map((short) => `-${short}`),
    long: longForm(name, option),
    meaning: meaning(option),
  }));
}

function longForm(name: string, option: Option): string {
  const long = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const value = option.kind === "parsed"
    ? option.placeholder ?? "VALUE"
    : option.kind === "enum"
    ? option.placeholder ?? option.values!.join("|")
    : undefined;
  const form = value === undefined ? long : `${long} ${option.inferEmpty ? `[${value}]` : value}`;
  return option.variadic ? `${form}...` : form;
}

function meaning({ brief, kind, values, placeholder, default: fallback }: Option): string {
  const words = kind === "enum" && placeholder !== undefined ? `: ${values!.join(", ")}` : "";
  return `${brief}${words}${fallback === undefined ? "" : `; default: ${String(fallback)}`}`;
}
