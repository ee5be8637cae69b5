/**
 * Owns which values are secret.
 * Must not know where they must not appear.
 */
import { Redactor } from "./redactor.ts";
import { SECRET_VARIABLES, servingSettings } from "../config/serving.ts";

/**
 * Takes out the values of the variables that `OUTRIDER_SECRETS` names, with commas between, and of those of ours that are
 * secret.
 *
 * @param more Secrets that are in no variable.
 */
export function redactorFor(
  env: (name: string) => string | undefined,
  more: readonly string[] = [],
): Redactor {
  const names = [...servingSettings(env).secrets, ...SECRET_VARIABLES];
  return new Redactor([...more, ...names.map((name) => env(name) ?? "")]);
}
