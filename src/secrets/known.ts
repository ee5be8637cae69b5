/**
 * Owns which values are secret.
 * Must not know where they must not appear.
 */
import { Redactor } from "./redactor.ts";

/**
 * Takes out the values of variables.
 *
 * @param names Of the variables.
 * @param more Secrets that are in no variable.
 */
export function redactorFor(
  env: (name: string) => string | undefined,
  { names, more = [] }: { readonly names: readonly string[]; readonly more?: readonly string[] },
): Redactor {
  return new Redactor([...more, ...names.map((name) => env(name) ?? "")]);
}
