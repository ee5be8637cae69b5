/**
 * Owns what a query may say: whole numbers, durations, words.
 * Must not know which route asks.
 * Invariant: what is there is either taken or refused with the parameter's name.
 */
import { show } from "../model/problem.ts";
import { durationProblem, parseDuration } from "../model/duration.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type JsonSchema, type Parameter, TEXT } from "../base/web/route.ts";

/** What is longer than this names nothing, characters. */
const MAX_KEY = 512;

/** A key of the store, in a path. */
export const KEY: Parameter<string> = {
  description: "1 to 512 characters; percent-encoded",
  schema: { type: "string", minLength: 1, maxLength: MAX_KEY },
  slashes: true,
  read: ([text]) => text,
};

export function anyText(description: string, schema: JsonSchema = TEXT): Parameter<string> {
  return { description, schema, read: ([text]) => text };
}

/** A whole number in a range. */
export function wholeFrom(
  description: string,
  { least = 0, most }: { readonly least?: number; readonly most?: number } = {},
): Parameter<number> {
  return {
    description,
    schema: { type: "integer", minimum: least, ...(most !== undefined && { maximum: most }) },
    read: ([text], name) => {
      const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
      const limit = most ?? Number.MAX_SAFE_INTEGER;
      if (number >= least && number <= limit) return number;
      throw bad(name, `must be a whole number from ${least} to ${limit}; received ${show(text)}`);
    },
  };
}

/** A duration in milliseconds, at most `mostMs`. */
export function lasting(description: string, mostMs: number): Parameter<number> {
  return {
    description,
    schema: { type: "string", pattern: "^\\d+(\\.\\d+)?(ms|s|m|h)$", examples: ["30s"] },
    read: ([text], name) => {
      const problem = durationProblem(text);
      if (problem !== undefined) throw bad(name, `can't be used, ${problem}`);
      const ms = parseDuration(text);
      if (ms <= mostMs) return ms;
      throw bad(name, `is ${show(text)}, more than ${mostMs / 1_000} s: ask again instead`);
    },
  };
}

/** `1`, `true` or nothing behind the name: true; `0` or `false`: false. */
export function flag(description: string): Parameter<boolean> {
  return {
    description,
    schema: { type: "boolean" },
    read: ([text], name) => {
      if (text === "" || text === "1" || text === "true") return true;
      if (text === "0" || text === "false") return false;
      throw bad(name, `must be true or false; received ${show(text)}`);
    },
  };
}

export function word<const T extends string>(description: string, words: readonly T[]): Parameter<T> {
  return {
    description,
    schema: { type: "string", enum: words },
    read: ([text], name) => {
      const word = words.find((each) => each === text);
      if (word !== undefined) return word;
      throw bad(name, `must be ${words.join(", ")}; received ${show(text)}`);
    },
  };
}

/** The refusal of a parameter. */
export function bad(name: string, problem: string): Refuse {
  return new Refuse(400, "QUERY", { message: `The parameter ${show(name)} ${problem}` });
}
