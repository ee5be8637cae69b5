/**
 * Owns the executable of a target: Outrider with a runtime in one file.
 * Must not know any environment.
 */
import { EnvironmentError } from "../document/error.ts";
import type { BaseName, Target } from "../document/schema.ts";

/** Makes it. @returns Its path. */
export function makeExecutableFor(target: Target, base: BaseName): Promise<string> {
  return Promise.reject(new EnvironmentError(`${base} for ${target}`, "No executable can be made of it"));
}
