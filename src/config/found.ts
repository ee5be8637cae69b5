/**
 * Owns what the environment says: which variables are set, which dialect they choose, and which of two counts.
 * Must not know what any of it is used for.
 * Invariant: an empty variable counts as one that is not set, and a dialect's own variables only where it is spoken.
 */
import * as v from "valibot";
import type { Dialect, DialectVariable } from "../uplink/dialects/dialect.ts";
import { DIALECTS } from "../uplink/dialects/list.ts";
import { addressForm, schemeOf, type VariableForm } from "./forms.ts";
import type { ReadVariable } from "./serving.ts";
import { type About, type Settings, type Variable, VARIABLES } from "./variables.ts";

/** A variable, with its text if it is set. */
export interface FoundVariable {
  /** What it is called in the table. */
  readonly variable: About & Pick<Variable<unknown>, "fallback" | "fallbackWords">;
  /** The variable that is set: this one, or one of a dialect's that stands for it. */
  readonly from: string;
  readonly text: string | undefined;
  /** What it is read as: `undefined` where it is not set and has no default, or is wrong. */
  readonly value: unknown;
  /** What is wrong with it, in words. */
  readonly problems: readonly string[];
}

/** All that was found. */
export interface Found {
  readonly settings: Readonly<Record<keyof Settings, FoundVariable>>;
  /** The dialect of the gateway, if one is named. */
  readonly dialect: Dialect | undefined;
  /** The variable by which the dialect was chosen, where it was by one of its own. */
  readonly chosenBy: string | undefined;
  /** What the dialect's own variables say. */
  readonly added: readonly FoundVariable[];
}

/** Reads the variables of the environment. */
export function findIn(env: ReadVariable): Found {
  const set = (name: string) => env(name)?.trim() || undefined;
  const chosen = chosenIn(set);
  const fields = Object.keys(VARIABLES) as (keyof Settings)[];
  const settings = Object.fromEntries(fields.map((field) => {
    const variable = VARIABLES[field];
    const text = set(variable.name);
    const other = chosen?.dialect.variables.find(({ standsFor }) => standsFor === variable.name);
    const theirs = text === undefined && other !== undefined ? set(other.name) ?? other.fallback : undefined;
    if (theirs === undefined) return [field, foundAs(variable, { from: variable.name, text })];
    const schema = readBy(other!, { dialect: chosen!.dialect, ours: variable.schema });
    return [field, foundAs({ ...variable, schema }, { from: other!.name, text: theirs })];
  })) as Record<keyof Settings, FoundVariable>;
  const dialect = chosen?.dialect ?? dialectAt(settings.address.text);
  const added = (dialect?.variables ?? []).filter(({ standsFor }) => standsFor === undefined).map((own) =>
    foundAs({ ...own, schema: (own.schema ?? v.string()) as VariableForm<unknown> }, {
      from: own.name,
      text: set(own.name),
    })
  );
  return { settings, dialect, chosenBy: chosen?.by, added };
}

/** The dialect whose own variable for the address is set. */
function chosenIn(set: ReadVariable): { readonly dialect: Dialect; readonly by: string } | undefined {
  for (const dialect of DIALECTS) {
    const by = dialect.variables.find(({ standsFor }) => standsFor === VARIABLES.address.name)?.name;
    if (by !== undefined && set(by) !== undefined) return { dialect, by };
  }
  return undefined;
}

/** The dialect that an address chooses by its scheme. */
function dialectAt(address: string | undefined): Dialect | undefined {
  const scheme = schemeOf(address ?? "");
  return DIALECTS.find(({ schemes, variables }) =>
    schemes.includes(scheme) && !variables.some(({ standsFor }) => standsFor === VARIABLES.address.name)
  );
}

function readBy(
  { schema, standsFor }: DialectVariable,
  { dialect, ours }: { readonly dialect: Dialect; readonly ours: VariableForm<unknown> },
): VariableForm<unknown> {
  if (schema !== undefined) return schema;
  if (standsFor !== VARIABLES.address.name) return ours;
  return addressForm(dialect.schemes, dialect.schemes.slice(0, 1));
}

function foundAs(
  { schema, ...variable }: FoundVariable["variable"] & { readonly schema: VariableForm<unknown> },
  { from, text }: Pick<FoundVariable, "from" | "text">,
): FoundVariable {
  const read = text ?? variable.fallback;
  if (read === undefined) return { variable, from, text, value: undefined, problems: [] };
  const { success, output, issues = [] } = v.safeParse(schema, read);
  return {
    variable,
    from,
    text,
    value: success ? output : undefined,
    problems: issues.map(({ message }) => message),
  };
}
