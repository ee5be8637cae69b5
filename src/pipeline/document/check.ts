/**
 * Owns the check of a manifest's shape, and the words for what is wrong with it.
 * Must not know what names refer to (draft.ts) nor how a pipeline is read.
 * Invariant: every problem of the shape is told, each once, with its place.
 */
import * as v from "valibot";
import { durationProblem } from "../../model/duration.ts";
import { isRecord, type Manifest } from "./manifest.ts";
import { manifestSchema, taskSchema } from "./schema.ts";
import { NameFinder } from "./name.ts";
import { KINDS } from "../kinds/list.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";

type Issue = v.BaseIssue<unknown>;
type Key = string | number;

const DURATION_KEYS: ReadonlySet<Key> = new Set(["timeout", "delay", "maxDelay", "estimate"]);

/** A manifest that has passed the check, or what is wrong with it. */
export interface Checked {
  /** The document itself; there only if nothing is wrong. */
  readonly manifest?: Manifest;
  readonly problems: readonly Problem[];
}

/** Checks the shape. @param tasks The entries of the document's `tasks`, see {@linkcode tasksOf}. */
export function checkManifest(document: unknown, tasks: readonly [string, unknown][]): Checked {
  if (!isRecord(document)) {
    return {
      problems: [{ place: "", message: `A pipeline is an object with "tasks"; received ${show(document)}` }],
    };
  }
  const around = isRecord(document["tasks"]) ? { ...document, tasks: {} } : document;
  const problems = problemsOf(manifestSchema, around, []);
  // Task by task, so that what the check allocates is gone before the next one: half the time at 100,000 tasks.
  for (const [name, task] of tasks) problems.push(...problemsOf(taskSchema, task, ["tasks", name]));
  return problems.length === 0 ? { manifest: document as unknown as Manifest, problems } : { problems };
}

/** The entries of a document's `tasks`, however wrong the rest of it is; none if there are too many. */
export function tasksOf(document: unknown): [string, unknown][] {
  const tasks = isRecord(document) ? document["tasks"] : undefined;
  return isRecord(tasks) ? Object.entries(tasks) : [];
}

const NONE: Problem[] = [];

function problemsOf(schema: v.GenericSchema, input: unknown, at: readonly Key[]): Problem[] {
  const result = v.safeParse(schema, input);
  if (result.success) return at.length === 0 ? [] : NONE;
  const byPlace = new Map<string, Problem>();
  for (const issue of result.issues) {
    const path = [...at, ...(issue.path ?? []).map((item) => item.key as Key)];
    const place = placeOfPath(path);
    // Of several at one place, such as a wrong form and a wrong range, the first says what to do.
    if (!byPlace.has(place)) byPlace.set(place, { place, message: messageOf(issue, path) });
  }
  return [...byPlace.values()];
}

function placeOfPath(path: readonly Key[]): string {
  return path.reduce<string>(placeOf, "");
}

function messageOf(issue: Issue, path: readonly Key[]): string {
  const key = path.at(-1) ?? "";
  const { input } = issue;
  if (issue.type === "never") {
    return unknownKey(String(key), path.slice(0, -1), issue.path?.at(-1)?.input);
  }
  if (input === undefined && path.length > 0) return missing(path);
  if (path.length === 1 && key === "outrider") {
    return `Must be 1, the version of this form; received ${show(input)}`;
  }
  if (DURATION_KEYS.has(key)) return durationProblem(input) ?? `Must be above 0; received ${show(input)}`;
  if (path.at(-2) === "needs" && typeof input !== "string") {
    return `Must be a task's name or an object such as {"task": "a", "on": "failure"}; received ${
      show(input)
    }`;
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

function missing(path: readonly Key[]): string {
  const key = path.at(-1);
  if (key === "outrider") return 'Missing: a pipeline in JSON starts with {"outrider": 1, "name": …';
  return `Missing: ${describe(key)}`;
}

function describe(key: Key | undefined): string {
  switch (key) {
    case "tasks":
      return 'a pipeline has tasks, such as {"cpu": {"run": {"module": "./tasks.ts", "export": "cpu"}}}';
    case "times":
      return "say how many more times the loop may run";
    case "module":
      return `say which file holds the function, such as "./tasks.ts", or which ${otherKinds()} to run`;
    default:
      return `the key ${JSON.stringify(key)} is needed here`;
  }
}

/** The keys of those kinds that would have been known by theirs. */
function otherKinds(): string {
  const keys = KINDS.slice(0, -1).map(({ key }) => JSON.stringify(key));
  return keys.join(", ").replace(/, (?=[^,]*$)/, " or ");
}

function unknownKey(key: string, parent: readonly Key[], owner: unknown): string {
  const known = keysAt(manifestSchema, parent, owner);
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

/** The keys that the schema knows at a place. @param owner What is there. */
function keysAt(schema: unknown, path: readonly Key[], owner: unknown): string[] {
  let node: SchemaNode | undefined = unwrap(schema as SchemaNode, {});
  for (const key of path) {
    const next: SchemaNode | undefined = node?.entries?.[key] ?? node?.value ?? node?.item;
    node = next === undefined ? undefined : unwrap(next, owner ?? {});
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
