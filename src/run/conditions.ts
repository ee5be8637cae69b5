/**
 * Owns whether the condition of a task is so, and in words and numbers why it is not.
 * Must not know what becomes of the task.
 * Invariant: each test costs no more than passing over {@linkcode MAX_LOOKED_AT} of text, and following a pattern through
 * {@linkcode MAX_MATCHED} of it. A reason has a value whole or not at all, so that a secret in it can be found.
 */
import { quoted } from "../base/message.ts";
import { Pattern } from "../base/pattern.ts";
import { MAX_LOOKED_AT, MAX_MATCHED } from "../defaults.ts";
import { textAt } from "../model/pointer.ts";
import type { Scalar } from "../pipeline/document/manifest.ts";
import type { Plan, PlanCondition, PlanTest } from "../pipeline/plan/plan.ts";
import type { Values } from "./values.ts";

/** Longest text or value that stands in a reason, in UTF-16 code units. */
const MAX_SHOWN = 60;
/** Parts of a condition that a reason has, and candidates of a test; of more, only the number is told. */
const MAX_NAMED = 3;

/** Whether it is so, and what it is. */
interface Verdict {
  readonly so: boolean;
  readonly words: string;
}

/** A condition that nobody can decide: what it asks is too much. */
class Undecidable extends Error {}

/** Why a task does not run that all its needs would let run: it is skipped, or has failed as nobody can tell. */
export interface Not {
  readonly outcome: "skipped" | "failed";
  readonly because: string;
}

/** What keeps a task from running that all its needs would let run; `undefined` if it runs. */
export function whyNot(task: number, { tasks }: Plan, values: Pick<Values, "of">): Not | undefined {
  const { when } = tasks[task]!;
  if (when === undefined) return undefined;
  try {
    const { so, words } = verdictOf(
      when,
      (test) => tested(test, tasks[test.task]!.name, values.of(test.task)),
    );
    return so ? undefined : { outcome: "skipped", because: words };
  } catch (error) {
    if (error instanceof Undecidable) return { outcome: "failed", because: error.message };
    throw error;
  }
}

function verdictOf(condition: PlanCondition, test: (test: PlanTest) => Verdict): Verdict {
  if ("not" in condition) {
    const { so, words } = verdictOf(condition.not, test);
    return { so: !so, words };
  }
  if ("task" in condition) return test(condition);
  const isAll = "all" in condition;
  const parts = (isAll ? condition.all : condition.any).map((each) => verdictOf(each, test));
  const so = isAll ? parts.every((part) => part.so) : parts.some((part) => part.so);
  return { so, words: listed(parts.filter((part) => part.so === so).map(({ words }) => words)) };
}

/** Asks all of a test. @param text The task's value as JSON. */
function tested(test: PlanTest, name: string, text: string | undefined): Verdict {
  const { path } = test;
  if (text !== undefined && text.length > MAX_LOOKED_AT) {
    throw new Undecidable(
      `The value of ${
        quoted(name)
      } has ${text.length} characters as JSON, more than the ${MAX_LOOKED_AT} that a condition looks at: return less, or test another task`,
    );
  }
  const what = path === "" ? `the value of ${quoted(name)}` : `${shownPath(path)} of ${quoted(name)}`;
  const found = text === undefined ? undefined : textAt(text, path);
  const asked = ASKED.filter(({ key }) => test[key] !== undefined);
  if (found === undefined) {
    // What is not there is no other than anything, and fits nothing else.
    const so = asked.every(({ key }) => key === "ne" || key === "exists" && test.exists === false);
    const words = text === undefined
      ? `${quoted(name)} has no value`
      : `${what} is not there${lengthWords(text, path)}`;
    return { so, words };
  }
  const value = foundOf(found);
  const wrong = asked.find(({ key, fits }) => !fits(value, test[key]!));
  const so = wrong === undefined;
  const told = wrong ?? asked[0]!;
  const words = told.words(test[told.key]!, so);
  const compared = words === "" ? "" : `, ${so ? "" : "not "}${words}`;
  return { so, words: `${what} is ${value.shown}${compared}` };
}

/** What is asked for as in code, where it would be there, and in vain here. @param text The value as JSON. */
function lengthWords(text: string, path: string): string {
  if (!path.endsWith("/length")) return "";
  const above = textAt(text, path.slice(0, -"/length".length));
  const what = above?.startsWith("[") ? "a list" : above?.startsWith('"') ? "a text" : undefined;
  return what === undefined ? "" : `: ${what} has no key for its length, so return that beside it`;
}

/** A value that was found: itself, if it is a scalar. */
export interface FoundValue {
  readonly scalar?: Scalar;
  readonly shown: string;
}

/** What a JSON text is, in words. */
export function foundOf(text: string): FoundValue {
  if (text.startsWith("[")) return { shown: "a list" };
  if (text.startsWith("{")) return { shown: text.startsWith('{"$bytes":') ? "bytes" : "an object" };
  const scalar = JSON.parse(text) as Scalar;
  return { scalar, shown: shown(scalar) };
}

/** What a test may ask, and how it is told of what fits. */
const ASKED: readonly {
  readonly key: Exclude<keyof PlanTest, "task" | "path">;
  fits(found: FoundValue, wanted: unknown): boolean;
  words(wanted: unknown, so: boolean): string;
}[] = [
  { key: "exists", fits: (_, wanted) => wanted === true, words: () => "" },
  {
    key: "eq",
    fits: ({ scalar }, wanted) => scalar === wanted,
    words: (wanted, so) => so ? "" : shown(wanted as Scalar),
  },
  { key: "ne", fits: ({ scalar }, wanted) => scalar !== wanted, words: () => "" },
  number("gt", "greater than", (value, than) => value > than),
  number("gte", "at least", (value, than) => value >= than),
  number("lt", "less than", (value, than) => value < than),
  number("lte", "at most", (value, than) => value <= than),
  {
    key: "in",
    fits: ({ scalar }, wanted) => scalar !== undefined && (wanted as readonly Scalar[]).includes(scalar),
    words: (wanted) => `one of ${listed((wanted as readonly Scalar[]).map(shown))}`,
  },
  {
    key: "matches",
    fits: ({ scalar }, wanted) => typeof scalar === "string" && isMatched(scalar, wanted as string),
    words: (wanted) => `matching ${shown(wanted as string)}`,
  },
];

function number(
  key: "gt" | "gte" | "lt" | "lte",
  words: string,
  fits: (value: number, than: number) => boolean,
): typeof ASKED[number] {
  return {
    key,
    fits: ({ scalar }, wanted) => typeof scalar === "number" && fits(scalar, wanted as number),
    words: (wanted) => `${words} ${wanted}`,
  };
}

function isMatched(text: string, pattern: string): boolean {
  if (text.length > MAX_MATCHED) {
    throw new Undecidable(
      `A text of ${text.length} characters is to match ${
        shown(pattern)
      }, more than the ${MAX_MATCHED} that a condition looks at: return a shorter one`,
    );
  }
  return new Pattern(pattern).isIn(text);
}

/** A value in a reason: whole, or only what it is. */
function shown(scalar: Scalar): string {
  if (typeof scalar !== "string") return String(scalar);
  return scalar.length > MAX_SHOWN ? wholeOrLength(scalar, MAX_SHOWN) : JSON.stringify(scalar);
}

/** A text whole, or how long it is. @param most UTF-16 code units. */
export function wholeOrLength(text: string, most: number): string {
  return text.length > most ? `a text of ${text.length} characters` : text;
}

function shownPath(path: string): string {
  return path.length <= MAX_SHOWN && /^[\p{L}\p{N}/_.:~$@-]+$/u.test(path) ? path : quoted(path);
}

function listed(words: readonly string[]): string {
  const more = words.length - MAX_NAMED;
  return words.slice(0, MAX_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
