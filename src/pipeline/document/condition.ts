/**
 * Owns how a condition is written: its schema, and what is wrong with one that a schema can't see.
 * Must not know what tasks there are (draft.ts), nor decide anything (run/conditions.ts).
 * Invariant: a condition without a problem can be decided of any value, in a bounded time.
 */
import * as v from "valibot";
import { Pattern } from "../../base/pattern.ts";
import { pointerProblem } from "../../model/pointer.ts";
import { type Problem, show } from "../../model/problem.ts";
import { isTooDeep, testsOf } from "./asked.ts";
import { isRecord, LIMITS, type ManifestCondition, type ManifestTest, type Scalar } from "./manifest.ts";
import { about, type Choice, closed, maybe, name, type Schema } from "./shapes.ts";

const number = v.number() as Schema<number>;
const text = v.string() as Schema<string>;
const word = v.nullable(v.boolean());
const scalar: Schema<Scalar> = v.lazy((input) =>
  (typeof input === "string" ? text : typeof input === "number" ? number : word) as Schema<Scalar>
);

const test = closed({
  task: about(name, "The task whose value it is. It becomes a need where it is none."),
  path: maybe(text, "What of the value is meant, a JSON pointer such as /loss. Default: all of it."),
  eq: maybe(scalar, "It is the same."),
  ne: maybe(scalar, "It is another, or there is none."),
  lt: maybe(number, "It is a number less than this."),
  lte: maybe(number, "It is a number not greater than this."),
  gt: maybe(number, "It is a number greater than this."),
  gte: maybe(number, "It is a number not less than this."),
  in: maybe(
    v.pipe(v.array(scalar), v.minLength(1), v.maxLength(LIMITS.candidates)) as Schema<Scalar[]>,
    "It is one of these.",
  ),
  matches: maybe(text, "It is a text that has this pattern in it."),
  exists: maybe(v.boolean() as Schema<boolean>, "Whether there is one; null is one."),
});

const inner: Schema<ManifestCondition> = v.lazy((input) => conditionOf(input));
const conditions = v.pipe(v.array(inner), v.minLength(1), v.maxLength(LIMITS.tests));
const all = closed({ all: about(conditions as Schema<ManifestCondition[]>, "All of these are so.") });
const any = closed({ any: about(conditions as Schema<ManifestCondition[]>, "One of these is so.") });
const not = closed({ not: about(inner, "This is not so.") });

function conditionOf(input: unknown): Schema<ManifestCondition> {
  const has = (key: string) => isRecord(input) && Object.hasOwn(input, key) && !Object.hasOwn(input, "task");
  return (has("all") ? all : has("any") ? any : has("not") ? not : test) as Schema<ManifestCondition>;
}

/** Of what is too deep the schema says nothing: {@linkcode conditionProblems} does. */
const unseen = v.unknown() as Schema<ManifestCondition>;

/** The schema of `when`. */
export const conditionSchema: Schema<ManifestCondition> = v.lazy((input) =>
  isTooDeep(input) ? unseen : inner
);

/** See {@linkcode Choice}. */
export const CONDITION_CHOICES: readonly (readonly [v.GenericSchema, Choice])[] = [
  [scalar as v.GenericSchema, {
    name: "scalar",
    options: [text, number, v.boolean(), v.null()] as v.GenericSchema[],
  }],
  ...[conditionSchema, inner].map((schema) =>
    [
      schema as v.GenericSchema,
      { name: "condition", options: [test, all, any, not] as v.GenericSchema[] },
    ] as const
  ),
];

/** What a test may ask. */
const TESTS = ["eq", "ne", "lt", "lte", "gt", "gte", "in", "matches", "exists"] as const;

/** What is wrong with a condition that its schema does not see. @param place Where it stands. */
export function conditionProblems(condition: unknown, place: string): Problem[] {
  if (isTooDeep(condition)) {
    return [{ place, message: `Conditions lie in each other more than ${LIMITS.testDepth} deep: use fewer` }];
  }
  const tests = testsOf(condition, place);
  if (tests.length > LIMITS.tests) {
    return [{ place, message: `There are ${tests.length} tests: ${LIMITS.tests} are allowed` }];
  }
  return tests.flatMap((each) => testProblems(each));
}

function testProblems({ place, test }: ReturnType<typeof testsOf>[number]): Problem[] {
  const problems: Problem[] = [];
  const { path, matches } = test as Partial<ManifestTest>;
  const wrongPath = typeof path === "string" ? pointerProblem(path) : undefined;
  if (wrongPath !== undefined) problems.push({ place: `${place}.path`, message: wrongPath });
  const wrongPattern = typeof matches === "string" ? patternProblem(matches) : undefined;
  if (wrongPattern !== undefined) problems.push({ place: `${place}.matches`, message: wrongPattern });
  if (typeof test["task"] === "string" && !TESTS.some((key) => test[key] !== undefined)) {
    const message = `Nothing is asked of ${show(test["task"])}: add one of ${
      TESTS.join(", ")
    }, such as "gt": 0.1`;
    problems.push({ place, message });
  }
  return problems;
}

function patternProblem(text: string): string | undefined {
  try {
    new Pattern(text);
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return `No pattern that can be used: ${error.message}`;
    throw error;
  }
}
