/**
 * Owns options of which several may be chosen out of some that are known.
 * Must not know which command has the option.
 */
import { UsageError } from "./errors.ts";

/** What was asked for, each once. */
export function chosenOf<T extends string>(
  option: string,
  given: readonly string[] | undefined,
  known: readonly T[],
): readonly T[] | undefined {
  const wrong = given?.find((each) => !(known as readonly string[]).includes(each));
  if (wrong === undefined) return given && [...new Set(given as readonly T[])];
  throw new UsageError(`--${option}: ${JSON.stringify(wrong)} is none of ${known.join(", ")}`);
}
