/**
 * Owns the variables that count before the configuration is read, since what they name sets others. It loads nothing.
 * Must not know what is in an environment.
 */

/** Variable with the file of the environment that a device was given. */
export const ENVIRONMENT_FILE = "OUTRIDER_ENVIRONMENT";

/** The environment of this process. */
interface Variables {
  env(name: string): string | undefined;
  setEnv(name: string, value: string): void;
}

/** The file of the environment, if one is named. */
export function environmentFile({ env }: Pick<Variables, "env">): string | undefined {
  return env(ENVIRONMENT_FILE) || undefined;
}

/** Lays an environment's variables beneath those of the process, and has its secrets kept out of what is told. */
export function layBeneath(
  { env, setEnv }: Variables,
  variables: Readonly<Record<string, string>>,
  secrets: readonly string[],
): void {
  for (const [name, value] of Object.entries(variables)) if (env(name) === undefined) setEnv(name, value);
  if (secrets.length === 0) return;
  setEnv("OUTRIDER_SECRETS", [env("OUTRIDER_SECRETS"), ...secrets].filter(Boolean).join(","));
}

/** Names of the variables that are as an environment has laid them: what is started from another one has none of them. */
export function laidBeneath(
  { env }: Pick<Variables, "env">,
  variables: Readonly<Record<string, string>>,
): string[] {
  return [ENVIRONMENT_FILE, ...Object.keys(variables).filter((name) => env(name) === variables[name])];
}

/** Which of an environment's secrets the device has not brought. A token may lie in a file. */
export function missingSecrets(
  { env }: Pick<Variables, "env">,
  secrets: readonly string[],
): readonly string[] {
  return secrets.filter((name) => !env(name) && !env(`${name}_FILE`));
}
