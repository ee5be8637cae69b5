/**
 * Owns how a duration is written: `"250ms"`, `"30s"`, `"5m"`, `"1h"`, or a number of milliseconds.
 * Must not know what durations are used for.
 * Invariant: what it returns is finite, not negative, and fits a timer of every runtime.
 */

import { quoted } from "../base/message.ts";

/** Longest duration, in milliseconds (24 days): more does not fit the 31 bits that a timer has. */
export const MAX_DURATION_MS: number = 24 * 24 * 3_600_000;

/** How the text of a duration looks. */
export const DURATION: RegExp = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h)$/;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * The milliseconds of a duration.
 *
 * @param text A number and a unit (`ms`, `s`, `m`, `h`), decimals allowed; or a number, which is milliseconds.
 * @returns 0 to {@linkcode MAX_DURATION_MS}; fractions of a millisecond are kept.
 * @throws {TypeError} If it is no duration; the message says how one is written.
 * @throws {RangeError} If it is negative or longer than 24 days.
 */
export function parseDuration(text: string | number): number {
  const problem = durationProblem(text);
  const ms = milliseconds(text);
  if (problem === undefined) return ms;
  throw Number.isNaN(ms) ? new TypeError(problem) : new RangeError(problem);
}

/** What is wrong with a duration, in words; `undefined` if nothing is. */
export function durationProblem(text: unknown): string | undefined {
  const ms = milliseconds(text);
  if (Number.isNaN(ms)) {
    return `${show(text)} is not a duration: write a number and a unit, such as "250ms", "30s", "5m" or "1h"`;
  }
  if (ms >= 0 && ms <= MAX_DURATION_MS) return undefined;
  return `${show(text)} is out of range: a duration is 0 to 24 days ("576h")`;
}

/** Not a number if it is no duration. */
function milliseconds(text: unknown): number {
  if (typeof text === "number") return text;
  const match = typeof text === "string" ? DURATION.exec(text) : null;
  if (match === null) return NaN;
  const [, amount, unit] = match;
  const point = amount!.indexOf(".");
  if (point < 0) return Number(amount) * UNIT_MS[unit!]!;
  // Two integers divided are exact where 1.1 * 60000 is not.
  const decimals = amount!.length - point - 1;
  return (Number(amount!.replace(".", "")) * UNIT_MS[unit!]!) / 10 ** decimals;
}

function show(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  return typeof value === "number" ? String(value) : `A ${value === null ? "null" : typeof value}`;
}
