/**
 * Owns the reading of environment.json: a whole document, or every problem at once, each with its place.
 * Must not know what is made of it.
 * Invariant: what was read can be built, as far as that can be seen without a look at other files.
 */
import { type IssueWords, shapeProblems } from "../../pipeline/document/issues.ts";
import { readJson } from "../../model/json_text.ts";
import { isRecord } from "../../pipeline/document/manifest.ts";
import { RESERVED_NAMES } from "../../pipeline/document/name.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";
import { EnvironmentError } from "./error.ts";
import { type EnvironmentDocument, environmentSchema, isOwnSecret } from "./schema.ts";

/** Reads it. @param name The file, for messages. @throws {EnvironmentError} With all that is wrong. */
export function readEnvironment(text: string, name: string): EnvironmentDocument {
  if (text.trim() === "") {
    throw new EnvironmentError(name, [{
      place: "",
      message: "The file is empty: outrider environment init",
    }]);
  }
  const { value, problems } = readJson(text, "");
  const all = value === undefined && problems.length > 0
    ? problems
    : [...problems, ...problemsOfDocument(value)];
  if (all.length > 0) throw new EnvironmentError(name, all);
  return value as EnvironmentDocument;
}

function problemsOfDocument(value: unknown): readonly Problem[] {
  if (!isRecord(value)) {
    return [{ place: "", message: `An environment is an object with "targets"; received ${show(value)}` }];
  }
  const problems = shapeProblems(environmentSchema, value, WORDS);
  const told = new Set(problems.map(({ place }) => place));
  return [...problems, ...contradictions(value).filter(({ place }) => !told.has(place))];
}

const WORDS: IssueWords = {
  schema: environmentSchema,
  message({ input }, path) {
    const key = path.at(-1);
    if (path.length === 1 && key === "outriderEnvironment") {
      return input === undefined
        ? 'Missing: an environment starts with {"outriderEnvironment": 1, "name": …'
        : `Must be 1, the version of this form; received ${show(input)}`;
    }
    if (path.length === 1 && key === "targets" && input === undefined) {
      return 'Missing: say what to make it for, such as ["linux-x64", "linux-arm64"]';
    }
    if (path[0] === "pipeline" && key === "from") {
      return `Must be "gateway" or "file"; received ${show(input)}`;
    }
    return undefined;
  },
};

/** What is wrong with parts that are right by themselves. */
function contradictions(document: Readonly<Record<string, unknown>>): Problem[] {
  const { env, secrets, kinds, pipeline } = document;
  const problems: Problem[] = [];
  for (const place of ["env", "files"]) problems.push(...reserved(document[place], place));
  for (const list of ["targets", "kinds", "secrets"]) problems.push(...doubles(document[list], list));
  const names = new Set(Array.isArray(secrets) ? secrets : []);
  for (const variable of isRecord(env) ? Object.keys(env) : []) {
    if (!isOwnSecret(variable) && !names.has(variable)) continue;
    const why = names.has(variable) ? "it is one of the secrets" : "it holds a secret";
    problems.push({
      place: placeOf("env", variable),
      message: `Can't be built in, since ${why}: name it in "secrets" alone, and set it on the device`,
    });
  }
  if (
    Array.isArray(kinds) && kinds.includes("bundle") && (!isRecord(pipeline) || pipeline["from"] !== "file")
  ) {
    problems.push({
      place: "pipeline",
      message: 'A bundle holds a pipeline: give one, such as {"from": "file", "path": "pipeline.ts"}',
    });
  }
  return problems;
}

/** Names that no schema looks at. */
function reserved(record: unknown, place: string): Problem[] {
  return isRecord(record)
    ? Object.keys(record).filter((name) => RESERVED_NAMES.has(name)).map((name) => ({
      place: placeOf(place, name),
      message: `The name ${show(name)} is reserved by JavaScript: choose another`,
    }))
    : [];
}

function doubles(list: unknown, place: string): Problem[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry, at) =>
    list.indexOf(entry) < at
      ? [{ place: placeOf(place, at), message: `${show(entry)} is there twice: remove one` }]
      : []
  );
}
