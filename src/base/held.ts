/**
 * Owns whether a double holds a number as it is written, or would change it.
 * Must not know where the number stands.
 * Invariant: what `JSON.stringify` writes of a number is held, and so is what other languages write of a double in up to 17
 * digits (`0.10000000000000001`).
 */

/** Up to so many characters, a number without an exponent has no more digits than a double holds. */
const SHORT = 15;
/** Longer ones are for nobody: a double has some 770 digits at the most. */
const MAX_WORD = 1_000;

/** What a number of JSON would become, as text; `undefined` if it stays what it is. */
export function lostIn(word: string): string | undefined {
  if (word.length <= SHORT && !word.includes("e") && !word.includes("E")) return undefined;
  const number = Number(word);
  // As most are that were written by a program.
  if (`${number}` === word) return undefined;
  const written = word.length > MAX_WORD ? "" : formOf(word);
  const isHeld = Number.isFinite(number) && written !== "" &&
    (formOf(`${number}`) === written || formOf(precise(number, written)) === written);
  return isHeld ? undefined : `${number}`;
}

/** The number with as many digits as were written; nothing where these are more than can be asked for. */
function precise(number: number, written: string): string {
  const digits = written.indexOf("e");
  return digits <= 100 ? number.toPrecision(digits) : "";
}

/** Digits and exponent, the same for all ways to write a number; its sign is left out. */
function formOf(word: string): string {
  const match = /^-?(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(word);
  if (match === null) return "";
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const end = digits.length - endingZeros(digits);
  if (end === 0) return "0";
  return `${digits.slice(0, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}

/** By hand: a pattern for them takes the square of the time where zeros stand in the middle. */
function endingZeros(digits: string): number {
  let count = 0;
  while (count < digits.length && digits[digits.length - 1 - count] === "0") count++;
  return count;
}
