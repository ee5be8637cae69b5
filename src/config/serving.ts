/**
 * Owns the variables of the end point that `outrider run --serve` and `outrider agent` share: names, forms, how they are read.
 * Must not know who serves, nor what the rest of the configuration says.
 * Invariant: the schema of the agent's configuration and the end point read each of them by the same function.
 */
import { isLoopback } from "../base/loopback.ts";
import { type Place, placeOf } from "./place.ts";

/** What the environment says of an end point, whoever serves it. */
export interface ServingSettings {
  /** A token of the operator's, which lets in beside each run's own; empty if there is none. */
  readonly token: string;
  /** Names under which it may be asked, beside those of this machine. */
  readonly hosts: readonly string[];
  /** Names of variables whose values are secret. */
  readonly secrets: readonly string[];
}

/** Variables whose values are secret by what they are. */
export const SECRET_VARIABLES: readonly string[] = ["OUTRIDER_TOKEN", "OUTRIDER_SERVE_TOKEN"];

/** How a token of the operator's must be. */
export const TOKEN_FORM = "16 to 512 printable ASCII characters without spaces";

/** Reads the settings; what is wrong with one is said by those who use it. */
export function servingSettings(env: (name: string) => string | undefined): ServingSettings {
  return {
    token: env("OUTRIDER_SERVE_TOKEN")?.trim() ?? "",
    hosts: namesOf(env("OUTRIDER_SERVE_HOSTS") ?? ""),
    secrets: namesOf(env("OUTRIDER_SECRETS") ?? ""),
  };
}

/** Variables whose values are secret: those that `OUTRIDER_SECRETS` names, with commas between, and ours that are. */
export function secretVariables(env: (name: string) => string | undefined): readonly string[] {
  return [...servingSettings(env).secrets, ...SECRET_VARIABLES];
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

/** Whether a text can be read as an address. */
export function isPlace(text: string): boolean {
  try {
    placeOf(text);
    return true;
  } catch {
    return false;
  }
}

/** Why an address may not be served with this token; `undefined` if it may. */
export function exposure(place: Place, token: string): string | undefined {
  if ("path" in place || isLoopback(place.hostname) || token !== "") return undefined;
  return `Others can reach ${place.hostname}: set OUTRIDER_SERVE_TOKEN to a token of at least 16 characters, or serve on 127.0.0.1`;
}
