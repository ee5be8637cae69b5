/**
 * Owns the words for what a document of ours has wrong in its shape, whichever document: every problem, each with its place.
 * Must not know any document: what only one can have wrong is said by who checks it.
 * Invariant: each place is told once.
 */
import type * as v from "valibot";
import { safeParse } from "valibot";
import { placeOf, type Problem, show } from "../../model/problem.ts";
import { NameFinder } from "../../model/nearest.ts";

/** Something wrong, as the schema finds it. */
export type Issue = v.BaseIssue<unknown>;
/** A step of a path into a document. */
export type Key = string | number;

/** What is said of one document. */
export interface IssueWords {
  /** Of the whole document: it says which keys there are. */
  readonly schema: v.GenericSchema;
  /** Says it in other words than those for any document. */
  message(issue: Issue, path: readonly Key[]): string | undefined;
}

const NONE: Problem[] = [];

/** What is wrong with a document, or with what lies in it at a path. */
export function shapeProblems(
  schema: v.GenericSchema,
  input: unknown,
  words: IssueWords,
  at: readonly Key[] = [],
): Problem[] {
  const result = safeParse(schema, input);
  if (result.success) return at.length === 0 ? [] : NONE;
  const byPlace = new Map<string, Problem>();
  for (const issue of result.issues) {
    const path = [...at, ...(issue.path ?? []).map((item) => item.key as Key)];
    const place = path.reduce<string>(placeOf, "");
    // Of several at one place, such as a wrong form and a wrong range, the first says what to do.
    if (!byPlace.has(place)) byPlace.set(place, { place, message: messageOfIssue(issue, path, words) });
  }
  return [...byPlace.values()];
}

function messageOfIssue(issue: Issue, path: readonly Key[], words: IssueWords): string {
  if (issue.type === "never") return unknownKey(issue, path, words.schema);
  const own = words.message(issue, path);
  if (own !== undefined) return own;
  if (issue.input === undefined && path.length > 0) {
    return `Missing: the key ${JSON.stringify(path.at(-1))} is needed here`;
  }
  return messageOfValue(issue);
}

function messageOfValue(issue: Issue): string {
  const { input, type } = issue;
  const { requirement } = issue as { requirement?: unknown };
  switch (type) {
    case "picklist":
      return wrongWord(issue);
    case "min_value":
      return `Must be at least ${requirement}; received ${show(input)}`;
    case "max_value":
      return `Must be at most ${requirement}; received ${show(input)}`;
    case "integer":
      return `Must be a whole number; received ${show(input)}`;
    case "min_length":
    case "max_length":
      if (typeof input !== "string" && type === "min_length") {
        return `Must have at least ${requirement} ${requirement === 1 ? "entry" : "entries"}; it has ${
          lengthOf(input)
        }`;
      }
      if (typeof input !== "string") {
        return `May have at most ${requirement} entries; it has ${lengthOf(input)}`;
      }
      return type === "min_length"
        ? "Can't be empty"
        : `May have at most ${requirement} characters; it has ${input.length}`;
    case "min_entries":
      return "Must name something: it has no key";
    case "regex":
      return issue.message;
    default:
      return `Must be ${WORDS[type] ?? `a ${type}`}; received ${show(input)}`;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  array: "an array",
  record: "an object",
  object_with_rest: "an object",
  custom: "an object",
};

function wrongWord(issue: Issue): string {
  const words = (issue as { expected: string }).expected.match(/"[^"]*"/g) ?? [];
  const list = words.join(", ").replace(/, ([^,]*)$/, " or $1");
  const finder = new NameFinder(words.map((word) => word.slice(1, -1)));
  const hint = typeof issue.input === "string" ? finder.hint(issue.input, "") : "";
  return `Must be ${list}; received ${show(issue.input)}${hint}`;
}

function unknownKey(issue: Issue, path: readonly Key[], schema: v.GenericSchema): string {
  const key = String(path.at(-1) ?? "");
  const owners = (issue.path ?? []).map(({ input }) => input as unknown);
  const known = keysAt(schema, path, [...new Array<unknown>(path.length - owners.length), ...owners]);
  const hint = new NameFinder(known).hint(key, `: the keys here are ${known.join(", ")}`);
  return `Unknown key ${show(key)}${hint}`;
}

/** The parts of a schema that lead to what lies below it. */
interface SchemaNode {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly wrapped?: SchemaNode;
  readonly value?: SchemaNode;
  readonly item?: SchemaNode;
  readonly getter?: (input: unknown) => SchemaNode;
}

/** The keys that the schema knows where the last of the path's is. @param owners What has the key, for each of them. */
function keysAt(schema: unknown, path: readonly Key[], owners: readonly unknown[]): string[] {
  let node: SchemaNode | undefined = schema as SchemaNode;
  for (let at = 0; at < path.length && node !== undefined; at++) {
    node = unwrap(node, owners[at] ?? {});
    if (at < path.length - 1) node = node.entries?.[path[at]!] ?? node.value ?? node.item;
  }
  return Object.keys(node?.entries ?? {}).filter((key) => key !== "$schema");
}

function unwrap(node: SchemaNode, input: unknown): SchemaNode {
  if (node.type === "optional") return unwrap(node.wrapped!, input);
  return node.type === "lazy" ? unwrap(node.getter!(input), input) : node;
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}
