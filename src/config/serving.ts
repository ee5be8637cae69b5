/**
 * Owns the variables of the end point that `outrider run --serve` and `outrider agent` share, and which values are secret.
 * Must not know who serves, nor what the rest of the configuration says.
 * Invariant: the schema of the agent's configuration and `outrider run` read each of them by the same function.
 */
import { isLoopback } from "../base/loopback.ts";
import type { ServeAddress } from "./serve_address.ts";

/** Reads a variable of the environment. */
export type ReadVariable = (name: string) => string | undefined;

/** What the operator says of an end point, whoever serves it. */
export interface OperatorSettings {
  /** A token of the operator's, which lets in beside each run's own. */
  readonly token: string | undefined;
  /** Names under which it may be asked, beside those of this machine. */
  readonly hosts: readonly string[];
}

/** Variables whose values are secret by what they are. */
export const SECRET_VARIABLES: readonly string[] = ["OUTRIDER_TOKEN", "OUTRIDER_SERVE_TOKEN"];

/** How a token of the operator's must be. */
export const TOKEN_FORM = "16 to 512 printable ASCII characters without spaces";

/** The settings of `outrider run --serve`; what is wrong with one is said by who serves. */
export function operatorSettings(env: ReadVariable): OperatorSettings {
  return {
    token: env("OUTRIDER_SERVE_TOKEN")?.trim() || undefined,
    hosts: namesOf(env("OUTRIDER_SERVE_HOSTS") ?? ""),
  };
}

/** The values of variables that are secret, as they are set and as they are read: those that `OUTRIDER_SECRETS` names, and ours that are. */
export function secretsIn(env: ReadVariable): readonly string[] {
  const names = [...namesOf(env("OUTRIDER_SECRETS") ?? ""), ...SECRET_VARIABLES];
  return names.flatMap((name) => {
    const value = env(name) ?? "";
    return [...new Set([value, value.trim()])];
  }).filter((value) => value !== "");
}

/** Names with commas between. */
export function namesOf(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** Whether a token of the operator's is long enough, and can stand in a header. */
export function isOperatorToken(text: string): boolean {
  return /^[\x21-\x7e]{16,512}$/.test(text);
}

/** Whether a name can be that of a host, without a port. */
export function isHostName(text: string): boolean {
  return /^(?:[\w-]+(?:\.[\w-]+)*\.?|\[[0-9a-f:.]{2,45}\])$/i.test(text) && text.length <= 253;
}

/** Why an address may not be served with this token; `undefined` if it may. */
export function exposure(address: ServeAddress, token: string | undefined): string | undefined {
  if ("path" in address || isLoopback(address.hostname) || token !== undefined) return undefined;
  return `Others can reach ${address.hostname}: set OUTRIDER_SERVE_TOKEN to a token of at least 16 characters, or serve on 127.0.0.1`;
}
