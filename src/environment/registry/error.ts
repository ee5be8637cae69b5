/**
 * Owns the error for a registry that can't be asked, refuses, or is not believed.
 * Must not know what was asked.
 */
import { harmlessText } from "../../base/harmless.ts";

/** What becomes of an error of a registry. */
export interface RegistryErrorOptions extends ErrorOptions {
  /** Of the answer, if there was one. */
  readonly status?: number;
  /** The same may work later: the line was cut, or the registry has too much to do. Default false. */
  readonly transient?: boolean;
  /** How long the registry asks to wait, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A registry could not be asked, refused, or told something else than it was asked for. */
export class RegistryError extends Error {
  readonly code = "OUTRIDER_REGISTRY";
  override name = "RegistryError";
  readonly status: number | undefined;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: RegistryErrorOptions = {}) {
    super(harmlessText(message), options);
    this.status = options.status;
    this.transient = options.transient ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}
