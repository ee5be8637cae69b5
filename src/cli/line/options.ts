/**
 * Owns how the values of options are read. Every reader throws an error whose message says what was received.
 * Must not know which command has the option.
 */
import { parseDuration } from "../../model/duration.ts";
import { sizeOf } from "../../model/size.ts";
import { readJson } from "../../model/json_text.ts";
import { UsageError } from "./errors.ts";

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number, most = 1_000_000): (input: string) => number {
  return (input) => {
    const number = /^\d+$/.test(input) ? Number(input) : NaN;
    if (number >= least && number <= most) return number;
    throw new RangeError(`${JSON.stringify(input)} is not a whole number from ${least} to ${most}`);
  };
}

/** Reads a size such as `64MiB` to bytes. */
export function size(input: string): number {
  const bytes = sizeOf(input);
  if (bytes !== undefined) return bytes;
  throw new RangeError(
    `${JSON.stringify(input)} is no size: write a number with KiB, MiB or GiB, such as 64GiB`,
  );
}

/** Reads a number above 0. */
export function positiveNumber(input: string): number {
  const number = /^\d*\.?\d+(?:[eE][+-]?\d+)?$/.test(input) ? Number(input) : NaN;
  if (number > 0 && Number.isFinite(number)) return number;
  throw new RangeError(`${JSON.stringify(input)} is not a number above 0`);
}

/** Reads a duration such as `2s` to milliseconds; a bare number is refused, since its unit is anyone's guess. */
export function duration(input: string): number {
  return parseDuration(input);
}

/** One parameter. */
export type Param = readonly [key: string, value: unknown];

/** Reads `key=value`: the value as JSON if it is JSON that gives the text back, else as a string. */
export function param(input: string): Param {
  const at = input.indexOf("=");
  // What stands behind the sign may be a secret.
  if (at === 0) throw new TypeError('"=…" is not of the form key=value');
  if (at < 0) throw new TypeError(`${JSON.stringify(nameIn(input))} is not of the form key=value`);
  return [input.slice(0, at), given(input.slice(at + 1))];
}

/**
 * What a text of the command line stands for: the value of JSON, and itself where it is none. `1.10`, `12e45` and
 * `12345678901234567890` look like numbers, and are not what a number gives back: they are versions, commits and ids.
 *
 * @throws {TypeError} If it is JSON in which something would be lost.
 */
export function given(text: string): unknown {
  const { value, problems: [problem] } = readJson(text, "");
  if (value === undefined) return text;
  if (formOfGiven(text) === "text") return text;
  if (problem === undefined) return value;
  throw new TypeError(`${problem.place}: ${problem.message}`);
}

/** The form in which a text of the command line is kept where JSON is: `text` for what looks like a number and is none. */
export function formOfGiven(text: string): "json" | "text" {
  const { value } = readJson(text, "");
  return typeof value === "number" && `${value}` !== text ? "text" : "json";
}

/** What of a parameter without a sign can be its name: another sign may stand before its value. */
function nameIn(input: string): string {
  const [name] = /^[\w.-]{0,40}/.exec(input)!;
  return name.length < input.length ? `${name}…` : name;
}

/** Parameters from a file's text and from the command line; the latter win. */
export function mergeParams(
  file: { readonly path: string; readonly text: string } | undefined,
  given: readonly Param[],
): Readonly<Record<string, unknown>> {
  return { ...(file && paramsOf(file)), ...Object.fromEntries(given) };
}

/** What a file's JSON holds. @throws {UsageError} With every problem and its place. */
export function fileJson(path: string, text: string): unknown {
  const { value, problems } = readJson(text, "");
  if (problems.length === 0) return value;
  const told = problems.slice(0, MAX_TOLD).map(({ place, message }) =>
    place === "" ? message : `${place}: ${message}`
  );
  const file = JSON.stringify(path);
  throw new UsageError(
    value === undefined
      ? `${file} is not JSON: ${told.join("").replace(/^Not JSON: /, "")}`
      : `${file} can't be read without a loss:\n${told.join("\n")}`,
  );
}

/** Most problems of a file that are told. */
const MAX_TOLD = 10;

function paramsOf({ path, text }: { readonly path: string; readonly text: string }): Record<string, unknown> {
  const value = fileJson(path, text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const found = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  throw new UsageError(
    `${JSON.stringify(path)} holds ${found}: parameters are an object, such as {"ms": 50}`,
  );
}
